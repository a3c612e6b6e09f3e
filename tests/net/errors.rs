//! Each kind of bad input has its own error.

use std::{
    io::{ErrorKind, Read, Write},
    net::TcpListener,
    time::{Duration, Instant},
};

use sockling::{
    ConnectOptions, HandshakeError, MisuseError, ProtocolError,
    handshake::Field,
    net::{Error, Phase, ProxyError, UrlError},
};

use crate::peer::{answer, ms, open, options, read_head, serve};

#[test]
fn what_is_refused_before_connecting() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let at = listener.local_addr().unwrap();
    let url = format!("ws://{at}/");
    let new = options;
    let mut errors = Vec::new();
    for (number, options) in [
        new().header("X-Fine", "yes").header("X", "a\r\nHost: evil"),
        new().header("X-Fine", "yes").header("X", "a\nb"),
        new().header("X-Fine", "yes").header("X", "a\0"),
        new().header("X-Fine", "yes").header("a\r\nb", ""),
        new().header("X-Fine", "yes").header("a b", ""),
    ]
    .into_iter()
    .enumerate()
    {
        let error = options.connect(&url).unwrap_err();
        assert!(matches!(error, Error::Handshake(HandshakeError::InvalidField)), "{number}: {error:?}");
        errors.push(error);
    }
    for (options, want) in [
        (new().header("Host", "other"), HandshakeError::ReservedField),
        (new().host("a\r\nb"), HandshakeError::InvalidHost),
        (new().host(""), HandshakeError::InvalidHost),
        (new().origin("a\r\nb"), HandshakeError::InvalidOrigin),
        (new().subprotocols(["a", "b\r\nc"]), HandshakeError::InvalidSubprotocol),
        (new().subprotocols(["a", "a"]), HandshakeError::InvalidSubprotocol),
    ] {
        match options.connect(&url).unwrap_err() {
            Error::Handshake(error) => assert_eq!(error, want),
            other => panic!("{other:?}"),
        }
    }
    for (options, needed) in [(new().receive_buffer(130), 131), (new().send_buffer(255), 256)] {
        match options.connect(&url).unwrap_err() {
            Error::Misuse(error) => assert_eq!(error, MisuseError::BufferTooSmall { needed }),
            other => panic!("{other:?}"),
        }
    }
    for (url, want) in [
        (format!("http://{at}/"), UrlError::Scheme("http".into())),
        (format!("ws://{at}/a\r\nb"), UrlError::Character(url.len() + 1)),
        (format!("ws://{at}/#a"), UrlError::Fragment),
        (at.to_string(), UrlError::NoScheme),
    ] {
        match new().connect(&url).unwrap_err() {
            Error::Url(error) => assert_eq!(error, want),
            other => panic!("{other:?}"),
        }
    }
    assert!(errors.iter().all(Error::is_permanent));
    for zero in [new().read_timeout(Some(Duration::ZERO)), new().write_timeout(Some(Duration::ZERO))] {
        let error = zero.connect(&url).unwrap_err();
        assert!(error.is_permanent() && error.to_string().contains("is zero"), "{error}");
    }
    // The system would have completed the connection without us.
    assert_eq!(listener.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
}

/// "URL parts also after percent-decoding": the host is decoded, the path is not, user name and password are.
#[test]
fn row_18_urls_with_encoded_line_ends() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let at = listener.local_addr().unwrap();
    for encoded in ["%0d%0a", "%0D%0AX:%20y", "%0a", "%0d", "%00", "%7f"] {
        for url in [
            format!("ws://127.0.0.1{encoded}:{}/", at.port()),
            format!("ws://{encoded}@127.0.0.1{encoded}:{}/", at.port()),
            format!("ws://user{encoded}:word@{at}/"),
            format!("ws://user:word{encoded}@{at}/"),
        ] {
            match options().connect(&url).unwrap_err() {
                Error::Url(_) | Error::Handshake(HandshakeError::InvalidField) => {}
                other => panic!("{url}: {other:?}"),
            }
        }
        let proxies = ["http", "https", "socks4", "socks4a", "socks5", "socks5h"];
        for proxy in proxies.map(|scheme| format!("{scheme}://user{encoded}:word@{at}")) {
            match options().proxy(&proxy).connect("ws://server.invalid/").unwrap_err() {
                Error::Proxy { source: ProxyError::Credentials, .. } => {}
                other => panic!("{proxy}: {other:?}"),
            }
        }
    }
    assert_eq!(listener.accept().unwrap_err().kind(), ErrorKind::WouldBlock, "nobody came");
    let (url, server) = serve(|mut tcp| {
        let head = read_head(&mut tcp);
        tcp.write_all(answer(&head, "").as_bytes()).unwrap();
        head
    });
    drop(options().connect(&url.replace("/path?query", "/a%0d%0aX:%20y?b%0d%0aX:%20y")).unwrap());
    let head = server.join().unwrap();
    assert!(head.starts_with("GET /a%0d%0aX:%20y?b%0d%0aX:%20y HTTP/1.1\r\n"), "{head}");
}

