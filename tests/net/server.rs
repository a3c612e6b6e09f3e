//! The listener: what it accepts, refuses, and survives.

use std::{
    io::{ErrorKind, Read, Write},
    net::{TcpListener, TcpStream},
    thread,
};

use sockling::{
    CloseCode, HandshakeError, Message, Server,
    handshake::Response,
    net::{Error, ServerOptions, accept},
};

use crate::peer::{REQUEST, ms, options, read_head, request};

fn exchange(server: &Server, bytes: &[u8]) -> thread::JoinHandle<String> {
    let addr = server.local_addr().unwrap();
    let bytes = bytes.to_vec();
    thread::spawn(move || {
        let mut tcp = TcpStream::connect(addr).unwrap();
        tcp.set_read_timeout(Some(ms(5000))).unwrap();
        tcp.write_all(&bytes).unwrap();
        let mut answer = String::new();
        tcp.read_to_string(&mut answer).unwrap();
        answer
    })
}

#[test]
fn one_bad_client_does_not_end_the_loop() {
    let server = Server::bind("127.0.0.1:0").unwrap();
    let mut incoming = server.incoming();

    let client = exchange(&server, b"BREW / HTTP/1.1\r\nHost: h\r\n\r\n");
    assert!(matches!(incoming.next(), Some(Err(Error::Handshake(_)))));
    assert!(client.join().unwrap().starts_with("HTTP/1.1 4"));

    // A head over every limit, which is answered although most of it was not read.
    let client = exchange(&server, &[b"GET / HTTP/1.1\r\nX: ", &[b'x'; 150_000][..]].concat());
    assert!(matches!(incoming.next(), Some(Err(Error::Handshake(HandshakeError::HeadTooLong)))));
    assert!(client.join().unwrap().starts_with("HTTP/1.1 431 "));

    let client = exchange(&server, &REQUEST.replace("Version: 13", "Version: 8").into_bytes());
    assert!(matches!(incoming.next(), Some(Err(Error::Handshake(_)))));
    assert!(client.join().unwrap().starts_with("HTTP/1.1 426 "));

    let addr = server.local_addr().unwrap();
    let client = thread::spawn(move || request(addr));
    assert!(matches!(incoming.next(), Some(Ok(_))));
    client.join().unwrap();
}

#[test]
fn a_listener_of_the_callers_that_does_not_wait() {
    let server = ServerOptions::new().listen(TcpListener::bind("127.0.0.1:0").unwrap());
    server.listener().set_nonblocking(true).unwrap();
    let nobody = server.accept().unwrap_err();
    assert!(matches!(&nobody, Error::Io(error) if error.kind() == ErrorKind::WouldBlock), "{nobody:?}");
    assert!(nobody.is_timeout());
    let url = format!("ws://{}", server.local_addr().unwrap());
    let client = thread::spawn(move || {
        let mut ws = options().connect(&url).unwrap();
        ws.send("hello").unwrap();
        assert!(matches!(ws.recv().unwrap_err(), Error::Closed(_)));
    });
    let mut ws = loop {
        match server.accept() {
            Err(error) if error.is_timeout() => thread::sleep(ms(1)),
            ws => break ws.unwrap(),
        }
    };
    // The connection waits.
    assert_eq!(ws.recv().unwrap(), Message::Text("hello"));
    ws.close(CloseCode::NORMAL, "").unwrap();
    client.join().unwrap();
}

#[test]
fn the_caller_decides() {
    let server = Server::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}", server.local_addr().unwrap());
    let client = thread::spawn(move || {
        let error = options().connect(&format!("{url}/no")).unwrap_err();
        assert!(
            matches!(&error, Error::Status(response) if response.status == 403 && response.body == b"go away")
        );
        let mut ws = options().subprotocols(["a", "b"]).connect(&format!("{url}/yes")).unwrap();
        assert_eq!(ws.subprotocol(), Some("b"));
        assert_eq!(ws.response().unwrap().header("X-Extra"), Some(&b"1"[..]));
        ws.send("hi").unwrap();
        assert!(ws.close(CloseCode::NORMAL, "").unwrap().is_clean());
    });
    let error = server.accept_with(|_| Response::reject(403).body("go away")).unwrap_err();
    assert!(matches!(error, Error::Handshake(HandshakeError::Refused(403))), "{error:?}");
    let mut path = String::new();
    let mut ws = server
        .accept_with(|request| {
            path = request.path().to_owned();
            Response::accept().subprotocol("b").fields(&[("X-Extra", "1")])
        })
        .unwrap();
    assert_eq!((path.as_str(), ws.subprotocol()), ("/yes", Some("b")));
    assert!(ws.response().is_none());
    assert_eq!(ws.recv().unwrap(), Message::Text("hi"));
    assert!(matches!(ws.recv(), Err(Error::Closed(_))));
    client.join().unwrap();
}

#[test]
fn subprotocol_of_the_list() {
    let server = ServerOptions::new().subprotocols(["x", "a", "b"]).bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}", server.local_addr().unwrap());
    let client = thread::spawn(move || {
        ["b", "c"].map(|offer| {
            options().subprotocols([offer]).connect(&url).unwrap().subprotocol().map(str::to_owned)
        })
    });
    let served: Vec<_> = (0..2).map(|_| server.accept().unwrap().subprotocol().map(str::to_owned)).collect();
    assert_eq!(served, [Some("b".to_owned()), None]);
    assert_eq!(client.join().unwrap().to_vec(), served);
}

/// The handshake in the thread of its connection: a silent client keeps nobody waiting.
#[test]
fn handshake_apart_from_accept() {
    let server = Server::bind("127.0.0.1:0").unwrap();
    let addr = server.local_addr().unwrap();
    let silent = TcpStream::connect(addr).unwrap();
    let first = server.accept_tcp().unwrap();
    let slow = server.options().clone();
    let waiting = thread::spawn(move || slow.accept(first));

    let client = thread::spawn(move || request(addr));
    let tcp = server.accept_tcp().unwrap();
    let mut ws = server.handshake(tcp).unwrap();
    let mut tcp = client.join().unwrap();
    ws.send("hi").unwrap();
    assert_eq!(crate::peer::read_frame(&mut tcp), (0x81, b"hi".to_vec()));
    drop(silent);
    assert!(matches!(waiting.join().unwrap(), Err(Error::Handshake(HandshakeError::UnexpectedEof))));

    let client = thread::spawn(move || request(addr));
    assert!(accept(server.accept_tcp().unwrap()).is_ok());
    client.join().unwrap();
}

/// A frame that comes with the request is one.
#[test]
fn row_34_bytes_pipelined_with_the_request() {
    let server = Server::bind("127.0.0.1:0").unwrap();
    let mut tcp = TcpStream::connect(server.local_addr().unwrap()).unwrap();
    tcp.write_all(&[REQUEST.as_bytes(), &[0x81, 0x82, 0, 0, 0, 0, b'h', b'i']].concat()).unwrap();
    let mut ws = server.accept().unwrap();
    assert_eq!(ws.recv().unwrap(), Message::Text("hi"));
    read_head(&mut tcp);
}
