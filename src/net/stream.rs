use core::{any::Any, fmt};
#[cfg(unix)]
use std::os::{
    fd::{AsFd, BorrowedFd, OwnedFd},
    unix::net::UnixStream,
};
use std::{
    boxed::Box,
    io::{self, Read, Write},
    net::{Shutdown, SocketAddr, TcpStream},
    time::{Duration, Instant},
};

use super::{
    ReadHalf, WriteHalf,
    error::is_wait,
    halves,
    layers::{Layer, Layers},
    socket::{Ender, Raw, Side, unsupported},
};

/// What the transport of a connection reports.
///
/// To [`embedded_io`] a read or write that would block is one that timed out.
#[derive(Debug)]
pub struct IoError(pub(super) io::Error);

impl IoError {
    /// The error.
    #[must_use]
    pub fn into_inner(self) -> io::Error {
        self.0
    }

    /// Whether the transport is non-blocking and has nothing now.
    pub(super) fn is_block(&self) -> bool {
        self.0.kind() == io::ErrorKind::WouldBlock
    }

    /// Whether the peer takes nothing any more. What it sent before may still be there to be read.
    pub(super) fn is_gone(&self) -> bool {
        use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset};
        matches!(self.0.kind(), BrokenPipe | ConnectionAborted | ConnectionReset)
    }
}

impl fmt::Display for IoError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl core::error::Error for IoError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        Some(&self.0)
    }
}

impl embedded_io::Error for IoError {
    fn kind(&self) -> embedded_io::ErrorKind {
        if is_wait(&self.0) { embedded_io::ErrorKind::TimedOut } else { embedded_io::Error::kind(&self.0) }
    }
}

/// What a connection runs over: TCP, TLS over TCP, or a stream that the caller brought.
///
/// Reads and writes that fail because of a time limit or because they would block lose nothing, also within TLS.
pub struct Stream {
    raw: Raw,
    layers: Layers,
    /// Fail the next read after a write once, see [`set_pausing`](Self::set_pausing).
    pausing: bool,
    always: bool,
    moved: bool,
    paused: bool,
    /// Writes time out, see [`set_muted`](Self::set_muted).
    muted: bool,
    /// How many bytes were read and written.
    counts: (u64, u64),
}

impl Stream {
    /// Over TCP.
    pub(super) fn tcp(tcp: TcpStream) -> Self {
        let (input, output) = Side::both(tcp);
        Self::new(Raw::Socket(input, output))
    }

    /// Over what the caller brings. A `TcpStream` or `UnixStream` is recognised, so that deadlines hold within its reads and writes.
    pub(super) fn given(io: impl Read + Write + Send + 'static) -> io::Result<Self> {
        let mut slot = Some(io);
        let any: &mut dyn Any = &mut slot;
        if let Some(tcp) = any.downcast_mut::<Option<TcpStream>>().and_then(Option::take) {
            tcp.set_nonblocking(false)?;
            return Ok(Self::tcp(tcp));
        }
        #[cfg(unix)]
        if let Some(unix) =
            (&mut slot as &mut dyn Any).downcast_mut::<Option<UnixStream>>().and_then(Option::take)
        {
            unix.set_nonblocking(false)?;
            return Ok(Self::tcp(OwnedFd::from(unix).into()));
        }
        let io = slot.ok_or(io::ErrorKind::NotFound)?;
        Ok(Self::new(Raw::Other { io: Box::new(io), deadline: None }))
    }

    fn new(raw: Raw) -> Self {
        let layers = Layers::default();
        let (pausing, always, moved, paused, muted) = (false, false, false, false, false);
        Self { raw, layers, pausing, always, moved, paused, muted, counts: (0, 0) }
    }

    /// Goes on over TLS, once its handshake is done.
    pub(super) fn start_tls(&mut self, connection: rustls::Connection, layer: Layer) -> io::Result<()> {
        self.layers.start(&mut self.raw, connection, layer)
    }

    /// What ends the socket, also under a call in another thread; `None` over a stream that the caller brought.
    pub(super) fn ender(&self) -> Option<Ender> {
        match &self.raw {
            Raw::Socket(input, _) => Some(input.ender()),
            Raw::Other { .. } => None,
        }
    }

    /// Whether it is TLS, started here and to the other end: TLS to a proxy only is none.
    #[must_use]
    pub const fn is_tls(&self) -> bool {
        self.layers.is_tls()
    }

    /// The socket; `None` over a stream that the caller brought. Bytes read or written there are missing here.
    ///
    /// A Unix-domain socket is here a `TcpStream` too, whose addresses are errors and whose `TCP_NODELAY` is none.
    #[must_use]
    pub fn tcp_stream(&self) -> Option<&TcpStream> {
        match &self.raw {
            Raw::Socket(input, _) => Some(input.tcp()),
            Raw::Other { .. } => None,
        }
    }

