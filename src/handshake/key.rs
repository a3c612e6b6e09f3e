use core::str;

use sha1_smol::Sha1;

use crate::Random;

/// "The value of this header field MUST be a nonce consisting of a randomly selected 16-byte value that has been
/// base64-encoded. The nonce MUST be selected randomly for each connection."
#[derive(Clone, Copy)]
pub(super) struct Nonce([u8; 16]);

/// The value of a `Sec-WebSocket-Key` field.
#[derive(Clone, Copy)]
pub(super) struct Key([u8; 24]);

/// "concatenating the key ... with the string ..., taking the SHA-1 hash of this concatenated value to obtain a 20-byte
/// value": the answer to a key. In words, as the hash is made: 20 single bytes are stored with 20 instructions.
#[derive(Clone, Copy)]
pub(super) struct Hash([u32; 5]);

/// The value of a `Sec-WebSocket-Accept` field.
#[derive(Clone, Copy)]
pub(super) struct Accept([u8; 28]);

/// What a client draws for one connection.
#[derive(Clone, Copy)]
pub(super) struct Secret {
    pub(super) nonce: Nonce,
    /// What the server has to answer it with.
    pub(super) hash: Hash,
}

impl Secret {
    pub(super) const EMPTY: Self = Self { nonce: Nonce([0; 16]), hash: Hash([0; 5]) };

    /// In place, and on a stack of its own: the hash takes much of it.
    #[cfg_attr(not(feature = "std"), inline(never))]
    pub(super) fn draw(&mut self, random: &mut dyn Random) {
        random.fill(&mut self.nonce.0);
        self.hash = Hash::new(|key| encode_base64(&self.nonce.0, key));
    }
}

impl Nonce {
    pub(super) fn key(&self) -> Key {
        let mut key = [0; 24];
        encode_base64(&self.0, &mut key);
        Key(key)
    }
}

impl Key {
    /// "If the value ... when decoded, is not 16 bytes in length", there is none.
    pub(super) fn parse(value: &[u8]) -> Option<Self> {
        let key = value.try_into().ok()?;
        // 128 bits are 21 letters of six, two bits in one more, and the padding.
        let [letters @ .., b'A' | b'Q' | b'g' | b'w', b'=', b'='] = value else {
            return None;
        };
        let known = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
        letters.iter().all(known).then_some(Self(key))
    }

    pub(super) const fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    #[cfg(any(feature = "log", feature = "defmt", test))]
    pub(super) fn as_str(&self) -> &str {
        str::from_utf8(&self.0).unwrap_or_default()
    }

    pub(super) fn hash(&self) -> Hash {
        Hash::new(|key| key.copy_from_slice(&self.0))
    }
}

impl Hash {
    /// `key` writes the key.
    fn new(key: impl FnOnce(&mut [u8])) -> Self {
        let mut sha = Sha1::new();
        {
            // "with the string "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"" (RFC 6455 section 4.1). In one piece; gone
            // before the digest is made, which takes the same stack.
            let mut text = *b"........................258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
            key(text.get_mut(..24).unwrap_or_default());
            sha.update(&text);
        }
        let bytes = sha.digest().bytes();
        let word =
            |at| bytes.get(at..).and_then(<[u8]>::first_chunk).map_or(0, |word| u32::from_be_bytes(*word));
        Self([word(0), word(4), word(8), word(12), word(16)])
    }

    pub(super) fn accept(&self) -> Accept {
        let mut accept = [0; 28];
        let mut bytes = [0; 20];
        for (to, word) in bytes.as_chunks_mut().0.iter_mut().zip(&self.0) {
            *to = word.to_be_bytes();
        }
        encode_base64(&bytes, &mut accept);
        Accept(accept)
    }
}

impl Default for Accept {
    fn default() -> Self {
        Self([b'='; 28])
    }
}

impl Accept {
    pub(super) const fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    pub(super) fn as_str(&self) -> &str {
        str::from_utf8(&self.0).unwrap_or_default()
    }
}

/// "base64-encoded (see Section 4 of [RFC4648])": `out` has just the length that `bytes` take. (A crate's encoder, in
/// constant time, is five times as large; neither nonce nor hash is a secret.)
fn encode_base64(bytes: &[u8], out: &mut [u8]) {
    for (at, to) in out.iter_mut().enumerate() {
        // The letter's six bits lie in these two bytes.
        let bit = at * 6;
        let byte = |at: usize| bytes.get(at).map(|byte| u32::from(*byte));
        let bits = byte(bit / 8).map(|high| high << 8 | byte(bit / 8 + 1).unwrap_or(0));
        *to = bits.map_or(b'=', |bits| base64_digit(bits >> (10 - bit % 8)));
    }
}

/// What stands for the lowest six bits.
#[allow(clippy::cast_possible_truncation, reason = "six bits")]
pub(super) const fn base64_digit(bits: u32) -> u8 {
    match (bits & 0x3F) as u8 {
        n @ 0..=25 => b'A' + n,
        n @ 26..=51 => b'a' - 26 + n,
        n @ 52..=61 => n - 52 + b'0',
        62 => b'+',
        _ => b'/',
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::{format, string::String};

    use super::*;
    use crate::handshake::testing;

    impl Nonce {
        fn new(random: &mut dyn Random) -> Self {
            let mut secret = Secret::EMPTY;
            secret.draw(random);
            secret.nonce
        }
    }

    #[test]
    fn examples() {
        // RFC 6455 section 1.3.
        let key = Key::parse(b"dGhlIHNhbXBsZSBub25jZQ==").unwrap();
        assert_eq!(key.hash().accept().as_str(), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        // websocket-client, test_ws_utils.
        let key = Key::parse(b"c6b8hTg4EeGb2gQMztV1/g==").unwrap();
        assert_eq!(key.hash().accept().as_bytes(), b"Kxep+hNu9n51529fGidYu7a3wO0=");
        assert_eq!(Nonce::new(&mut testing::Nonce).key().as_str(), testing::KEY);
        // RFC 6455 section 4.1: the bytes 0x01 to 0x10.
        let mut key = [0; 24];
        encode_base64(&[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16], &mut key);
        assert_eq!(&key, b"AQIDBAUGBwgJCgsMDQ4PEA==");
    }

    #[test]
    fn keys_of_exactly_16_bytes() {
        for n in 0..40 {
            let letters: String = "A".repeat(n);
            for padding in ["", "=", "==", "===", "===="] {
                let key = format!("{letters}{padding}");
                assert_eq!(Key::parse(key.as_bytes()).is_some(), n == 22 && padding == "==", "{key}");
            }
        }
        for bad in [
            "AAAAAAAAAAAAAAAAAAAAAB==",
            "AAAAAAAAAAA=AAAAAAAAAA==",
            "AAAAAAAAAAAAAAAAAAAA-A==",
            "AAAAAAAAAAA AAAAAAAAAA==",
        ] {
            assert!(Key::parse(bad.as_bytes()).is_none(), "{bad}");
        }
    }
}
