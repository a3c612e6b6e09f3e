//! Keepalive, and event loops that are not ours.

use std::{
    io::{Read, Write},
    net::Shutdown,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    task::Poll,
    thread,
    time::{Duration, Instant},
};

use socket2::SockRef;
use sockling::{
    ConnectOptions,
    app::Backoff,
    net::{Error, Phase},
};

use crate::{
    peer::{ms, read_frame},
    script::{Diary, app, opened, serve, wait_until},
};

/// Pings go on after a reconnection, and silence is found each time.
#[test]
fn silence_is_found_and_pings_go_on_after_a_reconnection() {
    let (sender, pings) = mpsc::channel();
    let silent = || {
        let sender = sender.clone();
        opened(move |mut tcp| {
            let begin = Instant::now();
            assert_eq!(read_frame(&mut tcp).0, 0x89);
            sender.send(begin.elapsed()).unwrap();
            while tcp.read(&mut [0; 64]).is_ok_and(|n| n > 0) {}
        })
    };
    let url = serve(vec![
        silent(),
        silent(),
        opened(|mut tcp| {
            for _ in 0..3 {
                let (first, payload) = read_frame(&mut tcp);
                assert_eq!(first, 0x89);
                // Whatever comes is life, be it not a pong, and not even a frame.
                let _ = payload;
                tcp.write_all(&[0x81]).unwrap();
                thread::sleep(ms(1));
                tcp.write_all(&[0]).unwrap();
            }
            tcp.write_all(&[0x88, 0]).unwrap();
            while read_frame(&mut tcp).0 != 0x88 {}
        }),
    ]);
    let diary = Diary::default();
    diary.app(url).keepalive(ms(100), ms(200)).run_forever().unwrap();
    assert_eq!(
        diary.take(),
        [
            "open",
            "error Timeout(Pong)",
            "close 1006 \"\"",
            "again 1: Timeout(Pong)",
            "error Timeout(Pong)",
            "close 1006 \"\"",
            "again 2: Timeout(Pong)",
            "message ",
            "message ",
            "message ",
            "close 1005 \"\"",
        ]
    );
    for waited in pings.try_iter() {
        assert!((ms(90)..ms(900)).contains(&waited), "{waited:?}");
    }
}

/// One byte of a large message now and then is life, too.
#[test]
fn a_long_message_is_life() {
    let url = serve(vec![opened(|mut tcp| {
        tcp.write_all(&[0x82, 30]).unwrap();
        for _ in 0..30 {
            thread::sleep(ms(30));
            tcp.write_all(&[7]).unwrap();
        }
        tcp.write_all(&[0x88, 0]).unwrap();
        while read_frame(&mut tcp).0 != 0x88 {}
    })]);
    let diary = Diary::default();
    diary.app(url).keepalive(ms(50), ms(400)).reconnect(Backoff::NEVER).run_forever().unwrap();
    assert_eq!(diary.take()[2], "close 1005 \"\"");
}

/// A peer that takes bytes slowly lives, though it sends nothing: seen as far as sockets with small buffers show it.
#[test]
fn a_long_upload_is_life() {
    const SIZE: usize = 6 << 20;
    const SMALL: usize = 64 << 10;
    let url = serve(vec![opened(|mut tcp| {
        SockRef::from(&tcp).set_recv_buffer_size(SMALL).unwrap();
        let (mut left, mut buffer) = (SIZE, vec![0; SMALL]);
        while left > 0 {
            left -= tcp.read(&mut buffer).unwrap().min(left);
            thread::sleep(ms(15));
        }
        tcp.write_all(&[0x88, 0]).unwrap();
        tcp.shutdown(Shutdown::Write).unwrap();
        while tcp.read(&mut buffer).is_ok_and(|n| n > 0) {}
    })]);
    let large = vec![0; SIZE];
    let diary = Diary::default();
    let begin = Instant::now();
    let result = diary
        .app(url)
        .options(ConnectOptions::new().socket_options(|socket| socket.set_send_buffer_size(SMALL)))
        .keepalive(ms(50), ms(700))
        .reconnect(Backoff::NEVER)
        .on_open(|ws| ws.send(&large))
        .run_forever();
    assert!(result.is_ok(), "{result:?} {:?}", diary.take());
    assert!(begin.elapsed() > ms(1200), "{:?}", begin.elapsed());
}

/// This end was busy: the pong that lies there counts.
#[test]
fn a_slow_callback_is_not_the_peers_death() {
    let (url, server) = crate::peer::echo(sockling::net::ServerOptions::new());
    let mut pongs = 0;
    let result = app(url)
        .keepalive(ms(20), ms(100))
        .reconnect(Backoff::NEVER)
        .on_pong(|ws, _| {
            pongs += 1;
            thread::sleep(ms(300));
            if pongs == 3 {
                ws.close();
            }
            Ok(())
        })
        .run_forever();
    assert!(result.is_ok(), "{result:?}");
    server.join().unwrap();
}

