//! The inflater and the compressor against zlib (zlib-rs) and miniz_oxide.
#![cfg(feature = "deflate")]

mod common;

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use common::*;
use rand::RngExt;
use sockling::extension::{Compress, Inflate, InflateError};

/// The examples of RFC 7692 section 7.2.3.
#[test]
fn examples_of_the_rfc() {
    let mut state = Inflate::new();
    let mut window = [0; 512];
    for message in [
        // A block with the fixed code, then one that shares its window.
        &[0xf2u8, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00][..],
        &[0xf2, 0x00, 0x11, 0x00, 0x00],
        // No compression.
        &[0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00],
        // BFINAL, and the window goes on behind it.
        &[0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00],
        &[0xf2, 0x00, 0x11, 0x00, 0x00],
        // Two blocks.
        &[0xf2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xff, 0xff, 0xca, 0xc9, 0xc9, 0x07, 0x00],
    ] {
        assert_eq!(inflate_all(&mut state, &mut window, message).unwrap(), b"Hello", "{message:x?}");
    }
    // "Generating an Empty Fragment"
    assert_eq!(inflate_all(&mut state, &mut window, &[0x00]).unwrap(), b"");
}

/// Ends of a message that are not what RFC 7692 prescribes.
#[test]
fn ends_of_messages() {
    let run = |messages: &[&[u8]]| {
        let (mut state, mut window) = (Inflate::new(), [0; 512]);
        messages
            .iter()
            .map(|message| inflate_all(&mut state, &mut window, message))
            .collect::<Result<Vec<_>, _>>()
    };
    let hello = b"Hello".to_vec();
    let next = [0xf2, 0x00, 0x11, 0x00, 0x00];
    // BFINAL and nothing after it.
    assert_eq!(run(&[&[0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00], &next]), Ok(vec![hello.clone(); 2]));
    // BFINAL, padded, then another block.
    let two = [0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0xf2, 0x00, 0x11, 0x00, 0x00];
    assert_eq!(run(&[&two, &next]), Ok(vec![[&hello[..], &hello].concat(), hello.clone()]));
    // A last block that is stored.
    let stored = [0x01, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f];
    assert_eq!(run(&[&stored, &next]), Ok(vec![hello.clone(); 2]));
    assert_eq!(run(&[&[&stored[..], &[0]].concat(), &next]), Ok(vec![hello.clone(); 2]));
    // Nothing at all.
    assert_eq!(
        run(&[&[], &[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00], &[], &next]),
        Ok(vec![vec![], hello.clone(), vec![], hello])
    );
    for cut in [
        // The tail was not removed; the last byte is missing; inside of a block, a header, a stored block.
        &[0xf2u8, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00, 0x00, 0xff, 0xff][..],
        &[0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f],
        &[0xf2, 0x48, 0xcd],
        &[0x04, 0xe0, 0x01],
        &[0x00, 0xff, 0x00, 0x00, 0xff],
    ] {
        assert_eq!(run(&[cut]), Err(InflateError::Truncated), "{cut:x?}");
    }
}

