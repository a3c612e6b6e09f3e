//! One connection of an [`App`](super::App): the loop around the protocol, with a limit to every write.

use core::{
    future::{Future, poll_fn},
    pin::pin,
    task::Poll,
    time::Duration,
};

use embedded_io_async::{Read, Write};

use super::{Clock, Sender};
use crate::{
    CloseCode, Error, Kind, Message, Random,
    blocking::io_error,
    extension::{Decoder, Encoder},
    proto::{Mode, Session, Step},
};

/// A connection whose opening handshake is done.
pub(super) struct Connection<'a, T, K, D, E> {
    pub(super) line: Line<'a, T, K, E>,
    pub(super) rx: &'a mut [u8],
    pub(super) decoder: &'a mut D,
    pub(super) mode: Mode,
    pub(super) farewell: (CloseCode, &'a str),
    /// The closing handshake was asked for.
    pub(super) closing: bool,
    /// Something was received since this was `false`.
    pub(super) heard: bool,
}

/// What of a connection does not lie in the receive buffer: it sends while a message is looked at.
pub(super) struct Line<'a, T, K, E> {
    pub(super) io: &'a mut T,
    pub(super) session: Session,
    pub(super) tx: &'a mut [u8],
    pub(super) encoder: &'a mut E,
    pub(super) random: &'a mut dyn Random,
    pub(super) clock: &'a K,
    pub(super) send_timeout: Duration,
    /// A close frame was sent by a callback.
    pub(super) closed: bool,
}

/// What [`Connection::step`] found.
pub(super) enum Found {
    /// A message or part, where the receive buffer says.
    Message,
    /// Nothing yet.
    Nothing,
}

impl<T: Read + Write, K: Clock, D: Decoder, E: Encoder> Connection<'_, T, K, D, E> {
    /// Does the next thing towards receiving, which may be to send; then looks at what has come, since deadlines depend on
    /// that.
    ///
    /// # Cancel safety
    /// Nothing is lost: all changes come after the await that they are the result of.
    pub(super) async fn step(&mut self) -> Result<Found, Error<T::Error>> {
        let mut step = self.poll()?;
        if step.is_write() {
            match self.line.write(step).await {
                // What came before writing failed is not lost; reading ends where there is nothing more.
                Err(Error::Io(_)) if self.line.session.defer_transmit() => step = self.poll()?,
                written => written?,
            }
        }
        match step {
            Step::Part => return Ok(Found::Message),
            Step::Receive => {
                let Line { io, session, .. } = &mut self.line;
                let n = io.read(session.space(self.rx)).await.map_err(|error| io_error(session, error))?;
                self.heard |= n > 0;
                session.received(n, self.rx.len())?;
            }
            Step::Grow => self.line.session.overflow(),
            _ => {}
        }
        Ok(if self.poll()? == Step::Part { Found::Message } else { Found::Nothing })
    }

    fn poll(&mut self) -> Result<Step, Error<T::Error>> {
        let Line { session, tx, random, .. } = &mut self.line;
        let step = if self.closing {
            let (code, reason) = self.farewell;
            session.poll_close(self.rx, tx, *random, self.decoder, code, reason)?
        } else {
            session.poll(self.rx, tx, *random, self.decoder, self.mode)?
        };
        match step {
            Step::Closed(closed) => Err(Error::Closed(closed)),
            step => Ok(step),
        }
    }
}

impl<T: Write, K: Clock, E: Encoder> Line<'_, T, K, E> {
    /// The steps that need no receive buffer. They are given up when they take too long.
    async fn write(&mut self, step: Step) -> Result<(), Error<T::Error>> {
        let mut limit = self.send_timeout;
        if self.session.is_closing() {
            limit = limit.min(self.session.poll_timeout(self.clock.now()).unwrap_or(limit));
        }
        let Self { io, session, tx, clock, .. } = self;
        match step {
            Step::Transmit => {
                let written = within(*clock, limit, io.write(session.pending(tx))).await;
                match written.transpose().map_err(|error| io_error(session, error))? {
                    None | Some(0) => return Err(Error::WriteZero),
                    Some(n) => session.sent(n)?,
                }
            }
            Step::Flush => {
                let flushed = within(*clock, limit, io.flush()).await;
                flushed.transpose().map_err(|error| io_error(session, error))?.ok_or(Error::WriteZero)?;
                session.flushed();
            }
            _ => {}
        }
        Ok(())
    }

    pub(super) async fn send_message(&mut self, message: &Message<'_>) -> Result<(), Error<T::Error>> {
        self.session.start_send(self.encoder, message, false)?;
        loop {
            match self.session.poll_send(self.tx, self.random, self.encoder, message, true)? {
                Step::Done => return Ok(()),
                step => self.write(step).await?,
            }
        }
    }

    pub(super) async fn flush(&mut self) -> Result<(), Error<T::Error>> {
        loop {
            match self.session.poll_flush(self.tx, self.random)? {
                Step::Done => return Ok(()),
                step => self.write(step).await?,
            }
        }
    }
}

impl<T: Write, K: Clock, E: Encoder> Sender<T::Error> for Line<'_, T, K, E> {
    async fn send<'m>(&mut self, message: impl Into<Message<'m>>) -> Result<(), Error<T::Error>> {
        self.send_message(&message.into()).await
    }

    async fn send_part(&mut self, kind: Kind, data: &[u8], fin: bool) -> Result<(), Error<T::Error>> {
        self.session.start_part(self.encoder, kind, data, fin, false)?;
        loop {
            match self.session.poll_part(self.tx, self.random, self.encoder, kind, data, fin)? {
                Step::Done => return Ok(()),
                step => self.write(step).await?,
            }
        }
    }

    async fn close(&mut self, code: CloseCode, reason: &str) -> Result<(), Error<T::Error>> {
        Session::check_close(code, reason)?;
        self.closed = true;
        loop {
            let put = self.session.put_close(self.tx, self.random, code, reason);
            match self.flush().await {
                Err(Error::Closed(_)) => return Ok(()),
                other => other?,
            }
            if put {
                return Ok(());
            }
        }
    }

    fn set_compression(&mut self, enabled: bool) {
        self.encoder.set_enabled(enabled);
    }
}

/// What a future returns, unless it takes too long.
pub(super) async fn within<F: Future>(clock: &impl Clock, limit: Duration, future: F) -> Option<F::Output> {
    let (mut future, mut sleep) = (pin!(future), pin!(clock.sleep(limit)));
    poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => sleep.as_mut().poll(cx).map(|()| None),
    })
    .await
}
