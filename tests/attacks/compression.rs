//! Rows about compression, beside bombs: what a peer breaks, and what compressing gives away.

use std::time::{Duration, Instant};

use sockling::{
    Error, ProtocolError, Request, Role, asynch, blocking,
    extension::{Codec, Compressor, Deflate, Direction, Inflater, Negotiated},
    handshake::{HandshakeError, Response},
};

use crate::support::{
    Counter, Script, block_on, close_body,
    deflate::{BOTH, EITHER, HELLO, Outcome, by_zlib, compressed, each, fixed, outcome},
    drive::{Fail, Got, ROLES, Setup, TIMED_OUT, Ws, wire},
    frames, open,
    pair::Rng,
    unfinished,
};

/// Messages in each kind of block: stored, with the fixed code, with a code of their own.
fn messages() -> [(Got, Vec<u8>); 3] {
    let short = "sensor 7, value 21.5; sensor 8, value 21.25";
    let long: String =
        (0..26u32).map(|n| format!("{:x} {} ", n.wrapping_mul(2_654_435_761), n % 7)).collect();
    let messages = [(short, 0, 0), (short, 9, 1), (&long, 9, 2)];
    messages.map(|(text, level, kind)| {
        let payload = compressed(text.as_bytes(), level);
        assert_eq!(payload[0] >> 1 & 3, kind, "the kind of the first block");
        (Got::Binary(text.into()), payload)
    })
}

/// Compressed data that may be anything, then a message that is not compressed: it comes if, and only if, the first one
/// was none that broke a rule, and else a code says which.
fn check((got, end, sent): &Outcome, input: &[u8]) {
    let Error::Protocol(error) = end else {
        assert_eq!((*end, got.len(), sent.len()), (TIMED_OUT, 2, 0), "{input:x?}");
        assert_eq!(got[1], Got::text("next"));
        return;
    };
    let code = match error {
        ProtocolError::InvalidCompression | ProtocolError::InvalidUtf8 => 1007,
        ProtocolError::MessageTooLarge => 1009,
        error => panic!("{error:?} of {input:x?}"),
    };
    assert_eq!(got, &[], "nothing of it is handed out");
    assert_eq!(sent.iter().map(|frame| frame.first).collect::<Vec<_>>(), [0x88]);
    assert_eq!(sent[0].payload, close_body(code, ""));
}

/// Both codecs have to agree, with both drivers, whole and in parts.
fn corrupted(role: Role, step: &'static [usize], frames: &[(u8, &[u8])]) -> Outcome {
    let setup = Setup::new(role).steps(step);
    let input = wire(role, &[frames, &[(0x81, b"next")]].concat());
    let outcome = each(&setup, &input);
    check(&outcome, &input);
    outcome
}

#[test]
fn row_11_every_bit_flipped() {
    let (mut fine, mut broken) = (0, 0);
    for (_, payload) in messages() {
        for bit in 0..payload.len() * 8 {
            let mut payload = payload.clone();
            payload[bit / 8] ^= 1 << (bit % 8);
            // One role and step after the other: there are many.
            let (_, end, _) = corrupted(ROLES[bit % 2], [&[1], &[1 << 20]][bit / 2 % 2], &[(0xC2, &payload)]);
            *(if end == TIMED_OUT { &mut fine } else { &mut broken }) += 1;
        }
    }
    assert!(fine > 100 && broken > 100, "{fine}, {broken}");
}

