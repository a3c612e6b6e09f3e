//! Rows about the opening handshake.

use std::time::{Duration, Instant};

use sockling::{
    Config, Error, HandshakeError, MIN_RX, Request, Role, asynch, blocking,
    handshake::{Field, RequestHead, Response},
    http::HeadError,
};

use crate::{
    flood::Flood,
    support::{
        Counter, block_on,
        drive::{Got, wire},
        open::{ACCEPT, KEY, accept, accept_at, connect, connect_at, request, response},
    },
};

const REQUEST: Request<'static> = Request::new("server.example", "/chat");

fn yes(_: &RequestHead<'_>) -> Response<'static> {
    Response::accept()
}

/// A client refuses this response, and sends no more than its request.
fn refuse_response(response: &[u8], error: HandshakeError) {
    let opened = connect(&REQUEST, response, 400);
    let shown = String::from_utf8_lossy(response);
    assert_eq!(opened.result, Err(Error::Handshake(error)), "{shown}");
    assert!(
        opened.sent.starts_with(b"GET /chat HTTP/1.1\r\n") && opened.sent.ends_with(b"\r\n\r\n"),
        "{shown}"
    );
    assert_eq!(opened.sent.windows(4).filter(|four| four == b"\r\n\r\n").count(), 1, "{shown}");
}

/// A server refuses this request, with a status.
fn refuse_request(request: &[u8], error: HandshakeError, status: u16) {
    let opened = accept(&Config::DEFAULT, request, 1000, &yes);
    let shown = String::from_utf8_lossy(request);
    assert_eq!(opened.result, Err(Error::Handshake(error)), "{shown}");
    assert_eq!(opened.status(), status, "{shown}");
}

/// The response with one line replaced by others.
fn replaced(whole: Vec<u8>, line: &str, by: &str) -> Vec<u8> {
    let whole = String::from_utf8(whole).unwrap();
    let replaced = whole.replacen(&format!("{line}\r\n"), by, 1);
    assert_ne!(whole, replaced, "{line} is a line of it");
    replaced.into()
}

fn upgrade() -> &'static str {
    "Upgrade: websocket"
}

fn accept_line() -> String {
    format!("Sec-WebSocket-Accept: {ACCEPT}")
}

#[test]
fn row_01_endless_head_at_a_client() {
    for (head, unit) in [
        (&b""[..], &b"H"[..]),
        (b"HTTP/1.1 101 ", b"x"),
        (b"HTTP/1.1 101 x\r\n", b"A"),
        (b"HTTP/1.1 101 x\r\n", b"A: b\r\n"),
        (b"HTTP/1.1 101 x\r\nA: ", b"b"),
        (b"HTTP/1.1 404 x\r\nSec-WebSocket-Accept: ", b"b"),
        (b"HTTP/1.1 101 x\r\nSec-WebSocket-Accept: ", b"b"),
    ] {
        for rx in [MIN_RX, 1000, 100_000] {
            let flood = || Flood::new(head.into(), unit.into(), usize::MAX >> 8, vec![], 4096);
            let check = |error: Error<_>, io: &Flood| {
                let known =
                    [HandshakeError::HeadTooLong, HandshakeError::LineTooLong, HandshakeError::TooManyFields];
                assert!(
                    matches!(error, Error::Handshake(error) if known.contains(&error) || matches!(error, HandshakeError::Malformed(_))),
                    "{error:?}"
                );
                assert!(io.read.get() <= (16 << 10) + 4096, "{} bytes read", io.read.get());
            };
            let io = flood();
            let end = blocking::connect(io.clone(), &REQUEST, Counter(0), vec![0; rx], [0; 300]).err();
            check(end.unwrap(), &io);
            let io = flood();
            let end =
                block_on(asynch::connect(io.clone(), &REQUEST, Counter(0), vec![0; rx], [0; 300])).err();
            check(end.unwrap(), &io);
        }
    }
}

#[test]
fn row_01_endless_head_at_a_server() {
    for (head, unit) in [
        (&b""[..], &b"G"[..]),
        (b"GET /", b"x"),
        (b"GET / HTTP/1.1\r\n", b"A"),
        (b"GET / HTTP/1.1\r\n", b"A: b\r\n"),
        (b"GET / HTTP/1.1\r\nHost: ", b"b"),
    ] {
        for rx in [MIN_RX, 1000, 100_000] {
            let io = Flood::new(head.into(), unit.into(), usize::MAX >> 8, vec![], 4096);
            let end = blocking::accept(io.clone(), &Config::DEFAULT, vec![0; rx], [0; 300], yes).err();
            let Some(Error::Handshake(HandshakeError::HeadTooLong | HandshakeError::TooManyFields)) = end
            else {
                panic!("{end:?}")
            };
            assert!(io.output.borrow().starts_with(b"HTTP/1.1 431 "));
            assert!(io.read.get() <= (16 << 10) + 4096, "{} bytes read", io.read.get());
        }
    }
}

