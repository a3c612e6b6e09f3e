use core::fmt;

use super::Field;
use crate::http::HeadError;

/// Why the opening handshake failed. It stays failed: every later poll returns the same error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum HandshakeError {
    /// The host given by the caller is no `name`, `name:port` or `[address]:port`. Nothing was sent.
    InvalidHost,
    /// The path given by the caller does not begin with `/`, or has characters that are to be percent-encoded, or a
    /// fragment (RFC 6455 section 3). Nothing was sent.
    InvalidPath,
    /// The origin given by the caller is empty or has spaces or characters beyond ASCII. Nothing was sent.
    InvalidOrigin,
    /// A subprotocol given by the caller is no token, or the same as another (RFC 6455 section 4.1). Nothing was sent.
    InvalidSubprotocol,
    /// A field added by the caller has a name that is no token, or a control character in its value. Nothing was sent.
    InvalidField,
    /// A field added by the caller is one that the handshake says itself. Nothing was sent.
    ReservedField,
    /// A status that a refusal cannot have: it is 200 to 599, but not 204, 205 or 304, which have no body. Nothing was
    /// sent.
    InvalidStatus(u16),
    /// There is no request to respond to now. Nothing was sent.
    OutOfTurn,

    /// The peer's head breaks a rule of HTTP.
    Malformed(HeadError),
    /// The peer's head is over [`Limits::max_head`](crate::Limits::max_head), or, at a server, longer than the receive
    /// buffer.
    HeadTooLong,
    /// A line of the server's head that the client has to know is longer than the receive buffer.
    LineTooLong,
    /// The peer's head has more fields than [`Limits::max_fields`](crate::Limits::max_fields).
    TooManyFields,
    /// The peer ended the connection inside of the handshake.
    UnexpectedEof,
    /// The server answers with this status instead of 101: it redirects, asks for credentials, or refuses.
    Status(u16),
    /// The peer's head lacks this field; or, if it is a list, the token that has to be in it.
    Missing(Field),
    /// The peer's head has this field more than once.
    Duplicate(Field),
    /// The peer's head has this field with a value that it cannot have.
    Invalid(Field),
    /// The server selects an extension or a subprotocol that the client did not offer; also where this end is the
    /// server.
    NotOffered(Field),
    /// The server's answer to the offer of permessage-deflate breaks a rule, or demands what this end has not got.
    #[cfg(feature = "deflate")]
    Deflate(crate::extension::NegotiationError),
    /// The client's request has another method than GET.
    Method,
    /// The client's request has a target that is neither a path nor an absolute URI.
    Target,
    /// The caller refused the client's request, with this status.
    Refused(u16),
}

impl From<HeadError> for HandshakeError {
    fn from(error: HeadError) -> Self {
        match error {
            HeadError::TooLong => Self::HeadTooLong,
            error => Self::Malformed(error),
        }
    }
}

impl fmt::Display for HandshakeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::InvalidHost => {
                "the host is invalid: give a name or address, with `:port` if need be, IPv6 in brackets"
            }
            Self::InvalidPath => "the path is invalid: begin it with `/`, percent-encode it, leave out `#`",
            Self::InvalidOrigin => "the origin is invalid: give it as `https://name:port`",
            Self::InvalidSubprotocol => {
                "a subprotocol is invalid: each is a token, and different from the others"
            }
            Self::InvalidField => {
                "a header field is invalid: its name is a token, its value has no control characters"
            }
            Self::ReservedField => "a header field is one that the handshake sends itself: leave it out",
            Self::InvalidStatus(status) => {
                return write!(
                    f,
                    "a refusal cannot have status {status}: use 200 to 599, but not 204, 205 or 304"
                );
            }
            Self::OutOfTurn => "there is no request to respond to: respond once, after `Step::Request`",
            Self::Malformed(error) => return fmt::Display::fmt(error, f),
            Self::HeadTooLong => {
                "the peer's head is over the limit `max_head` or larger than the receive buffer: raise them"
            }
            Self::LineTooLong => {
                "a line of the server's head is larger than the receive buffer: give a larger one"
            }
            Self::TooManyFields => "the peer's head has more fields than the limit `max_fields`: raise it",
            Self::UnexpectedEof => "the peer ended the connection during the handshake",
            Self::Status(status) => {
                return write!(f, "the server answered with status {status} instead of 101");
            }
            Self::Missing(field @ Field::Upgrade) => {
                return write!(
                    f,
                    "the peer's head lacks `{field}: websocket`: this may be no WebSocket endpoint"
                );
            }
            Self::Missing(field @ Field::Connection) => {
                return write!(f, "the peer's head lacks `{field}: Upgrade`");
            }
            Self::Missing(field) => return write!(f, "the peer's head lacks the field {field}"),
            Self::Duplicate(field) => {
                return write!(f, "the peer's head has the field {field} more than once");
            }
            Self::Invalid(field) => return write!(f, "the peer's head has an invalid field {field}"),
            Self::NotOffered(field) => {
                return write!(f, "the server selects in {field} what the client did not offer");
            }
            #[cfg(feature = "deflate")]
            Self::Deflate(error) => return fmt::Display::fmt(error, f),
            Self::Method => "the client's request has another method than GET",
            Self::Target => "the client's request has an invalid target",
            Self::Refused(status) => return write!(f, "the request was refused with status {status}"),
        })
    }
}

impl core::error::Error for HandshakeError {}
