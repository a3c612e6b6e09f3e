//! A driver of a session, over a transport in memory that may stop at any byte.

use std::mem;

use sockling::{
    CloseCode, Kind, Message, MisuseError, ProtocolError, Role,
    proto::{Config, Failure, Mode, Session, Step},
};

use crate::{Counter, reference::Event};

/// Why a call did not return what it should.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// The transport would block.
    Blocked,
    Ended(Failure),
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Ended(failure)
    }
}

impl From<MisuseError> for Stop {
    fn from(error: MisuseError) -> Self {
        Self::Ended(error.into())
    }
}

pub struct Driver {
    pub session: Session,
    pub random: Counter,
    pub rx: Vec<u8>,
    pub tx: Vec<u8>,
    /// How far `rx` may grow.
    pub cap: usize,
    /// What the peer sends, how much of it was read, and how much is there to be read.
    pub input: Vec<u8>,
    pub read: usize,
    /// Whether the stream ends behind `input`, or more may come.
    pub eof: bool,
    /// What a read and a write move at most.
    pub cut: usize,
    /// How much the transport still takes before writing blocks.
    pub room: usize,
    pub output: Vec<u8>,
    /// Whether reading goes on where writing blocks.
    pub defers: bool,
    /// In parts: the message so far.
    assembly: Option<(Kind, Vec<u8>)>,
    steps: usize,
}

/// A call that takes more steps than this has no end.
const STEPS: usize = 1 << 20;

impl Driver {
    pub fn new(role: Role, config: &Config, rx: usize, tx: usize) -> Self {
        let driver = Self {
            session: Session::new(role, config),
            random: Counter::default(),
            rx: vec![0xA5; rx],
            tx: vec![0x5A; tx],
            cap: rx,
            input: vec![],
            read: 0,
            eof: false,
            cut: usize::MAX,
            room: usize::MAX,
            output: vec![],
            defers: false,
            assembly: None,
            steps: 0,
        };
        Session::check_buffers(&driver.rx, &driver.tx).expect("the buffers are large enough");
        driver
    }

    fn step(&mut self) {
        self.steps += 1;
        assert!(self.steps < STEPS, "an endless loop");
    }

    fn act(&mut self, step: Step) -> Result<(), Stop> {
        self.step();
        match step {
            Step::Receive => {
                let space = self.session.space(&mut self.rx);
                assert!(!space.is_empty(), "nowhere to read to");
                let n = space.len().min(self.cut).min(self.input.len() - self.read);
                if n == 0 && !self.eof {
                    return Err(Stop::Blocked);
                }
                space[..n].copy_from_slice(&self.input[self.read..self.read + n]);
                self.read += n;
                let room = space.len();
                let impossible = self.session.received(room + 1, self.rx.len());
                assert_eq!(impossible, Err(MisuseError::ImpossibleCount));
                self.session.received(n, self.rx.len())?;
            }
            Step::Grow => {
                assert!(self.session.space(&mut self.rx).is_empty(), "there is room yet");
                if self.rx.len() < self.cap {
                    self.rx.resize(self.cap.min(2 * self.rx.len()), 0xA5);
                } else {
                    self.session.overflow();
                }
            }
            Step::Transmit => {
                let pending = self.session.pending(&self.tx);
                assert!(!pending.is_empty(), "nothing to write");
                let n = pending.len().min(self.cut).min(self.room);
                if n == 0 {
                    return Err(Stop::Blocked);
                }
                self.room -= n;
                self.output.extend_from_slice(&pending[..n]);
                let impossible = self.session.sent(pending.len() + 1);
                assert_eq!(impossible, Err(MisuseError::ImpossibleCount));
                self.session.sent(n)?;
            }
            Step::Flush => self.session.flushed(),
            Step::Part | Step::Closed(_) | Step::Done => unreachable!("no step for the driver: {step:?}"),
        }
        Ok(())
    }

