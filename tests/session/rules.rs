//! What a peer must not do: the connection is failed with the right code, at the frame that breaks the rule.

use sockling::{Error, ProtocolError, ProtocolError::*, Role};

use crate::support::{
    close_body,
    drive::{Got, ROLES, Setup, key, wire},
    frame, unfinished,
};

/// After a message, the peer of `role` sends what breaks the rule, and then no more.
fn check(setup: &Setup, offence: &[u8], error: ProtocolError) {
    let input = [wire(setup.role, &[(0x81, b"before")]), offence.to_vec()].concat();
    let outcome = setup.hanging(&input);
    assert_eq!(outcome.got, [Got::text("before")], "{offence:x?}");
    assert_eq!(outcome.end, Error::Protocol(error), "{offence:x?}");
    assert_eq!(outcome.close_sent(), Some((Some(error.close_code().0), String::new())), "{offence:x?}");
    assert_eq!(outcome.sent.len(), 1, "{offence:x?}");
}

/// Frames of a first byte and a payload, then their error.
fn check_frames(frames: &[(u8, &[u8])], error: ProtocolError) {
    for role in ROLES {
        check(&Setup::new(role), &wire(role, frames), error);
    }
}

#[test]
fn close_codes_of_errors() {
    for (error, code) in [
        (ReservedBits, 1002),
        (ReservedOpcode(3), 1002),
        (FragmentedControlFrame, 1002),
        (ControlFrameTooLong, 1002),
        (MaskRequired, 1002),
        (MaskForbidden, 1002),
        (NonMinimalLength, 1002),
        (LengthOverflow, 1002),
        (UnexpectedContinuation, 1002),
        (ExpectedContinuation, 1002),
        (CloseBodyTooShort, 1002),
        (InvalidCloseCode(999), 1002),
        (InvalidUtf8, 1007),
        (FrameTooLarge, 1009),
        (MessageTooLarge, 1009),
        (TooManyFragments, 1008),
    ] {
        assert_eq!(error.close_code().0, code, "{error:?}");
    }
}

#[test]
fn reserved_bits() {
    for rsv in 1..8u8 {
        for first in [0x81, 0x82, 0x01, 0x88, 0x89, 0x8A] {
            check_frames(&[(first | rsv << 4, b"")], ReservedBits);
        }
        // On a continuation frame.
        check_frames(&[(0x01, b"a"), (0x80 | rsv << 4, b"b")], ReservedBits);
    }
}

#[test]
fn reserved_opcodes() {
    for opcode in [3, 4, 5, 6, 7, 0xB, 0xC, 0xD, 0xE, 0xF] {
        for fin in [0, 0x80] {
            check_frames(&[(fin | opcode, b"")], ReservedOpcode(opcode));
            check_frames(&[(0x02, b"a"), (fin | opcode, b"b")], ReservedOpcode(opcode));
        }
    }
}

#[test]
fn control_frames() {
    for first in [0x88, 0x89, 0x8A] {
        check_frames(&[(first & 0xF, b"")], FragmentedControlFrame);
        check_frames(&[(first & 0xF, &close_body(1000, "bye"))], FragmentedControlFrame);
        check_frames(&[(first, &[b'x'; 126])], ControlFrameTooLong);
        check_frames(&[(first, &[b'x'; 70_000])], ControlFrameTooLong);
        check_frames(&[(0x01, b"a"), (first, &[b'x'; 126])], ControlFrameTooLong);
        for role in ROLES {
            let mask = if role == Role::Server { 0x80 } else { 0 };
            // Known at its second byte.
            check(&Setup::new(role), &[first, mask | 126], ControlFrameTooLong);
            check(&Setup::new(role), &[first, mask | 127], ControlFrameTooLong);
        }
    }
}

#[test]
fn mask() {
    for first in [0x81, 0x82, 0x01, 0x88, 0x89, 0x8A] {
        for payload in [&b""[..], b"Hello"] {
            check(&Setup::new(Role::Client), &frame(first, payload, Some([1, 2, 3, 4])), MaskForbidden);
            check(&Setup::new(Role::Client), &frame(first, payload, Some([0; 4])), MaskForbidden);
            check(&Setup::new(Role::Server), &frame(first, payload, None), MaskRequired);
        }
    }
}

