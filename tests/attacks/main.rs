//! What a hostile peer, proxy or caller tries: one test or more for each row of the project's table of attacks, named
//! after its number, for both roles where it applies, blocking and async where they differ.
//!
//! Elsewhere, because it takes more than a session:
//! - tests/net: 30 (certificates), 31 (redirects), 36 (proxies); what is about these of 1, 4, 18 and 34; 14, 39 and 40 over TCP
//! - tests/bomb_memory.rs: 10 (decompression bombs), what they take of the system's memory
//! - tests/app: 14 and 29 (queues, callbacks)

#[path = "../support/mod.rs"]
mod support;

mod access;
#[cfg(feature = "deflate")]
mod bombs;
#[cfg(feature = "deflate")]
mod compression;
mod flood;
mod frames;
mod handshake;
mod header_injection;
mod heads;
#[cfg(feature = "std")]
mod slow;
mod transport;
