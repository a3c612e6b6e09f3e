//! What the tests of permessage-deflate share: runners, references, generators.

use rand::{RngExt, SeedableRng, rngs::SmallRng};
use sockling::extension::{Compress, Inflate, InflateError};

pub const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];

pub fn rng(seed: u64) -> SmallRng {
    SmallRng::seed_from_u64(seed)
}

/// How many streams to try: 4,000 in a debug build, else 20,000; a million with `DEFLATE_STREAMS=1000000`.
pub fn streams() -> u64 {
    let few = if cfg!(debug_assertions) { 4_000 } else { 20_000 };
    std::env::var("DEFLATE_STREAMS").ok().and_then(|n| n.parse().ok()).unwrap_or(few)
}

/// Decompresses a message, `pieces` telling how long the next input and output are.
pub fn inflate(
    inflate: &mut Inflate,
    window: &mut [u8],
    mut input: &[u8],
    mut pieces: impl FnMut() -> (usize, usize),
) -> Result<Vec<u8>, InflateError> {
    let (mut all, mut out) = (Vec::new(), Vec::new());
    while !input.is_empty() {
        let (i, o) = pieces();
        let i = i.min(input.len());
        out.clear();
        out.resize(o, 0xEE);
        let (consumed, produced) = inflate.inflate(&input[..i], window, &mut out)?;
        assert!(consumed == i || produced == o, "stopped without a reason");
        assert!(consumed > 0 || produced > 0 || i == 0 || o == 0, "no progress");
        all.extend_from_slice(&out[..produced]);
        assert!(out[produced..].iter().all(|byte| *byte == 0xEE), "wrote what it did not produce");
        input = &input[consumed..];
    }
    loop {
        out.clear();
        out.resize(pieces().1, 0xEE);
        let (produced, done) = inflate.finish_message(window, &mut out)?;
        assert!(done || produced == out.len());
        all.extend_from_slice(&out[..produced]);
        if done {
            return Ok(all);
        }
    }
}

pub fn inflate_all(state: &mut Inflate, window: &mut [u8], input: &[u8]) -> Result<Vec<u8>, InflateError> {
    inflate(state, window, input, || (usize::MAX, 1 << 14))
}

/// Compresses a message, likewise.
pub fn compress(
    state: &mut Compress,
    window: &mut [u8],
    hashes: &mut [u16],
    mut input: &[u8],
    mut pieces: impl FnMut() -> (usize, usize),
) -> Vec<u8> {
    let (mut all, mut out, max) = (Vec::new(), Vec::new(), Compress::max_len(input.len(), window.len()));
    while !input.is_empty() {
        let (i, o) = pieces();
        let i = i.min(input.len());
        out.clear();
        out.resize(o, 0xEE);
        let (consumed, produced) = state.compress(&input[..i], window, hashes, &mut out).unwrap();
        assert!(consumed == i || produced == o, "stopped without a reason");
        all.extend_from_slice(&out[..produced]);
        assert!(out[produced..].iter().all(|byte| *byte == 0xEE), "wrote what it did not produce");
        input = &input[consumed..];
    }
    loop {
        out.clear();
        out.resize(pieces().1, 0xEE);
        let (produced, done) = state.finish_message(window, hashes, &mut out).unwrap();
        assert!(done || produced == out.len());
        all.extend_from_slice(&out[..produced]);
        if done {
            assert!(all.len() <= max, "{} > {max}", all.len());
            return all;
        }
    }
}

/// zlib as the one to compare with.
pub struct Zlib(flate2::Decompress);

#[derive(Debug, PartialEq, Eq)]
pub enum Ended {
    /// All input was taken, more would be taken.
    Open,
    /// After the last block, with so many bytes of the input consumed.
    Last(usize),
    Error,
}

impl Zlib {
    pub fn new() -> Self {
        Self(flate2::Decompress::new(false))
    }

    /// With a window of 9 to 15 bits; of 8, zlib has none.
    pub fn with_bits(bits: u8) -> Self {
        Self(flate2::Decompress::new_with_window_bits(false, bits.max(9)))
    }

