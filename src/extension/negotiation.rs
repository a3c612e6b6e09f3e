use super::{
    NegotiationError,
    params::{Direction, MAX_BITS, NAME, Negotiated, Params, Response},
};
use crate::http::{Extension, Extensions};

/// What this end wants of permessage-deflate (RFC 7692 section 7.1).
///
/// ```
/// # use sockling::extension::DeflateConfig;
/// let mut config = DeflateConfig::DEFAULT;
/// config.receive_window_bits = 10;
/// let mut offer = String::new();
/// config.offer(|piece| offer.push_str(piece));
/// assert_eq!(offer, "permessage-deflate; server_max_window_bits=10; client_max_window_bits, \
///                    permessage-deflate; server_max_window_bits=10");
///
/// let mut negotiated = None;
/// config.accept(b"permessage-deflate; server_max_window_bits=9", &mut negotiated)?;
/// assert_eq!(negotiated.map(|n| (n.receive.window_bits, n.send.window_bits)), Some((9, 15)));
/// # Ok::<(), sockling::extension::NegotiationError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct DeflateConfig {
    /// The server is to compress each message on its own: worse, but a client has no use for its window between two
    /// messages. A client insists on it. Default `false`.
    pub server_no_context_takeover: bool,
    /// The same of the client. A server insists on it. Default `false`.
    pub client_no_context_takeover: bool,
    /// This end has 2<sup>n</sup> bytes for the window of what it receives: 9 to 15, anything else counts as the nearest
    /// of these. Where the peer does not agree to that, messages are not compressed, or the handshake fails. Default 15.
    pub receive_window_bits: u8,
    /// This end has up to 2<sup>n</sup> bytes for the window of what it sends: 9 to 15, likewise. Default 15.
    pub send_window_bits: u8,
    /// This end compresses some of what it sends. Where it does not, the peer is told that the smallest window will do.
    /// Default `true`.
    pub compress: bool,
}

impl Default for DeflateConfig {
    fn default() -> Self {
        Self::DEFAULT
    }
}

impl DeflateConfig {
    /// The defaults that the fields name.
    pub const DEFAULT: Self = Self {
        server_no_context_takeover: false,
        client_no_context_takeover: false,
        receive_window_bits: MAX_BITS,
        send_window_bits: MAX_BITS,
        compress: true,
    };

    /// Hands a client's offers to `put`, piece by piece: the value of `Sec-WebSocket-Extensions`.
    ///
    /// Two offers, for servers that do not know what the first says of the client's window.
    pub fn offer(&self, mut put: impl FnMut(&'static str)) {
        let [first, second] = self.offers();
        first.emit(&mut put);
        put(", ");
        second.emit(&mut put);
    }

    /// Reads a server's response to [`offer`](Self::offer): the value of one `Sec-WebSocket-Extensions` field. Of the
    /// fields before it comes what is `negotiated` already.
    ///
    /// # Errors
    /// The handshake has to fail.
    pub fn accept(&self, value: &[u8], negotiated: &mut Option<Negotiated>) -> Result<(), NegotiationError> {
        for extension in Extensions::new(value) {
            let extension = extension.map_err(|_| NegotiationError::List)?;
            if extension.name != NAME {
                return Err(NegotiationError::UnofferedExtension);
            }
            if negotiated.is_some() {
                return Err(NegotiationError::SecondResponse);
            }
            let response = Params::parse(&extension, true)?;
            let [first, second] = self.offers();
            let agreed = self.agree(&first, &response);
            *negotiated = Some(agreed.or_else(|error| self.agree(&second, &response).map_err(|_| error))?);
        }
        Ok(())
    }

    /// A server's response to a client's offers: to the first of them that this end can honour.
    #[must_use]
    pub fn choose<'a>(&self, offers: impl Iterator<Item = Extension<'a>>) -> Option<Response> {
        offers
            .filter(|offer| offer.name == NAME)
            .find_map(|offer| self.respond(&Params::parse(&offer, false).ok()?))
    }

