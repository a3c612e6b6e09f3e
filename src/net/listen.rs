use std::{
    io,
    net::{SocketAddr, TcpListener, TcpStream, ToSocketAddrs},
    string::String,
    sync::Arc,
    time::Duration,
    vec::Vec,
};

use rustls::{ServerConfig, ServerConnection};

#[cfg(feature = "deflate")]
use super::DeflateOptions;
use super::{
    Error, Phase, Stream, WebSocket,
    deflate::Compression,
    layers::Layer,
    options::{Sizes, deadline},
    random::Keys,
    tuning::Tuning,
};
use crate::{
    Config, HandshakeError, Limits, blocking,
    handshake::{RequestHead, Response},
};

/// How a server answers, and how its connections behave.
#[derive(Clone, Debug)]
#[must_use]
pub struct ServerOptions {
    pub(super) handshake_timeout: Duration,
    pub(super) read_timeout: Option<Duration>,
    pub(super) write_timeout: Option<Duration>,
    pub(super) subprotocols: Vec<String>,
    pub(super) config: Config,
    pub(super) tls: Option<Arc<ServerConfig>>,
    pub(super) sizes: Sizes,
    pub(super) tuning: Tuning,
    pub(super) compression: Compression,
}

impl Default for ServerOptions {
    fn default() -> Self {
        Self::new()
    }
}

impl ServerOptions {
    /// The defaults that the methods name.
    pub const fn new() -> Self {
        Self {
            handshake_timeout: Duration::from_secs(30),
            read_timeout: None,
            write_timeout: None,
            subprotocols: Vec::new(),
            config: Config::DEFAULT,
            tls: None,
            sizes: Sizes::DEFAULT,
            tuning: Tuning::DEFAULT,
            compression: Compression::NONE,
        }
    }

    /// How long a client may take for the handshake of TLS and the opening handshake together. Default 30 s.
    pub fn handshake_timeout(mut self, timeout: Duration) -> Self {
        self.handshake_timeout = timeout;
        self
    }

    /// How long the closing handshake may take: [`Config::close_timeout`]. Default 5 s.
    pub fn close_timeout(mut self, timeout: Duration) -> Self {
        self.config.close_timeout = timeout;
        self
    }

    /// How long one read of an open connection waits. Default `None`: as long as it takes.
    pub fn read_timeout(mut self, timeout: Option<Duration>) -> Self {
        self.read_timeout = timeout;
        self
    }

    /// How long one write of an open connection waits. Default `None`: as long as it takes.
    pub fn write_timeout(mut self, timeout: Option<Duration>) -> Self {
        self.write_timeout = timeout;
        self
    }

    /// Sets the subprotocols to select from: the first one that the client offers and that is here.
    pub fn subprotocols(mut self, subprotocols: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.subprotocols = subprotocols.into_iter().map(Into::into).collect();
        self
    }

    /// Sets how connections behave, with their limits and their close timeout.
    pub fn config(mut self, config: Config) -> Self {
        self.config = config;
        self
    }

