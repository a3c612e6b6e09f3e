use core::str;

use super::parse_decimal;

/// A host with an optional port, as in the `Host` field: `uri-host [ ":" port ]` (RFC 9110 section 7.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Authority<'a> {
    /// A name or an address; that of IP version 6 in its brackets.
    pub host: &'a str,
    /// The port, where one is named.
    pub port: Option<u16>,
}

impl<'a> Authority<'a> {
    /// Parses `text`; `None` if it is anything else, also for an empty host and for user information.
    #[must_use]
    pub fn parse(text: &'a [u8]) -> Option<Self> {
        let literal = text.first() == Some(&b'[');
        let len = if literal {
            // IP-literal = "[" ( IPv6address / IPvFuture  ) "]"
            text.iter().position(|byte| *byte == b']')? + 1
        } else {
            text.iter().position(|byte| *byte == b':').unwrap_or(text.len())
        };
        let (host, port) = text.split_at_checked(len)?;
        let port = match port {
            // port = *DIGIT
            [] | [b':'] => None,
            [b':', digits @ ..] => Some(u16::try_from(parse_decimal(digits)?).ok()?),
            _ => return None,
        };
        let inner = if literal { host.get(1..len - 1)? } else { host };
        let fits = |byte: &u8| {
            byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=%".contains(byte) || (literal && *byte == b':')
        };
        if inner.is_empty() || !inner.iter().all(fits) {
            return None;
        }
        Some(Self { host: str::from_utf8(host).ok()?, port })
    }

    /// Whether `other` is the same host, in any letter case, and the same port where a missing one stands for
    /// `default_port`.
    #[must_use]
    pub fn is_same(&self, other: &Authority<'_>, default_port: u16) -> bool {
        self.host.eq_ignore_ascii_case(other.host)
            && self.port.unwrap_or(default_port) == other.port.unwrap_or(default_port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts() {
        for (text, host, port) in [
            ("sensor.example", "sensor.example", None),
            ("sensor.example:8080", "sensor.example", Some(8080)),
            ("sensor.example:", "sensor.example", None),
            ("10.0.2.2:0", "10.0.2.2", Some(0)),
            ("[::1]:9001", "[::1]", Some(9001)),
            ("[2a03:4000:123:83::3]", "[2a03:4000:123:83::3]", None),
            ("[fe80::1%25lo]:65535", "[fe80::1%25lo]", Some(65535)),
            ("a_b", "a_b", None),
        ] {
            assert_eq!(Authority::parse(text.as_bytes()), Some(Authority { host, port }), "{text}");
        }
        for text in [
            "",
            ":80",
            "a:b",
            "a:1:2",
            "a:65536",
            "a:-1",
            "::1",
            "2001:4860:4860::8888",
            "[::1",
            "[]",
            "[::1]x",
            "[::1]:x",
            "user@a",
            "user:pw@a",
            "a/b",
            "a?b",
            "a#b",
            "a b",
            "a\r\nb",
            "a\0",
            "a\\b",
            "é",
            "a[",
            "a]",
            "a\"",
            "[/]",
            "a\t",
        ] {
            assert_eq!(Authority::parse(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn same_or_not() {
        let parse = |text: &'static str| Authority::parse(text.as_bytes()).unwrap();
        assert!(parse("A.example").is_same(&parse("a.EXAMPLE:80"), 80));
        assert!(!parse("a.example").is_same(&parse("a.example:80"), 443));
        assert!(!parse("a.example").is_same(&parse("b.example"), 80));
    }
}
