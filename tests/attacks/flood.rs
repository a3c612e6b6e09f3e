//! Rows about amounts: memory stays flat and time linear, whatever comes.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    time::{Duration, Instant},
};

use embedded_io::ErrorKind;
use sockling::{Error, Message, ProtocolError, Role, proto};

use crate::support::{
    Counter, block_on, close_body,
    drive::{Fail, Got, ROLES, Setup, TIMED_OUT, Ws, closed, key, wire},
    frame, frames, once,
};

/// A peer that sends `head`, `count` times `unit`, and `tail`, at most `step` bytes a read, and no more than it is asked
/// for. It holds none of it in memory.
#[derive(Clone, Debug)]
pub struct Flood {
    pub head: Vec<u8>,
    pub unit: Vec<u8>,
    pub count: usize,
    pub tail: Vec<u8>,
    pub step: usize,
    /// A deaf peer reads nothing.
    pub deaf: Rc<Cell<bool>>,
    pub read: Rc<Cell<usize>>,
    pub output: Rc<RefCell<Vec<u8>>>,
}

impl Flood {
    pub fn new(head: Vec<u8>, unit: Vec<u8>, count: usize, tail: Vec<u8>, step: usize) -> Self {
        Self {
            head,
            unit,
            count,
            tail,
            step,
            deaf: Rc::default(),
            read: Rc::default(),
            output: Rc::default(),
        }
    }

    fn fill(&self, buf: &mut [u8]) -> usize {
        let len = buf.len().min(self.step);
        let (mut filled, mut at) = (0, self.read.get());
        while filled < len {
            let middle = at.saturating_sub(self.head.len());
            let rest = match at.checked_sub(self.head.len() + self.unit.len() * self.count) {
                _ if at < self.head.len() => &self.head[at..],
                None => &self.unit[middle % self.unit.len()..],
                Some(at) if at < self.tail.len() => &self.tail[at..],
                Some(_) => break,
            };
            let n = rest.len().min(len - filled);
            buf[filled..filled + n].copy_from_slice(&rest[..n]);
            (filled, at) = (filled + n, at + n);
        }
        self.read.set(at);
        filled
    }

    fn take(&self, buf: &[u8]) -> usize {
        self.output.borrow_mut().extend_from_slice(buf);
        buf.len()
    }
}

impl embedded_io::ErrorType for Flood {
    type Error = ErrorKind;
}

impl embedded_io::Read for Flood {
    fn read(&mut self, buf: &mut [u8]) -> Result<usize, ErrorKind> {
        match self.fill(buf) {
            0 => Err(ErrorKind::TimedOut),
            n => Ok(n),
        }
    }
}

impl embedded_io::Write for Flood {
    fn write(&mut self, buf: &[u8]) -> Result<usize, ErrorKind> {
        if self.deaf.get() { Err(ErrorKind::TimedOut) } else { Ok(self.take(buf)) }
    }
    fn flush(&mut self) -> Result<(), ErrorKind> {
        Ok(())
    }
}

impl embedded_io_async::Read for Flood {
    async fn read(&mut self, buf: &mut [u8]) -> Result<usize, ErrorKind> {
        match self.fill(buf) {
            0 => std::future::pending().await,
            n => Ok(n),
        }
    }
}

impl embedded_io_async::Write for Flood {
    async fn write(&mut self, buf: &[u8]) -> Result<usize, ErrorKind> {
        if self.deaf.get() { std::future::pending().await } else { Ok(self.take(buf)) }
    }
    async fn flush(&mut self) -> Result<(), ErrorKind> {
        Ok(())
    }
}

/// Runs with both drivers; each may take some seconds, where quadratic time would be minutes.
fn each(setup: &Setup, flood: impl Fn() -> Flood, test: impl Fn(&mut dyn Ws, &Flood)) {
    let begun = Instant::now();
    let io = flood();
    test(&mut setup.blocking(&io), &io);
    let io = flood();
    test(&mut setup.asynch(&io), &io);
    assert!(begun.elapsed() < Duration::from_secs(60), "{:?}", begun.elapsed());
}

