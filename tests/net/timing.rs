//! Deadlines are total; time-outs and non-blocking sockets lose nothing.

use std::{
    io::{ErrorKind, Read, Write},
    net::TcpStream,
    sync::mpsc,
    thread,
    time::Instant,
};

use socket2::SockRef;
use sockling::{
    Message, Server,
    net::{Error, Phase, ServerOptions},
};

use crate::peer::{REQUEST, ms, open, options, read_frame, read_head, serve};

/// Sends one byte at a time until the peer has had enough; returns whether it ever had.
fn trickle(mut tcp: TcpStream, bytes: &[u8]) -> bool {
    bytes.iter().any(|byte| {
        thread::sleep(ms(20));
        tcp.write_all(&[*byte]).is_err()
    })
}

#[test]
fn row_04_slow_loris_server() {
    let (url, server) = serve(|mut tcp| {
        read_head(&mut tcp);
        trickle(tcp, format!("HTTP/1.1 101 {}", "x".repeat(200)).as_bytes())
    });
    let begin = Instant::now();
    // The time limit of one read is never over.
    let error = options().handshake_timeout(ms(150)).read_timeout(Some(ms(100))).connect(&url).unwrap_err();
    assert!(matches!(error, Error::Timeout(Phase::Handshake)), "{error:?}");
    assert!(error.is_timeout() && !error.is_permanent());
    assert!((ms(150)..ms(900)).contains(&begin.elapsed()), "{:?}", begin.elapsed());
    assert!(server.join().unwrap());
}

#[test]
fn row_04_slow_loris_client() {
    let server = ServerOptions::new().handshake_timeout(ms(150)).bind("127.0.0.1:0").unwrap();
    let tcp = TcpStream::connect(server.local_addr().unwrap()).unwrap();
    let client = thread::spawn(move || trickle(tcp, REQUEST.as_bytes()));
    let begin = Instant::now();
    let error = server.accept().unwrap_err();
    assert!(matches!(error, Error::Timeout(Phase::Handshake)), "{error:?}");
    assert!((ms(150)..ms(900)).contains(&begin.elapsed()), "{:?}", begin.elapsed());
    assert!(client.join().unwrap());
}

/// A server that accepts and says nothing, to each kind of handshake.
#[test]
fn silent_server() {
    for (scheme, phase) in [("ws", Phase::Handshake), ("wss", Phase::Tls)] {
        let (url, server) = serve(|mut tcp| tcp.read_to_end(&mut Vec::new()));
        let options = options().connect_timeout(ms(100)).handshake_timeout(ms(100));
        let begin = Instant::now();
        let error = options.connect(&url.replace("ws", scheme)).unwrap_err();
        assert!(matches!(error, Error::Timeout(which) if which == phase), "{error:?}");
        assert!(begin.elapsed() < ms(1000), "{:?}", begin.elapsed());
        let _ = server.join().unwrap();
    }
}

#[test]
fn row_38_frame_in_the_segment_of_the_answer() {
    let (url, server) = serve(|mut tcp| {
        open(&mut tcp, &[0x81, 2, b'h', b'i', 0x89, 1, b'p', 0x82, 3, 1, 2]);
        assert_eq!(read_frame(&mut tcp), (0x8A, b"p".to_vec()));
        tcp.write_all(&[3]).unwrap();
    });
    let mut ws = options().connect(&url).unwrap();
    assert_eq!(ws.recv().unwrap(), Message::Text("hi"));
    assert_eq!(ws.recv().unwrap(), Message::Binary(&[1, 2, 3]));
    server.join().unwrap();
}

