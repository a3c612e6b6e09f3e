//! `recv` and `send` dropped at every await point, timed out at every call, and the transport failing at every byte:
//! nothing lost, nothing repeated, no hang.

mod support;

use embedded_io::ErrorKind;
use sockling::{CloseCode, Closed, Config, Error, Kind, Message, Role, asynch, blocking, proto::Session};
use support::{Counter, Script, Seen, close_body, frame, frames, once};

const KEY: Option<[u8; 4]> = Some([0x37, 0xfa, 0x21, 0x3d]);
const STEPS: [usize; 5] = [1, 2, 3, 5, 1000];

/// What the peer of `role` sends.
fn script(role: Role) -> Vec<u8> {
    let key = if role == Role::Server { KEY } else { None };
    [
        frame(0x01, b"Hel", key),
        frame(0x89, b"p!", key),
        frame(0x00, b"", key),
        frame(0x80, b"lo", key),
        frame(0x82, &[7; 300], key),
        frame(0x81, "größer".as_bytes(), key),
        frame(0x88, &close_body(1000, "bye"), key),
    ]
    .concat()
}

#[derive(Debug, PartialEq, Eq, Clone)]
enum Got {
    Text(String),
    Binary(Vec<u8>),
}

fn own(message: &Message<'_>) -> Got {
    match message {
        Message::Text(text) => Got::Text(text.to_string()),
        Message::Binary(data) => Got::Binary(data.to_vec()),
        other => panic!("{other:?}"),
    }
}

fn expected() -> Vec<Got> {
    vec![Got::Text("Hello".into()), Got::Binary(vec![7; 300]), Got::Text("größer".into())]
}

const SENT: [&[u8]; 3] = [b"a", &[9; 131], &[5; 400]];

/// The wire of one that sends SENT[i] after the i-th message received.
fn check_wire(wire: &[u8], role: Role) {
    let seen = frames(wire);
    assert!(seen.iter().all(|frame| frame.masked == (role == Role::Client)));
    let data: Vec<u8> = seen.iter().filter(|f| f.first & 8 == 0).flat_map(|f| f.payload.clone()).collect();
    assert_eq!(data, SENT.concat());
    let messages = seen.iter().filter(|f| f.first & 8 == 0 && f.first & 0x80 != 0).count();
    assert_eq!(messages, SENT.len());
    let pongs: Vec<&Seen> = seen.iter().filter(|f| f.first == 0x8A).collect();
    assert_eq!(pongs.len(), 1);
    assert_eq!(pongs[0].payload, b"p!");
    assert_eq!(seen.last().map(|f| (f.first, f.payload.clone())), Some((0x88, close_body(1000, ""))));
}

fn session(role: Role) -> Session {
    Session::new(role, &Config::DEFAULT)
}

#[test]
fn async_dropped_at_every_await() {
    for role in [Role::Client, Role::Server] {
        for step in STEPS {
            let io = Script::new(&script(role), step).gated();
            let mut ws =
                asynch::WebSocket::from_parts(io.clone(), session(role), Counter(0), [0; 512], [0; 256])
                    .unwrap();
            let (mut got, mut dropped) = (vec![], 0);
            let end = loop {
                match once(ws.recv()) {
                    None => {
                        dropped += 1;
                        continue;
                    }
                    Some(Ok(message)) => got.push(own(&message)),
                    Some(Err(error)) => break error,
                }
                let data = SENT[got.len() - 1];
                let mut sent = once(ws.send(data));
                while sent.is_none() {
                    dropped += 1;
                    sent = once(ws.resume_send(data));
                }
                sent.unwrap().unwrap();
            };
            assert_eq!(got, expected());
            let normal = Some(CloseCode::NORMAL);
            assert_eq!(end, Error::Closed(Closed { received: normal, sent: normal }));
            assert_eq!(ws.close_reason(), "bye");
            check_wire(&io.output.borrow(), role);
            assert_eq!(*io.flushed.borrow(), io.output.borrow().len());
            assert!(dropped > 10, "{dropped}");
        }
    }
}

#[test]
fn blocking_timed_out_at_every_call() {
    for role in [Role::Client, Role::Server] {
        for step in STEPS {
            let io = Script::new(&script(role), step).gated();
            let mut ws =
                blocking::WebSocket::from_parts(io.clone(), session(role), Counter(0), [0; 512], [0; 256])
                    .unwrap();
            let mut got = vec![];
            let timed_out = Error::Io(ErrorKind::TimedOut);
            let end = loop {
                match ws.recv() {
                    Err(error) if error == timed_out => continue,
                    Ok(message) => got.push(own(&message)),
                    Err(error) => break error,
                }
                let data = SENT[got.len() - 1];
                let mut sent = ws.send(data);
                while sent == Err(timed_out) {
                    sent = ws.resume_send(data);
                }
                sent.unwrap();
            };
            assert_eq!(got, expected());
            let normal = Some(CloseCode::NORMAL);
            assert_eq!(end, Error::Closed(Closed { received: normal, sent: normal }));
            check_wire(&io.output.borrow(), role);
        }
    }
}

