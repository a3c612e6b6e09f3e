use super::{HandshakeError, field::check_extra};

/// How a server answers a request: accept it, or refuse it with a status.
///
/// ```
/// use sockling::handshake::Response;
/// let yes = Response::accept().subprotocol("telemetry.v2");
/// let no = Response::reject(401).fields(&[("WWW-Authenticate", "Basic realm=\"sensors\"")]).body("who are you?");
/// ```
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Response<'a> {
    accepts: bool,
    pub(super) status: u16,
    pub(crate) subprotocol: Option<&'a str>,
    pub(super) fields: &'a [(&'a str, &'a str)],
    pub(super) body: &'a str,
}

impl<'a> Response<'a> {
    /// Opens the connection: 101.
    #[must_use]
    pub const fn accept() -> Self {
        Self { accepts: true, status: 101, subprotocol: None, fields: &[], body: "" }
    }

    /// Refuses the request. The status is one of 200 to 599 that has a body: not 204, 205, 304.
    #[must_use]
    pub const fn reject(status: u16) -> Self {
        Self { accepts: false, status, subprotocol: None, fields: &[], body: "" }
    }

    /// Selects a subprotocol, which the client has to have offered. A refusal has none.
    #[must_use]
    pub const fn subprotocol(self, subprotocol: &'a str) -> Self {
        Self { subprotocol: Some(subprotocol), ..self }
    }

    /// Adds header fields, names and values, in their order; not those that the handshake says itself: `Upgrade`,
    /// `Connection`, `Sec-WebSocket-*`, `Content-Length`, `Transfer-Encoding`, nor the request's `Host` and `Origin`.
    #[must_use]
    pub const fn fields(self, fields: &'a [(&'a str, &'a str)]) -> Self {
        Self { fields, ..self }
    }

    /// Sets the body of a refusal; text for a human, unless `fields` has a `Content-Type`. 101 has none.
    #[must_use]
    pub const fn body(self, body: &'a str) -> Self {
        Self { body, ..self }
    }

    pub(super) const fn is_accept(&self) -> bool {
        self.accepts
    }

    pub(super) fn check(&self) -> Result<(), HandshakeError> {
        // RFC 9110: 1xx is no final response; 204, 205 and 304 have no content.
        match self.status {
            status @ (204 | 205 | 304) => return Err(HandshakeError::InvalidStatus(status)),
            200..=599 => {}
            _ if self.accepts => {}
            status => return Err(HandshakeError::InvalidStatus(status)),
        }
        check_extra(self.fields)
    }

    /// The first line; the reason phrase is for humans, and only what small servers use has one.
    pub(super) const fn reason(&self) -> &'static str {
        match self.status {
            101 => "Switching Protocols",
            400 => "Bad Request",
            401 => "Unauthorized",
            403 => "Forbidden",
            404 => "Not Found",
            405 => "Method Not Allowed",
            426 => "Upgrade Required",
            429 => "Too Many Requests",
            431 => "Request Header Fields Too Large",
            500 => "Internal Server Error",
            503 => "Service Unavailable",
            _ => "",
        }
    }
}

/// The decimal digits of a number, without an allocator.
#[derive(Clone, Copy)]
pub(super) struct Decimal {
    digits: [u8; 20],
    start: usize,
}

impl Decimal {
    #[allow(clippy::cast_possible_truncation, reason = "a digit")]
    pub(super) fn new(mut number: usize) -> Self {
        let mut decimal = Self { digits: [b'0'; 20], start: 20 };
        for digit in decimal.digits.iter_mut().rev() {
            *digit += (number % 10) as u8;
            number /= 10;
            decimal.start -= 1;
            if number == 0 {
                break;
            }
        }
        decimal
    }

    pub(super) fn as_str(&self) -> &str {
        self.digits.get(self.start..).and_then(|digits| core::str::from_utf8(digits).ok()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::string::ToString;

    use super::*;

    #[test]
    fn statuses_of_a_refusal() {
        for status in 0..1000 {
            let refusal = (200..=599).contains(&status) && ![204, 205, 304].contains(&status);
            assert_eq!(Response::reject(status).check().is_ok(), refusal, "{status}");
        }
        assert!(Response::accept().check().is_ok());
    }

    #[test]
    fn numbers() {
        for number in [0, 9, 10, 101, 65535, usize::MAX] {
            assert_eq!(Decimal::new(number).as_str(), number.to_string());
        }
    }
}
