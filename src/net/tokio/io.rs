//! A stream of tokio as the driver wants it.

use core::{
    future::{Future, poll_fn},
    pin::{Pin, pin},
    task::{Context, Poll, ready},
    time::Duration,
};
use std::{boxed::Box, io};

use ::tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Sleep, sleep},
};

use super::Stream;
use crate::net::IoError;

/// The transport of a connection, until it ends.
#[derive(Debug)]
pub(super) struct Io {
    stream: Option<Stream>,
    /// Writes that would have to wait fail instead, so that the driver goes on with reading. The task is woken all the
    /// same when there is room.
    yielding: bool,
    /// All writes do.
    muted: bool,
    ending: Option<Ending>,
}

/// An end that lets what was written arrive: a socket that is closed while received bytes are unread resets the
/// connection, and a reset discards what the peer has not read yet. So the writing direction is ended first, then what
/// still comes is discarded.
#[derive(Debug)]
struct Ending {
    limit: Pin<Box<Sleep>>,
    shut: bool,
    /// How many bytes more are discarded.
    left: usize,
}

impl Io {
    pub(super) const fn new(stream: Stream) -> Self {
        Self { stream: Some(stream), yielding: false, muted: false, ending: None }
    }

    pub(super) const fn set_yielding(&mut self) {
        self.yielding = true;
    }

    /// Makes writes yield from now on, after one that failed, so that the driver goes on with reading.
    pub(super) const fn mute(&mut self) {
        self.muted = true;
    }

    pub(super) const fn stream(&self) -> Option<&Stream> {
        self.stream.as_ref()
    }

    /// Ends it, with next to no wait: TLS says so if it can at once.
    pub(super) fn cut(&mut self, cx: &mut Context<'_>) {
        if let Some(mut stream) = self.stream.take() {
            let _ = Pin::new(&mut stream).poll_shutdown(cx);
        }
        self.ending = None;
    }

    /// Begins to end it so that what was written arrives: at most 256 KiB are discarded, for 1 s.
    pub(super) fn linger(&mut self) {
        if self.stream.is_some() && self.ending.is_none() {
            let limit = Box::pin(sleep(Duration::from_secs(1)));
            self.ending = Some(Ending { limit, shut: false, left: 256 << 10 });
        }
    }

    /// Goes on with [`linger`](Self::linger), if that has begun.
    pub(super) fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let (Some(stream), Some(ending)) = (&mut self.stream, &mut self.ending)
            && ending.poll(Pin::new(stream), cx).is_pending()
        {
            return Poll::Pending;
        }
        if self.ending.take().is_some() {
            self.stream = None;
        }
        Poll::Ready(())
    }
}

impl Ending {
    fn poll(&mut self, mut stream: Pin<&mut Stream>, cx: &mut Context<'_>) -> Poll<()> {
        if self.limit.as_mut().poll(cx).is_ready() {
            return Poll::Ready(());
        }
        if !self.shut {
            if ready!(stream.as_mut().poll_shutdown(cx)).is_err() {
                return Poll::Ready(());
            }
            self.shut = true;
        }
        let mut scrap = [0; 4096];
        loop {
            let mut buf = ReadBuf::new(&mut scrap);
            let result = ready!(stream.as_mut().poll_read(cx, &mut buf));
            let n = buf.filled().len();
            if result.is_err() || n == 0 || n >= self.left {
                return Poll::Ready(());
            }
            self.left -= n;
        }
    }
}

impl embedded_io::ErrorType for Io {
    type Error = IoError;
}

impl embedded_io_async::Read for Io {
    async fn read(&mut self, buf: &mut [u8]) -> Result<usize, IoError> {
        let Some(stream) = &mut self.stream else {
            return Ok(0);
        };
        let mut buf = ReadBuf::new(buf);
        poll_fn(|cx| Pin::new(&mut *stream).poll_read(cx, &mut buf)).await.map_err(IoError)?;
        Ok(buf.filled().len())
    }
}

impl Io {
    /// Awaits a write, or yields.
    async fn write_with<T>(
        &mut self,
        mut poll: impl FnMut(Pin<&mut Stream>, &mut Context<'_>) -> Poll<io::Result<T>>,
    ) -> Result<T, IoError> {
        let yielding = self.yielding;
        let Some(stream) = &mut self.stream else {
            return Err(IoError(io::ErrorKind::NotConnected.into()));
        };
        if self.muted {
            return Err(IoError(io::ErrorKind::WouldBlock.into()));
        }
        let would_block = || Poll::Ready(Err(io::ErrorKind::WouldBlock.into()));
        poll_fn(|cx| match poll(Pin::new(&mut *stream), cx) {
            Poll::Pending if yielding => would_block(),
            polled => polled,
        })
        .await
        .map_err(IoError)
    }
}

impl embedded_io_async::Write for Io {
    async fn write(&mut self, buf: &[u8]) -> Result<usize, IoError> {
        self.write_with(|stream, cx| stream.poll_write(cx, buf)).await
    }

    async fn flush(&mut self) -> Result<(), IoError> {
        self.write_with(|stream, cx| stream.poll_flush(cx)).await
    }
}

/// Polls once. What is not ready is dropped and begun again at the next poll, which the driver allows at any await: so
/// no future has to be kept, and the connection is free between two polls.
pub(super) fn poll_once<F: Future>(future: F, cx: &mut Context<'_>) -> Poll<F::Output> {
    pin!(future).poll(cx)
}
