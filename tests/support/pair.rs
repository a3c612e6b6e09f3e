//! Two sessions joined by a simulated wire under a simulated clock: a whole connection as a function of a seed.
//!
//! Every turn is one step of one end, chosen at random: what a driver that is dropped or timed out all the time would
//! do. Bytes travel in random cuts, take random times, and the wire takes only so many.

use std::{collections::VecDeque, time::Duration};

use sockling::{
    CloseCode, Kind, Message, MisuseError, Random, Role,
    extension::{Codec, Plain},
    proto::{Failure, Mode, Session, Step},
};

use super::drive::{Got, Joiner, Piece, Setup};

/// xorshift64*: the same numbers on every machine.
#[derive(Clone, Debug)]
pub struct Rng(u64);

impl Rng {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    /// From 0 up to `bound`, without it.
    pub fn below(&mut self, bound: usize) -> usize {
        (self.next() >> 16) as usize % bound
    }

    /// True once in `n` times.
    pub fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    pub fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    pub fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.next() as u8).collect()
    }

    /// Text of at most `len` bytes, of characters of all lengths.
    pub fn text(&mut self, len: usize) -> String {
        let mut text = String::new();
        loop {
            let next = self.pick(&['a', 'é', '€', '𝄞', '\u{7ff}', '\u{800}', '\u{ffff}', '\u{10ffff}', ' ']);
            if text.len() + next.len_utf8() > len {
                return text;
            }
            text.push(next);
        }
    }
}

impl Random for Rng {
    fn fill(&mut self, dest: &mut [u8]) {
        dest.fill_with(|| self.next() as u8);
    }
}

/// What an end is to send.
#[derive(Clone, Debug)]
pub enum Todo {
    /// With `flush`, like `send`; without, like `feed`.
    Message {
        message: Got,
        flush: bool,
    },
    Part {
        kind: Kind,
        data: Vec<u8>,
        fin: bool,
    },
    /// And nothing after that: what still comes is discarded.
    Close(u16, String),
}

/// How an end receives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Take {
    Whole,
    Parts,
    /// Now so, now so.
    Either,
}

/// One direction of the wire.
#[derive(Debug, Default)]
pub struct Wire {
    /// What was written at once, and when it arrives.
    travelling: VecDeque<(Duration, Vec<u8>)>,
    /// How many bytes of the first of these were read.
    read: usize,
    room: usize,
    /// The writing end is gone.
    closed: bool,
}

impl Wire {
    fn write(&mut self, bytes: &[u8], arrival: Duration) {
        // Nothing overtakes.
        let arrival = self.travelling.back().map_or(arrival, |(before, _)| arrival.max(*before));
        self.travelling.push_back((arrival, bytes.to_vec()));
        self.room -= bytes.len();
    }

    /// Reads some of what has arrived.
    fn read(&mut self, space: &mut [u8], now: Duration) -> usize {
        let Some((arrival, bytes)) = self.travelling.front() else { return 0 };
        if *arrival > now {
            return 0;
        }
        let n = space.len().min(bytes.len() - self.read);
        space[..n].copy_from_slice(&bytes[self.read..][..n]);
        self.read += n;
        self.room += n;
        if self.read == bytes.len() {
            self.travelling.pop_front();
            self.read = 0;
        }
        n
    }

    fn next_arrival(&self, now: Duration) -> Option<Duration> {
        // What has arrived, and nobody reads, waits for nothing.
        self.travelling.iter().map(|(arrival, _)| *arrival).find(|arrival| *arrival > now)
    }

    fn is_at_end(&self) -> bool {
        self.closed && self.travelling.is_empty()
    }
}

/// One end of the connection, and what happened to it.
#[derive(Debug)]
pub struct End<C = Plain> {
    pub session: Session,
    codec: C,
    rx: Vec<u8>,
    tx: Vec<u8>,
    keys: Rng,
    take: Take,
    joiner: Joiner,
    joining: bool,
    /// What it has still to send, in this order; the first of it may be under way.
    pub todo: VecDeque<Todo>,
    under_way: bool,
    /// What it received.
    pub got: Vec<Got>,
    /// How the connection ended here.
    pub end: Option<Failure>,
    /// The peer's reason, once it has ended.
    pub reason: String,
    /// A frozen end does nothing: its machine was switched off.
    pub frozen: bool,
}

impl<C: Codec> End<C> {
    fn new(setup: &Setup, codec: C, take: Take, seed: u64) -> Self {
        Self {
            session: Session::new(setup.role, &setup.config),
            codec,
            rx: vec![0; setup.rx],
            tx: vec![0; setup.tx],
            keys: Rng::new(seed),
            take,
            joiner: Joiner::default(),
            joining: false,
            todo: VecDeque::new(),
            under_way: false,
            got: vec![],
            end: None,
            reason: String::new(),
            frozen: false,
        }
    }

