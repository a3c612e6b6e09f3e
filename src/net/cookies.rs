use core::fmt;
use std::{
    string::String,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    vec::Vec,
};

use cookie_store::CookieStore;

use super::{UrlError, WsUrl};
use crate::http::is_field_value;

/// Cookies that servers have set (RFC 6265), for the connections that come after.
///
/// Clones are the same jar. Where a cookie goes, the rules of browsers say: to its host or domain, under its path, if
/// it is `Secure` only over `wss`, until it expires; a `ws` URL counts as `http`. A `Domain` of one label, such as
/// `com`, is for that host only; other domains that many share, such as `co.uk`, are not known.
///
/// A jar holds up to 300 cookies of up to 4096 bytes (section 6.1); what goes beyond is dropped, and so is what is
/// malformed.
#[derive(Clone, Default)]
pub struct CookieJar(Arc<Mutex<CookieStore>>);

const MAX_COOKIES: usize = 300;
const MAX_LEN: usize = 4096;

impl CookieJar {
    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Puts in a cookie as if a server at `url` had set it: `name=value; Path=/; Secure` is what a `Set-Cookie` field
    /// says. Returns whether it was taken.
    ///
    /// # Errors
    /// What is wrong with the URL.
    pub fn set(&self, url: &str, cookie: &str) -> Result<bool, UrlError> {
        Ok(self.store(&WsUrl::parse(url)?, cookie))
    }

    /// The cookies for `url`, as a `Cookie` field says them: `a=b; c=d`; empty if there are none.
    ///
    /// # Errors
    /// What is wrong with the URL.
    pub fn get(&self, url: &str) -> Result<String, UrlError> {
        Ok(self.header(&WsUrl::parse(url)?))
    }

    /// Takes out all cookies.
    pub fn clear(&self) {
        self.lock().clear();
    }

    /// Another jar with the same cookies.
    pub(super) fn copy(&self) -> Self {
        Self(Arc::new(Mutex::new(self.lock().clone())))
    }

    pub(super) fn store(&self, url: &WsUrl, cookie: &str) -> bool {
        let Some(url) = url.to_http_url() else { return false };
        if cookie.len() > MAX_LEN || !is_field_value(cookie.as_bytes()) {
            return false;
        }
        let Ok(cookie) = cookie_store::Cookie::parse(cookie, &url) else { return false };
        let mut domain = cookie.domain.as_cow().unwrap_or_default();
        if !domain.contains('.') && !domain.starts_with('[') && url.host_str() != Some(&domain) {
            return false;
        }
        let mut jar = self.lock();
        if jar.iter_any().count() >= MAX_COOKIES
            && !jar.contains_any(domain.to_mut(), &cookie.path, cookie.name())
        {
            let expired: Vec<_> = jar.iter_any().filter(|old| old.is_expired()).cloned().collect();
            for old in &expired {
                let domain = old.domain.as_cow().unwrap_or_default();
                jar.remove(&domain, &old.path, old.name());
            }
            if expired.is_empty() {
                return false;
            }
        }
        let cookie = cookie.into_owned();
        jar.insert(cookie, &url).is_ok()
    }

    /// "Cookies with longer paths are listed before cookies with shorter paths" (section 5.4), then by name.
    pub(super) fn header(&self, url: &WsUrl) -> String {
        let Some(url) = url.to_http_url() else { return String::new() };
        let jar = self.lock();
        let mut cookies = jar.matches(&url);
        cookies.sort_by_key(|cookie| (core::cmp::Reverse(cookie.path.len()), cookie.name()));
        let mut header = String::new();
        for cookie in cookies {
            let (name, value) = cookie.name_value();
            for piece in [if header.is_empty() { "" } else { "; " }, name, "=", value] {
                header.push_str(piece);
            }
        }
        header
    }

    /// A panic elsewhere leaves nothing half done here.
    fn lock(&self) -> MutexGuard<'_, CookieStore> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Without the cookies.
impl fmt::Debug for CookieJar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CookieJar({})", self.lock().iter_any().count())
    }
}

/// The jar of [`ConnectOptions`](super::ConnectOptions).
#[derive(Debug)]
pub(super) enum Cookies {
    /// One of their own: clones of the options get a copy.
    Own(CookieJar),
    /// One of the caller's: clones of the options share it.
    Shared(CookieJar),
    None,
}

impl Cookies {
    pub(super) const fn jar(&self) -> Option<&CookieJar> {
        match self {
            Self::Own(jar) | Self::Shared(jar) => Some(jar),
            Self::None => None,
        }
    }

    /// The same jar, for a clone of the options that is no other user of them.
    pub(super) fn share(&self) -> Self {
        self.jar().map_or(Self::None, |jar| Self::Shared(jar.clone()))
    }
}

