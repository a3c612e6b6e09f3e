/// What is either so or not, in a bit each: a byte each would be a fifth of a connection's state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub(crate) struct Flags(u8);

impl Flags {
    /// Those of `bits`.
    pub(crate) const fn new(bits: u8) -> Self {
        Self(bits)
    }

    /// Whether any of `bits` is set.
    #[inline]
    pub(crate) const fn has(self, bits: u8) -> bool {
        self.0 & bits != 0
    }

    /// Whether all of `bits` are set.
    #[inline]
    pub(crate) const fn all(self, bits: u8) -> bool {
        self.0 & bits == bits
    }

    /// Sets `bits`, or clears them.
    #[inline]
    pub(crate) const fn set(&mut self, bits: u8, on: bool) {
        self.0 = if on { self.0 | bits } else { self.0 & !bits };
    }
}
