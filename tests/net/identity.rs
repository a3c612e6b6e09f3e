//! Who a client is in TLS, and what it takes a server for.

use std::{
    fs,
    io::{Read, Write},
    path::PathBuf,
    process,
    thread::JoinHandle,
};

use sockling::{
    CloseCode, ConnectOptions,
    net::{Error, ServerOptions, WsUrl, rustls},
};

use crate::{
    peer::{Authority, echo, options, serve},
    tls::{trusting, wss},
};

fn talk(options: &ConnectOptions, url: &str) {
    let mut ws = options.connect(url).unwrap();
    ws.send("hello").unwrap();
    assert_eq!(ws.recv().unwrap().as_text(), Some("hello"));
    assert!(ws.close(CloseCode::NORMAL, "bye").unwrap().is_clean());
}

/// A server that wants a certificate of this authority.
fn asking(authority: &Authority) -> (String, JoinHandle<()>) {
    let (url, server) = echo(ServerOptions::new().tls(authority.asking("localhost", true)));
    (format!("wss://localhost:{}/", WsUrl::parse(&url).unwrap().port()), server)
}

#[test]
fn client_certificates() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let (chain, key) = authority.client("me");
    let (url, server) = asking(&authority);
    talk(&trusting(&authority).client_certificate(&chain, &key).unwrap(), &url);
    server.join().unwrap();

    let (strange_chain, strange_key) = stranger.client("me");
    for options in
        [trusting(&authority), trusting(&authority).client_certificate(&strange_chain, &strange_key).unwrap()]
    {
        let (url, _server) = asking(&authority);
        // In TLS 1.3 a server says so only after the client believes to be done.
        let error = options.connect(&url).unwrap_err();
        assert!(matches!(error, Error::Tls(rustls::Error::AlertReceived(_))), "{error:?}");
        assert!(error.is_permanent());
    }

    for (chain, key) in [
        (chain.as_str(), strange_key.as_str()),
        (&chain, &chain),
        (&key, &key),
        ("", &key),
        (&chain, ""),
        ("-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n", &key),
    ] {
        let error = options().client_certificate(chain, key).unwrap_err();
        assert!(matches!(error, Error::ClientCertificate(_)) && error.is_permanent(), "{error:?}");
    }
    let shown = format!("{:?}", options().client_certificate(&chain, &key).unwrap());
    assert!(!shown.contains("PRIVATE"), "{shown}");
}

#[test]
fn another_server_name() {
    let authority = Authority::new();
    let (url, server) = wss(&authority, "other.example", "127.0.0.1", false);
    talk(&trusting(&authority).server_name("other.example"), &url);
    server.join().unwrap();
    let (url, _server) = wss(&authority, "localhost", "localhost", false);
    let error = trusting(&authority).server_name("other.example").connect(&url).unwrap_err();
    assert!(matches!(&error, Error::Certificate { host, .. } if host == "other.example"), "{error:?}");
    let error = trusting(&authority).server_name("a b").connect(&url).unwrap_err();
    assert!(matches!(error, Error::Url(_)), "{error:?}");
}

/// The opt-out takes what row 30 refuses, and only when it is asked to.
#[test]
fn row_30_the_opt_out() {
    let authority = Authority::new();
    for (name, expired) in [("other.example", false), ("localhost", true)] {
        let (url, server) = wss(&authority, name, "localhost", expired);
        talk(&options().danger_accept_invalid_certificates(true), &url);
        server.join().unwrap();
        let (url, _server) = wss(&authority, name, "localhost", expired);
        let options =
            options().danger_accept_invalid_certificates(true).danger_accept_invalid_certificates(false);
        let error = options.connect(&url).unwrap_err();
        assert!(matches!(error, Error::Certificate { .. }), "{error:?}");
    }
}

/// A file or folder of this process's.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("sockling-{}-{name}", process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, text).unwrap();
        path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// In processes of their own, since variables are of the process: roots, and the log of keys.
