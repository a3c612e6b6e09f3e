use core::{cell::Cell, time::Duration};

use super::{Closing, Config, Role};

/// What control frames leave to be done. Both directions know it: the receiving one owes, the sending one pays.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub(crate) struct Control {
    pub(crate) closing: Closing,
    pub(crate) pong: PongSlot,
    /// The subprotocol that was agreed on, by its place in the list; [`u8::MAX`] for none.
    pub(crate) subprotocol: u8,
    /// In milliseconds, wrapping: of the closing handshake, before it of the message that is being received.
    deadline: u32,
    timeout: u32,
    message_timeout: u32,
}

impl Control {
    pub(crate) fn new(role: Role, config: &Config) -> Self {
        Self {
            closing: Closing::new(role),
            pong: PongSlot::EMPTY,
            subprotocol: u8::MAX,
            deadline: 0,
            timeout: limit(config.close_timeout),
            message_timeout: limit(config.message_timeout),
        }
    }

    /// Whether nothing is owed, and nothing has happened that ends the connection.
    #[cfg_attr(feature = "std", inline)]
    pub(crate) const fn is_quiet(&self) -> bool {
        self.pong.is_empty() && !self.closing.is_closing()
    }

    /// Whether a pong or a close frame waits for room in the send buffer.
    #[cfg_attr(feature = "std", inline)]
    pub(crate) const fn is_owing(&self) -> bool {
        !self.pong.is_empty() || self.closing.is_owing()
    }

    /// How much time is left, to the closing handshake or to an `unfinished` message.
    pub(crate) fn poll_timeout(&mut self, now: Duration, unfinished: bool) -> Option<Duration> {
        let timeout = match (self.closing.is_closing(), unfinished) {
            _ if self.closing.is_ended() => return None,
            (true, _) => self.timeout,
            (false, true) if self.message_timeout < FOREVER => self.message_timeout,
            (false, _) => return None,
        };
        let now = millis(now);
        if !self.closing.arm() {
            self.deadline = now.wrapping_add(timeout);
        }
        let left = self.deadline.wrapping_sub(now);
        // More than half of the circle ahead is behind.
        Some(Duration::from_millis(if left > u32::MAX / 2 { 0 } else { left.into() }))
    }

    /// Whether a message was not finished in time; a closing handshake that was not ends here.
    pub(crate) fn handle_timeout(&mut self, now: Duration, unfinished: bool) -> bool {
        if self.poll_timeout(now, unfinished) != Some(Duration::ZERO) {
            return false;
        }
        if self.closing.is_closing() {
            self.closing.end();
            return false;
        }
        true
    }
}

fn limit(timeout: Duration) -> u32 {
    millis(timeout.min(Duration::from_millis(FOREVER.into())))
}

/// In milliseconds: 23 days, the longest time-out. On a circle, later than half of it is before.
const FOREVER: u32 = 2_000_000_000;

/// Milliseconds on a circle of 49 days: the core has to know order and distance of nearby times only.
#[allow(clippy::cast_possible_truncation, reason = "wraps on purpose")]
fn millis(time: Duration) -> u32 {
    (time.as_secs() as u32).wrapping_mul(1000).wrapping_add(time.subsec_millis())
}

/// The pong that is owed: one, the latest. "If an endpoint receives a Ping frame and has not yet sent Pong frame(s) in
/// response to previous Ping frame(s), the endpoint MAY elect to send a Pong frame for only the most recently
/// processed Ping frame" (section 5.5.3). Its payload lies at the end of the send buffer, where no frame is put.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub(crate) struct PongSlot {
    /// Over 125: none is owed.
    len: u8,
}

impl PongSlot {
    pub(crate) const EMPTY: Self = Self { len: u8::MAX };

    #[cfg_attr(feature = "std", inline)]
    pub(crate) const fn is_empty(self) -> bool {
        self.len == u8::MAX
    }

    #[allow(clippy::cast_possible_truncation, reason = "at most 125")]
    pub(crate) fn store(&mut self, slot: &[Cell<u8>], payload: &[u8]) {
        for (to, from) in slot.iter().zip(payload) {
            to.set(*from);
        }
        self.len = payload.len() as u8;
    }

    /// What lies in `slot`, if a pong is owed.
    pub(crate) fn payload(self, slot: &[Cell<u8>]) -> Option<&[Cell<u8>]> {
        slot.get(..usize::from(self.len))
    }
}
