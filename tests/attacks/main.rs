//! What a hostile peer, proxy or caller tries: one test or more for each row of the project's table of attacks, named
//! after its number, for both roles where it applies, blocking and async where they differ.
//!
//! Not here:
//! - 30 (certificates), 31 (redirects) and 36 (proxies), and of 4 and 18 what is about these: in tests/net
//! - 32 (`Origin`): to come
//! - 33 (side channel of an authentication helper): there is no such helper
//! - 10 (decompression bomb), 11 (errors of inflate), 35 (side channel of compression) need permessage-deflate
//! - 29 (re-entrancy in callbacks) needs the App

#[path = "../support/mod.rs"]
mod support;

#[cfg(feature = "deflate")]
mod bombs;
#[cfg(feature = "deflate")]
mod compression;
mod flood;
mod frames;
mod handshake;
mod header_injection;
#[cfg(feature = "std")]
mod slow;
mod transport;
