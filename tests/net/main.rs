//! Connections over real sockets on loopback: against scripted peers, and both ends of ours.
#![cfg(feature = "std")]

mod closing;
#[cfg(feature = "deflate")]
mod deflate;
mod errors;
mod halves;
mod identity;
mod keys;
mod peer;
mod proxies;
mod redirects;
mod server;
mod timing;
mod tls;
