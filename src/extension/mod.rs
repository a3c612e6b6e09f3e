//! Extensions (RFC 6455 section 9): [`Codec`], what a connection does to its messages, and permessage-deflate (RFC 7692,
//! feature `deflate`).
//!
#![cfg_attr(feature = "deflate", doc = include_str!("deflate.md"))]

mod codec;
#[cfg(feature = "deflate")]
#[allow(
    clippy::cast_possible_truncation,
    reason = "what is cast was masked, or is bounded by the window or the format"
)]
mod compress;
#[cfg(feature = "deflate")]
mod deflate;
#[cfg(feature = "deflate")]
mod error;
#[cfg(feature = "deflate")]
#[allow(clippy::cast_possible_truncation, reason = "what is cast is bounded by the format")]
mod fixed;
#[cfg(feature = "deflate")]
#[allow(clippy::cast_possible_truncation, reason = "what is cast was masked")]
mod huffman;
#[cfg(feature = "deflate")]
#[allow(
    clippy::cast_possible_truncation,
    reason = "what is cast was masked, or is bounded by the window or the format"
)]
mod inflate;
#[cfg(feature = "deflate")]
mod negotiation;
#[cfg(feature = "deflate")]
mod output;
#[cfg(feature = "deflate")]
mod params;
#[cfg(all(feature = "std", feature = "deflate"))]
mod zlib;

pub use codec::{Codec, Decoded, Decoder, Encoded, Encoder, Plain, Progress, Undecodable};
#[cfg(feature = "deflate")]
pub use compress::Compress;
#[cfg(feature = "deflate")]
pub use deflate::{Compressor, Deflate, Inflater, Uncompressed};
#[cfg(feature = "deflate")]
pub use error::{InflateError, NegotiationError, WindowLength};
#[cfg(feature = "deflate")]
pub use inflate::Inflate;
#[cfg(feature = "deflate")]
pub use negotiation::DeflateConfig;
#[cfg(feature = "deflate")]
pub use params::{Direction, Negotiated, Response};
#[cfg(all(feature = "std", feature = "deflate"))]
pub use zlib::{DeflateOptions, Zlib};

/// What indices into the window are masked with.
#[cfg(feature = "deflate")]
const fn window_mask(window: &[u8]) -> Result<usize, WindowLength> {
    match window.len() {
        len @ 0x100..=0x8000 if len.is_power_of_two() => Ok(len - 1),
        _ => Err(WindowLength),
    }
}

/// "4 octets of 0x00 0x00 0xff 0xff" (RFC 7692 section 7.2): how a message would end if they were not left out.
#[cfg(feature = "deflate")]
const TAIL: [u8; 4] = [0x00, 0x00, 0xff, 0xff];
