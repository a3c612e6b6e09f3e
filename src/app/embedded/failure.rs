use core::fmt;

use crate::{
    Error,
    app::{Dropped, Verdict},
};

/// What went wrong: with [`Connect`](super::Connect), whose error is `C`, or with a connection, whose transport's error
/// is `E`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Failure<C, E> {
    /// There is no connection to the host; and what [`Connect::verdict`](super::Connect::verdict) says of that.
    Connect(C, Verdict),
    /// The attempt, the answer to a ping, or the end took too long.
    Late(Dropped),
    /// The opening handshake failed, or the connection ended, by itself or by what a callback returned.
    WebSocket(Error<E>),
}

impl<C, E> Failure<C, E> {
    /// What follows, if no callback wants something else.
    #[must_use]
    pub const fn verdict(&self) -> Verdict {
        match self {
            Self::Connect(_, verdict) => *verdict,
            Self::Late(_) => Verdict::Retry,
            Self::WebSocket(error) => Verdict::on_error(error),
        }
    }
}

impl<C: fmt::Debug, E: fmt::Display> fmt::Display for Failure<C, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect(error, _) => write!(f, "the host cannot be connected to: {error:?}"),
            Self::Late(Dropped::ConnectTimeout) => {
                f.write_str("connecting took longer than `connect_timeout`")
            }
            Self::Late(Dropped::PongTimeout) => {
                f.write_str("the peer did not answer a ping within `timeout`")
            }
            Self::Late(Dropped::CloseTimeout) => f.write_str("closing took longer than `close_timeout`"),
            Self::Late(Dropped::Cancelled) => f.write_str("connecting was given up, to close"),
            Self::WebSocket(error) => fmt::Display::fmt(error, f),
        }
    }
}

impl<C: fmt::Debug, E: core::error::Error + 'static> core::error::Error for Failure<C, E> {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::WebSocket(error) => core::error::Error::source(error),
            _ => None,
        }
    }
}
