//! Calls that may not be made: refused, nothing is sent, and the connection goes on.

use sockling::{
    Closed, Config, Error, Kind, MIN_RX, MIN_TX, Message, MisuseError, MisuseError::*, Request, Role,
    Unmasked, asynch, blocking, proto::Session,
};

use crate::support::{
    Counter, Script, block_on,
    drive::{Fail, Got, ROLES, Setup, TIMED_OUT, Ws, wire},
    frames,
};

/// Makes a call, which is refused; afterwards the connection works as before.
fn check(error: MisuseError, prepare: impl Fn(&mut dyn Ws), call: impl Fn(&mut dyn Ws) -> Result<(), Fail>) {
    for role in ROLES {
        Setup::new(role).each_hanging(&wire(role, &[(0x81, b"Hello")]), |ws, io| {
            prepare(ws);
            let before = io.output.borrow().len();
            assert_eq!(call(ws), Err(Error::Misuse(error)));
            assert_eq!(ws.flush(), Ok(()));
            assert_eq!(io.output.borrow().len(), before, "nothing was sent");
            assert_eq!(ws.recv(), Ok(Got::text("Hello")));
            assert_eq!(ws.send(Message::Pong(b"goes on")), Ok(()));
            assert!(!ws.session().is_closing());
        });
    }
}

fn nothing(_: &mut dyn Ws) {}

#[test]
fn control_frames_over_125_bytes() {
    check(ControlTooLong, nothing, |ws| ws.send(Message::Ping(&[0; 126])));
    check(ControlTooLong, nothing, |ws| ws.send(Message::Pong(&[0; 126])));
    check(ControlTooLong, nothing, |ws| ws.feed(Message::Ping(&[0; 5000])));
    check(ControlTooLong, nothing, |ws| ws.send_part(Kind::Ping, &[0; 126], true));
}

#[test]
fn close_codes_and_reasons() {
    let close =
        |code, reason: &'static str| move |ws: &mut dyn Ws| ws.close(code, reason).map(|_: Closed| ());
    for code in [0, 999, 1004, 1006, 1015, 1016, 2999, 5000, 65535] {
        check(InvalidCloseCode(code), nothing, close(code, ""));
        check(InvalidCloseCode(code), nothing, close(code, "reason"));
    }
    check(InvalidCloseCode(1005), nothing, close(1005, "a frame without a code has no room for a reason"));
    let long = "x".repeat(124);
    check(ReasonTooLong, nothing, |ws| ws.close(1000, &long).map(|_| ()));
    check(ReasonTooLong, nothing, |ws| ws.close(1000, &"ä".repeat(62)).map(|_| ()));
}

#[test]
fn a_message_inside_of_one_that_is_sent_in_parts() {
    let open = |ws: &mut dyn Ws| ws.send_part(Kind::Text, b"a", false).unwrap();
    check(MessageOpen, open, |ws| ws.send(Message::Text("b")));
    check(MessageOpen, open, |ws| ws.send(Message::Binary(b"b")));
    check(MessageOpen, open, |ws| ws.feed(Message::Text("b")));
    check(MessageOpen, open, |ws| ws.resume_send(Message::Text("b")));
    check(KindChanged, open, |ws| ws.send_part(Kind::Binary, b"b", false));
    check(KindChanged, open, |ws| ws.send_part(Kind::Binary, b"b", true));
    for role in ROLES {
        Setup::new(role).each_hanging(&[], |ws, io| {
            open(ws);
            ws.send(Message::Ping(b"allowed")).unwrap();
            ws.send_part(Kind::Text, b"c", true).unwrap();
            ws.send(Message::Text("d")).unwrap();
            let seen: Vec<u8> = frames(&io.output.borrow()).iter().map(|frame| frame.first).collect();
            assert_eq!(seen, [0x01, 0x89, 0x80, 0x81]);
        });
    }
}

