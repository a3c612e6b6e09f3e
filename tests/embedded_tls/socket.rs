//! An async transport over a real socket, that makes its user wait as often as it can.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    future::poll_fn,
    io::{self, Read, Write},
    net::TcpStream,
    rc::Rc,
    task::Poll,
    thread,
    time::{SystemTime, UNIX_EPOCH},
};

use embedded_io::{Error, ErrorKind};
use sockling::{
    net::WsUrl,
    tls::{self, Clock, Options, Tls},
};

use crate::support::Counter;

pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// A socket that moves at most `step` bytes a call. If `gated` it is not ready before each; if it `times_out` it is
/// never pending then, but fails.
#[derive(Clone)]
pub struct Socket {
    tcp: Rc<TcpStream>,
    pub step: usize,
    pub gated: bool,
    pub times_out: bool,
    /// Whether the next call goes through: of reads, and of others.
    ready: [bool; 2],
    /// What is read before what comes from the peer.
    pub injected: Rc<RefCell<VecDeque<u8>>>,
    /// How many bytes were written.
    pub written: Rc<Cell<usize>>,
}

impl Socket {
    pub fn connect(url: &str) -> Self {
        let tcp = TcpStream::connect(("127.0.0.1", WsUrl::parse(url).unwrap().port())).unwrap();
        tcp.set_nonblocking(true).unwrap();
        tcp.set_nodelay(true).unwrap();
        Self {
            tcp: Rc::new(tcp),
            step: usize::MAX,
            gated: false,
            times_out: false,
            ready: [false; 2],
            injected: Rc::default(),
            written: Rc::default(),
        }
    }

    async fn until_ready<T>(
        &mut self,
        reads: bool,
        mut op: impl FnMut(&mut Self) -> io::Result<T>,
    ) -> Result<T, ErrorKind> {
        let mut tries = 0;
        poll_fn(|_| {
            if self.gated {
                let ready = &mut self.ready[usize::from(reads)];
                *ready = !*ready;
                if !*ready {
                    return if self.times_out {
                        Poll::Ready(Err(ErrorKind::TimedOut))
                    } else {
                        Poll::Pending
                    };
                }
            }
            match op(self) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    // The peer has the processor.
                    tries += 1;
                    assert!(tries < 10_000_000, "the peer is silent");
                    thread::yield_now();
                    Poll::Pending
                }
                Err(error) => Poll::Ready(Err(error.kind().into())),
                Ok(value) => Poll::Ready(Ok(value)),
            }
        })
        .await
    }
}

impl embedded_io::ErrorType for Socket {
    type Error = ErrorKind;
}

impl embedded_io_async::Read for Socket {
    async fn read(&mut self, buf: &mut [u8]) -> Result<usize, ErrorKind> {
        let len = buf.len().min(self.step);
        self.until_ready(true, |socket| {
            let injected = socket.injected.borrow().len().min(len);
            if injected > 0 {
                return socket.injected.borrow_mut().read(&mut buf[..injected]);
            }
            (&*socket.tcp).read(&mut buf[..len])
        })
        .await
    }
}

impl embedded_io_async::Write for Socket {
    async fn write(&mut self, buf: &[u8]) -> Result<usize, ErrorKind> {
        let len = buf.len().min(self.step);
        let n = self.until_ready(false, |socket| (&*socket.tcp).write(&buf[..len])).await?;
        self.written.set(self.written.get() + n);
        Ok(n)
    }

    async fn flush(&mut self) -> Result<(), ErrorKind> {
        self.until_ready(false, |_| Ok(())).await
    }
}

/// The two buffers.
pub struct Buffers(pub Vec<u8>, pub Vec<u8>);

impl Buffers {
    pub fn new() -> Self {
        Self(vec![0; tls::MAX_READ], vec![0; 2048])
    }
}

pub async fn open<'b>(
    socket: Socket,
    host: &str,
    options: &Options<'_>,
    buffers: &'b mut Buffers,
) -> Result<Tls<'b, Socket>, tls::Error<ErrorKind>> {
    let Buffers(read, write) = buffers;
    Tls::open(socket, host, options, &mut Counter::default(), read, write).await
}

/// Trust in one authority, now.
pub fn trusting<'a>(authorities: &'a [&'a [u8]]) -> Options<'a> {
    Options::new(authorities, Clock::Now(now()))
}

pub fn timed_out(error: &impl Error) -> bool {
    error.kind() == ErrorKind::TimedOut
}
