//! What stands between the caller's messages and the payloads of frames: nothing, or an extension (RFC 6455 section 9).

#[cfg(feature = "deflate")]
use super::{DeflateConfig, Negotiated};
#[cfg(feature = "deflate")]
use crate::MisuseError;

pub(super) mod sealed {
    pub trait Sealed {}
}

/// What a connection does to its messages: [`Plain`] nothing, [`Deflate`](super::Deflate) (feature `deflate`) compresses
/// them where the peer agrees.
///
/// It is a parameter of the connection, so that a program that does not compress has no code for it.
pub trait Codec: sealed::Sealed {
    /// Of what is received.
    type Decoder: Decoder;
    /// Of what is sent.
    type Encoder: Encoder;

    /// The decoder, to look at what it has decoded.
    fn decoder(&self) -> &Self::Decoder;

    /// Both, to go on.
    fn both(&mut self) -> (&mut Self::Decoder, &mut Self::Encoder);

    /// Both, each for itself.
    fn into_both(self) -> (Self::Decoder, Self::Encoder);

    /// What this end wants of permessage-deflate; `None` for nothing.
    ///
    /// # Errors
    /// [`MisuseError::WindowLength`] for memory that is of no use.
    #[cfg(feature = "deflate")]
    fn config(&self) -> Result<Option<DeflateConfig>, MisuseError>;

    /// What both ends agreed to; without this call nothing is compressed.
    #[cfg(feature = "deflate")]
    fn agree(&mut self, negotiated: Negotiated);

    /// Forgets a connection, and what was agreed to for it, before the next one.
    fn restart(&mut self);
}

/// The receiving direction of a [`Codec`].
pub trait Decoder: sealed::Sealed {
    /// Whether it ever has something to do: where not, the compiler leaves all of it out.
    const ACTIVE: bool;

    /// The RSV bits, as 4, 2, 1, that the first frame of a message may have.
    fn rsv(&self) -> u8;

    /// A message begins whose payload is to be decoded.
    fn begin(&mut self);

    /// Decodes the next bytes of the message behind what it has decoded before, at most one byte more than `limit`. `fin`:
    /// these are its last; called again until that is [`Done`](Progress::Done).
    ///
    /// # Errors
    /// The bytes cannot be decoded.
    fn decode(&mut self, input: &[u8], fin: bool, limit: usize) -> Result<Decoded, Undecodable>;

    /// What was decoded since the last [`clear`](Self::clear).
    fn output(&self) -> &[u8];

    /// Forgets the output.
    fn clear(&mut self);

    /// Makes room for more output; `false` if there can be no more.
    fn grow(&mut self) -> bool;
}

/// What [`Decoder::decode`] came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Decoded {
    /// How many bytes of the input were consumed.
    pub consumed: usize,
    /// Why it stopped.
    pub progress: Progress,
}

/// Why decoding stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Progress {
    /// All input was consumed, and all that follows from it is in the output.
    Input,
    /// There is more, but the output is full.
    Output,
    /// The message is complete.
    Done,
}

/// A payload that breaks the rules of the extension.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Undecodable;

/// The sending direction of a [`Codec`].
pub trait Encoder: sealed::Sealed {
    /// Whether it ever has something to do: where not, the compiler leaves all of it out.
    const ACTIVE: bool;

    /// A message begins with `len` bytes, which are all of it if `fin`; whether it is to be encoded.
    fn begin(&mut self, len: usize, fin: bool) -> bool;

    /// Encodes the next bytes into `output`. What was consumed has left when that is `done`: it is called again until then,
    /// with what was not consumed. `fin`: it is the end of the message.
    fn encode(&mut self, input: &[u8], fin: bool, output: &mut [u8]) -> Encoded;

    /// Sets whether messages that begin from now on may be encoded.
    fn set_enabled(&mut self, enabled: bool);
}

/// What [`Encoder::encode`] came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Encoded {
    /// How many bytes of the input were consumed.
    pub consumed: usize,
    /// How many bytes of the output were produced.
    pub produced: usize,
    /// Whether all input was consumed and all that follows from it produced; where not, the output is full.
    pub done: bool,
}

/// No extension: payloads are the messages. Its decoder and its encoder are `()`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Plain((), ());

impl Plain {
    /// The only value.
    pub const NEW: Self = Self((), ());
}

impl sealed::Sealed for Plain {}
impl sealed::Sealed for () {}

impl Codec for Plain {
    type Decoder = ();
    type Encoder = ();

    fn decoder(&self) -> &() {
        &self.0
    }

    fn both(&mut self) -> (&mut (), &mut ()) {
        (&mut self.0, &mut self.1)
    }

    fn into_both(self) -> ((), ()) {
        (self.0, self.1)
    }

    #[cfg(feature = "deflate")]
    fn config(&self) -> Result<Option<DeflateConfig>, MisuseError> {
        Ok(None)
    }

    #[cfg(feature = "deflate")]
    fn agree(&mut self, _: Negotiated) {}

    fn restart(&mut self) {}
}

impl Decoder for () {
    const ACTIVE: bool = false;

    fn rsv(&self) -> u8 {
        0
    }

    fn begin(&mut self) {}

    fn decode(&mut self, _: &[u8], _: bool, _: usize) -> Result<Decoded, Undecodable> {
        Err(Undecodable)
    }

    fn output(&self) -> &[u8] {
        &[]
    }

    fn clear(&mut self) {}

    fn grow(&mut self) -> bool {
        false
    }
}

impl Encoder for () {
    const ACTIVE: bool = false;

    fn begin(&mut self, _: usize, _: bool) -> bool {
        false
    }

    fn encode(&mut self, _: &[u8], _: bool, _: &mut [u8]) -> Encoded {
        Encoded { consumed: 0, produced: 0, done: true }
    }

    fn set_enabled(&mut self, _: bool) {}
}
