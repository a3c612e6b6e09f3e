//! Connections in tasks of tokio: scripted peers, both ends of ours, TLS, halves, `Stream` and `Sink`.
#![cfg(feature = "tokio")]

mod basics;