#[test]
fn lengths() {
    for role in ROLES {
        let (mask, key) = (key(role).map_or(0, |_| 0x80), key(role).unwrap_or_default());
        let key = if mask == 0 { vec![] } else { key.to_vec() };
        for len in [0u16, 1, 125] {
            let header = [&[0x82, mask | 126], &len.to_be_bytes()[..], &key].concat();
            check(&Setup::new(role), &header, NonMinimalLength);
        }
        for (len, error) in [
            (0u64, NonMinimalLength),
            (125, NonMinimalLength),
            (126, NonMinimalLength),
            (0xFFFF, NonMinimalLength),
            (1 << 63, LengthOverflow),
            (u64::MAX, LengthOverflow),
            (u64::MAX >> 1, FrameTooLarge),
            (u64::from(u32::MAX) + 1, FrameTooLarge),
        ] {
            for first in [0x81, 0x82, 0x02] {
                let header = [&[first, mask | 127], &len.to_be_bytes()[..], &key].concat();
                check(&Setup::new(role), &header, error);
            }
        }
    }
}

#[test]
fn fragmentation() {
    for first in [0x00, 0x80] {
        check_frames(&[(first, b"")], UnexpectedContinuation);
        check_frames(&[(first, b"stray")], UnexpectedContinuation);
        check_frames(&[(0x8A, b""), (first, b"stray")], UnexpectedContinuation);
    }
    for begin in [0x01, 0x02] {
        for first in [0x01, 0x02, 0x81, 0x82] {
            check_frames(&[(begin, b"a"), (first, b"b")], ExpectedContinuation);
            check_frames(&[(begin, b""), (0x00, b""), (first, b"")], ExpectedContinuation);
        }
    }
    for role in ROLES {
        // The message before was finished.
        let input = wire(role, &[(0x01, b"one"), (0x80, b""), (0x80, b"stray")]);
        let outcome = Setup::new(role).hanging(&input);
        assert_eq!(outcome.got, [Got::text("one")]);
        assert_eq!(outcome.end, Error::Protocol(UnexpectedContinuation));
    }
}

#[test]
fn close_frames() {
    for byte in [0x00, 0x03, 0xFF] {
        check_frames(&[(0x88, &[byte])], CloseBodyTooShort);
    }
    for code in
        [0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 1999, 2000, 2999, 5000, 5001, 0x7FFF, 0x8000, 0xFFFF]
    {
        check_frames(&[(0x88, &close_body(code, ""))], InvalidCloseCode(code));
        check_frames(&[(0x88, &close_body(code, "reason"))], InvalidCloseCode(code));
    }
    for reason in
        [&b"\x80"[..], b"bye\xff", b"\xed\xa0\x80", b"\xc0\xaf", b"\xf4\x90\x80\x80", b"cut \xe2\x82"]
    {
        check_frames(&[(0x88, &[&[0x03, 0xE8], reason].concat())], InvalidUtf8);
    }
    // Inside of a message.
    check_frames(&[(0x01, b"a"), (0x88, b"\x03")], CloseBodyTooShort);
}

#[test]
fn skipping_validation_skips_that_of_text_only() {
    for role in ROLES {
        let setup = Setup::new(role).config(|config| config.skip_utf8_validation = true);
        let input = wire(role, &[(0x81, b"\xff"), (0x01, b"\xc0"), (0x80, b""), (0x88, b"\x03\xe8\xff")]);
        let outcome = setup.hanging(&input);
        assert_eq!(outcome.got, [Got::Unchecked(b"\xff".into()), Got::Unchecked(b"\xc0".into())]);
        assert_eq!(outcome.end, Error::Protocol(InvalidUtf8));
        let outcome = setup.hanging(&wire(role, &[(0xC1, b"")]));
        assert_eq!(outcome.end, Error::Protocol(ReservedBits));
    }
}