    /// Sets what is accepted from clients.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.config.limits = limits;
        self
    }

    /// Serves `wss`: with this configuration of TLS, which holds the certificate.
    pub fn tls(mut self, config: Arc<ServerConfig>) -> Self {
        self.tls = Some(config);
        self
    }

    /// Sets the size of the receive buffer of a connection in bytes, which a request's head has to fit in. It grows as
    /// messages need it. Default 64 KiB.
    pub fn receive_buffer(mut self, bytes: usize) -> Self {
        self.sizes.receive = bytes;
        self
    }

    /// Sets the size of the send buffer of a connection in bytes. Default: what a frame of 64 KiB needs.
    pub fn send_buffer(mut self, bytes: usize) -> Self {
        self.sizes.send = bytes;
        self
    }

    /// Agrees to permessage-deflate with clients that offer it. Default: not.
    ///
    /// Where a secret and what others can choose are sent over one connection, read of
    /// [secrets](crate::extension#secrets) before.
    #[cfg(feature = "deflate")]
    pub const fn deflate(mut self, deflate: DeflateOptions) -> Self {
        self.compression.options = Some(deflate);
        self
    }

    /// Whether small writes leave at once (`TCP_NODELAY`). Default `true`.
    pub fn nodelay(mut self, nodelay: bool) -> Self {
        self.tuning.nodelay = nodelay;
        self
    }

    /// Whether the system asks a silent client if it is still there. Default `true`.
    pub fn keepalive(mut self, keepalive: bool) -> Self {
        self.tuning.keepalive = keepalive;
        self
    }

    /// Listens at `addr`; port 0 lets the system choose.
    ///
    /// # Errors
    /// Those of [`TcpListener::bind`].
    pub fn bind(self, addr: impl ToSocketAddrs) -> io::Result<Server> {
        Ok(self.listen(TcpListener::bind(addr)?))
    }

    /// Listens with a listener of the caller's: one that a service manager has handed over, say.
    pub const fn listen(self, listener: TcpListener) -> Server {
        Server { listener, options: self }
    }

    /// Performs the opening handshake with the client at the other end of `tcp`, and accepts every valid request.
    ///
    /// # Errors
    /// [`Error::Handshake`] for a request that breaks a rule; the client was told so. [`Error::Timeout`],
    /// [`Error::Tls`], [`Error::Io`]; [`Error::Misuse`] for a buffer that is too small.
    pub fn accept(&self, tcp: TcpStream) -> Result<WebSocket, Error> {
        let mine: Vec<&str> = self.subprotocols.iter().map(String::as_str).collect();
        self.accept_with(tcp, |request| match request.choose(&mine) {
            Some(own) => Response::accept().subprotocol(own),
            None => Response::accept(),
        })
    }

    /// The same, but `decide` sees the request and answers it; the list of subprotocols does not count.
    ///
    /// # Errors
    /// Like [`accept`](Self::accept); [`HandshakeError::Refused`] for a request that `decide` rejected.
    pub fn accept_with<'a>(
        &self,
        tcp: TcpStream,
        decide: impl FnOnce(&RequestHead<'_>) -> Response<'a>,
    ) -> Result<WebSocket, Error> {
        let (rx, tx) = self.sizes.allocate(&self.config.limits)?;
        // Some systems let a socket inherit this from the listener.
        tcp.set_nonblocking(false).map_err(Error::Io)?;
        self.tuning.apply(&tcp);
        let mut stream = Stream::tcp(tcp);
        stream.set_deadline(deadline(self.handshake_timeout));
        if let Some(config) = &self.tls {
            let connection = ServerConnection::new(config.clone()).map_err(Error::Tls)?;
            stream
                .start_tls(connection.into(), Layer::Server)
                .map_err(|error| Error::from_io(error).within(Phase::Tls))?;
        }
        let mut subprotocol = None;
        let decide = |request: &RequestHead<'_>| {
            let response = decide(request);
            subprotocol = response.subprotocol.map(String::from);
            response
        };
        let codec = self.compression.codec(&self.config.limits);
        let (session, rx, tx, codec) =
            match blocking::accept_with(&mut stream, &self.config, rx, tx, codec, decide) {
                Ok(accepted) => {
                    let (_, session, _, rx, tx, codec) = accepted.into_parts();
                    (session, rx, tx, codec)
                }
                Err(error) => {
                    if !matches!(
                        error,
                        crate::Error::Io(_) | crate::Error::Handshake(HandshakeError::UnexpectedEof)
                    ) {
                        stream.linger();
                    }
                    return Err(Error::from_core(error).within(Phase::Handshake));
                }
            };
        stream.set_deadline(None);
        stream.set_read_timeout(self.read_timeout).map_err(Error::Io)?;
        stream.set_write_timeout(self.write_timeout).map_err(Error::Io)?;
        let inner =
            blocking::WebSocket::from_parts(stream, session, Keys::server(), rx, tx)?.with_codec(codec);
        Ok(WebSocket::new(inner, subprotocol, None, &self.config))
    }
}

