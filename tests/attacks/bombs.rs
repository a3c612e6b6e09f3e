//! Row 10: messages that become much larger than they are. What they take of the system's memory, over sockets, is in
//! tests/bomb_memory.rs.

use sockling::{Error, ProtocolError, Role};

use crate::{
    flood::Flood,
    support::{
        close_body,
        deflate::{BOTH, Bomb, CONTENTS, EITHER, Wire, compressed, fixed, outcome},
        drive::{Fail, Got, ROLES, Setup, TIMED_OUT, Ws, wire},
        frames,
        pair::Take,
    },
};

const TOO_LARGE: Fail = Error::Protocol(ProtocolError::MessageTooLarge);

/// Reads come in such pieces.
const STEPS: [usize; 2] = [3, 1 << 20];

/// Has memory for messages of `cap` bytes, and no other limit: by a codec, of which each is tested, and with both
/// drivers.
fn each(role: Role, cap: usize, wire: &Wire, test: impl Fn(&mut dyn Ws, &Flood)) {
    let limit = u32::try_from(cap).unwrap();
    for step in STEPS {
        let Wire { head, unit, count, tail } = wire.clone();
        let flood = || Flood::new(head.clone(), unit.clone(), count, tail.clone(), step);
        let limited = Setup::new(role).config(|config| config.limits.max_message = limit);
        let unlimited = Setup::new(role).config(|config| config.limits.max_message = u32::MAX);
        // Its memory is the limit; there is more memory than it is allowed.
        for (setup, output) in [(&unlimited, cap), (&limited, cap + 1000)] {
            let io = flood();
            test(&mut setup.blocking(&io).with_codec(fixed(BOTH, BOTH, output)), &io);
            let io = flood();
            test(&mut setup.asynch(&io).with_codec(fixed(BOTH, BOTH, output)), &io);
        }
        #[cfg(feature = "std")]
        {
            use crate::support::deflate::zlib;
            let io = flood();
            test(&mut limited.blocking(&io).with_codec(zlib(limit)), &io);
            let io = flood();
            test(&mut limited.asynch(&io).with_codec(zlib(limit)), &io);
        }
    }
}

/// It ends with 1009 on the wire, and nothing more is read.
fn check_end(ws: &mut dyn Ws, io: &Flood) {
    let (read, sent) = (io.read.get(), frames(&io.output.borrow()));
    assert_eq!(sent.iter().map(|frame| frame.first).collect::<Vec<_>>(), [0x88]);
    assert_eq!(sent[0].payload, close_body(1009, ""));
    for _ in 0..3 {
        assert_eq!(ws.recv(), Err(TOO_LARGE));
        assert_eq!(ws.recv_part(), Err(TOO_LARGE));
    }
    assert_eq!(io.read.get(), read, "nothing more is read");
    assert_eq!(frames(&io.output.borrow()).len(), 1);
}

/// As one frame and as many.
fn wires(bomb: &Bomb, role: Role) -> [Wire; 2] {
    [bomb.whole(role), bomb.fragments(role, 100)]
}

#[test]
fn row_10_bombs_of_a_kibibyte_to_a_gibibyte() {
    for (size, caps) in [
        (1 << 10, &[1000][..]),
        (1 << 16, &[1000, 60_000]),
        (1 << 20, &[1000, 60_000]),
        (1 << 26, &[1000, 200_000]),
        (1 << 30, &[1000, 200_000]),
    ] {
        for content in CONTENTS {
            let bomb = Bomb::new(content, size);
            for (role, cap) in ROLES.iter().flat_map(|role| caps.iter().map(move |cap| (*role, *cap))) {
                for wire in wires(&bomb, role) {
                    each(role, cap, &wire, |ws, io| {
                        assert_eq!(ws.recv(), Err(TOO_LARGE), "{content:?}, {size}, {cap}");
                        // All of it is in a unit, which is read no further than that takes.
                        let most = io.head.len() + io.unit.len() + io.tail.len() + 512;
                        assert!(io.read.get() <= most, "{} bytes read", io.read.get());
                        check_end(ws, io);
                    });
                }
            }
        }
    }
}

/// A message as large as the limit is received, and one of a byte more is not.
#[test]
fn row_10_at_the_limit() {
    for (size, contents) in [(1 << 10, &CONTENTS[..]), (1 << 16, &CONTENTS), (1 << 20, &CONTENTS[..1])] {
        for content in contents {
            let bomb = Bomb::new(*content, size);
            let becomes = bomb.becomes();
            for role in ROLES {
                for wire in wires(&bomb, role) {
                    each(role, size, &wire, |ws, io| {
                        assert!(ws.recv().as_ref() == Ok(&becomes), "{content:?}, {size}");
                        assert_eq!(ws.recv(), Err(TIMED_OUT));
                        assert!(io.output.borrow().is_empty());
                    });
                    each(role, size - 1, &wire, |ws, io| {
                        assert_eq!(ws.recv(), Err(TOO_LARGE), "{content:?}, {size}");
                        check_end(ws, io);
                    });
                }
            }
        }
    }
}

