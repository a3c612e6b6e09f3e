//! What [`App::run_until`](super::App::run_until) waits for: an attempt, then what happens to its connection.

use core::{
    future::{Future, poll_fn},
    pin::{Pin, pin},
    task::{Context, Poll},
    time::Duration,
};

use embedded_io_async::{Read, Write};

use super::{
    Again, Clock, Connect, Failure, Handler,
    connection::{Connection, Found},
};
use crate::{
    Error, HandshakeError, Message, Random, Request,
    app::{Action, Dropped, Machine, Opened, retry_after},
    asynch::handshake,
    extension::{Codec, Decoder, Encoder},
    handshake::{ClientHandshake, HeadLine},
    http::Authority,
    proto::{Mode, Session},
    random::check_keys,
};

/// How an attempt, or a connection, ended.
pub(super) enum End<C, E> {
    /// It was not wanted any more.
    Unwanted,
    /// By a closing handshake.
    Closed,
    Failed(Failure<C, E>),
}

impl<C, E> From<Error<E>> for End<C, E> {
    fn from(error: Error<E>) -> Self {
        match error {
            Error::Closed(_) => Self::Closed,
            error => Self::Failed(Failure::WebSocket(error)),
        }
    }
}

impl<C, E> From<Dropped> for End<C, E> {
    fn from(why: Dropped) -> Self {
        match why {
            Dropped::Cancelled => Self::Unwanted,
            why => Self::Failed(Failure::Late(why)),
        }
    }
}

/// The end that the user wants.
pub(super) struct Stop<'f, F> {
    future: Pin<&'f mut F>,
    stopped: bool,
}

impl<'f, F: Future<Output = ()>> Stop<'f, F> {
    pub(super) const fn new(future: Pin<&'f mut F>) -> Self {
        Self { future, stopped: false }
    }

    /// Whether it is wanted since now.
    fn poll(&mut self, cx: &mut Context<'_>) -> bool {
        if self.stopped {
            return false;
        }
        self.stopped = self.future.as_mut().poll(cx).is_ready();
        self.stopped
    }

    /// Waits for so long, and no longer than until the end is wanted: then `true`.
    pub(super) async fn sleep(&mut self, clock: &impl Clock, time: Option<Duration>) -> bool {
        let mut sleep = pin!(sleep(clock, time));
        poll_fn(|cx| match self.poll(cx) {
            true => Poll::Ready(true),
            false => sleep.as_mut().poll(cx).map(|()| false),
        })
        .await
    }
}

async fn sleep(clock: &impl Clock, time: Option<Duration>) {
    match time {
        Some(time) => clock.sleep(time).await,
        None => core::future::pending().await,
    }
}

/// What an attempt has come to.
pub(super) struct Reached<T> {
    /// It stays here, since one with TLS is too large to be handed on and on.
    pub(super) io: Option<T>,
    /// What the server says of another attempt.
    pub(super) retry_after: Option<Duration>,
}

/// Connects, and performs the opening handshake.
pub(super) async fn open<'s, 'c, C: Connect>(
    connect: &'c mut C,
    request: &Request<'_>,
    random: &mut dyn Random,
    rx: &mut [u8],
    tx: &mut [u8],
    codec: &mut impl Codec,
    reached: &'s mut Reached<C::Io<'c>>,
) -> Result<(&'s mut C::Io<'c>, Session), Failure<C::Error, C::IoError>> {
    let Some(Authority { host, port }) = Authority::parse(request.host.as_bytes()) else {
        return Err(Failure::WebSocket(HandshakeError::InvalidHost.into()));
    };
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let io = connect.connect(host, port.unwrap_or(C::DEFAULT_PORT)).await.map_err(|error| {
        let verdict = C::verdict(&error);
        Failure::Connect(error, verdict)
    })?;
    let io = reached.io.insert(io);
    let mut observe = |line: HeadLine<'_>| {
        if let HeadLine::Field { name, value } = line
            && name.eq_ignore_ascii_case("Retry-After")
        {
            reached.retry_after = retry_after(value);
        }
    };
    codec.restart();
    Session::check_buffers(rx, tx)
        .and_then(|()| check_keys(random))
        .map_err(|error| Failure::WebSocket(error.into()))?;
    let mut handshake = ClientHandshake::begin(request);
    handshake.draw(random);
    #[cfg(feature = "deflate")]
    handshake.set_deflate(codec.config().map_err(|error| Failure::WebSocket(error.into()))?);
    handshake::run(io, request, &mut handshake, rx, tx, Some(&mut observe))
        .await
        .map_err(Failure::WebSocket)?;
    let session = handshake::opened(request, &handshake, codec);
    Ok((io, session))
}

/// Waits for what an attempt opens, unless that takes too long or is not wanted any more.
pub(super) async fn attempt<T, C, E>(
    mut open: Pin<&mut impl Future<Output = Result<T, Failure<C, E>>>>,
    clock: &impl Clock,
    machine: &mut Machine,
    stop: &mut Stop<'_, impl Future<Output = ()>>,
) -> Result<T, End<C, E>> {
    loop {
        let mut sleep = pin!(sleep(clock, machine.poll_timeout(clock.now())));
        let opened = poll_fn(|cx| {
            if let Poll::Ready(opened) = open.as_mut().poll(cx) {
                return Poll::Ready(Some(opened));
            }
            if stop.poll(cx) {
                machine.close(clock.now());
                return Poll::Ready(None);
            }
            sleep.as_mut().poll(cx).map(|()| None)
        })
        .await;
        match opened {
            Some(opened) => return opened.map_err(End::Failed),
            None => {
                if let Action::Drop(why) = machine.poll(clock.now()) {
                    return Err(why.into());
                }
            }
        }
    }
}

