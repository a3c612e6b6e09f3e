//! The opening handshake (RFC 6455 section 4), as two state machines with no I/O and no buffers.
//!
//! A driver asks a machine with `poll` what to do, and does it: write what is [`pending`](ClientHandshake::pending) and
//! tell how much was [`sent`](ClientHandshake::sent), flush, or read into [`space`](ClientHandshake::space) and tell
//! how much was [`received`](ClientHandshake::received). All state changes in those calls, so a driver that is
//! interrupted between them goes on later with another `poll`. What comes behind the head stays in the receive buffer:
//! [`early`](ClientHandshake::early).

mod authorization;
mod client;
mod error;
mod field;
mod head;
mod key;
mod request;
mod response;
mod server;
mod step;
#[cfg(test)]
mod testing;
mod wire;

pub use client::ClientHandshake;
pub use error::HandshakeError;
pub use field::Field;
pub use head::RequestHead;
pub use request::Request;
pub use response::Response;
pub use server::ServerHandshake;
pub use step::{HeadLine, ServerStep, Step};
