use super::{Failure, Flags, Role};
use crate::{CloseCode, Closed, MisuseError, ProtocolError};

/// The closing handshake (RFC 6455 sections 5.5.1 and 7), and how the connection failed if it did.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub(crate) struct Closing {
    failure: Option<ProtocolError>,
    /// The codes; 0, which is none, stands for no close frame.
    received: u16,
    sent: u16,
    /// Length of the peer's reason, which lies at the front of the receive buffer.
    reason: u8,
    flags: Flags,
}

/// The transport has ended.
const ENDED: u8 = 1;
/// A close frame is to be sent as soon as there is room.
const OWED: u8 = 2;
const SERVER: u8 = 4;
/// There is a deadline, of the closing handshake or of the message that is being received.
const ARMED: u8 = 8;
/// A close frame was put in the send buffer.
const SENT: u8 = 16;
/// A close frame was received.
const RECEIVED: u8 = 32;
/// There is a `failure`.
const FAILED: u8 = 64;

impl Closing {
    pub(crate) const fn new(role: Role) -> Self {
        let flags = Flags::new(if matches!(role, Role::Server) { SERVER } else { 0 });
        Self { failure: None, received: 0, sent: 0, reason: 0, flags }
    }

    #[cfg_attr(feature = "std", inline)]
    pub(crate) const fn is_owing(&self) -> bool {
        self.flags.has(OWED)
    }

    /// The code of the close frame that is to be sent.
    pub(crate) const fn owed(&self) -> Option<CloseCode> {
        match self.failure {
            _ if !self.is_owing() => None,
            Some(error) => Some(error.close_code()),
            None => Some(CloseCode(self.received)),
        }
    }

    /// Whether nothing more can be sent, or soon: "The application MUST NOT send any more data frames after sending a
    /// Close frame."
    #[cfg_attr(feature = "std", inline)]
    pub(crate) const fn is_closing(&self) -> bool {
        self.flags.has(SENT | OWED | ENDED)
    }

    /// Whether something that the peer sends still counts.
    #[cfg_attr(feature = "std", inline)]
    pub(crate) const fn is_receiving(&self) -> bool {
        !self.flags.has(RECEIVED | FAILED | ENDED)
    }

    /// A close frame was put in the send buffer.
    pub(crate) const fn set_sent(&mut self, code: CloseCode) {
        self.next_deadline();
        self.flags.set(OWED, false);
        self.flags.set(SENT, true);
        self.sent = code.0;
    }

    /// A close frame arrived; its reason was moved to the front of the receive buffer.
    pub(crate) fn set_received(&mut self, code: CloseCode, reason: u8) {
        self.received = code.0;
        self.reason = reason;
        self.flags.set(RECEIVED, true);
        // "If an endpoint receives a Close frame and did not previously send a Close frame, the endpoint MUST send a
        // Close frame in response. (When sending a Close frame in response, the endpoint typically echos the status
        // code it received.)"
        self.owe();
    }

    /// _Fail the WebSocket Connection_ (section 7.1.7).
    pub(crate) fn fail(&mut self, error: ProtocolError) {
        self.failure = Some(error);
        self.flags.set(FAILED, true);
        self.owe();
    }

    const fn owe(&mut self) {
        if !self.flags.has(SENT) {
            self.next_deadline();
            self.flags.set(OWED, true);
        }
    }

    pub(crate) const fn end(&mut self) {
        self.flags.set(ENDED, true);
        self.flags.set(OWED, false);
    }

    pub(crate) const fn is_failed(&self) -> bool {
        self.flags.has(FAILED)
    }

    pub(crate) const fn is_ended(&self) -> bool {
        self.flags.has(ENDED)
    }

    /// The peer's reason.
    pub(crate) fn reason_in<'b>(&self, rx: &'b [u8]) -> &'b str {
        let reason = rx.get(..usize::from(self.reason)).unwrap_or_default();
        core::str::from_utf8(reason).unwrap_or_default()
    }

    pub(crate) const fn closed(&self) -> Closed {
        Closed { received: code(self.received), sent: code(self.sent) }
    }

    /// Whether the connection has ended: with nothing left to send and nothing more to wait for.
    #[cfg_attr(feature = "std", inline)]
    pub(crate) const fn is_over(&self) -> bool {
        // "the server MUST close the TCP connection immediately", "the client SHOULD wait for the server to close".
        self.flags.has(FAILED | ENDED) || self.flags.all(SERVER | RECEIVED | SENT)
    }

    /// How the connection ended; while it has not, `misuse`.
    pub(crate) fn outcome_or<F: From<Failure>>(&self, misuse: MisuseError) -> F {
        match self.failure {
            _ if !self.is_over() => F::from(Failure::Misuse(misuse)),
            Some(error) => F::from(Failure::Protocol(error)),
            None if self.flags.has(SENT | RECEIVED) => F::from(Failure::Closed(self.closed())),
            None => F::from(Failure::ConnectionLost),
        }
    }

    /// The outcome that a transport's error leaves: after a close frame, or a broken rule, it is not news.
    pub(crate) fn outcome_of_error(&self) -> Option<Failure> {
        match (self.failure, self.received) {
            (Some(error), _) => Some(Failure::Protocol(error)),
            (None, 0) => None,
            (None, _) => Some(Failure::Closed(self.closed())),
        }
    }

    /// The same where the transport failed, which with that outcome is the end.
    pub(crate) fn end_by_error(&mut self) -> Option<Failure> {
        let outcome = self.outcome_of_error();
        if outcome.is_some() {
            self.end();
        }
        outcome
    }

    /// What comes now has its own time; the closing handshake has one for all of it.
    #[cfg_attr(feature = "std", inline)]
    pub(crate) const fn next_deadline(&mut self) {
        if !self.is_closing() {
            self.flags.set(ARMED, false);
        }
    }

    /// Whether there is a deadline; from now on there is.
    pub(super) const fn arm(&mut self) -> bool {
        let armed = self.flags.has(ARMED);
        self.flags.set(ARMED, true);
        armed
    }
}

const fn code(code: u16) -> Option<CloseCode> {
    if code == 0 { None } else { Some(CloseCode(code)) }
}
