use core::{cell::Cell, mem, ops::Range};

use super::{Closing, Config, Control, Mode, Role, Step};
use crate::{
    Kind, Limits, Message, MisuseError, Part, ProtocolError,
    extension::{Decoder, Progress},
    frame::{FrameHeader, MaskingKey, Opcode, Rules, Status, apply_mask, parse_body, rotate},
    utf8::{self, Validator},
};

/// The receiving direction: decodes frames and assembles messages in place.
///
/// The receive buffer, from its front:
/// ```text
/// | free | held: the message so far | gap: headers, control frames | undecoded | free, to read into |
///        base                       keep                           head        tail
/// ```
/// Of a compressed message, what is held is what was not decoded yet; the message itself is in the decoder's output.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub(crate) struct Inbound {
    base: usize,
    keep: usize,
    head: usize,
    tail: usize,
    /// How many of the held bytes, or of the decoder's output, `text` has seen.
    checked: usize,
    /// Bytes of the current frame's payload that are still to come.
    left: u64,
    max_message: u32,
    max_frame: u32,
    max_fragments: u32,
    /// What `max_message` and `max_fragments` leave for the rest of the current message, decoded.
    budget: u32,
    fragments: u32,
    /// The current frame's key, as it applies to the next byte.
    key: MaskingKey,
    text: Validator,
    frame: Frame,
    message: Option<Kind>,
    shown: Shown,
    masked: bool,
    /// Whether the current message is compressed.
    compressed: bool,
    /// The held bytes were handed out: the next poll forgets them.
    handed: bool,
    /// Some part of the current message was handed out.
    begun: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
enum Frame {
    /// Between two frames.
    None,
    Data,
    /// Of the last frame of its message.
    LastData,
    /// All of a compressed message has arrived, and not all of it was decoded.
    Undecoded,
    Ping,
    /// A ping whose pong is owed, and which is reported once that was sent.
    Answered,
    Pong,
    Close,
}

/// What the last poll found, for the caller: what is held, or the `left` bytes before `head` of a control frame.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
struct Shown {
    kind: Kind,
    first: bool,
    fin: bool,
}

/// What decoding came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Decoded {
    /// More bytes are needed, and there is room for them.
    Receive,
    /// More bytes are needed, but the buffer is full.
    Grow,
    /// A ping that is to be answered, with so many bytes at `start`.
    Ping(usize, usize),
    /// A message, a part of one, an answered ping or a pong: see `shown`.
    Part,
    /// A close frame with so many bytes at `start`.
    Close(usize, usize),
}

impl Inbound {
    pub(crate) fn new(role: Role, config: &Config) -> Self {
        let Limits { max_message, max_frame, max_fragments, .. } = config.limits;
        Self {
            base: 0,
            keep: 0,
            head: 0,
            tail: 0,
            checked: 0,
            left: 0,
            max_message,
            max_frame,
            max_fragments,
            budget: 0,
            fragments: 0,
            key: [0; 4],
            text: Validator::new(),
            frame: Frame::None,
            message: None,
            shown: Shown { kind: Kind::Binary, first: true, fin: true },
            masked: matches!(role, Role::Server),
            compressed: false,
            handed: false,
            begun: false,
        }
    }

    /// Takes over what arrived together with the head of the opening handshake: it lies at `early` in the buffer.
    pub(crate) fn set_early(&mut self, early: Range<usize>) {
        (self.base, self.keep, self.head, self.tail) = (early.start, early.start, early.start, early.end);
    }

