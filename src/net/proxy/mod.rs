//! Proxies. What is said to them is in machines without I/O: [`Tunnel`].

mod environment;
mod error;
mod http_connect;
mod no_proxy;
mod socks;

use core::fmt;
use std::{net::IpAddr, string::String};

use url::Host;

pub use self::error::ProxyError;
pub(super) use self::{environment::Environment, http_connect::basic, no_proxy::NoProxy};
use self::{http_connect::HttpConnect, socks::Socks};
use super::url::user_info;

/// A proxy: what its URL says.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Proxy {
    scheme: Scheme,
    host: Host<String>,
    port: u16,
    user: Option<(String, String)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scheme {
    Http,
    Https,
    Socks4,
    Socks4a,
    Socks5,
    Socks5h,
}

impl Scheme {
    const ALL: [(&'static str, Self, u16); 7] = [
        ("http", Self::Http, 80),
        ("https", Self::Https, 443),
        ("socks4", Self::Socks4, 1080),
        ("socks4a", Self::Socks4a, 1080),
        ("socks5", Self::Socks5, 1080),
        ("socks5h", Self::Socks5h, 1080),
        // What `curl` and Python's `requests` mean by it differs; names are not looked up here, so that none leaks.
        ("socks", Self::Socks5h, 1080),
    ];
}

impl Proxy {
    /// `scheme://user:password@host:port`; without a scheme it is `http`, without a port the scheme's own.
    pub(super) fn parse(text: &str) -> Result<Self, ProxyError> {
        let (name, rest) = text.split_once("://").unwrap_or(("http", text));
        let name = name.to_ascii_lowercase();
        let Some((_, scheme, default)) = Scheme::ALL.into_iter().find(|(known, ..)| *known == name) else {
            return Err(ProxyError::Scheme(name));
        };
        if text.contains(|c: char| c.is_control() || c.is_whitespace() || c == '\\')
            || rest.starts_with(['/', '?', '#'])
        {
            return Err(ProxyError::Url);
        }
        // A scheme with the rules of `http`, and without a default port, that would be left out.
        let url = url::Url::parse(&std::format!("ws://{rest}")).map_err(|_| ProxyError::Url)?;
        let port = match (url.port(), explicit_port(rest)) {
            (Some(port), _) => port,
            (None, Some(80)) => 80,
            _ => default,
        };
        let host = url.host().ok_or(ProxyError::Url)?.to_owned();
        let user = user_info(&url).map_err(|_| ProxyError::Credentials)?;
        if port == 0 || !matches!(url.path(), "/") || url.query().is_some() {
            return Err(ProxyError::Url);
        }
        let user = user.filter(|(name, password)| !name.is_empty() || !password.is_empty());
        let http = matches!(scheme, Scheme::Http | Scheme::Https);
        if user.as_ref().is_some_and(|(name, _)| http && name.contains(':')) {
            return Err(ProxyError::Credentials);
        }
        Ok(Self { scheme, host, port, user })
    }

    /// Whether it is spoken to over TLS.
    pub(super) fn is_secure(&self) -> bool {
        self.scheme == Scheme::Https
    }

    /// Whether it is told the server's address, which is to be looked up before: not its name.
    pub(super) fn resolves_here(&self) -> bool {
        matches!(self.scheme, Scheme::Socks4 | Scheme::Socks5)
    }

    /// Whether it can be told this address.
    pub(super) fn takes(&self, ip: IpAddr) -> bool {
        !matches!(self.scheme, Scheme::Socks4 | Scheme::Socks4a) || ip.to_canonical().is_ipv4()
    }

    pub(super) const fn host(&self) -> &Host<String> {
        &self.host
    }

    pub(super) const fn port(&self) -> u16 {
        self.port
    }

    /// The dialogue that leads through it.
    pub(super) fn tunnel(&self, target: &Target<'_>) -> Result<Tunnel, ProxyError> {
        let user = self.user.as_ref().map(|(name, password)| (name.as_str(), password.as_str()));
        match self.scheme {
            Scheme::Http | Scheme::Https => Ok(Tunnel::Http(HttpConnect::new(target, user))),
            scheme => Socks::new(scheme, target, user).map(Tunnel::Socks),
        }
    }
}

/// The parser leaves out what is the default.
fn explicit_port(rest: &str) -> Option<u16> {
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let (_, port) = authority.rsplit_once(':')?;
    port.parse().ok()
}

/// Without user name and password.
impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme =
            Scheme::ALL.iter().find(|(_, scheme, _)| *scheme == self.scheme).map_or("", |(name, ..)| name);
        write!(f, "{scheme}://{}:{}", self.host, self.port)
    }
}

/// Likewise.
impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Proxy({self})")
    }
}

/// What a proxy is to connect to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Target<'a> {
    pub(super) host: &'a Host<String>,
    pub(super) port: u16,
    /// Its address, where that is known.
    pub(super) ip: Option<IpAddr>,
}

/// What is said to a proxy and what it answers: bytes to send, bytes that came.
#[derive(Debug)]
pub(super) enum Tunnel {
    Http(HttpConnect),
    Socks(Socks),
}

