use core::fmt;
use std::{
    boxed::Box,
    path::PathBuf,
    string::String,
    sync::Arc,
    time::{Duration, Instant},
    vec,
    vec::Vec,
};

#[cfg(feature = "deflate")]
use super::DeflateOptions;
use super::{
    CookieJar, Error, ProxyError, WsUrl,
    cookies::Cookies,
    deflate::Compression,
    proxy::{Environment, NoProxy, Proxy},
    trust::Trust,
    tuning::Tuning,
};
use crate::{
    Config, Growing, Limits, MIN_RX, MisuseError, frame::FrameHeader, frame::MAX_CONTROL_PAYLOAD,
    proto::Session,
};

/// Names and values of header fields, for a URL.
type HeaderProvider = dyn Fn(&WsUrl) -> Vec<(String, String)> + Send + Sync;

/// How a client connects, and how its connection behaves.
///
/// ```no_run
/// use sockling::ConnectOptions;
/// let mut ws = ConnectOptions::new()
///     .header("Authorization", "Bearer 6c2f")
///     .subprotocols(["telemetry.v2"])
///     .read_timeout(Some(core::time::Duration::from_secs(60)))
///     .connect("wss://sensor.example/feed")?;
/// # Ok::<(), sockling::net::Error>(())
/// ```
///
/// It may be used for several connections; they share the memory of TLS sessions, which makes later ones faster.
#[derive(Clone)]
#[must_use]
pub struct ConnectOptions {
    pub(super) connect_timeout: Duration,
    pub(super) handshake_timeout: Duration,
    pub(super) read_timeout: Option<Duration>,
    pub(super) write_timeout: Option<Duration>,
    pub(super) headers: Vec<(String, String)>,
    pub(super) origin: Option<String>,
    pub(super) header_provider: Option<Arc<HeaderProvider>>,
    pub(super) host: Option<String>,
    pub(super) basic_auth: Option<(String, String)>,
    pub(super) cookie: Option<String>,
    pub(super) cookies: Cookies,
    pub(super) redirects: u16,
    pub(super) proxy: Option<Result<Proxy, ProxyError>>,
    /// `None`: as the environment says.
    pub(super) no_proxy: Option<NoProxy>,
    /// `None`: it does not count.
    pub(super) environment: Option<Environment>,
    pub(super) server_name: Option<String>,
    pub(super) unix_socket: Option<PathBuf>,
    pub(super) subprotocols: Vec<String>,
    pub(super) config: Config,
    pub(super) trust: Trust,
    pub(super) sizes: Sizes,
    pub(super) tuning: Tuning,
    pub(super) compression: Compression,
}

impl Default for ConnectOptions {
    fn default() -> Self {
        Self::new()
    }
}

impl ConnectOptions {
    /// The defaults that the methods name.
    pub fn new() -> Self {
        Self {
            connect_timeout: Duration::from_secs(30),
            handshake_timeout: Duration::from_secs(30),
            read_timeout: None,
            write_timeout: None,
            headers: Vec::new(),
            origin: None,
            header_provider: None,
            host: None,
            basic_auth: None,
            cookie: None,
            cookies: Cookies::Own(CookieJar::new()),
            redirects: 3,
            proxy: None,
            no_proxy: None,
            environment: Some(Environment::PROCESS),
            server_name: None,
            unix_socket: None,
            subprotocols: Vec::new(),
            config: Config::DEFAULT,
            trust: Trust::default(),
            sizes: Sizes::DEFAULT,
            tuning: Tuning::DEFAULT,
            compression: Compression::NONE,
        }
    }

    /// How long it may take to find the host's addresses, connect to one of them, get through a proxy and perform the
    /// handshake of TLS, all together. Default 30 s; [`Duration::MAX`] for no limit but the system's.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// How long the opening handshake may take, from the first byte of the request to the last of the response's head.
    /// Default 30 s.
    pub fn handshake_timeout(mut self, timeout: Duration) -> Self {
        self.handshake_timeout = timeout;
        self
    }

    /// How long the closing handshake may take: [`Config::close_timeout`]. Default 5 s.
    pub fn close_timeout(mut self, timeout: Duration) -> Self {
        self.config.close_timeout = timeout;
        self
    }

    /// How long one read of the open connection waits for bytes: past it `recv` fails with an error that
    /// [`is_timeout`](Error::is_timeout), and can be called again. Default `None`: as long as it takes.
    pub fn read_timeout(mut self, timeout: Option<Duration>) -> Self {
        self.read_timeout = timeout;
        self
    }

    /// How long one write of the open connection waits for the peer to make room: likewise; `resume_send` goes on.
    /// Default `None`.
    pub fn write_timeout(mut self, timeout: Option<Duration>) -> Self {
        self.write_timeout = timeout;
        self
    }

    /// Adds a header field to the request, for the server and not for one that it redirects to. What cannot be sent is refused when connecting, before anything is sent:
    /// names that are no token, values with control characters, fields that the handshake says itself.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Sets the `Origin` field, as browsers do. Default none.
    pub fn origin(mut self, origin: impl Into<String>) -> Self {
        self.origin = Some(origin.into());
        self
    }

