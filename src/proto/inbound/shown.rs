//! What was found, for the caller.

use super::{Inbound, UNCHECKED};
use crate::{
    Kind, Message, Part, ProtocolError,
    buffer::slice,
    extension::Decoder,
    proto::{Control, Flags},
    utf8,
};

/// What the last poll found, for the caller: what is held, or the `left` bytes before `head` of a control frame.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub(super) struct Shown(Flags);

/// The first part of its message.
const FIRST: u8 = 1;
/// The last.
const FIN: u8 = 2;
/// The kind: text, if it is none of these.
const BINARY: u8 = 4;
const PING: u8 = 8;
const PONG: u8 = 16;

impl Shown {
    pub(super) const fn new(kind: Kind, first: bool, fin: bool) -> Self {
        let kind = match kind {
            Kind::Text => 0,
            Kind::Binary => BINARY,
            Kind::Ping => PING,
            Kind::Pong => PONG,
        };
        Self(Flags::new(kind | if first { FIRST } else { 0 } | if fin { FIN } else { 0 }))
    }

    pub(super) const fn is_control(self) -> bool {
        self.0.has(PING | PONG)
    }

    const fn kind(self) -> Kind {
        if self.0.has(BINARY) {
            Kind::Binary
        } else if self.0.has(PING) {
            Kind::Ping
        } else if self.0.has(PONG) {
            Kind::Pong
        } else {
            Kind::Text
        }
    }
}

impl Inbound {
    /// What was found.
    #[cfg_attr(feature = "std", inline)]
    fn data_in<'b, D: Decoder>(&self, rx: &'b [u8], decoder: &'b D) -> &'b [u8] {
        if D::ACTIVE && self.compressed && !self.shown.is_control() {
            return decoder.output();
        }
        if self.shown.is_control() {
            let [len, _] = self.left;
            return slice(rx, self.head.wrapping_sub(len as usize), len as usize);
        }
        slice(rx, self.base, self.keep - self.base)
    }

    /// The part that was found.
    pub(crate) fn part<'b, D: Decoder>(&self, rx: &'b [u8], decoder: &'b D) -> Part<'b> {
        let Shown(flags) = self.shown;
        let data = self.data_in(rx, decoder);
        Part { kind: self.shown.kind(), first: flags.has(FIRST), fin: flags.has(FIN), data }
    }

    /// The message that was found. The UTF-8 of text is checked here, where it may not have been before.
    #[cfg_attr(feature = "std", inline)]
    pub(crate) fn message<'b, D: Decoder>(
        &mut self,
        rx: &'b [u8],
        decoder: &'b D,
        control: &mut Control,
    ) -> Result<Message<'b>, ProtocolError> {
        let data = self.data_in(rx, decoder);
        Ok(match self.shown.kind() {
            Kind::Text if self.rules.has(UNCHECKED) => Message::UncheckedText(data),
            Kind::Text => match utf8::text(data) {
                Ok(text) => Message::Text(text),
                Err(error) => {
                    self.fail(&mut control.closing, error);
                    return Err(error);
                }
            },
            Kind::Binary => Message::Binary(data),
            Kind::Ping => Message::Ping(data),
            Kind::Pong => Message::Pong(data),
        })
    }
}
