//! The way to a server, over redirects: what each hop asks for, and where a response leads. Without I/O.

use std::{
    boxed::Box,
    string::{String, ToString},
    time::{Duration, Instant},
    vec::Vec,
};

use super::{
    ConnectOptions, Error, HttpResponse, WsUrl,
    options::deadline,
    proxy::{NoProxy, Proxy, basic},
    redirect::{RedirectError, is_redirect, target},
    sequence::{Secured, Way},
    trust::Trust,
};
use crate::{HandshakeError, Request};

/// A client on its way.
#[derive(Debug)]
pub(super) struct Journey<'a> {
    options: &'a ConnectOptions,
    url: WsUrl,
    /// What the caller adds to the request: for the first origin only.
    secrets: Option<Secrets>,
    /// URLs that were asked for, and the cookies that went along.
    seen: Vec<(String, String)>,
    /// The end of all hops together.
    by: Option<Instant>,
}

/// What the first origin gets, and no other.
struct Secrets {
    fields: Vec<(String, String)>,
    /// The value of the `Authorization` field.
    authorization: Option<String>,
    /// Cookies that the caller gives as text.
    cookies: Vec<String>,
    host: Option<String>,
}

/// One request.
pub(super) struct Hop {
    pub(super) way: Way,
    /// What the `Host` field says.
    host: String,
    target: String,
    fields: Vec<(String, String)>,
    by: Option<Instant>,
}

/// What a [`Request`] borrows.
pub(super) struct Lists<'a> {
    hop: &'a Hop,
    options: &'a ConnectOptions,
    subprotocols: Vec<&'a str>,
    fields: Vec<(&'a str, &'a str)>,
}

impl<'a> Journey<'a> {
    /// # Errors
    /// What is wrong with the URL or the credentials.
    pub(super) fn new(options: &'a ConnectOptions, url: &str) -> Result<Self, Error> {
        let url = WsUrl::parse(url)?;
        let secrets = Some(Secrets::new(options, &url)?);
        let total = options.connect_timeout.saturating_add(options.handshake_timeout);
        Ok(Self { options, url, secrets, seen: Vec::new(), by: deadline(total) })
    }

    /// What to do at the current URL.
    ///
    /// # Errors
    /// That there is no such way: what is given as a proxy is none, or there is no trust for TLS.
    pub(super) fn hop(&mut self) -> Result<Hop, Error> {
        let proxy = if self.options.unix_socket.is_none() { self.proxy()? } else { None };
        self.hop_by(proxy)
    }

    /// Likewise over a stream that is there: no proxy is asked.
    ///
    /// # Errors
    /// That there is no trust for TLS.
    pub(super) fn hop_over(&mut self) -> Result<Hop, Error> {
        self.hop_by(None)
    }

    fn hop_by(&mut self, proxy: Option<Proxy>) -> Result<Hop, Error> {
        let cookies = self.cookies();
        let mut fields = Vec::new();
        let mut all = Vec::from_iter((!cookies.is_empty()).then(|| cookies.clone()));
        let mut host = None;
        if let Some(secrets) = &self.secrets {
            fields.clone_from(&secrets.fields);
            let authorization =
                secrets.authorization.iter().map(|value| ("Authorization".into(), value.clone()));
            fields.extend(authorization);
            all.extend_from_slice(&secrets.cookies);
            host.clone_from(&secrets.host);
        }
        if !all.is_empty() {
            fields.push(("Cookie".into(), all.join("; ")));
        }
        self.seen.push((self.url.to_string(), cookies));
        Ok(Hop {
            way: self.way(proxy)?,
            host: host.unwrap_or_else(|| self.url.authority()),
            target: self.url.target().into(),
            fields,
            by: self.by,
        })
    }

    /// Keeps the cookies of a response.
    pub(super) fn learn(&self, response: &HttpResponse) {
        let Some(jar) = self.options.cookies.jar() else { return };
        for (name, value) in &response.headers {
            if name.eq_ignore_ascii_case("set-cookie")
                && let Ok(value) = core::str::from_utf8(value)
            {
                jar.store(&self.url, value);
            }
        }
    }

    /// Goes on to where the response leads.
    ///
    /// # Errors
    /// [`Error::Status`] if it is no redirect, or none is to be followed; [`Error::Redirect`].
    pub(super) fn follow(&mut self, response: Box<HttpResponse>) -> Result<(), Error> {
        if !is_redirect(response.status) || self.options.redirects == 0 || self.options.unix_socket.is_some()
        {
            return Err(Error::Status(response));
        }
        match self.next(&response) {
            Ok(url) => self.go(url),
            Err(cause) => return Err(Error::Redirect { cause, response }),
        }
        Ok(())
    }

