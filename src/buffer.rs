//! Storage for what is received and sent.

use core::ops::Range;

/// Memory that a connection receives into or sends from.
///
/// `[u8; N]`, `&mut [u8]`, `Box<[u8]>` and whatever else lends bytes are buffers of a fixed size.
/// [`Growing`] (feature `std`) grows with the messages.
pub trait Buffer {
    /// The bytes, to read.
    fn bytes(&self) -> &[u8];
    /// The bytes, to write.
    fn bytes_mut(&mut self) -> &mut [u8];
    /// Makes the buffer larger and keeps its contents; `false` if it is as large as it may be.
    fn grow(&mut self) -> bool;
}

impl<B: AsRef<[u8]> + AsMut<[u8]>> Buffer for B {
    fn bytes(&self) -> &[u8] {
        self.as_ref()
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        self.as_mut()
    }

    fn grow(&mut self) -> bool {
        false
    }
}

/// A buffer that doubles when it is full, up to a limit.
///
/// It never holds more than twice what was really received, whatever length a peer announces.
#[cfg(feature = "std")]
#[derive(Debug)]
pub struct Growing {
    bytes: std::vec::Vec<u8>,
    limit: usize,
}

#[cfg(feature = "std")]
impl Growing {
    /// A buffer of `len` bytes that grows up to `limit`.
    #[must_use]
    pub fn new(len: usize, limit: usize) -> Self {
        Self { bytes: std::vec![0; len], limit: limit.max(len) }
    }
}

#[cfg(feature = "std")]
impl Buffer for Growing {
    fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.bytes
    }

    fn grow(&mut self) -> bool {
        let len = self.bytes.len().saturating_mul(2).min(self.limit);
        // An allocation that fails is a limit as well, not an abort.
        if len == self.bytes.len() || self.bytes.try_reserve_exact(len - self.bytes.len()).is_err() {
            return false;
        }
        self.bytes.resize(len, 0);
        true
    }
}

#[cfg(feature = "std")]
format_by_name!("Growing", [] Growing);

/// `len` bytes from `at` on; none if there are fewer.
#[cfg_attr(feature = "std", inline)]
pub(crate) fn slice(bytes: &[u8], at: usize, len: usize) -> &[u8] {
    bytes.get(at..).and_then(|bytes| bytes.get(..len)).unwrap_or_default()
}

/// The same, to write.
#[cfg_attr(feature = "std", inline)]
pub(crate) fn slice_mut(bytes: &mut [u8], at: usize, len: usize) -> &mut [u8] {
    bytes.get_mut(at..).and_then(|bytes| bytes.get_mut(..len)).unwrap_or_default()
}

/// Moves bytes towards the front; does nothing for a range that is not there.
#[cfg(feature = "std")]
#[inline]
pub(crate) fn shift(bytes: &mut [u8], from: Range<usize>, to: usize) {
    if to < from.start && from.start <= from.end && from.end <= bytes.len() {
        bytes.copy_within(from, to);
    }
}

// `memmove`, which `copy_within` calls, is as large as all of the receiving direction.
#[cfg(not(feature = "std"))]
#[inline(never)]
pub(crate) fn shift(bytes: &mut [u8], from: Range<usize>, to: usize) {
    if to == from.start {
        return;
    }
    for (to, at) in (to..).zip(from) {
        if let Some(byte) = bytes.get(at).copied()
            && let Some(to) = bytes.get_mut(to)
        {
            *to = byte;
        }
    }
}