/// What is to be done for a [`Tunnel`].
pub(super) enum Exchange<'a> {
    /// Write some of these bytes and say how many with [`sent`](Tunnel::sent).
    Transmit(&'a [u8]),
    /// Read once into this space and say how many bytes with [`received`](Tunnel::received).
    Receive(&'a mut [u8]),
    /// What is sent from now on reaches the server.
    Done,
}

impl Tunnel {
    pub(super) fn poll(&mut self) -> Exchange<'_> {
        match self {
            Self::Http(machine) => machine.poll(),
            Self::Socks(machine) => machine.poll(),
        }
    }

    pub(super) const fn sent(&mut self, n: usize) {
        match self {
            Self::Http(machine) => machine.sent(n),
            Self::Socks(machine) => machine.sent(n),
        }
    }

    /// 0 says that the proxy has ended the connection.
    pub(super) fn received(&mut self, n: usize) -> Result<(), ProxyError> {
        match self {
            Self::Http(machine) => machine.received(n),
            Self::Socks(machine) => machine.received(n),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{borrow::ToOwned, format};

    use rand::{Rng, SeedableRng, rngs::StdRng};

    use super::*;

    #[test]
    fn urls_of_proxies() {
        for (text, scheme, host, port, user) in [
            ("http://localhost/", Scheme::Http, "localhost", 80, None),
            ("http://localhost:3128", Scheme::Http, "localhost", 3128, None),
            ("localhost:3128", Scheme::Http, "localhost", 3128, None),
            ("http://h:80", Scheme::Http, "h", 80, None),
            ("HTTPS://h:80/", Scheme::Https, "h", 80, None),
            ("https://h", Scheme::Https, "h", 443, None),
            ("socks4://h", Scheme::Socks4, "h", 1080, None),
            ("socks4a://1.2.3.4:1", Scheme::Socks4a, "1.2.3.4", 1, None),
            ("socks5://[::1]", Scheme::Socks5, "[::1]", 1080, None),
            ("socks5h://[::1]:80", Scheme::Socks5h, "[::1]", 80, None),
            ("socks://h:9050", Scheme::Socks5h, "h", 9050, None),
            ("http://a:b@localhost:3128/", Scheme::Http, "localhost", 3128, Some(("a", "b"))),
            ("http://a@localhost", Scheme::Http, "localhost", 80, Some(("a", ""))),
            ("http://:@localhost", Scheme::Http, "localhost", 80, None),
            (
                "http://john%40example.com:P%40SSWORD@localhost:3128/",
                Scheme::Http,
                "localhost",
                3128,
                Some(("john@example.com", "P@SSWORD")),
            ),
        ] {
            let proxy = Proxy::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!((proxy.scheme, proxy.port), (scheme, port), "{text}");
            assert_eq!(format!("{}", proxy.host), host, "{text}");
            let user = user.map(|(name, password)| (name.to_owned(), password.to_owned()));
            assert_eq!(proxy.user, user, "{text}");
        }
        for (text, want) in [
            ("badval://h:1", ProxyError::Scheme("badval".to_owned())),
            ("ws://h:1", ProxyError::Scheme("ws".to_owned())),
            ("", ProxyError::Url),
            ("http://", ProxyError::Url),
            ("http:///h", ProxyError::Url),
            ("http://h:0", ProxyError::Url),
            ("http://h:x", ProxyError::Url),
            ("http://h/path", ProxyError::Url),
            ("http://h?q", ProxyError::Url),
            ("http://h\r\n", ProxyError::Url),
            ("http://a b", ProxyError::Url),
            ("http://a%0d%0a:b@h", ProxyError::Credentials),
            ("http://a%3Ab:c@h", ProxyError::Credentials),
        ] {
            assert_eq!(Proxy::parse(text), Err(want), "{text:?}");
        }
    }

    /// Attack 36: whatever comes, in pieces of any size, it ends, and there is room for as long as it goes on.
    #[test]
    fn answers_of_random_bytes() {
        let mut random = StdRng::seed_from_u64(36);
        let host = Host::parse("h").unwrap();
        let beginnings: [&[u8]; 6] =
            [b"", b"HTTP/1.1 200 ", b"\x05\x00", b"\x05\x02\x01\x00", b"\x05\x00\x05\x00\x00", b"\x00"];
        for round in 0..20_000_usize {
            let scheme = Scheme::ALL[round % 6].1;
            let ip = [Some(IpAddr::from([1, 2, 3, 4])), None][round % 2];
            let target = Target { host: &host, port: 1, ip };
            let proxy = Proxy { scheme, host: host.clone(), port: 1, user: Some(("u".into(), "p".into())) };
            let mut tunnel = proxy.tunnel(&target).unwrap();
            let mut answer = beginnings[round % beginnings.len()].to_vec();
            let mut total = 0;
            loop {
                match tunnel.poll() {
                    Exchange::Transmit(bytes) => {
                        let len = 1.max(random.next_u32() as usize % bytes.len());
                        tunnel.sent(len);
                    }
                    Exchange::Receive(space) => {
                        assert!(!space.is_empty());
                        while answer.len() < 20 {
                            // Line ends more often than chance has them.
                            let byte = random.next_u32().to_le_bytes();
                            if byte[0] < 50 {
                                answer.extend(b"\r\n")
                            } else {
                                answer.push(byte[1] & byte[2])
                            };
                        }
                        let len = space.len().min(1 + random.next_u32() as usize % 20);
                        space[..len].copy_from_slice(&answer[..len]);
                        answer.drain(..len);
                        total += len;
                        if tunnel.received(len).is_err() {
                            break;
                        }
                    }
                    Exchange::Done => break,
                }
                assert!(total <= 20 << 10);
            }
        }
    }

    #[test]
    fn credentials_are_not_shown() {
        let proxy = Proxy::parse("socks5h://user:secret@h:1").unwrap();
        assert_eq!(format!("{proxy} {proxy:?}"), "socks5h://h:1 Proxy(socks5h://h:1)");
        let host = Host::parse("x").unwrap();
        let target = Target { host: &host, port: 1, ip: None };
        let shown = format!("{:?}", proxy.tunnel(&target));
        assert!(!shown.contains("user") && !shown.contains("115"), "{shown}");
    }
}