/// The message ends early: it is not taken for a whole one, also where the tail that is appended (RFC 7692 section 7.2.2)
/// would end the block.
#[test]
fn row_11_cut_at_every_byte() {
    let (mut cuts, mut taken) = (0, 0);
    for (message, payload) in messages() {
        for role in ROLES {
            let setup = Setup::new(role).steps(&[1, 1 << 20]);
            for cut in 1..payload.len() {
                let (front, back) = payload.split_at(cut);
                // In two fragments it is whole.
                let (got, end, _) = corrupted(role, &[3], &[(0x42, front), (0x80, back)]);
                assert_eq!((&got[0], end), (&message, TIMED_OUT));
                if front == [0] {
                    // It happens to be an empty message (section 7.2.3.6).
                    continue;
                }
                for frames in [&[(0xC2, front)][..], &[(0x42, front), (0x00, b""), (0x80, b"")]] {
                    let input = wire(role, &[frames, &[(0x81, b"next")]].concat());
                    let outcome_of_fixed = outcome(&setup, &input, &EITHER, || fixed(BOTH, BOTH, 600));
                    check(&outcome_of_fixed, &input);
                    assert_eq!(
                        outcome_of_fixed.1,
                        Error::Protocol(ProtocolError::InvalidCompression),
                        "{cut}"
                    );
                    if let Some(outcome) = by_zlib(&setup, &input, &EITHER, 1000) {
                        check(&outcome, &input);
                        // zlib does not tell whether it is within the header of a block: then the blocks before it are
                        // taken for all of the message.
                        taken += usize::from(outcome.1 == TIMED_OUT);
                        assert!(outcome.1 != TIMED_OUT || outcome.0[0] == Got::Binary(vec![]));
                    }
                    cuts += 1;
                }
            }
        }
    }
    assert!(cuts > 400 && taken < cuts / 10, "{taken} of {cuts}");
}

/// The stream ends within a compressed message, or the peer is silent: nothing is handed out as a message.
#[test]
fn row_11_lost_at_every_byte() {
    for (_, payload) in messages() {
        for role in ROLES {
            for cut in 0..payload.len() {
                let input =
                    unfinished(0xC1, &payload[..cut], payload.len() - cut, crate::support::drive::key(role));
                let setup = Setup::new(role).steps(&[1, 1 << 20]);
                assert_eq!(each(&setup, &input), (vec![], TIMED_OUT, vec![]), "{cut}");
                let io = Script::new(&input, 7);
                let mut ws = setup.blocking(&io).with_codec(fixed(BOTH, BOTH, 600));
                assert_eq!(Ws::recv(&mut ws), Err(Error::ConnectionLost));
                let io = Script::new(&input, 7);
                let mut ws = setup.asynch(&io).with_codec(fixed(BOTH, BOTH, 600));
                assert_eq!(Ws::recv(&mut ws), Err(Error::ConnectionLost));
            }
        }
    }
}

/// What is no compressed data at all, and compressed data behind which there is something else, in any fragments.
#[test]
fn row_11_noise() {
    let mut rng = Rng::new(11);
    let mut broken = 0;
    for round in 0..400 {
        let mut payload = if rng.one_in(2) { HELLO.to_vec() } else { vec![] };
        let len = rng.below(60);
        payload.extend(rng.bytes(len));
        let (first, second) = payload.split_at(rng.below(payload.len() + 1));
        let (_, end, _) = corrupted(ROLES[round % 2], &[1, 1 << 20], &[(0x42, first), (0x80, second)]);
        // As text it may be the text that is found wrong, which depends on what arrives together.
        corrupted(ROLES[round % 2], &[5], &[(0x41, first), (0x80, second)]);
        broken += usize::from(end != TIMED_OUT);
    }
    assert!(broken > 200, "{broken}");
}

