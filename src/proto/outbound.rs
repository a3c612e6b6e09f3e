use core::{cell::Cell, ops::Range};

use super::{Act, Control, Flags, PongSlot, Role};
use crate::{
    CloseCode, Kind, Message, MisuseError, Random,
    buffer::shift,
    extension::{Encoded, Encoder},
    frame::{
        FIN, FrameHeader, MAX_CONTROL_PAYLOAD, MaskingKey, Opcode, RSV1, apply_mask, body_len, copy_masked,
        emit_body, emit_header, header_len,
    },
};

/// The sending direction: whole frames are put in the send buffer, then drained.
///
/// Since a frame lies in the buffer complete before its first byte leaves, nothing that is dropped, cancelled or timed
/// out in between can cut one in two.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub(crate) struct Outbound {
    start: usize,
    end: usize,
    /// How much of the message, or part, being sent was put into frames.
    taken: usize,
    progress: Progress,
    /// The message that `send_part` began and did not finish.
    message: Option<Kind>,
    flags: Flags,
}

/// What the caller of the methods of [`Outbound`] hands in: one pointer to pass on instead of six words.
pub(crate) struct Sink<'c> {
    /// Where frames are put.
    pub(crate) data: &'c mut [u8],
    /// Where the payload of a pong waits.
    pub(crate) slot: &'c [Cell<u8>],
    /// Where masking keys come from.
    pub(crate) random: &'c mut dyn Random,
}

impl<'c> Sink<'c> {
    /// Of a whole send buffer.
    pub(crate) fn new(tx: &'c mut [u8], random: &'c mut dyn Random) -> Self {
        let (data, slot) = cut(tx);
        Self { data, slot, random }
    }
}

const MASKED: u8 = 1;
/// The current message is compressed.
const COMPRESSED: u8 = 2;
/// Something was written since the last flush.
const DIRTY: u8 = 4;
/// Writing would block: reading goes first, once.
const DEFERRED: u8 = 8;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
enum Progress {
    /// No call is under way, nor was one dropped.
    Idle,
    /// Some of it may have been put.
    Open,
    /// All of it was put; it may not have been drained.
    Put,
}

/// What the caller sends: a message, or a part of one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outgoing<'a> {
    pub(crate) kind: Kind,
    pub(crate) data: &'a [u8],
    pub(crate) fin: bool,
    /// Whether it is a part: it begins a message that stays open, or goes on with one.
    pub(crate) part: bool,
}

impl<'a> From<Message<'a>> for Outgoing<'a> {
    fn from(message: Message<'a>) -> Self {
        Self { kind: message.kind(), data: message.as_bytes(), fin: true, part: false }
    }
}

impl Outbound {
    pub(crate) const fn new(role: Role) -> Self {
        Self {
            start: 0,
            end: 0,
            taken: 0,
            progress: Progress::Idle,
            message: None,
            flags: Flags::new(if matches!(role, Role::Client) { MASKED } else { 0 }),
        }
    }

    pub(crate) const fn range(&self) -> Range<usize> {
        self.start..self.end
    }

    /// Whether nothing was put that is still to be written or flushed.
    #[cfg_attr(feature = "std", inline)]
    pub(crate) const fn is_idle(&self) -> bool {
        self.start == self.end && !self.flags.has(DIRTY)
    }

    pub(crate) const fn set_deferred(&mut self, deferred: bool) {
        self.flags.set(DEFERRED, deferred);
    }

    pub(crate) const fn flushed(&mut self) {
        self.flags.set(DIRTY, false);
    }

