//! [`App`]: a connection that is kept up, on a microcontroller. Async, without an allocator, for any executor.
//!
//! It connects, keeps the connection alive, and reconnects when it is lost, as the [`Machine`] says. What
//! it needs is handed in: where connections come from ([`Connect`]), a [`Clock`], a source of keys, buffers, and a
//! [`Handler`] with the callbacks.
//!
//! ```
//! use core::time::Duration;
//! use sockling::{
//!     Error, Message, Random, Request,
//!     app::{Keepalive, Policy, embedded::{App, Clock, Connect, Handler, Sender}},
//! };
//!
//! struct Feed;
//!
//! impl<C, E> Handler<C, E> for Feed {
//!     async fn on_open(&mut self, ws: &mut impl Sender<E>) -> Result<(), Error<E>> {
//!         ws.send("subscribe").await
//!     }
//!
//!     async fn on_message(&mut self, ws: &mut impl Sender<E>, message: Message<'_>) -> Result<(), Error<E>> {
//!         match message {
//!             Message::Text("are you there?") => ws.send("yes").await,
//!             _ => Ok(()),
//!         }
//!     }
//! }
//!
//! async fn feed(mut connect: impl Connect, clock: impl Clock, rng: impl Random) {
//!     let mut policy = Policy::DEFAULT;
//!     policy.keepalive = Keepalive::new(Duration::from_secs(30), Duration::from_secs(10));
//!     let (mut rx, mut tx) = ([0; 1024], [0; 256]);
//!     let request = Request::new("sensor.example", "/feed");
//!     let mut app = App::new(&request, clock, rng, &mut rx, &mut tx).policy(policy);
//!     let _ = app.run(&mut connect, &mut Feed).await;
//! }
//! ```
//!
//! # Sending from elsewhere
//! Callbacks answer with the [`Sender`] that they get. What other tasks want to send comes through a channel, such as
//! embassy-sync's, from which [`Handler::outgoing`] takes.
//!
//! # What ends it
//! The peer's close frame, unless its code is 1012 or 1013; a failure that another attempt would meet again; no attempt
//! left; [`Sender::close`]; and the future that [`App::run_until`] is given. [`Handler::on_error`] and
//! [`Handler::on_close`] can make other verdicts.

mod clock;
mod connect;
mod connection;
mod failure;
mod handler;
#[cfg(feature = "embedded-nal-async")]
mod nal;
mod run;

use core::{
    fmt,
    future::{Future, pending},
    pin::pin,
    time::Duration,
};

pub use clock::Clock;
#[cfg(feature = "embassy-time")]
pub use clock::EmbassyClock;
pub use connect::Connect;
use connection::{Connection, Line};
pub use failure::Failure;
pub use handler::{Again, Handler, Sender};
#[cfg(feature = "embedded-nal-async")]
pub use nal::{Tcp, TcpError};
use run::{End, Reached, Stop, attempt, open, serve};

use super::{Action, Keepalive, Machine, Policy, Verdict};
use crate::{
    CloseCode, Closed, Error, Random, Request,
    extension::{Codec, Plain},
    proto::{Mode, Session},
};

/// A client that connects, calls back, keeps the connection alive, and reconnects when it is lost: see the
/// [module](self).
pub struct App<'a, K, G, C = Plain> {
    request: &'a Request<'a>,
    clock: K,
    random: G,
    rx: &'a mut [u8],
    tx: &'a mut [u8],
    policy: Policy,
    send_timeout: Duration,
    farewell: (CloseCode, &'a str),
    mode: Mode,
    codec: C,
}

