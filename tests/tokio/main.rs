//! Connections in tasks of tokio: scripted peers, both ends of ours, TLS, halves, `Stream` and `Sink`.
#![cfg(feature = "tokio")]

#[cfg(unix)]
mod app;
mod cancel;
mod closing;
#[cfg(feature = "deflate")]
mod deflate;
mod halves;
mod messages;
mod opening;
#[allow(dead_code, reason = "that of the blocking tests")]
#[path = "../net/peer.rs"]
mod peer;
mod pipe;
#[path = "../support/mod.rs"]
mod support;
mod tls;
mod ways;
