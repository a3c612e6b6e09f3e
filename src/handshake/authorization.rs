use core::{hint::black_box, iter};

use super::{RequestHead, key::base64_digit};

impl RequestHead<'_> {
    /// Whether the client sent this user name and password (scheme Basic, RFC 7617, in UTF-8).
    ///
    /// ```
    /// use sockling::handshake::{RequestHead, Response};
    /// fn decide(request: &RequestHead<'_>) -> Response<'static> {
    ///     if request.has_basic_auth("sensor", "6c2f9a1b") {
    ///         Response::accept()
    ///     } else {
    ///         Response::reject(401).fields(&[("WWW-Authenticate", "Basic realm=\"sensors\", charset=\"UTF-8\"")])
    ///     }
    /// }
    /// ```
    ///
    /// The time it takes does not tell how much of a guess is right. `false` for a user name with a colon, which the scheme
    /// does not have, and if there are several `Authorization` fields. Without TLS the password is read by all on the way.
    #[must_use]
    pub fn has_basic_auth(&self, user: &str, password: &str) -> bool {
        let sent = user.bytes().chain(iter::once(b':')).chain(password.bytes());
        // "a user-id containing a colon character is invalid, as the first colon in a user-pass string separates"
        !user.bytes().any(|byte| byte == b':')
            && self.credentials("Basic").is_some_and(|credentials| is_same(credentials, base64(sent)))
    }

    /// Whether the client sent this token (scheme Bearer, RFC 6750 section 2.1).
    ///
    /// The time it takes does not tell how much of a guess is right. `false` if there are several `Authorization` fields.
    /// Without TLS the token is read by all on the way.
    #[must_use]
    pub fn has_bearer_token(&self, token: &str) -> bool {
        self.credentials("Bearer").is_some_and(|credentials| is_same(credentials, token.bytes()))
    }

    /// RFC 9110 section 11.4: "credentials = auth-scheme [ 1*SP ( token68 / #auth-param ) ]".
    fn credentials(&self, scheme: &str) -> Option<&[u8]> {
        let mut values = self.fields().filter(|(name, _)| name.eq_ignore_ascii_case("Authorization"));
        let (Some((_, value)), None) = (values.next(), values.next()) else { return None };
        let (sent, credentials) = value.split_at_checked(value.iter().position(|byte| *byte == b' ')?)?;
        // Section 11.1: "It uses a case-insensitive token to identify the authentication scheme".
        sent.eq_ignore_ascii_case(scheme.as_bytes()).then(|| credentials.trim_ascii_start())
    }
}

/// Compares all that was received, whatever differs: the time tells its length, which whoever measures it knows.
fn is_same(received: &[u8], mut expected: impl Iterator<Item = u8>) -> bool {
    let mut difference = 0;
    for byte in received {
        // Behind the end of what is expected, a byte that is in no head. The compiler must not see that one difference is
        // as good as all.
        difference = black_box(difference | byte ^ expected.next().unwrap_or(0));
    }
    difference == 0 && expected.next().is_none()
}

/// "base64-encoded (see Section 4 of [RFC4648])", with its padding.
fn base64(mut bytes: impl Iterator<Item = u8>) -> impl Iterator<Item = u8> {
    // The lowest `len` of `bits` are not written yet; of four digits, `digits` are.
    let (mut bits, mut len, mut digits) = (0, 0, 0);
    iter::from_fn(move || {
        if len < 6 {
            match bytes.next() {
                Some(byte) => (bits, len) = (bits << 8 | u32::from(byte), len + 8),
                None if len > 0 => (bits, len) = (bits << (6 - len), 6),
                None if digits == 0 => return None,
                None => {
                    digits = (digits + 1) % 4;
                    return Some(b'=');
                }
            }
        }
        digits = (digits + 1) % 4;
        len -= 6;
        Some(base64_digit(bits >> len))
    })
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::{string::String, vec::Vec};

    use super::*;

    #[test]
    fn test_vectors_of_rfc_4648() {
        for (bytes, text) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
            ("\u{7ff}\u{7fe}~?>", "37/fvn4/Pg=="),
        ] {
            let encoded: Vec<u8> = base64(bytes.bytes()).collect();
            assert_eq!(String::from_utf8(encoded).unwrap(), text);
        }
    }
}
