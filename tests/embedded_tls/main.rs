//! `wss` by embedded-tls against rustls: whom it trusts, and what happens to futures that are dropped.
#![cfg(all(feature = "std", feature = "embedded-tls"))]

#[path = "../net/peer.rs"]
#[allow(dead_code, reason = "shared with the tests of `net`")]
mod peer;
#[path = "../support/mod.rs"]
mod support;

mod app;
mod cancel;
mod records;
mod socket;
mod trust;
mod unproven;
