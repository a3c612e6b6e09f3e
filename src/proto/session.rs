use core::{ops::Range, time::Duration};

use super::{
    Act, Config, Control, Failure, Inbound, MIN_RX, MIN_TX, Mode, Outbound, Outgoing, Role, Sink, Step, Want,
};
use crate::{
    CloseCode, Closed, Kind, Message, MisuseError, Part, ProtocolError, Random,
    buffer::slice,
    extension::{Decoder, Encoder},
    frame::MAX_REASON,
    random::check_keys,
};

/// One WebSocket connection after its opening handshake: the whole protocol, with no I/O and no buffers of its own.
///
/// See the [module](super) for how to drive it.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Session {
    pub(crate) inbound: Inbound,
    pub(crate) outbound: Outbound,
    pub(crate) control: Control,
}

impl Session {
    /// A connection whose opening handshake is done.
    #[must_use]
    pub fn new(role: Role, config: &Config) -> Self {
        Self {
            inbound: Inbound::new(role, config),
            outbound: Outbound::new(role),
            control: Control::new(role, config),
        }
    }

    /// The same, with bytes that arrived together with the head of the opening handshake: they lie at `early` in the
    /// receive buffer, and are frames.
    #[must_use]
    pub fn with_early(role: Role, config: &Config, early: Range<usize>) -> Self {
        let mut session = Self::new(role, config);
        session.inbound.set_early(early);
        session
    }

    /// Notes which of the subprotocols was agreed on.
    pub(crate) fn set_subprotocol(&mut self, index: Option<usize>) {
        self.control.subprotocol = index.and_then(|index| u8::try_from(index).ok()).unwrap_or(u8::MAX);
    }

    pub(crate) fn subprotocol(&self) -> Option<usize> {
        (self.control.subprotocol != u8::MAX).then_some(usize::from(self.control.subprotocol))
    }

    /// Whether the buffers are large enough.
    ///
    /// # Errors
    /// [`MisuseError::BufferTooSmall`] below [`MIN_RX`] and [`MIN_TX`].
    #[allow(clippy::cast_possible_truncation, reason = "131 and 256")]
    pub const fn check_buffers(rx: &[u8], tx: &[u8]) -> Result<(), MisuseError> {
        if rx.len() < MIN_RX {
            return Err(MisuseError::BufferTooSmall { needed: MIN_RX as u16 });
        }
        if tx.len() < MIN_TX {
            return Err(MisuseError::BufferTooSmall { needed: MIN_TX as u16 });
        }
        Ok(())
    }

    /// Whether that source will do.
    pub(crate) fn check_random(&self, random: &dyn Random) -> Result<(), MisuseError> {
        if self.outbound.is_masking() { check_keys(random) } else { Ok(()) }
    }

    /// The next step towards receiving something: [`Step::Part`] when there is something.
    ///
    /// What the previous [`Step::Part`] found is forgotten. Pings are answered, close frames too, on the way. `decoder` is
    /// `()` where no extension was negotiated.
    ///
    /// # Errors
    /// How the connection ended, at this and every later call; [`MisuseError::PartsPending`] for [`Mode::Whole`]
    /// inside of a message that was taken in part.
    #[cfg_attr(feature = "std", inline)]
    pub fn poll<D: Decoder>(
        &mut self,
        rx: &mut [u8],
        tx: &mut [u8],
        random: &mut dyn Random,
        decoder: &mut D,
        mode: Mode,
    ) -> Result<Step, Failure> {
        self.step(rx, tx, random, decoder, &mut (), &Want::Receive(mode))
    }

    /// Whether the next message is there already, and nothing is to be sent, as at most calls: what a driver that receives
    /// may ask before [`advance`](Self::advance), which finds the same. `decoder` is only a type.
    #[inline]
    pub(crate) fn has_next<D: Decoder>(&mut self, rx: &mut [u8], _: &D, mode: Mode) -> bool {
        self.outbound.is_idle()
            && self.control.is_quiet()
            && self.inbound.quick::<D>(rx, &mut self.control, mode)
    }

    /// What to do next towards what the driver wants, with the outcome not looked up: see [`Act::failure`].
    #[cfg_attr(feature = "std", inline(always))]
    #[allow(clippy::too_many_arguments, reason = "the caller's pieces")]
    pub(crate) fn advance<D: Decoder, E: Encoder>(
        &mut self,
        rx: &mut [u8],
        tx: &mut [u8],
        random: &mut dyn Random,
        decoder: &mut D,
        encoder: &mut E,
        want: &Want<'_>,
    ) -> Act {
        // Without `std`, size counts more.
        if cfg!(feature = "std")
            && matches!(want, Want::Send(_))
            && self.control.is_quiet()
            && let Some(act) = self.outbound.quick()
        {
            return act;
        }
        self.advance_on(rx, tx, random, decoder, encoder, want)
    }

