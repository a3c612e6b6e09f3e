//! What the fuzz targets share: frames and their meaning by the letter of RFC 6455, with no code of the library, and a
//! driver of a session over a transport in memory.

pub mod deflate;
pub mod drive;
pub mod frames;
pub mod http;
pub mod reference;

use libfuzzer_sys::arbitrary::Unstructured;

/// Keys that count up: known, and each frame's its own.
#[derive(Clone, Debug, Default)]
pub struct Counter(u8);

impl sockling::Random for Counter {
    fn fill(&mut self, dest: &mut [u8]) {
        for byte in dest {
            self.0 = self.0.wrapping_add(1);
            *byte = self.0;
        }
    }
}

/// One byte of the input; 0 when there is none left.
pub fn byte(u: &mut Unstructured<'_>) -> u8 {
    u.arbitrary().unwrap_or_default()
}

/// A number from the input, below `bound`, small ones more often.
pub fn below(u: &mut Unstructured<'_>, bound: usize) -> usize {
    let (kind, a, b) = (byte(u), byte(u), if bound > 256 { byte(u) } else { 0 });
    let most = match kind % 4 {
        0 => 16,
        1 => 260,
        _ => bound,
    };
    usize::from(u16::from_le_bytes([a, b])) % bound.min(most)
}

/// One of `from`.
pub fn pick<T: Copy>(u: &mut Unstructured<'_>, from: &[T]) -> T {
    from[usize::from(byte(u)) % from.len()]
}

/// The next bytes of the input, up to so many.
pub fn bytes<'a>(u: &mut Unstructured<'a>, most: usize) -> &'a [u8] {
    let len = u.len().min(most);
    u.bytes(len).unwrap_or_default()
}
