//! The closing handshake (sections 5.5.1 and 7), begun by either end or by both.

use std::time::Duration;

use embedded_io::ErrorKind;
use sockling::{Config, Error, Kind, Message, MisuseError, ProtocolError, Role, proto::Session};

use crate::support::{
    Script, close_body,
    drive::{Got, ROLES, STEPS, Setup, TIMED_OUT, check_final, closed, key, wire},
    frames, unfinished,
};

/// The payloads of the close frames that were sent.
fn closes(io: &Script) -> Vec<Vec<u8>> {
    frames(&io.output.borrow())
        .into_iter()
        .filter(|frame| frame.first == 0x88)
        .map(|frame| frame.payload)
        .collect()
}

#[test]
fn the_peer_begins() {
    let long = "ä".repeat(61);
    for role in ROLES {
        for code in
            [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999]
        {
            for reason in ["", "bye", "größer", &long] {
                let input = wire(role, &[(0x81, b"last"), (0x88, &close_body(code, reason))]);
                let outcome = Setup::new(role).rx(131).ending(&input);
                assert_eq!(outcome.got, [Got::text("last")]);
                // "When sending a Close frame in response, the endpoint typically echos the status code it received."
                assert_eq!(outcome.end, Error::Closed(closed(code, code)));
                assert_eq!(outcome.reason, reason);
                assert_eq!(outcome.close_sent(), Some((Some(code), String::new())));
                assert_eq!(outcome.sent.len(), 1);
            }
        }
        // "If this Close control frame contains no status code, [...] is considered to be 1005"
        let outcome = Setup::new(role).ending(&wire(role, &[(0x88, b"")]));
        assert_eq!((outcome.end, &outcome.reason[..]), (Error::Closed(closed(1005, 1005)), ""));
        assert_eq!(outcome.close_sent(), Some((None, String::new())));
    }
}

/// "the server MUST close the TCP connection immediately; the client SHOULD wait for the server to close"
#[test]
fn the_server_does_not_wait_for_the_end_of_the_stream_and_the_client_does() {
    for role in ROLES {
        let outcome = Setup::new(role).hanging(&wire(role, &[(0x88, &close_body(1000, "bye"))]));
        let end = if role == Role::Server { Error::Closed(closed(1000, 1000)) } else { TIMED_OUT };
        assert_eq!((outcome.end, &outcome.reason[..]), (end, "bye"));
        assert_eq!(outcome.close_sent(), Some((Some(1000), String::new())));
    }
}

#[test]
fn this_end_begins() {
    for role in ROLES {
        for (answer, received) in [
            (close_body(1000, "so long"), 1000),
            (close_body(4999, "so long"), 4999),
            (close_body(1001, ""), 1001),
            (vec![], 1005),
        ] {
            // What was under way is discarded, and pings are not answered any more.
            let input = wire(
                role,
                &[(0x81, b"late"), (0x02, &[7; 2000]), (0x89, b"ping"), (0x80, b"later"), (0x88, &answer)],
            );
            Setup::new(role).each(
                || STEPS.map(|step| Script::new(&input, step)).into(),
                |ws, io| {
                    let end = closed(received, 1000);
                    assert_eq!(ws.close(1000, "bye"), Ok(end));
                    assert_eq!(closes(io), [close_body(1000, "bye")]);
                    assert_eq!(frames(&io.output.borrow()).len(), 1);
                    assert_eq!(ws.reason(), String::from_utf8_lossy(answer.get(2..).unwrap_or_default()));
                    check_final(ws, io, Error::Closed(end));
                },
            );
        }
    }
}

#[test]
fn messages_that_cross_our_close_frame_still_come() {
    for role in ROLES {
        let input = wire(role, &[(0x81, b"crossing"), (0x89, b"ping"), (0x88, &close_body(1000, ""))]);
        Setup::new(role).each(
            || STEPS.map(|step| Script::new(&[], step).hanging()).into(),
            |ws, io| {
                // As a future that is dropped, or a time-out: the close frame is out, the answer is not there.
                assert_eq!(ws.close(4000, "bye"), Err(TIMED_OUT));
                assert_eq!(ws.send(Message::Text("late")), Err(Error::Misuse(MisuseError::Closing)));
                assert_eq!(ws.send(Message::Ping(b"late")), Err(Error::Misuse(MisuseError::Closing)));
                assert_eq!(ws.send_part(Kind::Text, b"late", true), Err(Error::Misuse(MisuseError::Closing)));
                io.input.borrow_mut().extend(&input);
                assert_eq!(ws.recv(), Ok(Got::text("crossing")));
                if role == Role::Client {
                    assert_eq!(ws.recv(), Err(TIMED_OUT));
                }
                let (_, received) = (ws.recv(), ws.session().closed());
                assert_eq!(received, closed(1000, 4000));
                assert_eq!(closes(io), [close_body(4000, "bye")]);
                assert_eq!(frames(&io.output.borrow()).len(), 1);
            },
        );
    }
}