#[test]
fn refused_connection() {
    let addr = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let error = options().connect(&format!("ws://{addr}")).unwrap_err();
    match &error {
        Error::Connect { addr: tried, source } => {
            assert_eq!((*tried, source.kind()), (addr, ErrorKind::ConnectionRefused));
        }
        other => panic!("{other:?}"),
    }
    assert!(!error.is_permanent() && std::error::Error::source(&error).is_some());
    assert!(error.to_string().starts_with(&format!("cannot connect to {addr}, ")), "{error}");
}

#[test]
fn unknown_host() {
    let error = options()
        .connect_timeout(ms(500))
        .proxy_from_environment(false)
        .connect("ws://nowhere.invalid/")
        .unwrap_err();
    match &error {
        Error::Dns { host, .. } => assert_eq!(host, "nowhere.invalid"),
        // A resolver that does not answer.
        Error::Timeout(phase) => assert_eq!(*phase, Phase::Resolve),
        other => panic!("{other:?}"),
    }
    assert!(!error.is_permanent());
}

#[test]
fn another_status() {
    let body = "x".repeat(70_000);
    for (answer, status, reason, text, permanent) in [
        (
            "404 Not Found\r\nX-A: 1\r\nx-a: 2\r\nContent-Length: 4\r\n\r\nnope".to_owned(),
            404,
            "Not Found",
            "nope",
            true,
        ),
        ("503 \r\nRetry-After: 7\r\n\r\n".to_owned(), 503, "", "", false),
        ("200 OK\r\nContent-Length: 0\r\n\r\n".to_owned(), 200, "OK", "", true),
        ("302 Found\r\nLocation: /b\r\n\r\n".to_owned(), 302, "Found", "", true),
        (format!("400 Long\r\nContent-Length: 70000\r\n\r\n{body}"), 400, "Long", &body[..65536], true),
        // Less than announced, then the end.
        ("429 Slow\r\nContent-Length: 9\r\n\r\nslow".to_owned(), 429, "Slow", "slow", false),
    ] {
        let (url, server) = serve(move |mut tcp| {
            let head = read_head(&mut tcp);
            tcp.write_all(format!("HTTP/1.1 {answer}").as_bytes()).unwrap();
            head
        });
        let error =
            options().redirects(0).header("X-Key", "value").origin("http://a").connect(&url).unwrap_err();
        assert_eq!(error.is_permanent(), permanent, "{error}");
        let Error::Status(response) = error else {
            panic!("{error:?}");
        };
        assert_eq!((response.status, response.reason.as_str()), (status, reason));
        assert_eq!(String::from_utf8_lossy(&response.body), text);
        if status == 404 {
            assert_eq!(response.header("X-a"), Some(&b"1"[..]));
            assert_eq!(response.headers[1], ("x-a".to_owned(), b"2".to_vec()));
        }
        let head = server.join().unwrap();
        assert!(head.starts_with("GET /path?query HTTP/1.1\r\n"), "{head}");
        assert!(head.contains("\r\nOrigin: http://a\r\n") && head.contains("\r\nX-Key: value\r\n"), "{head}");
        assert!(
            head.contains(&format!("\r\nHost: {}\r\n", &url[5..url.len() - "/path?query".len()])),
            "{head}"
        );
    }
}

/// The body does not come, but the status is known.
#[test]
fn status_without_its_body() {
    let (url, server) = serve(|mut tcp| {
        read_head(&mut tcp);
        tcp.write_all(b"HTTP/1.1 403 No\r\nContent-Length: 9\r\n\r\n").unwrap();
        let _ = tcp.read(&mut [0]);
    });
    let error = options().handshake_timeout(ms(100)).connect(&url).unwrap_err();
    assert!(matches!(&error, Error::Status(response) if response.status == 403), "{error:?}");
    server.join().unwrap();
}

/// RFC 9110 section 15.2: an interim response is not the answer, and what it says is not said by the one that is.
#[test]
fn interim_responses() {
    let interim = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nRetry-After: 1\r\n\r\n";
    let (url, server) = serve(|mut tcp| {
        read_head(&mut tcp);
        tcp.write_all(interim).unwrap();
        tcp.write_all(b"HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nno").unwrap();
    });
    let error = options().connect(&url).unwrap_err();
    let Error::Status(response) = error else { panic!("{error:?}") };
    assert_eq!((response.status, &response.body[..], response.headers.len()), (403, &b"no"[..], 1));
    server.join().unwrap();

    let (url, server) = serve(|mut tcp| {
        read_head(&mut tcp);
        tcp.write_all(interim).unwrap();
        let _ = tcp.read(&mut [0]);
    });
    let error = options().handshake_timeout(ms(100)).connect(&url).unwrap_err();
    assert!(matches!(error, Error::Timeout(Phase::Handshake)), "{error:?}");
    server.join().unwrap();
}

