use core::fmt;
use std::{boxed::Box, vec::Vec};

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

use super::{
    Codec, Decoded, Decoder, DeflateConfig, Direction, Encoded, Encoder, Negotiated, Progress, TAIL,
    Undecodable, codec::sealed::Sealed,
};
use crate::{Buffer, Growing, MisuseError, frame::RSV1};

/// How a connection with an allocator compresses: permessage-deflate (RFC 7692) by zlib.
///
/// ```no_run
/// use sockling::{ConnectOptions, net::DeflateOptions};
/// let deflate = DeflateOptions::new().level(6).min_len(128);
/// let mut ws = ConnectOptions::new().deflate(deflate).connect("wss://stream.example/feed")?;
/// # Ok::<(), sockling::net::Error>(())
/// ```
///
/// Where the peer does not agree, messages are sent as they are.
///
/// A connection that agreed to it takes about 370 KiB to compress and 47 KiB to decompress with windows of 32 KiB
/// (2<sup>15</sup> bytes), smaller windows less; and as much as the largest message received, decompressed. The table in
/// the README says what messages become, and how fast.
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct DeflateOptions {
    config: DeflateConfig,
    level: u32,
    min_len: usize,
}

impl Default for DeflateOptions {
    fn default() -> Self {
        Self::new()
    }
}

impl DeflateOptions {
    /// The defaults that the methods name.
    pub const fn new() -> Self {
        Self { config: DeflateConfig::DEFAULT, level: 1, min_len: 32 }
    }

    /// How much work goes into making messages small: 1 (fast) to 9 (small). Default 1, which on
    /// messages is many times as fast as 6 and leaves a fifth to a half more.
    pub fn level(mut self, level: u32) -> Self {
        self.level = level.clamp(1, 9);
        self
    }

    /// Messages of fewer bytes are sent as they are; of one that is sent in parts, the first part counts. Default 32.
    pub const fn min_len(mut self, bytes: usize) -> Self {
        self.min_len = bytes;
        self
    }

    /// What is asked of the peer: windows, context takeover, whether this end compresses.
    pub const fn config(mut self, config: DeflateConfig) -> Self {
        self.config = config;
        self
    }
}

/// permessage-deflate by zlib, if that is wanted and agreed to: the codec of [`net::WebSocket`](crate::net::WebSocket).
#[derive(Debug)]
pub struct Zlib {
    options: Option<DeflateOptions>,
    max_message: u32,
    decoder: ZlibDecoder,
    encoder: ZlibEncoder,
}

impl Zlib {
    /// Wants what `options` say, or nothing. No message becomes larger than `max_message` bytes.
    #[must_use]
    pub const fn new(options: Option<DeflateOptions>, max_message: u32) -> Self {
        Self { options, max_message, decoder: ZlibDecoder(None), encoder: ZlibEncoder(None) }
    }
}

impl Sealed for Zlib {}

impl Codec for Zlib {
    type Decoder = ZlibDecoder;
    type Encoder = ZlibEncoder;

    fn decoder(&self) -> &ZlibDecoder {
        &self.decoder
    }

    fn both(&mut self) -> (&mut ZlibDecoder, &mut ZlibEncoder) {
        (&mut self.decoder, &mut self.encoder)
    }

    fn into_both(self) -> (ZlibDecoder, ZlibEncoder) {
        (self.decoder, self.encoder)
    }

    fn config(&self) -> Result<Option<DeflateConfig>, MisuseError> {
        Ok(self.options.map(|options| options.config))
    }

    fn agree(&mut self, negotiated: Negotiated) {
        let Some(options) = self.options else { return };
        self.decoder.0 = Some(Box::new(Inflating::new(negotiated.receive, self.max_message)));
        if options.config.compress && negotiated.send.window_bits >= 9 {
            self.encoder.0 = Some(Box::new(Deflating::new(negotiated.send, &options)));
        }
    }

    fn restart(&mut self) {
        (self.decoder.0, self.encoder.0) = (None, None);
    }
}

/// The receiving direction of [`Zlib`].
#[derive(Debug)]
pub struct ZlibDecoder(Option<Box<Inflating>>);

struct Inflating {
    zlib: Decompress,
    context_takeover: bool,
    /// Whether the message has begun.
    begun: bool,
    /// Whether what was consumed ends with a block that is marked as the last one.
    ended: bool,
    output: Growing,
    /// How much of the output is filled.
    len: usize,
}

/// The tail and an empty block. If the message ends inside of a block, zlib may take the tail for the end of that one and
/// for the length of another, which is not told from the end of a message; but then the rest are data.
const TAIL_AND_MORE: [u8; 9] = [0, 0, 0xff, 0xff, 0, 0, 0, 0xff, 0xff];

impl Inflating {
    fn new(direction: Direction, max_message: u32) -> Self {
        const AT_FIRST: usize = 16 << 10;
        // One byte more, which shows that a message is over the limit.
        let most = usize::try_from(max_message).unwrap_or(usize::MAX).saturating_add(1);
        Self {
            zlib: Decompress::new_with_window_bits(false, direction.window_bits.clamp(9, 15)),
            context_takeover: direction.context_takeover,
            begun: false,
            ended: false,
            output: Growing::new(AT_FIRST.min(most), most),
            len: 0,
        }
    }

