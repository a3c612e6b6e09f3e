//! What is written: frames for messages of all sizes, several in one write, pongs to a peer that does not read.

use std::{cell::Cell, rc::Rc};

use embedded_io::ErrorKind;
use sockling::{Error, Kind, MIN_TX, Message, ProtocolError, Role};

use crate::support::{
    Counter, Script, Seen,
    drive::{Fail, Got, ROLES, Setup, TIMED_OUT, Ws, closed, patiently, wire},
    frame, frames,
};

/// Data frames of a wire, joined to messages: opcode, payload, number of frames.
fn messages(sent: &[Seen]) -> Vec<(u8, Vec<u8>, usize)> {
    let mut all: Vec<(u8, Vec<u8>, usize)> = vec![];
    let mut open = false;
    for frame in sent.iter().filter(|frame| frame.first & 8 == 0) {
        assert_eq!(frame.first & 0xF == 0, open, "a continuation inside of a message and nowhere else");
        if open {
            let last = all.last_mut().unwrap();
            last.1.extend(&frame.payload);
            last.2 += 1;
        } else {
            all.push((frame.first & 0xF, frame.payload.clone(), 1));
        }
        open = frame.first & 0x80 == 0;
    }
    assert!(!open, "the last message was finished");
    all
}

#[test]
fn messages_of_all_lengths() {
    for role in ROLES {
        for len in [0, 1, 100, 125, 126, 127, 131, 132, 1000, 0xFFFF, 0x1_0000] {
            let data: Vec<u8> = (0..len).map(|i| i as u8).collect();
            for tx in [MIN_TX, MIN_TX + 1, 300, 0xFFFF + 125 + 14, 0x1_0000 + 125 + 14] {
                let setup = Setup::new(role).tx(tx);
                setup.each(
                    || vec![Script::new(&[], 1 << 20), Script::new(&[], 77)],
                    |ws, io| {
                        ws.send(Message::Binary(&data)).unwrap();
                        ws.send(Message::UncheckedText(&data)).unwrap();
                        let all = messages(&setup.check_sent(io));
                        assert!(all.iter().map(|m| (m.0, &m.1)).eq([(2, &data), (1, &data)]), "{len}, {tx}");
                        // One frame where it fits.
                        assert!(all[0].2 == 1 || len + 14 + 125 > tx, "{len}, {tx}: {} frames", all[0].2);
                    },
                );
            }
        }
    }
}

#[test]
fn control_frames_of_all_lengths_and_send_buffers() {
    for role in ROLES {
        for len in 0..=125 {
            for tx in [MIN_TX, MIN_TX + 1, MIN_TX + 7, MIN_TX + 8, 1024] {
                let (setup, payload) = (Setup::new(role).tx(tx), vec![b'x'; len]);
                setup.each(
                    || vec![Script::new(&[], 1 << 20)],
                    |ws, io| {
                        // Also behind something that waits to be written.
                        ws.feed(Message::Text("fed")).unwrap();
                        ws.send(Message::Ping(&payload)).unwrap();
                        ws.send(Message::Pong(&payload)).unwrap();
                        let sent = setup.check_sent(io);
                        let control: Vec<(u8, &[u8])> =
                            sent[1..].iter().map(|f| (f.first, &f.payload[..])).collect();
                        assert_eq!(control, [(0x89, &payload[..]), (0x8A, &payload)], "{len}, {tx}");
                    },
                );
            }
        }
    }
}

#[test]
fn frames_are_exactly_these_bytes() {
    for role in ROLES {
        Setup::new(role).tx(1024).each_hanging(&[], |ws, io| {
            ws.send(Message::Text("Hello")).unwrap();
            ws.send(Message::Binary(&[7; 200])).unwrap();
            ws.send(Message::Ping(b"")).unwrap();
            assert_eq!(ws.close(1000, "bye"), Err(TIMED_OUT));
            // A key for each frame, also for an empty one.
            let mut keys = Counter(0);
            let mut key = || {
                let mut key = [0; 4];
                sockling::Random::fill(&mut keys, &mut key);
                (role == Role::Client).then_some(key)
            };
            let expected = [
                frame(0x81, b"Hello", key()),
                frame(0x82, &[7; 200], key()),
                frame(0x89, b"", key()),
                frame(0x88, b"\x03\xe8bye", key()),
            ];
            assert_eq!(*io.output.borrow(), expected.concat());
        });
    }
}