    pub fn send(&mut self, message: Got) {
        self.todo.push_back(Todo::Message { message, flush: true });
    }

    pub fn feed(&mut self, message: Got) {
        self.todo.push_back(Todo::Message { message, flush: false });
    }

    pub fn close(&mut self, code: u16, reason: &str) {
        self.todo.push_back(Todo::Close(code, reason.into()));
    }

    /// The next step of what it sends; `None` if it sends nothing.
    fn poll_todo(&mut self) -> Option<Result<Step, Failure>> {
        let resume = std::mem::replace(&mut self.under_way, true);
        let (session, tx, keys) = (&mut self.session, &mut self.tx[..], &mut self.keys);
        let (decoder, encoder) = self.codec.both();
        let Some(todo) = self.todo.front() else {
            self.under_way = false;
            return None;
        };
        Some(match todo {
            Todo::Message { message, flush } => session
                .start_send(encoder, &message.as_message(), resume)
                .and_then(|()| session.poll_send(tx, keys, encoder, &message.as_message(), *flush)),
            Todo::Part { kind, data, fin } => session
                .start_part(encoder, *kind, data, *fin, resume)
                .and_then(|()| session.poll_part(tx, keys, encoder, *kind, data, *fin)),
            Todo::Close(code, reason) => {
                session.poll_close(&mut self.rx, tx, keys, decoder, CloseCode(*code), reason)
            }
        })
    }

    fn poll(&mut self, rng: &mut Rng) -> Result<Step, Failure> {
        let mode = match self.take {
            Take::Either if !self.joining && rng.one_in(2) => Mode::Whole,
            Take::Whole => Mode::Whole,
            _ => Mode::Parts,
        };
        let step =
            self.session.poll(&mut self.rx, &mut self.tx, &mut self.keys, self.codec.both().0, mode)?;
        if step == Step::Part {
            if mode == Mode::Whole {
                self.got.push(Got::from(self.session.message(&self.rx, self.codec.decoder())?));
            } else {
                let piece = Piece::from(self.session.part(&self.rx, self.codec.decoder()));
                if matches!(piece.kind, Kind::Text | Kind::Binary) {
                    self.joining = !piece.fin;
                }
                self.got.extend(self.joiner.push(piece, true));
            }
        }
        Ok(step)
    }

    /// One step, of sending or receiving; `false` if that was nothing or has to wait.
    fn turn(
        &mut self,
        sending: bool,
        now: Duration,
        rng: &mut Rng,
        incoming: &mut Wire,
        outgoing: &mut Wire,
    ) -> bool {
        if self.end.is_some() || self.frozen {
            return false;
        }
        // `close` discards what comes: `recv` beside it would get the rest in pieces.
        let closing = self.under_way && matches!(self.todo.front(), Some(Todo::Close(..)));
        let step = if sending || closing {
            match self.poll_todo() {
                Some(step) => step,
                None => return false,
            }
        } else {
            self.poll(rng)
        };
        match step {
            Ok(Step::Transmit) => {
                let pending = self.session.pending(&self.tx);
                let n = rng.below(pending.len()) + 1;
                let n = if rng.one_in(3) { pending.len() } else { n }.min(outgoing.room);
                if n == 0 {
                    // Full. The next step of receiving is to read.
                    return !sending
                        && self.session.defer_transmit()
                        && self.turn(false, now, rng, incoming, outgoing);
                }
                outgoing.write(&pending[..n], now + Duration::from_micros(rng.below(50_000) as u64));
                self.session.sent(n).unwrap();
            }
            Ok(Step::Flush) => self.session.flushed(),
            Ok(Step::Receive) => {
                let space = self.session.space(&mut self.rx);
                assert!(!space.is_empty(), "there is room to read into");
                let n = rng.below(space.len()) + 1;
                let n = if rng.one_in(3) { space.len() } else { n };
                let n = incoming.read(&mut space[..n], now);
                if n == 0 && !incoming.is_at_end() {
                    return false;
                }
                self.session.received(n, self.rx.len()).unwrap();
            }
            Ok(Step::Grow) => self.session.overflow(),
            Ok(Step::Part) => {}
            Ok(Step::Done) => {
                self.todo.pop_front();
                self.under_way = false;
            }
            Ok(Step::Closed(closed)) => self.finish(Failure::Closed(closed)),
            // The other end's close frame came first.
            Err(Failure::Misuse(MisuseError::Closing)) => {
                self.todo.clear();
                self.under_way = false;
            }
            Err(Failure::Misuse(error)) => panic!("{error:?}"),
            Err(failure) => self.finish(failure),
        }
        outgoing.closed = self.end.is_some();
        true
    }