/// One header of very many bytes: linear time and the buffer that there is, if the limit allows it at all.
#[test]
fn row_01_a_header_of_megabytes() {
    let len = if cfg!(debug_assertions) { 4 << 20 } else { 64 << 20 };
    let whole = response("");
    let (start, rest) = whole.split_at(whole.iter().position(|byte| *byte == b'\n').unwrap() + 1);
    let mut config = Config::DEFAULT;
    config.limits.max_head = u32::MAX;
    for step in [1000, 1 << 20] {
        let begun = Instant::now();
        let head = [start, b"X-Uninteresting: "].concat();
        let tail = [b"\r\n", rest, &wire(Role::Client, &[(0x81, b"first")])].concat();
        let io = Flood::new(head, b"x".repeat(64), len / 64, tail, step);
        let mut ws = blocking::connect(io, &REQUEST.config(config), Counter(0), [0; 200], [0; 300]).unwrap();
        assert_eq!(ws.recv().map(Got::from), Ok(Got::text("first")));
        assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
    }
    // At a server it has to fit in the buffer; single bytes do not make it quadratic.
    config.limits.max_head = 1 << 20;
    let len = 1 << 18;
    let input = request(&format!("X-Uninteresting: {}\r\n", "x".repeat(len)));
    let opened = accept_at(&[1, 1 << 20], &config, &input, len + 1000, &yes);
    assert_eq!(opened.status(), 101);
}

#[test]
fn row_02_too_many_fields() {
    // Those of the handshake itself are among the 100.
    for (own, more, head) in [(3, 97, response as fn(&str) -> Vec<u8>), (5, 95, request)] {
        let is_client = own == 3;
        for (count, fits) in [(more, true), (more + 1, false), (500, false)] {
            let input = head(&"X: y\r\n".repeat(count));
            let opened = if is_client {
                connect(&REQUEST, &input, 400)
            } else {
                accept(&Config::DEFAULT, &input, 10_000, &yes)
            };
            let expected = if fits { Ok(()) } else { Err(Error::Handshake(HandshakeError::TooManyFields)) };
            assert_eq!(opened.result, expected, "{count}");
            if !is_client {
                assert_eq!(opened.status(), if fits { 101 } else { 431 });
            }
        }
    }
}

#[test]
fn row_03_values_as_long_as_the_buffer() {
    // A client lets lines stream past that it does not need, whatever their length.
    for rx in MIN_RX..MIN_RX + 40 {
        for len in rx - 10..rx + 10 {
            let line = format!("X-Long: {}\r\n", "v".repeat(len));
            let input = [response(&line), wire(Role::Client, &[(0x81, b"first")])].concat();
            let opened = connect_at(&[1, 1 << 20], &REQUEST, &input, rx);
            assert_eq!((opened.result, &opened.got[..]), (Ok(()), &[Got::text("first")][..]), "{rx}, {len}");
        }
    }
    // A line that it needs has to fit, and is not cut where it just does not.
    let offered: String = "p".repeat(400);
    let subprotocols = [&offered[..]];
    let request_one = REQUEST.subprotocols(&subprotocols);
    let line = format!("Sec-WebSocket-Protocol: {offered}\r\n");
    for rx in line.len() - 10..line.len() + 10 {
        let opened = connect_at(&[1, 7, 1 << 20], &request_one, &response(&line), rx);
        match opened.result {
            Ok(()) => assert!(opened.subprotocol == Some(0) && rx >= line.len() - 2, "{rx}"),
            Err(error) => {
                assert_eq!(error, Error::Handshake(HandshakeError::LineTooLong), "{rx}");
                assert!(rx <= line.len(), "{rx}");
            }
        }
    }
    // A server needs all of the head.
    for filler in 0..300 {
        let input = request(&format!("X-Long: {}\r\n", "v".repeat(filler)));
        let rx = 400;
        let opened = accept(&Config::DEFAULT, &input, rx, &yes);
        if input.len() <= rx {
            assert_eq!(opened.status(), 101, "{filler}");
        } else {
            assert_eq!((opened.error(), opened.status()), (HandshakeError::HeadTooLong, 431), "{filler}");
        }
    }
}

