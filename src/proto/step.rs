use super::{Closing, Outgoing};
use crate::{CloseCode, Closed, Error, MisuseError, ProtocolError};

/// What the driver is to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[must_use = "the connection stands still until the step is taken"]
pub enum Step {
    /// Write some of [`pending`](super::Session::pending), then say how much with [`sent`](super::Session::sent).
    Transmit,
    /// Flush the transport, then call [`flushed`](super::Session::flushed).
    Flush,
    /// Read into [`space`](super::Session::space), then say how much with [`received`](super::Session::received).
    Receive,
    /// The receive buffer is full: make it larger, or call [`overflow`](super::Session::overflow).
    Grow,
    /// Something for the caller: [`message`](super::Session::message) or [`part`](super::Session::part) shows it, until
    /// the next poll.
    Part,
    /// The closing handshake is over: drop the transport.
    Closed(Closed),
    /// What was asked for is done.
    Done,
}

impl Step {
    /// Whether the driver writes at this step, rather than reads.
    #[must_use]
    pub const fn is_write(self) -> bool {
        matches!(self, Self::Transmit | Self::Flush)
    }
}

/// What the machines say among themselves, in one byte: a [`Step`] of which the outcome, if it has come to that, is not
/// looked up yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    Transmit,
    Flush,
    Receive,
    Grow,
    Part,
    Done,
    /// The connection has ended, or nothing more can be sent: see [`Closing::outcome_or`].
    Over,
    /// What comes is the rest of a message that was taken in part: [`MisuseError::PartsPending`].
    Misplaced,
    /// Something is owed to the peer now, or the connection has ended: the sending direction knows what is next.
    Owed,
}

/// What a driver drives a session to.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Want<'w> {
    /// Something to receive.
    Receive(Mode),
    /// That a message is in the send buffer.
    Feed(&'w Outgoing<'w>),
    /// That it is written and flushed.
    Send(&'w Outgoing<'w>),
    /// That all is.
    Flush,
    /// The end of the closing handshake.
    Close(CloseCode, &'w str),
}

impl Act {
    /// Why there is nothing to do.
    pub(crate) fn failure<F: From<Failure>>(self, closing: &Closing) -> F {
        closing.outcome_or(match self {
            Self::Misplaced => MisuseError::PartsPending,
            _ => MisuseError::Closing,
        })
    }
}

impl Want<'_> {
    /// Whether reading brings it nearer.
    pub(crate) const fn reads(&self) -> bool {
        matches!(self, Self::Receive(_) | Self::Close(..))
    }
}

/// How messages are received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Mode {
    /// Assembled in the receive buffer.
    Whole,
    /// As they come.
    Parts,
}

/// Why a session cannot go on, or not with this call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Failure {
    /// The transport ended without a closing handshake.
    ConnectionLost,
    /// The closing handshake is over.
    Closed(Closed),
    /// The peer broke a rule, and was told so.
    Protocol(ProtocolError),
    /// The call is not allowed now; the connection goes on.
    Misuse(MisuseError),
}

impl From<ProtocolError> for Failure {
    fn from(error: ProtocolError) -> Self {
        Self::Protocol(error)
    }
}

impl From<MisuseError> for Failure {
    fn from(error: MisuseError) -> Self {
        Self::Misuse(error)
    }
}

impl<E> From<Failure> for Error<E> {
    // Where the failure is made nothing is left of this.
    #[inline(always)]
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::ConnectionLost => Self::ConnectionLost,
            Failure::Closed(closed) => Self::Closed(closed),
            Failure::Protocol(error) => Self::Protocol(error),
            Failure::Misuse(error) => Self::Misuse(error),
        }
    }
}
