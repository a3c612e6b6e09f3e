//! [`App`]: a connection that is kept up for long, with callbacks.

mod attempt;
mod builder;
mod callbacks;
mod connection;
mod handle;
mod run;
#[cfg(all(unix, feature = "tokio"))]
mod run_async;
mod wait;

use core::fmt;
use std::{
    boxed::Box,
    string::String,
    time::{Duration, Instant},
    vec::Vec,
};

pub use callbacks::{Again, Unsent};
pub use handle::Handle;

use self::{callbacks::Callbacks, handle::Owner, run::Run, wait::Waiting};
use super::{CloseInfo, ConnectOptions, Error, Phase, WebSocket, random::Keys};
use crate::app::Policy;

/// A client that connects, calls back, keeps the connection alive, and reconnects when it is lost.
///
/// ```no_run
/// use std::time::Duration;
/// use sockling::{App, app::Backoff};
///
/// App::new("wss://stream.example/feed")
///     .on_open(|ws| ws.send("subscribe"))
///     .on_reconnect(|ws, again| { eprintln!("attempt {} after {}", again.attempt, again.error); ws.send("subscribe") })
///     .on_message(|ws, message| { println!("{message:?}"); Ok(()) })
///     .on_error(|_, error| eprintln!("{error}"))
///     .on_close(|_, close| println!("closed: {close}"))
///     .keepalive(Duration::from_secs(30), Duration::from_secs(10))
///     .reconnect(Backoff::default())
///     .run_forever()?;
/// # Ok::<(), sockling::net::Error>(())
/// ```
///
/// # Callbacks
/// All run in the thread of [`run_forever`](Self::run_forever), one after the other. They get a [`Handle`] that sends
/// and closes, and may be cloned for other threads. None of its methods waits, so any may be called in any callback. A
/// callback that takes long keeps the others waiting, and the pongs to the server's pings; it does not make the
/// keepalive take the server for dead.
///
/// An error that a callback returns goes to [`on_error`](Self::on_error), and the connection goes on. Without an
/// `on_error` it ends the app: the connection is closed with 1011, and the error is what `run_forever` returns.
///
/// A callback that panics ends the run: the socket is closed, then the panic goes on to the caller of `run_forever`.
///
/// # What ends it and what does not
/// | what happens | what follows | what changes that |
/// |---|---|---|
/// | connection lost, no pong, refused, name not resolved, status 5xx, 408, 429 | `on_error`, then it reconnects | [`reconnect`](Self::reconnect), [`classify`](Self::classify) |
/// | what would fail again: bad URL, status 4xx, certificate, refused subprotocol ([`Error::is_permanent`]) | `on_error`, the end: that error | [`classify`](Self::classify) |
/// | the server's close frame | `on_close`, the end: `Ok` | what [`on_close`](Self::on_close) returns; 1012 and 1013 reconnect |
/// | no attempts left | the end: the last error | [`Backoff::max_attempts`](crate::app::Backoff::max_attempts) |
/// | [`Handle::close`], whenever | the closing handshake, `on_close`, the end: `Ok` | |
/// | a callback panics | the socket is closed, the panic goes on | |
///
/// [`on_close`](Self::on_close) is called once for each connection that was open, however it ended, `on_error` for each
/// failure, of the first attempt and of later ones.
///
/// # What was not sent
/// Messages are queued in memory that is [bounded](Self::queue_limits), for the connection that is open. Those that
/// were not written when it ended are given back to [`on_unsent`](Self::on_unsent): they are neither lost silently nor
/// sent again by themselves.
///
/// An `App` that is dropped closes its socket without a closing handshake.
pub struct App<'a> {
    url: String,
    options: ConnectOptions,
    providers: Providers<'a>,
    policy: Policy,
    callbacks: Callbacks<'a>,
    shared: Owner,
    handle: Handle,
    /// What its time is counted from.
    epoch: Instant,
    /// The time that was handed in last, and when that was.
    clock: (Duration, Instant),
    waiting: Option<Waiting>,
    run: Option<Run>,
    /// The run that `poll` drove is over.
    over: bool,
}

type Provider<'a, T> = Option<Box<dyn FnMut() -> Result<T, Error> + Send + 'a>>;

/// What is asked before each attempt.
#[derive(Default)]
#[allow(clippy::type_complexity, reason = "the same words as in the methods that take them")]
struct Providers<'a> {
    url: Provider<'a, String>,
    headers: Provider<'a, Vec<(String, String)>>,
    options: Option<Box<dyn FnMut(ConnectOptions) -> Result<ConnectOptions, Error> + Send + 'a>>,
}

impl fmt::Debug for App<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("App")
            .field("options", &self.options)
            .field("policy", &self.policy)
            .field("handle", &self.handle)
            .field("running", &self.run.is_some())
            .finish_non_exhaustive()
    }
}
