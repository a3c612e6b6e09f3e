use core::{fmt, mem, ops::Deref};
use std::{
    collections::VecDeque,
    string::String,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    vec::Vec,
};

use mio::Waker;

use super::Error;
use crate::{
    CloseCode, Message, MisuseError,
    frame::{MAX_CONTROL_PAYLOAD, MAX_REASON},
    proto::Session,
};

/// What sends on an [`App`](super::App)'s connection and closes it, from its callbacks and from any thread.
///
/// Clones are the same one. It may outlive the `App`.
#[derive(Clone)]
pub struct Handle {
    shared: Arc<Shared>,
}

impl Handle {
    pub(super) const fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// Queues a message, or a ping or pong, to be sent on the connection that is open now. Does not wait.
    ///
    /// The queue has [limits](super::App::queue_limits); what does not fit is refused, so that memory is bounded and the
    /// caller knows. The queue belongs to one connection: what could not be written when that ended is
    /// [reported](super::App::on_unsent), and not sent on the next one.
    ///
    /// # Errors
    /// [`Error::NotConnected`] while no connection is open; [`Error::QueueFull`]; [`Error::Misuse`] after
    /// [`close`](Self::close), and for a ping or pong over 125 bytes.
    pub fn send<'m>(&self, message: impl Into<Message<'m>>) -> Result<(), Error> {
        let message = message.into();
        let len = message.as_bytes().len();
        if matches!(message, Message::Ping(_) | Message::Pong(_)) && len > MAX_CONTROL_PAYLOAD {
            return Err(MisuseError::ControlTooLong.into());
        }
        let mut state = self.shared.lock();
        if state.close.is_some() {
            return Err(MisuseError::Closing.into());
        }
        if !state.open {
            return Err(Error::NotConnected);
        }
        if state.queue.len() >= state.limits.messages
            || len > state.limits.bytes.saturating_sub(state.bytes)
            || state.queue.try_reserve(1).is_err()
        {
            return Err(Error::QueueFull);
        }
        state.bytes += len;
        state.queue.push_back(Queued::from(message));
        state.wake();
        Ok(())
    }

    /// Ends the app: what was queued before is written, then the closing handshake is performed, with
    /// [`CloseCode::NORMAL`], all within [`close_timeout`](crate::ConnectOptions::close_timeout). While it connects, or
    /// waits to do so, it ends at once. Never is there one more attempt.
    ///
    /// Does not wait: when it is done, `run_forever` returns. From now on, messages that arrive are discarded. Before
    /// the app runs, the next run ends as it begins.
    pub fn close(&self) {
        self.shared.close(CloseCode::NORMAL, "");
    }

    /// Like [`close`](Self::close), with a code and a reason. The first call counts.
    ///
    /// # Errors
    /// [`Error::Misuse`] for a code or reason that may not be sent.
    pub fn close_with(&self, code: CloseCode, reason: &str) -> Result<(), Error> {
        Session::check_close(code, reason)?;
        self.shared.close(code, reason);
        Ok(())
    }

    /// Whether a connection is open, so that [`send`](Self::send) takes messages.
    #[must_use]
    pub fn is_open(&self) -> bool {
        let state = self.shared.lock();
        state.open && state.close.is_none()
    }

    /// How many messages are queued.
    #[must_use]
    pub fn queued(&self) -> usize {
        self.shared.lock().queue.len()
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.shared.lock();
        f.debug_struct("Handle")
            .field("open", &state.open)
            .field("close", &state.close)
            .field("queued", &state.queue.len())
            .finish_non_exhaustive()
    }
}

/// How much may wait to be written.
#[derive(Clone, Copy, Debug)]
pub(super) struct QueueLimits {
    pub(super) messages: usize,
    pub(super) bytes: usize,
}

/// What handles and the app's loop have in common.
pub(super) struct Shared(Mutex<State>);

struct State {
    /// A connection is open.
    open: bool,
    /// The user wants the end.
    close: Option<(CloseCode, String)>,
    queue: VecDeque<Queued>,
    /// Of all that is in the queue.
    bytes: usize,
    limits: QueueLimits,
    /// What the loop waits on, once there is a loop.
    waker: Option<Arc<Waker>>,
    /// The loop is at work, and looks at `changed` before it waits.
    busy: bool,
    /// Something was queued, or the end is wanted, since the loop looked.
    changed: bool,
}

impl State {
    fn wake(&mut self) {
        self.changed = true;
        if !mem::replace(&mut self.busy, true)
            && let Some(waker) = &self.waker
        {
            // It fails only where the loop's poll is gone, and with it the loop.
            let _ = waker.wake();
        }
    }
}

impl Shared {
    pub(super) fn new(limits: QueueLimits) -> Self {
        Self(Mutex::new(State {
            open: false,
            close: None,
            queue: VecDeque::new(),
            bytes: 0,
            limits,
            waker: None,
            busy: false,
            changed: false,
        }))
    }

