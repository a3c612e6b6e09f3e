//! Sends lines, or one message, and prints what comes back.

use std::io::{self, BufRead, Read};

use clap::Parser;
use sockling::{
    Buffer, CloseCode, ConnectOptions, Message,
    extension::{Codec, Plain},
    net,
};
use sockling_examples_std::{Driver, asynch, deflate::DeflateArgs, fixed};

/// Sends text to a server and prints the answer to each message.
#[derive(Parser)]
#[command(version)]
struct Args {
    /// The server, such as ws://127.0.0.1:9001/ or wss://echo.example/ (the async driver: ws only).
    #[arg(long, default_value = "ws://127.0.0.1:9001/")]
    url: String,
    #[arg(long, value_enum, default_value = "blocking")]
    driver: Driver,
    /// Receive and send in fixed buffers of this many bytes (the drivers for firmware: ws only).
    #[arg(long, value_name = "BYTES")]
    buffer: Option<usize>,
    #[command(flatten)]
    deflate: DeflateArgs,
    /// A text to send; may be given several times. Without any: each line of the standard input.
    #[arg(long)]
    text: Vec<String>,
    /// Send the whole standard input as one binary message instead.
    #[arg(long)]
    binary: bool,
    /// Offer a subprotocol; may be given several times.
    #[arg(long)]
    subprotocol: Vec<String>,
    /// A header field "Name: value" for the handshake; may be given several times.
    #[arg(long)]
    header: Vec<String>,
}

enum Outgoing {
    Text(String),
    Binary(Vec<u8>),
}

impl Outgoing {
    fn message(&self) -> Message<'_> {
        match self {
            Self::Text(text) => Message::Text(text),
            Self::Binary(data) => Message::Binary(data),
        }
    }
}

fn main() -> anyhow::Result<()> {
    sockling_examples_std::init_log();
    let args = Args::parse();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (url, deflate) = (&args.url, &args.deflate);
    match (args.driver, args.buffer.map(|len| (len, deflate.fixed(len)))) {
        (Driver::Blocking, None) => blocking(&args),
        (Driver::Blocking, Some((len, None))) => blocking_fixed(&args, len, Plain::NEW),
        (Driver::Blocking, Some((len, Some(codec)))) => blocking_fixed(&args, len, codec),
        (Driver::Async, None) => {
            runtime.block_on(async { asynch(&args, asynch::connect(url, deflate).await?).await })
        }
        (Driver::Async, Some((len, None))) => runtime.block_on(async {
            asynch(&args, asynch::connect_in(url, vec![0; len], vec![0; len], Plain::NEW).await?).await
        }),
        (Driver::Async, Some((len, Some(codec)))) => runtime.block_on(async {
            asynch(&args, asynch::connect_in(url, vec![0; len], vec![0; len], codec).await?).await
        }),
    }
}

/// What is to be sent, one at a time.
fn outgoing(args: &Args) -> Box<dyn Iterator<Item = io::Result<Outgoing>>> {
    if args.binary {
        let mut data = Vec::new();
        let read = io::stdin().read_to_end(&mut data);
        return Box::new(std::iter::once(read.map(|_| Outgoing::Binary(data))));
    }
    if args.text.is_empty() {
        return Box::new(io::stdin().lock().lines().map(|line| line.map(Outgoing::Text)));
    }
    Box::new(args.text.clone().into_iter().map(|text| Ok(Outgoing::Text(text))))
}

fn blocking(args: &Args) -> anyhow::Result<()> {
    let mut options = ConnectOptions::new().subprotocols(&args.subprotocol);
    for header in &args.header {
        let (name, value) = header.split_once(':').ok_or_else(|| anyhow::anyhow!("{header}: no colon"))?;
        options = options.header(name, value.trim());
    }
    if let Some(deflate) = args.deflate.options() {
        options = options.deflate(deflate);
    }
    let mut ws = options.connect(&args.url)?;
    for message in outgoing(args) {
        ws.send(message?.message())?;
        match ws.recv() {
            Ok(answer) => println!("{answer}"),
            Err(net::Error::Closed(closed)) => {
                eprintln!("closed: {closed}");
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        }
    }
    let closed = ws.close(CloseCode::NORMAL, "")?;
    eprintln!("closed: {closed}");
    Ok(())
}

fn blocking_fixed<C: Codec>(args: &Args, len: usize, codec: C) -> anyhow::Result<()> {
    let mut ws = fixed::connect_in(&args.url, vec![0; len], vec![0; len], codec)?;
    for message in outgoing(args) {
        ws.send(message?.message())?;
        println!("{}", ws.recv()?);
    }
    let closed = ws.close(CloseCode::NORMAL, "")?;
    eprintln!("closed: {closed}");
    Ok(())
}

async fn asynch<R: Buffer, W: Buffer, C: Codec>(
    args: &Args,
    mut ws: asynch::Connection<R, W, C>,
) -> anyhow::Result<()> {
    for message in outgoing(args) {
        ws.send(message?.message()).await?;
        println!("{}", ws.recv().await?);
    }
    let closed = ws.close(CloseCode::NORMAL, "").await?;
    eprintln!("closed: {closed}");
    Ok(())
}