#[test]
fn a_message_in_parts() {
    let big = vec![b'b'; 700];
    for role in ROLES {
        let setup = Setup::new(role);
        setup.each_hanging(&wire(role, &[(0x89, b"between"), (0x81, b"and this")]), |ws, io| {
            for (data, fin) in [(&b"a"[..], false), (b"", false), (&big, false), (b"c", false)] {
                ws.send_part(Kind::Text, data, fin).unwrap();
            }
            assert_eq!(ws.recv(), Ok(Got::text("and this")));
            ws.send_part(Kind::Text, b"", true).unwrap();
            ws.send_part(Kind::Binary, b"whole", true).unwrap();
            let sent = setup.check_sent(io);
            let text = [b"a", &big[..], b"c"].concat();
            let all: Vec<(u8, Vec<u8>)> = messages(&sent).into_iter().map(|m| (m.0, m.1)).collect();
            assert_eq!(all, [(1, text), (2, b"whole".into())]);
            assert_eq!(sent.iter().filter(|frame| frame.first == 0x8A).count(), 1);
        });
    }
}

#[test]
fn fed_messages_go_out_in_one_write() {
    for role in ROLES {
        let setup = Setup::new(role).tx(1024);
        let transport = || vec![Script::new(&wire(role, &[(0x81, b"x")]), 1 << 20).hanging()];
        for end in ["flush", "send", "recv"] {
            setup.each(transport, |ws, io| {
                for text in ["one", "two", "three"] {
                    ws.feed(Message::Text(text)).unwrap();
                }
                assert_eq!(io.writes.get(), 0);
                match end {
                    "flush" => ws.flush().unwrap(),
                    "send" => ws.send(Message::Text("four")).unwrap(),
                    _ => assert_eq!(ws.recv(), Ok(Got::text("x"))),
                }
                assert_eq!(io.writes.get(), 1, "{end}");
                let texts: Vec<Vec<u8>> =
                    setup.check_sent(io).into_iter().map(|frame| frame.payload).collect();
                let expected = [&b"one"[..], b"two", b"three", b"four"];
                assert_eq!(texts, expected[..if end == "send" { 4 } else { 3 }]);
                // With nothing fed there is nothing to write.
                ws.flush().unwrap();
                assert_eq!(io.writes.get(), 1);
            });
        }
    }
}

#[test]
fn feeding_more_than_fits_writes_to_make_room() {
    for role in ROLES {
        let setup = Setup::new(role);
        setup.each_hanging(&[], |ws, io| {
            let all: Vec<String> = (0..200).map(|i| "x".repeat(i)).collect();
            for text in &all {
                ws.feed(Message::Text(text)).unwrap();
            }
            ws.flush().unwrap();
            let sent = messages(&setup.check_sent(io));
            assert!(sent.iter().map(|m| &m.1[..]).eq(all.iter().map(|text| text.as_bytes())));
        });
    }
}

/// "MAY elect to send a Pong frame for only the most recently processed Ping frame": a peer that pings and does not read
/// costs nothing, and does not keep this end from reading.
#[test]
fn pings_from_a_peer_that_does_not_read() {
    for role in ROLES {
        let setup = Setup::new(role);
        let mut input = vec![];
        for i in 0..1000u32 {
            input.extend(wire(role, &[(0x89, &[i.to_string().as_bytes(), &[b'.'; 100]].concat())]));
        }
        input.extend(wire(role, &[(0x81, b"still here")]));
        for step in [7, 1 << 20] {
            let io = Script::new(&input, step).hanging();
            let mut ws = setup.blocking(&io);
            io.room.set(0);
            assert_eq!(ws.recv().map(Got::from), Ok(Got::text("still here")), "reading goes on");
            assert_eq!(ws.recv().map(Got::from), Err(TIMED_OUT));
            io.room.set(usize::MAX);
            assert_eq!(ws.recv().map(Got::from), Err(TIMED_OUT));
            let sent = setup.check_sent(&io);
            assert!(sent.iter().all(|frame| frame.first == 0x8A));
            assert!((1..=2).contains(&sent.len()), "{} pongs", sent.len());
            assert!(
                sent.last().unwrap().payload.starts_with(b"999."),
                "the last pong answers the latest ping"
            );
        }
    }
}

