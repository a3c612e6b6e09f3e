//! `Stream` and `Sink`, as code for tokio-tungstenite uses them.

use futures_util::{FutureExt, SinkExt, StreamExt, future, stream::FusedStream};
use sockling::{
    CloseCode, Config, ConnectOptions,
    net::{
        Error, ServerOptions,
        tokio::{CloseFrame, OwnedMessage as Message},
    },
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use crate::{
    peer::options,
    pipe::{Choppy, client, echo},
    support::{close_body, frame, frames},
};

#[tokio::test]
async fn a_client_split_by_futures() {
    let (url, server) = echo(ServerOptions::new()).await;
    let (mut sink, stream) = options().connect_async(&url).await.unwrap().into_stream().split();
    let receiving = tokio::spawn(stream.map(Result::unwrap).collect::<Vec<_>>());
    let sent: Vec<Message> = (0..100usize).map(|n| vec![n as u8; n * n * 30].into()).collect();
    for message in &sent {
        sink.feed(message.clone()).await.unwrap();
    }
    sink.send("last".into()).await.unwrap();
    sink.close().await.unwrap();
    let mut got = receiving.await.unwrap();
    let close = CloseFrame { code: CloseCode::NORMAL, reason: String::new() };
    assert_eq!(got.pop(), Some(Message::Close(Some(close))));
    assert_eq!(got.pop(), Some(Message::text("last")));
    assert!(got == sent);
    assert!(matches!(server.await.unwrap(), Error::Closed(_)));
}

/// The whole server in one line, as in tokio-tungstenite's example.
#[tokio::test]
async fn a_server_that_forwards() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}", listener.local_addr().unwrap());
    let server = tokio::spawn(async move {
        let tcp = listener.accept().await.unwrap().0;
        let (sink, stream) = sockling::net::tokio::accept_async(tcp).await.unwrap().into_stream().split();
        stream
            .take_while(|message| future::ready(matches!(message, Ok(m) if m.is_text())))
            .forward(sink)
            .await
    });
    let mut ws = options().connect_async(&url).await.unwrap();
    for text in ["a", "b", "c"] {
        ws.send(text).await.unwrap();
        assert_eq!(ws.recv().await.unwrap().as_text(), Some(text));
    }
    ws.send(b"\0").await.unwrap();
    // `forward` closes the sink, which is a close frame.
    let end = ws.recv().await.unwrap_err();
    assert!(matches!(&end, Error::Closed(close) if close.code() == CloseCode::NORMAL), "{end:?}");
    server.await.unwrap().unwrap();
}

#[tokio::test]
async fn control_frames() {
    let mut config = Config::default();
    config.report_control = true;
    let early = [frame(0x89, b"1", None), frame(0x8A, b"2", None), frame(0x88, &[], None)].concat();
    let (ws, mut peer) = client(&ConnectOptions::new().config(config), 1000, &early, |io| io).await;
    let mut ws = ws.into_stream();
    ws.send(Message::Ping(b"3".to_vec())).await.unwrap();
    assert_eq!(ws.next().await.unwrap().unwrap(), Message::Ping(b"1".to_vec()));
    assert_eq!(ws.next().await.unwrap().unwrap(), Message::Pong(b"2".to_vec()));
    peer.shutdown().await.unwrap();
    assert!(!ws.is_terminated());
    assert_eq!(ws.next().await.unwrap().unwrap(), Message::Close(None));
    assert!(ws.next().await.is_none() && ws.is_terminated());
    // Closing what is closed is no error; sending is one.
    ws.close().await.unwrap();
    assert!(matches!(ws.send("late".into()).await, Err(Error::Closed(_))));
    let mut wire = Vec::new();
    peer.read_to_end(&mut wire).await.unwrap();
    let seen: Vec<(u8, Vec<u8>)> = frames(&wire).into_iter().map(|f| (f.first, f.payload)).collect();
    assert_eq!(seen, [(0x89, b"3".to_vec()), (0x8A, b"1".to_vec()), (0x88, vec![])]);
}

#[tokio::test]
async fn a_close_frame_as_a_message() {
    let (ws, mut peer) = client(&ConnectOptions::new(), 1000, &[], |io| io).await;
    let mut ws = ws.into_stream();
    let close = CloseFrame { code: CloseCode(4001), reason: "why".into() };
    ws.send(Message::Close(Some(close))).await.unwrap();
    assert!(matches!(ws.send("late".into()).await, Err(Error::Misuse(_))));
    let mut wire = [0; 6 + 5];
    peer.read_exact(&mut wire).await.unwrap();
    assert_eq!(frames(&wire)[0].payload, close_body(4001, "why"));
    // Messages still come until the peer's close frame.
    peer.write_all(&[frame(0x81, b"late", None), frame(0x88, &close_body(4001, ""), None)].concat())
        .await
        .unwrap();
    drop(peer);
    assert_eq!(ws.next().await.unwrap().unwrap(), Message::text("late"));
    assert!(ws.next().await.unwrap().unwrap().is_close());
    assert!(ws.next().await.is_none());
}

#[tokio::test]
async fn errors_end_the_stream() {
    for (early, rule) in
        [(frame(0x83, b"", None), true), (frame(0x81, b"\xFF", None), true), (vec![0x81], false)]
    {
        let (ws, mut peer) = client(&ConnectOptions::new(), 1000, &early, |io| io).await;
        peer.shutdown().await.unwrap();
        let mut ws = ws.into_stream();
        let error = ws.next().await.unwrap().unwrap_err();
        assert_eq!(matches!(error, Error::Protocol(_)), rule, "{error:?}");
        assert_eq!(matches!(error, Error::ConnectionLost), !rule, "{error:?}");
        assert!(ws.next().await.is_none());
        let mut wire = Vec::new();
        peer.read_to_end(&mut wire).await.unwrap();
        assert_eq!(frames(&wire).len(), usize::from(rule), "a close frame tells the peer");
    }
}

/// What the sink was given is sent once and whole, however often polling it stops.
#[tokio::test]
async fn a_sink_dropped_at_every_await() {
    let options = ConnectOptions::new().send_buffer(300);
    let (ws, mut peer) = client(&options, 1 << 16, &[], |io| Choppy::new(io, 3)).await;
    let mut ws = ws.into_stream();
    let mut dropped = 0;
    for n in 0..20u8 {
        while ws.ready_now().is_none() {
            dropped += 1;
            tokio::task::yield_now().await;
        }
        ws.start_send_unpin(vec![n; 50 * usize::from(n)].into()).unwrap();
    }
    while ws.flush().now_or_never().is_none() {
        dropped += 1;
        tokio::task::yield_now().await;
    }
    assert!(dropped > 100, "{dropped}");
    drop(ws);
    let mut wire = Vec::new();
    peer.read_to_end(&mut wire).await.unwrap();
    let mut seen = frames(&wire).into_iter();
    for n in 0..20u8 {
        let mut payload = Vec::new();
        loop {
            let frame = seen.next().unwrap();
            payload.extend(frame.payload);
            if frame.first & 0x80 != 0 {
                break;
            }
        }
        assert_eq!(payload, vec![n; 50 * usize::from(n)]);
    }
    assert!(seen.next().is_none());
}

trait ReadyNow {
    fn ready_now(&mut self) -> Option<()>;
}

impl ReadyNow for sockling::net::tokio::MessageStream {
    fn ready_now(&mut self) -> Option<()> {
        let ready = future::poll_fn(|cx| self.poll_ready_unpin(cx));
        ready.now_or_never().map(Result::unwrap)
    }
}
