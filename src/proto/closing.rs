use core::time::Duration;

use super::{Config, Failure, Role};
use crate::{CloseCode, Closed, MisuseError, ProtocolError};

/// The closing handshake (RFC 6455 sections 5.5.1 and 7), and how the connection failed if it did.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub(crate) struct Closing {
    received: Option<CloseCode>,
    sent: Option<CloseCode>,
    /// The close frame that is to be sent as soon as there is room.
    owed: Option<CloseCode>,
    /// Length of the peer's reason, which lies at the front of the receive buffer.
    reason: u8,
    failure: Option<ProtocolError>,
    /// The transport has ended.
    ended: bool,
    server: bool,
    /// Whether `deadline` counts.
    armed: bool,
    /// In milliseconds, wrapping: of the closing handshake, before it of the message that is being received.
    deadline: u32,
    timeout: u32,
    message_timeout: u32,
}

impl Closing {
    pub(crate) fn new(role: Role, config: &Config) -> Self {
        Self {
            received: None,
            sent: None,
            owed: None,
            reason: 0,
            failure: None,
            ended: false,
            server: matches!(role, Role::Server),
            armed: false,
            deadline: 0,
            timeout: limit(config.close_timeout),
            message_timeout: limit(config.message_timeout),
        }
    }

    pub(crate) const fn owed(&self) -> Option<CloseCode> {
        self.owed
    }

    /// Whether a close frame was put in the send buffer: "The application MUST NOT send any more data frames after
    /// sending a Close frame."
    pub(crate) const fn is_sent(&self) -> bool {
        self.sent.is_some()
    }

    /// Whether nothing more can be sent, or soon.
    pub(crate) const fn is_closing(&self) -> bool {
        self.sent.is_some() || self.owed.is_some() || self.ended
    }

    /// Whether something that the peer sends still counts.
    pub(crate) const fn is_receiving(&self) -> bool {
        self.received.is_none() && self.failure.is_none() && !self.ended
    }

    pub(crate) const fn set_sent(&mut self, code: CloseCode) {
        self.armed &= self.is_closing();
        self.owed = None;
        self.sent = Some(code);
    }

    /// A close frame arrived; its reason was moved to the front of the receive buffer.
    pub(crate) fn set_received(&mut self, code: CloseCode, reason: u8) {
        self.received = Some(code);
        self.reason = reason;
        // "If an endpoint receives a Close frame and did not previously send a Close frame, the endpoint MUST send a
        // Close frame in response. (When sending a Close frame in response, the endpoint typically echos the status
        // code it received.)"
        if self.sent.is_none() {
            self.armed &= self.is_closing();
            self.owed = Some(code);
        }
    }

    /// _Fail the WebSocket Connection_ (section 7.1.7).
    pub(crate) fn fail(&mut self, error: ProtocolError) {
        self.failure = Some(error);
        if self.sent.is_none() {
            self.armed &= self.is_closing();
            self.owed = Some(error.close_code());
        }
    }

    pub(crate) const fn end(&mut self) {
        self.ended = true;
        self.owed = None;
    }

    pub(crate) const fn is_failed(&self) -> bool {
        self.failure.is_some()
    }

    pub(crate) const fn is_ended(&self) -> bool {
        self.ended
    }

    /// The peer's reason.
    pub(crate) fn reason_in<'b>(&self, rx: &'b [u8]) -> &'b str {
        let reason = rx.get(..usize::from(self.reason)).unwrap_or_default();
        core::str::from_utf8(reason).unwrap_or_default()
    }

    pub(crate) const fn closed(&self) -> Closed {
        Closed { received: self.received, sent: self.sent }
    }

    /// How the connection ended, if it has: with nothing left to send and nothing more to wait for.
    #[inline]
    pub(crate) fn outcome(&self) -> Option<Failure> {
        if let Some(error) = self.failure {
            return Some(Failure::Protocol(error));
        }
        let both = self.received.is_some() && self.sent.is_some();
        // "the server MUST close the TCP connection immediately", "the client SHOULD wait for the server to close".
        if both && (self.server || self.ended) {
            return Some(Failure::Closed(self.closed()));
        }
        match (self.ended, self.sent.is_some() || self.received.is_some()) {
            (true, true) => Some(Failure::Closed(self.closed())),
            (true, false) => Some(Failure::ConnectionLost),
            (false, _) => None,
        }
    }

    /// Whether neither end has begun to close, and nothing failed.
    #[inline]
    pub(crate) const fn is_open(&self) -> bool {
        self.received.is_none()
            && self.sent.is_none()
            && self.owed.is_none()
            && self.failure.is_none()
            && !self.ended
    }

    /// Whether data may still be sent.
    pub(crate) fn check_open(&self) -> Result<(), Failure> {
        match self.outcome() {
            Some(failure) => Err(failure),
            None if self.is_closing() => Err(MisuseError::Closing.into()),
            None => Ok(()),
        }
    }

    /// The outcome that a transport's error leaves: after a close frame, or a broken rule, it is not news.
    pub(crate) fn outcome_of_error(&self) -> Option<Failure> {
        match (self.failure, self.received) {
            (Some(error), _) => Some(Failure::Protocol(error)),
            (None, Some(_)) => Some(Failure::Closed(self.closed())),
            (None, None) => None,
        }
    }

    /// A message is complete: the next one has its own time.
    #[inline]
    pub(crate) const fn message_received(&mut self) {
        self.armed &= self.is_closing();
    }

    /// How much time is left, to the closing handshake or to an `unfinished` message.
    pub(crate) fn poll_timeout(&mut self, now: Duration, unfinished: bool) -> Option<Duration> {
        let timeout = match (self.is_closing(), unfinished) {
            _ if self.ended => return None,
            (true, _) => self.timeout,
            (false, true) if self.message_timeout < FOREVER => self.message_timeout,
            (false, _) => return None,
        };
        let now = millis(now);
        if !self.armed {
            self.armed = true;
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
        if self.is_closing() {
            self.end();
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
