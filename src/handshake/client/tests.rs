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
    Config, Limits, MIN_RX, MIN_TX,
    handshake::testing::{ACCEPT, KEY, Nonce},
};

mod refusals;

struct Outcome {
    result: Result<Option<usize>, HandshakeError>,
    sent: String,
    lines: Vec<String>,
    early: Vec<u8>,
}

/// Sizes: receive buffer, send buffer, bytes a read or write.
type Sizes = (usize, usize, usize);

const ROOMY: Sizes = (4096, 4096, 4096);

/// A whole handshake; the server's end comes after `response`.
fn run(request: &Request<'_>, response: &[u8], (rx, tx, most): Sizes) -> Outcome {
    let (mut rx, mut tx) = (vec![0; rx], vec![0; tx]);
    let (mut sent, mut lines, mut rest, mut flushed) = (Vec::new(), Vec::new(), response, false);
    let mut machine = ClientHandshake::new(request, &mut Nonce).unwrap();
    let result = loop {
        let step = machine.poll(&mut rx, &mut tx, &mut |line| {
            lines.push(match line {
                HeadLine::Status { code, reason } => format!("{code} {}", String::from_utf8_lossy(reason)),
                HeadLine::Field { name, value } => format!("{name}: {}", String::from_utf8_lossy(value)),
            });
        });
        match step {
            Ok(Step::Transmit) => {
                let n = machine.pending(&tx).len().min(most);
                assert!(n > 0 && !flushed);
                sent.extend_from_slice(&machine.pending(&tx)[..n]);
                machine.sent(n).unwrap();
            }
            Ok(Step::Flush) => {
                flushed = true;
                machine.flushed();
            }
            Ok(Step::Receive) => {
                let space = machine.space(&mut rx);
                assert!(!space.is_empty() && flushed);
                let n = rest.len().min(most).min(space.len());
                let (now, after) = rest.split_at(n);
                space[..n].copy_from_slice(now);
                machine.received(n).unwrap();
                rest = after;
            }
            Ok(Step::Done) => {
                assert_eq!(machine.poll(&mut rx, &mut tx, &mut |_| panic!()), Ok(Step::Done));
                break Ok(machine.subprotocol());
            }
            Err(error) => {
                assert_eq!(machine.poll(&mut rx, &mut tx, &mut |_| panic!()), Err(error));
                break Err(error);
            }
        }
    };
    let mut early = rx[machine.early()].to_vec();
    if result.is_ok() {
        early.extend_from_slice(rest);
    }
    Outcome { result, sent: String::from_utf8(sent).unwrap(), lines, early }
}

fn plain() -> Request<'static> {
    Request::new("sensor.example", "/feed")
}

/// The result of a response with these fields, the same for every way that the bytes arrive.
fn answer(request: &Request<'_>, response: &str) -> Result<Option<usize>, HandshakeError> {
    let outcome = run(request, response.as_bytes(), ROOMY);
    for most in [1, 2, 3, 7, 64] {
        let other = run(request, response.as_bytes(), (1024, MIN_TX, most));
        assert_eq!((other.result, &other.lines), (outcome.result, &outcome.lines), "{response}");
    }
    outcome.result
}

fn accepted(fields: &str) -> String {
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {ACCEPT}\r\n{fields}\r\n"
    )
}

const OK: Result<Option<usize>, HandshakeError> = Ok(None);

