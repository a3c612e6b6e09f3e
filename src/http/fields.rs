use core::str;

use super::HeadError;

/// Finds the end of a line that arrives in pieces, and checks the characters before it.
///
/// It remembers how far it got: each byte is looked at once, however often the line is shown again with more at its
/// end.
///
/// ```
/// use sockling::http::LineScanner;
/// let mut scanner = LineScanner::new(8192);
/// assert_eq!(scanner.scan(b"HTTP/1.1 101 \r"), Ok(false));
/// assert_eq!((scanner.scan(b"HTTP/1.1 101 \r\nUpg"), scanner.scanned()), (Ok(true), 15));
/// assert_eq!(scanner.scan(b"Upgrade : websocket\r\n"), Err(sockling::http::HeadError::FieldName));
/// ```
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct LineScanner {
    scanned: usize,
    left: u32,
    place: Place,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
enum Place {
    FieldStart,
    Name,
    /// In a field's value, or in the start line.
    Text,
    Cr,
    End,
}

impl LineScanner {
    /// At the beginning of a head of at most `max` bytes: the first line is a status or request line, those after it
    /// are fields.
    #[must_use]
    pub const fn new(max: u32) -> Self {
        Self { scanned: 0, left: max, place: Place::Text }
    }

    /// At the beginning of another head, which shares the limit of the one that is over.
    pub(crate) fn restart(&mut self) {
        (self.scanned, self.place) = (0, Place::Text);
    }

    /// How many bytes of the current line were scanned.
    #[must_use]
    pub const fn scanned(&self) -> usize {
        self.scanned
    }

    /// Whether the line is a field whose name has not ended yet.
    #[must_use]
    pub fn in_name(&self) -> bool {
        matches!(self.place, Place::FieldStart | Place::Name)
    }

    /// Goes on with the same line after its scanned bytes were dropped: the next `scan` gets what comes after them.
    pub fn forget(&mut self) {
        self.scanned = 0;
    }

    /// Scans `bytes`, which begin with the current line, from where the last call stopped.
    ///
    /// Returns whether the line is complete: it is then [`scanned`](Self::scanned) bytes long with its CRLF, and the
    /// next call gets the bytes after it. A line of two bytes is the empty one that ends the head.
    ///
    /// # Errors
    /// At the first character that may not be there, or that is one too many.
    pub fn scan(&mut self, bytes: &[u8]) -> Result<bool, HeadError> {
        if self.place == Place::End {
            self.place = Place::FieldStart;
            self.scanned = 0;
        }
        while let Some(byte) = bytes.get(self.scanned) {
            if self.left == 0 {
                return Err(HeadError::TooLong);
            }
            self.left -= 1;
            self.scanned += 1;
            self.place = match (self.place, *byte) {
                (Place::Cr, b'\n') => {
                    self.place = Place::End;
                    return Ok(true);
                }
                // RFC 9112 section 2.2: "A sender MUST NOT generate a bare CR (a CR character not immediately followed
                // by LF)"; a bare LF is only something that "a recipient MAY recognize".
                (Place::Cr, _) | (_, b'\n') => return Err(HeadError::LineEnding),
                (Place::FieldStart | Place::Text, b'\r') => Place::Cr,
                // RFC 9110 section 5.5: "Field values containing CR, LF, or NUL characters are invalid and dangerous"
                (Place::Text, byte) if is_text(byte) => Place::Text,
                (Place::Text, _) => return Err(HeadError::ControlCharacter),
                // RFC 9112 section 5.2: "A sender MUST NOT generate a message that includes line folding"
                (Place::FieldStart, b' ' | b'\t') => return Err(HeadError::Folded),
                (Place::Name, b':') => Place::Text,
                (_, byte) if is_tchar(byte) => Place::Name,
                // RFC 9112 section 5.1: "No whitespace is allowed between the field name and colon."
                _ => return Err(HeadError::FieldName),
            };
        }
        Ok(false)
    }
}

/// Takes a field line apart (without its CRLF, as a [`LineScanner`] passed it): name, and value without the white
/// space around it.
///
/// # Errors
/// [`HeadError::FieldName`] if there is no colon, or a name that is not ASCII before it.
pub fn parse_field(line: &[u8]) -> Result<(&str, &[u8]), HeadError> {
    let (name, value) = split_field(line)?;
    Ok((str::from_utf8(name).map_err(|_| HeadError::FieldName)?, value))
}

/// The same for a name that a [`LineScanner`] passed.
pub(crate) fn split_field(line: &[u8]) -> Result<(&[u8], &[u8]), HeadError> {
    let colon = line.iter().position(|byte| *byte == b':');
    let (name, value) = colon.and_then(|at| line.split_at_checked(at)).ok_or(HeadError::FieldName)?;
    Ok((name, trim(value.get(1..).unwrap_or_default())))
}

/// `text` without the spaces and tabs around it: RFC 9110's `OWS`.
pub(super) fn trim(mut text: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = text {
        text = rest;
    }
    text
}

/// Whether `text` is one or more of RFC 9110's `tchar` (section 5.6.2).
#[must_use]
pub const fn is_token(text: &[u8]) -> bool {
    is_visible(text, SEPARATORS)
}

/// Whether `text` may stand as a field's value (RFC 9110 section 5.5): no control character but HTAB.
#[must_use]
pub fn is_field_value(text: &[u8]) -> bool {
    text.iter().all(|byte| is_text(*byte))
}

/// Whether `text` is one or more visible ASCII characters and none of those in `except`: no space, no control
/// character.
pub(crate) const fn is_visible(text: &[u8], except: &[u8]) -> bool {
    let mut rest = text;
    while let [byte, others @ ..] = rest {
        if !is_visible_but(*byte, except) {
            return false;
        }
        rest = others;
    }
    !text.is_empty()
}

/// The same of one character.
#[cfg_attr(not(feature = "std"), inline(never))]
const fn is_visible_but(byte: u8, mut except: &[u8]) -> bool {
    while let [other, rest @ ..] = except {
        if *other == byte {
            return false;
        }
        except = rest;
    }
    byte.is_ascii_graphic()
}

/// The visible characters that are no `tchar`.
const SEPARATORS: &[u8] = b"\"(),/:;<=>?@[\\]{}";

pub(super) fn is_tchar(byte: u8) -> bool {
    is_visible_but(byte, SEPARATORS)
}

/// The number that `digits` are, at most `u32::MAX`.
pub(crate) fn parse_decimal(digits: &[u8]) -> Option<u32> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0u32, |number, digit| {
        // The last number that leaves room for any digit: 64 bits, which saturating arithmetic takes, are dear.
        let next = if number < u32::MAX / 10 { number * 10 + u32::from(*digit & 0xF) } else { u32::MAX };
        digit.is_ascii_digit().then_some(next)
    })
}

