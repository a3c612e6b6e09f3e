//! Frames, by the letter of RFC 6455 section 5.2.

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    pub fin: bool,
    pub rsv: u8,
    pub opcode: u8,
    pub masked: bool,
    /// How many bytes the length took beyond the first.
    pub extended: usize,
    /// As announced.
    pub len: u64,
    /// As far as it is there, unmasked.
    pub payload: Vec<u8>,
    /// Of the whole frame, as far as it is there.
    pub size: usize,
}

impl Frame {
    pub fn is_complete(&self) -> bool {
        self.payload.len() as u64 == self.len
    }

    pub fn is_control(&self) -> bool {
        self.opcode & 8 != 0
    }
}

/// What the front of a wire is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Front {
    /// Not even two bytes.
    Nothing,
    /// The first two bytes of a header that is not complete.
    Begun(u8, u8),
    /// A header, and as much of the payload as there is.
    Frame(Frame),
}

pub fn front(wire: &[u8]) -> Front {
    let [first, second, rest @ ..] = wire else {
        return Front::Nothing;
    };
    let (first, second) = (*first, *second);
    let extended = match second & 0x7F {
        126 => 2,
        127 => 8,
        _ => 0,
    };
    let masked = second & 0x80 != 0;
    let key_len = if masked { 4 } else { 0 };
    if rest.len() < extended + key_len {
        return Front::Begun(first, second);
    }
    let (digits, rest) = rest.split_at(extended);
    let (key, rest) = rest.split_at(key_len);
    let len = match extended {
        0 => u64::from(second & 0x7F),
        _ => digits.iter().fold(0, |len, digit| len << 8 | u64::from(*digit)),
    };
    let there = rest.len().min(usize::try_from(len).unwrap_or(usize::MAX));
    let payload =
        rest[..there].iter().enumerate().map(|(i, byte)| if masked { byte ^ key[i % 4] } else { *byte });
    Front::Frame(Frame {
        fin: first & 0x80 != 0,
        rsv: first >> 4 & 7,
        opcode: first & 0xF,
        masked,
        extended,
        len,
        payload: payload.collect(),
        size: 2 + extended + key_len + there,
    })
}

/// A frame that announces `len` bytes; `extended` says in how many bytes more than one, if not in the fewest.
pub fn emit(
    out: &mut Vec<u8>,
    first: u8,
    len: u64,
    extended: Option<usize>,
    key: Option<[u8; 4]>,
    payload: &[u8],
) {
    let mask = if key.is_some() { 0x80 } else { 0 };
    let extended = extended.unwrap_or(match len {
        0..=125 => 0,
        126..=0xFFFF => 2,
        _ => 8,
    });
    out.push(first);
    match extended {
        2 => {
            out.push(mask | 126);
            out.extend((len as u16).to_be_bytes());
        }
        8 => {
            out.push(mask | 127);
            out.extend(len.to_be_bytes());
        }
        _ => out.push(mask | len as u8),
    }
    out.extend(key.iter().flatten());
    out.extend(payload.iter().enumerate().map(|(i, byte)| byte ^ key.map_or(0, |key| key[i % 4])));
}
