//! Masking (RFC 6455 section 5.3): octet `i` is XORed with octet `i MOD 4` of the masking key.

/// The four bytes that a client masks a frame's payload with.
pub type MaskingKey = [u8; 4];

/// How many bytes the wide loops take at a time; the optimizer makes vectors of it where there are any.
#[cfg(target_pointer_width = "64")]
const WIDE: usize = 32;
#[cfg(not(target_pointer_width = "64"))]
const WIDE: usize = 4;

/// Masks or unmasks `data` in place (the operation is its own inverse).
///
/// `offset` is the place of `data`'s first byte in the frame's payload.
pub fn apply_mask(data: &mut [u8], key: MaskingKey, offset: u64) {
    let key = rotate(key, offset);
    let wide = widen(key);
    let (chunks, rest) = data.as_chunks_mut::<WIDE>();
    for chunk in chunks {
        for (byte, mask) in chunk.iter_mut().zip(wide) {
            *byte ^= mask;
        }
    }
    // WIDE is a multiple of 4: the rest starts at the key's first byte again.
    let (chunks, rest) = rest.as_chunks_mut::<4>();
    for chunk in chunks {
        *chunk = (u32::from_ne_bytes(*chunk) ^ u32::from_ne_bytes(key)).to_ne_bytes();
    }
    for (byte, mask) in rest.iter_mut().zip(key) {
        *byte ^= mask;
    }
}

/// Copies `from` into `to` and masks it on the way; the shorter of the two decides the length.
pub(crate) fn copy_masked(to: &mut [u8], from: &[u8], key: MaskingKey) {
    let wide = widen(key);
    let len = to.len().min(from.len());
    let (to, from) = (to.get_mut(..len).unwrap_or_default(), from.get(..len).unwrap_or_default());
    let (to_chunks, to_rest) = to.as_chunks_mut::<WIDE>();
    let (from_chunks, from_rest) = from.as_chunks::<WIDE>();
    for (to, from) in to_chunks.iter_mut().zip(from_chunks) {
        for ((to, from), mask) in to.iter_mut().zip(from).zip(wide) {
            *to = from ^ mask;
        }
    }
    let (to_chunks, to_rest) = to_rest.as_chunks_mut::<4>();
    let (from_chunks, from_rest) = from_rest.as_chunks::<4>();
    for (to, from) in to_chunks.iter_mut().zip(from_chunks) {
        *to = (u32::from_ne_bytes(*from) ^ u32::from_ne_bytes(key)).to_ne_bytes();
    }
    for ((to, from), mask) in to_rest.iter_mut().zip(from_rest).zip(key) {
        *to = from ^ mask;
    }
}

/// The key as it applies from byte `offset` of the payload on.
#[allow(clippy::cast_possible_truncation, reason = "two bits")]
pub(crate) fn rotate(mut key: MaskingKey, offset: u64) -> MaskingKey {
    key.rotate_left((offset & 3) as usize);
    key
}

fn widen(key: MaskingKey) -> [u8; WIDE] {
    let mut wide = [0; WIDE];
    for (byte, mask) in wide.iter_mut().zip(key.iter().cycle()) {
        *byte = *mask;
    }
    wide
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
        for len in 0..200 {
            for offset in 0..9 {
                let data: [u8; 200] = core::array::from_fn(|i| (i * 7) as u8);
                let (mut want, mut got) = (data, data);
                octet_by_octet(&mut want[..len], key, offset);
                apply_mask(&mut got[..len], key, offset);
                assert_eq!(got, want, "{len} bytes from {offset}");
                let mut copy = [0; 200];
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
