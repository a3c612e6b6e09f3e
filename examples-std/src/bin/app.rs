//! A connection that is kept up: callbacks, keepalive, reconnection, a clean end.

use std::{
    error::Error,
    thread,
    time::{Duration, Instant},
};

use clap::Parser;
use sockling::{App, Server, app::Backoff, net};

/// Subscribes to a feed, and again whenever the connection was lost. Without a URL it starts a server of its own, which
/// drops the connection twice.
#[derive(Parser)]
#[command(version)]
struct Args {
    /// Where to connect, such as wss://stream.example/feed.
    url: Option<String>,
    /// After how many messages to close.
    #[arg(long, default_value_t = 9)]
    messages: u32,
    /// How many seconds are between two pings.
    #[arg(long, default_value_t = 30.0)]
    ping_interval: f32,
    /// How many seconds the server has to answer one.
    #[arg(long, default_value_t = 10.0)]
    ping_timeout: f32,
}

fn main() -> Result<(), Box<dyn Error>> {
    sockling_examples_std::init_log();
    let args = Args::parse();
    let url = match args.url {
        Some(url) => url,
        None => own_server()?,
    };
    let begin = Instant::now();
    let mut received = 0;

    let close = App::new(&url)
        .on_open(|ws| {
            println!("connected to {url}");
            ws.send("subscribe")
        })
        .on_reconnect(|ws, again| {
            println!("connected again at attempt {}, after: {}", again.attempt, again.error);
            ws.send("subscribe")
        })
        .on_message(|ws, message| {
            received += 1;
            println!("{:4} ms: {message}", begin.elapsed().as_millis());
            if received == args.messages {
                ws.close();
            }
            Ok(())
        })
        .on_error(|_, error| println!("error: {error}"))
        .on_unsent(|_, unsent| {
            unsent.messages().for_each(|message| println!("not sent: {message}"));
            Ok(())
        })
        .on_close(|_, close| println!("closed: {close}"))
        .keepalive(Duration::from_secs_f32(args.ping_interval), Duration::from_secs_f32(args.ping_timeout))
        .reconnect(Backoff::default())
        .run_forever()?;

    println!("the end: {close}");
    Ok(())
}

/// Starts a server that sends a number every 50 ms to those who subscribe, and loses its first two connections after
/// three; returns its URL.
fn own_server() -> Result<String, Box<dyn Error>> {
    let server = Server::bind("127.0.0.1:0")?;
    let url = format!("ws://{}/feed", server.local_addr()?);
    thread::spawn(move || {
        for connection in 1.. {
            // The next one, by dropping it without a close frame.
            if serve(&server, connection).is_err() {
                return;
            }
        }
    });
    Ok(url)
}

fn serve(server: &Server, connection: u32) -> Result<(), net::Error> {
    let mut ws = server.accept()?;
    ws.recv()?;
    ws.set_read_timeout(Some(Duration::from_millis(50)))?;
    let mut number = 0;
    while connection > 2 || number < 3 {
        match ws.recv() {
            Ok(_) => {}
            Err(error) if error.is_timeout() => {
                number += 1;
                ws.send(&format!("connection {connection}, number {number}"))?;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