#[test]
fn both_ends_begin() {
    for role in ROLES {
        let input = wire(role, &[(0x88, &close_body(1001, "moving"))]);
        Setup::new(role).each(
            || STEPS.map(|step| Script::new(&input, step)).into(),
            |ws, io| {
                assert_eq!(ws.close(4000, "mine"), Ok(closed(1001, 4000)));
                assert_eq!(ws.reason(), "moving");
                // One close frame, not an echo beside it.
                assert_eq!(closes(io), [close_body(4000, "mine")]);
                check_final(ws, io, Error::Closed(closed(1001, 4000)));
            },
        );
        // The peer's was read first: then ours is the answer to it.
        Setup::new(role).each(
            || STEPS.map(|step| Script::new(&wire(role, &[(0x81, b"a"), (0x88, b"")]), step)).into(),
            |ws, io| {
                assert_eq!(ws.recv(), Ok(Got::text("a")));
                let _ = ws.recv();
                assert_eq!(ws.close(4000, "mine"), Ok(closed(1005, 1005)));
                assert_eq!(closes(io), [b""]);
            },
        );
    }
}

#[test]
fn an_empty_close_frame_is_sent_for_1005() {
    for role in ROLES {
        Setup::new(role).each(
            || vec![Script::new(&wire(role, &[(0x88, &close_body(1000, ""))]), 3)],
            |ws, io| {
                assert_eq!(ws.close(1005, ""), Ok(closed(1000, 1005)));
                assert_eq!(closes(io), [b""]);
            },
        );
    }
}

#[test]
fn inside_of_a_fragmented_message() {
    for role in ROLES {
        let input = wire(role, &[(0x01, b"half of"), (0x88, &close_body(1000, "bye"))]);
        let outcome = Setup::new(role).ending(&input);
        assert_eq!((&outcome.got[..], outcome.end), (&[][..], Error::Closed(closed(1000, 1000))));
        assert_eq!(outcome.reason, "bye");
        // Taken in parts, and one of ours begun as well.
        Setup::new(role).each(
            || STEPS.map(|step| Script::new(&input, step)).into(),
            |ws, io| {
                assert!(!ws.recv_part().unwrap().fin);
                ws.send_part(Kind::Binary, b"half", false).unwrap();
                assert_eq!(ws.close(1001, ""), Ok(closed(1000, 1001)));
                let seen: Vec<u8> = frames(&io.output.borrow()).iter().map(|frame| frame.first).collect();
                assert_eq!(seen, [0x02, 0x88]);
            },
        );
    }
}

#[test]
fn what_follows_a_close_frame_is_ignored() {
    for role in ROLES {
        let close = wire(role, &[(0x88, &close_body(1000, "bye"))]);
        for after in [
            wire(role, &[(0x81, b"data"), (0x89, b"ping"), (0x88, &close_body(1001, "twice"))]),
            wire(role, &[(0x82, &[0; 5000])]),
            b"\xff\xff\xff\xff garbage".to_vec(),
            unfinished(0x81, b"half", 10, key(role)),
            vec![0x89],
        ] {
            let outcome = Setup::new(role).ending(&[&close[..], &after].concat());
            assert_eq!((&outcome.got[..], outcome.end), (&[][..], Error::Closed(closed(1000, 1000))));
            assert_eq!(outcome.reason, "bye");
            assert_eq!(outcome.sent.len(), 1);
        }
    }
}

#[test]
fn a_rule_broken_after_our_close_frame() {
    for role in ROLES {
        let input = wire(role, &[(0x81, b"late"), (0x83, b"")]);
        Setup::new(role).each(
            || STEPS.map(|step| Script::new(&input, step)).into(),
            |ws, io| {
                let end = Error::Protocol(ProtocolError::ReservedOpcode(3));
                assert_eq!(ws.close(1000, ""), Err(end));
                assert_eq!(closes(io), [close_body(1000, "")]);
                check_final(ws, io, end);
            },
        );
    }
}