/// "garbage after a limit": a message that is as large as may be, and goes on with what is no block.
#[test]
fn row_11_garbage_after_the_limit() {
    for garbage in [&[0x06][..], &[0x07, 0xff], &[0x00, 1, 0, 0, 0], &[0x05, 0xff, 0xff]] {
        // Without the empty block that a message ends with, another one can follow.
        let mut payload = compressed(&[b'x'; 600], 9);
        payload.extend([0, 0, 0xff, 0xff]);
        payload.extend(garbage);
        for role in ROLES {
            for limit in [600, u32::MAX] {
                let setup =
                    Setup::new(role).steps(&[1, 1 << 20]).config(|config| config.limits.max_message = limit);
                let input = wire(role, &[(0xC1, &payload), (0x81, b"next")]);
                // The output is full as well.
                let (_, end, sent) = outcome(&setup, &input, &EITHER[..1], || fixed(BOTH, BOTH, 600));
                assert_eq!(end, Error::Protocol(ProtocolError::InvalidCompression), "{garbage:x?}");
                assert_eq!(sent[0].payload, close_body(1007, ""));
                if let Some((_, by_zlib, _)) = by_zlib(&setup, &input, &EITHER[..1], limit) {
                    assert_eq!(by_zlib, end);
                }
            }
        }
    }
}

/// A distance within the memory that there is, but beyond the window that was agreed on.
#[test]
fn row_11_a_distance_beyond_the_agreed_window() {
    let mut rng = Rng::new(9);
    let noise = rng.bytes(500);
    for (between, fits) in [(0, true), (100, false)] {
        // The repetition goes 500 bytes back, or 600.
        let message = [&noise[..], &rng.bytes(between), &noise[..]].concat();
        let payload = compressed(&message, 9);
        assert!(payload.len() < 700, "{}", payload.len());
        let agreed = Direction { window_bits: 9, context_takeover: true };
        for role in ROLES {
            let setup = Setup::new(role).steps(&[1, 1 << 20]);
            let codec = || {
                let (inflater, output) = (vec![0; 1 << 15], vec![0; 2000]);
                let mut codec = Deflate::new(
                    Inflater::new(inflater, output),
                    Compressor::new(vec![0; 1 << 15], vec![0u16; 256]),
                );
                codec.agree(Negotiated { send: BOTH, receive: agreed });
                codec
            };
            let (got, end, _) = outcome(&setup, &wire(role, &[(0xC2, &payload)]), &EITHER, codec);
            if fits {
                assert_eq!((got, end), (vec![Got::Binary(message.clone())], TIMED_OUT));
            } else {
                assert_eq!((got, end), (vec![], Error::Protocol(ProtocolError::InvalidCompression)));
            }
        }
    }
}

/// Lists of extensions that a tokenizer could take quadratic time over, at a client that offers one.
#[test]
fn row_05_lists_made_to_be_slow_at_a_client() {
    let begun = Instant::now();
    let n = if cfg!(debug_assertions) { 1 << 16 } else { 1 << 20 };
    let mut config = sockling::Config::DEFAULT;
    config.limits.max_head = u32::MAX;
    for value in [
        "\"".repeat(n),
        format!("permessage-deflate;a=\"{}", "x".repeat(n)),
        format!("permessage-deflate;a=\"{}\"", "\\\\".repeat(n / 2)),
        format!("permessage-deflate{}", ";server_no_context_takeover".repeat(n / 27)),
        format!("permessage-deflate{}", ",permessage-deflate".repeat(n / 19)),
        format!("permessage-deflate{}x", " ".repeat(n)),
        format!("permessage-deflate;server_max_window_bits=\"{}\"", "1".repeat(n)),
        format!("permessage-deflate;server_max_window_bits={}", "0".repeat(n)),
    ] {
        let head = open::response(&format!("Sec-WebSocket-Extensions: {value}\r\n"));
        let io = Script::new(&head, 1 << 20).hanging();
        let request = Request::new("server.example", "/chat").config(config);
        let (rx, tx, codec) = (vec![0; n + 1000], vec![0; 400], fixed(BOTH, BOTH, 100));
        let refused = blocking::connect_with(io, &request, Counter(0), rx, tx, codec, |_| {});
        let error = refused.err().map(Error::from);
        assert!(
            matches!(error, Some(Error::Handshake(HandshakeError::Deflate(_)))),
            "{error:?}: {:.40}",
            value
        );
    }
    assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
}