    fn next(&self, response: &HttpResponse) -> Result<WsUrl, RedirectError> {
        let url = target(&self.url, response)?;
        if self.seen.len() > usize::from(self.options.redirects) {
            return Err(RedirectError::TooMany);
        }
        let hop =
            (url.to_string(), self.options.cookies.jar().map(|jar| jar.header(&url)).unwrap_or_default());
        if self.seen.contains(&hop) { Err(RedirectError::Loop) } else { Ok(url) }
    }

    fn go(&mut self, url: WsUrl) {
        trace!("redirected to {}", url);
        let same = self.url.is_secure() == url.is_secure()
            && self.url.kind() == url.kind()
            && self.url.port() == url.port();
        if !same {
            // And they stay away, also if the way leads back.
            self.secrets = None;
        }
        self.url = url;
    }

    fn cookies(&self) -> String {
        self.options.cookies.jar().map(|jar| jar.header(&self.url)).unwrap_or_default()
    }

    fn way(&self, proxy: Option<Proxy>) -> Result<Way, Error> {
        let trust = &self.options.trust;
        let proxy = match proxy {
            Some(proxy) if proxy.is_secure() => {
                let tls = Secured { config: trust.proxy_config()?, name: Trust::name_of(proxy.host())? };
                Some((proxy, Some(tls)))
            }
            other => other.map(|proxy| (proxy, None)),
        };
        let tls = if self.url.is_secure() {
            // Another name than the URL's is for the host that the caller had in mind.
            let name = match &self.options.server_name {
                Some(name) if self.secrets.is_some() => Trust::given_name(name)?,
                _ => Trust::name_of(self.url.kind())?,
            };
            Some(Secured { config: trust.client_config()?, name })
        } else {
            None
        };
        Ok(Way {
            host: self.url.kind().clone(),
            port: self.url.port(),
            unix: self.options.unix_socket.clone(),
            proxy,
            tls,
        })
    }

    fn proxy(&self) -> Result<Option<Proxy>, Error> {
        let (host, port) = (self.url.kind(), self.url.port());
        let ConnectOptions { proxy, no_proxy, environment, .. } = self.options;
        let bypassed = match (no_proxy, environment) {
            (Some(list), _) => list.matches(host, port),
            (None, Some(environment)) => environment.no_proxy().matches(host, port),
            (None, None) => NoProxy::default().matches(host, port),
        };
        if bypassed {
            return Ok(None);
        }
        match (proxy, environment) {
            (Some(given), _) => {
                let fail = |source| Error::Proxy { proxy: "ConnectOptions::proxy".into(), source };
                given.clone().map(Some).map_err(fail)
            }
            (None, Some(environment)) => environment
                .proxy(self.url.is_secure(), host)
                .map_err(|(proxy, source)| Error::Proxy { proxy, source }),
            (None, None) => Ok(None),
        }
    }
}

impl Secrets {
    fn new(options: &ConnectOptions, url: &WsUrl) -> Result<Self, Error> {
        let mut given = options.headers.clone();
        if let Some(provider) = &options.header_provider {
            given.extend(provider(url));
        }
        let is = |name: &'static str| move |field: &(String, String)| field.0.eq_ignore_ascii_case(name);
        let (cookies, fields): (Vec<_>, Vec<_>) = given.into_iter().partition(is("cookie"));
        let given = options.basic_auth.as_ref().map(|(user, password)| (user.as_str(), password.as_str()));
        let authorization = match given.or_else(|| url.user()) {
            _ if fields.iter().any(is("authorization")) => None,
            // RFC 7617 section 2: "a user-id containing a colon character is invalid", nor are there control characters.
            Some((user, password))
                if user.contains(':') || user.chars().chain(password.chars()).any(char::is_control) =>
            {
                return Err(HandshakeError::InvalidField.into());
            }
            user => user.map(basic),
        };
        let given = cookies.into_iter().map(|(_, value)| value);
        let cookies = options.cookie.iter().cloned().chain(given).collect();
        Ok(Self { fields, authorization, cookies, host: options.host.clone() })
    }
}

impl Hop {
    pub(super) fn lists<'a>(&'a self, options: &'a ConnectOptions) -> Lists<'a> {
        Lists {
            hop: self,
            options,
            subprotocols: options.subprotocols.iter().map(String::as_str).collect(),
            fields: self.fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect(),
        }
    }

    /// The end of a stage that begins now.
    pub(super) fn deadline(&self, timeout: Duration) -> Option<Instant> {
        [deadline(timeout), self.by].into_iter().flatten().min()
    }
}

impl Lists<'_> {
    pub(super) fn request(&self) -> Request<'_> {
        let request = Request::new(&self.hop.host, &self.hop.target)
            .subprotocols(&self.subprotocols)
            .fields(&self.fields)
            .config(self.options.config);
        match &self.options.origin {
            Some(origin) => request.origin(origin),
            None => request,
        }
    }
}

/// Names only.
impl core::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_list().entries(self.fields.iter().map(|(name, _)| name)).finish()
    }
}

#[cfg(test)]
mod tests;
