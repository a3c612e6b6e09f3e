//! Messages as they are received: whole, in parts, in fragments, with control frames in between, in buffers that just
//! hold them.

use sockling::{Error, Kind, MIN_RX, MisuseError, ProtocolError, Role};

use crate::support::{
    Script, Seen, close_body,
    drive::{Got, Joiner, Piece, ROLES, Setup, TIMED_OUT, closed, key, wire},
    frame, frames, unfinished,
};

const TOO_LARGE: Error<embedded_io::ErrorKind> = Error::Protocol(ProtocolError::MessageTooLarge);

fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i * 31 + i / 256) as u8).collect()
}

fn pongs(sent: &[Seen]) -> Vec<&[u8]> {
    sent.iter().filter(|frame| frame.first == 0x8A).map(|frame| &frame.payload[..]).collect()
}

#[test]
fn messages_of_all_lengths() {
    for role in ROLES {
        let short = [0, 1, 2, 3, 4, 5, 124, 125, 126, 127, 128, 255, 256];
        let long = [0xFFFE, 0xFFFF, 0x1_0000, 0x1_0001];
        check_lengths(Setup::new(role).rx(256), &short);
        check_lengths(Setup::new(role).rx(70_000).steps(&[1000, 1 << 20]), &long);
    }
}

fn check_lengths(setup: Setup, lens: &[usize]) {
    let all: Vec<Vec<u8>> = lens.iter().map(|len| pattern(*len)).collect();
    let text: Vec<String> = lens.iter().map(|len| "x".repeat(*len)).collect();
    let both = || all.iter().zip(&text);
    let input: Vec<u8> =
        both().flat_map(|(data, text)| wire(setup.role, &[(0x82, data), (0x81, text.as_bytes())])).collect();
    let expected = both().flat_map(|(data, text)| [Got::Binary(data.clone()), Got::text(text)]);
    let outcome = setup.hanging(&input);
    assert!(outcome.got.into_iter().eq(expected));
    assert_eq!(outcome.sent, []);
}

#[test]
fn control_frames_at_every_position_of_a_message() {
    let text = "Too much of a göod thing".as_bytes();
    let controls: [(u8, &[u8]); 5] =
        [(0x89, b""), (0x89, b"Please PONG this"), (0x89, &[b'p'; 125]), (0x8A, b""), (0x8A, &[9; 125])];
    for role in ROLES {
        for cuts in [vec![], vec![0], vec![3], vec![5, 5], vec![1, 17, 18], vec![0, 0, 24]] {
            let mut at = 0;
            let mut fragments: Vec<&[u8]> = vec![];
            for cut in cuts {
                fragments.push(&text[at..cut]);
                at = cut;
            }
            fragments.push(&text[at..]);
            for control in controls {
                for position in 0..=fragments.len() {
                    let mut all: Vec<(u8, &[u8])> = vec![];
                    for (i, fragment) in fragments.iter().enumerate() {
                        let fin = if i + 1 == fragments.len() { 0x80 } else { 0 };
                        all.push((fin | u8::from(i == 0), fragment));
                    }
                    // Twice: the latest is not the only one where there was time to answer.
                    all.splice(position..position, [control, control]);
                    let setup = Setup::new(role).rx(text.len() + MIN_RX);
                    let outcome = setup.hanging(&wire(role, &all));
                    assert_eq!(
                        outcome.got,
                        [Got::Text(String::from_utf8(text.to_vec()).unwrap())],
                        "{all:x?}"
                    );
                    let expected = if control.0 == 0x89 { vec![control.1; 2] } else { vec![] };
                    assert_eq!(pongs(&outcome.sent), expected, "{all:x?}");
                    assert_eq!(outcome.sent.len(), expected.len());
                }
            }
        }
    }
}

#[test]
fn reported_control_frames_come_in_order_and_are_answered() {
    for role in ROLES {
        let input: [(u8, &[u8]); 7] = [
            (0x8A, b"1"),
            (0x01, b"a"),
            (0x89, b"2"),
            (0x00, b"b"),
            (0x89, b""),
            (0x80, b"c"),
            (0x89, &[3; 125]),
        ];
        let setup = Setup::new(role).config(|config| config.report_control = true);
        let outcome = setup.hanging(&wire(role, &input));
        let ping = |payload: &[u8]| Got::Ping(payload.into());
        let expected = [Got::Pong(b"1".into()), ping(b"2"), ping(b""), Got::text("abc"), ping(&[3; 125])];
        assert_eq!(outcome.got, expected);
        assert_eq!(pongs(&outcome.sent), [b"2", &b""[..], &[3; 125]]);
    }
}

