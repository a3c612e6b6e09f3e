//! Opening handshakes and their deadlines.

use sockling::{
    ConnectOptions, HandshakeError,
    handshake::Response,
    net::{Error, Phase, ServerOptions, UrlError},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, duplex},
    net::{TcpListener, TcpStream},
    time::{Duration, Instant},
};

use crate::{
    peer::{REQUEST, ms, options},
    pipe::{echo, read_head},
};

#[tokio::test]
async fn subprotocols_headers_and_the_response() {
    let (url, _server) = echo(ServerOptions::new().subprotocols(["b", "c"])).await;
    let ws = options().subprotocols(["a", "b"]).header("X-Test", "1").connect_async(&url).await.unwrap();
    assert_eq!(ws.subprotocol(), Some("b"));
    assert_eq!(ws.response().unwrap().status, 101);
    let stream = ws.stream().unwrap();
    assert!(!stream.is_tls() && stream.tcp_stream().unwrap().nodelay().unwrap());
    assert_eq!(url, format!("ws://{}", stream.peer_addr().unwrap()));
}

#[tokio::test]
async fn a_server_that_decides() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/path", listener.local_addr().unwrap());
    let serving = tokio::spawn(async move {
        for status in [101, 403] {
            let tcp = listener.accept().await.unwrap().0;
            let decide = |request: &sockling::handshake::RequestHead<'_>| {
                assert_eq!(request.path(), "/path");
                if status == 101 { Response::accept() } else { Response::reject(status) }
            };
            let result = ServerOptions::new().accept_async_with(tcp, decide).await;
            match status {
                101 => assert!(result.unwrap().response().is_none()),
                _ => assert!(matches!(result, Err(Error::Handshake(HandshakeError::Refused(403))))),
            }
        }
    });
    drop(options().connect_async(&url).await.unwrap());
    let error = options().connect_async(&url).await.unwrap_err();
    assert!(matches!(&error, Error::Status(response) if response.status == 403), "{error:?}");
    serving.await.unwrap();
}

#[tokio::test]
async fn what_fails_before_anything_is_sent() {
    assert!(matches!(sockling::connect_async("http://h/").await, Err(Error::Url(UrlError::Scheme(_)))));
    let bad = ConnectOptions::new().header("Host", "h").connect_async("ws://127.0.0.1:1/").await;
    assert!(matches!(bad, Err(Error::Handshake(_))));
    let small = ConnectOptions::new().send_buffer(10).connect_async("ws://127.0.0.1:1/").await;
    assert!(matches!(small, Err(Error::Misuse(_))));
}

#[tokio::test]
async fn refused_and_unknown() {
    let addr = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let error = options().connect_async(&format!("ws://{addr}/")).await.unwrap_err();
    assert!(matches!(&error, Error::Connect { addr: at, .. } if *at == addr), "{error:?}");
    let error = options().connect_async("ws://nowhere.invalid/").await.unwrap_err();
    assert!(matches!(error, Error::Dns { .. } | Error::Timeout(Phase::Resolve)), "{error:?}");
}

/// A peer that says nothing, or one byte now and then.
#[tokio::test(start_paused = true)]
async fn slow_peers() {
    let short = || ConnectOptions::new().connect_timeout(ms(1500)).handshake_timeout(ms(2500));
    for (scheme, trickles, phase, limit) in [
        ("ws", false, Phase::Handshake, 2500),
        ("ws", true, Phase::Handshake, 2500),
        ("wss", false, Phase::Tls, 1500),
    ] {
        let (mine, mut theirs) = duplex(1000);
        let trickle = tokio::spawn(async move {
            let bytes = format!("HTTP/1.1 101 {}", "x".repeat(100));
            for byte in bytes.bytes() {
                if trickles && theirs.write_all(&[byte]).await.is_err() {
                    return;
                }
                tokio::time::sleep(ms(500)).await;
            }
        });
        let begin = Instant::now();
        let error = short().connect_stream_async(&format!("{scheme}://h/"), mine).await.unwrap_err();
        assert!(matches!(&error, Error::Timeout(at) if *at == phase), "{error:?}");
        assert!(begin.elapsed().as_millis().abs_diff(limit) < 100, "{:?}", begin.elapsed());
        trickle.abort();
    }
    let (mine, mut theirs) = duplex(1000);
    theirs.write_all(&REQUEST.as_bytes()[..20]).await.unwrap();
    let begin = Instant::now();
    let options = ServerOptions::new().handshake_timeout(ms(2500));
    let error = options.accept_stream_async(mine).await.unwrap_err();
    assert!(matches!(error, Error::Timeout(Phase::Handshake)), "{error:?}");
    assert!(begin.elapsed() < Duration::from_secs(3));
}

/// A status that refuses counts more than that its body does not come.
#[tokio::test(start_paused = true)]
async fn a_body_that_does_not_come() {
    let (mine, mut theirs) = duplex(1000);
    theirs.write_all(b"HTTP/1.1 503 Busy\r\nRetry-After: 7\r\nContent-Length: 100\r\n\r\nabc").await.unwrap();
    let error = ConnectOptions::new().connect_stream_async("ws://h/", mine).await.unwrap_err();
    match error {
        Error::Status(response) => {
            assert_eq!((response.status, response.header("retry-after")), (503, Some(&b"7"[..])));
        }
        other => panic!("{other:?}"),
    }
}

/// A client that breaks a rule is told so, although it goes on sending.
#[tokio::test]
async fn a_request_that_is_refused() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut tcp = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let serving = tokio::spawn(async move {
        sockling::net::tokio::accept_async(listener.accept().await.unwrap().0).await.map(|_| ()).unwrap_err()
    });
    tcp.write_all(REQUEST.replace("Version: 13", "Version: 12").as_bytes()).await.unwrap();
    tcp.write_all(&[0; 100_000]).await.unwrap();
    assert!(read_head(&mut tcp).await.starts_with("HTTP/1.1 426 "));
    drop(tcp);
    assert!(matches!(serving.await.unwrap(), Error::Handshake(_)));
}

/// Nothing goes on when connecting is given up.
#[tokio::test]
async fn connecting_dropped() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}", listener.local_addr().unwrap());
    let options = options();
    let connecting = options.connect_async(&url);
    assert!(tokio::time::timeout(ms(100), connecting).await.is_err());
    let mut tcp = listener.accept().await.unwrap().0;
    read_head(&mut tcp).await;
    assert_eq!(tcp.read(&mut [0]).await.unwrap(), 0);
}

/// All futures can be spawned, and all that connections are made of can go to other tasks.
#[tokio::test]
async fn futures_go_between_threads() {
    const fn send<T: Send>(_: &T) {}
    let options = ConnectOptions::new();
    send(&options.connect_async("ws://h/"));
    send(&options.connect_stream_async("ws://h/", duplex(1).0));
    send(&sockling::connect_async("ws://h/"));
    let serving = ServerOptions::new();
    send(&serving.accept_stream_async(duplex(1).0));
    let (mut ws, _peer) = crate::pipe::client(&options, 1000, &[], |io| io).await;
    send(&ws);
    send(&ws.recv());
    send(&ws.recv_part());
    send(&ws.send("a"));
    send(&ws.close(sockling::CloseCode::NORMAL, ""));
    let (mut reader, mut writer) = ws.split();
    send(&reader);
    send(&writer);
    send(&reader.recv());
    send(&writer.send("a"));
    send(&writer.close(sockling::CloseCode::NORMAL, ""));
    // What a task holds while it waits; a connection holds its buffers elsewhere.
    assert!(size_of_val(&reader.recv()) < 500);
}
