//! Proxies, scripted; real ones are asked by tests/proxies/run.

use std::{
    io::{self, Read, Write},
    net::{Shutdown, TcpStream},
    thread::{self, JoinHandle},
    time::Instant,
};

use sockling::{
    CloseCode, ConnectOptions,
    net::{Error, Phase, ProxyError, ServerOptions, WsUrl, rustls},
};

use crate::{
    peer::{Authority, echo, ms, options, read_head, serve},
    tls::{trusting, wss},
};

fn port(url: &str) -> u16 {
    WsUrl::parse(url).unwrap().port()
}

/// Where the proxy of a test listens, under another scheme.
fn proxy_url(url: &str, scheme: &str) -> String {
    format!("{scheme}127.0.0.1:{}", port(url))
}

/// Passes bytes on, both ways, until both ends are done.
fn relay(mut client: impl Read + Write, client_tcp: &TcpStream, port: u16) {
    let mut server = TcpStream::connect(("127.0.0.1", port)).unwrap();
    client_tcp.set_read_timeout(Some(ms(2))).unwrap();
    server.set_read_timeout(Some(ms(2))).unwrap();
    let wait =
        |error: &io::Error| matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut);
    let mut buf = [0; 10_000];
    loop {
        match client.read(&mut buf) {
            Ok(0) => return,
            Ok(n) => server.write_all(&buf[..n]).unwrap(),
            Err(error) if wait(&error) => {}
            Err(_) => return,
        }
        match server.read(&mut buf) {
            Ok(0) => {
                let _ = client_tcp.shutdown(Shutdown::Write);
                return;
            }
            Ok(n) => {
                let mut rest = &buf[..n];
                while !rest.is_empty() {
                    match client.write(rest) {
                        Ok(n) => rest = &rest[n..],
                        Err(error) if wait(&error) => {}
                        Err(_) => return,
                    }
                }
            }
            Err(error) if wait(&error) => {}
            Err(_) => return,
        }
    }
}

/// An HTTP proxy for one connection, to `port` whatever it is asked for; returns the request.
fn connect_proxy(port: u16) -> (String, JoinHandle<String>) {
    let (url, thread) = serve(move |mut tcp| {
        let head = read_head(&mut tcp);
        tcp.write_all(b"HTTP/1.0 200 OK\r\nVia: test\r\n\r\n").unwrap();
        relay(tcp.try_clone().unwrap(), &tcp, port);
        head
    });
    (proxy_url(&url, "http://"), thread)
}

fn talk(options: &ConnectOptions, url: &str, len: usize) {
    let mut ws = options.connect(url).unwrap();
    let long = vec![7; len];
    for message in [&b"hello"[..], &long] {
        ws.send(message).unwrap();
        assert!(ws.recv().unwrap().as_bytes() == message);
    }
    assert!(ws.close(CloseCode::NORMAL, "bye").unwrap().is_clean());
}

#[test]
fn http_connect() {
    let (server, _echo) = echo(ServerOptions::new());
    let (proxy, thread) = connect_proxy(port(&server));
    // The proxy looks the name up.
    talk(&options().proxy(&proxy), "ws://server.invalid/", 100_000);
    assert_eq!(
        thread.join().unwrap(),
        "CONNECT server.invalid:80 HTTP/1.1\r\nHost: server.invalid:80\r\n\r\n"
    );

    let authority = Authority::new();
    let (server, _echo) = wss(&authority, "localhost", "localhost", false);
    let (proxy, thread) = connect_proxy(port(&server));
    talk(&trusting(&authority).proxy(&proxy), &server, 100_000);
    assert!(thread.join().unwrap().starts_with(&format!("CONNECT localhost:{} ", port(&server))));
}