/// Nothing is reserved for an announced length.
#[cfg(feature = "std")]
#[test]
fn row_07_announced_length() {
    use sockling::{Config, Growing, asynch, blocking, proto::Session};
    const LIMIT: usize = 64 << 20;
    for role in ROLES {
        for (received, most) in [(0, 4096), (10, 4096), (4096, 8192), (100_000, 200_000)] {
            for first in [0x82, 0x02] {
                let announced = [crate::frames::announced(role, first, 60 << 20), vec![7; received]].concat();
                let flood = || Flood::new(announced.clone(), vec![0], 0, vec![], 5000);
                let growing = || Growing::new(4096, LIMIT);
                let session = || Session::new(role, &Config::DEFAULT);
                let mut ws =
                    blocking::WebSocket::from_parts(flood(), session(), Counter(0), growing(), [0; 256])
                        .unwrap();
                assert_eq!(ws.recv().map(Got::from), Err(TIMED_OUT));
                let (io, _, _, rx, _, _) = ws.into_parts();
                let len = sockling::Buffer::bytes(&rx).len();
                assert!(len <= most, "{len} bytes for {received}");
                assert_eq!(io.read.get(), announced.len());

                let mut ws =
                    asynch::WebSocket::from_parts(flood(), session(), Counter(0), growing(), [0; 256])
                        .unwrap();
                assert!(once(ws.recv()).is_none());
                let len = sockling::Buffer::bytes(&ws.into_parts().3).len();
                assert!(len <= most, "{len} bytes for {received}");
            }
        }
    }
}

/// It grows for what is really there, up to its limit.
#[cfg(feature = "std")]
#[test]
fn row_07_received_length() {
    use sockling::{Config, Growing, blocking, proto::Session};
    for role in ROLES {
        for (len, fits) in [(0, true), (5000, true), (100_000, true), (100_001, false), (200_000, false)] {
            let input = wire(role, &[(0x82, &vec![7; len])]);
            let io = Flood::new(input, vec![0], 0, vec![], 3000);
            let session = Session::new(role, &Config::DEFAULT);
            let rx = Growing::new(200, 100_000);
            let mut ws = blocking::WebSocket::from_parts(io, session, Counter(0), rx, [0; 256]).unwrap();
            match ws.recv() {
                Ok(Message::Binary(data)) => {
                    assert!(fits && data.len() == len && data.iter().all(|byte| *byte == 7))
                }
                other => assert!(
                    !fits && other == Err(Error::Protocol(ProtocolError::MessageTooLarge)),
                    "{other:?}"
                ),
            }
        }
    }
}

#[test]
fn row_08_a_million_empty_fragments() {
    const COUNT: usize = 1_000_000;
    for (role, step, count) in [
        (Role::Client, 1, COUNT / 20),
        (Role::Server, 1, COUNT / 40),
        (Role::Client, 4096, COUNT),
        (Role::Server, 4096, COUNT / 10),
    ] {
        let setup = Setup::new(role).rx(5000).config(|config| config.limits.max_fragments = u32::MAX);
        let flood = || {
            // Much is held already, and must not be moved for each fragment.
            let begin = frame(0x02, &[1; 4000], key(role));
            let end = wire(role, &[(0x80, b"end"), (0x81, b"next")]);
            Flood::new(begin, frame(0x00, b"", key(role)), count, end, step)
        };
        each(&setup, flood, |ws, _| {
            let Ok(Got::Binary(data)) = ws.recv() else { panic!("no message") };
            assert_eq!(data, [&[1; 4000][..], b"end"].concat());
            assert_eq!(ws.recv(), Ok(Got::text("next")));
        });
    }
}

#[test]
fn row_08_fragments_are_counted_also_empty_ones() {
    for role in ROLES {
        let setup = Setup::new(role).rx(5000);
        let flood = || {
            Flood::new(frame(0x01, b"", key(role)), frame(0x00, b"", key(role)), 1_000_000, vec![], 1 << 20)
        };
        let max = setup.config.limits.max_fragments as usize;
        each(&setup, flood, |ws, io| {
            assert_eq!(ws.recv(), Err(Error::Protocol(ProtocolError::TooManyFragments)));
            let most = (max + 1) * io.unit.len() + 5000;
            assert!(io.read.get() <= most, "{} bytes read", io.read.get());
            assert_eq!(frames(&io.output.borrow())[0].payload, close_body(1008, ""));
        });
        if role == Role::Server {
            continue;
        }
        // In parts they are as many.
        let mut ws = setup.blocking(&flood());
        assert_eq!(ws.recv_part().err(), Some(Error::Protocol(ProtocolError::TooManyFragments)));
    }
}

