//! One connection, two threads: one receives while the other sends.

use std::{error::Error, thread};

use clap::Parser;
use sockling::{CloseCode, Server, net};

/// Sends numbers to an echo server from one thread and receives them in another. Starts its own server if no URL is
/// given.
#[derive(Parser)]
#[command(version)]
struct Args {
    /// Where to connect, such as wss://echo.example/.
    url: Option<String>,
    /// How many messages to send.
    #[arg(long, default_value_t = 10_000)]
    messages: u32,
}

fn main() -> Result<(), Box<dyn Error>> {
    sockling_examples_std::init_log();
    let args = Args::parse();
    let url = match args.url {
        Some(url) => url,
        None => own_server()?,
    };
    let (mut reader, mut writer) = sockling::connect(&url)?.split()?;

    let receiving = thread::spawn(move || {
        let mut received = 0;
        loop {
            match reader.recv() {
                Ok(message) if message.as_text() == Some(&received.to_string()) => received += 1,
                Ok(message) => println!("unexpected: {message:?}"),
                // `close` of the other half ends it here.
                Err(net::Error::Closed(close)) => {
                    println!("closed: {close}");
                    return received;
                }
                Err(error) => {
                    println!("error: {error}");
                    return received;
                }
            }
        }
    });

    for number in 0..args.messages {
        writer.send(&number.to_string())?;
    }
    println!("sent {}", args.messages);
    // The server answers the close frame after the last echo.
    writer.close(CloseCode::NORMAL, "all sent")?;

    let received = receiving.join().map_err(|_| "the receiving thread panicked")?;
    println!("received {received}, in order");
    if received == args.messages { Ok(()) } else { Err("some did not come back".into()) }
}

/// Starts an echo server in a thread; returns its URL.
fn own_server() -> Result<String, Box<dyn Error>> {
    let server = Server::bind("127.0.0.1:0")?;
    let url = format!("ws://{}/", server.local_addr()?);
    thread::spawn(move || {
        while let Ok(mut ws) = server.accept() {
            let mut copy = String::new();
            while let Ok(message) = ws.recv() {
                copy.clear();
                copy.push_str(message.as_text().unwrap_or_default());
                if ws.send(&copy).is_err() {
                    break;
                }
            }
        }
    });
    Ok(url)
}
