use core::{fmt, mem};
use std::{
    boxed::Box,
    string::String,
    time::{Duration, Instant},
};

use super::{
    CloseInfo, Error, HttpResponse, IoError, Phase, Reader, Stream, Writer, deflate::NetCodec,
    options::deadline, random::Keys, split::split,
};
use crate::{
    CloseCode, Closed, Config, Growing, Kind, Message, Part, blocking,
    proto::{Mode, Session},
};

pub(super) type Inner = blocking::WebSocket<Stream, Keys, Growing, Box<[u8]>, NetCodec>;

/// A WebSocket connection over TCP or TLS, of a client or of a server.
///
/// # Time limits
/// With a [read timeout](Self::set_read_timeout), or a [non-blocking](Self::set_nonblocking) socket, calls fail with an
/// error that [`is_timeout`](Error::is_timeout). Nothing is lost by that: `recv` and `close` are called again, `send`
/// goes on with [`resume_send`](Self::resume_send).
///
/// # Ending
/// [`close`](Self::close) ends the connection so that the peer knows. One that is dropped just ends: what was fed but
/// not flushed is lost, and the peer sees [`CloseCode::ABNORMAL_CLOSURE`].
///
/// When a call tells that the connection is over, the socket was closed: after a broken rule, and at a server after the
/// closing handshake, only when the peer had up to a second to take the close frame.
pub struct WebSocket {
    inner: Inner,
    /// `None` at a server.
    response: Option<HttpResponse>,
    subprotocol: Option<String>,
    close_timeout: Duration,
    /// Whether a message has a time limit.
    timed: bool,
    /// What the session's time is counted from.
    opened: Instant,
    /// The end of what `close` may take, once it was called.
    close_by: Option<Option<Instant>>,
    /// The socket was closed.
    over: bool,
}

impl WebSocket {
    pub(super) fn new(
        inner: Inner,
        subprotocol: Option<String>,
        response: Option<HttpResponse>,
        config: &Config,
    ) -> Self {
        Self {
            inner,
            response,
            subprotocol,
            close_timeout: config.close_timeout,
            timed: config.message_timeout != Duration::MAX,
            opened: Instant::now(),
            close_by: None,
            over: false,
        }
    }

