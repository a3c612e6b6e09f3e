//! Rows 18 and 19: what a caller was made to pass on does not become lines of a head.

use sockling::{
    Config, Error, HandshakeError, Request,
    handshake::{Field, Response},
};

use crate::support::open::{accept, connect, request, response};

/// What breaks out of a line, or of a part of one.
const BAD: [&str; 9] = ["\r\n", "\n", "\r", "\0", "a\r\nX: y", "a\nX: y", "a\0b", "a\u{7f}b", "a\u{b}b"];

/// Refused before a byte is sent.
fn refuse(request: &Request<'_>, error: HandshakeError) {
    let opened = connect(request, &response(""), 400);
    assert_eq!(opened.result, Err(Error::Handshake(error)), "{request:?}");
    assert_eq!(opened.sent, b"", "{request:?}");
}

#[test]
fn row_18_hosts_and_paths() {
    let spaces = [" ", "a b", "a\tb", " a", "a "];
    for bad in BAD.iter().chain(&spaces) {
        refuse(&Request::new(bad, "/"), HandshakeError::InvalidHost);
        refuse(&Request::new(&format!("server.example{bad}"), "/"), HandshakeError::InvalidHost);
        refuse(&Request::new("server.example", bad), HandshakeError::InvalidPath);
        refuse(&Request::new("server.example", &format!("/{bad}")), HandshakeError::InvalidPath);
        refuse(&Request::new("server.example", &format!("/a?b={bad}")), HandshakeError::InvalidPath);
        refuse(&Request::new("server.example", "/").origin(bad), HandshakeError::InvalidOrigin);
    }
    for bad in [
        "",
        "user@server.example",
        "server.example/path",
        "server.example?",
        "server.example#",
        "a\\b",
        "größe.example",
    ] {
        refuse(&Request::new(bad, "/"), HandshakeError::InvalidHost);
    }
    for bad in ["", "chat", "http://server.example/", "/#fragment", "/größe"] {
        refuse(&Request::new("server.example", bad), HandshakeError::InvalidPath);
    }
    // Percent-encoded they are what they are: not decoded on the way.
    let opened = connect(&Request::new("server.example", "/%0d%0aX:%20y"), &response(""), 400);
    assert!(opened.sent.starts_with(b"GET /%0d%0aX:%20y HTTP/1.1\r\n"));
}

#[test]
fn row_18_fields_and_subprotocols() {
    let base = Request::new("server.example", "/");
    for bad in BAD {
        refuse(&base.fields(&[("X", bad)]), HandshakeError::InvalidField);
        refuse(&base.fields(&[("X", "fine"), ("Y", &format!("fine{bad}"))]), HandshakeError::InvalidField);
        refuse(&base.fields(&[(bad, "fine")]), HandshakeError::InvalidField);
        refuse(&base.subprotocols(&[bad]), HandshakeError::InvalidSubprotocol);
        refuse(&base.subprotocols(&["fine", &format!("a{bad}")]), HandshakeError::InvalidSubprotocol);
    }
    for name in ["", " ", "a b", "a:", ":", "a/b", "ä", "a(b)", "X\t"] {
        refuse(&base.fields(&[(name, "fine")]), HandshakeError::InvalidField);
        refuse(&base.subprotocols(&[name]), HandshakeError::InvalidSubprotocol);
    }
    for subprotocols in [&["a", "a"][..], &["a, b"], &["a", "b", "a"], &["\"a\""]] {
        refuse(&base.subprotocols(subprotocols), HandshakeError::InvalidSubprotocol);
    }
    // Fields that would contradict the handshake's own.
    for name in [
        "Host",
        "host",
        "Upgrade",
        "Connection",
        "Sec-WebSocket-Key",
        "sec-websocket-accept",
        "Sec-WebSocket-Version",
        "Sec-WebSocket-Extensions",
        "Sec-WebSocket-Protocol",
        "Content-Length",
        "Transfer-Encoding",
        "Origin",
    ] {
        refuse(&base.fields(&[(name, "1")]), HandshakeError::ReservedField);
    }
    let fields = [("X-Größe", "")];
    refuse(&base.fields(&fields), HandshakeError::InvalidField);
}

#[test]
fn row_19_responses() {
    let input = request("Sec-WebSocket-Protocol: one, two\r\n");
    let refuse = |response: Response<'static>, error: HandshakeError| {
        let opened = accept(&Config::DEFAULT, &input, 1000, &|_| response);
        assert_eq!(opened.result, Err(Error::Handshake(error)), "{response:?}");
        // Nothing of it is sent; the client is not left without an answer.
        assert_eq!(
            opened.sent,
            b"HTTP/1.1 500 Internal Server Error\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
            "{response:?}"
        );
    };
    for bad in BAD {
        let value: &'static [(&str, &str)] = vec![("X", bad)].leak();
        let name: &'static [(&str, &str)] = vec![(bad, "fine")].leak();
        for response in [Response::accept(), Response::reject(401)] {
            refuse(response.fields(value), HandshakeError::InvalidField);
            refuse(response.fields(name), HandshakeError::InvalidField);
        }
        refuse(Response::accept().subprotocol(bad), HandshakeError::NotOffered(Field::Protocol));
    }
    for not_offered in ["", "three", "One", "one, two", "one "] {
        refuse(Response::accept().subprotocol(not_offered), HandshakeError::NotOffered(Field::Protocol));
    }
    refuse(Response::accept().fields(&[("Sec-WebSocket-Protocol", "three")]), HandshakeError::ReservedField);
    refuse(Response::reject(401).fields(&[("Content-Length", "0")]), HandshakeError::ReservedField);
    for status in [0, 99, 100, 101, 199, 204, 205, 304, 600, 999] {
        refuse(Response::reject(status), HandshakeError::InvalidStatus(status));
    }
    let opened = accept(&Config::DEFAULT, &input, 1000, &|_| Response::accept().subprotocol("two"));
    assert!(String::from_utf8(opened.sent).unwrap().contains("\r\nSec-WebSocket-Protocol: two\r\n"));
    // The body of a refusal is counted.
    let opened =
        accept(&Config::DEFAULT, &input, 1000, &|_| Response::reject(403).body("no\r\n\r\nHTTP/1.1 200"));
    let text = String::from_utf8(opened.sent).unwrap();
    assert!(
        text.contains("\r\nContent-Length: 18\r\n") && text.ends_with("\r\n\r\nno\r\n\r\nHTTP/1.1 200"),
        "{text}"
    );
}
