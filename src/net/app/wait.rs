//! Waiting for a socket and for a wake-up at once.

#[cfg(unix)]
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::{io, sync::Arc, time::Duration};

#[cfg(unix)]
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Registry, Token, Waker};

use super::super::Stream;

const WAKE: Token = Token(0);
const SOCKET: Token = Token(1);
const BOTH: Interest = Interest::READABLE.add(Interest::WRITABLE);

/// What the loop waits on.
pub(super) struct Waiting {
    poll: Poll,
    events: Events,
    waker: Arc<Waker>,
}

impl Waiting {
    pub(super) fn new() -> io::Result<Self> {
        let poll = Poll::new()?;
        let waker = Arc::new(Waker::new(poll.registry(), WAKE)?);
        Ok(Self { poll, events: Events::with_capacity(8), waker })
    }

    pub(super) const fn waker(&self) -> &Arc<Waker> {
        &self.waker
    }

    /// Readable when there is something to do.
    #[cfg(unix)]
    pub(super) fn as_fd(&self) -> BorrowedFd<'_> {
        self.poll.registry().as_fd()
    }

    /// Waits; `true` if the socket has become readable or writable.
    pub(super) fn wait(&mut self, timeout: Option<Duration>) -> io::Result<bool> {
        match self.poll.poll(&mut self.events, timeout) {
            // A signal: the loop looks at the time, and waits again.
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(false),
            Err(error) => Err(error),
            Ok(()) => Ok(self.events.iter().any(|event| event.token() == SOCKET)),
        }
    }

    /// Watches the socket of a stream, for both directions.
    pub(super) fn watch(&self, stream: &Stream) -> io::Result<Watched> {
        let mut watched = Watched::new(stream)?;
        watched.register(self.poll.registry())?;
        Ok(watched)
    }

    /// Before each wait: here an event comes once, and the next one when it is asked for.
    #[cfg(not(unix))]
    pub(super) fn watch_again(&self, watched: &mut Watched, writing: bool) -> io::Result<()> {
        let interest = if writing { BOTH } else { Interest::READABLE };
        self.poll.registry().reregister(&mut watched.0, SOCKET, interest)
    }

    /// Ends that, before the socket is closed.
    pub(super) fn unwatch(&self, mut watched: Watched) {
        // What cannot be ended here ends with the socket.
        let _ = watched.deregister(self.poll.registry());
    }
}

/// The socket of a stream that is watched: its descriptor, which may be one of any kind.
#[cfg(unix)]
pub(super) struct Watched(RawFd);

#[cfg(unix)]
impl Watched {
    fn new(stream: &Stream) -> io::Result<Self> {
        Ok(Self(stream.as_fd().ok_or(io::ErrorKind::Unsupported)?.as_raw_fd()))
    }

    fn register(&mut self, registry: &Registry) -> io::Result<()> {
        registry.register(&mut SourceFd(&self.0), SOCKET, BOTH)
    }

    fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        registry.deregister(&mut SourceFd(&self.0))
    }
}

/// The socket of a stream that is watched: another handle to it.
#[cfg(not(unix))]
pub(super) struct Watched(mio::net::TcpStream);

#[cfg(not(unix))]
impl Watched {
    fn new(stream: &Stream) -> io::Result<Self> {
        let tcp = stream.tcp_stream().ok_or(io::ErrorKind::Unsupported)?;
        Ok(Self(mio::net::TcpStream::from_std(tcp.try_clone()?)))
    }

    fn register(&mut self, registry: &Registry) -> io::Result<()> {
        registry.register(&mut self.0, SOCKET, BOTH)
    }

    fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        registry.deregister(&mut self.0)
    }
}
