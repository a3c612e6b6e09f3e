/// What a connection accepts from its peer. All limits are on what the peer announces or sends, never a reservation.
///
/// A message that is received whole has to fit in the receive buffer as well: one that grows ([`std`
/// feature](crate#features)) grows up to `max_message`; a fixed one is the limit itself, less the room for a control
/// frame that may come between the fragments ([`MIN_RX`](crate::MIN_RX) bytes).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct Limits {
    /// The largest message, in bytes of payload; over it the connection is failed with 1009. Default 64 MiB.
    ///
    /// It counts for `recv_part` too: to stream without end, set `u32::MAX`, which means no limit.
    pub max_message: u32,
    /// The largest frame, in bytes of payload; over it the connection is failed with 1009. Default 64 MiB;
    /// `u32::MAX` means no limit.
    pub max_frame: u32,
    /// The largest number of fragments of one message, empty ones too; over it the connection is failed with 1008.
    /// Default 262,144: a 16 MiB message in fragments of 64 bytes.
    pub max_fragments: u32,
    /// The largest head of the opening handshake, in bytes. Default 16 KiB.
    pub max_head: u32,
    /// The largest number of header fields in it. Default 100.
    pub max_fields: u16,
}

impl Limits {
    /// The defaults that the fields name.
    pub const DEFAULT: Self = Self {
        max_message: 64 << 20,
        max_frame: 64 << 20,
        max_fragments: 1 << 18,
        max_head: 16 << 10,
        max_fields: 100,
    };
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}
