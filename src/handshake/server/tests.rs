extern crate std;
use std::{
    format,
    string::{String, ToString},
    time::Instant,
    vec,
    vec::Vec,
};

use super::*;
use crate::{
    MIN_TX,
    handshake::testing::{ACCEPT, KEY},
    http::{Authority, HeadError},
};

type Outcome = (Result<(), HandshakeError>, String, Vec<u8>);

/// A whole handshake: what the machine ends with, what it sent, and the early bytes.
fn run_within(
    limits: Limits,
    request: &[u8],
    (rx, tx, most): (usize, usize, usize),
    respond: &dyn Fn(RequestHead<'_>) -> Response<'static>,
) -> Outcome {
    let (mut rx, mut tx) = (vec![0; rx], vec![0; tx]);
    let (mut sent, mut rest, mut flushed) = (Vec::new(), request, false);
    let mut machine = ServerHandshake::new(limits);
    let result = loop {
        match machine.poll(&mut rx, &mut tx) {
            Ok(ServerStep::Receive) => {
                let space = machine.space(&mut rx);
                assert!(!space.is_empty() && sent.is_empty());
                let n = rest.len().min(most).min(space.len());
                let (now, after) = rest.split_at(n);
                space[..n].copy_from_slice(now);
                machine.received(n).unwrap();
                rest = after;
            }
            Ok(ServerStep::Request) => {
                let response = respond(machine.request(&rx).unwrap());
                machine.respond(response, &rx).unwrap();
                assert!(machine.request(&rx).is_none());
                assert_eq!(machine.respond(response, &rx), Err(HandshakeError::OutOfTurn));
            }
            Ok(ServerStep::Transmit) => {
                let n = machine.pending(&tx).len().min(most);
                assert!(n > 0 && !flushed);
                sent.extend_from_slice(&machine.pending(&tx)[..n]);
                machine.sent(n).unwrap();
            }
            Ok(ServerStep::Flush) => {
                flushed = true;
                machine.flushed();
            }
            Ok(ServerStep::Done) => {
                assert_eq!(machine.poll(&mut rx, &mut tx), Ok(ServerStep::Done));
                break Ok(());
            }
            Err(error) => {
                assert_eq!(machine.poll(&mut rx, &mut tx), Err(error));
                assert_eq!(
                    flushed,
                    error != HandshakeError::UnexpectedEof,
                    "refusals are sent before the error"
                );
                break Err(error);
            }
        }
    };
    let mut early = rx[machine.early()].to_vec();
    early.extend_from_slice(rest);
    (result, String::from_utf8(sent).unwrap(), early)
}

fn run(request: &str, respond: &dyn Fn(RequestHead<'_>) -> Response<'static>) -> Outcome {
    let outcome = run_within(Limits::DEFAULT, request.as_bytes(), (4096, 4096, 4096), respond);
    for sizes in [(2048, MIN_TX, 1), (1500, 1, 7), (1111, 13, 64)] {
        assert_eq!(run_within(Limits::DEFAULT, request.as_bytes(), sizes, respond), outcome, "{request}");
    }
    outcome
}

fn status_of(request: &str) -> (String, HandshakeError) {
    let (result, sent, _) = run(request, &|_| panic!("{request}"));
    assert!(sent.contains("\r\nContent-Length: 0\r\n") && sent.contains("Connection: close"), "{sent}");
    assert!(sent.ends_with("\r\n\r\n"));
    (sent[9..12].to_string(), result.unwrap_err())
}

fn good(fields: &str) -> String {
    format!(
        "GET /chat?a=b HTTP/1.1\r\nHost: server.example\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n\
         Sec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\n{fields}\r\n"
    )
}

/// Shows the checked request to `look`.
fn look(request: &str, look: &dyn Fn(RequestHead<'_>)) {
    let (result, ..) = run(request, &|head| {
        look(head);
        Response::accept()
    });
    assert_eq!(result, Ok(()), "{request}");
}

#[test]
fn accepts() {
    let (result, sent, early) = run(&format!("{}early", good("")), &|_| Response::accept());
    assert_eq!(result, Ok(()));
    assert_eq!(
        sent,
        format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {ACCEPT}\r\n\r\n"
        )
    );
    assert_eq!(early, b"early");
    let (_, sent, _) = run(&good("Sec-WebSocket-Protocol: a,b\r\n"), &|head| {
        let choice = head.choose(&["c", "b", "a"]).unwrap();
        Response::accept()
            .subprotocol(choice)
            .fields(&[("Set-Cookie", "x=y"), ("Server", "")])
            .body("not sent")
    });
    assert!(sent.ends_with(&format!(
        "Sec-WebSocket-Accept: {ACCEPT}\r\nSec-WebSocket-Protocol: a\r\nSet-Cookie: x=y\r\nServer: \r\n\r\n"
    )));
}

#[test]
fn what_the_caller_sees() {
    let fields = "X-A: 1\r\nx-a: 2\r\nSec-WebSocket-Protocol: a, ,b\r\nOrigin: https://server.example\r\nSec-WebSocket-Protocol: c\r\n\
                  Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\nSec-WebSocket-Extensions: x\r\n";
    look(&good(fields), &|head| {
        assert_eq!((head.path(), head.target()), ("/chat?a=b", "/chat?a=b"));
        assert_eq!(head.host(), Some(Authority { host: "server.example", port: None }));
        assert_eq!(head.field("X-A"), Some(&b"1"[..]));
        assert_eq!(head.field("X-B"), None);
        assert_eq!(head.fields().count(), 12);
        assert_eq!(head.origin(), Some(&b"https://server.example"[..]));
        assert_eq!(head.subprotocols().collect::<Vec<_>>(), ["a", "b", "c"]);
        assert_eq!(head.choose(&["c", "b"]), Some("b"));
        assert_eq!(head.choose(&["A"]), None);
        assert_eq!(head.choose(&[]), None);
        let extensions: Vec<_> = head.extensions().map(|e| (e.name, e.params().count())).collect();
        assert_eq!(extensions, [("permessage-deflate", 1), ("x", 0)]);
    });
    for (target, path, host) in [
        ("/", "/", "server.example"),
        ("//a", "//a", "server.example"),
        ("http://other.example:81/x?y", "/x?y", "other.example"),
        ("WSS://other.example", "/", "other.example"),
    ] {
        look(&good("").replace("/chat?a=b", target), &|head| {
            assert_eq!((head.path(), head.target()), (path, target));
            assert_eq!(head.host().unwrap().host, host);
        });
    }
}

/// Attack 32.
#[test]
fn row_32_same_origin() {
    let is_same = |host: &str, origin: &str, secure| {
        let same = core::cell::Cell::new(false);
        let request = good(&format!("Origin: {origin}\r\n")).replace("server.example", host);
        look(&request, &|head| same.set(head.is_same_origin(secure)));
        same.get()
    };
    assert!(is_same("a.example", "https://a.example", true));
    assert!(is_same("A.example:443", "HTTPS://a.EXAMPLE", true));
    assert!(is_same("a.example", "http://a.example:80", false));
    assert!(is_same("[::1]:8080", "http://[::1]:8080", false));
    for (host, origin, secure) in [
        ("a.example", "https://a.example", false),
        ("a.example", "http://a.example", true),
        ("a.example:8443", "https://a.example", true),
        ("a.example", "https://a.example:8443", true),
        ("a.example", "https://a.example.evil.example", true),
        ("a.example", "https://evil-a.example", true),
        ("a.example", "https://b.a.example", true),
        ("a.example", "https://user@a.example", true),
        ("a.example", "https://a.example/", true),
        ("a.example", "https://a.example:x", true),
        ("a.example", "a.example", true),
        ("a.example", "https:a.example", true),
        ("a.example", "null", true),
        ("a.example", "", true),
        ("a.example", "https://", true),
    ] {
        assert!(!is_same(host, origin, secure), "{host} {origin}");
    }
    look(&good(""), &|head| assert!(!head.is_same_origin(true) && head.origin().is_none()));
}

#[test]
fn broken_requests() {
    let swap = |from: &str, to: &str| {
        let request = good("");
        assert!(request.contains(from), "{from}");
        request.replace(from, to)
    };
    let key = format!("Sec-WebSocket-Key: {KEY}\r\n");
    let short = &KEY[..22];
    for (request, status, error) in [
        (swap("GET", "POST"), "405", HandshakeError::Method),
        (swap("GET", "get"), "405", HandshakeError::Method),
        (swap("/chat?a=b", "*"), "400", HandshakeError::Target),
        (swap("/chat?a=b", "chat"), "400", HandshakeError::Target),
        (swap("/chat?a=b", "/chat#a"), "400", HandshakeError::Target),
        (swap("/chat?a=b", "ftp://server.example/"), "400", HandshakeError::Target),
        (swap("/chat?a=b", "http://server.example?a"), "400", HandshakeError::Target),
        (swap("/chat?a=b", "http:///a"), "400", HandshakeError::Invalid(Field::Host)),
        (swap("/chat?a=b", "http://u@server.example/"), "400", HandshakeError::Invalid(Field::Host)),
        (swap("HTTP/1.1", "HTTP/1.0"), "400", HandshakeError::Malformed(HeadError::Version)),
        (swap("HTTP/1.1", "HTTP/2"), "400", HandshakeError::Malformed(HeadError::RequestLine)),
        (swap("GET /", "GET  /"), "400", HandshakeError::Malformed(HeadError::RequestLine)),
        (swap("GET /", "\r\nGET /"), "400", HandshakeError::Malformed(HeadError::RequestLine)),
        (swap("Host: server.example\r\n", ""), "400", HandshakeError::Missing(Field::Host)),
        (good("Host: server.example\r\n"), "400", HandshakeError::Duplicate(Field::Host)),
        (swap("Host: server.example", "Host:"), "400", HandshakeError::Invalid(Field::Host)),
        (swap("Host: server.example", "Host: a b"), "400", HandshakeError::Invalid(Field::Host)),
        (swap("Host: server.example", "Host: a/b"), "400", HandshakeError::Invalid(Field::Host)),
        (swap("Upgrade: websocket\r\n", ""), "426", HandshakeError::Missing(Field::Upgrade)),
        (swap("Upgrade: websocket", "Upgrade: h2c"), "400", HandshakeError::Invalid(Field::Upgrade)),
        (swap("Connection: keep-alive, Upgrade\r\n", ""), "400", HandshakeError::Missing(Field::Connection)),
        (swap("keep-alive, Upgrade", "notupgrade"), "400", HandshakeError::Invalid(Field::Connection)),
        (swap("Sec-WebSocket-Version: 13\r\n", ""), "426", HandshakeError::Missing(Field::Version)),
        (swap("Version: 13", "Version: 8"), "426", HandshakeError::Invalid(Field::Version)),
        (swap("Version: 13", "Version: 13, 8"), "426", HandshakeError::Invalid(Field::Version)),
        (swap("Version: 13", "Version: 013"), "426", HandshakeError::Invalid(Field::Version)),
        (good("Sec-WebSocket-Version: 13\r\n"), "426", HandshakeError::Duplicate(Field::Version)),
        (swap(&key, ""), "400", HandshakeError::Missing(Field::Key)),
        (good(&key), "400", HandshakeError::Duplicate(Field::Key)),
        (swap(KEY, short), "400", HandshakeError::Invalid(Field::Key)),
        (swap(KEY, ""), "400", HandshakeError::Invalid(Field::Key)),
        (swap(KEY, &format!("{KEY}{KEY}")), "400", HandshakeError::Invalid(Field::Key)),
        (swap(KEY, &"A".repeat(24)), "400", HandshakeError::Invalid(Field::Key)),
        (swap(KEY, &KEY.replace('=', " ")), "400", HandshakeError::Invalid(Field::Key)),
        (good("Origin: a\r\nOrigin: b\r\n"), "400", HandshakeError::Duplicate(Field::Origin)),
        (good("Sec-WebSocket-Protocol: a b\r\n"), "400", HandshakeError::Invalid(Field::Protocol)),
        (good("Sec-WebSocket-Extensions: a;\r\n"), "400", HandshakeError::Invalid(Field::Extensions)),
        (good("Content-Length: 5\r\n"), "400", HandshakeError::Invalid(Field::ContentLength)),
        (
            good("Content-Length: 0\r\nContent-Length: 5\r\n"),
            "400",
            HandshakeError::Invalid(Field::ContentLength),
        ),
        (good("Content-Length: +0\r\n"), "400", HandshakeError::Invalid(Field::ContentLength)),
        (good("Transfer-Encoding: chunked\r\n"), "400", HandshakeError::Invalid(Field::TransferEncoding)),
        (good("a : b\r\n"), "400", HandshakeError::Malformed(HeadError::FieldName)),
        (good("a: b\r\n c\r\n"), "400", HandshakeError::Malformed(HeadError::Folded)),
        (good("a: b\0\r\n"), "400", HandshakeError::Malformed(HeadError::ControlCharacter)),
        (good("a: b\nc: d\r\n"), "400", HandshakeError::Malformed(HeadError::LineEnding)),
        (good("").replace("\r\n", "\n"), "400", HandshakeError::Malformed(HeadError::LineEnding)),
        ("\x16\x03\x01\x02".to_string(), "400", HandshakeError::Malformed(HeadError::ControlCharacter)),
    ] {
        assert_eq!(status_of(&request), (status.to_string(), error), "{request}");
    }
    let eof = run(good("").trim_end(), &|_| panic!());
    assert_eq!(eof, (Err(HandshakeError::UnexpectedEof), String::new(), eof.2.clone()));
    assert_eq!(run("", &|_| panic!()).0, Err(HandshakeError::UnexpectedEof));
    look(&good("Content-Length: 0\r\n"), &|_| {});
}

#[test]
fn refusals_are_complete_responses() {
    let refuse = |request: &str| run(request, &|_| panic!()).1;
    assert_eq!(
        refuse(&good("").replace("Version: 13", "Version: 7")),
        "HTTP/1.1 426 Upgrade Required\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nConnection: close, Upgrade\r\nContent-Length: 0\r\n\r\n"
    );
    assert_eq!(
        refuse(&good("").replace("GET", "PUT")),
        "HTTP/1.1 405 Method Not Allowed\r\nAllow: GET\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
    );
    let (result, sent, early) = run(&format!("{}abc", good("")), &|_| {
        Response::reject(401)
            .fields(&[("WWW-Authenticate", "Basic realm=\"x\"")])
            .body("who are you?")
            .subprotocol("ignored")
    });
    assert_eq!(result, Err(HandshakeError::Refused(401)));
    assert_eq!(
        sent,
        "HTTP/1.1 401 Unauthorized\r\nConnection: close\r\nContent-Length: 12\r\nWWW-Authenticate: Basic realm=\"x\"\r\n\r\nwho are you?"
    );
    assert_eq!(early, b"abc");
    let (_, sent, _) = run(&good(""), &|_| Response::reject(418));
    assert!(sent.starts_with("HTTP/1.1 418 \r\n"));
}

/// Attack 19.
#[test]
fn bad_responses_are_refused_before_a_byte() {
    let (mut rx, mut tx) = ([0; 1024], [0; 256]);
    let request = good("Sec-WebSocket-Protocol: a, b\r\n");
    let mut machine = ServerHandshake::new(Limits::DEFAULT);
    assert_eq!(machine.respond(Response::accept(), &rx), Err(HandshakeError::OutOfTurn));
    assert_eq!(machine.poll(&mut rx, &mut tx), Ok(ServerStep::Receive));
    machine.space(&mut rx)[..request.len()].copy_from_slice(request.as_bytes());
    machine.received(request.len()).unwrap();
    assert_eq!(machine.poll(&mut rx, &mut tx), Ok(ServerStep::Request));
    for (response, error) in [
        (Response::accept().subprotocol("c"), HandshakeError::NotOffered(Field::Protocol)),
        (Response::accept().subprotocol("A"), HandshakeError::NotOffered(Field::Protocol)),
        (Response::accept().subprotocol(""), HandshakeError::NotOffered(Field::Protocol)),
        (Response::accept().subprotocol("a\r\nX: y"), HandshakeError::NotOffered(Field::Protocol)),
        (Response::accept().fields(&[("Set-Cookie", "a\r\nX: y")]), HandshakeError::InvalidField),
        (Response::reject(403).fields(&[("X\r\nY", "a")]), HandshakeError::InvalidField),
        (Response::reject(403).fields(&[("Content-Length", "0")]), HandshakeError::ReservedField),
        (Response::accept().fields(&[("sec-websocket-protocol", "a")]), HandshakeError::ReservedField),
        (Response::reject(101), HandshakeError::InvalidStatus(101)),
        (Response::reject(204), HandshakeError::InvalidStatus(204)),
    ] {
        assert_eq!(machine.respond(response, &rx), Err(error), "{response:?}");
        assert_eq!(machine.poll(&mut rx, &mut tx), Ok(ServerStep::Request));
        assert!(machine.pending(&tx).is_empty());
    }
    assert_eq!(machine.respond(Response::accept().subprotocol("b"), &rx), Ok(()));
    assert_eq!(machine.poll(&mut rx, &mut tx), Ok(ServerStep::Transmit));
}

/// Attacks 1, 2, 3.
#[test]
fn limits() {
    let request = good("");
    let len = request.len();
    let limited = |rx, max_head: usize, max_fields| {
        let limits = Limits { max_head: max_head.try_into().unwrap(), max_fields, ..Limits::DEFAULT };
        let outcome = run_within(limits, request.as_bytes(), (rx, MIN_TX, 5), &|_| Response::accept());
        assert!(
            outcome.0.is_ok() || outcome.1.starts_with("HTTP/1.1 431 Request Header Fields Too Large\r\n")
        );
        outcome.0
    };
    assert_eq!(limited(len, len, 5), Ok(()));
    assert_eq!(limited(len + 1, len, 5), Ok(()));
    assert_eq!(limited(len - 1, len, 5), Err(HandshakeError::HeadTooLong));
    assert_eq!(limited(len, len - 1, 5), Err(HandshakeError::HeadTooLong));
    assert_eq!(limited(len, len, 4), Err(HandshakeError::TooManyFields));
    assert_eq!(limited(0, len, 4), Err(HandshakeError::HeadTooLong));
    // A value that ends where the buffer does, and beyond.
    for pad in 0..200 {
        let request = good(&format!("X: {}\r\n", "y".repeat(pad)));
        let outcome =
            run_within(Limits::DEFAULT, request.as_bytes(), (len + 100, MIN_TX, 9), &|_| Response::accept());
        assert_eq!(outcome.0.is_ok(), pad + 5 <= 100, "{pad}");
    }
}

/// Attacks 4 and 5 at the level of the machine: byte by byte and with floods, in linear time.
#[test]
fn large_heads_in_linear_time() {
    let started = Instant::now();
    let limits = Limits { max_head: u32::MAX, max_fields: u16::MAX, ..Limits::DEFAULT };
    for unit in ["y", "\"", "\\\"", ",", "a;b=\"", " "] {
        for name in ["X", "Sec-WebSocket-Protocol", "Sec-WebSocket-Extensions", "Connection"] {
            let request = good(&format!("{name}: {}\r\n", unit.repeat((256 << 10) / unit.len())));
            let (result, ..) =
                run_within(limits, request.as_bytes(), (300 << 10, MIN_TX, 1), &|_| Response::accept());
            assert_ne!(result, Err(HandshakeError::HeadTooLong));
        }
    }
    assert!(started.elapsed().as_secs() < 60);
}

#[test]
fn impossible_counts() {
    let (mut rx, mut tx) = ([0; 1024], [0; 256]);
    let mut machine = ServerHandshake::new(Limits::DEFAULT);
    assert_eq!(machine.received(1), Err(MisuseError::ImpossibleCount));
    assert_eq!(machine.sent(1), Err(MisuseError::ImpossibleCount));
    assert_eq!(machine.poll(&mut rx, &mut tx), Ok(ServerStep::Receive));
    assert_eq!(machine.received(1025), Err(MisuseError::ImpossibleCount));
    assert_eq!(machine.received(1024), Ok(()));
}
