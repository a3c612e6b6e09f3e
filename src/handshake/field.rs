use core::{fmt, str};

use super::HandshakeError;
use crate::http;

/// A header field with a meaning in the opening handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Field {
    /// `Upgrade`, which has to list `websocket`.
    Upgrade,
    /// `Connection`, which has to list `Upgrade`.
    Connection,
    /// `Sec-WebSocket-Accept`, which proves that the server understood the key.
    Accept,
    /// `Sec-WebSocket-Protocol`: subprotocols.
    Protocol,
    /// `Sec-WebSocket-Extensions`.
    Extensions,
    /// `Content-Length`.
    ContentLength,
    /// `Transfer-Encoding`.
    TransferEncoding,
    /// `Host`.
    Host,
    /// `Origin`.
    Origin,
    /// `Sec-WebSocket-Key`.
    Key,
    /// `Sec-WebSocket-Version`, 13.
    Version,
}

/// The names of those that a client looks for in a response, in the order of the variants: in one string, since a table
/// of them is larger than all of it.
const OF_RESPONSE: &[u8] =
    b"Upgrade,Connection,Sec-WebSocket-Accept,Sec-WebSocket-Protocol,Sec-WebSocket-Extensions,Content-Length";

/// Those of the others.
const OTHERS: &[u8] = b"Transfer-Encoding,Host,Origin,Sec-WebSocket-Key,Sec-WebSocket-Version";

/// How many names `OF_RESPONSE` has.
const COUNT: usize = Field::TransferEncoding as usize;

static FIELDS: [Field; 11] = [
    Field::Upgrade,
    Field::Connection,
    Field::Accept,
    Field::Protocol,
    Field::Extensions,
    Field::ContentLength,
    Field::TransferEncoding,
    Field::Host,
    Field::Origin,
    Field::Key,
    Field::Version,
];

impl Field {
    /// Those that the answer to a client has to have.
    pub(super) const NEEDED: [Self; 3] = [Self::Upgrade, Self::Connection, Self::Accept];

    /// The name that it has in a head.
    #[must_use]
    pub fn name(self) -> &'static str {
        let at = self as usize;
        let (names, at) = at.checked_sub(COUNT).map_or((OF_RESPONSE, at), |at| (OTHERS, at));
        let name = names.split(|byte| *byte == b',').nth(at);
        name.and_then(|name| str::from_utf8(name).ok()).unwrap_or_default()
    }

    /// The field that `name` is the name of, in any letter case.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::of_response(name.as_bytes()).or_else(|| {
            let others = http::find_token(OTHERS, name.as_bytes())?;
            FIELDS.get(COUNT + others).copied()
        })
    }

    /// The same of those that a client looks for in a response.
    pub(super) fn of_response(name: &[u8]) -> Option<Self> {
        FIELDS.get(http::find_token(OF_RESPONSE, name)?).copied()
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Checks fields that the caller adds to a head: nothing that could end the line or the head, nothing that the
/// handshake says itself.
pub(super) fn check_extra(fields: &[(&str, &str)]) -> Result<(), HandshakeError> {
    for (name, value) in fields {
        if !http::is_token(name.as_bytes()) || !http::is_field_value(value.as_bytes()) {
            return Err(HandshakeError::InvalidField);
        }
        if Field::from_name(name).is_some() {
            return Err(HandshakeError::ReservedField);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Field {
        const ALL: [(Self, &'static str); 11] = [
            (Self::Upgrade, "Upgrade"),
            (Self::Connection, "Connection"),
            (Self::Accept, "Sec-WebSocket-Accept"),
            (Self::Protocol, "Sec-WebSocket-Protocol"),
            (Self::Extensions, "Sec-WebSocket-Extensions"),
            (Self::ContentLength, "Content-Length"),
            (Self::TransferEncoding, "Transfer-Encoding"),
            (Self::Host, "Host"),
            (Self::Origin, "Origin"),
            (Self::Key, "Sec-WebSocket-Key"),
            (Self::Version, "Sec-WebSocket-Version"),
        ];
    }

    #[test]
    fn names_are_found_in_any_case() {
        for (field, name) in Field::ALL {
            assert_eq!(field.name(), name);
            assert_eq!(Field::from_name(field.name()), Some(field));
            assert_eq!(Field::from_name(&field.name().to_ascii_uppercase()), Some(field));
        }
        assert_eq!(Field::from_name("Sec-WebSocket-Key1"), None);
    }

    /// Attacks 18 and 19.
    #[test]
    fn what_may_not_be_added() {
        let check = |name, value| check_extra(&[("X-Fine", "yes"), (name, value)]);
        assert_eq!(check("Authorization", "Basic QWxhZGRpbg=="), Ok(()));
        assert_eq!(check("X-Empty", ""), Ok(()));
        assert_eq!(check("X-Text", "é\tü"), Ok(()));
        for name in ["", "a b", "a:", "a\r\nb", "a\0", "é", " a", "a "] {
            assert_eq!(check(name, "v"), Err(HandshakeError::InvalidField), "{name:?}");
        }
        for value in ["a\r\nb: c", "a\n", "\r", "\0", "\x7f", "\x1b[0m"] {
            assert_eq!(check("a", value), Err(HandshakeError::InvalidField), "{value:?}");
        }
        for name in [
            "host",
            "UPGRADE",
            "Connection",
            "origin",
            "sec-websocket-key",
            "Sec-WebSocket-Extensions",
            "content-length",
        ] {
            assert_eq!(check(name, "v"), Err(HandshakeError::ReservedField), "{name}");
        }
    }
}