/// "Control frames themselves MUST NOT be fragmented": whatever `send_part` says to it, no such thing is sent.
#[test]
fn a_control_frame_in_parts() {
    for role in ROLES {
        for kind in [Kind::Ping, Kind::Pong] {
            let setup = Setup::new(role);
            setup.each_hanging(&[], |ws, io| {
                let sent = ws.send_part(kind, b"half a ping", false);
                assert!(matches!(sent, Err(Error::Misuse(_))), "{sent:?}");
                ws.send_part(Kind::Text, b"a", false).unwrap();
                assert!(ws.send_part(kind, b"half a ping", false).is_err());
                ws.send_part(Kind::Text, b"b", true).unwrap();
                assert_eq!(setup.check_sent(io).len(), 2);
            });
        }
    }
}

#[test]
fn an_interrupted_send() {
    let big = vec![7; 1000];
    for role in ROLES {
        Setup::new(role).each_hanging(&wire(role, &[(0x89, b"ping"), (0x81, b"Hello")]), |ws, io| {
            // The peer takes some of it.
            io.room.set(300);
            assert_eq!(ws.send(Message::Binary(&big)), Err(TIMED_OUT));
            let taken = ws.session().interrupted().unwrap();
            assert!((200..big.len()).contains(&taken), "{taken}");
            let interrupted = Err(Error::Misuse(Interrupted { taken: taken as u32 }));
            assert_eq!(ws.send(Message::Text("another")), interrupted);
            assert_eq!(ws.send(Message::Ping(b"another")), interrupted);
            assert_eq!(ws.feed(Message::Text("another")), interrupted);
            assert_eq!(ws.send_part(Kind::Binary, b"another", true), interrupted);
            assert_eq!(
                ws.resume_send(Message::Binary(&big[..taken - 1])),
                Err(Error::Misuse(NotTheSameMessage))
            );
            // Receiving goes on in between, and answers.
            io.room.set(usize::MAX);
            assert_eq!(ws.recv(), Ok(Got::text("Hello")));
            assert_eq!(ws.resume_send(Message::Binary(&big)), Ok(()));
            assert_eq!(ws.session().interrupted(), None);
            // With nothing to resume it is a send.
            assert_eq!(ws.resume_send(Message::Text("next")), Ok(()));
            let seen = frames(&io.output.borrow());
            let data: Vec<u8> = seen
                .iter()
                .filter(|f| matches!(f.first & 0xF, 0 | 2))
                .flat_map(|f| f.payload.clone())
                .collect();
            assert_eq!(data, big);
            assert_eq!(seen.iter().filter(|f| f.first == 0x8A).count(), 1);
            assert_eq!(seen.last().map(|f| (f.first, &f.payload[..])), Some((0x81, &b"next"[..])));
        });
    }
}

/// All of the message was taken, only not all of it was written: another may follow, and resuming sends nothing twice.
#[test]
fn an_interrupted_flush() {
    for role in ROLES {
        for resume in [false, true] {
            Setup::new(role).each_hanging(&[], |ws, io| {
                io.room.set(3);
                assert_eq!(ws.send(Message::Text("Hello")), Err(TIMED_OUT));
                assert_eq!(ws.session().interrupted(), Some(5));
                io.room.set(usize::MAX);
                if resume {
                    assert_eq!(ws.resume_send(Message::Text("Hello")), Ok(()));
                }
                assert_eq!(ws.send(Message::Text("next")), Ok(()));
                let seen: Vec<Vec<u8>> =
                    frames(&io.output.borrow()).into_iter().map(|frame| frame.payload).collect();
                assert_eq!(seen, [b"Hello".to_vec(), b"next".to_vec()]);
            });
        }
    }
}