    /// Receives a message, or in [`Mode::Parts`] a part, which is an event if it is the last of its message.
    pub fn recv(&mut self, mode: Mode) -> Result<Option<Event>, Stop> {
        self.steps = 0;
        loop {
            match self.session.poll(&mut self.rx, &mut self.tx, &mut self.random, &mut (), mode)? {
                Step::Part => break,
                Step::Closed(closed) => return Err(Failure::Closed(closed).into()),
                step => match self.act(step) {
                    Err(Stop::Blocked) if step.is_write() && self.defers && self.session.defer_transmit() => {
                    }
                    other => other?,
                },
            }
        }
        if mode == Mode::Parts {
            let part = self.session.part(&self.rx, &());
            return Ok(assemble(&mut self.assembly, part));
        }
        match self.session.message(&self.rx, &()) {
            Ok(message) => Ok(Some(match message {
                Message::Text(text) => Event::Text(text.into()),
                Message::UncheckedText(data) => Event::Text(data.into()),
                Message::Binary(data) => Event::Binary(data.into()),
                Message::Ping(data) => Event::Ping(data.into()),
                Message::Pong(data) => Event::Pong(data.into()),
                _ => unreachable!("a new kind of message"),
            })),
            Err(error) => {
                let _ = self.flush();
                Err(Failure::from(error).into())
            }
        }
    }

    pub fn send(&mut self, message: Message<'_>, resume: bool, flush: bool) -> Result<(), Stop> {
        self.steps = 0;
        self.session.start_send(&mut (), &message, resume)?;
        loop {
            match self.session.poll_send(&mut self.tx, &mut self.random, &mut (), &message, flush)? {
                Step::Done => return Ok(()),
                step => self.act(step)?,
            }
        }
    }

    pub fn send_part(&mut self, kind: Kind, data: &[u8], fin: bool, resume: bool) -> Result<(), Stop> {
        self.steps = 0;
        self.session.start_part(&mut (), kind, data, fin, resume)?;
        loop {
            match self.session.poll_part(&mut self.tx, &mut self.random, &mut (), kind, data, fin)? {
                Step::Done => return Ok(()),
                step => self.act(step)?,
            }
        }
    }

    pub fn flush(&mut self) -> Result<(), Stop> {
        self.steps = 0;
        loop {
            match self.session.poll_flush(&mut self.tx, &mut self.random)? {
                Step::Done => return Ok(()),
                step => self.act(step)?,
            }
        }
    }

    /// Returns always how it ended, or that it would block.
    pub fn close(&mut self, code: CloseCode, reason: &str) -> Stop {
        self.steps = 0;
        if let Err(error) = self.session.start_close(code, reason) {
            return Failure::from(error).into();
        }
        loop {
            match self.session.poll_close(&mut self.rx, &mut self.tx, &mut self.random, &mut (), code, reason)
            {
                Ok(Step::Closed(closed)) => return Failure::Closed(closed).into(),
                Ok(step) => {
                    if let Err(stop) = self.act(step) {
                        return stop;
                    }
                }
                Err(failure) => return failure.into(),
            }
        }
    }

    /// What there is of the message whose parts were received so far.
    pub fn partial(&self) -> Option<(bool, Vec<u8>)> {
        self.assembly.clone().map(|(kind, data)| (kind == Kind::Text, data))
    }
}

fn assemble(assembly: &mut Option<(Kind, Vec<u8>)>, part: sockling::Part<'_>) -> Option<Event> {
    match part.kind {
        Kind::Ping => return Some(Event::Ping(part.data.into())),
        Kind::Pong => return Some(Event::Pong(part.data.into())),
        Kind::Text | Kind::Binary => {}
    }
    assert_eq!(part.first, assembly.is_none(), "`first` is for the first part only");
    assert!(part.fin || !part.data.is_empty(), "a part before the last is never empty");
    let (kind, data) = assembly.get_or_insert((part.kind, vec![]));
    assert_eq!(*kind, part.kind);
    data.extend_from_slice(part.data);
    if !part.fin {
        return None;
    }
    let (kind, data) = mem::take(assembly)?;
    Some(if kind == Kind::Text { Event::Text(data) } else { Event::Binary(data) })
}

/// The error that fails a connection whose buffer is full, or its message over the limit.
pub const TOO_LARGE: Failure = Failure::Protocol(ProtocolError::MessageTooLarge);
