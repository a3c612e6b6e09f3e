use std::{
    io::{Read, Write},
    string::String,
    sync::Arc,
    vec::Vec,
};

use rustls::ClientConfig;

use super::{
    ConnectOptions, Error, HttpResponse, Phase, Stream, WebSocket, WsUrl,
    dial::{dial, start_tls},
    options::deadline,
    random::Keys,
    trust::server_name,
};
use crate::{
    Buffer, HandshakeError, Request, blocking,
    handshake::{ClientHandshake, HeadLine},
};

/// Connects to `url`, `ws://` or `wss://`, with the defaults of [`ConnectOptions`].
///
/// ```no_run
/// use sockling::CloseCode;
/// let mut ws = sockling::connect("wss://echo.example/")?;
/// ws.send("Hello, World")?;
/// println!("Received {:?}", ws.recv()?);
/// ws.close(CloseCode::NORMAL, "bye")?;
/// # Ok::<(), sockling::net::Error>(())
/// ```
///
/// # Errors
/// Like [`ConnectOptions::connect`].
pub fn connect(url: &str) -> Result<WebSocket, Error> {
    ConnectOptions::new().connect(url)
}

impl ConnectOptions {
    /// Connects to `url`, `ws://` or `wss://`, and performs the opening handshake.
    ///
    /// User name and password in the URL are not sent: give them as a [`header`](Self::header).
    ///
    /// # Errors
    /// Before anything is resolved or sent: [`Error::Url`]; [`Error::Handshake`] for a header field, host, origin or
    /// subprotocol that cannot be sent; [`Error::Misuse`] for a buffer that is too small; [`Error::Roots`],
    /// [`Error::Random`]. Then [`Error::Dns`], [`Error::Connect`], [`Error::Certificate`], [`Error::Tls`],
    /// [`Error::Status`], [`Error::Handshake`] and, for each of these stages, [`Error::Timeout`].
    pub fn connect(&self, url: &str) -> Result<WebSocket, Error> {
        self.establish(url, |url, tls| dial(url, tls, self.tuning, deadline(self.connect_timeout)))
    }

    /// Performs the handshake over a `stream` that is connected already: a tunnel, a socket with settings of its own.
    ///
    /// For `wss://` TLS is performed over it; if the stream is TLS already, write `ws://`. Deadlines show only between
    /// the reads and writes of the stream, except that of a [`TcpStream`](std::net::TcpStream): set its own time limits.
    ///
    /// # Errors
    /// Like [`connect`](Self::connect).
    pub fn connect_stream(
        &self,
        url: &str,
        stream: impl Read + Write + Send + 'static,
    ) -> Result<WebSocket, Error> {
        self.establish(url, |url, tls| {
            let mut stream = Stream::given(stream).map_err(Error::Io)?;
            if let Some(tls) = tls {
                start_tls(&mut stream, url, tls, deadline(self.connect_timeout))?;
            }
            Ok(stream)
        })
    }

    fn establish(
        &self,
        url: &str,
        dial: impl FnOnce(&WsUrl, Option<Arc<ClientConfig>>) -> Result<Stream, Error>,
    ) -> Result<WebSocket, Error> {
        let url = WsUrl::parse(url)?;
        let host = self.host.clone().unwrap_or_else(|| url.authority());
        let subprotocols: Vec<&str> = self.subprotocols.iter().map(String::as_str).collect();
        let fields: Vec<(&str, &str)> =
            self.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let mut request =
            Request::new(&host, url.target()).subprotocols(&subprotocols).fields(&fields).config(self.config);
        if let Some(origin) = &self.origin {
            request = request.origin(origin);
        }

        // All that can be wrong here is found before anything is sent.
        let mut keys = Keys::client()?;
        ClientHandshake::new(&request, &mut keys)?;
        let (rx, tx) = self.sizes.allocate(&self.config.limits)?;
        let tls = if url.is_secure() {
            server_name(&url)?;
            Some(self.trust.client_config()?)
        } else {
            None
        };

        let mut stream = dial(&url, tls)?;
        stream.set_deadline(deadline(self.handshake_timeout));
        let mut response = HttpResponse::default();
        let mut inner =
            match blocking::connect_with(stream, &request, keys, rx, tx, &mut |line: HeadLine<'_>| {
                response.push(line)
            }) {
                Ok(inner) => inner,
                Err(refused) => return Err(explain(refused, response)),
            };
        let stream = inner.io_mut();
        stream.set_deadline(None);
        if self.read_timeout.is_some() {
            stream.set_read_timeout(self.read_timeout).map_err(Error::Io)?;
        }
        if self.write_timeout.is_some() {
            stream.set_write_timeout(self.write_timeout).map_err(Error::Io)?;
        }
        let subprotocol = inner.subprotocol().and_then(|index| self.subprotocols.get(index)).cloned();
        Ok(WebSocket::new(inner, subprotocol, Some(response), &self.config))
    }
}

/// Why the handshake failed. A status that refuses counts more than that its body did not come.
pub(super) fn explain<R: Buffer>(
    refused: blocking::Refused<super::IoError, R>,
    mut response: HttpResponse,
) -> Error {
    match refused.error {
        crate::Error::Handshake(HandshakeError::Status(_)) => {
            let body = refused.rx.bytes().get(refused.body).unwrap_or_default();
            response.body = body.get(..HttpResponse::MAX_BODY).unwrap_or(body).into();
            Error::Status(response.into())
        }
        crate::Error::Io(_) if !matches!(response.status, 0 | 101) => Error::Status(response.into()),
        error => Error::from_core(error).within(Phase::Handshake),
    }
}