    /// Returns how many bytes were consumed, and whether that is because the output is full.
    fn inflate(&mut self, input: &[u8], limit: usize) -> Result<(usize, bool), Undecodable> {
        let before = self.len;
        let mut consumed = 0;
        loop {
            let rest = input.get(consumed..).unwrap_or_default();
            let room = self.output.bytes_mut().get_mut(self.len..).unwrap_or_default();
            let most = limit.saturating_add(1).saturating_sub(self.len - before);
            let room = room.get_mut(..most.min(room.len())).unwrap_or_default();
            if room.is_empty() {
                return Ok((consumed, true));
            }
            let (total_in, total_out) = (self.zlib.total_in(), self.zlib.total_out());
            let status = self.zlib.decompress(rest, room, FlushDecompress::Sync).map_err(|_| Undecodable)?;
            let moved = |now: u64, then: u64| usize::try_from(now.wrapping_sub(then)).unwrap_or(usize::MAX);
            let (taken, made) =
                (moved(self.zlib.total_in(), total_in), moved(self.zlib.total_out(), total_out));
            let full = made == room.len();
            self.ended = status == Status::StreamEnd || self.ended && taken == 0;
            consumed += taken;
            self.len += made;
            if status == Status::StreamEnd {
                // RFC 7692 section 7.2.3.4 has a block marked as the last one: what follows is a stream of its own.
                self.zlib.reset(false);
                if consumed == input.len() {
                    return Ok((consumed, false));
                }
            } else if full {
                return Ok((consumed, true));
            } else if taken == 0 && made == 0 || consumed == input.len() {
                return if consumed == input.len() { Ok((consumed, false)) } else { Err(Undecodable) };
            }
        }
    }
}

impl Sealed for ZlibDecoder {}

impl Decoder for ZlibDecoder {
    const ACTIVE: bool = true;

    fn rsv(&self) -> u8 {
        if self.0.is_some() { RSV1 } else { 0 }
    }

    fn begin(&mut self) {
        if let Some(inflating) = &mut self.0 {
            (inflating.begun, inflating.ended) = (false, false);
            if !inflating.context_takeover {
                inflating.zlib.reset(false);
            }
        }
    }

    fn decode(&mut self, input: &[u8], fin: bool, limit: usize) -> Result<Decoded, Undecodable> {
        let inflating = self.0.as_mut().ok_or(Undecodable)?;
        let before = inflating.len;
        inflating.begun |= !input.is_empty();
        let (consumed, full) = inflating.inflate(input, limit)?;
        let mut progress = if full { Progress::Output } else { Progress::Input };
        if fin && !full {
            // "Append 4 octets of 0x00 0x00 0xff 0xff to the tail end of the payload of the message." Some senders leave
            // an empty message without any, others mark the last block of any message, and leave it at that.
            let tail = if inflating.begun && !inflating.ended { &TAIL_AND_MORE[..] } else { &[] };
            let limit = limit.saturating_sub(inflating.len - before);
            let before = inflating.len;
            let (_, full) = inflating.inflate(tail, limit)?;
            // It is an empty block, and so is what follows it, unless it was taken for something else because the message ends
            // inside of another one: then zlib finds that wrong, or takes it for data.
            if inflating.len > before {
                return Err(Undecodable);
            }
            progress = if full { Progress::Output } else { Progress::Done };
        }
        Ok(Decoded { consumed, progress })
    }

    fn output(&self) -> &[u8] {
        match &self.0 {
            Some(inflating) => inflating.output.bytes().get(..inflating.len).unwrap_or_default(),
            None => &[],
        }
    }

    fn clear(&mut self) {
        if let Some(inflating) = &mut self.0 {
            inflating.len = 0;
        }
    }

    fn grow(&mut self) -> bool {
        self.0.as_mut().is_some_and(|inflating| inflating.output.grow())
    }
}

/// The sending direction of [`Zlib`].
#[derive(Debug)]
pub struct ZlibEncoder(Option<Box<Deflating>>);

struct Deflating {
    zlib: Compress,
    context_takeover: bool,
    enabled: bool,
    min_len: usize,
    /// What was compressed and has not left: from `start` on.
    ready: Vec<u8>,
    start: usize,
    /// All input was compressed to its end.
    flushed: bool,
}

impl Deflating {
    /// So much input is compressed at once: what is ready never takes more than a little over that.
    const PIECE: usize = 64 << 10;

    fn new(direction: Direction, options: &DeflateOptions) -> Self {
        let level = Compression::new(options.level);
        Self {
            zlib: Compress::new_with_window_bits(level, false, direction.window_bits.clamp(9, 15)),
            context_takeover: direction.context_takeover,
            enabled: true,
            min_len: options.min_len,
            ready: Vec::new(),
            start: 0,
            flushed: false,
        }
    }

