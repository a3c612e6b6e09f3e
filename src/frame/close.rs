use core::{fmt, str};

use super::{MAX_CONTROL_PAYLOAD, copy_masked};
use crate::ProtocolError;

/// The longest reason that a close frame holds, in bytes of UTF-8.
pub const MAX_REASON: usize = MAX_CONTROL_PAYLOAD - 2;

/// Why a connection is closed: a status code of RFC 6455 section 7.4.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CloseCode(pub u16);

impl CloseCode {
    /// The purpose for which the connection was established has been fulfilled.
    pub const NORMAL: Self = Self(1000);
    /// A server going down or a page navigated away from.
    pub const GOING_AWAY: Self = Self(1001);
    /// The peer broke the protocol.
    pub const PROTOCOL_ERROR: Self = Self(1002);
    /// A kind of data that this endpoint cannot accept.
    pub const UNSUPPORTED_DATA: Self = Self(1003);
    /// Never on the wire: stands for a close frame without a code.
    pub const NO_STATUS_RECEIVED: Self = Self(1005);
    /// Never on the wire: stands for a connection that ended without a close frame.
    pub const ABNORMAL_CLOSURE: Self = Self(1006);
    /// Data that contradicts the message's type, such as text that is not UTF-8.
    pub const INVALID_PAYLOAD: Self = Self(1007);
    /// A message that violates this endpoint's policy.
    pub const POLICY_VIOLATION: Self = Self(1008);
    /// A message that is too big to process.
    pub const MESSAGE_TOO_BIG: Self = Self(1009);
    /// The client needs an extension that the server did not negotiate.
    pub const MANDATORY_EXTENSION: Self = Self(1010);
    /// The server met a condition that it did not expect.
    pub const INTERNAL_ERROR: Self = Self(1011);
    /// The service restarts: reconnect after a while.
    pub const SERVICE_RESTART: Self = Self(1012);
    /// The service is overloaded: reconnect later.
    pub const TRY_AGAIN_LATER: Self = Self(1013);
    /// A gateway got an invalid answer from the server behind it.
    pub const BAD_GATEWAY: Self = Self(1014);
    /// Never on the wire: stands for a failed TLS handshake.
    pub const TLS_HANDSHAKE: Self = Self(1015);

    /// Whether the code may stand in a close frame (sections 7.4.1, 7.4.2, and the IANA registry of close codes).
    #[must_use]
    pub const fn is_sendable(self) -> bool {
        matches!(self.0, 1000..=1003 | 1007..=1014 | 3000..=4999)
    }
}

impl From<u16> for CloseCode {
    fn from(code: u16) -> Self {
        Self(code)
    }
}

impl From<CloseCode> for u16 {
    fn from(code: CloseCode) -> Self {
        code.0
    }
}

impl fmt::Display for CloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for CloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CloseCode({})", self.0)
    }
}

#[cfg(feature = "defmt")]
impl defmt::Format for CloseCode {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(f, "{=u16}", self.0);
    }
}

/// Reads a close frame's payload: code and reason, [`CloseCode::NO_STATUS_RECEIVED`] for an empty one.
pub(crate) fn parse_body(body: &[u8]) -> Result<(CloseCode, &str), ProtocolError> {
    let (code, reason) = match body {
        [] => return Ok((CloseCode::NO_STATUS_RECEIVED, "")),
        // "the first two bytes of the body MUST be a 2-byte unsigned integer"
        [_] => return Err(ProtocolError::CloseBodyTooShort),
        [a, b, reason @ ..] => (CloseCode(u16::from_be_bytes([*a, *b])), reason),
    };
    if !code.is_sendable() {
        return Err(ProtocolError::InvalidCloseCode(code.0));
    }
    let reason = str::from_utf8(reason).map_err(|_| ProtocolError::InvalidUtf8)?;
    Ok((code, reason))
}

/// Length of a close frame's payload.
pub(crate) const fn body_len(code: CloseCode, reason: &str) -> usize {
    if code.0 == CloseCode::NO_STATUS_RECEIVED.0 { 0 } else { 2 + reason.len() }
}

/// Writes a close frame's payload: as many bytes as `out` has, which is [`body_len`].
pub(crate) fn emit_body(code: CloseCode, reason: &str, out: &mut [u8]) {
    if let [a, b, rest @ ..] = out {
        [*a, *b] = code.0.to_be_bytes();
        copy_masked(rest, reason.as_bytes(), [0; 4]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code() {
        for code in 0..=u16::MAX {
            let allowed = (1000..=1003).contains(&code)
                || (1007..=1014).contains(&code)
                || (3000..=4999).contains(&code);
            let [a, b] = code.to_be_bytes();
            assert_eq!(parse_body(&[a, b]).is_ok(), allowed, "{code}");
        }
    }

    #[test]
    fn bodies() {
        assert_eq!(parse_body(b""), Ok((CloseCode::NO_STATUS_RECEIVED, "")));
        assert_eq!(parse_body(b"\x03"), Err(ProtocolError::CloseBodyTooShort));
        assert_eq!(parse_body(b"\x03\xe8bye"), Ok((CloseCode::NORMAL, "bye")));
        assert_eq!(parse_body(b"\x03\xe7"), Err(ProtocolError::InvalidCloseCode(999)));
        assert_eq!(parse_body(b"\x03\xe8\xff\xfe"), Err(ProtocolError::InvalidUtf8));
        let mut out = [0; 125];
        let len = body_len(CloseCode::NORMAL, "bye");
        emit_body(CloseCode::NORMAL, "bye", &mut out[..len]);
        assert_eq!(&out[..len], b"\x03\xe8bye");
        assert_eq!(body_len(CloseCode::NO_STATUS_RECEIVED, ""), 0);
    }
}