/// What happens first.
enum Event<'m, E> {
    Step(Result<Found, Error<E>>),
    Outgoing(Message<'m>),
    Stop,
    Time,
}

/// Serves an open connection until it ends.
pub(super) async fn serve<T: Read + Write, K: Clock, D: Decoder, E: Encoder, C>(
    connection: &mut Connection<'_, T, K, D, E>,
    handler: &mut impl Handler<C, T::Error>,
    machine: &mut Machine,
    stop: &mut Stop<'_, impl Future<Output = ()>>,
    last: Option<&Failure<C, T::Error>>,
) -> End<C, T::Error> {
    let clock = connection.line.clock;
    let mut result = match machine.opened(clock.now()) {
        Opened::Unwanted => return End::Unwanted,
        Opened::First => handler.on_open(&mut connection.line).await,
        Opened::Again { attempt } => {
            handler.on_reconnect(&mut connection.line, Again { attempt, failure: last }).await
        }
    };
    let mut outgoing_first = false;
    loop {
        if let Err(error) = result {
            return error.into();
        }
        result = Ok(());
        if core::mem::take(&mut connection.line.closed) {
            close(connection, machine);
        }
        if core::mem::take(&mut connection.heard) {
            machine.received();
        }
        let now = clock.now();
        let closing = connection.line.session.is_closing();
        let of_session = connection.line.session.poll_timeout(now);
        // No pong is wanted of a peer that closes: its end has a deadline of its own.
        let of_machine = if closing && machine.is_open() { None } else { machine.poll_timeout(now) };
        let timeout = [of_machine, of_session].into_iter().flatten().min();
        // Neither a peer that never stops sending nor a queue that is never empty keeps the other waiting.
        outgoing_first = !outgoing_first;
        let event = {
            let mut step = pin!(connection.step());
            let mut outgoing = pin!(handler.outgoing());
            let mut sleep = pin!(sleep(clock, timeout));
            // Nothing is sent after a close frame, the peer's own included; and not before what is due.
            let open = machine.is_open() && !closing && timeout != Some(Duration::ZERO);
            poll_fn(|cx| {
                if stop.poll(cx) {
                    return Poll::Ready(Event::Stop);
                }
                if open
                    && outgoing_first
                    && let Poll::Ready(message) = outgoing.as_mut().poll(cx)
                {
                    return Poll::Ready(Event::Outgoing(message));
                }
                if let Poll::Ready(found) = step.as_mut().poll(cx) {
                    return Poll::Ready(Event::Step(found));
                }
                if open
                    && !outgoing_first
                    && let Poll::Ready(message) = outgoing.as_mut().poll(cx)
                {
                    return Poll::Ready(Event::Outgoing(message));
                }
                sleep.as_mut().poll(cx).map(|()| Event::Time)
            })
            .await
        };
        let late = timeout == Some(Duration::ZERO);
        match event {
            Event::Step(Err(error)) => return error.into(),
            Event::Step(Ok(found)) => {
                let read = connection.heard;
                if matches!(found, Found::Message) {
                    result = deliver(connection, handler).await;
                }
                // The peer is not dead as long as there may be something to read.
                if !(late && read) {
                    continue;
                }
            }
            Event::Outgoing(message) => {
                result = connection.line.send_message(&message).await;
                if result.is_ok() {
                    handler.on_sent();
                }
                continue;
            }
            Event::Stop => {
                close(connection, machine);
                continue;
            }
            Event::Time => {}
        }
        if result.is_err() {
            continue;
        }
        if core::mem::take(&mut connection.heard) {
            machine.received();
        }
        let now = clock.now();
        connection.line.session.handle_timeout(now);
        if connection.line.session.is_closing() && machine.is_open() {
            continue;
        }
        match machine.poll(now) {
            Action::Ping => result = connection.line.send_message(&Message::Ping(&[])).await,
            Action::Drop(why) => return why.into(),
            Action::Close | Action::Connect { .. } | Action::Wait | Action::End => {}
        }
    }
}

/// Begins the end: from here on nothing is shown of what is received.
fn close<T, K: Clock, D, E>(connection: &mut Connection<'_, T, K, D, E>, machine: &mut Machine) {
    let now = connection.line.clock.now();
    machine.close(now);
    connection.closing |= machine.poll(now) == Action::Close;
}

/// Shows what was received.
async fn deliver<T: Read + Write, K: Clock, D: Decoder, E: Encoder, C>(
    connection: &mut Connection<'_, T, K, D, E>,
    handler: &mut impl Handler<C, T::Error>,
) -> Result<(), Error<T::Error>> {
    let Connection { line, rx, decoder, mode, .. } = connection;
    match mode {
        Mode::Parts => {
            let part = line.session.part(rx, &**decoder);
            handler.on_part(line, part).await
        }
        Mode::Whole => match line.session.message(rx, &**decoder) {
            Ok(message) => handler.on_message(line, message).await,
            Err(error) => {
                // The peer is told; that it could not be told is the lesser news.
                let _ = line.flush().await;
                Err(error.into())
            }
        },
    }
}
