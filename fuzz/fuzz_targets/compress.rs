//! Messages compressed in any pieces, with any window and hash table, are inflated to what they were.
#![no_main]

use libfuzzer_sys::{arbitrary::Unstructured, fuzz_target};
use sockling::extension::{Compress, Inflate};
use sockling_fuzz::{
    below, byte, bytes,
    deflate::{End, Pieces, Reference, WHOLE, compress_message, inflate_message},
};

fuzz_target!(|data: &[u8]| {
    let mut u = Unstructured::new(data);
    let bits = 8 + byte(&mut u) % 8;
    let takeover = byte(&mut u).is_multiple_of(2);
    let mut hashes = vec![0xAAAA; 1 << (byte(&mut u) % 13)];
    let pieces = Pieces { input: 1 + below(&mut u, 5000), output: 1 + below(&mut u, 600) };
    let (mut compress, mut window) = (Compress::new(), vec![0x55; 1 << bits]);
    let (mut inflate, mut peer) = (Inflate::new(), vec![0; 1 << bits]);
    let mut reference = Reference::default();
    while !u.is_empty() {
        let message = message(&mut u);
        if !takeover {
            compress.reset();
            inflate.reset();
            reference.reset();
        }
        if byte(&mut u) == 0xFF {
            // What was begun may be given up.
            let begun = &message[..message.len() / 2];
            compress.compress(begun, &mut window, &mut hashes, &mut [0; 9]).expect("a window");
            compress.reset();
        }
        let compressed = compress_message(&mut compress, &mut window, &mut hashes, &message, pieces);
        let back = inflate_message(&mut inflate, &mut peer, &compressed, WHOLE);
        assert_eq!(back, Some((message.clone(), None)), "{bits} bits");
        assert_eq!(reference.inflate(&compressed), (message, End::Open));
    }
});

/// Bytes of the input, runs, and copies of what was before.
fn message(u: &mut Unstructured<'_>) -> Vec<u8> {
    let mut message = Vec::new();
    for _ in 0..byte(u) % 32 {
        match byte(u) % 3 {
            0 => {
                let most = below(u, 256);
                message.extend_from_slice(bytes(u, most));
            }
            1 => message.extend(std::iter::repeat_n(byte(u), below(u, 2000))),
            _ if !message.is_empty() => {
                let (back, len) = (below(u, message.len()), below(u, 1000));
                for _ in 0..len {
                    message.push(message[message.len() - 1 - back]);
                }
            }
            _ => {}
        }
    }
    message
}
