use core::{cell::Cell, fmt, time::Duration};
use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError},
    vec::Vec,
};

use embedded_io::{Error as _, ErrorKind, Read, Write};

use super::WebSocket;
use crate::{
    Buffer, CloseCode, Error, Kind, Message, Part, ProtocolError, Random,
    extension::{Codec, Encoder, Plain},
    frame::MAX_CONTROL_PAYLOAD,
    proto::{Act, Control, Failure, Inbound, Mode, Outbound, Outgoing, Session, Sink},
};

impl<T, G: Random, R: Buffer, W: Buffer, C: Codec> WebSocket<T, G, R, W, C> {
    /// Cuts the connection in two halves for two threads. `split_io` cuts the transport, as `TcpStream::try_clone` does.
    ///
    /// The send buffer is allocated anew, in the same size.
    pub fn split<RIo, WIo>(self, split_io: impl FnOnce(T) -> (RIo, WIo)) -> Halves<RIo, WIo, G, R, C> {
        let Self { io, session, random, rx, tx, codec, .. } = self;
        let (reader_io, writer_io) = split_io(io);
        halves(reader_io, writer_io, (session, random, rx, tx, codec))
    }
}

/// The two halves of a connection: see [`WebSocket::split`].
pub type Halves<RIo, WIo, G, R, C = Plain> = (Reader<RIo, WIo, G, R, C>, Writer<WIo, G, C>);

/// The halves of a connection from its pieces.
pub(crate) fn halves<RIo, WIo, G, R, W: Buffer, C: Codec>(
    reader_io: RIo,
    writer_io: WIo,
    (session, random, rx, tx, codec): (Session, G, R, W, C),
) -> Halves<RIo, WIo, G, R, C> {
    let Session { inbound, outbound, control } = session;
    let (decoder, encoder) = codec.into_both();
    let mut tx = Vec::from(tx.bytes());
    let mut slot = [0; MAX_CONTROL_PAYLOAD];
    let data = tx.len().saturating_sub(MAX_CONTROL_PAYLOAD);
    for (to, from) in slot.iter_mut().zip(tx.drain(data..)) {
        *to = from;
    }
    let shared = Arc::new(Shared {
        owed: Mutex::new(Owed { control, slot }),
        out: Mutex::new(Out { io: writer_io, outbound, data: tx, random, encoder }),
    });
    (Reader { io: reader_io, inbound, decoder, rx, shared: shared.clone() }, Writer { shared })
}

/// What both halves reach. `owed` is locked for moments only; `out` while its holder writes. Whoever needs both locks
/// `out` first.
struct Shared<WIo, G, E> {
    owed: Mutex<Owed>,
    out: Mutex<Out<WIo, G, E>>,
}

struct Owed {
    control: Control,
    slot: [u8; MAX_CONTROL_PAYLOAD],
}

struct Out<WIo, G, E> {
    io: WIo,
    outbound: Outbound,
    data: Vec<u8>,
    random: G,
    encoder: E,
}

/// A panic elsewhere leaves indices that are still consistent: every change is made whole under the lock.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A transport that fails after the connection had ended otherwise is no news.
fn io_error<E: embedded_io::Error>(owed: &Mutex<Owed>, error: E) -> Error<E> {
    if error.kind() != ErrorKind::TimedOut
        && let Some(failure) = lock(owed).control.closing.end_by_error()
    {
        return failure.into();
    }
    Error::Io(error)
}

impl<WIo: Write, G: Random, E> Shared<WIo, G, E> {
    /// Writes what is owed, unless the other half is writing: it does so then, before or after it lets go.
    fn pay(&self) -> Result<(), Error<WIo::Error>> {
        while lock(&self.owed).control.is_owing() {
            let mut out = match self.out.try_lock() {
                Ok(out) => out,
                Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
                Err(TryLockError::WouldBlock) => return Ok(()),
            };
            out.drain(&self.owed)?;
        }
        Ok(())
    }
}

impl<WIo: Write, G: Random, E> Out<WIo, G, E> {
    /// Writes all that was put, and what is owed to the peer; then says how the connection ended, if it has.
    fn drain(&mut self, owed: &Mutex<Owed>) -> Result<(), Error<WIo::Error>> {
        loop {
            let act = {
                let Owed { control, slot } = &mut *lock(owed);
                let slot = Cell::from_mut(&mut slot[..]).as_slice_of_cells();
                let mut sink = Sink { data: &mut self.data, slot, random: &mut self.random };
                self.outbound.poll(&mut sink, control, None)
            };
            match act {
                Act::Transmit => {
                    let pending = self.data.get(self.outbound.range()).unwrap_or_default();
                    match self.io.write(pending).map_err(|error| io_error(owed, error))? {
                        0 => return Err(Error::WriteZero),
                        n => self.outbound.sent(n)?,
                    }
                }
                Act::Flush => {
                    self.io.flush().map_err(|error| io_error(owed, error))?;
                    self.outbound.flushed();
                }
                Act::Done => return Ok(()),
                act => return Err(act.failure(&lock(owed).control.closing)),
            }
        }
    }
}

