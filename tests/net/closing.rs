//! The closing handshake, and how sockets end.

use std::{
    io::{Read, Write},
    net::TcpStream,
    sync::mpsc,
    thread,
    time::Instant,
};

use socket2::SockRef;
use sockling::{
    CloseCode, ProtocolError, Server,
    net::{Error, Phase, ServerOptions},
};

use crate::peer::{echo, ends, ms, open, options, read_frame, request, serve};

#[test]
fn close_by_the_client() {
    let (url, server) = echo(ServerOptions::new());
    let mut ws = options().connect(&url).unwrap();
    ws.send("x").unwrap();
    let close = ws.close(CloseCode::NORMAL, "bye").unwrap();
    assert!(close.is_clean());
    assert_eq!((close.code(), close.sent), (CloseCode::NORMAL, Some(CloseCode::NORMAL)));
    // It stays closed, and can be closed again.
    assert!(matches!(ws.recv(), Err(Error::Closed(again)) if again == close));
    assert!(matches!(ws.send("x"), Err(Error::Closed(_))));
    assert_eq!(ws.close(CloseCode::NORMAL, "").unwrap(), close);
    server.join().unwrap();
}

/// "the client SHOULD wait for the server to close the connection", but not for ever.
#[test]
fn close_by_a_server_that_stays() {
    let (url, server) = serve(|mut tcp| {
        open(&mut tcp, &[&[0x88, 5, 0x0F, 0xA0][..], b"bye"].concat());
        assert_eq!(read_frame(&mut tcp), (0x88, vec![0x0F, 0xA0]));
        ends(&mut tcp)
    });
    let mut ws = options().close_timeout(ms(100)).connect(&url).unwrap();
    let begin = Instant::now();
    let Err(Error::Closed(close)) = ws.recv() else {
        panic!();
    };
    assert_eq!(close.received, Some((CloseCode(4000), "bye".to_owned())));
    assert!((ms(90)..ms(900)).contains(&begin.elapsed()), "{:?}", begin.elapsed());
    assert!(server.join().unwrap());
}

/// Row 25: a peer that never closes, silent or talking.
#[test]
fn row_25_close_has_a_deadline() {
    for talks in [false, true] {
        let (url, server) = serve(move |mut tcp| {
            open(&mut tcp, &[]);
            while talks && tcp.write_all(&[0x81, 1, b'x']).is_ok() {
                thread::sleep(ms(10));
            }
            let _ = tcp.read_to_end(&mut Vec::new());
        });
        let mut ws = options().close_timeout(ms(150)).connect(&url).unwrap();
        ws.set_read_timeout(Some(ms(20))).unwrap();
        let begin = Instant::now();
        let close = ws.close(CloseCode::GOING_AWAY, "").unwrap();
        assert!(!close.is_clean());
        assert_eq!((close.code(), close.sent), (CloseCode::ABNORMAL_CLOSURE, Some(CloseCode::GOING_AWAY)));
        assert!((ms(150)..ms(900)).contains(&begin.elapsed()), "{:?}", begin.elapsed());
        server.join().unwrap();
    }
}

/// The same for a peer that does not even read.
#[test]
fn row_25_close_at_a_peer_that_does_not_read() {
    let (done, finish) = mpsc::channel::<()>();
    let (url, server) = serve(move |mut tcp| {
        open(&mut tcp, &[]);
        let _ = finish.recv();
    });
    let mut ws = options().close_timeout(ms(100)).write_timeout(Some(ms(20))).connect(&url).unwrap();
    SockRef::from(ws.stream().tcp_stream().unwrap()).set_send_buffer_size(1 << 16).unwrap();
    assert!(ws.send(&vec![0; 8 << 20]).unwrap_err().is_timeout());
    let begin = Instant::now();
    let result = ws.close(CloseCode::NORMAL, "");
    // Whether there was room for the close frame behind what waits.
    match &result {
        Ok(close) => assert!(!close.is_clean()),
        Err(error) => assert!(matches!(error, Error::Timeout(Phase::Close)), "{error:?}"),
    }
    assert!((ms(90)..ms(900)).contains(&begin.elapsed()), "{:?}", begin.elapsed());
    drop(done);
    server.join().unwrap();
}

/// Makes writes wait for the other end to read.
fn narrow(tcp: &TcpStream) {
    SockRef::from(tcp).set_send_buffer_size(8 << 10).unwrap();
}