#[test]
fn row_08_tiny_fragments() {
    for role in ROLES {
        let (len, setup) = (20_000, Setup::new(role).rx(25_000));
        for step in [1, 1 << 20] {
            let flood = || {
                let begin = frame(0x01, b"", key(role));
                Flood::new(begin, frame(0x00, b"x", key(role)), len, frame(0x80, b"", key(role)), step)
            };
            each(&setup, flood, |ws, _| assert_eq!(ws.recv(), Ok(Got::Text("x".repeat(len)))));
        }
    }
}

const PINGS: usize = 500_000;

fn pings(role: Role) -> Flood {
    let end = wire(role, &[(0x89, b"latest"), (0x81, b"alive")]);
    Flood::new(vec![], frame(0x89, b"ping", key(role)), PINGS, end, 1 << 20)
}

/// What reached the peer once it reads: at most the pong that was under way, and that to the latest ping.
fn check_pongs(output: &[u8]) {
    let sent = frames(output);
    assert!((1..=40).contains(&sent.len()), "{} frames", sent.len());
    assert!(sent.iter().all(|frame| frame.first == 0x8A));
    assert_eq!(sent.last().unwrap().payload, b"latest");
}

#[test]
fn row_13_pings_from_a_peer_that_never_reads() {
    for role in ROLES {
        let setup = Setup::new(role).rx(4096);
        let io = pings(role);
        io.deaf.set(true);
        let mut ws = setup.blocking(&io);
        assert_eq!(ws.recv().map(Got::from), Ok(Got::text("alive")));
        io.deaf.set(false);
        ws.flush().unwrap();
        check_pongs(&io.output.borrow());
        let (_, _, _, rx, tx, _) = ws.into_parts();
        assert_eq!((rx.len(), tx.len()), (4096, 256), "memory is what was given");
    }
}

/// The async connection waits, in its one task, for the peer to read: it takes no more than it can answer.
#[test]
fn row_13_async() {
    let role = Role::Client;
    let (setup, io) = (Setup::new(role).rx(4096), pings(role));
    io.deaf.set(true);
    let mut ws = setup.asynch(&io);
    for _ in 0..100 {
        assert!(once(ws.recv()).is_none());
    }
    assert!(io.read.get() <= 4096, "{} bytes read", io.read.get());
}

/// Its two halves go on reading.
#[test]
fn row_13_async_halves() {
    let role = Role::Client;
    let (setup, io) = (Setup::new(role).rx(4096), pings(role));
    io.deaf.set(true);
    let mut ws = setup.asynch(&io);
    let mut split = ws.split(|io| (io.clone(), io.clone()));
    let (mut reader, mut writer) = split.halves();
    assert_eq!(once(reader.recv()).unwrap().map(Got::from), Ok(Got::text("alive")));
    assert!(once(writer.send("stuck")).is_none());
    io.deaf.set(false);
    assert_eq!(block_on(writer.resume_send("stuck")), Ok(()));
    let _ = once(reader.recv());
    let sent = frames(&io.output.borrow());
    let pongs: Vec<&[u8]> = sent.iter().filter(|f| f.first == 0x8A).map(|f| &f.payload[..]).collect();
    assert!((1..=40).contains(&pongs.len()), "{} pongs", pongs.len());
    assert_eq!(pongs.last(), Some(&&b"latest"[..]));
}

#[test]
fn row_14_sending_to_a_peer_that_never_reads() {
    let big = vec![7; 1 << 20];
    for role in ROLES {
        let setup = Setup::new(role);
        let flood = || {
            let io = Flood::new(vec![], vec![0], 0, vec![], 1);
            io.deaf.set(true);
            io
        };
        each(&setup, flood, |ws, io| {
            let fed = (0..1000).take_while(|_| ws.feed(Message::Binary(b"a little")).is_ok()).count();
            assert!(fed <= 256 / 10, "{fed}");
            assert_eq!(ws.flush(), Err(TIMED_OUT));
            for _ in 0..1000 {
                assert!(ws.feed(Message::Binary(&big)).is_err());
                assert!(ws.send_part(sockling::Kind::Text, &big, false).is_err());
            }
            assert_eq!(*io.output.borrow(), b"");
        });
        let io = flood();
        let mut ws = setup.blocking(&io);
        assert_eq!(ws.send(&big[..]), Err(TIMED_OUT));
        assert_eq!(ws.into_parts().4.len(), 256);
    }
}

