//! Rows about single frames and messages.

use sockling::{Config, Error, MIN_RX, MIN_TX, Message, ProtocolError::*, Role, proto::Session};

use crate::support::{
    Counter, close_body,
    drive::{Got, ROLES, Setup, TIMED_OUT, key, wire},
    frame, frames, unfinished,
};

/// The peer sends `input` and waits; the connection is failed with `error` and its code.
fn refuse(setup: &Setup, input: &[u8], error: sockling::ProtocolError) {
    let outcome = setup.hanging(input);
    assert_eq!(outcome.end, Error::Protocol(error), "{input:x?}");
    assert_eq!(outcome.close_sent(), Some((Some(error.close_code().0), String::new())), "{input:x?}");
    assert_eq!(outcome.got, []);
}

/// A header that announces `len` bytes in 64 bits.
pub fn announced(role: Role, first: u8, len: u64) -> Vec<u8> {
    let (mask, key) = match key(role) {
        Some(key) => (0x80, key.to_vec()),
        None => (0, vec![]),
    };
    [&[first, mask | 127], &len.to_be_bytes()[..], &key].concat()
}

#[test]
fn row_06_lengths_that_overflow() {
    for role in ROLES {
        for limit in [Config::DEFAULT.limits.max_frame, 0xFFFF] {
            let setup = Setup::new(role).config(|config| config.limits.max_frame = limit);
            for len in [u64::from(limit) + 1, 1 << 32, (1 << 32) + 5, 1 << 62, u64::MAX >> 1] {
                // With the rest of what a 32-bit or 16-bit length would make of it.
                refuse(&setup, &[announced(role, 0x82, len), b"Hello".into()].concat(), FrameTooLarge);
                refuse(
                    &setup,
                    &[wire(role, &[(0x02, b"")]), announced(role, 0x80, len)].concat(),
                    FrameTooLarge,
                );
            }
        }
        for len in [1 << 63, (1 << 63) + 5, u64::MAX] {
            refuse(
                &Setup::new(role),
                &[announced(role, 0x82, len), b"Hello".into()].concat(),
                LengthOverflow,
            );
        }
        // The sum of two lengths.
        let setup = Setup::new(role).rx(1 << 20).config(|config| config.limits.max_frame = u32::MAX);
        for len in [u64::from(u32::MAX), (1 << 32) - 5, (1 << 32) + 5, u64::MAX >> 1] {
            let input = [wire(role, &[(0x02, &[7; 10])]), announced(role, 0x80, len)].concat();
            let outcome = setup.hanging_whole(&input);
            assert_eq!(outcome.end, Error::Protocol(MessageTooLarge), "{len}");
        }
    }
}

/// Without limits such a frame is one that goes on, not one whose length was cut off.
#[test]
fn row_06_lengths_without_a_limit() {
    for role in ROLES {
        let setup = Setup::new(role).config(|config| {
            (config.limits.max_frame, config.limits.max_message) = (u32::MAX, u32::MAX);
        });
        for len in [(1 << 32) + 5, (1 << 33) - 1, u64::MAX >> 1] {
            // Five bytes of the payload, and a frame if those were all.
            let payload = frame(0x82, b"Hello", key(role))[2 + key(role).map_or(0, |_| 4)..].to_vec();
            let input =
                [announced(role, 0x82, len), payload.clone(), wire(role, &[(0x81, b"smuggled")])].concat();
            setup.each_hanging(&input, |ws, _| {
                let mut data = vec![];
                while let Ok(piece) = ws.recv_part() {
                    assert!(!piece.fin);
                    data.extend(piece.data);
                }
                assert!(data.starts_with(b"Hello"));
                assert_eq!(data.len(), input.len() - announced(role, 0x82, len).len());
            });
            // A whole message does not fit in any buffer.
            let input = [announced(role, 0x82, len), vec![0; 600]].concat();
            assert_eq!(setup.hanging_whole(&input).end, Error::Protocol(MessageTooLarge));
        }
    }
}