    /// In the middle of something: what was before is known.
    pub fn after(before: &[u8]) -> Self {
        let mut zlib = Self::new();
        if !before.is_empty() {
            zlib.0.set_dictionary(&before[before.len().saturating_sub(1 << 15)..]).unwrap();
        }
        zlib
    }

    pub fn reset(&mut self) {
        self.0.reset(false);
    }

    pub fn inflate(&mut self, input: &[u8]) -> (Vec<u8>, Ended) {
        let (mut out, mut at) = (Vec::with_capacity(1 << 12), 0);
        loop {
            out.reserve(1 << 12);
            let (before_in, before_out) = (self.0.total_in(), out.len());
            let status = self.0.decompress_vec(&input[at..], &mut out, flate2::FlushDecompress::None);
            at += (self.0.total_in() - before_in) as usize;
            match status {
                Err(_) => return (out, Ended::Error),
                Ok(flate2::Status::StreamEnd) => return (out, Ended::Last(at)),
                Ok(_) if at == input.len() && out.len() < out.capacity() => return (out, Ended::Open),
                Ok(_) => assert!(at > 0 || out.len() > before_out),
            }
        }
    }
}

/// miniz_oxide likewise.
pub struct Miniz(Box<miniz_oxide::inflate::stream::InflateState>);

impl Miniz {
    pub fn new() -> Self {
        Self(miniz_oxide::inflate::stream::InflateState::new_boxed(miniz_oxide::DataFormat::Raw))
    }

    pub fn reset(&mut self) {
        self.0.reset(miniz_oxide::DataFormat::Raw);
    }

    pub fn inflate(&mut self, mut input: &[u8]) -> (Vec<u8>, Ended) {
        let (mut all, mut out, mut at) = (Vec::new(), vec![0; 1 << 12], 0);
        loop {
            let result = miniz_oxide::inflate::stream::inflate(
                &mut self.0,
                input,
                &mut out,
                miniz_oxide::MZFlush::None,
            );
            all.extend_from_slice(&out[..result.bytes_written]);
            input = &input[result.bytes_consumed..];
            at += result.bytes_consumed;
            match result.status {
                Ok(miniz_oxide::MZStatus::StreamEnd) => return (all, Ended::Last(at)),
                Ok(_) | Err(miniz_oxide::MZError::Buf) => {
                    if input.is_empty() && result.bytes_written < out.len() {
                        return (all, Ended::Open);
                    }
                }
                Err(_) => return (all, Ended::Error),
            }
        }
    }
}

/// zlib's compressor: messages with their tail removed.
pub struct ZlibCompress(flate2::Compress);

impl ZlibCompress {
    pub fn new(level: u32, window_bits: u8) -> Self {
        Self(flate2::Compress::new_with_window_bits(flate2::Compression::new(level), false, window_bits))
    }

    pub fn reset(&mut self) {
        self.0.reset();
    }

    pub fn message(&mut self, data: &[u8]) -> Vec<u8> {
        let (mut out, mut at) = (Vec::with_capacity(data.len() + 64), 0);
        loop {
            out.reserve(64);
            let before = self.0.total_in();
            self.0.compress_vec(&data[at..], &mut out, flate2::FlushCompress::Sync).unwrap();
            at += (self.0.total_in() - before) as usize;
            if at == data.len() && out.len() < out.capacity() {
                break;
            }
        }
        // With nothing to flush twice, zlib gives nothing.
        assert!(out.is_empty() || out.ends_with(&TAIL));
        out.truncate(out.len().saturating_sub(4));
        out
    }
}