/// What is for the proxy does not reach the server, nor the other way round; a name in the URL of the server neither.
#[test]
fn row_36_credentials_stay_apart() {
    let (server, origin) = serve(|mut tcp| {
        let head = read_head(&mut tcp);
        tcp.write_all(b"HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n").unwrap();
        head
    });
    let (proxy, thread) = connect_proxy(port(&server));
    let options = options()
        .proxy(proxy.replace("http://", "http://proxy%3D:proxy-word@"))
        .basic_auth("origin", "origin-word")
        .header("X-Origin", "origin-key")
        .cookie("origin=origin-cookie");
    let shown = format!("{options:?}");
    assert!(!shown.contains("word") && !shown.contains("origin-"), "{shown}");
    match options.connect("ws://server.invalid/").unwrap_err() {
        Error::Status(response) => assert_eq!(response.status, 401),
        other => panic!("{other:?}"),
    }
    let asked = thread.join().unwrap();
    assert_eq!(
        asked,
        "CONNECT server.invalid:80 HTTP/1.1\r\nHost: server.invalid:80\r\n\
         Proxy-Authorization: Basic cHJveHk9OnByb3h5LXdvcmQ=\r\n\r\n"
    );
    let head = origin.join().unwrap();
    assert!(head.contains("Basic b3JpZ2luOm9yaWdpbi13b3Jk") && head.contains("origin-key"), "{head}");
    assert!(!head.contains("Proxy") && !head.contains("cHJveHk"), "{head}");
}

/// A proxy that answers `bytes`, and never ends them if `endless`.
fn answering(bytes: &'static [u8], endless: bool) -> String {
    let (url, _) = serve(move |mut tcp| {
        read_head(&mut tcp);
        while tcp.write_all(bytes).is_ok() && endless {}
        let _ = tcp.shutdown(Shutdown::Write);
        let _ = tcp.read(&mut [0]);
    });
    proxy_url(&url, "http://")
}

