//! Messages through the inflater and the compressor in pieces, and what miniz_oxide makes of the same.

use miniz_oxide::{
    DataFormat, MZError, MZFlush, MZStatus,
    inflate::stream::{InflateState, inflate},
};
use sockling::extension::{Compress, Inflate, InflateError};

/// What a message leaves out at its end.
pub const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];
/// Of output; what is longer is not looked at.
pub const MOST: usize = 1 << 20;

/// How long the pieces of input and output are, over and over.
#[derive(Clone, Copy, Debug)]
pub struct Pieces {
    pub input: usize,
    pub output: usize,
}

pub const WHOLE: Pieces = Pieces { input: usize::MAX, output: 1 << 12 };

/// What comes out up to the end of the message or to an error; nothing if it is too long.
pub fn inflate_message(
    state: &mut Inflate,
    window: &mut [u8],
    mut input: &[u8],
    pieces: Pieces,
) -> Option<(Vec<u8>, Option<InflateError>)> {
    let (mut all, mut out) = (Vec::new(), vec![0; pieces.output]);
    while !input.is_empty() {
        let piece = &input[..input.len().min(pieces.input)];
        match state.inflate(piece, window, &mut out) {
            Ok((consumed, produced)) => {
                assert!(consumed == piece.len() || produced == out.len(), "stopped without a reason");
                assert!(consumed + produced > 0, "no progress");
                all.extend_from_slice(&out[..produced]);
                input = &input[consumed..];
            }
            Err(error) => return Some((all, Some(error))),
        }
        if all.len() > MOST {
            return None;
        }
    }
    loop {
        match state.finish_message(window, &mut out) {
            Ok((produced, done)) => {
                assert!(done || produced == out.len(), "stopped without a reason");
                all.extend_from_slice(&out[..produced]);
                if done {
                    return Some((all, None));
                }
            }
            Err(error) => return Some((all, Some(error))),
        }
    }
}

pub fn compress_message(
    state: &mut Compress,
    window: &mut [u8],
    hashes: &mut [u16],
    mut input: &[u8],
    pieces: Pieces,
) -> Vec<u8> {
    let max = Compress::max_len(input.len(), window.len());
    let (mut all, mut out) = (Vec::new(), vec![0; pieces.output]);
    while !input.is_empty() {
        let piece = &input[..input.len().min(pieces.input)];
        let (consumed, produced) = state.compress(piece, window, hashes, &mut out).expect("a window");
        assert!(consumed == piece.len() || produced == out.len(), "stopped without a reason");
        all.extend_from_slice(&out[..produced]);
        input = &input[consumed..];
    }
    loop {
        let (produced, done) = state.finish_message(window, hashes, &mut out).expect("a window");
        assert!(done || produced == out.len(), "stopped without a reason");
        all.extend_from_slice(&out[..produced]);
        if done {
            assert!(all.len() <= max, "longer than said");
            return all;
        }
    }
}

/// How miniz_oxide came to the end of the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// More may come.
    Open,
    /// A block was the last one.
    Last,
    Error,
}

pub struct Reference(Box<InflateState>);

impl Default for Reference {
    fn default() -> Self {
        Self(InflateState::new_boxed(DataFormat::Raw))
    }
}

impl Reference {
    pub fn reset(&mut self) {
        self.0.reset(DataFormat::Raw);
    }

    /// The next message, with what was left out at its end.
    pub fn inflate(&mut self, message: &[u8]) -> (Vec<u8>, End) {
        let input = [message, &TAIL].concat();
        let (mut rest, mut all, mut out) = (&input[..], Vec::new(), vec![0; 1 << 12]);
        loop {
            let result = inflate(&mut self.0, rest, &mut out, MZFlush::None);
            all.extend_from_slice(&out[..result.bytes_written]);
            rest = &rest[result.bytes_consumed..];
            match result.status {
                Ok(MZStatus::StreamEnd) => return (all, End::Last),
                Ok(_) | Err(MZError::Buf) if rest.is_empty() && result.bytes_written < out.len() => {
                    return (all, End::Open);
                }
                Ok(_) | Err(MZError::Buf) => {}
                Err(_) => return (all, End::Error),
            }
        }
    }
}
