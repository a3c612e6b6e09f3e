//! A connection that is kept up, in tasks of tokio: a feed that is lost twice, reconnecting, subscribing again, a task
//! that sends beside it, and a clean end. The server is on loopback, a task of this program too.

use std::{error::Error, time::Duration};

use sockling::{
    App,
    app::Backoff,
    net::{
        ServerOptions,
        tokio::{OwnedMessage, WebSocket},
    },
};
use tokio::{
    net::{TcpListener, TcpStream},
    time::{sleep, timeout},
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    sockling_examples_std::init_log();
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("ws://{}/feed", listener.local_addr()?);
    tokio::spawn(async move {
        let mut number = 0;
        loop {
            let (tcp, _) = listener.accept().await?;
            number += 1;
            // The handshake belongs in the task of its connection: a slow client must not keep others waiting.
            tokio::spawn(async move {
                if let Err(error) = serve(tcp, number).await {
                    println!("server: connection {number}: {error}");
                }
            });
        }
        #[allow(unreachable_code, reason = "says what `?` returns")]
        Ok::<(), std::io::Error>(())
    });

    let mut app = App::new(url)
        .reconnect(Backoff::new(Duration::from_millis(100), Duration::from_secs(5)))
        .keepalive(Duration::from_secs(30), Duration::from_secs(10))
        .on_open(|ws| {
            println!("open: subscribing");
            ws.send("subscribe")
        })
        .on_reconnect(|ws, again| {
            println!("open again, at attempt {} after: {}", again.attempt, again.error);
            ws.send("subscribe")
        })
        .on_message(|ws, message| {
            println!("received {message:?}");
            if message.as_text() == Some("the last one") {
                ws.close();
            }
            Ok(())
        })
        .on_error(|_, error| println!("error: {error}"))
        .on_close(|_, close| println!("closed: {close}"));

    // What sends is a task of its own, with a handle.
    let handle = app.handle();
    tokio::spawn(async move {
        loop {
            sleep(Duration::from_millis(20)).await;
            // Refused while there is no connection: a measurement that is late is worth nothing.
            let _ = handle.send("a measurement");
        }
    });

    let close = timeout(Duration::from_secs(60), app.run_async()).await??;
    println!("the end: {close}");
    Ok(())
}

/// The third connection is served until the client closes it, those before are cut.
async fn serve(tcp: TcpStream, number: u32) -> Result<(), sockling::net::Error> {
    let mut ws: WebSocket = ServerOptions::new().accept_async(tcp).await?;
    loop {
        let message = OwnedMessage::from(ws.recv().await?);
        match message.as_text() {
            Some("subscribe") => {
                ws.send(&format!("news over connection {number}")).await?;
                // While it waits, nothing that the client sends is lost: it is received afterwards.
                sleep(Duration::from_millis(100)).await;
                if number < 3 {
                    return Ok(());
                }
            }
            Some("a measurement") => {
                ws.send("the last one").await?;
            }
            _ => {}
        }
    }
}