    /// The descriptor to wait on in an event loop; `None` over a stream that the caller brought.
    ///
    /// Bytes may have been received and wait in buffers: whenever it is readable, call `recv` until that would block,
    /// and do so once before the first wait.
    #[cfg(unix)]
    #[must_use]
    pub fn as_fd(&self) -> Option<BorrowedFd<'_>> {
        self.tcp_stream().map(AsFd::as_fd)
    }

    /// The address of the other end: that of the proxy, if there is one.
    ///
    /// # Errors
    /// That of the socket; [`Unsupported`](io::ErrorKind::Unsupported) over a stream that the caller brought.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.tcp_stream().ok_or_else(unsupported)?.peer_addr()
    }

    /// Sets how long one read waits; `None`, the default, for as long as it takes.
    ///
    /// # Errors
    /// [`InvalidInput`](io::ErrorKind::InvalidInput) for zero; [`Unsupported`](io::ErrorKind::Unsupported) over a
    /// stream that the caller brought.
    pub fn set_read_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        match &mut self.raw {
            Raw::Socket(input, _) => input.set_timeout(timeout),
            Raw::Other { .. } => Err(unsupported()),
        }
    }

    /// Sets how long one write waits; `None`, the default, for as long as it takes.
    ///
    /// # Errors
    /// Like [`set_read_timeout`](Self::set_read_timeout).
    pub fn set_write_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        match &mut self.raw {
            Raw::Socket(_, output) => output.set_timeout(timeout),
            Raw::Other { .. } => Err(unsupported()),
        }
    }

    /// Sets whether reads and writes that cannot be done at once fail with
    /// [`WouldBlock`](io::ErrorKind::WouldBlock).
    ///
    /// # Errors
    /// That of the socket; [`Unsupported`](io::ErrorKind::Unsupported) over a stream that the caller brought.
    pub fn set_nonblocking(&mut self, nonblocking: bool) -> io::Result<()> {
        match &mut self.raw {
            Raw::Socket(input, _) => input.set_nonblocking(nonblocking),
            Raw::Other { .. } => Err(unsupported()),
        }
    }

    /// Cuts it in two halves, for two threads.
    ///
    /// # Errors
    /// [`Unsupported`](io::ErrorKind::Unsupported) over a stream that the caller brought: no one knows how to cut that.
    pub fn split(self) -> io::Result<(ReadHalf, WriteHalf)> {
        match self.raw {
            Raw::Socket(input, output) => Ok(halves::both(input, output, self.layers)),
            Raw::Other { .. } => Err(unsupported()),
        }
    }

    /// Bounds all reads and writes together: past it they time out, however little each of them waited. Over a stream
    /// that the caller brought it shows only between them.
    pub(super) fn set_deadline(&mut self, at: Option<Instant>) {
        match &mut self.raw {
            Raw::Socket(input, output) => {
                input.set_deadline(at);
                output.set_deadline(at);
            }
            Raw::Other { deadline, .. } => *deadline = at,
        }
    }

    /// Makes the first read after a write time out at once, one time: so that the caller can look at what was written,
    /// which may have been a close frame, before it waits. `always`: also the first read after another one.
    pub(super) const fn set_pausing(&mut self, pausing: bool, always: bool) {
        (self.pausing, self.always, self.moved, self.paused) = (pausing, always, false, false);
    }

    /// Whether the last time-out was a pause.
    pub(super) const fn take_pause(&mut self) -> bool {
        core::mem::replace(&mut self.paused, false)
    }

    /// Makes writes time out, after one that failed, so that a driver goes on with reading: for next to no time.
    pub(super) fn set_muted(&mut self, muted: bool) {
        self.set_deadline(Instant::now().checked_add(Duration::from_millis(100)));
        self.set_pausing(false, false);
        self.muted = muted;
    }

    /// How many bytes were read and written so far.
    pub(super) const fn counts(&self) -> (u64, u64) {
        self.counts
    }

    /// Ends the connection so that what was written arrives: a socket that is closed while received bytes are unread
    /// resets the connection, and a reset discards what the peer has not read yet. So the writing direction is ended
    /// first, then what still comes is discarded: at most 256 KiB, for 1 s; only what is there if non-blocking.
    pub(super) fn linger(&mut self) {
        self.set_deadline(Instant::now().checked_add(LINGER));
        self.layers.close(&mut self.raw);
        let Raw::Socket(input, output) = &mut self.raw else {
            return;
        };
        if output.tcp().shutdown(Shutdown::Write).is_ok() {
            input.discard();
        }
        let _ = output.tcp().shutdown(Shutdown::Both);
    }

    /// Ends both directions; waits for next to nothing.
    pub(super) fn shutdown(&mut self) {
        self.set_deadline(Instant::now().checked_add(Duration::from_millis(100)));
        self.layers.close(&mut self.raw);
        if let Some(tcp) = self.tcp_stream() {
            let _ = tcp.shutdown(Shutdown::Both);
        }
    }
}

impl Read for Stream {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if core::mem::replace(&mut self.moved, false) && self.pausing {
            self.paused = true;
            return Err(io::ErrorKind::TimedOut.into());
        }
        let n = self.layers.read(&mut self.raw, buf)?;
        self.moved = self.always;
        self.counts.0 += n as u64;
        Ok(n)
    }
}