/// Windows that are none fail the handshake at a client; a server does not agree to them.
#[test]
fn row_11_window_bits() {
    for bits in
        ["0", "7", "16", "08", "010", "-9", "+9", "9.0", "0x9", "999999999999", "\"\"", "\"16\"", "a", ""]
    {
        for name in ["server_max_window_bits", "client_max_window_bits"] {
            let value = format!("Sec-WebSocket-Extensions: permessage-deflate; {name}={bits}\r\n");
            let refused = connect(&value);
            assert!(
                matches!(refused, Err(Error::Handshake(HandshakeError::Deflate(_)))),
                "{value}: {refused:?}"
            );
            let answer = accept(&value);
            assert_eq!(answer.lines().find(|line| line.contains("permessage-deflate")), None, "{value}");
            // A grammar that is broken fails the handshake; an offer that is only of no use is declined.
            let status = if bits.is_empty() || bits == "\"\"" { "400" } else { "101" };
            assert_eq!(&answer[9..12], status, "{value}");
        }
    }
}

/// What a server that compresses answers to a request with these fields.
fn accept(fields: &str) -> String {
    let run = |is_async: bool| {
        let io = Script::new(&open::request(fields), 100).hanging();
        let codec = fixed(BOTH, BOTH, 100);
        let (config, rx, tx) = (sockling::Config::DEFAULT, vec![0; 600], vec![0; 300]);
        let decide = |_: &sockling::handshake::RequestHead<'_>| Response::accept();
        if is_async {
            let _ = block_on(asynch::accept_with(io.clone(), &config, rx, tx, codec, decide));
        } else {
            let _ = blocking::accept_with(io.clone(), &config, rx, tx, codec, decide);
        }
        String::from_utf8(io.output.take()).unwrap()
    };
    let answer = run(false);
    assert_eq!(run(true), answer);
    answer
}

/// Nobody compresses who was not told to.
#[test]
fn row_35_compression_is_opt_in() {
    let io = Script::new(&[], 100).hanging();
    let _ = blocking::connect(
        io.clone(),
        &Request::new("a.example", "/"),
        Counter(0),
        vec![0; 300],
        vec![0; 300],
    );
    let sent = String::from_utf8(io.output.take()).unwrap();
    assert!(sent.starts_with("GET / ") && !sent.contains("Extensions"), "{sent}");
    let offer = open::request("Sec-WebSocket-Extensions: permessage-deflate\r\n");
    let io = Script::new(&offer, 100).hanging();
    let config = sockling::Config::DEFAULT;
    blocking::accept(io.clone(), &config, vec![0; 600], vec![0; 300], |_| Response::accept()).unwrap();
    let sent = String::from_utf8(io.output.take()).unwrap();
    assert!(sent.starts_with("HTTP/1.1 101 ") && !sent.contains("Extensions"), "{sent}");
}

const SECRET: &str = "the secret is 6c2f9a1b7d3e5082";

/// What was sent without compression is no part of what a later message is compressed against: else the length of a
/// message with a guess in it tells how good that is.
fn check_secret<C: Codec>(codec: impl Fn() -> C) {
    for role in ROLES {
        let lens = [SECRET, "a message that is as long as it"].map(|secret| {
            let io = Script::new(&[], 1000).hanging();
            let mut ws = Setup::new(role).blocking(&io).with_codec(codec());
            ws.send("something to begin with, which is compressed").unwrap();
            ws.set_compression(false);
            ws.send(secret).unwrap();
            ws.set_compression(true);
            ws.send(SECRET).unwrap();
            let sent = frames(&io.output.borrow());
            let firsts: Vec<u8> = sent.iter().map(|frame| frame.first).collect();
            assert_eq!(firsts, [0xC1, 0x81, 0xC1]);
            assert_eq!(sent[1].payload, secret.as_bytes());
            sent[2].payload.len()
        });
        assert_eq!(lens[0], lens[1]);
    }
}

#[test]
fn row_35_a_message_sent_uncompressed_leaves_no_trace() {
    check_secret(|| fixed(BOTH, BOTH, 100));
    #[cfg(feature = "std")]
    check_secret(|| crate::support::deflate::zlib(100));
}

