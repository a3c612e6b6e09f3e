use core::time::Duration;

use crate::Limits;

/// Which end of the connection this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Role {
    /// Masks what it sends; waits for the server to close TCP.
    Client,
    /// Wants what it receives masked; closes TCP first.
    Server,
}

/// How a connection behaves, the same for both ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct Config {
    /// What is accepted from the peer.
    pub limits: Limits,
    /// Hand text out as [`Message::UncheckedText`](crate::Message::UncheckedText), without checking its UTF-8.
    /// All else stays checked. Default `false`.
    pub skip_utf8_validation: bool,
    /// Let `recv` and `recv_part` return pings and pongs as well. They are answered either way. Default `false`.
    pub report_control: bool,
    /// How long the closing handshake may take once it has begun, counted where the time is known
    /// ([`Session::poll_timeout`](crate::proto::Session::poll_timeout)). Default 5 s.
    pub close_timeout: Duration,
    /// How long the peer may take for one message, from its first frame to its last byte; past it the connection is
    /// failed with 1008. It counts like `close_timeout`. Default [`Duration::MAX`]: as long as it takes.
    pub message_timeout: Duration,
}

impl Config {
    /// The defaults that the fields name.
    pub const DEFAULT: Self = Self {
        limits: Limits::DEFAULT,
        skip_utf8_validation: false,
        report_control: false,
        close_timeout: Duration::from_secs(5),
        message_timeout: Duration::MAX,
    };
}

impl Default for Config {
    fn default() -> Self {
        Self::DEFAULT
    }
}
