//! Blocking driver over [`embedded_io`].
//!
//! A loop around [`proto`](crate::proto), with nothing of the protocol in it. The same calls as in
//! [`asynch`](crate::asynch), without `.await`.
//!
//! # Time-outs and non-blocking transports
//! If the transport returns an error in the middle of anything, nothing is lost: what was read stays in the receive
//! buffer, and what was not written in the send buffer. After a time-out the same call goes on where it stopped
//! ([`resume_send`](WebSocket::resume_send) for `send`). A transport that reports [`TimedOut`] while a pong is to be
//! written does not keep `recv` from reading, nor does one that fails to write it, until there is nothing more to be read.
//!
//! [`TimedOut`]: embedded_io::ErrorKind::TimedOut

mod handshake;
#[cfg(feature = "std")]
mod split;

use embedded_io::{ErrorKind, Read, Write};
pub use handshake::{Refused, accept, accept_with, connect, connect_with};
#[cfg(feature = "std")]
pub(crate) use split::halves;
#[cfg(feature = "std")]
pub use split::{Halves, Reader, Writer};

use crate::{
    Buffer, CloseCode, Closed, Error, Kind, Message, MisuseError, Part, Random,
    extension::{Codec, Encoder, Plain},
    proto::{Act, Mode, Outgoing, Session, Want},
};

/// A WebSocket connection over the transport `T`, with masking keys from `G`, the receive buffer `R` and the send
/// buffer `W`.
#[derive(Debug)]
pub struct WebSocket<T, G, R, W, C = Plain> {
    io: T,
    session: Session,
    random: G,
    rx: R,
    tx: W,
    codec: C,
}

impl<T, G: Random, R: Buffer, W: Buffer> WebSocket<T, G, R, W> {
    /// A connection whose opening handshake is done, from its pieces; the inverse of [`into_parts`](Self::into_parts) but for
    /// the codec, which is [`Plain`]: [`with_codec`](Self::with_codec) takes another.
    ///
    /// # Errors
    /// [`MisuseError::BufferTooSmall`], or [`MisuseError::NoRandom`] for a client with [`Unmasked`](crate::Unmasked).
    pub fn from_parts(io: T, session: Session, random: G, rx: R, tx: W) -> Result<Self, MisuseError> {
        Session::check_buffers(rx.bytes(), tx.bytes())?;
        session.check_random(&random)?;
        Ok(Self { io, session, random, rx, tx, codec: Plain::NEW })
    }

    /// The same connection with a codec that was negotiated for it, before anything is received or sent.
    pub fn with_codec<C: Codec>(self, codec: C) -> WebSocket<T, G, R, W, C> {
        let Self { io, session, random, rx, tx, codec: _ } = self;
        WebSocket { io, session, random, rx, tx, codec }
    }
}

