#![no_std]
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    warn(
        clippy::cast_possible_truncation,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::todo,
        clippy::unimplemented,
        clippy::unreachable,
        clippy::unwrap_used
    )
)]
#![cfg_attr(docsrs, feature(doc_cfg))]
// Its programs are tests, and want these features.
#![cfg_attr(all(feature = "std", feature = "deflate"), doc = include_str!("../README.md"))]
#![cfg_attr(
    not(all(feature = "std", feature = "deflate")),
    doc = "WebSocket (RFC 6455), also without an allocator: see README.md."
)]

#[cfg(feature = "std")]
extern crate std;

#[macro_use]
mod fmt;

mod buffer;
mod error;
mod limits;
mod message;
mod random;

pub mod app;
pub mod asynch;
pub mod blocking;
pub mod extension;
pub mod frame;
pub mod handshake;
pub mod http;
#[cfg(feature = "std")]
pub mod net;
pub mod proto;
#[cfg(feature = "embedded-tls")]
pub mod tls;
pub mod utf8;

pub use buffer::Buffer;
#[cfg(feature = "std")]
pub use buffer::Growing;
pub use error::{Closed, Error, MisuseError, ProtocolError};
pub use frame::CloseCode;
pub use handshake::{HandshakeError, Request};
pub use limits::Limits;
pub use message::{Kind, Message, Part};
#[cfg(feature = "tokio")]
pub use net::tokio::connect_async;
#[cfg(feature = "std")]
pub use net::{App, ConnectOptions, Server, WebSocket, connect};
pub use proto::{Config, MIN_RX, MIN_TX, Role};
#[cfg(feature = "rand_core_06")]
pub use random::RandCore06;
#[cfg(feature = "rand_core_09")]
pub use random::RandCore09;
pub use random::{Random, Unmasked};

// A budget: what a connection costs on a microcontroller beside its buffers, source of keys and transport.
#[cfg(target_pointer_width = "32")]
const _: () = assert!(size_of::<blocking::WebSocket<(), (), (), ()>>() <= 100);
