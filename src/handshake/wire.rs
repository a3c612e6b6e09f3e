use core::ops::Range;

use crate::{MisuseError, buffer::shift, http::Emitter};

/// Where a handshake is in the two buffers of its caller, and in the head that it sends.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Wire {
    /// `tx[sent..filled]` waits to be written.
    sent: usize,
    filled: usize,
    /// How much of the head came to stand in the send buffer so far.
    emitted: usize,
    /// `rx[start..end]` was received and is still of use.
    pub(super) start: usize,
    pub(super) end: usize,
    /// How long the receive buffer is.
    capacity: usize,
    pub(super) eof: bool,
}

impl Wire {
    pub(super) fn pending<'b>(&self, tx: &'b [u8]) -> &'b [u8] {
        tx.get(self.sent..self.filled).unwrap_or_default()
    }

    pub(super) fn sent(&mut self, n: usize) -> Result<(), MisuseError> {
        if n > self.filled - self.sent {
            return Err(MisuseError::ImpossibleCount);
        }
        self.sent += n;
        Ok(())
    }

    /// Whether all that is in the send buffer was sent.
    pub(super) const fn is_sent(&self) -> bool {
        self.sent == self.filled
    }

    /// For the next piece of the head, into a send buffer that is sent.
    pub(super) fn emitter<'b>(&self, tx: &'b mut [u8]) -> Emitter<'b> {
        Emitter::new(self.emitted, tx)
    }

    /// Takes the piece; returns whether there was one.
    pub(super) fn emitted(&mut self, written: usize) -> bool {
        self.emitted += written;
        self.sent = 0;
        self.filled = written;
        written > 0
    }

    /// Nothing of the head was emitted yet.
    pub(super) const fn is_first(&self) -> bool {
        self.emitted == 0
    }

    pub(super) fn space<'b>(&self, rx: &'b mut [u8]) -> &'b mut [u8] {
        rx.get_mut(self.end..).unwrap_or_default()
    }

    /// Before the transport is asked for more.
    pub(super) const fn set_capacity(&mut self, rx: &[u8]) {
        self.capacity = rx.len();
    }

    /// Moves what is still of use to the front.
    pub(super) fn compact(&mut self, rx: &mut [u8]) {
        shift(rx, self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
    }

    pub(super) fn received(&mut self, n: usize) -> Result<(), MisuseError> {
        if n > self.capacity.saturating_sub(self.end) {
            return Err(MisuseError::ImpossibleCount);
        }
        self.eof |= n == 0;
        self.end += n;
        Ok(())
    }

    pub(super) const fn early(&self) -> Range<usize> {
        self.start..self.end
    }
}