#[test]
fn request_in_the_order_of_websocket_client() {
    let fields = [("Authorization", "Basic QWxhZGRpbg=="), ("X-Empty", ""), ("Cookie", "a=b; c=d")];
    let request = Request::new("[::1]:9001", "/chat?room=1%2F2")
        .origin("https://page.example")
        .subprotocols(&["telemetry.v2", "telemetry.v1"])
        .fields(&fields);
    let want = format!(
        "GET /chat?room=1%2F2 HTTP/1.1\r\nUpgrade: websocket\r\nHost: [::1]:9001\r\nOrigin: https://page.example\r\n\
         Sec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Protocol: telemetry.v2, telemetry.v1\r\nAuthorization: Basic QWxhZGRpbg==\r\nX-Empty: \r\n\
         Cookie: a=b; c=d\r\n\r\n"
    );
    for tx in 1..300 {
        assert_eq!(run(&request, b"", (200, tx, 5)).sent, want, "{tx} bytes");
    }
    let want = format!(
        "GET /feed HTTP/1.1\r\nUpgrade: websocket\r\nHost: sensor.example\r\nSec-WebSocket-Key: {KEY}\r\n\
         Sec-WebSocket-Version: 13\r\nConnection: Upgrade\r\n\r\n"
    );
    assert_eq!(run(&plain(), b"", ROOMY).sent, want);
}

/// Attack 18.
#[test]
fn bad_arguments_are_refused_before_a_byte() {
    let fails = |request: &Request<'_>| ClientHandshake::new(request, &mut Nonce).err();
    for host in
        ["", "a b", "a\r\nX: y", "a\n", "a\0", "a/b", "user@a", "a?b", "a#b", "a\\b", "é", "a\t", "a\x7f"]
    {
        assert_eq!(fails(&Request::new(host, "/")), Some(HandshakeError::InvalidHost), "{host:?}");
    }
    for path in
        ["", "a", "http://a/", "/a b", "/a#b", "/\r\nX: y", "/\n", "/\0", "/é", "/\t", " /", "?a", "/\x7f"]
    {
        assert_eq!(fails(&Request::new("a", path)), Some(HandshakeError::InvalidPath), "{path:?}");
    }
    for origin in ["", "https://a b", "https://a\r\nX: y", "a\0", "é"] {
        assert_eq!(fails(&plain().origin(origin)), Some(HandshakeError::InvalidOrigin), "{origin:?}");
    }
    for subprotocols in
        [&["a", ""][..], &["a,b"], &["a b"], &["a\r\nb"], &["é"], &["a", "b", "a"], &["a;b"], &["\"a\""]]
    {
        let request = plain().subprotocols(subprotocols);
        assert_eq!(fails(&request), Some(HandshakeError::InvalidSubprotocol), "{subprotocols:?}");
    }
    for (name, value) in
        [("a b", "c"), ("", "c"), ("a:", "c"), ("a", "b\r\nc: d"), ("a", "b\nc"), ("a", "\0"), ("a\r\nb", "")]
    {
        assert_eq!(fails(&plain().fields(&[("x", "y"), (name, value)])), Some(HandshakeError::InvalidField));
    }
    for name in [
        "HOST",
        "upgrade",
        "Connection",
        "Origin",
        "Sec-WebSocket-Key",
        "Transfer-Encoding",
        "Content-Length",
    ] {
        assert_eq!(fails(&plain().fields(&[(name, "v")])), Some(HandshakeError::ReservedField), "{name}");
    }
    assert_eq!(
        fails(&plain().subprotocols(&["a", "A"]).fields(&[("x-é".trim_end_matches('é'), "é\t ü")])),
        None
    );
}

/// websocket-client: test_ws_utils, test_read_header.
#[test]
fn answers_that_open_the_connection() {
    for fields in [
        "",
        "some_header: something\r\n",
        "Set-Cookie: Token=ABCDE\r\nSet-Cookie: Token=FGHIJ\r\n",
        "Content-Length: 0\r\n",
        "Date:\r\nX:y\r\nZ:\t z \t\r\nW: \u{fc}\r\n",
        "Host: whatever\r\nOrigin: whatever\r\nSec-WebSocket-Version: 13\r\n",
    ] {
        assert_eq!(answer(&plain(), &accepted(fields)), OK, "{fields}");
    }
    for head in [
        format!(
            "HTTP/1.1 101\r\nupgrade: WebSocket\r\nCONNECTION: Upgrade \r\nsec-websocket-accept:{ACCEPT}\r\n\r\n"
        ),
        format!(
            "HTTP/1.1 101 \r\nConnection: Upgrade, Keep-Alive\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: \t{ACCEPT} \r\n\r\n"
        ),
        format!(
            "HTTP/1.1 101 x\r\nConnection: keep-alive\r\nConnection: ,upgrade,\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: {ACCEPT}\r\n\r\n"
        ),
    ] {
        assert_eq!(answer(&plain(), &head), OK, "{head}");
    }
}

