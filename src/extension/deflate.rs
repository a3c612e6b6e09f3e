use super::{
    Codec, Compress, Decoded, Decoder, DeflateConfig, Direction, Encoded, Encoder, Inflate, Negotiated,
    Progress, TAIL, Undecodable, codec::sealed::Sealed, window_mask,
};
use crate::{Buffer, MisuseError, frame::RSV1};

/// permessage-deflate in memory of the caller's: `D` decompresses, [`Inflater`]; `E` compresses, [`Compressor`], or
/// sends all messages as they are, [`Uncompressed`].
#[derive(Clone, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Deflate<D, E> {
    decoder: D,
    encoder: E,
    server_no_context_takeover: bool,
    client_no_context_takeover: bool,
}

impl<D, E> Deflate<D, E> {
    /// From its two directions.
    #[must_use]
    pub const fn new(decoder: D, encoder: E) -> Self {
        Self { decoder, encoder, server_no_context_takeover: false, client_no_context_takeover: false }
    }

    /// Asks for messages of the server's that are compressed each on its own:
    /// [`DeflateConfig::server_no_context_takeover`].
    #[must_use]
    pub fn server_no_context_takeover(mut self) -> Self {
        self.server_no_context_takeover = true;
        self
    }

    /// Asks for messages of the client's that are compressed each on its own:
    /// [`DeflateConfig::client_no_context_takeover`].
    #[must_use]
    pub fn client_no_context_takeover(mut self) -> Self {
        self.client_no_context_takeover = true;
        self
    }
}

impl<D, E> Sealed for Deflate<D, E> {}

impl<W: AsRef<[u8]> + AsMut<[u8]>, O: Buffer, E: Compressing> Codec for Deflate<Inflater<W, O>, E> {
    type Decoder = Inflater<W, O>;
    type Encoder = E;

    fn decoder(&self) -> &Self::Decoder {
        &self.decoder
    }

    fn both(&mut self) -> (&mut Self::Decoder, &mut E) {
        (&mut self.decoder, &mut self.encoder)
    }

    fn into_both(self) -> (Self::Decoder, E) {
        (self.decoder, self.encoder)
    }

    fn config(&self) -> Result<Option<DeflateConfig>, MisuseError> {
        let send_window_bits = self.encoder.window_bits()?;
        if self.decoder.output.bytes().is_empty() {
            return Err(MisuseError::WindowLength);
        }
        Ok(Some(DeflateConfig {
            server_no_context_takeover: self.server_no_context_takeover,
            client_no_context_takeover: self.client_no_context_takeover,
            receive_window_bits: bits(self.decoder.window.as_ref())?,
            send_window_bits: send_window_bits.unwrap_or(9),
            compress: send_window_bits.is_some(),
        }))
    }

    fn agree(&mut self, negotiated: Negotiated) {
        self.decoder.agreed = Some(negotiated.receive);
        self.encoder.agree(negotiated.send);
    }

    fn restart(&mut self) {
        let Inflater { inflate, agreed, len, .. } = &mut self.decoder;
        inflate.reset();
        (*agreed, *len) = (None, 0);
        self.encoder.restart();
    }
}

/// What can be the compressing half of a [`Deflate`].
pub trait Compressing: Encoder {
    /// The binary logarithm of its window's length in bytes; `None` if it does not compress.
    ///
    /// # Errors
    /// [`MisuseError::WindowLength`].
    fn window_bits(&self) -> Result<Option<u8>, MisuseError>;

    /// What was negotiated for it.
    fn agree(&mut self, direction: Direction);

    /// Forgets a connection: [`Codec::restart`].
    fn restart(&mut self);
}

/// Decompresses what is received, in a window `W` and into an output buffer `O`.
///
/// A message that is received whole is assembled in the output, which so is the limit of its size; `recv_part` passes
/// messages of any size through an output of any size.
#[derive(Clone, Debug)]
pub struct Inflater<W, O> {
    inflate: Inflate,
    agreed: Option<Direction>,
    /// How much of the output is filled.
    len: usize,
    window: W,
    output: O,
}

