//! Any bytes as a frame's header, under all rules.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sockling::frame::{FrameHeader, Rules, Status};
use sockling_fuzz::frames::{Front, front};

fuzz_target!(|data: &[u8]| {
    for masked in [false, true] {
        for rsv in 0..8 {
            check(data, Rules { masked, rsv });
        }
    }
});

fn check(data: &[u8], rules: Rules) {
    let parsed = FrameHeader::parse(data, rules);
    // What the first bytes tell stays true.
    for cut in 0..data.len().min(20) {
        match FrameHeader::parse(&data[..cut], rules) {
            Ok(Status::Partial) => assert!(cut < FrameHeader::MAX_LEN),
            earlier => assert_eq!(earlier, parsed),
        }
    }
    match parsed {
        Ok(Status::Partial) => {
            assert!(data.len() < FrameHeader::MAX_LEN);
            assert!(!matches!(front(data), Front::Frame(_)));
        }
        Ok(Status::Complete((header, used))) => {
            let mut bytes = [0; FrameHeader::MAX_LEN];
            let len = header.emit(&mut bytes).expect("there is room");
            assert_eq!((len, &bytes[..len]), (used, &data[..used]), "not what was parsed");
            assert_eq!(header.encoded_len(), used);
            let Front::Frame(frame) = front(data) else {
                panic!("not a whole header: {header:?}");
            };
            assert_eq!(
                (
                    header.fin,
                    header.rsv,
                    header.opcode as u8,
                    header.masking_key.is_some(),
                    header.payload_len
                ),
                (frame.fin, frame.rsv, frame.opcode, frame.masked, frame.len)
            );
            assert_eq!(frame.masked, rules.masked);
            assert_eq!(frame.rsv & !rules.rsv, 0);
            assert!(frame.len < 1 << 63);
            assert!(!frame.is_control() || frame.fin && frame.len <= 125);
            let extended = match frame.len {
                0..=125 => 0,
                126..=0xFFFF => 2,
                _ => 8,
            };
            assert_eq!(frame.extended, extended);
        }
        Err(error) => assert_eq!(error.close_code(), sockling::CloseCode::PROTOCOL_ERROR),
    }
}
