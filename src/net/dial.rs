//! From a URL to a stream: name, TCP, TLS.

use std::{
    io,
    net::{SocketAddr, TcpStream, ToSocketAddrs},
    string::String,
    sync::{Arc, mpsc},
    thread,
    time::{Duration, Instant},
    vec,
    vec::Vec,
};

use rustls::{ClientConfig, ClientConnection};
use socket2::{SockRef, TcpKeepalive};

use super::{Error, Phase, Stream, WsUrl, error::is_wait, trust::server_name};

/// Settings of a socket.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tuning {
    pub(super) nodelay: bool,
    pub(super) keepalive: bool,
}

impl Tuning {
    pub(super) const DEFAULT: Self = Self { nodelay: true, keepalive: true };

    /// Applies them as far as the system goes along: a connection works without.
    pub(super) fn apply<'a>(self, tcp: impl Into<SockRef<'a>>) {
        let tcp = tcp.into();
        let _ = tcp.set_tcp_nodelay(self.nodelay);
        if self.keepalive {
            let _ = tcp.set_tcp_keepalive(&keepalive());
        }
    }
}

/// Asks after 30 s of silence, every 10 s, 3 times: a dead peer shows after a minute.
fn keepalive() -> TcpKeepalive {
    let keepalive = TcpKeepalive::new().with_time(Duration::from_secs(30));
    #[cfg(any(
        target_os = "linux",
        target_os = "android",
        target_vendor = "apple",
        target_os = "freebsd",
        windows
    ))]
    let keepalive = keepalive.with_interval(Duration::from_secs(10)).with_retries(3);
    keepalive
}

/// Opens the stream to `url` that the opening handshake runs over. `tls` is there if it is `wss`.
///
/// This is the place for other ways to get there: proxies, sockets of other kinds, addresses tried side by side.
pub(super) fn dial(
    url: &WsUrl,
    tls: Option<Arc<ClientConfig>>,
    tuning: Tuning,
    deadline: Option<Instant>,
) -> Result<Stream, Error> {
    let addrs = resolve(url, deadline)?;
    let tcp = connect_any(&addrs, deadline)?;
    tuning.apply(&tcp);
    let mut stream = Stream::tcp(tcp);
    if let Some(config) = tls {
        start_tls(&mut stream, url, config, deadline)?;
    }
    Ok(stream)
}

/// Performs the handshake of TLS, as a client.
pub(super) fn start_tls(
    stream: &mut Stream,
    url: &WsUrl,
    config: Arc<ClientConfig>,
    deadline: Option<Instant>,
) -> Result<(), Error> {
    let connection = ClientConnection::new(config, server_name(url)?).map_err(Error::Tls)?;
    stream.set_deadline(deadline);
    stream.start_tls(connection.into()).map_err(|error| explain_tls(error, url).within(Phase::Tls))
}

pub(super) fn explain_tls(error: io::Error, url: &WsUrl) -> Error {
    match Error::from_io(error) {
        Error::Tls(
            source @ (rustls::Error::InvalidCertificate(_) | rustls::Error::NoCertificatesPresented),
        ) => Error::Certificate { host: url.host(), source },
        other => other,
    }
}

/// The addresses of a host. The system's resolver knows no deadline: past ours, its thread is left to itself until it
/// returns.
fn resolve(url: &WsUrl, deadline: Option<Instant>) -> Result<Vec<SocketAddr>, Error> {
    if let Some(ip) = url.ip() {
        return Ok(vec![SocketAddr::new(ip, url.port())]);
    }
    let (host, port) = (url.host(), url.port());
    let fail = |source| Error::Dns { host: host.clone(), source };
    let (sender, receiver) = mpsc::channel();
    let name = host.clone();
    thread::Builder::new()
        .name(String::from("sockling-resolve"))
        .spawn(move || sender.send((name.as_str(), port).to_socket_addrs().map(Vec::from_iter)))
        .map_err(fail)?;
    let answer = match deadline {
        Some(at) => receiver.recv_timeout(at.saturating_duration_since(Instant::now())),
        None => receiver.recv().map_err(mpsc::RecvTimeoutError::from),
    };
    match answer {
        Ok(Ok(addrs)) if addrs.is_empty() => Err(fail(io::ErrorKind::NotFound.into())),
        Ok(addrs) => addrs.map_err(fail),
        Err(mpsc::RecvTimeoutError::Timeout) => Err(Error::Timeout(Phase::Resolve)),
        Err(mpsc::RecvTimeoutError::Disconnected) => Err(fail(io::Error::other("the resolver panicked"))),
    }
}

/// Tries one address after the other. Each gets an equal share of the time that is left, so that one that swallows
/// packets does not use it up.
fn connect_any(addrs: &[SocketAddr], deadline: Option<Instant>) -> Result<TcpStream, Error> {
    let mut last = Error::Timeout(Phase::Connect);
    for (addr, others) in addrs.iter().zip((1..=addrs.len()).rev()) {
        let result = match deadline {
            Some(at) => {
                let left = at.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    return Err(Error::Timeout(Phase::Connect));
                }
                let share = left / u32::try_from(others).unwrap_or(u32::MAX);
                TcpStream::connect_timeout(addr, share.max(Duration::from_millis(1)))
            }
            None => TcpStream::connect(addr),
        };
        match result {
            Ok(tcp) => return Ok(tcp),
            Err(error) if is_wait(&error) => last = Error::Timeout(Phase::Connect),
            Err(source) => last = Error::Connect { addr: *addr, source },
        }
    }
    Err(last)
}

#[cfg(test)]
mod tests {
    use std::{net::TcpListener, string::ToString};

    use super::*;

    fn soon() -> Option<Instant> {
        Instant::now().checked_add(Duration::from_secs(5))
    }

    #[test]
    fn the_next_address_is_tried() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let refusing = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let addrs = [refusing, listener.local_addr().unwrap()];
        let tcp = connect_any(&addrs, soon()).unwrap();
        assert_eq!(tcp.peer_addr().unwrap(), addrs[1]);
        Tuning::DEFAULT.apply(&tcp);
        assert!(tcp.nodelay().unwrap());
        assert!(SockRef::from(&tcp).keepalive().unwrap());
        #[cfg(target_os = "linux")]
        assert_eq!(SockRef::from(&tcp).tcp_keepalive_retries().unwrap(), 3);
        match connect_any(&[refusing], soon()).unwrap_err() {
            Error::Connect { addr, source } => {
                assert_eq!((addr, source.kind()), (refusing, io::ErrorKind::ConnectionRefused));
            }
            other => panic!("{other:?}"),
        }
        assert!(matches!(connect_any(&addrs, Some(Instant::now())), Err(Error::Timeout(Phase::Connect))));
    }

    #[test]
    fn addresses_are_not_looked_up() {
        let addrs = resolve(&WsUrl::parse("ws://[::1]:7").unwrap(), Some(Instant::now())).unwrap();
        assert_eq!(addrs[0].to_string(), "[::1]:7");
        let late = resolve(&WsUrl::parse("ws://localhost").unwrap(), Some(Instant::now()));
        assert!(matches!(late, Err(Error::Timeout(Phase::Resolve)) | Ok(_)));
        assert!(!resolve(&WsUrl::parse("ws://localhost").unwrap(), soon()).unwrap().is_empty());
    }
}