/// The half that receives, and answers pings and close frames: see [`WebSocket::split`].
pub struct Reader<RIo, WIo, G, R, C: Codec = Plain> {
    io: RIo,
    inbound: Inbound,
    decoder: C::Decoder,
    rx: R,
    shared: Arc<Shared<WIo, G, C::Encoder>>,
}

impl<RIo, WIo, G, R, C: Codec> fmt::Debug for Reader<RIo, WIo, G, R, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader").finish_non_exhaustive()
    }
}

impl<RIo: Read, WIo: Write<Error = RIo::Error>, G: Random, R: Buffer, C: Codec> Reader<RIo, WIo, G, R, C> {
    /// Receives the next message, like [`WebSocket::recv`].
    ///
    /// # Errors
    /// Like [`WebSocket::recv`].
    pub fn recv(&mut self) -> Result<Message<'_>, Error<RIo::Error>> {
        self.next(Mode::Whole)?;
        self.message()
    }

    /// Receives what has arrived of the next message, like [`WebSocket::recv_part`].
    ///
    /// # Errors
    /// Like [`WebSocket::recv`].
    pub fn recv_part(&mut self) -> Result<Part<'_>, Error<RIo::Error>> {
        self.next(Mode::Parts)?;
        Ok(self.part())
    }

    /// The reason in the peer's close frame; empty if there was none.
    #[must_use]
    pub fn close_reason(&self) -> &str {
        lock(&self.shared.owed).control.closing.reason_in(self.rx.bytes())
    }

    /// The transport.
    #[must_use]
    pub const fn io(&self) -> &RIo {
        &self.io
    }

    fn next(&mut self, mode: Mode) -> Result<(), Error<RIo::Error>> {
        while !self.advance(mode)? {}
        Ok(())
    }

    /// Writes what is owed, decodes one thing, reads once at most; whether there is something for the caller.
    pub(crate) fn advance(&mut self, mode: Mode) -> Result<bool, Error<RIo::Error>> {
        let paid = if self.is_closing() {
            lock(&self.shared.out).drain(&self.shared.owed)
        } else {
            self.shared.pay()
        };
        match paid {
            // What came before writing failed is not lost; reading ends where there is nothing more.
            Err(Error::Io(error)) if error.kind() != ErrorKind::TimedOut => {}
            paid => paid?,
        }
        let act = {
            let Owed { control, slot } = &mut *lock(&self.shared.owed);
            let slot = Cell::from_mut(&mut slot[..]).as_slice_of_cells();
            self.inbound.receive(self.rx.bytes_mut(), slot, control, &mut self.decoder, mode)
        };
        match act {
            Act::Part => return Ok(true),
            Act::Receive => self.read()?,
            Act::Misplaced => return Err(act.failure(&lock(&self.shared.owed).control.closing)),
            Act::Grow if !self.rx.grow() => {
                let closing = &mut lock(&self.shared.owed).control.closing;
                self.inbound.fail(closing, ProtocolError::MessageTooLarge);
            }
            _ => {}
        }
        Ok(false)
    }

    pub(crate) fn message(&mut self) -> Result<Message<'_>, Error<RIo::Error>> {
        let Self { inbound, decoder, rx, shared, .. } = self;
        let message = inbound.message(rx.bytes(), decoder, &mut lock(&shared.owed).control);
        message.map_err(|error| {
            // The peer is told; that it could not be told is the lesser news.
            let _ = lock(&shared.out).drain(&shared.owed);
            error.into()
        })
    }

    pub(crate) fn part(&self) -> Part<'_> {
        self.inbound.part(self.rx.bytes(), &self.decoder)
    }

    /// Whether a close frame was sent or received, or the connection failed.
    pub(crate) fn is_closing(&self) -> bool {
        lock(&self.shared.owed).control.closing.is_closing()
    }

    /// How long to wait at most: [`Session::poll_timeout`].
    pub(crate) fn poll_timeout(&self, now: Duration) -> Option<Duration> {
        lock(&self.shared.owed).control.poll_timeout(now, self.inbound.is_unfinished())
    }

    /// Tells the time: [`Session::handle_timeout`].
    pub(crate) fn handle_timeout(&mut self, now: Duration) {
        let control = &mut lock(&self.shared.owed).control;
        if control.handle_timeout(now, self.inbound.is_unfinished()) {
            self.inbound.fail(&mut control.closing, ProtocolError::MessageTimeout);
        }
    }

    /// The writing half's transport, unless that is writing now.
    pub(crate) fn try_writer<T>(&self, op: impl FnOnce(&mut WIo) -> T) -> Option<T> {
        match self.shared.out.try_lock() {
            Ok(mut out) => Some(op(&mut out.io)),
            Err(TryLockError::Poisoned(poisoned)) => Some(op(&mut poisoned.into_inner().io)),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    pub(crate) const fn io_mut(&mut self) -> &mut RIo {
        &mut self.io
    }

    fn read(&mut self) -> Result<(), Error<RIo::Error>> {
        let read = self.io.read(self.inbound.space(self.rx.bytes_mut()));
        let n = read.map_err(|error| io_error(&self.shared.owed, error))?;
        if n == 0 {
            lock(&self.shared.owed).control.closing.end();
        }
        Ok(self.inbound.received(n, self.rx.bytes().len())?)
    }
}

/// The half that sends: see [`WebSocket::split`].
pub struct Writer<WIo, G, C: Codec = Plain> {
    shared: Arc<Shared<WIo, G, C::Encoder>>,
}

impl<WIo, G, C: Codec> fmt::Debug for Writer<WIo, G, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer").finish_non_exhaustive()
    }
}