#[test]
fn no_websocket_server() {
    type Check = fn(&Error) -> bool;
    let cases: [(&'static [u8], Check); 3] = [
        (b"", |error| {
            matches!(error, Error::Handshake(HandshakeError::UnexpectedEof)) && !error.is_permanent()
        }),
        (b"220 mail.example ESMTP\r\n", |error| {
            matches!(error, Error::Handshake(HandshakeError::Malformed(_)))
        }),
        (
            b"HTTP/1.1 101 \r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: x\r\n\r\n",
            |error| {
                matches!(error, Error::Handshake(HandshakeError::Invalid(Field::Accept)))
                    && error.is_permanent()
            },
        ),
    ];
    for (bytes, check) in cases {
        let (url, server) = serve(move |mut tcp| {
            read_head(&mut tcp);
            tcp.write_all(bytes).unwrap();
        });
        let error = options().connect(&url).unwrap_err();
        assert!(check(&error), "{error:?}");
        server.join().unwrap();
    }
}

#[test]
fn subprotocol_and_head_of_the_answer() {
    let (url, server) = serve(|mut tcp| {
        let head = read_head(&mut tcp);
        let more = "Sec-WebSocket-Protocol: b\r\nSet-Cookie: x=y\r\n";
        tcp.write_all(answer(&head, more).as_bytes()).unwrap();
    });
    let ws = options().subprotocols(["a", "b"]).connect(&url).unwrap();
    assert_eq!(ws.subprotocol(), Some("b"));
    let response = ws.response().unwrap();
    assert_eq!((response.status, response.header("set-cookie")), (101, Some(&b"x=y"[..])));
    assert!(ws.stream().tcp_stream().unwrap().nodelay().unwrap());
    server.join().unwrap();
}

#[test]
fn broken_rule_and_lost_connection() {
    let (url, server) = serve(|mut tcp| {
        open(&mut tcp, &[0xC1, 0]);
        crate::peer::read_frame(&mut tcp)
    });
    let mut ws = options().connect(&url).unwrap();
    let begin = Instant::now();
    for _ in 0..2 {
        let error = ws.recv().unwrap_err();
        assert!(matches!(error, Error::Protocol(ProtocolError::ReservedBits)), "{error:?}");
    }
    assert!(matches!(ws.send("x").unwrap_err(), Error::Protocol(_)));
    assert!(begin.elapsed() < ms(900));
    assert_eq!(server.join().unwrap(), (0x88, vec![0x03, 0xEA]));

    let (url, server) = serve(|mut tcp| open(&mut tcp, &[0x81, 5, b'h']));
    let mut ws = options().connect(&url).unwrap();
    server.join().unwrap();
    for _ in 0..2 {
        assert!(matches!(ws.recv().unwrap_err(), Error::ConnectionLost));
    }
}

#[test]
fn misuse_keeps_the_connection() {
    let (url, server) = serve(|mut tcp| {
        open(&mut tcp, &[0x81, 2, b'h', b'i']);
        crate::peer::read_frame(&mut tcp)
    });
    let mut ws = options().connect(&url).unwrap();
    let long = [0; 126];
    let error = ws.send(sockling::Message::Ping(&long)).unwrap_err();
    assert!(matches!(error, Error::Misuse(MisuseError::ControlTooLong)));
    assert!(matches!(
        ws.close(sockling::CloseCode(1005), "a"),
        Err(Error::Misuse(MisuseError::InvalidCloseCode(1005)))
    ));
    assert_eq!(ws.recv().unwrap().as_text(), Some("hi"));
    ws.send("fine").unwrap();
    assert_eq!(server.join().unwrap(), (0x81, b"fine".to_vec()));
}

#[test]
fn options_do_not_show_secrets() {
    let options = ConnectOptions::new().header("Authorization", "Bearer secret");
    let shown = format!("{options:?}");
    assert!(shown.contains("Authorization") && !shown.contains("secret"), "{shown}");
}

/// A server of `ws` that is asked for `wss` may just hang up.
#[test]
fn an_end_during_the_handshake_of_tls() {
    let (url, server) = serve(|mut tcp| {
        assert!(tcp.read(&mut [0; 4096]).unwrap() > 0);
    });
    let error = options().connect(&url.replace("ws://", "wss://")).unwrap_err();
    server.join().unwrap();
    assert!(matches!(&error, Error::Io(io) if io.kind() == ErrorKind::UnexpectedEof), "{error:?}");
    assert!(!error.is_permanent());
    assert!(error.to_string().contains("may not speak TLS"), "{error}");
}
