//! A client's request for the opening handshake: any bytes, and good requests with changes, in any cuts.
#![no_main]

use libfuzzer_sys::{arbitrary::Unstructured, fuzz_target};
use sockling::{
    HandshakeError, Limits, MIN_RX, MIN_TX,
    handshake::{Response, ServerHandshake, ServerStep},
};
use sockling_fuzz::{
    below, byte,
    http::{accept, has_token, head, split_head, values},
    pick,
};

const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    result: Result<(), HandshakeError>,
    asked: bool,
    responded: Result<(), HandshakeError>,
    early: Vec<u8>,
    output: Vec<u8>,
}

fuzz_target!(|data: &[u8]| {
    let u = &mut Unstructured::new(data);
    let mut limits = Limits::DEFAULT;
    if byte(u).is_multiple_of(4) {
        limits.max_head = below(u, 1000) as u32;
        limits.max_fields = u16::from(byte(u) % 12);
    }
    let response = match byte(u) % 4 {
        0 | 1 => Response::accept(),
        2 => Response::accept().subprotocol("chat").fields(&[("X-Served-By", "fuzz")]),
        _ => Response::reject(u16::from(byte(u)) * 3).body(pick(u, &["", "no"])),
    };
    let (rx, tx) = (MIN_RX + below(u, 2000), pick(u, &[1, 20, MIN_TX, MIN_TX, MIN_TX, 600]));
    let cuts: [u8; 3] = std::array::from_fn(|_| 1 + byte(u) % 64);
    let input = head(
        u,
        &[
            "GET /a?b=c HTTP/1.1",
            "POST / HTTP/1.1",
            "GET / HTTP/1.0",
            "GET * HTTP/1.1",
            "GET http://a.example/b HTTP/1.1",
        ],
        &[
            "Host: example.com".into(),
            "Upgrade: websocket".into(),
            "Connection: keep-alive, Upgrade".into(),
            format!("Sec-WebSocket-Key: {KEY}"),
            "Sec-WebSocket-Version: 13".into(),
        ],
        &[
            "Sec-WebSocket-Protocol: chat".into(),
            "Sec-WebSocket-Protocol: other, chat".into(),
            "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits".into(),
            "Origin: https://example.com".into(),
            "Host: other.example".into(),
            "Sec-WebSocket-Version: 8".into(),
            "Sec-WebSocket-Key: AAAA".into(),
            "Content-Length: 5".into(),
            "Transfer-Encoding: chunked".into(),
            "Cookie: a=b; c=d".into(),
        ],
    );

    let whole = run(limits, response, rx, tx, &[usize::MAX], &input);
    let by_byte = run(limits, response, rx, tx, &[1], &input);
    let cut = run(limits, response, rx, tx, &cuts.map(usize::from), &input);
    for other in [&by_byte, &cut] {
        assert_eq!(
            (other.result, other.asked, other.responded, &other.output),
            (whole.result, whole.asked, whole.responded, &whole.output)
        );
    }
    assert!(whole.early.starts_with(&by_byte.early));

    if whole.asked {
        // Never asked without what RFC 6455 section 4.2.1 asks for.
        let (lines, _) = split_head(&input).expect("a whole head");
        assert!(lines[0].starts_with(b"GET ") && lines[0].ends_with(b" HTTP/1.1"));
        assert_eq!(values(&lines, "host").len(), 1);
        assert!(has_token(&values(&lines, "upgrade"), "websocket"));
        assert!(has_token(&values(&lines, "connection"), "upgrade"));
        assert_eq!(values(&lines, "sec-websocket-version"), ["13"]);
        let keys = values(&lines, "sec-websocket-key");
        assert!(keys.len() == 1 && keys[0].len() == 24);
        if whole.result.is_ok() {
            let (lines, rest) = split_head(&whole.output).expect("a whole head");
            assert!(rest.is_empty());
            assert_eq!(lines[0], b"HTTP/1.1 101 Switching Protocols");
            assert_eq!(values(&lines, "sec-websocket-accept"), [accept(&keys[0])]);
            return;
        }
    }
    // A refusal is a whole response, whose body has the length it says; or there is none.
    assert!(whole.result.is_err());
    if whole.output.is_empty() {
        assert_eq!(whole.result, Err(HandshakeError::UnexpectedEof));
        return;
    }
    let (lines, body) = split_head(&whole.output).expect("a whole head");
    assert!(!lines[0].starts_with(b"HTTP/1.1 1"));
    assert_eq!(values(&lines, "content-length"), [body.len().to_string()]);
    assert!(has_token(&values(&lines, "connection"), "close"));
});

fn run(
    limits: Limits,
    response: Response<'_>,
    rx: usize,
    tx: usize,
    cuts: &[usize],
    input: &[u8],
) -> Outcome {
    let mut handshake = ServerHandshake::new(limits);
    let (mut rx, mut tx) = (vec![0xA5; rx], vec![0x5A; tx]);
    let (mut output, mut read, mut asked, mut responded) = (vec![], 0, false, Ok(()));
    let mut cuts = cuts.iter().copied().cycle();
    let mut cut = || cuts.next().unwrap_or(1);
    let mut polls = 0;
    let result = loop {
        polls += 1;
        assert!(polls < 10 * (input.len() + 1000), "an endless loop");
        match handshake.poll(&mut rx, &mut tx) {
            Ok(ServerStep::Request) => {
                assert!(!asked, "asked twice");
                asked = true;
                let request = handshake.request(&rx).expect("there is a request");
                // Whatever it is, it can be looked at.
                assert!(request.path().starts_with('/'));
                assert!(request.fields().count() >= 5);
                let _ = (request.host(), request.origin(), request.is_same_origin(true));
                let _ = (request.subprotocols().count(), request.extensions().count());
                responded = handshake.respond(response, &rx);
                if responded.is_err() {
                    handshake.respond(Response::reject(503), &rx).expect("a second try");
                }
                let again = handshake.respond(response, &rx);
                assert_eq!(again, Err(HandshakeError::OutOfTurn));
            }
            Ok(ServerStep::Transmit) => {
                let pending = handshake.pending(&tx);
                let n = pending.len().min(cut());
                assert!(n > 0, "nothing to write");
                output.extend_from_slice(&pending[..n]);
                handshake.sent(n).expect("there were as many");
            }
            Ok(ServerStep::Flush) => handshake.flushed(),
            Ok(ServerStep::Receive) => {
                let space = handshake.space(&mut rx);
                assert!(!space.is_empty(), "nowhere to read to");
                let n = space.len().min(cut()).min(input.len() - read);
                space[..n].copy_from_slice(&input[read..read + n]);
                read += n;
                handshake.received(n).expect("there was room");
            }
            Ok(ServerStep::Done) => break Ok(()),
            Err(error) => {
                assert_eq!(handshake.poll(&mut rx, &mut tx), Err(error), "it stays failed");
                break Err(error);
            }
        }
    };
    let mut early = vec![];
    if result.is_ok() {
        early = rx[handshake.early()].to_vec();
        assert_eq!(&input[read - early.len()..read], early, "early bytes");
        let (_, rest) = split_head(input).expect("a whole head");
        assert_eq!(input.len() - rest.len() + early.len(), read, "bytes are lost");
    }
    Outcome { result, asked, responded, early, output }
}