impl<W, O> Inflater<W, O> {
    /// `window` has a power of two of bytes, 512 to 32,768: the peer is asked to do with that. `output` has at least one
    /// byte. Other lengths are refused when connecting or accepting, with [`MisuseError::WindowLength`].
    #[must_use]
    pub const fn new(window: W, output: O) -> Self {
        Self { inflate: Inflate::new(), agreed: None, len: 0, window, output }
    }
}

impl<W, O> Sealed for Inflater<W, O> {}

impl<W: AsRef<[u8]> + AsMut<[u8]>, O: Buffer> Decoder for Inflater<W, O> {
    const ACTIVE: bool = true;

    fn rsv(&self) -> u8 {
        if self.agreed.is_some() { RSV1 } else { 0 }
    }

    fn begin(&mut self) {
        if self.agreed.is_none_or(|agreed| !agreed.context_takeover) {
            self.inflate.reset();
        }
    }

    fn decode(&mut self, input: &[u8], fin: bool, limit: usize) -> Result<Decoded, Undecodable> {
        // No more than was agreed on, so that a distance that goes further back is found out.
        let window = window(self.window.as_mut(), self.agreed);
        let room = self.output.bytes_mut().get_mut(self.len..).unwrap_or_default();
        let most = room.len().min(limit.saturating_add(1));
        let room = room.get_mut(..most).unwrap_or_default();
        let (consumed, produced, full) =
            self.inflate.advance(input, window, room).map_err(|_| Undecodable)?;
        self.len += produced;
        let mut progress = if full { Progress::Output } else { Progress::Input };
        if fin && !full {
            let room = room.get_mut(produced..).unwrap_or_default();
            let (produced, done) = self.inflate.finish_message(window, room).map_err(|_| Undecodable)?;
            self.len += produced;
            progress = if done { Progress::Done } else { Progress::Output };
        }
        Ok(Decoded { consumed, progress })
    }

    fn output(&self) -> &[u8] {
        self.output.bytes().get(..self.len).unwrap_or_default()
    }

    fn clear(&mut self) {
        self.len = 0;
    }

    fn grow(&mut self) -> bool {
        self.output.grow()
    }
}

/// Compresses what is sent, with a window `W` and a table of hashes `H`.
#[derive(Clone, Debug)]
pub struct Compressor<W, H> {
    compress: Compress,
    agreed: Option<Direction>,
    enabled: bool,
    /// Messages of fewer bytes are not compressed.
    min_len: usize,
    ending: Ending,
    window: W,
    hashes: H,
}

/// How far the end of a message, or of a part of one, is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    No,
    Block,
    /// So many bytes of the tail, which only the end of a message goes without.
    Tail(usize),
}

impl<W, H> Compressor<W, H> {
    /// `window` has a power of two of bytes, 512 to 32,768; `hashes` a power of two of entries, of which 256 to 4,096 are
    /// useful. Other lengths are refused when connecting or accepting, with [`MisuseError::WindowLength`].
    /// Messages of fewer than 32 bytes are not compressed.
    #[must_use]
    pub const fn new(window: W, hashes: H) -> Self {
        let (compress, ending) = (Compress::new(), Ending::No);
        Self { compress, agreed: None, enabled: true, min_len: 32, ending, window, hashes }
    }

    /// Does not compress messages of fewer than `bytes` bytes. Of a message that is sent in parts, the first one counts.
    #[must_use]
    pub fn min_len(self, bytes: usize) -> Self {
        Self { min_len: bytes, ..self }
    }
}

impl<W, H> Sealed for Compressor<W, H> {}

impl<W: AsRef<[u8]> + AsMut<[u8]>, H: AsRef<[u16]> + AsMut<[u16]>> Compressing for Compressor<W, H> {
    fn window_bits(&self) -> Result<Option<u8>, MisuseError> {
        if !self.hashes.as_ref().len().is_power_of_two() {
            return Err(MisuseError::WindowLength);
        }
        bits(self.window.as_ref()).map(Some)
    }

