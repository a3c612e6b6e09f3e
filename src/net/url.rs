use core::fmt;
use std::{
    borrow::ToOwned,
    format,
    net::IpAddr,
    string::{String, ToString},
    vec::Vec,
};

use url::Host;

/// Why a string is no URL to connect to. Nothing was resolved or sent.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum UrlError {
    /// A control character, a backslash, or white space at either end, at this byte. Some parsers drop these, so that
    /// what is connected to is not what was checked.
    Character(usize),
    /// It does not begin with a scheme and `://`.
    NoScheme,
    /// Another scheme than `ws` and `wss`.
    Scheme(String),
    /// "Fragment identifiers are meaningless in the context of WebSocket URIs and MUST NOT be used on these URIs"
    /// (RFC 6455 section 3).
    Fragment,
    /// There is no host.
    EmptyHost,
    /// The host is neither a name nor an address.
    Host,
    /// The port is not 1 to 65535.
    Port,
    /// The user name or password has a control character, percent-encoded (RFC 7617 section 2).
    UserInfo,
}

impl fmt::Display for UrlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Character(at) => {
                return write!(f, "byte {at} of the URL is a control character, backslash or outer space: percent-encode or remove it");
            }
            Self::NoScheme => "the URL has no scheme: begin it with `ws://` or `wss://`",
            Self::Scheme(scheme) => {
                return write!(f, "the URL has the scheme `{scheme}`: begin it with `ws://` or `wss://`");
            }
            Self::Fragment => "the URL has a fragment: leave out `#` and what follows, or encode it as `%23`",
            Self::EmptyHost => "the URL has no host: write `ws://host/path`",
            Self::Host => "the host of the URL is neither a name nor an address; IPv6 goes in brackets",
            Self::Port => "the port of the URL is not a number from 1 to 65535",
            Self::UserInfo => "the user name or password of the URL contains a control character",
        })
    }
}

impl core::error::Error for UrlError {}

/// A ws-URI or wss-URI (RFC 6455 section 3), taken apart.
///
/// Names are lower-cased and in their ASCII form (IDNA), and what must be percent-encoded in the path and query is.
/// User name and password are kept apart: `Debug` and `Display` leave them out, and so does the `Host` field.
#[derive(Clone, PartialEq, Eq)]
pub struct WsUrl {
    secure: bool,
    host: Host<String>,
    port: u16,
    target: String,
    user: Option<(String, String)>,
}

impl core::str::FromStr for WsUrl {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        Self::parse(text)
    }
}

impl WsUrl {
    /// Parses an absolute URL.
    ///
    /// Letter case of scheme and host does not matter. Stricter than browsers are: nothing is trimmed, nothing dropped,
    /// no slash is added. A query of zero bytes (`?` alone) is none.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, UrlError> {
        let control = |c: char| c.is_control() || c == '\\';
        let outer = text.len() - text.trim_start().len();
        if let Some(at) = text.find(control).or_else(|| (outer > 0).then_some(0)) {
            return Err(UrlError::Character(at));
        }
        if text.trim_end().len() < text.len() {
            return Err(UrlError::Character(text.trim_end().len()));
        }
        let (scheme, rest) = text.split_once("://").ok_or(UrlError::NoScheme)?;
        let secure = match scheme.to_ascii_lowercase().as_str() {
            "ws" => false,
            "wss" => true,
            // ALPHA *( ALPHA / DIGIT / "+" / "-" / "." )
            other
                if other.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b))
                    && !other.is_empty() =>
            {
                return Err(UrlError::Scheme(other.to_owned()));
            }
            _ => return Err(UrlError::NoScheme),
        };
        if text.contains('#') {
            return Err(UrlError::Fragment);
        }
        // The parser would take the first segment of the path for the host.
        if rest.is_empty() || rest.starts_with(['/', '?']) {
            return Err(UrlError::EmptyHost);
        }
        let url = url::Url::parse(text).map_err(|error| match error {
            url::ParseError::EmptyHost => UrlError::EmptyHost,
            url::ParseError::InvalidPort => UrlError::Port,
            _ => UrlError::Host,
        })?;
        let port = url.port_or_known_default().filter(|port| *port != 0).ok_or(UrlError::Port)?;
        let target = match url.query() {
            Some(query) if !query.is_empty() => format!("{}?{query}", url.path()),
            _ => url.path().to_owned(),
        };
        Ok(Self {
            secure,
            host: url.host().ok_or(UrlError::EmptyHost)?.to_owned(),
            port,
            target,
            user: user_info(&url)?,
        })
    }

    /// Whether it is `wss`: over TLS.
    #[must_use]
    pub const fn is_secure(&self) -> bool {
        self.secure
    }

    /// The host, to resolve or to verify a certificate against: that of IP version 6 without brackets.
    #[must_use]
    pub fn host(&self) -> String {
        self.ip().map_or_else(|| self.host.to_string(), |ip| ip.to_string())
    }

    /// The host, if it is an address.
    #[must_use]
    pub const fn ip(&self) -> Option<IpAddr> {
        match self.host {
            Host::Domain(_) => None,
            Host::Ipv4(ip) => Some(IpAddr::V4(ip)),
            Host::Ipv6(ip) => Some(IpAddr::V6(ip)),
        }
    }

    pub(super) const fn kind(&self) -> &Host<String> {
        &self.host
    }

    /// The port; 80 or 443 by default.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// What the `Host` field says: IPv6 in brackets, the port where it is not the default of the scheme.
    #[must_use]
    pub fn authority(&self) -> String {
        let default = if self.secure { 443 } else { 80 };
        if self.port == default { self.host.to_string() } else { format!("{}:{}", self.host, self.port) }
    }

    /// The resource name: "The path component; '/' if the path component is empty; '?' if the query component is
    /// non-empty; the query component".
    #[must_use]
    pub fn target(&self) -> &str {
        &self.target
    }

    /// For references to resolve against; without user name and password.
    pub(super) fn to_url(&self) -> Option<url::Url> {
        url::Url::parse(&self.to_string()).ok()
    }

    /// The same with `http` or `https`, which is what cookies go by.
    pub(super) fn to_http_url(&self) -> Option<url::Url> {
        let scheme = if self.secure { "https" } else { "http" };
        url::Url::parse(&format!("{scheme}://{}{}", self.authority(), self.target)).ok()
    }

    /// User name and password, percent-decoded, where the URL has such. Do not log them.
    #[must_use]
    pub fn user(&self) -> Option<(&str, &str)> {
        self.user.as_ref().map(|(name, password)| (name.as_str(), password.as_str()))
    }
}

