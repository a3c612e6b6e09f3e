//! What was found, for the caller.

use super::{CHECKED_AT_ONCE, Inbound, UNCHECKED};
use crate::{
    Kind, Message, Part, ProtocolError,
    buffer::slice,
    extension::Decoder,
    proto::{Control, Flags},
    utf8,
};

/// What the last poll found, for the caller: what is held, or the `left` bytes before `head` of a control frame. The low
/// bits are the opcode of its kind.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub(super) struct Shown(Flags);

/// The first part of its message.
const FIRST: u8 = 0x40;
/// The last.
const LAST: u8 = 0x80;

impl Shown {
    #[inline]
    pub(super) const fn new(kind: Kind, first: bool, fin: bool) -> Self {
        let kind = kind.opcode() as u8;
        Self(Flags::new(kind | if first { FIRST } else { 0 } | if fin { LAST } else { 0 }))
    }

    #[inline]
    pub(super) const fn is_control(self) -> bool {
        self.0.has(0x8)
    }

    #[inline]
    const fn kind(self) -> Kind {
        match (self.is_control(), self.0.has(0x1)) {
            (false, true) => Kind::Text,
            (false, false) => Kind::Binary,
            (true, true) => Kind::Ping,
            (true, false) => Kind::Pong,
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
        Part { kind: self.shown.kind(), first: flags.has(FIRST), fin: flags.has(LAST), data }
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
                // It was checked before: `&str` wants it once more.
                Err(_) if !CHECKED_AT_ONCE => Message::Text(""),
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