    pub(crate) fn sent(&mut self, n: usize) -> Result<(), MisuseError> {
        if n > self.end - self.start {
            return Err(MisuseError::ImpossibleCount);
        }
        self.start += n;
        self.flags.set(DIRTY, true);
        self.flags.set(DEFERRED, false);
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        }
        Ok(())
    }

    /// How many bytes were taken of the message whose `send` did not return, `None` if every call returned.
    pub(crate) const fn interrupted(&self) -> Option<usize> {
        match self.progress {
            Progress::Idle => None,
            Progress::Open | Progress::Put => Some(self.taken),
        }
    }

    /// Begins to send, or goes on with what was interrupted.
    pub(crate) fn start<E: Encoder>(
        &mut self,
        control: &Control,
        encoder: &mut E,
        out: &Outgoing<'_>,
        resume: bool,
    ) -> Result<(), MisuseError> {
        if control.closing.is_closing() {
            return Err(MisuseError::Closing);
        }
        if resume && self.progress != Progress::Idle {
            return if out.data.len() < self.taken { Err(MisuseError::NotTheSameMessage) } else { Ok(()) };
        }
        if self.progress == Progress::Open && self.taken > 0 {
            return Err(MisuseError::Interrupted { taken: u32::try_from(self.taken).unwrap_or(u32::MAX) });
        }
        match (out.kind, self.message) {
            (kind, _) if kind.is_control() && out.data.len() > MAX_CONTROL_PAYLOAD => {
                return Err(MisuseError::ControlTooLong);
            }
            (kind, _) if kind.is_control() && !out.fin => return Err(MisuseError::FragmentedControl),
            (Kind::Ping | Kind::Pong, _) | (_, None) => {}
            (_, Some(_)) if !out.part => return Err(MisuseError::MessageOpen),
            (kind, Some(open)) if kind != open => return Err(MisuseError::KindChanged),
            _ => {}
        }
        if E::ACTIVE && self.message.is_none() && !out.kind.is_control() {
            self.flags.set(COMPRESSED, encoder.begin(out.data.len(), out.fin));
        }
        self.taken = 0;
        self.progress = Progress::Open;
        Ok(())
    }

    /// Puts as much of what is sent into `data` as fits: [`Act::Done`] when all of it was put, [`Act::Transmit`] when
    /// there has to be more room, [`Act::Over`] when nothing can be sent any more.
    #[cfg_attr(feature = "std", inline)]
    pub(crate) fn put<E: Encoder>(
        &mut self,
        sink: &mut Sink<'_>,
        control: &Control,
        encoder: &mut E,
        out: &Outgoing<'_>,
    ) -> Act {
        self.flags.set(DEFERRED, false);
        if self.progress != Progress::Open {
            return Act::Done;
        }
        // "The application MUST NOT send any more data frames after sending a Close frame."
        if control.closing.is_closing() {
            return Act::Over;
        }
        let rest = out.data.get(self.taken..).unwrap_or_default();
        let room = sink.data.len().saturating_sub(self.end);
        if E::ACTIVE && self.flags.has(COMPRESSED) && !out.kind.is_control() {
            let fits = room.saturating_sub(self.header_len(room));
            // A frame that is small because of what is before it is not worth its header.
            if self.end > 0 && fits < rest.len().min(sink.data.len() / 4) {
                return Act::Transmit;
            }
            let complete = self.put_compressed(sink, encoder, rest, fits, out);
            return if complete { Act::Done } else { Act::Transmit };
        }
        let header = self.header_len(rest.len());
        let complete = header + rest.len() <= room;
        if !complete && self.end > 0 {
            return Act::Transmit;
        }
        // An empty buffer holds a control frame whole, and something of any other.
        let payload =
            if complete { rest } else { rest.get(..room.saturating_sub(header)).unwrap_or_default() };
        let fin = complete && out.fin;
        let first = self.opcode(out.kind) as u8 | if fin { FIN } else { 0 };
        if let Some((to, key)) = self.header(sink, first, payload.len()) {
            copy_masked(to, payload, key);
        }
        if !out.kind.is_control() {
            self.message = if fin { None } else { Some(out.kind) };
        }
        self.taken += payload.len();
        if !complete {
            return Act::Transmit;
        }
        self.progress = Progress::Put;
        Act::Done
    }

    /// Puts a frame with as much of a compressed message as fits; `true` when all of it was put.
    fn put_compressed<E: Encoder>(
        &mut self,
        sink: &mut Sink<'_>,
        encoder: &mut E,
        rest: &[u8],
        fits: usize,
        out: &Outgoing<'_>,
    ) -> bool {
        let opcode = self.opcode(out.kind);
        let rsv = if self.message.is_none() { RSV1 } else { 0 };
        let header = |len: usize, fin, masking_key| FrameHeader {
            fin,
            rsv,
            opcode,
            masking_key,
            payload_len: len as u64,
        };
        let masking_key = self.masking_key(sink.random);
        let Some(room) = sink.data.get_mut(self.end..) else { return false };
        // How long the payload is shows only when it is there, behind the room for the longest header that it may need.
        let at = header(fits, false, masking_key).encoded_len();
        let Some(to) = room.get_mut(at..).and_then(|room| room.get_mut(..fits)) else { return false };
        let Encoded { consumed, produced, done } = encoder.encode(rest, out.fin, to);
        self.taken += consumed.min(rest.len());
        if done {
            self.progress = Progress::Put;
        }
        let fin = done && out.fin;
        if produced == 0 && !fin {
            return done;
        }
        if let Some(key) = masking_key {
            apply_mask(to.get_mut(..produced).unwrap_or_default(), key, 0);
        }
        let header = header(produced, fin, masking_key);
        let Some(len) = header.emit(room) else { return false };
        if len < at {
            shift(room, at..at + produced, len);
        }
        trace!("sending compressed {} frame, fin {}, {} bytes", opcode, fin, produced);
        self.end += len + produced;
        self.message = if fin { None } else { Some(out.kind) };
        done
    }

    /// Of a frame that is sent now.
    const fn opcode(&self, kind: Kind) -> Opcode {
        match self.message {
            Some(_) if !kind.is_control() => Opcode::Continuation,
            _ => kind.opcode(),
        }
    }

    /// Whether this is a client.
    pub(crate) const fn is_masking(&self) -> bool {
        self.flags.has(MASKED)
    }

    /// A fresh one, at a client.
    fn masking_key(&self, random: &mut dyn Random) -> Option<MaskingKey> {
        self.flags.has(MASKED).then(|| {
            let mut key = [0; 4];
            random.fill(&mut key);
            key
        })
    }

    /// The call that sent is over.
    pub(crate) const fn finish(&mut self) {
        self.progress = Progress::Idle;
        self.taken = 0;
    }

    /// What to do next for what is owed to the peer and what was put; [`Act::Done`] when all of it is written and
    /// flushed, [`Act::Over`] once the peer was told all that is owed to it and the connection has ended.
    #[cfg_attr(feature = "std", inline)]
    pub(crate) fn poll(
        &mut self,
        sink: &mut Sink<'_>,
        control: &mut Control,
        farewell: Option<(CloseCode, &str)>,
    ) -> Act {
        self.put_pong(sink, control);
        // Without room it is put once what is pending was transmitted.
        let farewell = match control.closing.owed() {
            Some(code) => Some((code, "")),
            None => farewell.filter(|_| !control.closing.is_closing()),
        };
        if let Some((code, reason)) = farewell {
            self.put_close(sink, control, code, reason);
        }
        // Reading may go before writing only while there is something to read.
        if !control.closing.is_receiving() {
            self.flags.set(DEFERRED, false);
        }
        if !self.flags.has(DEFERRED) && !control.closing.is_ended() {
            if self.start != self.end {
                return Act::Transmit;
            }
            if self.flags.has(DIRTY) {
                return Act::Flush;
            }
        }
        if control.closing.is_over() { Act::Over } else { Act::Done }
    }

    /// What sending comes to, once all was put and as long as nothing is owed, which is most of its steps.
    #[inline]
    pub(crate) fn quick(&mut self) -> Option<Act> {
        if self.progress != Progress::Put {
            return None;
        }
        self.set_deferred(false);
        Some(if self.start != self.end {
            Act::Transmit
        } else if self.flags.has(DIRTY) {
            Act::Flush
        } else {
            self.finish();
            Act::Done
        })
    }

    /// Puts the pong that is owed, if there is room: once the buffer is drained there is.
    fn put_pong(&mut self, sink: &mut Sink<'_>, control: &mut Control) {
        if let Some(payload) = control.pong.payload(sink.slot)
            && let Some((to, key)) = self.header(sink, FIN | Opcode::Pong as u8, payload.len())
        {
            for (to, from) in to.iter_mut().zip(payload) {
                *to = from.get();
            }
            apply_mask(to, key, 0);
            control.pong = PongSlot::EMPTY;
        }
    }

    /// Puts a close frame, the last one of this direction; `false` if there is no room yet.
    pub(crate) fn put_close(
        &mut self,
        sink: &mut Sink<'_>,
        control: &mut Control,
        code: CloseCode,
        reason: &str,
    ) -> bool {
        let Some((to, key)) = self.header(sink, FIN | Opcode::Close as u8, body_len(code, reason)) else {
            return false;
        };
        emit_body(code, reason, to);
        apply_mask(to, key, 0);
        control.closing.set_sent(code);
        // No pong comes after it.
        control.pong = PongSlot::EMPTY;
        true
    }

    /// How long the header of a frame is.
    const fn header_len(&self, payload_len: usize) -> usize {
        header_len(payload_len as u64, self.flags.has(MASKED))
    }

    /// Appends the header of a frame, if there is room for all of it; its payload goes to where is returned, masked with
    /// the key, which is 0 at a server.
    #[cfg_attr(feature = "std", inline)]
    #[cfg_attr(not(feature = "std"), inline(never))]
    fn header<'d>(
        &mut self,
        sink: &'d mut Sink<'_>,
        first: u8,
        len: usize,
    ) -> Option<(&'d mut [u8], MaskingKey)> {
        let at = self.header_len(len);
        let (header, room) = sink.data.get_mut(self.end..)?.split_at_mut_checked(at)?;
        let to = room.get_mut(..len)?;
        let masking_key = self.masking_key(sink.random);
        emit_header(header, first, masking_key, len as u64);
        if let Some(opcode) = Opcode::from_bits(first) {
            trace!("sending {} frame, fin {}, {} bytes", opcode, first & FIN != 0, len);
        }
        self.end += at + len;
        Some((to, masking_key.unwrap_or_default()))
    }
}

/// Cuts a send buffer into the room for frames and the slot for a pong.
pub(crate) fn cut(tx: &mut [u8]) -> (&mut [u8], &[Cell<u8>]) {
    let at = tx.len().saturating_sub(MAX_CONTROL_PAYLOAD);
    let (data, slot) = tx.split_at_mut_checked(at).unwrap_or_default();
    (data, Cell::from_mut(slot).as_slice_of_cells())
}
