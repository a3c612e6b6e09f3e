/// What the driver of a [`ClientHandshake`](super::ClientHandshake) is to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[must_use = "the handshake stands still until the step is taken"]
pub enum Step {
    /// Write some of [`pending`](super::ClientHandshake::pending), then say how much with
    /// [`sent`](super::ClientHandshake::sent).
    Transmit,
    /// Flush the transport, then call [`flushed`](super::ClientHandshake::flushed).
    Flush,
    /// Read into [`space`](super::ClientHandshake::space), then say how much with
    /// [`received`](super::ClientHandshake::received).
    Receive,
    /// The connection is open.
    Done,
}

/// A line of the server's head, as soon as it is complete.
///
/// Lines longer than the receive buffer are not shown, unless they fail the handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum HeadLine<'a> {
    /// The status line.
    Status {
        /// The status code; 101 if the server accepts.
        code: u16,
        /// The reason phrase; may be empty, may be in any encoding.
        reason: &'a [u8],
    },
    /// A header field.
    Field {
        /// The name, in the server's letter case.
        name: &'a str,
        /// The value, without the white space around it.
        value: &'a [u8],
    },
}

/// What the driver of a [`ServerHandshake`](super::ServerHandshake) is to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[must_use = "the handshake stands still until the step is taken"]
pub enum ServerStep {
    /// Read into [`space`](super::ServerHandshake::space), then say how much with
    /// [`received`](super::ServerHandshake::received).
    Receive,
    /// Look at the [`request`](super::ServerHandshake::request), then [`respond`](super::ServerHandshake::respond).
    Request,
    /// Write some of [`pending`](super::ServerHandshake::pending), then say how much with
    /// [`sent`](super::ServerHandshake::sent).
    Transmit,
    /// Flush the transport, then call [`flushed`](super::ServerHandshake::flushed).
    Flush,
    /// The connection is open.
    Done,
}