/// A server of WebSocket connections, for tests, tools and small services.
///
/// ```no_run
/// let server = sockling::Server::bind("127.0.0.1:9001")?;
/// loop {
///     let tcp = server.accept_tcp()?;
///     let options = server.options().clone();
///     // The handshake belongs in the thread of its connection: a slow client must not keep others waiting.
///     std::thread::spawn(move || {
///         let mut ws = options.accept(tcp)?;
///         while let Ok(message) = ws.recv() {
///             println!("{message}");
///         }
///         Ok::<(), sockling::net::Error>(())
///     });
/// }
/// # #[allow(unreachable_code)]
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    options: ServerOptions,
}

impl Server {
    /// Listens at `addr` with the defaults of [`ServerOptions`]; port 0 lets the system choose.
    ///
    /// # Errors
    /// Those of [`TcpListener::bind`].
    pub fn bind(addr: impl ToSocketAddrs) -> io::Result<Self> {
        ServerOptions::new().bind(addr)
    }

    /// The address that it listens at.
    ///
    /// # Errors
    /// That of the socket.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// The listener, to poll it, or to set it to be non-blocking: `accept` fails with [`Error::Io`] and
    /// [`WouldBlock`](io::ErrorKind::WouldBlock) then where no client waits, which is how a loop comes to see that it is
    /// to end.
    #[must_use]
    pub const fn listener(&self) -> &TcpListener {
        &self.listener
    }

    /// How it answers.
    pub const fn options(&self) -> &ServerOptions {
        &self.options
    }

    /// Waits for a client and performs the opening handshake with it; accepts every valid request.
    ///
    /// # Errors
    /// Like [`ServerOptions::accept`]: it is about this one client, so go on with the next. Only if
    /// [`Error::Io`] comes again and again the listener itself has failed, or the process has too many sockets open.
    pub fn accept(&self) -> Result<WebSocket, Error> {
        self.handshake(self.accept_tcp().map_err(Error::Io)?)
    }

    /// The same, but `decide` sees the request and answers it: [`Response::accept`] or [`Response::reject`].
    ///
    /// # Errors
    /// Like [`accept`](Self::accept).
    pub fn accept_with<'a>(
        &self,
        decide: impl FnOnce(&RequestHead<'_>) -> Response<'a>,
    ) -> Result<WebSocket, Error> {
        self.options.accept_with(self.accept_tcp().map_err(Error::Io)?, decide)
    }

    /// Waits for a client, without its handshake: that is for [`handshake`](Self::handshake), in another thread.
    ///
    /// # Errors
    /// Those of [`TcpListener::accept`].
    pub fn accept_tcp(&self) -> io::Result<TcpStream> {
        Ok(self.listener.accept()?.0)
    }

    /// Performs the opening handshake with a client of [`accept_tcp`](Self::accept_tcp).
    ///
    /// # Errors
    /// Like [`ServerOptions::accept`].
    pub fn handshake(&self, tcp: TcpStream) -> Result<WebSocket, Error> {
        self.options.accept(tcp)
    }

    /// Goes on with [`accept`](Self::accept) for ever; an error is about one client.
    pub const fn incoming(&self) -> Incoming<'_> {
        Incoming { server: self }
    }
}

/// The connections of a [`Server`], see [`Server::incoming`].
#[derive(Debug)]
#[must_use]
pub struct Incoming<'a> {
    server: &'a Server,
}

impl Iterator for Incoming<'_> {
    type Item = Result<WebSocket, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        Some(self.server.accept())
    }
}

/// Performs the opening handshake of a server with the client at the other end of `tcp`, with the defaults of
/// [`ServerOptions`].
///
/// # Errors
/// Like [`ServerOptions::accept`].
pub fn accept(tcp: TcpStream) -> Result<WebSocket, Error> {
    ServerOptions::new().accept(tcp)
}
