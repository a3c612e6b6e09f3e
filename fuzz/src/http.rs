//! HTTP heads for the handshakes.

use std::io::Write;

use libfuzzer_sys::arbitrary::Unstructured;

use crate::{below, byte, bytes};

/// Base64 (RFC 4648 section 4).
pub fn base64(data: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for chunk in data.chunks(3) {
        let bits =
            chunk.iter().fold(0u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for i in 0..4 {
            let letter = LETTERS[(bits >> (18 - 6 * i) & 63) as usize];
            out.push(if i <= chunk.len() { char::from(letter) } else { '=' });
        }
    }
    out
}

/// The accept value for a key (RFC 6455 section 4.2.2).
pub fn accept(key: &str) -> String {
    let mut hash = sha1_smol::Sha1::new();
    hash.update(key.as_bytes());
    hash.update(b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    base64(&hash.digest().bytes())
}

/// A head from the input: what it says itself, or lines of `lines` (the first ones are what a good head needs), at
/// times with bytes changed; and what comes behind the head.
pub fn head(u: &mut Unstructured<'_>, first: &[&str], good: &[String], extra: &[String]) -> Vec<u8> {
    let how = byte(u);
    if how % 8 == 7 {
        return bytes(u, usize::MAX).to_vec();
    }
    let mut head = vec![];
    let line = usize::from(byte(u));
    let _ = write!(head, "{}\r\n", first[if line < 200 { 0 } else { line % first.len() }]);
    let skip = usize::from(byte(u));
    for (i, line) in good.iter().enumerate() {
        if skip < 128 || skip % good.len() != i {
            let _ = write!(head, "{line}\r\n");
        }
    }
    for _ in 0..byte(u) % 6 {
        let line = usize::from(byte(u));
        if line < 200 {
            let _ = write!(head, "{}\r\n", extra[line % extra.len()]);
        } else {
            let name = if line < 230 { "X-Long" } else { "Connection" };
            let _ = write!(head, "{name}: {}\r\n", ", a".repeat(below(u, 300)));
        }
    }
    let _ = write!(head, "\r\n");
    if how % 8 >= 4 {
        for _ in 0..1 + byte(u) % 3 {
            let at = below(u, 2048) % head.len();
            match byte(u) % 4 {
                0 if head.len() > 1 => drop(head.remove(at)),
                1 => head.insert(at, byte(u)),
                2 => head.truncate(at + 1),
                _ => head[at] = byte(u),
            }
        }
    }
    head.extend_from_slice(bytes(u, usize::MAX));
    head
}

/// The lines of a head up to the empty one, and what is behind it; `None` if it has no end.
pub fn split_head(message: &[u8]) -> Option<(Vec<&[u8]>, &[u8])> {
    let mut lines = vec![];
    let mut rest = message;
    loop {
        let at = rest.windows(2).position(|pair| pair == b"\r\n")?;
        let line = &rest[..at];
        rest = &rest[at + 2..];
        if line.is_empty() {
            return Some((lines, rest));
        }
        lines.push(line);
    }
}

/// The values of the fields with this name, in lower case.
pub fn values(lines: &[&[u8]], name: &str) -> Vec<String> {
    let fields = lines.iter().skip(1).filter_map(|line| {
        let line = String::from_utf8_lossy(line).into_owned();
        let (other, value) = line.split_once(':')?;
        other.eq_ignore_ascii_case(name).then(|| value.trim_matches([' ', '\t']).to_owned())
    });
    fields.collect()
}

/// Whether a list has this token.
pub fn has_token(values: &[String], token: &str) -> bool {
    values
        .iter()
        .flat_map(|value| value.split(','))
        .any(|item| item.trim_matches([' ', '\t']).eq_ignore_ascii_case(token))
}