#[test]
fn a_message_has_its_deadline() {
    let url = serve(vec![opened(|mut tcp| {
        tcp.write_all(&[0x81, 2, b'a']).unwrap();
        assert_eq!(read_frame(&mut tcp), (0x88, 1008_u16.to_be_bytes().to_vec()));
    })]);
    let mut config = sockling::Config::default();
    config.message_timeout = ms(100);
    let options = ConnectOptions::new().config(config);
    let error = app(url).options(options).reconnect(Backoff::NEVER).run_forever().unwrap_err();
    assert!(matches!(error, Error::Protocol(sockling::ProtocolError::MessageTimeout)), "{error:?}");
}

#[test]
fn the_phase_is_named() {
    let url = serve(vec![opened(|mut tcp| while tcp.read(&mut [0; 64]).is_ok_and(|n| n > 0) {})]);
    let error = app(url).keepalive(ms(10), ms(50)).reconnect(Backoff::NEVER).run_forever().unwrap_err();
    assert!(matches!(error, Error::Timeout(Phase::Pong)));
    assert_eq!(error.to_string(), "the peer sent nothing within the keepalive's timeout after a ping");
}

/// Lives in a loop of another, by its descriptor and its timeout: over three connections, one of them refused, and what
/// another thread sends.
#[cfg(unix)]
#[test]
fn in_another_event_loop() {
    use std::os::fd::{AsRawFd, BorrowedFd};

    use mio::{Events, Interest, Token, unix::SourceFd};

    let (sender, received) = mpsc::channel();
    let url = serve(vec![
        Box::new(drop),
        opened(|mut tcp| {
            tcp.write_all(&[0x81, 1, b'a']).unwrap();
            thread::sleep(ms(20));
        }),
        opened(move |mut tcp| {
            sender.send(read_frame(&mut tcp)).unwrap();
            tcp.write_all(&[0x81, 1, b'b', 0x88, 2, 0x03, 0xE8]).unwrap();
            read_frame(&mut tcp);
        }),
    ]);
    let diary = Diary::default();
    let mut app = diary.app(url);
    let handle = app.handle();
    let second = Arc::new(AtomicBool::new(false));
    let other = {
        let (handle, second) = (handle.clone(), second.clone());
        thread::spawn(move || {
            wait_until(|| second.load(Ordering::Relaxed));
            thread::sleep(ms(50));
            handle.send("from a thread").unwrap();
        })
    };
    let mut poll = mio::Poll::new().unwrap();
    let fd: BorrowedFd<'_> = app.fd().unwrap();
    poll.registry().register(&mut SourceFd(&fd.as_raw_fd()), Token(0), Interest::READABLE).unwrap();
    let mut events = Events::with_capacity(4);
    let (mut turns, mut result) = (0, app.poll(Instant::now()));
    while result.is_pending() {
        let timeout = app.poll_timeout(Instant::now()).unwrap_or(Duration::from_secs(10));
        let begin = Instant::now();
        poll.poll(&mut events, Some(timeout)).unwrap();
        assert!(begin.elapsed() < Duration::from_secs(5), "nothing woke it");
        result = app.poll(Instant::now());
        turns += 1;
        if diary.contains("again") {
            second.store(true, Ordering::Relaxed);
        }
    }
    assert!(matches!(result, Poll::Ready(Ok(_))), "{result:?}");
    assert!(turns < 100, "it spins: {turns}");
    assert_eq!(received.recv().unwrap(), (0x81, b"from a thread".to_vec()));
    other.join().unwrap();
    let notes = diary.take();
    assert_eq!(notes[1..4], ["open", "message a", "error ConnectionLost"]);
    assert_eq!(notes[6..], ["message b", "close 1000 \"\""]);
    // Over is over.
    assert!(app.poll(Instant::now()).is_ready());
    assert_eq!(app.poll_timeout(Instant::now()), None);
}

/// An app that waits does not use the processor, whatever else is going on.
#[cfg(target_os = "linux")]
#[test]
fn it_does_not_spin() {
    // Something to send that the peer does not take, something half received, and an attempt that waits.
    let url = serve(vec![opened(|mut tcp| {
        tcp.write_all(&[0x82, 126]).unwrap();
        thread::sleep(ms(600));
    })]);
    let mut app = app(url).reconnect(Backoff::NEVER).on_open(|ws| {
        while ws.send(&[0; 1 << 20]).is_ok() {}
        Ok(())
    });
    let thread = thread::spawn(move || {
        let _ = app.run_forever();
        std::fs::read_to_string("/proc/thread-self/schedstat").unwrap()
    });
    let stat = thread.join().unwrap();
    let cpu = Duration::from_nanos(stat.split(' ').next().unwrap().parse().unwrap());
    assert!(cpu < ms(400), "{cpu:?}");
}