    /// The same, in any case.
    #[cfg_attr(feature = "std", inline)]
    #[allow(clippy::too_many_arguments, reason = "the caller's pieces")]
    fn advance_on<D: Decoder, E: Encoder>(
        &mut self,
        rx: &mut [u8],
        tx: &mut [u8],
        random: &mut dyn Random,
        decoder: &mut D,
        encoder: &mut E,
        want: &Want<'_>,
    ) -> Act {
        let mut sink = Sink::new(tx, random);
        let slot = sink.slot;
        let (mut mode, mut farewell) = (Mode::Parts, None);
        match want {
            Want::Receive(wanted) => mode = *wanted,
            Want::Close(code, reason) => farewell = Some((*code, *reason)),
            Want::Feed(out) | Want::Send(out) => {
                let act = self.outbound.put(&mut sink, &self.control, encoder, out);
                if act != Act::Done {
                    return act;
                }
            }
            Want::Flush => self.outbound.set_deferred(false),
        }
        loop {
            // Most often there is nothing to send.
            let quiet = cfg!(feature = "std")
                && farewell.is_none()
                && self.outbound.is_idle()
                && self.control.is_quiet();
            if !quiet && !matches!(want, Want::Feed(_)) {
                let act = self.outbound.poll(&mut sink, &mut self.control, farewell);
                if act != Act::Done {
                    return act;
                }
            }
            if !want.reads() {
                if !matches!(want, Want::Flush) {
                    self.outbound.finish();
                }
                return Act::Done;
            }
            match self.inbound.receive(rx, slot, &mut self.control, decoder, mode) {
                Act::Owed => {}
                Act::Part if matches!(want, Want::Close(..)) => {}
                act => {
                    if act == Act::Receive {
                        self.outbound.set_deferred(false);
                    }
                    return act;
                }
            }
        }
    }

    /// The same for those outside.
    #[cfg_attr(feature = "std", inline)]
    #[allow(clippy::too_many_arguments, reason = "the caller's pieces")]
    fn step<D: Decoder, E: Encoder>(
        &mut self,
        rx: &mut [u8],
        tx: &mut [u8],
        random: &mut dyn Random,
        decoder: &mut D,
        encoder: &mut E,
        want: &Want<'_>,
    ) -> Result<Step, Failure> {
        Ok(match self.advance(rx, tx, random, decoder, encoder, want) {
            Act::Transmit => Step::Transmit,
            Act::Flush => Step::Flush,
            Act::Receive => Step::Receive,
            Act::Grow => Step::Grow,
            Act::Part => Step::Part,
            Act::Done | Act::Owed => Step::Done,
            act => match self.failure(act) {
                // For a driver that reads, the end of the closing handshake is a step, not an error.
                Failure::Closed(closed) if want.reads() => Step::Closed(closed),
                failure => return Err(failure),
            },
        })
    }

    /// Why [`advance`](Self::advance) said that there is nothing to do.
    pub(crate) fn failure<F: From<Failure>>(&self, act: Act) -> F {
        act.failure(&self.control.closing)
    }

    /// Why [`start`](Self::start) refused.
    pub(crate) fn refusal<F: From<Failure>>(&self, misuse: MisuseError) -> F {
        self.control.closing.outcome_or(misuse)
    }

    /// Begins to send a message, before [`poll_send`](Self::poll_send). With `resume`, goes on with the one that an
    /// interrupted call left, which has to be the same. `encoder` is `()` where no extension was negotiated.
    ///
    /// # Errors
    /// How the connection ended, or why this message cannot be sent now.
    pub fn start_send(
        &mut self,
        encoder: &mut impl Encoder,
        message: &Message<'_>,
        resume: bool,
    ) -> Result<(), Failure> {
        self.start(encoder, &Outgoing::from(*message), resume).map_err(|misuse| self.refusal(misuse))
    }

    /// Begins to send a part of a message; otherwise like [`start_send`](Self::start_send).
    ///
    /// # Errors
    /// Likewise.
    pub fn start_part(
        &mut self,
        encoder: &mut impl Encoder,
        kind: Kind,
        data: &[u8],
        fin: bool,
        resume: bool,
    ) -> Result<(), Failure> {
        self.start(encoder, &Outgoing { kind, data, fin, part: true }, resume)
            .map_err(|misuse| self.refusal(misuse))
    }

    /// What is refused may have a reason that counts more: [`refusal`](Self::refusal).
    pub(crate) fn start(
        &mut self,
        encoder: &mut impl Encoder,
        out: &Outgoing<'_>,
        resume: bool,
    ) -> Result<(), MisuseError> {
        self.outbound.start(&self.control, encoder, out, resume)
    }