    /// A panic elsewhere leaves nothing half done here.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn set_limits(&self, limits: QueueLimits) {
        self.lock().limits = limits;
    }

    pub(super) fn set_waker(&self, waker: Option<Arc<Waker>>) {
        self.lock().waker = waker;
    }

    pub(super) fn close(&self, code: CloseCode, reason: &str) {
        let reason = reason.get(..MAX_REASON.min(reason.len())).unwrap_or_default();
        let mut state = self.lock();
        if state.close.is_none() {
            state.close = Some((code, reason.into()));
            state.wake();
        }
    }

    /// Whether the end is wanted.
    pub(super) fn is_closing(&self) -> bool {
        self.lock().close.is_some()
    }

    /// How it is to end.
    pub(super) fn closing(&self) -> (CloseCode, String) {
        self.lock().close.clone().unwrap_or((CloseCode::NORMAL, String::new()))
    }

    /// The loop looks at all there is.
    pub(super) fn look(&self) {
        let mut state = self.lock();
        (state.busy, state.changed) = (true, false);
    }

    /// The loop is about to wait until it is woken; `false` if it has to look again before.
    pub(super) fn may_wait(&self) -> bool {
        let mut state = self.lock();
        state.busy = false;
        !state.changed
    }

    /// Makes the loop look again, whoever waits for it.
    pub(super) fn wake(&self) {
        self.lock().wake();
    }

    pub(super) fn connected(&self) {
        self.lock().open = true;
    }

    /// The connection is over: takes what was not begun to be written.
    pub(super) fn disconnected(&self) -> VecDeque<Queued> {
        let mut state = self.lock();
        state.open = false;
        state.bytes = 0;
        mem::take(&mut state.queue)
    }

    pub(super) fn pop(&self) -> Option<Queued> {
        let mut state = self.lock();
        let message = state.queue.pop_front()?;
        state.bytes = state.bytes.saturating_sub(message.as_message().as_bytes().len());
        Some(message)
    }

    /// The run is over; another one may come.
    pub(super) fn reset(&self) -> VecDeque<Queued> {
        self.lock().close = None;
        self.disconnected()
    }
}

/// The app's own hold on what it shares. Without the app, handles keep no descriptor and take nothing.
pub(super) struct Owner(pub(super) Arc<Shared>);

impl Deref for Owner {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.reset();
        self.set_waker(None);
    }
}

/// A message of the queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Queued {
    Text(String),
    Binary(Vec<u8>),
    UncheckedText(Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
}

impl From<Message<'_>> for Queued {
    fn from(message: Message<'_>) -> Self {
        match message {
            Message::Text(text) => Self::Text(text.into()),
            Message::Binary(data) => Self::Binary(data.into()),
            Message::UncheckedText(data) => Self::UncheckedText(data.into()),
            Message::Ping(data) => Self::Ping(data.into()),
            Message::Pong(data) => Self::Pong(data.into()),
        }
    }
}

impl Queued {
    pub(super) fn as_message(&self) -> Message<'_> {
        match self {
            Self::Text(text) => Message::Text(text),
            Self::Binary(data) => Message::Binary(data),
            Self::UncheckedText(data) => Message::UncheckedText(data),
            Self::Ping(data) => Message::Ping(data),
            Self::Pong(data) => Message::Pong(data),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn handle(messages: usize, bytes: usize) -> (Handle, Arc<Shared>) {
        let shared = Arc::new(Shared::new(QueueLimits { messages, bytes }));
        (Handle::new(shared.clone()), shared)
    }

    #[test]
    fn a_queue_with_limits() {
        let (handle, shared) = handle(3, 10);
        assert!(matches!(handle.send("a"), Err(Error::NotConnected)));
        shared.connected();
        assert!(handle.is_open());
        assert!(matches!(handle.send("12345678901"), Err(Error::QueueFull)));
        handle.send("12345").unwrap();
        handle.clone().send(b"12345").unwrap();
        assert!(matches!(handle.send("1"), Err(Error::QueueFull)));
        handle.send("").unwrap();
        assert!(matches!(handle.send(""), Err(Error::QueueFull)));
        assert_eq!(shared.pop().unwrap().as_message(), Message::Text("12345"));
        handle.send(Message::Ping(b"12345")).unwrap();
        assert_eq!(handle.queued(), 3);
        assert_eq!(shared.disconnected().len(), 3);
        assert_eq!(handle.queued(), 0);
        assert!(matches!(handle.send("a"), Err(Error::NotConnected)));
        // All room is there again.
        shared.connected();
        handle.send("1234567890").unwrap();
    }

    #[test]
    fn they_go_between_threads() {
        const fn check<T: Send>() {}
        const fn check_both<T: Send + Sync>() {}
        check::<crate::App<'_>>();
        check_both::<Handle>();
    }

    #[test]
    fn after_close() {
        let (handle, shared) = handle(3, 200);
        shared.connected();
        assert!(handle.close_with(CloseCode(1006), "").is_err());
        assert!(handle.close_with(CloseCode::NORMAL, &"x".repeat(124)).is_err());
        assert!(handle.send(Message::Pong(&[0; 126])).is_err());
        assert!(handle.is_open());
        handle.close_with(CloseCode(4000), "bye").unwrap();
        handle.close();
        assert_eq!(shared.closing(), (CloseCode(4000), "bye".into()));
        assert!(!handle.is_open());
        assert!(matches!(handle.send("a"), Err(Error::Misuse(MisuseError::Closing))));
        shared.reset();
        assert!(!shared.is_closing());
    }
}
