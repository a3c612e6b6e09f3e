use core::fmt;
use std::{
    net::Shutdown,
    sync::{Arc, Condvar, Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use super::{
    CloseInfo, Error, IoError, ReadHalf, WriteHalf, deflate::NetCodec, options::deadline, random::Keys,
    socket::Ender, websocket::Inner,
};
use crate::{CloseCode, Growing, Kind, Message, Part, blocking, proto::Mode};

/// Cuts a connection for two threads.
pub(super) fn split(
    inner: Inner,
    server: bool,
    close_timeout: Duration,
    timed: bool,
) -> Result<(Reader, Writer), Error> {
    let (stream, session, keys, rx, tx, codec) = inner.into_parts();
    let (mut read_half, mut write_half) = stream.split().map_err(Error::Io)?;
    read_half.set_deadline(None);
    write_half.set_deadline(None);
    let ender = write_half.ender();
    let (reader, writer) = blocking::halves(read_half, write_half, (session, keys, rx, tx, codec));
    let over = Arc::new(Over::default());
    let reader = Reader { inner: reader, over: over.clone(), server, timed, opened: Instant::now() };
    Ok((reader, Writer { inner: writer, ender, over, close_timeout }))
}

/// Whether the reader has come to the end.
#[derive(Default)]
struct Over(Mutex<bool>, Condvar);

impl Over {
    fn set(&self) -> bool {
        let mut over = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        self.1.notify_all();
        core::mem::replace(&mut *over, true)
    }

    fn wait(&self, timeout: Duration) -> bool {
        let over = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let result = self.1.wait_timeout_while(over, timeout, |over| !*over);
        *result.unwrap_or_else(PoisonError::into_inner).0
    }
}

/// The half of a [`WebSocket`](super::WebSocket) that receives, and answers pings and close frames:
/// [`WebSocket::split`](super::WebSocket::split).
///
/// When it is dropped the connection ends.
pub struct Reader {
    inner: blocking::Reader<ReadHalf, WriteHalf, Keys, Growing, NetCodec>,
    over: Arc<Over>,
    server: bool,
    /// Whether a message has a time limit.
    timed: bool,
    /// What the session's time is counted from.
    opened: Instant,
}

impl Reader {
    /// Receives the next message, like [`WebSocket::recv`](super::WebSocket::recv).
    ///
    /// # Errors
    /// Likewise.
    pub fn recv(&mut self) -> Result<Message<'_>, Error> {
        self.next(Mode::Whole)?;
        let Self { inner, over, .. } = self;
        // The transport is a field of `inner`, which the message borrows: a clone of the socket ends it.
        let socket = inner.io().tcp_stream().try_clone();
        inner.message().map_err(|error| {
            over.set();
            let _ = socket.map(|socket| socket.shutdown(Shutdown::Write));
            Error::from_core(error)
        })
    }

    /// Receives what has arrived of the next message, like [`WebSocket::recv_part`](super::WebSocket::recv_part).
    ///
    /// # Errors
    /// Likewise.
    pub fn recv_part(&mut self) -> Result<Part<'_>, Error> {
        self.next(Mode::Parts)?;
        Ok(self.inner.part())
    }

    /// Sets how long one read waits; `None` for as long as it takes.
    ///
    /// # Errors
    /// [`Error::Io`]: zero is invalid.
    pub fn set_read_timeout(&mut self, timeout: Option<Duration>) -> Result<(), Error> {
        self.inner.io_mut().set_read_timeout(timeout).map_err(Error::Io)
    }

    fn next(&mut self, mode: Mode) -> Result<(), Error> {
        loop {
            let closing = self.inner.is_closing();
            let mut by = None;
            if closing || self.timed {
                by = self.inner.poll_timeout(self.opened.elapsed()).and_then(deadline);
            }
            self.inner.io_mut().set_deadline(by);
            if closing {
                self.hurry_writer(by);
            }
            match self.inner.advance(mode) {
                Ok(true) => return Ok(()),
                Ok(false) => {}
                Err(error) if error.is_timeout() && by.is_some_and(|by| by <= Instant::now()) => {
                    self.inner.handle_timeout(self.opened.elapsed());
                }
                Err(error) => return Err(self.end(error)),
            }
        }
    }

    /// A writer that the peer does not let write is not waited for longer than the closing handshake may take.
    fn hurry_writer(&mut self, by: Option<Instant>) {
        const A_LITTLE: Duration = Duration::from_millis(2);
        while self.inner.try_writer(|writer| writer.set_deadline(by)).is_none() {
            if by.is_some_and(|by| by <= Instant::now()) {
                self.inner.io_mut().shutdown();
                break;
            }
            thread::sleep(A_LITTLE);
        }
    }

    fn end(&mut self, error: crate::Error<IoError>) -> Error {
        let linger = match error {
            crate::Error::Misuse(_) => return Error::from_core(error),
            ref error if error.is_timeout() => return Error::Io(std::io::ErrorKind::TimedOut.into()),
            crate::Error::Closed(closed) => self.server && closed.is_clean(),
            crate::Error::Protocol(_) => true,
            _ => false,
        };
        if !self.over.set() {
            if linger {
                self.inner.io_mut().linger();
            } else {
                self.inner.io_mut().shutdown();
            }
        }
        match error {
            crate::Error::Closed(closed) => {
                let reason = self.inner.close_reason();
                let received = closed.received.map(|code| (code, reason.into()));
                Error::Closed(CloseInfo { received, sent: closed.sent })
            }
            error => Error::from_core(error),
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        if !self.over.set() {
            self.inner.io_mut().shutdown();
        }
    }
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader").field("io", self.inner.io()).finish_non_exhaustive()
    }
}