    /// Where to read to.
    pub(crate) fn space<'b>(&self, rx: &'b mut [u8]) -> &'b mut [u8] {
        let end = self.tail + self.room(rx.len());
        rx.get_mut(self.tail..end).unwrap_or_default()
    }

    /// How much is read at once: little enough to stay in the fastest cache, and of a large frame no more than is known
    /// to come, so that nothing behind it has to be moved later.
    fn room(&self, len: usize) -> usize {
        const AHEAD: usize = 17 << 10;
        const AHEAD_LEFT: usize = AHEAD / 4;
        let left = match self.frame {
            Frame::Data | Frame::LastData => self.left(),
            _ => 0,
        };
        let most = match left {
            ..AHEAD_LEFT => AHEAD,
            // It is unmasked while it is in the cache.
            left if self.masked => left.min(AHEAD),
            left => left,
        };
        len.saturating_sub(self.tail).min(most)
    }

    /// `n` bytes were read into the space of a buffer of `len` bytes.
    pub(crate) fn received(&mut self, n: usize, len: usize) -> Result<(), MisuseError> {
        if n > self.room(len) {
            return Err(MisuseError::ImpossibleCount);
        }
        self.tail += n;
        Ok(())
    }

    /// Forgets all that is in the buffer but the `kept` bytes at its front, and all that is still to come.
    fn set_discard(&mut self, kept: usize) {
        self.frame = Frame::None;
        (self.base, self.keep, self.head, self.tail) = (kept, kept, kept, kept);
    }

    /// Decodes one thing and does what it asks for; `None` when that left something owed, or ended the connection.
    ///
    /// # Errors
    /// [`MisuseError::PartsPending`].
    #[inline]
    pub(crate) fn receive<D: Decoder>(
        &mut self,
        rx: &mut [u8],
        slot: &[Cell<u8>],
        control: &mut Control,
        decoder: &mut D,
        mode: Mode,
    ) -> Result<Option<Step>, MisuseError> {
        if mode == Mode::Whole && self.begun {
            return Err(MisuseError::PartsPending);
        }
        if !control.closing.is_receiving() {
            // Only the end of the stream matters any more.
            (self.head, self.tail) = (self.keep, self.keep);
            return Ok(Some(Step::Receive));
        }
        match self.poll(rx, mode, control, decoder) {
            Ok(Decoded::Receive) => return Ok(Some(Step::Receive)),
            Ok(Decoded::Grow) => return Ok(Some(Step::Grow)),
            Ok(Decoded::Ping(start, len)) => {
                if !control.closing.is_closing() {
                    control.pong.store(slot, rx.get(start..start + len).unwrap_or_default());
                }
            }
            Ok(Decoded::Part) => {
                if self.message.is_none() {
                    control.closing.message_received();
                }
                if control.report || matches!(self.shown.kind, Kind::Text | Kind::Binary) {
                    return Ok(Some(Step::Part));
                }
            }
            Ok(Decoded::Close(start, len)) => {
                if let Err(error) = self.close(rx, start, len, &mut control.closing) {
                    self.fail(&mut control.closing, error);
                }
            }
            Err(error) => self.fail(&mut control.closing, error),
        }
        Ok(None)
    }

    /// Notes a close frame, and moves its reason to the front of the buffer, where it stays.
    fn close(
        &mut self,
        rx: &mut [u8],
        start: usize,
        len: usize,
        closing: &mut Closing,
    ) -> Result<(), ProtocolError> {
        let end = start + len;
        let (code, reason) = parse_body(rx.get(start..end).unwrap_or_default())?;
        let len = reason.len();
        shift(rx, end - len..end, 0);
        self.set_discard(len);
        closing.set_received(code, u8::try_from(len).unwrap_or(0));
        Ok(())
    }

    /// "An endpoint MUST NOT continue to attempt to process data (including a responding Close frame) from the remote
    /// endpoint after being instructed to _Fail the WebSocket Connection_."
    pub(crate) fn fail(&mut self, closing: &mut Closing, error: ProtocolError) {
        trace!("failing the connection with {}", error.close_code().0);
        closing.fail(error);
        self.set_discard(0);
    }

    /// Whether a message has begun whose end has not arrived.
    pub(crate) const fn is_unfinished(&self) -> bool {
        self.message.is_some() && !matches!(self.frame, Frame::Undecoded)
    }

    /// Where what was found lies in the buffer.
    fn shown(&self) -> Range<usize> {
        match self.shown.kind {
            Kind::Text | Kind::Binary => self.base..self.keep,
            Kind::Ping | Kind::Pong => self.head.saturating_sub(self.left())..self.head,
        }
    }

    /// What was found.
    #[inline]
    fn data_in<'b, D: Decoder>(&self, rx: &'b [u8], decoder: &'b D) -> &'b [u8] {
        if D::ACTIVE && self.compressed && matches!(self.shown.kind, Kind::Text | Kind::Binary) {
            return decoder.output();
        }
        rx.get(self.shown()).unwrap_or_default()
    }

    /// The part that was found.
    pub(crate) fn part<'b, D: Decoder>(&self, rx: &'b [u8], decoder: &'b D) -> Part<'b> {
        let Shown { kind, first, fin, .. } = self.shown;
        Part { kind, first, fin, data: self.data_in(rx, decoder) }
    }

    /// The message that was found. The UTF-8 of text is checked here, where it may not have been before.
    #[inline]
    pub(crate) fn message<'b, D: Decoder>(
        &mut self,
        rx: &'b [u8],
        decoder: &'b D,
        control: &mut Control,
    ) -> Result<Message<'b>, ProtocolError> {
        let data = self.data_in(rx, decoder);
        Ok(match self.shown.kind {
            Kind::Text if control.unchecked => Message::UncheckedText(data),
            Kind::Text => match utf8::text(data) {
                Ok(text) => Message::Text(text),
                Err(error) => {
                    self.fail(&mut control.closing, error);
                    return Err(error);
                }
            },
            Kind::Binary => Message::Binary(data),
            Kind::Ping => Message::Ping(data),
            Kind::Pong => Message::Pong(data),
        })
    }

    fn poll<D: Decoder>(
        &mut self,
        rx: &mut [u8],
        mode: Mode,
        control: &Control,
        decoder: &mut D,
    ) -> Result<Decoded, ProtocolError> {
        if D::ACTIVE && self.compressed {
            // What the decoder holds back, and what was assembled by a dropped call for a whole message.
            let more = mem::replace(&mut self.handed, false);
            if more {
                decoder.clear();
                self.checked = 0;
                self.compressed = self.message.is_some();
            }
            if self.compressed
                && (more || mode == Mode::Parts && !decoder.output().is_empty())
                && let Some(decoded) = self.decode(rx, mode, control, decoder)?
            {
                return Ok(decoded);
            }
        }
        let held = !(D::ACTIVE && self.compressed);
        if self.handed || self.base == self.keep {
            self.handed = false;
            self.base = self.head;
            self.keep = self.head;
            if self.head == self.tail {
                (self.base, self.keep, self.head, self.tail) = (0, 0, 0, 0);
            }
        }
        if held && mode == Mode::Parts && self.keep > self.base {
            // What a dropped call for a whole message has assembled.
            return self.hand_out(rx, mode, control, false);
        }
        loop {
            let decoded = match self.frame {
                Frame::None => self.begin(rx, control, decoder)?,
                Frame::Data => self.data(rx, mode, control, decoder, false)?,
                Frame::LastData => self.data(rx, mode, control, decoder, true)?,
                Frame::Undecoded => self.decode(rx, mode, control, decoder)?,
                frame => self.control(rx, control, frame)?,
            };
            if let Some(decoded) = decoded {
                return Ok(decoded);
            }
        }
    }

    /// Decodes the header of the next frame.
    #[inline]
    fn begin<D: Decoder>(
        &mut self,
        rx: &mut [u8],
        control: &Control,
        decoder: &mut D,
    ) -> Result<Option<Decoded>, ProtocolError> {
        let rules = Rules { masked: self.masked, rsv: if D::ACTIVE { decoder.rsv() } else { 0 } };
        let undecoded = rx.get(self.head..self.tail).unwrap_or_default();
        let Status::Complete((header, used)) = FrameHeader::parse(undecoded, rules)? else {
            return self.more(rx, control, FrameHeader::MAX_LEN).map(Some);
        };
        trace!("received {} frame, fin {}, {} bytes", header.opcode, header.fin, header.payload_len);
        // "a "Per-Message Compressed" bit ... on the first frame of a message": on no other, and on no control frame.
        if D::ACTIVE && header.rsv != 0 && !matches!(header.opcode, Opcode::Text | Opcode::Binary) {
            return Err(ProtocolError::ReservedBits);
        }
        self.frame = match header.opcode {
            Opcode::Ping => Frame::Ping,
            Opcode::Pong => Frame::Pong,
            Opcode::Close => Frame::Close,
            data => {
                self.begin_data(data, &header)?;
                if D::ACTIVE && header.rsv != 0 {
                    decoder.begin();
                }
                if header.fin { Frame::LastData } else { Frame::Data }
            }
        };
        self.head += used;
        if self.base == self.keep {
            // Nothing is held: the payload can stay where it is.
            (self.base, self.keep) = (self.head, self.head);
        }
        self.left = header.payload_len;
        self.key = header.masking_key.unwrap_or_default();
        Ok(None)
    }

    /// The rules of fragmentation (section 5.4) and the limits.
    fn begin_data(&mut self, opcode: Opcode, header: &FrameHeader) -> Result<(), ProtocolError> {
        match (opcode, self.message) {
            (Opcode::Continuation, None) => return Err(ProtocolError::UnexpectedContinuation),
            (Opcode::Continuation, Some(_)) => {
                self.fragments = self.fragments.saturating_add(1);
                if self.fragments > self.max_fragments {
                    return Err(ProtocolError::TooManyFragments);
                }
            }
            (_, Some(_)) => return Err(ProtocolError::ExpectedContinuation),
            (opcode, None) => {
                self.message = Some(if opcode == Opcode::Text { Kind::Text } else { Kind::Binary });
                self.budget = self.max_message;
                self.fragments = 1;
                self.text = Validator::new();
                self.checked = 0;
                self.compressed = header.rsv != 0;
            }
        }
        if self.max_frame != u32::MAX && header.payload_len > u64::from(self.max_frame) {
            return Err(ProtocolError::FrameTooLarge);
        }
        // The limit is on what a compressed message becomes.
        if self.max_message != u32::MAX && !self.compressed {
            self.budget = u32::try_from(header.payload_len)
                .ok()
                .and_then(|len| self.budget.checked_sub(len))
                .ok_or(ProtocolError::MessageTooLarge)?;
        }
        Ok(())
    }

    /// Decodes what has arrived of a data frame's payload.
    #[inline]
    fn data<D: Decoder>(
        &mut self,
        rx: &mut [u8],
        mode: Mode,
        control: &Control,
        decoder: &mut D,
        fin: bool,
    ) -> Result<Option<Decoded>, ProtocolError> {
        let taken = self.left().min(self.tail - self.head);
        self.unmask(rx, taken);
        self.left -= taken as u64;
        if self.head != self.keep {
            // "in place": the payload slides down over the headers that came before it.
            shift(rx, self.head..self.head + taken, self.keep);
        }
        self.head += taken;
        self.keep += taken;
        if self.head == self.tail {
            (self.head, self.tail) = (self.keep, self.keep);
        }
        let complete = self.left == 0;
        if complete {
            self.frame = Frame::None;
        }
        let fin = complete && fin;
        if D::ACTIVE && self.compressed {
            if fin {
                self.frame = Frame::Undecoded;
            }
            let decoded = self.decode(rx, mode, control, decoder)?;
            return if decoded.is_some() || complete {
                Ok(decoded)
            } else {
                self.more(rx, control, self.left()).map(Some)
            };
        }
        if fin || mode == Mode::Parts && self.keep > self.base {
            return self.hand_out(rx, mode, control, fin).map(Some);
        }
        if complete {
            // "as soon as the offending byte has arrived": before the next frame can break another rule.
            self.check(rx, control)?;
            return Ok(None);
        }
        self.more(rx, control, self.left()).map(Some)
    }

    /// Decodes what is held of a compressed message; `None` if more is needed than has arrived.
    fn decode<D: Decoder>(
        &mut self,
        rx: &[u8],
        mode: Mode,
        control: &Control,
        decoder: &mut D,
    ) -> Result<Option<Decoded>, ProtocolError> {
        let fin = self.frame == Frame::Undecoded;
        let mut limit = match self.max_message {
            u32::MAX => usize::MAX,
            _ => usize::try_from(self.budget).unwrap_or(usize::MAX),
        };
        let progress = loop {
            let before = decoder.output().len();
            let held = rx.get(self.base..self.keep).unwrap_or_default();
            let decoded = decoder.decode(held, fin, limit).map_err(|_| ProtocolError::InvalidCompression)?;
            self.base += decoded.consumed.min(held.len());
            let output = decoder.output();
            limit = limit
                .checked_sub(output.len().saturating_sub(before))
                .ok_or(ProtocolError::MessageTooLarge)?;
            if self.message == Some(Kind::Text) && !control.unchecked {
                self.text.push(output.get(self.checked..).unwrap_or_default())?;
                self.checked = output.len();
            }
            match decoded.progress {
                Progress::Output if mode == Mode::Whole || decoder.output().is_empty() => {
                    if !decoder.grow() {
                        return Err(ProtocolError::MessageTooLarge);
                    }
                }
                // Only a decoder that breaks its word asks for more than all.
                Progress::Input if fin => return Err(ProtocolError::InvalidCompression),
                progress => break progress,
            }
        };
        if self.max_message != u32::MAX {
            self.budget = u32::try_from(limit).unwrap_or(u32::MAX);
        }
        let fin = progress == Progress::Done;
        if !fin && (mode == Mode::Whole || decoder.output().is_empty()) {
            return Ok(None);
        }
        let kind = self.message.unwrap_or(Kind::Binary);
        if fin {
            if kind == Kind::Text && !control.unchecked && !self.text.is_complete() {
                return Err(ProtocolError::InvalidUtf8);
            }
            self.message = None;
            self.frame = Frame::None;
        }
        self.shown = Shown { kind, first: !self.begun, fin };
        self.handed = true;
        self.begun = !fin;
        Ok(Some(Decoded::Part))
    }

    /// Hands out what is held: a whole message, or in parts what there is of it.
    fn hand_out(
        &mut self,
        rx: &[u8],
        mode: Mode,
        control: &Control,
        fin: bool,
    ) -> Result<Decoded, ProtocolError> {
        let kind = self.message.unwrap_or(Kind::Binary);
        self.shown = Shown { kind, first: !self.begun, fin };
        if mode == Mode::Parts {
            self.check(rx, control)?;
            if fin && kind == Kind::Text && !control.unchecked && !self.text.is_complete() {
                return Err(ProtocolError::InvalidUtf8);
            }
            self.checked = 0;
        }
        self.handed = true;
        self.begun = !fin;
        if fin {
            self.message = None;
        }
        Ok(Decoded::Part)
    }

    /// Decodes a control frame once its payload is there.
    fn control(
        &mut self,
        rx: &mut [u8],
        control: &Control,
        frame: Frame,
    ) -> Result<Option<Decoded>, ProtocolError> {
        let missing = self.left().saturating_sub(self.tail - self.head);
        if missing > 0 {
            return self.more(rx, control, missing).map(Some);
        }
        let (start, len) = (self.head, self.left());
        if frame != Frame::Answered {
            self.unmask(rx, len);
        }
        if frame == Frame::Ping && control.report {
            // It stays until the next poll, which finds it answered.
            self.frame = Frame::Answered;
            return Ok(Some(Decoded::Ping(start, len)));
        }
        self.head += len;
        self.frame = Frame::None;
        let kind = match frame {
            Frame::Ping => return Ok(Some(Decoded::Ping(start, len))),
            Frame::Answered => Kind::Ping,
            Frame::Pong => Kind::Pong,
            _ => return Ok(Some(Decoded::Close(start, len))),
        };
        self.shown = Shown { kind, first: true, fin: true };
        Ok(Some(Decoded::Part))
    }

    /// What is still to come of the payload; of a control frame all of it.
    #[inline]
    fn left(&self) -> usize {
        usize::try_from(self.left).unwrap_or(usize::MAX)
    }

    /// Unmasks the next `len` bytes of the payload.
    #[inline]
    fn unmask(&mut self, rx: &mut [u8], len: usize) {
        if self.masked {
            apply_mask(rx.get_mut(self.head..self.head + len).unwrap_or_default(), self.key, 0);
            self.key = rotate(self.key, len as u64);
        }
    }

    /// Checks the text that is held and was not checked yet.
    fn check(&mut self, rx: &[u8], control: &Control) -> Result<(), ProtocolError> {
        if self.message == Some(Kind::Text) && !control.unchecked && !self.compressed {
            let unseen = rx.get(self.base + self.checked..self.keep).unwrap_or_default();
            self.text.push(unseen)?;
            self.checked = self.keep - self.base;
        }
        Ok(())
    }

    /// Makes room for `wanted` bytes, as far as that goes.
    fn more(&mut self, rx: &mut [u8], control: &Control, wanted: usize) -> Result<Decoded, ProtocolError> {
        // The wait may be long: "as soon as the offending byte has arrived" is now.
        self.check(rx, control)?;
        let there = self.keep - self.base + (self.tail - self.head);
        let cheap = there <= self.base / 8;
        if (cheap || rx.len().saturating_sub(self.tail) < wanted) && (self.base > 0 || self.head > self.keep)
        {
            // Once a message at most: `base` is 0 from then on, and undecoded bytes are less than one frame.
            shift(rx, self.base..self.keep, 0);
            self.keep -= self.base;
            self.base = 0;
            shift(rx, self.head..self.tail, self.keep);
            self.tail -= self.head - self.keep;
            self.head = self.keep;
        }
        Ok(if self.tail < rx.len() { Decoded::Receive } else { Decoded::Grow })
    }
}

/// Moves bytes towards the front; does nothing for a range that is not there.
fn shift(bytes: &mut [u8], from: Range<usize>, to: usize) {
    if to < from.start && from.start <= from.end && from.end <= bytes.len() {
        bytes.copy_within(from, to);
    }
}
