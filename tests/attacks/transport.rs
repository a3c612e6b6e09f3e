//! Rows about transports: ones that lie, stall, or break.

use embedded_io::ErrorKind;
use sockling::{
    CloseCode, Config, Error, HandshakeError, Kind, Message, MisuseError, Request, Role, asynch, blocking,
    handshake::Response, proto::Session,
};

use crate::support::{
    Counter, Script, block_on, close_body,
    drive::{Got, ROLES, STEPS, Setup, TIMED_OUT, Ws, closed, key, wire},
    frame, frames, open,
};

/// A transport that says it moved other counts than it was given room for.
#[derive(Clone, Copy, Debug)]
struct Liar {
    read: fn(usize) -> usize,
    write: fn(usize) -> usize,
}

impl embedded_io::ErrorType for Liar {
    type Error = ErrorKind;
}

impl embedded_io::Read for Liar {
    fn read(&mut self, buf: &mut [u8]) -> Result<usize, ErrorKind> {
        buf.fill(0x82);
        Ok((self.read)(buf.len()))
    }
}

impl embedded_io::Write for Liar {
    fn write(&mut self, buf: &[u8]) -> Result<usize, ErrorKind> {
        Ok((self.write)(buf.len()))
    }
    fn flush(&mut self) -> Result<(), ErrorKind> {
        Ok(())
    }
}

impl embedded_io_async::Read for Liar {
    async fn read(&mut self, buf: &mut [u8]) -> Result<usize, ErrorKind> {
        embedded_io::Read::read(self, buf)
    }
}

impl embedded_io_async::Write for Liar {
    async fn write(&mut self, buf: &[u8]) -> Result<usize, ErrorKind> {
        embedded_io::Write::write(self, buf)
    }
    async fn flush(&mut self) -> Result<(), ErrorKind> {
        Ok(())
    }
}

const LIES: [fn(usize) -> usize; 4] = [|len| len + 1, |len| len + 1000, |_| usize::MAX, |_| usize::MAX / 2];

#[test]
fn row_27_impossible_counts_in_a_session() {
    let impossible = Error::Misuse(MisuseError::ImpossibleCount);
    let test = |ws: &mut dyn Ws, writes: bool| {
        // Again and again: no panic, and no more than an error.
        for _ in 0..3 {
            if writes {
                assert_eq!(ws.resume_send(Message::Text("Hello")), Err(impossible));
                assert_eq!(ws.flush(), Err(impossible));
                assert_eq!(ws.recv(), Err(impossible));
            } else {
                assert_eq!(ws.recv(), Err(impossible));
                assert_eq!(ws.recv_part(), Err(impossible));
            }
        }
        if !writes {
            assert_eq!(ws.send(Message::Text("Hello")), Ok(()));
        }
        assert_eq!(ws.close(1000, "bye"), Err(impossible));
        assert_eq!(ws.recv(), Err(impossible));
    };
    for role in ROLES {
        for lie in LIES {
            for (io, writes) in
                [(Liar { read: lie, write: |len| len }, false), (Liar { read: |len| len, write: lie }, true)]
            {
                test(&mut Setup::new(role).blocking(&io), writes);
                test(&mut Setup::new(role).asynch(&io), writes);
            }
        }
    }
}

#[test]
fn row_27_impossible_counts_in_a_handshake() {
    let impossible = Some(Error::Misuse(MisuseError::ImpossibleCount));
    let request = Request::new("server.example", "/");
    for lie in LIES {
        for io in [Liar { read: lie, write: |len| len }, Liar { read: |len| len, write: lie }] {
            let end = blocking::connect(io, &request, Counter(0), [0; 200], [0; 300]).err();
            let malformed = matches!(
                end,
                Some(Error::Handshake(HandshakeError::Malformed(_) | HandshakeError::LineTooLong))
            );
            assert!(end == impossible || malformed, "{end:?}");
            let end = block_on(asynch::connect(io, &request, Counter(0), [0; 200], [0; 300])).err();
            assert!(end == impossible || matches!(end, Some(Error::Handshake(_))), "{end:?}");
        }
        let io = Liar { read: lie, write: |len| len };
        let accept = |_: &sockling::handshake::RequestHead<'_>| Response::accept();
        assert_eq!(blocking::accept(io, &Config::DEFAULT, [0; 200], [0; 300], accept).err(), impossible);
        assert_eq!(
            block_on(asynch::accept(io, &Config::DEFAULT, [0; 200], [0; 300], accept)).err(),
            impossible
        );
    }
}

