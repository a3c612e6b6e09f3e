//! Lists in field values (RFC 9110 section 5.6.1), and the extension lists of RFC 6455 section 9.1.
//!
//! "A recipient MUST parse and ignore a reasonable number of empty list elements": all are. Everything here takes time
//! linear in the length of the list, whatever is in it.

use core::str;

use nom::{
    IResult, Parser,
    branch::alt,
    bytes::complete::{tag, take, take_while, take_while1},
    combinator::{eof, map_res, opt, recognize, verify},
    multi::many0_count,
    sequence::{delimited, preceded, terminated},
};

use super::{
    HeadError,
    fields::{is_tchar, trim},
};

/// The elements of a list of tokens, as they stand between the commas, without the empty ones.
pub fn tokens(list: &[u8]) -> impl Iterator<Item = &[u8]> {
    list.split(|byte| *byte == b',').map(trim).filter(|element| !element.is_empty())
}

/// Whether `token` is in the list, in any letter case: `keep-alive, Upgrade` has `upgrade`, `notupgrade` has not.
#[must_use]
pub fn has_token(list: &[u8], token: &str) -> bool {
    find_token(list, token.as_bytes()).is_some()
}

/// Where in the list `token` is, in any letter case.
pub(crate) fn find_token(list: &[u8], token: &[u8]) -> Option<usize> {
    let (mut rest, mut index) = (list, 0);
    loop {
        let len = rest.iter().position(|byte| *byte == b',').unwrap_or(rest.len());
        if rest.get(..len).is_some_and(|element| trim(element).eq_ignore_ascii_case(token)) {
            return Some(index);
        }
        rest = rest.get(len + 1..)?;
        index += 1;
    }
}

/// The elements of a `Sec-WebSocket-Extensions` field (RFC 6455 section 9.1):
///
/// ```text
/// extension-list = 1#extension
/// extension = extension-token *( ";" extension-param )
/// extension-param = token [ "=" (token | quoted-string) ]
/// ```
///
/// Ends with an error at the first element that breaks this grammar.
#[derive(Clone, Debug)]
pub struct Extensions<'a> {
    rest: &'a [u8],
}

impl<'a> Extensions<'a> {
    /// The elements of `list`, a field's value.
    #[must_use]
    pub const fn new(list: &'a [u8]) -> Self {
        Self { rest: list }
    }
}

impl<'a> Iterator for Extensions<'a> {
    type Item = Result<Extension<'a>, HeadError>;

    fn next(&mut self) -> Option<Self::Item> {
        let (rest, _) = empty_elements(self.rest).unwrap_or((self.rest, &[]));
        if rest.is_empty() {
            return None;
        }
        match terminated(extension, (ows, alt((eof, tag(&b","[..]))))).parse(rest) {
            Ok((rest, extension)) => {
                self.rest = rest;
                Some(Ok(extension))
            }
            Err(_) => {
                self.rest = &[];
                Some(Err(HeadError::List))
            }
        }
    }
}

/// An extension that is offered or accepted: its name and parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Extension<'a> {
    /// The name, as registered with IANA; letter case counts.
    pub name: &'a str,
    params: &'a [u8],
}

impl<'a> Extension<'a> {
    /// The parameters, in their order.
    pub fn params(&self) -> impl Iterator<Item = Param<'a>> + use<'a> {
        let mut rest = self.params;
        core::iter::from_fn(move || {
            let (after, param) = param(rest).ok()?;
            rest = after;
            Some(param)
        })
    }
}

/// A parameter of an extension.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Param<'a> {
    /// The name.
    pub name: &'a str,
    /// The value, where there is one.
    pub value: Option<ParamValue<'a>>,
}

/// The value of a parameter. "When using the quoted-string syntax variant, the value after quoted-string unescaping
/// MUST conform to the 'token' ABNF": it compares equal to that token.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct ParamValue<'a>(&'a [u8]);

impl<'a> ParamValue<'a> {
    /// The bytes of the token, unescaped.
    pub fn bytes(self) -> impl Iterator<Item = u8> + use<'a> {
        // A backslash is no character of a token: each one escapes the byte after it.
        self.0.iter().copied().filter(|byte| *byte != b'\\')
    }

    /// The number, if it is one in decimal digits without leading zeros: `client_max_window_bits=10`.
    #[must_use]
    pub fn number(self) -> Option<u32> {
        let mut number = None;
        for byte in self.bytes() {
            if !byte.is_ascii_digit() || number == Some(0) {
                return None;
            }
            number = Some(number.unwrap_or(0u32).checked_mul(10)?.checked_add(u32::from(byte & 0xF))?);
        }
        number
    }
}

impl PartialEq for ParamValue<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.bytes().eq(other.bytes())
    }
}

impl Eq for ParamValue<'_> {}

impl PartialEq<str> for ParamValue<'_> {
    fn eq(&self, other: &str) -> bool {
        self.bytes().eq(other.bytes())
    }
}

fn ows(input: &[u8]) -> IResult<&[u8], &[u8], ()> {
    take_while(|byte| matches!(byte, b' ' | b'\t')).parse(input)
}

fn empty_elements(input: &[u8]) -> IResult<&[u8], &[u8], ()> {
    take_while(|byte| matches!(byte, b' ' | b'\t' | b',')).parse(input)
}

fn token(input: &[u8]) -> IResult<&[u8], &str, ()> {
    map_res(take_while1(is_tchar), str::from_utf8).parse(input)
}

