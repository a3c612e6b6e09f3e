//! The ends of connections, and their deadlines.

use sockling::{
    CloseCode, Config, ConnectOptions, ProtocolError,
    net::{Error, Phase, ServerOptions},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::{Duration, Instant},
};

use crate::{
    peer::{REQUEST, ms},
    pipe::{client, read_head, server},
    support::{close_body, frame, frames},
};

fn config(change: impl FnOnce(&mut Config)) -> Config {
    let mut config = Config::default();
    change(&mut config);
    config
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_does_not_answer_the_close_frame() {
    for is_client in [true, false] {
        let (mut ws, _peer) = if is_client {
            client(&ConnectOptions::new(), 1000, &[], |io| io).await
        } else {
            server(&ServerOptions::new(), 1000, |io| io).await
        };
        let begin = Instant::now();
        let close = ws.close(CloseCode::NORMAL, "").await.unwrap();
        assert_eq!((close.received, close.sent), (None, Some(CloseCode::NORMAL)));
        assert!((4900..5200).contains(&begin.elapsed().as_millis()), "{:?}", begin.elapsed());
        assert!(ws.stream().is_none());
    }
}

/// Calls that are dropped do not stretch the time.
#[tokio::test(start_paused = true)]
async fn the_time_to_close_is_total() {
    let (mut ws, _peer) = client(&ConnectOptions::new(), 1000, &[], |io| io).await;
    let begin = Instant::now();
    while tokio::time::timeout(ms(700), ws.close(CloseCode::NORMAL, "")).await.is_err() {}
    assert!((4900..5800).contains(&begin.elapsed().as_millis()), "{:?}", begin.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_does_not_read() {
    // Its buffer has no room for the close frame.
    let options = ConnectOptions::new().send_buffer(300);
    let (mut ws, _peer) = client(&options, 100, &[], |io| io).await;
    assert!(tokio::time::timeout(ms(10), ws.send(&[0; 1000])).await.is_err());
    let begin = Instant::now();
    let error = ws.close(CloseCode::NORMAL, "").await.unwrap_err();
    assert!(matches!(error, Error::Timeout(Phase::Close)), "{error:?}");
    assert!((4900..5200).contains(&begin.elapsed().as_millis()), "{:?}", begin.elapsed());
}

/// A client that got a close frame waits for the server to close TCP, but not for ever.
#[tokio::test(start_paused = true)]
async fn recv_ends_in_time_after_a_close_frame() {
    let early = frame(0x88, &close_body(1001, "off"), None);
    let (mut ws, _peer) = client(&ConnectOptions::new(), 1000, &early, |io| io).await;
    let begin = Instant::now();
    let error = ws.recv().await.unwrap_err();
    assert!(
        matches!(&error, Error::Closed(close) if close.is_clean() && close.reason() == "off"),
        "{error:?}"
    );
    assert!((4900..5200).contains(&begin.elapsed().as_millis()), "{:?}", begin.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_message_that_takes_too_long() {
    let config = config(|config| config.message_timeout = Duration::from_secs(2));
    let (mut ws, mut peer) = client(&ConnectOptions::new().config(config), 1000, &[], |io| io).await;
    let slow = tokio::spawn(async move {
        for byte in frame(0x81, &[b'x'; 50], None) {
            if peer.write_all(&[byte]).await.is_err() {
                break;
            }
            tokio::time::sleep(ms(500)).await;
        }
        let mut wire = Vec::new();
        peer.read_to_end(&mut wire).await.unwrap();
        frames(&wire)
    });
    let begin = Instant::now();
    let error = ws.recv().await.unwrap_err();
    assert!(matches!(error, Error::Protocol(ProtocolError::MessageTimeout)), "{error:?}");
    // Then it is told, and has a second to take that.
    assert!((2000..4200).contains(&begin.elapsed().as_millis()), "{:?}", begin.elapsed());
    assert_eq!(slow.await.unwrap()[0].payload, close_body(1008, ""));
}

/// A rule that is broken in front of a megabyte that is not read: the close frame arrives all the same, and no reset
/// takes it away.
#[tokio::test]
async fn the_peer_is_told_over_tcp() {
    for bad in [frame(0x83, b"", Some([1, 2, 3, 4])), frame(0x81, b"\xFF", Some([1, 2, 3, 4]))] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let serving = tokio::spawn(async move {
            let tcp = listener.accept().await.unwrap().0;
            let mut ws = ServerOptions::new().accept_async(tcp).await.unwrap();
            let error = ws.recv().await.unwrap_err();
            assert!(matches!(error, Error::Protocol(_)), "{error:?}");
            error
        });
        let mut tcp = TcpStream::connect(addr).await.unwrap();
        tcp.write_all(REQUEST.as_bytes()).await.unwrap();
        assert!(read_head(&mut tcp).await.starts_with("HTTP/1.1 101 "));
        tcp.write_all(&[bad, vec![0; 200_000]].concat()).await.unwrap();
        let mut wire = Vec::new();
        tcp.read_to_end(&mut wire).await.unwrap();
        let code = if matches!(serving.await.unwrap(), Error::Protocol(ProtocolError::InvalidUtf8)) {
            1007
        } else {
            1002
        };
        assert_eq!(frames(&wire)[0].payload, close_body(code, ""));
    }
}

#[tokio::test]
async fn what_may_not_be_sent() {
    let (mut ws, _peer) = client(&ConnectOptions::new(), 1000, &[], |io| io).await;
    for (code, reason) in
        [(CloseCode(1005), "x"), (CloseCode(999), ""), (CloseCode::NORMAL, &"x".repeat(124))]
    {
        assert!(matches!(ws.close(code, reason).await, Err(Error::Misuse(_))));
    }
    assert!(matches!(ws.send(sockling::Message::Ping(&[0; 126])).await, Err(Error::Misuse(_))));
    // The connection goes on.
    ws.send("hello").await.unwrap();
    ws.feed("and").await.unwrap();
    ws.flush().await.unwrap();
}

/// The other end is gone, in order or not.
#[tokio::test]
async fn lost() {
    let (mut ws, peer) = client(&ConnectOptions::new(), 1000, &[], |io| io).await;
    drop(peer);
    for _ in 0..2 {
        let error = ws.recv().await.unwrap_err();
        assert!(matches!(error, Error::ConnectionLost), "{error:?}");
    }
    assert!(ws.send("late").await.is_err());

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}", listener.local_addr().unwrap());
    let serving = async {
        let mut tcp = listener.accept().await.unwrap().0;
        let head = read_head(&mut tcp).await;
        tcp.write_all(crate::peer::answer(&head, "").as_bytes()).await.unwrap();
        socket2::SockRef::from(&tcp).set_linger(Some(Duration::ZERO)).unwrap();
    };
    let options = ConnectOptions::new();
    let (ws, ()) = tokio::join!(options.connect_async(&url), serving);
    let error = ws.unwrap().recv().await.unwrap_err();
    assert!(matches!(error, Error::Io(_)), "{error:?}");
}

/// A server that refuses a message does not read the rest of it, so that writing fails: its close frame has the reason.
#[tokio::test(start_paused = true)]
async fn a_close_frame_is_found_where_writing_failed() {
    let early = [&frame(0x81, b"x", None)[..], &frame(0x88, &close_body(1009, "too big"), None)].concat();
    let (mut ws, peer) = client(&ConnectOptions::new(), 1000, &early, |io| io).await;
    drop(peer);
    for error in [ws.send(&[0; 5000]).await.unwrap_err(), ws.recv().await.unwrap_err()] {
        let Error::Closed(close) = error else {
            panic!("{error}");
        };
        assert_eq!((close.code(), close.reason()), (CloseCode::MESSAGE_TOO_BIG, "too big"));
    }
}
