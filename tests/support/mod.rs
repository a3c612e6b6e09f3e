//! What the tests of the drivers share: a scripted transport, a generator of known keys, frames by hand.
#![allow(dead_code, reason = "each test binary uses some of it")]

#[cfg(feature = "deflate")]
pub mod deflate;
pub mod drive;
pub mod open;
pub mod pair;

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    future::{Future, poll_fn},
    pin::{Pin, pin},
    rc::Rc,
    task::{Context, Poll, Waker},
};

use embedded_io::ErrorKind;

/// A transport that moves at most `step` bytes a call, is not ready before each call if `gated`, and fails once
/// `fail_at` bytes were moved in both directions together.
#[derive(Clone)]
pub struct Script {
    pub input: Rc<RefCell<VecDeque<u8>>>,
    pub output: Rc<RefCell<Vec<u8>>>,
    pub step: usize,
    /// Pending (async) or `TimedOut` (blocking) before every call.
    pub gated: bool,
    ready: bool,
    pub fail_at: usize,
    moved: usize,
    pub flushed: Rc<RefCell<usize>>,
    /// At the end of the input: the end of the stream, or (false) an endless wait (async) or `TimedOut` (blocking).
    pub ends: bool,
    /// How many bytes it still takes before writing waits endlessly or times out: a peer that does not read.
    pub room: Rc<Cell<usize>>,
    /// How many times something was written.
    pub writes: Rc<Cell<usize>>,
}

impl Script {
    pub fn new(input: &[u8], step: usize) -> Self {
        Self {
            input: Rc::new(RefCell::new(input.iter().copied().collect())),
            output: Rc::default(),
            step,
            gated: false,
            ready: false,
            fail_at: usize::MAX,
            moved: 0,
            flushed: Rc::default(),
            ends: true,
            room: Rc::new(Cell::new(usize::MAX)),
            writes: Rc::default(),
        }
    }

    /// At the end of the input the peer is silent, and does not end the stream.
    pub fn hanging(mut self) -> Self {
        self.ends = false;
        self
    }

    pub fn gated(mut self) -> Self {
        self.gated = true;
        self
    }

    pub fn failing_at(mut self, at: usize) -> Self {
        self.fail_at = at;
        self
    }

    fn turn(&mut self) -> bool {
        self.ready = !self.ready || !self.gated;
        self.ready
    }

    fn move_on(&mut self, len: usize) -> Result<usize, ErrorKind> {
        if self.moved >= self.fail_at {
            return Err(ErrorKind::ConnectionReset);
        }
        let n = self.step.min(len).min(self.fail_at - self.moved);
        self.moved += n;
        Ok(n)
    }

    fn do_read(&mut self, buf: &mut [u8]) -> Result<usize, ErrorKind> {
        let there = self.input.borrow().len().min(buf.len());
        let n = if there == 0 { 0 } else { self.move_on(there)? };
        for (to, from) in buf.iter_mut().zip(self.input.borrow_mut().drain(..n)) {
            *to = from;
        }
        Ok(n)
    }

    fn do_write(&mut self, buf: &[u8]) -> Result<usize, ErrorKind> {
        let n = self.move_on(buf.len().min(self.room.get()))?;
        self.room.set(self.room.get() - n);
        self.writes.set(self.writes.get() + 1);
        self.output.borrow_mut().extend_from_slice(&buf[..n]);
        Ok(n)
    }

    /// Nothing is there to read, and nothing comes.
    fn is_silent(&self) -> bool {
        !self.ends && self.input.borrow().is_empty()
    }

    fn gate(&mut self) -> Gate<'_> {
        Gate(self)
    }
}

struct Gate<'a>(&'a mut Script);

impl Future for Gate<'_> {
    type Output = ();
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.0.turn() {
            Poll::Ready(())
        } else {
            cx.waker().wake_by_ref();
            Poll::Pending
        }
    }
}

impl embedded_io::ErrorType for Script {
    type Error = ErrorKind;
}

impl embedded_io::Read for Script {
    fn read(&mut self, buf: &mut [u8]) -> Result<usize, ErrorKind> {
        if self.turn() && !self.is_silent() { self.do_read(buf) } else { Err(ErrorKind::TimedOut) }
    }
}

impl embedded_io::Write for Script {
    fn write(&mut self, buf: &[u8]) -> Result<usize, ErrorKind> {
        if self.turn() && self.room.get() > 0 { self.do_write(buf) } else { Err(ErrorKind::TimedOut) }
    }

