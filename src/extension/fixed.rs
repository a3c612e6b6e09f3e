//! The codes of blocks with the fixed code (RFC 1951 sections 3.2.5, 3.2.6), as the compressor writes them.

/// Bits, the first one lowest, and how many they are.
pub(super) type Code = (u32, u8);

/// The code of a literal (section 3.2.6).
pub(super) const fn literal_code(literal: u8) -> Code {
    match literal {
        0..144 => ((0x30 + literal).reverse_bits() as u32, 8),
        _ => ((0x190 + literal as u16 - 144).reverse_bits() as u32 >> 7, 9),
    }
}

/// The code of a match's length, 3 less, with its extra bits.
pub(super) const fn length_code(length: u8) -> Code {
    let (symbol, extra) = match length {
        0..8 => (1 + length, 0),
        u8::MAX => (29, 0),
        _ => {
            let extra = length.ilog2() as u8 - 2;
            (1 + 4 * (extra + 1) + (length >> extra & 3), extra)
        }
    };
    // Of 7 bits up to symbol 279, of 8 bits after it.
    let (code, bits) = if symbol < 24 { (symbol << 1, 7) } else { (0xC0 + symbol - 24, 8) };
    let value = length & ((1u8 << extra) - 1);
    (code.reverse_bits() as u32 | (value as u32) << bits, bits + extra)
}

/// The code of a match's distance, with its extra bits.
pub(super) const fn distance_code(distance: u16) -> Code {
    let distance = distance.wrapping_sub(1);
    let (symbol, extra) = match distance {
        0..4 => (distance as u8, 0),
        _ => {
            let extra = distance.ilog2() as u8 - 1;
            (2 * (extra + 1) + (distance >> extra & 1) as u8, extra)
        }
    };
    let value = distance & ((1u16 << extra) - 1);
    ((symbol << 3).reverse_bits() as u32 | (value as u32) << 5, 5 + extra)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The tables of section 3.2.5: the first length or distance of each symbol, and its number of extra bits.
    const LENGTHS: [u16; 29] = [
        3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163,
        195, 227, 258,
    ];
    const LENGTH_EXTRA: [u8; 29] =
        [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0];
    const DISTANCES: [u16; 30] = [
        1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537, 2049,
        3073, 4097, 6145, 8193, 12289, 16385, 24577,
    ];
    const DISTANCE_EXTRA: [u8; 30] =
        [0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13];

    /// Takes a code of `bits` bits off the front, its first bit highest.
    fn split((code, n): Code, bits: u8) -> (u32, u32, u8) {
        let front = (0..bits).fold(0, |front, at| front << 1 | code >> at & 1);
        (front, code >> bits, n - bits)
    }

    #[test]
    fn codes_of_literals() {
        for literal in 0..=255u8 {
            let value = u32::from(literal);
            let (want, bits) =
                if literal < 144 { (0b0011_0000 + value, 8) } else { (0b1_1001_0000 + value - 144, 9) };
            assert_eq!(split(literal_code(literal), bits), (want, 0, 0));
        }
    }

    #[test]
    fn codes_of_lengths() {
        for length in 3..=258u16 {
            let at = LENGTHS.iter().rposition(|first| *first <= length).unwrap();
            let (first, extra) = (LENGTHS[at], LENGTH_EXTRA[at]);
            let symbol = 257 + at as u32;
            let (want, bits) = if symbol < 280 { (symbol - 256, 7) } else { (0b1100_0000 + symbol - 280, 8) };
            assert_eq!(
                split(length_code((length - 3) as u8), bits),
                (want, u32::from(length - first), extra)
            );
        }
    }

    #[test]
    fn codes_of_distances() {
        for distance in 1..=32768u16 {
            let at = DISTANCES.iter().rposition(|first| *first <= distance).unwrap();
            let (first, extra) = (DISTANCES[at], DISTANCE_EXTRA[at]);
            assert_eq!(split(distance_code(distance), 5), (at as u32, u32::from(distance - first), extra));
        }
    }
}