/// "only initialised bytes leave": what is offered to be written is what was put, never the rest of the buffer.
#[test]
fn row_27_short_writes() {
    for role in ROLES {
        let mut whole: Option<Vec<u8>> = None;
        for step in [1, 2, 3, 13, 1 << 20] {
            let io = Script::new(&wire(role, &[(0x89, b"ping"), (0x81, b"x")]), step).hanging();
            let session = Session::new(role, &Config::DEFAULT);
            // A byte that would be conspicuous.
            let tx = vec![0xEE; 300];
            let mut ws =
                blocking::WebSocket::from_parts(io.clone(), session, Counter(0), [0; 200], tx).unwrap();
            ws.send("Hello").unwrap();
            ws.feed(&[1, 2, 3]).unwrap();
            ws.recv().unwrap();
            ws.send(&[0; 1000]).unwrap();
            assert_eq!(ws.close(CloseCode::NORMAL, "bye"), Err(TIMED_OUT));
            let output = io.output.borrow().clone();
            assert_eq!(frames(&output).iter().filter(|frame| frame.first == 0x8A).count(), 1);
            assert_eq!(*whole.get_or_insert(output.clone()), output, "{step}");
        }
    }
}

/// `read` returning 0 is the end, and so is `write` returning 0: neither is asked again and again.
#[test]
fn row_28_a_transport_that_moves_nothing() {
    for role in ROLES {
        let io = Liar { read: |_| 0, write: |len| len };
        assert_eq!(Ws::recv(&mut Setup::new(role).blocking(&io)), Err(Error::ConnectionLost));
        assert_eq!(Ws::recv(&mut Setup::new(role).asynch(&io)), Err(Error::ConnectionLost));
        assert_eq!(Ws::close(&mut Setup::new(role).blocking(&io), 1000, ""), Ok(closed(None, 1000)));
        let io = Liar { read: |_| 0, write: |_| 0 };
        assert_eq!(Ws::send(&mut Setup::new(role).blocking(&io), Message::Text("")), Err(Error::WriteZero));
        assert_eq!(Ws::send(&mut Setup::new(role).asynch(&io), Message::Text("")), Err(Error::WriteZero));
    }
    let request = Request::new("server.example", "/");
    let end =
        blocking::connect(Liar { read: |_| 0, write: |_| 0 }, &request, Counter(0), [0; 200], [0; 300]).err();
    assert_eq!(end, Some(Error::WriteZero));
    let end =
        blocking::connect(Liar { read: |_| 0, write: |len| len }, &request, Counter(0), [0; 200], [0; 300]);
    assert_eq!(end.err(), Some(Error::Handshake(HandshakeError::UnexpectedEof)));
}

/// Timed out, or dropped, at every byte of a conversation; tests/cancel.rs does more of it.
#[test]
fn row_39_interrupted_at_every_byte() {
    for role in ROLES {
        let input = wire(
            role,
            &[(0x01, b"Hel"), (0x89, b"?"), (0x80, b"lo"), (0x82, &[7; 300]), (0x88, &close_body(1000, ""))],
        );
        Setup::new(role).each(
            || STEPS.map(|step| Script::new(&input, step).gated()).into(),
            |ws, io| {
                let mut got = vec![];
                let end = loop {
                    match ws.recv() {
                        Ok(message) => got.push(message),
                        Err(TIMED_OUT) => {}
                        Err(end) => break end,
                    }
                };
                assert_eq!(got, [Got::text("Hello"), Got::Binary(vec![7; 300])]);
                assert_eq!(end, Error::Closed(closed(1000, 1000)));
                let sent: Vec<(u8, Vec<u8>)> = frames(&io.output.borrow())
                    .into_iter()
                    .map(|frame| (frame.first, frame.payload))
                    .collect();
                assert_eq!(sent, [(0x8A, b"?".to_vec()), (0x88, close_body(1000, ""))]);
            },
        );
    }
}

