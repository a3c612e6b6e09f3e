//! What the tests of both ends share.

use crate::Random;

/// The nonce of RFC 6455 section 1.3.
pub(super) struct Nonce;

impl Random for Nonce {
    fn fill(&mut self, dest: &mut [u8]) {
        dest.copy_from_slice(b"the sample nonce");
    }
}

pub(super) const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
pub(super) const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
