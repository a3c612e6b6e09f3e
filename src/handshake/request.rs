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
    /// What is wrong with the others but `fields`: found when they are given, so that of a `static` nothing is left to do.
    problem: Option<HandshakeError>,
}

impl<'a> Request<'a> {
    /// A request for `path` at `host`.
    ///
    /// `host` is what the `Host` field says: a name or address, followed by `:port` unless it is the scheme's own, an
    /// address of IP version 6 in brackets. `path` begins with `/` and is percent-encoded, with the query if there is
    /// one and without a fragment. What is wrong with either is told when the handshake begins.
    #[must_use]
    pub const fn new(host: &'a str, path: &'a str) -> Self {
        let config = Config::DEFAULT;
        Self { host, path, origin: None, subprotocols: &[], fields: &[], config, problem: None }.checked()
    }

    /// Sets the `Origin` field, as browsers do; without one there is none.
    #[must_use]
    pub const fn origin(self, origin: &'a str) -> Self {
        Self { origin: Some(origin), ..self }.checked()
    }

    /// Offers subprotocols, "ordered by preference": tokens, each another one.
    #[must_use]
    pub const fn subprotocols(self, subprotocols: &'a [&'a str]) -> Self {
        Self { subprotocols, ..self }.checked()
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

    const fn checked(self) -> Self {
        Self { problem: self.problem(), ..self }
    }

    /// All that could break the request, or smuggle something into it; `fields` have more to them.
    const fn problem(&self) -> Option<HandshakeError> {
        // No user information, no part of a path.
        if !is_visible(self.host.as_bytes(), b"@/?#\\") {
            return Some(HandshakeError::InvalidHost);
        }
        // RFC 6455 section 3: "Fragment identifiers are meaningless in the context of WebSocket URIs and MUST NOT be
        // used on these URIs."
        if !matches!(self.path.as_bytes(), [b'/', ..]) || !is_visible(self.path.as_bytes(), b"#") {
            return Some(HandshakeError::InvalidPath);
        }
        if let Some(origin) = self.origin
            && !is_visible(origin.as_bytes(), b"")
        {
            return Some(HandshakeError::InvalidOrigin);
        }
        // RFC 6455 section 4.1: "The elements that comprise this value MUST be non-empty strings with characters in the
        // range U+0021 to U+007E not including separator characters ... and MUST all be unique strings."
        let mut rest = self.subprotocols;
        while let [subprotocol, others @ ..] = rest {
            if !is_token(subprotocol.as_bytes()) || contains(others, subprotocol) {
                return Some(HandshakeError::InvalidSubprotocol);
            }
            rest = others;
        }
        None
    }

    /// Whether it can be sent as it is.
    pub(super) fn check(&self) -> Result<(), HandshakeError> {
        match self.problem {
            Some(error) => Err(error),
            None => check_extra(self.fields),
        }
    }
}

/// `list.contains(&text)`, before the program runs.
const fn contains(mut list: &[&str], text: &str) -> bool {
    while let [first, others @ ..] = list {
        let (mut a, mut b) = (first.as_bytes(), text.as_bytes());
        while let ([x, rest_a @ ..], [y, rest_b @ ..]) = (a, b)
            && *x == *y
        {
            (a, b) = (rest_a, rest_b);
        }
        if a.is_empty() && b.is_empty() {
            return true;
        }
        list = others;
    }
    false
}
