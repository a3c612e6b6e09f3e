//! HTTP/1.1 heads (RFC 9110, RFC 9112), as far as an opening handshake needs them: pure functions over slices, no I/O.
//!
//! A head is read line by line: a [`LineScanner`] finds the end of each line, checks its characters on the way and
//! never looks at a byte twice; [`parse_status_line`], [`parse_request_line`] and [`parse_field`] take a complete line
//! apart. A head is written by an [`Emitter`], in as many pieces as the buffer makes necessary.
//!
//! Stricter than HTTP asks for where leniency has cost others dearly: only CRLF ends a line, folded lines are refused.

mod authority;
mod emit;
mod error;
mod fields;
mod list;
mod request;
mod response;
mod trace;

pub use authority::Authority;
pub use emit::Emitter;
pub use error::HeadError;
pub use fields::{LineScanner, is_field_value, is_token, parse_field};
pub(crate) use fields::{is_visible, parse_decimal, split_field};
pub(crate) use list::find_token;
pub use list::{Extension, Extensions, Param, ParamValue, has_token, tokens};
pub use request::{RequestLine, parse_request_line};
pub use response::parse_status_line;
pub(crate) use trace::trace_field;