/// Data of many kinds, of at most `max` bytes.
pub fn data(rng: &mut SmallRng, max: usize) -> Vec<u8> {
    let len =
        if rng.random_bool(0.5) { rng.random_range(0..=max.min(64)) } else { rng.random_range(0..=max) };
    let kind = rng.random_range(0..8);
    let mut out: Vec<u8> = Vec::with_capacity(len);
    while out.len() < len {
        match kind {
            0 => out.push(rng.random()),
            1 => out.push(rng.random_range(b'a'..b'e')),
            2 => out.extend(std::iter::repeat_n(rng.random::<u8>(), rng.random_range(1..600))),
            3 => out.extend_from_slice(telemetry(rng).as_bytes()),
            4 => {
                let word = ["lorem ", "ipsum ", "dolor ", "sit ", "amet ", "κόσμε ", "\n"];
                out.extend_from_slice(word[rng.random_range(0..word.len())].as_bytes());
            }
            5 => out.push(rng.random_range(140..=255)),
            // Pieces of what was before, and random ones.
            6 if !out.is_empty() && rng.random_bool(0.7) => {
                let back = rng.random_range(1..=out.len());
                for _ in 0..rng.random_range(1..300) {
                    out.push(out[out.len() - back]);
                }
            }
            6 => out.extend((0..rng.random_range(1..40)).map(|_| rng.random::<u8>())),
            _ => out.push(if rng.random_bool(0.9) { b' ' } else { rng.random() }),
        }
    }
    out.truncate(len);
    out
}

/// One reading of a sensor, of about 120 bytes.
pub fn telemetry(rng: &mut SmallRng) -> String {
    format!(
        "{{\"device\":\"sensor-{:04}\",\"ts\":17{:08}{:03},\"temp\":{:.2},\"hum\":{:.1},\"bat\":{:.2},\"rssi\":-{},\"seq\":{},\"state\":\"{}\"}}",
        rng.random_range(0..40),
        rng.random_range(0..100_000_000),
        rng.random_range(0..1000),
        rng.random_range(15.0..30.0),
        rng.random_range(20.0..80.0),
        rng.random_range(3.2..4.2),
        rng.random_range(40..90),
        rng.random_range(0..100_000),
        ["ok", "ok", "ok", "low", "fault"][rng.random_range(0..5)],
    )
}

/// Writes DEFLATE data, valid or not.
#[derive(Default)]
pub struct Writer {
    pub bytes: Vec<u8>,
    hold: u64,
    count: u32,
}

impl Writer {
    /// Bits, the first one lowest.
    pub fn put(&mut self, bits: u32, n: u32) {
        self.hold |= u64::from(bits) << self.count;
        self.count += n;
        while self.count >= 8 {
            self.bytes.push(self.hold as u8);
            self.hold >>= 8;
            self.count -= 8;
        }
    }

    pub fn align(&mut self) {
        if self.count > 0 {
            self.put(0, 8 - self.count);
        }
    }

    /// An element of a code: the first bit is the highest.
    pub fn code(&mut self, (code, n): (u16, u8)) {
        if n > 0 {
            self.put(u32::from(code.reverse_bits() >> (16 - n)), n.into());
        }
    }
}

/// The codes for these lengths (RFC 1951 section 3.2.2), whether or not they make sense.
pub fn codes(lengths: &[u8]) -> Vec<(u16, u8)> {
    let mut out = vec![(0, 0); lengths.len()];
    let mut code = 0u32;
    for n in 1..=15 {
        for (symbol, _) in lengths.iter().enumerate().filter(|(_, length)| **length == n) {
            out[symbol] = (code as u16, n);
            code += 1;
        }
        code <<= 1;
    }
    out
}

/// Code lengths that make a complete code of the first `used` of `n` symbols in random order.
pub fn random_lengths(rng: &mut SmallRng, n: usize, used: usize, max: u8) -> Vec<u8> {
    let mut leaves = vec![0u8];
    while leaves.len() < used {
        let at = rng.random_range(0..leaves.len());
        // Splitting the last leaf makes long codes.
        let at = if rng.random_bool(0.5) { leaves.len() - 1 } else { at };
        if leaves[at] < max {
            let leaf = leaves.swap_remove(at) + 1;
            leaves.push(leaf);
            leaves.push(leaf);
        } else if leaves.iter().all(|leaf| *leaf == max) {
            break;
        }
    }
    if leaves == [0] {
        leaves = vec![1];
    }
    let mut out = vec![0; n];
    for leaf in leaves {
        loop {
            let at = rng.random_range(0..n);
            if out[at] == 0 {
                out[at] = leaf;
                break;
            }
        }
    }
    out
}

