//! A clock, and a network with a server whose behaviour is a script.

use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, VecDeque},
    future::{Future, poll_fn},
    net::{IpAddr, SocketAddr},
    pin::pin,
    rc::Rc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use embedded_io::ErrorKind;
use embedded_nal_async::{AddrType, Dns, TcpConnect};
use sockling::app::embedded::{Clock, Failure, TcpError};

pub use crate::notes::{Notes, run, run_until, run_with};
use crate::support::{Counter, frame, open::response};

pub type Fail = Failure<TcpError<&'static str, ErrorKind>, ErrorKind>;

/// What the server of the next connection does.
#[derive(Clone, Debug)]
pub enum Serve {
    /// It does not listen.
    Refuse,
    /// Nothing answers.
    Hang,
    /// It accepts, and does not answer the request.
    Mute,
    /// It accepts, and answers the request with this.
    Http(Vec<u8>),
    Ws(Server),
}

/// A server after the opening handshake.
#[derive(Clone, Debug)]
pub struct Server {
    /// More fields of its response, each with its CRLF.
    pub fields: &'static str,
    /// What it does by itself, at a time after the opening.
    pub acts: Vec<(Duration, Act)>,
    /// It answers pings and close frames, and ends TCP after one.
    pub answers: bool,
    /// How many bytes it reads after the request.
    pub reads: usize,
    /// It ends TCP when it has sent and received a close frame.
    pub hangs_up: bool,
    /// It sends this over and over, each reading of it takes a millisecond.
    pub flood: Vec<u8>,
}

#[derive(Clone, Debug)]
pub enum Act {
    Send(Vec<u8>),
    Fin,
    Reset,
    /// What was sent can still be read; writing fails.
    Gone,
    /// From now on it neither answers nor acts.
    Vanish,
}

pub fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

pub fn text(text: &str) -> Act {
    Act::Send(frame(0x81, text.as_bytes(), None))
}

impl Server {
    pub fn new() -> Self {
        Self { fields: "", acts: vec![], answers: true, reads: usize::MAX, hangs_up: true, flood: vec![] }
    }

    pub fn at(mut self, time: u64, act: Act) -> Self {
        self.acts.push((ms(time), act));
        self
    }

    pub fn silent(mut self) -> Self {
        self.answers = false;
        self
    }
}

impl From<Server> for Serve {
    fn from(server: Server) -> Self {
        Self::Ws(server)
    }
}

/// One connection, as both ends see it.
#[derive(Debug)]
pub struct Wire {
    pub to_client: VecDeque<u8>,
    /// All that the client has sent.
    pub sent: Vec<u8>,
    /// Where its frames begin.
    pub head: usize,
    parsed: usize,
    fin: bool,
    reset: bool,
    gone: bool,
    closed: bool,
    serve: Serve,
    acts: Vec<(Duration, Act)>,
    /// The client has dropped it.
    pub dropped: bool,
}

/// Everything that there is beside the code under test.
pub struct World {
    now: Cell<Duration>,
    timers: RefCell<BTreeMap<u64, Duration>>,
    next_timer: Cell<u64>,
    /// Nothing was waited for: poll again without letting time pass.
    again: Cell<bool>,
    /// Every read and write is not ready at first.
    pub gated: Cell<bool>,
    /// How long every write takes.
    pub write_time: Cell<Duration>,
    /// How many bytes one read or write moves.
    pub step: Cell<usize>,
    plan: RefCell<VecDeque<Serve>>,
    pub wires: RefCell<Vec<Wire>>,
    pub connects: RefCell<Vec<(Duration, SocketAddr)>>,
    pub names: RefCell<Vec<String>>,
    pub notes: RefCell<Vec<String>>,
    /// What is to be sent by `outgoing`, and from when on.
    pub queue: RefCell<VecDeque<(Duration, String)>>,
}

impl World {
    pub fn new(plan: impl IntoIterator<Item = Serve>) -> Rc<Self> {
        Rc::new(Self {
            now: Cell::default(),
            timers: RefCell::default(),
            next_timer: Cell::default(),
            again: Cell::default(),
            gated: Cell::default(),
            write_time: Cell::default(),
            step: Cell::new(usize::MAX),
            plan: RefCell::new(plan.into_iter().collect()),
            wires: RefCell::default(),
            connects: RefCell::default(),
            names: RefCell::default(),
            notes: RefCell::default(),
            queue: RefCell::default(),
        })
    }

    pub fn now(&self) -> Duration {
        self.now.get()
    }

    pub fn note(&self, what: impl AsRef<str>) {
        self.notes.borrow_mut().push(what.as_ref().into());
    }

    pub fn notes(&self) -> Vec<String> {
        self.notes.borrow().clone()
    }