/// After a close frame, ours or the peer's, endless data is dropped without being kept, up to the deadline.
#[test]
fn row_25_data_after_close_without_end() {
    for role in ROLES {
        let data = frame(0x82, &[7; 1000], key(role));
        let (mut rx, mut tx, mut keys) = (vec![0; 4096], vec![0; 256], Counter(0));
        let mut session = proto::Session::new(role, &sockling::Config::DEFAULT);
        let mut io = Flood::new(vec![], data, usize::MAX >> 20, vec![], 1000);
        let (start, mut now) = (Duration::from_secs(1000), Duration::from_secs(1000));
        let end = loop {
            match session.poll_close(&mut rx, &mut tx, &mut keys, &mut (), 1000.into(), "").unwrap() {
                proto::Step::Transmit => {
                    let n = io.take(session.pending(&tx));
                    session.sent(n).unwrap();
                }
                proto::Step::Flush => session.flushed(),
                proto::Step::Receive => {
                    let n = embedded_io::Read::read(&mut io, session.space(&mut rx)).unwrap();
                    session.received(n, rx.len()).unwrap();
                }
                proto::Step::Closed(closed) => break closed,
                step => panic!("{step:?}"),
            }
            session.handle_timeout(now);
            now += Duration::from_millis(1);
        };
        assert_eq!(end, closed(None, 1000));
        assert_eq!((now - start).as_millis() - 1, 5000);
    }
}

/// The same through the drivers; a transport with a deadline of its own times out.
#[test]
fn row_25_a_peer_that_never_closes() {
    for role in ROLES {
        let setup = Setup::new(role);
        let data = frame(0x82, &[7; 100], key(role));
        for (head, received) in [(vec![], None), (wire(role, &[(0x88, &close_body(1001, ""))]), Some(1001))] {
            let flood = || Flood::new(head.clone(), data.clone(), 1000, vec![], 77);
            each(&setup, flood, |ws, io| {
                let end = ws.close(1000, "");
                if role == Role::Server && received.is_some() {
                    // Closes TCP first, and reads no more.
                    assert_eq!(end, Ok(closed(1001, 1000)));
                    assert!(io.read.get() <= 512);
                    return;
                }
                assert_eq!(end, Err(TIMED_OUT));
                assert_eq!(io.read.get(), io.head.len() + 1000 * io.unit.len());
                ws.session().handle_timeout(Duration::ZERO);
                ws.session().handle_timeout(Duration::from_secs(5));
                assert_eq!(ws.recv(), Err(Error::Closed(closed(received, 1000))));
                assert_eq!(frames(&io.output.borrow()).len(), 1);
            });
        }
    }
}

#[test]
fn row_26_flood_after_a_failure() {
    for role in ROLES {
        for (offence, error) in [
            (frame(0x83, b"", key(role)), ProtocolError::ReservedOpcode(3)),
            (frame(0x81, b"\xff", key(role)), ProtocolError::InvalidUtf8),
            (wire(role, &[(0x88, b"\x03")]), ProtocolError::CloseBodyTooShort),
        ] {
            let end: Fail = Error::Protocol(error);
            let flood = || Flood::new(offence.clone(), vec![0x81, 0x01, b'x'], usize::MAX >> 8, vec![], 4096);
            each(&Setup::new(role), flood, |ws, io| {
                assert_eq!(ws.recv(), Err(end));
                let read = io.read.get();
                assert!(read <= 512, "not more than the buffer");
                for _ in 0..100 {
                    assert_eq!(ws.recv(), Err(end));
                    assert_eq!(ws.recv_part(), Err(end));
                    assert_eq!(ws.close(1000, ""), Err(end));
                    assert_eq!(ws.send(Message::Text("x")), Err(end));
                }
                assert_eq!(io.read.get(), read, "nothing more is read");
                assert_eq!(frames(&io.output.borrow()).len(), 1);
            });
        }
    }
}
