//! HTTP CONNECT (RFC 9110 section 9.3.6).

use core::fmt;
use std::{format, string::String, vec, vec::Vec};

use base64ct::{Base64, Encoding};

use super::{Exchange, ProxyError, Target};
use crate::{
    handshake::HeadLine,
    http::{HeadError, LineScanner, parse_field, parse_status_line, trace_field},
    net::HttpResponse,
};

/// The most bytes of an answer's head.
const MAX_HEAD: u16 = 16 << 10;
const MAX_FIELDS: usize = 100;

/// Asks an HTTP proxy for a tunnel.
pub(in crate::net) struct HttpConnect {
    request: Vec<u8>,
    sent: usize,
    head: Vec<u8>,
    /// How far it was read.
    start: usize,
    /// How far it was received.
    end: usize,
    scanner: LineScanner,
    response: HttpResponse,
    done: bool,
}

impl HttpConnect {
    pub(super) fn new(target: &Target<'_>, user: Option<(&str, &str)>) -> Self {
        let authority = format!("{}:{}", target.host, target.port);
        let mut request = format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n");
        trace!("sent CONNECT {} HTTP/1.1", authority.as_str());
        if let Some(user) = user {
            request.push_str("Proxy-Authorization: ");
            request.push_str(&basic(user));
            request.push_str("\r\n");
        }
        request.push_str("\r\n");
        Self {
            request: request.into_bytes(),
            sent: 0,
            // One more, which is over the limit: there is always room to read to.
            head: vec![0; usize::from(MAX_HEAD) + 1],
            start: 0,
            end: 0,
            scanner: LineScanner::new(MAX_HEAD.into()),
            response: HttpResponse::default(),
            done: false,
        }
    }

    pub(super) fn poll(&mut self) -> Exchange<'_> {
        match self.request.get(self.sent..) {
            Some(pending @ [_, ..]) => Exchange::Transmit(pending),
            _ if self.done => Exchange::Done,
            _ => Exchange::Receive(self.head.get_mut(self.end..).unwrap_or_default()),
        }
    }

    pub(super) const fn sent(&mut self, n: usize) {
        self.sent = self.sent.saturating_add(n);
    }

    pub(super) fn received(&mut self, n: usize) -> Result<(), ProxyError> {
        if n == 0 {
            return Err(ProxyError::UnexpectedEof);
        }
        self.end = self.head.len().min(self.end.saturating_add(n));
        loop {
            let bytes = self.head.get(self.start..self.end).unwrap_or_default();
            if !self.scanner.scan(bytes)? {
                return Ok(());
            }
            let len = self.scanner.scanned();
            self.start += len;
            let line = bytes.get(..len.wrapping_sub(2)).unwrap_or_default();
            if self.response.status == 0 {
                let (code, reason) = status_line(line)?;
                trace!("received HTTP {}", code);
                self.response.push(HeadLine::Status { code, reason });
            } else if line.is_empty() && matches!(self.response.status, 100 | 102..=199) {
                // RFC 9110 section 15.2: a client takes interim responses before the final one.
                self.response.status = 0;
                self.scanner.restart();
            } else if line.is_empty() {
                return self.end_of_head();
            } else {
                let (name, value) = parse_field(line)?;
                trace_field("received", name.as_bytes(), value);
                if self.response.headers.len() == MAX_FIELDS {
                    return Err(HeadError::TooLong.into());
                }
                self.response.push(HeadLine::Field { name, value });
            }
        }
    }

    /// "Any 2xx (Successful) response indicates that the sender ... will switch to tunnel mode immediately after the
    /// response header section"; "A client MUST ignore any Content-Length or Transfer-Encoding header fields".
    fn end_of_head(&mut self) -> Result<(), ProxyError> {
        if !matches!(self.response.status, 200..=299) {
            return Err(ProxyError::Status(core::mem::take(&mut self.response).into()));
        }
        if self.start != self.end {
            return Err(ProxyError::Early);
        }
        self.done = true;
        Ok(())
    }
}

/// Proxies answer as HTTP/1.0 too.
fn status_line(line: &[u8]) -> Result<(u16, &[u8]), HeadError> {
    if let Some(rest @ [b' ', ..]) = line.strip_prefix(b"HTTP/1.0") {
        let line = [b"HTTP/1.1", rest].concat();
        let (code, reason) = parse_status_line(&line)?;
        return Ok((code, line_end(rest, reason.len())));
    }
    parse_status_line(line)
}

