use core::{
    fmt,
    future::poll_fn,
    task::{Context, Poll},
};
use std::{
    string::String,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    vec::Vec,
};

use ::tokio::time::timeout_at;

use super::connection::Connection;
use crate::{CloseCode, Kind, Message, Part, net::Error, proto::Mode};

/// Cuts a connection for two tasks.
pub(super) fn split(connection: Connection) -> (Reader, Writer) {
    let shared = Arc::new(Mutex::new(Shared { connection, reader: true }));
    (Reader { shared: shared.clone(), text: String::new(), data: Vec::new() }, Writer { shared })
}

/// What both halves reach; it is locked for single polls, which never wait.
struct Shared {
    connection: Connection,
    /// Whether the reader is still there.
    reader: bool,
}

/// A panic elsewhere leaves a state that is still consistent: a poll changes it after what may fail.
fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The half of a [`WebSocket`](super::WebSocket) that receives, and answers pings and close frames:
/// [`WebSocket::split`](super::WebSocket::split).
///
/// When it is dropped the [`Writer`] goes on, but nobody answers pings; the connection ends with both.
pub struct Reader {
    shared: Arc<Mutex<Shared>>,
    /// The last message: where it was received the writer may need the room already.
    text: String,
    data: Vec<u8>,
}

/// Which message is in the copies.
#[derive(Clone, Copy)]
enum Copied {
    Text,
    Binary,
    UncheckedText,
    Ping,
    Pong,
}

impl Reader {
    /// Receives the next message, like [`WebSocket::recv`](super::WebSocket::recv).
    ///
    /// # Errors
    /// Likewise.
    ///
    /// # Cancel safety
    /// No byte is lost: call it again.
    pub async fn recv(&mut self) -> Result<Message<'_>, Error> {
        let Self { shared, text, data } = self;
        let copied = poll_fn(|cx| {
            lock(shared).connection.poll_message(cx, |message| {
                let kind = match message {
                    Message::Text(received) => {
                        text.clear();
                        text.push_str(received);
                        return Copied::Text;
                    }
                    Message::Binary(_) => Copied::Binary,
                    Message::UncheckedText(_) => Copied::UncheckedText,
                    Message::Ping(_) => Copied::Ping,
                    Message::Pong(_) => Copied::Pong,
                };
                data.clear();
                data.extend_from_slice(message.as_bytes());
                kind
            })
        })
        .await?;
        Ok(match copied {
            Copied::Text => Message::Text(text),
            Copied::Binary => Message::Binary(data),
            Copied::UncheckedText => Message::UncheckedText(data),
            Copied::Ping => Message::Ping(data),
            Copied::Pong => Message::Pong(data),
        })
    }

    /// Receives what has arrived of the next message, like [`WebSocket::recv_part`](super::WebSocket::recv_part).
    ///
    /// # Errors
    /// Likewise.
    ///
    /// # Cancel safety
    /// No byte is lost: call it again.
    pub async fn recv_part(&mut self) -> Result<Part<'_>, Error> {
        let Self { shared, data, .. } = self;
        let (kind, first, fin) = poll_fn(|cx| {
            let connection = &mut lock(shared).connection;
            connection.poll_next(cx, Mode::Parts).map_ok(|()| {
                let part = connection.part();
                data.clear();
                data.extend_from_slice(part.data);
                (part.kind, part.first, part.fin)
            })
        })
        .await?;
        Ok(Part { kind, first, fin, data })
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let mut shared = lock(&self.shared);
        shared.reader = false;
        shared.connection.wake();
    }
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader").finish_non_exhaustive()
    }
}

/// The half of a [`WebSocket`](super::WebSocket) that sends: [`WebSocket::split`](super::WebSocket::split).
pub struct Writer {
    shared: Arc<Mutex<Shared>>,
}