/// Percent-decodes user name and password: they may hold what would end a header line.
pub(super) fn user_info(url: &url::Url) -> Result<Option<(String, String)>, UrlError> {
    if url.username().is_empty() && url.password().is_none() {
        return Ok(None);
    }
    let decode = |text: &str| {
        let text = percent_decode(text).ok_or(UrlError::UserInfo)?;
        if text.contains(char::is_control) { Err(UrlError::UserInfo) } else { Ok(text) }
    };
    Ok(Some((decode(url.username())?, decode(url.password().unwrap_or_default())?)))
}

/// `None` if the result is not UTF-8. A `%` without two hexadecimal digits stays.
fn percent_decode(text: &str) -> Option<String> {
    let hex = |digit: u8| char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok());
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let byte;
        (byte, rest) = match tail {
            [high, low, after @ ..] if *first == b'%' && hex(*high).is_some() && hex(*low).is_some() => {
                (hex(*high)? << 4 | hex(*low)?, after)
            }
            _ => (*first, tail),
        };
        out.push(byte);
    }
    String::from_utf8(out).ok()
}

/// Without the password.
#[cfg(feature = "defmt")]
impl defmt::Format for WsUrl {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(f, "{}", defmt::Display2Format(self));
    }
}

impl fmt::Display for WsUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.secure { "wss" } else { "ws" };
        write!(f, "{scheme}://{}{}", self.authority(), self.target)
    }
}

