use crate::{Closed, Error, MisuseError, ProtocolError};

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
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::ConnectionLost => Self::ConnectionLost,
            Failure::Closed(closed) => Self::Closed(closed),
            Failure::Protocol(error) => Self::Protocol(error),
            Failure::Misuse(error) => Self::Misuse(error),
        }
    }
}