    /// The frames that the client sent over a connection.
    pub fn frames(&self, connection: usize) -> Vec<(u8, String)> {
        let wires = self.wires.borrow();
        let wire = &wires[connection];
        crate::support::frames(&wire.sent[wire.head..])
            .into_iter()
            .map(|seen| {
                assert!(seen.masked);
                (seen.first, String::from_utf8_lossy(&seen.payload).into_owned())
            })
            .collect()
    }

    /// Polls the future, and lets time pass when it waits, until it is ready; `None` if it is not by `until`.
    pub fn drive<F: Future>(&self, until: Duration, future: F) -> Option<F::Output> {
        let mut future = pin!(future);
        for _ in 0..10_000_000_u32 {
            if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                return Some(output);
            }
            if !self.again.take() && !self.pass(until) {
                return None;
            }
        }
        panic!("it never waits");
    }

    /// On to the next thing that happens.
    fn pass(&self, until: Duration) -> bool {
        let timer = self.timers.borrow().values().min().copied();
        let queued = self.queue.borrow().front().map(|(at, _)| *at).filter(|at| *at > self.now());
        let acts: Vec<Duration> =
            self.wires.borrow().iter().filter_map(|w| w.acts.first().map(|(at, _)| *at)).collect();
        let Some(next) = acts.into_iter().chain(timer).chain(queued).min() else {
            // Nothing ever happens again.
            return false;
        };
        if next > until {
            return false;
        }
        self.now.set(self.now().max(next));
        for wire in self.wires.borrow_mut().iter_mut() {
            wire.act(self.now());
        }
        true
    }

    pub async fn gate(&self) {
        if self.gated.get() {
            self.yield_now().await;
        }
    }

    pub async fn yield_now(&self) {
        let mut yielded = false;
        poll_fn(|_| {
            if std::mem::replace(&mut yielded, true) {
                return Poll::Ready(());
            }
            self.again.set(true);
            Poll::Pending
        })
        .await;
    }
}

impl Wire {
    fn new(serve: Serve) -> Self {
        Self {
            to_client: VecDeque::new(),
            sent: vec![],
            head: 0,
            parsed: 0,
            fin: false,
            reset: false,
            gone: false,
            closed: false,
            serve,
            acts: vec![],
            dropped: false,
        }
    }

    /// Whether the server takes another byte.
    fn takes(&self) -> bool {
        match &self.serve {
            Serve::Ws(server) if self.head > 0 => self.sent.len() - self.head < server.reads,
            _ => true,
        }
    }

    fn act(&mut self, now: Duration) {
        while self.acts.first().is_some_and(|(at, _)| *at <= now) {
            match self.acts.remove(0).1 {
                Act::Send(bytes) => self.to_client.extend(bytes),
                Act::Fin => self.fin = true,
                Act::Reset => self.reset = true,
                Act::Gone => (self.fin, self.gone) = (true, true),
                Act::Vanish => {
                    self.acts.clear();
                    if let Serve::Ws(server) = &mut self.serve {
                        server.answers = false;
                    }
                }
            }
        }
    }

    /// The server looks at what the client has sent.
    fn react(&mut self, now: Duration) {
        if self.head == 0 {
            let Some(end) = self.sent.windows(4).position(|four| four == b"\r\n\r\n") else { return };
            self.head = end + 4;
            self.parsed = self.head;
            match self.serve.clone() {
                Serve::Http(answer) => {
                    self.to_client.extend(answer);
                    self.fin = true;
                }
                Serve::Ws(server) => {
                    self.to_client.extend(response(server.fields));
                    self.acts = server.acts.iter().map(|(at, act)| (now + *at, act.clone())).collect();
                    self.act(now);
                }
                Serve::Mute | Serve::Refuse | Serve::Hang => {}
            }
        }
        let Serve::Ws(server) = &self.serve else { return };
        // A frame of the client's: masked, and short in these tests where it is a control frame.
        while server.answers
            && let [first, second, rest @ ..] = &self.sent[self.parsed..]
        {
            let (len, rest) = match second & 0x7F {
                126 if rest.len() >= 2 => (usize::from(u16::from_be_bytes([rest[0], rest[1]])), &rest[2..]),
                126 => break,
                len => (usize::from(len), rest),
            };
            if rest.len() < 4 + len {
                break;
            }
            let payload: Vec<u8> = (0..len).map(|i| rest[4 + i] ^ rest[i % 4]).collect();
            let first = *first;
            self.parsed = self.sent.len() - (rest.len() - 4 - len);
            match first {
                0x89 => self.to_client.extend(frame(0x8A, &payload, None)),
                0x88 => {
                    if !self.closed {
                        self.to_client.extend(frame(0x88, &payload, None));
                    }
                    self.closed = true;
                    self.fin |= server.hangs_up;
                }
                _ => {}
            }
        }
    }
}

#[derive(Clone)]
pub struct SimClock(pub Rc<World>);

struct Timer<'a>(&'a World, u64);

