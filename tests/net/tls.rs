//! `wss`: whom a client trusts, and what TLS does to time-outs and long messages.

use std::{
    io::{self, Read, Write},
    net::TcpStream,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
};

use sockling::{
    CloseCode, ConnectOptions,
    net::{Error, Phase, ServerOptions, WsUrl, rustls},
};

use crate::peer::{Authority, echo, ms, options, read_head, serve};

/// An echo server with a certificate for `name`; its URL says `host`.
pub fn wss(authority: &Authority, name: &str, host: &str, expired: bool) -> (String, JoinHandle<()>) {
    let (url, server) = echo(ServerOptions::new().tls(authority.server(name, expired)));
    (format!("wss://{host}:{}/", WsUrl::parse(&url).unwrap().port()), server)
}

pub fn trusting(authority: &Authority) -> ConnectOptions {
    options().add_root_certificates(&authority.pem).unwrap()
}

#[test]
fn an_added_root_is_trusted() {
    let authority = Authority::new();
    for (name, options) in [
        ("localhost", options().add_root_certificates(&authority.pem).unwrap()),
        ("localhost", options().add_root_certificates(&authority.der).unwrap()),
        ("127.0.0.1", trusting(&authority)),
    ] {
        let (url, server) = wss(&authority, name, name, false);
        let mut ws = options.connect(&url).unwrap();
        assert!(ws.stream().is_tls());
        ws.send("hello").unwrap();
        assert_eq!(ws.recv().unwrap().as_text(), Some("hello"));
        assert!(ws.close(CloseCode::NORMAL, "bye").unwrap().is_clean());
        server.join().unwrap();
    }
}

#[test]
fn row_30_certificates_that_are_refused() {
    use rustls::CertificateError as Cause;
    let authority = Authority::new();
    let stranger = Authority::new();
    type Check = fn(&Cause) -> bool;
    let cases: [(&str, &str, bool, &Authority, Check, &str); 4] = [
        (
            "other.example",
            "localhost",
            false,
            &authority,
            |cause| matches!(cause, Cause::NotValidForName | Cause::NotValidForNameContext { .. }),
            "connect by the name",
        ),
        (
            "localhost",
            "127.0.0.1",
            false,
            &authority,
            |cause| matches!(cause, Cause::NotValidForName | Cause::NotValidForNameContext { .. }),
            "connect by the name",
        ),
        (
            "localhost",
            "localhost",
            true,
            &authority,
            |cause| matches!(cause, Cause::Expired | Cause::ExpiredContext { .. }),
            "check the clock",
        ),
        (
            "localhost",
            "localhost",
            false,
            &stranger,
            |cause| matches!(cause, Cause::UnknownIssuer),
            "add_root_certificates",
        ),
    ];
    for (name, host, expired, trusted, check, advice) in cases {
        let (url, server) = wss(&authority, name, host, expired);
        let error = trusting(trusted).connect(&url).unwrap_err();
        match &error {
            Error::Certificate { host: at, source: rustls::Error::InvalidCertificate(cause) } => {
                assert!(at == host && check(cause), "{error:?}");
            }
            other => panic!("{other:?}"),
        }
        assert!(error.is_permanent() && error.to_string().contains(advice), "{error}");
        server.join().unwrap();
    }
}

/// Nor is a certificate trusted because it says so itself: not by default, and not beside another root.
#[test]
fn row_30_a_self_signed_certificate() {
    let signed = rcgen::generate_simple_self_signed(["localhost".to_string()]).unwrap();
    let key = rustls::pki_types::PrivatePkcs8KeyDer::from(signed.signing_key.serialize_der());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![signed.cert.der().clone()], key.into())
        .unwrap();
    let config = Arc::new(config);
    for options in [trusting(&Authority::new()), options()] {
        let (url, server) = echo(ServerOptions::new().tls(config.clone()));
        let port = WsUrl::parse(&url).unwrap().port();
        let error = options.connect(&format!("wss://localhost:{port}/")).unwrap_err();
        match &error {
            Error::Certificate { source: rustls::Error::InvalidCertificate(_), .. } => {}
            // A system without any roots: it has not connected, which the server waits for.
            Error::Roots(_) => drop(TcpStream::connect(("127.0.0.1", port)).unwrap()),
            other => panic!("{other:?}"),
        }
        assert!(error.is_permanent());
        server.join().unwrap();
    }
}

#[test]
fn no_trust_without_roots() {
    let authority = Authority::new();
    let (url, server) = wss(&authority, "localhost", "localhost", false);
    // Of the platform's roots, if it has some, none has signed it.
    let error = options().connect(&url).unwrap_err();
    assert!(matches!(error, Error::Certificate { .. } | Error::Roots(_)), "{error:?}");
    if matches!(error, Error::Roots(_)) {
        TcpStream::connect(("127.0.0.1", WsUrl::parse(&url).unwrap().port())).unwrap();
    }
    server.join().unwrap();
    for nothing in ["", "-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n", "-----BEGIN "] {
        assert!(matches!(options().add_root_certificates(nothing), Err(Error::Roots(_))), "{nothing:?}");
    }
}

/// The configuration given stands, whatever roots were added.
#[test]
fn a_configuration_of_the_callers() {
    let authority = Authority::new();
    let (url, server) = wss(&authority, "localhost", "localhost", false);
    let mut roots = rustls::RootCertStore::empty();
    roots.add(authority.der.clone().into()).unwrap();
    let config = rustls::ClientConfig::builder_with_provider(rustls::crypto::ring::default_provider().into())
        .with_protocol_versions(&[&rustls::version::TLS12])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let mut ws = options().tls(Arc::new(config)).connect(&url).unwrap();
    ws.send("x").unwrap();
    assert_eq!(ws.recv().unwrap().as_text(), Some("x"));
    drop(ws);
    server.join().unwrap();
}

