//! Frame codec (RFC 6455 section 5): pure functions over slices, no state, no I/O.
//!
//! Nothing here panics, whatever the bytes: a codec returns [`Status::Partial`] when it needs more input,
//! and a [`ProtocolError`](crate::ProtocolError) that names the broken rule when the input can never become valid.

mod close;
mod header;
mod mask;
mod opcode;

pub use close::{CloseCode, MAX_REASON};
pub(crate) use close::{body_len, emit_body, parse_body};
pub(crate) use header::{FIN, RSV1, check, emit_header, extended_len, header_len, payload_len};
pub use header::{FrameHeader, Rules};
pub use mask::{MaskingKey, apply_mask};
pub(crate) use mask::{copy_masked, rotate};
pub use opcode::Opcode;

/// The largest payload of a control frame, in bytes (RFC 6455 section 5.5).
pub const MAX_CONTROL_PAYLOAD: usize = 125;

/// What an incremental parser found. Needing more input is no error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Status<T> {
    /// The value, complete.
    Complete(T),
    /// The input so far is the beginning of something valid.
    Partial,
}
