//! Rows about heads that are long: memory stays what it is, and time linear.

use std::time::{Duration, Instant};

use sockling::{
    Config, Error, HandshakeError, MIN_RX, Role, asynch, blocking,
    handshake::{RequestHead, Response},
};

use crate::{
    flood::Flood,
    handshake::{REQUEST, replaced, yes},
    support::{
        Counter, block_on,
        drive::{Got, wire},
        open::{accept, accept_at, connect, connect_at, request, response},
    },
};

#[test]
fn row_01_endless_head_at_a_client() {
    for (head, unit) in [
        (&b""[..], &b"H"[..]),
        (b"HTTP/1.1 101 ", b"x"),
        (b"HTTP/1.1 101 x\r\n", b"A"),
        (b"HTTP/1.1 101 x\r\n", b"A: b\r\n"),
        (b"HTTP/1.1 101 x\r\nA: ", b"b"),
        (b"HTTP/1.1 404 x\r\nSec-WebSocket-Accept: ", b"b"),
        (b"HTTP/1.1 101 x\r\nSec-WebSocket-Accept: ", b"b"),
    ] {
        for rx in [MIN_RX, 1000, 100_000] {
            let flood = || Flood::new(head.into(), unit.into(), usize::MAX >> 8, vec![], 4096);
            let check = |error: Error<_>, io: &Flood| {
                let known =
                    [HandshakeError::HeadTooLong, HandshakeError::LineTooLong, HandshakeError::TooManyFields];
                assert!(
                    matches!(error, Error::Handshake(error) if known.contains(&error) || matches!(error, HandshakeError::Malformed(_))),
                    "{error:?}"
                );
                assert!(io.read.get() <= (16 << 10) + 4096, "{} bytes read", io.read.get());
            };
            let io = flood();
            let end = blocking::connect(io.clone(), &REQUEST, Counter(0), vec![0; rx], [0; 300]).err();
            check(end.unwrap(), &io);
            let io = flood();
            let end =
                block_on(asynch::connect(io.clone(), &REQUEST, Counter(0), vec![0; rx], [0; 300])).err();
            check(end.unwrap(), &io);
        }
    }
}

#[test]
fn row_01_endless_head_at_a_server() {
    for (head, unit) in [
        (&b""[..], &b"G"[..]),
        (b"GET /", b"x"),
        (b"GET / HTTP/1.1\r\n", b"A"),
        (b"GET / HTTP/1.1\r\n", b"A: b\r\n"),
        (b"GET / HTTP/1.1\r\nHost: ", b"b"),
    ] {
        for rx in [MIN_RX, 1000, 100_000] {
            for is_async in [false, true] {
                let io = Flood::new(head.into(), unit.into(), usize::MAX >> 8, vec![], 4096);
                let (config, rx, tx) = (Config::DEFAULT, vec![0; rx], [0; 300]);
                let end = if is_async {
                    block_on(asynch::accept(io.clone(), &config, rx, tx, yes)).err()
                } else {
                    blocking::accept(io.clone(), &config, rx, tx, yes).err()
                };
                let Some(Error::Handshake(HandshakeError::HeadTooLong | HandshakeError::TooManyFields)) = end
                else {
                    panic!("{end:?}")
                };
                assert!(io.output.borrow().starts_with(b"HTTP/1.1 431 "));
                assert!(io.read.get() <= (16 << 10) + 4096, "{} bytes read", io.read.get());
            }
        }
    }
}

/// One header of very many bytes: linear time and the buffer that there is, if the limit allows it at all.
#[test]
fn row_01_a_header_of_megabytes() {
    let len = if cfg!(debug_assertions) { 4 << 20 } else { 64 << 20 };
    let whole = response("");
    let (start, rest) = whole.split_at(whole.iter().position(|byte| *byte == b'\n').unwrap() + 1);
    let mut config = Config::DEFAULT;
    config.limits.max_head = u32::MAX;
    for step in [1000, 1 << 20] {
        let begun = Instant::now();
        let head = [start, b"X-Uninteresting: "].concat();
        let tail = [b"\r\n", rest, &wire(Role::Client, &[(0x81, b"first")])].concat();
        let io = Flood::new(head, b"x".repeat(64), len / 64, tail, step);
        let mut ws = blocking::connect(io, &REQUEST.config(config), Counter(0), [0; 200], [0; 300]).unwrap();
        assert_eq!(ws.recv().map(Got::from), Ok(Got::text("first")));
        assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
    }
    // At a server it has to fit in the buffer; single bytes do not make it quadratic.
    config.limits.max_head = 1 << 20;
    let len = 1 << 18;
    let input = request(&format!("X-Uninteresting: {}\r\n", "x".repeat(len)));
    let opened = accept_at(&[1, 1 << 20], &config, &input, len + 1000, &yes);
    assert_eq!(opened.status(), 101);
}

