//! One script for both drivers: a connection behind [`Ws`] is blocking or async, and a test cannot tell which.

use std::{
    future::Future,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
};

use embedded_io::{ErrorKind, ErrorType};
use sockling::{
    CloseCode, Closed, Config, Error, Kind, Message, Part, Random, Role, asynch, blocking,
    extension::{Codec, Plain},
    proto::Session,
};

use super::{Counter, Script, Seen, frame, frames};

pub const ROLES: [Role; 2] = [Role::Client, Role::Server];
/// How many bytes a transport moves in a call.
pub const STEPS: [usize; 5] = [1, 2, 3, 7, 1 << 20];
pub const TIMED_OUT: Fail = Error::Io(ErrorKind::TimedOut);

pub type Fail = Error<ErrorKind>;

/// The key with which the peer of `role` masks.
pub fn key(role: Role) -> Option<[u8; 4]> {
    (role == Role::Server).then_some([0x37, 0xfa, 0x21, 0x3d])
}

/// What the peer of `role` sends: frames of a first byte and a payload.
pub fn wire(role: Role, frames: &[(u8, &[u8])]) -> Vec<u8> {
    frames.iter().flat_map(|(first, payload)| frame(*first, payload, key(role))).collect()
}

pub fn closed(received: impl Into<Option<u16>>, sent: impl Into<Option<u16>>) -> Closed {
    Closed { received: received.into().map(CloseCode), sent: sent.into().map(CloseCode) }
}

/// A message that outlives the receive buffer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Got {
    Text(String),
    Binary(Vec<u8>),
    Unchecked(Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
}

impl Got {
    pub fn text(text: &str) -> Self {
        Self::Text(text.into())
    }

    pub fn of(kind: Kind, data: &[u8], checked: bool) -> Self {
        match kind {
            Kind::Text if checked => Self::Text(String::from_utf8(data.to_vec()).unwrap()),
            Kind::Text => Self::Unchecked(data.into()),
            Kind::Binary => Self::Binary(data.into()),
            Kind::Ping => Self::Ping(data.into()),
            Kind::Pong => Self::Pong(data.into()),
        }
    }

    pub fn as_message(&self) -> Message<'_> {
        match self {
            Self::Text(text) => Message::Text(text),
            Self::Binary(data) => Message::Binary(data),
            Self::Unchecked(data) => Message::UncheckedText(data),
            Self::Ping(data) => Message::Ping(data),
            Self::Pong(data) => Message::Pong(data),
        }
    }
}

impl From<Message<'_>> for Got {
    fn from(message: Message<'_>) -> Self {
        match message {
            Message::Text(text) => Self::Text(text.into()),
            Message::Binary(data) => Self::Binary(data.into()),
            Message::UncheckedText(data) => Self::Unchecked(data.into()),
            Message::Ping(data) => Self::Ping(data.into()),
            Message::Pong(data) => Self::Pong(data.into()),
            other => panic!("{other:?}"),
        }
    }
}

/// A part that outlives the receive buffer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    pub kind: Kind,
    pub first: bool,
    pub fin: bool,
    pub data: Vec<u8>,
}

impl From<Part<'_>> for Piece {
    fn from(part: Part<'_>) -> Self {
        Self { kind: part.kind, first: part.first, fin: part.fin, data: part.data.into() }
    }
}

/// Joins pieces to messages, and checks what is promised of each.
#[derive(Debug, Default)]
pub struct Joiner {
    open: Option<(Kind, Vec<u8>)>,
}

impl Joiner {
    pub fn push(&mut self, piece: Piece, checked: bool) -> Option<Got> {
        if matches!(piece.kind, Kind::Ping | Kind::Pong) {
            assert!(piece.first && piece.fin, "a control frame is whole");
            return Some(Got::of(piece.kind, &piece.data, checked));
        }
        assert_eq!(piece.first, self.open.is_none(), "`first` at the first part only");
        assert!(piece.fin || !piece.data.is_empty(), "a part before the last is never empty");
        let (kind, mut data) = self.open.take().unwrap_or((piece.kind, vec![]));
        assert_eq!(kind, piece.kind);
        data.extend(piece.data);
        if piece.fin {
            return Some(Got::of(kind, &data, checked));
        }
        self.open = Some((kind, data));
        None
    }
}

