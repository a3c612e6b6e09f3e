//! From a URL to a stream that the opening handshake runs over, as a machine without I/O: what to do, one thing after
//! another. Blocking and asynchronous drivers do it.

use std::{
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
    string::{String, ToString},
    sync::Arc,
    vec,
    vec::Vec,
};

use rustls::{ClientConfig, pki_types::ServerName};
use url::Host;

use super::{
    Error, Phase, ProxyError,
    layers::Layer,
    proxy::{Exchange, Proxy, Target, Tunnel},
};

/// Where to connect to, and by which way.
#[derive(Clone, Debug)]
pub(super) struct Way {
    pub(super) host: Host<String>,
    pub(super) port: u16,
    /// The Unix-domain socket that is connected to instead, without a proxy.
    pub(super) unix: Option<PathBuf>,
    /// With TLS to itself, if it is an HTTPS proxy.
    pub(super) proxy: Option<(Proxy, Option<Secured>)>,
    /// TLS to the server.
    pub(super) tls: Option<Secured>,
}

/// What TLS to one peer needs.
#[derive(Clone, Debug)]
pub(super) struct Secured {
    pub(super) config: Arc<ClientConfig>,
    /// Whom the certificate has to be for.
    pub(super) name: ServerName<'static>,
}

/// What is to be done next.
#[derive(Debug)]
pub(super) enum Next<'a> {
    /// Look up the addresses of this name, and hand them to [`resolved`](Sequence::resolved).
    Resolve(&'a str, u16),
    /// Connect to one of these, then call [`connected`](Sequence::connected).
    Connect(&'a [SocketAddr]),
    /// Connect to this Unix-domain socket, likewise.
    #[cfg_attr(not(unix), expect(dead_code, reason = "there is no option for it"))]
    ConnectUnix(&'a Path),
    /// Perform a handshake of TLS over what is there (which may be TLS already), then call
    /// [`secured`](Sequence::secured).
    StartTls(&'a Secured),
    /// Write some of these bytes, flush if it is all of them, and say how many with [`sent`](Sequence::sent).
    Transmit(&'a [u8]),
    /// Read once into this space, and say how many bytes with [`received`](Sequence::received).
    Receive(&'a mut [u8]),
    /// The stream leads to the server.
    Done,
}

/// The machine.
#[derive(Debug)]
pub(super) struct Sequence<'a> {
    way: &'a Way,
    stage: Stage,
    /// Of the host that is connected to.
    addrs: Vec<SocketAddr>,
    /// Of the server, behind a proxy.
    ip: Option<IpAddr>,
    tunnel: Option<Tunnel>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// The server's name, for a proxy that wants its address.
    ResolveServer,
    /// The name of what is connected to.
    Resolve,
    Connect,
    ProxyTls,
    Tunnel,
    Tls,
    Done,
}

impl<'a> Sequence<'a> {
    /// # Errors
    /// [`Error::Proxy`], if the proxy cannot be told what it has to know.
    pub(super) fn new(way: &'a Way) -> Result<Self, Error> {
        let mut sequence =
            Self { way, stage: Stage::Resolve, addrs: Vec::new(), ip: ip(&way.host), tunnel: None };
        if way.unix.is_some() {
            sequence.stage = Stage::Connect;
        } else if let Some((proxy, _)) = &way.proxy
            && proxy.resolves_here()
            && sequence.ip.is_none()
        {
            sequence.stage = Stage::ResolveServer;
        } else {
            sequence.make_tunnel()?;
        }
        sequence.skip();
        Ok(sequence)
    }

    /// Over a stream that is connected already: TLS is all that is left.
    pub(super) fn connected_already(way: &'a Way) -> Self {
        let mut sequence = Self { way, stage: Stage::Tls, addrs: Vec::new(), ip: None, tunnel: None };
        sequence.skip();
        sequence
    }

    pub(super) fn poll(&mut self) -> Next<'_> {
        let name = |host: &'a Host<String>| match host {
            Host::Domain(name) => name.as_str(),
            Host::Ipv4(_) | Host::Ipv6(_) => "",
        };
        match self.stage {
            Stage::ResolveServer => Next::Resolve(name(&self.way.host), self.way.port),
            Stage::Resolve => {
                let (host, port) = self.first();
                Next::Resolve(name(host), port)
            }
            Stage::Connect => match &self.way.unix {
                Some(path) => Next::ConnectUnix(path),
                None => Next::Connect(&self.addrs),
            },
            Stage::ProxyTls => self.way.proxy_tls().map_or(Next::Done, Next::StartTls),
            Stage::Tunnel => match self.tunnel.as_mut().map(Tunnel::poll) {
                Some(Exchange::Transmit(bytes)) => Next::Transmit(bytes),
                Some(Exchange::Receive(space)) => Next::Receive(space),
                Some(Exchange::Done) | None => Next::Done,
            },
            Stage::Tls => self.way.tls.as_ref().map_or(Next::Done, Next::StartTls),
            Stage::Done => Next::Done,
        }
    }

    /// # Errors
    /// [`Error::Proxy`], if the proxy cannot be told any of the server's addresses.
    pub(super) fn resolved(&mut self, addrs: Vec<SocketAddr>) -> Result<(), Error> {
        match self.stage {
            Stage::ResolveServer => {
                let takes = |ip: &IpAddr| self.way.proxy.as_ref().is_none_or(|(proxy, _)| proxy.takes(*ip));
                let mut ips = addrs.iter().map(SocketAddr::ip);
                self.ip = ips.find(takes);
                if self.ip.is_none() {
                    return Err(self.fail(ProxyError::Address));
                }
                self.make_tunnel()?;
                self.stage = Stage::Resolve;
            }
            Stage::Resolve => {
                self.addrs = addrs;
                self.stage = Stage::Connect;
            }
            _ => {}
        }
        self.skip();
        Ok(())
    }

    pub(super) fn connected(&mut self) {
        self.leave(Stage::Connect, Stage::ProxyTls);
    }

    pub(super) fn secured(&mut self) {
        match self.stage {
            Stage::ProxyTls => self.leave(Stage::ProxyTls, Stage::Tunnel),
            _ => self.leave(Stage::Tls, Stage::Done),
        }
    }

    pub(super) fn sent(&mut self, n: usize) {
        if let Some(tunnel) = &mut self.tunnel {
            tunnel.sent(n);
        }
        self.skip();
    }

    /// # Errors
    /// [`Error::Proxy`]: why there is no way through the proxy.
    pub(super) fn received(&mut self, n: usize) -> Result<(), Error> {
        if let Some(tunnel) = &mut self.tunnel {
            tunnel.received(n).map_err(|error| self.fail(error))?;
        }
        self.skip();
        Ok(())
    }

    /// What a time-out is to be called now.
    pub(super) const fn phase(&self) -> Phase {
        match self.stage {
            Stage::ResolveServer | Stage::Resolve => Phase::Resolve,
            Stage::Connect => Phase::Connect,
            Stage::Tunnel => Phase::Proxy,
            Stage::ProxyTls | Stage::Tls | Stage::Done => Phase::Tls,
        }
    }

    /// Which TLS [`Next::StartTls`] is.
    pub(super) fn layer(&self) -> Layer {
        if self.stage == Stage::ProxyTls { Layer::Proxy } else { Layer::Server }
    }

    /// Past what there is nothing to do for.
    fn skip(&mut self) {
        loop {
            self.stage = match self.stage {
                Stage::Resolve => {
                    let (host, port) = self.first();
                    let Some(ip) = ip(host) else { return };
                    self.addrs = vec![SocketAddr::new(ip, port)];
                    Stage::Connect
                }
                Stage::ProxyTls if self.way.proxy_tls().is_none() => Stage::Tunnel,
                Stage::Tunnel => match self.tunnel.as_mut().map(Tunnel::poll) {
                    Some(Exchange::Transmit(_) | Exchange::Receive(_)) => return,
                    Some(Exchange::Done) | None => Stage::Tls,
                },
                Stage::Tls if self.way.tls.is_none() => Stage::Done,
                _ => return,
            };
        }
    }

    fn leave(&mut self, from: Stage, to: Stage) {
        if self.stage == from {
            self.stage = to;
        }
        self.skip();
    }

    /// What is connected to: the proxy, or the server.
    fn first(&self) -> (&'a Host<String>, u16) {
        match &self.way.proxy {
            Some((proxy, _)) => (proxy.host(), proxy.port()),
            None => (&self.way.host, self.way.port),
        }
    }

    fn make_tunnel(&mut self) -> Result<(), Error> {
        if let Some((proxy, _)) = &self.way.proxy {
            let target = Target { host: &self.way.host, port: self.way.port, ip: self.ip };
            self.tunnel = Some(proxy.tunnel(&target).map_err(|error| self.fail(error))?);
        }
        Ok(())
    }

    fn fail(&self, source: ProxyError) -> Error {
        let proxy = self.way.proxy.as_ref().map(|(proxy, _)| proxy.to_string()).unwrap_or_default();
        Error::Proxy { proxy, source }
    }
}

impl Way {
    fn proxy_tls(&self) -> Option<&Secured> {
        self.proxy.as_ref().and_then(|(_, tls)| tls.as_ref())
    }
}

impl Secured {
    /// The error of a handshake: one about a certificate says whose.
    pub(super) fn explain(&self, error: Error) -> Error {
        match error.within(Phase::Tls) {
            Error::Tls(
                source @ (rustls::Error::InvalidCertificate(_) | rustls::Error::NoCertificatesPresented),
            ) => Error::Certificate { host: self.name.to_str().into_owned(), source },
            other => other,
        }
    }
}

const fn ip(host: &Host<String>) -> Option<IpAddr> {
    match host {
        Host::Domain(_) => None,
        Host::Ipv4(ip) => Some(IpAddr::V4(*ip)),
        Host::Ipv6(ip) => Some(IpAddr::V6(*ip)),
    }
}

#[cfg(test)]
mod tests {
    use std::format;

    use super::*;

    /// All that is to be done, in words, with the server's name at `addrs` and `answers` from the proxy.
    fn run(url: &str, proxy: Option<&str>, addrs: &[&str], mut answers: &[u8]) -> Result<Vec<String>, Error> {
        let config = super::super::trust::Trust::default().client_config().unwrap();
        let secured = |name: &'static str| Secured {
            config: config.clone(),
            name: ServerName::try_from(name).unwrap(),
        };
        let url = super::super::WsUrl::parse(url).unwrap();
        let way = Way {
            host: url.kind().clone(),
            port: url.port(),
            unix: None,
            proxy: proxy.map(Proxy::parse).transpose().unwrap().map(|proxy| {
                let tls = proxy.is_secure().then(|| secured("proxy"));
                (proxy, tls)
            }),
            tls: url.is_secure().then(|| secured("server")),
        };
        let mut sequence = Sequence::new(&way)?;
        let mut did = Vec::new();
        loop {
            match sequence.poll() {
                Next::Resolve(name, port) => {
                    did.push(format!("resolve {name}:{port}"));
                    let ips = if name == "server" { addrs } else { &["9.9.9.9"][..] };
                    let addrs = ips.iter().map(|ip| SocketAddr::new(ip.parse().unwrap(), port)).collect();
                    sequence.resolved(addrs)?;
                }
                Next::ConnectUnix(path) => {
                    did.push(format!("connect {}", path.display()));
                    sequence.connected();
                }
                Next::Connect(addrs) => {
                    did.push(format!("connect {addrs:?}"));
                    sequence.connected();
                }
                Next::StartTls(secured) => {
                    did.push(format!("tls {}", secured.name.to_str()));
                    sequence.secured();
                }
                Next::Transmit(bytes) => {
                    did.push(
                        String::from_utf8_lossy(bytes)
                            .lines()
                            .next()
                            .unwrap_or_default()
                            .escape_debug()
                            .to_string(),
                    );
                    let len = bytes.len();
                    sequence.sent(len);
                }
                Next::Receive(space) => {
                    let len = space.len().min(answers.len());
                    space[..len].copy_from_slice(&answers[..len]);
                    answers = &answers[len..];
                    sequence.received(len)?;
                }
                Next::Done => return Ok(did),
            }
        }
    }

    #[test]
    fn every_way() {
        const OK: &[u8] = b"HTTP/1.1 200 OK\r\n\r\n";
        const SOCKS5: &[u8] = &[5, 0, 5, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        let ip = ["8.8.8.8"];
        for (url, proxy, answers, want) in [
            ("ws://server", None, &b""[..], &["resolve server:80", "connect [8.8.8.8:80]"][..]),
            ("wss://1.2.3.4", None, b"", &["connect [1.2.3.4:443]", "tls server"]),
            (
                "wss://server",
                Some("http://proxy:3"),
                OK,
                &["resolve proxy:3", "connect [9.9.9.9:3]", "CONNECT server:443 HTTP/1.1", "tls server"],
            ),
            (
                "wss://server",
                Some("https://proxy"),
                OK,
                &[
                    "resolve proxy:443",
                    "connect [9.9.9.9:443]",
                    "tls proxy",
                    "CONNECT server:443 HTTP/1.1",
                    "tls server",
                ],
            ),
            (
                "ws://server",
                Some("socks5://[::1]"),
                SOCKS5,
                &[
                    "resolve server:80",
                    "connect [[::1]:1080]",
                    "\\u{5}\\u{1}\\0",
                    "\\u{5}\\u{1}\\0\\u{1}\\u{8}\\u{8}\\u{8}\\u{8}\\0P",
                ],
            ),
            (
                "ws://server",
                Some("socks5h://[::1]"),
                SOCKS5,
                &["connect [[::1]:1080]", "\\u{5}\\u{1}\\0", "\\u{5}\\u{1}\\0\\u{3}\\u{6}server\\0P"],
            ),
        ] {
            assert_eq!(run(url, proxy, &ip, answers).unwrap(), want, "{url} {proxy:?}");
        }
    }

    #[test]
    fn errors_name_the_proxy() {
        let fail = |url, proxy, addrs: &[&str], answers: &[u8]| match run(url, Some(proxy), addrs, answers) {
            Err(Error::Proxy { proxy, source }) => (proxy, source),
            other => panic!("{other:?}"),
        };
        let socks4 = "socks4://me:secret@proxy".to_string();
        let shown = "socks4://proxy:1080".to_string();
        let refused = fail("ws://server", &socks4, &["::1", "1.2.3.4"], &[0, 91, 0, 0, 0, 0, 0, 0]);
        assert_eq!(refused, (shown.clone(), ProxyError::Refused(91)));
        assert_eq!(fail("ws://server", &socks4, &["::1"], b""), (shown.clone(), ProxyError::Address));
        assert_eq!(fail("ws://[::1]", &socks4, &[], b""), (shown, ProxyError::Address));
        assert_eq!(fail("ws://server", "http://proxy", &[], b"").1, ProxyError::UnexpectedEof);
    }
}