fn refused(proxy: &str) -> ProxyError {
    match options().proxy(proxy).connect("ws://user:secret@server.invalid/").unwrap_err() {
        Error::Proxy { proxy: shown, source } => {
            assert_eq!(shown, *proxy);
            source
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn row_36_answers_of_a_bad_proxy() {
    use sockling::http::HeadError;
    let head = ProxyError::Head;
    assert_eq!(refused(&answering(b"x", true)), head(HeadError::TooLong));
    assert_eq!(refused(&answering(b"HTTP/1.1 200 OK\r\nA: ", true)), head(HeadError::TooLong));
    assert_eq!(refused(&answering(b"SSH-2.0-x\r\n", false)), head(HeadError::StatusLine));
    assert_eq!(refused(&answering(b"HTTP/1.1 200 OK\r\n\r\n\x81\x00", false)), ProxyError::Early);
    assert_eq!(refused(&answering(b"HTTP/1.1 200 OK\r\n", false)), ProxyError::UnexpectedEof);
    let status = |bytes| match refused(&answering(bytes, false)) {
        ProxyError::Status(response) => response,
        other => panic!("{other:?}"),
    };
    let response = status(b"HTTP/1.1 407 Auth\r\nProxy-Authenticate: Basic realm=x\r\n\r\n");
    assert_eq!(response.header("proxy-authenticate"), Some(&b"Basic realm=x"[..]));
    assert_eq!(status(b"HTTP/1.1 503 Busy\r\nRetry-After: 7\r\n\r\n").header("retry-after"), Some(&b"7"[..]));
    let error = |source| Error::Proxy { proxy: String::new(), source };
    assert!(error(ProxyError::Status(response)).is_permanent());
    assert!(!error(ProxyError::UnexpectedEof).is_permanent());
}

/// Attack 4, for proxies: a byte now and then does not stretch the deadline.
#[test]
fn row_36_slow_answers() {
    for (scheme, bytes) in
        [("http://", &b"HTTP/1.1 200 OK\r\nA: bbbbbbbbbbbbbbbbbbbbbbbbbb"[..]), ("socks5h://", b"\x05")]
    {
        let (url, _) = serve(move |mut tcp| {
            for byte in bytes {
                if tcp.write_all(&[*byte]).is_err() {
                    return;
                }
                thread::sleep(ms(30));
            }
            thread::sleep(ms(2000));
        });
        let begin = Instant::now();
        let options = options().connect_timeout(ms(300)).proxy(proxy_url(&url, scheme));
        match options.connect("ws://server.invalid/").unwrap_err() {
            Error::Timeout(Phase::Proxy) => {}
            other => panic!("{scheme} {other:?}"),
        }
        assert!(begin.elapsed() >= ms(290) && begin.elapsed() < ms(2000));
    }
}

/// TLS to the proxy and TLS to the server within, with messages longer than a record, and in two threads.
#[test]
fn https_proxy() {
    let (of_proxy, of_server) = (Authority::new(), Authority::new());
    let (server, _echo) = wss(&of_server, "localhost", "localhost", false);
    let (plain, _plain_echo) = echo(ServerOptions::new());
    // It asks for a certificate, and takes none too.
    let tls = of_proxy.asking("127.0.0.1", false);
    let start = move |port| {
        let tls = tls.clone();
        let (url, thread) = serve(move |tcp| {
            let connection = rustls::ServerConnection::new(tls).unwrap();
            let mut tls = rustls::StreamOwned::new(connection, tcp.try_clone().unwrap());
            let (mut head, mut byte) = (Vec::new(), [0]);
            while !head.ends_with(b"\r\n\r\n") {
                if tls.read_exact(&mut byte).is_err() {
                    return None;
                }
                head.push(byte[0]);
            }
            let shown = tls.conn.peer_certificates().is_some();
            tls.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
            relay(tls, &tcp, port);
            Some(shown)
        });
        (proxy_url(&url, "https://"), thread)
    };
    let (chain, key) = of_server.client("me");
    let options = trusting(&of_server).client_certificate(chain, key).unwrap();
    let both = options.clone().add_root_certificates(&of_proxy.pem).unwrap();

    let (proxy, thread) = start(port(&server));
    talk(&both.clone().proxy(proxy), &server, 200_000);
    assert_eq!(thread.join().unwrap(), Some(false), "the certificate is for the server");

    let (proxy, thread) = start(port(&plain));
    talk(&both.clone().proxy(proxy), &plain, 200_000);
    thread.join().unwrap();

    // Whom the proxy's certificate is from counts, whatever the server may be.
    let (proxy, thread) = start(port(&server));
    match options.danger_accept_invalid_certificates(true).proxy(proxy).connect(&server).unwrap_err() {
        Error::Certificate { host, .. } => assert_eq!(host, "127.0.0.1"),
        other => panic!("{other:?}"),
    }
    assert_eq!(thread.join().unwrap(), None);

    let (server, _echo) = wss(&of_server, "localhost", "localhost", false);
    let (proxy, _thread) = start(port(&server));
    let (mut reader, mut writer) = both.proxy(proxy).connect(&server).unwrap().split().unwrap();
    let message = vec![5; 300_000];
    let want = message.clone();
    let reading = thread::spawn(move || {
        for _ in 0..3 {
            assert!(reader.recv().unwrap().as_bytes() == want);
        }
        reader.recv().map(drop).unwrap_err()
    });
    for _ in 0..3 {
        writer.send(&message).unwrap();
    }
    writer.close(CloseCode::NORMAL, "").unwrap();
    assert!(matches!(reading.join().unwrap(), Error::Closed(close) if close.is_clean()));
}

/// What is expected, and what is answered.
type Dialogue = &'static [(&'static [u8], &'static [u8])];

/// A SOCKS proxy that goes by a dialogue.
fn socks(dialogue: Dialogue, server: u16) -> (String, JoinHandle<()>) {
    serve(move |mut tcp| {
        for (expected, answer) in dialogue {
            let mut got = vec![0; expected.len()];
            tcp.read_exact(&mut got).unwrap();
            assert_eq!(&got, expected);
            tcp.write_all(answer).unwrap();
        }
        relay(tcp.try_clone().unwrap(), &tcp, server);
    })
}

#[test]
fn socks_proxies() {
    let cases: [(&str, &str, Dialogue); 4] = [
        (
            "socks4://me@",
            "ws://1.2.3.4:258/",
            &[(b"\x04\x01\x01\x02\x01\x02\x03\x04me\0", b"\0\x5a\0\0\0\0\0\0")],
        ),
        (
            "socks4a://",
            "ws://server.invalid/",
            &[(b"\x04\x01\0P\0\0\0\x01\0server.invalid\0", b"\0\x5a\0\0\0\0\0\0")],
        ),
        (
            "socks5://",
            "ws://127.0.0.1/",
            &[(b"\x05\x01\0", b"\x05\0"), (b"\x05\x01\0\x01\x7f\0\0\x01\0P", b"\x05\0\0\x01\0\0\0\0\0\0")],
        ),
        (
            "socks5h://me:word@",
            "ws://server.invalid/",
            &[
                (b"\x05\x02\0\x02", b"\x05\x02"),
                (b"\x01\x02me\x04word", b"\x01\0"),
                (b"\x05\x01\0\x03\x0eserver.invalid\0P", b"\x05\0\0\x03\x02ok\0\0"),
            ],
        ),
    ];
    for (scheme, url, dialogue) in cases {
        let (server, _echo) = echo(ServerOptions::new());
        let (proxy, thread) = socks(dialogue, port(&server));
        talk(&options().proxy(proxy_url(&proxy, scheme)), url, 100_000);
        thread.join().unwrap();
    }
}

/// Hosts that need no proxy get none, and one that is no proxy is an error before anything is sent.
#[test]
fn which_proxy() {
    let (server, _echo) = echo(ServerOptions::new());
    for options in [options().no_proxy(["127.0.0.0/8"]), options().no_proxy(["*"])] {
        let (server, _echo) = echo(ServerOptions::new());
        talk(&options.proxy("http://127.0.0.1:1"), &server, 10);
    }
    for (proxy, want) in [
        ("ftp://h:1", ProxyError::Scheme("ftp".into())),
        ("http://h/p", ProxyError::Url),
        (&format!("socks5h://{}:b@h", "a".repeat(256)), ProxyError::Credentials),
        ("socks4://h", ProxyError::Address),
    ] {
        match options().proxy(proxy).connect("ws://[::1]/").unwrap_err() {
            error @ Error::Proxy { .. } => {
                assert!(error.is_permanent());
                let Error::Proxy { source, .. } = error else { unreachable!() };
                assert_eq!(source, want);
            }
            other => panic!("{other:?}"),
        }
    }
    match options().proxy("http://127.0.0.1:1").connect(&server).unwrap_err() {
        Error::Connect { addr, .. } => assert_eq!(addr.port(), 1),
        other => panic!("{other:?}"),
    }
    drop(TcpStream::connect(("127.0.0.1", port(&server))));
}

/// In a process of its own, since variables are of the process.
#[test]
fn the_environment_names_a_proxy() {
    if let Ok(server) = std::env::var("SOCKLING_TEST_CONNECT") {
        talk(&options(), &server, 10);
        return;
    }
    let run = |vars: &[(&str, &str)], url: &str| {
        let mut command = std::process::Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "proxies::the_environment_names_a_proxy"]);
        for name in ["http_proxy", "https_proxy", "all_proxy", "no_proxy"] {
            command.env_remove(name).env_remove(name.to_uppercase());
        }
        let output = command.env("SOCKLING_TEST_CONNECT", url).envs(vars.iter().copied()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    };
    let (server, _echo) = echo(ServerOptions::new());
    let (proxy, thread) = connect_proxy(port(&server));
    run(&[("ALL_PROXY", &proxy), ("no_proxy", "other.invalid,::1")], "ws://server.invalid/");
    assert!(thread.join().unwrap().starts_with("CONNECT server.invalid:80 "));
    // A name that no proxy is for: here it has an address.
    let (server, _echo) = echo(ServerOptions::new());
    run(&[("http_proxy", "http://127.0.0.1:1")], &server);
}
