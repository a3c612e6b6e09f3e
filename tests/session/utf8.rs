//! Text that is not UTF-8 fails as soon as its first impossible byte is there (section 8.1), wherever reads and
//! fragments cut it: the peer sends up to that byte, and then waits.

use sockling::{Error, ProtocolError};

use crate::support::{
    drive::{Got, ROLES, Setup, TIMED_OUT, key, wire},
    unfinished,
};

/// Texts, each with how many of its bytes it takes to know that it is none.
const BAD: &[(&[u8], usize)] = &[
    (b"\x80", 1),
    (b"\xff", 1),
    (b"\xfe", 1),
    (b"a\xbf", 2),
    (b"\xc0\x80", 1),
    (b"\xc1\xbf", 1),
    (b"\xe0\x9f\xbf", 2),
    (b"\xed\xa0\x80", 2),
    (b"\xed\xbf\xbf", 2),
    (b"\xf0\x8f\xbf\xbf", 2),
    (b"\xf4\x90\x80\x80", 2),
    (b"\xf5\x80", 1),
    (b"\xf8\x88\x80\x80\x80", 1),
    (b"\xc3\x28", 2),
    (b"\xe2\x28\xa1", 2),
    (b"\xe2\x82\x28", 3),
    (b"\xf0\x28\x8c\x28", 2),
    (b"\xf0\x90\x28\xbc", 3),
    (b"\xf0\x90\x8c\x28", 4),
    (b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80edited", 13),
];

fn setup(role: sockling::Role) -> Setup {
    Setup::new(role).rx(140)
}

fn check(role: sockling::Role, input: &[u8], bad: bool, what: &dyn core::fmt::Debug) {
    let outcome = setup(role).hanging(input);
    let (end, sent) = match bad {
        true => (Error::Protocol(ProtocolError::InvalidUtf8), Some((Some(1007), String::new()))),
        false => (TIMED_OUT, None),
    };
    assert_eq!((outcome.end, outcome.close_sent()), (end, sent), "{what:x?}, {input:x?}");
    assert_eq!(outcome.got, []);
}

#[test]
fn fails_at_the_first_impossible_byte_of_a_frame() {
    for role in ROLES {
        for (text, at) in BAD {
            // More of the frame is to come.
            for missing in [1, 200] {
                check(role, &unfinished(0x81, &text[..*at], missing, key(role)), true, text);
                check(role, &unfinished(0x81, &text[..at - 1], missing, key(role)), false, text);
            }
        }
    }
}

#[test]
fn fails_at_the_first_impossible_byte_of_the_last_fragment_so_far() {
    for role in ROLES {
        for (text, at) in BAD {
            // Just this fragment is complete; the next has not begun.
            check(role, &wire(role, &[(0x01, &text[..*at])]), true, text);
            check(role, &wire(role, &[(0x01, &text[..at - 1])]), false, text);
            check(role, &wire(role, &[(0x01, &text[..at - 1]), (0x00, b"")]), false, text);
        }
    }
}

#[test]
fn fails_in_every_cut_into_fragments() {
    for role in ROLES {
        for (text, at) in BAD {
            for first in 0..*at {
                for second in first..*at {
                    let (a, b, c) = (&text[..first], &text[first..second], &text[second..*at]);
                    let begin = wire(role, &[(0x01, a), (0x89, b"ping"), (0x00, b)]);
                    for end in [unfinished(0x00, c, 1, key(role)), unfinished(0x80, c, 1, key(role))] {
                        check(role, &[&begin[..], &end].concat(), true, text);
                    }
                    for end in [wire(role, &[(0x00, c)]), wire(role, &[(0x80, c)])] {
                        check(role, &[&begin[..], &end].concat(), true, text);
                    }
                }
            }
        }
    }
}

#[test]
fn fails_at_the_end_inside_of_a_character() {
    for role in ROLES {
        for text in [&b"\xc3"[..], b"\xe2\x82", b"\xf0\x9d\x84", b"ok \xf0", b"\xed\x9f"] {
            check(role, &wire(role, &[(0x81, text)]), true, &text);
            check(role, &wire(role, &[(0x01, text), (0x80, b"")]), true, &text);
            check(role, &wire(role, &[(0x01, text)]), false, &text);
        }
    }
}

#[test]
fn a_text_does_not_go_on_in_the_next_message() {
    for role in ROLES {
        let outcome =
            setup(role).hanging(&wire(role, &[(0x01, b"caf"), (0x80, b"\xc3\xa9"), (0x81, b"\xa9")]));
        assert_eq!(outcome.got, [Got::text("café")]);
        assert_eq!(outcome.end, Error::Protocol(ProtocolError::InvalidUtf8));
    }
}

#[test]
fn valid_text_in_every_cut() {
    let text = "κόσμε\u{0}\u{7f}\u{80}\u{7ff}\u{800}\u{d7ff}\u{e000}\u{fffd}\u{ffff}\u{10000}\u{10ffff}";
    for role in ROLES {
        let bytes = text.as_bytes();
        for cut in 0..=bytes.len() {
            let fragments = wire(role, &[(0x01, &bytes[..cut]), (0x8A, b"\xff"), (0x80, &bytes[cut..])]);
            assert_eq!(setup(role).hanging(&fragments).got, [Got::text(text)], "{cut}");
        }
        let single: Vec<(u8, &[u8])> = bytes
            .chunks(1)
            .enumerate()
            .map(|(i, byte)| (if i == 0 { 0x01 } else { 0x00 }, byte))
            .chain([(0x80, &b""[..])])
            .collect();
        assert_eq!(setup(role).hanging(&wire(role, &single)).got, [Got::text(text)]);
    }
}

#[test]
fn binary_messages_are_any_bytes() {
    for role in ROLES {
        for (text, _) in BAD {
            let outcome = setup(role).hanging(&wire(role, &[(0x82, text), (0x02, text), (0x80, text)]));
            assert_eq!(outcome.got, [Got::Binary(text.to_vec()), Got::Binary([*text, text].concat())]);
        }
    }
}

/// Long texts take another path through the validator than short ones.
#[test]
fn long_texts() {
    for role in ROLES {
        for at in [0, 1, 31, 32, 63, 64, 65, 126, 127, 128, 1000] {
            let mut text = vec![b'a'; 2000];
            text[at] = 0xFF;
            let setup = Setup::new(role).rx(4096);
            let outcome = setup.hanging(&unfinished(0x81, &text[..=at], 2000, key(role)));
            assert_eq!(outcome.end, Error::Protocol(ProtocolError::InvalidUtf8), "{at}");
            let outcome = setup.hanging(&wire(role, &[(0x81, &text)]));
            assert_eq!(outcome.end, Error::Protocol(ProtocolError::InvalidUtf8), "{at}");
            let outcome = setup.hanging(&unfinished(0x81, &text[..at], 2000, key(role)));
            assert_eq!(outcome.end, TIMED_OUT, "{at}");
        }
    }
}

/// What is wrong with a fragment counts before what is wrong with the next frame, however the bytes are cut.
#[test]
fn a_bad_fragment_before_a_frame_that_breaks_another_rule() {
    for role in ROLES {
        let input = wire(role, &[(0x01, b"ok\xff"), (0x83, b"")]);
        let end = Setup::new(role).hanging(&input).end;
        assert_eq!(end, Error::Protocol(ProtocolError::InvalidUtf8), "{role:?}");
    }
}