impl Writer {
    /// Sends a message, like [`WebSocket::send`](super::WebSocket::send).
    ///
    /// # Errors
    /// Likewise.
    ///
    /// # Cancel safety
    /// Likewise: go on with [`resume_send`](Self::resume_send).
    pub async fn send<'m>(&mut self, message: impl Into<Message<'m>>) -> Result<(), Error> {
        self.send_with(message.into(), false, true).await
    }

    /// Goes on with a `send` or `feed` that was dropped, like
    /// [`WebSocket::resume_send`](super::WebSocket::resume_send).
    ///
    /// # Errors
    /// Likewise.
    ///
    /// # Cancel safety
    /// Call it again.
    pub async fn resume_send<'m>(&mut self, message: impl Into<Message<'m>>) -> Result<(), Error> {
        self.send_with(message.into(), true, true).await
    }

    /// Puts a message in the send buffer, like [`WebSocket::feed`](super::WebSocket::feed).
    ///
    /// # Errors
    /// Likewise.
    ///
    /// # Cancel safety
    /// Likewise.
    pub async fn feed<'m>(&mut self, message: impl Into<Message<'m>>) -> Result<(), Error> {
        self.send_with(message.into(), false, false).await
    }

    async fn send_with(&mut self, message: Message<'_>, resume: bool, flush: bool) -> Result<(), Error> {
        lock(&self.shared).connection.start_send(&message, resume)?;
        poll_fn(|cx| lock(&self.shared).connection.poll_send(cx, &message, flush)).await
    }

    /// Sets whether messages may be compressed, like
    /// [`WebSocket::set_compression`](super::WebSocket::set_compression).
    pub fn set_compression(&mut self, enabled: bool) {
        lock(&self.shared).connection.set_compression(enabled);
    }

    /// Writes all that is in the send buffer.
    ///
    /// # Errors
    /// How the connection ended.
    ///
    /// # Cancel safety
    /// Call it again.
    pub async fn flush(&mut self) -> Result<(), Error> {
        poll_fn(|cx| lock(&self.shared).connection.poll_flush(cx)).await
    }

    /// Sends a part of a message, like [`WebSocket::send_part`](super::WebSocket::send_part).
    ///
    /// # Errors
    /// Likewise.
    ///
    /// # Cancel safety
    /// Go on with [`resume_part`](Self::resume_part).
    pub async fn send_part(&mut self, kind: Kind, data: &[u8], fin: bool) -> Result<(), Error> {
        self.part_with(kind, data, fin, false).await
    }

    /// Goes on with a `send_part` that was dropped, like [`WebSocket::resume_part`](super::WebSocket::resume_part).
    ///
    /// # Errors
    /// Likewise.
    ///
    /// # Cancel safety
    /// Call it again.
    pub async fn resume_part(&mut self, kind: Kind, data: &[u8], fin: bool) -> Result<(), Error> {
        self.part_with(kind, data, fin, true).await
    }

    async fn part_with(&mut self, kind: Kind, data: &[u8], fin: bool, resume: bool) -> Result<(), Error> {
        lock(&self.shared).connection.start_part(kind, data, fin, resume)?;
        poll_fn(|cx| lock(&self.shared).connection.poll_part(cx, kind, data, fin)).await
    }

    /// Sends a close frame and waits until the [`Reader`], in its own task, has seen the end: it returns
    /// [`Error::Closed`] there. After [`close_timeout`](crate::Config::close_timeout) the socket is closed, which wakes
    /// a reader that still waits. Without a reader, discards what comes until the peer's close frame.
    ///
    /// # Errors
    /// [`Error::Misuse`] for a code or reason that may not be sent; how the connection ended, where it has.
    ///
    /// # Cancel safety
    /// Call it again.
    pub async fn close(&mut self, code: CloseCode, reason: &str) -> Result<(), Error> {
        crate::proto::Session::check_close(code, reason)?;
        let by = lock(&self.shared).connection.close_by();
        let mut sent = false;
        let closing = poll_fn(|cx| self.poll_close(cx, code, reason, &mut sent));
        match by {
            Some(by) => match timeout_at(by, closing).await {
                Ok(result) => result,
                Err(_) => {
                    lock(&self.shared).connection.cut();
                    Ok(())
                }
            },
            None => closing.await,
        }
    }

    fn poll_close(
        &self,
        cx: &mut Context<'_>,
        code: CloseCode,
        reason: &str,
        sent: &mut bool,
    ) -> Poll<Result<(), Error>> {
        let Shared { connection, reader } = &mut *lock(&self.shared);
        if !*reader {
            return connection.poll_close(cx, code, reason).map_ok(|_| ());
        }
        if !*sent {
            match core::task::ready!(connection.poll_send_close(cx, code, reason)) {
                Err(Error::Closed(_)) => return Poll::Ready(Ok(())),
                result => result?,
            }
            *sent = true;
        }
        connection.poll_over(cx).map(Ok)
    }
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer").finish_non_exhaustive()
    }
}
