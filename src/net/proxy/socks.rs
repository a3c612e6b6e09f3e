//! SOCKS4 and 4a, and SOCKS5 (RFC 1928) with user name and password (RFC 1929).

use core::fmt;
use std::{net::IpAddr, string::ToString, vec, vec::Vec};

use url::Host;

use super::{Exchange, ProxyError, Scheme, Target};

/// Asks a SOCKS proxy for a connection.
pub(in crate::net) struct Socks {
    out: Vec<u8>,
    sent: usize,
    input: [u8; MAX_ANSWER],
    filled: usize,
    /// How many bytes the answer has; no byte more is read.
    expected: usize,
    stage: Stage,
    /// What follows the negotiation of SOCKS5.
    credentials: Vec<u8>,
    request: Vec<u8>,
}

/// Version, code, reserved, type, length of a name, name, port.
const MAX_ANSWER: usize = 4 + 1 + 255 + 2;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Socks4,
    Method,
    Credentials,
    /// Up to the first byte of the address, which may be a length.
    Reply,
    ReplyRest,
    Done,
}

const NO_AUTHENTICATION: u8 = 0;
const USER_PASSWORD: u8 = 2;

impl Socks {
    pub(super) fn new(
        scheme: Scheme,
        target: &Target<'_>,
        user: Option<(&str, &str)>,
    ) -> Result<Self, ProxyError> {
        let mut socks = Self {
            out: Vec::new(),
            sent: 0,
            input: [0; MAX_ANSWER],
            filled: 0,
            expected: 8,
            stage: Stage::Socks4,
            credentials: Vec::new(),
            request: Vec::new(),
        };
        if matches!(scheme, Scheme::Socks4 | Scheme::Socks4a) {
            socks.out = request4(target, user.map_or("", |(name, _)| name))?;
            return Ok(socks);
        }
        socks.expect(Stage::Method, 2);
        socks.request = request5(target)?;
        socks.out = match user {
            None => vec![5, 1, NO_AUTHENTICATION],
            Some((name, password)) => {
                socks.credentials.push(1);
                // RFC 1929 has no empty ones, but there are proxies that look at the name alone.
                put_short(&mut socks.credentials, name).ok_or(ProxyError::Credentials)?;
                put_short(&mut socks.credentials, password).ok_or(ProxyError::Credentials)?;
                vec![5, 2, NO_AUTHENTICATION, USER_PASSWORD]
            }
        };
        Ok(socks)
    }

    pub(super) fn poll(&mut self) -> Exchange<'_> {
        match self.out.get(self.sent..) {
            Some(pending @ [_, ..]) => Exchange::Transmit(pending),
            _ if self.stage == Stage::Done => Exchange::Done,
            _ => Exchange::Receive(self.input.get_mut(self.filled..self.expected).unwrap_or_default()),
        }
    }

    pub(super) const fn sent(&mut self, n: usize) {
        self.sent = self.sent.saturating_add(n);
    }

    pub(super) fn received(&mut self, n: usize) -> Result<(), ProxyError> {
        if n == 0 {
            return Err(ProxyError::UnexpectedEof);
        }
        self.filled = self.expected.min(self.filled.saturating_add(n));
        if self.filled < self.expected {
            return Ok(());
        }
        let answer = self.input.get(..self.filled).unwrap_or_default();
        match (self.stage, answer) {
            (Stage::Socks4, [0, 90, ..]) | (Stage::ReplyRest, _) => self.stage = Stage::Done,
            (Stage::Socks4, [0, code @ 91..=93, ..]) => return Err(ProxyError::Refused(*code)),
            (Stage::Method, [5, NO_AUTHENTICATION]) => self.ask(),
            (Stage::Method, [5, USER_PASSWORD]) if !self.credentials.is_empty() => {
                (self.out, self.sent) = (core::mem::take(&mut self.credentials), 0);
                self.expect(Stage::Credentials, 2);
            }
            // X'FF': "none of the methods listed by the client are acceptable".
            (Stage::Method, [5, 0xff]) => return Err(ProxyError::Unauthorized),
            (Stage::Credentials, [1, 0]) => self.ask(),
            (Stage::Credentials, [1, _]) => return Err(ProxyError::Unauthorized),
            (Stage::Reply, [5, 0, 0, kind, length]) => {
                // The first byte of the address was read.
                let rest = match kind {
                    1 => 3,
                    3 => usize::from(*length),
                    4 => 15,
                    _ => return Err(ProxyError::Malformed),
                };
                self.stage = Stage::ReplyRest;
                self.expected = self.filled + rest + 2;
            }
            (Stage::Reply, [5, code @ 1..=u8::MAX, ..]) => return Err(ProxyError::Refused(*code)),
            _ => return Err(ProxyError::Malformed),
        }
        Ok(())
    }

    fn ask(&mut self) {
        (self.out, self.sent) = (core::mem::take(&mut self.request), 0);
        self.expect(Stage::Reply, 5);
    }

    const fn expect(&mut self, stage: Stage, bytes: usize) {
        (self.stage, self.filled, self.expected) = (stage, 0, bytes);
    }
}

