use core::cell::Cell;

use super::Closing;
use crate::frame::MAX_CONTROL_PAYLOAD;

/// What control frames leave to be done. Both directions know it: the receiving one owes, the sending one pays.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub(crate) struct Control {
    pub(crate) closing: Closing,
    pub(crate) pong: PongSlot,
    /// Whether pings and pongs are shown to the caller.
    pub(crate) report: bool,
    /// Whether text is handed out unchecked.
    pub(crate) unchecked: bool,
}

impl Control {
    /// Whether nothing is owed, and nothing has happened that ends the connection.
    #[inline]
    pub(crate) const fn is_quiet(&self) -> bool {
        self.pong.is_empty() && self.closing.is_open()
    }

    /// Whether a pong or a close frame waits for room in the send buffer.
    #[inline]
    pub(crate) const fn is_owing(&self) -> bool {
        !self.pong.is_empty() || self.closing.owed().is_some()
    }
}

/// The pong that is owed: one, the latest. "If an endpoint receives a Ping frame and has not yet sent Pong frame(s) in
/// response to previous Ping frame(s), the endpoint MAY elect to send a Pong frame for only the most recently
/// processed Ping frame" (section 5.5.3). Its payload lies at the end of the send buffer, where no frame is put.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub(crate) struct PongSlot {
    /// Over 125: none is owed.
    len: u8,
}

impl PongSlot {
    pub(crate) const EMPTY: Self = Self { len: u8::MAX };

    #[inline]
    pub(crate) const fn is_empty(self) -> bool {
        self.len == u8::MAX
    }

    pub(crate) const fn len(self) -> usize {
        self.len as usize
    }

    pub(crate) fn store(&mut self, slot: &[Cell<u8>], payload: &[u8]) {
        self.len = 0;
        for (to, from) in slot.iter().zip(payload) {
            to.set(*from);
            self.len += 1;
        }
    }

    /// The payload, of which `len` bytes count; none is owed any more.
    pub(crate) fn take(&mut self, slot: &[Cell<u8>]) -> [u8; MAX_CONTROL_PAYLOAD] {
        *self = Self::EMPTY;
        let mut payload = [0; MAX_CONTROL_PAYLOAD];
        for (to, from) in payload.iter_mut().zip(slot) {
            *to = from.get();
        }
        payload
    }
}
