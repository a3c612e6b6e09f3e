//! What an endpoint has to make of the bytes that it receives: RFC 6455, applied to one byte after the other.

use std::str;

use crate::frames::{Front, front};

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    Text(Vec<u8>),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
}

/// How it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// More is to come.
    Open,
    /// A close frame came, with this code (1005: with none).
    Closed(u16),
    /// A rule was broken, and this code tells the peer which.
    Failed(u16),
}

#[derive(Clone, Debug)]
pub struct Receiver {
    pub server: bool,
    /// Whether text may be anything.
    pub unchecked: bool,
    pub max_message: u32,
    pub max_frame: u32,
    pub max_fragments: u32,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decoded {
    pub events: Vec<Event>,
    /// What there is of the message that is not complete, if there is one: whether it is text, and its bytes.
    pub partial: Option<(bool, Vec<u8>)>,
    /// The length that the frames of that message have announced.
    pub announced: u64,
    pub end: End,
}

const PROTOCOL_ERROR: u16 = 1002;
const INVALID_DATA: u16 = 1007;
const POLICY: u16 = 1008;
const TOO_BIG: u16 = 1009;

impl Receiver {
    pub fn decode(&self, mut wire: &[u8]) -> Decoded {
        let mut decoded = Decoded { events: vec![], partial: None, announced: 0, end: End::Open };
        let mut fragments = 0;
        while decoded.end == End::Open {
            match self.step(wire, &mut decoded, &mut fragments) {
                Ok(0) => break,
                Ok(size) => wire = &wire[size..],
                Err(end) => decoded.end = end,
            }
        }
        decoded
    }

    /// Takes one frame; 0 if it is not complete.
    fn step(&self, wire: &[u8], decoded: &mut Decoded, fragments: &mut u32) -> Result<usize, End> {
        let broken = Err(End::Failed(PROTOCOL_ERROR));
        let (first, second) = match front(wire) {
            Front::Nothing => return Ok(0),
            Front::Begun(..) | Front::Frame(_) => (wire[0], wire[1]),
        };
        let opcode = first & 0xF;
        if first & 0x70 != 0 || !matches!(opcode, 0..=2 | 8..=10) {
            return broken;
        }
        if opcode >= 8 && (first & 0x80 == 0 || second & 0x7F > 125) {
            return broken;
        }
        if (second & 0x80 != 0) != self.server {
            return broken;
        }
        // Fragmentation shows in the first byte, too.
        match (&decoded.partial, opcode) {
            (Some(_), 0) if *fragments >= self.max_fragments => return Err(End::Failed(POLICY)),
            (Some(_), 0) | (None, 1 | 2) | (_, 8..) => {}
            _ => return broken,
        }
        let Front::Frame(frame) = front(wire) else {
            return Ok(0);
        };
        if frame.len >> 63 != 0
            || frame.extended == 2 && frame.len < 126
            || frame.extended == 8 && frame.len < 0x1_0000
        {
            return broken;
        }
        if frame.is_control() {
            if !frame.is_complete() {
                return Ok(0);
            }
            match opcode {
                8 => return Err(close(&frame.payload)),
                9 => decoded.events.push(Event::Ping(frame.payload)),
                _ => decoded.events.push(Event::Pong(frame.payload)),
            }
            return Ok(frame.size);
        }
        if opcode == 0 {
            *fragments += 1;
        } else {
            decoded.partial = Some((opcode == 1, vec![]));
            *fragments = 1;
            decoded.announced = 0;
        }
        decoded.announced = decoded.announced.saturating_add(frame.len);
        if self.max_frame != u32::MAX && frame.len > u64::from(self.max_frame)
            || self.max_message != u32::MAX && decoded.announced > u64::from(self.max_message)
        {
            return Err(End::Failed(TOO_BIG));
        }
        let Some((text, data)) = &mut decoded.partial else {
            return broken;
        };
        data.extend_from_slice(&frame.payload);
        let complete = frame.is_complete();
        if *text && !self.unchecked {
            match str::from_utf8(data) {
                Err(error) if error.error_len().is_some() || complete && frame.fin => {
                    return Err(End::Failed(INVALID_DATA));
                }
                _ => {}
            }
        }
        if !complete {
            return Ok(0);
        }
        if frame.fin {
            let data = std::mem::take(data);
            decoded.events.push(if *text { Event::Text(data) } else { Event::Binary(data) });
            decoded.partial = None;
        }
        Ok(frame.size)
    }
}

fn close(body: &[u8]) -> End {
    match body {
        [] => End::Closed(1005),
        [_] => End::Failed(PROTOCOL_ERROR),
        [a, b, reason @ ..] => match u16::from_be_bytes([*a, *b]) {
            code @ (1000..=1003 | 1007..=1014 | 3000..=4999) if str::from_utf8(reason).is_ok() => {
                End::Closed(code)
            }
            1000..=1003 | 1007..=1014 | 3000..=4999 => End::Failed(INVALID_DATA),
            _ => End::Failed(PROTOCOL_ERROR),
        },
    }
}
