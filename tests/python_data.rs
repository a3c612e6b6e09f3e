//! The test data of Python's `websocket-client` (1.9.2), frame by frame; where this library decides otherwise, its
//! decision. Most of theirs is what a client receives, in its tests often masked: here such is what a server receives.

mod support;

use sockling::{
    Config, Error, Kind, Message, MisuseError,
    ProtocolError::*,
    Role,
    frame::{FrameHeader, Opcode, Rules, Status, apply_mask},
    proto::Session,
    utf8::Validator,
};
use support::{
    Script,
    drive::{Blocking, Got, Outcome, ROLES, Setup, TIMED_OUT, closed, wire},
    frames,
};

const KEY: [u8; 4] = *b"abcd";

/// The masking key of all their tests.
#[derive(Clone, Debug)]
struct Abcd;

impl sockling::Random for Abcd {
    fn fill(&mut self, dest: &mut [u8]) {
        dest.copy_from_slice(&KEY);
    }
}

/// A client with their key, and what it sends.
fn client() -> (Blocking<Script, Abcd>, Script) {
    let io = Script::new(&[], 1 << 20).hanging();
    let session = Session::new(Role::Client, &Config::DEFAULT);
    (Blocking::from_parts(io.clone(), session, Abcd, vec![0; 512], vec![0; 70_000]).unwrap(), io)
}

/// What a server makes of these bytes, which are masked.
fn at_server(input: &[u8]) -> Outcome {
    Setup::new(Role::Server).hanging(input)
}

fn at_client(input: &[u8]) -> Outcome {
    Setup::new(Role::Client).hanging(input)
}

const HELLO: &[u8] = b"\x81\x85abcd\x29\x07\x0f\x08\x0e";
const KONNICHIWA: &[u8] = b"\x81\x8fabcd\x82\xe3\xf0\x87\xe3\xf1\x80\xe5\xca\x81\xe2\xc5\x82\xe3\xcc";
const HELLO_WORLD: &[u8] = b"\x81\x8dabcd\x29\x07\x0f\x08\x0e\x4e\x43\x33\x0e\x10\x0f\x00\x40";

#[test]
fn test_send() {
    let (mut ws, io) = client();
    ws.send("Hello").unwrap();
    ws.send("こんにちは").unwrap();
    assert_eq!(*io.output.borrow(), [HELLO, KONNICHIWA].concat());
}

#[test]
fn test_send_binary() {
    let (mut ws, io) = client();
    // Theirs returns the length of the frame, 19; ours returns nothing, and the frame is as long.
    ws.send(b"Hello, World!").unwrap();
    assert_eq!(io.output.borrow().len(), 19);
    assert_eq!(io.output.borrow()[..2], [0x82, 0x8d]);
}

#[test]
fn test_recv() {
    let outcome = at_server(&[KONNICHIWA, HELLO].concat());
    assert_eq!(outcome.got, [Got::text("こんにちは"), Got::text("Hello")]);
    // A client refuses what is masked; theirs takes it.
    assert_eq!(at_client(HELLO).end, Error::Protocol(MaskForbidden));
    assert_eq!(at_client(b"\x81\x05Hello").got, [Got::text("Hello")]);
    assert_eq!(at_server(b"\x81\x05Hello").end, Error::Protocol(MaskRequired));
}

#[test]
fn test_recv_timeout() {
    let io = Script::new(b"\x81", 1 << 20).hanging();
    let mut ws = Setup::new(Role::Server).blocking(&io);
    assert_eq!(ws.recv().map(Got::from), Err(TIMED_OUT));
    io.input.borrow_mut().extend(b"\x8dabcd\x29\x07\x0f\x08\x0e");
    assert_eq!(ws.recv().map(Got::from), Err(TIMED_OUT));
    io.input.borrow_mut().extend(b"\x4e\x43\x33\x0e\x10\x0f\x00\x40");
    assert_eq!(ws.recv().map(Got::from), Ok(Got::text("Hello, World!")));
    let outcome = Setup::new(Role::Server).ending(HELLO_WORLD);
    assert_eq!((&outcome.got[..], outcome.end), (&[Got::text("Hello, World!")][..], Error::ConnectionLost));
}

