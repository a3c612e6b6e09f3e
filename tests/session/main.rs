//! What a session does with frames: every rule of RFC 6455 sections 5 to 8, in both roles, with both drivers, at several
//! cuts of the input, in whole messages and in parts.

#[path = "../support/mod.rs"]
mod support;

mod closing;
mod messages;
mod misuse;
mod rules;
mod sending;
mod utf8;
