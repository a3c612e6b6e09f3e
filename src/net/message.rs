use std::{borrow::ToOwned, string::String, vec::Vec};

use crate::{CloseCode, Message};

/// A message that owns its payload, or a control frame: what outlives the next call on its connection, and what a
/// `MessageStream` (feature `tokio`) is of.
///
/// ```no_run
/// # fn main() -> Result<(), sockling::net::Error> {
/// let mut ws = sockling::connect("ws://localhost:9001/")?;
/// let question = ws.recv()?.into_owned();
/// if let Some(answer) = question.as_message() {
///     ws.send(answer)?;
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OwnedMessage {
    /// A message of text.
    Text(String),
    /// A message of bytes.
    Binary(Vec<u8>),
    /// A message of text whose UTF-8 was not checked: [`Message::UncheckedText`].
    UncheckedText(Vec<u8>),
    /// A ping; at most 125 bytes. Received ones were answered, and come only where
    /// [`report_control`](crate::Config::report_control) is set.
    Ping(Vec<u8>),
    /// A pong; likewise.
    Pong(Vec<u8>),
    /// A close frame, `None` with an empty body. A received one was answered; it is the last message.
    Close(Option<CloseFrame>),
}

/// The body of a close frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CloseFrame {
    /// The status code.
    pub code: CloseCode,
    /// The reason, at most 123 bytes; may be empty.
    pub reason: String,
}

impl OwnedMessage {
    /// A message of text.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// A message of bytes.
    pub fn binary(data: impl Into<Vec<u8>>) -> Self {
        Self::Binary(data.into())
    }

    /// The payload: text, bytes, or the reason of a close frame.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::Binary(data) | Self::UncheckedText(data) | Self::Ping(data) | Self::Pong(data) => data,
            Self::Close(close) => close.as_ref().map_or(&[], |close| close.reason.as_bytes()),
        }
    }

    /// The text, if this is text.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Whether this is text.
    #[must_use]
    pub const fn is_text(&self) -> bool {
        matches!(self, Self::Text(_) | Self::UncheckedText(_))
    }

    /// Whether this is a message of bytes.
    #[must_use]
    pub const fn is_binary(&self) -> bool {
        matches!(self, Self::Binary(_))
    }

    /// Whether this is a close frame.
    #[must_use]
    pub const fn is_close(&self) -> bool {
        matches!(self, Self::Close(_))
    }

    /// The payload: see [`as_bytes`](Self::as_bytes).
    #[must_use]
    pub fn into_data(self) -> Vec<u8> {
        match self {
            Self::Text(text) => text.into_bytes(),
            Self::Binary(data) | Self::UncheckedText(data) | Self::Ping(data) | Self::Pong(data) => data,
            Self::Close(close) => close.map_or_else(Vec::new, |close| close.reason.into_bytes()),
        }
    }

    /// The same, as `send` takes it; `None` for a close frame, which `close` sends.
    #[must_use]
    pub fn as_message(&self) -> Option<Message<'_>> {
        self.borrow().ok()
    }

    /// The same, or the close frame that this is.
    pub(super) fn borrow(&self) -> Result<Message<'_>, Option<&CloseFrame>> {
        Ok(match self {
            Self::Text(text) => Message::Text(text),
            Self::Binary(data) => Message::Binary(data),
            Self::UncheckedText(data) => Message::UncheckedText(data),
            Self::Ping(data) => Message::Ping(data),
            Self::Pong(data) => Message::Pong(data),
            Self::Close(close) => return Err(close.as_ref()),
        })
    }
}

impl From<Message<'_>> for OwnedMessage {
    fn from(message: Message<'_>) -> Self {
        match message {
            Message::Text(text) => Self::Text(text.to_owned()),
            Message::Binary(data) => Self::Binary(data.to_owned()),
            Message::UncheckedText(data) => Self::UncheckedText(data.to_owned()),
            Message::Ping(data) => Self::Ping(data.to_owned()),
            Message::Pong(data) => Self::Pong(data.to_owned()),
        }
    }
}

impl From<String> for OwnedMessage {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<&str> for OwnedMessage {
    fn from(text: &str) -> Self {
        Self::Text(text.into())
    }
}

impl From<Vec<u8>> for OwnedMessage {
    fn from(data: Vec<u8>) -> Self {
        Self::Binary(data)
    }
}

impl From<&[u8]> for OwnedMessage {
    fn from(data: &[u8]) -> Self {
        Self::Binary(data.into())
    }
}

#[cfg(test)]
mod tests {
    use std::vec;

    use super::*;

    #[test]
    fn from_and_to_borrowed_ones() {
        for message in [
            Message::Text("a"),
            Message::Binary(&[1]),
            Message::UncheckedText(&[2]),
            Message::Ping(&[3]),
            Message::Pong(&[4]),
        ] {
            let owned = OwnedMessage::from(message);
            assert_eq!((owned.borrow(), owned.as_message()), (Ok(message), Some(message)));
            assert_eq!(message.into_owned(), owned);
            assert_eq!(owned.as_bytes(), message.as_bytes());
            assert_eq!(owned.as_text(), message.as_text());
            assert_eq!(owned.into_data(), message.as_bytes());
        }
        let close = CloseFrame { code: CloseCode::NORMAL, reason: "bye".into() };
        let message = OwnedMessage::Close(Some(close.clone()));
        assert_eq!((message.borrow(), message.is_close()), (Err(Some(&close)), true));
        assert_eq!(message.as_message(), None);
        assert_eq!((message.as_bytes(), message.clone().into_data()), (&b"bye"[..], b"bye".to_vec()));
        assert_eq!(OwnedMessage::from("a"), OwnedMessage::text("a"));
        assert_eq!(OwnedMessage::from(vec![1]), OwnedMessage::binary([1]));
        assert!(OwnedMessage::text("").is_text() && OwnedMessage::binary([]).is_binary());
    }
}
