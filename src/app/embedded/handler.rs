use core::future::pending;

use super::Failure;
use crate::{CloseCode, Closed, Error, Kind, Message, Part, app::Next};

/// What a connection does for whom it belongs to: the methods are callbacks of [`App`](super::App), one after the other.
///
/// `C` is the error of [`Connect`](super::Connect), `E` that of its connections. Every method does nothing by default.
/// While a callback waits nothing is received and no ping is sent; that it took long does not make the peer count as
/// dead.
///
/// An error that a callback returns ends the connection, like one that is met outside of it.
#[allow(async_fn_in_trait, reason = "whether the future is `Send` is the implementation's affair")]
#[allow(unused_variables, reason = "the names are the documentation")]
pub trait Handler<C, E> {
    /// A connection was opened: the first one, and each without [`on_reconnect`](Self::on_reconnect).
    ///
    /// # Errors
    /// What ends the connection.
    async fn on_open(&mut self, ws: &mut impl Sender<E>) -> Result<(), Error<E>> {
        Ok(())
    }

    /// A connection was opened after another one. By default calls [`on_open`](Self::on_open).
    ///
    /// # Errors
    /// What ends the connection.
    async fn on_reconnect(
        &mut self,
        ws: &mut impl Sender<E>,
        again: Again<'_, C, E>,
    ) -> Result<(), Error<E>> {
        self.on_open(ws).await
    }

    /// A message was received, or a ping or pong where [`report_control`](crate::Config::report_control) is set.
    ///
    /// # Errors
    /// What ends the connection.
    async fn on_message(&mut self, ws: &mut impl Sender<E>, message: Message<'_>) -> Result<(), Error<E>> {
        Ok(())
    }

    /// A part of a message was received, instead of [`on_message`](Self::on_message), where
    /// [`App::parts`](super::App::parts) is set.
    ///
    /// # Errors
    /// What ends the connection.
    async fn on_part(&mut self, ws: &mut impl Sender<E>, part: Part<'_>) -> Result<(), Error<E>> {
        Ok(())
    }

    /// What is to be sent next, from elsewhere: waits until there is something. Asked only while a connection is open.
    ///
    /// # Cancel safety
    /// It is dropped whenever something else happens first, and called again: it must lose nothing then. Receiving from a
    /// channel of embassy-sync, as the last await, is fine.
    async fn outgoing(&mut self) -> Message<'_> {
        pending().await
    }

    /// What [`outgoing`](Self::outgoing) returned was written. If its connection ends without this call it was not, or
    /// not all: nothing is sent again by itself.
    fn on_sent(&mut self) {}

    /// Something failed: an attempt, or a connection.
    fn on_error(&mut self, failure: &Failure<C, E>) -> Next {
        Next::Usual
    }

    /// A connection is over, however it ended: called once for each that was opened, after [`on_error`](Self::on_error)
    /// if it failed. `reason` is what the peer gave. What it returns counts more than what `on_error` did.
    fn on_close(&mut self, closed: Closed, reason: &str) -> Next {
        Next::Usual
    }
}

/// No callbacks.
impl<C, E> Handler<C, E> for () {}

/// What [`on_reconnect`](Handler::on_reconnect) is told.
#[derive(Debug)]
#[non_exhaustive]
pub struct Again<'f, C, E> {
    /// Which attempt to reconnect it was: 1 if the first succeeded.
    pub attempt: u32,
    /// The last failure: what ended the connection before, or an attempt since. `None` where the peer closed it.
    pub failure: Option<&'f Failure<C, E>>,
}

impl<C, E> Clone for Again<'_, C, E> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<C, E> Copy for Again<'_, C, E> {}

/// The sending end of the connection that calls back.
///
/// What it writes has to be taken within [`App::send_timeout`](super::App::send_timeout), otherwise the connection ends
/// with [`Error::WriteZero`].
#[allow(async_fn_in_trait, reason = "whether the future is `Send` is the implementation's affair")]
pub trait Sender<E> {
    /// Sends a message, like [`WebSocket::send`](crate::asynch::WebSocket::send).
    ///
    /// # Errors
    /// [`Error::Misuse`] if it may not be sent now; otherwise how the connection ended.
    ///
    /// # Cancel safety
    /// Do not drop it: the connection refuses what would be sent next.
    async fn send<'m>(&mut self, message: impl Into<Message<'m>>) -> Result<(), Error<E>>;

    /// Sends a part of a message, like [`WebSocket::send_part`](crate::asynch::WebSocket::send_part).
    ///
    /// # Errors
    /// Like [`send`](Self::send).
    ///
    /// # Cancel safety
    /// Like [`send`](Self::send).
    async fn send_part(&mut self, kind: Kind, data: &[u8], fin: bool) -> Result<(), Error<E>>;

    /// Sets whether messages of this connection that begin from now on may be compressed, where that was negotiated; `true`
    /// when a connection opens. A secret is better sent as it is: see [`extension`](crate::extension).
    fn set_compression(&mut self, enabled: bool);

    /// Sends a close frame: the end, not only of this connection. [`App::run`](super::App::run) returns once the peer
    /// has answered, or did not in time.
    ///
    /// # Errors
    /// [`Error::Misuse`] for a code or reason that may not be sent; otherwise how the connection ended.
    ///
    /// # Cancel safety
    /// Like [`send`](Self::send).
    async fn close(&mut self, code: CloseCode, reason: &str) -> Result<(), Error<E>>;
}