impl<T: Read + Write, G: Random, R: Buffer, W: Buffer, C: Codec> WebSocket<T, G, R, W, C> {
    /// Receives the next message.
    ///
    /// Pings are answered and close frames too. A message larger than the receive buffer, or than
    /// [`max_message`](crate::Limits::max_message), fails the connection with 1009: take such with
    /// [`recv_part`](Self::recv_part). Fragments are assembled.
    ///
    /// # Errors
    /// [`Error::Closed`] when the closing handshake is over, whichever end began it. [`Error::Protocol`] when the peer
    /// broke a rule. [`Error::ConnectionLost`] and [`Error::Io`] when the transport ended or failed. All but a time-out
    /// are final.
    pub fn recv(&mut self) -> Result<Message<'_>, Error<T::Error>> {
        self.next(Mode::Whole)?;
        self.message(|_| {})
    }

    /// What [`next`](Self::next) found. If that is not valid, `failed` sees the transport when the peer was told.
    pub(crate) fn message(&mut self, failed: impl FnOnce(&mut T)) -> Result<Message<'_>, Error<T::Error>> {
        match self.session.message(self.rx.bytes(), self.codec.decoder()) {
            Ok(message) => Ok(message),
            Err(error) => {
                tell(&mut self.io, &mut self.session, &mut self.tx, &mut self.random);
                failed(&mut self.io);
                Err(error.into())
            }
        }
    }

    /// Receives what has arrived of the next message, as much as fits in the receive buffer: so a message of any
    /// size passes through a buffer of any size.
    ///
    /// # Errors
    /// Like [`recv`](Self::recv).
    pub fn recv_part(&mut self) -> Result<Part<'_>, Error<T::Error>> {
        self.next(Mode::Parts)?;
        Ok(self.part())
    }

    pub(crate) fn part(&self) -> Part<'_> {
        self.session.part(self.rx.bytes(), self.codec.decoder())
    }

    pub(crate) fn next(&mut self, mode: Mode) -> Result<(), Error<T::Error>> {
        if self.session.has_next(self.rx.bytes_mut(), self.codec.decoder(), mode) {
            return Ok(());
        }
        self.drive(&Want::Receive(mode))
    }

    /// Sends a message: text from a `&str`, binary from bytes, or a ping or pong as a [`Message`].
    ///
    /// A message larger than the send buffer is sent in several frames. Returns when all was written and flushed.
    ///
    /// # Errors
    /// [`Error::Misuse`] if it may not be sent now; otherwise how the connection ended. After a time-out,
    /// [`resume_send`](Self::resume_send) goes on.
    pub fn send<'m>(&mut self, message: impl Into<Message<'m>>) -> Result<(), Error<T::Error>> {
        self.send_with(message.into(), false, true)
    }

    /// Goes on with a `send` or `feed` that did not return `Ok`, given the same message; sends all of it if nothing
    /// of it was taken, nothing if all was.
    ///
    /// # Errors
    /// Like [`send`](Self::send); [`MisuseError::NotTheSameMessage`] where that shows.
    pub fn resume_send<'m>(&mut self, message: impl Into<Message<'m>>) -> Result<(), Error<T::Error>> {
        self.send_with(message.into(), true, true)
    }

    /// Puts a message in the send buffer, for a later [`flush`](Self::flush), `send` or `recv` to write: several small
    /// messages go out in one write. Writes only to make room.
    ///
    /// # Errors
    /// Like [`send`](Self::send).
    pub fn feed<'m>(&mut self, message: impl Into<Message<'m>>) -> Result<(), Error<T::Error>> {
        self.send_with(message.into(), false, false)
    }

    fn send_with(&mut self, message: Message<'_>, resume: bool, flush: bool) -> Result<(), Error<T::Error>> {
        let out = Outgoing::from(message);
        self.start(&out, resume)?;
        self.drive(&if flush { Want::Send(&out) } else { Want::Feed(&out) })
    }

    fn start(&mut self, out: &Outgoing<'_>, resume: bool) -> Result<(), Error<T::Error>> {
        self.session.start(self.codec.both().1, out, resume).map_err(|misuse| self.session.refusal(misuse))
    }

    /// Sends a part of a message; `fin` says that it is the last. All parts have the kind of the first.
    ///
    /// # Errors
    /// Like [`send`](Self::send).
    pub fn send_part(&mut self, kind: Kind, data: &[u8], fin: bool) -> Result<(), Error<T::Error>> {
        self.part_with(kind, data, fin, false)
    }

    /// Goes on with a `send_part` that did not return `Ok`, given the same part.
    ///
    /// # Errors
    /// Like [`resume_send`](Self::resume_send).
    pub fn resume_part(&mut self, kind: Kind, data: &[u8], fin: bool) -> Result<(), Error<T::Error>> {
        self.part_with(kind, data, fin, true)
    }

    fn part_with(&mut self, kind: Kind, data: &[u8], fin: bool, resume: bool) -> Result<(), Error<T::Error>> {
        let out = Outgoing { kind, data, fin, part: true };
        self.start(&out, resume)?;
        self.drive(&Want::Send(&out))
    }

    /// Writes and flushes all that is in the send buffer.
    ///
    /// # Errors
    /// How the connection ended.
    pub fn flush(&mut self) -> Result<(), Error<T::Error>> {
        self.drive(&Want::Flush)
    }

    /// Performs the closing handshake: sends a close frame if none was sent, and discards what comes until the peer's
    /// close frame, at a client until the end of the stream as well. Then the transport can be dropped.
    ///
    /// [`CloseCode::NO_STATUS_RECEIVED`] with an empty reason sends a close frame with an empty body.
    /// A peer that never answers, or never stops sending, makes this wait as long as the transport does.
    ///
    /// # Errors
    /// [`Error::Misuse`] for a code or reason that may not be sent; otherwise how the connection ended.
    pub fn close(&mut self, code: CloseCode, reason: &str) -> Result<Closed, Error<T::Error>> {
        self.session.start_close(code, reason)?;
        match self.drive(&Want::Close(code, reason)) {
            Ok(()) | Err(Error::Closed(_)) => Ok(self.session.closed()),
            Err(error) => Err(error),
        }
    }

    /// Does what the session asks for, up to what is wanted.
    fn drive(&mut self, want: &Want<'_>) -> Result<(), Error<T::Error>> {
        loop {
            let (rx, tx, (decoder, encoder)) = (self.rx.bytes_mut(), self.tx.bytes_mut(), self.codec.both());
            match self.session.advance(rx, tx, &mut self.random, decoder, encoder, want) {
                Act::Part | Act::Done => return Ok(()),
                Act::Receive => {
                    let space = self.session.space(self.rx.bytes_mut());
                    let n = self.io.read(space).map_err(|error| io_error(&mut self.session, error))?;
                    self.session.received(n, self.rx.bytes().len())?;
                }
                Act::Grow => {
                    if !self.rx.grow() {
                        self.session.overflow();
                    }
                }
                Act::Transmit => match self.io.write(self.session.pending(self.tx.bytes())) {
                    Ok(0) => return Err(Error::WriteZero),
                    Ok(n) => self.session.sent(n)?,
                    Err(_) if self.session.reads_on(want) => {}
                    Err(error) => return Err(io_error(&mut self.session, error)),
                },
                Act::Flush => match self.io.flush() {
                    Ok(()) => self.session.flushed(),
                    Err(_) if self.session.reads_on(want) => {}
                    Err(error) => return Err(io_error(&mut self.session, error)),
                },
                act => return Err(self.session.failure(act)),
            }
        }
    }
}

