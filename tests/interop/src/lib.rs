//! What the interoperation programs share: one trait over the libraries, the checks, the payloads.

pub mod arguments;
pub mod checks;
pub mod connection;
pub mod payload;
#[cfg(feature = "sockling")]
pub mod sockling_adapter;
#[cfg(feature = "sockling")]
pub mod tokio_adapter;
pub mod tungstenite_adapter;