    fn receive_bits(&self) -> u8 {
        self.receive_window_bits.clamp(9, MAX_BITS)
    }

    fn send_bits(&self) -> u8 {
        if self.compress { self.send_window_bits.clamp(9, MAX_BITS) } else { 9 }
    }

    fn offers(&self) -> [Params; 2] {
        let bits = self.receive_bits();
        let needed = Params {
            server_no_context_takeover: self.server_no_context_takeover,
            // "Absence of this parameter in an extension negotiation offer indicates that the client can receive messages
            // compressed using an LZ77 sliding window of up to 32,768 bytes."
            server_max_window_bits: (bits < MAX_BITS).then_some(bits),
            ..Params::default()
        };
        let hints = Params {
            client_no_context_takeover: self.client_no_context_takeover || !self.compress,
            client_max_window_bits: Some(self.send_bits()),
            ..needed
        };
        [hints, needed]
    }

    /// Whether `response` accepts `offer`, and what follows for this client.
    fn agree(&self, offer: &Params, response: &Params) -> Result<Negotiated, NegotiationError> {
        // "A server accepts an extension negotiation offer that includes the "server_no_context_takeover" extension
        // parameter by including the "server_no_context_takeover" extension parameter in the corresponding extension
        // negotiation response"
        if offer.server_no_context_takeover && !response.server_no_context_takeover {
            return Err(NegotiationError::ContextTakeover);
        }
        // "with the same or smaller value as the offer"
        let server_bits = response.server_max_window_bits.unwrap_or(MAX_BITS);
        if server_bits > offer.server_max_window_bits.unwrap_or(MAX_BITS) {
            return Err(NegotiationError::WindowTooLarge(server_bits));
        }
        // "If a received extension negotiation offer doesn't have the "client_max_window_bits" extension parameter, the
        // corresponding extension negotiation response to the offer MUST NOT include the "client_max_window_bits"
        // extension parameter."
        if response.client_max_window_bits.is_some() && offer.client_max_window_bits.is_none() {
            return Err(NegotiationError::UnofferedParameter);
        }
        Ok(Negotiated {
            send: Direction {
                window_bits: response.client_max_window_bits.unwrap_or(MAX_BITS).min(self.send_bits()),
                // What the offer says of the client holds, whatever the response says.
                context_takeover: !response.client_no_context_takeover
                    && !self.client_no_context_takeover
                    && self.compress,
            },
            receive: Direction {
                window_bits: server_bits,
                context_takeover: !response.server_no_context_takeover,
            },
        })
    }

