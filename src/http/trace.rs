/// Shows a field at trace level, but no secrets.
#[cfg(any(feature = "log", feature = "defmt"))]
pub(crate) fn trace_field(direction: &str, name: &[u8], value: &[u8]) {
    let name = core::str::from_utf8(name).unwrap_or_default();
    trace!("{} {}: {}", direction, name, shown(name, value));
}

#[cfg(not(any(feature = "log", feature = "defmt")))]
pub(crate) const fn trace_field(_: &str, _: &[u8], _: &[u8]) {}

#[cfg(any(feature = "log", feature = "defmt", test))]
fn shown<'a>(name: &str, value: &'a [u8]) -> &'a str {
    const SECRET: [&str; 5] =
        ["Authorization", "Proxy-Authorization", "Cookie", "Set-Cookie", "Sec-WebSocket-Key"];
    if SECRET.iter().any(|secret| secret.eq_ignore_ascii_case(name)) {
        return "(redacted)";
    }
    core::str::from_utf8(value).unwrap_or("(not UTF-8)")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_not_shown() {
        assert_eq!(shown("Host", b"a"), "a");
        assert_eq!(shown("X", b"\xff"), "(not UTF-8)");
        for name in ["AUTHORIZATION", "proxy-authorization", "Cookie", "set-cookie", "Sec-WebSocket-Key"] {
            assert_eq!(shown(name, b"secret"), "(redacted)");
        }
    }
}
