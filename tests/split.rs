//! Two halves at once: whole frames on the wire, pings answered by whoever has the turn, reading never blocked by
//! writing.

mod support;

use std::{
    cell::Cell,
    future::Future,
    pin::pin,
    rc::Rc,
    task::{Context, Poll, Waker},
};

use embedded_io::ErrorKind;
use sockling::{CloseCode, Closed, Config, Error, Message, Role, asynch, proto::Session};
use support::{Counter, Script, close_body, frame, frames, once};

const KEY: Option<[u8; 4]> = Some([1, 2, 3, 4]);

/// A pipe's two ends; the writing one takes bytes only while `open`.
struct Pipes {
    read: Script,
    write: Gated,
}

struct Gated {
    inner: Script,
    open: Rc<Cell<bool>>,
}

impl embedded_io::ErrorType for Gated {
    type Error = ErrorKind;
}

impl embedded_io_async::Write for Gated {
    async fn write(&mut self, buf: &[u8]) -> Result<usize, ErrorKind> {
        while !self.open.get() {
            let mut first = true;
            std::future::poll_fn(|cx| {
                cx.waker().wake_by_ref();
                if std::mem::take(&mut first) { Poll::Pending } else { Poll::Ready(()) }
            })
            .await;
        }
        self.inner.write(buf).await
    }

    async fn flush(&mut self) -> Result<(), ErrorKind> {
        self.inner.flush().await
    }
}

impl embedded_io::ErrorType for Pipes {
    type Error = ErrorKind;
}

impl embedded_io_async::Read for Pipes {
    async fn read(&mut self, buf: &mut [u8]) -> Result<usize, ErrorKind> {
        self.read.read(buf).await
    }
}

impl embedded_io_async::Write for Pipes {
    async fn write(&mut self, buf: &[u8]) -> Result<usize, ErrorKind> {
        self.write.write(buf).await
    }

    async fn flush(&mut self) -> Result<(), ErrorKind> {
        self.write.flush().await
    }
}

fn pipes(input: &[u8], step: usize) -> (Pipes, Rc<Cell<bool>>, Script) {
    let mut read = Script::new(input, step).gated();
    read.ends = false;
    let write = Script::new(b"", step).gated();
    let open = Rc::new(Cell::new(true));
    (Pipes { read, write: Gated { inner: write.clone(), open: open.clone() } }, open, write)
}

type Ws = asynch::WebSocket<Pipes, Counter, [u8; 512], [u8; 256]>;

fn server(io: Pipes) -> Ws {
    asynch::WebSocket::from_parts(
        io,
        Session::new(Role::Server, &Config::DEFAULT),
        Counter(0),
        [0; 512],
        [0; 256],
    )
    .unwrap()
}

/// Polls both in turn until both are ready.
fn join<A: Future, B: Future>(a: A, b: B) -> (A::Output, B::Output) {
    let (mut a, mut b) = (pin!(a), pin!(b));
    let (mut x, mut y) = (None, None);
    let mut cx = Context::from_waker(Waker::noop());
    for _ in 0..1_000_000 {
        if x.is_none()
            && let Poll::Ready(value) = a.as_mut().poll(&mut cx)
        {
            x = Some(value);
        }
        if y.is_none()
            && let Poll::Ready(value) = b.as_mut().poll(&mut cx)
        {
            y = Some(value);
        }
        if let (Some(_), Some(_)) = (&x, &y) {
            break;
        }
    }
    x.zip(y).expect("the halves hang")
}

#[test]
fn pings_are_answered_between_the_frames_of_a_long_message() {
    for step in [1, 3, 1000] {
        let wire = [frame(0x89, b"one", KEY), frame(0x81, b"hi", KEY), frame(0x89, b"two", KEY)].concat();
        let (io, _, out) = pipes(&[wire, frame(0x81, b"end", KEY)].concat(), step);
        let mut ws = server(io);
        let big = [5; 1500];
        let mut split = ws.split(|io| (&mut io.read, &mut io.write));
        let (mut reader, mut writer) = split.halves();
        let (got, sent) = join(
            async {
                let mut got = vec![];
                for _ in 0..2 {
                    got.push(reader.recv().await.unwrap().as_text().unwrap().to_string());
                }
                got
            },
            writer.send(&big),
        );
        sent.unwrap();
        assert_eq!(got, ["hi", "end"]);
        // The second pong may still be owed: the next call of either half sends it.
        let _ = once(reader.recv());
        for _ in 0..100 {
            let _ = once(reader.recv());
        }
        let seen = frames(&out.output.borrow());
        let data: Vec<u8> =
            seen.iter().filter(|f| f.first & 8 == 0).flat_map(|f| f.payload.clone()).collect();
        assert_eq!(data, big, "step {step}");
        let pongs: Vec<_> = seen.iter().filter(|f| f.first == 0x8A).map(|f| f.payload.clone()).collect();
        assert_eq!(pongs.last().unwrap(), b"two", "step {step}");
        assert!(pongs.len() <= 2);
    }
}

