//! `App::run_async`: the same as `run_forever`, in a task.

use std::sync::{Arc, Mutex};

use sockling::{
    App, CloseCode, Message,
    app::Backoff,
    net::{Error, ServerOptions},
};
use tokio::{net::TcpListener, sync::mpsc, time::timeout};

use crate::peer::ms;

/// The connection is lost twice; what another task wants is done at once; the future is dropped now and then.
#[tokio::test]
async fn reconnects_and_closes() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}", listener.local_addr().unwrap());
    let server = tokio::spawn(async move {
        for n in 0..3 {
            let tcp = listener.accept().await.unwrap().0;
            let mut ws = ServerOptions::new().accept_async(tcp).await.unwrap();
            assert_eq!(ws.recv().await.unwrap(), Message::Text("subscribe"));
            ws.send(&n.to_string()).await.unwrap();
            if n == 2 {
                assert_eq!(ws.recv().await.unwrap(), Message::Text("from another task"));
                ws.send("thanks").await.unwrap();
                return ws.recv().await.map(|_| ()).unwrap_err();
            }
        }
        unreachable!()
    });
    let (sender, mut received) = mpsc::unbounded_channel();
    let lost = Arc::new(Mutex::new(0));
    let mut app = App::new(url)
        .reconnect(Backoff::new(ms(20), ms(20)))
        .on_open(|ws| ws.send("subscribe"))
        .on_message(move |_, message| {
            sender.send(message.to_string()).unwrap();
            Ok(())
        })
        .on_error({
            let lost = lost.clone();
            move |_, error| {
                assert!(matches!(error, Error::ConnectionLost | Error::Io(_)), "{error:?}");
                *lost.lock().unwrap() += 1;
            }
        });
    let handle = app.handle();
    let running = tokio::spawn(async move {
        loop {
            if let Ok(result) = timeout(ms(3), app.run_async()).await {
                return result;
            }
        }
    });
    for want in ["0", "1", "2"] {
        assert_eq!(received.recv().await.unwrap(), want);
    }
    handle.send("from another task").unwrap();
    assert_eq!(received.recv().await.unwrap(), "thanks");
    handle.close_with(CloseCode(4000), "bye").unwrap();
    let close = timeout(ms(10_000), running).await.unwrap().unwrap().unwrap();
    assert_eq!(close.sent, Some(CloseCode(4000)));
    assert_eq!(*lost.lock().unwrap(), 2);
    assert!(matches!(server.await.unwrap(), Error::Closed(close) if close.reason() == "bye"));
}

/// A run that has ended can be begun again, and a permanent error ends it.
#[tokio::test]
async fn permanent_errors() {
    let mut app = App::new("http://h/");
    for _ in 0..2 {
        assert!(matches!(app.run_async().await, Err(Error::Url(_))));
    }
}
