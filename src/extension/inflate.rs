use core::{convert::Infallible, slice};

use super::{
    InflateError, TAIL,
    huffman::{Bits, Code, Fill, Table, length, set_length},
    output::Output,
    window_mask,
};

/// Decompresses messages (RFC 1951, RFC 7692 section 7.2.2) into a buffer of any size, from input in pieces of any
/// size.
///
/// ```
/// # use sockling::extension::{Inflate, InflateError};
/// let (mut inflate, mut window, mut out) = (Inflate::new(), [0; 512], [0; 64]);
/// let message = [0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];
/// let (consumed, produced) = inflate.inflate(&message, &mut window, &mut out)?;
/// assert_eq!((consumed, &out[..produced]), (7, &b"Hello"[..]));
/// assert_eq!(inflate.finish_message(&mut window, &mut out)?, (0, true));
/// # Ok::<(), InflateError>(())
/// ```
///
/// The output is never more than what there is room for, so the caller's limit on it holds whatever the ratio. The
/// time is linear in input and output: a block that yields nothing costs a few thousand instructions for each 8 bytes or
/// more of input.
#[derive(Clone, Debug)]
pub struct Inflate {
    bits: Bits,
    state: State,
    /// Whether the current block is marked as the last one.
    last: bool,
    /// Whether the codes are those of section 3.2.6.
    fixed: bool,
    /// Whether the message has begun.
    begun: bool,
    /// Where the next byte goes in the window.
    at: u16,
    /// How many bytes of the window are filled.
    filled: u16,
    /// What is left of a match or a stored block; the next code length's index.
    left: u16,
    /// How far the match is back; before it is known, its symbol.
    distance: u16,
    /// How many literal and length codes there are, how many distance codes.
    sizes: (u16, u16),
    /// How many lengths the code has that the code lengths are encoded in.
    code_lengths: u16,
    literals: Code<288>,
    /// While the code lengths of a block are read, the code that they are encoded in.
    distances: Code<32>,
    /// By the next 7 bits of the input: the literal or length symbol, times 16, plus the length of its code; 0 if the
    /// code is longer. While the code lengths of a block are read, these lengths.
    table: Table,
}

const _: () = assert!(size_of::<Inflate>() <= 1200);

const TABLE_BITS: usize = 7;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Before a block.
    Block,
    StoredLength,
    StoredCheck,
    Stored,
    Sizes,
    CodeLengths,
    Lengths,
    Symbol,
    Distance,
    DistanceExtra,
    Match,
    Failed(InflateError),
}

/// Why decompression pauses or ends.
pub(super) enum Stop {
    /// All input was taken.
    Input,
    /// The output is full, and there is more.
    Output,
    Error(InflateError),
}

impl From<InflateError> for Stop {
    fn from(error: InflateError) -> Self {
        Self::Error(error)
    }
}

impl Default for Inflate {
    fn default() -> Self {
        Self::new()
    }
}

