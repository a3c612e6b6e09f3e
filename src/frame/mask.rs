//! Masking (RFC 6455 section 5.3): octet `i` is XORed with octet `i MOD 4` of the masking key.

/// The four bytes that a client masks a frame's payload with.
pub type MaskingKey = [u8; 4];

/// Masks or unmasks `data` in place (the operation is its own inverse).
///
/// `offset` is the place of `data`'s first byte in the frame's payload.
#[inline]
pub fn apply_mask(data: &mut [u8], key: MaskingKey, offset: u64) {
    let key = rotate(key, offset);
    #[cfg(feature = "std")]
    if data.len() >= WIDE {
        // Vectors that do not cross the lines of the cache take half the time.
        let at = data.as_ptr().align_offset(64).min(data.len());
        let (head, data) = data.split_at_mut(at);
        mask(head, key);
        let key = rotate(key, at as u64);
        return fearless_simd::dispatch!(*LEVEL, _simd => mask(data, key));
    }
    mask(data, key);
}

/// Copies `from` into `to`, which is as long, and masks it on the way.
#[inline]
pub(crate) fn copy_masked(to: &mut [u8], from: &[u8], key: MaskingKey) {
    #[cfg(feature = "std")]
    if key == [0; 4] {
        // No `copy_from_slice`, which compares the lengths and panics.
        return to.iter_mut().zip(from).for_each(|(to, from)| *to = *from);
    }
    #[cfg(feature = "std")]
    if to.len() >= WIDE {
        let at = to.as_ptr().align_offset(64).min(to.len()).min(from.len());
        let (head, to) = to.split_at_mut(at);
        let (first, from) = from.split_at(at);
        mask_copy(head, first, key);
        let key = rotate(key, at as u64);
        return fearless_simd::dispatch!(*LEVEL, _simd => mask_copy(to, from, key));
    }
    mask_copy(to, from, key);
}

/// From how many bytes on the wider vectors that this machine may have are worth asking for.
#[cfg(feature = "std")]
const WIDE: usize = 256;

/// What vectors this machine has: the loops below are compiled for each kind.
#[cfg(feature = "std")]
static LEVEL: std::sync::LazyLock<fearless_simd::Level> = std::sync::LazyLock::new(fearless_simd::Level::new);

#[cfg(feature = "std")]
#[inline(always)]
fn mask(data: &mut [u8], key: MaskingKey) {
    let (words, rest) = data.as_chunks_mut();
    for word in words {
        *word = xor(*word, key);
    }
    for (byte, mask) in rest.iter_mut().zip(key) {
        *byte ^= mask;
    }
}

#[cfg(feature = "std")]
#[inline(always)]
fn mask_copy(to: &mut [u8], from: &[u8], key: MaskingKey) {
    let (to_words, to_rest) = to.as_chunks_mut();
    let (from_words, from_rest) = from.as_chunks();
    for (to, from) in to_words.iter_mut().zip(from_words) {
        *to = xor(*from, key);
    }
    for ((to, from), mask) in to_rest.iter_mut().zip(from_rest).zip(key) {
        *to = from ^ mask;
    }
}

/// The loops take words; the optimizer makes vectors of them where there are any.
#[cfg(feature = "std")]
#[inline(always)]
fn xor(word: [u8; 4], key: MaskingKey) -> [u8; 4] {
    (u32::from_ne_bytes(word) ^ u32::from_ne_bytes(key)).to_ne_bytes()
}

// Without vectors, in a tenth of the flash: the key turns in a register.
#[cfg(not(feature = "std"))]
#[allow(clippy::cast_possible_truncation, reason = "the lowest byte is the mask")]
fn mask(data: &mut [u8], key: MaskingKey) {
    let mut key = u32::from_le_bytes(key);
    for byte in data {
        *byte ^= key as u8;
        key = key.rotate_right(8);
    }
}

#[cfg(not(feature = "std"))]
#[allow(clippy::cast_possible_truncation, reason = "the lowest byte is the mask")]
#[inline(never)]
fn mask_copy(to: &mut [u8], from: &[u8], key: MaskingKey) {
    let mut key = u32::from_le_bytes(key);
    for (to, from) in to.iter_mut().zip(from) {
        *to = *from ^ key as u8;
        key = key.rotate_right(8);
    }
}

/// The key as it applies from byte `offset` of the payload on.
#[allow(clippy::cast_possible_truncation, reason = "two bits")]
pub(crate) const fn rotate(key: MaskingKey, offset: u64) -> MaskingKey {
    u32::from_le_bytes(key).rotate_right((offset as u32 & 3) * 8).to_le_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Section 5.3, to the letter.
    fn octet_by_octet(data: &mut [u8], key: MaskingKey, offset: u64) {
        for (i, byte) in data.iter_mut().enumerate() {
            *byte ^= key[(offset as usize + i) % 4];
        }
    }

    #[test]
    fn equals_the_definition_at_every_length_and_offset() {
        let key = [0x37, 0xfa, 0x21, 0x3d];
        for len in (0..200).chain(250..400) {
            for offset in 0..9 {
                let data: [u8; 400] = core::array::from_fn(|i| (i * 7) as u8);
                let (mut want, mut got) = (data, data);
                octet_by_octet(&mut want[..len], key, offset);
                apply_mask(&mut got[..len], key, offset);
                assert_eq!(got, want, "{len} bytes from {offset}");
                let mut copy = [0; 400];
                copy_masked(&mut copy[..len], &data[..len], rotate(key, offset));
                assert_eq!(copy[..len], want[..len]);
            }
        }
    }

    #[test]
    fn unmasked_in_pieces() {
        let key = [1, 2, 3, 4];
        let mut data = *b"octet i of the transformed data";
        apply_mask(&mut data, key, 0);
        let (a, b) = data.split_at_mut(7);
        apply_mask(a, key, 0);
        apply_mask(b, key, 7);
        assert_eq!(&data, b"octet i of the transformed data");
    }

    #[test]
    fn example_of_section_5_7() {
        let mut hello = *b"Hello";
        apply_mask(&mut hello, [0x37, 0xfa, 0x21, 0x3d], 0);
        assert_eq!(hello, [0x7f, 0x9f, 0x4d, 0x51, 0x58]);
    }
}
