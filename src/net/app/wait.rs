//! Waiting for a socket and for a wake-up at once.

#[cfg(unix)]
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::{io, sync::Arc, time::Duration};

use mio::{Events, Interest, Poll, Token, Waker};

use super::super::Stream;

const WAKE: Token = Token(0);
const SOCKET: Token = Token(1);

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

    /// Watches the socket of a stream.
    pub(super) fn watch(&self, stream: &Stream) -> io::Result<Watched> {
        let mut watched = Watched::new(stream)?;
        let both = Interest::READABLE | Interest::WRITABLE;
        #[cfg(unix)]
        self.poll.registry().register(&mut mio::unix::SourceFd(&watched.fd), SOCKET, both)?;
        #[cfg(not(unix))]
        self.poll.registry().register(&mut watched.socket, SOCKET, both)?;
        let _ = &mut watched;
        Ok(watched)
    }

    /// Ends that, before the socket is closed.
    pub(super) fn unwatch(&self, mut watched: Watched) {
        // What is closed with it is not watched either.
        #[cfg(unix)]
        let _ = self.poll.registry().deregister(&mut mio::unix::SourceFd(&watched.fd));
        #[cfg(not(unix))]
        let _ = self.poll.registry().deregister(&mut watched.socket);
        let _ = &mut watched;
    }
}

/// A socket that is watched.
pub(super) struct Watched {
    #[cfg(unix)]
    fd: std::os::fd::RawFd,
    #[cfg(not(unix))]
    socket: mio::net::TcpStream,
}

impl Watched {
    #[cfg(unix)]
    fn new(stream: &Stream) -> io::Result<Self> {
        let fd = stream.as_fd().ok_or(io::ErrorKind::Unsupported)?.as_raw_fd();
        Ok(Self { fd })
    }

    #[cfg(not(unix))]
    fn new(stream: &Stream) -> io::Result<Self> {
        let tcp = stream.tcp_stream().ok_or(io::ErrorKind::Unsupported)?;
        Ok(Self { socket: mio::net::TcpStream::from_std(tcp.try_clone()?) })
    }
}