/// VN 4, CD 1, port, address, user, 0; in 4a an address 0.0.0.x instead, and after it the name and 0.
fn request4(target: &Target<'_>, user: &str) -> Result<Vec<u8>, ProxyError> {
    let (address, name) = match (target.ip.map(|ip| ip.to_canonical()), target.host) {
        (Some(IpAddr::V4(ip)), _) => (ip.octets(), None),
        (None, Host::Domain(name)) => ([0, 0, 0, 1], Some(name)),
        _ => return Err(ProxyError::Address),
    };
    if user.len() > 255 || user.contains('\0') {
        return Err(ProxyError::Credentials);
    }
    let mut out = vec![4, 1];
    out.extend(target.port.to_be_bytes());
    out.extend(address);
    out.extend(user.as_bytes());
    out.push(0);
    if let Some(name) = name {
        if name.len() > 255 {
            return Err(ProxyError::Address);
        }
        out.extend(name.as_bytes());
        out.push(0);
    }
    Ok(out)
}

/// VER 5, CMD 1, RSV 0, ATYP, address, port.
fn request5(target: &Target<'_>) -> Result<Vec<u8>, ProxyError> {
    let mut out = vec![5, 1, 0];
    match target.ip.map(|ip| ip.to_canonical()) {
        Some(IpAddr::V4(ip)) => {
            out.push(1);
            out.extend(ip.octets());
        }
        Some(IpAddr::V6(ip)) => {
            out.push(4);
            out.extend(ip.octets());
        }
        None => {
            out.push(3);
            put_short(&mut out, &target.host.to_string()).ok_or(ProxyError::Address)?;
        }
    }
    out.extend(target.port.to_be_bytes());
    Ok(out)
}

/// A length of one byte, and the text.
fn put_short(out: &mut Vec<u8>, text: &str) -> Option<()> {
    out.push(u8::try_from(text.len()).ok()?);
    out.extend(text.as_bytes());
    Some(())
}