/// Without the password.
impl fmt::Debug for WsUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WsUrl({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_connected_to() {
        for (text, secure, host, port, authority, target) in [
            ("ws://www.example.com/r", false, "www.example.com", 80, "www.example.com", "/r"),
            ("ws://www.example.com/r/", false, "www.example.com", 80, "www.example.com", "/r/"),
            ("ws://www.example.com/", false, "www.example.com", 80, "www.example.com", "/"),
            ("ws://www.example.com", false, "www.example.com", 80, "www.example.com", "/"),
            ("ws://www.example.com:8080/r", false, "www.example.com", 8080, "www.example.com:8080", "/r"),
            ("ws://www.example.com:8080", false, "www.example.com", 8080, "www.example.com:8080", "/"),
            ("wss://www.example.com:8080/r", true, "www.example.com", 8080, "www.example.com:8080", "/r"),
            (
                "wss://www.example.com/r?key=value",
                true,
                "www.example.com",
                443,
                "www.example.com",
                "/r?key=value",
            ),
            ("ws://[2a03:4000:123:83::3]/r", false, "2a03:4000:123:83::3", 80, "[2a03:4000:123:83::3]", "/r"),
            (
                "wss://[2a03:4000:123:83::3]:8080/r",
                true,
                "2a03:4000:123:83::3",
                8080,
                "[2a03:4000:123:83::3]:8080",
                "/r",
            ),
            ("WS://EXAMPLE.com", false, "example.com", 80, "example.com", "/"),
            ("wSs://h", true, "h", 443, "h", "/"),
            ("ws://h:443", false, "h", 443, "h:443", "/"),
            ("wss://h:80", true, "h", 80, "h:80", "/"),
            ("wss://h:443", true, "h", 443, "h", "/"),
            ("ws://h:/", false, "h", 80, "h", "/"),
            ("ws://127.0.0.1:9001", false, "127.0.0.1", 9001, "127.0.0.1:9001", "/"),
            ("ws://h/p;x=1", false, "h", 80, "h", "/p;x=1"),
            ("ws://h?", false, "h", 80, "h", "/"),
            ("ws://h/a?", false, "h", 80, "h", "/a"),
            ("ws://h?a=b&c", false, "h", 80, "h", "/?a=b&c"),
            ("ws://h?a?b", false, "h", 80, "h", "/?a?b"),
            ("ws://h/a b/é", false, "h", 80, "h", "/a%20b/%C3%A9"),
            ("ws://h/?q=%0a%2F", false, "h", 80, "h", "/?q=%0a%2F"),
            ("ws://user:secret@h:81/", false, "h", 81, "h:81", "/"),
            ("ws://münchen.example", false, "xn--mnchen-3ya.example", 80, "xn--mnchen-3ya.example", "/"),
        ] {
            let url = WsUrl::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(url.is_secure(), secure, "{text}");
            assert_eq!(url.host(), host, "{text}");
            assert_eq!(url.port(), port, "{text}");
            assert_eq!(url.authority(), authority, "{text}");
            assert_eq!(url.target(), target, "{text}");
        }
    }

    #[test]
    fn what_is_refused() {
        let scheme = |name: &str| UrlError::Scheme(name.to_owned());
        for (text, want) in [
            ("", UrlError::NoScheme),
            ("example.com", UrlError::NoScheme),
            ("example.com:80/x", UrlError::NoScheme),
            ("ws//example.com", UrlError::NoScheme),
            ("ws:example.com", UrlError::NoScheme),
            ("ws:/example.com", UrlError::NoScheme),
            ("://example.com", UrlError::NoScheme),
            ("/a?b=ws://c", UrlError::NoScheme),
            ("2001:4860:4860::8888", UrlError::NoScheme),
            ("http://h", scheme("http")),
            ("HTTPS://h", scheme("https")),
            ("wsss://h", scheme("wsss")),
            ("ws://h/#a", UrlError::Fragment),
            ("ws://h#", UrlError::Fragment),
            ("ws://", UrlError::EmptyHost),
            ("ws:///r", UrlError::EmptyHost),
            ("ws:////h", UrlError::EmptyHost),
            ("ws://?a", UrlError::EmptyHost),
            ("ws://:80/", UrlError::EmptyHost),
            ("ws://user@/", UrlError::EmptyHost),
            ("ws://h:0", UrlError::Port),
            ("ws://h:65536", UrlError::Port),
            ("ws://h:8o", UrlError::Port),
            ("ws://h:-1", UrlError::Port),
            ("ws://2001:4860:4860::8888", UrlError::Port),
            ("ws://[::1", UrlError::Host),
            ("ws://[::g]", UrlError::Host),
            ("ws://[fe80::1%25lo]", UrlError::Host),
            ("ws://h /", UrlError::Host),
            ("ws://a b/", UrlError::Host),
            ("ws://a%0d%0ab/", UrlError::Host),
            ("ws://a%00/", UrlError::Host),
            ("ws://a%20b/", UrlError::Host),
            ("ws://1.2.3.4.5/", UrlError::Host),
            ("ws://a%0d:b@h/", UrlError::UserInfo),
            ("ws://a:b%0A@h/", UrlError::UserInfo),
            ("ws://a%ff@h/", UrlError::UserInfo),
            (" ws://h", UrlError::Character(0)),
            ("ws://h ", UrlError::Character(6)),
            ("ws://h/a\r\nb", UrlError::Character(8)),
            ("ws://h/\ta", UrlError::Character(7)),
            ("w\ns://h", UrlError::Character(1)),
            ("ws://h/\0", UrlError::Character(7)),
            ("ws://h/\u{85}", UrlError::Character(7)),
            ("ws:\\\\h", UrlError::Character(3)),
            ("ws://h\\@evil", UrlError::Character(6)),
        ] {
            assert_eq!(WsUrl::parse(text), Err(want), "{text:?}");
        }
    }

    #[test]
    fn secrets_stay_out_of_logs() {
        let url = WsUrl::parse("wss://us%65r:s%3Acret@h/p").unwrap();
        assert_eq!(url.user(), Some(("user", "s:cret")));
        assert_eq!(format!("{url} {url:?}"), "wss://h/p WsUrl(wss://h/p)");
        assert_eq!(WsUrl::parse("ws://h").unwrap().user(), None);
        assert_eq!(WsUrl::parse("ws://a%@h").unwrap().user(), Some(("a%", "")));
    }
}
