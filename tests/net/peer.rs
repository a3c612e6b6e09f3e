//! Peers that do what a test wants of them.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::Arc,
    thread::{self, JoinHandle},
    time::Duration,
};

use base64ct::{Base64, Encoding};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use sockling::{
    ConnectOptions, Server,
    net::{
        ServerOptions,
        rustls::{
            self,
            pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
            server::{WebPkiClientVerifier, danger::ClientCertVerifier},
        },
    },
};

pub fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// Options whose time limits end a test that hangs.
pub fn options() -> ConnectOptions {
    ConnectOptions::new().connect_timeout(ms(5000)).handshake_timeout(ms(5000)).read_timeout(Some(ms(5000)))
}

/// A server for one client: returns its URL, and what `script` returns.
pub fn serve<T: Send + 'static>(
    script: impl FnOnce(TcpStream) -> T + Send + 'static,
) -> (String, JoinHandle<T>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}/path?query", listener.local_addr().unwrap());
    let thread = thread::spawn(move || {
        let tcp = listener.accept().unwrap().0;
        tcp.set_read_timeout(Some(ms(5000))).unwrap();
        script(tcp)
    });
    (url, thread)
}

/// Reads a head, not a byte more.
pub fn read_head(tcp: &mut TcpStream) -> String {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        assert_eq!(tcp.read(&mut byte).unwrap(), 1);
        head.push(byte[0]);
    }
    String::from_utf8(head).unwrap()
}

/// The answer that opens the connection.
pub fn answer(head: &str, more: &str) -> String {
    let key = head.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: ")).unwrap();
    let digest = sha1_smol::Sha1::from(format!("{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11")).digest().bytes();
    let accept = Base64::encode_string(&digest);
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n{more}\r\n"
    )
}

/// Opens the connection as a server, and sends `early` together with the answer.
pub fn open(tcp: &mut TcpStream, early: &[u8]) {
    let head = read_head(tcp);
    tcp.write_all(&[answer(&head, "").as_bytes(), early].concat()).unwrap();
}

/// Connects to a server of ours as a client would, by hand.
pub fn request(addr: SocketAddr) -> TcpStream {
    let mut tcp = TcpStream::connect(addr).unwrap();
    tcp.set_read_timeout(Some(ms(5000))).unwrap();
    tcp.write_all(REQUEST.as_bytes()).unwrap();
    assert!(read_head(&mut tcp).starts_with("HTTP/1.1 101 "));
    tcp
}

pub const REQUEST: &str = "GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";

/// Reads one short frame: its first byte and its payload, unmasked.
pub fn read_frame(tcp: &mut TcpStream) -> (u8, Vec<u8>) {
    let mut head = [0; 2];
    tcp.read_exact(&mut head).unwrap();
    assert!(head[1] & 0x7F < 126);
    let mut key = [0; 4];
    if head[1] & 0x80 != 0 {
        tcp.read_exact(&mut key).unwrap();
    }
    let mut payload = vec![0; usize::from(head[1] & 0x7F)];
    tcp.read_exact(&mut payload).unwrap();
    payload.iter_mut().zip(key.iter().cycle()).for_each(|(byte, key)| *byte ^= key);
    (head[0], payload)
}

/// Whether the connection ends in order, not by a reset.
pub fn ends(tcp: &mut TcpStream) -> bool {
    matches!(tcp.read(&mut [0]), Ok(0))
}

/// A server of ours that sends back every message, on one connection after the other.
pub fn echo(options: ServerOptions) -> (String, JoinHandle<()>) {
    let server = options.bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}", server.local_addr().unwrap());
    (url, thread::spawn(move || echo_once(&server)))
}

pub fn echo_once(server: &Server) {
    let Ok(mut ws) = server.accept() else {
        return;
    };
    while let Ok(message) = ws.recv() {
        let copy = message.as_bytes().to_vec();
        let sent = match message.as_text() {
            Some(_) => ws.send(std::str::from_utf8(&copy).unwrap()),
            None => ws.send(&copy),
        };
        if sent.is_err() {
            return;
        }
    }
}

/// An authority that signs certificates.
pub struct Authority {
    pub pem: String,
    pub der: Vec<u8>,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    pub fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        // Each has a name of its own.
        params.distinguished_name.push(DnType::CommonName, Base64::encode_string(&key.public_key_raw()[..9]));
        let certificate = params.self_signed(&key).unwrap();
        Self { pem: certificate.pem(), der: certificate.der().to_vec(), issuer: Issuer::new(params, key) }
    }

    /// A server with a certificate for `name`.
    pub fn server(&self, name: &str, expired: bool) -> Arc<rustls::ServerConfig> {
        Arc::new(self.config(name, expired, WebPkiClientVerifier::no_client_auth()))
    }

    /// A server that asks for a certificate of this authority, and may insist on one.
    pub fn asking(&self, name: &str, insists: bool) -> Arc<rustls::ServerConfig> {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(self.der.clone().into()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
        let verifier = if insists { verifier } else { verifier.allow_unauthenticated() };
        Arc::new(self.config(name, false, verifier.build().unwrap()))
    }

    /// A client's certificate and its key, in PEM.
    pub fn client(&self, name: &str) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new([name.to_owned()]).unwrap();
        (params.signed_by(&key, &self.issuer).unwrap().pem(), key.serialize_pem())
    }

    fn config(
        &self,
        name: &str,
        expired: bool,
        verifier: Arc<dyn ClientCertVerifier>,
    ) -> rustls::ServerConfig {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        if expired {
            params.not_before = date_time_ymd(2001, 1, 1);
            params.not_after = date_time_ymd(2002, 1, 1);
        }
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_client_cert_verifier(verifier)
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap()
    }
}