#[test]
fn the_stream_ends_without_a_close_frame() {
    for role in ROLES {
        let message = wire(role, &[(0x01, b"half"), (0x80, b" of it")]);
        for cut in 0..=message.len() {
            let outcome = Setup::new(role).ending(&message[..cut]);
            assert_eq!(outcome.got.len(), usize::from(cut == message.len()));
            assert_eq!((outcome.end, outcome.sent), (Error::ConnectionLost, vec![]), "{cut}");
        }
        Setup::new(role).each(
            || vec![Script::new(&message, 5)],
            |ws, io| {
                assert_eq!(ws.close(1000, "anyone?"), Ok(closed(None, 1000)));
                check_final(ws, io, Error::Closed(closed(None, 1000)));
            },
        );
    }
}

#[test]
fn a_transport_that_fails_after_the_end_is_no_news() {
    for role in ROLES {
        let close = wire(role, &[(0x88, &close_body(1000, "bye"))]);
        let broken = wire(role, &[(0x83, b"")]);
        for (input, end) in [
            (close, Error::Closed(closed(1000, 1000))),
            (broken, Error::Protocol(ProtocolError::ReservedOpcode(3))),
        ] {
            for more in 0..12 {
                let transport = || vec![Script::new(&input, 100).hanging().failing_at(input.len() + more)];
                Setup::new(role).each(transport, |ws, io| {
                    match ws.recv() {
                        // A client waits for a server that is silent.
                        Err(TIMED_OUT) => assert!(role == Role::Client && ws.session().closed().is_clean()),
                        other => assert_eq!(other, Err(end), "{more}"),
                    }
                    assert_eq!(ws.session().closed().received.is_some(), matches!(end, Error::Closed(_)));
                    assert!(io.output.borrow().len() <= more);
                });
            }
        }
        // Before it, it is.
        Setup::new(role).each(
            || vec![Script::new(&wire(role, &[(0x81, b"Hello")]), 100).failing_at(4)],
            |ws, _| assert_eq!(ws.recv(), Err(Error::Io(ErrorKind::ConnectionReset))),
        );
    }
}

#[test]
fn the_deadline() {
    let second = Duration::from_secs(1);
    for role in ROLES {
        for start in [Duration::ZERO, Duration::from_secs(4_294_967), Duration::from_secs(1 << 40)] {
            let setup = Setup::new(role).config(|config| config.close_timeout = 3 * second);
            setup.each_hanging(&[], |ws, io| {
                assert_eq!(ws.session().poll_timeout(start), None);
                ws.session().handle_timeout(start + 100 * second);
                let start = start + 100 * second;
                assert_eq!(ws.close(1000, ""), Err(TIMED_OUT));
                assert_eq!(ws.session().poll_timeout(start), Some(3 * second));
                assert_eq!(ws.session().poll_timeout(start + second), Some(2 * second));
                ws.session().handle_timeout(start + second);
                assert_eq!(ws.close(1000, ""), Err(TIMED_OUT));
                ws.session().handle_timeout(start + 3 * second - Duration::from_millis(1));
                assert_eq!(ws.close(1000, ""), Err(TIMED_OUT));
                ws.session().handle_timeout(start + 3 * second);
                assert_eq!(ws.session().poll_timeout(start + 3 * second), None);
                check_final(ws, io, Error::Closed(closed(None, 1000)));
            });
        }
    }
}

#[test]
fn the_deadline_counts_from_the_peers_close_frame_too() {
    for role in ROLES {
        Setup::new(role).each_hanging(&wire(role, &[(0x88, &close_body(1000, ""))]), |ws, io| {
            // The echo cannot be written.
            io.room.set(0);
            assert_eq!(ws.recv(), Err(TIMED_OUT));
            assert_eq!(ws.session().poll_timeout(Duration::ZERO), Some(Config::DEFAULT.close_timeout));
            ws.session().handle_timeout(Config::DEFAULT.close_timeout);
            assert!(matches!(ws.recv(), Err(Error::Closed(closed)) if closed.received.is_some()));
        });
    }
}

