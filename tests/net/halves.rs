//! Two halves in two threads, over TCP and TLS.

use std::{
    io::{Read as _, Write as _},
    thread,
    time::{Duration, Instant},
};

use sockling::{
    CloseCode, Config, Message,
    net::{Error, ServerOptions},
};

use crate::{
    peer::{Authority, echo, ms, open, options, serve},
    tls::{trusting, wss},
};

fn exchange(url: &str, options: sockling::ConnectOptions) {
    let (mut reader, mut writer) = options.connect(url).unwrap().split().unwrap();
    let receiving = thread::spawn(move || {
        let mut n = 0u32;
        loop {
            match reader.recv() {
                Ok(Message::Binary(data)) => {
                    assert_eq!(data[..4], n.to_be_bytes());
                    n += 1;
                }
                Ok(other) => panic!("{other:?}"),
                Err(error) => return (n, error),
            }
        }
    });
    for n in 0..300u32 {
        let mut data = n.to_be_bytes().to_vec();
        data.resize(4 + (n as usize * 977) % 100_000, 0);
        writer.send(&data).unwrap();
    }
    // The echo server answers all before it answers the close frame.
    writer.close(CloseCode::NORMAL, "done").unwrap();
    let (n, end) = receiving.join().unwrap();
    assert_eq!(n, 300);
    assert!(matches!(&end, Error::Closed(closed) if closed.is_clean()), "{end:?}");
}

#[test]
fn over_tcp() {
    let (url, server) = echo(ServerOptions::new());
    exchange(&url, options());
    server.join().unwrap();
}

#[test]
fn over_tls() {
    let authority = Authority::new();
    let (url, server) = wss(&authority, "localhost", "localhost", false);
    exchange(&url, trusting(&authority));
    server.join().unwrap();
}

/// The reader waits for a peer that never answers: `close` in another thread wakes it.
#[test]
fn close_wakes_a_reader_that_waits() {
    let (url, server) = serve(|mut tcp| {
        open(&mut tcp, b"");
        let mut rest = Vec::new();
        let _ = tcp.read_to_end(&mut rest);
        rest
    });
    let mut config = Config::default();
    config.close_timeout = ms(200);
    let (mut reader, mut writer) = options().config(config).connect(&url).unwrap().split().unwrap();
    let receiving = thread::spawn(move || reader.recv().map(|message| message.kind()).unwrap_err());
    thread::sleep(ms(50));
    let begun = Instant::now();
    writer.close(CloseCode::NORMAL, "").unwrap();
    let end = receiving.join().unwrap();
    assert!(begun.elapsed() < Duration::from_secs(2));
    assert!(matches!(&end, Error::Closed(closed) if closed.received.is_none()), "{end:?}");
    assert_eq!(server.join().unwrap()[0], 0x88);
}

/// The peer closes, reads nothing and goes on sending nothing: the reader does not wait for ever.
#[test]
fn a_peer_that_closes_and_stays() {
    let (url, server) = serve(|mut tcp| {
        open(&mut tcp, b"");
        tcp.write_all(&[0x88, 0]).unwrap();
        thread::sleep(ms(600));
    });
    let mut config = Config::default();
    config.close_timeout = ms(150);
    let (mut reader, writer) = options().config(config).connect(&url).unwrap().split().unwrap();
    let begun = Instant::now();
    let end = reader.recv().unwrap_err();
    assert!(matches!(&end, Error::Closed(closed) if closed.is_clean()), "{end:?}");
    assert!(begun.elapsed() < ms(500));
    drop(writer);
    server.join().unwrap();
}

#[test]
fn a_stream_of_the_callers_cannot_be_cut() {
    let (url, server) = echo(ServerOptions::new());
    let port = sockling::net::WsUrl::parse(&url).unwrap().port();
    struct Opaque(std::net::TcpStream);
    impl std::io::Read for Opaque {
        fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
            self.0.read(buf)
        }
    }
    impl std::io::Write for Opaque {
        fn write(&mut self, buf: &[u8]) -> std::io::Result<usize> {
            self.0.write(buf)
        }
        fn flush(&mut self) -> std::io::Result<()> {
            self.0.flush()
        }
    }
    let stream = Opaque(std::net::TcpStream::connect(("127.0.0.1", port)).unwrap());
    let ws = sockling::ConnectOptions::new().connect_stream(&url, stream).unwrap();
    assert!(matches!(ws.split(), Err(Error::Io(error)) if error.kind() == std::io::ErrorKind::Unsupported));
    server.join().unwrap();
}

/// Where the server refuses what is being sent, it is not news that writing fails.
#[cfg(target_os = "linux")]
#[test]
fn the_reader_tells_the_close_frame_where_writing_failed() {
    for _ in 0..20 {
        let (url, server) = serve(|mut tcp| {
            open(&mut tcp, &[&[0x88, 9, 0x03, 0xF1][..], b"too big"].concat());
            // A socket that is dropped with unread data resets the connection.
            tcp.read_exact(&mut [0; 1000]).unwrap();
        });
        let (mut reader, mut writer) = options().connect(&url).unwrap().split().unwrap();
        let sending = thread::spawn(move || writer.send(&vec![0; 16 << 20]).unwrap_err());
        server.join().unwrap();
        let error = reader.recv().unwrap_err();
        let Error::Closed(close) = error else {
            panic!("{error}");
        };
        assert_eq!((close.code(), close.reason()), (CloseCode::MESSAGE_TOO_BIG, "too big"));
        let error = sending.join().unwrap();
        assert!(!error.is_timeout(), "{error}");
    }
}
