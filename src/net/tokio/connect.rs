use core::{future::Future, time::Duration};
use std::{net::SocketAddr, string::String, sync::Arc, vec::Vec};

use ::tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, lookup_host},
    time::timeout,
};
use rustls::ClientConfig;
use tokio_rustls::TlsConnector;

use super::{Stream, WebSocket, connection::Connection, io::Io};
use crate::{
    Request, asynch,
    handshake::{ClientHandshake, HeadLine},
    net::{
        ConnectOptions, Error, HttpResponse, Phase, WsUrl, connect::explain, dial::explain_tls, random::Keys,
        trust::server_name,
    },
};

/// Connects to `url`, `ws://` or `wss://`, with the defaults of [`ConnectOptions`], in a task of tokio.
///
/// ```no_run
/// # async fn example() -> Result<(), sockling::net::Error> {
/// use sockling::CloseCode;
/// let mut ws = sockling::connect_async("wss://echo.example/").await?;
/// ws.send("Hello, World").await?;
/// println!("Received {:?}", ws.recv().await?);
/// ws.close(CloseCode::NORMAL, "bye").await?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// Like [`ConnectOptions::connect`].
///
/// # Cancel safety
/// A connection that is dropped before it is there is given up; the server may have seen it.
pub async fn connect_async(url: &str) -> Result<WebSocket, Error> {
    ConnectOptions::new().connect_async(url).await
}

impl ConnectOptions {
    /// Connects to `url`, `ws://` or `wss://`, and performs the opening handshake, in a task of tokio; otherwise like
    /// [`connect`](Self::connect).
    ///
    /// # Errors
    /// Likewise.
    ///
    /// # Cancel safety
    /// A connection that is dropped before it is there is given up; the server may have seen it.
    pub async fn connect_async(&self, url: &str) -> Result<WebSocket, Error> {
        self.establish_async(url, async |url, tls| {
            // What remains of the time is that of the phase that it ends in.
            let mut phase = Phase::Resolve;
            within(self.connect_timeout, async {
                let addrs = resolve(url).await?;
                phase = Phase::Connect;
                let tcp = connect_any(&addrs).await?;
                self.tuning.apply(&tcp);
                phase = Phase::Tls;
                start_tls(Stream::tcp(tcp), url, tls).await
            })
            .await
            .unwrap_or(Err(Error::Timeout(phase)))
        })
        .await
    }

    /// Performs the handshake over a `stream` that is connected already: a tunnel, a socket with settings of its own.
    ///
    /// For `wss://` TLS is performed over it; if the stream is TLS already, write `ws://`.
    ///
    /// # Errors
    /// Like [`connect`](Self::connect).
    ///
    /// # Cancel safety
    /// A connection that is dropped before it is there is given up, with the stream.
    pub async fn connect_stream_async(
        &self,
        url: &str,
        stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    ) -> Result<WebSocket, Error> {
        self.establish_async(url, async |url, tls| {
            within(self.connect_timeout, start_tls(Stream::given(stream), url, tls))
                .await
                .unwrap_or(Err(Error::Timeout(Phase::Tls)))
        })
        .await
    }

    async fn establish_async(
        &self,
        url: &str,
        dial: impl AsyncFnOnce(&WsUrl, Option<Arc<ClientConfig>>) -> Result<Stream, Error>,
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

        let io = Io::new(dial(&url, tls).await?);
        let mut response = HttpResponse::default();
        let observe = |line: HeadLine<'_>| response.push(line);
        let opening = asynch::connect_with(io, &request, keys, rx, tx, observe);
        let inner = match within(self.handshake_timeout, opening).await {
            Some(Ok(inner)) => inner,
            Some(Err(refused)) => return Err(explain(refused, response)),
            None if matches!(response.status, 0 | 101) => return Err(Error::Timeout(Phase::Handshake)),
            // The status counts more than that the body does not come.
            None => return Err(Error::Status(response.into())),
        };
        let subprotocol = inner.subprotocol().and_then(|index| self.subprotocols.get(index)).cloned();
        Ok(WebSocket::new(Connection::new(inner, false, &self.config), subprotocol, Some(response)))
    }
}

/// `None` when `limit` is over first.
pub(super) async fn within<F: Future>(limit: Duration, future: F) -> Option<F::Output> {
    timeout(limit, future).await.ok()
}

async fn resolve(url: &WsUrl) -> Result<Vec<SocketAddr>, Error> {
    if let Some(ip) = url.ip() {
        return Ok(std::vec![SocketAddr::new(ip, url.port())]);
    }
    let host = url.host();
    match lookup_host((host.as_str(), url.port())).await.map(Vec::from_iter) {
        Ok(addrs) if !addrs.is_empty() => Ok(addrs),
        Ok(_) => Err(Error::Dns { host, source: std::io::ErrorKind::NotFound.into() }),
        Err(source) => Err(Error::Dns { host, source }),
    }
}

async fn connect_any(addrs: &[SocketAddr]) -> Result<TcpStream, Error> {
    let mut last = Error::Timeout(Phase::Connect);
    for addr in addrs {
        match TcpStream::connect(addr).await {
            Ok(tcp) => return Ok(tcp),
            Err(source) => last = Error::Connect { addr: *addr, source },
        }
    }
    Err(last)
}

async fn start_tls(stream: Stream, url: &WsUrl, config: Option<Arc<ClientConfig>>) -> Result<Stream, Error> {
    let Some(config) = config else {
        return Ok(stream);
    };
    match TlsConnector::from(config).connect(server_name(url)?, stream).await {
        Ok(tls) => Ok(Stream::tls(tls)),
        Err(error) => Err(explain_tls(error, url)),
    }
}
