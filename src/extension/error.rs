use core::fmt;

/// The window handed in is none: its length has to be a power of two of 2<sup>8</sup> to 2<sup>15</sup> bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct WindowLength;

impl fmt::Display for WindowLength {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the length of the window, or of the hash table, is no power of two within its bounds")
    }
}

impl core::error::Error for WindowLength {}

/// A rule of RFC 1951 that compressed data breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum InflateError {
    /// Block type 3 (section 3.2.3).
    BlockType,
    /// A stored block whose length and its complement disagree (section 3.2.4).
    StoredLength,
    /// More than 286 literal and length codes, or more than 30 distance codes (section 3.2.7).
    TooManyCodes,
    /// Code lengths that make no code: more codes than bits can tell apart, or fewer (section 3.2.2).
    CodeLengths,
    /// Code lengths that repeat the one before the first, or are more than there are symbols (section 3.2.7).
    Repeat,
    /// A block without a code for its end (section 3.2.7).
    NoEndOfBlock,
    /// Bits that are no code, or a code that "will never occur in the compressed data" (section 3.2.6).
    Symbol,
    /// A distance that goes back beyond the window, or beyond the first byte (section 3.2.5).
    Distance,
    /// The message ends inside of a block (RFC 7692 section 7.2.2).
    Truncated,
    /// This end's mistake: see [`WindowLength`].
    Window,
}

impl fmt::Display for InflateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BlockType => "a compressed block has the reserved type",
            Self::StoredLength => "a stored block's length is not confirmed by its complement",
            Self::TooManyCodes => "a compressed block announces too many codes",
            Self::CodeLengths => "the code lengths of a compressed block make no code",
            Self::Repeat => "a compressed block repeats a code length that is not there or too often",
            Self::NoEndOfBlock => "a compressed block has no code for its end",
            Self::Symbol => "compressed data contain bits that are no code",
            Self::Distance => "compressed data refer to what is before the window",
            Self::Truncated => "a compressed message ends inside of a block",
            Self::Window => return fmt::Display::fmt(&WindowLength, f),
        })
    }
}

impl core::error::Error for InflateError {}

impl From<WindowLength> for InflateError {
    fn from(_: WindowLength) -> Self {
        Self::Window
    }
}

/// A rule of RFC 7692 section 7.1 that a server's response breaks, or what it demands of this end that it has not got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum NegotiationError {
    /// The list of extensions breaks the grammar of RFC 6455 section 9.1.
    List,
    /// An extension that was not offered (RFC 6455 section 4.1).
    UnofferedExtension,
    /// permessage-deflate more than once.
    SecondResponse,
    /// A parameter that is not defined (section 7.1).
    UnknownParameter,
    /// Several parameters of the same name (section 7.1).
    RepeatedParameter,
    /// A value where there must be none, none where there must be one, or one that is no number of 8 to 15 in decimal
    /// digits without leading zeros (sections 7.1.1, 7.1.2).
    InvalidValue,
    /// `client_max_window_bits` though the offer has it not (section 7.1.2.2).
    UnofferedParameter,
    /// No `server_no_context_takeover` though the offer has it (section 7.1.1.1).
    ContextTakeover,
    /// The server wants to compress with a window of 2<sup>n</sup> bytes, which is more than this end has. A response
    /// without `server_max_window_bits` means 15 (section 7.1.2.1).
    WindowTooLarge(u8),
}

impl fmt::Display for NegotiationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::List => "the server's list of extensions is malformed",
            Self::UnofferedExtension => "the server selected an extension that was not offered",
            Self::SecondResponse => "the server selected permessage-deflate more than once",
            Self::UnknownParameter => "the server's answer has an unknown parameter of permessage-deflate",
            Self::RepeatedParameter => "the server's answer has a parameter of permessage-deflate twice",
            Self::InvalidValue => "the server's answer has an invalid value of a parameter of permessage-deflate",
            Self::UnofferedParameter => "the server's answer has client_max_window_bits, which was not offered",
            Self::ContextTakeover => "the server did not agree to server_no_context_takeover",
            Self::WindowTooLarge(bits) => {
                return write!(
                    f,
                    "the server wants to compress with a window of {} bytes, which is more than `receive_window_bits` allows",
                    1u32.checked_shl((*bits).into()).unwrap_or(0)
                );
            }
        })
    }
}

impl core::error::Error for NegotiationError {}