    fn agree(&mut self, direction: Direction) {
        self.agreed = Some(direction);
    }

    fn restart(&mut self) {
        self.compress.reset();
        (self.agreed, self.enabled, self.ending) = (None, true, Ending::No);
    }
}

impl<W: AsRef<[u8]> + AsMut<[u8]>, H: AsRef<[u16]> + AsMut<[u16]>> Encoder for Compressor<W, H> {
    const ACTIVE: bool = true;

    fn begin(&mut self, len: usize, _: bool) -> bool {
        let Some(agreed) = self.agreed else { return false };
        if !self.enabled || len < self.min_len {
            return false;
        }
        if !agreed.context_takeover {
            self.compress.reset();
        }
        self.ending = Ending::No;
        true
    }

    fn encode(&mut self, input: &[u8], fin: bool, output: &mut [u8]) -> Encoded {
        let (window, hashes) = (window(self.window.as_mut(), self.agreed), self.hashes.as_mut());
        let mut encoded = Encoded { consumed: 0, produced: 0, done: false };
        if self.ending == Ending::No {
            // The window was checked.
            let Ok((consumed, produced)) = self.compress.compress(input, window, hashes, output) else {
                return encoded;
            };
            (encoded.consumed, encoded.produced) = (consumed, produced);
            if consumed < input.len() {
                return encoded;
            }
            self.ending = Ending::Block;
        }
        if self.ending == Ending::Block {
            let room = output.get_mut(encoded.produced..).unwrap_or_default();
            let Ok((produced, done)) = self.compress.finish_message(window, hashes, room) else {
                return encoded;
            };
            encoded.produced += produced;
            if !done {
                return encoded;
            }
            self.ending = Ending::Tail(if fin { TAIL.len() } else { 0 });
        }
        if let Ending::Tail(written) = &mut self.ending {
            let tail = TAIL.get(*written..).unwrap_or_default();
            let room = output.get_mut(encoded.produced..).unwrap_or_default();
            for (to, from) in room.iter_mut().zip(tail) {
                *to = *from;
                *written += 1;
                encoded.produced += 1;
            }
            encoded.done = *written == TAIL.len();
        }
        if encoded.done {
            self.ending = Ending::No;
        }
        encoded
    }

    fn set_enabled(&mut self, enabled: bool) {
        self.enabled = enabled;
    }
}

/// The compressing half that does not compress: messages are sent as they are, and need no memory.
#[derive(Clone, Copy, Debug, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Uncompressed;

impl Sealed for Uncompressed {}

impl Compressing for Uncompressed {
    fn window_bits(&self) -> Result<Option<u8>, MisuseError> {
        Ok(None)
    }

    fn agree(&mut self, _: Direction) {}

    fn restart(&mut self) {}
}

impl Encoder for Uncompressed {
    const ACTIVE: bool = false;

    fn begin(&mut self, _: usize, _: bool) -> bool {
        false
    }

    fn encode(&mut self, _: &[u8], _: bool, _: &mut [u8]) -> Encoded {
        Encoded { consumed: 0, produced: 0, done: true }
    }

    fn set_enabled(&mut self, _: bool) {}
}

format_by_name!("Inflater", [W, O] Inflater<W, O>);
format_by_name!("Compressor", [W, H] Compressor<W, H>);

/// The binary logarithm of a window's length. 256 bytes do only where the peer asked for them: no end offers them.
fn bits(window: &[u8]) -> Result<u8, MisuseError> {
    match window_mask(window) {
        Ok(0x1FF..) => u8::try_from(window.len().trailing_zeros()).map_err(|_| MisuseError::WindowLength),
        _ => Err(MisuseError::WindowLength),
    }
}

/// As much of the memory as was agreed on.
fn window(memory: &mut [u8], agreed: Option<Direction>) -> &mut [u8] {
    let len = agreed.map_or(memory.len(), |agreed| 1 << agreed.window_bits.min(15));
    let most = memory.len().min(len);
    memory.get_mut(..most).unwrap_or_default()
}
