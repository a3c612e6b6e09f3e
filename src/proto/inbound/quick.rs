//! The most frequent case at once.

use super::{Frame, Inbound, MASKED, Shown};
use crate::{
    Kind,
    extension::Decoder,
    frame::apply_mask,
    proto::{Control, Mode},
};

impl Inbound {
    /// Takes a message of one short frame that has arrived whole, which most are: `true` if it was such a one. Comes to the
    /// same as the steps of `poll`, and leaves to them whatever is not as simple, all that breaks a rule included.
    #[inline]
    pub(crate) fn quick<D: Decoder>(&mut self, rx: &mut [u8], control: &mut Control, mode: Mode) -> bool {
        // Without `std`, size counts more.
        if !cfg!(feature = "std") || mode != Mode::Whole || D::ACTIVE && self.compressed {
            return false;
        }
        if self.frame != Frame::NONE || self.message.is_some() || !self.handed && self.base != self.keep {
            return false;
        }
        let Some(frame) = rx.get_mut(self.head..self.tail) else { return false };
        let Some((&mut [first, second], rest)) = frame.split_first_chunk_mut() else { return false };
        // FIN, and no reserved bit.
        let kind = match first {
            0x81 => Kind::Text,
            0x82 => Kind::Binary,
            _ => return false,
        };
        let masked = self.rules.has(MASKED);
        let mut at = 2;
        let (len, rest) = match (second ^ u8::from(masked) << 7, rest) {
            (len @ ..=125, rest) => (u16::from(len), rest),
            (126, [high, low, rest @ ..]) => {
                at += 2;
                (u16::from_be_bytes([*high, *low]), rest)
            }
            _ => return false,
        };
        // Of the minimal form.
        if len <= 125 && at > 2 || u32::from(len) > self.max_frame.min(self.max_message) {
            return false;
        }
        let len = usize::from(len);
        if masked {
            let Some((key, rest)) = rest.split_first_chunk_mut() else { return false };
            let Some(payload) = rest.get_mut(..len) else { return false };
            apply_mask(payload, *key, 0);
            at += 4;
        } else if len > rest.len() {
            return false;
        }
        trace!("received {} frame, fin {}, {} bytes", kind.opcode(), true, len);
        self.base = self.head + at;
        self.keep = self.base + len;
        self.head = self.keep;
        self.shown = Shown::new(kind, true, true);
        self.compressed = false;
        self.handed = true;
        control.closing.next_deadline();
        true
    }
}
