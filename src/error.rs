use core::fmt;

use crate::{CloseCode, handshake::HandshakeError};

/// A rule of RFC 6455 that the peer broke, or a limit that it went over.
///
/// The connection is failed: a close frame with [`close_code`](Self::close_code) goes to the peer, nothing more of
/// what it sends is read, and every later call returns the same error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum ProtocolError {
    /// RSV bits without an extension that gives them a meaning (section 5.2).
    ReservedBits,
    /// An opcode that no RFC defines (section 5.2).
    ReservedOpcode(u8),
    /// A control frame without FIN (section 5.5).
    FragmentedControlFrame,
    /// A control frame with a payload over 125 bytes (section 5.5).
    ControlFrameTooLong,
    /// A client's frame that is not masked (section 5.1).
    MaskRequired,
    /// A server's frame that is masked (section 5.1).
    MaskForbidden,
    /// A length in more bytes than it needs (section 5.2).
    NonMinimalLength,
    /// A length with the most significant bit set (section 5.2).
    LengthOverflow,
    /// A continuation frame with no message to continue (section 5.4).
    UnexpectedContinuation,
    /// A text or binary frame inside a fragmented message (section 5.4).
    ExpectedContinuation,
    /// A close frame whose body is one byte long (section 5.5.1).
    CloseBodyTooShort,
    /// A close frame with a status code that must not be sent (section 7.4).
    InvalidCloseCode(u16),
    /// Text or a close reason that is not UTF-8 (sections 5.6, 8.1).
    InvalidUtf8,
    /// A compressed message that cannot be decompressed (RFC 7692 section 7.2.2).
    InvalidCompression,
    /// A frame over [`Limits::max_frame`](crate::Limits::max_frame).
    FrameTooLarge,
    /// A message over [`Limits::max_message`](crate::Limits::max_message), or one that the receive buffer cannot
    /// hold (of a compressed one, the buffer that it is decompressed to): a larger buffer or `recv_part` takes it.
    MessageTooLarge,
    /// A message in more fragments than [`Limits::max_fragments`](crate::Limits::max_fragments).
    TooManyFragments,
    /// A message that took longer than [`Config::message_timeout`](crate::Config::message_timeout).
    MessageTimeout,
}

impl ProtocolError {
    /// The status code that the connection is failed with (section 7.4.1).
    #[must_use]
    pub const fn close_code(self) -> CloseCode {
        match self {
            Self::InvalidUtf8 | Self::InvalidCompression => CloseCode::INVALID_PAYLOAD,
            Self::FrameTooLarge | Self::MessageTooLarge => CloseCode::MESSAGE_TOO_BIG,
            Self::TooManyFragments | Self::MessageTimeout => CloseCode::POLICY_VIOLATION,
            _ => CloseCode::PROTOCOL_ERROR,
        }
    }
}

impl fmt::Display for ProtocolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ReservedBits => "the peer set reserved bits that no negotiated extension uses",
            Self::ReservedOpcode(opcode) => return write!(f, "the peer sent the reserved opcode {opcode}"),
            Self::FragmentedControlFrame => "the peer sent a fragmented control frame",
            Self::ControlFrameTooLong => "the peer sent a control frame of more than 125 bytes",
            Self::MaskRequired => "the client sent a frame that is not masked",
            Self::MaskForbidden => "the server sent a masked frame",
            Self::NonMinimalLength => "the peer encoded a length in more bytes than it needs",
            Self::LengthOverflow => "the peer announced a length with the most significant bit set",
            Self::UnexpectedContinuation => "the peer sent a continuation frame outside of a message",
            Self::ExpectedContinuation => "the peer began a new message inside of a fragmented one",
            Self::CloseBodyTooShort => "the peer sent a close frame with a body of one byte",
            Self::InvalidCloseCode(code) => return write!(f, "the peer sent the invalid close code {code}"),
            Self::InvalidUtf8 => "the peer sent text that is not UTF-8",
            Self::InvalidCompression => "the peer sent a compressed message that cannot be decompressed",
            Self::FrameTooLarge => "the peer sent a frame over the limit `max_frame`",
            Self::MessageTooLarge => {
                "the peer sent a message over the limit `max_message` or larger than the receive buffer: \
                 raise them, or take it in parts with `recv_part`"
            }
            Self::TooManyFragments => "the peer sent a message in more fragments than `max_fragments`",
            Self::MessageTimeout => "the peer took longer for a message than `message_timeout`",
        })
    }
}