/// The peer has sent more than was read when it breaks a rule: it learns of it all the same.
#[test]
fn row_26_the_close_frame_survives_unread_data() {
    let mut flood = vec![0xC1, 0];
    flood.resize(200_000, 7);

    // Our client.
    let bytes = flood.clone();
    let (url, peer) = serve(move |mut tcp| {
        narrow(&tcp);
        open(&mut tcp, &bytes);
        thread::sleep(ms(50));
        (read_frame(&mut tcp), ends(&mut tcp))
    });
    let mut ws = options().receive_buffer(1024).connect(&url).unwrap();
    let waiting =
        thread::spawn(move || matches!(ws.recv(), Err(Error::Protocol(ProtocolError::ReservedBits))));
    assert_eq!(peer.join().unwrap(), ((0x88, vec![0x03, 0xEA]), true));
    assert!(waiting.join().unwrap());

    // Our server.
    let server = ServerOptions::new().receive_buffer(1024).bind("127.0.0.1:0").unwrap();
    let addr = server.local_addr().unwrap();
    let peer = thread::spawn(move || {
        let mut tcp = request(addr);
        narrow(&tcp);
        tcp.write_all(&flood).unwrap();
        thread::sleep(ms(50));
        (read_frame(&mut tcp), ends(&mut tcp))
    });
    let mut ws = server.accept().unwrap();
    assert!(matches!(ws.recv(), Err(Error::Protocol(ProtocolError::ReservedBits))));
    assert_eq!(peer.join().unwrap(), ((0x88, vec![0x03, 0xEA]), true));
}

/// The same for text that arrives at once, which is checked last.
#[test]
fn row_21_invalid_text_is_told() {
    let (url, peer) = serve(|mut tcp| {
        narrow(&tcp);
        let flood = [&[0x81, 1, 0xFF][..], &[7; 200_000]].concat();
        open(&mut tcp, &flood);
        thread::sleep(ms(50));
        (read_frame(&mut tcp), ends(&mut tcp))
    });
    let mut ws = options().receive_buffer(1024).connect(&url).unwrap();
    let error = ws.recv().unwrap_err();
    assert!(matches!(error, Error::Protocol(ProtocolError::InvalidUtf8)), "{error:?}");
    assert_eq!(peer.join().unwrap(), ((0x88, vec![0x03, 0xEF]), true));
}

/// "the server MUST close the TCP connection immediately", and yet so that the close frame arrives.
#[test]
fn a_server_closes_first() {
    let server = Server::bind("127.0.0.1:0").unwrap();
    let addr = server.local_addr().unwrap();
    let peer = thread::spawn(move || {
        let mut tcp: TcpStream = request(addr);
        narrow(&tcp);
        // A close frame, and what is sent in spite of it.
        tcp.write_all(&[0x88, 0x82, 0, 0, 0, 0, 0x03, 0xE8]).unwrap();
        tcp.write_all(&[0; 200_000]).unwrap();
        let begin = Instant::now();
        let frame = read_frame(&mut tcp);
        assert!(ends(&mut tcp) && begin.elapsed() < ms(500));
        frame
    });
    let mut ws = server.accept().unwrap();
    let Err(Error::Closed(close)) = ws.recv() else {
        panic!();
    };
    assert!(close.is_clean());
    assert_eq!(peer.join().unwrap(), (0x88, vec![0x03, 0xE8]));
}

#[test]
fn dropped_without_closing() {
    let (url, peer) = serve(|mut tcp| {
        open(&mut tcp, &[]);
        ends(&mut tcp)
    });
    drop(options().connect(&url).unwrap());
    assert!(peer.join().unwrap());
}

/// A server that refuses a message does not read the rest of it, so that writing fails: its close frame has the reason.
#[cfg(target_os = "linux")]
#[test]
fn a_close_frame_is_found_where_writing_failed() {
    let (url, server) = serve(|mut tcp| {
        open(&mut tcp, &[&[0x81, 1, b'x', 0x88, 9, 0x03, 0xF1][..], b"too big"].concat());
        // A socket that is dropped with unread data resets the connection.
        tcp.read_exact(&mut [0; 1000]).unwrap();
    });
    let mut ws = options().connect(&url).unwrap();
    let begin = Instant::now();
    let mut send = || ws.send(&vec![0; 64 << 20]).unwrap_err();
    for error in [send(), send(), ws.recv().unwrap_err()] {
        let Error::Closed(close) = error else {
            panic!("{error}");
        };
        assert_eq!((close.code(), close.reason()), (CloseCode::MESSAGE_TOO_BIG, "too big"));
    }
    assert!(begin.elapsed() < ms(900), "{:?}", begin.elapsed());
    server.join().unwrap();
}
