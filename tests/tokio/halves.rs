//! Two halves in two tasks.

use sockling::{
    CloseCode, Config, ConnectOptions, Message,
    net::{
        Error, ServerOptions,
        tokio::{Reader, Writer},
    },
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::{Duration, Instant},
};

use crate::{
    peer::{Authority, ms, options},
    pipe::{client, echo},
    support::{close_body, frame, frames},
};

/// Receives numbered messages until the end.
async fn count(mut reader: Reader) -> (u32, Error) {
    let mut n = 0u32;
    loop {
        match reader.recv().await {
            Ok(Message::Binary(data)) => {
                assert_eq!(data[..4], n.to_be_bytes());
                n += 1;
            }
            Ok(other) => panic!("{other:?}"),
            Err(error) => return (n, error),
        }
    }
}

async fn exchange(url: &str, options: ConnectOptions) {
    let (reader, mut writer) = options.connect_async(url).await.unwrap().split();
    let receiving = tokio::spawn(count(reader));
    for n in 0..300u32 {
        let mut data = n.to_be_bytes().to_vec();
        data.resize(4 + (n as usize * 977) % 100_000, 0);
        writer.send(&data).await.unwrap();
    }
    // The echo server answers all before it answers the close frame.
    writer.close(CloseCode::NORMAL, "done").await.unwrap();
    let (n, end) = receiving.await.unwrap();
    assert_eq!(n, 300);
    assert!(matches!(&end, Error::Closed(closed) if closed.is_clean()), "{end:?}");
    assert!(matches!(writer.send("late").await, Err(Error::Closed(_))));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_tcp() {
    let (url, server) = echo(ServerOptions::new()).await;
    exchange(&url, options()).await;
    assert!(matches!(server.await.unwrap(), Error::Closed(close) if close.reason() == "done"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_tls() {
    let authority = Authority::new();
    let (url, _server) = echo(ServerOptions::new().tls(authority.server("localhost", false))).await;
    let url = url.replace("ws://127.0.0.1", "wss://localhost");
    exchange(&url, options().add_root_certificates(&authority.pem).unwrap()).await;
}

/// Neither end reads before it has sent much more than the pipes hold: each has to go on with reading while it writes.
#[tokio::test]
async fn full_pipes_in_both_directions() {
    let (mine, theirs) = tokio::io::duplex(1000);
    let (options, serving) = (ConnectOptions::new(), ServerOptions::new());
    let (client, server) =
        tokio::join!(options.connect_stream_async("ws://h/", mine), serving.accept_stream_async(theirs));
    let talk = |(mut reader, mut writer): (Reader, Writer)| {
        let receiving = tokio::spawn(async move {
            for n in 0..20u8 {
                assert_eq!(reader.recv().await.unwrap(), Message::Binary(&vec![n; 100_000]));
            }
            reader
        });
        let sending = tokio::spawn(async move {
            for n in 0..20u8 {
                writer.send(&vec![n; 100_000]).await.unwrap();
            }
            writer
        });
        async { tokio::join!(receiving, sending) }
    };
    let (one, other) = tokio::join!(talk(client.unwrap().split()), talk(server.unwrap().split()));
    let (mut reader, mut writer) = (one.0.unwrap(), one.1.unwrap());
    let mut other = other.0.unwrap();
    let (_, end, ours) = tokio::join!(
        async { writer.close(CloseCode::NORMAL, "").await.unwrap() },
        async { other.recv().await.unwrap_err() },
        async { reader.recv().await.unwrap_err() },
    );
    for end in [end, ours] {
        assert!(matches!(&end, Error::Closed(close) if close.is_clean()), "{end:?}");
    }
}

/// The reader answers pings while the writer waits for room in the middle of a long message: between its frames.
#[tokio::test]
async fn pongs_between_the_frames_of_a_long_message() {
    let options = ConnectOptions::new().send_buffer(300);
    let (ws, mut peer) = client(&options, 100, &[], |io| io).await;
    let (mut reader, mut writer) = ws.split();
    let sending = tokio::spawn(async move {
        writer.send(&[1; 1000]).await.unwrap();
        writer
    });
    tokio::time::sleep(ms(10)).await;
    peer.write_all(&[frame(0x89, b"now", None), frame(0x81, b"read me", None)].concat()).await.unwrap();
    // Nothing was read at the other end so far.
    assert_eq!(reader.recv().await.unwrap(), Message::Text("read me"));
    let receiving = tokio::spawn(async move { reader.recv().await.map(|_| ()).unwrap_err() });
    let reading = tokio::spawn(async move {
        let mut wire = Vec::new();
        peer.read_to_end(&mut wire).await.unwrap();
        wire
    });
    drop(sending.await.unwrap());
    receiving.abort();
    let seen = frames(&reading.await.unwrap());
    let pong = seen.iter().position(|frame| frame.first == 0x8A).unwrap();
    assert_eq!(seen[pong].payload, b"now");
    assert!(pong > 0 && pong < seen.len() - 1, "{pong} of {}", seen.len());
    let data = seen.iter().filter(|frame| frame.first & 8 == 0).flat_map(|frame| frame.payload.clone());
    assert_eq!(data.collect::<Vec<_>>(), [1; 1000]);
}

fn impatient() -> ConnectOptions {
    let mut config = Config::default();
    config.close_timeout = Duration::from_secs(3);
    ConnectOptions::new().config(config)
}

/// A peer that does not answer the close frame: both halves end when the time is over.
#[tokio::test(start_paused = true)]
async fn close_wakes_a_reader_that_waits() {
    let (ws, _peer) = client(&impatient(), 1000, &[], |io| io).await;
    let (reader, mut writer) = ws.split();
    let receiving = tokio::spawn(count(reader));
    let begin = Instant::now();
    writer.close(CloseCode::NORMAL, "").await.unwrap();
    let (_, end) = receiving.await.unwrap();
    assert!(matches!(&end, Error::Closed(close) if close.received.is_none()), "{end:?}");
    assert!((2900..3200).contains(&begin.elapsed().as_millis()), "{:?}", begin.elapsed());
}

/// A peer that does not even read what comes before the close frame.
#[tokio::test(start_paused = true)]
async fn close_does_not_wait_for_a_peer_that_does_not_read() {
    let (ws, _peer) = client(&impatient(), 100, &[], |io| io).await;
    let (reader, mut writer) = ws.split();
    let receiving = tokio::spawn(count(reader));
    assert!(tokio::time::timeout(ms(10), writer.send(&[0; 1000])).await.is_err());
    let begin = Instant::now();
    writer.close(CloseCode::NORMAL, "").await.unwrap();
    let (_, end) = receiving.await.unwrap();
    assert!(matches!(end, Error::ConnectionLost | Error::Closed(_)), "{end:?}");
    assert!(begin.elapsed() < Duration::from_secs(4), "{:?}", begin.elapsed());
}

/// Without a reader the writer performs the whole closing handshake.
#[tokio::test]
async fn a_reader_that_is_dropped() {
    let (ws, mut peer) = client(&ConnectOptions::new(), 1000, &[], |io| io).await;
    let (reader, mut writer) = ws.split();
    drop(reader);
    writer.send("hello").await.unwrap();
    let closing = tokio::spawn(async move { writer.close(CloseCode::NORMAL, "").await });
    let mut wire = [0; 11 + 8];
    peer.read_exact(&mut wire).await.unwrap();
    assert_eq!(frames(&wire)[1].payload, close_body(1000, ""));
    peer.write_all(&[frame(0x81, b"late", None), frame(0x88, &close_body(1000, ""), None)].concat())
        .await
        .unwrap();
    drop(peer);
    closing.await.unwrap().unwrap();
}

/// The same while it already waits for the reader.
#[tokio::test]
async fn a_reader_that_is_dropped_while_the_writer_closes() {
    let (ws, mut peer) = client(&ConnectOptions::new(), 1000, &[], |io| io).await;
    let (reader, mut writer) = ws.split();
    let closing = tokio::spawn(async move { writer.close(CloseCode::NORMAL, "").await });
    let mut wire = [0; 8];
    peer.read_exact(&mut wire).await.unwrap();
    drop(reader);
    peer.write_all(&frame(0x88, &close_body(1000, ""), None)).await.unwrap();
    drop(peer);
    closing.await.unwrap().unwrap();
}

/// When both are gone the connection is.
#[tokio::test]
async fn both_dropped() {
    let (ws, mut peer) = client(&ConnectOptions::new(), 1000, &[], |io| io).await;
    drop(ws.split());
    assert_eq!(peer.read(&mut [0]).await.unwrap(), 0);
}

#[tokio::test]
async fn parts() {
    let early = [frame(0x01, b"ab", None), frame(0x80, b"c", None)].concat();
    let (ws, _peer) = client(&ConnectOptions::new(), 1000, &early, |io| io).await;
    let (mut reader, _writer) = ws.split();
    let mut text = Vec::new();
    loop {
        let part = reader.recv_part().await.unwrap();
        assert_eq!(part.first, text.is_empty());
        text.extend_from_slice(part.data);
        if part.fin {
            break;
        }
    }
    assert_eq!(text, b"abc");
}