#[test]
fn row_39_read_timeout_at_every_byte() {
    let frames = [0x01, 3, b'a', b'b', b'c', 0x80, 2, b'd', b'e', 0x82, 1, 7];
    let (go, turn) = mpsc::channel();
    let (url, server) = serve(move |mut tcp| {
        open(&mut tcp, &[]);
        for byte in frames {
            let () = turn.recv().unwrap();
            tcp.write_all(&[byte]).unwrap();
        }
        // Stays until the client is done.
        let _ = turn.recv();
    });
    let mut ws = options().connect(&url).unwrap();
    ws.set_read_timeout(Some(ms(10))).unwrap();
    let mut got = Vec::new();
    for _ in frames {
        let error = ws.recv().unwrap_err();
        assert!(matches!(&error, Error::Io(error) if error.kind() == ErrorKind::TimedOut), "{error:?}");
        assert!(error.is_timeout() && !error.is_permanent());
        go.send(()).unwrap();
        thread::sleep(ms(5));
        while let Ok(message) = ws.recv() {
            got.push(format!("{message:?}"));
        }
    }
    assert_eq!(got, [r#"Text("abcde")"#, "Binary([7])"]);
    drop(go);
    server.join().unwrap();
}

/// More than sockets hold, so that both directions block many times.
#[test]
fn row_39_nonblocking_in_both_directions() {
    const LEN: usize = 4 << 20;
    let message: Vec<u8> = (0..LEN).map(|n| (n % 251) as u8).collect();
    let server = Server::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}", server.local_addr().unwrap());
    let server = thread::spawn(move || {
        let tcp = server.accept_tcp().unwrap();
        SockRef::from(&tcp).set_recv_buffer_size(1 << 16).unwrap();
        let mut ws = server.handshake(tcp).unwrap();
        thread::sleep(ms(20));
        let copy = ws.recv().unwrap().as_bytes().to_vec();
        thread::sleep(ms(50));
        ws.send(&copy).unwrap();
        assert!(matches!(ws.recv(), Err(Error::Closed(_))));
    });
    let mut ws = options().connect(&url).unwrap();
    SockRef::from(ws.stream().tcp_stream().unwrap()).set_send_buffer_size(1 << 16).unwrap();
    ws.set_nonblocking(true).unwrap();
    let mut blocked = [0, 0];
    let mut sent = ws.send(&message);
    while let Err(error) = sent {
        assert!(matches!(&error, Error::Io(error) if error.kind() == ErrorKind::WouldBlock), "{error:?}");
        blocked[0] += 1;
        thread::sleep(ms(1));
        sent = ws.resume_send(&message);
    }
    loop {
        match ws.recv() {
            Ok(got) => {
                assert!(got.as_bytes() == message);
                break;
            }
            Err(error) => assert!(error.is_timeout(), "{error:?}"),
        }
        blocked[1] += 1;
        thread::sleep(ms(1));
    }
    assert!(blocked.iter().all(|blocked| *blocked > 0), "{blocked:?}");
    loop {
        match ws.close(sockling::CloseCode::NORMAL, "") {
            Ok(close) => break assert!(close.is_clean()),
            Err(error) => assert!(error.is_timeout(), "{error:?}"),
        }
        thread::sleep(ms(1));
    }
    server.join().unwrap();
}

/// The peer does not read: writing has to wait, reading need not.
#[test]
fn row_13_a_peer_that_does_not_read_can_be_read() {
    let (done, finish) = mpsc::channel::<()>();
    let (url, server) = serve(move |mut tcp| {
        open(&mut tcp, &[]);
        let mut pings: Vec<u8> = [0x89, 125].into_iter().chain([b'p'; 125]).collect();
        pings = pings.repeat(5_000);
        pings.extend([0x81, 2, b'h', b'i']);
        tcp.write_all(&pings).unwrap();
        let _ = finish.recv();
    });
    let mut ws = options().write_timeout(Some(ms(20))).connect(&url).unwrap();
    // Fills what lies between.
    SockRef::from(ws.stream().tcp_stream().unwrap()).set_send_buffer_size(1 << 16).unwrap();
    let big = vec![0; 8 << 20];
    assert!(ws.send(&big).unwrap_err().is_timeout());
    assert_eq!(ws.recv().unwrap(), Message::Text("hi"));
    drop(done);
    server.join().unwrap();
}

/// Bytes that come now and then do not stretch the time for one message.
#[test]
fn row_08_a_message_that_is_never_finished() {
    for halves in [false, true] {
        let (url, server) = serve(|mut tcp| {
            open(&mut tcp, b"");
            // A whole message takes no time; then one that goes on for ever, in tiny fragments.
            tcp.write_all(&[0x81, 2, b'o', b'k', 0x01, 0]).unwrap();
            let mut seen = Vec::new();
            tcp.set_read_timeout(Some(ms(20))).unwrap();
            while seen.len() < 8 {
                let _ = tcp.write_all(&[0x00, 1, b'x']);
                let mut bytes = [0; 64];
                match tcp.read(&mut bytes) {
                    Ok(0) => break,
                    Ok(n) => seen.extend_from_slice(&bytes[..n]),
                    Err(_) => {}
                }
            }
            seen
        });
        let mut config = sockling::Config::default();
        config.message_timeout = ms(200);
        let mut ws = options().config(config).read_timeout(None).connect(&url).unwrap();
        let begun;
        let end = if halves {
            let (mut reader, _writer) = ws.split().unwrap();
            assert_eq!(reader.recv().unwrap().as_text(), Some("ok"));
            begun = Instant::now();
            reader.recv().map(|message| message.kind()).unwrap_err()
        } else {
            assert_eq!(ws.recv().unwrap().as_text(), Some("ok"));
            begun = Instant::now();
            ws.recv().map(|message| message.kind()).unwrap_err()
        };
        assert!(matches!(end, Error::Protocol(sockling::ProtocolError::MessageTimeout)), "{end:?}");
        assert!((ms(150)..ms(1900)).contains(&begun.elapsed()), "{:?}", begun.elapsed());
        let seen = server.join().unwrap();
        let unmasked = [seen[6] ^ seen[2], seen[7] ^ seen[3]];
        assert_eq!((seen[0], u16::from_be_bytes(unmasked)), (0x88, 1008));
    }
}