const fn is_text(byte: u8) -> bool {
    byte == b'\t' || (byte >= b' ' && byte != 0x7F)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Scans a head with one field, byte by byte and at once, and tells what the field's line gives.
    fn field(line: &[u8]) -> Result<Option<usize>, HeadError> {
        let mut scanner = LineScanner::new(1000);
        assert_eq!(scanner.scan(b"\r\n"), Ok(true));
        let mut slow = scanner;
        let got = scanner.scan(line);
        let bytewise = (1..=line.len())
            .map(|n| slow.scan(&line[..n]))
            .find(|got| *got != Ok(false))
            .unwrap_or(Ok(false));
        assert_eq!((got, scanner.scanned()), (bytewise, slow.scanned()));
        got.map(|complete| complete.then_some(scanner.scanned()))
    }

    #[test]
    fn which_lines_pass() {
        for (line, want) in [
            (&b"a:\r\n"[..], Ok(Some(4))),
            (b"\r\n", Ok(Some(2))),
            (b"a: b\tc\xff \r\nd", Ok(Some(10))),
            (b"a: b", Ok(None)),
            (b"a: b\r", Ok(None)),
            (b"a: b\n", Err(HeadError::LineEnding)),
            (b"\n", Err(HeadError::LineEnding)),
            (b"a: b\rc", Err(HeadError::LineEnding)),
            (b"a: b\r\r\n", Err(HeadError::LineEnding)),
            (b"a: b\0", Err(HeadError::ControlCharacter)),
            (b"a: b\x7f", Err(HeadError::ControlCharacter)),
            (b" a: b", Err(HeadError::Folded)),
            (b"\ta: b", Err(HeadError::Folded)),
            (b"a : b", Err(HeadError::FieldName)),
            (b": b", Err(HeadError::FieldName)),
            (b"a b: c", Err(HeadError::FieldName)),
            (b"Upgrade WebSocket\r\n", Err(HeadError::FieldName)),
            (b"a\r\n", Err(HeadError::FieldName)),
            (b"\xc3\xa9: b", Err(HeadError::FieldName)),
        ] {
            assert_eq!(field(line), want, "{line:?}");
        }
    }

    #[test]
    fn token_characters_are_those_of_rfc_9110() {
        for byte in 0..=u8::MAX {
            let separator = b"\"(),/:;<=>?@[\\]{} \t".contains(&byte);
            assert_eq!(is_tchar(byte), byte.is_ascii() && !byte.is_ascii_control() && !separator, "{byte}");
        }
    }

    #[test]
    fn fields_are_taken_apart() {
        assert_eq!(parse_field(b"Connection: Upgrade "), Ok(("Connection", &b"Upgrade"[..])));
        assert_eq!(parse_field(b"a:b:c"), Ok(("a", &b"b:c"[..])));
        assert_eq!(parse_field(b"a: \t "), Ok(("a", &b""[..])));
        assert_eq!(parse_field(b"a"), Err(HeadError::FieldName));
        assert_eq!(parse_field(b""), Err(HeadError::FieldName));
    }

    #[test]
    fn numbers() {
        assert_eq!(parse_decimal(b"0"), Some(0));
        assert_eq!(parse_decimal(b"0065536"), Some(65536));
        assert_eq!(parse_decimal(b"99999999999999999999"), Some(u32::MAX));
        for bad in [&b""[..], b"abc", b"-1", b"+1", b"1 ", b"1,1", b"0x1"] {
            assert_eq!(parse_decimal(bad), None);
        }
    }
}
