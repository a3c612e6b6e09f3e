use core::fmt;
use std::{string::String, vec::Vec};

use crate::handshake::HeadLine;

/// The answer of a server to an opening handshake.
#[derive(Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct HttpResponse {
    /// The status code.
    pub status: u16,
    /// The reason phrase, what is not UTF-8 in it replaced; may be empty.
    pub reason: String,
    /// Names in the server's letter case, and values, in the server's order.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The start of the body, up to 64 KiB; empty for 101. A chunked one is not decoded.
    pub body: Vec<u8>,
}

impl HttpResponse {
    /// The most bytes of a body that are kept.
    pub(super) const MAX_BODY: usize = 64 << 10;

    /// The value of the first header field with this name, in any letter case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        self.headers
            .iter()
            .find(|(other, _)| other.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_slice())
    }

    pub(super) fn push(&mut self, line: HeadLine<'_>) {
        match line {
            HeadLine::Status { code, reason } => {
                // What an interim response said before is not what this one says.
                self.headers.clear();
                self.status = code;
                self.reason = String::from_utf8_lossy(reason).into_owned();
            }
            HeadLine::Field { name, value } => self.headers.push((name.into(), value.into())),
        }
    }
}

/// All as text, as errors that end a program show it: no cookies, and of the body the start.
impl fmt::Debug for HttpResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        /// Enough to see what it says.
        const SHOWN: usize = 512;
        let headers = self.headers.iter().map(|(name, value)| {
            let secret = name.eq_ignore_ascii_case("Set-Cookie");
            (name, if secret { Text(b"(redacted)") } else { Text(value) })
        });
        let (body, more) = self.body.split_at(self.body.len().min(SHOWN));
        let mut out = f.debug_struct("HttpResponse");
        out.field("status", &self.status).field("reason", &self.reason);
        out.field("headers", &headers.collect::<Vec<_>>()).field("body", &Text(body));
        if more.is_empty() { out.finish() } else { out.finish_non_exhaustive() }
    }
}

struct Text<'a>(&'a [u8]);

impl fmt::Debug for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&String::from_utf8_lossy(self.0), f)
    }
}

/// Status and reason phrase.
impl fmt::Display for HttpResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.status)?;
        if self.reason.is_empty() { Ok(()) } else { write!(f, " {:?}", self.reason) }
    }
}

#[cfg(test)]
mod tests {
    use std::{borrow::ToOwned, format, vec};

    use super::*;

    /// `main` shows the error that it returns so.
    #[test]
    fn answers_are_shown_as_text() {
        let field = |name: &str, value: &[u8]| (name.to_owned(), value.to_vec());
        let mut response = HttpResponse {
            status: 403,
            reason: "Forbidden".to_owned(),
            headers: vec![field("Server", b"x\xFF"), field("set-cookie", b"sid=42")],
            body: b"Go \"away\"\n".to_vec(),
        };
        let head = r#"HttpResponse { status: 403, reason: "Forbidden", headers: [("Server", "x\u{fffd}"), "#;
        let head = head.replace("\\u{fffd}", "\u{fffd}") + r#"("set-cookie", "(redacted)")], body: "#;
        assert_eq!(format!("{response:?}"), head.clone() + r#""Go \"away\"\n" }"#);
        response.body = vec![b'a'; 1000];
        assert_eq!(format!("{response:?}"), format!("{head}{:?}, .. }}", "a".repeat(512)));
    }
}
