use core::str;

use nom::{
    IResult, Parser,
    bytes::complete::{tag, take_while1},
    character::complete::satisfy,
    combinator::{all_consuming, map_res},
    sequence::terminated,
};

use super::{HeadError, fields::is_tchar};

/// The first line of a request (RFC 9112 section 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct RequestLine<'a> {
    /// The method, a token; letter case counts.
    pub method: &'a str,
    /// The request target: visible ASCII characters.
    pub target: &'a str,
}

/// Takes a request line apart (without its CRLF, as a [`LineScanner`](super::LineScanner) passed it).
///
/// # Errors
/// [`HeadError::Version`] for another version than HTTP/1.1, [`HeadError::RequestLine`] for what is no request line.
pub fn parse_request_line(line: &[u8]) -> Result<RequestLine<'_>, HeadError> {
    let (line, (method, target)) = request(line).map_err(|_| HeadError::RequestLine)?;
    match all_consuming(parse_version).parse(line) {
        Ok((_, true)) => Ok(RequestLine { method, target }),
        Ok((_, false)) => Err(HeadError::Version),
        Err(_) => Err(HeadError::RequestLine),
    }
}

/// `method SP request-target SP`
fn request(input: &[u8]) -> IResult<&[u8], (&str, &str), ()> {
    let method = map_res(take_while1(is_tchar), str::from_utf8);
    let target = map_res(take_while1(|byte: u8| byte.is_ascii_graphic()), str::from_utf8);
    (terminated(method, tag(&b" "[..])), terminated(target, tag(&b" "[..]))).parse(input)
}

/// `HTTP-version = HTTP-name "/" DIGIT "." DIGIT`: whether it is 1.1.
pub(super) fn parse_version(input: &[u8]) -> IResult<&[u8], bool, ()> {
    let digit = |input| satisfy(|c| c.is_ascii_digit()).parse(input);
    let (input, (_, major, _, minor)) = (tag(&b"HTTP/"[..]), digit, tag(&b"."[..]), digit).parse(input)?;
    Ok((input, (major, minor) == ('1', '1')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn request_lines() {
        let ok = |method, target| Ok(RequestLine { method, target });
        for (line, want) in [
            (&b"GET /chat?a=b HTTP/1.1"[..], ok("GET", "/chat?a=b")),
            (b"get http://a/ HTTP/1.1", ok("get", "http://a/")),
            (b"GET / HTTP/1.0", Err(HeadError::Version)),
            (b"GET / HTTP/3.0", Err(HeadError::Version)),
            (b"GET /", Err(HeadError::RequestLine)),
            (b"GET / ", Err(HeadError::RequestLine)),
            (b"GET  / HTTP/1.1", Err(HeadError::RequestLine)),
            (b"GET / HTTP/1.1 ", Err(HeadError::RequestLine)),
            (b"GET / HTTP/1.12", Err(HeadError::RequestLine)),
            (b"GET /a b HTTP/1.1", Err(HeadError::RequestLine)),
            (b"GET /\xc3\xa9 HTTP/1.1", Err(HeadError::RequestLine)),
            (b"G@T / HTTP/1.1", Err(HeadError::RequestLine)),
            (b"/ HTTP/1.1", Err(HeadError::RequestLine)),
            (b"", Err(HeadError::RequestLine)),
        ] {
            assert_eq!(parse_request_line(line), want, "{line:?}");
        }
    }
}
