use std::{boxed::Box, string::String, sync::Arc, time::Duration, time::Instant, vec::Vec};

use super::{
    Again, App, CloseInfo, ConnectOptions, Error, Handle, Providers, Unsent,
    callbacks::Callbacks,
    handle::{Owner, QueueLimits, Shared},
};
use crate::{
    Message, Part,
    app::{Backoff, Keepalive, Next, Policy},
};

impl<'a> App<'a> {
    /// One that connects to `url`, `ws://` or `wss://`, once it [runs](Self::run_forever).
    #[must_use]
    pub fn new(url: impl Into<String>) -> Self {
        let shared = Arc::new(Shared::new(QueueLimits { messages: 1024, bytes: 16 << 20 }));
        Self {
            url: url.into(),
            options: ConnectOptions::new(),
            providers: Providers::default(),
            policy: Policy::DEFAULT,
            callbacks: Callbacks::default(),
            handle: Handle::new(shared.clone()),
            shared: Owner(shared),
            epoch: Instant::now(),
            clock: (Duration::ZERO, Instant::now()),
            waiting: None,
            run: None,
            over: false,
        }
    }

    /// How each attempt connects, and how its connection behaves. Time limits of single reads and writes do not count:
    /// nothing here waits for one.
    #[must_use]
    pub fn options(mut self, options: ConnectOptions) -> Self {
        self.options = options;
        self
    }

