//! Connections over TCP and TLS, with the standard library (feature `std`): [`connect`], [`ConnectOptions`],
//! [`Server`].
//!
//! TLS is rustls, with the trust of the platform. Deadlines are total: for connecting, for the opening and for the
//! closing handshake; a peer that sends a byte now and then does not stretch them.

mod connect;
mod dial;
mod error;
mod listen;
mod options;
mod random;
mod socket;
mod split;
mod stream;
mod tls;
#[cfg(feature = "tokio")]
pub mod tokio;
mod trust;
mod url;
mod websocket;

pub use connect::connect;
pub use error::{CloseInfo, Error, HttpResponse, Phase};
pub use listen::{Incoming, Server, ServerOptions, accept};
pub use options::ConnectOptions;
pub use rustls;
pub use split::{Reader, Writer};
pub use stream::{IoError, ReadHalf, Stream, WriteHalf};
pub use url::{UrlError, WsUrl};
pub use websocket::WebSocket;