    /// Compresses all of `input` to `ready`, which is empty.
    fn compress(&mut self, input: &[u8], flush: FlushCompress) {
        const GROWTH: usize = 1024;
        self.ready.clear();
        self.start = 0;
        let mut rest = input;
        loop {
            self.ready.reserve(rest.len().max(GROWTH));
            let before = self.zlib.total_in();
            // The only error is a call with no room.
            let _ = self.zlib.compress_vec(rest, &mut self.ready, flush);
            let taken = usize::try_from(self.zlib.total_in().wrapping_sub(before)).unwrap_or(usize::MAX);
            rest = rest.get(taken..).unwrap_or_default();
            if rest.is_empty() && self.ready.len() < self.ready.capacity() {
                break;
            }
        }
    }
}

impl Sealed for ZlibEncoder {}

impl Encoder for ZlibEncoder {
    const ACTIVE: bool = true;

    fn begin(&mut self, len: usize, _: bool) -> bool {
        let Some(deflating) = &mut self.0 else { return false };
        if !deflating.enabled || len < deflating.min_len {
            return false;
        }
        if !deflating.context_takeover {
            deflating.zlib.reset();
        }
        true
    }

    fn encode(&mut self, input: &[u8], fin: bool, output: &mut [u8]) -> Encoded {
        let mut encoded = Encoded { consumed: 0, produced: 0, done: false };
        let Some(deflating) = &mut self.0 else { return encoded };
        loop {
            let ready = deflating.ready.get(deflating.start..).unwrap_or_default();
            let room = output.get_mut(encoded.produced..).unwrap_or_default();
            let n = ready.len().min(room.len());
            for (to, from) in room.iter_mut().zip(ready) {
                *to = *from;
            }
            encoded.produced += n;
            deflating.start += n;
            if n < ready.len() {
                return encoded;
            }
            if deflating.flushed {
                deflating.flushed = false;
                encoded.done = true;
                return encoded;
            }
            let rest = input.get(encoded.consumed..).unwrap_or_default();
            let (piece, rest) = rest.split_at_checked(Deflating::PIECE).unwrap_or((rest, &[]));
            encoded.consumed += piece.len();
            if rest.is_empty() {
                deflating.compress(piece, FlushCompress::Sync);
                deflating.flushed = true;
                if fin && deflating.ready.is_empty() {
                    // Nothing came since the last block was ended, and zlib ends none twice: "append an empty DEFLATE block
                    // with no compression", of which this is the first octet, and the tail is the rest.
                    deflating.ready.push(0);
                } else if fin && deflating.ready.ends_with(&TAIL) {
                    // "Remove 4 octets (that are 0x00 0x00 0xff 0xff) from the tail end."
                    deflating.ready.truncate(deflating.ready.len() - TAIL.len());
                }
            } else {
                deflating.compress(piece, FlushCompress::None);
            }
        }
    }

    fn set_enabled(&mut self, enabled: bool) {
        if let Some(deflating) = &mut self.0 {
            deflating.enabled = enabled;
        }
    }
}

impl fmt::Debug for Inflating {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inflating").finish_non_exhaustive()
    }
}

impl fmt::Debug for Deflating {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deflating").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::vec::Vec;

    use super::*;
    use crate::extension::{Inflate, InflateError};

    fn message(encoder: &mut ZlibEncoder, parts: &[&[u8]], room: usize) -> Vec<u8> {
        let mut all = Vec::new();
        assert!(encoder.begin(parts[0].len(), parts.len() == 1));
        for (n, part) in parts.iter().enumerate() {
            let mut rest = *part;
            loop {
                let mut out = std::vec![0; room];
                let encoded = encoder.encode(rest, n + 1 == parts.len(), &mut out);
                rest = &rest[encoded.consumed..];
                all.extend_from_slice(&out[..encoded.produced]);
                if encoded.done {
                    break;
                }
            }
        }
        all
    }

    /// zlib writes nothing for an empty part behind the end of a block.
    #[test]
    fn empty_messages_and_parts() -> Result<(), InflateError> {
        for (room, context_takeover) in [(1, true), (1, false), (100, true), (100, false)] {
            let options = DeflateOptions::new().min_len(0);
            let direction = Direction { window_bits: 15, context_takeover };
            let mut encoder = ZlibEncoder(Some(Box::new(Deflating::new(direction, &options))));
            let (mut inflate, mut window) = (Inflate::new(), std::vec![0; 1 << 15]);
            for parts in [
                &[&b""[..]][..],
                &[b""],
                &[b"Hello"],
                &[b""],
                &[b"", b"Hello", b""],
                &[b"", b""],
                &[b"Hello", b"", b"", b"Hello", b""],
                &[b"", b"Hello"],
                &[b""],
            ] {
                let compressed = message(&mut encoder, parts, room);
                assert!(!compressed.is_empty(), "RFC 7692 section 7.2.3.6 has 0x00 for it");
                let mut out = [0; 64];
                let (consumed, a) = inflate.inflate(&compressed, &mut window, &mut out)?;
                let (b, done) = inflate.finish_message(&mut window, &mut out[a..])?;
                assert_eq!((consumed, done), (compressed.len(), true), "{parts:?}");
                assert_eq!(out[..a + b], *parts.concat(), "{parts:?}: {compressed:x?}");
            }
        }
        Ok(())
    }
}
