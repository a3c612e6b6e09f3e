/// Shows a field at trace level, but no secrets.
#[cfg(any(feature = "log", feature = "defmt"))]
pub(crate) fn trace_field(direction: &str, name: &str, value: &[u8]) {
    const SECRET: [&str; 5] = ["Authorization", "Proxy-Authorization", "Cookie", "Set-Cookie", "Sec-WebSocket-Key"];
    let value = if SECRET.iter().any(|secret| secret.eq_ignore_ascii_case(name)) {
        "(redacted)"
    } else {
        core::str::from_utf8(value).unwrap_or("(not UTF-8)")
    };
    trace!("{} {}: {}", direction, name, value);
}

#[cfg(not(any(feature = "log", feature = "defmt")))]
pub(crate) const fn trace_field(_: &str, _: &str, _: &[u8]) {}
