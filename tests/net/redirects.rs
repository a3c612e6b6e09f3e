//! Redirects, and what goes along to another origin: attack 31; cookies and credentials.

use std::{
    io::{Read, Write},
    net::TcpListener,
    thread::{self, JoinHandle},
};

use sockling::{
    CloseCode, ConnectOptions, HandshakeError,
    net::{CookieJar, Error, Phase, RedirectError, UrlError, rustls},
};

use crate::{
    peer::{Authority, answer, ms, options, read_head},
    tls::trusting,
};

/// A server for `count` requests, one a connection: its address, and the heads that it got. `respond` is given the
/// number of the request and its head.
fn origin(
    count: usize,
    respond: impl Fn(usize, &str) -> String + Send + 'static,
) -> (String, JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let thread = thread::spawn(move || {
        let mut heads = Vec::new();
        for number in 0..count {
            let mut tcp = listener.accept().unwrap().0;
            tcp.set_read_timeout(Some(ms(5000))).unwrap();
            let head = read_head(&mut tcp);
            tcp.write_all(respond(number, &head).as_bytes()).unwrap();
            // Until the client has read it: a reset would take it away.
            let _ = tcp.shutdown(std::net::Shutdown::Write);
            let _ = tcp.read_to_end(&mut Vec::new());
            heads.push(head);
        }
        heads
    });
    (address, thread)
}

fn found(location: &str) -> String {
    format!("HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n")
}

fn field<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let mut values = head.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    let value = values.next();
    assert_eq!(values.next(), None, "twice: {name}");
    value
}

/// All that is a secret of the first origin's.
fn secretive() -> ConnectOptions {
    options()
        .header("X-Api-Key", "secret-key")
        .header("Cookie", "given=secret-cookie")
        .header_provider(|_| [("X-Token".to_string(), "secret-token".to_string())])
        .cookie("literal=secret-literal")
        .host("secret-host")
        .subprotocols(["chat"])
        .origin("https://page.example")
}

#[test]
fn row_31_the_same_origin_keeps_what_was_given() {
    let (address, server) = origin(3, |number, head| match number {
        0 => found("/b"),
        1 => found("c?d"),
        _ => answer(head, ""),
    });
    let ws = secretive().connect(&format!("ws://user:secret-word@{address}/a")).unwrap();
    assert_eq!(ws.response().unwrap().status, 101);
    drop(ws);
    let heads = server.join().unwrap();
    let mut keys = Vec::new();
    for (head, target) in heads.iter().zip(["/a", "/b", "/c?d"]) {
        assert!(head.starts_with(&format!("GET {target} HTTP/1.1\r\n")), "{head}");
        assert_eq!(field(head, "Host"), Some("secret-host"));
        assert_eq!(field(head, "Authorization"), Some("Basic dXNlcjpzZWNyZXQtd29yZA=="));
        assert_eq!(field(head, "Cookie"), Some("literal=secret-literal; given=secret-cookie"));
        assert_eq!(field(head, "X-Api-Key"), Some("secret-key"));
        assert_eq!(field(head, "X-Token"), Some("secret-token"));
        keys.push(field(head, "Sec-WebSocket-Key").unwrap());
    }
    keys.dedup();
    assert_eq!(keys.len(), 3);
}

#[test]
fn row_31_another_origin_gets_no_secrets() {
    let (last, last_server) = origin(1, answer);
    fn answer(_: usize, head: &str) -> String {
        crate::peer::answer(head, "Sec-WebSocket-Protocol: chat\r\n")
    }
    // Back to the first one: what it once lost it does not get again.
    let (other, other_server) = origin(1, move |_, _| found(&format!("http://{last}/end")));
    let (first, first_server) = origin(1, move |_, _| found(&format!("ws://evil:word@{other}/next")));
    let mut ws = secretive().connect(&format!("ws://user:secret-word@{first}/")).unwrap();
    assert_eq!(ws.subprotocol(), Some("chat"));
    let _ = ws.close(CloseCode::NORMAL, "");
    let head = first_server.join().unwrap().remove(0);
    assert!(head.contains("secret-key") && head.contains("secret-cookie") && head.contains("Authorization"));
    for server in [other_server, last_server] {
        let head = server.join().unwrap().remove(0);
        assert!(
            !head.contains("secret") && !head.contains("Authorization") && !head.contains("Cookie"),
            "{head}"
        );
        assert!(field(&head, "Host").unwrap().starts_with("127.0.0.1:"));
        assert_eq!(field(&head, "Sec-WebSocket-Protocol"), Some("chat"));
        assert_eq!(field(&head, "Origin"), Some("https://page.example"));
    }
}

