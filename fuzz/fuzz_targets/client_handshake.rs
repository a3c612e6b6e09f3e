//! A server's answer to the opening handshake: any bytes, and good answers with changes, in any cuts.
#![no_main]

use libfuzzer_sys::{arbitrary::Unstructured, fuzz_target};
use sockling::{
    Config, HandshakeError, Limits, MIN_RX, MIN_TX, Random, Request,
    handshake::{ClientHandshake, HeadLine, Step},
};
use sockling_fuzz::{
    below, byte,
    http::{accept, base64, has_token, head, split_head, values},
    pick,
};

/// The same key at all times.
struct Nonce;

impl Random for Nonce {
    fn fill(&mut self, dest: &mut [u8]) {
        dest.fill(7);
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    result: Result<Option<usize>, HandshakeError>,
    /// Status and fields as they were shown.
    lines: Vec<(Vec<u8>, Vec<u8>)>,
    /// How much of the input came before the early bytes.
    head: usize,
    early: Vec<u8>,
    output: Vec<u8>,
}

fuzz_target!(|data: &[u8]| {
    let u = &mut Unstructured::new(data);
    let mut config = Config::DEFAULT;
    config.limits = Limits::DEFAULT;
    if byte(u).is_multiple_of(4) {
        config.limits.max_head = below(u, 1000) as u32;
        config.limits.max_fields = u16::from(byte(u) % 12);
    }
    let protocols: &[&str] = pick(u, &[&[][..], &["chat"], &["chat", "v2.chat"]]);
    let request = Request::new("example.com:8080", "/a?b=c").subprotocols(protocols).config(config);
    let request = if byte(u).is_multiple_of(2) { request } else { request.origin("https://example.com") };
    let (rx, tx) = (MIN_RX + below(u, 2000), pick(u, &[1, 20, MIN_TX, MIN_TX, MIN_TX, 600]));
    let cuts: [u8; 3] = std::array::from_fn(|_| 1 + byte(u) % 64);

    let key = base64(&[7; 16]);
    let good = [
        "Upgrade: websocket".into(),
        "Connection: Upgrade".into(),
        format!("Sec-WebSocket-Accept: {}", accept(&key)),
    ];
    let input = head(
        u,
        &[
            "HTTP/1.1 101 Switching Protocols",
            "HTTP/1.1 404 Not Found",
            "HTTP/1.1 301",
            "HTTP/1.0 101 OK",
            "HTTP/1.1 204 ",
        ],
        &good,
        &[
            "Sec-WebSocket-Protocol: chat".into(),
            "Sec-WebSocket-Protocol: other".into(),
            "Sec-WebSocket-Extensions: permessage-deflate".into(),
            "Content-Length: 5".into(),
            "Content-Length: 0".into(),
            "Content-Length: 99999999999999999999".into(),
            "Transfer-Encoding: chunked".into(),
            "Date: Sun, 06 Nov 1994 08:49:37 GMT".into(),
            "X: \u{fc}\t, y".into(),
            "connection: keep-alive, UPGRADE".into(),
            good[2].clone(),
            "Sec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=".into(),
        ],
    );

    let interim: &[u8] =
        if byte(u).is_multiple_of(4) { b"HTTP/1.1 103 Early Hints\r\nLink: </>\r\n\r\n" } else { b"" };
    let input = [interim, &input].concat();

    let whole = run(&request, rx, tx, &[usize::MAX], &input);
    let by_byte = run(&request, rx, tx, &[1], &input);
    let cut = run(&request, rx, tx, &cuts.map(usize::from), &input);
    for other in [&by_byte, &cut] {
        assert_eq!(
            (&other.result, &other.lines, &other.output),
            (&whole.result, &whole.lines, &whole.output)
        );
        if matches!(whole.result, Ok(_) | Err(HandshakeError::Status(_))) {
            assert_eq!(other.head, whole.head);
        }
    }
    assert!(whole.early.starts_with(&by_byte.early));

    // The request, by the letter.
    let (lines, rest) = split_head(&whole.output).expect("a whole head");
    assert!(rest.is_empty());
    assert_eq!(lines[0], b"GET /a?b=c HTTP/1.1");
    assert_eq!(values(&lines, "host"), ["example.com:8080"]);
    assert_eq!(values(&lines, "upgrade"), ["websocket"]);
    assert_eq!(values(&lines, "connection"), ["Upgrade"]);
    assert_eq!(values(&lines, "sec-websocket-version"), ["13"]);
    assert_eq!(values(&lines, "sec-websocket-key"), [&key[..]]);
    assert_eq!(values(&lines, "sec-websocket-protocol").join(", "), protocols.join(", "));

    // Never open without what RFC 6455 section 4.1 asks for.
    if let Ok(selected) = whole.result {
        let (lines, rest) = final_head(&input);
        assert_eq!(input.len() - rest.len(), whole.head);
        assert!(lines[0].starts_with(b"HTTP/1.1 101"));
        assert_eq!(values(&lines, "sec-websocket-accept"), [accept(&key)]);
        let upgrades = values(&lines, "upgrade");
        assert!(!upgrades.is_empty() && upgrades.iter().all(|value| value.eq_ignore_ascii_case("websocket")));
        assert!(has_token(&values(&lines, "connection"), "upgrade"));
        assert_eq!(values(&lines, "sec-websocket-extensions"), [""; 0]);
        let protocol: Vec<_> = selected.map(|index| protocols[index].to_owned()).into_iter().collect();
        assert_eq!(values(&lines, "sec-websocket-protocol"), protocol);
    }
});

/// The head behind the interim ones, and what comes after it.
fn final_head(input: &[u8]) -> (Vec<&[u8]>, &[u8]) {
    let (lines, rest) = split_head(input).expect("a head without an end was taken");
    if lines[0].starts_with(b"HTTP/1.1 1") && !lines[0].starts_with(b"HTTP/1.1 101") {
        return final_head(rest);
    }
    (lines, rest)
}

fn run(request: &Request<'_>, rx: usize, tx: usize, cuts: &[usize], input: &[u8]) -> Outcome {
    let mut handshake = ClientHandshake::new(request, &mut Nonce).expect("the request is fine");
    let (mut rx, mut tx) = (vec![0xA5; rx], vec![0x5A; tx]);
    let (mut lines, mut output, mut read) = (vec![], vec![], 0);
    let mut cuts = cuts.iter().copied().cycle();
    let mut cut = || cuts.next().unwrap_or(1);
    let mut observe = |line: HeadLine<'_>| match line {
        HeadLine::Status { code, reason } => lines.push((code.to_string().into_bytes(), reason.to_vec())),
        HeadLine::Field { name, value } => lines.push((name.as_bytes().to_vec(), value.to_vec())),
    };
    let mut polls = 0;
    let result = loop {
        polls += 1;
        assert!(polls < 10 * (input.len() + 1000), "an endless loop");
        match handshake.poll(&mut rx, &mut tx, &mut observe) {
            Ok(Step::Transmit) => {
                let pending = handshake.pending(&tx);
                let n = pending.len().min(cut());
                assert!(n > 0, "nothing to write");
                output.extend_from_slice(&pending[..n]);
                handshake.sent(n).expect("there were as many");
            }
            Ok(Step::Flush) => handshake.flushed(),
            Ok(Step::Receive) => {
                let space = handshake.space(&mut rx);
                assert!(!space.is_empty(), "nowhere to read to");
                let n = space.len().min(cut()).min(input.len() - read);
                space[..n].copy_from_slice(&input[read..read + n]);
                read += n;
                handshake.received(n).expect("there was room");
            }
            Ok(Step::Done) => break Ok(handshake.subprotocol()),
            Err(error) => {
                assert_eq!(handshake.poll(&mut rx, &mut tx, &mut |_| {}), Err(error), "it stays failed");
                break Err(error);
            }
        }
    };
    let mut outcome = Outcome { result, lines, head: 0, early: vec![], output };
    if matches!(result, Ok(_) | Err(HandshakeError::Status(_))) {
        outcome.early = rx[handshake.early()].to_vec();
        outcome.head = input.len() - final_head(input).1.len();
        assert!(input[outcome.head..].starts_with(&outcome.early), "early bytes");
        if result.is_ok() {
            assert_eq!(outcome.head + outcome.early.len(), read, "bytes are lost");
        }
    }
    outcome
}
