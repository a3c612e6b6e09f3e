use core::{fmt, future::poll_fn};
use std::string::String;

use super::{MessageStream, Reader, Stream, Writer, connection::Connection, split::split};
use crate::{
    CloseCode, Kind, Message, Part,
    net::{CloseInfo, Error, HttpResponse},
    proto::Mode,
};

/// A WebSocket connection in a task of tokio, of a client or of a server: the same calls as
/// [`net::WebSocket`](crate::WebSocket), with `.await`.
///
/// # Cancel safety
/// Every future may be dropped at any await: nothing that was received is lost, and no frame is cut. So a call may be an
/// arm of `tokio::select!`, and [`tokio::time::timeout`](::tokio::time::timeout) around one is its time limit. What a
/// dropped `send` had begun, [`resume_send`](Self::resume_send) ends.
///
/// # Ending
/// [`close`](Self::close) ends the connection so that the peer knows. One that is dropped just ends: what was fed but
/// not flushed is lost, and the peer sees [`CloseCode::ABNORMAL_CLOSURE`].
///
/// When a call tells that the connection is over, the socket was closed: after a broken rule, and at a server after the
/// closing handshake, only when the peer had up to a second to take the close frame.
pub struct WebSocket {
    connection: Connection,
    subprotocol: Option<String>,
    /// `None` at a server.
    response: Option<HttpResponse>,
}

impl WebSocket {
    pub(super) const fn new(
        connection: Connection,
        subprotocol: Option<String>,
        response: Option<HttpResponse>,
    ) -> Self {
        Self { connection, subprotocol, response }
    }

