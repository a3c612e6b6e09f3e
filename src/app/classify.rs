use core::time::Duration;

use crate::{CloseCode, Closed, Error, HandshakeError};

/// What follows on the end of a connection, or of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Verdict {
    /// Connect again, if there are attempts left.
    Retry,
    /// It is over.
    Stop,
}

impl Verdict {
    /// The verdict on an HTTP status other than 101: 408, 429 and 5xx pass, the others do not by themselves.
    #[must_use]
    pub const fn on_status(status: u16) -> Self {
        match status {
            408 | 429 | 500.. => Self::Retry,
            _ => Self::Stop,
        }
    }

    /// The verdict on the peer's close frame. It meant to close, unless it says when to come back: 1012, service
    /// restart, and 1013, try again later. Without a close frame, `None`, the connection was lost.
    #[must_use]
    pub const fn on_close(received: Option<CloseCode>) -> Self {
        match received {
            None | Some(CloseCode::SERVICE_RESTART | CloseCode::TRY_AGAIN_LATER) => Self::Retry,
            Some(_) => Self::Stop,
        }
    }

    /// The verdict on a failed opening handshake: only one that was cut off, or refused with a status that passes,
    /// may go better another time.
    #[must_use]
    pub const fn on_handshake(error: HandshakeError) -> Self {
        match error {
            HandshakeError::UnexpectedEof => Self::Retry,
            HandshakeError::Status(status) => Self::on_status(status),
            _ => Self::Stop,
        }
    }

    /// The verdict on what ended a connection or an attempt. Misuse is no such end; it would be made again.
    #[must_use]
    pub const fn on_error<E>(error: &Error<E>) -> Self {
        match error {
            Error::Io(_) | Error::WriteZero | Error::ConnectionLost | Error::Protocol(_) => Self::Retry,
            Error::Closed(Closed { received, .. }) => Self::on_close(*received),
            Error::Handshake(error) => Self::on_handshake(*error),
            Error::Misuse(_) => Self::Stop,
        }
    }
}

/// What a callback wants to follow; returning nothing, `()`, is [`Usual`](Self::Usual).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Next {
    /// What follows without a wish.
    #[default]
    Usual,
    /// Reconnect, if there are attempts left.
    Reconnect,
    /// Stop.
    Stop,
}

impl Next {
    /// This wish, otherwise that verdict.
    #[must_use]
    pub const fn or(self, usual: Verdict) -> Verdict {
        match self {
            Self::Usual => usual,
            Self::Reconnect => Verdict::Retry,
            Self::Stop => Verdict::Stop,
        }
    }
}

impl From<()> for Next {
    fn from((): ()) -> Self {
        Self::Usual
    }
}

impl From<Verdict> for Next {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Retry => Self::Reconnect,
            Verdict::Stop => Self::Stop,
        }
    }
}

/// Reads a `Retry-After` of seconds: `Retry-After = HTTP-date / delay-seconds` (RFC 9110 section 10.2.3). `None` for a
/// date, which needs a clock, and for what is neither. More seconds than fit are the most that fit.
#[must_use]
pub fn retry_after(value: &[u8]) -> Option<Duration> {
    let digits = value.trim_ascii();
    if digits.is_empty() {
        return None;
    }
    let mut seconds = 0_u32;
    for byte in digits {
        let digit = byte.checked_sub(b'0').filter(|digit| *digit < 10)?;
        seconds = seconds.saturating_mul(10).saturating_add(u32::from(digit));
    }
    Some(Duration::from_secs(u64::from(seconds)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{MisuseError, ProtocolError, handshake::Field};

    #[test]
    fn what_passes() {
        let error = |error: Error<()>| Verdict::on_error(&error);
        let closed = |received| error(Error::Closed(Closed { received, sent: None }));
        for (verdict, want) in [
            (error(Error::Io(())), Verdict::Retry),
            (error(Error::WriteZero), Verdict::Retry),
            (error(Error::ConnectionLost), Verdict::Retry),
            (error(Error::Protocol(ProtocolError::ReservedBits)), Verdict::Retry),
            (error(Error::Misuse(MisuseError::Closing)), Verdict::Stop),
            (error(HandshakeError::UnexpectedEof.into()), Verdict::Retry),
            (error(HandshakeError::InvalidHost.into()), Verdict::Stop),
            (error(HandshakeError::NotOffered(Field::Protocol).into()), Verdict::Stop),
            (closed(None), Verdict::Retry),
            (closed(Some(CloseCode::NORMAL)), Verdict::Stop),
            (closed(Some(CloseCode::NO_STATUS_RECEIVED)), Verdict::Stop),
            (closed(Some(CloseCode::SERVICE_RESTART)), Verdict::Retry),
            (closed(Some(CloseCode::TRY_AGAIN_LATER)), Verdict::Retry),
            (closed(Some(CloseCode(4000))), Verdict::Stop),
        ] {
            assert_eq!(verdict, want);
        }
        for status in 100..1000 {
            let want =
                if matches!(status, 408 | 429) || status >= 500 { Verdict::Retry } else { Verdict::Stop };
            assert_eq!(error(HandshakeError::Status(status).into()), want, "{status}");
        }
    }

    #[test]
    fn wishes() {
        for usual in [Verdict::Retry, Verdict::Stop] {
            assert_eq!(Next::from(()).or(usual), usual);
            assert_eq!(Next::Reconnect.or(usual), Verdict::Retry);
            assert_eq!(Next::Stop.or(usual), Verdict::Stop);
            assert_eq!(Next::from(usual).or(Verdict::Stop), usual);
        }
    }

    #[test]
    fn seconds_to_wait() {
        let secs = Duration::from_secs;
        for (value, want) in [
            (&b"0"[..], Some(secs(0))),
            (b"120", Some(secs(120))),
            (b" 7 ", Some(secs(7))),
            (b"99999999999999999999", Some(secs(u64::from(u32::MAX)))),
            (b"", None),
            (b" ", None),
            (b"-1", None),
            (b"1.5", None),
            (b"+5", None),
            (b"Fri, 31 Dec 1999 23:59:59 GMT", None),
        ] {
            assert_eq!(retry_after(value), want, "{}", value.escape_ascii());
        }
    }
}