/// Every rule has its error.
#[test]
fn errors() {
    let check = |make: &dyn Fn(&mut Writer), error| {
        let mut w = Writer::default();
        make(&mut w);
        w.put(0, 3);
        w.align();
        let (mut state, mut window) = (Inflate::new(), [0; 512]);
        assert_eq!(inflate_all(&mut state, &mut window, &w.bytes), Err(error), "{:x?}", w.bytes);
        // And stays.
        assert_eq!(state.inflate(&[], &mut window, &mut []), Err(error));
        assert_eq!(inflate_all(&mut state, &mut window, &[0]), Err(error));
        state.reset();
        assert_eq!(inflate_all(&mut state, &mut window, &[0]), Ok(vec![]));
        let (_, ended) = Zlib::new().inflate(&[&w.bytes, &TAIL[..], &[0; 64]].concat());
        if error != InflateError::Truncated {
            assert_eq!(ended, Ended::Error, "{:x?}", w.bytes);
        }
    };
    let dynamic = |w: &mut Writer, hlit: u32, hdist: u32, lengths: &[u32]| {
        w.put(0b100, 3);
        w.put(hlit, 5);
        w.put(hdist, 5);
        w.put(lengths.len() as u32 - 4, 4);
        lengths.iter().for_each(|length| w.put(*length, 3));
    };
    check(&|w| w.put(0b110, 3), InflateError::BlockType);
    check(&|w| w.put(0b000, 3 + 5 + 32), InflateError::StoredLength);
    check(&|w| dynamic(w, 30, 0, &[1, 1, 0, 0]), InflateError::TooManyCodes);
    check(&|w| dynamic(w, 0, 30, &[1, 1, 0, 0]), InflateError::TooManyCodes);
    check(&|w| dynamic(w, 0, 0, &[0, 0, 0, 0]), InflateError::CodeLengths);
    check(&|w| dynamic(w, 0, 0, &[1, 0, 0, 0]), InflateError::CodeLengths);
    check(&|w| dynamic(w, 0, 0, &[1, 1, 1, 0]), InflateError::CodeLengths);
    // 16 and 18 have codes: 0, 1.
    check(
        &|w| {
            dynamic(w, 0, 0, &[1, 0, 1, 0]);
            w.put(0b000, 3)
        },
        InflateError::Repeat,
    );
    check(
        &|w| {
            dynamic(w, 0, 0, &[1, 0, 1, 0]);
            w.put(0xFF, 8);
            w.put(0xFF, 8)
        },
        InflateError::Repeat,
    );
    check(
        &|w| {
            dynamic(w, 0, 0, &[1, 0, 1, 0]);
            w.put(0xFF, 8);
            w.put(1 | 109 << 1, 8)
        },
        InflateError::NoEndOfBlock,
    );
    // 18 and 1 have codes (1 is the last but one in the order): 256 zeros, then 1 for the end of block and 1 for a
    // distance; the end of block is 0.
    let order = [0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
    let end_only = |w: &mut Writer, distance: u32| {
        dynamic(w, 0, 0, &order);
        w.put(1 | 127 << 1, 8);
        w.put(1 | 107 << 1, 8);
        w.put(0, 1);
        w.put(distance, 1);
    };
    check(
        &|w| {
            end_only(w, 0);
            w.put(1, 1)
        },
        InflateError::Symbol,
    );
    check(
        &|w| {
            w.put(0b010, 3);
            w.code((0b1100_0110, 8))
        },
        InflateError::Symbol,
    );
    check(
        &|w| {
            w.put(0b010, 3);
            w.code((0x30, 8));
            w.code((1, 7));
            w.code((30, 5))
        },
        InflateError::Symbol,
    );
    check(
        &|w| {
            w.put(0b010, 3);
            w.code((1, 7));
            w.code((0, 5))
        },
        InflateError::Distance,
    );
    check(
        &|w| {
            w.put(0b010, 3);
            w.code((0x30, 8));
            w.code((1, 7));
            w.code((1, 5))
        },
        InflateError::Distance,
    );
    check(&|w| w.put(0b010, 3), InflateError::Truncated);
    // Beyond the window, though not beyond the beginning: zlib is lenient there.
    let mut w = Writer::default();
    w.put(0b010, 3);
    (0..600).for_each(|_| w.code((0x30, 8)));
    w.code((1, 7));
    w.code((18, 5));
    w.put(0, 8);
    w.code((0, 7));
    w.put(0, 3);
    w.align();
    assert_eq!(inflate_all(&mut Inflate::new(), &mut [0; 512], &w.bytes), Err(InflateError::Distance));
    assert_eq!(inflate_all(&mut Inflate::new(), &mut [0; 1024], &w.bytes).map(|out| out.len()), Ok(603));
    // No window.
    for len in [0, 1, 128, 255, 511, 513, 65536] {
        let mut window = vec![0; len];
        assert_eq!(Inflate::new().inflate(&[0], &mut window, &mut [0]), Err(InflateError::Window), "{len}");
        assert!(Compress::new().compress(&[0], &mut window, &mut [0; 256], &mut [0]).is_err(), "{len}");
    }
}

#[derive(Default)]
struct Tally(BTreeMap<&'static str, u64>);

impl Tally {
    fn count(&mut self, what: &'static str) {
        *self.0.entry(what).or_default() += 1;
    }
}

/// A message by zlib: behind a block that is marked as the last one, it goes on with what it produced as its window.
/// Returns the output, whether all is well, where the last such block ended, and what takes the next message.
fn by_zlib(with_tail: &[u8]) -> (Vec<u8>, bool, Option<usize>, Zlib) {
    let (mut zlib, mut out, mut at, mut last) = (Zlib::new(), Vec::new(), 0, None);
    loop {
        let (more, ended) = zlib.inflate(&with_tail[at..]);
        out.extend(more);
        match ended {
            Ended::Open => return (out, true, last, zlib),
            Ended::Error => return (out, false, last, zlib),
            Ended::Last(n) => {
                at += n;
                last = Some(at);
                zlib = Zlib::after(&out);
                // Nothing after it but the tail.
                if at + TAIL.len() == with_tail.len() {
                    return (out, true, last, zlib);
                }
            }
        }
    }
}

/// The same message by us, by zlib and by miniz_oxide.
///
/// miniz_oxide accepts more: distances that go back beyond the first byte, and blocks without a code for their end.
fn compare(message: &[u8], pieces: impl FnMut() -> (usize, usize), tally: &mut Tally) {
    let with_tail = [message, &TAIL[..]].concat();
    let (expected, well, last, mut zlib) = by_zlib(&with_tail);
    let (mut state, mut window) = (Inflate::new(), vec![0; 1 << 15]);
    let ours = inflate(&mut state, &mut window, message, pieces);
    match (&ours, well) {
        (Ok(out), true) => {
            assert!(*out == expected, "{message:x?}");
            tally.count(if last.is_none() { "accepted" } else { "accepted, with a last block" });
            // At the end of a block: the next message is understood by both.
            let hello = [0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];
            assert_eq!(inflate_all(&mut state, &mut window, &hello).as_deref(), Ok(&b"Hello"[..]));
            if !message.is_empty() {
                assert_eq!(zlib.inflate(&hello), (b"Hello".to_vec(), Ended::Open), "{message:x?}");
            }
        }
        (Err(InflateError::Truncated), true) => tally.count("refused: truncated"),
        // zlib notices that a code is empty only when it is used: every bit of it is wrong then.
        (Err(InflateError::CodeLengths), true) => {
            assert_eq!(zlib.inflate(&[0; 64]).1, Ended::Error, "{message:x?}");
            tally.count("refused: CodeLengths, zlib later");
        }
        (Err(InflateError::Truncated), false) => tally.count("refused: truncated, zlib has a reason"),
        (Err(error), false) => tally.count(match error {
            InflateError::BlockType => "refused: BlockType",
            InflateError::StoredLength => "refused: StoredLength",
            InflateError::TooManyCodes => "refused: TooManyCodes",
            InflateError::CodeLengths => "refused: CodeLengths",
            InflateError::Repeat => "refused: Repeat",
            InflateError::NoEndOfBlock => "refused: NoEndOfBlock",
            InflateError::Symbol => "refused: Symbol",
            InflateError::Distance => "refused: Distance",
            _ => panic!("{error:?}"),
        }),
        _ => panic!("{ours:?} but {well}: {message:x?}"),
    }
    if last.is_some() {
        return;
    }
    let (theirs, ended) = Miniz::new().inflate(&with_tail);
    match (&ours, ended) {
        (Ok(out), Ended::Open) => assert!(*out == theirs, "{message:x?}"),
        (Ok(_), ended) => panic!("miniz_oxide: {ended:?}: {message:x?}"),
        (Err(InflateError::Truncated), _) | (Err(_), Ended::Error) => {}
        (Err(error), _) => tally.count(match error {
            InflateError::BlockType => "miniz_oxide does not refuse: BlockType",
            InflateError::StoredLength => "miniz_oxide does not refuse: StoredLength",
            InflateError::TooManyCodes => "miniz_oxide does not refuse: TooManyCodes",
            InflateError::CodeLengths => "miniz_oxide does not refuse: CodeLengths",
            InflateError::Repeat => "miniz_oxide does not refuse: Repeat",
            InflateError::NoEndOfBlock => "miniz_oxide does not refuse: NoEndOfBlock",
            InflateError::Symbol => "miniz_oxide does not refuse: Symbol",
            _ => "miniz_oxide does not refuse: Distance",
        }),
    }
}

/// Streams of zlib, of miniz_oxide, random ones and made up ones, and all of them with mistakes.
#[test]
fn differential() {
    let mut tally = Tally::default();
    let mut zlib: Vec<ZlibCompress> =
        (0..=9).flat_map(|level| [9, 10, 12, 15].map(|bits| ZlibCompress::new(level, bits))).collect();
    let mut rng = rng(1);
    for n in 0..streams() {
        let mut message = match n % 8 {
            0 | 1 => {
                let data = data(&mut rng, if n % 512 == 0 { 100_000 } else { 400 });
                let at = rng.random_range(0..zlib.len());
                zlib[at].reset();
                zlib[at].message(&data)
            }
            2 => {
                let data = data(&mut rng, 300);
                let mut message = miniz_oxide::deflate::compress_to_vec(&data, rng.random_range(0..=10));
                // It ends with BFINAL.
                if rng.random_bool(0.5) {
                    message.push(0);
                }
                message
            }
            3 => (0..rng.random_range(0..100)).map(|_| rng.random()).collect(),
            _ => adversarial(&mut rng),
        };
        if rng.random_bool(0.4) && !message.is_empty() {
            for _ in 0..rng.random_range(1..4) {
                let at = rng.random_range(0..message.len());
                match rng.random_range(0..4) {
                    0 => drop(message.remove(at)),
                    1 => message.insert(at, rng.random()),
                    _ => message[at] ^= 1 << rng.random_range(0..8),
                }
                if message.is_empty() {
                    break;
                }
            }
            tally.count("mutated");
        }
        let (i, o) = (1 << rng.random_range(0..12), 1 << rng.random_range(0..12));
        let (mut a, mut b) = (common::rng(n), common::rng(!n));
        compare(&message, || (a.random_range(1..=i), b.random_range(1..=o)), &mut tally);
    }
    println!("{:#?}", tally.0);
    let refused = tally.0.keys().filter(|what| what.starts_with("refused")).count();
    assert!(refused >= 9 && tally.0["accepted"] * 3 > streams(), "the streams are not what they should be");
}

/// Small messages in all cuts of input and output.
#[test]
fn every_split() {
    let mut rng = rng(2);
    let mut done = 0;
    let mut zlib = ZlibCompress::new(9, 15);
    while done < streams().min(100_000) / 100 {
        let message = match done % 3 {
            0 => {
                zlib.reset();
                zlib.message(&data(&mut rng, 200))
            }
            _ => adversarial(&mut rng),
        };
        if message.len() > 120 {
            continue;
        }
        done += 1;
        let whole = inflate_all(&mut Inflate::new(), &mut [0; 32768], &message);
        let len = whole.as_ref().map_or(40, Vec::len);
        if len > 700 {
            continue;
        }
        let check = |first: (usize, usize), then: (usize, usize)| {
            let mut calls = 0;
            let out = inflate(&mut Inflate::new(), &mut [0; 32768], &message, || {
                calls += 1;
                if calls == 1 { first } else { then }
            });
            assert_eq!(out, whole, "{first:?} {then:?} {message:x?}");
        };
        for cut in 0..=message.len() {
            check((cut, 1 << 12), (usize::MAX, 1 << 12));
        }
        for cut in 0..=len {
            check((usize::MAX, cut), (usize::MAX, 1 << 12));
        }
        for (i, o) in [(1, 1), (1, 2), (1, 3), (2, 1), (3, 1), (1, 1 << 12), (1 << 12, 1), (7, 5)] {
            check((i, o), (i, o));
            check((0, o), (i, o));
            check((i, 0), (i, o));
        }
    }
}

/// Long sequences of messages from zlib to us, with every window, with and without context takeover.
#[test]
fn sequences_from_zlib() {
    let mut rng = rng(3);
    for bits in 9..=15 {
        for takeover in [true, false] {
            for level in [1, 4, 6, 9] {
                let (mut state, mut window) = (Inflate::new(), vec![0xAA; 1 << bits]);
                let mut zlib = ZlibCompress::new(level, bits);
                for n in 0..60 {
                    let data = data(&mut rng, if n % 20 == 0 { 70_000 } else { 1500 });
                    if !takeover {
                        zlib.reset();
                        state.reset();
                    }
                    let message = zlib.message(&data);
                    let (i, o) = (1 << rng.random_range(0..14), 1 << rng.random_range(0..14));
                    let out = inflate(&mut state, &mut window, &message, || (i, o));
                    assert!(
                        out.as_ref() == Ok(&data),
                        "{bits} {takeover} {level} {n}: {:?}",
                        out.map(|out| out.len())
                    );
                }
            }
        }
    }
}

/// And from us to zlib, to miniz_oxide and to us, whose inflater accepts no longer distance.
#[test]
fn sequences_from_us() {
    let mut rng = rng(4);
    let rounds = (streams() / 5_000).clamp(1, 80);
    for bits in (8..=15).cycle().take(8 * rounds as usize) {
        for takeover in [true, false] {
            for entries in [0, 1, 100, 256, 1024, 4096] {
                let (mut ours, mut window) = (Compress::new(), vec![0x55; 1 << bits]);
                let mut hashes: Vec<u16> = (0..entries).map(|_| rng.random()).collect();
                let (mut inflater, mut theirs) = (Inflate::new(), vec![0xAA; 1 << bits]);
                let (mut zlib, mut miniz) = (Zlib::with_bits(bits), Miniz::new());
                for n in 0..15 {
                    let data = data(&mut rng, if n == 7 { 70_000 } else { 1500 });
                    if !takeover {
                        ours.reset();
                        inflater.reset();
                        zlib.reset();
                        miniz.reset();
                    }
                    let (i, o) = (1 << rng.random_range(0..14), 1 << rng.random_range(0..14));
                    let message = compress(&mut ours, &mut window, &mut hashes, &data, || (i, o));
                    assert!(!message.is_empty());
                    let out = inflate_all(&mut inflater, &mut theirs, &message);
                    assert!(
                        out.as_ref() == Ok(&data),
                        "{bits} {takeover} {entries} {n}: {:?}",
                        out.map(|out| out.len())
                    );
                    let with_tail = [&message[..], &TAIL].concat();
                    assert!(zlib.inflate(&with_tail) == (data.clone(), Ended::Open));
                    assert!(miniz.inflate(&with_tail) == (data, Ended::Open));
                }
            }
        }
    }
}

/// What becomes of a message does not depend on the cuts of output, and on those of input only little.
#[test]
fn compressed_in_every_split() {
    let mut rng = rng(5);
    for n in 0..streams() / 200 {
        let data = data(&mut rng, if n % 10 == 0 { 3000 } else { 100 });
        let bits = rng.random_range(8..=12);
        let run = |i: usize, o: usize, first: usize| {
            let (mut state, mut window, mut hashes) = (Compress::new(), vec![0; 1 << bits], [0; 256]);
            let mut calls = 0;
            compress(&mut state, &mut window, &mut hashes, &data, || {
                calls += 1;
                if calls == 1 { (first, o) } else { (i, o) }
            })
        };
        let check = |message: &[u8], whole: &[u8]| {
            assert!(message.len() <= whole.len() + 8 + whole.len() / 8);
            assert_eq!(
                inflate_all(&mut Inflate::new(), &mut vec![0; 1 << bits], message).as_ref(),
                Ok(&data)
            );
        };
        let whole = run(1 << 16, 1 << 16, 1 << 16);
        for (i, o) in [(1, 1), (1, 1 << 16), (1 << 16, 1), (3, 2), (100, 7)] {
            check(&run(i, o, i), &whole);
        }
        assert_eq!(run(1 << 16, 1, 1 << 16), run(1 << 16, 1 << 16, 1 << 16));
        if data.len() <= 100 {
            for first in 0..=data.len() {
                check(&run(1 << 16, 1 << 16, first), &whole);
            }
        }
    }
}

/// Random data do not become longer than promised, and not much longer than zlib makes them.
#[test]
fn expansion() {
    let mut rng = rng(6);
    for bits in 8..=15 {
        for len in (0..300).chain([1000, 5000, 65_535, 65_536, 200_000]) {
            for kind in 0..3 {
                let data: Vec<u8> = (0..len)
                    .map(|at| match kind {
                        0 => rng.random(),
                        1 => rng.random_range(144..=255),
                        // Short matches, far apart.
                        _ if at % 5 < 3 => (at / 5 % 29) as u8,
                        _ => rng.random_range(144..=255),
                    })
                    .collect();
                let (mut state, mut window, mut hashes) = (Compress::new(), vec![0; 1 << bits], [0; 4096]);
                let room = Compress::max_len(len, window.len());
                let message = compress(&mut state, &mut window, &mut hashes, &data, || (1 << 16, room));
                assert!(message.len() <= len + 6 * (len / if bits < 9 { 128 } else { 256 } + 2));
                let out = inflate_all(&mut Inflate::new(), &mut vec![0; 1 << bits], &message);
                assert_eq!(out.as_ref(), Ok(&data));
            }
        }
    }
}

/// Attack 10: a gigabyte out of little comes out piece by piece, and what yields nothing takes no long time.
#[test]
fn bombs() {
    let total: u64 = if cfg!(debug_assertions) { 1 << 24 } else { 1 << 30 };
    let mut zlib = ZlibCompress::new(9, 15);
    let mut bomb = zlib.message(&vec![0; 1 << 20]);
    let again = zlib.message(&vec![0; 1 << 20]);
    println!("{} bytes become a MiB", again.len());
    let (mut state, mut window, mut out) = (Inflate::new(), vec![0; 1 << 15], vec![1; 4096]);
    let (mut produced, mut consumed) = (0u64, 0u64);
    while produced < total {
        let mut rest = &bomb[..];
        while !rest.is_empty() {
            let (c, p) = state.inflate(rest, &mut window, &mut out).unwrap();
            assert!(c > 0 || p == out.len());
            assert!(out[..p].iter().all(|byte| *byte == 0));
            rest = &rest[c..];
            (produced, consumed) = (produced + p as u64, consumed + c as u64);
        }
        while let (p, false) = state.finish_message(&mut window, &mut out).unwrap() {
            produced += p as u64;
        }
        bomb.clone_from(&again);
    }
    println!("{consumed} -> {produced}");
    assert!(produced / consumed > 900);

    // Blocks that yield nothing: stored, fixed, and the shortest with a code of their own.
    let mut blocks: Vec<Vec<u8>> = vec![vec![0, 0, 0, 0xff, 0xff]];
    let mut w = Writer::default();
    for _ in 0..8 {
        w.put(0b010, 3);
        w.put(0, 7);
    }
    blocks.push(std::mem::take(&mut w).bytes);
    for _ in 0..8 {
        w.put(0b100, 3);
        w.put(0, 10);
        w.put(14, 4);
        for symbol in 0..18 {
            w.put([0, 1][usize::from([2, 17].contains(&symbol))], 3);
        }
        w.put(1 | 127 << 1, 8);
        w.put(1 | 107 << 1, 8);
        w.put(0, 3);
    }
    w.align();
    blocks.push(w.bytes);
    for block in blocks {
        let size = if cfg!(debug_assertions) { 1 << 18 } else { 1 << 20 };
        let input = block.repeat(size / block.len());
        let started = Instant::now();
        let mut state = Inflate::new();
        let (consumed, produced) = state.inflate(&input, &mut window, &mut out).unwrap();
        assert!(consumed == input.len() || produced > 0);
        println!("{:x?}...: {} bytes in {:?}", &block[..3], input.len(), started.elapsed());
        assert!(started.elapsed() < Duration::from_secs(20));
    }
}

/// Calls in any order, with other memory each time: nonsense may come out, but it comes to an end, without a panic.
#[test]
fn misuse() {
    let mut rng = rng(12);
    let (mut inflate, mut compress) = (Inflate::new(), Compress::new());
    for _ in 0..streams() {
        let mut window = vec![rng.random(); 1 << rng.random_range(7..=16)];
        let mut hashes: Vec<u16> = (0..rng.random_range(0..600)).map(|_| rng.random()).collect();
        let mut out = vec![0; rng.random_range(0..300)];
        let input = data(&mut rng, 600);
        match rng.random_range(0..7) {
            0 => drop(inflate.inflate(&input, &mut window, &mut out)),
            1 => drop(inflate.inflate(&adversarial(&mut rng), &mut window, &mut out)),
            2 => drop(inflate.finish_message(&mut window, &mut out)),
            3 if rng.random_bool(0.3) => inflate.reset(),
            4 if rng.random_bool(0.1) => compress.reset(),
            5 => drop(compress.finish_message(&mut window, &mut hashes, &mut out)),
            _ => drop(compress.compress(&input, &mut window, &mut hashes, &mut out)),
        }
    }
}

fn json(rng: &mut rand::rngs::SmallRng, len: usize) -> Vec<u8> {
    if len <= 20 {
        return format!(
            "{{\"t\":{:.2},\"h\":{:.2}}}",
            rng.random_range(15.0..30.0),
            rng.random_range(20.0..80.0)
        )
        .into_bytes();
    }
    if len <= 60 {
        return format!(
            "{{\"id\":{:04},\"t\":{:.2},\"h\":{:.2},\"p\":{:.1},\"ok\":true}}",
            rng.random_range(1000..1040),
            rng.random_range(15.0..30.0),
            rng.random_range(20.0..80.0),
            rng.random_range(980.0..1030.0)
        )
        .into_bytes();
    }
    let mut text = telemetry(rng);
    while text.len() + 60 < len {
        text.push(',');
        text += &telemetry(rng);
    }
    if text.starts_with('{') && text.contains("},{") {
        format!("[{text}]").into_bytes()
    } else {
        text.into_bytes()
    }
}

/// Telemetry becomes half as long, or less.
#[test]
fn telemetry_is_halved() {
    for (len, bits, entries) in [
        (60, 10, 512),
        (60, 12, 1024),
        (120, 9, 256),
        (120, 10, 512),
        (120, 12, 1024),
        (1000, 10, 512),
        (4000, 12, 1024),
    ] {
        let mut rng = rng(7);
        let (mut state, mut window, mut hashes) = (Compress::new(), vec![0; 1 << bits], vec![0; entries]);
        let (mut before, mut after) = (0, 0);
        for _ in 0..50 {
            let data = json(&mut rng, len);
            before += data.len();
            after += compress(&mut state, &mut window, &mut hashes, &data, || (1 << 16, 1 << 16)).len();
        }
        println!("{len} {bits} {entries}: {before} -> {after}");
        assert!(after * 2 <= before, "{len} {bits} {entries}: {before} -> {after}");
    }
}

/// The table of ratios and speeds:
/// `cargo test --release --features deflate --test deflate table -- --ignored --nocapture`.
#[test]
#[ignore = "prints a table"]
fn table() {
    const SETTINGS: [(u32, usize); 3] = [(9, 256), (10, 512), (12, 2048)];
    let percent = |before: usize, after: usize| format!("{:>4.0} %", 100.0 * after as f64 / before as f64);
    for takeover in [true, false] {
        println!(
            "\nJSON telemetry, compressed to, {} context takeover\n",
            if takeover { "with" } else { "without" }
        );
        println!(
            "| message | ours 9 bits, 256 | 10 bits, 512 | 12 bits, 2048 | 15 bits, 4096 | zlib 1, 9 bits | zlib 1, 15 bits | zlib 6, 9 bits | zlib 6, 15 bits |"
        );
        println!("|---|---|---|---|---|---|---|---|---|");
        for len in [20, 60, 120, 500, 1000, 4000, 16_000, 65_536] {
            let mut rng = rng(8);
            let messages: Vec<Vec<u8>> =
                (0..(400_000 / len).clamp(20, 500)).map(|_| json(&mut rng, len)).collect();
            let before: usize = messages.iter().map(Vec::len).sum();
            print!("| {} B ", before / messages.len());
            for (bits, entries) in SETTINGS.into_iter().chain([(15, 4096)]) {
                let (mut state, mut window, mut hashes) =
                    (Compress::new(), vec![0; 1 << bits], vec![0; entries]);
                let mut after = 0;
                for data in &messages {
                    if !takeover {
                        state.reset();
                    }
                    after +=
                        compress(&mut state, &mut window, &mut hashes, data, || (1 << 17, 1 << 17)).len();
                }
                print!("| {} ", percent(before, after));
            }
            for (level, bits) in [(1, 9), (1, 15), (6, 9), (6, 15)] {
                let mut zlib = ZlibCompress::new(level, bits);
                let mut after = 0;
                for data in &messages {
                    if !takeover {
                        zlib.reset();
                    }
                    after += zlib.message(data).len();
                }
                print!("| {} ", percent(before, after));
            }
            println!("|");
        }
    }
    println!("\nMB/s of JSON telemetry, uncompressed side\n");
    println!(
        "| message | ours compresses | ours inflates ours | ours inflates zlib 6 | zlib 1 compresses | zlib 6 compresses | zlib inflates zlib 6 |"
    );
    println!("|---|---|---|---|---|---|---|");
    for len in [120, 1000, 16_000] {
        let mut rng = rng(9);
        let messages: Vec<Vec<u8>> = (0..4_000_000 / len).map(|_| json(&mut rng, len)).collect();
        let total: usize = messages.iter().map(Vec::len).sum();
        let speed = |f: &mut dyn FnMut()| {
            let started = Instant::now();
            f();
            print!("| {:.0} ", total as f64 / 1e6 / started.elapsed().as_secs_f64());
        };
        print!("| {} B ", total / messages.len());
        let (mut state, mut window, mut hashes, mut out) =
            (Compress::new(), vec![0; 1 << 12], vec![0; 2048], vec![0; 1 << 17]);
        let mut packed: Vec<Vec<u8>> = Vec::new();
        speed(&mut || {
            for data in &messages {
                let (_, a) = state.compress(data, &mut window, &mut hashes, &mut out).unwrap();
                let (b, _) = state.finish_message(&mut window, &mut hashes, &mut out[a..]).unwrap();
                packed.push(out[..a + b].to_vec());
            }
        });
        let mut unpack = |packed: &[Vec<u8>], bits: u32| {
            let (mut state, mut window) = (Inflate::new(), vec![0; 1 << bits]);
            for (message, data) in packed.iter().zip(&messages) {
                let (_, a) = state.inflate(message, &mut window, &mut out).unwrap();
                let (b, _) = state.finish_message(&mut window, &mut out[a..]).unwrap();
                assert_eq!(a + b, data.len());
            }
        };
        speed(&mut || unpack(&packed, 12));
        let mut six = ZlibCompress::new(6, 15);
        let by_six: Vec<Vec<u8>> = messages.iter().map(|data| six.message(data)).collect();
        speed(&mut || unpack(&by_six, 15));
        for level in [1, 6] {
            let mut zlib = ZlibCompress::new(level, 15);
            speed(&mut || messages.iter().for_each(|data| drop(zlib.message(data))));
        }
        speed(&mut || {
            let mut zlib = flate2::Decompress::new(false);
            for message in &by_six {
                zlib.decompress(message, &mut out, flate2::FlushDecompress::None).unwrap();
                zlib.decompress(&TAIL, &mut out, flate2::FlushDecompress::None).unwrap();
            }
        });
        println!("|");
    }
}