fn line_end(line: &[u8], len: usize) -> &[u8] {
    line.get(line.len().saturating_sub(len)..).unwrap_or_default()
}

/// Credentials of the scheme Basic (RFC 7617), as the value of a header field.
pub(in crate::net) fn basic((user, password): (&str, &str)) -> String {
    format!("Basic {}", Base64::encode_string(format!("{user}:{password}").as_bytes()))
}

/// Without the request: it has credentials.
impl fmt::Debug for HttpConnect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpConnect").field("response", &self.response.status).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::string::ToString;

    use url::Host;

    use super::*;

    fn machine(host: &str, user: Option<(&str, &str)>) -> HttpConnect {
        let host = Host::parse(host).unwrap();
        let mut machine = HttpConnect::new(&Target { host: &host, port: 443, ip: None }, user);
        let len = machine.request.len();
        machine.sent(len);
        machine
    }

    /// In pieces of `size` bytes.
    fn answer(bytes: &[u8], size: usize) -> Result<bool, ProxyError> {
        let mut machine = machine("h", None);
        for chunk in bytes.chunks(size) {
            let Exchange::Receive(space) = machine.poll() else { return Ok(machine.done) };
            let len = space.len().min(chunk.len());
            space[..len].copy_from_slice(&chunk[..len]);
            machine.received(len)?;
        }
        Ok(machine.done)
    }

    #[test]
    fn requests() {
        for (host, user, want) in [
            ("h", None, "CONNECT h:443 HTTP/1.1\r\nHost: h:443\r\n\r\n"),
            ("[::1]", None, "CONNECT [::1]:443 HTTP/1.1\r\nHost: [::1]:443\r\n\r\n"),
            (
                "h",
                Some(("Aladdin", "open sesame")),
                "CONNECT h:443 HTTP/1.1\r\nHost: h:443\r\nProxy-Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n\r\n",
            ),
        ] {
            assert_eq!(String::from_utf8(machine(host, user).request).unwrap(), want);
        }
    }

    #[test]
    fn answers() {
        let status = |text: &[u8]| match answer(text, 7) {
            Err(ProxyError::Status(response)) => (response.status, response.reason, response.headers.len()),
            other => panic!("{other:?}"),
        };
        for size in [1, 7, 100] {
            for text in [
                "HTTP/1.1 200 Connection established\r\n\r\n",
                "HTTP/1.0 200 OK\r\nProxy-agent: tinyproxy/1.11\r\n\r\n",
                "HTTP/1.1 200\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
                "HTTP/1.1 204 \r\n\r\n",
                "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nA: b\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
            ] {
                assert_eq!(answer(text.as_bytes(), size), Ok(true), "{text}");
                assert_eq!(answer(&text.as_bytes()[..text.len() - 1], size), Ok(false), "{text}");
            }
        }
        assert_eq!(status(b"HTTP/1.0 407 Auth\r\nA: b\r\nC: d\r\n\r\nbody"), (407, "Auth".to_string(), 2));
        assert_eq!(status(b"HTTP/1.1 403 Forbidden\r\n\r\n").0, 403);
        assert_eq!(status(b"HTTP/1.1 101 Switching\r\n\r\n").0, 101);
        for (text, want) in [
            (&b"HTTP/2.0 200 OK\r\n\r\n"[..], HeadError::StatusLine),
            (b"HTTP/1.0200 OK\r\n\r\n", HeadError::StatusLine),
            (b"SSH-2.0-x\r\n", HeadError::StatusLine),
            (b"HTTP/1.1 200 OK\nA: b\n\n", HeadError::LineEnding),
            (b"HTTP/1.1 200 OK\r\nA b\r\n\r\n", HeadError::FieldName),
        ] {
            assert_eq!(answer(text, 3), Err(ProxyError::Head(want)));
        }
        assert_eq!(answer(b"HTTP/1.1 200 OK\r\n\r\n\x81", 100), Err(ProxyError::Early));
        assert_eq!(machine("h", None).received(0), Err(ProxyError::UnexpectedEof));
    }

    /// Attack 36.
    #[test]
    fn endless_answers() {
        let long = [&b"HTTP/1.1 200 OK\r\nA: "[..], &vec![b'a'; 20 << 10]].concat();
        assert_eq!(answer(&long, 1000), Err(HeadError::TooLong.into()));
        let many = ["HTTP/1.1 200 OK\r\n", &"A:\r\n".repeat(101)].concat();
        assert_eq!(answer(many.as_bytes(), 1000), Err(HeadError::TooLong.into()));
    }
}