/// Theirs is a test of a private `recv_strict`; here, reads of 3 bytes and time-outs in between lose nothing.
#[test]
fn test_internal_recv_strict() {
    let io = Script::new(b"\x82\x09foo", 3).hanging();
    let mut ws = Setup::new(Role::Client).blocking(&io);
    assert_eq!(ws.recv().map(Got::from), Err(TIMED_OUT));
    io.input.borrow_mut().extend(b"barbaz");
    assert_eq!(ws.recv().map(Got::from), Ok(Got::Binary(b"foobarbaz".into())));
    // Bytes of a read that a message does not need are the next message's (test_recv_strict_preserves_unconsumed_bytes).
    assert_eq!(
        at_client(b"\x82\x04abcd\x82\x02ef").got,
        [Got::Binary(b"abcd".into()), Got::Binary(b"ef".into())]
    );
}

#[test]
fn test_recv_with_fragmentation() {
    for role in ROLES {
        for (fragments, whole) in [
            (&[&b"Brevity is "[..], b"the soul of wit"][..], "Brevity is the soul of wit"),
            (
                &[b"Once more unto the breach, ", b"dear friends, ", b"once more"],
                "Once more unto the breach, dear friends, once more",
            ),
        ] {
            let last = fragments.len() - 1;
            let all: Vec<(u8, &[u8])> = fragments
                .iter()
                .enumerate()
                .map(|(i, part)| (u8::from(i == 0) | if i == last { 0x80 } else { 0 }, *part))
                .collect();
            assert_eq!(Setup::new(role).hanging(&wire(role, &all)).got, [Got::text(whole)]);
        }
    }
}

/// Their `fire_cont_frame` is `recv_part`; it returns what has arrived, which here is a fragment each.
#[test]
fn test_recv_with_fire_event_of_fragmentation() {
    for role in ROLES {
        let parts: [(u8, &[u8]); 4] = [
            (0x01, b"Brevity is "),
            (0x00, b"Brevity is "),
            (0x80, b"the soul of wit"),
            (0x80, b"the soul of wit"),
        ];
        Setup::new(role).each_hanging(&wire(role, &parts), |ws, _| {
            let mut text = vec![];
            loop {
                let piece = ws.recv_part().unwrap();
                assert_eq!((piece.kind, piece.first), (Kind::Text, text.is_empty()));
                text.extend(piece.data);
                if piece.fin {
                    break;
                }
            }
            assert_eq!(text, b"Brevity is Brevity is the soul of wit");
            assert_eq!(ws.recv_part(), Err(Error::Protocol(UnexpectedContinuation)));
        });
    }
}

#[test]
fn test_recv_cont_fragmentation() {
    for role in ROLES {
        let outcome = Setup::new(role).hanging(&wire(role, &[(0x80, b"the soul of wit")]));
        assert_eq!(outcome.end, Error::Protocol(UnexpectedContinuation));
    }
}

#[test]
fn test_recv_with_fragmentation_and_control_frame() {
    for role in ROLES {
        let input =
            wire(role, &[(0x01, b"Too much "), (0x89, b"Please PONG this"), (0x80, b"of a good thing")]);
        let outcome = Setup::new(role).hanging(&input);
        assert_eq!(outcome.got, [Got::text("Too much of a good thing")]);
        let sent: Vec<(u8, &[u8])> =
            outcome.sent.iter().map(|frame| (frame.first, &frame.payload[..])).collect();
        assert_eq!(sent, [(0x8a, &b"Please PONG this"[..])]);
    }
}

#[test]
fn test_close() {
    // An empty close frame, masked.
    let outcome = at_server(b"\x88\x80\x17\x98\x70\x84");
    assert_eq!(outcome.end, Error::Closed(closed(1005, 1005)));
    let outcome = Setup::new(Role::Client).ending(b"\x88\x00");
    assert_eq!(outcome.end, Error::Closed(closed(1005, 1005)));
}

