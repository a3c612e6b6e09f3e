//! Where a redirect leads.

use core::fmt;

use super::{HttpResponse, WsUrl};

/// Why a redirect is not followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RedirectError {
    /// There is no `Location` field, or more than one.
    Location,
    /// What it says is no URL of `ws`, `wss`, `http` or `https`.
    Target,
    /// It leads from `wss` to `ws`: what was to be encrypted would not be.
    Downgrade,
    /// It leads to where the way has led before, and no cookie has changed since.
    Loop,
    /// There were more than [`redirects`](super::ConnectOptions::redirects) allows.
    TooMany,
}

impl fmt::Display for RedirectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Location => "there is not one `Location` field",
            Self::Target => "its location is no URL to connect to",
            Self::Downgrade => "it leads from `wss` to unencrypted `ws`",
            Self::Loop => "it leads in a circle",
            Self::TooMany => "it is one more than `ConnectOptions::redirects` allows",
        })
    }
}

impl core::error::Error for RedirectError {}

/// Whether a status asks to go elsewhere with the same method; for GET, 303 does so too (RFC 9110 section 15.4).
pub(super) const fn is_redirect(status: u16) -> bool {
    matches!(status, 301 | 302 | 303 | 307 | 308)
}

/// The URL that a response to the request for `url` leads to. User name, password and fragment in it are dropped.
pub(super) fn target(url: &WsUrl, response: &HttpResponse) -> Result<WsUrl, RedirectError> {
    let mut locations = response
        .headers
        .iter()
        .filter(|(name, _)| name.eq_ignore_ascii_case("location"))
        .map(|(_, value)| value);
    let (Some(location), None) = (locations.next(), locations.next()) else {
        return Err(RedirectError::Location);
    };
    let text = core::str::from_utf8(location).map_err(|_| RedirectError::Target)?;
    // What URL parsers repair, and each in its own way.
    if text.contains(|c: char| c.is_control() || c == '\\') || text.is_empty() {
        return Err(RedirectError::Target);
    }
    // `wss` has all the rules that `https` has, so that references resolve by them.
    let mut next = url.to_url().and_then(|base| base.join(text).ok()).ok_or(RedirectError::Target)?;
    let scheme = match next.scheme() {
        "ws" | "http" => "ws",
        "wss" | "https" => "wss",
        _ => return Err(RedirectError::Target),
    };
    next.set_fragment(None);
    let fits =
        next.set_scheme(scheme).and_then(|()| next.set_username("")).and_then(|()| next.set_password(None));
    fits.map_err(|()| RedirectError::Target)?;
    let next = WsUrl::parse(next.as_str()).map_err(|_| RedirectError::Target)?;
    if url.is_secure() && !next.is_secure() {
        return Err(RedirectError::Downgrade);
    }
    Ok(next)
}

#[cfg(test)]
mod tests {
    use std::{
        string::{String, ToString},
        vec::Vec,
    };

    use super::*;

    fn follow(url: &str, locations: &[&str]) -> Result<String, RedirectError> {
        let mut response = HttpResponse { status: 302, ..HttpResponse::default() };
        let fields = locations.iter().map(|value| ("Location".to_string(), value.as_bytes().to_vec()));
        response.headers = fields.collect::<Vec<_>>();
        target(&WsUrl::parse(url).unwrap(), &response).map(|url| url.to_string())
    }

    #[test]
    fn targets() {
        for (url, location, want) in [
            ("ws://h/a", "ws://other/b", "ws://other/b"),
            ("ws://h/a", "wss://other:1/b?c", "wss://other:1/b?c"),
            ("ws://h/a", "http://h:8080/b", "ws://h:8080/b"),
            ("ws://h/a", "https://h/", "wss://h/"),
            ("wss://h/a", "HTTPS://H:443/b", "wss://h/b"),
            ("ws://h:81/a/b?c", "/d", "ws://h:81/d"),
            ("ws://h:81/a/b?c", "d", "ws://h:81/a/d"),
            ("ws://h:81/a/b?c", "../d?e", "ws://h:81/d?e"),
            ("ws://h:81/a/b?c", "?d", "ws://h:81/a/b?d"),
            ("wss://h/a", "//other/b", "wss://other/b"),
            ("ws://u:p@h/a", "/b", "ws://h/b"),
            ("ws://h/a", "ws://u:p@other/b#f", "ws://other/b"),
            ("ws://[::1]:7/a", "/b c", "ws://[::1]:7/b%20c"),
        ] {
            assert_eq!(follow(url, &[location]).as_deref(), Ok(want), "{url} {location}");
        }
        let user = WsUrl::parse("ws://u:p@h/a").unwrap();
        let response = HttpResponse {
            headers: [("LOCATION".to_string(), b"ws://evil:x@h/".to_vec())].into(),
            ..HttpResponse::default()
        };
        assert_eq!(target(&user, &response).unwrap().user(), None);
    }

    #[test]
    fn refused() {
        use RedirectError as E;
        for (url, locations, want) in [
            ("ws://h/a", &[][..], E::Location),
            ("ws://h/a", &["/b", "/c"], E::Location),
            ("ws://h/a", &[""], E::Target),
            ("ws://h/a", &["ftp://h/"], E::Target),
            ("ws://h/a", &["javascript:alert(1)"], E::Target),
            ("ws://h/a", &["ws://"], E::Target),
            ("ws://h/a", &["ws://h:0/"], E::Target),
            ("ws://h/a", &["ws://h:99999/"], E::Target),
            ("ws://h/a", &["/\\evil.example/"], E::Target),
            ("ws://h/a", &["\\\\evil.example/"], E::Target),
            ("wss://h/a", &["ws://h/a"], E::Downgrade),
            ("wss://h/a", &["http://h/a"], E::Downgrade),
            ("wss://h/a", &["http://h:443/a"], E::Downgrade),
        ] {
            assert_eq!(follow(url, locations), Err(want), "{url} {locations:?}");
        }
        assert!([301, 302, 303, 307, 308].into_iter().all(is_redirect));
        assert!(![101, 200, 300, 304, 305, 306, 401].into_iter().any(is_redirect));
    }
}
