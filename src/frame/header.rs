use super::{MAX_CONTROL_PAYLOAD, MaskingKey, Opcode, Status};
use crate::ProtocolError;

/// A frame's header (RFC 6455 section 5.2).
///
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-+-+-+-+-------+-+-------------+-------------------------------+
/// |F|R|R|R| opcode|M| Payload len |    Extended payload length    |
/// |I|S|S|S|  (4)  |A|     (7)     |             (16/64)           |
/// |N|V|V|V|       |S|             |   (if payload len==126/127)   |
/// | |1|2|3|       |K|             |                               |
/// +-+-+-+-+-------+-+-------------+ - - - - - - - - - - - - - - - +
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct FrameHeader {
    /// Whether this is the last frame of its message.
    pub fin: bool,
    /// The bits RSV1, RSV2, RSV3 as the values 4, 2, 1.
    pub rsv: u8,
    /// What the frame carries.
    pub opcode: Opcode,
    /// The key that the payload is masked with, if it is.
    pub masking_key: Option<MaskingKey>,
    /// Length of the payload in bytes; below 2^63.
    pub payload_len: u64,
}

/// What a receiver accepts beyond what every frame has to obey.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Rules {
    /// Whether frames have to be masked (at a server), or must not be (at a client): RFC 6455 section 5.1.
    pub masked: bool,
    /// The RSV bits that a negotiated extension gives a meaning to, as 4, 2, 1.
    pub rsv: u8,
}

/// The first bit of a frame's first byte.
pub(crate) const FIN: u8 = 0x80;

/// The first bit of its second byte.
const MASK: u8 = 0x80;

/// The first of the reserved bits, as in [`FrameHeader::rsv`]: "Per-Message Compressed" (RFC 7692 section 6).
pub(crate) const RSV1: u8 = 4;

impl FrameHeader {
    /// The longest a header can be, in bytes.
    pub const MAX_LEN: usize = 14;

    /// Parses a header at the front of `input`; returns it with the number of bytes that it took.
    ///
    /// # Errors
    /// The rule of section 5 that the header breaks, known as soon as its first two bytes are there where they suffice.
    pub fn parse(input: &[u8], rules: Rules) -> Result<Status<(Self, usize)>, ProtocolError> {
        let [first, second, rest @ ..] = input else {
            return Ok(Status::Partial);
        };
        let opcode = check(*first, *second, rules)?;
        let Some((extended, rest)) = rest.split_at_checked(extended_len(second & 0x7F)) else {
            return Ok(Status::Partial);
        };
        let (masking_key, rest) = if second & MASK == 0 {
            (None, rest)
        } else if let Some((key, rest)) = rest.split_first_chunk() {
            (Some(*key), rest)
        } else {
            return Ok(Status::Partial);
        };
        let payload_len = payload_len(second & 0x7F, extended)?;
        let header = Self { fin: first & FIN != 0, rsv: first >> 4 & 7, opcode, masking_key, payload_len };
        Ok(Status::Complete((header, input.len() - rest.len())))
    }

    /// Encodes the header at the front of `out`; returns its length, or `None` if `out` is shorter.
    pub fn emit(&self, out: &mut [u8]) -> Option<usize> {
        let len = self.encoded_len();
        let first = (self.fin as u8) << 7 | (self.rsv & 7) << 4 | self.opcode as u8;
        emit_header(out.get_mut(..len)?, first, self.masking_key, self.payload_len);
        Some(len)
    }

    /// Length of the encoded header, in bytes.
    #[must_use]
    pub const fn encoded_len(&self) -> usize {
        header_len(self.payload_len, self.masking_key.is_some())
    }
}

pub(crate) const fn header_len(payload_len: u64, masked: bool) -> usize {
    let extended = match payload_len {
        0..=125 => 0,
        126..=0xFFFF => 2,
        _ => 8,
    };
    2 + extended + if masked { 4 } else { 0 }
}

/// Fills `out`, which has the length of the header.
#[allow(clippy::cast_possible_truncation, reason = "byte by byte")]
#[cfg_attr(feature = "std", inline)]
pub(crate) fn emit_header(out: &mut [u8], first: u8, masking_key: Option<MaskingKey>, mut payload_len: u64) {
    let [to_first, to_second, rest @ ..] = out else { return };
    *to_first = first;
    let (extended, masked) = match (masking_key, rest.split_last_chunk_mut()) {
        (Some(key), Some((extended, to_key))) => {
            *to_key = key;
            (extended, 0x80)
        }
        (_, _) => (rest, 0),
    };
    *to_second = masked
        | match extended.len() {
            0 => payload_len as u8,
            2 => 126,
            _ => 127,
        };
    for byte in extended.iter_mut().rev() {
        *byte = payload_len as u8;
        payload_len >>= 8;
    }
}

/// How many bytes the length has beyond the first, which is `short`.
pub(crate) const fn extended_len(short: u8) -> usize {
    match short {
        126 => 2,
        127 => 8,
        _ => 0,
    }
}

/// The length, of its first byte and the others.
#[cfg_attr(feature = "std", inline)]
pub(crate) fn payload_len(short: u8, extended: &[u8]) -> Result<u64, ProtocolError> {
    let minimal = match extended.len() {
        0 => return Ok(u64::from(short)),
        2 => 126,
        _ => 0x1_0000,
    };
    let len = extended.iter().fold(0, |len, byte| len << 8 | u64::from(*byte));
    // "the minimal number of bytes MUST be used to encode the length"
    if len < minimal {
        return Err(ProtocolError::NonMinimalLength);
    }
    // "the most significant bit MUST be 0"
    if len >> 63 != 0 {
        return Err(ProtocolError::LengthOverflow);
    }
    Ok(len)
}