/// Attacks 16, 17, 34.
#[test]
fn answers_that_fail() {
    let a = format!("Sec-WebSocket-Accept: {ACCEPT}\r\n");
    let (u, c) = ("Upgrade: websocket\r\n", "Connection: Upgrade\r\n");
    let all = format!("{u}{c}{a}");
    let head = |fields: &str| format!("HTTP/1.1 101 Switching Protocols\r\n{fields}\r\n");
    let lower = ACCEPT.to_ascii_lowercase();
    for (response, error) in [
        (head(&format!("{c}{a}")), HandshakeError::Missing(Field::Upgrade)),
        (head(&format!("Upgrade: http\r\n{c}{a}")), HandshakeError::Invalid(Field::Upgrade)),
        (head(&format!("Upgrade: websocket2\r\n{c}{a}")), HandshakeError::Invalid(Field::Upgrade)),
        (head(&format!("Upgrade: foo, websocket\r\n{c}{a}")), HandshakeError::Invalid(Field::Upgrade)),
        (head(&format!("Upgrade: websocket, foo\r\n{c}{a}")), HandshakeError::Invalid(Field::Upgrade)),
        (head(&format!("{u}Upgrade: foo\r\n{c}{a}")), HandshakeError::Invalid(Field::Upgrade)),
        (head(&format!("Upgrade: foo\r\n{u}{c}{a}")), HandshakeError::Invalid(Field::Upgrade)),
        (head(&format!("{u}{a}")), HandshakeError::Missing(Field::Connection)),
        (head(&format!("{u}Connection: something\r\n{a}")), HandshakeError::Missing(Field::Connection)),
        (head(&format!("{u}Connection: notupgrade\r\n{a}")), HandshakeError::Missing(Field::Connection)),
        (head(&format!("{u}{c}")), HandshakeError::Missing(Field::Accept)),
        (head(""), HandshakeError::Missing(Field::Upgrade)),
        (head(&format!("{u}{c}Sec-WebSocket-Accept: something\r\n")), HandshakeError::Invalid(Field::Accept)),
        (head(&format!("{u}{c}Sec-WebSocket-Accept:\r\n")), HandshakeError::Invalid(Field::Accept)),
        (head(&format!("{u}{c}Sec-WebSocket-Accept: {lower}\r\n")), HandshakeError::Invalid(Field::Accept)),
        (head(&format!("{u}{c}Sec-WebSocket-Accept: {ACCEPT}=\r\n")), HandshakeError::Invalid(Field::Accept)),
        (
            head(&format!("{u}{c}Sec-WebSocket-Accept: {ACCEPT}, {ACCEPT}\r\n")),
            HandshakeError::Invalid(Field::Accept),
        ),
        (head(&format!("{u}{c}Sec-WebSocket-Accept: {KEY}\r\n")), HandshakeError::Invalid(Field::Accept)),
        (head(&format!("{all}{a}")), HandshakeError::Duplicate(Field::Accept)),
        (
            head(&format!("{all}Sec-WebSocket-Protocol: sub1\r\n")),
            HandshakeError::NotOffered(Field::Protocol),
        ),
        (head(&format!("{all}Sec-WebSocket-Protocol:\r\n")), HandshakeError::NotOffered(Field::Protocol)),
        (
            head(&format!("{all}Sec-WebSocket-Extensions: permessage-deflate\r\n")),
            HandshakeError::NotOffered(Field::Extensions),
        ),
        (head(&format!("{all}Sec-WebSocket-Extensions:\r\n")), HandshakeError::NotOffered(Field::Extensions)),
        (head(&format!("{all}a: b\r\n c\r\n")), HandshakeError::Malformed(HeadError::Folded)),
        (head(&format!("{all}a : b\r\n")), HandshakeError::Malformed(HeadError::FieldName)),
        (head(&format!("Upgrade WebSocket\r\n{c}{a}")), HandshakeError::Malformed(HeadError::FieldName)),
        (head(&format!("{all}a: b\0\r\n")), HandshakeError::Malformed(HeadError::ControlCharacter)),
        (head(&format!("{all}a: b\nc: d\r\n")), HandshakeError::Malformed(HeadError::LineEnding)),
        (head(&all).replace("\r\n", "\n"), HandshakeError::Malformed(HeadError::LineEnding)),
        (head(&format!("{all}a: b\rc\r\n")), HandshakeError::Malformed(HeadError::LineEnding)),
        (head(&all).replace("1.1", "1.0"), HandshakeError::Malformed(HeadError::StatusLine)),
        (format!("\r\n{}", head(&all)), HandshakeError::Malformed(HeadError::StatusLine)),
        ("GARBAGE\r\n\r\n".to_string(), HandshakeError::Malformed(HeadError::StatusLine)),
        ("HTTP/1.1 XX ..\r\n\r\n".to_string(), HandshakeError::Malformed(HeadError::StatusLine)),
        ("\x15\x03\x01".to_string(), HandshakeError::Malformed(HeadError::ControlCharacter)),
        (String::new(), HandshakeError::UnexpectedEof),
        (head(&all).trim_end().to_string(), HandshakeError::UnexpectedEof),
        ("HTTP/1.1 404 Not Found\r\n".to_string(), HandshakeError::UnexpectedEof),
    ] {
        assert_eq!(answer(&plain(), &response), Err(error), "{response}");
        assert!(!error.to_string().is_empty());
    }
}