impl<'a, K: Clock, G: Random> App<'a, K, G> {
    /// An app that sends `request`. Its host is what is connected to.
    ///
    /// `random` makes the keys, and the waits of the back-off. The buffers are those of
    /// [`asynch::connect`](crate::asynch::connect): at least [`MIN_RX`](crate::MIN_RX) and [`MIN_TX`](crate::MIN_TX)
    /// bytes, and a message has to fit in `rx` unless [`parts`](Self::parts) is set.
    #[must_use]
    pub const fn new(
        request: &'a Request<'a>,
        clock: K,
        random: G,
        rx: &'a mut [u8],
        tx: &'a mut [u8],
    ) -> Self {
        Self {
            request,
            clock,
            random,
            rx,
            tx,
            policy: Policy::DEFAULT,
            send_timeout: Duration::from_secs(30),
            farewell: (CloseCode::NORMAL, ""),
            mode: Mode::Whole,
            codec: Plain::NEW,
        }
    }
}

impl<'a, K: Clock, G: Random, C: Codec> App<'a, K, G, C> {
    /// Sets what is done to messages: [`Deflate`](crate::extension::Deflate) compresses them in each connection whose server
    /// agrees. Where a message is decompressed its size is bounded by the output of that, instead of `rx`.
    ///
    /// ```
    /// # #[cfg(feature = "deflate")] {
    /// # use sockling::{Random, Request, app::embedded::{App, Clock, Connect}};
    /// use sockling::extension::{Compressor, Deflate, Inflater};
    ///
    /// # async fn feed(mut connect: impl Connect, clock: impl Clock, rng: impl Random) {
    /// let (mut rx, mut tx) = ([0; 1024], [0; 256]);
    /// let (mut window, mut message, mut sent, mut hashes) = ([0; 1024], [0; 4096], [0; 512], [0; 512]);
    /// let inflater = Inflater::new(&mut window[..], &mut message[..]);
    /// let deflate = Deflate::new(inflater, Compressor::new(&mut sent[..], &mut hashes[..]));
    /// let request = Request::new("sensor.example", "/feed");
    /// let mut app = App::new(&request, clock, rng, &mut rx, &mut tx).codec(deflate);
    /// let _ = app.run(&mut connect, &mut ()).await;
    /// # }
    /// # }
    /// ```
    #[must_use]
    pub fn codec<D: Codec>(self, codec: D) -> App<'a, K, G, D> {
        let Self { request, clock, random, rx, tx, policy, send_timeout, farewell, mode, codec: _ } = self;
        App { request, clock, random, rx, tx, policy, send_timeout, farewell, mode, codec }
    }

    /// Sets the keepalive, the waits between attempts, and the deadlines.
    #[must_use]
    pub fn policy(self, policy: Policy) -> Self {
        Self { policy, ..self }
    }

    /// Sets how long the transport may take to accept any bytes of what is written, and to flush them; default 30 s. Past
    /// it the connection is given up, with [`Error::WriteZero`]: the peer reads nothing, or is gone.
    ///
    /// With a keepalive it is at most the time until that would find the peer dead, since no ping is sent meanwhile.
    #[must_use]
    pub fn send_timeout(self, send_timeout: Duration) -> Self {
        Self { send_timeout, ..self }
    }

    /// Sets the code and reason of the close frame that is sent at the end that [`run_until`](Self::run_until) is told.
    /// Default 1000 and no reason.
    #[must_use]
    pub fn farewell(self, code: CloseCode, reason: &'a str) -> Self {
        Self { farewell: (code, reason), ..self }
    }

    /// Hands messages out as they come, of any size, to [`Handler::on_part`].
    #[must_use]
    pub fn parts(self) -> Self {
        Self { mode: Mode::Parts, ..self }
    }

    /// Keeps a connection up until it is over. It may be called again then.
    ///
    /// # Errors
    /// The failure that was not to be tried again. `Ok` if an end closed the last connection.
    ///
    /// # Cancel safety
    /// If it is dropped, so is the connection, without a closing handshake: [`run_until`](Self::run_until) is the way to
    /// end it. It may be called again.
    pub async fn run<N: Connect>(
        &mut self,
        connect: &mut N,
        handler: &mut impl Handler<N::Error, N::IoError>,
    ) -> Result<(), Failure<N::Error, N::IoError>> {
        self.run_until(connect, handler, pending()).await
    }

    /// The same, and ends when `stop` is ready: with the closing handshake if a connection is open, and otherwise at
    /// once. From then on nothing is received or sent, and there is not one more attempt.
    ///
    /// # Errors
    /// Like [`run`](Self::run).
    ///
    /// # Cancel safety
    /// Like [`run`](Self::run).
    pub async fn run_until<N: Connect>(
        &mut self,
        connect: &mut N,
        handler: &mut impl Handler<N::Error, N::IoError>,
        stop: impl Future<Output = ()>,
    ) -> Result<(), Failure<N::Error, N::IoError>> {
        let (code, reason) = self.farewell;
        Session::check_close(code, reason).map_err(|error| Failure::WebSocket(Error::Misuse(error)))?;
        let stop = pin!(stop);
        let mut stop = Stop::new(stop);
        let mut machine = Machine::with(&self.policy);
        let mut last = None;
        loop {
            let now = self.clock.now();
            match machine.poll(now) {
                Action::Connect { .. } => {
                    last = self.connection(connect, handler, &mut machine, &mut stop, last).await;
                }
                Action::End if machine.is_closing() => return Ok(()),
                Action::End => return last.map_or(Ok(()), Err),
                Action::Ping | Action::Close | Action::Drop(_) => {}
                Action::Wait => {
                    if stop.sleep(&self.clock, machine.poll_timeout(now)).await {
                        machine.close(self.clock.now());
                    }
                }
            }
        }
    }

    /// One attempt, and the connection that it leads to. Returns what failed, if something did.
    async fn connection<N: Connect>(
        &mut self,
        connect: &mut N,
        handler: &mut impl Handler<N::Error, N::IoError>,
        machine: &mut Machine,
        stop: &mut Stop<'_, impl Future<Output = ()>>,
        last: Option<Failure<N::Error, N::IoError>>,
    ) -> Option<Failure<N::Error, N::IoError>> {
        let Self { request, clock, random, rx, tx, codec, .. } = self;
        let clock = &*clock;
        let mut reached = Reached { io: None, retry_after: None };
        let opened = {
            let open = pin!(open(connect, request, random, rx, tx, codec, &mut reached));
            attempt(open, clock, machine, stop).await
        };
        let (mut closed, mut reason) = (Closed { received: None, sent: None }, "");
        let end = match opened {
            Err(end) => end,
            Ok((io, session)) => {
                let send_timeout = self.send_timeout.min(patience(&self.policy.keepalive));
                let (decoder, encoder) = codec.both();
                let line = Line { io, session, tx, encoder, random, clock, send_timeout, closed: false };
                let (mode, farewell) = (self.mode, self.farewell);
                let mut connection =
                    Connection { line, rx, decoder, mode, farewell, closing: false, heard: false };
                let end = serve(&mut connection, handler, machine, stop, last.as_ref()).await;
                let session = connection.line.session;
                (closed, reason) = (session.closed(), session.close_reason(rx));
                end
            }
        };
        // The transport is gone before anyone is told.
        reached.io = None;
        let (verdict, failure) = match end {
            End::Unwanted => (Verdict::Stop, None),
            End::Closed => (Verdict::on_close(closed.received), None),
            End::Failed(failure) => (handler.on_error(&failure).or(failure.verdict()), Some(failure)),
        };
        let now = clock.now();
        let verdict =
            if machine.disconnected(now) { handler.on_close(closed, reason).or(verdict) } else { verdict };
        machine.decide(now, verdict, reached.retry_after, random);
        failure
    }
}

/// How long a keepalive lets the peer be silent.
fn patience(keepalive: &Keepalive) -> Duration {
    if keepalive.interval.is_zero() || keepalive.timeout.is_zero() {
        return Duration::MAX;
    }
    keepalive.interval.saturating_add(keepalive.timeout)
}

impl<K, G, C> fmt::Debug for App<'_, K, G, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("App")
            .field("request", &self.request)
            .field("policy", &self.policy)
            .field("send_timeout", &self.send_timeout)
            .finish_non_exhaustive()
    }
}

format_by_name!("App", [K, G, C] App<'_, K, G, C>);
