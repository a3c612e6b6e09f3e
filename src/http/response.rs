use super::{HeadError, parse_decimal};

/// Takes a status line apart (without its CRLF, as a [`LineScanner`](super::LineScanner) passed it): the status code,
/// 100 to 999, and the reason phrase, which may be empty (RFC 9112 section 4).
///
/// # Errors
/// [`HeadError::StatusLine`] for what is no status line of HTTP/1.1.
#[allow(clippy::cast_possible_truncation, reason = "three digits")]
pub fn parse_status_line(line: &[u8]) -> Result<(u16, &[u8]), HeadError> {
    // status-line = HTTP-version SP status-code SP [ reason-phrase ]
    let (code, reason) = line
        .strip_prefix(b"HTTP/1.1 ")
        .and_then(|line| line.split_at_checked(3))
        .ok_or(HeadError::StatusLine)?;
    match (parse_decimal(code), reason) {
        // Without a reason the second space is missing in practice.
        (Some(code @ 100..), [] | [b' ', ..]) => Ok((code as u16, reason.get(1..).unwrap_or_default())),
        _ => Err(HeadError::StatusLine),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_lines() {
        for (line, want) in [
            (&b"HTTP/1.1 101 Switching Protocols"[..], Ok((101, &b"Switching Protocols"[..]))),
            (b"HTTP/1.1 101 ", Ok((101, b""))),
            (b"HTTP/1.1 101", Ok((101, b""))),
            (b"HTTP/1.1 999 \xff", Ok((999, b"\xff"))),
            (b"HTTP/1.0 101 Switching Protocols", Err(HeadError::StatusLine)),
            (b"HTTP/2.0 101", Err(HeadError::StatusLine)),
            (b"HTTP/1.1 1011", Err(HeadError::StatusLine)),
            (b"HTTP/1.1 99 ", Err(HeadError::StatusLine)),
            (b"HTTP/1.1 099 ", Err(HeadError::StatusLine)),
            (b"HTTP/1.1 10", Err(HeadError::StatusLine)),
            (b"HTTP/1.1 XX ..", Err(HeadError::StatusLine)),
            (b"HTTP/1.1 +10 ..", Err(HeadError::StatusLine)),
            (b"HTTP/1.1  101 OK", Err(HeadError::StatusLine)),
            (b"HTTP/1.1\t101 OK", Err(HeadError::StatusLine)),
            (b"HTTP/1.1\xff 101 ..", Err(HeadError::StatusLine)),
            (b"HTTP/1.11 101 OK", Err(HeadError::StatusLine)),
            (b"http/1.1 101 OK", Err(HeadError::StatusLine)),
            (b" HTTP/1.1 101 OK", Err(HeadError::StatusLine)),
            (b"GARBAGE", Err(HeadError::StatusLine)),
            (b"FOO 101", Err(HeadError::StatusLine)),
            (b"", Err(HeadError::StatusLine)),
        ] {
            assert_eq!(parse_status_line(line), want, "{line:?}");
        }
    }
}
