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
    /// The time limit that the socket has.
    limit: Option<Duration>,
}

struct Socket {
    tcp: TcpStream,
    nonblocking: AtomicBool,
    /// Calls wait in slices, and look between them whether it has ended.
    sliced: bool,
    ended: AtomicBool,
}

/// On Windows, `shutdown` does not wake a call in another thread.
const SLICED: bool = cfg!(windows);
const SLICE: Duration = Duration::from_millis(50);

/// Ends both directions of a socket, also under calls in other threads. It keeps the descriptor until it is dropped.
#[derive(Clone)]
pub(super) struct Ender(Arc<Socket>);

impl Ender {
    pub(super) fn end(&self) {
        self.0.ended.store(true, Ordering::Relaxed);
        // It has ended already, if not.
        let _ = self.0.tcp.shutdown(Shutdown::Both);
    }
}

impl Side {
    /// Both sides: to read, and to write.
    pub(super) fn both(tcp: TcpStream) -> (Self, Self) {
        Self::with(tcp, SLICED)
    }

    fn with(tcp: TcpStream, sliced: bool) -> (Self, Self) {
        let (nonblocking, ended) = (AtomicBool::new(false), AtomicBool::new(false));
        let socket = Arc::new(Socket { tcp, nonblocking, sliced, ended });
        let side = |set| Self { socket: socket.clone(), set, timeout: None, deadline: None, limit: None };
        (side(TcpStream::set_read_timeout), side(TcpStream::set_write_timeout))
    }

    pub(super) fn ender(&self) -> Ender {
        Ender(self.socket.clone())
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
        (self.timeout, self.limit) = (timeout, timeout);
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

    /// One call of the socket, within the time limits; `ended` is what it comes to once the socket was ended under it.
    fn run(
        &mut self,
        mut op: impl FnMut(&TcpStream) -> io::Result<usize>,
        ended: impl FnOnce() -> io::Result<usize>,
    ) -> io::Result<usize> {
        let (mut once, mut deadline) = (self.timeout, self.deadline);
        if self.socket.sliced {
            let by = once.and_then(|timeout| Instant::now().checked_add(timeout));
            (once, deadline) = (Some(SLICE), [by, deadline].into_iter().flatten().min());
        }
        loop {
            check(deadline)?;
            // Some systems count in milliseconds, and none takes zero.
            let least = Duration::from_millis(1);
            let left = deadline.map(|by| by.saturating_duration_since(Instant::now()).max(least));
            let limit = [once, left].into_iter().flatten().min();
            if limit != self.limit {
                (self.set)(self.tcp(), limit)?;
                self.limit = limit;
            }
            match retry(|| op(self.tcp())) {
                Err(error) if is_wait(&error) && !self.socket.nonblocking.load(Ordering::Relaxed) => {
                    if self.socket.sliced && self.socket.ended.load(Ordering::Relaxed) {
                        return ended();
                    }
                    // Clocks differ: a little before the deadline is not yet.
                    if check(deadline).is_err() || !self.socket.sliced && limit == once {
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
        self.run(|mut tcp| tcp.read(buf), || Ok(0))
    }
}

impl Write for Side {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.run(|mut tcp| tcp.write(buf), || Err(io::ErrorKind::BrokenPipe.into()))
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

#[cfg(test)]
mod tests {
    use std::{net::TcpListener, thread, vec};

    use super::*;

    const MS: Duration = Duration::from_millis(1);

    /// Two ends of one connection, the first of them cut in sides.
    fn sides(sliced: bool) -> ((Side, Side), TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let tcp = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        (Side::with(tcp, sliced), listener.accept().unwrap().0)
    }

    #[test]
    fn slices_add_up_to_the_time_limits() {
        for sliced in [false, true] {
            let ((mut input, _), mut peer) = sides(sliced);
            for (timeout, deadline, want) in [
                (Some(5), None, 5),
                (Some(120), None, 120),
                (None, Some(120), 120),
                (Some(120), Some(1000), 120),
                (Some(1000), Some(120), 120),
            ] {
                input.set_timeout(timeout.map(|n| MS * n)).unwrap();
                input.set_deadline(deadline.and_then(|n| Instant::now().checked_add(MS * n)));
                let begin = Instant::now();
                assert_eq!(input.read(&mut [0]).unwrap_err().kind(), io::ErrorKind::TimedOut);
                assert!((MS * (want - 1)..MS * 900).contains(&begin.elapsed()), "{:?}", begin.elapsed());
            }
            input.set_deadline(None);
            input.set_timeout(None).unwrap();
            let late = thread::spawn(move || {
                thread::sleep(MS * 120);
                peer.write_all(b"x").unwrap();
                peer
            });
            assert_eq!(input.read(&mut [0]).unwrap(), 1);
            late.join().unwrap();
        }
    }

    /// Also where the system does not wake a call: then it is the flag that does.
    #[test]
    fn an_end_wakes_calls_of_other_threads() {
        for shut in [false, true] {
            let ((mut input, mut output), _peer) = sides(!shut || SLICED);
            let ender = input.ender();
            let reading = thread::spawn(move || input.read(&mut [0]));
            let writing = thread::spawn(move || {
                let zeros = vec![0; 1 << 20];
                loop {
                    if let Err(error) = output.write(&zeros) {
                        return error.kind();
                    }
                }
            });
            thread::sleep(MS * 100);
            if shut {
                ender.end();
            } else {
                ender.0.ended.store(true, Ordering::Relaxed);
            }
            assert_eq!(reading.join().unwrap().unwrap(), 0);
            assert_ne!(writing.join().unwrap(), io::ErrorKind::TimedOut);
        }
    }
}
