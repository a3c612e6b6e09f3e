mod compressed;
mod shown;

use core::{cell::Cell, mem, ops::Range};

use shown::Shown;

use super::{Act, Closing, Config, Control, Flags, Mode, Role};
use crate::{
    Kind, Limits, MisuseError, ProtocolError,
    buffer::{shift, slice, slice_mut},
    extension::Decoder,
    frame::{FrameHeader, MaskingKey, Opcode, Rules, Status, apply_mask, parse_body, rotate},
    utf8::Validator,
};

/// The receiving direction: decodes frames and assembles messages in place.
///
/// The receive buffer, from its front:
/// ```text
/// | free | held: the message so far | gap: headers, control frames | undecoded | free, to read into |
///        base                       keep                           head        tail
/// ```
/// Of a compressed message, what is held is what was not decoded yet; the message itself is in the decoder's output.
// The bytes first: what lies near has shorter instructions.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub(crate) struct Inbound {
    text: Validator,
    frame: Frame,
    message: Option<Kind>,
    shown: Shown,
    /// What does not change.
    rules: Flags,
    /// Whether the current message is compressed.
    compressed: bool,
    /// The held bytes were handed out: the next poll forgets them.
    handed: bool,
    /// Some part of the current message was handed out.
    begun: bool,
    base: usize,
    keep: usize,
    head: usize,
    tail: usize,
    /// Bytes of the current frame's payload that are still to come: the low and the high half.
    left: [u32; 2],
    /// How many of the held bytes, or of the decoder's output, `text` has seen.
    checked: usize,
    /// The current frame's key, as it applies to the next byte.
    key: MaskingKey,
    /// What `max_message` leaves for the rest of the current message, decoded.
    budget: u32,
    fragments: u32,
    max_message: u32,
    max_frame: u32,
    max_fragments: u32,
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

/// What is received has to be masked, or must not be.
const MASKED: u8 = 1;
/// Pings and pongs are shown to the caller.
const REPORT: u8 = 2;
/// Text is handed out unchecked.
const UNCHECKED: u8 = 4;