#[test]
fn buffers_that_are_too_small() {
    for (rx, tx, needed) in
        [(0, MIN_TX, MIN_RX), (MIN_RX - 1, MIN_TX, MIN_RX), (MIN_RX, MIN_TX - 1, MIN_TX), (MIN_RX, 0, MIN_TX)]
    {
        let session = || Session::new(Role::Client, &Config::DEFAULT);
        let io = || Script::new(&[], 1);
        let error = Some(BufferTooSmall { needed: needed as u16 });
        let (rx, tx) = (vec![0; rx], vec![0; tx]);
        let made = blocking::WebSocket::from_parts(io(), session(), Counter(0), rx.clone(), tx.clone());
        assert_eq!(made.err(), error);
        let made = asynch::WebSocket::from_parts(io(), session(), Counter(0), rx, tx);
        assert_eq!(made.err(), error);
    }
    assert!(
        blocking::WebSocket::from_parts(
            Script::new(&[], 1),
            Session::new(Role::Client, &Config::DEFAULT),
            Counter(0),
            [0; MIN_RX],
            [0; MIN_TX]
        )
        .is_ok()
    );
}

/// Section 5.3: "The masking key needs to be unpredictable".
#[test]
fn a_client_without_random_keys() {
    let (rx, tx) = (|| [0; MIN_RX], || [0; MIN_TX]);
    let io = || Script::new(&[], 1);
    for role in ROLES {
        let session = || Session::new(role, &Config::DEFAULT);
        let refused = (role == Role::Client).then_some(NoRandom);
        assert_eq!(blocking::WebSocket::from_parts(io(), session(), Unmasked, rx(), tx()).err(), refused);
        assert_eq!(asynch::WebSocket::from_parts(io(), session(), Unmasked, rx(), tx()).err(), refused);
    }
    let request = Request::new("sensor.example", "/feed");
    let script = io();
    let refused = Some(Error::Misuse(NoRandom));
    assert_eq!(blocking::connect(script.clone(), &request, Unmasked, rx(), tx()).err(), refused);
    let connecting = asynch::connect(script.clone(), &request, Unmasked, rx(), tx());
    assert_eq!(block_on(connecting).err(), refused);
    assert!(script.output.borrow().is_empty(), "nothing was sent");
}

#[test]
fn after_the_close_frame() {
    for role in ROLES {
        Setup::new(role).each_hanging(&[], |ws, io| {
            assert_eq!(ws.close(1000, ""), Err(TIMED_OUT));
            let before = io.output.borrow().len();
            let refused = Err(Error::Misuse(Closing));
            assert_eq!(ws.send(Message::Text("late")), refused);
            assert_eq!(ws.resume_send(Message::Text("late")), refused);
            assert_eq!(ws.feed(Message::Binary(b"late")), refused);
            assert_eq!(ws.send(Message::Pong(b"late")), refused);
            assert_eq!(ws.send_part(Kind::Binary, b"late", true), refused);
            assert_eq!(ws.flush(), Ok(()));
            assert_eq!(io.output.borrow().len(), before);
        });
    }
}

#[test]
fn the_machine_itself_refuses_impossible_counts() {
    for role in ROLES {
        let (mut rx, mut tx, mut keys) = ([0; MIN_RX], [0; MIN_TX], Counter(0));
        let mut session = Session::new(role, &Config::DEFAULT);
        assert_eq!(session.sent(1), Err(ImpossibleCount));
        assert_eq!(session.received(MIN_RX + 1, MIN_RX), Err(ImpossibleCount));
        assert_eq!(session.received(usize::MAX, MIN_RX), Err(ImpossibleCount));
        session.start_send(&mut (), &Message::Text("Hello"), false).unwrap();
        let _ = session.poll_send(&mut tx, &mut keys, &mut (), &Message::Text("Hello"), true).unwrap();
        let pending = session.pending(&tx).len();
        assert_eq!(session.sent(pending + 1), Err(ImpossibleCount));
        assert_eq!(session.sent(usize::MAX), Err(ImpossibleCount));
        assert_eq!(session.sent(pending), Ok(()));
        assert_eq!(session.space(&mut rx).len(), MIN_RX);
    }
}