    /// Receives the next message. Fragments are assembled, pings and close frames are answered.
    ///
    /// Once a close frame was sent or received it waits for the rest of the closing handshake no longer than
    /// [`close_timeout`](crate::Config::close_timeout).
    ///
    /// # Errors
    /// [`Error::Closed`] when the closing handshake is over, whichever end began it. [`Error::Protocol`] when the peer
    /// broke a rule. [`Error::ConnectionLost`], [`Error::Tls`] and [`Error::Io`] when the connection ended or failed.
    /// All are final.
    ///
    /// # Cancel safety
    /// No byte is lost: call it again.
    pub async fn recv(&mut self) -> Result<Message<'_>, Error> {
        poll_fn(|cx| self.connection.poll_next(cx, Mode::Whole)).await?;
        self.connection.message().await
    }

    /// Receives what has arrived of the next message, as much as fits in the receive buffer.
    ///
    /// # Errors
    /// Like [`recv`](Self::recv).
    ///
    /// # Cancel safety
    /// Like [`recv`](Self::recv).
    pub async fn recv_part(&mut self) -> Result<Part<'_>, Error> {
        poll_fn(|cx| self.connection.poll_next(cx, Mode::Parts)).await?;
        Ok(self.connection.part())
    }

    /// Sends a message: text from a `&str`, binary from bytes, or a ping or pong as a [`Message`]. Returns when all was
    /// handed to the system.
    ///
    /// # Errors
    /// [`Error::Misuse`] if it may not be sent now; otherwise how the connection ended.
    ///
    /// # Cancel safety
    /// Some of the message may have been taken: [`resume_send`](Self::resume_send) with the same one sends the rest.
    /// Until then no other can be sent, unless none of it was taken; `recv` and `close` can be called.
    pub async fn send<'m>(&mut self, message: impl Into<Message<'m>>) -> Result<(), Error> {
        self.send_with(message.into(), false, true).await
    }

    /// Goes on with a `send` or `feed` that was dropped, given the same message; sends all of it if nothing of it was
    /// taken, nothing if all was.
    ///
    /// # Errors
    /// Like [`send`](Self::send).
    ///
    /// # Cancel safety
    /// Call it again.
    pub async fn resume_send<'m>(&mut self, message: impl Into<Message<'m>>) -> Result<(), Error> {
        self.send_with(message.into(), true, true).await
    }

    /// Puts a message in the send buffer, for a later [`flush`](Self::flush), `send` or `recv` to write: several small
    /// messages go out in one write.
    ///
    /// # Errors
    /// Like [`send`](Self::send).
    ///
    /// # Cancel safety
    /// Like [`send`](Self::send); a message that fits in the send buffer is taken whole or not at all.
    pub async fn feed<'m>(&mut self, message: impl Into<Message<'m>>) -> Result<(), Error> {
        self.send_with(message.into(), false, false).await
    }

    async fn send_with(&mut self, message: Message<'_>, resume: bool, flush: bool) -> Result<(), Error> {
        self.connection.start_send(&message, resume)?;
        poll_fn(|cx| self.connection.poll_send(cx, &message, flush)).await
    }

    /// Sets whether messages that begin from now on may be compressed, where that was negotiated; `true` at first. A
    /// secret is better sent as it is: see [`extension`](crate::extension).
    pub fn set_compression(&mut self, enabled: bool) {
        self.connection.set_compression(enabled);
    }

    /// Writes all that is in the send buffer.
    ///
    /// # Errors
    /// How the connection ended.
    ///
    /// # Cancel safety
    /// Call it again.
    pub async fn flush(&mut self) -> Result<(), Error> {
        poll_fn(|cx| self.connection.poll_flush(cx)).await
    }

    /// Sends a part of a message; `fin` says that it is the last. All parts have the kind of the first.
    ///
    /// # Errors
    /// Like [`send`](Self::send).
    ///
    /// # Cancel safety
    /// Like [`send`](Self::send), with [`resume_part`](Self::resume_part).
    pub async fn send_part(&mut self, kind: Kind, data: &[u8], fin: bool) -> Result<(), Error> {
        self.connection.start_part(kind, data, fin, false)?;
        poll_fn(|cx| self.connection.poll_part(cx, kind, data, fin)).await
    }

    /// Goes on with a `send_part` that was dropped, given the same part.
    ///
    /// # Errors
    /// Like [`send`](Self::send).
    ///
    /// # Cancel safety
    /// Call it again.
    pub async fn resume_part(&mut self, kind: Kind, data: &[u8], fin: bool) -> Result<(), Error> {
        self.connection.start_part(kind, data, fin, true)?;
        poll_fn(|cx| self.connection.poll_part(cx, kind, data, fin)).await
    }

    /// Performs the closing handshake, and closes the socket.
    ///
    /// Sends a close frame if none was sent and discards what comes until the peer's, all within
    /// [`close_timeout`](crate::Config::close_timeout). A peer that does not answer by then is no error:
    /// [`is_clean`](CloseInfo::is_clean) says whether it did. A server then gives the client up to a second to take the
    /// close frame.
    /// [`CloseCode::NO_STATUS_RECEIVED`] with an empty reason sends a close frame with an empty body.
    ///
    /// # Errors
    /// [`Error::Misuse`] for a code or reason that may not be sent. [`Error::Timeout`] if the peer does not even read
    /// what was sent before; otherwise how the connection ended.
    ///
    /// # Cancel safety
    /// Call it again: it goes on where it stopped, until the end of the time that the first call began.
    pub async fn close(&mut self, code: CloseCode, reason: &str) -> Result<CloseInfo, Error> {
        poll_fn(|cx| self.connection.poll_close(cx, code, reason)).await
    }

    /// Cuts the connection in two halves, for two tasks: one receives while the other sends.
    ///
    /// ```no_run
    /// # async fn example() -> Result<(), sockling::net::Error> {
    /// let (mut reader, mut writer) = sockling::connect_async("wss://echo.example/").await?.split();
    /// let receiving = tokio::spawn(async move {
    ///     while let Ok(message) = reader.recv().await {
    ///         println!("{message}");
    ///     }
    /// });
    /// writer.send("hello").await?;
    /// writer.close(sockling::CloseCode::NORMAL, "").await?;
    /// # receiving.await.ok();
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn split(self) -> (Reader, Writer) {
        split(self.connection)
    }

    /// The connection as a `Stream` and a `Sink` of messages.
    pub fn into_stream(self) -> MessageStream {
        MessageStream::new(self.connection)
    }

    /// The subprotocol that was agreed on.
    #[must_use]
    pub fn subprotocol(&self) -> Option<&str> {
        self.subprotocol.as_deref()
    }

    /// The server's answer to the opening handshake: 101 and its header fields; `None` at a server.
    #[must_use]
    pub const fn response(&self) -> Option<&HttpResponse> {
        self.response.as_ref()
    }

    /// The transport, with its addresses; `None` once it was closed.
    #[must_use]
    pub const fn stream(&self) -> Option<&Stream> {
        self.connection.stream()
    }
}

impl fmt::Debug for WebSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebSocket").field("stream", &self.stream()).finish_non_exhaustive()
    }
}
