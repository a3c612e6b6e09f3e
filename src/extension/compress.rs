use core::mem;

use super::{
    WindowLength,
    fixed::{Code, distance_code, length_code, literal_code},
    window_mask,
};

/// Compresses messages (RFC 1951, RFC 7692 section 7.2.1) from input in pieces of any size into a buffer of any size.
///
/// ```
/// # use sockling::extension::{Compress, WindowLength};
/// let (mut compress, mut window, mut hashes, mut out) = (Compress::new(), [0; 512], [0; 256], [0; 64]);
/// let (consumed, a) = compress.compress(b"Hello", &mut window, &mut hashes, &mut out)?;
/// let (b, done) = compress.finish_message(&mut window, &mut hashes, &mut out[a..])?;
/// assert_eq!((consumed, done, &out[..a + b]), (5, true, &[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00][..]));
/// # Ok::<(), WindowLength>(())
/// ```
///
/// It looks for what is repeated with a hash table and two candidates for each place, and writes blocks with the fixed
/// code (section 3.2.6), or stored ones where those are shorter: of random data [`max_len`](Self::max_len) is the most
/// that a message can become. No distance is longer than the window that is handed in, which is to be the same memory
/// at each call, and so is the hash table: a power of two of entries, 256 to 4,096 are useful. Neither has to be
/// cleared, ever.
///
/// The length of what comes out tells of what went in: where a secret and what an attacker chooses meet in one message,
/// or with context takeover in one connection, the attacker can guess the secret (BREACH). Send the secret uncompressed.
#[derive(Clone, Debug)]
pub struct Compress {
    /// Bits that are not a byte yet, the first one lowest.
    hold: u32,
    count: u8,
    stage: Stage,
    /// Whether a block with the fixed code is open.
    open: bool,
    /// The sequence that is being written, and how many of them there are.
    sequence: u8,
    sequences: u8,
    /// Literals at the end of the batch that are in no sequence yet.
    run: u8,
    /// Places in the window, and by wrapping around further than it: where the input goes, up to where it was searched,
    /// from where it was not written.
    head: u16,
    searched: u16,
    written: u16,
    /// How many bytes before `head` are what was compressed.
    filled: u16,
    /// What is left of a stored block.
    left: u16,
    /// What the batch is in bits, with the fixed code.
    cost: u32,
    /// Length and distance of the match that begins at `searched`, where that is known already.
    next: (u16, u16),
    batch: [Sequence; SEQUENCES],
}

const _: () = assert!(size_of::<Compress>() <= 192);

/// How many sequences make a batch: after it, the shorter kind of block is known.
const SEQUENCES: usize = 32;

/// The longest match, in bytes.
const MAX_MATCH: u16 = 258;

/// A match of 3 bytes from further back is not shorter than the 3 bytes.
const MAX_SHORT_DISTANCE: u16 = 1024;

/// A match at least this long is taken without a look at what begins with the next byte.
const LAZY: u16 = 32;

/// Literals, then a match.
#[derive(Clone, Copy, Debug)]
struct Sequence {
    literals: u8,
    /// Length of the match less 3.
    length: u8,
    /// 0 for no match.
    distance: u16,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Nothing is being written.
    Search,
    Literals,
    Distance,
    StoredLength,
    Stored,
    /// The message ends.
    Flush,
}

impl Default for Compress {
    fn default() -> Self {
        Self::new()
    }
}

