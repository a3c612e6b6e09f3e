//! What ends it, what does not, and how fast.

use std::{
    io::{Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use socket2::SockRef;
use sockling::{
    App, CloseCode, ConnectOptions,
    app::{Backoff, Next},
    net::Error,
};

use crate::{
    peer::{answer, ends, ms, open, read_frame, read_head},
    script::{Diary, app, opened, quick, serve, short, wait_until},
};

fn refused() -> String {
    format!("ws://{}/", TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap())
}

fn respond(status: &'static str) -> Box<dyn FnOnce(TcpStream) + Send> {
    Box::new(move |mut tcp| {
        read_head(&mut tcp);
        tcp.write_all(format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n").as_bytes()).unwrap();
    })
}

fn close_frame(code: u16, reason: &'static str) -> Box<dyn FnOnce(TcpStream) + Send> {
    opened(move |mut tcp| {
        let mut frame = vec![0x88, 2 + u8::try_from(reason.len()).unwrap()];
        frame.extend(code.to_be_bytes());
        frame.extend(reason.as_bytes());
        tcp.write_all(&frame).unwrap();
        assert_eq!(read_frame(&mut tcp).1[..2], code.to_be_bytes());
    })
}

fn fin() -> Box<dyn FnOnce(TcpStream) + Send> {
    opened(|tcp| tcp.shutdown(Shutdown::Both).unwrap())
}

fn reset() -> Box<dyn FnOnce(TcpStream) + Send> {
    opened(|tcp| SockRef::from(&tcp).set_linger(Some(Duration::ZERO)).unwrap())
}

/// The table of the documentation, a row each: without and with reconnection. The last connection of those that go on
/// is closed by the server.
#[test]
fn outcomes() {
    type Script = fn() -> Box<dyn FnOnce(TcpStream) + Send>;
    let bye: Script = || close_frame(1000, "close-reason");
    let closed = ["close 1000 \"close-reason\""];
    for (name, script, alone, then) in [
        ("close frame", bye, vec!["open", closed[0]], None),
        ("code of an application", || close_frame(4000, "bye"), vec!["open", "close 4000 \"bye\""], None),
        (
            "EOF",
            fin,
            vec!["open", "error ConnectionLost", "close 1006 \"\""],
            Some(vec!["again 1: ConnectionLost"]),
        ),
        (
            "RST",
            reset,
            vec!["open", "error Io(ConnectionReset)", "close 1006 \"\""],
            Some(vec!["again 1: Io(ConnectionReset)"]),
        ),
        ("404", || respond("404 Not Found"), vec!["error Status(404)"], None),
        ("503", || respond("503 Busy"), vec!["error Status(503)"], Some(vec!["open"])),
        (
            "a broken rule",
            || {
                opened(|mut tcp| {
                    tcp.write_all(&[0xC1, 0]).unwrap();
                    assert_eq!(read_frame(&mut tcp), (0x88, 1002_u16.to_be_bytes().to_vec()));
                })
            },
            vec!["open", "error Protocol(ReservedBits)", "close 1006 \"\""],
            Some(vec!["again 1: Protocol(ReservedBits)"]),
        ),
        (
            "1012",
            || close_frame(1012, ""),
            vec!["open", "close 1012 \"\""],
            Some(vec!["again 1: Closed(1012)"]),
        ),
        (
            "1013",
            || close_frame(1013, "later"),
            vec!["open", "close 1013 \"later\""],
            Some(vec!["again 1: Closed(1013)"]),
        ),
    ] {
        let diary = Diary::default();
        let result = diary.app(serve(vec![script()])).reconnect(Backoff::NEVER).run_forever();
        assert_eq!(diary.take(), alone, "{name}");
        match result {
            Ok(close) => assert!(close.received.is_some(), "{name}"),
            Err(error) => assert_eq!(
                format!("error {}", short(&error)),
                *alone[alone.len() - 1 - usize::from(alone.len() > 1)],
                "{name}"
            ),
        }
        let result = diary.app(serve(vec![script(), bye()])).run_forever();
        let mut want = alone;
        if let Some(then) = then {
            want.extend(then);
            want.extend(closed);
            assert_eq!(result.unwrap().reason(), "close-reason");
        }
        assert_eq!(diary.take(), want, "{name}");
    }
}

#[test]
fn refused_connections_are_retried_until_attempts_run_out() {
    let diary = Diary::default();
    let mut backoff = quick();
    backoff.max_attempts = 3;
    let error = diary.app(refused()).reconnect(backoff).run_forever().unwrap_err();
    assert!(matches!(error, Error::Connect { .. }), "{error:?}");
    assert_eq!(diary.take(), ["error Connect"; 4]);
}

#[test]
fn a_bad_url_is_an_error_at_once() {
    let diary = Diary::default();
    for url in ["ws//example.com", "example.com", "http://example.com", "ws://h:0/"] {
        let error = diary.app(url).run_forever().unwrap_err();
        assert!(matches!(error, Error::Url(_)), "{error:?}");
        assert_eq!(diary.take().len(), 1);
    }
}

#[test]
fn wishes_of_the_user() {
    // `on_close` counts more than the classifier, and that more than what is usual.
    let diary = Diary::default();
    let url = serve(vec![close_frame(4001, ""), close_frame(1012, "")]);
    let mut wishes = vec![Next::Stop, Next::Reconnect];
    let close =
        diary.app(url).classify(|_| Next::Stop).on_close(|_, _| wishes.pop().unwrap()).run_forever().unwrap();
    assert_eq!(close.code(), CloseCode::SERVICE_RESTART);
    assert_eq!(diary.take(), ["open", "again 1: Closed(4001)"]);

    let url = serve(vec![respond("404 Not Found"), fin()]);
    let error = diary
        .app(url)
        .classify(|error| match error {
            Error::Status(_) => Next::Reconnect,
            Error::ConnectionLost => Next::Stop,
            _ => Next::Usual,
        })
        .run_forever()
        .unwrap_err();
    assert!(matches!(error, Error::ConnectionLost));
    assert_eq!(diary.take(), ["error Status(404)", "open", "error ConnectionLost", "close 1006 \"\""]);
}

#[test]
fn retry_after_is_waited_for() {
    for (value, least) in [("1", 1000), ("Fri, 31 Dec 1999 23:59:59 GMT", 0), ("soon", 0)] {
        let url = serve(vec![
            Box::new(move |mut tcp| {
                read_head(&mut tcp);
                let head = format!("HTTP/1.1 429 Slow\r\nretry-after: {value}\r\nContent-Length: 0\r\n\r\n");
                tcp.write_all(head.as_bytes()).unwrap();
            }),
            close_frame(1000, ""),
        ]);
        let begin = Instant::now();
        app(url).run_forever().unwrap();
        let took = begin.elapsed();
        assert!(took >= ms(least), "{value}: {took:?}");
        assert!(least > 0 || took < ms(900), "{value}: {took:?}");
    }
}

/// Runs an app in a thread, closes it when `ready` says so, and measures how long it takes to end.
fn close_takes(
    mut app: App<'static>,
    ready: impl FnOnce(),
) -> (Duration, Result<sockling::net::CloseInfo, Error>) {
    let handle = app.handle();
    let thread = thread::spawn(move || {
        let result = app.run_forever();
        (Instant::now(), result)
    });
    ready();
    let begin = Instant::now();
    handle.close();
    let (end, result) = thread.join().unwrap();
    (end.saturating_duration_since(begin), result)
}

#[test]
fn close_is_prompt_while_it_waits_to_reconnect() {
    let diary = Diary::default();
    let slow = Backoff::new(Duration::from_secs(3600), Duration::from_secs(3600));
    let errors = diary.clone();
    let (took, result) =
        close_takes(diary.app(refused()).reconnect(slow), || wait_until(|| !errors.clone().is_empty()));
    assert!(took < ms(500), "{took:?}");
    assert_eq!(result.unwrap(), sockling::net::CloseInfo::default());
    assert_eq!(diary.take(), ["error Connect"]);
}

#[test]
fn close_is_prompt_while_it_connects() {
    // In the opening handshake, in that of TLS, and in TCP: a listener whose backlog is full.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let full = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = full.local_addr().unwrap();
    SockRef::from(&full).listen(0).unwrap();
    let _fillers: Vec<_> = (0..8)
        .map(|_| {
            let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
            socket.set_nonblocking(true).unwrap();
            let _ = socket.connect(&addr.into());
            socket
        })
        .collect();
    for url in [
        format!("ws://{}/", silent.local_addr().unwrap()),
        format!("wss://{}/", silent.local_addr().unwrap()),
        format!("ws://{addr}/"),
    ] {
        let diary = Diary::default();
        let (took, result) = close_takes(diary.app(url.clone()), || thread::sleep(ms(100)));
        assert!(took < ms(500), "{url}: {took:?}");
        assert!(result.is_ok(), "{url}: {result:?}");
        assert!(diary.is_empty(), "{url}");
    }
}

#[test]
fn close_is_prompt_while_it_receives() {
    let (sender, received) = mpsc::channel();
    let url = serve(vec![opened(move |mut tcp| {
        let frame = read_frame(&mut tcp);
        tcp.write_all(&[&[0x88, 14][..], &1000_u16.to_be_bytes(), b"peer-goodbye"].concat()).unwrap();
        sender.send(frame).unwrap();
    })]);
    let diary = Diary::default();
    let app = diary.app(url);
    let handle = app.handle();
    let (took, result) = close_takes(app, || wait_until(|| handle.is_open()));
    assert!(took < ms(500), "{took:?}");
    assert!(result.unwrap().is_clean());
    assert_eq!(diary.take(), ["open", "close 1000 \"peer-goodbye\""]);
    assert_eq!(received.recv().unwrap(), (0x88, 1000_u16.to_be_bytes().to_vec()));
}

/// A server that never answers the close frame costs the close timeout, and no more.
#[test]
fn close_has_a_deadline() {
    let (sender, done) = mpsc::channel::<()>();
    for stuck in [false, true] {
        let (gone, wait) = mpsc::channel::<()>();
        let url = serve(vec![opened(move |_tcp| assert!(wait.recv().is_err()))]);
        let diary = Diary::default();
        let app = diary.app(url).options(ConnectOptions::new().close_timeout(ms(300)));
        let handle = app.handle();
        let (took, result) = close_takes(app, || {
            wait_until(|| handle.is_open());
            if stuck {
                // More than the sockets hold: not even the close frame can be written.
                for _ in 0..12 {
                    handle.send(&[0; 1 << 20]).unwrap();
                }
                wait_until(|| handle.queued() < 12);
            }
        });
        assert!((ms(250)..ms(2000)).contains(&took), "{took:?}");
        assert!(!result.unwrap().is_clean());
        let diary = diary.take();
        assert_eq!(diary.first().unwrap(), "open");
        assert_eq!(diary.last().unwrap(), "close 1006 \"\"");
        assert_eq!(diary.iter().any(|line| line.starts_with("error Unsent")), stuck, "{diary:?}");
        drop(gone);
    }
    drop((sender, done));
}

#[test]
fn close_before_it_runs_and_a_second_run() {
    let diary = Diary::default();
    let mut app = diary.app(serve(vec![close_frame(1000, "a"), close_frame(1000, "b")]));
    app.handle().close();
    app.run_forever().unwrap();
    assert!(diary.is_empty());
    for reason in ["a", "b"] {
        assert_eq!(app.run_forever().unwrap().reason(), reason);
        assert_eq!(diary.take(), ["open".to_owned(), format!("close 1000 {reason:?}")]);
    }
}

/// Queued messages are written before the close frame.
#[test]
fn what_was_queued_leaves_before_the_close_frame() {
    let (sender, received) = mpsc::channel();
    let url = serve(vec![opened(move |mut tcp| {
        for _ in 0..4 {
            sender.send(read_frame(&mut tcp)).unwrap();
        }
        tcp.write_all(&[0x88, 0]).unwrap();
        assert!(ends(&mut tcp));
    })]);
    let close = app(url)
        .on_open(|ws| {
            for text in ["a", "b", "c"] {
                ws.send(text)?;
            }
            ws.close_with(CloseCode(4321), "done")
        })
        .run_forever()
        .unwrap();
    assert_eq!(close.code(), CloseCode::NO_STATUS_RECEIVED);
    let frames: Vec<_> = received.iter().collect();
    assert_eq!(frames[..3], [b"a", b"b", b"c"].map(|text| (0x81, text.to_vec())));
    assert_eq!(frames[3], (0x88, b"\x10\xe1done".to_vec()));
}

/// The panic of a callback goes on when the socket is closed, whichever callback it was.
#[test]
fn a_panic_propagates_after_the_socket_is_closed() {
    let (sender, received) = mpsc::channel();
    let mut app = app(serve(vec![
        opened(move |mut tcp| {
            tcp.write_all(&[0x81, 1, b'x']).unwrap();
            sender.send(tcp.read(&mut [0]).unwrap_or_default()).unwrap();
        }),
        opened(|mut tcp| {
            tcp.write_all(&[0x81, 1, b'y', 0x88, 0]).unwrap();
            read_frame(&mut tcp);
        }),
    ]))
    .on_message(|ws, message| {
        ws.send("never sent")?;
        assert_ne!(message.as_text(), Some("x"), "what the callback panics with");
        Ok(())
    });
    let panic = catch_unwind(AssertUnwindSafe(|| app.run_forever())).unwrap_err();
    assert!(panic.downcast_ref::<String>().unwrap().contains("what the callback panics with"));
    // Seen by the peer while the app is there still.
    assert_eq!(received.recv().unwrap(), 0);
    assert!(!app.handle().is_open());
    app.run_forever().unwrap();
}

#[test]
fn row_38_close_frame_in_the_segment_of_the_answer() {
    let diary = Diary::default();
    let url = serve(vec![Box::new(|mut tcp| {
        open(&mut tcp, &[0x81, 2, b'h', b'i', 0x88, 2, 0x03, 0xe9]);
        read_frame(&mut tcp);
    })]);
    assert_eq!(diary.app(url).run_forever().unwrap().code(), CloseCode::GOING_AWAY);
    assert_eq!(diary.take(), ["open", "message hi", "close 1001 \"\""]);
}

/// The whole exchange, cut by a reset at every byte that the server sends.
#[test]
fn row_40_reset_at_every_byte() {
    let frames = [
        &[0x81, 2, b'h', b'i', 0x89, 1, b'p', 0x01, 1, b'a', 0x80, 1, b'b', 0x88, 5][..],
        &1000_u16.to_be_bytes(),
        b"bye",
    ]
    .concat();
    let diary = Diary::default();
    let mut cut = 0;
    loop {
        let frames = frames.clone();
        let (sender, total) = mpsc::channel();
        let url = serve(vec![Box::new(move |mut tcp| {
            let head = read_head(&mut tcp);
            let all = [answer(&head, "").as_bytes(), &frames].concat();
            sender.send(all.len()).unwrap();
            tcp.write_all(&all[..cut]).unwrap();
            let _ = tcp.set_nodelay(true);
            if cut == all.len() {
                while tcp.read(&mut [0; 64]).unwrap() > 0 {}
            } else {
                thread::sleep(ms(1));
                SockRef::from(&tcp).set_linger(Some(Duration::ZERO)).unwrap();
            }
        })]);
        let result = diary.app(url).reconnect(Backoff::NEVER).run_forever();
        let notes = diary.take();
        let count = |what: &str| notes.iter().filter(|note| note.starts_with(what)).count();
        assert_eq!(count("open"), count("close"), "{cut}: {notes:?}");
        if cut == total.recv().unwrap() {
            assert_eq!(notes, ["open", "message hi", "message ab", "close 1000 \"bye\""]);
            assert!(result.unwrap().is_clean());
            break;
        }
        // The close frame may be there whole but for the answer.
        if result.is_err() {
            assert_eq!(count("error"), 1, "{cut}: {notes:?}");
        }
        cut += 1;
    }
}