    /// Sets the `Host` field to another `name` or `name:port` than the URL's. TLS goes on with the URL's.
    pub fn host(mut self, host: impl Into<String>) -> Self {
        self.host = Some(host.into());
        self
    }

    /// Offers subprotocols, the preferred one first; replaces those given before.
    pub fn subprotocols(mut self, subprotocols: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.subprotocols = subprotocols.into_iter().map(Into::into).collect();
        self
    }

    /// Sets how the connection behaves: all of it, also what [`limits`](Self::limits) and
    /// [`close_timeout`](Self::close_timeout) have set before.
    pub fn config(mut self, config: Config) -> Self {
        self.config = config;
        self
    }

    /// Sets what is accepted from the server.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.config.limits = limits;
        self
    }

    /// Sets the configuration of TLS as a whole: trust, client certificate, versions. Root certificates that are added
    /// do not count then, nor do the other options of TLS, for the server; for an
    /// HTTPS proxy they do.
    pub fn tls(mut self, config: Arc<rustls::ClientConfig>) -> Self {
        self.trust.set_config(config);
        self
    }

    /// Trusts these certificates too, besides those of the platform: any number in PEM, or one in DER.
    ///
    /// The environment variables `SSL_CERT_FILE`, and `WEBSOCKET_CLIENT_CA_BUNDLE` before it, name a file (the latter
    /// also a folder) of certificates in PEM that take the place of those of the platform.
    ///
    /// # Errors
    /// [`Error::Roots`] if there is none in it, or a malformed one.
    pub fn add_root_certificates(mut self, pem_or_der: impl AsRef<[u8]>) -> Result<Self, Error> {
        self.trust.add_roots(pem_or_der.as_ref())?;
        Ok(self)
    }

    /// Sets the size of the receive buffer in bytes. It grows as messages need it, up to
    /// [`max_message`](Limits::max_message). Default 64 KiB.
    pub fn receive_buffer(mut self, bytes: usize) -> Self {
        self.sizes.receive = bytes;
        self
    }

    /// Sets the size of the send buffer in bytes. It does not grow: a longer message leaves in several frames. Default:
    /// what a frame of 64 KiB needs.
    pub fn send_buffer(mut self, bytes: usize) -> Self {
        self.sizes.send = bytes;
        self
    }

    /// Offers permessage-deflate to the server; nothing is compressed where it does not agree. Default: not offered.
    ///
    /// Where a secret and what others can choose are sent over one connection, read of
    /// [secrets](crate::extension#secrets) before.
    #[cfg(feature = "deflate")]
    pub const fn deflate(mut self, deflate: DeflateOptions) -> Self {
        self.compression.options = Some(deflate);
        self
    }

    /// Whether small writes leave at once, instead of waiting for more (`TCP_NODELAY`). Default `true`.
    pub fn nodelay(mut self, nodelay: bool) -> Self {
        self.tuning.nodelay = nodelay;
        self
    }

    /// Whether the system asks a silent peer if it is still there: after 30 s, every 10 s, 3 times, where these can be
    /// set. Default `true`.
    pub fn keepalive(mut self, keepalive: bool) -> Self {
        self.tuning.keepalive = keepalive;
        self
    }
}

/// Values of header fields may be secrets.
impl fmt::Debug for ConnectOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectOptions")
            .field("connect_timeout", &self.connect_timeout)
            .field("handshake_timeout", &self.handshake_timeout)
            .field("headers", &self.headers.iter().map(|(name, _)| name).collect::<Vec<_>>())
            .field("subprotocols", &self.subprotocols)
            .field("cookies", &self.cookies)
            .field("proxy", &self.proxy)
            .field("no_proxy", &self.no_proxy)
            .field("tuning", &self.tuning)
            .field("config", &self.config)
            .field("trust", &self.trust)
            .finish_non_exhaustive()
    }
}

/// Sizes of buffers, in bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sizes {
    pub(super) receive: usize,
    pub(super) send: usize,
}

impl Sizes {
    pub(super) const DEFAULT: Self =
        Self { receive: 64 << 10, send: (64 << 10) + FrameHeader::MAX_LEN + MAX_CONTROL_PAYLOAD };

    /// Buffers of these sizes.
    pub(super) fn allocate(self, limits: &Limits) -> Result<(Growing, Box<[u8]>), MisuseError> {
        // A control frame may come between the fragments of a message.
        let most = usize::try_from(limits.max_message).unwrap_or(usize::MAX);
        let rx = Growing::new(self.receive, most.saturating_add(FrameHeader::MAX_LEN + MIN_RX));
        let tx = vec![0; self.send].into_boxed_slice();
        Session::check_buffers(crate::Buffer::bytes(&rx), &tx)?;
        Ok((rx, tx))
    }
}

/// The end of a time that begins now; `None` if it never ends.
pub(super) fn deadline(timeout: Duration) -> Option<Instant> {
    Instant::now().checked_add(timeout)
}