/// A connection, blocking or async. Where an async one would wait for ever, its call is dropped and returns
/// [`TIMED_OUT`], as a blocking one does.
pub trait Ws {
    fn recv(&mut self) -> Result<Got, Fail>;
    fn recv_part(&mut self) -> Result<Piece, Fail>;
    fn send(&mut self, message: Message<'_>) -> Result<(), Fail>;
    fn resume_send(&mut self, message: Message<'_>) -> Result<(), Fail>;
    fn feed(&mut self, message: Message<'_>) -> Result<(), Fail>;
    fn send_part(&mut self, kind: Kind, data: &[u8], fin: bool) -> Result<(), Fail>;
    fn resume_part(&mut self, kind: Kind, data: &[u8], fin: bool) -> Result<(), Fail>;
    fn flush(&mut self) -> Result<(), Fail>;
    fn close(&mut self, code: u16, reason: &str) -> Result<Closed, Fail>;
    fn reason(&self) -> String;
    fn session(&mut self) -> &mut Session;
}

pub type Blocking<T = Script, G = Counter, C = Plain> = blocking::WebSocket<T, G, Vec<u8>, Vec<u8>, C>;

impl<T: embedded_io::Read + embedded_io::Write + ErrorType<Error = ErrorKind>, G: Random, C: Codec> Ws
    for Blocking<T, G, C>
{
    fn recv(&mut self) -> Result<Got, Fail> {
        self.recv().map(Got::from)
    }
    fn recv_part(&mut self) -> Result<Piece, Fail> {
        self.recv_part().map(Piece::from)
    }
    fn send(&mut self, message: Message<'_>) -> Result<(), Fail> {
        self.send(message)
    }
    fn resume_send(&mut self, message: Message<'_>) -> Result<(), Fail> {
        self.resume_send(message)
    }
    fn feed(&mut self, message: Message<'_>) -> Result<(), Fail> {
        self.feed(message)
    }
    fn send_part(&mut self, kind: Kind, data: &[u8], fin: bool) -> Result<(), Fail> {
        self.send_part(kind, data, fin)
    }
    fn resume_part(&mut self, kind: Kind, data: &[u8], fin: bool) -> Result<(), Fail> {
        self.resume_part(kind, data, fin)
    }
    fn flush(&mut self) -> Result<(), Fail> {
        self.flush()
    }
    fn close(&mut self, code: u16, reason: &str) -> Result<Closed, Fail> {
        self.close(CloseCode(code), reason)
    }
    fn reason(&self) -> String {
        self.close_reason().into()
    }
    fn session(&mut self) -> &mut Session {
        self.session_mut()
    }
}

pub type Async<T = Script, G = Counter, C = Plain> = asynch::WebSocket<T, G, Vec<u8>, Vec<u8>, C>;

impl<
    T: embedded_io_async::Read + embedded_io_async::Write + ErrorType<Error = ErrorKind>,
    G: Random,
    C: Codec,
> Ws for Async<T, G, C>
{
    fn recv(&mut self) -> Result<Got, Fail> {
        patiently(async { self.recv().await.map(Got::from) })
    }
    fn recv_part(&mut self) -> Result<Piece, Fail> {
        patiently(async { self.recv_part().await.map(Piece::from) })
    }
    fn send(&mut self, message: Message<'_>) -> Result<(), Fail> {
        patiently(self.send(message))
    }
    fn resume_send(&mut self, message: Message<'_>) -> Result<(), Fail> {
        patiently(self.resume_send(message))
    }
    fn feed(&mut self, message: Message<'_>) -> Result<(), Fail> {
        patiently(self.feed(message))
    }
    fn send_part(&mut self, kind: Kind, data: &[u8], fin: bool) -> Result<(), Fail> {
        patiently(self.send_part(kind, data, fin))
    }
    fn resume_part(&mut self, kind: Kind, data: &[u8], fin: bool) -> Result<(), Fail> {
        patiently(self.resume_part(kind, data, fin))
    }
    fn flush(&mut self) -> Result<(), Fail> {
        patiently(self.flush())
    }
    fn close(&mut self, code: u16, reason: &str) -> Result<Closed, Fail> {
        patiently(self.close(CloseCode(code), reason))
    }
    fn reason(&self) -> String {
        self.close_reason().into()
    }
    fn session(&mut self) -> &mut Session {
        self.session_mut()
    }
}

/// Polls a future until it is ready, or until nobody woke it: then it waits for what never comes, and is dropped.
pub fn patiently<T, E: From<Fail>>(future: impl Future<Output = Result<T, E>>) -> Result<T, E> {
    struct Woken(AtomicBool);
    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.store(true, Ordering::Relaxed);
        }
    }
    let woken = Arc::new(Woken(AtomicBool::new(true)));
    let waker = Waker::from(woken.clone());
    let mut future = pin!(future);
    while woken.0.swap(false, Ordering::Relaxed) {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return output;
        }
    }
    Err(TIMED_OUT.into())
}

