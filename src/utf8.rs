//! UTF-8 that arrives in pieces.

use core::str;

use crate::ProtocolError;

/// Checks text piece by piece and fails at the first byte that no valid text could have there.
///
/// ```
/// use sockling::utf8::Validator;
/// let mut text = Validator::new();
/// assert!(text.push(b"k\xCF").is_ok());
/// assert!(!text.is_complete());
/// assert!(text.push(b"\x8C").is_ok());
/// assert!(text.push(b"\xED\xA0").is_err()); // a surrogate: known before its third byte
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Validator {
    /// The first byte of a character that has begun, or of a shorter one that goes on as the rest of it may; 0 for none.
    first: u8,
}

impl Validator {
    /// At the start of a text.
    #[must_use]
    pub const fn new() -> Self {
        Self { first: 0 }
    }

    /// Whether the text may end here: not inside of a character.
    #[must_use]
    pub const fn is_complete(&self) -> bool {
        self.first == 0
    }

    /// Checks the next bytes of the text.
    ///
    /// # Errors
    /// [`ProtocolError::InvalidUtf8`] if the text so far is no prefix of a valid one.
    pub fn push(&mut self, input: &[u8]) -> Result<(), ProtocolError> {
        #[cfg(feature = "std")]
        let input = self.skip(input)?;
        for byte in input {
            self.step(*byte)?;
        }
        Ok(())
    }

    /// The table of RFC 3629 section 4.
    fn step(&mut self, byte: u8) -> Result<(), ProtocolError> {
        let allowed = match self.first {
            0 if byte < 0x80 => return Ok(()),
            0 => 0xC2..=0xF4,
            0xE0 => 0xA0..=0xBF,
            0xED => 0x80..=0x9F,
            0xF0 => 0x90..=0xBF,
            0xF4 => 0x80..=0x8F,
            _ => 0x80..=0xBF,
        };
        self.first = match self.first {
            0 => byte,
            1..0xE0 => 0,
            0xE0..0xF0 => 0xC2,
            _ => 0xE1,
        };
        if allowed.contains(&byte) { Ok(()) } else { Err(ProtocolError::InvalidUtf8) }
    }

    /// Checks all of `input` but a character that it ends in the middle of, which is returned.
    #[cfg(feature = "std")]
    fn skip<'i>(&mut self, mut input: &'i [u8]) -> Result<&'i [u8], ProtocolError> {
        while let (false, [byte, rest @ ..]) = (self.is_complete(), input) {
            self.step(*byte)?;
            input = rest;
        }
        // The validator that only says yes or no is the fastest, and the answer is most often yes.
        if text(input).is_ok() {
            return Ok(&[]);
        }
        match simdutf8::compat::from_utf8(input) {
            Ok(_) => Ok(&[]),
            Err(error) => Ok(input.get(error.valid_up_to()..).unwrap_or_default()),
        }
    }
}

/// The text that `input` is.
#[cfg(feature = "std")]
pub(crate) fn text(input: &[u8]) -> Result<&str, ProtocolError> {
    // The branch-free validator starts to pay off only some way up.
    if input.len() < 64 {
        return str::from_utf8(input).map_err(|_| ProtocolError::InvalidUtf8);
    }
    simdutf8::basic::from_utf8(input).map_err(|_| ProtocolError::InvalidUtf8)
}

#[cfg(not(feature = "std"))]
pub(crate) fn text(input: &[u8]) -> Result<&str, ProtocolError> {
    str::from_utf8(input).map_err(|_| ProtocolError::InvalidUtf8)
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::vec::Vec;

    use super::*;

    /// Where the text goes wrong: the number of bytes with which it is already no prefix of a valid text.
    fn fails_after(text: &[u8]) -> Option<usize> {
        let mut validator = Validator::new();
        text.iter().position(|byte| validator.push(&[*byte]).is_err()).map(|at| at + 1)
    }

    #[test]
    fn known_bad_texts_fail_at_the_first_impossible_byte() {
        for (text, at) in [
            (&b"\x80"[..], 1),
            (b"\xff", 1),
            (b"\xc0", 1),
            (b"\xc1\x80", 1),
            (b"\xe0\x80\x80", 2),
            (b"\xed\xa0\x80", 2),
            (b"\xf0\x80\x80\x80", 2),
            (b"\xf4\x90\x80\x80", 2),
            (b"\xf5", 1),
            (b"\xe4\xb8A", 3),
            (b"\xf0\x28\x8c\x28", 2),
            ("κόσμε\u{0}".as_bytes(), 0),
            (b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80\x65\x64", 13),
        ] {
            assert_eq!(fails_after(text).unwrap_or(0), at, "{text:x?}");
        }
    }

    #[test]
    fn all_characters_in_all_cuts() {
        let text: Vec<u8> = ["a", "é", "ह", "\u{ffff}", "\u{10000}", "\u{10ffff}", "z"].concat().into_bytes();
        for a in 0..=text.len() {
            for b in a..=text.len() {
                let mut validator = Validator::new();
                for piece in [&text[..a], &text[a..b], &text[b..]] {
                    validator.push(piece).unwrap();
                }
                assert!(validator.is_complete());
                let mut validator = Validator::new();
                validator.push(&text[..a]).unwrap();
                assert_eq!(validator.is_complete(), str::from_utf8(&text[..a]).is_ok());
            }
        }
    }

    #[test]
    fn agrees_with_core_on_every_three_bytes() {
        for n in 0..1 << 16 {
            for last in [0x00, 0x41, 0x7f, 0x80, 0x9f, 0xa0, 0xbf, 0xc2, 0xff] {
                let text = [(n >> 8) as u8, n as u8, last];
                let mut validator = Validator::new();
                let ok = text.iter().all(|byte| validator.push(&[*byte]).is_ok()) && validator.is_complete();
                assert_eq!(ok, str::from_utf8(&text).is_ok(), "{text:x?}");
            }
        }
    }
}