    fn finish(&mut self, failure: Failure) {
        self.end = Some(failure);
        self.reason = self.session.close_reason(&self.rx).into();
    }
}

/// A client and a server.
#[derive(Debug)]
pub struct Pair<C = Plain> {
    pub client: End<C>,
    pub server: End<C>,
    pub now: Duration,
    pub rng: Rng,
    to_client: Wire,
    to_server: Wire,
}

impl Pair {
    /// The wire takes up to `room` bytes in each direction.
    pub fn new(seed: u64, client: (&Setup, Take), server: (&Setup, Take), room: usize) -> Self {
        Self::with_codecs(seed, client, server, room, [Plain::NEW; 2])
    }
}

impl<C: Codec> Pair<C> {
    /// The same, with the codecs of client and server.
    pub fn with_codecs(
        seed: u64,
        client: (&Setup, Take),
        server: (&Setup, Take),
        room: usize,
        [first, second]: [C; 2],
    ) -> Self {
        assert_eq!((client.0.role, server.0.role), (Role::Client, Role::Server));
        let mut rng = Rng::new(seed);
        let wire = || Wire { room, ..Wire::default() };
        Self {
            client: End::new(client.0, first, client.1, rng.next()),
            server: End::new(server.0, second, server.1, rng.next()),
            now: Duration::from_secs(rng.below(10_000_000) as u64),
            rng,
            to_client: wire(),
            to_server: wire(),
        }
    }

    pub fn end(&mut self, role: Role) -> &mut End<C> {
        match role {
            Role::Client => &mut self.client,
            Role::Server => &mut self.server,
        }
    }

    /// One random step of one end, or, if none can make one, the time that it takes until one can; `false` if that is
    /// never.
    pub fn tick(&mut self) -> bool {
        let start = self.rng.below(4);
        for choice in (start..4).chain(0..start) {
            let (now, rng) = (self.now, &mut self.rng);
            let moved = if choice & 1 == 0 {
                self.client.turn(choice & 2 == 0, now, rng, &mut self.to_client, &mut self.to_server)
            } else {
                self.server.turn(choice & 2 == 0, now, rng, &mut self.to_server, &mut self.to_client)
            };
            if moved {
                return true;
            }
        }
        let mut next: Option<Duration> = None;
        for wire in [&self.to_client, &self.to_server] {
            let arrival = wire.next_arrival(self.now);
            next = [next, arrival].into_iter().flatten().min();
        }
        for end in
            [&mut self.client, &mut self.server].into_iter().filter(|end| end.end.is_none() && !end.frozen)
        {
            let timeout = end.session.poll_timeout(self.now).map(|left| self.now + left);
            next = [next, timeout].into_iter().flatten().min();
        }
        let Some(next) = next else { return false };
        self.now = next;
        for end in [&mut self.client, &mut self.server] {
            end.session.handle_timeout(self.now);
        }
        true
    }

    /// Goes on until nothing can happen any more.
    pub fn settle(&mut self) {
        for _ in 0..50_000_000 {
            if !self.tick() {
                return;
            }
        }
        panic!("no end of it");
    }
}

/// Data messages of what was sent or received.
pub fn data(of: &[Got]) -> Vec<&Got> {
    of.iter().filter(|got| !matches!(got, Got::Ping(_) | Got::Pong(_))).collect()
}

/// A random message, not longer than `len`, and not longer than 125 bytes where it is a control frame.
pub fn random_message(rng: &mut Rng, len: usize) -> Got {
    let len = rng.below(len + 1);
    match rng.below(5) {
        0 | 1 => Got::Text(rng.text(len)),
        2 | 3 => Got::Binary(rng.bytes(len)),
        _ => Got::Ping(rng.bytes(len.min(125))),
    }
}

/// What `message` is when it is sent in parts, in random cuts.
pub fn random_parts(rng: &mut Rng, message: &Got) -> Vec<Todo> {
    let message = message.as_message();
    let kind = if matches!(message, Message::Text(_)) { Kind::Text } else { Kind::Binary };
    let (mut todo, mut rest) = (vec![], message.as_bytes());
    loop {
        // Empty parts are allowed.
        let (data, after) = rest.split_at(rng.below(rest.len() + 1));
        let fin = after.is_empty() && rng.one_in(2);
        todo.push(Todo::Part { kind, data: data.to_vec(), fin });
        if fin {
            return todo;
        }
        rest = after;
    }
}