/// The end that is tested.
#[derive(Clone, Debug)]
pub struct Setup {
    pub role: Role,
    pub config: Config,
    pub rx: usize,
    pub tx: usize,
    pub steps: &'static [usize],
}

impl Setup {
    pub fn new(role: Role) -> Self {
        Self { role, config: Config::DEFAULT, rx: 512, tx: 256, steps: &STEPS }
    }

    /// For input that takes too long at single bytes.
    pub fn steps(mut self, steps: &'static [usize]) -> Self {
        self.steps = steps;
        self
    }

    pub fn rx(mut self, len: usize) -> Self {
        self.rx = len;
        self
    }

    pub fn tx(mut self, len: usize) -> Self {
        self.tx = len;
        self
    }

    pub fn config(mut self, change: impl FnOnce(&mut Config)) -> Self {
        change(&mut self.config);
        self
    }

    pub fn blocking<T>(&self, io: &T) -> Blocking<T>
    where
        T: embedded_io::Read + embedded_io::Write + Clone,
    {
        let session = Session::new(self.role, &self.config);
        Blocking::from_parts(io.clone(), session, Counter(0), vec![0; self.rx], vec![0; self.tx]).unwrap()
    }

    pub fn asynch<T>(&self, io: &T) -> Async<T>
    where
        T: embedded_io_async::Read + embedded_io_async::Write + Clone,
    {
        let session = Session::new(self.role, &self.config);
        Async::from_parts(io.clone(), session, Counter(0), vec![0; self.rx], vec![0; self.tx]).unwrap()
    }

    /// Runs a test with each driver over each of the transports.
    pub fn each(&self, transports: impl Fn() -> Vec<Script>, test: impl Fn(&mut dyn Ws, &Script)) {
        for io in transports() {
            test(&mut self.blocking(&io), &io);
        }
        for io in transports() {
            test(&mut self.asynch(&io), &io);
        }
    }

    /// Runs a test with each driver and step, the peer sending `input` and then being silent.
    pub fn each_hanging(&self, input: &[u8], test: impl Fn(&mut dyn Ws, &Script)) {
        self.each(|| self.steps.iter().map(|step| Script::new(input, *step).hanging()).collect(), test);
    }

    /// Receives until something else than a message comes, with both drivers at every step; all have to agree.
    /// `Take::Parts` joins the parts, and forgets those of a message that did not end.
    fn outcome(&self, take: Take, transport: impl Fn(usize) -> Script) -> Outcome {
        let mut outcomes = self.steps.iter().flat_map(|step| {
            let (io, other) = (transport(*step), transport(*step));
            [
                (step, "blocking", self.run(take, &mut self.blocking(&io), &io)),
                (step, "async", self.run(take, &mut self.asynch(&other), &other)),
            ]
        });
        let (first_step, _, first) = outcomes.next().unwrap();
        for (step, driver, outcome) in outcomes {
            assert_eq!(
                outcome, first,
                "{driver}, {step} bytes at a time, is not like blocking, {first_step} at a time"
            );
        }
        first
    }

    fn run(&self, take: Take, ws: &mut dyn Ws, io: &Script) -> Outcome {
        let (mut got, mut joiner) = (vec![], Joiner::default());
        let end = loop {
            let next = match take {
                Take::Whole => ws.recv().map(Some),
                Take::Parts => {
                    ws.recv_part().map(|piece| joiner.push(piece, !self.config.skip_utf8_validation))
                }
            };
            match next {
                Ok(message) => got.extend(message),
                Err(error) => break error,
            }
        };
        let reason = ws.reason();
        if !matches!(end, Error::Io(_)) {
            check_final(ws, io, end);
        }
        let sent = self.check_sent(io);
        Outcome { got, end, reason, sent }
    }

