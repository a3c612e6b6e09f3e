//! Which hosts are connected to without a proxy.

use std::{net::IpAddr, string::String, vec::Vec};

use url::Host;

/// Hosts that no proxy is used for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::net) struct NoProxy(Vec<Rule>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Rule {
    hosts: Hosts,
    /// `None`: all.
    port: Option<u16>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Hosts {
    All,
    /// This domain and those under it; lower-case, without dots at its ends.
    Domain(String),
    /// Addresses with the same first bits.
    Network(IpAddr, u32),
}

impl NoProxy {
    /// Entries, in any of them several separated by commas or white space. What is none is left out.
    pub(in crate::net) fn parse<T: AsRef<str>>(entries: impl IntoIterator<Item = T>) -> Self {
        let mut rules = Vec::new();
        for entry in entries {
            let split = entry.as_ref().split(|c: char| c == ',' || c.is_whitespace());
            rules.extend(split.filter_map(rule));
        }
        Self(rules)
    }

    pub(in crate::net) fn matches(&self, host: &Host<String>, port: u16) -> bool {
        self.0.iter().any(|rule| rule.port.is_none_or(|only| only == port) && rule.hosts.contain(host))
    }
}

impl Hosts {
    fn contain(&self, host: &Host<String>) -> bool {
        match (self, host) {
            (Self::All, _) => true,
            (Self::Domain(domain), Host::Domain(name)) => {
                let name = name.strip_suffix('.').unwrap_or(name);
                name.strip_suffix(domain.as_str()).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
            }
            (Self::Network(network, bits), Host::Ipv4(ip)) => same_bits(*network, (*ip).into(), *bits),
            (Self::Network(network, bits), Host::Ipv6(ip)) => same_bits(*network, (*ip).into(), *bits),
            _ => false,
        }
    }
}

fn rule(text: &str) -> Option<Rule> {
    if text == "*" {
        return Some(Rule { hosts: Hosts::All, port: None });
    }
    if let Some(hosts) = network(text) {
        return Some(Rule { hosts, port: None });
    }
    let (name, port) = match text.rsplit_once(':') {
        Some((name, port)) => (name, Some(port.parse().ok()?)),
        None => (text, None),
    };
    if let Some(hosts) = network(name) {
        return Some(Rule { hosts, port });
    }
    let name = name.strip_prefix('*').unwrap_or(name);
    let name = name.strip_prefix('.').unwrap_or(name);
    let name = name.strip_suffix('.').unwrap_or(name);
    match Host::parse(name).ok()? {
        Host::Domain(name) => Some(Rule { hosts: Hosts::Domain(name), port }),
        // An address in a form of old.
        Host::Ipv4(_) | Host::Ipv6(_) => None,
    }
}

/// An address, with or without brackets, with or without the number of bits that count.
fn network(text: &str) -> Option<Hosts> {
    let (ip, bits) = match text.split_once('/') {
        Some((ip, bits)) => (ip, Some(bits)),
        None => (text, None),
    };
    let ip = ip.strip_prefix('[').and_then(|ip| ip.strip_suffix(']')).unwrap_or(ip);
    let ip: IpAddr = ip.parse().ok()?;
    let most = if ip.is_ipv4() { 32 } else { 128 };
    let bits = match bits {
        Some(bits) => bits.parse().ok().filter(|bits| *bits <= most)?,
        None => most,
    };
    Some(Hosts::Network(ip, bits))
}

