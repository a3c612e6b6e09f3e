//! permessage-deflate between both ends of ours.

use sockling::{
    CloseCode, Message,
    net::{DeflateOptions, ServerOptions},
};

use crate::{peer::options, pipe::echo};

#[tokio::test]
async fn negotiated_and_used() {
    let (url, server) = echo(ServerOptions::new().deflate(DeflateOptions::default())).await;
    let ws = options().deflate(DeflateOptions::default()).connect_async(&url).await.unwrap();
    let extensions = ws.response().unwrap().header("Sec-WebSocket-Extensions").unwrap();
    assert!(extensions.starts_with(b"permessage-deflate"));
    let (mut reader, mut writer) = ws.split();
    let text = "a text that repeats itself, ".repeat(10_000);
    for enabled in [true, false, true] {
        writer.set_compression(enabled);
        writer.send(&text).await.unwrap();
        assert_eq!(reader.recv().await.unwrap(), Message::Text(&text));
    }
    let (closed, end) = tokio::join!(writer.close(CloseCode::NORMAL, ""), reader.recv());
    closed.unwrap();
    end.unwrap_err();
    server.await.unwrap();
}
