use core::str;

use base64ct::{Base64, Encoding};
use sha1_smol::Sha1;

use crate::Random;

/// "the string "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"" (RFC 6455 section 4.1).
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// The value of a `Sec-WebSocket-Key` field.
#[derive(Clone, Copy)]
pub(super) struct Key([u8; 24]);

/// The value of a `Sec-WebSocket-Accept` field.
#[derive(Clone, Copy)]
pub(super) struct Accept([u8; 28]);

impl Key {
    /// "The value of this header field MUST be a nonce consisting of a randomly selected 16-byte value that has been
    /// base64-encoded. The nonce MUST be selected randomly for each connection."
    pub(super) fn new(random: &mut dyn Random) -> Self {
        let mut nonce = [0; 16];
        random.fill(&mut nonce);
        let mut key = [0; 24];
        encode_base64(&nonce, &mut key);
        Self(key)
    }

    /// "If the value ... when decoded, is not 16 bytes in length", there is none.
    pub(super) fn parse(value: &[u8]) -> Option<Self> {
        let key = value.try_into().ok()?;
        let mut nonce = [0; 18];
        let nonce = Base64::decode(value, &mut nonce).ok()?;
        (nonce.len() == 16).then_some(Self(key))
    }

    pub(super) fn as_str(&self) -> &str {
        str::from_utf8(&self.0).unwrap_or_default()
    }

    /// "concatenating the key ... with the string ..., taking the SHA-1 hash of this concatenated value to obtain a
    /// 20-byte value and base64-encoding" it.
    pub(super) fn accept(&self) -> Accept {
        let mut hash = Sha1::new();
        hash.update(&self.0);
        hash.update(GUID);
        let mut accept = [0; 28];
        encode_base64(&hash.digest().bytes(), &mut accept);
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

/// "base64-encoded (see Section 4 of [RFC4648])": `out` has just the length that `bytes` take.
fn encode_base64(bytes: &[u8], out: &mut [u8]) {
    // It fails only for want of room.
    let _ = Base64::encode(bytes, out);
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::{format, string::String};

    use super::*;
    use crate::handshake::testing::{self, Nonce};

    #[test]
    fn examples() {
        // RFC 6455 section 1.3.
        let key = Key::parse(b"dGhlIHNhbXBsZSBub25jZQ==").unwrap();
        assert_eq!(key.accept().as_str(), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        // websocket-client, test_ws_utils.
        let key = Key::parse(b"c6b8hTg4EeGb2gQMztV1/g==").unwrap();
        assert_eq!(key.accept().as_bytes(), b"Kxep+hNu9n51529fGidYu7a3wO0=");
        assert_eq!(Key::new(&mut Nonce).as_str(), testing::KEY);
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