/// The machines of the handshake know nothing of futures: a driver may be dropped and another go on.
#[test]
fn row_39_handshake_interrupted_at_every_byte() {
    use sockling::handshake::{ClientHandshake, ServerHandshake, ServerStep, Step};
    let request = Request::new("server.example", "/chat");
    for step in STEPS {
        let mut io =
            Script::new(&[open::response(""), wire(Role::Client, &[(0x81, b"early")])].concat(), step)
                .gated();
        let (mut rx, mut tx) = ([0; 200], [0; 300]);
        let mut handshake = ClientHandshake::new(&request, &mut Counter(0)).unwrap();
        let mut interrupted = 0;
        loop {
            use embedded_io::{Read, Write};
            let moved = match handshake.poll(&mut rx, &mut tx, &mut |_| {}).unwrap() {
                Step::Transmit => io.write(handshake.pending(&tx)).map(|n| handshake.sent(n).unwrap()),
                Step::Flush => io.flush().map(|()| handshake.flushed()),
                Step::Receive => io.read(handshake.space(&mut rx)).map(|n| handshake.received(n).unwrap()),
                Step::Done => break,
            };
            interrupted += usize::from(moved == Err(ErrorKind::TimedOut));
        }
        assert!(interrupted >= 2);
        let mut ws = blocking::WebSocket::from_parts(
            io,
            Session::with_early(Role::Client, &Config::DEFAULT, handshake.early()),
            Counter(0),
            rx,
            tx,
        )
        .unwrap();
        let got = loop {
            match ws.recv() {
                Ok(message) => break Got::from(message),
                Err(error) => assert_eq!(error, TIMED_OUT),
            }
        };
        assert_eq!(got, Got::text("early"));

        let mut io = Script::new(&open::request(""), step).gated();
        let mut rx = [0; 400];
        let mut handshake = ServerHandshake::new(Config::DEFAULT.limits);
        loop {
            use embedded_io::{Read, Write};
            let _ = match handshake.poll(&mut rx, &mut tx).unwrap() {
                ServerStep::Request => {
                    handshake.respond(Response::accept(), &rx).unwrap();
                    Ok(())
                }
                ServerStep::Transmit => io.write(handshake.pending(&tx)).map(|n| handshake.sent(n).unwrap()),
                ServerStep::Flush => io.flush().map(|()| handshake.flushed()),
                ServerStep::Receive => {
                    io.read(handshake.space(&mut rx)).map(|n| handshake.received(n).unwrap())
                }
                ServerStep::Done => break,
            };
        }
        assert_eq!(*io.output.borrow(), open::response(""));
    }
}

/// An async handshake whose future is dropped takes the transport with it; one that is awaited loses nothing.
#[test]
fn row_39_async_handshake_pending_at_every_call() {
    let request = Request::new("server.example", "/chat");
    for step in STEPS {
        let io = Script::new(&[open::response(""), wire(Role::Client, &[(0x81, b"early")])].concat(), step)
            .gated();
        let mut ws = block_on(asynch::connect(io, &request, Counter(0), [0; 200], [0; 300])).unwrap();
        assert_eq!(block_on(ws.recv()).map(Got::from), Ok(Got::text("early")));
        let io =
            Script::new(&[open::request(""), wire(Role::Server, &[(0x81, b"early")])].concat(), step).gated();
        let accepted = asynch::accept(io, &Config::DEFAULT, [0; 400], [0; 300], |_| Response::accept());
        let mut ws = block_on(accepted).unwrap();
        assert_eq!(block_on(ws.recv()).map(Got::from), Ok(Got::text("early")));
    }
}

