//! Rows about time, over TCP: deadlines are total, so a byte now and then does not stretch them.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use sockling::{
    CloseCode, ConnectOptions, Role,
    net::{Error, Phase, ServerOptions, rustls},
};

use crate::support::{
    drive::wire,
    open::{request, response},
};

const DEADLINE: Duration = Duration::from_millis(250);
const PAUSE: Duration = Duration::from_millis(20);

/// Ran for the deadline, not much longer, and ended with this.
fn check<T>(phase: Phase, run: impl FnOnce() -> Result<T, Error>) {
    let begun = Instant::now();
    match run().err() {
        Some(Error::Timeout(ended)) => assert_eq!(ended, phase),
        other => panic!("{other:?}"),
    }
    let took = begun.elapsed();
    assert!(took >= DEADLINE && took < 8 * DEADLINE, "{took:?}");
}

/// Writes byte by byte, as long as anyone listens.
fn drip(mut tcp: TcpStream, bytes: &[u8]) {
    tcp.set_nodelay(true).unwrap();
    for byte in bytes {
        if tcp.write_all(&[*byte]).is_err() {
            return;
        }
        thread::sleep(PAUSE);
    }
}

/// A server that answers the first connection byte by byte.
fn dripping_server(bytes: Vec<u8>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        let (tcp, _) = listener.accept().unwrap();
        drip(tcp, &bytes);
    });
    format!("{address}/")
}

#[test]
fn row_04_slow_client() {
    let options = ServerOptions::new().handshake_timeout(DEADLINE).read_timeout(Some(4 * PAUSE));
    let server = options.bind("127.0.0.1:0").unwrap();
    let address = server.local_addr().unwrap();
    let client = thread::spawn(move || drip(TcpStream::connect(address).unwrap(), &request("")));
    check(Phase::Handshake, || server.accept());
    client.join().unwrap();
    // And one that says nothing at all.
    let silent = TcpStream::connect(address).unwrap();
    check(Phase::Handshake, || server.accept());
    drop(silent);
}

#[test]
fn row_04_slow_server() {
    let options = ConnectOptions::new().handshake_timeout(DEADLINE).read_timeout(Some(4 * PAUSE));
    for bytes in
        [response(""), b"HTTP/1.1 404 x\r\nContent-Length: 99999\r\n".to_vec(), b"HTTP/1.1 101 ".repeat(20)]
    {
        let url = format!("ws://{}", dripping_server(bytes));
        check(Phase::Handshake, || options.connect(&url));
    }
}

#[test]
fn row_04_slow_tls() {
    let config = rustls::ClientConfig::builder()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    let options = ConnectOptions::new().connect_timeout(DEADLINE).tls(Arc::new(config));
    // The header of a long handshake record.
    let record = [&[0x16, 0x03, 0x03, 0x3F, 0xFF][..], &[0; 100]].concat();
    let url = format!("wss://{}", dripping_server(record));
    check(Phase::Tls, || options.connect(&url));
}

/// A peer that goes on sending after our close frame, and never closes.
#[test]
fn row_25_endless_data_after_close_over_tcp() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}/", listener.local_addr().unwrap());
    let peer = thread::spawn(move || {
        let (mut tcp, _) = listener.accept().unwrap();
        let mut head = vec![];
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            tcp.read_exact(&mut byte).unwrap();
            head.push(byte[0]);
        }
        let head = String::from_utf8(head).unwrap();
        let key = head.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: ")).unwrap().to_string();
        tcp.write_all(&response_to(&key)).unwrap();
        let data = wire(Role::Client, &[(0x82, &[7; 1000])]);
        while tcp.write_all(&data).is_ok() {}
    });
    let mut ws = ConnectOptions::new().close_timeout(DEADLINE).connect(&url).unwrap();
    let begun = Instant::now();
    let close = ws.close(CloseCode::NORMAL, "bye").unwrap();
    let took = begun.elapsed();
    assert!((close.received.is_none(), close.sent) == (true, Some(CloseCode::NORMAL)), "{close:?}");
    assert!(took >= DEADLINE && took < 8 * DEADLINE, "{took:?}");
    drop(ws);
    peer.join().unwrap();
}

/// The accept value of a key that is drawn at random takes a hash: that of a server of the library.
fn response_to(key: &str) -> Vec<u8> {
    let input = request("");
    let input = String::from_utf8(input).unwrap().replace(crate::support::open::KEY, key);
    let io = crate::support::Script::new(input.as_bytes(), 1 << 20);
    let accepted =
        sockling::blocking::accept(io.clone(), &sockling::Config::DEFAULT, [0; 400], [0; 300], |_| {
            sockling::handshake::Response::accept()
        });
    assert!(accepted.is_ok());
    io.output.take()
}
