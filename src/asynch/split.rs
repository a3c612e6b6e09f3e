use core::{
    cell::Cell,
    fmt,
    future::{Future, poll_fn},
    pin::{Pin, pin},
    task::{Poll, Waker},
};

use embedded_io_async::{Read, Write};

use super::WebSocket;
use crate::{
    Buffer, CloseCode, Error, Kind, Message, Part, ProtocolError, Random,
    extension::{Codec, Encoder, Plain},
    proto::{Act, Control, Failure, Inbound, Mode, Outbound, Outgoing, Session, Sink, cut},
};

impl<T, G: Random, R: Buffer, W: Buffer, C: Codec> WebSocket<T, G, R, W, C> {
    /// Cuts the connection in two halves that receive and send at the same time, without an allocator. `split_io` cuts
    /// the transport, as `embassy_net::tcp::TcpSocket::split` does.
    ///
    /// When the [`Split`] is dropped the connection is whole again.
    ///
    /// ```
    /// # use embedded_io_async::{Read, Write};
    /// # use sockling::{Buffer, Error, Random, asynch::WebSocket};
    /// # struct Socket<I, O>(I, O);
    /// # impl<I, O> Socket<I, O> { fn split(&mut self) -> (&mut I, &mut O) { (&mut self.0, &mut self.1) } }
    /// # async fn example<I: Read, O: Write<Error = I::Error>, G: Random, R: Buffer, W: Buffer>(
    /// #     mut ws: WebSocket<Socket<I, O>, G, R, W>,
    /// # ) -> Result<(), Error<I::Error>> {
    /// let mut split = ws.split(|socket| socket.split());
    /// let (mut reader, mut writer) = split.halves();
    /// // in one task, or arm of a `join`:
    /// let message = reader.recv().await?;
    /// // in another:
    /// writer.send("hello").await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn split<'a, RIo, WIo>(
        &'a mut self,
        split_io: impl FnOnce(&'a mut T) -> (RIo, WIo),
    ) -> Split<'a, RIo, WIo, G, R, C> {
        let (reader_io, writer_io) = split_io(&mut self.io);
        let Session { inbound, outbound, control } = &mut self.session;
        let (data, slot) = cut(self.tx.bytes_mut());
        let random = &mut self.random;
        let (decoder, encoder) = self.codec.both();
        Split {
            io: reader_io,
            inbound,
            decoder,
            rx: &mut self.rx,
            shared: Shared {
                control: Cell::from_mut(control),
                slot,
                out: Cell::new(Some(Out { io: writer_io, outbound, data, random, encoder })),
                waiting: [Cell::new(None), Cell::new(None)],
            },
        }
    }
}

/// A connection whose directions are used at the same time: see [`WebSocket::split`].
pub struct Split<'a, RIo, WIo, G, R, C: Codec = Plain> {
    io: RIo,
    inbound: &'a mut Inbound,
    decoder: &'a mut C::Decoder,
    rx: &'a mut R,
    shared: Shared<'a, WIo, G, C::Encoder>,
}

/// Of a [`Split`].
type Halves<'s, 'a, RIo, WIo, G, R, C> = (Reader<'s, 'a, RIo, WIo, G, R, C>, Writer<'s, 'a, WIo, G, C>);

impl<'a, RIo, WIo, G, R, C: Codec> Split<'a, RIo, WIo, G, R, C> {
    /// The two halves. They stay in one thread.
    pub const fn halves(&mut self) -> Halves<'_, 'a, RIo, WIo, G, R, C> {
        let Self { io, inbound, decoder, rx, shared } = self;
        (Reader { io, inbound, decoder, rx, shared }, Writer { shared })
    }
}

impl<RIo, WIo, G, R, C: Codec> fmt::Debug for Split<'_, RIo, WIo, G, R, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Split").finish_non_exhaustive()
    }
}

/// What both halves reach: what is owed to the peer, and, one at a time, the sending direction.
struct Shared<'a, WIo, G, E> {
    control: &'a Cell<Control>,
    slot: &'a [Cell<u8>],
    /// Who takes it out has the turn; [`Turn`] puts it back.
    out: Cell<Option<Out<'a, WIo, G, E>>>,
    /// Who waits for the turn: there are just two parties.
    waiting: [Cell<Option<Waker>>; 2],
}

struct Out<'a, WIo, G, E> {
    io: WIo,
    outbound: &'a mut Outbound,
    data: &'a mut [u8],
    random: &'a mut G,
    encoder: &'a mut E,
}