#[test]
fn row_03_keys_of_other_lengths() {
    for key in [
        "",
        "A",
        "AQIDBAUGBwgJCgsMDQ4PEA",
        "AQIDBAUGBwgJCgsMDQ4PEA=",
        "AQIDBAUGBwgJCgsMDQ4PEA===",
        "AQIDBAUGBwgJCgsMDQ4PEB==",
        "AQIDBAUGBwgJCgsMDQ4PEBE=",
        "AQIDBAUGBwgJCgsMDQ4P",
        "AQIDBAUGBwgJCgsMDQ4PEA==AQIDBAUGBwgJCgsMDQ4PEA==",
        "AQIDBAUGBwgJCgs DQ4PEA==",
        "AQIDBAUGBwgJCgs-DQ4PEA==",
        &"A".repeat(300),
    ] {
        let line = format!("Sec-WebSocket-Key: {KEY}");
        let input = replaced(request(""), &line, &format!("Sec-WebSocket-Key: {key}\r\n"));
        refuse_request(&input, HandshakeError::Invalid(Field::Key), 400);
    }
    let twice = request(&format!("Sec-WebSocket-Key: {KEY}\r\n"));
    refuse_request(&twice, HandshakeError::Duplicate(Field::Key), 400);
}

/// Lists of a megabyte (in release builds) that a tokenizer could take quadratic time over.
#[test]
fn row_05_lists_made_to_be_slow() {
    let begun = Instant::now();
    let mut config = Config::DEFAULT;
    config.limits.max_head = u32::MAX;
    let n = if cfg!(debug_assertions) { 1 << 16 } else { 1 << 20 };
    let decide = |head: &RequestHead<'_>| {
        assert!(head.choose(&["mine", "other"]).is_none());
        let _ = head.extensions().count();
        Response::accept()
    };
    for (field, value, status) in [
        ("Extensions", "\"".repeat(n), 400),
        ("Extensions", format!("a;b=\"{}", "x".repeat(n)), 400),
        ("Extensions", format!("a;b=\"{}", "\\".repeat(n)), 400),
        ("Extensions", format!("a;b=\"{}\"", "\\\\".repeat(n / 2)), 400),
        ("Extensions", format!("a{}", ";".repeat(n)), 400),
        ("Extensions", ",".repeat(n), 101),
        ("Extensions", format!("a{}", " ".repeat(n)), 101),
        ("Extensions", format!("a{}b", " ".repeat(n)), 400),
        ("Extensions", format!("a{}", ",a".repeat(n / 2)), 101),
        ("Extensions", format!("a{}", ";b=c".repeat(n / 4)), 101),
        ("Extensions", format!("a;b={}", "\"c\";b=".repeat(n / 6)), 400),
        ("Protocol", ",".repeat(n), 101),
        ("Protocol", format!("a{}", ", a".repeat(n / 3)), 101),
        ("Protocol", format!("a{}b", " ".repeat(n)), 400),
        ("Protocol", "\"".repeat(n), 400),
    ] {
        let input = request(&format!("Sec-WebSocket-{field}: {value}\r\n"));
        let opened = accept_at(&[1 << 20], &config, &input, n + 1000, &decide);
        assert_eq!(opened.status(), status, "{field}: {:.30}", value);
    }
    // At a client: the field of a list of tokens that it looks through.
    let value = format!("{}upgrade", "x, ".repeat(n / 3));
    let input = replaced(response(""), "Connection: Upgrade", &format!("Connection: {value}\r\n"));
    assert_eq!(connect_at(&[1 << 20], &REQUEST.config(config), &input, n + 1000).result, Ok(()));
    assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
}

#[test]
fn row_05_commas_in_quotes() {
    let seen = |head: &RequestHead<'_>| {
        assert_eq!(head.extensions().count(), 2);
        Response::accept()
    };
    let input = request("Sec-WebSocket-Extensions: a; b=\"c\", d\r\n");
    assert_eq!(accept(&Config::DEFAULT, &input, 1000, &seen).status(), 101);
    // A quoted value is a token when it is unquoted, and a comma is none (section 9.1).
    for bad in [
        "a; b=\"c,d\"",
        "a; b=\"c",
        "a; b=c\"",
        "a; b=\"\"",
        "a; b=\"c\\\"\"",
        "a;",
        "; b",
        "a b",
        "a; b=c d",
    ] {
        let input = request(&format!("Sec-WebSocket-Extensions: {bad}\r\n"));
        refuse_request(&input, HandshakeError::Invalid(Field::Extensions), 400);
    }
}

