//! Connections over TCP and TLS, with the standard library (feature `std`): [`connect`], [`ConnectOptions`],
//! [`Server`].
//!
//! TLS is rustls, with the trust of the platform. Deadlines are total: for connecting, for the opening and for the
//! closing handshake; a peer that sends a byte now and then does not stretch them.

pub mod app;
mod cancel;
mod connect;
mod cookies;
mod danger;
mod deflate;
mod dial;
mod error;
mod halves;
mod journey;
mod layers;
mod listen;
mod message;
mod options;
mod options_net;
mod options_tls;
mod proxy;
mod race;
mod random;
mod redirect;
mod response;
mod sequence;
mod socket;
mod split;
mod stream;
mod tls;
#[cfg(feature = "tokio")]
pub mod tokio;
mod trust;
mod tuning;
mod url;
mod websocket;

#[doc = include_str!("coming_from_python.md")]
pub mod coming_from_python {}

#[cfg(feature = "deflate")]
pub use crate::extension::DeflateOptions;
pub use app::App;
use cancel::Cancel;
pub use connect::connect;
pub use cookies::CookieJar;
pub use error::{CloseInfo, Error, Phase};
pub use halves::{ReadHalf, WriteHalf};
pub use listen::{Incoming, Server, ServerOptions, accept};
pub use message::{CloseFrame, OwnedMessage};
pub use options::ConnectOptions;
pub use proxy::ProxyError;
pub use redirect::RedirectError;
pub use response::HttpResponse;
pub use rustls;
pub use socket2;
pub use split::{Reader, Writer};
pub use stream::{IoError, Stream};
pub use url::{UrlError, WsUrl};
pub use websocket::WebSocket;
