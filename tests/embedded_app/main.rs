//! The app of `app::embedded` over a simulated network, under a simulated clock.
#![cfg(feature = "embedded-nal-async")]

#[cfg(feature = "deflate")]
mod deflate;
mod ending;
mod interrupted;
mod keeping;
mod notes;
mod opening;
mod sending;
mod sim;
#[path = "../support/mod.rs"]
mod support;