#[derive(Clone, Copy)]
enum Party {
    Reader,
    Writer,
}

impl<'a, WIo, G, E> Shared<'a, WIo, G, E> {
    fn with<T>(&self, op: impl FnOnce(&mut Control) -> T) -> T {
        let mut control = self.control.get();
        let result = op(&mut control);
        self.control.set(control);
        result
    }

    /// A transport that fails after the connection had ended otherwise is no news.
    fn io_error<T>(&self, error: T) -> Error<T> {
        let outcome = self.with(|control| control.closing.end_by_error());
        outcome.map_or(Error::Io(error), Into::into)
    }

    fn waiting(&self, party: Party) -> &Cell<Option<Waker>> {
        let [reader, writer] = &self.waiting;
        match party {
            Party::Reader => reader,
            Party::Writer => writer,
        }
    }

    /// Waits for the turn to send.
    async fn turn(&self, party: Party) -> Turn<'_, 'a, WIo, G, E> {
        let out = poll_fn(|cx| match self.out.take() {
            Some(out) => Poll::Ready(out),
            None => {
                self.waiting(party).set(Some(cx.waker().clone()));
                Poll::Pending
            }
        })
        .await;
        Turn { shared: self, party, out: Some(out) }
    }
}

/// The turn to send. It is held for one frame, and for what is owed meanwhile.
struct Turn<'s, 'a, WIo, G, E> {
    shared: &'s Shared<'a, WIo, G, E>,
    party: Party,
    out: Option<Out<'a, WIo, G, E>>,
}

impl<WIo, G, E> Drop for Turn<'_, '_, WIo, G, E> {
    fn drop(&mut self) {
        self.shared.out.set(self.out.take());
        let other = match self.party {
            Party::Reader => Party::Writer,
            Party::Writer => Party::Reader,
        };
        if let Some(waker) = self.shared.waiting(other).take() {
            waker.wake();
        }
    }
}

impl<WIo: Write, G: Random, E> Turn<'_, '_, WIo, G, E> {
    fn with<T>(&mut self, op: impl FnOnce(&mut Out<'_, WIo, G, E>, &mut Control) -> T) -> Option<T> {
        let out = self.out.as_mut()?;
        Some(self.shared.with(|control| op(out, control)))
    }

    /// Writes all that was put, and what is owed to the peer; then says how the connection ended, if it has.
    async fn drain(&mut self) -> Result<(), Error<WIo::Error>> {
        let shared = self.shared;
        let Some(out) = self.out.as_mut() else {
            return Ok(());
        };
        loop {
            let act = shared.with(|control| {
                let mut sink = Sink { data: out.data, slot: shared.slot, random: out.random };
                out.outbound.poll(&mut sink, control, None)
            });
            match act {
                Act::Transmit => {
                    let pending = out.data.get(out.outbound.range()).unwrap_or_default();
                    match out.io.write(pending).await.map_err(|error| shared.io_error(error))? {
                        0 => return Err(Error::WriteZero),
                        n => out.outbound.sent(n)?,
                    }
                }
                Act::Flush => {
                    out.io.flush().await.map_err(|error| shared.io_error(error))?;
                    out.outbound.flushed();
                }
                Act::Done => return Ok(()),
                act => return Err(shared.with(|control| act.failure(&control.closing))),
            }
        }
    }
}

/// The half that receives. It answers pings and close frames whenever the writer does not hold the turn to send; while
/// it does, the writer answers them between two frames.
pub struct Reader<'s, 'a, RIo, WIo, G, R, C: Codec = Plain> {
    io: &'s mut RIo,
    inbound: &'s mut Inbound,
    decoder: &'s mut C::Decoder,
    rx: &'s mut R,
    shared: &'s Shared<'a, WIo, G, C::Encoder>,
}

impl<RIo, WIo, G, R, C: Codec> fmt::Debug for Reader<'_, '_, RIo, WIo, G, R, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader").finish_non_exhaustive()
    }
}