    /// Receives the next message. Fragments are assembled, pings and close frames are answered.
    ///
    /// Once a close frame was sent or received it waits for the rest of the closing handshake no longer than
    /// [`close_timeout`](crate::Config::close_timeout).
    ///
    /// # Errors
    /// [`Error::Closed`] when the closing handshake is over, whichever end began it. [`Error::Protocol`] when the peer
    /// broke a rule. [`Error::ConnectionLost`], [`Error::Tls`] and [`Error::Io`] when the connection ended or failed.
    /// All but a [time-out](Error::is_timeout) are final.
    pub fn recv(&mut self) -> Result<Message<'_>, Error> {
        self.next(Mode::Whole)?;
        let over = &mut self.over;
        let linger = |stream: &mut Stream| {
            if !mem::replace(over, true) {
                stream.linger();
            }
        };
        self.inner.message(linger).map_err(Error::from_core)
    }

    /// Receives what has arrived of the next message, as much as fits in the receive buffer.
    ///
    /// # Errors
    /// Like [`recv`](Self::recv).
    pub fn recv_part(&mut self) -> Result<Part<'_>, Error> {
        self.next(Mode::Parts)?;
        Ok(self.inner.part())
    }

    fn next(&mut self, mode: Mode) -> Result<(), Error> {
        loop {
            let closing = self.inner.session().is_closing();
            let by = self.poll_timeout().and_then(deadline);
            let stream = self.inner.io_mut();
            stream.set_deadline(by);
            // A close frame that arrives is answered, and then there is a deadline.
            stream.set_pausing(!closing, self.timed);
            match self.inner.next(mode) {
                Ok(()) => return Ok(()),
                Err(error) if error.is_timeout() => {
                    if !self.inner.io_mut().take_pause() && !self.expire() {
                        return Err(Error::from_core(error));
                    }
                }
                Err(error) => return Err(self.end(error)),
            }
        }
    }

    /// Sends a message: text from a `&str`, binary from bytes, or a ping or pong as a [`Message`]. Returns when all was
    /// handed to the system.
    ///
    /// # Errors
    /// [`Error::Misuse`] if it may not be sent now; otherwise how the connection ended. After a
    /// [time-out](Error::is_timeout), [`resume_send`](Self::resume_send) goes on.
    pub fn send<'m>(&mut self, message: impl Into<Message<'m>>) -> Result<(), Error> {
        let result = self.inner.send(message);
        self.settle(result)
    }

    /// Goes on with a `send` or `feed` that did not return `Ok`, given the same message; sends all of it if nothing of
    /// it was taken, nothing if all was.
    ///
    /// # Errors
    /// Like [`send`](Self::send).
    pub fn resume_send<'m>(&mut self, message: impl Into<Message<'m>>) -> Result<(), Error> {
        let result = self.inner.resume_send(message);
        self.settle(result)
    }

    /// Puts a message in the send buffer, for a later [`flush`](Self::flush), `send` or `recv` to write: several small
    /// messages go out in one write.
    ///
    /// # Errors
    /// Like [`send`](Self::send).
    pub fn feed<'m>(&mut self, message: impl Into<Message<'m>>) -> Result<(), Error> {
        let result = self.inner.feed(message);
        self.settle(result)
    }

    /// Sets whether messages that begin from now on may be compressed, where that was negotiated; `true` at first. A
    /// secret is better sent as it is: see [`extension`](crate::extension).
    pub fn set_compression(&mut self, enabled: bool) {
        self.inner.set_compression(enabled);
    }

    /// Writes all that is in the send buffer.
    ///
    /// # Errors
    /// How the connection ended; after a [time-out](Error::is_timeout) call it again.
    pub fn flush(&mut self) -> Result<(), Error> {
        let result = self.inner.flush();
        self.settle(result)
    }

    /// Sends a part of a message; `fin` says that it is the last. All parts have the kind of the first.
    ///
    /// # Errors
    /// Like [`send`](Self::send); [`resume_part`](Self::resume_part) goes on.
    pub fn send_part(&mut self, kind: Kind, data: &[u8], fin: bool) -> Result<(), Error> {
        let result = self.inner.send_part(kind, data, fin);
        self.settle(result)
    }

    /// Goes on with a `send_part` that did not return `Ok`, given the same part.
    ///
    /// # Errors
    /// Like [`send`](Self::send).
    pub fn resume_part(&mut self, kind: Kind, data: &[u8], fin: bool) -> Result<(), Error> {
        let result = self.inner.resume_part(kind, data, fin);
        self.settle(result)
    }

    /// Performs the closing handshake, and closes the socket.
    ///
    /// Sends a close frame if none was sent and discards what comes until the peer's, all within
    /// [`close_timeout`](crate::Config::close_timeout); other time limits of the socket do not count. A peer that does
    /// not answer by then is no error: [`is_clean`](CloseInfo::is_clean) says whether it did. A server then gives the
    /// client up to a second to take the close frame.
    /// [`CloseCode::NO_STATUS_RECEIVED`] with an empty reason sends a close frame with an empty body.
    ///
    /// # Errors
    /// [`Error::Misuse`] for a code or reason that may not be sent. [`Error::Timeout`] if the peer does not even read
    /// what was sent before; otherwise how the connection ended. A non-blocking socket makes it fail with
    /// [`WouldBlock`](std::io::ErrorKind::WouldBlock): call it again.
    pub fn close(&mut self, code: CloseCode, reason: &str) -> Result<CloseInfo, Error> {
        Session::check_close(code, reason)?;
        let timeout = self.close_timeout;
        let by = *self.close_by.get_or_insert_with(|| deadline(timeout));
        loop {
            let stream = self.inner.io_mut();
            stream.set_deadline(by);
            stream.set_pausing(false, false);
            let error = match self.inner.close(code, reason) {
                Ok(closed) => return Ok(self.closed(closed)),
                Err(error) => error,
            };
            if !error.is_timeout() {
                return Err(self.end(error));
            }
            if by.is_none_or(|by| Instant::now() < by) {
                match error {
                    crate::Error::Io(error) if error.is_block() => return Err(Error::Io(error.into_inner())),
                    _ => continue,
                }
            }
            if !self.inner.session().is_closing() {
                self.finish(false);
                return Err(Error::Timeout(Phase::Close));
            }
            let now = self.opened.elapsed();
            let session = self.inner.session_mut();
            session.poll_timeout(now);
            session.handle_timeout(now.saturating_add(timeout));
        }
    }

    /// How long to wait at most until the next call of `recv` or `close`, even if the socket is not readable; `None` for
    /// as long as it takes. For event loops.
    pub fn poll_timeout(&mut self) -> Option<Duration> {
        if !self.timed && !self.inner.session().is_closing() {
            return None;
        }
        let now = self.opened.elapsed();
        self.inner.session_mut().poll_timeout(now)
    }

    /// Past a deadline, ends the closing handshake or fails the connection.
    fn expire(&mut self) -> bool {
        let now = self.opened.elapsed();
        let session = self.inner.session_mut();
        let over = session.poll_timeout(now) == Some(Duration::ZERO);
        if over {
            session.handle_timeout(now);
        }
        over
    }

    fn settle(&mut self, result: Result<(), crate::Error<IoError>>) -> Result<(), Error> {
        result.map_err(|error| self.end(error))
    }

    /// Closes the socket if the error is a final one.
    fn end(&mut self, error: crate::Error<IoError>) -> Error {
        let error = match error {
            crate::Error::Io(ref io) if io.is_gone() => self.last_word().unwrap_or(error),
            _ => error,
        };
        match error {
            crate::Error::Misuse(_) => {}
            ref error if error.is_timeout() => {}
            crate::Error::Closed(closed) => return Error::Closed(self.closed(closed)),
            crate::Error::Protocol(_) => self.finish(true),
            _ => self.finish(false),
        }
        Error::from_core(error)
    }

    /// Where the peer takes nothing any more, what is left to read may end with a close frame, which says why: a
    /// message that it refuses, say, it does not read to its end. A stream that the caller brought may wait for ever.
    fn last_word(&mut self) -> Option<crate::Error<IoError>> {
        if self.over || self.inner.io().tcp_stream().is_none() {
            return None;
        }
        self.inner.io_mut().set_muted(true);
        while self.inner.next(Mode::Parts).is_ok() {}
        self.inner.io_mut().set_muted(false);
        let session = self.inner.session_mut();
        // The end, also where it is a reset.
        let _ = session.received(0, usize::MAX);
        let closed = session.closed();
        closed.received.map(|_| crate::Error::Closed(closed))
    }

    fn closed(&mut self, closed: Closed) -> CloseInfo {
        // "the server MUST close the TCP connection immediately": but a client that still sends would have its own
        // reset, and with it lose the close frame.
        self.finish(self.response.is_none() && closed.is_clean());
        self.close_info()
    }

    /// How it was closed, as far as it was.
    pub(super) fn close_info(&self) -> CloseInfo {
        let closed = self.inner.session().closed();
        let reason = self.inner.close_reason();
        CloseInfo { received: closed.received.map(|code| (code, reason.into())), sent: closed.sent }
    }

    /// Whether the closing handshake has begun, or the connection is over.
    pub(super) fn is_closing(&self) -> bool {
        self.inner.session().is_closing()
    }

    /// How many bytes were taken of a message whose sending was interrupted.
    pub(super) fn interrupted(&self) -> Option<usize> {
        self.inner.session().interrupted()
    }

    fn finish(&mut self, linger: bool) {
        if mem::replace(&mut self.over, true) {
            return;
        }
        let stream = self.inner.io_mut();
        if linger {
            stream.linger();
        } else {
            stream.shutdown();
        }
    }

    /// Cuts the connection in two halves, for two threads: one receives while the other sends.
    ///
    /// ```no_run
    /// # fn main() -> Result<(), sockling::net::Error> {
    /// let (mut reader, mut writer) = sockling::connect("wss://echo.example/")?.split()?;
    /// let receiving = std::thread::spawn(move || {
    ///     while let Ok(message) = reader.recv() {
    ///         println!("{message}");
    ///     }
    /// });
    /// writer.send("hello")?;
    /// writer.close(sockling::CloseCode::NORMAL, "")?;
    /// # receiving.join().ok();
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::Io`] over a stream that the caller brought: only a socket can be cut.
    pub fn split(self) -> Result<(Reader, Writer), Error> {
        split(self.inner, self.response.is_none(), self.close_timeout, self.timed)
    }

    /// The subprotocol that the server selected of those that the client offered.
    #[must_use]
    pub fn subprotocol(&self) -> Option<&str> {
        self.subprotocol.as_deref()
    }

    /// The server's answer to the opening handshake: 101 and its header fields; `None` at a server.
    #[must_use]
    pub const fn response(&self) -> Option<&HttpResponse> {
        self.response.as_ref()
    }

    /// Sets how long one read waits; `None` for as long as it takes.
    ///
    /// # Errors
    /// [`Error::Io`]: zero is invalid, and streams that the caller brought have no time limit.
    pub fn set_read_timeout(&mut self, timeout: Option<Duration>) -> Result<(), Error> {
        self.inner.io_mut().set_read_timeout(timeout).map_err(Error::Io)
    }

    /// Sets how long one write waits; `None` for as long as it takes.
    ///
    /// # Errors
    /// Like [`set_read_timeout`](Self::set_read_timeout).
    pub fn set_write_timeout(&mut self, timeout: Option<Duration>) -> Result<(), Error> {
        self.inner.io_mut().set_write_timeout(timeout).map_err(Error::Io)
    }

    /// Sets whether calls that would have to wait fail with [`WouldBlock`](std::io::ErrorKind::WouldBlock) instead.
    ///
    /// # Errors
    /// [`Error::Io`]: streams that the caller brought cannot be set here.
    pub fn set_nonblocking(&mut self, nonblocking: bool) -> Result<(), Error> {
        self.inner.io_mut().set_nonblocking(nonblocking).map_err(Error::Io)
    }

    /// The transport: its addresses, and what an event loop waits on.
    #[must_use]
    pub const fn stream(&self) -> &Stream {
        self.inner.io()
    }
}

impl fmt::Debug for WebSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebSocket")
            .field("stream", self.stream())
            .field("over", &self.over)
            .finish_non_exhaustive()
    }
}