impl Inflate {
    /// Before the first message.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            bits: Bits::new(),
            state: State::Block,
            last: false,
            fixed: false,
            begun: false,
            at: 0,
            filled: 0,
            left: 0,
            distance: 0,
            sizes: (0, 0),
            code_lengths: 0,
            literals: Code::new(),
            distances: Code::new(),
            table: [0; 1 << TABLE_BITS],
        }
    }

    /// Before a message that refers to none of those before it: no context takeover (RFC 7692 section 7.1.1).
    pub const fn reset(&mut self) {
        (self.bits, self.state) = (Bits::new(), State::Block);
        (self.last, self.begun, self.filled) = (false, false, 0);
    }

    /// Decompresses the next bytes of a message into `output`; returns how many bytes of `input` were consumed and how
    /// many of `output` produced. Less than all input is consumed only when the output is full.
    ///
    /// # Errors
    /// The rule that the data break; from then on every call returns it.
    pub fn inflate(
        &mut self,
        input: &[u8],
        window: &mut [u8],
        output: &mut [u8],
    ) -> Result<(usize, usize), InflateError> {
        let (consumed, produced, _) = self.advance(input, window, output)?;
        Ok((consumed, produced))
    }

    /// The same; tells also whether there is more that the output had no room for.
    pub(super) fn advance(
        &mut self,
        input: &[u8],
        window: &mut [u8],
        output: &mut [u8],
    ) -> Result<(usize, usize, bool), InflateError> {
        let (consumed, produced, full) = self.run(input, window, output)?;
        self.begun |= consumed > 0;
        Ok((consumed, produced, full))
    }

    /// Ends the message: to be called when all of its bytes were consumed, and again, with room in `output`, until it is
    /// done. Returns how many bytes were produced, and whether it is done.
    ///
    /// Accepts as ends of a message, beside the one that RFC 7692 prescribes, two others that senders use and that have
    /// no second meaning: a block marked as the last (BFINAL) with nothing after it, and a message without any bytes,
    /// which is an empty one.
    ///
    /// # Errors
    /// [`InflateError::Truncated`], or the rule that the data break.
    pub fn finish_message(
        &mut self,
        window: &mut [u8],
        output: &mut [u8],
    ) -> Result<(usize, bool), InflateError> {
        // What is left of the message itself comes first: it may be its end.
        let (_, produced, full) = self.run(&[], window, output)?;
        let ended = self.state == State::Block && self.last;
        if full {
            return Ok((produced, false));
        }
        if self.begun && !ended {
            // "Append 4 octets of 0x00 0x00 0xff 0xff to the tail end of the payload of the message."
            // It is an empty block, unless it is taken for data because the message ends inside of another one. Those have
            // no room, so that it does not depend on the caller's what comes of it.
            let (_, _, full) = self.run(&TAIL, window, &mut [])?;
            if full || self.state != State::Block || !self.bits.is_empty() {
                self.state = State::Failed(InflateError::Truncated);
                return Err(InflateError::Truncated);
            }
        }
        (self.begun, self.last) = (false, false);
        Ok((produced, true))
    }

    /// Returns how many bytes were consumed and produced, and whether it was the end of the output that stopped it.
    fn run(
        &mut self,
        input: &[u8],
        window: &mut [u8],
        output: &mut [u8],
    ) -> Result<(usize, usize, bool), InflateError> {
        let mask = window_mask(window)?;
        let mut bytes = input.iter();
        let mut out = Output { window, mask, at: self.at.into(), out: output, len: 0 };
        let Err(stop) = self.steps(&mut bytes, &mut out);
        let (len, full) = (out.len, matches!(stop, Stop::Output));
        if let Stop::Error(error) = stop {
            self.state = State::Failed(error);
            return Err(error);
        }
        self.remember(output.get(..len).unwrap_or_default(), window, mask);
        Ok((input.len() - bytes.len(), len, full))
    }

    fn steps(&mut self, input: &mut slice::Iter<'_, u8>, out: &mut Output<'_>) -> Result<Infallible, Stop> {
        loop {
            self.state = match self.state {
                State::Block => self.block(input)?,
                State::StoredLength => {
                    self.bits.need(16, input)?;
                    self.left = self.bits.take(16);
                    State::StoredCheck
                }
                State::StoredCheck => {
                    self.bits.need(16, input)?;
                    if self.bits.take(16) != !self.left {
                        return Err(InflateError::StoredLength.into());
                    }
                    State::Stored
                }
                State::Stored => {
                    out.store(&mut self.left, input)?;
                    self.end_of_block()
                }
                State::Sizes => self.sizes(input)?,
                State::CodeLengths => self.code_lengths(input)?,
                State::Lengths => self.lengths(input)?,
                State::Symbol => self.symbols(input, out)?,
                State::Distance => {
                    let (symbol, length) = self.distances.peek(&mut self.bits, input)?;
                    self.bits.take(length);
                    self.distance = symbol;
                    State::DistanceExtra
                }
                State::DistanceExtra => self.distance(input, out)?,
                State::Match => {
                    out.copy(&mut self.left, self.distance.into())?;
                    State::Symbol
                }
                State::Failed(error) => return Err(error.into()),
            };
        }
    }

    fn block(&mut self, input: &mut slice::Iter<'_, u8>) -> Result<State, Stop> {
        self.bits.need(3, input)?;
        self.last = self.bits.take(1) != 0;
        match self.bits.take(2) {
            0 => {
                self.bits.align();
                Ok(State::StoredLength)
            }
            1 => {
                if !self.fixed {
                    for symbol in 0..288 + 30 {
                        let length = match symbol {
                            0..144 => 8,
                            144..256 => 9,
                            256..280 => 7,
                            280..288 => 8,
                            _ => 5,
                        };
                        set_length(&mut self.table, symbol, length);
                    }
                    // Of 32 distance codes, "30-31 will never actually occur": they are left out.
                    self.literals.build(&self.table, 0..288);
                    self.distances.build(&self.table, 288..288 + 30);
                    self.fill_table();
                    self.fixed = true;
                }
                Ok(State::Symbol)
            }
            2 => Ok(State::Sizes),
            _ => Err(InflateError::BlockType.into()),
        }
    }

    /// "When any DEFLATE block with the "BFINAL" bit set to 1 doesn't end at a byte boundary, an endpoint MUST add minimal
    /// padding bits of 0 to make it end at a byte boundary. The next DEFLATE block follows the padded data if any."
    const fn end_of_block(&mut self) -> State {
        if self.last {
            self.bits.align();
        }
        State::Block
    }

    fn sizes(&mut self, input: &mut slice::Iter<'_, u8>) -> Result<State, Stop> {
        self.bits.need(14, input)?;
        self.fixed = false;
        self.sizes = (257 + self.bits.take(5), 1 + self.bits.take(5));
        self.code_lengths = 4 + self.bits.take(4);
        self.left = 0;
        if self.sizes.0 > 286 || self.sizes.1 > 30 {
            return Err(InflateError::TooManyCodes.into());
        }
        self.table = [0; 1 << TABLE_BITS];
        Ok(State::CodeLengths)
    }

    fn code_lengths(&mut self, input: &mut slice::Iter<'_, u8>) -> Result<State, Stop> {
        const ORDER: [u8; 19] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];
        while self.left < self.code_lengths {
            self.bits.need(3, input)?;
            let length = self.bits.take(3);
            set_length(
                &mut self.table,
                ORDER.get(usize::from(self.left)).copied().unwrap_or(0).into(),
                length,
            );
            self.left += 1;
        }
        if self.distances.build(&self.table, 0..19) != Fill::Complete {
            return Err(InflateError::CodeLengths.into());
        }
        self.left = 0;
        Ok(State::Lengths)
    }

    fn lengths(&mut self, input: &mut slice::Iter<'_, u8>) -> Result<State, Stop> {
        let (literals, distances) = self.sizes;
        let all = literals + distances;
        while self.left < all {
            let (symbol, code) = self.distances.peek(&mut self.bits, input)?;
            let (extra, base) = match symbol {
                0..=15 => (0, 1),
                16 => (2, 3),
                17 => (3, 3),
                _ => (7, 11),
            };
            self.bits.need(code + extra, input)?;
            self.bits.take(code);
            let end = self.left + base + self.bits.take(extra);
            let value = match symbol {
                0..=15 => symbol,
                16 => length(&self.table, self.left.checked_sub(1).ok_or(InflateError::Repeat)?),
                _ => 0,
            };
            if end > all {
                return Err(InflateError::Repeat.into());
            }
            while self.left < end {
                set_length(&mut self.table, self.left, value);
                self.left += 1;
            }
        }
        if length(&self.table, END_OF_BLOCK) == 0 {
            return Err(InflateError::NoEndOfBlock.into());
        }
        let fills =
            [self.literals.build(&self.table, 0..literals), self.distances.build(&self.table, literals..all)];
        if fills.iter().any(|fill| matches!(fill, Fill::Over | Fill::Incomplete)) {
            return Err(InflateError::CodeLengths.into());
        }
        self.fill_table();
        Ok(State::Symbol)
    }

    fn fill_table(&mut self) {
        self.table = [0; 1 << TABLE_BITS];
        let mut symbols = self.literals.symbols.iter();
        // The next code, its first bit highest.
        let mut code = 0u8;
        for (length, count) in (1..=TABLE_BITS).zip(self.literals.counts.iter().skip(1)) {
            let step = 1 << length;
            for symbol in symbols.by_ref().take((*count).into()) {
                let first = usize::from(code.reverse_bits() & (step - 1) as u8);
                for entry in self.table.iter_mut().skip(first).step_by(step) {
                    *entry = symbol << 4 | length as u16;
                }
                code = code.wrapping_add(0x80 >> (length - 1));
            }
        }
    }

    /// Decodes literals up to the next length, end of block, or end of input or output.
    fn symbols(&mut self, input: &mut slice::Iter<'_, u8>, out: &mut Output<'_>) -> Result<State, Stop> {
        loop {
            let (symbol, code) = self.peek_literal(input)?;
            match symbol {
                0..END_OF_BLOCK => {
                    *out.out.get_mut(out.len).ok_or(Stop::Output)? = symbol as u8;
                    out.len += 1;
                    self.bits.take(code);
                }
                END_OF_BLOCK => {
                    self.bits.take(code);
                    return Ok(self.end_of_block());
                }
                _ => {
                    let symbol = symbol - 257;
                    let (extra, base) = match symbol {
                        0..8 => (0, 3 + symbol),
                        8..28 => ((symbol / 4 - 1) as u8, 3 + ((4 + symbol % 4) << (symbol / 4 - 1))),
                        28 => (0, 258),
                        _ => return Err(InflateError::Symbol.into()),
                    };
                    self.bits.need(code + extra, input)?;
                    self.bits.take(code);
                    self.left = base + self.bits.take(extra);
                    return Ok(State::Distance);
                }
            }
        }
    }

    #[inline]
    fn peek_literal(&mut self, input: &mut slice::Iter<'_, u8>) -> Result<(u16, u8), Stop> {
        loop {
            let (bits, count) = self.bits.peek();
            let entry = self.table.get(bits as usize % (1 << TABLE_BITS)).copied().unwrap_or(0);
            let code = (entry & 0xF) as u8;
            if code != 0 && code <= count {
                return Ok((entry >> 4, code));
            }
            if usize::from(count) >= TABLE_BITS {
                return self.literals.peek(&mut self.bits, input);
            }
            self.bits.need(count + 1, input)?;
        }
    }

    fn distance(&mut self, input: &mut slice::Iter<'_, u8>, out: &Output<'_>) -> Result<State, Stop> {
        let symbol = self.distance;
        let (extra, base) = match symbol {
            0..4 => (0, 1 + symbol),
            4..30 => ((symbol / 2 - 1) as u8, 1 + ((2 + symbol % 2) << (symbol / 2 - 1))),
            _ => return Err(InflateError::Symbol.into()),
        };
        self.bits.need(extra, input)?;
        self.distance = base + self.bits.take(extra);
        let distance = usize::from(self.distance);
        if distance > out.window.len() || distance > out.len + usize::from(self.filled) {
            return Err(InflateError::Distance.into());
        }
        Ok(State::Match)
    }

    /// Puts what was produced into the window.
    fn remember(&mut self, produced: &[u8], window: &mut [u8], mask: usize) {
        let kept = produced.get(produced.len().saturating_sub(window.len())..).unwrap_or_default();
        // What does not fit in before the end of the window goes to its front.
        let at = usize::from(self.at) & mask;
        let (front, back) = window.split_at_mut_checked(at).unwrap_or_default();
        for (to, from) in back.iter_mut().chain(front).zip(kept) {
            *to = *from;
        }
        self.at = ((at + kept.len()) & mask) as u16;
        self.filled = (usize::from(self.filled) + kept.len()).min(mask + 1) as u16;
    }
}

