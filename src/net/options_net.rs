//! Options of a client: credentials, cookies, redirects, proxies, sockets.

#[cfg(unix)]
use std::path::PathBuf;
use std::{io, net::IpAddr, string::String, sync::Arc, vec::Vec};

use socket2::Socket;

use super::{
    ConnectOptions, CookieJar, WsUrl,
    cookies::Cookies,
    proxy::{Environment, NoProxy, Proxy},
};

impl ConnectOptions {
    /// Adds header fields that are made anew for every connection: tokens that expire, times. `provider` is called once
    /// in each call of [`connect`](Self::connect), and before each attempt of an `App`; its fields come after those of
    /// [`header`](Self::header). Replaces one given before.
    pub fn header_provider<P, F>(mut self, provider: P) -> Self
    where
        P: Fn(&WsUrl) -> F + Send + Sync + 'static,
        F: IntoIterator<Item = (String, String)>,
    {
        self.header_provider = Some(Arc::new(move |url| Vec::from_iter(provider(url))));
        self
    }

    /// Sends user name and password to the server, whether it asks for them or not (Basic, RFC 7617), instead of those
    /// in the URL. A header field `Authorization` counts more. The origin that a redirect leads to does not get them.
    pub fn basic_auth(mut self, user: impl Into<String>, password: impl Into<String>) -> Self {
        self.basic_auth = Some((user.into(), password.into()));
        self
    }

    /// Sends these cookies too, after those of the jar: `a=b; c=d`. The origin that a redirect leads to does not get
    /// them.
    pub fn cookie(mut self, cookies: impl Into<String>) -> Self {
        self.cookie = Some(cookies.into());
        self
    }

    /// Sets where the cookies of servers are kept: in a jar that others use too, or, with `None`, nowhere. By default
    /// these options have a jar of their own; a clone of them gets a copy of that one.
    pub fn cookie_jar(mut self, jar: impl Into<Option<CookieJar>>) -> Self {
        self.cookies = jar.into().map_or(Cookies::None, Cookies::Shared);
        self
    }

    /// How many redirects are followed (status 301, 302, 303, 307, 308), before [`Error::Redirect`]. Default 3; with 0
    /// they are refusals as others are, [`Error::Status`].
    ///
    /// `http` and `https` locations stand for `ws` and `wss`; none leads from `wss` to `ws`. Another origin (scheme, host,
    /// port) gets no header field, no credentials, no cookies and no `Host` that were given here, nor does any hop after
    /// it; of the jar it gets what is its own. All hops together take no longer than connect timeout and handshake
    /// timeout.
    ///
    /// [`Error::Redirect`]: super::Error::Redirect
    /// [`Error::Status`]: super::Error::Status
    pub fn redirects(mut self, redirects: u16) -> Self {
        self.redirects = redirects;
        self
    }

    /// Connects through a proxy: `scheme://user:password@host:port`. What is no such URL is refused when connecting.
    ///
    /// | scheme | what it is | port |
    /// |---|---|---|
    /// | `http` | HTTP CONNECT, with Basic; also without a scheme | 80 |
    /// | `https` | the same over TLS; its certificate is verified | 443 |
    /// | `socks4`, `socks5` | SOCKS; the server's name is looked up here | 1080 |
    /// | `socks4a`, `socks5h`, `socks` | SOCKS; the proxy looks it up | 1080 |
    ///
    /// All answers of a proxy are part of the [connect timeout](Self::connect_timeout). Hosts of
    /// [`no_proxy`](Self::no_proxy) are connected to without it.
    pub fn proxy(mut self, url: impl AsRef<str>) -> Self {
        self.proxy = Some(Proxy::parse(url.as_ref()));
        self
    }

    /// Sets which hosts are connected to without a proxy, instead of those in the environment: domains with all that is
    /// under them (`example.com`, also written `.example.com`), addresses, networks (`10.0.0.0/8`), any of these with
    /// `:port`, or `*` for all. What is none of these is left out.
    pub fn no_proxy(mut self, hosts: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        self.no_proxy = Some(NoProxy::parse(hosts));
        self
    }

    /// Whether environment variables say which proxy to use, unless one was [given](Self::proxy), and which hosts need
    /// none. Default `true`.
    ///
    /// For `wss` it is that of `https_proxy`, for `ws` that of `http_proxy`, else that of `all_proxy`; `no_proxy` lists
    /// hosts without. Names in lower case count more than `HTTPS_PROXY` and so on; `HTTP_PROXY` does not count in a CGI
    /// program, where clients can set it. This host (`localhost`, `127.0.0.0/8`, `::1`) is never connected to through
    /// a proxy of the environment.
    pub fn proxy_from_environment(mut self, read: bool) -> Self {
        self.environment = read.then_some(Environment::PROCESS);
        self
    }

    /// Connects from this address of this host, to an address of the same IP version. Default: the system's choice.
    pub fn local_address(mut self, address: impl Into<IpAddr>) -> Self {
        self.tuning.local = Some(address.into());
        self
    }

    /// Calls `set` with every TCP socket before it connects, after all other settings were made: for buffer sizes, marks,
    /// a device to bind to. An error of it is one of that attempt.
    pub fn socket_options(mut self, set: impl Fn(&Socket) -> io::Result<()> + Send + Sync + 'static) -> Self {
        self.tuning.hook = Some(Arc::new(set));
        self
    }

    /// Connects to the Unix-domain socket at `path`; the URL says what is asked for there. No name is looked up, no proxy
    /// used and no redirect followed.
    #[cfg(unix)]
    pub fn unix_socket(mut self, path: impl Into<PathBuf>) -> Self {
        self.unix_socket = Some(path.into());
        self
    }
}
