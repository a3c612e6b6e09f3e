//! permessage-deflate (RFC 7692): its negotiation, and an inflater and a compressor (RFC 1951) without an allocator.
//!
//! All of it is pure: functions over slices and machines that hold no buffer. What they need beside their own state is
//! memory of the caller's that is handed in at each call, always the same:
//!
//! | | state | memory of the caller's |
//! |---|---|---|
//! | [`Inflate`] | at most 1,200 bytes | the window: 2<sup>n</sup> bytes, where n is [`Direction::window_bits`] of what is received |
//! | [`Compress`] | at most 192 bytes | the window: 2<sup>n</sup> bytes, n at most [`Direction::window_bits`] of what is sent; the hash table: 256 to 4,096 entries of 2 bytes |
//!
//! [`DeflateConfig`] says what this end wants, its [`offer`](DeflateConfig::offer), [`accept`](DeflateConfig::accept)
//! and [`choose`](DeflateConfig::choose) come to a [`Negotiated`]. Messages are then compressed and decompressed one
//! by one, each to its end with `finish_message`; without context takeover `reset` goes before the next one.

#[allow(
    clippy::cast_possible_truncation,
    reason = "what is cast was masked, or is bounded by the window or the format"
)]
mod compress;
mod error;
#[allow(clippy::cast_possible_truncation, reason = "what is cast is bounded by the format")]
mod fixed;
#[allow(clippy::cast_possible_truncation, reason = "what is cast was masked")]
mod huffman;
#[allow(
    clippy::cast_possible_truncation,
    reason = "what is cast was masked, or is bounded by the window or the format"
)]
mod inflate;
mod negotiation;
mod output;
mod params;

pub use compress::Compress;
pub use error::{InflateError, NegotiationError, WindowLength};
pub use inflate::Inflate;
pub use negotiation::DeflateConfig;
pub use params::{Direction, Negotiated, Response};

/// What indices into the window are masked with.
const fn window_mask(window: &[u8]) -> Result<usize, WindowLength> {
    match window.len() {
        len @ 0x100..=0x8000 if len.is_power_of_two() => Ok(len - 1),
        _ => Err(WindowLength),
    }
}

/// "4 octets of 0x00 0x00 0xff 0xff" (RFC 7692 section 7.2): how a message would end if they were not left out.
const TAIL: [u8; 4] = [0x00, 0x00, 0xff, 0xff];
