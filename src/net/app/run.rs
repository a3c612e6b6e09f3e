use core::task::Poll;
#[cfg(unix)]
use std::os::fd::BorrowedFd;
use std::{
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    time::{Duration, Instant, SystemTime},
};

use super::{
    Again, App, CloseInfo, Error, Keys, Phase, Unsent, WebSocket,
    attempt::Attempt,
    connection::{Connection, confirmed_by},
    wait::Waiting,
};
use crate::{
    CloseCode, Kind,
    app::{Action, Dropped, Machine, Next, Opened, Verdict, retry_after},
};

/// How many messages are taken from a connection before the loop looks at all else.
const MESSAGES: usize = 64;

/// What there is from the first attempt to the end.
pub(super) struct Run {
    machine: Machine,
    random: Keys,
    attempt: Option<Attempt>,
    connection: Option<Connection>,
    /// What ended the last connection or attempt.
    last: Option<Error>,
    /// How the last connection was closed.
    close: CloseInfo,
    /// What a callback returned that ends it.
    fatal: Option<Error>,
}

impl App<'_> {
    /// Runs until it ends, as the table of [`App`] says. It can be called again afterwards.
    ///
    /// # Errors
    /// What ended it, if that was neither [`Handle::close`](super::Handle::close) nor the server's close frame: see
    /// there. [`Error::Random`] and [`Error::Io`] also if the system gives no random bytes or no descriptors to begin
    /// with.
    pub fn run_forever(&mut self) -> Result<CloseInfo, Error> {
        self.over = false;
        loop {
            if let Poll::Ready(result) = self.turn(Instant::now()) {
                return result;
            }
            let timeout =
                if self.shared.may_wait() { self.poll_timeout(Instant::now()) } else { Some(Duration::ZERO) };
            self.wait(timeout)?;
        }
    }

    /// Does what there is to do now, without waiting: for event loops that are not ours. Wait until [`fd`](Self::fd) is
    /// readable, no longer than [`poll_timeout`](Self::poll_timeout), and call it again, with the time. Begin with it.
    ///
    /// `Ready` is what [`run_forever`](Self::run_forever) returns, once; from then on it is an empty `Ok`.
    pub fn poll(&mut self, now: Instant) -> Poll<Result<CloseInfo, Error>> {
        if self.over {
            return Poll::Ready(Ok(CloseInfo::default()));
        }
        if let Err(error) = self.wait(Some(Duration::ZERO)) {
            self.over = true;
            return Poll::Ready(Err(error));
        }
        let result = self.turn(now);
        self.over = result.is_ready();
        if !self.over && !self.shared.may_wait() {
            self.shared.wake();
        }
        result
    }

    /// How long to wait at most until the next [`poll`](Self::poll); `None` for as long as it takes.
    pub fn poll_timeout(&mut self, now: Instant) -> Option<Duration> {
        if self.over {
            return None;
        }
        let now = now.saturating_duration_since(self.epoch);
        let Some(run) = &mut self.run else {
            return Some(Duration::ZERO);
        };
        let connection = run.connection.as_mut().and_then(Connection::poll_timeout);
        [run.machine.poll_timeout(now), connection].into_iter().flatten().min()
    }

    /// What to wait on in an event loop, before each [`poll`](Self::poll): it is readable when there is something to do.
    /// It is the same for all connections, and for what other threads want.
    ///
    /// # Errors
    /// [`Error::Io`] if the system has no descriptors left.
    #[cfg(unix)]
    pub fn fd(&mut self) -> Result<BorrowedFd<'_>, Error> {
        Ok(self.waiting()?.as_fd())
    }

    fn waiting(&mut self) -> Result<&mut Waiting, Error> {
        if self.waiting.is_none() {
            let waiting = Waiting::new().map_err(Error::Io)?;
            self.shared.set_waker(Some(waiting.waker().clone()));
            self.waiting = Some(waiting);
        }
        self.waiting.as_mut().ok_or(Error::NotConnected)
    }

    fn wait(&mut self, timeout: Option<Duration>) -> Result<(), Error> {
        self.waiting()?;
        let waiting = self.waiting.as_mut().ok_or(Error::NotConnected)?;
        let waited = match self.run.as_mut().and_then(|run| run.connection.as_mut()) {
            Some(connection) => connection.wait(waiting, timeout),
            None => waiting.wait(timeout).map(drop),
        };
        waited.map_err(|error| {
            self.abandon();
            Error::Io(error)
        })
    }

    /// All that can be done now, and no callback twice.
    fn turn(&mut self, now: Instant) -> Poll<Result<CloseInfo, Error>> {
        self.clock = (now.saturating_duration_since(self.epoch), Instant::now());
        if let Err(error) = self.begin() {
            return Poll::Ready(Err(error));
        }
        match catch_unwind(AssertUnwindSafe(|| self.act())) {
            Ok(false) => Poll::Pending,
            Ok(true) => Poll::Ready(self.finish()),
            Err(panic) => {
                self.abandon();
                resume_unwind(panic)
            }
        }
    }

    /// The time that was handed in, and what has passed since then: a turn may take long.
    fn now(&self) -> Duration {
        let (now, at) = self.clock;
        now.saturating_add(at.elapsed())
    }

    fn begin(&mut self) -> Result<(), Error> {
        if self.run.is_none() {
            self.waiting()?;
            let mut policy = self.policy;
            policy.close_timeout = self.options.config.close_timeout;
            // The options have deadlines of their own.
            policy.connect_timeout = Duration::MAX;
            self.run = Some(Run {
                machine: Machine::new(policy),
                random: Keys::client()?,
                attempt: None,
                connection: None,
                last: None,
                close: CloseInfo::default(),
                fatal: None,
            });
        }
        Ok(())
    }

    /// `true` at the end.
    fn act(&mut self) -> bool {
        self.shared.look();
        self.heed_close();
        self.receive();
        self.shared.look();
        self.transmit();
        loop {
            self.heed_close();
            let now = self.now();
            let Some(run) = &mut self.run else {
                return true;
            };
            if let Some(connection) = &mut run.connection
                && connection.take_life()
            {
                run.machine.received();
            }
            match run.machine.poll(now) {
                Action::Connect { .. } => self.connect(),
                Action::Ping => {
                    if let Some(connection) = &mut run.connection {
                        connection.ping();
                    }
                    self.transmit();
                }
                Action::Close => {
                    if let Some(connection) = &mut run.connection {
                        connection.closing = Some(self.shared.closing());
                    }
                    self.transmit();
                }
                Action::Drop(Dropped::PongTimeout) => self.end(Some(Error::Timeout(Phase::Pong))),
                Action::Drop(Dropped::ConnectTimeout) => self.end(Some(Error::Timeout(Phase::Connect))),
                Action::Drop(Dropped::CloseTimeout | Dropped::Cancelled) => self.end(None),
                Action::Wait => return false,
                Action::End => return true,
            }
        }
    }

    /// Tells the machine that the user wants the end.
    fn heed_close(&mut self) {
        let now = self.now();
        if let Some(run) = &mut self.run
            && !run.machine.is_closing()
            && self.shared.is_closing()
        {
            run.machine.close(now);
        }
    }

    fn connect(&mut self) {
        match self.attempt() {
            Ok(attempt) => {
                if let Some(run) = &mut self.run {
                    run.attempt = Some(attempt);
                }
            }
            Err(error) => self.end(Some(error)),
        }
    }

    fn attempt(&mut self) -> Result<Attempt, Error> {
        let url = match &mut self.providers.url {
            Some(url) => url()?,
            None => self.url.clone(),
        };
        let mut options = self.options.clone();
        // What servers set counts for the attempts that follow.
        options.cookies = self.options.cookies.share();
        if let Some(headers) = &mut self.providers.headers {
            for (name, value) in headers()? {
                options = options.header(name, value);
            }
        }
        if let Some(change) = &mut self.providers.options {
            options = change(options)?;
        }
        options.config.report_control = true;
        let waker = self.waiting()?.waker().clone();
        Attempt::start(url, options, waker)
    }

    /// Takes what has arrived: the result of an attempt, messages.
    fn receive(&mut self) {
        let Some(run) = &mut self.run else {
            return;
        };
        if let Some(result) = run.attempt.as_ref().and_then(Attempt::poll) {
            run.attempt = None;
            match result {
                Ok(ws) => self.opened(ws),
                Err(error) => self.end(Some(error)),
            }
        }
        for _ in 0..MESSAGES {
            match self.receive_one() {
                Ok(None) => return,
                Ok(Some(result)) => self.called(result),
                Err(error) => return self.end(Some(error)),
            }
        }
    }

    /// Receives a message, or a part of one, and hands it to the user; `None` if there is none.
    fn receive_one(&mut self) -> Result<Option<Result<(), Error>>, Error> {
        let Some(connection) = self.run.as_mut().and_then(|run| run.connection.as_mut()) else {
            return Ok(None);
        };
        // `close` reads for itself.
        if !connection.has_to_read() || connection.is_closing() {
            return Ok(None);
        }
        let discard = self.shared.is_closing();
        let (callbacks, handle) = (&mut self.callbacks, &self.handle);
        let mut confirmed = 0;
        let mut look = |kind, data: &[u8]| {
            if kind == Kind::Pong {
                confirmed = confirmed_by(data);
            }
        };
        let result = if discard || callbacks.fragment.is_some() {
            connection.ws.recv_part().map(|part| {
                look(part.kind, part.data);
                if discard { Ok(()) } else { callbacks.part(handle, part) }
            })
        } else {
            connection.ws.recv().map(|message| {
                look(message.kind(), message.as_bytes());
                callbacks.message(handle, message)
            })
        };
        connection.confirm(confirmed);
        match result {
            Ok(called) => Ok(Some(called)),
            Err(error) if matches!(error, Error::Io(_)) && error.is_timeout() => {
                connection.readable = false;
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Writes what is queued, and closes if that is wanted.
    fn transmit(&mut self) {
        let Some(connection) = self.run.as_mut().and_then(|run| run.connection.as_mut()) else {
            return;
        };
        if let Err(error) = connection.write(&self.shared) {
            return self.end(Some(error));
        }
        if connection.is_closing()
            && let Some(result) = connection.close()
        {
            self.end(Some(result.map_or_else(|error| error, Error::Closed)));
        }
    }

    fn opened(&mut self, ws: WebSocket) {
        let now = self.now();
        let (Some(run), Some(waiting)) = (&mut self.run, &self.waiting) else {
            return;
        };
        let connection = match Connection::new(ws, waiting) {
            Ok(connection) => connection,
            Err(error) => return self.end(Some(error)),
        };
        let attempt = match run.machine.opened(now) {
            Opened::First => None,
            Opened::Again { attempt } => Some(attempt),
            Opened::Unwanted => {
                connection.end(waiting);
                return;
            }
        };
        run.connection = Some(connection);
        self.shared.connected();
        let again = attempt.zip(run.last.as_ref()).map(|(attempt, error)| Again { attempt, error });
        let result = self.callbacks.opened(&self.handle, again);
        self.called(result);
    }

    /// A callback has returned.
    fn called(&mut self, result: Result<(), Error>) {
        let Err(error) = result else {
            return;
        };
        if self.callbacks.error.is_some() {
            self.callbacks.failed(&self.handle, &error);
        } else if let Some(run) = &mut self.run {
            run.fatal.get_or_insert(error);
            self.shared.close(CloseCode::INTERNAL_ERROR, "");
        }
    }

    /// An attempt or a connection is over, by an error unless that is what was wanted: tells the user, and decides what
    /// follows.
    fn end(&mut self, error: Option<Error>) {
        let (Some(run), Some(waiting)) = (&mut self.run, &self.waiting) else {
            return;
        };
        let closing = run.machine.is_closing();
        run.attempt = None;
        let (mut close, mut unsent) = match run.connection.take() {
            Some(connection) => connection.end(waiting),
            None => (CloseInfo::default(), Unsent::default()),
        };
        unsent.messages.extend(self.shared.disconnected());
        match &error {
            Some(Error::Closed(info)) => close = info.clone(),
            // What a close that was wanted meets on its way is in what `on_close` gets.
            Some(error) if !closing => self.callbacks.failed(&self.handle, error),
            _ => {}
        }
        let result = self.callbacks.unsent(&self.handle, unsent);
        self.called(result);
        let now = self.now();
        let Some(run) = &mut self.run else {
            return;
        };
        let mut next = Next::Usual;
        if run.machine.disconnected(now) {
            next = self.callbacks.closed(&self.handle, &close);
            run.close = close;
        }
        let mut asked = None;
        if let Some(error) = error {
            if next == Next::Usual {
                next = self.callbacks.classify(&error).or(verdict(&error)).into();
            }
            asked = retry_after_of(&error);
            run.last = Some(error);
        }
        // Any of the callbacks may have closed.
        if self.shared.is_closing() {
            run.machine.close(now);
        }
        run.machine.decide(now, next.or(Verdict::Retry), asked, &mut run.random);
    }

    /// The end, as `run_forever` returns it.
    fn finish(&mut self) -> Result<CloseInfo, Error> {
        let Some(run) = self.run.take() else {
            return Ok(CloseInfo::default());
        };
        self.shared.reset();
        match (run.fatal, run.last) {
            (Some(error), _) => Err(error),
            (None, Some(Error::Closed(close))) if !run.machine.is_closing() => Ok(close),
            (None, Some(error)) if !run.machine.is_closing() => Err(error),
            _ => Ok(run.close),
        }
    }

    /// Closes the socket, without further ado.
    fn abandon(&mut self) {
        if let Some(mut run) = self.run.take()
            && let Some(connection) = run.connection.take()
            && let Some(waiting) = &self.waiting
        {
            connection.end(waiting);
        }
        self.shared.reset();
    }
}

/// Whether to try again, without a wish of the user's.
fn verdict(error: &Error) -> Verdict {
    if error.is_permanent() { Verdict::Stop } else { Verdict::Retry }
}

/// `Retry-After`, in seconds or as a date (RFC 9110 section 10.2.3).
fn retry_after_of(error: &Error) -> Option<Duration> {
    let Error::Status(response) = error else {
        return None;
    };
    let value = response.header("Retry-After")?;
    retry_after(value).or_else(|| {
        let at = httpdate::parse_http_date(core::str::from_utf8(value).ok()?.trim()).ok()?;
        Some(at.duration_since(SystemTime::now()).unwrap_or_default())
    })
}