    /// What the peer has got; checks what is true of every wire.
    pub fn check_sent(&self, io: &Script) -> Vec<Seen> {
        let sent = frames(&io.output.borrow());
        assert!(
            sent.iter().all(|frame| frame.masked == (self.role == Role::Client)),
            "masked if and only if a client"
        );
        assert!(
            sent.iter().rev().skip(1).all(|frame| frame.first != 0x88),
            "nothing follows a close frame: {sent:x?}"
        );
        assert!(sent.iter().all(|frame| frame.first & 0x70 == 0), "no reserved bits: {sent:x?}");
        assert!(
            sent.iter()
                .all(|frame| frame.first & 8 == 0 || frame.first & 0x80 != 0 && frame.payload.len() <= 125),
            "control frames are whole and short: {sent:x?}"
        );
        assert_eq!(*io.flushed.borrow(), io.output.borrow().len(), "everything was flushed");
        sent
    }

    /// What comes of `input` after which the stream ends, received in whole messages.
    pub fn ending(&self, input: &[u8]) -> Outcome {
        self.outcome(Take::Whole, |step| Script::new(input, step))
    }

    /// What comes of `input` after which the peer is silent: nothing can come of bytes that it has not sent. Whole
    /// messages and parts have to agree.
    pub fn hanging(&self, input: &[u8]) -> Outcome {
        let whole = self.outcome(Take::Whole, |step| Script::new(input, step).hanging());
        let parts = self.outcome(Take::Parts, |step| Script::new(input, step).hanging());
        assert_eq!(whole, parts, "parts (right) are not like whole messages (left)");
        whole
    }

    /// The same in parts only, for messages that the buffer does not hold.
    pub fn hanging_parts(&self, input: &[u8]) -> Outcome {
        self.outcome(Take::Parts, |step| Script::new(input, step).hanging())
    }

    /// The same in whole messages only, where they are different.
    pub fn hanging_whole(&self, input: &[u8]) -> Outcome {
        self.outcome(Take::Whole, |step| Script::new(input, step).hanging())
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Take {
    Whole,
    Parts,
}

/// How receiving went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    pub got: Vec<Got>,
    /// What ended it.
    pub end: Fail,
    /// The peer's reason.
    pub reason: String,
    /// What the peer has got.
    pub sent: Vec<Seen>,
}

impl Outcome {
    /// The close frame that the peer has got: code (`None` for an empty body) and reason.
    pub fn close_sent(&self) -> Option<(Option<u16>, String)> {
        let close = self.sent.iter().find(|frame| frame.first == 0x88)?;
        Some(match close.payload[..] {
            [] => (None, String::new()),
            [a, b, ref reason @ ..] => {
                (Some(u16::from_be_bytes([a, b])), String::from_utf8(reason.to_vec()).unwrap())
            }
            [_] => panic!("a close frame's body of one byte was sent"),
        })
    }
}

/// Once it has ended, every call says so, and nothing moves any more.
pub fn check_final(ws: &mut dyn Ws, io: &Script, end: Fail) {
    let moved = |io: &Script| (io.input.borrow().len(), io.output.borrow().len());
    let before = moved(io);
    assert_eq!(ws.recv(), Err(end));
    assert_eq!(ws.recv_part(), Err(end));
    assert_eq!(ws.send(Message::Text("late")), Err(end));
    assert_eq!(ws.resume_send(Message::Binary(b"late")), Err(end));
    assert_eq!(ws.feed(Message::Ping(b"late")), Err(end));
    assert_eq!(ws.send_part(Kind::Text, b"late", false), Err(end));
    assert_eq!(ws.flush(), Err(end));
    let close = match end {
        Error::Closed(closed) => Ok(closed),
        end => Err(end),
    };
    assert_eq!(ws.close(1000, "late"), close);
    assert_eq!(ws.recv(), Err(end));
    assert_eq!(moved(io), before, "nothing moves after the end");
}
