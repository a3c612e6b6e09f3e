//! Futures dropped at every await, by `select!`: nothing lost, nothing repeated.

use std::future::Future;

use sockling::{
    CloseCode, ConnectOptions, Kind,
    net::{CloseInfo, Error, ServerOptions, tokio::OwnedMessage},
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::{
    pipe::{Choppy, client, server},
    support::{Seen, close_body, frame, frames},
};

const KEY: Option<[u8; 4]> = Some([0x37, 0xfa, 0x21, 0x3d]);
const SENT: [&[u8]; 3] = [b"a", &[9; 131], &[5; 400]];

/// Drops a future that is not ready at once.
async fn at_once<T>(future: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        biased;
        output = future => Some(output),
        () = std::future::ready(()) => None,
    }
}

fn script(key: Option<[u8; 4]>) -> Vec<u8> {
    [
        frame(0x01, b"Hel", key),
        frame(0x89, b"p!", key),
        frame(0x00, b"", key),
        frame(0x80, b"lo", key),
        frame(0x82, &[7; 300], key),
        frame(0x81, "größer".as_bytes(), key),
        frame(0x88, &close_body(1000, "bye"), key),
    ]
    .concat()
}

fn check_wire(wire: &[u8], masked: bool) {
    let seen = frames(wire);
    assert!(seen.iter().all(|frame| frame.masked == masked));
    let data = || seen.iter().filter(|frame| frame.first & 8 == 0);
    assert_eq!(data().flat_map(|frame| frame.payload.clone()).collect::<Vec<_>>(), SENT.concat());
    assert_eq!(data().filter(|frame| frame.first & 0x80 != 0).count(), SENT.len());
    let pongs: Vec<&Seen> = seen.iter().filter(|frame| frame.first == 0x8A).collect();
    assert_eq!(pongs.len(), 1);
    assert_eq!(pongs[0].payload, b"p!");
    assert_eq!(seen.last().map(|f| (f.first, f.payload.clone())), Some((0x88, close_body(1000, ""))));
}

#[tokio::test]
async fn recv_and_send_dropped_at_every_await() {
    for is_client in [true, false] {
        for step in [1, 2, 3, 5, 1000] {
            let key = if is_client { None } else { KEY };
            let (mut ws, mut peer) = if is_client {
                client(&ConnectOptions::new(), 1 << 16, &script(key), |io| Choppy::new(io, step)).await
            } else {
                let (ws, mut peer) = server(&ServerOptions::new(), 1 << 16, |io| Choppy::new(io, step)).await;
                peer.write_all(&script(key)).await.unwrap();
                (ws, peer)
            };
            peer.shutdown().await.unwrap();
            let (mut got, mut dropped) = (Vec::new(), 0);
            let end = loop {
                match at_once(ws.recv()).await {
                    None => {
                        dropped += 1;
                        tokio::task::yield_now().await;
                        continue;
                    }
                    Some(Ok(message)) => got.push(OwnedMessage::from(message)),
                    Some(Err(error)) => break error,
                }
                let data = SENT[got.len() - 1];
                let mut sent = at_once(ws.send(data)).await;
                while sent.is_none() {
                    dropped += 1;
                    tokio::task::yield_now().await;
                    sent = at_once(ws.resume_send(data)).await;
                }
                sent.unwrap().unwrap();
            };
            assert_eq!(got, ["Hello".into(), vec![7; 300].into(), OwnedMessage::text("größer")]);
            assert!(
                matches!(&end, Error::Closed(close) if close.is_clean() && close.reason() == "bye"),
                "{end:?}"
            );
            // The socket is closed when this is told.
            assert!(ws.stream().is_none());
            let mut wire = Vec::new();
            peer.read_to_end(&mut wire).await.unwrap();
            check_wire(&wire, is_client);
            assert!(dropped > 6, "{dropped}");
        }
    }
}