#[test]
fn row_35_what_is_not_to_be_compressed_is_not() {
    for role in ROLES {
        let io = Script::new(&[], 1000).hanging();
        let mut codec = Deflate::new(
            Inflater::new(vec![0; 512], vec![0; 100]),
            Compressor::new(vec![0; 512], vec![0u16; 256]).min_len(10),
        );
        codec.agree(Negotiated { send: Direction { window_bits: 9, context_takeover: true }, receive: BOTH });
        let mut ws = Setup::new(role).blocking(&io).with_codec(codec);
        ws.send("123456789").unwrap();
        ws.send("1234567890").unwrap();
        ws.set_compression(false);
        ws.send("secret secret secret").unwrap();
        ws.set_compression(true);
        ws.send("secret secret secret").unwrap();
        let firsts: Vec<u8> = frames(&io.output.borrow()).iter().map(|frame| frame.first).collect();
        assert_eq!(firsts, [0x81, 0xC1, 0x81, 0xC1]);
    }
}

/// The handshake of a client that has memory for windows of these lengths, and the server's answer.
fn connect(answer: &str) -> Result<Option<bool>, Fail> {
    let run = |blocking: bool| {
        // The key of `Counter` from 0 is 01 02 .. 10; its accept value was made by Python's hashlib.
        let head = format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: C/0nmHhBztSRGR1CwL6Tf4ZjwpY=\r\n{answer}\r\n"
        );
        let io = Script::new(&[head.as_bytes(), &[0xC1, 7], &HELLO].concat(), 3).hanging();
        let codec = Deflate::new(
            Inflater::new(vec![0; 1024], vec![0; 100]),
            Compressor::new(vec![0; 512], vec![0u16; 256]),
        );
        let request = Request::new("a.example", "/");
        let (rx, tx) = (vec![0; 300], vec![0; 300]);
        let got = if blocking {
            let ws = blocking::connect_with(io.clone(), &request, Counter(0), rx, tx, codec, |_| {});
            ws.map_err(Error::from).map(|mut ws| ws.recv().is_ok())
        } else {
            let ws = asynch::connect_with(io.clone(), &request, Counter(0), rx, tx, codec, |_| {});
            block_on(ws).map_err(Error::from).map(|mut ws| block_on(ws.recv()).is_ok())
        };
        let sent = String::from_utf8_lossy(&io.output.borrow()).into_owned();
        assert!(sent.contains(
            "Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=10; client_max_window_bits=9, \
             permessage-deflate; server_max_window_bits=10\r\n"
        ));
        got.map(Some)
    };
    let (a, b) = (run(true), run(false));
    assert_eq!(a, b);
    a
}

#[test]
fn row_11_the_client_follows_its_memory() {
    let extensions = |value: &str| connect(&format!("Sec-WebSocket-Extensions: {value}\r\n"));
    assert_eq!(connect(""), Ok(Some(false)));
    assert_eq!(extensions("permessage-deflate; server_max_window_bits=10"), Ok(Some(true)));
    assert_eq!(
        extensions("permessage-deflate; server_max_window_bits=9; client_max_window_bits=9"),
        Ok(Some(true))
    );
    // "Absence of this extension parameter ... indicates" 15, which this end has no memory for.
    for (value, shown) in [
        ("permessage-deflate", "32768 bytes"),
        ("permessage-deflate; server_max_window_bits=11", "2048 bytes"),
        ("permessage-deflate; server_max_window_bits=10, permessage-deflate", "more than once"),
    ] {
        let Err(Error::Handshake(error @ HandshakeError::Deflate(_))) = extensions(value) else {
            panic!("{value}")
        };
        assert!(error.to_string().contains(shown), "{error}");
    }
    let Err(Error::Handshake(HandshakeError::NotOffered(_))) = extensions("x-foo") else { panic!() };
}