#[test]
fn row_16_accept_values() {
    let line = accept_line();
    refuse_response(&replaced(response(""), &line, ""), HandshakeError::Missing(Field::Accept));
    for bad in [
        "".into(),
        "something".into(),
        // The example of RFC 6455.
        "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=".into(),
        KEY.into(),
        ACCEPT.to_lowercase(),
        ACCEPT.to_uppercase(),
        format!("{ACCEPT}="),
        format!("{ACCEPT}x"),
        format!("{ACCEPT}, {ACCEPT}"),
        format!("\"{ACCEPT}\""),
        ACCEPT[..27].into(),
        ACCEPT[1..].into(),
        "x".repeat(300),
    ] {
        let input = replaced(response(""), &line, &format!("Sec-WebSocket-Accept: {bad}\r\n"));
        refuse_response(&input, HandshakeError::Invalid(Field::Accept));
        // Beside the right one.
        let second = response(&format!("Sec-WebSocket-Accept: {bad}\r\n"));
        refuse_response(&second, HandshakeError::Duplicate(Field::Accept));
    }
    refuse_response(&response(&format!("{line}\r\n")), HandshakeError::Duplicate(Field::Accept));
    let long = replaced(response(""), &line, &format!("Sec-WebSocket-Accept: {}\r\n", "x".repeat(5000)));
    refuse_response(&long, HandshakeError::LineTooLong);
    // Spaces around a value are none of it.
    let spaces = replaced(response(""), &line, &format!("sec-websocket-ACCEPT:\t {ACCEPT} \t\r\n"));
    assert_eq!(connect(&REQUEST, &spaces, 400).result, Ok(()));
}

#[test]
fn row_17_what_was_not_offered() {
    for extensions in ["permessage-deflate", "x", "permessage-deflate; client_max_window_bits=8", ""] {
        let input = response(&format!("Sec-WebSocket-Extensions: {extensions}\r\n"));
        refuse_response(&input, HandshakeError::NotOffered(Field::Extensions));
    }
    let not_offered = HandshakeError::NotOffered(Field::Protocol);
    for (offered, selected, result) in [
        (&[][..], "a", Err(not_offered)),
        (&[], "", Err(not_offered)),
        (&["a", "b"], "a", Ok(Some(0))),
        (&["a", "b"], "b", Ok(Some(1))),
        (&["a", "b"], "c", Err(not_offered)),
        (&["a", "b"], "", Err(not_offered)),
        (&["a", "b"], "a, b", Err(not_offered)),
        (&["a", "b"], "a b", Err(not_offered)),
        // Subprotocols are compared as they are.
        (&["a", "b"], "A", Err(not_offered)),
    ] {
        let opened = connect(
            &REQUEST.subprotocols(offered),
            &response(&format!("Sec-WebSocket-Protocol: {selected}\r\n")),
            400,
        );
        assert_eq!(opened.result, result.map(|_| ()).map_err(Error::Handshake), "{offered:?}, {selected}");
        assert_eq!(opened.subprotocol, result.unwrap_or(None));
    }
    let twice = response("Sec-WebSocket-Protocol: a\r\nSec-WebSocket-Protocol: a\r\n");
    let opened = connect(&REQUEST.subprotocols(&["a"]), &twice, 400);
    assert_eq!(opened.error(), HandshakeError::Duplicate(Field::Protocol));
    // None selected is no error.
    assert_eq!(connect(&REQUEST.subprotocols(&["a"]), &response(""), 400).result, Ok(()));
}

