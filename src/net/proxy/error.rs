use core::fmt;
use std::{boxed::Box, string::String};

use crate::{http::HeadError, net::HttpResponse};

/// Why there is no way through a proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProxyError {
    /// It is no URL of a proxy: `scheme://host:port`. Nothing was resolved or sent.
    Url,
    /// Another scheme than `http`, `https`, `socks4`, `socks4a`, `socks5` and `socks5h`. Likewise.
    Scheme(String),
    /// User name or password cannot be sent: over 255 bytes to a SOCKS proxy, a control character, a colon in the name
    /// (RFC 7617 section 2). Likewise.
    Credentials,
    /// SOCKS4 and 4a have no addresses of IP version 6, and no SOCKS proxy a name of over 255 bytes.
    Address,
    /// An HTTP proxy answered with another status than 2xx; 407 if it wants other credentials.
    Status(Box<HttpResponse>),
    /// The answer of an HTTP proxy breaks a rule of HTTP, or is over 16 KiB or 100 header fields.
    Head(HeadError),
    /// The answer is none of SOCKS of this version.
    Malformed,
    /// A SOCKS proxy does not accept the credentials, or wants some.
    Unauthorized,
    /// A SOCKS proxy refuses, with this code: RFC 1928 section 6, or 91 to 93 of SOCKS4.
    Refused(u8),
    /// Bytes came after the answer, before anything was sent to the server: they cannot be the server's.
    Early,
    /// The proxy ended the connection inside of its answer.
    UnexpectedEof,
}

impl ProxyError {
    /// Whether the same attempt would most likely fail again.
    pub(in crate::net) fn is_permanent(&self) -> bool {
        match self {
            // Without a connection, RFC 1928 has: general failure, network unreachable, host unreachable, connection
            // refused, TTL expired. SOCKS4 has one code for them all.
            Self::Refused(code) => !matches!(code, 1 | 3..=6 | 91),
            Self::Status(response) => !matches!(response.status, 408 | 429 | 500..),
            Self::UnexpectedEof => false,
            _ => true,
        }
    }
}

impl From<HeadError> for ProxyError {
    fn from(error: HeadError) -> Self {
        Self::Head(error)
    }
}

impl fmt::Display for ProxyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Url => "it is no URL of a proxy: write `http://host:port`, or `socks5h` for `http`",
            Self::Scheme(scheme) => {
                return write!(
                    f,
                    "its scheme `{scheme}` is none of `http`, `https`, `socks4`, `socks4a`, `socks5`, `socks5h`"
                );
            }
            Self::Credentials => "its user name or password is too long or has characters that cannot be sent",
            Self::Address => {
                "it cannot be told the server's address: use `socks5h`, or `socks5` for IP version 6"
            }
            Self::Status(response) if response.status == 407 => {
                "it wants other credentials (status 407): write `http://user:password@host:port`"
            }
            Self::Status(response) => return write!(f, "it answered with status {response}"),
            Self::Head(error) => return write!(f, "its answer is none of an HTTP proxy: {error}"),
            Self::Malformed => "its answer is none of this version of SOCKS",
            Self::Unauthorized => {
                "it wants credentials or does not accept these: write `socks5h://user:password@host:port`"
            }
            Self::Refused(code) => {
                return write!(f, "it refused with code {code}: {}", meaning(*code));
            }
            Self::Early => "it sent more than its answer",
            Self::UnexpectedEof => "it ended the connection instead of answering",
        })
    }
}

impl core::error::Error for ProxyError {}

/// RFC 1928 section 6; above them those of SOCKS4.
const fn meaning(code: u8) -> &'static str {
    match code {
        1 => "general failure",
        2 => "not allowed by its rules",
        3 => "the network is unreachable",
        4 => "the host is unreachable, or its name unknown",
        5 => "the server refused the connection",
        6 => "TTL expired",
        7 => "it does not know the command",
        8 => "it does not know this type of address",
        91 => "rejected or failed",
        92 | 93 => "it could not identify the user",
        _ => "unknown",
    }
}