#[test]
fn row_02_too_many_fields() {
    // Those of the handshake itself are among the 100.
    for (own, more, head) in [(3, 97, response as fn(&str) -> Vec<u8>), (5, 95, request)] {
        let is_client = own == 3;
        for (count, fits) in [(more, true), (more + 1, false), (500, false)] {
            let input = head(&"X: y\r\n".repeat(count));
            let opened = if is_client {
                connect(&REQUEST, &input, 400)
            } else {
                accept(&Config::DEFAULT, &input, 10_000, &yes)
            };
            let expected = if fits { Ok(()) } else { Err(Error::Handshake(HandshakeError::TooManyFields)) };
            assert_eq!(opened.result, expected, "{count}");
            if !is_client {
                assert_eq!(opened.status(), if fits { 101 } else { 431 });
            }
        }
    }
}

#[test]
fn row_03_values_as_long_as_the_buffer() {
    // A client lets lines stream past that it does not need, whatever their length.
    for rx in MIN_RX..MIN_RX + 40 {
        for len in rx - 10..rx + 10 {
            let line = format!("X-Long: {}\r\n", "v".repeat(len));
            let input = [response(&line), wire(Role::Client, &[(0x81, b"first")])].concat();
            let opened = connect_at(&[1, 1 << 20], &REQUEST, &input, rx);
            assert_eq!((opened.result, &opened.got[..]), (Ok(()), &[Got::text("first")][..]), "{rx}, {len}");
        }
    }
    // A line that it needs has to fit, and is not cut where it just does not.
    let offered: String = "p".repeat(400);
    let subprotocols = [&offered[..]];
    let request_one = REQUEST.subprotocols(&subprotocols);
    let line = format!("Sec-WebSocket-Protocol: {offered}\r\n");
    for rx in line.len() - 10..line.len() + 10 {
        let opened = connect_at(&[1, 7, 1 << 20], &request_one, &response(&line), rx);
        match opened.result {
            Ok(()) => assert!(opened.subprotocol == Some(0) && rx >= line.len() - 2, "{rx}"),
            Err(error) => {
                assert_eq!(error, Error::Handshake(HandshakeError::LineTooLong), "{rx}");
                assert!(rx <= line.len(), "{rx}");
            }
        }
    }
    // A server needs all of the head.
    for filler in 0..300 {
        let input = request(&format!("X-Long: {}\r\n", "v".repeat(filler)));
        let rx = 400;
        let opened = accept(&Config::DEFAULT, &input, rx, &yes);
        if input.len() <= rx {
            assert_eq!(opened.status(), 101, "{filler}");
        } else {
            assert_eq!((opened.error(), opened.status()), (HandshakeError::HeadTooLong, 431), "{filler}");
        }
    }
}

/// Lists of a megabyte (in release builds) that a tokenizer could take quadratic time over.
#[test]
fn row_05_lists_made_to_be_slow() {
    let begun = Instant::now();
    let mut config = Config::DEFAULT;
    config.limits.max_head = u32::MAX;
    let n = if cfg!(debug_assertions) { 1 << 16 } else { 1 << 20 };
    let decide = |head: &RequestHead<'_>| {
        assert!(head.choose(&["mine", "other"]).is_none());
        let _ = head.extensions().count();
        Response::accept()
    };
    for (field, value, status) in [
        ("Extensions", "\"".repeat(n), 400),
        ("Extensions", format!("a;b=\"{}", "x".repeat(n)), 400),
        ("Extensions", format!("a;b=\"{}", "\\".repeat(n)), 400),
        ("Extensions", format!("a;b=\"{}\"", "\\\\".repeat(n / 2)), 400),
        ("Extensions", format!("a{}", ";".repeat(n)), 400),
        ("Extensions", ",".repeat(n), 101),
        ("Extensions", format!("a{}", " ".repeat(n)), 101),
        ("Extensions", format!("a{}b", " ".repeat(n)), 400),
        ("Extensions", format!("a{}", ",a".repeat(n / 2)), 101),
        ("Extensions", format!("a{}", ";b=c".repeat(n / 4)), 101),
        ("Extensions", format!("a;b={}", "\"c\";b=".repeat(n / 6)), 400),
        ("Protocol", ",".repeat(n), 101),
        ("Protocol", format!("a{}", ", a".repeat(n / 3)), 101),
        ("Protocol", format!("a{}b", " ".repeat(n)), 400),
        ("Protocol", "\"".repeat(n), 400),
    ] {
        let input = request(&format!("Sec-WebSocket-{field}: {value}\r\n"));
        let opened = accept_at(&[1 << 20], &config, &input, n + 1000, &decide);
        assert_eq!(opened.status(), status, "{field}: {:.30}", value);
    }
    // At a client: the field of a list of tokens that it looks through.
    let value = format!("{}upgrade", "x, ".repeat(n / 3));
    let input = replaced(response(""), "Connection: Upgrade", &format!("Connection: {value}\r\n"));
    assert_eq!(connect_at(&[1 << 20], &REQUEST.config(config), &input, n + 1000).result, Ok(()));
    assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
}