/// Without what is sent: it has credentials.
impl fmt::Debug for Socks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Socks").field("stage", &self.stage).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is sent, until it is done or waits for more than `answers`, fed `size` bytes at a time. The answers left
    /// have to be none.
    fn run(
        scheme: Scheme,
        host: &str,
        ip: Option<&str>,
        user: Option<(&str, &str)>,
        mut answers: &[u8],
        size: usize,
    ) -> Result<(Vec<u8>, bool), ProxyError> {
        let host = Host::parse(host).unwrap();
        let target = Target { host: &host, port: 0x1234, ip: ip.map(|ip| ip.parse().unwrap()) };
        let mut socks = Socks::new(scheme, &target, user)?;
        let mut out = Vec::new();
        loop {
            match socks.poll() {
                Exchange::Transmit(bytes) => {
                    let bytes = &bytes[..bytes.len().min(size)];
                    out.extend(bytes);
                    let len = bytes.len();
                    socks.sent(len);
                }
                Exchange::Receive(space) => {
                    let len = space.len().min(size).min(answers.len());
                    if len == 0 {
                        return Ok((out, false));
                    }
                    space[..len].copy_from_slice(&answers[..len]);
                    answers = &answers[len..];
                    socks.received(len)?;
                }
                Exchange::Done => {
                    assert!(answers.is_empty());
                    return Ok((out, true));
                }
            }
        }
    }

    #[test]
    fn socks4() {
        let ok = [0, 90, 0, 0, 0, 0, 0, 0];
        let v4 = Some("1.2.3.4");
        let mut plain = vec![4, 1, 0x12, 0x34, 1, 2, 3, 4, 0];
        for size in [1, 3, 100] {
            let sent = run(Scheme::Socks4, "h", v4, None, &ok, size);
            assert_eq!(sent, Ok((plain.clone(), true)));
        }
        // A name goes along only if the address is unknown.
        assert_eq!(run(Scheme::Socks4a, "1.2.3.4", v4, None, &ok, 9), Ok((plain.clone(), true)));
        plain.splice(8.., *b"me\0");
        assert_eq!(run(Scheme::Socks4, "h", v4, Some(("me", "x")), &ok, 9), Ok((plain, true)));
        let named = [&[4, 1, 0x12, 0x34, 0, 0, 0, 1, 0][..], b"h.example\0"].concat();
        assert_eq!(run(Scheme::Socks4a, "h.example", None, None, &ok, 9), Ok((named, true)));

        assert_eq!(run(Scheme::Socks4, "[::1]", Some("::1"), None, &ok, 9), Err(ProxyError::Address));
        let long = "x".repeat(256);
        let user = Some((long.as_str(), ""));
        assert_eq!(run(Scheme::Socks4, "h", v4, user, &ok, 9), Err(ProxyError::Credentials));
        for code in 91..=93 {
            let answer = [0, code, 0, 0, 0, 0, 0, 0];
            assert_eq!(run(Scheme::Socks4, "h", v4, None, &answer, 3), Err(ProxyError::Refused(code)));
        }
        for answer in [*b"HTTP/1.1", [5, 90, 0, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0, 0, 0]] {
            assert_eq!(run(Scheme::Socks4, "h", v4, None, &answer, 3), Err(ProxyError::Malformed));
        }
    }

    #[test]
    fn socks5() {
        let bound: [&[u8]; 3] = [
            &[1, 9, 9, 9, 9, 8, 8],
            &[3, 2, b'o', b'k', 8, 8],
            &[4, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 8, 8],
        ];
        let addresses: [(&str, Option<&str>, &[u8]); 4] = [
            ("h", Some("1.2.3.4"), &[1, 1, 2, 3, 4]),
            ("h", Some("::1"), &[4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]),
            ("h", Some("::ffff:1.2.3.4"), &[1, 1, 2, 3, 4]),
            ("h.example", None, b"\x03\x09h.example"),
        ];
        for (host, ip, address) in addresses {
            for bound in bound {
                for size in [1, 3, 300] {
                    let request = [&[5, 1, 0][..], address, &[0x12, 0x34]].concat();
                    let answers = [&[5, 0, 5, 0, 0][..], bound].concat();
                    let want = [&[5, 1, 0][..], &request].concat();
                    assert_eq!(run(Scheme::Socks5, host, ip, None, &answers, size), Ok((want, true)));

                    let user = Some(("me", "pw"));
                    let answers = [&[5, 2, 1, 0, 5, 0, 0][..], bound].concat();
                    let want = [&[5, 2, 0, 2][..], b"\x01\x02me\x02pw", &request].concat();
                    assert_eq!(run(Scheme::Socks5h, host, ip, user, &answers, size), Ok((want, true)));
                }
            }
        }
    }

    #[test]
    fn socks5_refuses() {
        let user = Some(("me", "pw"));
        for (user, answers, want) in [
            (None, &[5, 0xff][..], ProxyError::Unauthorized),
            (user, &[5, 0xff], ProxyError::Unauthorized),
            // Not offered.
            (None, &[5, 2], ProxyError::Malformed),
            (user, &[5, 1], ProxyError::Malformed),
            (user, &[4, 0], ProxyError::Malformed),
            (user, &[5, 2, 1, 1], ProxyError::Unauthorized),
            (user, &[5, 2, 5, 0], ProxyError::Malformed),
            (None, &[5, 0, 5, 2, 0, 1, 0], ProxyError::Refused(2)),
            (None, &[5, 0, 5, 5, 0, 1, 0], ProxyError::Refused(5)),
            (None, &[5, 0, 5, 0, 0, 2, 0], ProxyError::Malformed),
            (None, &[5, 0, 5, 0, 1, 1, 0], ProxyError::Malformed),
            (None, &[5, 0, 4, 0, 0, 1, 0], ProxyError::Malformed),
            (None, b"HT", ProxyError::Malformed),
        ] {
            for size in [1, 100] {
                assert_eq!(run(Scheme::Socks5h, "h", None, user, answers, size), Err(want.clone()));
            }
        }
        let long = "x".repeat(256);
        for user in [(long.as_str(), "x"), ("x", &long)] {
            assert_eq!(run(Scheme::Socks5, "h", None, Some(user), &[], 1), Err(ProxyError::Credentials));
        }
        let host = Host::parse("h").unwrap();
        let target = Target { host: &host, port: 1, ip: None };
        assert_eq!(
            Socks::new(Scheme::Socks5h, &target, None).unwrap().received(0),
            Err(ProxyError::UnexpectedEof)
        );
    }
}