    /// The next step towards having sent the message of [`start_send`](Self::start_send): [`Step::Done`] at the end.
    ///
    /// With `flush`, the end is when all was written and flushed; without, when all was put in the send buffer.
    ///
    /// # Errors
    /// How the connection ended meanwhile.
    #[cfg_attr(feature = "std", inline)]
    pub fn poll_send(
        &mut self,
        tx: &mut [u8],
        random: &mut dyn Random,
        encoder: &mut impl Encoder,
        message: &Message<'_>,
        flush: bool,
    ) -> Result<Step, Failure> {
        let out = Outgoing::from(*message);
        let want = if flush { Want::Send(&out) } else { Want::Feed(&out) };
        self.step(&mut [], tx, random, &mut (), encoder, &want)
    }

    /// The same for the part of [`start_part`](Self::start_part).
    ///
    /// # Errors
    /// Likewise.
    pub fn poll_part(
        &mut self,
        tx: &mut [u8],
        random: &mut dyn Random,
        encoder: &mut impl Encoder,
        kind: Kind,
        data: &[u8],
        fin: bool,
    ) -> Result<Step, Failure> {
        let out = Outgoing { kind, data, fin, part: true };
        self.step(&mut [], tx, random, &mut (), encoder, &Want::Send(&out))
    }

    /// The next step towards an empty send buffer and a flushed transport: [`Step::Done`] at the end.
    ///
    /// # Errors
    /// How the connection ended meanwhile.
    #[cfg_attr(feature = "std", inline)]
    pub fn poll_flush(&mut self, tx: &mut [u8], random: &mut dyn Random) -> Result<Step, Failure> {
        self.step(&mut [], tx, random, &mut (), &mut (), &Want::Flush)
    }

    /// Whether a close with these arguments may begin.
    ///
    /// # Errors
    /// [`MisuseError::InvalidCloseCode`] or [`MisuseError::ReasonTooLong`]. [`CloseCode::NO_STATUS_RECEIVED`] stands
    /// for a close frame with an empty body, and takes no reason.
    pub const fn check_close(code: CloseCode, reason: &str) -> Result<(), MisuseError> {
        let empty = code.0 == CloseCode::NO_STATUS_RECEIVED.0 && reason.is_empty();
        if !(code.is_sendable() || empty) {
            return Err(MisuseError::InvalidCloseCode(code.0));
        }
        if reason.len() > MAX_REASON {
            return Err(MisuseError::ReasonTooLong);
        }
        Ok(())
    }

    /// Begins the closing handshake, or goes on with it, before [`poll_close`](Self::poll_close).
    ///
    /// # Errors
    /// Those of [`check_close`](Self::check_close).
    pub const fn start_close(&mut self, code: CloseCode, reason: &str) -> Result<(), MisuseError> {
        // What an earlier call put off is written first now.
        self.outbound.set_deferred(false);
        Self::check_close(code, reason)
    }

    /// The next step of the closing handshake of [`start_close`](Self::start_close): [`Step::Closed`]
    /// at the end. Messages that still come are discarded.
    ///
    /// # Errors
    /// How the connection ended, where not by a close frame.
    pub fn poll_close<D: Decoder>(
        &mut self,
        rx: &mut [u8],
        tx: &mut [u8],
        random: &mut dyn Random,
        decoder: &mut D,
        code: CloseCode,
        reason: &str,
    ) -> Result<Step, Failure> {
        self.step(rx, tx, random, decoder, &mut (), &Want::Close(code, reason))
    }

    /// Puts a close frame, if there is room and none was put before; `false` if there is no room.
    pub(crate) fn put_close(
        &mut self,
        tx: &mut [u8],
        random: &mut dyn Random,
        code: CloseCode,
        reason: &str,
    ) -> bool {
        let mut sink = Sink::new(tx, random);
        self.is_closing() || self.outbound.put_close(&mut sink, &mut self.control, code, reason)
    }

