use core::str;

use super::{Field, HandshakeError};
use crate::http::{
    Authority, Extension, Extensions, HeadError, is_token, parse_field, parse_request_line, tokens,
};

/// The head of a client's request: it was checked, and awaits the server's answer (RFC 6455 section 4.2.1).
#[derive(Clone, Copy, Debug)]
pub struct RequestHead<'b> {
    method: &'b str,
    target: &'b str,
    /// Field lines, each with its CRLF.
    fields: &'b [u8],
}

impl<'b> RequestHead<'b> {
    /// `head` was passed by a line scanner.
    pub(super) fn parse(head: &'b [u8]) -> Result<Self, HeadError> {
        let (line, fields) = split_line(head).ok_or(HeadError::RequestLine)?;
        let line = parse_request_line(line)?;
        Ok(Self { method: line.method, target: line.target, fields })
    }

    pub(super) const fn method(&self) -> &'b str {
        self.method
    }

    /// The request target as it was sent: a path with its query, or an absolute URI.
    #[must_use]
    pub const fn target(&self) -> &'b str {
        self.target
    }

    /// The path with its query, as it was sent: percent-encoded. It begins with `/`.
    #[must_use]
    pub fn path(&self) -> &'b str {
        self.split_target().map_or("/", |(_, path)| path)
    }

    /// The host, and the port if one is named, that the client wants to talk to.
    ///
    /// RFC 9112 section 3.2.2: "When an origin server receives a request with an absolute-form of request-target, the
    /// origin server MUST ignore the received Host header field (if any) and instead use the host information of the
    /// request-target."
    #[must_use]
    pub fn host(&self) -> Option<Authority<'b>> {
        match self.split_target()? {
            (Some(host), _) => Authority::parse(host.as_bytes()),
            (None, _) => Authority::parse(self.field(Field::Host.name())?),
        }
    }

    /// The origin of the page whose script asks, if a browser sent it: `https://name:port`, or `null`.
    ///
    /// "Servers that are not intended to process input from any web page but only for certain sites SHOULD verify the
    /// |Origin| field is an origin they expect" (section 10.2); all else than a browser can send what it likes.
    #[must_use]
    pub fn origin(&self) -> Option<&'b [u8]> {
        self.field(Field::Origin.name())
    }

    /// Whether the origin has this server's scheme, host and port. `secure` tells whether the connection is TLS, at the
    /// client's end of it.
    ///
    /// `false` without an origin: clients that are no browsers send none, see [`origin`](Self::origin).
    #[must_use]
    pub fn is_same_origin(&self, secure: bool) -> bool {
        let (scheme, port) = if secure { ("https", 443) } else { ("http", 80) };
        let Some((Some(host), Some((origin_scheme, origin)))) =
            self.origin().map(|origin| (self.host(), split_uri(origin)))
        else {
            return false;
        };
        origin_scheme.eq_ignore_ascii_case(scheme.as_bytes())
            && Authority::parse(origin).is_some_and(|origin| origin.is_same(&host, port))
    }

    /// The subprotocols that the client offers, in its order of preference.
    pub fn subprotocols(&self) -> impl Iterator<Item = &'b str> + use<'b> {
        self.values(Field::Protocol).flat_map(tokens).filter_map(|token| str::from_utf8(token).ok())
    }

    /// The subprotocol to select: the first that the client offers of those in `mine`.
    #[must_use]
    pub fn choose<'m>(&self, mine: &[&'m str]) -> Option<&'m str> {
        self.subprotocols().find_map(|offered| mine.iter().copied().find(|own| *own == offered))
    }

    /// The extensions that the client offers, in its order of preference.
    pub fn extensions(&self) -> impl Iterator<Item = Extension<'b>> + use<'b> {
        self.values(Field::Extensions).flat_map(Extensions::new).filter_map(Result::ok)
    }

    /// The value of the first field with this name, in any letter case.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&'b [u8]> {
        self.fields().find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// All fields, names and values, in their order.
    pub fn fields(&self) -> impl Iterator<Item = (&'b str, &'b [u8])> + use<'b> {
        let mut rest = self.fields;
        core::iter::from_fn(move || {
            let (line, after) = split_line(rest)?;
            rest = after;
            parse_field(line).ok()
        })
    }

    fn values(&self, field: Field) -> impl Iterator<Item = &'b [u8]> + use<'b> {
        self.fields().filter(move |(name, _)| name.eq_ignore_ascii_case(field.name())).map(|(_, value)| value)
    }

    /// The value of a field that is there exactly once.
    fn single(&self, field: Field) -> Result<&'b [u8], HandshakeError> {
        let mut values = self.values(field);
        let value = values.next().ok_or(HandshakeError::Missing(field))?;
        if values.next().is_some() { Err(HandshakeError::Duplicate(field)) } else { Ok(value) }
    }

    /// Authority and path of the target; `None` if it is neither a path nor an absolute URI.
    fn split_target(&self) -> Option<(Option<&'b str>, &'b str)> {
        if self.target.starts_with('/') {
            return Some((None, self.target));
        }
        // By bytes: core's search for a string is over a kilobyte of flash, and can panic as far as the linker knows.
        let (scheme, rest) =
            self.target.split_at_checked(self.target.bytes().position(|byte| byte == b':')?)?;
        let rest = rest.strip_prefix("://")?;
        // Section 4.2.1: "an absolute HTTP/HTTPS URI containing the /resource name/"
        if !["http", "https", "ws", "wss"].iter().any(|known| known.eq_ignore_ascii_case(scheme)) {
            return None;
        }
        let at = rest.bytes().position(|byte| matches!(byte, b'/' | b'?')).unwrap_or(rest.len());
        let (host, path) = rest.split_at_checked(at)?;
        match path {
            "" => Some((Some(host), "/")),
            path => path.starts_with('/').then_some((Some(host), path)),
        }
    }

    /// Checks all that section 4.2.1 asks of the client; returns the key's field.
    pub(super) fn check(&self) -> Result<&'b [u8], HandshakeError> {
        // "An HTTP/1.1 or higher GET request"
        if self.method != "GET" {
            return Err(HandshakeError::Method);
        }
        if self.target.contains('#') || self.split_target().is_none() {
            return Err(HandshakeError::Target);
        }
        // RFC 9112 section 3.2: "A server MUST respond with a 400 (Bad Request) status code to any HTTP/1.1 request
        // message that lacks a Host header field and to any request message that contains more than one Host header
        // field line or a Host header field with an invalid field value."
        if Authority::parse(self.single(Field::Host)?).is_none() || self.host().is_none() {
            return Err(HandshakeError::Invalid(Field::Host));
        }
        // What follows the head is frames, so there can be no body.
        if self.values(Field::ContentLength).any(|length| length != b"0") {
            return Err(HandshakeError::Invalid(Field::ContentLength));
        }
        if self.values(Field::TransferEncoding).next().is_some() {
            return Err(HandshakeError::Invalid(Field::TransferEncoding));
        }
        // "An |Upgrade| header field containing the value "websocket", treated as an ASCII case-insensitive value." "A
        // |Connection| header field that includes the token "Upgrade", treated as an ASCII case-insensitive value."
        for (field, token) in [(Field::Upgrade, "websocket"), (Field::Connection, "upgrade")] {
            let mut values = self.values(field).peekable();
            values.peek().ok_or(HandshakeError::Missing(field))?;
            if !values.any(|list| crate::http::has_token(list, token)) {
                return Err(HandshakeError::Invalid(field));
            }
        }
        // "A |Sec-WebSocket-Version| header field, with a value of 13."
        if self.single(Field::Version)? != b"13" {
            return Err(HandshakeError::Invalid(Field::Version));
        }
        let key = self.single(Field::Key)?;
        if self.values(Field::Origin).nth(1).is_some() {
            return Err(HandshakeError::Duplicate(Field::Origin));
        }
        if !self.values(Field::Protocol).flat_map(tokens).all(is_token) {
            return Err(HandshakeError::Invalid(Field::Protocol));
        }
        // Section 9.1: "If a value is received by either the client or the server during negotiation that does not
        // conform to the ABNF below, the recipient of such malformed data MUST immediately _Fail the WebSocket
        // Connection_."
        if self.values(Field::Extensions).flat_map(Extensions::new).any(|extension| extension.is_err()) {
            return Err(HandshakeError::Invalid(Field::Extensions));
        }
        Ok(key)
    }
}

/// The first line without its CRLF, and what follows it; `None` at the end of the head.
fn split_line(head: &[u8]) -> Option<(&[u8], &[u8])> {
    // Scanned before: no CR is without its LF.
    let at = head.iter().position(|byte| *byte == b'\r')?;
    let (line, rest) = head.split_at_checked(at)?;
    Some((line, rest.get(2..)?))
}

/// Scheme and authority of `scheme://authority`.
fn split_uri(uri: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = uri.iter().position(|byte| *byte == b':')?;
    let (scheme, rest) = uri.split_at_checked(at)?;
    Some((scheme, rest.strip_prefix(b"://")?))
}

format_by_name!("RequestHead", [] RequestHead<'_>);