/// What the caller of [`Inbound::receive`] hands in: one pointer to pass on instead of seven words.
struct Call<'c> {
    rx: &'c mut [u8],
    slot: &'c [Cell<u8>],
    control: &'c mut Control,
    mode: Mode,
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
            left: [0; 2],
            max_message,
            max_frame,
            // The first frame counts, and is never too many.
            max_fragments: max_fragments.max(1),
            budget: 0,
            fragments: 0,
            key: [0; 4],
            text: Validator::new(),
            frame: Frame::None,
            message: None,
            shown: Shown::new(Kind::Binary, true, true),
            rules: Flags::new(
                if matches!(role, Role::Server) { MASKED } else { 0 }
                    | if config.report_control { REPORT } else { 0 }
                    | if config.skip_utf8_validation { UNCHECKED } else { 0 },
            ),
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
        let room = self.room(rx.len());
        slice_mut(rx, self.tail, room)
    }

    /// How much is read at once: little enough to stay in the fastest cache, and of a large frame no more than is known
    /// to come, so that nothing behind it has to be moved later.
    #[cfg(not(feature = "std"))]
    const fn room(&self, len: usize) -> usize {
        len.saturating_sub(self.tail)
    }

    #[cfg(feature = "std")]
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
            left if self.rules.has(MASKED) => left.min(AHEAD),
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

    /// Decodes one thing and does what it asks for.
    #[cfg_attr(feature = "std", inline)]
    pub(crate) fn receive<D: Decoder>(
        &mut self,
        rx: &mut [u8],
        slot: &[Cell<u8>],
        control: &mut Control,
        decoder: &mut D,
        mode: Mode,
    ) -> Act {
        if mode == Mode::Whole && self.begun {
            return Act::Misplaced;
        }
        if !control.closing.is_receiving() {
            // Only the end of the stream matters any more.
            (self.head, self.tail) = (self.keep, self.keep);
            return Act::Receive;
        }
        self.poll(&mut Call { rx, slot, control, mode }, decoder)
    }

    /// "An endpoint MUST NOT continue to attempt to process data (including a responding Close frame) from the remote
    /// endpoint after being instructed to _Fail the WebSocket Connection_."
    pub(crate) fn fail(&mut self, closing: &mut Closing, error: ProtocolError) {
        trace!("failing the connection with {}", error.close_code().0);
        closing.fail(error);
        self.set_discard(0);
    }

    /// The same on the way.
    #[cfg_attr(not(feature = "std"), inline(never))]
    fn failed(&mut self, call: &mut Call<'_>, error: ProtocolError) -> Act {
        self.fail(&mut call.control.closing, error);
        Act::Owed
    }

    /// Whether a message has begun whose end has not arrived.
    pub(crate) const fn is_unfinished(&self) -> bool {
        self.message.is_some() && !matches!(self.frame, Frame::Undecoded)
    }

    /// Decodes one frame at most: [`Act::Owed`] also where there is nothing to say about it.
    #[cfg_attr(not(feature = "std"), inline(never))]
    fn poll<D: Decoder>(&mut self, call: &mut Call<'_>, decoder: &mut D) -> Act {
        if D::ACTIVE && self.compressed {
            // What the decoder holds back, and what was assembled by a dropped call for a whole message.
            let more = mem::replace(&mut self.handed, false);
            if more {
                decoder.clear();
                self.checked = 0;
                self.compressed = self.message.is_some();
            }
            if self.compressed && (more || call.mode == Mode::Parts && !decoder.output().is_empty()) {
                match self.decode(call, decoder) {
                    Ok(Some(act)) => return act,
                    Ok(None) => {}
                    Err(error) => return self.failed(call, error),
                }
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
        if held && call.mode == Mode::Parts && self.keep > self.base {
            // What a dropped call for a whole message has assembled.
            return self.hand_out(call, false);
        }
        if self.frame == Frame::None { self.begin(call, decoder) } else { self.payload(call, decoder) }
    }

    /// Decodes the header of the next frame, and then its payload.
    #[cfg_attr(feature = "std", inline)]
    #[cfg_attr(not(feature = "std"), inline(never))]
    fn begin<D: Decoder>(&mut self, call: &mut Call<'_>, decoder: &mut D) -> Act {
        let rules = Rules { masked: self.rules.has(MASKED), rsv: if D::ACTIVE { decoder.rsv() } else { 0 } };
        let undecoded = slice(call.rx, self.head, self.tail - self.head);
        match FrameHeader::parse(undecoded, rules) {
            Ok(Status::Complete((header, used))) => {
                if let Err(error) = self.begin_frame(&header, decoder) {
                    return self.failed(call, error);
                }
                self.head += used;
                if self.base == self.keep {
                    // Nothing is held: the payload can stay where it is.
                    (self.base, self.keep) = (self.head, self.head);
                }
                self.payload(call, decoder)
            }
            Ok(Status::Partial) => self.more(call, FrameHeader::MAX_LEN),
            Err(error) => self.failed(call, error),
        }
    }

    /// The rules that a frame obeys because of those before it.
    fn begin_frame<D: Decoder>(
        &mut self,
        header: &FrameHeader,
        decoder: &mut D,
    ) -> Result<(), ProtocolError> {
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
                self.begin_data(data, header)?;
                if D::ACTIVE && header.rsv != 0 {
                    decoder.begin();
                }
                if header.fin { Frame::LastData } else { Frame::Data }
            }
        };
        self.set_left(header.payload_len);
        self.key = header.masking_key.unwrap_or_default();
        Ok(())
    }

    /// The rules of fragmentation (section 5.4) and the limits.
    fn begin_data(&mut self, opcode: Opcode, header: &FrameHeader) -> Result<(), ProtocolError> {
        match (opcode, self.message) {
            (Opcode::Continuation, None) => return Err(ProtocolError::UnexpectedContinuation),
            (Opcode::Continuation, Some(_)) => {}
            (_, Some(_)) => return Err(ProtocolError::ExpectedContinuation),
            (opcode, None) => {
                self.message = Some(if opcode == Opcode::Text { Kind::Text } else { Kind::Binary });
                self.budget = self.max_message;
                self.fragments = 0;
                self.text = Validator::new();
                self.checked = 0;
                self.compressed = header.rsv != 0;
            }
        }
        self.fragments = self.fragments.saturating_add(1);
        if self.fragments > self.max_fragments {
            return Err(ProtocolError::TooManyFragments);
        }
        // Over every limit but none.
        let len = u32::try_from(header.payload_len).unwrap_or(u32::MAX);
        if len > self.max_frame {
            return Err(ProtocolError::FrameTooLarge);
        }
        // The limit is on what a compressed message becomes.
        if self.max_message != u32::MAX && !self.compressed {
            self.budget = self.budget.checked_sub(len).ok_or(ProtocolError::MessageTooLarge)?;
        }
        Ok(())
    }

    #[cfg_attr(feature = "std", inline)]
    fn payload<D: Decoder>(&mut self, call: &mut Call<'_>, decoder: &mut D) -> Act {
        match self.frame {
            Frame::Data | Frame::LastData => self.data(call, decoder),
            Frame::Undecoded => self.more_decoded(call, decoder, false),
            frame => self.control(call, frame),
        }
    }

    /// Decodes what has arrived of a data frame's payload.
    #[cfg_attr(feature = "std", inline)]
    #[cfg_attr(not(feature = "std"), inline(never))]
    fn data<D: Decoder>(&mut self, call: &mut Call<'_>, decoder: &mut D) -> Act {
        let taken = self.left().min(self.tail - self.head);
        self.unmask(call.rx, taken);
        let [low, high] = self.left;
        let left = u64::from(high) << 32 | u64::from(low);
        self.set_left(left - taken as u64);
        // "in place": the payload slides down over the headers that came before it.
        shift(call.rx, self.head..self.head + taken, self.keep);
        self.head += taken;
        self.keep += taken;
        if self.head == self.tail {
            (self.head, self.tail) = (self.keep, self.keep);
        }
        let complete = self.left == [0; 2];
        let fin = complete && self.frame == Frame::LastData;
        if complete {
            self.frame = Frame::None;
        }
        if D::ACTIVE && self.compressed {
            if fin {
                self.frame = Frame::Undecoded;
            }
            return self.more_decoded(call, decoder, !complete);
        }
        // Of a message that is handed out whole once it is all there, `message` does it.
        if !(fin && call.mode == Mode::Whole)
            && let Err(error) = self.check(call.rx, fin)
        {
            return self.failed(call, error);
        }
        if fin || call.mode == Mode::Parts && self.keep > self.base {
            return self.hand_out(call, fin);
        }
        if complete { Act::Owed } else { self.more(call, self.left()) }
    }

    /// Hands out what is held: a whole message, or in parts what there is of it.
    fn hand_out(&mut self, call: &mut Call<'_>, fin: bool) -> Act {
        self.shown = Shown::new(self.message.unwrap_or(Kind::Binary), !self.begun, fin);
        self.checked = 0;
        self.handed = true;
        self.begun = !fin;
        if fin {
            self.message = None;
            call.control.closing.next_deadline();
        }
        Act::Part
    }

    /// Decodes a control frame once its payload is there, and does what it asks for.
    #[cfg_attr(not(feature = "std"), inline(never))]
    fn control(&mut self, call: &mut Call<'_>, frame: Frame) -> Act {
        let len = self.left();
        let missing = len.saturating_sub(self.tail - self.head);
        if missing > 0 {
            return self.more(call, missing);
        }
        let mut kind = Kind::Ping;
        if frame != Frame::Answered {
            let payload = self.unmask(call.rx, len);
            match frame {
                Frame::Close => {
                    let (code, reason) = match parse_body(payload) {
                        Ok(body) => body,
                        Err(error) => return self.failed(call, error),
                    };
                    // Its reason goes to the front of the buffer, where it stays.
                    let (end, len) = (self.head + len, reason.len());
                    shift(call.rx, end - len..end, 0);
                    self.set_discard(len);
                    call.control.closing.set_received(code, u8::try_from(len).unwrap_or(0));
                    return Act::Owed;
                }
                Frame::Ping => {
                    if !call.control.closing.is_closing() {
                        call.control.pong.store(call.slot, payload);
                    }
                    if self.rules.has(REPORT) {
                        // It stays until the next poll, which finds it answered.
                        self.frame = Frame::Answered;
                        return Act::Owed;
                    }
                }
                _ => kind = Kind::Pong,
            }
        }
        self.head += len;
        self.frame = Frame::None;
        self.shown = Shown::new(kind, true, true);
        if self.rules.has(REPORT) { Act::Part } else { Act::Owed }
    }

    /// What is still to come of the payload; of a control frame all of it.
    #[cfg_attr(feature = "std", inline)]
    fn left(&self) -> usize {
        let [low, high] = self.left;
        usize::try_from(u64::from(high) << 32 | u64::from(low)).unwrap_or(usize::MAX)
    }

    #[allow(clippy::cast_possible_truncation, reason = "the halves")]
    fn set_left(&mut self, left: u64) {
        self.left = [left as u32, (left >> 32) as u32];
    }

    /// The next `len` bytes of the payload, unmasked.
    #[cfg_attr(feature = "std", inline)]
    fn unmask<'r>(&mut self, rx: &'r mut [u8], len: usize) -> &'r mut [u8] {
        let payload = slice_mut(rx, self.head, len);
        if self.rules.has(MASKED) {
            apply_mask(payload, self.key, 0);
            self.key = rotate(self.key, len as u64);
        }
        payload
    }

    /// Checks the text that is held and was not checked yet: "as soon as the offending byte has arrived", before the next
    /// frame can break another rule.
    fn check(&mut self, rx: &[u8], fin: bool) -> Result<(), ProtocolError> {
        if self.message == Some(Kind::Text) && !self.rules.has(UNCHECKED) {
            let held = self.keep - self.base;
            self.text.push(slice(rx, self.base + self.checked, held - self.checked))?;
            self.checked = held;
            if fin && !self.text.is_complete() {
                return Err(ProtocolError::InvalidUtf8);
            }
        }
        Ok(())
    }

    /// Makes room for `wanted` bytes, as far as that goes.
    #[cfg_attr(not(feature = "std"), inline(never))]
    fn more(&mut self, call: &mut Call<'_>, wanted: usize) -> Act {
        let rx = &mut *call.rx;
        let there = self.keep - self.base + (self.tail - self.head);
        let cheap = cfg!(feature = "std") && there <= self.base / 8;
        if cheap || rx.len().saturating_sub(self.tail) < wanted {
            // Once a message at most: `base` is 0 from then on, and undecoded bytes are less than one frame.
            shift(rx, self.base..self.keep, 0);
            self.keep -= self.base;
            self.base = 0;
            shift(rx, self.head..self.tail, self.keep);
            self.tail -= self.head - self.keep;
            self.head = self.keep;
        }
        if self.tail < rx.len() { Act::Receive } else { Act::Grow }
    }
}