    fn flush(&mut self) -> Result<(), ErrorKind> {
        if self.turn() {
            *self.flushed.borrow_mut() = self.output.borrow().len();
            Ok(())
        } else {
            Err(ErrorKind::TimedOut)
        }
    }
}

impl embedded_io_async::Read for Script {
    async fn read(&mut self, buf: &mut [u8]) -> Result<usize, ErrorKind> {
        self.gate().await;
        wait_until(|| !self.is_silent()).await;
        self.do_read(buf)
    }
}

impl embedded_io_async::Write for Script {
    async fn write(&mut self, buf: &[u8]) -> Result<usize, ErrorKind> {
        self.gate().await;
        wait_until(|| self.room.get() > 0).await;
        self.do_write(buf)
    }

    async fn flush(&mut self) -> Result<(), ErrorKind> {
        self.gate().await;
        *self.flushed.borrow_mut() = self.output.borrow().len();
        Ok(())
    }
}

/// Nobody is woken: whoever made the condition true polls again.
async fn wait_until(condition: impl Fn() -> bool) {
    poll_fn(|_| if condition() { Poll::Ready(()) } else { Poll::Pending }).await;
}

/// Polls a future once and drops it.
pub fn once<F: Future>(future: F) -> Option<F::Output> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}

/// Polls a future until it is ready; panics if it stays pending for ever.
pub fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    for _ in 0..100_000_000 {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return output;
        }
    }
    panic!("the future hangs");
}

/// Keys that count up: known, and each frame's its own.
#[derive(Clone, Debug, Default)]
pub struct Counter(pub u8);

impl sockling::Random for Counter {
    fn fill(&mut self, dest: &mut [u8]) {
        for byte in dest {
            self.0 = self.0.wrapping_add(1);
            *byte = self.0;
        }
    }
}

/// One frame, by the letter of section 5.2 and with no code of the library.
pub fn frame(first: u8, payload: &[u8], key: Option<[u8; 4]>) -> Vec<u8> {
    let mut out = vec![first];
    let mask = if key.is_some() { 0x80 } else { 0 };
    match payload.len() {
        n @ 0..=125 => out.push(mask | n as u8),
        n @ 126..=0xFFFF => {
            out.push(mask | 126);
            out.extend((n as u16).to_be_bytes());
        }
        n => {
            out.push(mask | 127);
            out.extend((n as u64).to_be_bytes());
        }
    }
    out.extend(key.iter().flatten());
    out.extend(payload.iter().enumerate().map(|(i, byte)| byte ^ key.map_or(0, |key| key[i % 4])));
    out
}

/// A frame as read back from the wire: first byte, whether masked, unmasked payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    pub first: u8,
    pub masked: bool,
    pub key: Option<[u8; 4]>,
    pub payload: Vec<u8>,
}

/// Cuts a wire into frames; panics if the last one is not whole.
pub fn frames(mut wire: &[u8]) -> Vec<Seen> {
    let mut seen = vec![];
    while let [first, second, rest @ ..] = wire {
        let (len, rest) = match second & 0x7F {
            126 => (u16::from_be_bytes([rest[0], rest[1]]) as usize, &rest[2..]),
            127 => (u64::from_be_bytes(rest[..8].try_into().unwrap()) as usize, &rest[8..]),
            len => (len as usize, rest),
        };
        let masked = second & 0x80 != 0;
        let (key, rest) = if masked { (rest[..4].to_vec(), &rest[4..]) } else { (vec![0; 4], rest) };
        let payload = rest[..len].iter().enumerate().map(|(i, byte)| byte ^ key[i % 4]).collect();
        let key = masked.then(|| key[..].try_into().unwrap());
        seen.push(Seen { first: *first, masked, key, payload });
        wire = &rest[len..];
    }
    assert!(wire.is_empty(), "a frame is cut: {wire:x?}");
    seen
}

/// A frame that announces more than has come: `missing` bytes of its payload are still to follow.
pub fn unfinished(first: u8, payload: &[u8], missing: usize, key: Option<[u8; 4]>) -> Vec<u8> {
    let mut out = frame(first, &[payload, &vec![0; missing]].concat(), key);
    out.truncate(out.len() - missing);
    out
}

/// A close frame's body.
pub fn close_body(code: u16, reason: &str) -> Vec<u8> {
    [&code.to_be_bytes()[..], reason.as_bytes()].concat()
}