/// websocket-client: test_ws_utils; but letter case counts, and a server may select none.
#[test]
fn subprotocols() {
    let offered = plain().subprotocols(&["sub1", "suB2"]);
    let select = |name: &str| answer(&offered, &accepted(&format!("Sec-WebSocket-Protocol: {name}\r\n")));
    assert_eq!(select("sub1"), Ok(Some(0)));
    assert_eq!(select(" suB2 "), Ok(Some(1)));
    assert_eq!(answer(&offered, &accepted("")), OK);
    for name in ["sub2", "SUB1", "sub", "sub1, suB2", "sub1,", "", "\"sub1\""] {
        assert_eq!(select(name), Err(HandshakeError::NotOffered(Field::Protocol)), "{name}");
    }
    for second in ["sub1", "suB2", "x"] {
        let fields = format!("Sec-WebSocket-Protocol: sub1\r\nSec-WebSocket-Protocol: {second}\r\n");
        assert_eq!(answer(&offered, &accepted(&fields)), Err(HandshakeError::Duplicate(Field::Protocol)));
    }
}

/// Attack 38: cut at every byte, with a frame behind the head, through every small buffer.
#[test]
fn early_frames_are_kept() {
    let mut stream = accepted("Server: x\r\n").into_bytes();
    let head = stream.len();
    stream.extend_from_slice(b"\x81\x05Hello\x89\x00");
    for cut in 0..=stream.len() {
        let (mut rx, mut tx) = ([0; 300], [0; 256]);
        let request = plain();
        let mut machine = ClientHandshake::new(&request, &mut Nonce).unwrap();
        let mut pieces = [&stream[..cut], &stream[cut..]].into_iter().filter(|piece| !piece.is_empty());
        let mut got = 0;
        loop {
            match machine.poll(&mut rx, &mut tx, &mut |_| {}).unwrap() {
                Step::Transmit => machine.sent(machine.pending(&tx).len()).unwrap(),
                Step::Flush => machine.flushed(),
                Step::Receive => {
                    let piece = pieces.next().unwrap();
                    machine.space(&mut rx)[..piece.len()].copy_from_slice(piece);
                    machine.received(piece.len()).unwrap();
                    got += piece.len();
                }
                Step::Done => break,
            }
        }
        assert_eq!(&rx[machine.early()], &stream[head..got.max(head)], "cut at {cut}");
    }
    for rx in MIN_RX..200 {
        for most in [1, 2, 5, 4096] {
            let outcome = run(&plain(), &stream, (rx, MIN_TX, most));
            assert_eq!((outcome.result, &outcome.early[..]), (OK, &stream[head..]), "{rx} {most}");
        }
    }
}

