//! `App` over real sockets on loopback: against scripted peers, and a server of ours.
#![cfg(feature = "std")]

mod alive;
mod callbacks;
mod ending;
#[allow(dead_code, reason = "shared with the tests of `net`")]
#[path = "../net/peer.rs"]
mod peer;
mod script;