const END_OF_BLOCK: u16 = 256;

format_by_name!("Inflate", [] Inflate);

#[cfg(test)]
mod tests {
    use super::*;

    /// The lookup table and the walk along the code say the same of all bits.
    #[test]
    fn table_of_the_fixed_code() {
        let mut state = Inflate::new();
        state.bits.need(8, &mut [0b010].iter()).ok().unwrap();
        assert!(matches!(state.block(&mut [].iter()), Ok(State::Symbol)));
        let mut found = 0;
        for bits in 0..=u8::MAX {
            let mut walk = Bits::new();
            let walked = state.literals.peek(&mut walk, &mut [bits, 0].iter()).ok().unwrap();
            let entry = state.table[usize::from(bits) % (1 << TABLE_BITS)];
            if walked.1 <= TABLE_BITS as u8 {
                assert_eq!((entry >> 4, (entry & 0xF) as u8), walked);
                found += 1;
            } else {
                assert_eq!(entry, 0);
            }
        }
        assert_eq!(found, 24 * 2);
    }

    #[test]
    fn window_wraps_around() {
        let (mut state, mut window) = (Inflate::new(), [0; 256]);
        for round in 0..200u8 {
            // 7 bytes as they are.
            let stored = [0, 7, 0, 0xf8, 0xff, round, 1, 2, 3, 4, 5, 6, 0];
            let mut out = [0; 8];
            assert_eq!(state.inflate(&stored, &mut window, &mut out), Ok((13, 7)));
            assert_eq!(state.finish_message(&mut window, &mut out), Ok((0, true)));
            let at = usize::from(round) * 7 % 256;
            assert_eq!((window[at], window[(at + 6) % 256]), (round, 6));
        }
        assert_eq!(state.filled, 256);
    }
}