#[test]
fn row_34_upgrades_that_are_none() {
    for (line, field) in [(upgrade(), Field::Upgrade), ("Connection: Upgrade", Field::Connection)] {
        let name = line.split_once(':').unwrap().0;
        let right = line.split_once(": ").unwrap().1;
        for bad in [
            format!("not{right}"),
            format!("{right}d"),
            format!("{right}-x"),
            format!("x{right}"),
            "h2c".into(),
            format!("x {right}"),
        ] {
            let by = format!("{name}: {bad}\r\n");
            refuse_response(&replaced(response(""), line, &by), HandshakeError::Missing(field));
            refuse_request(&replaced(request(""), line, &by), HandshakeError::Invalid(field), 400);
        }
        refuse_response(&replaced(response(""), line, ""), HandshakeError::Missing(field));
        let status = if field == Field::Upgrade { 426 } else { 400 };
        refuse_request(&replaced(request(""), line, ""), HandshakeError::Missing(field), status);
        // As one of a list, in any letters, over two lines of the same name.
        for good in [
            format!("{name}: {}\r\n", right.to_uppercase()),
            format!("{name}: keep-alive, {right}\r\n"),
            format!("{name}: keep-alive ,{right} , x\r\n"),
            format!("{name}: keep-alive\r\n{name}: {right}\r\n"),
        ] {
            assert_eq!(connect(&REQUEST, &replaced(response(""), line, &good), 400).result, Ok(()), "{good}");
            let opened = accept(&Config::DEFAULT, &replaced(request(""), line, &good), 1000, &yes);
            assert_eq!(opened.status(), 101, "{good}");
        }
    }
}

#[test]
fn row_34_heads_that_are_no_http() {
    let status = "HTTP/1.1 101 Switching Protocols";
    for (line, by) in [
        // Bare LF, bare CR, NUL, line folding, spaces before the colon, no colon, an empty name.
        (upgrade(), "Upgrade: websocket\n"),
        (upgrade(), "Upgrade: websocket\r"),
        (upgrade(), "Upgrade: websocket\0\r\n"),
        (upgrade(), "Upgrade: websocket\r\n folded\r\n"),
        (upgrade(), "Upgrade:\r\n websocket\r\n"),
        (upgrade(), "Upgrade : websocket\r\n"),
        (upgrade(), " Upgrade: websocket\r\n"),
        (upgrade(), "Upgrade websocket\r\n"),
        (upgrade(), ": websocket\r\n"),
        (status, "HTTP/1.0 101 Switching Protocols\r\n"),
        (status, "HTTP/2 101 Switching Protocols\r\n"),
        (status, "HTTP/1.1 XX Switching Protocols\r\n"),
        (status, "HTTP/1.1 1010 Switching Protocols\r\n"),
        (status, "HTTP/1.1\r\n"),
        (status, "HTTP/1.1\u{ff} 101 Switching Protocols\r\n"),
        (status, "http/1.1 101 Switching Protocols\r\n"),
        (status, "GARBAGE\r\n\r\n"),
        (status, "\r\nHTTP/1.1 101 Switching Protocols\r\n"),
        (status, "HTTP/1.1 101 Switching Protocols\n"),
    ] {
        let opened = connect(&REQUEST, &replaced(response(""), line, by), 400);
        assert!(matches!(opened.error(), HandshakeError::Malformed(_)), "{by:?}: {:?}", opened.error());
        assert_eq!(opened.got, []);
    }
    let first = "GET /chat HTTP/1.1";
    for (line, by) in [
        (upgrade(), "Upgrade: websocket\n"),
        (upgrade(), "Upgrade: websocket\r"),
        (upgrade(), "Upgrade: websocket\r\n folded\r\n"),
        (upgrade(), "Upgrade : websocket\r\n"),
        (upgrade(), "Upgrade websocket\r\n"),
        (upgrade(), ": websocket\r\n"),
        (upgrade(), "Upgrade: websocket\0\r\n"),
        (first, "GET /chat HTTP/1.0\r\n"),
        (first, "GET /chat HTTP/2\r\n"),
        (first, "GET /chat\r\n"),
        (first, "GET  /chat HTTP/1.1\r\n"),
        (first, "GET /ch at HTTP/1.1\r\n"),
        (first, "GET /chat HTTP/1.1 \r\n"),
        (first, "GET /chat HTTP/1.1\n"),
        (first, "\u{16}\u{3}\u{1}\r\n"),
    ] {
        let opened = accept(&Config::DEFAULT, &replaced(request(""), line, by), 1000, &yes);
        assert!(matches!(opened.error(), HandshakeError::Malformed(_)), "{by:?}: {:?}", opened.error());
        assert_eq!(opened.status(), 400, "{by:?}");
    }
    let opened = connect(&REQUEST, &replaced(response(""), upgrade(), "Upgrade: websocket\n"), 400);
    assert_eq!(opened.error(), HandshakeError::Malformed(HeadError::LineEnding));
    // What else makes a request none.
    for (line, by, error, status) in [
        (first, "POST /chat HTTP/1.1\r\n", HandshakeError::Method, 405),
        (first, "get /chat HTTP/1.1\r\n", HandshakeError::Method, 405),
        (first, "GET chat HTTP/1.1\r\n", HandshakeError::Target, 400),
        (first, "GET * HTTP/1.1\r\n", HandshakeError::Target, 400),
        (first, "GET server.example:80 HTTP/1.1\r\n", HandshakeError::Target, 400),
        ("Host: server.example", "", HandshakeError::Missing(Field::Host), 400),
        ("Host: server.example", "Host: a\r\nHost: a\r\n", HandshakeError::Duplicate(Field::Host), 400),
        ("Host: server.example", "Host: a b\r\n", HandshakeError::Invalid(Field::Host), 400),
        ("Host: server.example", "Host: user@a\r\n", HandshakeError::Invalid(Field::Host), 400),
        (
            "Sec-WebSocket-Version: 13",
            "Sec-WebSocket-Version: 8\r\n",
            HandshakeError::Invalid(Field::Version),
            426,
        ),
        ("Sec-WebSocket-Version: 13", "", HandshakeError::Missing(Field::Version), 426),
    ] {
        refuse_request(&replaced(request(""), line, by), error, status);
    }
}

