use core::future::poll_fn;
use std::{string::String, vec::Vec};

use ::tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::TlsAcceptor;

use super::{Stream, WebSocket, connection::Connection, io::Io};
use crate::{
    HandshakeError, asynch,
    handshake::{RequestHead, Response},
    net::{Error, Phase, ServerOptions, layers::Layer, random::Keys},
};

/// Performs the opening handshake of a server with the client at the other end of `tcp`, with the defaults of
/// [`ServerOptions`], in a task of tokio.
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let listener = tokio::net::TcpListener::bind("127.0.0.1:9001").await?;
/// loop {
///     let (tcp, _) = listener.accept().await?;
///     // The handshake belongs in the task of its connection: a slow client must not keep others waiting.
///     tokio::spawn(async move {
///         let mut ws = sockling::net::tokio::accept_async(tcp).await?;
///         while let Ok(message) = ws.recv().await {
///             println!("{message}");
///         }
///         Ok::<(), sockling::net::Error>(())
///     });
/// }
/// # }
/// ```
///
/// # Errors
/// Like [`ServerOptions::accept`].
///
/// # Cancel safety
/// A handshake that is dropped is over, with its connection.
pub async fn accept_async(tcp: TcpStream) -> Result<WebSocket, Error> {
    ServerOptions::new().accept_async(tcp).await
}

impl ServerOptions {
    /// Performs the opening handshake with the client at the other end of `tcp`, and accepts every valid request, in a
    /// task of tokio.
    ///
    /// # Errors
    /// Like [`accept`](Self::accept).
    ///
    /// # Cancel safety
    /// A handshake that is dropped is over, with its connection.
    pub async fn accept_async(&self, tcp: TcpStream) -> Result<WebSocket, Error> {
        self.tuning.apply(&tcp);
        self.accept_over(Stream::tcp(tcp)).await
    }

    /// The same over a `stream` that is connected already, of any kind.
    ///
    /// # Errors
    /// Like [`accept`](Self::accept).
    ///
    /// # Cancel safety
    /// Like [`accept_async`](Self::accept_async).
    pub async fn accept_stream_async(
        &self,
        stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    ) -> Result<WebSocket, Error> {
        self.accept_over(Stream::given(stream)).await
    }

    async fn accept_over(&self, stream: Stream) -> Result<WebSocket, Error> {
        let mine: Vec<&str> = self.subprotocols.iter().map(String::as_str).collect();
        self.accept_deciding(stream, |request| match request.choose(&mine) {
            Some(own) => Response::accept().subprotocol(own),
            None => Response::accept(),
        })
        .await
    }

    /// Like [`accept_async`](Self::accept_async), but `decide` sees the request and answers it; the list of subprotocols
    /// does not count.
    ///
    /// # Errors
    /// Like [`accept_with`](Self::accept_with).
    ///
    /// # Cancel safety
    /// Like [`accept_async`](Self::accept_async).
    pub async fn accept_async_with<'a>(
        &self,
        tcp: TcpStream,
        decide: impl FnOnce(&RequestHead<'_>) -> Response<'a>,
    ) -> Result<WebSocket, Error> {
        self.tuning.apply(&tcp);
        self.accept_deciding(Stream::tcp(tcp), decide).await
    }

    async fn accept_deciding<'a>(
        &self,
        stream: Stream,
        decide: impl FnOnce(&RequestHead<'_>) -> Response<'a>,
    ) -> Result<WebSocket, Error> {
        let (rx, tx) = self.sizes.allocate(&self.config.limits)?;
        let codec = self.compression.codec(&self.config.limits);
        let mut subprotocol = None;
        let decide = |request: &RequestHead<'_>| {
            let response = decide(request);
            subprotocol = response.subprotocol.map(String::from);
            response
        };
        let mut phase = Phase::Tls;
        let opening = async {
            let stream = match &self.tls {
                Some(config) => match TlsAcceptor::from(config.clone()).accept(stream).await {
                    Ok(tls) => Stream::tls(tls, Layer::Server),
                    Err(error) => return Err(Error::from_io(error)),
                },
                None => stream,
            };
            phase = Phase::Handshake;
            let mut io = Io::new(stream);
            match asynch::accept_with(&mut io, &self.config, rx, tx, codec, decide).await {
                Ok(accepted) => {
                    let (_, session, _, rx, tx, codec) = accepted.into_parts();
                    let inner = asynch::WebSocket::from_parts(io, session, Keys::server(), rx, tx)?;
                    Ok(inner.with_codec(codec))
                }
                Err(error) => {
                    if !matches!(
                        error,
                        crate::Error::Io(_) | crate::Error::Handshake(HandshakeError::UnexpectedEof)
                    ) {
                        io.linger();
                        poll_fn(|cx| io.poll_end(cx)).await;
                    }
                    Err(Error::from_core(error))
                }
            }
        };
        match timeout(self.handshake_timeout, opening).await {
            Ok(inner) => Ok(WebSocket::new(Connection::new(inner?, true, &self.config), subprotocol, None)),
            Err(_) => Err(Error::Timeout(phase)),
        }
    }
}