impl Clone for Cookies {
    fn clone(&self) -> Self {
        match self {
            Self::Own(jar) => Self::Own(jar.copy()),
            Self::Shared(jar) => Self::Shared(jar.clone()),
            Self::None => Self::None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::format;

    use super::*;

    fn jar(cookies: &[(&str, &str)]) -> CookieJar {
        let jar = CookieJar::new();
        for (url, cookie) in cookies {
            jar.set(url, cookie).unwrap();
        }
        jar
    }

    /// The data of Python's `websocket-client`, but that cookies without a domain are kept for their host, and that one
    /// field is one cookie.
    #[test]
    fn python_data() {
        assert_eq!(jar(&[("ws://abc", "")]).get("ws://abc").unwrap(), "");
        for domain in [".abc", "abc"] {
            let jar = jar(&[("ws://abc", &format!("a=b; domain={domain}"))]);
            assert_eq!(jar.get("ws://abc").unwrap(), "a=b");
            assert_eq!(jar.get("ws://something").unwrap(), "");
            assert!(jar.set("ws://abc", &format!("c=d; domain={domain}")).unwrap());
            assert_eq!(jar.get("ws://abc").unwrap(), "a=b; c=d");
            assert!(jar.set("ws://abc", "e=f; domain=abc").unwrap());
            assert_eq!(jar.get("ws://abc").unwrap(), "a=b; c=d; e=f");
            jar.clear();
            jar.set("ws://abc", "e=f; domain=.abc").unwrap();
            assert_eq!(jar.get("ws://abc").unwrap(), "e=f");
            jar.set("ws://xyz", "e=g; domain=xyz").unwrap();
            assert_eq!(jar.get("ws://abc").unwrap(), "e=f");
            assert_eq!(jar.get("ws://xyz").unwrap(), "e=g");
        }
        let jar = jar(&[("ws://abc.com", "a=b; domain=abc.com")]);
        for (host, want) in [("abc.com", "a=b"), ("x.abc.com", "a=b"), ("abc.com.es", ""), ("xabc.com", "")] {
            assert_eq!(jar.get(&format!("ws://{host}/path")).unwrap(), want, "{host}");
        }
    }

    #[test]
    fn where_cookies_go() {
        let jar = jar(&[
            ("wss://h.example/a/b", "host=1"),
            ("wss://h.example/a/b", "root=2; Path=/"),
            ("wss://h.example/", "secure=3; Secure; HttpOnly; Path=/"),
            ("wss://h.example/", "gone=4; Max-Age=0"),
            ("wss://h.example/", "wide=5; Domain=example; Path=/"),
            ("wss://h.example/", "other=6; Domain=other.example"),
            ("ws://1.2.3.4/", "ip=7; Domain=2.3.4"),
        ]);
        for (url, want) in [
            ("wss://h.example/a/c", "host=1; root=2; secure=3"),
            ("ws://h.example/a/c", "host=1; root=2"),
            ("wss://h.example:8443/", "root=2; secure=3"),
            ("wss://example/", ""),
            ("wss://x.h.example/a/", ""),
            ("wss://other.example/", ""),
            ("ws://2.3.4/", ""),
        ] {
            assert_eq!(jar.get(url).unwrap(), want, "{url}");
        }
        let deleted = jar.set("ws://h.example/", "root=; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Path=/");
        assert!(deleted.unwrap());
        assert_eq!(jar.get("ws://h.example/a/").unwrap(), "host=1");
    }

    /// What kills a connection in Python's library is dropped.
    #[test]
    fn malformed_ones_are_dropped() {
        let jar = CookieJar::new();
        for cookie in
            ["", "=", "novalue", "a\0=b", "a=b\r\nX: y", "a=\u{7f}", "=v", ";;;", &"a=".repeat(5000)]
        {
            let _ = jar.set("ws://h", cookie).unwrap();
            let header = jar.get("ws://h").unwrap();
            assert!(is_field_value(header.as_bytes()) && header.len() < MAX_LEN, "{cookie:?} {header:?}");
        }
        let _ = jar.set("ws://h", "a,b=c; Expires=x; Max-Age=y; Path=z; Domain=").unwrap();
        assert!(jar.set("ws//h", "a=b").is_err());
    }

    #[test]
    fn a_jar_is_bounded() {
        let jar = CookieJar::new();
        for n in 0..1000 {
            jar.set("ws://h", &format!("c{n}=1")).unwrap();
        }
        assert_eq!(format!("{jar:?}"), "CookieJar(300)");
        assert!(jar.set("ws://h", "c7=2").unwrap());
        assert!(jar.get("ws://h").unwrap().contains("c7=2"));
    }

    #[test]
    fn only_a_jar_that_was_given_is_shared() {
        let (own, shared) = (Cookies::Own(CookieJar::new()), Cookies::Shared(CookieJar::new()));
        for (cookies, want) in [(own, ""), (shared, "a=b")] {
            cookies.clone().jar().unwrap().set("ws://h", "a=b").unwrap();
            assert_eq!(cookies.jar().unwrap().get("ws://h").unwrap(), want);
        }
    }
}