#[test]
fn a_buffer_that_the_message_just_fills() {
    for role in ROLES {
        for rx in [MIN_RX, 200, 1000] {
            let whole = Setup::new(role).rx(rx);
            for before in [&b""[..], b"x", &[1; 100]] {
                // Also with something in front of it, which the same read may bring.
                let fits = whole.hanging(&wire(role, &[(0x82, before), (0x82, &pattern(rx))]));
                assert_eq!(fits.got, [Got::Binary(before.to_vec()), Got::Binary(pattern(rx))]);
                let larger = whole.hanging_whole(&wire(role, &[(0x82, before), (0x82, &pattern(rx + 1))]));
                assert_eq!((&larger.got[..], larger.end), (&[Got::Binary(before.to_vec())][..], TOO_LARGE));
                assert_eq!(larger.close_sent(), Some((Some(1009), String::new())));
            }
        }
        // In fragments, with control frames of any size in between.
        let (rx, len) = (500, 500 - MIN_RX);
        let data = pattern(len);
        let big: (u8, &[u8]) = (0x89, &[7; 125]);
        for cut in [0, 1, 100, len - 1, len] {
            let fragments = [(0x02, &data[..cut]), big, (0x00, &data[cut..]), big, (0x80, b"")];
            assert_eq!(
                Setup::new(role).rx(rx).hanging(&wire(role, &fragments)).got,
                [Got::Binary(data.clone())]
            );
        }
        let tight = pattern(rx);
        let fragments = wire(role, &[(0x02, &tight[..400]), big, (0x00, &tight[400..]), (0x80, b"1")]);
        assert_eq!(Setup::new(role).rx(rx).hanging_whole(&fragments).end, TOO_LARGE);
        assert_eq!(Setup::new(role).rx(rx).hanging_parts(&fragments).got.len(), 1);
    }
}

#[test]
fn a_message_larger_than_the_buffer_passes_in_parts() {
    let data = pattern(6000);
    for role in ROLES {
        let cuts =
            [(0x02, &data[..2000]), (0x89, b"?"), (0x00, b""), (0x00, &data[2000..2001]), (0x89, &[5; 125])];
        let input = [wire(role, &cuts), wire(role, &[(0x80, &data[2001..]), (0x81, b"next")])].concat();
        for rx in [MIN_RX, MIN_RX + 1, 1024, 30_000] {
            let outcome = Setup::new(role).rx(rx).hanging_parts(&input);
            assert!(outcome.got == [Got::Binary(data.clone()), Got::text("next")]);
            assert_eq!(pongs(&outcome.sent), [&b"?"[..], &[5; 125]]);
        }
    }
}

#[test]
fn parts_are_what_has_arrived() {
    for role in ROLES {
        let key = key(role);
        Setup::new(role).each_hanging(&unfinished(0x01, b"Hel", 6, key), |ws, io| {
            let mut joined = vec![];
            while let Ok(piece) = ws.recv_part() {
                assert_eq!((piece.kind, piece.first, piece.fin), (Kind::Text, joined.is_empty(), false));
                joined.extend(piece.data);
            }
            assert_eq!(joined, b"Hel");
            // The rest of the frame, masked with what follows in the key.
            let rest = frame(0x01, b"Helxxxxxx", key);
            io.input.borrow_mut().extend(&rest[rest.len() - 6..]);
            while let Ok(piece) = ws.recv_part() {
                assert!(!piece.first && !piece.fin);
                joined.extend(piece.data);
            }
            assert_eq!(joined, b"Helxxxxxx");
            io.input.borrow_mut().extend(wire(role, &[(0x80, b"")]));
            let last = Piece { kind: Kind::Text, first: false, fin: true, data: vec![] };
            assert_eq!(ws.recv_part(), Ok(last));
            // An empty message is one part.
            io.input.borrow_mut().extend(wire(role, &[(0x01, b""), (0x00, b""), (0x80, b"")]));
            let only = Piece { kind: Kind::Text, first: true, fin: true, data: vec![] };
            assert_eq!(ws.recv_part(), Ok(only.clone()));
            io.input.borrow_mut().extend(wire(role, &[(0x81, b"")]));
            assert_eq!(ws.recv_part(), Ok(only));
        });
    }
}

#[test]
fn whole_messages_and_parts_in_turn() {
    for role in ROLES {
        let input =
            wire(role, &[(0x81, b"one"), (0x01, b"two"), (0x89, b""), (0x80, b" and"), (0x82, b"three")]);
        Setup::new(role).each_hanging(&input, |ws, _| {
            assert_eq!(ws.recv(), Ok(Got::text("one")));
            let mut joiner = Joiner::default();
            let mut got = joiner.push(ws.recv_part().unwrap(), true);
            assert_eq!(got, None, "the first fragment is a part of its own");
            while got.is_none() {
                // The rest of it cannot be had as a whole message; nothing is lost by asking.
                assert_eq!(ws.recv(), Err(Error::Misuse(MisuseError::PartsPending)));
                got = joiner.push(ws.recv_part().unwrap(), true);
            }
            assert_eq!(got, Some(Got::text("two and")));
            assert_eq!(ws.recv(), Ok(Got::Binary(b"three".into())));
            assert_eq!(ws.recv(), Err(TIMED_OUT));
        });
    }
}

