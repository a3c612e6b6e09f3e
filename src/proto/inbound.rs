mod compressed;
mod header;
mod quick;
mod shown;

use core::{cell::Cell, mem, ops::Range};

use header::Frame;
use shown::Shown;

use super::{Act, Closing, Config, Control, Flags, Mode, Role};
use crate::{
    Kind, Limits, MisuseError, ProtocolError,
    buffer::{shift, slice_mut},
    extension::Decoder,
    frame::{FrameHeader, MaskingKey, Opcode, apply_mask, parse_body, rotate},
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

/// What is received has to be masked, or must not be.
const MASKED: u8 = 1;
/// Pings and pongs are shown to the caller.
const REPORT: u8 = 2;
/// Text is handed out unchecked.
const UNCHECKED: u8 = 4;

/// Whether text that is handed out whole is checked only there, all at once, which is the fastest. Where size counts more
/// it is checked like all other text, as it comes, and nothing can be wrong with it any more.
const CHECKED_AT_ONCE: bool = cfg!(feature = "std");

/// What a piece of the peer's bytes leads to.
enum Next {
    /// The next piece.
    Again,
    /// The next piece, once more of it has arrived.
    More,
    /// Something for the caller.
    Part,
    /// Something is owed to the peer.
    Owed,
    /// A rule was broken.
    Failed(ProtocolError),
}

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
            frame: Frame::NONE,
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
        let payload = self.frame.0 & (0x8 | Frame::HEADER) == 0;
        let left = if payload { self.left() } else { 0 };
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
        self.frame = Frame::NONE;
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
        if self.quick::<D>(rx, control, mode) {
            return Act::Part;
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

    /// Whether a message has begun whose end has not arrived.
    pub(crate) const fn is_unfinished(&self) -> bool {
        self.message.is_some() && !matches!(self.frame, Frame::UNDECODED)
    }

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
                    Next::More => {}
                    next => return self.taken(call, next),
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
            self.hand_out(call, false);
            return Act::Part;
        }
        loop {
            let next = match self.frame {
                Frame::NONE => self.begin(call.rx, decoder),
                Frame(first) if first & Frame::HEADER != 0 => self.length(call.rx),
                Frame::UNDECODED if D::ACTIVE => self.decode(call, decoder),
                frame if frame.is_control() => self.control(call, frame),
                frame => self.data(call, decoder, frame),
            };
            if !matches!(next, Next::Again) {
                return self.taken(call, next);
            }
        }
    }

    /// What that means to the driver.
    #[inline]
    fn taken(&mut self, call: &mut Call<'_>, next: Next) -> Act {
        match next {
            Next::Part => Act::Part,
            Next::More => self.more(call.rx),
            Next::Failed(error) => {
                self.fail(&mut call.control.closing, error);
                Act::Owed
            }
            Next::Owed | Next::Again => Act::Owed,
        }
    }

    /// Decodes what has arrived of a data frame's payload.
    #[cfg_attr(feature = "std", inline)]
    #[cfg_attr(not(feature = "std"), inline(never))]
    fn data<D: Decoder>(&mut self, call: &mut Call<'_>, decoder: &mut D, frame: Frame) -> Next {
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
        let fin = complete && frame.is_fin();
        if complete {
            self.frame = Frame::NONE;
        }
        if D::ACTIVE && self.compressed {
            if fin {
                self.frame = Frame::UNDECODED;
            }
            return match self.decode(call, decoder) {
                Next::More if complete => Next::Again,
                next => next,
            };
        }
        // Of a message that is handed out whole once it is all there, `message` may do it.
        if !(CHECKED_AT_ONCE && fin && call.mode == Mode::Whole)
            && let Err(error) = self.check(call.rx, fin)
        {
            return Next::Failed(error);
        }
        if fin || call.mode == Mode::Parts && self.keep > self.base {
            self.hand_out(call, fin);
            Next::Part
        } else if complete {
            Next::Again
        } else {
            Next::More
        }
    }

    /// Hands out what is held: a whole message, or in parts what there is of it.
    fn hand_out(&mut self, call: &mut Call<'_>, fin: bool) {
        self.shown = Shown::new(self.message.unwrap_or(Kind::Binary), !self.begun, fin);
        self.checked = 0;
        self.handed = true;
        self.begun = !fin;
        if fin {
            self.message = None;
            call.control.closing.next_deadline();
        }
    }

    /// Decodes a control frame once its payload is there, and does what it asks for.
    #[allow(clippy::cast_possible_truncation, reason = "at most 125")]
    fn control(&mut self, call: &mut Call<'_>, frame: Frame) -> Next {
        let [len, _] = self.left;
        let len = len as usize;
        if len > self.tail - self.head {
            return Next::More;
        }
        let mut kind = Kind::Ping;
        if frame != Frame::ANSWERED {
            let payload = self.unmask(call.rx, len);
            match frame.opcode() {
                Some(Opcode::Close) => {
                    let (code, reason) = match parse_body(payload) {
                        Ok(body) => body,
                        Err(error) => return Next::Failed(error),
                    };
                    // Its reason goes to the front of the buffer, where it stays.
                    let (end, len) = (self.head + len, reason.len());
                    shift(call.rx, end - len..end, 0);
                    self.set_discard(len);
                    call.control.closing.set_received(code, len as u8);
                    return Next::Owed;
                }
                Some(Opcode::Ping) => {
                    if !call.control.closing.is_closing() {
                        call.control.pong.store(call.slot, payload);
                    }
                    if self.rules.has(REPORT) {
                        // It stays until the next poll, which finds it answered.
                        self.frame = Frame::ANSWERED;
                        return Next::Owed;
                    }
                }
                _ => kind = Kind::Pong,
            }
        }
        self.head += len;
        self.frame = Frame::NONE;
        self.shown = Shown::new(kind, true, true);
        if self.rules.has(REPORT) { Next::Part } else { Next::Owed }
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
            if let Some(unseen) = rx.get(self.base + self.checked..self.keep) {
                self.text.push(unseen)?;
            }
            self.checked = self.keep - self.base;
            if fin && !self.text.is_complete() {
                return Err(ProtocolError::InvalidUtf8);
            }
        }
        Ok(())
    }

    /// Makes room for what has to come next, as far as that goes.
    fn more(&mut self, rx: &mut [u8]) -> Act {
        let wanted = if self.frame.0 & Frame::HEADER != 0 {
            FrameHeader::MAX_LEN
        } else {
            self.left().saturating_sub(self.tail - self.head)
        };
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