#[test]
fn the_peer_speaks_no_tls() {
    let (url, server) = serve(|mut tcp| {
        let _ = tcp.read(&mut [0; 1024]);
        let _ = tcp.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
    });
    let error = options().connect(&url.replace("ws://", "wss://")).unwrap_err();
    assert!(matches!(error, Error::Tls(_)) && error.to_string().contains("may not speak TLS"), "{error:?}");
    server.join().unwrap();

    // The other way round.
    let authority = Authority::new();
    let server = ServerOptions::new().tls(authority.server("localhost", false)).bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}", server.local_addr().unwrap());
    let client = thread::spawn(move || options().connect(&url).unwrap_err());
    assert!(matches!(server.accept().unwrap_err(), Error::Tls(_)));
    assert!(matches!(client.join().unwrap(), Error::Handshake(_) | Error::Io(_)));
}

/// Row 4: one deadline for TLS and the opening handshake together.
#[test]
fn row_04_slow_loris_within_tls() {
    let authority = Authority::new();
    let options = ServerOptions::new().tls(authority.server("localhost", false)).handshake_timeout(ms(150));
    let server = options.bind("127.0.0.1:0").unwrap();
    let mut tcp = TcpStream::connect(server.local_addr().unwrap()).unwrap();
    let client = thread::spawn(move || {
        // The beginning of a record.
        for byte in [0x16, 3, 1, 1, 0].into_iter().chain([1; 100]) {
            thread::sleep(ms(20));
            if tcp.write_all(&[byte]).is_err() {
                return;
            }
        }
    });
    let error = server.accept().unwrap_err();
    assert!(matches!(error, Error::Timeout(Phase::Tls)), "{error:?}");
    client.join().unwrap();
}

#[test]
fn sixteen_mebibytes() {
    let authority = Authority::new();
    let (url, server) = wss(&authority, "localhost", "localhost", false);
    let mut ws = trusting(&authority).connect(&url).unwrap();
    let message: Vec<u8> = (0..16 << 20).map(|n: u32| (n % 253) as u8).collect();
    ws.send(&message).unwrap();
    assert!(ws.recv().unwrap().as_bytes() == message);
    assert!(ws.close(CloseCode::NORMAL, "").unwrap().is_clean());
    server.join().unwrap();
}

/// A socket that moves a few bytes a call, and every other call none.
struct Narrow {
    tcp: TcpStream,
    narrow: Arc<AtomicBool>,
    turn: bool,
}

impl Narrow {
    fn room(&mut self, len: usize) -> io::Result<usize> {
        if !self.narrow.load(Ordering::Relaxed) {
            return Ok(len);
        }
        self.turn = !self.turn;
        if self.turn { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(len.min(7)) }
    }
}

impl Read for Narrow {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = self.room(buf.len())?;
        self.tcp.read(&mut buf[..n])
    }
}

impl Write for Narrow {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let n = self.room(buf.len())?;
        self.tcp.write(&buf[..n])
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Row 39 within TLS: bytes that were encrypted and not written, or read and not decrypted, wait.
#[test]
fn row_39_partial_writes_within_tls() {
    let authority = Authority::new();
    let (url, server) = wss(&authority, "localhost", "localhost", false);
    let narrow = Arc::new(AtomicBool::new(false));
    let tcp = TcpStream::connect(("127.0.0.1", WsUrl::parse(&url).unwrap().port())).unwrap();
    let stream = Narrow { tcp, narrow: narrow.clone(), turn: false };
    let mut ws = trusting(&authority).read_timeout(None).connect_stream(&url, stream).unwrap();
    assert!(ws.stream().is_tls() && ws.stream().tcp_stream().is_none());
    narrow.store(true, Ordering::Relaxed);
    let mut blocked = 0;
    for len in [0, 1, 100, 5000, 40_000] {
        let message: Vec<u8> = (0..len).map(|n: u32| (n % 253) as u8).collect();
        let mut sent = ws.send(&message);
        while let Err(error) = sent {
            assert!(error.is_timeout(), "{error:?}");
            blocked += 1;
            sent = ws.resume_send(&message);
        }
        loop {
            match ws.recv() {
                Ok(got) => break assert!(got.as_bytes() == message),
                Err(error) => assert!(error.is_timeout(), "{error:?}"),
            }
            blocked += 1;
        }
    }
    assert!(blocked > 5000, "{blocked}");
    narrow.store(false, Ordering::Relaxed);
    assert!(ws.close(CloseCode::NORMAL, "").unwrap().is_clean());
    server.join().unwrap();
}

/// A tunnel that the caller made: a `TcpStream` keeps its deadlines.
#[test]
fn over_a_stream_of_the_callers() {
    let (url, server) = serve(|mut tcp| {
        read_head(&mut tcp);
        thread::sleep(ms(300));
    });
    let tcp = TcpStream::connect(("127.0.0.1", WsUrl::parse(&url).unwrap().port())).unwrap();
    let error = options().handshake_timeout(ms(100)).connect_stream("ws://far.example/", tcp).unwrap_err();
    assert!(matches!(error, Error::Timeout(Phase::Handshake)), "{error:?}");
    server.join().unwrap();
}