/// Receives parts until an error, from an output of `room` bytes; returns how many bytes they were.
fn parts(ws: &mut dyn Ws, bomb: &Bomb, room: usize) -> (usize, bool, Fail) {
    let (mut len, mut ended) = (0, false);
    loop {
        match ws.recv_part() {
            Ok(piece) => {
                assert!(!ended && piece.first == (len == 0));
                assert!(piece.data.len() <= room, "{} bytes in an output of {room}", piece.data.len());
                let mut rest = &piece.data[..];
                while !rest.is_empty() {
                    let at = len % bomb.data.len();
                    let (now, later) = rest.split_at(rest.len().min(bomb.data.len() - at));
                    assert!(bomb.data[at..].starts_with(now), "at {len}");
                    (len, rest) = (len + now.len(), later);
                }
                ended = piece.fin;
            }
            Err(end) => return (len, ended, end),
        }
    }
}

/// With both drivers and each codec; `room` is what a codec has.
fn each_in_parts(role: Role, limit: u32, wire: &Wire, test: impl Fn(&mut dyn Ws, &Flood, usize)) {
    let setup = Setup::new(role).config(|config| config.limits.max_message = limit);
    let Wire { head, unit, count, tail } = wire.clone();
    let flood = || Flood::new(head.clone(), unit.clone(), count, tail.clone(), 1000);
    for room in [1, 700] {
        // Byte by byte is what takes time.
        if room == 1 && wire.count > 1 {
            continue;
        }
        let io = flood();
        test(&mut setup.blocking(&io).with_codec(fixed(BOTH, BOTH, room)), &io, room);
        let io = flood();
        test(&mut setup.asynch(&io).with_codec(fixed(BOTH, BOTH, room)), &io, room);
    }
    #[cfg(feature = "std")]
    {
        use crate::support::deflate::zlib;
        let io = flood();
        test(&mut setup.blocking(&io).with_codec(zlib(limit)), &io, 16 << 10);
        let io = flood();
        test(&mut setup.asynch(&io).with_codec(zlib(limit)), &io, 16 << 10);
    }
}

/// Parts come up to the limit, to less than what fills the output; then 1009 is sent.
#[test]
fn row_10_bombs_in_parts() {
    for (size, limit) in [(1 << 10, 1000), (1 << 16, 60_000), (1 << 26, 100_000), (1 << 30, 1_100_000)] {
        for content in CONTENTS {
            let bomb = Bomb::new(content, size);
            for role in ROLES {
                for wire in wires(&bomb, role) {
                    each_in_parts(role, limit, &wire, |ws, io, room| {
                        let (len, ended, end) = parts(ws, &bomb, room);
                        assert_eq!((ended, end), (false, TOO_LARGE), "{content:?}, {size}");
                        let limit = usize::try_from(limit).unwrap();
                        assert!(len <= limit && limit < len + room, "{len} of {limit} bytes");
                        check_end(ws, io);
                    });
                }
            }
        }
    }
}

/// Without a limit, or up to it, a message of any size streams through a small memory.
#[test]
fn row_10_parts_within_the_limit() {
    let size = 2 << 20;
    for content in CONTENTS {
        let bomb = Bomb::new(content, size);
        for (role, limit) in [(Role::Client, u32::MAX), (Role::Server, u32::try_from(size).unwrap())] {
            for wire in wires(&bomb, role) {
                each_in_parts(role, limit, &wire, |ws, io, room| {
                    assert_eq!(parts(ws, &bomb, room), (size, true, TIMED_OUT), "{content:?}");
                    assert!(io.output.borrow().is_empty());
                });
            }
        }
    }
}

/// The limit is on what all fragments together become, and on each message for itself.
#[test]
fn row_10_the_limit_is_on_what_a_message_becomes() {
    let message = compressed(&[b'x'; 1000], 9);
    for role in ROLES {
        for (limit, output) in [(1000, 1000), (999, 5000), (1001, 999), (u32::MAX, 1000), (1000, 1001)] {
            let setup = Setup::new(role).config(|config| config.limits.max_message = limit);
            let input = wire(role, &[(0xC2, &message), (0xC2, &message)]);
            let (got, end, _) = outcome(&setup, &input, &[Take::Whole], || fixed(BOTH, BOTH, output));
            if limit >= 1000 && output >= 1000 {
                assert_eq!((got.len(), end), (2, TIMED_OUT), "{limit} {output}");
            } else {
                assert_eq!((got.len(), end), (0, TOO_LARGE));
            }
            // In parts an output of any size will do.
            let (got, end, _) = outcome(&setup, &input, &[Take::Parts], || fixed(BOTH, BOTH, 7));
            if limit >= 1000 {
                assert_eq!((got, end), (vec![Got::Binary(vec![b'x'; 1000]); 2], TIMED_OUT));
            } else {
                assert_eq!(end, TOO_LARGE);
            }
        }
        // Beside it, a message that was not compressed has the same limit.
        let setup = Setup::new(role).rx(2000).config(|config| config.limits.max_message = 1000);
        let input = wire(role, &[(0xC2, &message), (0x82, &[7; 1000]), (0x82, &[7; 1001])]);
        let (got, end, _) = outcome(&setup, &input, &EITHER, || fixed(BOTH, BOTH, 1000));
        assert_eq!((got.len(), end), (2, TOO_LARGE));
    }
}
