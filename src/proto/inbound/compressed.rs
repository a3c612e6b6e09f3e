//! Messages that are decoded before they are handed out (RFC 7692 section 6.2).

use super::{Call, Frame, Inbound, Next, Shown, UNCHECKED};
use crate::{
    Kind, ProtocolError,
    extension::{Decoder, Progress},
    proto::Mode,
};

impl Inbound {
    /// Decodes what is held of a compressed message; [`Next::More`] if more is needed than has arrived.
    pub(super) fn decode<D: Decoder>(&mut self, call: &mut Call<'_>, decoder: &mut D) -> Next {
        self.try_decode(call, decoder).unwrap_or_else(Next::Failed)
    }

    fn try_decode<D: Decoder>(
        &mut self,
        call: &mut Call<'_>,
        decoder: &mut D,
    ) -> Result<Next, ProtocolError> {
        let fin = self.frame == Frame::UNDECODED;
        let limited = self.max_message != u32::MAX;
        let progress = loop {
            let before = decoder.output().len();
            let limit = if limited { usize::try_from(self.budget).unwrap_or(usize::MAX) } else { usize::MAX };
            let held = call.rx.get(self.base..self.keep).unwrap_or_default();
            let decoded = decoder.decode(held, fin, limit).map_err(|_| ProtocolError::InvalidCompression)?;
            self.base += decoded.consumed.min(held.len());
            let output = decoder.output();
            if limited {
                self.budget = u32::try_from(output.len().saturating_sub(before))
                    .ok()
                    .and_then(|produced| self.budget.checked_sub(produced))
                    .ok_or(ProtocolError::MessageTooLarge)?;
            }
            if self.message == Some(Kind::Text) && !self.rules.has(UNCHECKED) {
                self.text.push(output.get(self.checked..).unwrap_or_default())?;
                self.checked = output.len();
            }
            match decoded.progress {
                Progress::Output if call.mode == Mode::Whole || decoder.output().is_empty() => {
                    if !decoder.grow() {
                        return Err(ProtocolError::MessageTooLarge);
                    }
                }
                // Only a decoder that breaks its word asks for more than all.
                Progress::Input if fin => return Err(ProtocolError::InvalidCompression),
                progress => break progress,
            }
        };
        let fin = progress == Progress::Done;
        if !fin && (call.mode == Mode::Whole || decoder.output().is_empty()) {
            return Ok(Next::More);
        }
        let kind = self.message.unwrap_or(Kind::Binary);
        if fin {
            if kind == Kind::Text && !self.rules.has(UNCHECKED) && !self.text.is_complete() {
                return Err(ProtocolError::InvalidUtf8);
            }
            self.message = None;
            self.frame = Frame::NONE;
            call.control.closing.next_deadline();
        }
        self.shown = Shown::new(kind, !self.begun, fin);
        self.handed = true;
        self.begun = !fin;
        Ok(Next::Part)
    }
}