#[test]
fn a_send_that_cannot_be_written_does_not_keep_from_reading() {
    for role in ROLES {
        let setup = Setup::new(role);
        let io = Script::new(&wire(role, &[(0x81, b"one"), (0x89, b"ping"), (0x81, b"two")]), 9).hanging();
        let mut ws = setup.blocking(&io);
        io.room.set(100);
        assert_eq!(ws.send(&[7; 1000]), Err(TIMED_OUT));
        assert_eq!(ws.recv().map(Got::from), Ok(Got::text("one")));
        assert_eq!(ws.recv().map(Got::from), Ok(Got::text("two")));
        io.room.set(usize::MAX);
        ws.resume_send(&[7; 1000]).unwrap();
        ws.flush().unwrap();
        let sent = setup.check_sent(&io);
        assert_eq!(messages(&sent).len(), 1);
        assert_eq!(messages(&sent)[0].1, [7; 1000]);
        assert_eq!(sent.iter().filter(|frame| frame.first == 0x8A).count(), 1);
    }
}

/// A transport that takes no byte of a write.
#[derive(Clone, Default)]
struct Full;

impl embedded_io::ErrorType for Full {
    type Error = ErrorKind;
}

impl embedded_io::Write for Full {
    fn write(&mut self, _: &[u8]) -> Result<usize, Self::Error> {
        Ok(0)
    }
    fn flush(&mut self) -> Result<(), Self::Error> {
        Ok(())
    }
}

impl embedded_io::Read for Full {
    fn read(&mut self, _: &mut [u8]) -> Result<usize, Self::Error> {
        Err(ErrorKind::TimedOut)
    }
}

#[test]
fn a_write_of_nothing_is_an_error() {
    for role in ROLES {
        let session = sockling::proto::Session::new(role, &sockling::Config::DEFAULT);
        let mut ws =
            sockling::blocking::WebSocket::from_parts(Full, session, Counter(0), [0; 200], [0; 256]).unwrap();
        assert_eq!(ws.send("Hello"), Err(Error::WriteZero));
        assert_eq!(ws.resume_send("Hello"), Err(Error::WriteZero));
        assert_eq!(ws.flush(), Err(Error::WriteZero));
        assert_eq!(ws.recv(), Err(Error::WriteZero));
        assert_eq!(ws.close(sockling::CloseCode::NORMAL, ""), Err(Error::WriteZero));
    }
}

#[test]
fn closing_with_something_to_be_sent() {
    for role in ROLES {
        let setup = Setup::new(role);
        setup.each_hanging(&[], |ws, io| {
            ws.feed(Message::Text("fed")).unwrap();
            io.room.set(150);
            assert_eq!(ws.send(Message::Binary(&[7; 1000])), Err(TIMED_OUT));
            assert_eq!(ws.close(4000, &"r".repeat(123)), Err(TIMED_OUT));
            io.room.set(usize::MAX);
            assert_eq!(ws.close(4000, &"r".repeat(123)), Err(TIMED_OUT));
            let sent = setup.check_sent(io);
            assert_eq!((sent[0].first, &sent[0].payload[..]), (0x81, &b"fed"[..]));
            assert_eq!(sent.last().unwrap().first, 0x88);
            assert!(
                sent[1..sent.len() - 1].iter().all(|frame| frame.first & 0x80 == 0),
                "the message stays unfinished"
            );
        });
    }
}

/// A frame waits for room even if it has no payload: nothing of it may get lost in a full buffer.
#[test]
fn empty_frames_behind_a_full_buffer() {
    for role in ROLES {
        for fed in 100..=131 {
            for closes in [false, true] {
                Setup::new(role).tx(MIN_TX).each_hanging(&[], |ws, io| {
                    ws.feed(Message::Binary(&vec![7; fed])).unwrap();
                    if closes {
                        assert_eq!(ws.close(1005, ""), Err(TIMED_OUT));
                    } else {
                        ws.feed(Message::Text("")).unwrap();
                        ws.send(Message::Pong(b"")).unwrap();
                    }
                    let sent: Vec<u8> = frames(&io.output.borrow()).iter().map(|f| f.first).collect();
                    let last: &[u8] = if closes { &[0x88] } else { &[0x81, 0x8A] };
                    assert!(sent.ends_with(last), "{fed}: {sent:x?}");
                });
            }
        }
    }
}