/// Another scheme is another origin, on the same host; and there is no way back.
#[test]
fn row_31_never_from_wss_to_ws() {
    let (plain, plain_server) = origin(1, answer_with);
    fn answer_with(_: usize, head: &str) -> String {
        answer(head, "")
    }
    let authority = Authority::new();
    let tls = authority.server("127.0.0.1", false);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let secure = listener.local_addr().unwrap();
    let locations = [format!("ws://{plain}/"), format!("http://{plain}/"), format!("wss://{secure}/x")];
    let server = thread::spawn(move || {
        let mut heads = Vec::new();
        for number in 0..4 {
            let tcp = listener.accept().unwrap().0;
            let connection = rustls::ServerConnection::new(tls.clone()).unwrap();
            let mut tls = rustls::StreamOwned::new(connection, tcp);
            let (mut head, mut byte) = (Vec::new(), [0]);
            while !head.ends_with(b"\r\n\r\n") {
                tls.read_exact(&mut byte).unwrap();
                head.push(byte[0]);
            }
            let head = String::from_utf8(head).unwrap();
            let response = locations.get(number).map_or_else(|| answer(&head, ""), |to| found(to));
            tls.write_all(response.as_bytes()).unwrap();
            let _ = tls.read(&mut byte);
            heads.push(head);
        }
        heads
    });
    let options = trusting(&authority);
    for _ in 0..2 {
        match options.connect(&format!("wss://{secure}/")).unwrap_err() {
            Error::Redirect { cause, response } => {
                assert_eq!((cause, response.status), (RedirectError::Downgrade, 302));
            }
            other => panic!("{other:?}"),
        }
    }
    let (first, first_server) = origin(1, move |_, _| found(&format!("https://{secure}/upgraded")));
    drop(options.connect(&format!("ws://user:word@{first}/")).unwrap());
    first_server.join().unwrap();
    let heads = server.join().unwrap();
    assert!(heads[2].starts_with("GET /upgraded ") && !heads[2].contains("Authorization"));
    assert!(heads[3].starts_with("GET /x "));
    drop(std::net::TcpStream::connect(&plain));
    assert!(plain_server.join().is_err(), "nobody else came");
}

#[test]
fn row_31_loops_and_limits() {
    let redirect = |count, options: ConnectOptions, next: fn(usize) -> String| {
        let (address, server) = origin(count, move |number, _| next(number));
        let error = options.connect(&format!("ws://{address}/0")).unwrap_err();
        assert_eq!(server.join().unwrap().len(), count);
        assert!(error.is_permanent());
        match error {
            Error::Redirect { cause, response } => (cause, response.status),
            Error::Status(response) => panic!("{response}"),
            other => panic!("{other:?}"),
        }
    };
    let further = |number: usize| found(&format!("/{}", number + 1));
    assert_eq!(redirect(4, options(), further), (RedirectError::TooMany, 302));
    assert_eq!(redirect(3, options().redirects(2), further), (RedirectError::TooMany, 302));
    assert_eq!(redirect(1, options(), |_| found("/0")), (RedirectError::Loop, 302));
    assert_eq!(redirect(2, options(), |number| found(["/1", "/0"][number])), (RedirectError::Loop, 302));
    let nowhere = |_| "HTTP/1.1 301 Moved\r\nContent-Length: 0\r\n\r\n".to_string();
    assert_eq!(redirect(1, options(), nowhere), (RedirectError::Location, 301));
    assert_eq!(redirect(1, options(), |_| found("https://")), (RedirectError::Target, 302));
    // Not asked to.
    let (address, _server) = origin(1, |_, _| found("/1"));
    match options().redirects(0).connect(&format!("ws://{address}/")).unwrap_err() {
        Error::Status(response) => assert_eq!(response.header("location"), Some(&b"/1"[..])),
        other => panic!("{other:?}"),
    }
}

/// A redirect to the same URL that sets a cookie is no loop.
#[test]
fn a_cookie_may_be_what_a_redirect_is_for() {
    let (address, server) = origin(2, |number, head| {
        match number {
        0 => "HTTP/1.1 307 Temporary Redirect\r\nSet-Cookie: seen=1\r\nLocation: /\r\nContent-Length: 0\r\n\r\n".to_string(),
        _ => answer(head, ""),
    }
    });
    drop(options().connect(&format!("ws://{address}/")).unwrap());
    let heads = server.join().unwrap();
    assert_eq!(field(&heads[0], "Cookie"), None);
    assert_eq!(field(&heads[1], "Cookie"), Some("seen=1"));
}

/// Hops share the time that one connection has.
#[test]
fn row_04_redirects_do_not_stretch_the_deadline() {
    let (address, _server) = origin(10, |number, _| {
        thread::sleep(ms(150));
        found(&format!("/{number}"))
    });
    let begin = std::time::Instant::now();
    let options = ConnectOptions::new().connect_timeout(ms(200)).handshake_timeout(ms(200)).redirects(100);
    match options.connect(&format!("ws://{address}/")).unwrap_err() {
        Error::Timeout(Phase::Handshake | Phase::Connect) => {}
        other => panic!("{other:?}"),
    }
    assert!(begin.elapsed() < ms(3000));
}