impl Compress {
    /// Before the first message.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            hold: 0,
            count: 0,
            stage: Stage::Search,
            open: false,
            sequence: 0,
            sequences: 0,
            run: 0,
            head: 0,
            searched: 0,
            written: 0,
            filled: 0,
            left: 0,
            cost: 0,
            next: (0, 0),
            batch: [Sequence { literals: 0, length: 0, distance: 0 }; SEQUENCES],
        }
    }

    /// The most bytes that a message of `len` bytes can become with a window of `window` bytes: 12 bytes more, and 2.4 %
    /// (with the smallest window, of 256 bytes: 4.7 %).
    #[must_use]
    pub const fn max_len(len: usize, window: usize) -> usize {
        // A batch costs at most 42 bits more than its bytes: block header, padding, length and its complement. Those
        // that cost more than their bytes at all are `window / 2` bytes long, or of so many sequences (each of which
        // saves 4 bits or more against a stored block) that at least 256 bytes pay for the 42 bits.
        let batch = if window < 512 { 128 } else { 256 };
        len.saturating_add(6 * (len / batch + 2))
    }

    /// Before a message that refers to none of those before it: no context takeover (RFC 7692 section 7.1.1). What was
    /// not written of a message is dropped.
    pub const fn reset(&mut self) {
        (self.hold, self.count, self.stage, self.open) = (0, 0, Stage::Search, false);
        (self.searched, self.written, self.filled) = (self.head, self.head, 0);
        (self.sequences, self.run, self.cost, self.next) = (0, 0, 0, (0, 0));
    }

    /// Compresses the next bytes of a message; returns how many bytes of `input` were consumed and how many of `output`
    /// produced. Less than all input is consumed only when the output is full. What was consumed may stay in the window,
    /// up to three quarters of it, until more comes or the message ends.
    ///
    /// # Errors
    /// [`WindowLength`].
    pub fn compress(
        &mut self,
        input: &[u8],
        window: &mut [u8],
        hashes: &mut [u16],
        output: &mut [u8],
    ) -> Result<(usize, usize), WindowLength> {
        let mut memory = Memory { mask: window_mask(window)?, window, hashes };
        let mut out = Output { out: output, len: 0 };
        let mut rest = input;
        while self.write(&memory, &mut out) {
            rest = self.receive(rest, &mut memory);
            if !self.search(false, &mut memory) && rest.is_empty() {
                break;
            }
        }
        Ok((input.len() - rest.len(), out.len))
    }

    /// Ends the message: to be called when all of its bytes were consumed, and again, with room in `output`, until it is
    /// done. Returns how many bytes were produced, and whether it is done.
    ///
    /// # Errors
    /// [`WindowLength`].
    pub fn finish_message(
        &mut self,
        window: &mut [u8],
        hashes: &mut [u16],
        output: &mut [u8],
    ) -> Result<(usize, bool), WindowLength> {
        let mut memory = Memory { mask: window_mask(window)?, window, hashes };
        let mut out = Output { out: output, len: 0 };
        while self.write(&memory, &mut out) {
            if self.stage == Stage::Flush {
                self.stage = Stage::Search;
                return Ok((out.len, true));
            }
            if self.search(true, &mut memory) {
                continue;
            }
            if self.written != self.searched {
                self.close_batch();
                continue;
            }
            // "If the resulting data does not end with an empty DEFLATE block with no compression (the "BTYPE" bits are set
            // to 00), append an empty DEFLATE block with no compression to the tail end. Remove 4 octets (that are 0x00
            // 0x00 0xff 0xff) from the tail end."
            self.begin_stored();
            self.stage = Stage::Flush;
        }
        Ok((out.len, false))
    }

    /// Takes input into the window, as far as it is not too far ahead of the search; returns the rest.
    fn receive<'i>(&mut self, input: &'i [u8], memory: &mut Memory<'_>) -> &'i [u8] {
        let longest = memory.longest();
        let room = (longest + longest / 4).saturating_sub(self.head.wrapping_sub(self.searched));
        let (taken, rest) = input.split_at_checked(room.into()).unwrap_or((input, &[]));
        for byte in taken {
            if let Some(to) = memory.window.get_mut(usize::from(self.head) & memory.mask) {
                *to = *byte;
            }
            self.head = self.head.wrapping_add(1);
        }
        self.filled = (usize::from(self.filled) + taken.len()).min(memory.mask + 1) as u16;
        rest
    }

    /// Looks for matches; returns whether a batch is complete. Where it is not, more input is needed, or there is none.
    fn search(&mut self, flush: bool, memory: &mut Memory<'_>) -> bool {
        let longest = memory.longest();
        loop {
            let at = self.searched;
            let ahead = self.head.wrapping_sub(at);
            if ahead == 0 || (ahead < longest && !flush) {
                return false;
            }
            let max_distance = self.filled.saturating_sub(ahead);
            let (mut length, distance) = match mem::take(&mut self.next) {
                (0, _) => memory.find(at, ahead.min(longest), max_distance),
                next => next,
            };
            let mut entered = 1;
            // A longer match that begins with the next byte is better.
            if (1..LAZY).contains(&length) && ahead > length {
                let next = memory.find(at.wrapping_add(1), (ahead - 1).min(longest), max_distance + 1);
                entered = 2;
                if next.0 > length {
                    self.next = next;
                    length = 0;
                }
            }
            if length > 0 {
                for skipped in entered..length.min(ahead - 2) {
                    memory.swap(at.wrapping_add(skipped));
                }
                let length_code = length_code((length - 3) as u8);
                self.cost += u32::from(length_code.1 + distance_code(distance).1);
                self.push((length - 3) as u8, distance);
                self.searched = at.wrapping_add(length);
            } else {
                self.cost += u32::from(literal_code(memory.byte(at)).1);
                self.run += 1;
                if self.run == u8::MAX {
                    self.push(0, 0);
                }
                self.searched = at.wrapping_add(1);
            }
            let size = usize::from(self.searched.wrapping_sub(self.written));
            if usize::from(self.sequences) == SEQUENCES || size > memory.mask / 2 {
                self.close_batch();
                return true;
            }
        }
    }

    /// Ends the current sequence.
    fn push(&mut self, length: u8, distance: u16) {
        if let Some(sequence) = self.batch.get_mut(usize::from(self.sequences)) {
            *sequence = Sequence { literals: self.run, length, distance };
            self.sequences += 1;
        }
        self.run = 0;
    }

    /// Begins to write what was searched, in the kind of block that is shorter.
    fn close_batch(&mut self) {
        if self.run > 0 {
            self.push(0, 0);
        }
        let len = self.searched.wrapping_sub(self.written);
        let (fixed, before) = if self.open { (self.cost, 7 + 3) } else { (3 + 7 + self.cost, 3) };
        let padding = (u32::from(self.count) + before).wrapping_neg() & 7;
        let stored = 3 + padding + 32 + 8 * u32::from(len);
        self.cost = 0;
        self.sequence = 0;
        if stored < fixed {
            self.begin_stored();
            self.left = len;
            self.stage = Stage::StoredLength;
        } else {
            if !self.open {
                self.put((0b010, 3));
                self.open = true;
            }
            self.stage = Stage::Literals;
        }
    }

    /// Ends the block that is open, and writes the first byte of a stored one.
    const fn begin_stored(&mut self) {
        if self.open {
            self.put((0, 7));
            self.open = false;
        }
        self.put((0b000, 3));
        self.count = self.count.next_multiple_of(8);
    }

    /// Writes what there is to write; returns whether that, up to a beginning byte, was all.
    fn write(&mut self, memory: &Memory<'_>, out: &mut Output<'_>) -> bool {
        loop {
            while self.count >= 8 {
                if !out.push(self.hold as u8) {
                    return false;
                }
                self.hold >>= 8;
                self.count -= 8;
            }
            let sequence =
                self.batch.get_mut(usize::from(self.sequence)).filter(|_| self.sequence < self.sequences);
            match (self.stage, sequence) {
                (Stage::Search | Stage::Flush, _) => return true,
                (Stage::Literals, Some(sequence)) => {
                    if sequence.literals > 0 {
                        sequence.literals -= 1;
                        self.put(literal_code(memory.byte(self.written)));
                        self.written = self.written.wrapping_add(1);
                    } else if sequence.distance > 0 {
                        let code = length_code(sequence.length);
                        self.put(code);
                        self.stage = Stage::Distance;
                    } else {
                        self.sequence += 1;
                    }
                }
                (Stage::Distance, Some(sequence)) => {
                    let (code, length) = (distance_code(sequence.distance), 3 + u16::from(sequence.length));
                    self.put(code);
                    self.written = self.written.wrapping_add(length);
                    self.sequence += 1;
                    self.stage = Stage::Literals;
                }
                (Stage::StoredLength, _) => {
                    self.put((u32::from(!self.left) << 16 | u32::from(self.left), 32));
                    self.stage = Stage::Stored;
                }
                (Stage::Stored, _) if self.left > 0 => {
                    if !out.push(memory.byte(self.written)) {
                        return false;
                    }
                    self.written = self.written.wrapping_add(1);
                    self.left -= 1;
                }
                _ => {
                    self.sequences = 0;
                    self.stage = Stage::Search;
                }
            }
        }
    }

    /// At most 32 bits together with those that were not written.
    const fn put(&mut self, (bits, count): Code) {
        self.hold |= bits << self.count;
        self.count += count;
    }
}