#[test]
fn row_09_the_limit_holds_for_all_fragments_together() {
    for role in ROLES {
        let setup = Setup::new(role).rx(10_000).config(|config| config.limits.max_message = 1000);
        let fill: Vec<(u8, &[u8])> =
            (0..10).map(|i| (if i == 0 { 0x02 } else { 0x00 }, &[7; 100][..])).collect();
        let input = wire(role, &fill);
        // At the header that goes over it: the payload has not come.
        refuse(&setup, &[input.clone(), unfinished(0x80, b"", 1, key(role))].concat(), MessageTooLarge);
        refuse(&setup, &[input.clone(), unfinished(0x00, b"", 1, key(role))].concat(), MessageTooLarge);
        refuse(
            &setup,
            &[input.clone(), announced(role, 0x80, u64::from(u32::MAX) - 10)].concat(),
            FrameTooLarge,
        );
        let ends = [input.clone(), wire(role, &[(0x00, b""), (0x80, b"")])].concat();
        assert_eq!(setup.hanging(&ends).got, [Got::Binary(vec![7; 1000])]);
        // Control frames do not count.
        let pings = wire(role, &[(0x8A, &[1; 125])]).repeat(20);
        let ends = [input, pings, wire(role, &[(0x80, b"")])].concat();
        assert_eq!(setup.hanging(&ends).got, [Got::Binary(vec![7; 1000])]);
    }
}

#[test]
fn row_12_reserved_bits() {
    for role in ROLES {
        for rsv in [0x40, 0x20, 0x10, 0x70] {
            for first in [0x81, 0x82, 0x01, 0x02, 0x88, 0x89, 0x8A] {
                refuse(&Setup::new(role), &wire(role, &[(first | rsv, b"")]), ReservedBits);
            }
            for first in [0x00, 0x80] {
                refuse(&Setup::new(role), &wire(role, &[(0x01, b"a"), (first | rsv, b"b")]), ReservedBits);
            }
        }
    }
}

/// A source of keys is a parameter of every client and has no default, so a build without one is none. Here: each frame
/// has the next key of it, and none twice.
#[test]
fn row_15_a_fresh_key_for_each_frame() {
    let setup = Setup::new(Role::Client);
    setup.each_hanging(&wire(Role::Client, &[(0x89, b""), (0x89, b"ping"), (0x81, b"x")]), |ws, io| {
        ws.send(Message::Text("Hello")).unwrap();
        ws.send(Message::Text("Hello")).unwrap();
        ws.send(Message::Binary(&[0; 1000])).unwrap();
        ws.send(Message::Ping(b"")).unwrap();
        ws.send_part(sockling::Kind::Text, b"", true).unwrap();
        ws.recv().unwrap();
        assert_eq!(ws.close(1000, ""), Err(TIMED_OUT));
        let sent = frames(&io.output.borrow());
        assert!(sent.len() >= 15, "{}", sent.len());
        let keys: Vec<u8> = sent.iter().flat_map(|frame| frame.key.unwrap()).collect();
        let source: Vec<u8> = (1..=keys.len() as u8).collect();
        assert_eq!(keys, source, "the bytes of the source, each once");
    });
    // A server draws none.
    let mut ws = Setup::new(Role::Server).blocking(&crate::support::Script::new(&[], 1));
    ws.send("Hello").unwrap();
    assert_eq!(ws.into_parts().2.0, 0);
}

#[test]
fn row_20_mask_direction() {
    for first in [0x81, 0x82, 0x00, 0x88, 0x89, 0x8A] {
        refuse(&Setup::new(Role::Client), &frame(first, b"", Some([0; 4])), MaskForbidden);
        refuse(&Setup::new(Role::Server), &frame(first, b"", None), MaskRequired);
    }
    // After frames that were right.
    let input = [frame(0x01, b"a", key(Role::Server)), frame(0x80, b"b", None)].concat();
    refuse(&Setup::new(Role::Server), &input, MaskRequired);
}

/// Autobahn 6.*; every cut of every such text is in the tests of sessions.
#[test]
fn row_21_invalid_utf8() {
    for role in ROLES {
        for (text, known) in [
            (&b"\xed\xa0\x80"[..], 2),
            (b"\xc0\xaf", 1),
            (b"\xe0\x80\xaf", 2),
            (b"\xf0\x80\x80\xaf", 2),
            (b"\xf8\x88\x80\x80\x80", 1),
            (b"\xf4\x90\x80\x80", 2),
            (b"\xff", 1),
        ] {
            let (good, bad) = text[..known].split_at(known - 1);
            refuse(&Setup::new(role), &unfinished(0x81, &text[..known], 10, key(role)), InvalidUtf8);
            refuse(&Setup::new(role), &wire(role, &[(0x01, good), (0x00, bad)]), InvalidUtf8);
            refuse(&Setup::new(role), &wire(role, &[(0x01, good), (0x80, bad)]), InvalidUtf8);
            refuse(&Setup::new(role), &wire(role, &[(0x88, &[b"\x03\xe8", text].concat())]), InvalidUtf8);
        }
        refuse(&Setup::new(role), &wire(role, &[(0x81, b"\xe2\x82")]), InvalidUtf8);
        refuse(&Setup::new(role), &wire(role, &[(0x88, b"\x03\xe8\xe2\x82")]), InvalidUtf8);
    }
}