    /// What to write at [`Step::Transmit`].
    #[must_use]
    pub fn pending<'b>(&self, tx: &'b [u8]) -> &'b [u8] {
        let pending = self.outbound.range();
        slice(tx, pending.start, pending.len())
    }

    /// `n` bytes of [`pending`](Self::pending) were written.
    ///
    /// # Errors
    /// [`MisuseError::ImpossibleCount`] if there were not so many.
    pub fn sent(&mut self, n: usize) -> Result<(), MisuseError> {
        self.outbound.sent(n)
    }

    /// The transport was flushed.
    pub const fn flushed(&mut self) {
        self.outbound.flushed();
    }

    /// Writing would have to wait longer than the caller does, or failed: [`poll`](Self::poll) goes on with reading, up to
    /// the next [`Step::Receive`], so that a peer that does not read cannot keep this end from reading.
    ///
    /// `false` if there is nothing to read any more and the caller has to wait.
    #[must_use]
    pub fn defer_transmit(&mut self) -> bool {
        let receiving = self.control.closing.is_receiving();
        self.outbound.set_deferred(receiving);
        receiving
    }

    /// After a write that failed, or would have to wait: whether the driver goes on towards what it wants with reading. What
    /// came before is not lost, and reading ends where there is nothing more.
    pub(crate) fn reads_on(&mut self, want: &Want<'_>) -> bool {
        want.reads() && self.defer_transmit()
    }

    /// Where to read to at [`Step::Receive`]; never empty then.
    #[must_use]
    pub fn space<'b>(&self, rx: &'b mut [u8]) -> &'b mut [u8] {
        self.inbound.space(rx)
    }

    /// `n` bytes were read into [`space`](Self::space) of a buffer of `len` bytes; 0 is the end of the stream.
    ///
    /// # Errors
    /// [`MisuseError::ImpossibleCount`] if there was not so much space.
    pub fn received(&mut self, n: usize, len: usize) -> Result<(), MisuseError> {
        if n == 0 {
            self.control.closing.end();
        }
        self.inbound.received(n, len)
    }

    /// The receive buffer cannot grow at [`Step::Grow`]: the connection is failed with 1009.
    pub fn overflow(&mut self) {
        self.inbound.fail(&mut self.control.closing, ProtocolError::MessageTooLarge);
    }

    /// The message that [`Step::Part`] found in [`Mode::Whole`]. Call it once for each: with the feature `std` this is
    /// where the UTF-8 of text that arrived at once is checked, otherwise it was checked before.
    ///
    /// # Errors
    /// [`ProtocolError::InvalidUtf8`]; the connection is failed then, and [`poll_flush`](Self::poll_flush) tells the peer.
    #[cfg_attr(feature = "std", inline)]
    pub fn message<'b, D: Decoder>(
        &mut self,
        rx: &'b [u8],
        decoder: &'b D,
    ) -> Result<Message<'b>, ProtocolError> {
        self.inbound.message(rx, decoder, &mut self.control)
    }

    /// The part that [`Step::Part`] found in [`Mode::Parts`].
    #[must_use]
    pub fn part<'b, D: Decoder>(&self, rx: &'b [u8], decoder: &'b D) -> Part<'b> {
        self.inbound.part(rx, decoder)
    }

    /// What an error of the transport means: `None` that it is news, otherwise how the connection had ended before.
    #[must_use]
    pub fn outcome_of_error(&self) -> Option<Failure> {
        self.control.closing.outcome_of_error()
    }

    /// How many bytes of a message were taken by a `send` that was dropped or timed out; `None` if the last one returned.
    #[must_use]
    pub const fn interrupted(&self) -> Option<usize> {
        self.outbound.interrupted()
    }

    /// Whether a close frame was sent or received, the connection failed, or the transport ended.
    #[must_use]
    pub const fn is_closing(&self) -> bool {
        self.control.closing.is_closing()
    }

    /// Whether a rule was broken: the transport should be dropped once the send buffer is drained.
    #[must_use]
    pub const fn is_failed(&self) -> bool {
        self.control.closing.is_failed()
    }

    /// Both codes so far.
    #[must_use]
    pub const fn closed(&self) -> Closed {
        self.control.closing.closed()
    }

    /// The reason in the peer's close frame; empty if it gave none.
    #[must_use]
    pub fn close_reason<'b>(&self, rx: &'b [u8]) -> &'b str {
        self.control.closing.reason_in(rx)
    }

    /// How long to wait at most until [`handle_timeout`](Self::handle_timeout); `None` for as long as it takes.
    ///
    /// `now` is the time since any fixed moment; only differences count. The closing handshake has
    /// [`Config::close_timeout`], a message that has begun [`Config::message_timeout`], from the first call after that.
    pub fn poll_timeout(&mut self, now: Duration) -> Option<Duration> {
        self.control.poll_timeout(now, self.inbound.is_unfinished())
    }

    /// Tells the time. Past the deadline of the closing handshake the connection counts as ended: drop the transport.
    /// Past that of a message it is failed, with [`ProtocolError::MessageTimeout`].
    pub fn handle_timeout(&mut self, now: Duration) {
        if self.control.handle_timeout(now, self.inbound.is_unfinished()) {
            self.inbound.fail(&mut self.control.closing, ProtocolError::MessageTimeout);
        }
    }
}
