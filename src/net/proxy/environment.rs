//! Proxies that the environment names.

use core::fmt;
use std::{borrow::ToOwned, env, net::IpAddr, string::String};

use url::Host;

use super::{NoProxy, Proxy, ProxyError};

/// Environment variables, by name.
#[derive(Clone, Copy)]
pub(in crate::net) struct Environment(pub(in crate::net) fn(&str) -> Option<String>);

impl Environment {
    pub(in crate::net) const PROCESS: Self = Self(|name| env::var(name).ok());

    /// The proxy for a `wss` or `ws` URL, if the environment names one: `https_proxy` or `http_proxy`, then
    /// `all_proxy`. This host itself is never reached through it, since to a proxy "localhost" is another one.
    ///
    /// # Errors
    /// The name of the variable whose value is none, and why.
    pub(in crate::net) fn proxy(
        self,
        secure: bool,
        host: &Host<String>,
    ) -> Result<Option<Proxy>, (String, ProxyError)> {
        if is_this_host(host) {
            return Ok(None);
        }
        let scheme = if secure { "https_proxy" } else { "http_proxy" };
        let Some((name, value)) = self.either(scheme).or_else(|| self.either("all_proxy")) else {
            return Ok(None);
        };
        Proxy::parse(&value).map(Some).map_err(|error| (name, error))
    }

    pub(in crate::net) fn no_proxy(self) -> NoProxy {
        NoProxy::parse(self.either("no_proxy").map(|(_, value)| value))
    }

    /// The variable in lower case, then in upper case; an empty one is none.
    fn either(self, name: &str) -> Option<(String, String)> {
        let upper = name.to_ascii_uppercase();
        // CGI makes this one of a header field `Proxy` that any client can send (CVE-2016-5385).
        let forged = upper == "HTTP_PROXY" && self.value("REQUEST_METHOD").is_some();
        let lower = self.value(name).map(|value| (name.to_owned(), value));
        lower.or_else(|| self.value(&upper).filter(|_| !forged).map(|value| (upper, value)))
    }

    fn value(self, name: &str) -> Option<String> {
        (self.0)(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
    }
}

fn is_this_host(host: &Host<String>) -> bool {
    match host {
        Host::Domain(name) => {
            let name = name.strip_suffix('.').unwrap_or(name);
            name == "localhost" || name.ends_with(".localhost")
        }
        Host::Ipv4(ip) => ip.is_loopback(),
        Host::Ipv6(ip) => IpAddr::V6(*ip).to_canonical().is_loopback(),
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Environment")
    }
}

#[cfg(test)]
mod tests {
    use std::string::ToString;

    use super::*;

    const HOST: &str = "echo.websocket.events";

    fn proxy(secure: bool, host: &str, get: fn(&str) -> Option<&'static str>) -> Option<String> {
        ask(secure, host, get).unwrap().map(|proxy| proxy.to_string())
    }

    /// `get` cannot be captured by a function pointer: it goes through a variable of the thread.
    fn ask(
        secure: bool,
        host: &str,
        get: fn(&str) -> Option<&'static str>,
    ) -> Result<Option<Proxy>, (String, ProxyError)> {
        use core::cell::Cell;
        std::thread_local!(static GET: Cell<fn(&str) -> Option<&'static str>> = const { Cell::new(|_| None) });
        GET.set(get);
        Environment(|name| GET.get()(name).map(str::to_owned)).proxy(secure, &Host::parse(host).unwrap())
    }

    macro_rules! vars {
        ($($name:literal => $value:literal),*) => {
            |name| match name { $($name => Some($value),)* _ => None }
        };
    }

    /// The data of Python's `websocket-client`.
    #[test]
    fn python_data() {
        let localhost = Some("http://localhost:80".to_owned());
        let squid = Some("http://localhost2:3128".to_owned());
        assert_eq!(proxy(false, HOST, vars!("http_proxy" => "http://localhost/")), localhost);
        assert_eq!(proxy(false, HOST, vars!("http_proxy" => "http://localhost2:3128/")), squid);
        let both: fn(&str) -> _ =
            vars!("http_proxy" => "http://localhost/", "https_proxy" => "http://localhost2:3128/");
        assert_eq!(proxy(false, HOST, both), localhost);
        assert_eq!(proxy(true, HOST, both), squid);
        let empty: fn(&str) -> _ = vars!("http_proxy" => "", "https_proxy" => "");
        assert_eq!(proxy(false, HOST, empty), None);
        assert_eq!(proxy(true, HOST, empty), None);
        assert_eq!(proxy(true, HOST, vars!("http_proxy" => "http://localhost/")), None);
        assert_eq!(proxy(false, HOST, vars!("https_proxy" => "http://localhost/")), None);
        let user: fn(&str) -> _ =
            vars!("https_proxy" => "http://john%40example.com:P%40SSWORD@localhost:3128/");
        let got = ask(true, HOST, user).unwrap().unwrap();
        assert_eq!(got.user, Some(("john@example.com".to_owned(), "P@SSWORD".to_owned())));
    }

    #[test]
    fn lower_case_first_and_all() {
        type Get = fn(&str) -> Option<&'static str>;
        let cases: [(Get, [Option<&str>; 2]); 6] = [
            (vars!("HTTP_PROXY" => "a", "HTTPS_PROXY" => "b"), [Some("http://a:80"), Some("http://b:80")]),
            (vars!("http_proxy" => "a", "HTTP_PROXY" => "b"), [Some("http://a:80"), None]),
            (vars!("all_proxy" => "socks5h://a"), [Some("socks5h://a:1080"); 2]),
            (vars!("ALL_PROXY" => "socks5://a:1"), [Some("socks5://a:1"); 2]),
            (
                vars!("ALL_PROXY" => "socks4a://a", "https_proxy" => "https://b"),
                [Some("socks4a://a:1080"), Some("https://b:443")],
            ),
            (vars!("HTTP_PROXY" => "a", "REQUEST_METHOD" => "GET"), [None, None]),
        ];
        for (get, want) in cases {
            for (secure, want) in [false, true].into_iter().zip(want) {
                assert_eq!(proxy(secure, HOST, get).as_deref(), want);
            }
        }
        let bad = ask(false, HOST, vars!("http_proxy" => "ftp://a:secret@b"));
        assert_eq!(bad, Err(("http_proxy".to_owned(), ProxyError::Scheme("ftp".to_owned()))));
    }

    #[test]
    fn this_host_is_reached_without() {
        for host in [
            "localhost",
            "a.localhost",
            "LOCALHOST.",
            "127.0.0.1",
            "127.9.9.9",
            "[::1]",
            "[::ffff:127.0.0.1]",
        ] {
            assert_eq!(proxy(false, host, vars!("http_proxy" => "a")), None, "{host}");
        }
        for host in ["localhost.example", "notlocalhost", "10.0.0.1", "[::2]"] {
            assert!(proxy(false, host, vars!("http_proxy" => "a")).is_some(), "{host}");
        }
    }
}