impl<RIo: Read, WIo: Write<Error = RIo::Error>, G: Random, R: Buffer, C: Codec>
    Reader<'_, '_, RIo, WIo, G, R, C>
{
    /// Receives the next message, like [`WebSocket::recv`], also while a pong cannot be written because the peer does
    /// not read.
    ///
    /// # Errors
    /// Like [`WebSocket::recv`].
    ///
    /// # Cancel safety
    /// No byte is lost: call it again.
    pub async fn recv(&mut self) -> Result<Message<'_>, Error<RIo::Error>> {
        self.next(Mode::Whole).await?;
        let (inbound, decoder, shared) = (&mut *self.inbound, &*self.decoder, self.shared);
        match shared.with(|control| inbound.message(self.rx.bytes(), decoder, control)) {
            Ok(message) => Ok(message),
            Err(error) => {
                // The peer is told; that it could not be told is the lesser news.
                let _ = shared.turn(Party::Reader).await.drain().await;
                Err(error.into())
            }
        }
    }

    /// Receives what has arrived of the next message, like [`WebSocket::recv_part`].
    ///
    /// # Errors
    /// Like [`WebSocket::recv`].
    ///
    /// # Cancel safety
    /// Like [`recv`](Self::recv).
    pub async fn recv_part(&mut self) -> Result<Part<'_>, Error<RIo::Error>> {
        self.next(Mode::Parts).await?;
        Ok(self.inbound.part(self.rx.bytes(), self.decoder))
    }

    /// The reason in the peer's close frame; empty if there was none.
    #[must_use]
    pub fn close_reason(&self) -> &str {
        self.shared.control.get().closing.reason_in(self.rx.bytes())
    }

    async fn next(&mut self, mode: Mode) -> Result<(), Error<RIo::Error>> {
        let shared = self.shared;
        loop {
            let control = shared.control.get();
            if control.closing.is_closing() {
                or_read_on(shared.turn(Party::Reader).await.drain().await)?;
            } else if control.is_owing() {
                // What can be written at once is. Else it waits, since reading must not.
                let drained = pin!(async { shared.turn(Party::Reader).await.drain().await });
                if let Some(result) = now_or_never(drained).await {
                    or_read_on(result)?;
                }
            }
            let (inbound, decoder, rx) = (&mut *self.inbound, &mut *self.decoder, self.rx.bytes_mut());
            match shared.with(|control| inbound.receive(rx, shared.slot, control, decoder, mode)) {
                Act::Part => return Ok(()),
                Act::Receive => self.read().await?,
                act @ Act::Misplaced => return Err(act.failure(&shared.control.get().closing)),
                Act::Grow if !self.rx.grow() => {
                    shared.with(|control| {
                        self.inbound.fail(&mut control.closing, ProtocolError::MessageTooLarge)
                    });
                }
                _ => {}
            }
        }
    }

    /// Reads, and writes meanwhile what is owed.
    async fn read(&mut self) -> Result<(), Error<RIo::Error>> {
        let shared = self.shared;
        let len = self.rx.bytes().len();
        let mut read = pin!(self.io.read(self.inbound.space(self.rx.bytes_mut())));
        let mut drain = pin!(async {
            if shared.control.get().is_owing() {
                shared.turn(Party::Reader).await.drain().await
            } else {
                core::future::pending().await
            }
        });
        let mut drained = false;
        let n = poll_fn(|cx| {
            if !drained && let Poll::Ready(result) = drain.as_mut().poll(cx) {
                drained = true;
                or_read_on(result)?;
            }
            read.as_mut().poll(cx).map_err(|error| shared.io_error(error))
        })
        .await?;
        if n == 0 {
            shared.with(|control| control.closing.end());
        }
        Ok(self.inbound.received(n, len)?)
    }
}

/// What came before writing failed is not lost; reading ends where there is nothing more.
fn or_read_on<E>(written: Result<(), Error<E>>) -> Result<(), Error<E>> {
    match written {
        Err(Error::Io(_)) => Ok(()),
        written => written,
    }
}

/// The half that sends.
pub struct Writer<'s, 'a, WIo, G, C: Codec = Plain> {
    shared: &'s Shared<'a, WIo, G, C::Encoder>,
}

impl<WIo, G, C: Codec> fmt::Debug for Writer<'_, '_, WIo, G, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer").finish_non_exhaustive()
    }
}

