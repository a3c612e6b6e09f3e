//! Any bytes as compressed messages, in any pieces, with any window, against miniz_oxide.
#![no_main]

use libfuzzer_sys::{arbitrary::Unstructured, fuzz_target};
use sockling::extension::{Inflate, InflateError};
use sockling_fuzz::{
    below, byte,
    deflate::{End, Pieces, Reference, WHOLE, inflate_message},
};

fuzz_target!(|data: &[u8]| {
    let mut u = Unstructured::new(data);
    let bits = 8 + byte(&mut u) % 8;
    let takeover = byte(&mut u).is_multiple_of(2);
    let pieces = Pieces { input: 1 + below(&mut u, 600), output: 1 + below(&mut u, 600) };
    let cuts = [below(&mut u, 600), below(&mut u, 600)];
    let mut rest = u.take_rest();
    let messages = cuts.map(|cut| {
        let (message, after) = rest.split_at(cut.min(rest.len()));
        rest = after;
        message
    });

    let (mut whole, mut largest) = (Inflate::new(), vec![0xAA; 1 << 15]);
    let (mut state, mut window) = (Inflate::new(), vec![0x55; 1 << bits]);
    let mut reference = Reference::default();
    // As long as miniz_oxide and we have seen the same.
    let mut comparable = true;
    for message in messages.into_iter().chain([rest]) {
        if !takeover {
            whole.reset();
            state.reset();
            reference.reset();
            comparable = true;
        }
        let Some((expected, error)) = inflate_message(&mut whole, &mut largest, message, WHOLE) else {
            return;
        };
        let Some((got, got_error)) = inflate_message(&mut state, &mut window, message, pieces) else {
            return;
        };
        if got_error == Some(InflateError::Distance) && error != got_error && bits < 15 {
            // What the call that failed had produced is not told.
            let beginning = expected.starts_with(&got) || error.is_some() && got.starts_with(&expected);
            assert!(beginning, "not the beginning of it");
            return;
        }
        assert_eq!(got_error, error, "in pieces, with {bits} bits");
        // What the call that failed had produced is not told.
        let failed = error.is_some() && (expected.starts_with(&got) || got.starts_with(&expected));
        assert!(failed || got == expected, "in pieces, with {bits} bits: {got:?}, whole: {expected:?}");
        if message.is_empty() {
            // Some senders leave nothing of an empty message, which the reference does not know.
            assert_eq!((expected, error), (Vec::new(), None));
            continue;
        }
        if comparable {
            let (theirs, end) = reference.inflate(message);
            match (error, end) {
                (None, End::Open) => assert_eq!(expected, theirs),
                // It does not go on after a last block.
                (None, End::Last) => assert!(expected.starts_with(&theirs)),
                (None, End::Error) => panic!("miniz_oxide refuses it"),
                // It does not refuse all that has to be refused.
                (Some(_), _) => {}
            }
            comparable = error.is_none() && end == End::Open;
        }
        if error.is_some() && takeover {
            return;
        }
    }
});