#[test]
fn what_the_environment_says() {
    if let Ok(url) = std::env::var("SOCKLING_TEST_CONNECT") {
        let options = options().key_log(std::env::var("SOCKLING_TEST_LOG").is_ok());
        match options.connect(&url) {
            Ok(mut ws) => drop(ws.close(CloseCode::NORMAL, "")),
            Err(Error::Certificate { .. }) => println!("refused"),
            Err(Error::Roots(error)) => println!("no roots: {error}"),
            Err(other) => panic!("{other:?}"),
        }
        return;
    }
    let scratch = Scratch::new("roots");
    let authority = Authority::new();
    let file = scratch.file("root.pem", &authority.pem);
    let empty = Scratch::new("empty");
    let nothing = empty.file("nothing.pem", "nothing");
    let log = empty.0.join("keys");
    let run = |vars: &[(&str, &PathBuf)]| {
        let (url, _server) = wss(&authority, "localhost", "localhost", false);
        let mut command = process::Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "identity::what_the_environment_says", "--nocapture"]);
        command
            .env_remove("SSL_CERT_DIR")
            .env_remove("WEBSOCKET_CLIENT_CA_BUNDLE")
            .env("SSLKEYLOGFILE", &log);
        let output = command.env("SOCKLING_TEST_CONNECT", url).envs(vars.iter().copied()).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    for path in [&file, &scratch.0] {
        let output = run(&[("WEBSOCKET_CLIENT_CA_BUNDLE", path)]);
        assert!(!output.contains("refused") && !output.contains("no roots"), "{output}");
    }
    assert!(!run(&[("SSL_CERT_FILE", &file)]).contains("refused"));
    assert!(run(&[]).contains("refused"));
    assert!(run(&[("WEBSOCKET_CLIENT_CA_BUNDLE", &nothing)]).contains("no roots"));
    let missing = empty.0.join("missing");
    assert!(run(&[("WEBSOCKET_CLIENT_CA_BUNDLE", &missing)]).contains("missing"));

    assert!(!log.exists(), "the variable alone is not enough");
    run(&[("SSL_CERT_FILE", &file), ("SOCKLING_TEST_LOG", &file)]);
    assert!(fs::read_to_string(&log).unwrap().contains("CLIENT_TRAFFIC_SECRET_0"));
}

/// A Unix-domain socket, as an option and as a stream.
#[cfg(unix)]
#[test]
fn unix_domain_sockets() {
    use std::os::unix::net::{UnixListener, UnixStream};

    let scratch = Scratch::new("unix");
    let path = scratch.0.join("socket");
    let listener = UnixListener::bind(&path).unwrap();
    let server = std::thread::spawn(move || {
        let mut heads = Vec::new();
        for (mut unix, _) in (0..3).map(|_| listener.accept().unwrap()) {
            let (mut head, mut byte) = (Vec::new(), [0]);
            while !head.ends_with(b"\r\n\r\n") {
                unix.read_exact(&mut byte).unwrap();
                head.push(byte[0]);
            }
            let head = String::from_utf8(head).unwrap();
            unix.write_all(crate::peer::answer(&head, "").as_bytes()).unwrap();
            unix.write_all(b"\x81\x02hi").unwrap();
            let _ = unix.read(&mut byte);
            heads.push(head);
        }
        heads
    });
    let url = "ws://daemon.example/events";
    let mut ws = options().unix_socket(&path).proxy("http://127.0.0.1:1").connect(url).unwrap();
    assert_eq!(ws.recv().unwrap().as_text(), Some("hi"));
    assert!(ws.stream().as_fd().is_some() && ws.stream().peer_addr().is_err());
    drop(ws);
    let mut ws = options().connect_stream(url, UnixStream::connect(&path).unwrap()).unwrap();
    assert_eq!(ws.recv().unwrap().as_text(), Some("hi"));
    ws.set_read_timeout(Some(crate::peer::ms(10))).unwrap();
    assert!(ws.recv().unwrap_err().is_timeout());
    drop(ws);
    let (mut reader, _writer) = options().unix_socket(&path).connect(url).unwrap().split().unwrap();
    assert_eq!(reader.recv().unwrap().as_text(), Some("hi"));
    drop((reader, _writer));
    for head in server.join().unwrap() {
        assert!(
            head.starts_with("GET /events HTTP/1.1\r\nUpgrade: websocket\r\nHost: daemon.example\r\n"),
            "{head}"
        );
    }
    match options().unix_socket(scratch.0.join("none")).connect(url).unwrap_err() {
        Error::ConnectUnix { source, .. } => assert_eq!(source.kind(), std::io::ErrorKind::NotFound),
        other => panic!("{other:?}"),
    }
}

/// What the caller sets on a socket is set before it connects, and what it refuses is not connected.
#[test]
fn socket_options() {
    let (url, server) = serve(|mut tcp| {
        crate::peer::open(&mut tcp, b"");
        tcp.peer_addr().unwrap()
    });
    let options = options().local_address([127, 0, 0, 7]).socket_options(|socket| {
        assert!(socket.peer_addr().is_err());
        socket.set_recv_buffer_size(20_000)
    });
    let ws = options.connect(&url).unwrap();
    let local = ws.stream().tcp_stream().unwrap().local_addr().unwrap();
    assert_eq!(local.ip().to_string(), "127.0.0.7");
    assert_eq!(server.join().unwrap(), local);
    let refusing = options.socket_options(|_| Err(std::io::ErrorKind::PermissionDenied.into()));
    match refusing.connect(&url).unwrap_err() {
        Error::Connect { source, .. } => assert_eq!(source.kind(), std::io::ErrorKind::PermissionDenied),
        other => panic!("{other:?}"),
    }
}