#[test]
fn failing_at_every_byte() {
    for role in [Role::Client, Role::Server] {
        let whole = script(role).len() + 700;
        for at in 0..whole {
            for step in [1, 7, 1000] {
                let io = Script::new(&script(role), step).failing_at(at);
                let mut ws = blocking::WebSocket::from_parts(
                    io.clone(),
                    session(role),
                    Counter(0),
                    [0; 512],
                    [0; 256],
                )
                .unwrap();
                let mut got = vec![];
                let end = loop {
                    match ws.recv() {
                        Ok(message) => got.push(own(&message)),
                        Err(error) => break error,
                    }
                    if let Err(error) = ws.send(SENT[got.len() - 1]) {
                        break error;
                    }
                };
                assert_eq!(got, expected()[..got.len()], "failing at {at}");
                assert!(
                    matches!(end, Error::Io(ErrorKind::ConnectionReset) | Error::Closed(_)),
                    "failing at {at}: {end:?}"
                );
                // It stays so, once that was received which a failed send found there.
                let again = loop {
                    match ws.recv() {
                        Ok(message) => got.push(own(&message)),
                        Err(error) => break error,
                    }
                };
                assert_eq!(got, expected()[..got.len()], "failing at {at}");
                assert!(matches!(again, Error::Io(_) | Error::Closed(_)), "{again:?}");
            }
        }
    }
}

#[test]
fn parts_dropped_at_every_await() {
    let big: Vec<u8> = (0..100_000u32).map(|i| i as u8).collect();
    for (rx_len, step) in [(131, 1), (131, 77), (1024, 1000), (1024, 3)] {
        let wire =
            [frame(0x02, &big[..60_000], KEY), frame(0x89, b"?", KEY), frame(0x80, &big[60_000..], KEY)];
        let io = Script::new(&wire.concat(), step).gated();
        let mut ws = asynch::WebSocket::from_parts(
            io.clone(),
            session(Role::Server),
            Counter(0),
            vec![0; rx_len],
            [0; 256],
        )
        .unwrap();
        let mut got = vec![];
        loop {
            let Some(part) = once(ws.recv_part()) else { continue };
            let part = part.unwrap();
            assert_eq!((part.kind, part.first), (Kind::Binary, got.is_empty()));
            got.extend_from_slice(part.data);
            let (data, fin) = (part.data.to_vec(), part.fin);
            let mut sent = once(ws.send_part(Kind::Binary, &data, fin));
            while sent.is_none() {
                sent = once(ws.resume_part(Kind::Binary, &data, fin));
            }
            sent.unwrap().unwrap();
            if fin {
                break;
            }
        }
        assert!(got == big);
        let seen = frames(&io.output.borrow());
        let echoed: Vec<u8> =
            seen.iter().filter(|f| f.first & 8 == 0).flat_map(|f| f.payload.clone()).collect();
        assert!(echoed == big);
        assert_eq!(seen.iter().filter(|f| f.first & 0x80 != 0).count(), 2, "one FIN and one pong");
    }
}

#[test]
fn close_dropped_at_every_await() {
    for role in [Role::Client, Role::Server] {
        let key = if role == Role::Server { KEY } else { None };
        let wire =
            [frame(0x81, b"late", key), frame(0x89, b"?", key), frame(0x88, &close_body(4000, "why"), key)]
                .concat();
        for step in STEPS {
            let io = Script::new(&wire, step).gated();
            let mut ws =
                asynch::WebSocket::from_parts(io.clone(), session(role), Counter(0), [0; 512], [0; 256])
                    .unwrap();
            // Something is still to be written.
            while once(ws.feed("fed")).is_none() {}
            let closed = loop {
                if let Some(closed) = once(ws.close(CloseCode::GOING_AWAY, "bye")) {
                    break closed.unwrap();
                }
            };
            assert_eq!(closed, Closed { received: Some(CloseCode(4000)), sent: Some(CloseCode::GOING_AWAY) });
            assert_eq!(ws.close_reason(), "why");
            let seen: Vec<(u8, Vec<u8>)> =
                frames(&io.output.borrow()).into_iter().map(|frame| (frame.first, frame.payload)).collect();
            assert_eq!(seen, [(0x81, b"fed".to_vec()), (0x88, close_body(1001, "bye"))]);
            // Once more is no harm.
            assert_eq!(once(ws.close(CloseCode::NORMAL, "")), Some(Ok(closed)));
        }
    }
}