    /// Adds a header field to each request: [`ConnectOptions::header`].
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.options = self.options.header(name, value);
        self
    }

    /// Offers subprotocols: [`ConnectOptions::subprotocols`].
    #[must_use]
    pub fn subprotocols(mut self, subprotocols: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.options = self.options.subprotocols(subprotocols);
        self
    }

    /// Asks for the URL before each attempt. An error is that of the attempt.
    #[must_use]
    pub fn url_from(mut self, url: impl FnMut() -> Result<String, Error> + Send + 'a) -> Self {
        self.providers.url = Some(Box::new(url));
        self
    }

    /// Asks for header fields before each attempt, such as a token or the time. They are added to those of the options.
    /// An error is that of the attempt.
    ///
    /// ```
    /// # use sockling::App;
    /// # fn fresh_token() -> std::io::Result<String> { Ok(String::new()) }
    /// let app = App::new("wss://stream.example/").headers_from(|| {
    ///     let token = fresh_token().map_err(sockling::net::Error::other)?;
    ///     Ok(vec![("Authorization".into(), format!("Bearer {token}"))])
    /// });
    /// ```
    #[must_use]
    pub fn headers_from(
        mut self,
        headers: impl FnMut() -> Result<Vec<(String, String)>, Error> + Send + 'a,
    ) -> Self {
        self.providers.headers = Some(Box::new(headers));
        self
    }

    /// Lets the options be changed before each attempt: any of them, for this attempt.
    #[must_use]
    pub fn options_from(
        mut self,
        options: impl FnMut(ConnectOptions) -> Result<ConnectOptions, Error> + Send + 'a,
    ) -> Self {
        self.providers.options = Some(Box::new(options));
        self
    }

    /// Sends a ping every `interval`, and takes the connection for lost if nothing at all is received within `timeout`
    /// after one: [`Keepalive`]. Default: no pings.
    ///
    /// That the peer takes bytes which had to wait is life as well. Bytes in the system's buffers do not show: a ping
    /// waits behind them, so where much is sent over a slow line let `timeout` be long enough for these.
    #[must_use]
    pub const fn keepalive(mut self, interval: Duration, timeout: Duration) -> Self {
        self.policy.keepalive = Keepalive::new(interval, timeout);
        self
    }

    /// How long to wait before each attempt to reconnect, and how many there may be. Default [`Backoff::DEFAULT`];
    /// [`Backoff::NEVER`] for none.
    #[must_use]
    pub const fn reconnect(mut self, backoff: Backoff) -> Self {
        self.policy.backoff = backoff;
        self
    }

    /// How many messages, and how many bytes of them, may be [queued](Handle::send). What does not fit is refused with
    /// [`Error::QueueFull`]. Default 1024 messages and 16 MiB. A message that is being written does not count.
    #[must_use]
    pub fn queue_limits(self, messages: usize, bytes: usize) -> Self {
        self.shared.set_limits(QueueLimits { messages, bytes });
        self
    }

    /// Decides whether to reconnect after an error, or after the server's close frame ([`Error::Closed`]), where
    /// [`on_close`](Self::on_close) does not.
    ///
    /// ```
    /// # use sockling::{App, app::Next, net::Error};
    /// // A deployment answers 404 for a while.
    /// let app = App::new("wss://stream.example/").classify(|error| match error {
    ///     Error::Status(response) if response.status == 404 => Next::Reconnect,
    ///     _ => Next::Usual,
    /// });
    /// ```
    #[must_use]
    pub fn classify(mut self, mut classify: impl FnMut(&Error) -> Next + Send + 'a) -> Self {
        self.callbacks.classify = Some(Box::new(move |error| classify(error)));
        self
    }

    /// Called when a connection is open: the first one and, without [`on_reconnect`](Self::on_reconnect), each.
    #[must_use]
    pub fn on_open(mut self, on_open: impl FnMut(&Handle) -> Result<(), Error> + Send + 'a) -> Self {
        self.callbacks.open = Some(Box::new(on_open));
        self
    }

    /// Called when a connection is open after another one was: to subscribe again.
    #[must_use]
    pub fn on_reconnect(
        mut self,
        on_reconnect: impl FnMut(&Handle, Again<'_>) -> Result<(), Error> + Send + 'a,
    ) -> Self {
        self.callbacks.reconnect = Some(Box::new(on_reconnect));
        self
    }

    /// Called for each message, text or binary. Not called with [`on_fragment`](Self::on_fragment).
    #[must_use]
    pub fn on_message(
        mut self,
        on_message: impl FnMut(&Handle, Message<'_>) -> Result<(), Error> + Send + 'a,
    ) -> Self {
        self.callbacks.message = Some(Box::new(on_message));
        self
    }

    /// Called for all data, before [`on_message`](Self::on_message) (a message is one part then, the first and the last)
    /// or [`on_fragment`](Self::on_fragment).
    #[must_use]
    pub fn on_data(
        mut self,
        on_data: impl FnMut(&Handle, Part<'_>) -> Result<(), Error> + Send + 'a,
    ) -> Self {
        self.callbacks.data = Some(Box::new(on_data));
        self
    }

    /// Called for each part of a message as it arrives, the first included, so that messages of any size pass through.
    /// Messages are not assembled then, and [`on_message`](Self::on_message) is not called.
    #[must_use]
    pub fn on_fragment(
        mut self,
        on_fragment: impl FnMut(&Handle, Part<'_>) -> Result<(), Error> + Send + 'a,
    ) -> Self {
        self.callbacks.fragment = Some(Box::new(on_fragment));
        self
    }

    /// Called for each ping, with its payload of at most 125 bytes. It is answered already, or will be without further ado.
    #[must_use]
    pub fn on_ping(mut self, on_ping: impl FnMut(&Handle, &[u8]) -> Result<(), Error> + Send + 'a) -> Self {
        self.callbacks.ping = Some(Box::new(on_ping));
        self
    }

    /// Called for each pong, with its payload; also for those to the pings of the keepalive.
    #[must_use]
    pub fn on_pong(mut self, on_pong: impl FnMut(&Handle, &[u8]) -> Result<(), Error> + Send + 'a) -> Self {
        self.callbacks.pong = Some(Box::new(on_pong));
        self
    }

    /// Called when a connection has ended with messages that were not sent, or of which it is not known. Without it,
    /// their number is an error for [`on_error`](Self::on_error).
    #[must_use]
    pub fn on_unsent(
        mut self,
        on_unsent: impl FnMut(&Handle, Unsent) -> Result<(), Error> + Send + 'a,
    ) -> Self {
        self.callbacks.unsent = Some(Box::new(on_unsent));
        self
    }

    /// Called at each failure: of an attempt, of a connection, of another callback.
    #[must_use]
    pub fn on_error(mut self, on_error: impl FnMut(&Handle, &Error) + Send + 'a) -> Self {
        self.callbacks.error = Some(Box::new(on_error));
        self
    }

    /// Called once when a connection that was open has ended: by a close frame, or otherwise. It may return what is to
    /// follow, a [`Next`], or nothing.
    ///
    /// ```
    /// # use sockling::{App, app::Next};
    /// let app = App::new("wss://stream.example/")
    ///     .on_close(|_, close| if close.code().0 == 4001 { Next::Reconnect } else { Next::Usual });
    /// ```
    #[must_use]
    pub fn on_close<N: Into<Next>>(
        mut self,
        mut on_close: impl FnMut(&Handle, &CloseInfo) -> N + Send + 'a,
    ) -> Self {
        self.callbacks.close = Some(Box::new(move |handle, close| on_close(handle, close).into()));
        self
    }

    /// What sends and closes, for other threads.
    #[must_use]
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }
}