/// The caller's memory.
struct Memory<'b> {
    window: &'b mut [u8],
    mask: usize,
    hashes: &'b mut [u16],
}

impl Memory<'_> {
    /// The longest match to look for, in bytes: what it needs ahead of the search is lost behind it.
    const fn longest(&self) -> u16 {
        let longest = (self.mask + 1) as u16 / 8;
        if longest < MAX_MATCH { longest } else { MAX_MATCH }
    }

    fn byte(&self, at: u16) -> u8 {
        self.window.get(usize::from(at) & self.mask).copied().unwrap_or(0)
    }

    /// Length and distance of the longest match of two candidates for what is at `at`: at most `max_length`,
    /// `max_distance`; (0, 0) for none.
    fn find(&mut self, at: u16, max_length: u16, max_distance: u16) -> (u16, u16) {
        let mut best = (0, 0);
        if max_length >= 3 {
            for place in self.swap(at) {
                let distance = at.wrapping_sub(place);
                // What an entry says may be of long ago, or of another table: the window tells.
                if (1..=max_distance).contains(&distance) {
                    let length = self.match_length(at, place, max_length);
                    if length > best.0 && (length > 3 || (length == 3 && distance <= MAX_SHORT_DISTANCE)) {
                        best = (length, distance);
                    }
                }
            }
        }
        best
    }

    /// Where bytes like the 3 at `at` were the last two times; from now on, `at` is one of these.
    fn swap(&mut self, at: u16) -> [u16; 2] {
        let bytes = [self.byte(at), self.byte(at.wrapping_add(1)), self.byte(at.wrapping_add(2)), 0];
        let (entries, _) = self.hashes.as_chunks_mut();
        // Of a table whose length is no power of two, the front is used.
        let bits = entries.len().checked_ilog2().unwrap_or(0);
        let hash = u32::from_le_bytes(bytes).wrapping_mul(0x9E37_79B1).checked_shr(32 - bits).unwrap_or(0);
        match entries.get_mut(hash as usize) {
            Some(entry) => mem::replace(entry, [at, entry[0]]),
            None => [at; 2],
        }
    }

    /// How many bytes, at most `max`, are the same at both places.
    fn match_length(&self, a: u16, b: u16, max: u16) -> u16 {
        (0..max).find(|n| self.byte(a.wrapping_add(*n)) != self.byte(b.wrapping_add(*n))).unwrap_or(max)
    }
}

