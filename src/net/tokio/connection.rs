use core::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, Waker, ready},
    time::Duration,
};
use std::{boxed::Box, sync::Arc};

use ::tokio::time::{Instant, Sleep, sleep_until};

use super::{
    Stream,
    io::{Io, poll_once},
    wake::{Side, Wakers},
};
use crate::{
    CloseCode, Closed, Config, Growing, Kind, Message, Part, asynch,
    net::{CloseInfo, Error, IoError, Phase, deflate::NetCodec, random::Keys},
    proto::{Mode, Outgoing, Session, Want},
};

pub(super) type Inner = asynch::WebSocket<Io, Keys, Growing, Box<[u8]>, NetCodec>;

/// A connection as something to poll: what [`WebSocket`](super::WebSocket), its halves and its stream have in common.
///
/// A poll never keeps anything for the next one but in the state of the connection, so any task may poll it. Each says
/// whose waker it brings: the two sides may be two tasks.
pub(super) struct Connection {
    inner: Inner,
    wakers: Arc<Wakers>,
    /// Wakes for the deadline of the closing handshake, or of a message.
    timer: Option<Pin<Box<Sleep>>>,
    server: bool,
    close_timeout: Duration,
    /// What the session's time is counted from.
    opened: Instant,
    /// The end of what `close` may take, once it was called.
    close_by: Option<Option<Instant>>,
}

impl Connection {
    pub(super) fn new(mut inner: Inner, server: bool, config: &Config) -> Self {
        inner.io_mut().set_yielding();
        Self {
            inner,
            wakers: Arc::default(),
            timer: None,
            server,
            close_timeout: config.close_timeout,
            opened: Instant::now(),
            close_by: None,
        }
    }

    /// Receives the next message or part; the caller then looks at it before the next poll.
    pub(super) fn poll_next(&mut self, cx: &mut Context<'_>, mode: Mode) -> Poll<Result<(), Error>> {
        self.as_side(Side::Receiving, cx, |this, cx| {
            loop {
                ready!(this.inner.io_mut().poll_end(cx));
                if this.inner.has_next(mode) {
                    return Poll::Ready(Ok(()));
                }
                match settled(poll_once(this.inner.drive(&Want::Receive(mode)), cx)) {
                    Poll::Ready(Ok(())) => return Poll::Ready(Ok(())),
                    Poll::Ready(Err(mut error)) => {
                        if this.ends(&mut error, cx) {
                            return Poll::Ready(Err(this.explain(error)));
                        }
                    }
                    Poll::Pending => ready!(this.poll_deadline(cx)),
                }
            }
        })
    }

