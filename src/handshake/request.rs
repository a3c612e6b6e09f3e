use super::{HandshakeError, field::check_extra};
use crate::{
    Config,
    http::{is_token, is_visible},
};

/// What a client asks a server for: the opening handshake's request (RFC 6455 section 4.1).
///
/// ```
/// use sockling::Request;
/// let request = Request::new("sensor.example:8080", "/feed?unit=7")
///     .subprotocols(&["telemetry.v2", "telemetry.v1"])
///     .fields(&[("Authorization", "Bearer 6c2f")]);
/// ```
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Request<'a> {
    pub(crate) host: &'a str,
    pub(crate) path: &'a str,
    pub(crate) origin: Option<&'a str>,
    pub(crate) subprotocols: &'a [&'a str],
    pub(crate) fields: &'a [(&'a str, &'a str)],
    pub(crate) config: Config,
}

impl<'a> Request<'a> {
    /// A request for `path` at `host`.
    ///
    /// `host` is what the `Host` field says: a name or address, followed by `:port` unless it is the scheme's own, an
    /// address of IP version 6 in brackets. `path` begins with `/` and is percent-encoded, with the query if there is
    /// one and without a fragment. Both are checked when the handshake begins.
    #[must_use]
    pub const fn new(host: &'a str, path: &'a str) -> Self {
        Self { host, path, origin: None, subprotocols: &[], fields: &[], config: Config::DEFAULT }
    }

    /// Sets the `Origin` field, as browsers do; without one there is none.
    #[must_use]
    pub const fn origin(self, origin: &'a str) -> Self {
        Self { origin: Some(origin), ..self }
    }

    /// Offers subprotocols, "ordered by preference": tokens, each another one.
    #[must_use]
    pub const fn subprotocols(self, subprotocols: &'a [&'a str]) -> Self {
        Self { subprotocols, ..self }
    }

    /// Adds header fields, names and values, in their order. Those that the handshake says itself cannot be among
    /// them: `Host`, `Origin`, `Upgrade`, `Connection`, `Sec-WebSocket-*`; nor `Content-Length` and
    /// `Transfer-Encoding`, since the request has no body.
    #[must_use]
    pub const fn fields(self, fields: &'a [(&'a str, &'a str)]) -> Self {
        Self { fields, ..self }
    }

    /// Sets limits and what else the connection goes by.
    #[must_use]
    pub const fn config(self, config: Config) -> Self {
        Self { config, ..self }
    }

    /// Checks all that could break the request, or smuggle something into it.
    pub(super) fn check(&self) -> Result<(), HandshakeError> {
        // No user information, no part of a path.
        if !is_visible(self.host.as_bytes(), "@/?#\\") {
            return Err(HandshakeError::InvalidHost);
        }
        // RFC 6455 section 3: "Fragment identifiers are meaningless in the context of WebSocket URIs and MUST NOT be
        // used on these URIs."
        if self.path.bytes().next() != Some(b'/') || !is_visible(self.path.as_bytes(), "#") {
            return Err(HandshakeError::InvalidPath);
        }
        if self.origin.is_some_and(|origin| !is_visible(origin.as_bytes(), "")) {
            return Err(HandshakeError::InvalidOrigin);
        }
        // RFC 6455 section 4.1: "The elements that comprise this value MUST be non-empty strings with characters in the
        // range U+0021 to U+007E not including separator characters ... and MUST all be unique strings."
        let mut rest = self.subprotocols;
        while let [subprotocol, others @ ..] = rest {
            if !is_token(subprotocol.as_bytes()) || others.contains(subprotocol) {
                return Err(HandshakeError::InvalidSubprotocol);
            }
            rest = others;
        }
        check_extra(self.fields)
    }
}