impl<WIo: Write, G: Random, C: Codec> Writer<'_, '_, WIo, G, C> {
    /// Sends a message, like [`WebSocket::send`]. The reader can answer pings between the frames of a long one.
    ///
    /// # Errors
    /// Like [`WebSocket::send`].
    ///
    /// # Cancel safety
    /// Like [`WebSocket::send`]: go on with [`resume_send`](Self::resume_send).
    pub async fn send<'m>(&mut self, message: impl Into<Message<'m>>) -> Result<(), Error<WIo::Error>> {
        self.send_out(&Outgoing::from(message.into()), false).await
    }

    /// Goes on with a `send` that was dropped, like [`WebSocket::resume_send`].
    ///
    /// # Errors
    /// Like [`WebSocket::resume_send`].
    ///
    /// # Cancel safety
    /// Like [`send`](Self::send).
    pub async fn resume_send<'m>(
        &mut self,
        message: impl Into<Message<'m>>,
    ) -> Result<(), Error<WIo::Error>> {
        self.send_out(&Outgoing::from(message.into()), true).await
    }

    /// Sends a part of a message, like [`WebSocket::send_part`].
    ///
    /// # Errors
    /// Like [`WebSocket::send_part`].
    ///
    /// # Cancel safety
    /// Go on with [`resume_part`](Self::resume_part).
    pub async fn send_part(&mut self, kind: Kind, data: &[u8], fin: bool) -> Result<(), Error<WIo::Error>> {
        self.send_out(&Outgoing { kind, data, fin, part: true }, false).await
    }

    /// Goes on with a `send_part` that was dropped, like [`WebSocket::resume_part`].
    ///
    /// # Errors
    /// Like [`WebSocket::resume_part`].
    ///
    /// # Cancel safety
    /// Call it again.
    pub async fn resume_part(&mut self, kind: Kind, data: &[u8], fin: bool) -> Result<(), Error<WIo::Error>> {
        self.send_out(&Outgoing { kind, data, fin, part: true }, true).await
    }

    async fn send_out(&mut self, out: &Outgoing<'_>, resume: bool) -> Result<(), Error<WIo::Error>> {
        let mut started = false;
        loop {
            let mut turn = self.shared.turn(Party::Writer).await;
            let put = turn.with(|sending, control| {
                if !started {
                    let start = sending.outbound.start(control, sending.encoder, out, resume);
                    start.map_err(|misuse| control.closing.outcome_or::<Failure>(misuse))?;
                    started = true;
                }
                let mut sink = Sink { data: sending.data, slot: &[], random: sending.random };
                match sending.outbound.put(&mut sink, control, sending.encoder, out) {
                    act @ Act::Over => Err(act.failure::<Failure>(&control.closing)),
                    act => Ok(act == Act::Done),
                }
            });
            let complete = put.transpose()?.unwrap_or_default();
            turn.drain().await?;
            if complete {
                turn.with(|sending, _| sending.outbound.finish());
                return Ok(());
            }
            drop(turn);
            yield_now().await;
        }
    }

    /// Sets whether messages may be compressed, like [`WebSocket::set_compression`].
    ///
    /// # Cancel safety
    /// Call it again.
    pub async fn set_compression(&mut self, enabled: bool) {
        self.shared.turn(Party::Writer).await.with(|sending, _| sending.encoder.set_enabled(enabled));
    }

    /// Sends a close frame. The reader then returns [`Error::Closed`] once the peer has answered it.
    ///
    /// # Errors
    /// [`Error::Misuse`] for a code or reason that may not be sent; how the connection ended, where it has.
    ///
    /// # Cancel safety
    /// Call it again.
    pub async fn close(&mut self, code: CloseCode, reason: &str) -> Result<(), Error<WIo::Error>> {
        Session::check_close(code, reason)?;
        let mut turn = self.shared.turn(Party::Writer).await;
        loop {
            let put = turn.with(|sending, control| {
                let mut sink = Sink { data: sending.data, slot: &[], random: sending.random };
                control.closing.is_closing() || sending.outbound.put_close(&mut sink, control, code, reason)
            });
            match turn.drain().await {
                Err(Error::Closed(_)) => return Ok(()),
                other => other?,
            }
            if put != Some(false) {
                return Ok(());
            }
        }
    }
}

format_by_name!("Split", [RIo, WIo, G, R, C: Codec] Split<'_, RIo, WIo, G, R, C>);
format_by_name!("Reader", [RIo, WIo, G, R, C: Codec] Reader<'_, '_, RIo, WIo, G, R, C>);
format_by_name!("Writer", [WIo, G, C: Codec] Writer<'_, '_, WIo, G, C>);

/// Polls once: what is not ready now is dropped.
async fn now_or_never<F: Future>(mut future: Pin<&mut F>) -> Option<F::Output> {
    poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}

/// Lets the other half, and other tasks, run.
async fn yield_now() {
    let mut yielded = false;
    poll_fn(|cx| {
        if yielded {
            return Poll::Ready(());
        }
        yielded = true;
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