/// A transport whose writes fail, so many of them: the peer has sent all that it had to say, and is gone.
#[derive(Clone)]
struct Gone(Script, Rc<Cell<usize>>);

impl Gone {
    fn write(&mut self, buf: &[u8]) -> Result<usize, ErrorKind> {
        match self.1.get() {
            0 => embedded_io::Write::write(&mut self.0, buf),
            left => {
                self.1.set(left - 1);
                Err(ErrorKind::BrokenPipe)
            }
        }
    }
}

impl embedded_io::ErrorType for Gone {
    type Error = ErrorKind;
}

impl embedded_io::Read for Gone {
    fn read(&mut self, buf: &mut [u8]) -> Result<usize, ErrorKind> {
        embedded_io::Read::read(&mut self.0, buf)
    }
}

impl embedded_io::Write for Gone {
    fn write(&mut self, buf: &[u8]) -> Result<usize, ErrorKind> {
        self.write(buf)
    }
    fn flush(&mut self) -> Result<(), ErrorKind> {
        Ok(())
    }
}

impl embedded_io_async::Read for Gone {
    async fn read(&mut self, buf: &mut [u8]) -> Result<usize, ErrorKind> {
        embedded_io_async::Read::read(&mut self.0, buf).await
    }
}

impl embedded_io_async::Write for Gone {
    async fn write(&mut self, buf: &[u8]) -> Result<usize, ErrorKind> {
        self.write(buf)
    }
    async fn flush(&mut self) -> Result<(), ErrorKind> {
        Ok(())
    }
}

/// Receives until something else than a message comes.
fn rest(mut recv: impl FnMut() -> Result<Got, Fail>) -> (Vec<Got>, Fail) {
    let mut got = vec![];
    loop {
        match recv() {
            Ok(message) => got.push(message),
            Err(error) => return (got, error),
        }
    }
}

#[test]
fn a_pong_that_cannot_be_written_does_not_lose_what_came_before_the_end() {
    let said: [(u8, &[u8]); 4] = [(0x89, b"1"), (0x81, b"one"), (0x89, b"2"), (0x81, b"two")];
    let close = [3, 233, b'b', b'y', b'e'];
    let messages = vec![Got::text("one"), Got::text("two")];
    for role in ROLES {
        let (setup, lost) = (Setup::new(role), wire(role, &said));
        let ended = [lost.clone(), wire(role, &[(0x88, &close)])].concat();
        let broken = [lost.clone(), wire(role, &[(0x83, b"")])].concat();
        for (input, end) in [
            (&ended, Error::Closed(closed(1001, 1001))),
            (&broken, Error::Protocol(ProtocolError::ReservedOpcode(3))),
            (&lost, Error::ConnectionLost),
        ] {
            for step in setup.steps {
                let io = || Gone(Script::new(input, *step), Rc::new(Cell::new(usize::MAX)));
                let (mut blocking, mut asynch) = (setup.blocking(&io()), setup.asynch(&io()));
                let both: [&mut dyn Ws; 2] = [&mut blocking, &mut asynch];
                for ws in both {
                    assert_eq!(rest(|| ws.recv()), (messages.clone(), end), "{step}");
                    // It is over for every other call, too.
                    if input != &lost {
                        assert_eq!(ws.send(Message::Text("late")), Err(end), "{step}");
                    }
                }
                #[cfg(feature = "std")]
                {
                    let (mut reader, _writer) = setup.blocking(&io()).split(|io| (io.clone(), io));
                    assert_eq!(rest(|| reader.recv().map(Got::from)), (messages.clone(), end));
                }
                let mut ws = setup.asynch(&io());
                let mut split = ws.split(|io| (io.clone(), io.clone()));
                let (mut reader, _writer) = split.halves();
                let recv = || patiently(async { reader.recv().await.map(Got::from) });
                assert_eq!(rest(recv), (messages.clone(), end));
            }
        }
        // A transport that recovers is one that works.
        for failures in 0..10 {
            let io = || Gone(Script::new(&lost, 9), Rc::new(Cell::new(failures)));
            let (mut blocking, mut asynch) = (setup.blocking(&io()), setup.asynch(&io()));
            let both: [&mut dyn Ws; 2] = [&mut blocking, &mut asynch];
            for ws in both {
                let (got, end) = rest(|| ws.recv());
                assert_eq!(got, messages);
                assert_eq!(end, Error::ConnectionLost);
            }
        }
    }
}