#[test]
fn lines_longer_than_the_smallest_buffer() {
    let long = "x".repeat(500);
    for len in 0..300 {
        let head = accepted(&format!("Set-Cookie: {}\r\nServer: y\r\n", &long[..len]));
        for most in [1, 13, 4096] {
            let outcome = run(&plain(), head.as_bytes(), (MIN_RX, MIN_TX, most));
            assert_eq!(outcome.result, OK, "{len}");
            assert_eq!(outcome.lines.len(), if len + 14 <= MIN_RX { 6 } else { 5 }, "{len}");
            assert_eq!(outcome.lines.last().unwrap(), "Server: y");
        }
    }
    let small = (MIN_RX, MIN_TX, 7);
    for name in [
        "upgrade",
        "Connection",
        "Sec-WebSocket-Accept",
        "Sec-WebSocket-Protocol",
        "Sec-WebSocket-Extensions",
        "content-length",
    ] {
        let head = format!("HTTP/1.1 101 x\r\n{name}: {long}\r\n\r\n");
        assert_eq!(run(&plain(), head.as_bytes(), small).result, Err(HandshakeError::LineTooLong), "{name}");
    }
    for head in [format!("HTTP/1.1 101 {long}"), format!("HTTP/1.1 101 x\r\n{long}")] {
        assert_eq!(run(&plain(), head.as_bytes(), small).result, Err(HandshakeError::LineTooLong));
    }
    // What streams past obeys the grammar as well.
    for (bad, error) in [
        ("\0", HandshakeError::Malformed(HeadError::ControlCharacter)),
        ("\n", HandshakeError::Malformed(HeadError::LineEnding)),
        ("\ra", HandshakeError::Malformed(HeadError::LineEnding)),
        ("", HandshakeError::UnexpectedEof),
    ] {
        let head = format!("HTTP/1.1 101 x\r\nX: {long}{bad}");
        assert_eq!(run(&plain(), head.as_bytes(), small).result, Err(error));
    }
    // Every size of buffer ends in a result, not in a panic or a loop.
    for rx in 0..MIN_RX {
        let _ = run_any(rx, &accepted(&format!("X: {long}\r\n")));
    }
}

/// With buffers under the minimum: ends, somehow.
fn run_any(rx: usize, response: &str) -> Result<Option<usize>, HandshakeError> {
    if rx == 0 {
        let request = plain();
        let mut machine = ClientHandshake::new(&request, &mut Nonce).unwrap();
        let mut tx = [0; 400];
        let _ = machine.poll(&mut [], &mut tx, &mut |_| {}).unwrap();
        machine.sent(machine.pending(&tx).len()).unwrap();
        let _ = machine.poll(&mut [], &mut tx, &mut |_| {}).unwrap();
        machine.flushed();
        return machine.poll(&mut [], &mut tx, &mut |_| {}).map(|_| None);
    }
    run(&plain(), response.as_bytes(), (rx, 1, 1)).result
}

