//! permessage-deflate on connections: both codecs, both drivers, every step; conversations of random ends. What a hostile
//! peer does with it (rows 10, 11, 35) is in tests/attacks.
#![cfg(feature = "deflate")]

mod support;

use sockling::{
    Error, MIN_TX, MisuseError, ProtocolError, Request, Role, asynch, blocking,
    extension::{Compressor, Deflate, Direction, Inflater, Uncompressed},
    handshake::Response,
};
use support::{
    Counter, Script, block_on,
    deflate::{BOTH, EITHER, HELLO, each, fixed, outcome, plain_fixed},
    drive::{Got, ROLES, STEPS, Setup, TIMED_OUT, wire},
    frames, once,
    pair::{Pair, Rng, Take, data, random_message, random_parts},
};

/// Frames of a first byte and a payload.
type Sent<'a> = &'a [(u8, &'a [u8])];

#[test]
fn examples_of_rfc_7692() {
    for role in ROLES {
        // Sections 7.2.3.1 to 7.2.3.5: fixed code, shared window, stored, last block, two blocks; in fragments too.
        let input = wire(
            role,
            &[
                (0xC1, &HELLO),
                (0xC1, &[0xf2, 0x00, 0x11, 0x00, 0x00]),
                (0xC1, &[0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00]),
                (0xC1, &[0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00]),
                // Some senders leave it at the last block.
                (0xC1, &[0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00]),
                (0xC1, &HELLO),
                (0x41, &[0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00]),
                (0x80, b""),
                (0xC1, &[0xf2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xff, 0xff, 0xca, 0xc9, 0xc9, 0x07, 0x00]),
                (0x41, &HELLO[..3]),
                (0x89, b"!"),
                (0x00, b""),
                (0x80, &HELLO[3..]),
                (0xC2, &[0x00]),
                (0xC2, &[]),
                (0x81, b"plain"),
            ],
        );
        let (got, end, sent) = each(&Setup::new(role), &input);
        let mut expected = vec![Got::text("Hello"); 9];
        expected.extend([Got::Binary(vec![]), Got::Binary(vec![]), Got::text("plain")]);
        assert_eq!((got, end), (expected, TIMED_OUT));
        assert_eq!(
            sent.iter().map(|frame| (frame.first, &frame.payload[..])).collect::<Vec<_>>(),
            [(0x8A, &b"!"[..])]
        );
    }
}

#[test]
fn row_12_rules_of_rsv1_and_of_compressed_data() {
    let invalid_text = [0x00, 0x02, 0x00, 0xfd, 0xff, 0xc3, 0x28, 0x00];
    let cut_text = [0x00, 0x01, 0x00, 0xfe, 0xff, 0xc3, 0x00];
    let cases: &[(Sent<'_>, ProtocolError)] = &[
        (&[(0xC9, b"")], ProtocolError::ReservedBits),
        (&[(0xC8, b"")], ProtocolError::ReservedBits),
        (&[(0x41, &HELLO[..2]), (0xC0, &HELLO[2..])], ProtocolError::ReservedBits),
        (&[(0x01, b"a"), (0xC0, b"b")], ProtocolError::ReservedBits),
        (&[(0xA1, b"a")], ProtocolError::ReservedBits),
        (&[(0xE1, &HELLO)], ProtocolError::ReservedBits),
        // The reserved kind of block; a distance before the first byte; what is no code.
        (&[(0xC1, &[0x07, 0x00])], ProtocolError::InvalidCompression),
        (&[(0xC1, &[0x02, 0x04, 0x00, 0x00])], ProtocolError::InvalidCompression),
        (&[(0xC1, &[0x00, 0x05, 0x00, 0x00, 0x00])], ProtocolError::InvalidCompression),
        // It ends inside of a stored block, and inside of one with the fixed code.
        (&[(0xC1, &[0x00, 0x05, 0x00, 0xfa, 0xff, b'a'])], ProtocolError::InvalidCompression),
        (&[(0xC1, &HELLO[..4])], ProtocolError::InvalidCompression),
        (&[(0xC1, &invalid_text)], ProtocolError::InvalidUtf8),
        (&[(0xC1, &cut_text)], ProtocolError::InvalidUtf8),
    ];
    for role in ROLES {
        for (sent, error) in cases {
            let (got, end, answer) =
                each(&Setup::new(role), &wire(role, &[&[(0xC1, &HELLO[..])], *sent].concat()));
            assert_eq!((&got[..], end), (&[Got::text("Hello")][..], Error::Protocol(*error)), "{sent:x?}");
            let close = answer.last().unwrap();
            assert_eq!((close.first, &close.payload[..]), (0x88, &error.close_code().0.to_be_bytes()[..]));
        }
        // Not negotiated: a codec that was not agreed to.
        let codec = || Deflate::new(Inflater::new([0; 512], [0; 100]), Uncompressed);
        let (_, end, _) = outcome(&Setup::new(role), &wire(role, &[(0xC1, &HELLO)]), &EITHER, codec);
        assert_eq!(end, Error::Protocol(ProtocolError::ReservedBits));
    }
}

#[test]
fn invalid_text_is_known_before_its_message_has_arrived() {
    for role in ROLES {
        // A fragment that shows three bytes, of a message that does not end.
        let stored = [0x00, 0x03, 0x00, 0xfc, 0xff, b'a', 0xed, 0xa0];
        let (_, end, _) = each(&Setup::new(role), &wire(role, &[(0x41, &stored)]));
        assert_eq!(end, Error::Protocol(ProtocolError::InvalidUtf8));
    }
}

/// Conversations of two ends with random buffers, windows and context takeover, dropped and timed out all the time.
#[test]
fn conversations() {
    let mut exchanged = 0;
    for seed in 0..200 {
        let mut rng = Rng::new(!seed);
        let mut direction =
            || Direction { window_bits: rng.pick(&[8, 9, 10, 12, 15]), context_takeover: rng.one_in(2) };
        let (a, b) = (direction(), direction());
        let output = 2000;
        let setup =
            |role| Setup::new(role).rx(400).tx(MIN_TX + 30).config(|config| config.report_control = true);
        let (client, server) = (setup(Role::Client), setup(Role::Server));
        let takes = [Take::Whole, Take::Parts, Take::Either];
        let mut pair = Pair::with_codecs(
            seed,
            (&client, rng.pick(&takes)),
            (&server, rng.pick(&takes)),
            rng.pick(&[40, 5000]),
            [fixed(a, b, output), fixed(b, a, output)],
        );
        let sent = ROLES.map(|role| {
            let end = pair.end(role);
            let mut all = vec![];
            for _ in 0..rng.below(20) {
                let message = random_message(&mut rng, output);
                if matches!(message, Got::Text(_) | Got::Binary(_)) && rng.one_in(3) {
                    end.todo.extend(random_parts(&mut rng, &message));
                } else if rng.one_in(2) {
                    end.feed(message.clone());
                } else {
                    end.send(message.clone());
                }
                all.push(message);
            }
            all
        });
        pair.settle();
        for (role, peer) in [(0, Role::Server), (1, Role::Client)] {
            let there = pair.end(peer);
            assert_eq!(there.end, None, "seed {seed}");
            assert!(there.todo.is_empty(), "seed {seed}");
            assert_eq!(data(&there.got), data(&sent[role]), "seed {seed}");
            exchanged += sent[role].len();
        }
    }
    assert!(exchanged > 2000, "{exchanged}");
}

/// What was sent, decompressed by the other end's codec.
fn read_back(role: Role, output: &[u8]) -> Vec<Got> {
    let peer = if role == Role::Client { Role::Server } else { Role::Client };
    outcome(&Setup::new(peer), output, &[Take::Whole], || fixed(BOTH, BOTH, 20_000)).0
}

#[test]
fn sends_dropped_at_every_await() {
    let text = "{\"sensor\":7,\"value\":21.5}".repeat(40);
    let noise: Vec<u8> = (0..3000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    for role in ROLES {
        for step in STEPS {
            let io = Script::new(&[], step).hanging().gated();
            let mut ws = Setup::new(role).tx(300).asynch(&io).with_codec(plain_fixed());
            let mut dropped = 0;
            for _ in 0..2 {
                let mut sent = once(ws.send(&text[..]));
                while sent.is_none() {
                    dropped += 1;
                    sent = once(ws.resume_send(&text[..]));
                }
                sent.unwrap().unwrap();
                let mut sent = once(ws.send(&noise[..]));
                while sent.is_none() {
                    dropped += 1;
                    sent = once(ws.resume_send(&noise[..]));
                }
                sent.unwrap().unwrap();
            }
            assert!(dropped > 5);
            let output = io.output.borrow();
            let expected = [Got::text(&text), Got::Binary(noise.clone())];
            assert_eq!(read_back(role, &output), [&expected[..], &expected[..]].concat());
            // Compressed, in several frames of which only the first says so.
            let seen = frames(&output);
            assert_eq!(seen.iter().filter(|frame| frame.first & 0x40 != 0).count(), 4);
            let first: usize = seen.iter().take_while(|f| f.first != 0x42).map(|f| f.payload.len()).sum();
            assert!(first < text.len() / 4, "{first}");
        }
    }
}

#[test]
fn parts_leave_when_they_are_sent() {
    let io = Script::new(&[], 1000).hanging();
    let mut ws = Setup::new(Role::Server).blocking(&io).with_codec(plain_fixed());
    for (part, fin) in [("one", false), ("two", false), ("three", true)] {
        ws.send_part(sockling::Kind::Text, part.as_bytes(), fin).unwrap();
        // The peer can show it although the message has not ended.
        let peer = Script::new(&io.output.borrow(), 1000).hanging();
        let mut other = Setup::new(Role::Client).blocking(&peer).with_codec(plain_fixed());
        let mut text = vec![];
        while let Ok(piece) = other.recv_part() {
            text.extend_from_slice(piece.data);
        }
        assert!(text.ends_with(part.as_bytes()), "{text:x?}");
    }
}

#[test]
fn the_server_chooses_what_it_has_memory_for() {
    let accept = |offer: &str, no_context: bool| {
        let head = format!(
            "GET / HTTP/1.1\r\nHost: a.example\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: AQIDBAUGBwgJCgsMDQ4PEA==\r\nSec-WebSocket-Version: 13\r\n{offer}\r\n"
        );
        let answers = [true, false].map(|blocking| {
            let io = Script::new(head.as_bytes(), 5).hanging();
            let mut codec = Deflate::new(
                Inflater::new(vec![0; 2048], vec![0; 100]),
                Compressor::new(vec![0; 1024], vec![0u16; 256]),
            );
            if no_context {
                codec = codec.server_no_context_takeover().client_no_context_takeover();
            }
            let (config, rx, tx) = (sockling::Config::DEFAULT, vec![0; 600], vec![0; 300]);
            let decide = |_: &sockling::handshake::RequestHead<'_>| Response::accept();
            if blocking {
                blocking::accept_with(io.clone(), &config, rx, tx, codec, decide).unwrap();
            } else {
                block_on(asynch::accept_with(io.clone(), &config, rx, tx, codec, decide)).unwrap();
            }
            let sent = String::from_utf8_lossy(&io.output.borrow()).into_owned();
            let line = sent.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Extensions: "));
            line.map(String::from)
        });
        assert_eq!(answers[0], answers[1]);
        answers[0].clone()
    };
    let offer = |value: &str| format!("Sec-WebSocket-Extensions: {value}\r\n");
    assert_eq!(accept("", false), None);
    let browser = offer("permessage-deflate; client_max_window_bits");
    assert_eq!(
        accept(&browser, false).as_deref(),
        Some("permessage-deflate; server_max_window_bits=10; client_max_window_bits=11")
    );
    assert_eq!(
        accept(&browser, true).as_deref(),
        Some(
            "permessage-deflate; server_no_context_takeover; client_no_context_takeover; \
             server_max_window_bits=10; client_max_window_bits=11"
        )
    );
    // This client's window is 15 whatever the server says.
    assert_eq!(accept(&offer("permessage-deflate"), false), None);
    // A fallback, in a second field.
    let two = format!("{}{browser}", offer("permessage-deflate; server_max_window_bits=16"));
    assert!(accept(&two, false).is_some());
}

#[test]
fn memory_that_is_of_no_use() {
    for (window, output, send, hashes) in [
        (256, 100, 512, 256),
        (1000, 100, 512, 256),
        (512, 0, 512, 256),
        (512, 100, 65536, 256),
        (512, 100, 512, 3),
    ] {
        let io = Script::new(&[], 100).hanging();
        let codec = || {
            Deflate::new(
                Inflater::new(vec![0; window], vec![0; output]),
                Compressor::new(vec![0; send], vec![0u16; hashes]),
            )
        };
        let (request, rx, tx) = (Request::new("a.example", "/"), || vec![0; 300], || vec![0; 300]);
        let refused = blocking::connect_with(io.clone(), &request, Counter(0), rx(), tx(), codec(), |_| {});
        assert_eq!(
            refused.err().map(|refused| refused.error),
            Some(Error::Misuse(MisuseError::WindowLength))
        );
        let config = sockling::Config::DEFAULT;
        let refused = blocking::accept_with(io.clone(), &config, rx(), tx(), codec(), |_| Response::accept());
        assert_eq!(refused.err(), Some(Error::Misuse(MisuseError::WindowLength)));
        assert!(io.output.borrow().is_empty());
    }
}
