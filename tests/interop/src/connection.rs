//! What a WebSocket library must be able to do to be checked, in either role.

use std::{fmt::Display, net::TcpStream, sync::Arc};

/// Errors are only ever printed.
pub type Outcome<T> = Result<T, String>;

pub fn text(error: impl Display) -> String {
    error.to_string()
}

/// "no status code present", RFC 6455 section 7.4.1: a close frame with an empty body.
pub const NO_STATUS: u16 = 1005;
/// RFC 6455 section 7.4.1: the connection ended without a close frame.
pub const ABNORMAL: u16 = 1006;
/// Limit for frames and messages, both roles.
pub const MAX_MESSAGE: usize = 64 << 20;
/// What a server agrees to speak: the first of them that the client offers, in the client's order.
pub const SUBPROTOCOLS: [&str; 2] = ["chat", "superchat"];

#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Offered by a client, in this order.
    pub subprotocols: Vec<String>,
    /// Offer or accept permessage-deflate: what is offered, or insisted on.
    pub deflate: Option<Deflate>,
}

/// The parameters of RFC 7692.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Deflate {
    pub server_no_context_takeover: bool,
    pub client_no_context_takeover: bool,
    pub server_max_window_bits: Option<u8>,
    pub client_max_window_bits: Option<u8>,
}

impl Deflate {
    /// From what a header or a query says: parameters, and `separator` between them.
    pub fn parse(text: &str, separator: char) -> Outcome<Self> {
        let mut parsed = Self::default();
        for parameter in text.split(separator).map(str::trim).filter(|parameter| !parameter.is_empty()) {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            let bits = || match value {
                // without a value: this end knows the parameter
                "" => Ok(None),
                value => value.parse().map(Some).map_err(|_| format!("{parameter} has no number")),
            };
            match name {
                "check" => {}
                "server_no_context_takeover" => parsed.server_no_context_takeover = true,
                "client_no_context_takeover" => parsed.client_no_context_takeover = true,
                "server_max_window_bits" => parsed.server_max_window_bits = bits()?,
                "client_max_window_bits" => parsed.client_max_window_bits = bits()?,
                _ => return Err(format!("no parameter {name}")),
            }
        }
        Ok(parsed)
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Data {
    Text(String),
    Binary(Vec<u8>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Text,
    Binary,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Close {
    /// The code in the peer's close frame, or [`NO_STATUS`] if its body was empty.
    pub code: u16,
    pub reason: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    Data(Data),
    /// A ping came and is answered by the library (now, or at the next call).
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    /// The peer began the closing handshake and this side has answered it.
    Closed(Close),
}

/// An open connection. Every method blocks.
pub trait Connection: Send {
    /// The subprotocol the server chose.
    fn subprotocol(&self) -> Option<String>;
    /// The negotiated extensions as the header names them, or nothing.
    fn extensions(&self) -> Option<String>;
    fn send(&mut self, data: &Data) -> Outcome<()>;
    /// One message in exactly these fragments; if `ping` is given, a ping with this payload in their midst.
    fn send_fragmented(&mut self, kind: Kind, fragments: &[&[u8]], ping: Option<&[u8]>) -> Outcome<()>;
    fn ping(&mut self, payload: &[u8]) -> Outcome<()>;
    /// Losing the connection without a close frame is an `Err`.
    fn recv(&mut self) -> Outcome<Event>;
    /// Closing handshake begun by this side (`None`: empty body), up to the end of the connection: what the peer answered.
    fn close(self: Box<Self>, close: Option<(u16, &str)>) -> Outcome<Close>;
}

pub trait Library: Send + Sync {
    fn connect(&self, url: &str, options: &Options) -> Outcome<Box<dyn Connection>>;
    /// The server's handshake: the request target and the connection. What the query of the target says of
    /// permessage-deflate is insisted on, if `options` has it on.
    fn accept(&self, stream: TcpStream, options: &Options) -> Outcome<(String, Box<dyn Connection>)>;
    /// Whether a client goes on when the server chooses none of the subprotocols it offered (RFC 6455 leaves that to it).
    fn goes_on_without_subprotocol(&self) -> bool;
}

/// The library and driver called this on the command line.
pub fn library(name: &str, driver: &str) -> Outcome<Arc<dyn Library>> {
    match (name, driver) {
        ("tungstenite", "blocking") => Ok(Arc::new(crate::tungstenite_adapter::Tungstenite)),
        #[cfg(feature = "sockling")]
        ("sockling", "blocking") => Ok(Arc::new(crate::sockling_adapter::Blocking)),
        #[cfg(feature = "sockling")]
        ("sockling", "async") => Ok(Arc::new(crate::sockling_adapter::Async)),
        #[cfg(feature = "sockling")]
        ("sockling", "blocking-fixed") => Ok(Arc::new(crate::sockling_adapter::FixedBlocking)),
        #[cfg(feature = "sockling")]
        ("sockling", "async-fixed") => Ok(Arc::new(crate::sockling_adapter::FixedAsync)),
        _ => Err(format!("no library {name} with driver {driver} in this build")),
    }
}
