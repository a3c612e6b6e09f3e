use core::mem;

use super::NegotiationError;
use crate::http::{Extension, ParamValue};

pub(super) const NAME: &str = "permessage-deflate";
const SERVER_NO_CONTEXT_TAKEOVER: &str = "server_no_context_takeover";
const CLIENT_NO_CONTEXT_TAKEOVER: &str = "client_no_context_takeover";
const SERVER_MAX_WINDOW_BITS: &str = "server_max_window_bits";
const CLIENT_MAX_WINDOW_BITS: &str = "client_max_window_bits";

/// The window of an end that names none: 32,768 bytes.
pub(super) const MAX_BITS: u8 = 15;

/// What both ends agreed to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Negotiated {
    /// Of what this end sends.
    pub send: Direction,
    /// Of what this end receives.
    pub receive: Direction,
}

/// What holds for the messages in one direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Direction {
    /// No distance is longer than 2<sup>n</sup> bytes: 8 to 15, and 8 only if the peer asks for it. An end that cannot
    /// compress with 8 (zlib cannot) sends its messages uncompressed.
    pub window_bits: u8,
    /// Whether a message may refer to those before it.
    pub context_takeover: bool,
}

/// A server's answer to an offer that it accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Response {
    pub(super) params: Params,
    pub(super) negotiated: Negotiated,
}

/// The parameters of an offer or of a response.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub(super) struct Params {
    pub(super) server_no_context_takeover: bool,
    pub(super) client_no_context_takeover: bool,
    pub(super) server_max_window_bits: Option<u8>,
    /// In an offer, 15 is what the parameter means without a value.
    pub(super) client_max_window_bits: Option<u8>,
}

impl Response {
    /// What both ends agreed to, as this end, the server, sees it.
    #[must_use]
    pub const fn negotiated(&self) -> Negotiated {
        self.negotiated
    }

    /// Hands the response to `put`, piece by piece: an element of `Sec-WebSocket-Extensions`.
    pub fn emit(&self, mut put: impl FnMut(&'static str)) {
        self.params.emit(&mut put);
    }
}

impl Params {
    /// The parameters of an offer, or of a response.
    ///
    /// # Errors
    /// Why a server "MUST decline" the offer, or a client "MUST _Fail the WebSocket Connection_".
    pub(super) fn parse(extension: &Extension<'_>, response: bool) -> Result<Self, NegotiationError> {
        let mut params = Self::default();
        for param in extension.params() {
            let before = match (param.name, param.value) {
                (SERVER_NO_CONTEXT_TAKEOVER, None) => {
                    mem::replace(&mut params.server_no_context_takeover, true)
                }
                (CLIENT_NO_CONTEXT_TAKEOVER, None) => {
                    mem::replace(&mut params.client_no_context_takeover, true)
                }
                (SERVER_MAX_WINDOW_BITS, Some(value)) => {
                    params.server_max_window_bits.replace(bits(value)?).is_some()
                }
                (CLIENT_MAX_WINDOW_BITS, Some(value)) => {
                    params.client_max_window_bits.replace(bits(value)?).is_some()
                }
                // In an offer it may say only that the client would obey a value.
                (CLIENT_MAX_WINDOW_BITS, None) if !response => {
                    params.client_max_window_bits.replace(MAX_BITS).is_some()
                }
                (
                    SERVER_NO_CONTEXT_TAKEOVER
                    | CLIENT_NO_CONTEXT_TAKEOVER
                    | SERVER_MAX_WINDOW_BITS
                    | CLIENT_MAX_WINDOW_BITS,
                    _,
                ) => return Err(NegotiationError::InvalidValue),
                _ => return Err(NegotiationError::UnknownParameter),
            };
            if before {
                return Err(NegotiationError::RepeatedParameter);
            }
        }
        Ok(params)
    }

    pub(super) fn emit(&self, put: &mut impl FnMut(&'static str)) {
        const VALUES: [&str; 8] = ["=8", "=9", "=10", "=11", "=12", "=13", "=14", "=15"];
        let value = |bits: u8| VALUES.get(usize::from(bits.saturating_sub(8))).copied().unwrap_or_default();
        let flag = |set: bool| set.then_some("");
        put(NAME);
        for (name, value) in [
            (SERVER_NO_CONTEXT_TAKEOVER, flag(self.server_no_context_takeover)),
            (CLIENT_NO_CONTEXT_TAKEOVER, flag(self.client_no_context_takeover)),
            (SERVER_MAX_WINDOW_BITS, self.server_max_window_bits.map(value)),
            (
                CLIENT_MAX_WINDOW_BITS,
                self.client_max_window_bits.map(|bits| if bits < MAX_BITS { value(bits) } else { "" }),
            ),
        ] {
            if let Some(value) = value {
                put("; ");
                put(name);
                put(value);
            }
        }
    }
}

/// "a decimal integer value without leading zeros between 8 to 15, inclusive"
fn bits(value: ParamValue<'_>) -> Result<u8, NegotiationError> {
    value
        .number()
        .and_then(|number| u8::try_from(number).ok())
        .filter(|bits| (8..=MAX_BITS).contains(bits))
        .ok_or(NegotiationError::InvalidValue)
}
