//! Bits, and canonical Huffman codes of them (RFC 1951 sections 3.1.1, 3.2.2).

use core::{ops::Range, slice};

use super::{InflateError, inflate::Stop};

/// Bits that were taken from the input but not used, the next one lowest.
///
/// A byte is taken only when its first bit is needed: between two steps there are fewer than 8 bits.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bits {
    hold: u32,
    count: u8,
}

impl Bits {
    pub(super) const fn new() -> Self {
        Self { hold: 0, count: 0 }
    }

    /// Sees to it that there are `n` bits, at most 24.
    #[inline]
    pub(super) fn need(&mut self, n: u8, input: &mut slice::Iter<'_, u8>) -> Result<(), Stop> {
        while self.count < n {
            let byte = input.next().ok_or(Stop::Input)?;
            self.hold |= u32::from(*byte) << self.count;
            self.count += 8;
        }
        Ok(())
    }

    /// The next `n` bits, at most 16, of those that there are.
    #[inline]
    pub(super) const fn take(&mut self, n: u8) -> u16 {
        let bits = self.hold & ((1 << n) - 1);
        self.hold >>= n;
        self.count = self.count.saturating_sub(n);
        bits as u16
    }

    /// "Any bits of input up to the next byte boundary are ignored."
    pub(super) const fn align(&mut self) {
        *self = Self::new();
    }

    pub(super) const fn is_empty(self) -> bool {
        self.count == 0
    }

    /// All the bits that there are, and how many.
    #[inline]
    pub(super) const fn peek(self) -> (u32, u8) {
        (self.hold, self.count)
    }
}

/// The longest code, in bits.
pub(super) const MAX_BITS: usize = 15;

/// A code as what it takes to decode it bit by bit: how many codes there are of each length, and the symbols in the
/// order of their codes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Code<const N: usize> {
    pub(super) counts: [u16; MAX_BITS + 1],
    pub(super) symbols: [u16; N],
}

impl<const N: usize> Code<N> {
    pub(super) const fn new() -> Self {
        Self { counts: [0; MAX_BITS + 1], symbols: [0; N] }
    }

    /// Makes the code of the symbols whose lengths these are, in the table.
    pub(super) fn build(&mut self, table: &Table, lengths: Range<u16>) -> Fill {
        build(&mut self.counts, &mut self.symbols, table, lengths)
    }

    /// The next symbol, and the length of its code, which is left where it is.
    pub(super) fn peek(&self, bits: &mut Bits, input: &mut slice::Iter<'_, u8>) -> Result<(u16, u8), Stop> {
        peek(&self.counts, &self.symbols, bits, input)
    }
}

/// How much of what could be encoded a code uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fill {
    /// Some bits would have two meanings.
    Over,
    /// All of it.
    Complete,
    /// "If only one distance code is used, it is encoded using one bit, not zero bits; in this case there is a single
    /// code length of one, with one unused code. One distance code of zero bits means that there are no distance codes
    /// used at all (the data is all literals)."
    Single,
    /// Not all of it.
    Incomplete,
}

/// Code lengths, four to an entry, of symbols from 0 on; 0 is the length of a symbol without a code. The decoder has
/// another use for the same memory when it knows the codes.
pub(super) type Table = [u16; 128];

pub(super) fn length(table: &Table, symbol: u16) -> u16 {
    table.get(usize::from(symbol / 4)).copied().unwrap_or(0) >> (symbol % 4 * 4) & 0xF
}

pub(super) fn set_length(table: &mut Table, symbol: u16, length: u16) {
    if let Some(entry) = table.get_mut(usize::from(symbol / 4)) {
        *entry = *entry & !(0xF << (symbol % 4 * 4)) | length << (symbol % 4 * 4);
    }
}

fn build(counts: &mut [u16; MAX_BITS + 1], symbols: &mut [u16], table: &Table, lengths: Range<u16>) -> Fill {
    *counts = [0; MAX_BITS + 1];
    for place in lengths.clone() {
        if let Some(count) = counts.get_mut(usize::from(length(table, place))) {
            *count += 1;
        }
    }
    counts[0] = 0;
    let mut next = [0; MAX_BITS + 1];
    let (mut left, mut sum) = (1i32, 0);
    for (count, next) in counts.iter().zip(&mut next).skip(1) {
        left = left * 2 - i32::from(*count);
        if left < 0 {
            return Fill::Over;
        }
        *next = sum;
        sum += *count;
    }
    for (symbol, place) in (0..).zip(lengths) {
        let length = usize::from(length(table, place));
        if length > 0
            && let Some(next) = next.get_mut(length)
            && let Some(entry) = symbols.get_mut(usize::from(*next))
        {
            *entry = symbol;
            *next += 1;
        }
    }
    match left {
        0 => Fill::Complete,
        _ if sum == 0 || (sum == 1 && counts[1] == 1) => Fill::Single,
        _ => Fill::Incomplete,
    }
}

fn peek(
    counts: &[u16; MAX_BITS + 1],
    symbols: &[u16],
    bits: &mut Bits,
    input: &mut slice::Iter<'_, u8>,
) -> Result<(u16, u8), Stop> {
    // `code` is relative to the first code of its length: the codes of a length that are used are the lowest ones.
    let (mut code, mut skipped) = (0, 0);
    for (length, count) in (1..).zip(counts.iter().skip(1)) {
        bits.need(length, input)?;
        code = code << 1 | (bits.hold >> (length - 1) & 1) as u16;
        if code < *count {
            let symbol = symbols.get(usize::from(skipped + code)).ok_or(InflateError::Symbol)?;
            return Ok((*symbol, length));
        }
        code -= count;
        skipped += count;
    }
    Err(InflateError::Symbol.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(lengths: &[u16]) -> Table {
        let mut table = [0xFFFF; 128];
        for (symbol, length) in (0..).zip(lengths) {
            set_length(&mut table, symbol, *length);
        }
        table
    }

    #[test]
    fn lengths_in_a_table() {
        for n in [3, 5, 7] {
            let mut table = [0; 128];
            (0..320).for_each(|symbol| set_length(&mut table, symbol, (symbol * n) & 0xF));
            assert!((0..320).all(|symbol| length(&table, symbol) == (symbol * n) & 0xF));
        }
    }

    #[test]
    fn how_full() {
        let mut code = Code::<8>::new();
        for (lengths, fill) in [
            (&[0, 0, 0][..], Fill::Single),
            (&[1], Fill::Single),
            (&[0, 1, 0], Fill::Single),
            (&[2], Fill::Incomplete),
            (&[2, 2], Fill::Incomplete),
            (&[1, 2], Fill::Incomplete),
            (&[15], Fill::Incomplete),
            (&[1, 1], Fill::Complete),
            (&[1, 2, 2], Fill::Complete),
            (&[1, 2, 3, 4, 5, 6, 7, 7], Fill::Complete),
            (&[1, 1, 1], Fill::Over),
            (&[1, 1, 15], Fill::Over),
            (&[1, 2, 3, 3, 3], Fill::Over),
        ] {
            assert_eq!(code.build(&table(lengths), 0..lengths.len() as u16), fill, "{lengths:?}");
        }
    }

    /// The example of RFC 1951 section 3.2.2.
    #[test]
    fn order() {
        let mut code = Code::<8>::new();
        assert_eq!(code.build(&table(&[7, 3, 3, 3, 3, 3, 2, 4, 4]), 1..9), Fill::Complete);
        assert_eq!(code.symbols, [5, 0, 1, 2, 3, 4, 6, 7]);
        assert_eq!(code.counts[..6], [0, 0, 1, 5, 2, 0]);
    }
}