    /// What this server answers an offer with, if it can honour it.
    fn respond(&self, offer: &Params) -> Option<Response> {
        let offered = offer.server_max_window_bits.unwrap_or(MAX_BITS);
        if offered < 9 && self.compress {
            return None;
        }
        let send_bits = offered.min(self.send_bits());
        let receive_bits = offer.client_max_window_bits.unwrap_or(MAX_BITS).min(self.receive_bits());
        if receive_bits < MAX_BITS && offer.client_max_window_bits.is_none() {
            return None;
        }
        let params = Params {
            server_no_context_takeover: offer.server_no_context_takeover
                || self.server_no_context_takeover
                || !self.compress,
            client_no_context_takeover: offer.client_no_context_takeover || self.client_no_context_takeover,
            // To be there if it was offered.
            server_max_window_bits: offer
                .server_max_window_bits
                .map(|_| send_bits)
                .or((send_bits < MAX_BITS).then_some(send_bits)),
            client_max_window_bits: (receive_bits < MAX_BITS).then_some(receive_bits),
        };
        let negotiated = Negotiated {
            send: Direction { window_bits: send_bits, context_takeover: !params.server_no_context_takeover },
            receive: Direction {
                window_bits: receive_bits,
                context_takeover: !params.client_no_context_takeover,
            },
        };
        Some(Response { params, negotiated })
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::{format, string::String};

    use super::*;

    const DEFAULT: DeflateConfig = DeflateConfig::DEFAULT;

    fn both(n: &Negotiated) -> String {
        let show = |d: Direction| format!("{}{}", d.window_bits, if d.context_takeover { "+" } else { "" });
        format!("{}/{}", show(n.send), show(n.receive))
    }

    fn offer(config: DeflateConfig) -> String {
        let mut text = String::new();
        config.offer(|piece| text.push_str(piece));
        text
    }

    fn accept(config: DeflateConfig, list: &str) -> Result<String, NegotiationError> {
        let mut negotiated = None;
        config.accept(list.as_bytes(), &mut negotiated)?;
        Ok(negotiated.as_ref().map_or_else(String::new, both))
    }

    fn choose(config: DeflateConfig, list: &str) -> Option<String> {
        let response = config.choose(Extensions::new(list.as_bytes()).map(Result::unwrap))?;
        let mut text = String::new();
        response.emit(|piece| text.push_str(piece));
        let text = text.strip_prefix(NAME).unwrap();
        Some(format!("{} {}", both(&response.negotiated()), text.strip_prefix("; ").unwrap_or(text)))
    }

    #[test]
    fn offers() {
        assert_eq!(offer(DEFAULT), "permessage-deflate; client_max_window_bits, permessage-deflate");
        let config = DeflateConfig {
            server_no_context_takeover: true,
            client_no_context_takeover: true,
            receive_window_bits: 9,
            send_window_bits: 12,
            ..DEFAULT
        };
        assert_eq!(
            offer(config),
            "permessage-deflate; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=9; \
             client_max_window_bits=12, permessage-deflate; server_no_context_takeover; server_max_window_bits=9"
        );
        for bits in 0..=u8::MAX {
            let text = offer(DeflateConfig { receive_window_bits: bits, send_window_bits: bits, ..DEFAULT });
            assert!(!text.contains("=8"), "{text}");
            assert_eq!(text.contains("=9"), bits <= 9, "{text}");
            assert_eq!(text.contains("server_max_window_bits"), bits < 15, "{text}");
        }
        // An end that never compresses needs no window at its peer.
        assert_eq!(
            offer(DeflateConfig { compress: false, ..DEFAULT }),
            "permessage-deflate; client_no_context_takeover; client_max_window_bits=9, permessage-deflate"
        );
    }

    #[test]
    fn responses_that_are_accepted() {
        let small = DeflateConfig { receive_window_bits: 10, send_window_bits: 11, ..DEFAULT };
        let alone =
            DeflateConfig { server_no_context_takeover: true, client_no_context_takeover: true, ..DEFAULT };
        for (config, list, want) in [
            (DEFAULT, "", ""),
            (DEFAULT, " ,, ", ""),
            (DEFAULT, "permessage-deflate", "15+/15+"),
            (DEFAULT, ",permessage-deflate ,", "15+/15+"),
            (DEFAULT, "permessage-deflate; server_no_context_takeover", "15+/15"),
            // Section 7.1.1.2: also when the client did not offer it.
            (DEFAULT, "permessage-deflate; client_no_context_takeover", "15/15+"),
            (DEFAULT, "permessage-deflate; client_no_context_takeover ; server_no_context_takeover", "15/15"),
            // Section 7.1.2.1: likewise.
            (DEFAULT, "permessage-deflate; server_max_window_bits=8", "15+/8+"),
            (DEFAULT, "permessage-deflate; server_max_window_bits=15", "15+/15+"),
            (DEFAULT, "permessage-deflate; server_max_window_bits=\"10\"", "15+/10+"),
            (DEFAULT, "permessage-deflate;server_max_window_bits = \"1\\0\"", "15+/10+"),
            (DEFAULT, "permessage-deflate; client_max_window_bits=9", "9+/15+"),
            (DEFAULT, "permessage-deflate; client_max_window_bits=8", "8+/15+"),
            (DEFAULT, "permessage-deflate; client_max_window_bits=15", "15+/15+"),
            (small, "permessage-deflate; server_max_window_bits=10", "11+/10+"),
            (small, "permessage-deflate; server_max_window_bits=9; client_max_window_bits=15", "11+/9+"),
            (small, "permessage-deflate; server_max_window_bits=9; client_max_window_bits=10", "10+/9+"),
            // "even if the server doesn't include [it] ... the client is not going to use context takeover"
            (alone, "permessage-deflate; server_no_context_takeover", "15/15"),
            (DeflateConfig { compress: false, ..DEFAULT }, "permessage-deflate", "9/15+"),
        ] {
            assert_eq!(accept(config, list).as_deref(), Ok(want), "{list}");
        }
    }

    #[test]
    fn responses_that_are_refused() {
        use NegotiationError::*;
        let small = DeflateConfig { receive_window_bits: 10, ..DEFAULT };
        let alone = DeflateConfig { server_no_context_takeover: true, ..DEFAULT };
        for (config, list, error) in [
            (DEFAULT, "permessage-deflate; x=\"", List),
            (DEFAULT, "permessage-deflate,;", List),
            (DEFAULT, "x-webkit-deflate-frame", UnofferedExtension),
            (DEFAULT, "permessage-deflate, x", UnofferedExtension),
            (DEFAULT, "Permessage-Deflate", UnofferedExtension),
            (DEFAULT, "permessage-deflate, permessage-deflate", SecondResponse),
            (DEFAULT, "permessage-deflate; foo", UnknownParameter),
            (DEFAULT, "permessage-deflate; foo=1", UnknownParameter),
            (DEFAULT, "permessage-deflate; Server_No_Context_Takeover", UnknownParameter),
            (
                DEFAULT,
                "permessage-deflate; server_no_context_takeover; server_no_context_takeover",
                RepeatedParameter,
            ),
            (
                DEFAULT,
                "permessage-deflate; client_no_context_takeover; client_no_context_takeover",
                RepeatedParameter,
            ),
            (
                DEFAULT,
                "permessage-deflate; server_max_window_bits=10; server_max_window_bits=10",
                RepeatedParameter,
            ),
            (
                DEFAULT,
                "permessage-deflate; client_max_window_bits=10; client_max_window_bits=9",
                RepeatedParameter,
            ),
            (DEFAULT, "permessage-deflate; server_no_context_takeover=true", InvalidValue),
            (DEFAULT, "permessage-deflate; client_no_context_takeover=15", InvalidValue),
            (DEFAULT, "permessage-deflate; server_max_window_bits", InvalidValue),
            (DEFAULT, "permessage-deflate; client_max_window_bits", InvalidValue),
            (DEFAULT, "permessage-deflate; server_max_window_bits=7", InvalidValue),
            (DEFAULT, "permessage-deflate; server_max_window_bits=0", InvalidValue),
            (DEFAULT, "permessage-deflate; server_max_window_bits=16", InvalidValue),
            (DEFAULT, "permessage-deflate; server_max_window_bits=264", InvalidValue),
            (DEFAULT, "permessage-deflate; server_max_window_bits=4294967306", InvalidValue),
            (DEFAULT, "permessage-deflate; server_max_window_bits=08", InvalidValue),
            (DEFAULT, "permessage-deflate; server_max_window_bits=010", InvalidValue),
            (DEFAULT, "permessage-deflate; server_max_window_bits=+9", InvalidValue),
            (DEFAULT, "permessage-deflate; server_max_window_bits=-9", InvalidValue),
            (DEFAULT, "permessage-deflate; server_max_window_bits=0xA", InvalidValue),
            (DEFAULT, "permessage-deflate; server_max_window_bits=9.0", InvalidValue),
            (DEFAULT, "permessage-deflate; server_max_window_bits=\"09\"", InvalidValue),
            (DEFAULT, "permessage-deflate; client_max_window_bits=7", InvalidValue),
            (DEFAULT, "permessage-deflate; client_max_window_bits=16", InvalidValue),
            (DEFAULT, "permessage-deflate; client_max_window_bits=ten", InvalidValue),
            (small, "permessage-deflate", WindowTooLarge(15)),
            (small, "permessage-deflate; client_max_window_bits=9", WindowTooLarge(15)),
            (small, "permessage-deflate; server_max_window_bits=11", WindowTooLarge(11)),
            (alone, "permessage-deflate", ContextTakeover),
            (alone, "permessage-deflate; client_no_context_takeover", ContextTakeover),
        ] {
            assert_eq!(accept(config, list), Err(error), "{list}");
        }
        // What was not in the offer.
        let (with, without) =
            (Params { client_max_window_bits: Some(9), ..Params::default() }, Params::default());
        assert_eq!(DEFAULT.agree(&without, &with), Err(UnofferedParameter));
        assert!(DEFAULT.agree(&with, &with).is_ok());
        // In several fields.
        let mut negotiated = None;
        for field in [&b""[..], b"permessage-deflate", b","] {
            assert_eq!(DEFAULT.accept(field, &mut negotiated), Ok(()));
        }
        assert_eq!(DEFAULT.accept(b"permessage-deflate", &mut negotiated), Err(SecondResponse));
    }

    #[test]
    fn offers_that_a_server_accepts() {
        let small = DeflateConfig { receive_window_bits: 10, send_window_bits: 11, ..DEFAULT };
        let alone =
            DeflateConfig { server_no_context_takeover: true, client_no_context_takeover: true, ..DEFAULT };
        let silent = DeflateConfig { compress: false, ..DEFAULT };
        for (config, list, want) in [
            (DEFAULT, "permessage-deflate", "15+/15+ "),
            (DEFAULT, "foo, permessage-deflate", "15+/15+ "),
            // What browsers say.
            (DEFAULT, "permessage-deflate; client_max_window_bits", "15+/15+ "),
            (
                small,
                "permessage-deflate; client_max_window_bits",
                "11+/10+ server_max_window_bits=11; client_max_window_bits=10",
            ),
            (
                alone,
                "permessage-deflate; client_max_window_bits",
                "15/15 server_no_context_takeover; client_no_context_takeover",
            ),
            (DEFAULT, "permessage-deflate; server_no_context_takeover", "15/15+ server_no_context_takeover"),
            (DEFAULT, "permessage-deflate; client_no_context_takeover", "15+/15 client_no_context_takeover"),
            (DEFAULT, "permessage-deflate; server_max_window_bits=10", "10+/15+ server_max_window_bits=10"),
            (DEFAULT, "permessage-deflate; server_max_window_bits=15", "15+/15+ server_max_window_bits=15"),
            (DEFAULT, "permessage-deflate; client_max_window_bits=12", "15+/12+ client_max_window_bits=12"),
            (DEFAULT, "permessage-deflate; client_max_window_bits=15", "15+/15+ "),
            (DEFAULT, "permessage-deflate; client_max_window_bits=8", "15+/8+ client_max_window_bits=8"),
            (
                small,
                "permessage-deflate; client_max_window_bits=9",
                "11+/9+ server_max_window_bits=11; client_max_window_bits=9",
            ),
            (
                small,
                "permessage-deflate; client_max_window_bits=15; server_max_window_bits=9",
                "9+/10+ server_max_window_bits=9; client_max_window_bits=10",
            ),
            (silent, "permessage-deflate", "9/15+ server_no_context_takeover; server_max_window_bits=9"),
            (
                silent,
                "permessage-deflate; server_max_window_bits=8",
                "8/15+ server_no_context_takeover; server_max_window_bits=8",
            ),
            // The examples of section 7.1.3, and fallbacks from offers that are declined.
            (
                DEFAULT,
                "permessage-deflate; client_max_window_bits; server_max_window_bits=10",
                "10+/15+ server_max_window_bits=10",
            ),
            (
                DEFAULT,
                "permessage-deflate; client_max_window_bits; server_max_window_bits=10, \
                       permessage-deflate; client_max_window_bits",
                "10+/15+ server_max_window_bits=10",
            ),
            (DEFAULT, "permessage-deflate; server_max_window_bits=8, permessage-deflate", "15+/15+ "),
            (
                small,
                "permessage-deflate, permessage-deflate; client_max_window_bits; server_max_window_bits=9",
                "9+/10+ server_max_window_bits=9; client_max_window_bits=10",
            ),
            (
                DEFAULT,
                "permessage-deflate; foo, permessage-deflate; server_max_window_bits=\"12\"",
                "12+/15+ server_max_window_bits=12",
            ),
        ] {
            assert_eq!(choose(config, list).as_deref(), Some(want), "{list}");
        }
    }

    #[test]
    fn offers_that_a_server_declines() {
        let small = DeflateConfig { receive_window_bits: 14, ..DEFAULT };
        for (config, list) in [
            (DEFAULT, ""),
            (DEFAULT, "foo"),
            (DEFAULT, "x-webkit-deflate-frame"),
            (DEFAULT, "permessage-deflate; foo"),
            (DEFAULT, "permessage-deflate; server_no_context_takeover=1"),
            (DEFAULT, "permessage-deflate; client_no_context_takeover=1"),
            (DEFAULT, "permessage-deflate; server_max_window_bits"),
            (DEFAULT, "permessage-deflate; server_max_window_bits=7"),
            (DEFAULT, "permessage-deflate; server_max_window_bits=8"),
            (DEFAULT, "permessage-deflate; server_max_window_bits=16"),
            (DEFAULT, "permessage-deflate; server_max_window_bits=010"),
            (DEFAULT, "permessage-deflate; client_max_window_bits=7"),
            (DEFAULT, "permessage-deflate; client_max_window_bits=16"),
            (DEFAULT, "permessage-deflate; client_max_window_bits=015"),
            (DEFAULT, "permessage-deflate; client_max_window_bits=x"),
            (DEFAULT, "permessage-deflate; client_max_window_bits; client_max_window_bits"),
            (DEFAULT, "permessage-deflate; client_max_window_bits; client_max_window_bits=15"),
            (DEFAULT, "permessage-deflate; server_max_window_bits=9; server_max_window_bits=9"),
            (DEFAULT, "permessage-deflate; server_no_context_takeover; server_no_context_takeover"),
            // The client cannot be told to use a smaller window.
            (small, "permessage-deflate"),
            (small, "permessage-deflate; server_max_window_bits=10"),
        ] {
            assert_eq!(choose(config, list), None, "{list}");
        }
    }

    /// Whatever a client of ours wants, a server of ours answers so that both mean the same, or declines where it must.
    #[test]
    fn both_ends_agree() {
        let configs = |n: u32| {
            let mut n = n;
            let mut next = |m| {
                n = n.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (n >> 16) % m
            };
            DeflateConfig {
                server_no_context_takeover: next(2) == 0,
                client_no_context_takeover: next(2) == 0,
                receive_window_bits: 9 + next(7) as u8,
                send_window_bits: 9 + next(7) as u8,
                compress: next(4) > 0,
            }
        };
        for n in 0..20_000 {
            let (client, server) = (configs(2 * n), configs(2 * n + 1));
            let list = offer(client);
            // The first offer lets every server choose.
            let response = server.choose(Extensions::new(list.as_bytes()).map(Result::unwrap)).unwrap();
            let mut text = String::new();
            response.emit(|piece| text.push_str(piece));
            let mut negotiated = None;
            assert_eq!(client.accept(text.as_bytes(), &mut negotiated), Ok(()), "{list}: {text}");
            let (ours, theirs) = (negotiated.unwrap(), response.negotiated());
            assert_eq!(ours.receive, theirs.send, "{list}: {text}");
            assert!(ours.receive.window_bits <= client.receive_window_bits);
            // What the client promises may be more than what the server counts on, never less.
            assert!(ours.send.window_bits <= theirs.receive.window_bits, "{list}: {text}");
            assert!(ours.send.context_takeover <= theirs.receive.context_takeover, "{list}: {text}");
            assert!(theirs.receive.window_bits <= server.receive_window_bits);
        }
    }
}
