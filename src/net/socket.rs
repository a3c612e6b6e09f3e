//! What is under TLS: sockets, with time limits that hold for many calls together.

use core::fmt;
use std::{
    boxed::Box,
    io::{self, Read, Write},
    net::{Shutdown, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use super::error::is_wait;

/// A stream that the caller brings: any that can be read, written and sent to another thread.
pub(super) trait Transport: Read + Write + Send {}
impl<T: Read + Write + Send> Transport for T {}

/// A socket's reading and writing side, or a stream that the caller brought.
pub(super) enum Raw {
    Socket(Side, Side),
    Other { io: Box<dyn Transport>, deadline: Option<Instant> },
}

impl Read for Raw {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Socket(input, _) => input.read(buf),
            Self::Other { io, deadline } => check(*deadline).and_then(|()| retry(|| io.read(buf))),
        }
    }
}

impl Write for Raw {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        match self {
            Self::Socket(_, output) => output.write(buf),
            Self::Other { io, deadline } => check(*deadline).and_then(|()| retry(|| io.write(buf))),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Socket(..) => Ok(()),
            Self::Other { io, deadline } => check(*deadline).and_then(|()| retry(|| io.flush())),
        }
    }
}

/// One direction of a socket, with its time limits.
pub(super) struct Side {
    socket: Arc<Socket>,
    set: fn(&TcpStream, Option<Duration>) -> io::Result<()>,
    /// The user's, of one call.
    timeout: Option<Duration>,
    deadline: Option<Instant>,
    /// The socket has another time limit than the user's.
    armed: bool,
}

struct Socket {
    tcp: TcpStream,
    nonblocking: AtomicBool,
}

impl Side {
    /// Both sides: to read, and to write.
    pub(super) fn both(tcp: TcpStream) -> (Self, Self) {
        let socket = Arc::new(Socket { tcp, nonblocking: AtomicBool::new(false) });
        let side = |set| Self { socket: socket.clone(), set, timeout: None, deadline: None, armed: false };
        (side(TcpStream::set_read_timeout), side(TcpStream::set_write_timeout))
    }

    /// What shuts the socket down, also under a call in another thread. It keeps the descriptor until it is dropped.
    pub(super) fn shutdown_handle(&self) -> impl FnOnce() + Send + use<> {
        let socket = self.socket.clone();
        move || drop(socket.tcp.shutdown(Shutdown::Both))
    }

    pub(super) fn tcp(&self) -> &TcpStream {
        &self.socket.tcp
    }

    /// For both sides.
    pub(super) fn set_nonblocking(&self, nonblocking: bool) -> io::Result<()> {
        self.tcp().set_nonblocking(nonblocking)?;
        self.socket.nonblocking.store(nonblocking, Ordering::Relaxed);
        Ok(())
    }

    /// Bounds one call.
    pub(super) fn set_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        (self.set)(self.tcp(), timeout)?;
        self.timeout = timeout;
        self.armed = false;
        Ok(())
    }

    /// Bounds all calls together.
    pub(super) const fn set_deadline(&mut self, at: Option<Instant>) {
        self.deadline = at;
    }

    /// Reads what still comes, for nothing: at most 256 KiB, until the deadline.
    pub(super) fn discard(&mut self) {
        let _ = self.set_timeout(None);
        let mut scratch = [0; 4096];
        let mut left: usize = 256 << 10;
        while left > 0 {
            match self.read(&mut scratch) {
                Ok(0) | Err(_) => break,
                Ok(n) => left = left.saturating_sub(n),
            }
        }
    }

    /// Sets the socket's time limit to what is left; says whether that is the deadline's.
    fn arm(&mut self) -> io::Result<bool> {
        let Some(deadline) = self.deadline else {
            if core::mem::replace(&mut self.armed, false) {
                (self.set)(self.tcp(), self.timeout)?;
            }
            return Ok(false);
        };
        check(Some(deadline))?;
        // Some systems count in milliseconds, and none takes zero.
        let left = deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
        let limit = self.timeout.map_or(left, |timeout| timeout.min(left));
        self.armed = true;
        (self.set)(self.tcp(), Some(limit))?;
        Ok(limit == left)
    }

    fn run(&mut self, mut op: impl FnMut(&TcpStream) -> io::Result<usize>) -> io::Result<usize> {
        loop {
            let until_deadline = self.arm()?;
            match retry(|| op(self.tcp())) {
                Err(error) if is_wait(&error) && !self.socket.nonblocking.load(Ordering::Relaxed) => {
                    // Clocks differ: a little too early is not yet.
                    if !until_deadline || check(self.deadline).is_err() {
                        return Err(io::ErrorKind::TimedOut.into());
                    }
                }
                other => return other,
            }
        }
    }
}

impl Read for Side {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.run(|mut tcp| tcp.read(buf))
    }
}

impl Write for Side {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.run(|mut tcp| tcp.write(buf))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn retry<T>(mut op: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match op() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

fn check(deadline: Option<Instant>) -> io::Result<()> {
    match deadline {
        Some(deadline) if deadline <= Instant::now() => Err(io::ErrorKind::TimedOut.into()),
        _ => Ok(()),
    }
}

pub(super) fn unsupported() -> io::Error {
    io::Error::new(io::ErrorKind::Unsupported, "the caller brought the stream: set this there")
}

impl fmt::Debug for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.tcp(), f)
    }
}