fn extension(input: &[u8]) -> IResult<&[u8], Extension<'_>, ()> {
    let (input, (name, params)) = (token, recognize(many0_count(param))).parse(input)?;
    Ok((input, Extension { name, params }))
}

fn param(input: &[u8]) -> IResult<&[u8], Param<'_>, ()> {
    let (input, name) = preceded((ows, tag(&b";"[..]), ows), token).parse(input)?;
    let (input, value) =
        opt(preceded((ows, tag(&b"="[..]), ows), alt((quoted, recognize(token))))).parse(input)?;
    Ok((input, Param { name, value: value.map(ParamValue) }))
}

/// A quoted string of characters of a token, each of which may be escaped; what is between the quotes.
fn quoted(input: &[u8]) -> IResult<&[u8], &[u8], ()> {
    let plain = take_while1(is_tchar);
    let escaped =
        preceded(tag(&b"\\"[..]), verify(take(1usize), |byte: &[u8]| byte.iter().all(|b| is_tchar(*b))));
    let inner = verify(recognize(many0_count(alt((plain, escaped)))), |inner: &[u8]| !inner.is_empty());
    delimited(tag(&b"\""[..]), inner, tag(&b"\""[..])).parse(input)
}

format_by_name!("Extensions", [] Extensions<'_>);

#[cfg(test)]
mod tests {
    extern crate std;
    use std::{format, string::String, time::Instant, vec::Vec};

    use super::*;

    #[test]
    fn tokens_in_lists() {
        for list in ["upgrade", "keep-alive, Upgrade", "UPGRADE,", " ,\t, upgrade\t,x", "a,upgrade,b"] {
            assert!(has_token(list.as_bytes(), "upgrade"), "{list}");
        }
        for list in [
            "",
            "notupgrade",
            "upgrade2",
            "up grade",
            "\"upgrade\"",
            "upgrade;q=1",
            "keep-alive upgrade",
            ",,",
        ] {
            assert!(!has_token(list.as_bytes(), "upgrade"), "{list}");
        }
    }

    fn show(list: &[u8]) -> String {
        Extensions::new(list)
            .map(|extension| {
                let Ok(extension) = extension else {
                    return String::from("!");
                };
                let mut text = String::from(extension.name);
                for param in extension.params() {
                    let value = param.value.map(|v| String::from_utf8(v.bytes().collect()).unwrap());
                    text +=
                        &format!(" {}{}", param.name, value.map_or_else(String::new, |v| format!("={v}")));
                }
                text
            })
            .collect::<Vec<_>>()
            .join("|")
    }

    #[test]
    fn extension_lists() {
        for (list, want) in [
            ("", ""),
            (" , ,", ""),
            ("foo", "foo"),
            ("foo, bar; baz=2", "foo|bar baz=2"),
            (
                "permessage-deflate; client_max_window_bits; server_max_window_bits=10, permessage-deflate",
                "permessage-deflate client_max_window_bits server_max_window_bits=10|permessage-deflate",
            ),
            ("a;b=\"1\\0\" , c", "a b=10|c"),
            ("a ;b = c,,d", "a b=c|d"),
            // RFC 6455 section 9.1: the value of a quoted string is a token as well.
            ("a; b=\"c,d\", e", "!"),
            ("a; b=\"\"", "!"),
            ("a; b=\"c d\"", "!"),
            ("a; b=\"c\\\"\"", "!"),
            ("a; b=\"c", "!"),
            ("a; b=\"c\\", "!"),
            ("a; b=", "!"),
            ("a;", "!"),
            ("a b", "!"),
            ("a, b c, d", "a|!"),
            ("=", "!"),
            (";a", "!"),
        ] {
            assert_eq!(show(list.as_bytes()), want, "{list}");
        }
    }

    #[test]
    fn numbers_in_parameters() {
        let number = |list: &str| {
            let extension = Extensions::new(list.as_bytes()).next().unwrap().unwrap();
            extension.params().next().unwrap().value.unwrap().number()
        };
        assert_eq!(number("a;b=15"), Some(15));
        assert_eq!(number("a;b=\"1\\5\""), Some(15));
        assert_eq!(number("a;b=0"), Some(0));
        assert_eq!(number("a;b=08"), None);
        assert_eq!(number("a;b=8a"), None);
        assert_eq!(number("a;b=4294967296"), None);
    }

    /// Attack 5 (CVE-2021-32640, CVE-2020-7662).
    #[test]
    fn linear_in_floods() {
        let started = Instant::now();
        for unit in [
            "\"",
            "\\",
            "\\\"",
            "a;b=\"",
            "a;b=\"\\",
            "a;b=\"\\\\",
            ",",
            ", ",
            " ",
            "\t",
            ";",
            "a;",
            "a ",
            "a,",
            "a; ",
            "a =",
            "a;b= ",
        ] {
            for front in ["", "a", "a;b=\"", "a;b", "a;b=", "a,"] {
                for back in ["", "x", "\"", ",b", "\x01"] {
                    let list = format!("{front}{}{back}", unit.repeat(50_000 / unit.len()));
                    let mut elements = 0;
                    for extension in Extensions::new(list.as_bytes()) {
                        elements += extension.map_or(0, |extension| extension.params().count());
                    }
                    assert!(elements <= list.len());
                    assert!(!has_token(list.as_bytes(), "upgrade"));
                }
            }
        }
        // Quadratic would be hours.
        assert!(started.elapsed().as_secs() < 120);
    }
}
