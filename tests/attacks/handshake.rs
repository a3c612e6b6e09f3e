//! Rows about the opening handshake.

use sockling::{
    Config, Error, HandshakeError, Request, Role, blocking,
    handshake::{Field, RequestHead, Response},
    http::HeadError,
};

use crate::{
    flood::Flood,
    support::{
        Counter,
        drive::{Got, wire},
        open::{ACCEPT, KEY, accept, accept_at, connect, connect_at, request, response},
    },
};

pub const REQUEST: Request<'static> = Request::new("server.example", "/chat");

pub fn yes(_: &RequestHead<'_>) -> Response<'static> {
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
pub fn replaced(whole: Vec<u8>, line: &str, by: &str) -> Vec<u8> {
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
            let error = if field == Field::Upgrade {
                HandshakeError::Invalid(field)
            } else {
                HandshakeError::Missing(field)
            };
            refuse_response(&replaced(response(""), line, &by), error);
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
            // A request lists what it would like; a response, what is there now.
            let is_list = good.contains("keep-alive");
            let answered = connect(&REQUEST, &replaced(response(""), line, &good), 400).result;
            assert_eq!(answered.is_ok(), !(is_list && field == Field::Upgrade), "{good}");
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
        ("Connection: Upgrade", "Connection:\r\n Upgrade\r\n"),
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
