//! Text in pieces, against the standard library's idea of UTF-8.
#![no_main]

use std::str;

use libfuzzer_sys::{arbitrary::Unstructured, fuzz_target};
use sockling::utf8::Validator;
use sockling_fuzz::byte;

fuzz_target!(|data: &[u8]| {
    let mut u = Unstructured::new(data);
    let cuts: [u8; 4] = std::array::from_fn(|_| byte(&mut u));
    let text = u.take_rest();
    let fails_after = first_impossible(text);

    let mut validator = Validator::new();
    let failed = text.iter().position(|byte| validator.push(&[*byte]).is_err());
    assert_eq!(failed.map(|at| at + 1), fails_after, "byte by byte");

    let mut validator = Validator::new();
    let (mut at, mut failed) = (0, false);
    for cut in cuts.iter().cycle() {
        if at == text.len() || failed {
            break;
        }
        // Empty pieces too, but not for ever.
        let end = text.len().min(at + usize::from(*cut) + usize::from(cuts == [0; 4]));
        failed = validator.push(&text[at..end]).is_err();
        at = end;
        assert_eq!(failed, fails_after.is_some_and(|after| after <= at), "after {at} bytes");
    }
    if !failed {
        assert_eq!(validator.is_complete(), str::from_utf8(text).is_ok());
    }
});

/// With how many bytes the text is no beginning of a valid one.
fn first_impossible(text: &[u8]) -> Option<usize> {
    let error = str::from_utf8(text).err()?;
    error.error_len()?;
    let start = error.valid_up_to();
    let is_impossible =
        |end: &usize| str::from_utf8(&text[start..*end]).is_err_and(|error| error.error_len().is_some());
    (start + 1..=text.len()).find(is_impossible)
}
