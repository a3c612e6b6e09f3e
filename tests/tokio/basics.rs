use sockling::{
    CloseCode, ConnectOptions, Message,
    net::{Error, ServerOptions},
};
use tokio::net::TcpListener;

/// Sends every message back, on one connection.
async fn echo(listener: TcpListener, options: ServerOptions) -> Error {
    let mut ws = options.accept_async(listener.accept().await.unwrap().0).await.unwrap();
    loop {
        let message = match ws.recv().await {
            Ok(Message::Text(text)) => sockling::net::tokio::OwnedMessage::from(text),
            Ok(other) => sockling::net::tokio::OwnedMessage::from(other),
            Err(error) => return error,
        };
        match message.as_text() {
            Some(text) => ws.send(text).await.unwrap(),
            None => ws.send(message.as_bytes()).await.unwrap(),
        }
    }
}

#[tokio::test]
async fn hello() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}", listener.local_addr().unwrap());
    let server = tokio::spawn(echo(listener, ServerOptions::new()));
    let mut ws = ConnectOptions::new().connect_async(&url).await.unwrap();
    ws.send("hello").await.unwrap();
    assert_eq!(ws.recv().await.unwrap(), Message::Text("hello"));
    let big = vec![7; 1 << 20];
    ws.send(&big).await.unwrap();
    assert_eq!(ws.recv().await.unwrap(), Message::Binary(&big));
    let close = ws.close(CloseCode::NORMAL, "bye").await.unwrap();
    assert!(close.is_clean());
    assert!(matches!(server.await.unwrap(), Error::Closed(close) if close.reason() == "bye"));
}
