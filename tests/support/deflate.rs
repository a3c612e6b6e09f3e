//! permessage-deflate on connections: codecs that were agreed to, and what a peer compresses.

use flate2::{Compress, Compression, FlushCompress};
use sockling::{
    Kind, Role,
    extension::{Codec, Compressor, Deflate, Direction, Inflater, Negotiated},
};

use super::{
    Script, Seen,
    drive::{Fail, Got, Joiner, Setup, Ws, key},
    frame, frames,
    pair::Take,
    unfinished,
};

pub type Fixed = Deflate<Inflater<Vec<u8>, Vec<u8>>, Compressor<Vec<u8>, Vec<u16>>>;

pub const BOTH: Direction = Direction { window_bits: 15, context_takeover: true };

/// In fixed memory, agreed on with these windows.
pub fn fixed(receive: Direction, send: Direction, output: usize) -> Fixed {
    let window = |direction: Direction| vec![0; 1 << direction.window_bits.max(9)];
    let mut deflate = Deflate::new(
        Inflater::new(window(receive), vec![0; output]),
        Compressor::new(window(send), vec![0; 512]).min_len(0),
    );
    deflate.agree(Negotiated { send, receive });
    deflate
}

pub fn plain_fixed() -> Fixed {
    fixed(BOTH, BOTH, 600)
}

/// What a connection comes to: what it received, how it ended, what it sent.
pub type Outcome = (Vec<Got>, Fail, Vec<Seen>);

/// Receives until an error, with both drivers, at every step, whole and in parts: all have to agree.
pub fn outcome<C: Codec>(setup: &Setup, input: &[u8], takes: &[Take], codec: impl Fn() -> C) -> Outcome {
    let mut first: Option<Outcome> = None;
    for (step, take) in setup.steps.iter().flat_map(|step| takes.iter().map(move |take| (step, take))) {
        for driver in ["blocking", "async"] {
            let io = Script::new(input, *step).hanging();
            let outcome = if driver == "blocking" {
                run(&mut setup.blocking(&io).with_codec(codec()), *take, &io)
            } else {
                run(&mut setup.asynch(&io).with_codec(codec()), *take, &io)
            };
            let first = first.get_or_insert_with(|| outcome.clone());
            assert_eq!(outcome, *first, "{driver}, {take:?}, {step} bytes at a time");
        }
    }
    first.unwrap()
}

fn run(ws: &mut dyn Ws, take: Take, io: &Script) -> Outcome {
    let (mut got, mut joiner) = (vec![], Joiner::default());
    let end = loop {
        let next = match take {
            Take::Parts => ws.recv_part().map(|piece| joiner.push(piece, true)),
            _ => ws.recv().map(Some),
        };
        match next {
            Ok(message) => got.extend(message),
            Err(error) => break error,
        }
    };
    (got, end, frames(&io.output.borrow()))
}

pub const EITHER: [Take; 2] = [Take::Whole, Take::Parts];

/// The same with the codec in fixed memory, and with zlib's where there is one.
pub fn each(setup: &Setup, input: &[u8]) -> Outcome {
    let outcome_of_fixed = outcome(setup, input, &EITHER, plain_fixed);
    assert_eq!(
        by_zlib(setup, input, &EITHER, 1000).unwrap_or_else(|| outcome_of_fixed.clone()),
        outcome_of_fixed
    );
    outcome_of_fixed
}

/// With zlib's, where there is one.
#[cfg(feature = "std")]
pub fn by_zlib(setup: &Setup, input: &[u8], takes: &[Take], limit: u32) -> Option<Outcome> {
    Some(outcome(setup, input, takes, || zlib(limit)))
}

#[cfg(not(feature = "std"))]
pub fn by_zlib(_: &Setup, _: &[u8], _: &[Take], _: u32) -> Option<Outcome> {
    None
}

/// By zlib, with messages of up to `limit` bytes.
#[cfg(feature = "std")]
pub fn zlib(limit: u32) -> sockling::extension::Zlib {
    let options = sockling::net::DeflateOptions::new().min_len(0);
    let mut zlib = sockling::extension::Zlib::new(Some(options), limit);
    zlib.agree(Negotiated { send: BOTH, receive: BOTH });
    zlib
}