#[test]
fn a_peer_that_does_not_read_cannot_keep_us_from_reading() {
    let mut wire = vec![];
    for n in 0..1000u32 {
        wire.extend(frame(0x89, &n.to_be_bytes(), KEY));
        wire.extend(frame(0x82, &n.to_be_bytes(), KEY));
    }
    let (io, open, out) = pipes(&wire, 100);
    let mut ws = server(io);
    open.set(false);
    let mut split = ws.split(|io| (&mut io.read, &mut io.write));
    let (mut reader, mut writer) = split.halves();
    let mut send = pin!(writer.send("blocked"));
    let mut cx = Context::from_waker(Waker::noop());
    assert!(send.as_mut().poll(&mut cx).is_pending());
    for n in 0..1000u32 {
        let message = loop {
            if let Some(message) = once(reader.recv()) {
                break message.unwrap().as_bytes().to_vec();
            }
        };
        assert_eq!(message, n.to_be_bytes());
    }
    open.set(true);
    let sent = loop {
        if let Poll::Ready(sent) = send.as_mut().poll(&mut cx) {
            break sent;
        }
    };
    sent.unwrap();
    let seen = frames(&out.output.borrow());
    assert_eq!(seen[0].payload, b"blocked");
    assert_eq!(seen[1].payload, 999u32.to_be_bytes(), "the latest pong");
    assert_eq!(seen.len(), 2);
}

#[test]
fn the_reader_alone_answers_and_closes() {
    for step in [1, 1000] {
        let wire = [frame(0x89, b"?", KEY), frame(0x88, &close_body(1001, "off"), KEY)].concat();
        let (io, _, out) = pipes(&wire, step);
        let mut ws = server(io);
        {
            let mut split = ws.split(|io| (&mut io.read, &mut io.write));
            let (mut reader, mut writer) = split.halves();
            let end = loop {
                if let Some(end) = once(reader.recv()) {
                    break end.unwrap_err();
                }
            };
            let code = Some(CloseCode::GOING_AWAY);
            assert_eq!(end, Error::Closed(Closed { received: code, sent: code }));
            assert_eq!(reader.close_reason(), "off");
            assert!(matches!(once(writer.send("late")), Some(Err(Error::Closed(_)))));
        }
        let seen = frames(&out.output.borrow());
        assert_eq!(seen.iter().map(|f| f.first).collect::<Vec<_>>(), [0x8A, 0x88]);
        // Whole again, and it knows.
        assert!(matches!(once(ws.recv()), Some(Err(Error::Closed(_)))));
        assert_eq!(ws.close_reason(), "off");
    }
}

#[test]
fn the_writer_closes_and_the_reader_sees_the_end() {
    let (io, _, out) = pipes(&frame(0x88, &close_body(1000, ""), KEY), 2);
    let mut ws = server(io);
    let mut split = ws.split(|io| (&mut io.read, &mut io.write));
    let (mut reader, mut writer) = split.halves();
    let (end, closed) =
        join(async { reader.recv().await.map(|m| m.kind()) }, writer.close(CloseCode::NORMAL, "done"));
    closed.unwrap();
    assert!(matches!(end, Err(Error::Closed(closed)) if closed.is_clean()));
    let seen = frames(&out.output.borrow());
    assert_eq!(seen[0].payload, close_body(1000, "done"));
    assert_eq!(seen.len(), 1);
}

#[test]
fn a_broken_rule_is_answered_while_the_writer_is_in_the_middle() {
    let (io, _, out) = pipes(&frame(0xC1, b"x", KEY), 1);
    let mut ws = server(io);
    let mut split = ws.split(|io| (&mut io.read, &mut io.write));
    let (mut reader, mut writer) = split.halves();
    let (got, sent) = join(async { reader.recv().await.map(|m| m.kind()) }, writer.send(&[1; 4000]));
    assert_eq!(got, Err(Error::Protocol(sockling::ProtocolError::ReservedBits)));
    assert!(sent.is_err());
    let seen = frames(&out.output.borrow());
    assert_eq!(seen.last().unwrap().payload, close_body(1002, ""));
    assert_eq!(seen.iter().filter(|f| f.first == 0x88).count(), 1);
}