/// Writes what is owed to the peer: why the connection is failed. That this could not be done is the lesser news.
fn tell<T: Write, W: Buffer>(io: &mut T, session: &mut Session, tx: &mut W, random: &mut impl Random) {
    loop {
        let told = match session.advance(&mut [], tx.bytes_mut(), random, &mut (), &mut (), &Want::Flush) {
            Act::Transmit => {
                io.write(session.pending(tx.bytes())).is_ok_and(|n| n > 0 && session.sent(n).is_ok())
            }
            Act::Flush => io.flush().is_ok_and(|()| {
                session.flushed();
                true
            }),
            _ => false,
        };
        if !told {
            return;
        }
    }
}

/// A transport that fails after the connection had ended otherwise is no news.
pub(crate) fn io_error<E: embedded_io::Error>(session: &mut Session, error: E) -> Error<E> {
    if error.kind() != ErrorKind::TimedOut
        && let Some(failure) = session.control.closing.end_by_error()
    {
        return failure.into();
    }
    Error::Io(error)
}

impl<T, G, R: Buffer, W, C> WebSocket<T, G, R, W, C> {
    /// Which of the subprotocols of the request the server chose, by its place in the list.
    #[must_use]
    pub fn subprotocol(&self) -> Option<usize> {
        self.session.subprotocol()
    }

    /// The reason in the peer's close frame; empty if there was none.
    #[must_use]
    pub fn close_reason(&self) -> &str {
        self.session.close_reason(self.rx.bytes())
    }
}

impl<T, G, R, W, C: Codec> WebSocket<T, G, R, W, C> {
    /// Sets whether messages that begin from now on may be compressed, where that was negotiated; `true` at first. A
    /// secret is better sent as it is: see [`extension`](crate::extension).
    pub fn set_compression(&mut self, enabled: bool) {
        self.codec.both().1.set_enabled(enabled);
    }
}

impl<T, G, R, W, C> WebSocket<T, G, R, W, C> {
    /// The state of the protocol: close codes, time-outs, what an interrupted send took.
    #[must_use]
    pub const fn session(&self) -> &Session {
        &self.session
    }

    /// The same, for [`poll_timeout`](Session::poll_timeout) and [`handle_timeout`](Session::handle_timeout).
    pub const fn session_mut(&mut self) -> &mut Session {
        &mut self.session
    }

    /// The transport.
    #[must_use]
    pub const fn io(&self) -> &T {
        &self.io
    }

    /// The transport, for its settings; bytes read or written here are missing in the connection.
    pub const fn io_mut(&mut self) -> &mut T {
        &mut self.io
    }

    /// The pieces: transport, state, source of keys, receive and send buffer, codec.
    pub fn into_parts(self) -> (T, Session, G, R, W, C) {
        (self.io, self.session, self.random, self.rx, self.tx, self.codec)
    }
}

#[cfg(feature = "defmt")]
impl<T, G, R, W, C> defmt::Format for WebSocket<T, G, R, W, C> {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(f, "WebSocket {{ {} }}", self.session);
    }
}