/// RFC 7692 section 7.2.3.1.
pub const HELLO: [u8; 7] = [0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];

/// A message's payload (section 7.2.1), as zlib compresses it at a level of 0 to 9.
pub fn compressed(message: &[u8], level: u32) -> Vec<u8> {
    let mut out = flushed(message, level, FlushCompress::Sync);
    assert!(out.ends_with(&[0, 0, 0xff, 0xff]));
    out.truncate(out.len() - 4);
    out
}

fn flushed(data: &[u8], level: u32, flush: FlushCompress) -> Vec<u8> {
    let mut zlib = Compress::new(Compression::new(level), false);
    let mut out = Vec::with_capacity(data.len() + 1000);
    zlib.compress_vec(data, &mut out, flush).unwrap();
    assert!(zlib.total_in() == data.len() as u64 && out.len() < out.capacity());
    out
}

/// What a bomb becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    Zeros,
    Text,
    /// Compressed data that would become zeros.
    Nested,
}

pub const CONTENTS: [Content; 3] = [Content::Zeros, Content::Text, Content::Nested];

/// A message that becomes much larger than it is. It repeats one unit, so that one of a gibibyte takes no time to make
/// and no memory to hold.
#[derive(Clone, Debug)]
pub struct Bomb {
    pub content: Content,
    /// What a unit becomes.
    pub data: Vec<u8>,
    unit: Vec<u8>,
    pub count: usize,
}

/// How a bomb goes over the wire: `head`, `count` times `unit`, `tail`.
#[derive(Clone, Debug)]
pub struct Wire {
    pub head: Vec<u8>,
    pub unit: Vec<u8>,
    pub count: usize,
    pub tail: Vec<u8>,
}

impl Bomb {
    /// What one unit becomes at most.
    pub const UNIT: usize = 1 << 20;

    /// Becomes `size` bytes: less than a unit, or units.
    pub fn new(content: Content, size: usize) -> Self {
        let nested = flushed(&[0; 20_000], 9, FlushCompress::Full);
        let pattern = match content {
            Content::Zeros => &[0][..],
            Content::Text => b"All work and no play makes Jack a dull boy. ",
            Content::Nested => &nested,
        };
        let count = size.div_ceil(Self::UNIT);
        let data: Vec<u8> = pattern.iter().copied().cycle().take(size / count).collect();
        assert_eq!(data.len() * count, size);
        // A full flush forgets the window, so that it can be repeated.
        let mut unit = flushed(&data, 9, FlushCompress::Full);
        while !unit.len().is_multiple_of(4) {
            // An empty block: then each unit is masked like the one before.
            unit.extend([0, 0, 0, 0xff, 0xff]);
        }
        Self { content, data, unit, count }
    }

    fn opcode(&self) -> u8 {
        if self.content == Content::Text { 1 } else { 2 }
    }

    /// As one frame for an end with this role.
    pub fn whole(&self, role: Role) -> Wire {
        let (key, len) = (key(role), self.unit.len());
        // The first byte of an empty block, of which the rest is appended by the receiver.
        let end = [0];
        let all = len * self.count + end.len();
        let mut head = unfinished(0xC0 | self.opcode(), b"", all, key);
        head.shrink_to_fit();
        let mut unit = frame(0, &self.unit, key);
        unit.drain(..unit.len() - len);
        let mut tail = frame(0, &end, key);
        tail.drain(..tail.len() - end.len());
        Wire { head, unit, count: self.count, tail }
    }

    /// The same in fragments of at most `len` bytes.
    pub fn fragments(&self, role: Role, len: usize) -> Wire {
        let key = key(role);
        Wire {
            head: frame(0x40 | self.opcode(), b"", key),
            unit: self.unit.chunks(len).flat_map(|chunk| frame(0, chunk, key)).collect(),
            count: self.count,
            tail: frame(0x80, &[0], key),
        }
    }

    /// What it becomes, as the joined parts or message of a connection.
    pub fn becomes(&self) -> Got {
        let data = self.data.repeat(self.count);
        Got::of(if self.opcode() == 1 { Kind::Text } else { Kind::Binary }, &data, true)
    }
}