/// Limits are checked at the header, before any of the payload.
#[test]
fn limits() {
    for role in ROLES {
        let key = key(role);
        let header = |first, len: usize| unfinished(first, &[], len, key);
        let frames = |frames: &[(u8, &[u8])], then: Vec<u8>| [wire(role, frames), then].concat();

        let setup = Setup::new(role).rx(1024).config(|config| config.limits.max_message = 200);
        assert_eq!(setup.hanging(&wire(role, &[(0x82, &[7; 200])])).got, [Got::Binary(vec![7; 200])]);
        let thrice: [(u8, &[u8]); 4] =
            [(0x02, &[7; 100]), (0x89, &[1; 125]), (0x00, &[7; 99]), (0x80, &[7; 1])];
        assert_eq!(setup.hanging(&wire(role, &thrice)).got, [Got::Binary(vec![7; 200])]);
        check(&setup, &header(0x82, 201), MessageTooLarge);
        check(&setup, &header(0x82, 60_000), MessageTooLarge);
        check(&setup, &header(0x82, 70_000), MessageTooLarge);
        check(&setup, &frames(&[(0x02, &[7; 200])], header(0x80, 1)), MessageTooLarge);
        check(&setup, &frames(&[(0x02, &[7; 100]), (0x00, &[7; 100])], header(0x00, 1)), MessageTooLarge);

        let setup = Setup::new(role).rx(1024).config(|config| config.limits.max_frame = 200);
        let twice: [(u8, &[u8]); 2] = [(0x02, &[7; 200]), (0x80, &[7; 200])];
        assert_eq!(setup.hanging(&wire(role, &twice)).got, [Got::Binary(vec![7; 400])]);
        check(&setup, &header(0x82, 201), FrameTooLarge);
        check(&setup, &frames(&[(0x02, b"a")], header(0x80, 201)), FrameTooLarge);

        let setup = Setup::new(role).config(|config| config.limits.max_fragments = 3);
        let three: [(u8, &[u8]); 3] = [(0x02, b"1"), (0x00, b""), (0x80, b"3")];
        // A message has its own count.
        let outcome = setup.hanging(&[wire(role, &three), wire(role, &three)].concat());
        assert_eq!(outcome.got, [Got::Binary(b"13".into()), Got::Binary(b"13".into())]);
        let many: [(u8, &[u8]); 4] = [(0x02, b"1"), (0x00, b""), (0x00, b""), (0x80, b"")];
        check(&setup, &wire(role, &many), TooManyFragments);

        // No limit at all; the buffer is one where messages are taken whole.
        let setup = Setup::new(role).config(|config| {
            (config.limits.max_message, config.limits.max_frame) = (u32::MAX, u32::MAX);
        });
        let announced = [wire(role, &[]), header(0x82, 400)].concat();
        assert_eq!(setup.hanging(&announced).end, crate::support::drive::TIMED_OUT);
    }
}

/// The second of two broken rules is not seen, nor anything that follows the first.
#[test]
fn nothing_is_taken_after_a_failure() {
    for role in ROLES {
        let offence: [(u8, &[u8]); 5] = [
            (0x83, b""),
            (0x81, b"after"),
            (0x89, b"ping"),
            (0x88, &close_body(1000, "bye")),
            (0x81, b"\xff"),
        ];
        let outcome = Setup::new(role).ending(&wire(role, &offence));
        assert_eq!((&outcome.got[..], outcome.end), (&[][..], Error::Protocol(ReservedOpcode(3))));
        assert_eq!(outcome.reason, "");
        assert_eq!(outcome.sent.len(), 1);
    }
}

/// Before its length has arrived.
#[test]
fn fragmentation_is_known_by_two_bytes() {
    for role in ROLES {
        let masked = if role == Role::Server { 0x80 } else { 0 };
        for length in [0x7E, 0x7F] {
            check(&Setup::new(role), &[0x80, masked | length], UnexpectedContinuation);
            let begun = wire(role, &[(0x01, b"a")]);
            check(&Setup::new(role), &[&begun[..], &[0x82, masked | length]].concat(), ExpectedContinuation);
        }
    }
}