#[test]
fn cookies_are_kept_by_whom_they_are_for() {
    let (address, server) = origin(6, |number, head| {
        let more = match number {
            0 => "Set-Cookie: a=b; Path=/\r\nSet-Cookie: c,d=e\r\nSet-Cookie: \x01\r\nset-cookie: ;;=\r\n",
            _ => "",
        };
        // A malformed one is no reason to fail, but a control character in the head is one.
        answer(head, &more.replace('\x01', "=,="))
    });
    let url = format!("ws://{address}/");
    let mine = options();
    drop(mine.connect(&url).unwrap());
    drop(mine.connect(&url).unwrap());
    let copy = mine.clone();
    drop(copy.cookie("x=y").connect(&url).unwrap());
    drop(options().connect(&url).unwrap());
    drop(mine.clone().cookie_jar(None).connect(&url).unwrap());
    let jar = CookieJar::new();
    assert!(jar.set(&url, "shared=1").unwrap());
    drop(mine.cookie_jar(jar).connect(&url).unwrap());
    let heads = server.join().unwrap();
    let cookies: Vec<_> = heads.iter().map(|head| field(head, "Cookie").unwrap_or("none")).collect();
    assert_eq!(cookies[0], "none");
    assert!(cookies[1].contains("a=b"), "{}", cookies[1]);
    assert!(cookies[2].contains("a=b") && cookies[2].ends_with("; x=y"), "{}", cookies[2]);
    assert_eq!(cookies[3..], ["none", "none", "shared=1"]);
}

#[test]
fn credentials() {
    let cases: [(ConnectOptions, &str, Option<&str>); 6] = [
        (options(), "", None),
        (options(), "Aladdin:open%20sesame@", Some("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==")),
        (options(), "us%C3%A9r@", Some("Basic dXPDqXI6")),
        (options().basic_auth("Aladdin", "open sesame"), "a:b@", Some("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==")),
        (options().basic_auth("a", "b:c"), "", Some("Basic YTpiOmM=")),
        (options().basic_auth("a", "b").header("authorization", "Bearer x"), "c:d@", None),
    ];
    let (address, server) = origin(cases.len(), |_, head| answer(head, ""));
    let mut wants = Vec::new();
    for (options, user, want) in cases {
        drop(options.connect(&format!("ws://{user}{address}/")).unwrap());
        wants.push(want);
    }
    let heads = server.join().unwrap();
    for (head, want) in heads.iter().zip(wants) {
        assert_eq!(field(head, "Authorization"), want, "{head}");
    }
    assert_eq!(field(&heads[5], "authorization"), Some("Bearer x"));
    let shown =
        format!("{:?}", options().basic_auth("user", "secret").header("A", "secret").cookie("secret"));
    assert!(!shown.contains("secret"), "{shown}");
}

#[test]
fn row_18_credentials_that_cannot_be_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let url = format!("ws://{}/", listener.local_addr().unwrap());
    for options in [
        options().basic_auth("a:b", "c"),
        options().basic_auth("a\r\n", "c"),
        options().basic_auth("a", "c\0"),
        options().cookie("a=b\r\nX: y"),
        options().header_provider(|_| [("X".to_string(), "a\nb".to_string())]),
    ] {
        match options.connect(&url).unwrap_err() {
            Error::Handshake(HandshakeError::InvalidField) => {}
            other => panic!("{other:?}"),
        }
    }
    match options().connect(&url.replace("127", "a%3Ab:c@127")).unwrap_err() {
        Error::Handshake(HandshakeError::InvalidField) | Error::Url(UrlError::UserInfo) => {}
        other => panic!("{other:?}"),
    }
    assert!(listener.accept().is_err(), "nothing was sent");
}

/// The provider is asked once for every connection, and knows for what.
#[test]
fn fields_made_anew() {
    let count = std::sync::atomic::AtomicUsize::new(0);
    let options = options().header_provider(move |url| {
        let n = count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        [("X-Number".to_string(), format!("{n} {}", url.target()))]
    });
    let (address, server) =
        origin(3, |number, head| if number == 1 { found("/c") } else { answer(head, "") });
    for path in ["a", "b"] {
        drop(options.connect(&format!("ws://{address}/{path}")).unwrap());
    }
    let heads = server.join().unwrap();
    let numbers: Vec<_> = heads.iter().map(|head| field(head, "X-Number").unwrap()).collect();
    assert_eq!(numbers, ["0 /a", "1 /b", "1 /b"]);
}

/// A refusal says when to come back.
#[test]
fn retry_after_reaches_the_caller() {
    let refuse = |_: usize, _: &str| {
        "HTTP/1.1 503 Busy\r\nRetry-After: 120\r\nContent-Length: 4\r\n\r\nbusy".to_string()
    };
    let (address, _server) = origin(1, refuse);
    match options().connect(&format!("ws://{address}/")).unwrap_err() {
        Error::Status(response) => {
            assert_eq!(response.header("retry-after"), Some(&b"120"[..]));
            assert_eq!((response.status, response.body.as_slice()), (503, &b"busy"[..]));
        }
        other => panic!("{other:?}"),
    }
}