/// A message of random blocks: all kinds of codes, lengths and distances that the format has, with mistakes now and then.
pub fn adversarial(rng: &mut SmallRng) -> Vec<u8> {
    let mut w = Writer::default();
    let sloppy = if rng.random_bool(0.5) { 0.0 } else { 0.02 };
    let mut produced = 0usize;
    for _ in 0..rng.random_range(1..4) {
        let last = rng.random_bool(0.03);
        w.put(last.into(), 1);
        let kind = if rng.random_bool(sloppy) { 3 } else { rng.random_range(0..3) };
        w.put(kind, 2);
        match kind {
            0 => {
                w.align();
                let len: u16 =
                    if rng.random_bool(0.9) { rng.random_range(0..40) } else { rng.random_range(0..2000) };
                w.put(len.into(), 16);
                w.put((!len ^ u16::from(rng.random_bool(sloppy))).into(), 16);
                for _ in 0..len {
                    w.put(rng.random::<u8>().into(), 8);
                }
                produced += usize::from(len);
            }
            1 => {
                let literals: Vec<u8> = (0..288)
                    .map(|s| match s {
                        0..144 => 8,
                        144..256 => 9,
                        256..280 => 7,
                        _ => 8,
                    })
                    .collect();
                symbols(rng, &mut w, &literals, &[5; 32], sloppy, &mut produced);
            }
            2 => {
                let (nlit, ndist) = (
                    rng.random_range(257..=if sloppy > 0.0 { 288 } else { 286 }),
                    rng.random_range(1..=if sloppy > 0.0 { 32 } else { 30 }),
                );
                let most = if rng.random_bool(0.5) { 20 } else { 257 };
                let used = rng.random_range(1..=most);
                let mut literals = random_lengths(rng, nlit, used, 15);
                if literals[256] == 0 && !rng.random_bool(sloppy) {
                    // Any used symbol gives its code to the end of block.
                    let at = literals.iter().position(|length| *length > 0).unwrap();
                    literals.swap(at, 256);
                }
                let used = rng.random_range(1..=ndist);
                let mut distances =
                    if rng.random_bool(0.1) { vec![0; ndist] } else { random_lengths(rng, ndist, used, 15) };
                if rng.random_bool(sloppy) {
                    let at = rng.random_range(0..nlit);
                    literals[at] = rng.random_range(0..16);
                }
                if rng.random_bool(sloppy) {
                    let at = rng.random_range(0..ndist);
                    distances[at] = rng.random_range(0..16);
                }
                header(rng, &mut w, &literals, &distances, sloppy);
                symbols(rng, &mut w, &literals, &distances, sloppy, &mut produced);
            }
            _ => {}
        }
        if last {
            w.align();
        }
    }
    // The first byte of the tail's block.
    w.put(0, 3);
    w.align();
    if rng.random_bool(sloppy) {
        let len = rng.random_range(0..=w.bytes.len());
        w.bytes.truncate(len);
    }
    w.bytes
}