    /// The message that [`poll_next`](Self::poll_next) found.
    pub(super) async fn message(&mut self) -> Result<Message<'_>, Error> {
        let failed = async |io: &mut Io| {
            io.linger();
            core::future::poll_fn(|cx| io.poll_end(cx)).await;
        };
        self.inner.message(failed).await.map_err(Error::from_core)
    }

    /// The part that it found.
    pub(super) fn part(&self) -> Part<'_> {
        self.inner.part()
    }

    /// Receives the next message, for `take` to copy.
    pub(super) fn poll_message<T>(
        &mut self,
        cx: &mut Context<'_>,
        mut take: impl FnMut(Message<'_>) -> T,
    ) -> Poll<Result<T, Error>> {
        loop {
            ready!(self.poll_next(cx, Mode::Whole))?;
            // If it is not text after all, the next poll tells the peer and returns the error.
            if let Poll::Ready(Ok(message)) = poll_once(self.inner.message(async |_| {}), cx) {
                return Poll::Ready(Ok(take(message)));
            }
        }
    }

    /// Sets whether messages that begin from now on may be compressed.
    pub(super) fn set_compression(&mut self, enabled: bool) {
        self.inner.set_compression(enabled);
    }

    /// Begins to send a message, or to go on with one; [`poll_send`](Self::poll_send) does it.
    pub(super) fn start_send(&mut self, message: &Message<'_>, resume: bool) -> Result<(), Error> {
        self.inner.start(&Outgoing::from(*message), resume).map_err(|error| self.explain(error))
    }

    /// Sends the message of [`start_send`](Self::start_send), or puts it in the send buffer.
    pub(super) fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        message: &Message<'_>,
        flush: bool,
    ) -> Poll<Result<(), Error>> {
        let out = Outgoing::from(*message);
        let want = if flush { Want::Send(&out) } else { Want::Feed(&out) };
        self.poll_write(cx, |inner, cx| poll_once(inner.drive(&want), cx))
    }

    /// The same for a part as for [`start_send`](Self::start_send).
    pub(super) fn start_part(
        &mut self,
        kind: Kind,
        data: &[u8],
        fin: bool,
        resume: bool,
    ) -> Result<(), Error> {
        let out = Outgoing { kind, data, fin, part: true };
        self.inner.start(&out, resume).map_err(|error| self.explain(error))
    }

    /// The same for a part as for [`poll_send`](Self::poll_send).
    pub(super) fn poll_part(
        &mut self,
        cx: &mut Context<'_>,
        kind: Kind,
        data: &[u8],
        fin: bool,
    ) -> Poll<Result<(), Error>> {
        let out = Outgoing { kind, data, fin, part: true };
        self.poll_write(cx, |inner, cx| poll_once(inner.drive(&Want::Send(&out)), cx))
    }

    /// Writes all that is in the send buffer.
    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.poll_write(cx, |inner, cx| poll_once(inner.flush(), cx))
    }

    /// Sends a close frame; receiving goes on.
    pub(super) fn poll_send_close(
        &mut self,
        cx: &mut Context<'_>,
        code: CloseCode,
        reason: &str,
    ) -> Poll<Result<(), Error>> {
        self.poll_write(cx, |inner, cx| poll_once(inner.send_close(code, reason), cx))
    }

    fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        mut op: impl FnMut(&mut Inner, &mut Context<'_>) -> Poll<Result<(), crate::Error<IoError>>>,
    ) -> Poll<Result<(), Error>> {
        self.as_side(Side::Sending, cx, |this, cx| {
            loop {
                ready!(this.inner.io_mut().poll_end(cx));
                match settled(op(&mut this.inner, cx)) {
                    Poll::Ready(Ok(())) => return Poll::Ready(Ok(())),
                    Poll::Ready(Err(mut error)) => {
                        if this.ends(&mut error, cx) {
                            return Poll::Ready(Err(this.explain(error)));
                        }
                    }
                    Poll::Pending => ready!(this.poll_deadline(cx)),
                }
            }
        })
    }

    /// Performs the closing handshake, and closes the socket. What still comes is discarded.
    pub(super) fn poll_close(
        &mut self,
        cx: &mut Context<'_>,
        code: CloseCode,
        reason: &str,
    ) -> Poll<Result<CloseInfo, Error>> {
        Session::check_close(code, reason)?;
        let by = self.close_by();
        self.as_side(Side::Receiving, cx, |this, cx| {
            loop {
                ready!(this.inner.io_mut().poll_end(cx));
                let mut error = match settled(poll_once(this.inner.close(code, reason), cx)) {
                    Poll::Ready(Ok(closed)) => crate::Error::Closed(closed),
                    Poll::Ready(Err(error)) => error,
                    Poll::Pending => {
                        ready!(this.poll_timer(by, cx));
                        if !this.inner.session().is_closing() {
                            this.inner.io_mut().cut(cx);
                            return Poll::Ready(Err(Error::Timeout(Phase::Close)));
                        }
                        let (now, timeout) = (this.opened.elapsed(), this.close_timeout);
                        let session = this.inner.session_mut();
                        session.poll_timeout(now);
                        session.handle_timeout(now.saturating_add(timeout));
                        continue;
                    }
                };
                if this.ends(&mut error, cx) {
                    return Poll::Ready(match error {
                        crate::Error::Closed(closed) => Ok(this.closed(closed)),
                        error => Err(Error::from_core(error)),
                    });
                }
            }
        })
    }

    /// The end of what `close` may take, from its first call on.
    pub(super) fn close_by(&mut self) -> Option<Instant> {
        let timeout = self.close_timeout;
        *self.close_by.get_or_insert_with(|| Instant::now().checked_add(timeout))
    }

    /// Waits until the connection is over, by a call of the other task.
    pub(super) fn poll_over(&mut self, cx: &Context<'_>) -> Poll<()> {
        if self.is_over() {
            return Poll::Ready(());
        }
        self.wakers.set(Side::Sending, cx.waker());
        Poll::Pending
    }

    /// Whether the socket was closed.
    pub(super) const fn is_over(&self) -> bool {
        self.inner.io().stream().is_none()
    }

    pub(super) const fn stream(&self) -> Option<&Stream> {
        self.inner.io().stream()
    }

    /// Closes the socket, which wakes both tasks.
    pub(super) fn cut(&mut self) {
        let waker = Waker::from(self.wakers.clone());
        self.inner.io_mut().cut(&mut Context::from_waker(&waker));
        waker.wake();
    }

    /// Wakes both tasks, to look again.
    pub(super) fn wake(&self) {
        Waker::from(self.wakers.clone()).wake();
    }

    /// Polls on behalf of one of the two tasks.
    fn as_side<T>(
        &mut self,
        side: Side,
        cx: &Context<'_>,
        op: impl FnOnce(&mut Self, &mut Context<'_>) -> Poll<T>,
    ) -> Poll<T> {
        self.wakers.set(side, cx.waker());
        let waker = Waker::from(self.wakers.clone());
        let was_over = self.is_over();
        let polled = op(self, &mut Context::from_waker(&waker));
        if polled.is_ready() {
            self.wakers.clear(side);
        }
        if self.is_over() && !was_over {
            waker.wake();
        }
        polled
    }

    /// Waits for the deadline of the session, if it has one, and tells it the time.
    fn poll_deadline(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let now = self.opened.elapsed();
        let session = self.inner.session_mut();
        match session.poll_timeout(now) {
            None => return Poll::Pending,
            Some(Duration::ZERO) => session.handle_timeout(now),
            Some(left) => ready!(self.poll_timer(Instant::now().checked_add(left), cx)),
        }
        Poll::Ready(())
    }

    fn poll_timer(&mut self, at: Option<Instant>, cx: &mut Context<'_>) -> Poll<()> {
        /// The session counts in whole milliseconds: its deadline seems to move by less.
        const TICK: Duration = Duration::from_millis(1);
        let Some(at) = at else {
            return Poll::Pending;
        };
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(at)));
        let set = timer.deadline();
        if timer.is_elapsed() || at.max(set) - at.min(set) > TICK {
            timer.as_mut().reset(at);
        }
        timer.as_mut().poll(cx)
    }

    /// Ends the socket after a final error; `false` when that takes a while, and the call is to be made again.
    fn ends(&mut self, error: &mut crate::Error<IoError>, cx: &mut Context<'_>) -> bool {
        if let crate::Error::Io(io) = error
            && io.is_gone()
            && let Some(closed) = self.last_word(cx)
        {
            *error = crate::Error::Closed(closed);
        }
        let linger = match error {
            crate::Error::Misuse(_) => return true,
            // "the server MUST close the TCP connection immediately": but a client that still sends would have its own
            // reset, and with it lose the close frame.
            crate::Error::Closed(closed) => self.server && closed.is_clean(),
            crate::Error::Protocol(_) => true,
            _ => false,
        };
        if linger && !self.is_over() {
            self.inner.io_mut().linger();
            return false;
        }
        self.inner.io_mut().cut(cx);
        true
    }

    /// Where the peer takes nothing any more, what is left to read may end with a close frame, which says why: a
    /// message that it refuses, say, it does not read to its end.
    fn last_word(&mut self, cx: &mut Context<'_>) -> Option<Closed> {
        /// More than a socket holds, and an end for streams of the caller's.
        const PARTS: u32 = 1 << 16;
        if self.is_over() {
            return None;
        }
        self.inner.io_mut().mute();
        for _ in 0..PARTS {
            let read = poll_once(self.inner.drive(&Want::Receive(Mode::Parts)), cx);
            if !matches!(read, Poll::Ready(Ok(()))) {
                break;
            }
        }
        let session = self.inner.session_mut();
        // The end, also where it is a reset.
        let _ = session.received(0, usize::MAX);
        let closed = session.closed();
        closed.received.map(|_| closed)
    }

    fn explain(&self, error: crate::Error<IoError>) -> Error {
        match error {
            crate::Error::Closed(closed) => Error::Closed(self.closed(closed)),
            error => Error::from_core(error),
        }
    }

    fn closed(&self, closed: Closed) -> CloseInfo {
        let reason = self.inner.close_reason();
        CloseInfo { received: closed.received.map(|code| (code, reason.into())), sent: closed.sent }
    }
}

/// A write that had to yield is one to wait for.
fn settled<T>(polled: Poll<Result<T, crate::Error<IoError>>>) -> Poll<Result<T, crate::Error<IoError>>> {
    match polled {
        Poll::Ready(Err(crate::Error::Io(error))) if error.is_block() => Poll::Pending,
        polled => polled,
    }
}