impl core::error::Error for ProtocolError {}

/// A call that this end may not make now, or not with these arguments. Nothing was sent; the connection goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum MisuseError {
    /// A ping or pong with a payload over 125 bytes (section 5.5).
    ControlTooLong,
    /// A ping or pong as a part that is not the last (section 5.5).
    FragmentedControl,
    /// A close reason over 123 bytes (section 5.5.1).
    ReasonTooLong,
    /// A close code that must not be sent: allowed are 1000-1003, 1007-1014, 3000-4999 (section 7.4).
    InvalidCloseCode(u16),
    /// A message or ping after the close frame (section 5.5.1).
    Closing,
    /// A new message while one that `send_part` began is not finished (section 5.4).
    MessageOpen,
    /// A part of another kind than the message that it goes on with.
    KindChanged,
    /// A `send` was dropped, or timed out, when `taken` bytes of its message were already taken:
    /// finish it with `resume_send` and the same message, or close.
    Interrupted {
        /// How many bytes of the message were taken.
        taken: u32,
    },
    /// `resume_send` with a message that is shorter than what was already taken of the interrupted one.
    NotTheSameMessage,
    /// `recv` after `recv_part` took only some parts of a message: take the others with `recv_part` first.
    PartsPending,
    /// A send buffer under [`MIN_TX`](crate::MIN_TX) bytes or a receive buffer under [`MIN_RX`](crate::MIN_RX).
    BufferTooSmall {
        /// The bytes that it needs.
        needed: u16,
    },
    /// The memory for permessage-deflate is of no use: a window has a power of two of bytes, 512 to 32,768, a table of
    /// hashes a power of two of entries, an output at least one byte.
    WindowLength,
    /// A client without a source of random keys (section 5.3): [`Unmasked`](crate::Unmasked) is for servers.
    NoRandom,
    /// The transport claims to have moved more bytes than it was given room for.
    ImpossibleCount,
}

impl fmt::Display for MisuseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ControlTooLong => "a ping or pong holds at most 125 bytes",
            Self::FragmentedControl => "a ping or pong is sent whole: set `fin`",
            Self::ReasonTooLong => "a close reason holds at most 123 bytes",
            Self::InvalidCloseCode(code) => {
                return write!(
                    f,
                    "{code} may not be sent as a close code: use 1000-1003, 1007-1014 or 3000-4999"
                );
            }
            Self::Closing => "nothing can be sent after the close frame",
            Self::MessageOpen => "a message begun with `send_part` is not finished: send its last part first",
            Self::KindChanged => "all parts of a message have the kind of its first",
            Self::Interrupted { taken } => {
                return write!(
                    f,
                    "an interrupted send had {taken} bytes of its message taken: finish it with `resume_send`"
                );
            }
            Self::NotTheSameMessage => {
                "the message is shorter than what was already sent of the interrupted one"
            }
            Self::PartsPending => "a message was taken in part: take the rest with `recv_part`",
            Self::BufferTooSmall { needed } => {
                return write!(f, "the buffer is too small: give it at least {needed} bytes");
            }
            Self::WindowLength => {
                "the memory for permessage-deflate is of no use: give a window a power of two of bytes, 512 to 32,768, \
                 a table of hashes a power of two of entries, an output at least one byte"
            }
            Self::NoRandom => "a client needs random keys: give it a generator, `Unmasked` is for servers",
            Self::ImpossibleCount => "the transport claims to have moved more bytes than it was given",
        })
    }
}

impl core::error::Error for MisuseError {}

