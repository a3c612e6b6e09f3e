use core::str;

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
        // 16 bytes are 21 letters of 6 bits, one whose last 4 bits are 0, and the padding.
        let [letters @ .., last, b'=', b'='] = value else {
            return None;
        };
        let fits = letters.iter().all(|letter| BASE64.contains(letter)) && b"AQgw".contains(last);
        fits.then_some(Self(key))
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

const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// RFC 4648 section 4; `out` has 4 letters for every 3 bytes begun. A nonce and its hash are no secrets, so this need
/// not take constant time, which makes it a fifth of the size in flash of a codec that does.
fn encode_base64(bytes: &[u8], out: &mut [u8]) {
    for (place, letter) in out.iter_mut().enumerate() {
        // Letter n is the six bits from bit 6 n on: in the byte that bit is in, and the one after it.
        let at = place * 6 / 8;
        let pair = [0, 1].map(|after| bytes.get(at + after).copied());
        let bits = u16::from_be_bytes(pair.map(Option::unwrap_or_default)) >> (10 - place * 6 % 8) & 0x3F;
        *letter = match (pair, BASE64.get(usize::from(bits))) {
            ([Some(_), _], Some(letter)) => *letter,
            _ => b'=',
        };
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::{format, string::String};

    use super::*;

    struct Counting;

    impl rand_core::TryRng for Counting {
        type Error = core::convert::Infallible;
        fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
            Ok(0)
        }
        fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
            Ok(0)
        }
        fn try_fill_bytes(&mut self, dest: &mut [u8]) -> Result<(), Self::Error> {
            dest.iter_mut().zip(1..).for_each(|(byte, n)| *byte = n);
            Ok(())
        }
    }

    impl rand_core::TryCryptoRng for Counting {}

    #[test]
    fn examples() {
        // RFC 6455 section 1.3.
        let key = Key::parse(b"dGhlIHNhbXBsZSBub25jZQ==").unwrap();
        assert_eq!(key.accept().as_str(), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        // websocket-client, test_ws_utils.
        let key = Key::parse(b"c6b8hTg4EeGb2gQMztV1/g==").unwrap();
        assert_eq!(key.accept().as_bytes(), b"Kxep+hNu9n51529fGidYu7a3wO0=");
        // RFC 6455 section 4.1: the bytes 0x01 to 0x10.
        assert_eq!(Key::new(&mut Counting).as_str(), "AQIDBAUGBwgJCgsMDQ4PEA==");
    }

    /// RFC 4648 section 10.
    #[test]
    fn base64() {
        for (bytes, want) in [("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("fooba", "Zm9vYmE=")] {
            let mut out = [0; 8];
            encode_base64(bytes.as_bytes(), &mut out[..want.len()]);
            assert_eq!(&out[..want.len()], want.as_bytes());
        }
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
        for bad in ["AAAAAAAAAAAAAAAAAAAAAB==", "AAAAAAAAAAA=AAAAAAAAAA==", "AAAAAAAAAAAAAAAAAAAA-A==", "AAAAAAAAAAA AAAAAAAAAA=="]
        {
            assert!(Key::parse(bad.as_bytes()).is_none(), "{bad}");
        }
    }
}
