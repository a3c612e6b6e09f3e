//! What is sent: reproducible random bytes, text of all UTF-8 lengths, and how both are cut into fragments.

use crate::connection::Data;
use std::fmt::Write;

/// xorshift64*: the same bytes for the same size on every run.
pub fn bytes(len: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64 ^ len as u64;
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        bytes.extend_from_slice(&state.wrapping_mul(0x2545_f491_4f6c_dd1d).to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}

/// `len` bytes of text of one to four bytes a character, so that every buffer boundary falls inside some character.
pub fn characters(len: usize) -> String {
    const CHARACTERS: [char; 6] = ['k', 'ö', '€', '😀', '\u{7ff}', '\u{ffff}'];
    let mut text = String::with_capacity(len);
    for byte in bytes(len) {
        let next = CHARACTERS[usize::from(byte) % CHARACTERS.len()];
        if text.len() + next.len_utf8() > len {
            break;
        }
        text.push(next);
    }
    while text.len() < len {
        text.push('.');
    }
    text
}

/// The nth of many messages that resemble each other.
pub fn telemetry(n: usize) -> String {
    let drift = n * 7919 % 101;
    format!(
        r#"{{"device":"sensor-{:04}","time":{},"temperature":{:.2},"humidity":{:.1},"state":"{}","sequence":{n}}}"#,
        n % 5,
        1_764_000_000_000 + 211 * n,
        21.0 + drift as f64 / 100.0,
        40.0 + drift as f64 / 10.0,
        if n.is_multiple_of(17) { "fault" } else { "ok" },
    )
}

/// `len` bytes of such messages.
pub fn readings(len: usize) -> String {
    let mut text: String = (0..=len / 100).map(telemetry).collect();
    text.truncate(len);
    text
}

/// About fifty fragments, cut without regard to characters; the first and the last are empty.
pub fn fragments(data: &[u8]) -> Vec<&[u8]> {
    let mut fragments: Vec<&[u8]> = vec![&[]];
    fragments.extend(data.chunks(data.len() / 50 + 1));
    fragments.push(&[]);
    fragments
}

/// What is wrong with `got`, briefly.
pub fn difference(wanted: &Data, got: &Data) -> Option<String> {
    let (wanted, got, kind) = match (wanted, got) {
        (Data::Text(wanted), Data::Text(got)) => (wanted.as_bytes(), got.as_bytes(), "text"),
        (Data::Binary(wanted), Data::Binary(got)) => (&wanted[..], &got[..], "binary"),
        (Data::Text(_), Data::Binary(_)) => return Some("sent text, got binary".into()),
        (Data::Binary(_), Data::Text(_)) => return Some("sent binary, got text".into()),
    };
    if wanted == got {
        return None;
    }
    let at = wanted.iter().zip(got).take_while(|(a, b)| a == b).count();
    Some(format!(
        "{kind} of {} bytes came back as {} bytes, different from byte {at}",
        wanted.len(),
        got.len()
    ))
}

/// For a path segment of a URL.
pub fn percent_encode(text: &str) -> String {
    text.bytes().fold(String::new(), |mut encoded, byte| {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' => encoded.push(byte.into()),
            _ => write!(encoded, "%{byte:02X}").expect("a String takes it"),
        }
        encoded
    })
}

pub fn percent_decode(text: &str) -> String {
    let mut bytes = text.bytes();
    let mut decoded = Vec::new();
    while let Some(byte) = bytes.next() {
        let hex = |byte: Option<u8>| byte.and_then(|digit| char::from(digit).to_digit(16));
        match byte {
            b'%' => {
                let (high, low) = (hex(bytes.next()), hex(bytes.next()));
                decoded.push(high.zip(low).map_or(b'?', |(high, low)| (high * 16 + low) as u8));
            }
            _ => decoded.push(byte),
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_have_the_length_asked_for() {
        for len in [0, 1, 2, 3, 100, 65_536] {
            assert_eq!(characters(len).len(), len);
        }
    }

    #[test]
    fn readings_have_the_length_asked_for() {
        for len in [0, 1, 100, 65_536] {
            assert_eq!(readings(len).len(), len);
        }
    }

    #[test]
    fn fragments_are_the_whole() {
        for len in [0, 1, 49, 50, 51, 65_536] {
            assert_eq!(fragments(&bytes(len)).concat(), bytes(len));
        }
    }

    #[test]
    fn percent_encoding_and_back() {
        let reason = "Tschüß / 100 % 再见";
        assert_eq!(percent_decode(&percent_encode(reason)), reason);
    }
}
