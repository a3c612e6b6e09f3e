use core::fmt;

use crate::frame::Opcode;

/// A message, or a ping or pong: what `recv` returns and `send` takes.
///
/// Received ones borrow the receive buffer, until the next call on the connection.
///
/// ```
/// # use sockling::Message;
/// assert_eq!(Message::from("hello"), Message::Text("hello"));
/// assert_eq!(Message::from(b"\x01\x02"), Message::Binary(&[1, 2]));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Message<'a> {
    /// A message of text.
    Text(&'a str),
    /// A message of bytes.
    Binary(&'a [u8]),
    /// A message of text whose UTF-8 was not checked, because
    /// [`skip_utf8_validation`](crate::Config::skip_utf8_validation) is set.
    UncheckedText(&'a [u8]),
    /// A ping; at most 125 bytes. It was already answered. Received ones are returned only where
    /// [`report_control`](crate::Config::report_control) is set.
    Ping(&'a [u8]),
    /// A pong; likewise.
    Pong(&'a [u8]),
}

impl<'a> Message<'a> {
    /// The payload.
    #[must_use]
    pub const fn as_bytes(&self) -> &'a [u8] {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::Binary(data) | Self::UncheckedText(data) | Self::Ping(data) | Self::Pong(data) => data,
        }
    }

    /// The text, if this is text.
    #[must_use]
    pub const fn as_text(&self) -> Option<&'a str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The same in memory of its own, which outlives the next call on the connection.
    #[cfg(feature = "std")]
    #[must_use]
    pub fn into_owned(self) -> crate::net::OwnedMessage {
        self.into()
    }

    /// What it is, as [`send_part`](crate::blocking::WebSocket::send_part) takes it.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Text(_) | Self::UncheckedText(_) => Kind::Text,
            Self::Binary(_) => Kind::Binary,
            Self::Ping(_) => Kind::Ping,
            Self::Pong(_) => Kind::Pong,
        }
    }
}

/// Shows the text, or the bytes in hexadecimal.
impl fmt::Display for Message<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            other => other.as_bytes().iter().try_for_each(|byte| write!(f, "{byte:02x}")),
        }
    }
}

impl<'a> From<&'a str> for Message<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(text)
    }
}

impl<'a> From<&'a [u8]> for Message<'a> {
    fn from(data: &'a [u8]) -> Self {
        Self::Binary(data)
    }
}

impl<'a, const N: usize> From<&'a [u8; N]> for Message<'a> {
    fn from(data: &'a [u8; N]) -> Self {
        Self::Binary(data)
    }
}

#[cfg(feature = "std")]
impl<'a> From<&'a std::string::String> for Message<'a> {
    fn from(text: &'a std::string::String) -> Self {
        Self::Text(text)
    }
}

#[cfg(feature = "std")]
impl<'a> From<&'a std::vec::Vec<u8>> for Message<'a> {
    fn from(data: &'a std::vec::Vec<u8>) -> Self {
        Self::Binary(data)
    }
}

/// What a [`Part`] is of.
// Numbered like the opcodes: the one becomes the other at no cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Kind {
    /// A message of text.
    Text = Opcode::Text as isize,
    /// A message of bytes.
    Binary = Opcode::Binary as isize,
    /// A ping.
    Ping = Opcode::Ping as isize,
    /// A pong.
    Pong = Opcode::Pong as isize,
}

impl Kind {
    /// Of the first frame.
    #[inline]
    pub(crate) const fn opcode(self) -> Opcode {
        match self {
            Self::Text => Opcode::Text,
            Self::Binary => Opcode::Binary,
            Self::Ping => Opcode::Ping,
            Self::Pong => Opcode::Pong,
        }
    }

    #[inline]
    pub(crate) const fn is_control(self) -> bool {
        self.opcode().is_control()
    }
}

/// A piece of a message, as `recv_part` returns it: as much as has arrived and fits in the receive buffer.
///
/// Parts do not follow the peer's frames. The UTF-8 of text is checked up to the end of the part, which may cut a
/// character in two. Pings and pongs come whole, also between the parts of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Part<'a> {
    /// What the message is.
    pub kind: Kind,
    /// Whether this is the first part of its message.
    pub first: bool,
    /// Whether this is the last part of its message. Parts before the last are never empty.
    pub fin: bool,
    /// The bytes.
    pub data: &'a [u8],
}