#[test]
fn test_validate() {
    for skip in [false, true] {
        for role in ROLES {
            let setup = Setup::new(role).config(|config| config.skip_utf8_validation = skip);
            for (first, payload, error) in [
                (0x09, &b""[..], FragmentedControlFrame),
                (0xC1, b"", ReservedBits),
                (0x80 | 77 & 0xF, b"", ReservedOpcode(77 & 0xF)),
                (0x80 | 5, b"", ReservedOpcode(5)),
                (0x88, b"\x01", CloseBodyTooShort),
                // Theirs names the code of this; the reason is no UTF-8 either.
                (0x88, b"\x01\x8a\xaa\xff\xdd", InvalidCloseCode(394)),
                (0x88, b"\x03\xe7", InvalidCloseCode(999)),
                // Theirs calls it a protocol error; the RFC says 1007 of "data within a message", and so do we.
                (0x88, b"\x03\xe8\xff\xfe", InvalidUtf8),
            ] {
                assert_eq!(setup.hanging(&wire(role, &[(first, payload)])).end, Error::Protocol(error));
            }
        }
    }
}

#[test]
fn test_validate_exception_messages_are_formatted() {
    assert_eq!(ReservedOpcode(5).to_string(), "the peer sent the reserved opcode 5");
    assert_eq!(InvalidCloseCode(999).to_string(), "the peer sent the invalid close code 999");
    assert_eq!(
        MisuseError::InvalidCloseCode(999).to_string(),
        "999 may not be sent as a close code: use 1000-1003, 1007-1014 or 3000-4999"
    );
}

/// `fin=2` and opcode 5 cannot be said in Rust's types: `fin` is a `bool` and `Opcode` has no 5.
#[test]
fn test_format() {
    assert_eq!(Opcode::from_bits(5), None);
    for (opcode, payload_len, first_two) in
        [(Opcode::Text, 10, [0x01, 0x8a]), (Opcode::Binary, 20, [0x02, 0x94])]
    {
        let header = FrameHeader { fin: false, rsv: 0, opcode, masking_key: Some(KEY), payload_len };
        let mut bytes = [0; FrameHeader::MAX_LEN];
        let len = header.emit(&mut bytes).unwrap();
        assert_eq!((len, &bytes[..2], &bytes[2..6]), (6, &first_two[..], &KEY[..]));
    }
    let header = FrameHeader { fin: false, rsv: 0, opcode: Opcode::Text, masking_key: None, payload_len: 3 };
    let mut bytes = [0; FrameHeader::MAX_LEN];
    let len = header.emit(&mut bytes).unwrap();
    assert_eq!([&bytes[..len], b"\x01\x8a\xcc"].concat(), b"\x01\x03\x01\x8a\xcc");
}

#[test]
fn test_large_payloads() {
    for (payload_len, header_len) in [
        (125, 6),
        (126, 8),
        (127, 8),
        (16383, 8),
        (16384, 8),
        (16385, 8),
        (32768, 8),
        (65535, 8),
        (65536, 14),
        (66000, 14),
        (131_072, 14),
        (1 << 20, 14),
    ] {
        let header =
            FrameHeader { fin: true, rsv: 0, opcode: Opcode::Binary, masking_key: Some(KEY), payload_len };
        let mut bytes = [0; FrameHeader::MAX_LEN];
        let len = header.emit(&mut bytes).unwrap();
        assert_eq!((len, header.encoded_len()), (header_len, header_len));
        let rules = Rules { masked: true, rsv: 0 };
        assert_eq!(FrameHeader::parse(&bytes[..len], rules), Ok(Status::Complete((header, len))));
    }
    let bytes = |payload_len| {
        let mut bytes = [0; FrameHeader::MAX_LEN];
        let header = FrameHeader { fin: true, rsv: 0, opcode: Opcode::Text, masking_key: None, payload_len };
        header.emit(&mut bytes).unwrap();
        bytes
    };
    assert_eq!(bytes(126)[1..4], *b"\x7e\x00\x7e");
    assert_eq!(bytes(66000)[1..10], [&[0x7f][..], &66000u64.to_be_bytes()].concat());
}

