//! The first minutes with sockling: connect, send and receive, close.

use std::{error::Error, thread};

use clap::Parser;
use sockling::{CloseCode, Config, ConnectOptions, Kind, Message, Server};

/// Connects to an echo server, exchanges messages of all kinds, and closes. Starts its own server if no URL is given.
#[derive(Parser)]
#[command(version)]
struct Args {
    /// Where to connect, such as wss://echo.example/. Without it: a server on loopback, started by this program.
    url: Option<String>,
}

fn main() -> Result<(), Box<dyn Error>> {
    sockling_examples_std::init_log();
    let url = match Args::parse().url {
        Some(url) => url,
        None => own_server()?,
    };

    // The short way is `sockling::connect(&url)?`. Here pongs are wanted as well.
    let mut config = Config::default();
    config.report_control = true;
    let mut ws = ConnectOptions::new().config(config).connect(&url)?;
    println!("connected to {url}");

    ws.send("Hello, World")?;
    println!("sent text, received {}", data(&mut ws)?);

    ws.send(b"\x00\x01\x02\xff")?;
    println!("sent binary, received {}", data(&mut ws)?);

    // One message in three fragments: the peer sees one message.
    ws.send_part(Kind::Text, "This message ".as_bytes(), false)?;
    ws.send_part(Kind::Text, "was sent in ".as_bytes(), false)?;
    ws.send_part(Kind::Text, "three fragments.".as_bytes(), true)?;
    println!("sent fragments, received {}", data(&mut ws)?);

    // Far larger than the send buffer, which is 64 KiB: it streams through.
    let large: Vec<u8> = (0..8 << 20).map(|i: u32| (i % 251) as u8).collect();
    ws.send(&large)?;
    let mut received = 0;
    loop {
        // Taken in parts, it streams through the receive buffer too. `recv` would return it whole.
        let part = ws.recv_part()?;
        if !matches!(part.kind, Kind::Binary) {
            continue;
        }
        if large.get(received..received + part.data.len()) != Some(part.data) {
            return Err("the large message came back changed".into());
        }
        received += part.data.len();
        if part.fin {
            break;
        }
    }
    println!("sent {} bytes, received the same {received}", large.len());

    ws.send(Message::Ping(b"are you there?"))?;
    loop {
        if let Message::Pong(payload) = ws.recv()? {
            println!("sent a ping, received the pong {:?}", String::from_utf8_lossy(payload));
            break;
        }
    }

    let closed = ws.close(CloseCode::NORMAL, "bye")?;
    println!("closed: {closed}");
    Ok(())
}

/// The next message that is no ping or pong.
fn data(ws: &mut sockling::WebSocket) -> Result<String, Box<dyn Error>> {
    loop {
        match ws.recv()? {
            Message::Ping(_) | Message::Pong(_) => {}
            message => return Ok(format!("{message:?}")),
        }
    }
}

/// Starts an echo server in a thread; returns its URL.
fn own_server() -> Result<String, Box<dyn Error>> {
    let server = Server::bind("127.0.0.1:0")?;
    let url = format!("ws://{}/", server.local_addr()?);
    thread::spawn(move || {
        while let Ok(mut ws) = server.accept() {
            let mut copy = Vec::new();
            while let Ok(message) = ws.recv() {
                copy.clear();
                copy.extend_from_slice(message.as_bytes());
                let kind = message.kind();
                if ws.send_part(kind, &copy, true).is_err() {
                    break;
                }
            }
        }
    });
    Ok(url)
}