fn header(rng: &mut SmallRng, w: &mut Writer, literals: &[u8], distances: &[u8], sloppy: f64) {
    let all: Vec<u8> = literals.iter().chain(distances).copied().collect();
    // Tokens: a symbol, and the value of its extra bits.
    let mut tokens: Vec<(u8, u32)> = Vec::new();
    let mut at = 0;
    while at < all.len() {
        let value = all[at];
        let run = all[at..].iter().take_while(|other| **other == value).count();
        let plain = rng.random_bool(0.2);
        if value == 0 && run >= 11 && !plain {
            let n = rng.random_range(11..=run.min(138));
            tokens.push((18, n as u32 - 11));
            at += n;
        } else if value == 0 && run >= 3 && !plain {
            let n = rng.random_range(3..=run.min(10));
            tokens.push((17, n as u32 - 3));
            at += n;
        } else if at > 0 && all[at - 1] == value && run >= 3 && !plain {
            let n = rng.random_range(3..=run.min(6));
            tokens.push((16, n as u32 - 3));
            at += n;
        } else {
            tokens.push((value, 0));
            at += 1;
        }
    }
    if rng.random_bool(sloppy) {
        let at = rng.random_range(0..tokens.len());
        tokens[at] = (16, 3);
    }
    if rng.random_bool(sloppy) {
        let at = rng.random_range(0..tokens.len());
        tokens[at] = (18, 127);
    }
    // A complete code of at least the symbols that there are.
    let mut used: Vec<u8> = tokens.iter().map(|token| token.0).collect();
    used.sort_unstable();
    used.dedup();
    while used.len() < 2 {
        let other = (used[0] + 1) % 19;
        used.push(other);
    }
    let mut lengths = vec![0u8; 19];
    let shape = random_lengths(rng, used.len(), used.len(), 7);
    for (symbol, length) in used.iter().zip(shape) {
        lengths[usize::from(*symbol)] = length;
    }
    if rng.random_bool(sloppy) {
        lengths[rng.random_range(0..19usize)] = rng.random_range(0..8);
    }
    const ORDER: [usize; 19] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];
    let needed = ORDER.iter().rposition(|symbol| lengths[*symbol] > 0).unwrap_or(0) + 1;
    let n = rng.random_range(needed.max(4)..=19);
    w.put(literals.len() as u32 - 257, 5);
    w.put(distances.len() as u32 - 1, 5);
    w.put(n as u32 - 4, 4);
    for symbol in &ORDER[..n] {
        w.put(lengths[*symbol].into(), 3);
    }
    let codes = codes(&lengths);
    for (symbol, extra) in tokens {
        w.code(codes[usize::from(symbol)]);
        match symbol {
            16 => w.put(extra, 2),
            17 => w.put(extra, 3),
            18 => w.put(extra, 7),
            _ => {}
        }
    }
}

fn symbols(
    rng: &mut SmallRng,
    w: &mut Writer,
    literals: &[u8],
    distances: &[u8],
    sloppy: f64,
    produced: &mut usize,
) {
    let (literal_codes, distance_codes) = (codes(literals), codes(distances));
    let there: Vec<usize> = (0..literals.len()).filter(|s| literals[*s] > 0 && *s != 256).collect();
    let lengths: Vec<usize> = there.iter().copied().filter(|s| *s > 256).collect();
    let far: Vec<usize> = (0..distances.len()).filter(|s| distances[*s] > 0).collect();
    for _ in 0..rng.random_range(0..60) {
        let pool = if rng.random_bool(0.3) && !lengths.is_empty() { &lengths } else { &there };
        if pool.is_empty() {
            break;
        }
        let symbol = pool[rng.random_range(0..pool.len())];
        if symbol < 256 {
            w.code(literal_codes[symbol]);
            *produced += 1;
            continue;
        }
        // Only distances that there are, unless it is to be wrong.
        let base = |s: usize| if s < 4 { 1 + s } else { 1 + ((2 + s % 2) << (s / 2 - 1)) };
        let near: Vec<usize> = far.iter().copied().filter(|s| *s < 30 && base(*s) <= *produced).collect();
        let wrong = rng.random_bool(sloppy);
        let pool = if wrong { &far } else { &near };
        if (symbol > 285 && !wrong) || pool.is_empty() {
            continue;
        }
        let s = symbol - 257;
        let extra = match s {
            0..8 | 28.. => 0,
            _ => s as u32 / 4 - 1,
        };
        w.code(literal_codes[symbol]);
        let value = rng.random_range(0..1u32 << extra);
        w.put(value, extra);
        let distance = pool[rng.random_range(0..pool.len())];
        let extra = if distance < 4 { 0 } else { (distance as u32 / 2 - 1).min(13) };
        let limit = if wrong || distance >= 30 { usize::MAX } else { *produced - base(distance) + 1 };
        w.code(distance_codes[distance]);
        w.put(rng.random_range(0..(1usize << extra).min(limit)) as u32, extra);
        *produced += match s {
            0..8 => 3 + s,
            8..28 => (3 + ((4 + s % 4) << (s / 4 - 1))) + value as usize,
            _ => 258,
        };
    }
    if !rng.random_bool(sloppy) {
        w.code(literal_codes[256]);
    }
}