/// On the wire: theirs makes one frame of any message, ours frames of what the send buffer holds.
#[test]
fn test_large_payloads_sent() {
    for len in [125, 126, 127, 16383, 16384, 16385, 32768, 65535, 65536, 131_072, 1 << 20] {
        let (mut ws, io) = client();
        let data = vec![b'x'; len];
        ws.send(&data[..]).unwrap();
        let sent = frames(&io.output.borrow());
        assert_eq!(sent.len(), len.div_ceil(70_000 - 125 - 14), "{len}");
        assert!(sent.iter().flat_map(|frame| &frame.payload).eq(&data));
    }
}

#[test]
fn test_mask() {
    let mut data = [5, 6, 7, 8, 9];
    apply_mask(&mut data, [1, 2, 3, 4], 0);
    assert_eq!(data, [5 ^ 1, 6 ^ 2, 7 ^ 3, 8 ^ 4, 9 ^ 1]);
}

/// A source that gives 16384 bytes a read, as TLS does.
#[test]
fn test_ssl_large_payload() {
    for role in ROLES {
        let setup = Setup::new(role).rx(20_000).steps(&[16384]);
        let data = vec![b'x'; 16385];
        assert_eq!(setup.hanging(&wire(role, &[(0x82, &data)])).got, [Got::Binary(data)]);
    }
}

#[test]
fn test_continuous_frame_invalid_utf8_raises() {
    for role in ROLES {
        let outcome = Setup::new(role).hanging(&wire(role, &[(0x01, b"\xf0\x28"), (0x80, b"\x8c\x28")]));
        assert_eq!(outcome.end, Error::Protocol(InvalidUtf8));
    }
}

#[test]
fn test_utf8_validator() {
    for (text, valid) in [
        (&b"\xf0\x90\x80\x80"[..], true),
        (b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80edited", false),
        (b"", true),
        (b"a\xed\xa0\x80b", false),
        (b"\xff\xfe", false),
        (b"\x80\x80", false),
    ] {
        let mut validator = Validator::new();
        assert_eq!(validator.push(text).is_ok() && validator.is_complete(), valid, "{text:x?}");
        for role in ROLES {
            let outcome = Setup::new(role).hanging(&wire(role, &[(0x81, text)]));
            let end = if valid { TIMED_OUT } else { Error::Protocol(InvalidUtf8) };
            assert_eq!((outcome.got.len(), outcome.end), (usize::from(valid), end), "{text:x?}");
        }
    }
}

/// Close frames as their App hands them to `on_close`.
#[test]
fn test_close_codes_and_reasons() {
    for (payload, received, reason) in [
        (&b"\x03\xe8no-init-from-client"[..], 1000, "no-init-from-client"),
        (b"", 1005, ""),
        (b"\x0f\xa0bye", 4000, "bye"),
        (b"\x03\xe8close-reason", 1000, "close-reason"),
    ] {
        let outcome = Setup::new(Role::Client).ending(&wire(Role::Client, &[(0x88, payload)]));
        assert_eq!((outcome.end, &outcome.reason[..]), (Error::Closed(closed(received, received)), reason));
    }
    // Theirs replaces a reason that is no UTF-8 by U+FFFD; that is refused here.
    let outcome = Setup::new(Role::Client).ending(&wire(Role::Client, &[(0x88, b"\x03\xe8\xff\xfe\xff")]));
    assert_eq!(outcome.end, Error::Protocol(InvalidUtf8));
}

/// "client close keeps peer frame", and "send on closed raises".
#[test]
fn test_close_keeps_the_peers_frame() {
    for role in ROLES {
        let transport = || vec![Script::new(&wire(role, &[(0x88, b"\x03\xe8peer-goodbye")]), 5)];
        Setup::new(role).each(transport, |ws, _| {
            assert_eq!(ws.close(1000, ""), Ok(closed(1000, 1000)));
            assert_eq!(ws.reason(), "peer-goodbye");
            assert_eq!(ws.send(Message::Text("late")), Err(Error::Closed(closed(1000, 1000))));
        });
    }
}