/// A `recv` that was dropped, or timed out, holds a fragment; `recv_part` goes on with it.
#[test]
fn a_whole_message_is_given_up_for_parts() {
    let data = pattern(3 * MIN_RX);
    for role in ROLES {
        for held in 1..=MIN_RX - 1 {
            let input = wire(role, &[(0x02, &data[..held])]);
            let transport = || vec![Script::new(&input, 1 << 20).hanging(), Script::new(&input, 1).hanging()];
            Setup::new(role).rx(MIN_RX).each(transport, |ws, io| {
                assert_eq!(ws.recv(), Err(TIMED_OUT));
                io.input.borrow_mut().extend(wire(role, &[(0x89, &[1; 125]), (0x80, &data[held..])]));
                let mut joiner = Joiner::default();
                let message = loop {
                    match ws.recv_part() {
                        Ok(piece) => {
                            if let Some(message) = joiner.push(piece, true) {
                                break message;
                            }
                        }
                        Err(error) => panic!("{error:?} with {held} bytes held"),
                    }
                };
                assert_eq!(message, Got::Binary(data.clone()));
            });
        }
    }
}

#[test]
fn what_a_recv_that_was_dropped_holds_comes_as_a_part_at_once() {
    for role in ROLES {
        for input in [wire(role, &[(0x01, b"held")]), unfinished(0x01, b"held", 3, key(role))] {
            Setup::new(role).each_hanging(&input, |ws, _| {
                assert_eq!(ws.recv(), Err(TIMED_OUT));
                let piece = Piece { kind: Kind::Text, first: true, fin: false, data: b"held".into() };
                assert_eq!(ws.recv_part(), Ok(piece));
            });
        }
    }
}

#[test]
fn text_as_bytes() {
    for role in ROLES {
        let setup = Setup::new(role).config(|config| config.skip_utf8_validation = true);
        let input = wire(
            role,
            &[(0x81, b"\xff\xfe"), (0x01, "g".as_bytes()), (0x80, b"\x80"), (0x82, b"b"), (0x81, b"")],
        );
        let got = setup.hanging(&input).got;
        let unchecked = |data: &[u8]| Got::Unchecked(data.into());
        assert_eq!(
            got,
            [unchecked(b"\xff\xfe"), unchecked(b"g\x80"), Got::Binary(b"b".into()), unchecked(b"")]
        );
    }
}

#[test]
fn bytes_that_came_with_the_handshake_are_frames() {
    use sockling::{Config, proto::Session};
    for role in ROLES {
        let first = wire(role, &[(0x81, b"early"), (0x02, b"frag")]);
        let rest = wire(role, &[(0x80, b"ments"), (0x88, &close_body(1000, ""))]);
        for early in 0..=first.len() {
            for at in [0, 1, 60] {
                let mut rx = vec![0xAA; 200];
                rx[at..at + early].copy_from_slice(&first[..early]);
                let io = Script::new(&[&first[early..], &rest].concat(), 3);
                let session = Session::with_early(role, &Config::DEFAULT, at..at + early);
                let keys = crate::support::Counter(0);
                let mut ws =
                    sockling::blocking::WebSocket::from_parts(io, session, keys, rx, vec![0; 256]).unwrap();
                assert_eq!(ws.recv().map(Got::from), Ok(Got::text("early")));
                assert_eq!(ws.recv().map(Got::from), Ok(Got::Binary(b"fragments".into())));
                assert_eq!(ws.recv().map(Got::from), Err(Error::Closed(closed(1000, 1000))));
            }
        }
    }
}

#[test]
fn a_ping_is_answered_before_the_message_after_it_is_returned() {
    for role in ROLES {
        let input = wire(role, &[(0x89, b"first"), (0x81, b"message")]);
        Setup::new(role).each_hanging(&input, |ws, io| {
            assert_eq!(ws.recv(), Ok(Got::text("message")));
            let sent = frames(&io.output.borrow());
            assert_eq!(pongs(&sent), [b"first"]);
            assert_eq!(sent[0].masked, role == Role::Client);
            assert_eq!(*io.flushed.borrow(), io.output.borrow().len());
        });
    }
}

/// "It was already answered", says the documentation of `Message::Ping`.
#[test]
fn a_reported_ping_was_answered() {
    for role in ROLES {
        let setup = Setup::new(role).config(|config| config.report_control = true);
        setup.each_hanging(&wire(role, &[(0x89, b"hello?")]), |ws, io| {
            assert_eq!(ws.recv(), Ok(Got::Ping(b"hello?".into())));
            assert_eq!(pongs(&frames(&io.output.borrow())), [b"hello?"]);
        });
    }
}

/// A message that was returned once is not returned again, whatever the reads were like.
#[test]
fn many_messages_in_one_read() {
    for role in ROLES {
        let one =
            [frame(0x81, b"a", key(role)), frame(0x82, &[1; 200], key(role)), frame(0x89, b"", key(role))];
        let input = one.concat().repeat(50);
        let outcome = Setup::new(role).rx(256).hanging(&input);
        assert!(
            outcome.got.chunks(2).eq([[Got::text("a"), Got::Binary(vec![1; 200])]].iter().cycle().take(50))
        );
        assert_eq!(outcome.sent.len(), 50);
    }
}