/// How a closing handshake ended (RFC 6455 section 7.1).
///
/// The reason that the peer gave is text in the receive buffer: `close_reason()` of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Closed {
    /// The peer's code; [`CloseCode::NO_STATUS_RECEIVED`] if its close frame had none, `None` if it sent no close frame.
    pub received: Option<CloseCode>,
    /// Our code; likewise.
    pub sent: Option<CloseCode>,
}

impl Closed {
    /// Whether both ends sent a close frame ("closed _cleanly_", section 7.1.4).
    #[must_use]
    pub const fn is_clean(self) -> bool {
        self.received.is_some() && self.sent.is_some()
    }
}

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let code = |code: Option<CloseCode>| code.unwrap_or(CloseCode::ABNORMAL_CLOSURE);
        write!(f, "received {}, sent {}", code(self.received), code(self.sent))
    }
}

/// What ends, or refuses, a call on a connection over a transport whose own errors are `E`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Error<E> {
    /// The transport failed. After a time-out the same call may be made again: it goes on where it stopped.
    Io(E),
    /// The transport took no byte of a write.
    WriteZero,
    /// The transport ended without a closing handshake.
    ConnectionLost,
    /// The closing handshake is over; nothing more comes and nothing more can be sent.
    Closed(Closed),
    /// The peer broke a rule; it was told so with [`ProtocolError::close_code`].
    Protocol(ProtocolError),
    /// The opening handshake failed.
    Handshake(HandshakeError),
    /// The call is not allowed now; the connection goes on.
    Misuse(MisuseError),
}

impl<E> Error<E> {
    /// The same error over another transport's errors.
    pub fn map_io<F>(self, op: impl FnOnce(E) -> F) -> Error<F> {
        match self {
            Self::Io(error) => Error::Io(op(error)),
            Self::WriteZero => Error::WriteZero,
            Self::ConnectionLost => Error::ConnectionLost,
            Self::Closed(closed) => Error::Closed(closed),
            Self::Protocol(error) => Error::Protocol(error),
            Self::Handshake(error) => Error::Handshake(error),
            Self::Misuse(error) => Error::Misuse(error),
        }
    }
}

impl<E: embedded_io::Error> Error<E> {
    /// Whether the transport ran into its own time limit, so that the call may be made again.
    pub fn is_timeout(&self) -> bool {
        matches!(self, Self::Io(error) if error.kind() == embedded_io::ErrorKind::TimedOut)
    }
}

impl<E> From<ProtocolError> for Error<E> {
    fn from(error: ProtocolError) -> Self {
        Self::Protocol(error)
    }
}

impl<E> From<MisuseError> for Error<E> {
    fn from(error: MisuseError) -> Self {
        Self::Misuse(error)
    }
}

impl<E> From<HandshakeError> for Error<E> {
    fn from(error: HandshakeError) -> Self {
        Self::Handshake(error)
    }
}

impl<E: fmt::Display> fmt::Display for Error<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => write!(f, "the transport failed: {error}"),
            Self::WriteZero => f.write_str("the transport takes no more bytes"),
            Self::ConnectionLost => f.write_str("the connection was lost: it ended without a close frame"),
            Self::Closed(closed) => write!(f, "the connection is closed: {closed}"),
            Self::Protocol(error) => fmt::Display::fmt(error, f),
            Self::Handshake(error) => fmt::Display::fmt(error, f),
            Self::Misuse(error) => fmt::Display::fmt(error, f),
        }
    }
}

impl<E: core::error::Error + 'static> core::error::Error for Error<E> {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Io(error) => Some(error),
            // The others say all themselves.
            _ => None,
        }
    }
}

impl<E: embedded_io::Error + 'static> embedded_io::Error for Error<E> {
    fn kind(&self) -> embedded_io::ErrorKind {
        use embedded_io::ErrorKind;
        match self {
            Self::Io(error) => error.kind(),
            Self::WriteZero => ErrorKind::WriteZero,
            Self::ConnectionLost => ErrorKind::ConnectionReset,
            Self::Closed(_) => ErrorKind::NotConnected,
            Self::Protocol(_) | Self::Handshake(_) => ErrorKind::InvalidData,
            Self::Misuse(_) => ErrorKind::InvalidInput,
        }
    }
}