#[test]
fn row_22_messages_inside_of_messages() {
    for role in ROLES {
        for begin in [0x01, 0x02] {
            for first in [0x81, 0x82, 0x01, 0x02] {
                refuse(&Setup::new(role), &wire(role, &[(begin, b"a"), (first, b"b")]), ExpectedContinuation);
            }
        }
        refuse(&Setup::new(role), &wire(role, &[(0x80, b"a")]), UnexpectedContinuation);
        let controls =
            wire(role, &[(0x01, b"a"), (0x8A, b"?"), (0x00, b""), (0x8A, &[0; 125]), (0x80, b"b")]);
        assert_eq!(Setup::new(role).hanging(&controls).got, [Got::text("ab")]);
    }
}

#[test]
fn row_23_control_frames() {
    for role in ROLES {
        for first in [0x88, 0x89, 0x8A] {
            refuse(&Setup::new(role), &wire(role, &[(first & 0xF, b"")]), FragmentedControlFrame);
            refuse(&Setup::new(role), &wire(role, &[(first, &[0; 126])]), ControlFrameTooLong);
            refuse(&Setup::new(role), &announced(role, first, 1 << 40), ControlFrameTooLong);
        }
    }
}

#[test]
fn row_24_close_frames() {
    for role in ROLES {
        refuse(&Setup::new(role), &wire(role, &[(0x88, b"\x03")]), CloseBodyTooShort);
        for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 2000, 2999, 5000, 65535] {
            refuse(&Setup::new(role), &wire(role, &[(0x88, &close_body(code, ""))]), InvalidCloseCode(code));
        }
        refuse(&Setup::new(role), &wire(role, &[(0x88, b"\x03\xe8\xff")]), InvalidUtf8);
    }
}

#[test]
fn row_37_lengths_that_are_not_minimal() {
    for role in ROLES {
        for len in [0, 1, 125, 126, 0xFFFF] {
            refuse(&Setup::new(role), &announced(role, 0x82, len), NonMinimalLength);
        }
        let (mask, key) = (key(role).map_or(0, |_| 0x80), key(role).map_or(vec![], |key| key.to_vec()));
        for len in [0u16, 1, 125] {
            let header = [&[0x81, mask | 126], &len.to_be_bytes()[..], &key].concat();
            refuse(&Setup::new(role), &header, NonMinimalLength);
        }
    }
}

/// Whatever the bytes, a session comes to an end of them, in no more steps than there are bytes, and does not panic.
#[test]
fn row_28_random_bytes_make_progress() {
    use sockling::proto::{Mode, Step};
    let mut rng = crate::support::pair::Rng::new(28);
    for round in 0..6000 {
        let role = ROLES[round % 2];
        let mode = if rng.one_in(2) { Mode::Whole } else { Mode::Parts };
        let (mut rx, mut tx, mut keys) = ([0; MIN_RX], [0; MIN_TX], Counter(0));
        let mut session = Session::new(role, &Config::DEFAULT);
        // Frames that are nearly right come further than noise.
        let mut input = vec![];
        while input.len() < 300 {
            let first = rng.pick(&[0x01, 0x02, 0x00, 0x80, 0x81, 0x82, 0x89, 0x8A, 0x88]);
            let len = rng.below(60);
            let payload = if rng.one_in(2) { vec![b'a'; len] } else { rng.bytes(len) };
            input.extend(frame(first, &payload, key(role)));
        }
        for _ in 0..rng.below(4) {
            let at = rng.below(input.len());
            input[at] = rng.next() as u8;
        }
        let (mut at, mut steps) = (0, 0);
        loop {
            steps += 1;
            assert!(steps < 20 * input.len(), "no progress in {input:x?}");
            match session.poll(&mut rx, &mut tx, &mut keys, &mut (), mode) {
                Ok(Step::Transmit) => {
                    assert!(!session.pending(&tx).is_empty());
                    session.sent(1).unwrap();
                }
                Ok(Step::Flush) => session.flushed(),
                Ok(Step::Receive) => {
                    let space = session.space(&mut rx);
                    assert!(!space.is_empty(), "room for a byte");
                    // At the end of them, the end of the stream.
                    let n = usize::from(at < input.len());
                    space[..n].copy_from_slice(&input[at..at + n]);
                    at += n;
                    session.received(n, MIN_RX).unwrap();
                }
                Ok(Step::Grow) => session.overflow(),
                Ok(Step::Part) if mode == Mode::Whole => {
                    let _ = session.message(&rx, &());
                }
                Ok(Step::Part) => {}
                Ok(_) | Err(_) => break,
            }
        }
    }
}