#[test]
fn a_close_timeout_without_end() {
    for timeout in [Duration::from_secs(60 * 60 * 24 * 30), Duration::MAX] {
        let config = |config: &mut Config| config.close_timeout = timeout;
        Setup::new(Role::Client).config(config).each_hanging(&[], |ws, _| {
            assert_eq!(ws.close(1000, ""), Err(TIMED_OUT));
            let left = ws.session().poll_timeout(Duration::from_secs(77));
            assert!(
                left.is_none_or(|left| left > Duration::from_secs(60 * 60 * 24)),
                "{timeout:?}: {left:?}"
            );
            ws.session().handle_timeout(Duration::from_secs(78));
            assert_eq!(ws.close(1000, ""), Err(TIMED_OUT), "{timeout:?}");
        });
    }
}

/// A pong waits to be written, the peer does not read; then the peer breaks a rule, or closes. It is told once it reads.
#[test]
fn the_close_frame_is_sent_also_where_writing_had_to_wait() {
    for role in ROLES {
        for (frames, code) in [
            ([(0x89, &b"ping"[..]), (0x83, b"")], 1002),
            ([(0x89, b"ping"), (0x81, b"\xff")], 1007),
            ([(0x89, b"ping"), (0x88, b"\x03\xe9")], 1001),
        ] {
            let step = [1, 1 << 20];
            Setup::new(role).each(
                || step.map(|step| Script::new(&wire(role, &frames), step).hanging()).into(),
                |ws, io| {
                    io.room.set(0);
                    for call in 0..3 {
                        // Not the end as long as the peer was not told; only `recv` does not wait to refuse a text.
                        let end = ws.recv();
                        assert!(end == Err(TIMED_OUT) || call == 0 && code == 1007, "{end:?}");
                    }
                    io.room.set(usize::MAX);
                    let _ = ws.recv();
                    assert_eq!(closes(io), [close_body(code, "")]);
                },
            );
        }
    }
}

#[test]
fn a_session_says_how_it_stands() {
    let mut session = Session::new(Role::Client, &Config::DEFAULT);
    assert!(!session.is_closing() && !session.is_failed());
    assert_eq!(session.closed(), closed(None, None));
    assert_eq!(session.interrupted(), None);
    session.overflow();
    assert!(session.is_closing() && session.is_failed());
}

/// Each message has its own time, from when it begins; without one there is no deadline.
#[test]
fn the_deadline_of_a_message() {
    for role in ROLES {
        let config = |config: &mut Config| config.message_timeout = Duration::from_secs(10);
        let input = wire(role, &[(0x81, b"whole"), (0x01, b"begun")]);
        Setup::new(role).config(config).each_hanging(&input, |ws, io| {
            assert!(ws.recv().is_ok());
            assert_eq!(ws.session().poll_timeout(Duration::from_secs(100)), None);
            assert_eq!(ws.recv(), Err(TIMED_OUT));
            assert_eq!(ws.session().poll_timeout(Duration::from_secs(1000)), Some(Duration::from_secs(10)));
            io.input.borrow_mut().extend(wire(role, &[(0x00, b"more")]));
            assert_eq!(ws.recv(), Err(TIMED_OUT));
            assert_eq!(ws.session().poll_timeout(Duration::from_secs(1004)), Some(Duration::from_secs(6)));
            io.input.borrow_mut().extend(wire(role, &[(0x80, b"end"), (0x01, b"next")]));
            assert!(ws.recv().is_ok());
            assert_eq!(ws.recv(), Err(TIMED_OUT));
            assert_eq!(ws.session().poll_timeout(Duration::from_secs(1009)), Some(Duration::from_secs(10)));
            ws.session().handle_timeout(Duration::from_secs(1018));
            assert_eq!(ws.recv(), Err(TIMED_OUT));
            ws.session().handle_timeout(Duration::from_secs(1019));
            assert_eq!(ws.recv(), Err(Error::Protocol(ProtocolError::MessageTimeout)));
            assert_eq!(closes(io), [close_body(1008, "")]);
        });
    }
}

/// A `recv` that put writing off does not keep `close` from writing.
#[test]
fn closing_writes_what_an_earlier_call_put_off() {
    for role in ROLES {
        let input = wire(role, &[(0x89, b"ping"), (0x81, b"text")]);
        let step = [1 << 20];
        Setup::new(role).each(
            || step.map(|step| Script::new(&input, step).hanging()).into(),
            |ws, io| {
                io.room.set(0);
                // Blocking, it reads where writing has to wait; async, it waits.
                let _ = ws.recv();
                io.room.set(usize::MAX);
                assert_eq!(ws.close(1000, ""), Err(TIMED_OUT));
                assert_eq!(closes(io), [close_body(1000, "")]);
            },
        );
    }
}
