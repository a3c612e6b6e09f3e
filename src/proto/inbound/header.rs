//! Headers: the first two bytes, which tell of most rules, then the length and the masking key.

use super::{Inbound, MASKED, Next};
use crate::{
    Kind, ProtocolError,
    extension::Decoder,
    frame::{FIN, Opcode, Rules, check, extended_len, payload_len},
    utf8::Validator,
};

/// The current frame: the first byte of its header without RSV, or one of these, which are no opcodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub(super) struct Frame(pub(super) u8);

impl Frame {
    /// Between two frames.
    pub(super) const NONE: Self = Self(0x3 | Self::HEADER);
    /// All of a compressed message has arrived, and not all of it was decoded.
    pub(super) const UNDECODED: Self = Self(0x4);
    /// A ping whose pong is owed, and which is reported once that was sent.
    pub(super) const ANSWERED: Self = Self(0xF);
    /// Set while the header, or its length and masking key, are still to come.
    pub(super) const HEADER: u8 = 0x40;

    #[inline]
    pub(super) const fn opcode(self) -> Option<Opcode> {
        Opcode::from_bits(self.0)
    }

    #[inline]
    pub(super) const fn is_control(self) -> bool {
        self.0 & 0x8 != 0
    }

    #[inline]
    pub(super) const fn is_fin(self) -> bool {
        self.0 & FIN != 0
    }
}

impl Inbound {
    /// Decodes the first two bytes of the next frame.
    #[cfg_attr(feature = "std", inline)]
    #[cfg_attr(not(feature = "std"), inline(never))]
    pub(super) fn begin<D: Decoder>(&mut self, rx: &[u8], decoder: &mut D) -> Next {
        let Some(&[first, second, ..]) = rx.get(self.head..self.tail) else {
            return Next::More;
        };
        let rules = Rules { masked: self.rules.has(MASKED), rsv: if D::ACTIVE { decoder.rsv() } else { 0 } };
        let opcode = match check(first, second, rules) {
            Ok(opcode) => opcode,
            Err(error) => return Next::Failed(error),
        };
        let compressed = D::ACTIVE && first & 0x70 != 0;
        // "a "Per-Message Compressed" bit ... on the first frame of a message": on no other, and on no control frame.
        if compressed && !matches!(opcode, Opcode::Text | Opcode::Binary) {
            return Next::Failed(ProtocolError::ReservedBits);
        }
        if !opcode.is_control() {
            if let Err(error) = self.begin_data(opcode, compressed) {
                return Next::Failed(error);
            }
            if compressed {
                decoder.begin();
            }
        }
        self.head += 2;
        self.left = [u32::from(second & 0x7F), 0];
        self.frame = Frame(first & (FIN | 0xF) | Frame::HEADER);
        Next::Again
    }

    /// The rules of fragmentation (section 5.4).
    #[cfg_attr(feature = "std", inline)]
    fn begin_data(&mut self, opcode: Opcode, compressed: bool) -> Result<(), ProtocolError> {
        match (opcode, self.message) {
            (Opcode::Continuation, None) => return Err(ProtocolError::UnexpectedContinuation),
            (Opcode::Continuation, Some(_)) => {}
            (_, Some(_)) => return Err(ProtocolError::ExpectedContinuation),
            (opcode, None) => {
                self.message = Some(if opcode == Opcode::Text { Kind::Text } else { Kind::Binary });
                self.budget = self.max_message;
                self.fragments = 0;
                self.text = Validator::new();
                self.checked = 0;
                self.compressed = compressed;
            }
        }
        self.fragments = self.fragments.saturating_add(1);
        if self.fragments > self.max_fragments {
            return Err(ProtocolError::TooManyFragments);
        }
        Ok(())
    }

    /// Decodes the rest of the header.
    #[allow(clippy::cast_possible_truncation, reason = "seven bits")]
    #[cfg_attr(feature = "std", inline)]
    #[cfg_attr(not(feature = "std"), inline(never))]
    pub(super) fn length(&mut self, rx: &[u8]) -> Next {
        let [short, _] = self.left;
        let extended = extended_len(short as u8);
        let used = extended + if self.rules.has(MASKED) { 4 } else { 0 };
        let rest = rx.get(self.head..self.tail).and_then(|rest| rest.get(..used));
        let Some((extended, key)) = rest.and_then(|rest| rest.split_at_checked(extended)) else {
            return Next::More;
        };
        if let Some(key) = key.first_chunk() {
            self.key = *key;
        }
        if let Err(error) = payload_len(short as u8, extended).and_then(|len| self.begin_payload(len)) {
            return Next::Failed(error);
        }
        self.head += used;
        if self.base == self.keep {
            // Nothing is held: the payload can stay where it is.
            (self.base, self.keep) = (self.head, self.head);
        }
        Next::Again
    }

    /// The limits.
    #[cfg_attr(feature = "std", inline)]
    fn begin_payload(&mut self, payload_len: u64) -> Result<(), ProtocolError> {
        self.set_left(payload_len);
        self.frame.0 &= !Frame::HEADER;
        if let Some(opcode) = self.frame.opcode() {
            trace!("received {} frame, fin {}, {} bytes", opcode, self.frame.is_fin(), payload_len);
        }
        if self.frame.is_control() {
            return Ok(());
        }
        // Over every limit but none.
        let len = u32::try_from(payload_len).unwrap_or(u32::MAX);
        if len > self.max_frame {
            return Err(ProtocolError::FrameTooLarge);
        }
        // The limit is on what a compressed message becomes.
        if self.max_message != u32::MAX && !self.compressed {
            self.budget = self.budget.checked_sub(len).ok_or(ProtocolError::MessageTooLarge)?;
        }
        Ok(())
    }
}