/// A whole exchange: opening, messages both ways, closing.
fn exchange(role: Role, io: &Script, is_async: bool) -> (Vec<Got>, Option<usize>, Option<Error<ErrorKind>>) {
    fn talk(ws: &mut dyn Ws) -> (Vec<Got>, Option<usize>, Option<Error<ErrorKind>>) {
        let mut got = vec![];
        let end = (|| {
            ws.send(Message::Text("Hello"))?;
            got.push(ws.recv()?);
            ws.send(Message::Binary(&[7; 500]))?;
            got.push(ws.recv()?);
            ws.send_part(Kind::Text, b"bye", true)?;
            ws.close(1000, "bye").map(|_| ())
        })();
        (got, ws.session().interrupted(), end.err())
    }
    let request = Request::new("server.example", "/chat");
    let (rx, tx) = (vec![0; 400], vec![0; 300]);
    let decide = |_: &sockling::handshake::RequestHead<'_>| Response::accept();
    let io = io.clone();
    let failed = |error| (vec![], None, Some(error));
    match (role, is_async) {
        (Role::Client, false) => {
            blocking::connect(io, &request, Counter(0), rx, tx).map_or_else(failed, |mut ws| talk(&mut ws))
        }
        (Role::Client, true) => block_on(asynch::connect(io, &request, Counter(0), rx, tx))
            .map_or_else(failed, |mut ws| talk(&mut ws)),
        (Role::Server, false) => {
            blocking::accept(io, &Config::DEFAULT, rx, tx, decide).map_or_else(failed, |mut ws| talk(&mut ws))
        }
        (Role::Server, true) => block_on(asynch::accept(io, &Config::DEFAULT, rx, tx, decide))
            .map_or_else(failed, |mut ws| talk(&mut ws)),
    }
}

#[test]
fn row_40_reset_at_every_byte() {
    let expected = [Got::text("one"), Got::Binary(vec![2; 200])];
    for role in ROLES {
        let opening = if role == Role::Client { open::response("") } else { open::request("") };
        let key = key(role);
        let input = [
            opening,
            frame(0x81, b"one", key),
            frame(0x89, b"ping", key),
            frame(0x82, &[2; 200], key),
            frame(0x88, &close_body(1000, ""), key),
        ]
        .concat();
        for is_async in [false, true] {
            let io = Script::new(&input, 1 << 20);
            let (got, _, end) = exchange(role, &io, is_async);
            assert_eq!((&got[..], end), (&expected[..], None));
            let all = input.len() + io.output.borrow().len();
            for at in 0..all {
                for step in [3, 1 << 20] {
                    let io = Script::new(&input, step).failing_at(at);
                    let (got, interrupted, end) = exchange(role, &io, is_async);
                    assert!(expected.starts_with(&got), "{at}");
                    match end {
                        // The last bytes are not waited for.
                        None => assert_eq!(got.len(), 2, "{at}"),
                        Some(end) => {
                            assert_eq!(end, Error::Io(ErrorKind::ConnectionReset), "{at}");
                            // What is cut off in the middle says how much of it was taken.
                            let cut = frames_begun(role, &io.output.borrow());
                            assert!(interrupted.is_some() || !cut, "{at}");
                        }
                    }
                }
            }
        }
    }
}

/// Whether the wire ends inside of a data frame.
fn frames_begun(role: Role, wire: &[u8]) -> bool {
    let Some(head) = wire.windows(4).position(|four| four == b"\r\n\r\n") else { return false };
    let mut rest = &wire[head + 4..];
    let key_len = if role == Role::Client { 4 } else { 0 };
    while let [first, second, ..] = rest {
        let (header, len) = match second & 0x7F {
            126 if rest.len() < 4 => return true,
            126 => (4, usize::from(u16::from_be_bytes([rest[2], rest[3]]))),
            len => (2, len.into()),
        };
        match rest.get(header + key_len + len..) {
            Some(after) => rest = after,
            None => return first & 8 == 0,
        }
    }
    false
}