/// Attacks 1 and 2.
#[test]
fn limits() {
    let limited = |max_head, max_fields| {
        let limits = Limits { max_head, max_fields, ..Limits::DEFAULT };
        plain().config(Config { limits, ..Config::DEFAULT })
    };
    let head = accepted("a: b\r\nc: d\r\n");
    let len = u32::try_from(head.len()).unwrap();
    for sizes in [ROOMY, (MIN_RX, MIN_TX, 1), (MIN_RX, MIN_TX, 50)] {
        let with = |max_head, max_fields| run(&limited(max_head, max_fields), head.as_bytes(), sizes).result;
        assert_eq!(with(len, 5), OK);
        assert_eq!(with(len - 1, 5), Err(HandshakeError::HeadTooLong));
        assert_eq!(with(len, 4), Err(HandshakeError::TooManyFields));
        assert_eq!(with(0, 0), Err(HandshakeError::HeadTooLong));
        // Long lines count too.
        let long = format!("HTTP/1.1 101 x\r\nX: {}", "y".repeat(10_000));
        assert_eq!(
            run(&limited(9_000, 5), long.as_bytes(), (200, 200, 60)).result,
            Err(HandshakeError::HeadTooLong)
        );
        let many = format!("HTTP/1.1 101 x\r\n{}", "a:\r\n".repeat(10_000));
        assert_eq!(run(&plain(), many.as_bytes(), sizes).result, Err(HandshakeError::TooManyFields));
    }
}

/// Attack 1: with the limits off, an endless head takes linear time and no memory.
#[test]
fn endless_heads_in_linear_time() {
    let limits = Limits { max_head: u32::MAX, max_fields: u16::MAX, ..Limits::DEFAULT };
    let request = plain().config(Config { limits, ..Config::DEFAULT });
    let started = Instant::now();
    for unit in [
        "x",
        "abcd: e\r\n",
        "x: yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy\r\n",
    ] {
        let response = format!(
            "HTTP/1.1 101 x\r\nX: a\r\nX:{}",
            unit.repeat((4 << 20) / unit.len()).replacen(':', ";", 1)
        );
        for sizes in [(MIN_RX, MIN_TX, 1), (4096, MIN_TX, 1460)] {
            let error = run(&request, response.as_bytes(), sizes).result.unwrap_err();
            assert!(
                matches!(error, HandshakeError::UnexpectedEof | HandshakeError::TooManyFields),
                "{error}"
            );
        }
    }
    assert!(started.elapsed().as_secs() < 60);
}

#[test]
fn impossible_counts() {
    let request = plain();
    let (mut rx, mut tx) = ([0; 200], [0; 100]);
    let mut machine = ClientHandshake::new(&request, &mut Nonce).unwrap();
    assert_eq!(machine.sent(1), Err(MisuseError::ImpossibleCount));
    assert_eq!(machine.received(1), Err(MisuseError::ImpossibleCount));
    assert_eq!(machine.poll(&mut rx, &mut tx, &mut |_| {}), Ok(Step::Transmit));
    assert_eq!(machine.pending(&tx).len(), 100);
    assert_eq!(machine.sent(101), Err(MisuseError::ImpossibleCount));
    assert_eq!(machine.sent(usize::MAX), Err(MisuseError::ImpossibleCount));
    while let Ok(Step::Transmit) = machine.poll(&mut rx, &mut tx, &mut |_| {}) {
        machine.sent(machine.pending(&tx).len()).unwrap();
    }
    machine.flushed();
    assert_eq!(machine.poll(&mut rx, &mut tx, &mut |_| {}), Ok(Step::Receive));
    machine.space(&mut rx)[..4].copy_from_slice(b"HTTP");
    assert_eq!(machine.received(201), Err(MisuseError::ImpossibleCount));
    assert_eq!(machine.received(4), Ok(()));
    assert_eq!(machine.received(197), Err(MisuseError::ImpossibleCount));
    assert_eq!(machine.received(0), Ok(()));
    assert_eq!(machine.poll(&mut rx, &mut tx, &mut |_| {}), Err(HandshakeError::UnexpectedEof));
}