impl Drop for Timer<'_> {
    fn drop(&mut self) {
        self.0.timers.borrow_mut().remove(&self.1);
    }
}

impl Clock for SimClock {
    fn now(&self) -> Duration {
        self.0.now()
    }

    async fn sleep(&self, time: Duration) {
        let world = &*self.0;
        let until = world.now().saturating_add(time);
        let id = world.next_timer.get();
        world.next_timer.set(id + 1);
        let timer = Timer(world, id);
        world.timers.borrow_mut().insert(id, until);
        poll_fn(|_| if world.now() >= until { Poll::Ready(()) } else { Poll::Pending }).await;
        drop(timer);
    }
}

pub struct Net(pub Rc<World>);

pub struct Socket(Rc<World>, usize);

impl Drop for Socket {
    fn drop(&mut self) {
        let mut wires = self.0.wires.borrow_mut();
        wires[self.1].dropped = true;
        wires[self.1].acts.clear();
    }
}

impl TcpConnect for Net {
    type Error = ErrorKind;
    type Connection<'a> = Socket;

    async fn connect(&self, remote: SocketAddr) -> Result<Socket, ErrorKind> {
        let world = &self.0;
        world.gate().await;
        assert!(world.wires.borrow().iter().all(|wire| wire.dropped), "two connections at a time");
        world.connects.borrow_mut().push((world.now(), remote));
        let serve = world.plan.borrow_mut().pop_front().expect("no more connections are expected");
        match serve {
            Serve::Refuse => Err(ErrorKind::ConnectionRefused),
            Serve::Hang => std::future::pending().await,
            serve => {
                world.wires.borrow_mut().push(Wire::new(serve));
                Ok(Socket(world.clone(), world.wires.borrow().len() - 1))
            }
        }
    }
}

impl Dns for Net {
    type Error = &'static str;

    async fn get_host_by_name(&self, host: &str, _: AddrType) -> Result<IpAddr, &'static str> {
        self.0.gate().await;
        self.0.names.borrow_mut().push(host.into());
        match host {
            "unknown.example" => Err("no such name"),
            _ => Ok([10, 0, 0, 1].into()),
        }
    }

    async fn get_host_by_address(&self, _: IpAddr, _: &mut [u8]) -> Result<usize, &'static str> {
        unreachable!()
    }
}

impl embedded_io::ErrorType for Socket {
    type Error = ErrorKind;
}

impl embedded_io_async::Read for Socket {
    async fn read(&mut self, buf: &mut [u8]) -> Result<usize, ErrorKind> {
        let world = &self.0;
        world.gate().await;
        poll_fn(|_| {
            let mut wires = world.wires.borrow_mut();
            let wire = &mut wires[self.1];
            if wire.reset {
                return Poll::Ready(Err(ErrorKind::ConnectionReset));
            }
            if let Serve::Ws(server) = &wire.serve
                && wire.head > 0
                && wire.to_client.is_empty()
                && !server.flood.is_empty()
            {
                wire.to_client.extend(&server.flood);
                world.now.set(world.now() + ms(1));
            }
            let n = wire.to_client.len().min(buf.len()).min(world.step.get());
            if n == 0 {
                return if wire.fin { Poll::Ready(Ok(0)) } else { Poll::Pending };
            }
            for (to, from) in buf.iter_mut().zip(wire.to_client.drain(..n)) {
                *to = from;
            }
            Poll::Ready(Ok(n))
        })
        .await
    }
}

impl embedded_io_async::Write for Socket {
    async fn write(&mut self, buf: &[u8]) -> Result<usize, ErrorKind> {
        let world = &self.0;
        world.gate().await;
        poll_fn(|_| {
            let mut wires = world.wires.borrow_mut();
            let wire = &mut wires[self.1];
            if wire.reset {
                return Poll::Ready(Err(ErrorKind::ConnectionReset));
            }
            if wire.gone {
                return Poll::Ready(Err(ErrorKind::BrokenPipe));
            }
            if !wire.takes() {
                return Poll::Pending;
            }
            let n = buf.len().min(world.step.get());
            world.now.set(world.now() + world.write_time.get());
            wire.sent.extend_from_slice(&buf[..n]);
            wire.react(world.now());
            Poll::Ready(Ok(n))
        })
        .await
    }

    async fn flush(&mut self) -> Result<(), ErrorKind> {
        self.0.gate().await;
        Ok(())
    }
}

/// The key of the handshake that [`response`] answers; other keys count on.
pub struct Keys(pub Counter);

impl sockling::Random for Keys {
    fn fill(&mut self, dest: &mut [u8]) {
        if dest.len() == 16 { Counter(0).fill(dest) } else { self.0.fill(dest) }
    }
}

/// Ready at this time.
pub async fn at(world: &World, time: Duration) {
    poll_fn(|_| if world.now() >= time { Poll::Ready(()) } else { Poll::Pending }).await;
}