#[test]
fn row_34_a_body_is_not_taken_for_frames() {
    for (fields, error) in [
        ("Content-Length: 5\r\n", HandshakeError::Invalid(Field::ContentLength)),
        ("Transfer-Encoding: chunked\r\n", HandshakeError::Invalid(Field::TransferEncoding)),
    ] {
        refuse_request(&[request(fields), b"Hello".into()].concat(), error, 400);
    }
}

/// The first frames come with the head, or are cut anywhere: nothing is lost.
#[test]
fn row_38_frames_right_behind_the_head() {
    let early = |role| wire(role, &[(0x81, b"first"), (0x89, b"?"), (0x82, &[7; 200]), (0x88, b"")]);
    let expected = [Got::text("first"), Got::Binary(vec![7; 200])];
    let steps: Vec<usize> = (1..40).chain([100, 200, 300, 400, 1 << 20]).collect();
    for rx in [250, 400, 2000] {
        let input = [response("X: y\r\n"), early(Role::Client)].concat();
        let opened = connect_at(&steps, &REQUEST, &input, rx);
        assert_eq!((opened.result, &opened.got[..]), (Ok(()), &expected[..]));
    }
    for rx in [400, 2000] {
        let input = [request("X: y\r\n"), early(Role::Server)].concat();
        let opened = accept_at(&steps, &Config::DEFAULT, &input, rx, &yes);
        assert_eq!((opened.result, &opened.got[..]), (Ok(()), &expected[..]));
        assert!(opened.sent.starts_with(&response("")));
    }
}

/// The head split at every byte, in two reads.
#[test]
fn row_38_heads_in_two_reads() {
    for (whole, role) in [(response(""), Role::Client), (request(""), Role::Server)] {
        let input = [whole, wire(role, &[(0x81, b"first")])].concat();
        for cut in 1..input.len() {
            let io = Flood::new(input[..cut].into(), input[cut..].into(), 1, vec![], 1 << 20);
            // Reads stop at the cut.
            let io = Cut(io, cut);
            let got = if role == Role::Client {
                let mut ws = blocking::connect(io, &REQUEST, Counter(0), [0; 400], [0; 300]).unwrap();
                ws.recv().map(Got::from)
            } else {
                let mut ws = blocking::accept(io, &Config::DEFAULT, [0; 400], [0; 300], yes).unwrap();
                ws.recv().map(Got::from)
            };
            assert_eq!(got, Ok(Got::text("first")), "{cut}");
        }
    }
}

/// Its first reads end at a given byte.
struct Cut(Flood, usize);

impl embedded_io::ErrorType for Cut {
    type Error = embedded_io::ErrorKind;
}

impl embedded_io::Read for Cut {
    fn read(&mut self, buf: &mut [u8]) -> Result<usize, Self::Error> {
        let left = match self.1.saturating_sub(self.0.read.get()) {
            0 => buf.len(),
            left => left.min(buf.len()),
        };
        self.0.read(&mut buf[..left])
    }
}

impl embedded_io::Write for Cut {
    fn write(&mut self, buf: &[u8]) -> Result<usize, Self::Error> {
        self.0.write(buf)
    }
    fn flush(&mut self) -> Result<(), Self::Error> {
        Ok(())
    }
}
