use core::ops::Range;

use embedded_io::{Read, Write};

use super::WebSocket;
use crate::{
    Buffer, Config, Error, Random, Request, Role, Unmasked,
    extension::{Codec, Plain},
    handshake::{ClientHandshake, HeadLine, RequestHead, Response, ServerHandshake, ServerStep, Step},
    proto::Session,
    random::check_keys,
};

/// Performs the opening handshake of a client over a connected transport (RFC 6455 section 4.1).
///
/// `random` makes the key of the handshake and a masking key a frame. The response's head may be longer than `rx`.
///
/// # Errors
/// [`Error::Handshake`] if the server does not agree, or the request cannot be sent as it is; [`Error::Misuse`] if a
/// buffer is too small or `random` is [`Unmasked`]; [`Error::Io`] of the transport.
pub fn connect<T: Read + Write, G: Random, R: Buffer, W: Buffer>(
    io: T,
    request: &Request<'_>,
    random: G,
    rx: R,
    tx: W,
) -> Result<WebSocket<T, G, R, W>, Error<T::Error>> {
    open(io, request, random, rx, tx, Plain::NEW, None::<&mut fn(HeadLine<'_>)>)
        .map_err(|refused| refused.error)
}

/// An opening handshake that failed, and what is left of it.
#[derive(Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Refused<E, R> {
    /// Why.
    pub error: Error<E>,
    /// The receive buffer. For [`HandshakeError::Status`](crate::HandshakeError::Status) it holds the beginning of the response's body.
    pub rx: R,
    /// Where in `rx` the body lies.
    pub body: Range<usize>,
}

impl<E, R> From<Refused<E, R>> for Error<E> {
    fn from(refused: Refused<E, R>) -> Self {
        refused.error
    }
}

/// Like [`connect`], with a codec: [`Deflate`](crate::extension::Deflate) compresses, if the server agrees;
/// [`Plain`] does not. Shows each line of the response's head to `observe`; a refusal comes with the beginning of its
/// body.
///
/// # Errors
/// Like [`connect`].
#[allow(clippy::type_complexity, reason = "the pieces are the caller's own types")]
pub fn connect_with<T: Read + Write, G: Random, R: Buffer, W: Buffer, C: Codec>(
    io: T,
    request: &Request<'_>,
    random: G,
    rx: R,
    tx: W,
    codec: C,
    mut observe: impl FnMut(HeadLine<'_>),
) -> Result<WebSocket<T, G, R, W, C>, Refused<T::Error, R>> {
    open(io, request, random, rx, tx, codec, Some(&mut observe))
}

#[allow(clippy::type_complexity, reason = "the pieces are the caller's own types")]
fn open<T: Read + Write, G: Random, R: Buffer, W: Buffer, C: Codec>(
    mut io: T,
    request: &Request<'_>,
    mut random: G,
    mut rx: R,
    mut tx: W,
    #[cfg_attr(not(feature = "deflate"), allow(unused_mut))] mut codec: C,
    observe: Option<&mut impl FnMut(HeadLine<'_>)>,
) -> Result<WebSocket<T, G, R, W, C>, Refused<T::Error, R>> {
    let usable = Session::check_buffers(rx.bytes(), tx.bytes()).and(check_keys(&random));
    if let Err(error) = usable {
        return Err(Refused { error: error.into(), rx, body: 0..0 });
    }
    let (early, result) = {
        // Gone before the connection is made, which takes the same stack.
        let mut handshake = ClientHandshake::begin(request);
        handshake.draw(&mut random);
        #[cfg(feature = "deflate")]
        match codec.config() {
            Ok(config) => handshake.set_deflate(config),
            Err(error) => return Err(Refused { error: error.into(), rx, body: 0..0 }),
        }
        let result = run(request, &mut io, &mut handshake, rx.bytes_mut(), tx.bytes_mut(), observe);
        #[cfg(feature = "deflate")]
        if let (Ok(()), Some(negotiated)) = (&result, handshake.negotiated()) {
            codec.agree(negotiated);
        }
        (handshake.early(), result.map(|()| handshake.subprotocol()))
    };
    match result {
        Ok(subprotocol) => {
            let mut session = Session::with_early(Role::Client, &request.config, early);
            session.set_subprotocol(subprotocol);
            Ok(WebSocket { io, session, random, rx, tx, codec })
        }
        Err(error) => Err(Refused { error, rx, body: early }),
    }
}

fn run<T: Read + Write>(
    request: &Request<'_>,
    io: &mut T,
    handshake: &mut ClientHandshake<'_>,
    rx: &mut [u8],
    tx: &mut [u8],
    mut observe: Option<&mut impl FnMut(HeadLine<'_>)>,
) -> Result<(), Error<T::Error>> {
    loop {
        match handshake.poll_with(request, rx, tx, observe.as_deref_mut())? {
            Step::Transmit => match io.write(handshake.pending(tx)).map_err(Error::Io)? {
                0 => return Err(Error::WriteZero),
                n => handshake.sent(n)?,
            },
            Step::Flush => {
                io.flush().map_err(Error::Io)?;
                handshake.flushed();
            }
            Step::Receive => {
                let n = io.read(handshake.space(rx)).map_err(Error::Io)?;
                handshake.received(n)?;
            }
            Step::Done => return Ok(()),
        }
    }
}

/// Performs the opening handshake of a server over an accepted transport (RFC 6455 section 4.2).
///
/// `decide` sees the request and answers it: [`Response::accept`] or [`Response::reject`]. One that cannot be sent refuses
/// the client with 500. The request's head has to fit in `rx`.
///
/// # Errors
/// [`Error::Handshake`] if the request is refused, by `decide` or by the rules; the client was told so.
/// [`Error::Misuse`] if a buffer is too small; [`Error::Io`] of the transport.
pub fn accept<'a, T: Read + Write, R: Buffer, W: Buffer>(
    io: T,
    config: &Config,
    rx: R,
    tx: W,
    decide: impl FnOnce(&RequestHead<'_>) -> Response<'a>,
) -> Result<WebSocket<T, Unmasked, R, W>, Error<T::Error>> {
    accept_with(io, config, rx, tx, Plain::NEW, decide)
}

/// Like [`accept`], with a codec: [`Deflate`](crate::extension::Deflate) compresses, if the client offers what it can do.
///
/// # Errors
/// Like [`accept`].
#[allow(clippy::type_complexity, reason = "the pieces are the caller's own types")]
pub fn accept_with<'a, T: Read + Write, R: Buffer, W: Buffer, C: Codec>(
    mut io: T,
    config: &Config,
    mut rx: R,
    mut tx: W,
    #[cfg_attr(not(feature = "deflate"), allow(unused_mut))] mut codec: C,
    decide: impl FnOnce(&RequestHead<'_>) -> Response<'a>,
) -> Result<WebSocket<T, Unmasked, R, W, C>, Error<T::Error>> {
    Session::check_buffers(rx.bytes(), tx.bytes())?;
    let mut handshake = ServerHandshake::new(config.limits);
    #[cfg(feature = "deflate")]
    handshake.set_deflate(codec.config()?);
    let mut decide = Some(decide);
    loop {
        match handshake.poll(rx.bytes_mut(), tx.bytes_mut())? {
            ServerStep::Request => {
                let response = match (handshake.request(rx.bytes()), decide.take()) {
                    (Some(request), Some(decide)) => decide(&request),
                    _ => Response::reject(500),
                };
                handshake.answer(response, rx.bytes())?;
            }
            ServerStep::Transmit => match io.write(handshake.pending(tx.bytes())).map_err(Error::Io)? {
                0 => return Err(Error::WriteZero),
                n => handshake.sent(n)?,
            },
            ServerStep::Flush => {
                io.flush().map_err(Error::Io)?;
                handshake.flushed();
            }
            ServerStep::Receive => {
                let n = io.read(handshake.space(rx.bytes_mut())).map_err(Error::Io)?;
                handshake.received(n)?;
            }
            ServerStep::Done => break,
        }
    }
    #[cfg(feature = "deflate")]
    if let Some(negotiated) = handshake.negotiated() {
        codec.agree(negotiated);
    }
    let session = Session::with_early(Role::Server, config, handshake.early());
    Ok(WebSocket { io, session, random: Unmasked, rx, tx, codec })
}