#[test]
fn halves_dropped_at_every_await() {
    for step in [1, 2, 3, 5, 1000] {
        let mut wire = vec![];
        for n in 0..50u8 {
            wire.extend(frame(0x89, &[n], KEY));
            wire.extend(frame(0x82, &[n; 99], KEY));
        }
        let (io, _, out) = pipes(&wire, step);
        let mut ws = server(io);
        let mut got = 0u8;
        let data = [7; 700];
        let (mut sent, mut begun) = (0, false);
        while got < 50 || sent < 5 {
            // Split anew each time: state survives that too.
            let mut split = ws.split(|io| (&mut io.read, &mut io.write));
            let (mut reader, mut writer) = split.halves();
            if got < 50
                && let Some(message) = once(reader.recv())
            {
                assert_eq!(message.unwrap(), Message::Binary(&[got; 99]));
                got += 1;
            }
            if sent < 5 {
                let result = if begun { once(writer.resume_send(&data)) } else { once(writer.send(&data)) };
                begun = result.is_none();
                if let Some(result) = result {
                    result.unwrap();
                    sent += 1;
                }
            }
        }
        while once(ws.flush()).is_none() {}
        let seen = frames(&out.output.borrow());
        let bytes: usize = seen.iter().filter(|f| f.first & 8 == 0).map(|f| f.payload.len()).sum();
        assert_eq!(bytes, 5 * 700);
        assert_eq!(seen.iter().filter(|f| f.first & 0x88 == 0x80).count(), 5);
        let pongs: Vec<_> = seen.iter().filter(|f| f.first == 0x8A).map(|f| f.payload[0]).collect();
        assert!(pongs.is_sorted() && pongs.last() == Some(&49), "{pongs:?}");
    }
}

#[cfg(feature = "std")]
#[test]
fn two_threads() {
    use std::{
        net::{TcpListener, TcpStream},
        thread,
    };

    use embedded_io_adapters::std::FromStd;
    use sockling::{Growing, blocking};

    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (server, _) = listener.accept().unwrap();
    let ends = [(client, Role::Client), (server, Role::Server)].map(|(tcp, role)| {
        let session = Session::new(role, &Config::DEFAULT);
        let rx = Growing::new(1024, 1 << 20);
        let ws =
            blocking::WebSocket::from_parts(FromStd::new(tcp), session, Counter(0), rx, [0; 256]).unwrap();
        let (mut reader, mut writer) = ws.split(|io| {
            let tcp = io.into_inner();
            let other = tcp.try_clone().unwrap();
            (FromStd::new(tcp), FromStd::new(other))
        });
        let receiving = thread::spawn(move || {
            let (mut n, mut pings) = (0u32, 0);
            loop {
                match reader.recv() {
                    Ok(Message::Binary(data)) => {
                        assert_eq!(data[..4], n.to_be_bytes());
                        n += 1;
                    }
                    Ok(_) => pings += 1,
                    Err(error) => return (n, pings, format!("{error:?}")),
                }
            }
        });
        let sending = thread::spawn(move || {
            for n in 0..500u32 {
                let mut data = n.to_be_bytes().to_vec();
                data.resize(4 + (n as usize * 37) % 3000, 0);
                let sent = writer.send(&data).and_then(|()| writer.send(Message::Ping(b"?")));
                // The client may be done first; then its close frame ends what the server sends.
                if role == Role::Server && matches!(sent, Err(Error::Closed(_) | Error::Misuse(_))) {
                    break;
                }
                sent.unwrap();
            }
            if role == Role::Client {
                writer.close(CloseCode::NORMAL, "").unwrap();
            }
            writer
        });
        (receiving, sending)
    });
    let [client, server] = ends;
    let server_writer = server.1.join().unwrap();
    let _ = client.1.join().unwrap();
    let (n, _, end) = server.0.join().unwrap();
    assert!(n == 500 && end.starts_with("Closed"), "{n} {end}");
    drop(server_writer);
    let (n, _, end) = client.0.join().unwrap();
    assert!(end.starts_with("Closed"), "{n} {end}");
}

/// What the peer does not read any more.
struct Broken;

impl embedded_io::ErrorType for Broken {
    type Error = ErrorKind;
}

impl embedded_io_async::Write for Broken {
    async fn write(&mut self, _: &[u8]) -> Result<usize, ErrorKind> {
        Err(ErrorKind::BrokenPipe)
    }

    async fn flush(&mut self) -> Result<(), ErrorKind> {
        Ok(())
    }
}

/// That a close frame cannot be answered is no news.
#[test]
fn the_reader_tells_the_close_frame_where_writing_fails() {
    let (io, _, _) = pipes(&frame(0x88, &close_body(1009, "too big"), KEY), 1000);
    let mut ws = server(io);
    let mut split = ws.split(|io| (&mut io.read, Broken));
    let (mut reader, mut writer) = split.halves();
    let end = join(async { reader.recv().await.map(|m| m.kind()) }, async {}).0;
    assert!(
        matches!(end, Err(Error::Closed(closed)) if closed.received == Some(CloseCode::MESSAGE_TOO_BIG)),
        "{end:?}"
    );
    assert_eq!(reader.close_reason(), "too big");
    assert!(!matches!(once(writer.send("late")), Some(Ok(()))));
}