impl<WIo: Write, G: Random, C: Codec> Writer<WIo, G, C> {
    /// Sends a message, like [`WebSocket::send`]. Pings are answered between the frames of a long one.
    ///
    /// # Errors
    /// Like [`WebSocket::send`].
    pub fn send<'m>(&mut self, message: impl Into<Message<'m>>) -> Result<(), Error<WIo::Error>> {
        self.send_out(&Outgoing::from(message.into()), false)
    }

    /// Goes on with a `send` that did not return `Ok`, like [`WebSocket::resume_send`].
    ///
    /// # Errors
    /// Like [`WebSocket::resume_send`].
    pub fn resume_send<'m>(&mut self, message: impl Into<Message<'m>>) -> Result<(), Error<WIo::Error>> {
        self.send_out(&Outgoing::from(message.into()), true)
    }

    /// Sends a part of a message, like [`WebSocket::send_part`].
    ///
    /// # Errors
    /// Like [`WebSocket::send_part`].
    pub fn send_part(&mut self, kind: Kind, data: &[u8], fin: bool) -> Result<(), Error<WIo::Error>> {
        self.send_out(&Outgoing { kind, data, fin, part: true }, false)
    }

    /// Goes on with a `send_part` that did not return `Ok`, like [`WebSocket::resume_part`].
    ///
    /// # Errors
    /// Like [`WebSocket::resume_part`].
    pub fn resume_part(&mut self, kind: Kind, data: &[u8], fin: bool) -> Result<(), Error<WIo::Error>> {
        self.send_out(&Outgoing { kind, data, fin, part: true }, true)
    }

    fn send_out(&mut self, message: &Outgoing<'_>, resume: bool) -> Result<(), Error<WIo::Error>> {
        let owed = &self.shared.owed;
        let mut started = false;
        loop {
            let mut guard = lock(&self.shared.out);
            let out = &mut *guard;
            let complete = {
                let control = &lock(owed).control;
                if !started {
                    let start = out.outbound.start(control, &mut out.encoder, message, resume);
                    start.map_err(|misuse| control.closing.outcome_or::<Failure>(misuse))?;
                    started = true;
                }
                let mut sink = Sink { data: &mut out.data, slot: &[], random: &mut out.random };
                match out.outbound.put(&mut sink, control, &mut out.encoder, message) {
                    act @ Act::Over => return Err(act.failure(&control.closing)),
                    act => act == Act::Done,
                }
            };
            out.drain(owed)?;
            if complete {
                out.outbound.finish();
                drop(guard);
                return self.shared.pay();
            }
        }
    }

    /// Sets whether messages may be compressed, like [`WebSocket::set_compression`].
    pub fn set_compression(&mut self, enabled: bool) {
        lock(&self.shared.out).encoder.set_enabled(enabled);
    }

    /// Sends a close frame. The reader then returns [`Error::Closed`] once the peer has answered it.
    ///
    /// # Errors
    /// [`Error::Misuse`] for a code or reason that may not be sent; how the connection ended, where it has.
    pub fn close(&mut self, code: CloseCode, reason: &str) -> Result<(), Error<WIo::Error>> {
        Session::check_close(code, reason)?;
        loop {
            let mut guard = lock(&self.shared.out);
            let out = &mut *guard;
            let put = {
                let control = &mut lock(&self.shared.owed).control;
                let mut sink = Sink { data: &mut out.data, slot: &[], random: &mut out.random };
                control.closing.is_closing() || out.outbound.put_close(&mut sink, control, code, reason)
            };
            match out.drain(&self.shared.owed) {
                Err(Error::Closed(_)) => return Ok(()),
                other => other?,
            }
            if put {
                return Ok(());
            }
        }
    }
}

format_by_name!("Reader", [RIo, WIo, G, R, C: Codec] Reader<RIo, WIo, G, R, C>);
format_by_name!("Writer", [WIo, G, C: Codec] Writer<WIo, G, C>);
