//! Connections in tasks of tokio (feature `tokio`): [`connect_async`],
//! [`ConnectOptions::connect_async`](crate::ConnectOptions::connect_async),
//! [`ServerOptions::accept_async`](super::ServerOptions::accept_async).
//!
//! The options are those of the blocking connections, and so are errors, limits and total deadlines. Only
//! [`read_timeout`](crate::ConnectOptions::read_timeout) and
//! [`write_timeout`](crate::ConnectOptions::write_timeout) do not count here: put
//! `tokio::time::timeout` around a call, which loses nothing by it. The runtime needs its drivers of I/O and time
//! (`enable_all`, which is what `#[tokio::main]` does), otherwise tokio panics.
//!
//! [`WebSocket`] is the connection; [`WebSocket::split`] makes two halves of it for two tasks, and
//! [`WebSocket::into_stream`] a `Stream` and `Sink`, as code that was written for tokio-tungstenite has them.

mod accept;
mod connect;
mod connection;
mod dial;
mod io;
mod race;
mod sink;
mod split;
mod stream;
mod wake;
mod websocket;

pub use accept::accept_async;
pub use connect::connect_async;
pub use sink::MessageStream;
pub use split::{Reader, Writer};
pub use stream::Stream;
pub use websocket::WebSocket;

pub use super::message::{CloseFrame, OwnedMessage};