fn same_bits(network: IpAddr, ip: IpAddr, bits: u32) -> bool {
    let differ = match (network, ip) {
        (IpAddr::V4(a), IpAddr::V4(b)) => (a.to_bits() ^ b.to_bits()).leading_zeros(),
        (IpAddr::V6(a), IpAddr::V6(b)) => (a.to_bits() ^ b.to_bits()).leading_zeros(),
        // An address of version 4 in the form of version 6.
        (IpAddr::V4(_), IpAddr::V6(b)) => {
            return b.to_ipv4_mapped().is_some_and(|b| same_bits(network, b.into(), bits));
        }
        (IpAddr::V6(_), IpAddr::V4(_)) => return false,
    };
    differ >= bits
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(entries: &[&str], host: &str) -> bool {
        NoProxy::parse(entries).matches(&Host::parse(host).unwrap(), 443)
    }

    /// The data of Python's `websocket-client`, also written as its environment variable is.
    #[test]
    fn python_data() {
        for (entries, yes, no) in [
            (&["*"][..], &["any.websocket.org", "192.168.0.1"][..], &[][..]),
            (&["other.websocket.org", "*"], &["any.websocket.org"], &[]),
            (&["127.0.0.1"], &["127.0.0.1"], &["127.0.0.2"]),
            (&["127.0.0.0/8"], &["127.0.0.1", "127.0.0.2", "127.1.0.1"], &[]),
            (&["127.0.0.0/24"], &["127.0.0.1"], &["127.1.0.1"]),
            (&["2001:db8::/64"], &["[2001:db8::1]"], &["[2001:db8:1::1]"]),
            (&["my.websocket.org"], &["my.websocket.org"], &["any.websocket.org"]),
            (&[".websocket.org"], &["any.websocket.org", "my.other.websocket.org"], &["any.websocket.com"]),
            (&["websocket.org"], &["any.websocket.org", "websocket.org"], &["notwebsocket.org"]),
            (
                &["my.websocket.org", "127.0.0.1", ".example.com", "10.0.0.0/8"],
                &["my.websocket.org", "127.0.0.1", "a.example.com", "10.2.3.4"],
                &["websocket.org", "127.0.0.2", "example.org", "11.0.0.1"],
            ),
            (&[], &[], &["any.websocket.org", "127.0.0.1", "localhost"]),
        ] {
            let list = entries.join(", ");
            for (hosts, want) in [(yes, true), (no, false)] {
                for host in hosts {
                    assert_eq!(matches(entries, host), want, "{entries:?} {host}");
                    assert_eq!(matches(&[&list], host), want, "{list} {host}");
                }
            }
        }
    }

    #[test]
    fn by_label_in_any_letter_case() {
        // Python's library takes this for a match.
        assert!(!matches(&[".example.com"], "badexample.com"));
        assert!(matches(&[".example.com"], "example.com"));
        assert!(matches(&["*.Example.COM"], "a.example.com"));
        assert!(matches(&["example.com."], "a.EXAMPLE.com"));
        assert!(matches(&["example.com"], "a.example.com."));
        assert!(matches(&["münchen.example"], "xn--mnchen-3ya.example"));
        assert!(!matches(&["com"], "1.2.3.4"));
        assert!(!matches(&["3.4"], "1.2.3.4"));
    }

    #[test]
    fn ports_and_addresses() {
        assert!(matches(&["h:443"], "h") && !matches(&["h:80"], "h"));
        assert!(matches(&["1.2.3.4:443"], "1.2.3.4") && !matches(&["1.2.3.4:80"], "1.2.3.4"));
        assert!(matches(&["[::1]:443"], "[::1]") && !matches(&["[::1]:80"], "[::1]"));
        assert!(matches(&["::1"], "[::1]") && matches(&["[::1]"], "[::1]"));
        assert!(matches(&["10.1.2.3/8"], "10.9.9.9"));
        assert!(matches(&["127.0.0.0/8"], "[::ffff:127.0.0.1]"));
        assert!(!matches(&["::/0"], "127.0.0.1") && matches(&["0.0.0.0/0"], "127.0.0.1"));
        for none in ["", " , ", "1.2.3.4/33", "::/129", "1.2.3.4/x", "h:x", "a/b", "."] {
            assert_eq!(NoProxy::parse([none]), NoProxy::default(), "{none:?}");
        }
    }
}