#[tokio::test]
async fn parts_dropped_at_every_await() {
    let big: Vec<u8> = (0..100_000u32).map(|i| i as u8).collect();
    for step in [7, 1000] {
        let wire =
            [frame(0x02, &big[..60_000], KEY), frame(0x89, b"?", KEY), frame(0x80, &big[60_000..], KEY)];
        let options = ServerOptions::new().receive_buffer(1024).send_buffer(300);
        let (mut ws, mut peer) = server(&options, 1 << 20, |io| Choppy::new(io, step)).await;
        peer.write_all(&wire.concat()).await.unwrap();
        let mut got = Vec::new();
        loop {
            let Some(part) = at_once(ws.recv_part()).await else {
                tokio::task::yield_now().await;
                continue;
            };
            let part = part.unwrap();
            assert_eq!((part.kind, part.first), (Kind::Binary, got.is_empty()));
            got.extend_from_slice(part.data);
            let (data, fin) = (part.data.to_vec(), part.fin);
            let mut sent = at_once(ws.send_part(Kind::Binary, &data, fin)).await;
            while sent.is_none() {
                tokio::task::yield_now().await;
                sent = at_once(ws.resume_part(Kind::Binary, &data, fin)).await;
            }
            sent.unwrap().unwrap();
            if fin {
                break;
            }
        }
        assert!(got == big);
        drop(ws);
        let mut wire = Vec::new();
        peer.read_to_end(&mut wire).await.unwrap();
        let seen = frames(&wire);
        let echoed: Vec<u8> =
            seen.iter().filter(|f| f.first & 8 == 0).flat_map(|f| f.payload.clone()).collect();
        assert!(echoed == big);
        assert_eq!(seen.iter().filter(|f| f.first & 0x80 != 0).count(), 2, "one FIN and one pong");
    }
}

#[tokio::test]
async fn close_dropped_at_every_await() {
    for is_client in [true, false] {
        for step in [1, 3, 1000] {
            let key = if is_client { None } else { KEY };
            let late = [
                frame(0x81, b"late", key),
                frame(0x89, b"?", key),
                frame(0x88, &close_body(4000, "why"), key),
            ]
            .concat();
            let (mut ws, mut peer) = if is_client {
                client(&ConnectOptions::new(), 1 << 16, &late, |io| Choppy::new(io, step)).await
            } else {
                let (ws, mut peer) = server(&ServerOptions::new(), 1 << 16, |io| Choppy::new(io, step)).await;
                peer.write_all(&late).await.unwrap();
                (ws, peer)
            };
            peer.shutdown().await.unwrap();
            while at_once(ws.feed("fed")).await.is_none() {}
            let close = loop {
                if let Some(close) = at_once(ws.close(CloseCode::GOING_AWAY, "bye")).await {
                    break close.unwrap();
                }
                tokio::task::yield_now().await;
            };
            let want = |close: &CloseInfo| {
                close.received == Some((CloseCode(4000), "why".into()))
                    && close.sent == Some(CloseCode::GOING_AWAY)
            };
            assert!(want(&close), "{close:?}");
            let mut wire = Vec::new();
            peer.read_to_end(&mut wire).await.unwrap();
            let seen: Vec<(u8, Vec<u8>)> = frames(&wire).into_iter().map(|f| (f.first, f.payload)).collect();
            assert_eq!(seen, [(0x81, b"fed".to_vec()), (0x88, close_body(1001, "bye"))]);
            // Once more is no harm.
            assert!(want(&ws.close(CloseCode::NORMAL, "").await.unwrap()));
        }
    }
}

/// A message that another one may not cut in two.
#[tokio::test]
async fn what_was_begun_is_ended_first() {
    let options = ConnectOptions::new().send_buffer(300);
    let (mut ws, mut peer) = client(&options, 64, &[], |io| io).await;
    let data = [3; 1000];
    assert!(at_once(ws.send(&data)).await.is_none());
    assert!(matches!(ws.send("other").await, Err(Error::Misuse(sockling::MisuseError::Interrupted { .. }))));
    let reading = tokio::spawn(async move {
        let mut wire = Vec::new();
        peer.read_to_end(&mut wire).await.unwrap();
        wire
    });
    ws.resume_send(&data).await.unwrap();
    ws.send("other").await.unwrap();
    drop(ws);
    let seen = frames(&reading.await.unwrap());
    let (last, others) = seen.split_last().unwrap();
    assert_eq!(last.payload, b"other");
    assert_eq!(others.iter().flat_map(|frame| frame.payload.clone()).collect::<Vec<_>>(), data);
}