impl Write for Stream {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        if self.muted {
            return Err(io::ErrorKind::TimedOut.into());
        }
        // After one that failed there is nothing to pause for: what has come is read, up to the end.
        let n = self.layers.write(&mut self.raw, buf).inspect_err(|error| self.moved &= is_wait(error))?;
        self.moved = true;
        self.counts.1 += n as u64;
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.layers.flush(&mut self.raw)
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stream")
            .field("tls", &self.is_tls())
            .field("tcp", &self.tcp_stream())
            .finish_non_exhaustive()
    }
}

/// How long an end waits for the peer to take what was written.
pub(super) const LINGER: Duration = Duration::from_secs(1);

impl embedded_io::ErrorType for Stream {
    type Error = IoError;
}

impl embedded_io::Read for Stream {
    fn read(&mut self, buf: &mut [u8]) -> Result<usize, IoError> {
        Read::read(self, buf).map_err(IoError)
    }
}

impl embedded_io::Write for Stream {
    fn write(&mut self, buf: &[u8]) -> Result<usize, IoError> {
        Write::write(self, buf).map_err(IoError)
    }

    fn flush(&mut self) -> Result<(), IoError> {
        Write::flush(self).map_err(IoError)
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use embedded_io::{Error as _, ErrorKind};

    use super::*;

    /// Reads and writes nothing, by a given error or without one.
    struct Stuck(Option<io::ErrorKind>);

    impl Read for Stuck {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            self.0.take().map_or(Ok(0), |kind| Err(kind.into()))
        }
    }

    impl Write for Stuck {
        fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
            self.0.take().map_or(Ok(buf.len()), |kind| Err(kind.into()))
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn errors_as_the_drivers_see_them() {
        for (kind, want) in [
            (io::ErrorKind::WouldBlock, ErrorKind::TimedOut),
            (io::ErrorKind::TimedOut, ErrorKind::TimedOut),
            (io::ErrorKind::ConnectionReset, ErrorKind::ConnectionReset),
            (io::ErrorKind::BrokenPipe, ErrorKind::BrokenPipe),
        ] {
            let mut stream = Stream::given(Stuck(Some(kind))).unwrap();
            assert_eq!(embedded_io::Read::read(&mut stream, &mut [0]).unwrap_err().kind(), want);
            assert_eq!(stream.read(&mut [0]).unwrap(), 0);
        }
        // Interrupted calls are made again.
        let mut stream = Stream::given(Stuck(Some(io::ErrorKind::Interrupted))).unwrap();
        assert_eq!(stream.write(&[0]).unwrap(), 1);
    }

    #[test]
    fn a_stream_of_the_callers() {
        let mut stream = Stream::given(Stuck(None)).unwrap();
        assert!(stream.tcp_stream().is_none());
        for result in
            [stream.set_read_timeout(None), stream.set_nonblocking(true), stream.peer_addr().map(|_| ())]
        {
            assert_eq!(result.unwrap_err().kind(), io::ErrorKind::Unsupported);
        }
        stream.set_deadline(Some(Instant::now()));
        assert_eq!(stream.read(&mut [0]).unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert!(stream.split().is_err());

        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let stream = Stream::given(TcpStream::connect(addr).unwrap()).unwrap();
        assert_eq!(stream.peer_addr().unwrap(), addr);
    }

    #[test]
    fn a_pause_comes_once_after_a_write() {
        let mut stream = Stream::given(Stuck(None)).unwrap();
        stream.set_pausing(true, false);
        assert_eq!(stream.read(&mut [0]).unwrap(), 0);
        assert_eq!(stream.write(&[0]).unwrap(), 1);
        assert_eq!(stream.read(&mut [0]).unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert!(stream.take_pause() && !stream.take_pause());
        assert_eq!(stream.read(&mut [0]).unwrap(), 0);
    }

    /// The time limits of the user are there again after a deadline.
    #[test]
    fn time_limits_come_back() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut stream = Stream::tcp(TcpStream::connect(listener.local_addr().unwrap()).unwrap());
        let limit = |stream: &Stream| stream.tcp_stream().and_then(|tcp| tcp.read_timeout().unwrap());
        stream.set_read_timeout(Some(Duration::from_millis(10))).unwrap();
        for millis in [5, 1000] {
            stream.set_deadline(Instant::now().checked_add(Duration::from_millis(millis)));
            let begin = Instant::now();
            assert_eq!(stream.read(&mut [0]).unwrap_err().kind(), io::ErrorKind::TimedOut);
            assert!(begin.elapsed() < Duration::from_millis(500));
        }
        stream.set_deadline(Some(Instant::now()));
        assert_eq!(stream.write(&[0]).unwrap_err().kind(), io::ErrorKind::TimedOut);
        stream.set_deadline(None);
        let _ = stream.read(&mut [0]);
        // Linux counts in ticks of its clock.
        assert!(limit(&stream).is_some_and(|limit| limit < Duration::from_millis(50)));
        stream.set_read_timeout(None).unwrap();
        assert_eq!(limit(&stream), None);
    }
}