/// The half of a [`WebSocket`](super::WebSocket) that sends: [`WebSocket::split`](super::WebSocket::split).
pub struct Writer {
    inner: blocking::Writer<WriteHalf, Keys, NetCodec>,
    ender: Ender,
    over: Arc<Over>,
    close_timeout: Duration,
}

impl Writer {
    /// Sends a message, like [`WebSocket::send`](super::WebSocket::send).
    ///
    /// # Errors
    /// Likewise.
    pub fn send<'m>(&mut self, message: impl Into<Message<'m>>) -> Result<(), Error> {
        self.inner.send(message).map_err(Error::from_core)
    }

    /// Goes on with a `send` that timed out, like [`WebSocket::resume_send`](super::WebSocket::resume_send).
    ///
    /// # Errors
    /// Likewise.
    pub fn resume_send<'m>(&mut self, message: impl Into<Message<'m>>) -> Result<(), Error> {
        self.inner.resume_send(message).map_err(Error::from_core)
    }

    /// Sends a part of a message, like [`WebSocket::send_part`](super::WebSocket::send_part).
    ///
    /// # Errors
    /// Likewise.
    pub fn send_part(&mut self, kind: Kind, data: &[u8], fin: bool) -> Result<(), Error> {
        self.inner.send_part(kind, data, fin).map_err(Error::from_core)
    }

    /// Goes on with a `send_part` that timed out, like [`WebSocket::resume_part`](super::WebSocket::resume_part).
    ///
    /// # Errors
    /// Likewise.
    pub fn resume_part(&mut self, kind: Kind, data: &[u8], fin: bool) -> Result<(), Error> {
        self.inner.resume_part(kind, data, fin).map_err(Error::from_core)
    }

    /// Sets whether messages may be compressed, like [`WebSocket::set_compression`](super::WebSocket::set_compression).
    pub fn set_compression(&mut self, enabled: bool) {
        self.inner.set_compression(enabled);
    }

    /// Sends a close frame and waits until the [`Reader`], in its own thread, has seen the end: it returns
    /// [`Error::Closed`] there. After [`close_timeout`](crate::Config::close_timeout) the socket is closed, which wakes
    /// a reader that still waits.
    ///
    /// # Errors
    /// [`Error::Misuse`] for a code or reason that may not be sent; how the connection ended, where it has.
    pub fn close(&mut self, code: CloseCode, reason: &str) -> Result<(), Error> {
        let result = self.inner.close(code, reason).map_err(Error::from_core);
        if !matches!(result, Err(Error::Misuse(_))) && !self.over.wait(self.close_timeout) {
            self.ender.end();
        }
        result
    }
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer").finish_non_exhaustive()
    }
}