/// All that the first two bytes can tell.
#[cfg_attr(feature = "std", inline)]
pub(crate) fn check(first: u8, second: u8, rules: Rules) -> Result<Opcode, ProtocolError> {
    // "MUST be 0 unless an extension is negotiated that defines meanings for non-zero values"
    if first >> 4 & 7 & !rules.rsv != 0 {
        return Err(ProtocolError::ReservedBits);
    }
    // "If an unknown opcode is received, the receiving endpoint MUST _Fail the WebSocket Connection_."
    let opcode = Opcode::from_bits(first).ok_or(ProtocolError::ReservedOpcode(first & 0xF))?;
    if second >> 7 != rules.masked as u8 {
        // "a server MUST close the connection upon receiving a frame that is not masked", "A client MUST close a
        // connection if it detects a masked frame."
        return Err(if rules.masked { ProtocolError::MaskRequired } else { ProtocolError::MaskForbidden });
    }
    if opcode.is_control() {
        // "All control frames MUST have a payload length of 125 bytes or less and MUST NOT be fragmented."
        if first & FIN == 0 {
            return Err(ProtocolError::FragmentedControlFrame);
        }
        if usize::from(second & 0x7F) > MAX_CONTROL_PAYLOAD {
            return Err(ProtocolError::ControlFrameTooLong);
        }
    }
    Ok(opcode)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANY: [Rules; 2] = [Rules { masked: false, rsv: 7 }, Rules { masked: true, rsv: 7 }];

    #[test]
    fn round_trip_at_every_length_and_cut() {
        for payload_len in [0, 1, 125, 126, 127, 0xFFFF, 0x1_0000, u64::from(u32::MAX) + 1, u64::MAX >> 1] {
            for rules in ANY {
                let masking_key = rules.masked.then_some([1, 2, 3, 4]);
                let header =
                    FrameHeader { fin: true, rsv: 5, opcode: Opcode::Binary, masking_key, payload_len };
                let mut bytes = [0; FrameHeader::MAX_LEN];
                let len = header.emit(&mut bytes).unwrap();
                assert_eq!(len, header.encoded_len());
                assert_eq!(header.emit(&mut bytes[..len - 1]), None);
                for cut in 0..len {
                    assert_eq!(FrameHeader::parse(&bytes[..cut], rules), Ok(Status::Partial));
                }
                assert_eq!(FrameHeader::parse(&bytes, rules), Ok(Status::Complete((header, len))));
            }
        }
    }

    #[test]
    fn examples_of_section_5_7() {
        let [client, server] = ANY;
        let parse = |bytes, rules| match FrameHeader::parse(bytes, rules) {
            Ok(Status::Complete((h, n))) => (h.fin, h.opcode, h.payload_len, n),
            other => panic!("{other:?}"),
        };
        assert_eq!(parse(&[0x81, 0x05], client), (true, Opcode::Text, 5, 2));
        assert_eq!(parse(&[0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d], server), (true, Opcode::Text, 5, 6));
        assert_eq!(parse(&[0x01, 0x03], client), (false, Opcode::Text, 3, 2));
        assert_eq!(parse(&[0x80, 0x02], client), (true, Opcode::Continuation, 2, 2));
        assert_eq!(parse(&[0x89, 0x05], client), (true, Opcode::Ping, 5, 2));
        assert_eq!(parse(&[0x82, 0x7E, 0x01, 0x00], client), (true, Opcode::Binary, 256, 4));
        assert_eq!(parse(&[0x82, 0x7F, 0, 0, 0, 0, 0, 1, 0, 0], client), (true, Opcode::Binary, 65536, 10));
    }

    #[test]
    fn each_rule_at_the_first_byte_that_breaks_it() {
        let client = Rules { masked: false, rsv: 0 };
        let server = Rules { masked: true, rsv: 0 };
        let cases: &[(&[u8], Rules, ProtocolError)] = &[
            (&[0xC1, 0x7E], client, ProtocolError::ReservedBits),
            (&[0x83, 0x00], client, ProtocolError::ReservedOpcode(3)),
            (&[0x8F, 0x00], client, ProtocolError::ReservedOpcode(15)),
            (&[0x09, 0x00], client, ProtocolError::FragmentedControlFrame),
            (&[0x89, 0x7E], client, ProtocolError::ControlFrameTooLong),
            (&[0x88, 0x7F], client, ProtocolError::ControlFrameTooLong),
            (&[0x81, 0x85], client, ProtocolError::MaskForbidden),
            (&[0x81, 0x05], server, ProtocolError::MaskRequired),
            (&[0x82, 0x7E, 0, 125], client, ProtocolError::NonMinimalLength),
            (&[0x82, 0x7F, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF], client, ProtocolError::NonMinimalLength),
            (&[0x82, 0x7F, 0x80, 0, 0, 0, 0, 0, 0, 0], client, ProtocolError::LengthOverflow),
        ];
        for (bytes, rules, error) in cases {
            assert_eq!(FrameHeader::parse(bytes, *rules), Err(*error));
            assert_eq!(FrameHeader::parse(&bytes[..1], *rules), Ok(Status::Partial));
        }
    }
}