struct Output<'b> {
    out: &'b mut [u8],
    len: usize,
}

impl Output<'_> {
    fn push(&mut self, byte: u8) -> bool {
        let Some(to) = self.out.get_mut(self.len) else {
            return false;
        };
        *to = byte;
        self.len += 1;
        true
    }
}

format_by_name!("Compress", [] Compress);

#[cfg(test)]
mod tests {
    extern crate std;
    use std::vec::Vec;

    use super::*;

    fn message(state: &mut Compress, window: &mut [u8], data: &[u8]) -> Vec<u8> {
        let (mut hashes, mut out) = ([0; 256], [0; 4096]);
        let (consumed, a) = state.compress(data, window, &mut hashes, &mut out).unwrap();
        assert_eq!(consumed, data.len());
        let (b, done) = state.finish_message(window, &mut hashes, &mut out[a..]).unwrap();
        assert!(done);
        out[..a + b].to_vec()
    }

    #[test]
    fn messages() {
        let (mut state, mut window) = (Compress::new(), [0; 512]);
        assert_eq!(message(&mut state, &mut window, b""), [0x00]);
        assert_eq!(message(&mut state, &mut window, b"Hello"), [0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00]);
        // Without what was before it, and stored.
        state.reset();
        assert_eq!(message(&mut state, &mut window, b"Hello"), [0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00]);
        let high: Vec<u8> =
            (0..64u8).map(|at| at.wrapping_mul(37) | 0x80).filter(|byte| *byte >= 144).collect();
        let stored = message(&mut state, &mut window, &high);
        assert!(
            stored.len() <= high.len() + 6 && stored.starts_with(&[0, high.len() as u8, 0]),
            "{stored:x?}"
        );
    }
}
