//! The client that the Autobahn TestSuite tests.

use anyhow::Context;
use clap::Parser;
use sockling::{
    ConnectOptions,
    extension::{Codec, Plain},
    net,
};
use sockling_examples_std::{Driver, asynch, deflate::DeflateArgs, fixed};

/// Runs all cases of an Autobahn fuzzing server against sockling's client.
#[derive(Parser)]
#[command(version)]
struct Args {
    /// The fuzzing server, such as ws://127.0.0.1:9001.
    #[arg(long)]
    url: String,
    /// The name in the report.
    #[arg(long, default_value = "sockling")]
    agent: String,
    #[arg(long, value_enum, default_value = "blocking")]
    driver: Driver,
    /// Receive and send in fixed buffers of this many bytes, and echo messages in parts, as they come.
    #[arg(long, value_name = "BYTES")]
    buffer: Option<usize>,
    #[command(flatten)]
    deflate: DeflateArgs,
}

fn main() -> anyhow::Result<()> {
    sockling_examples_std::init_log();
    let args = Args::parse();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let base = args.url.trim_end_matches('/');
    let count = case_count(base).context("getCaseCount")?;
    println!("{count} cases");
    for case in 1..=count {
        let url = format!("{base}/runCase?case={case}&agent={}", args.agent);
        let deflate = &args.deflate;
        let result = match (args.driver, args.buffer.map(|len| (len, deflate.fixed(len)))) {
            (Driver::Blocking, None) => blocking(&url, deflate),
            (Driver::Blocking, Some((len, None))) => blocking_fixed(&url, len, Plain::NEW),
            (Driver::Blocking, Some((len, Some(codec)))) => blocking_fixed(&url, len, codec),
            (Driver::Async, None) => runtime.block_on(asynch(&url, deflate)),
            (Driver::Async, Some((len, None))) => runtime.block_on(asynch_fixed(&url, len, Plain::NEW)),
            (Driver::Async, Some((len, Some(codec)))) => runtime.block_on(asynch_fixed(&url, len, codec)),
        };
        if let Err(error) = result {
            eprintln!("case {case}: {error:#}");
        }
    }
    let mut ws = sockling::connect(&format!("{base}/updateReports?agent={}", args.agent))?;
    while ws.recv().is_ok() {}
    Ok(())
}

fn case_count(base: &str) -> anyhow::Result<u32> {
    let mut ws = sockling::connect(&format!("{base}/getCaseCount"))?;
    let count = ws.recv()?.as_text().context("the count is not text")?.parse()?;
    while ws.recv().is_ok() {}
    Ok(count)
}

fn blocking(url: &str, deflate: &DeflateArgs) -> anyhow::Result<()> {
    let mut options = ConnectOptions::new();
    if let Some(deflate) = deflate.options() {
        options = options.deflate(deflate);
    }
    let mut ws = options.connect(url)?;
    let mut copy = Vec::new();
    loop {
        let kind = match ws.recv() {
            Ok(message) => {
                copy.clear();
                copy.extend_from_slice(message.as_bytes());
                message.kind()
            }
            Err(net::Error::Closed(_)) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        match ws.send_part(kind, &copy, true) {
            Err(net::Error::Closed(_)) => return Ok(()),
            other => other?,
        }
    }
}

async fn asynch(url: &str, deflate: &DeflateArgs) -> anyhow::Result<()> {
    let mut ws = asynch::connect(url, deflate).await?;
    let end = asynch::echo(&mut ws).await;
    asynch::linger(ws).await;
    well(end)
}

async fn asynch_fixed<C: Codec>(url: &str, len: usize, codec: C) -> anyhow::Result<()> {
    let (mut rx, mut tx, mut copy) = (vec![0; len], vec![0; len], vec![0; len]);
    let mut ws = asynch::connect_in(url, &mut rx[..], &mut tx[..], codec).await?;
    let end = asynch::echo_parts(&mut ws, &mut copy).await;
    asynch::linger(ws).await;
    well(end)
}

fn blocking_fixed<C: Codec>(url: &str, len: usize, codec: C) -> anyhow::Result<()> {
    let (mut rx, mut tx, mut copy) = (vec![0; len], vec![0; len], vec![0; len]);
    let mut ws = fixed::connect_in(url, &mut rx[..], &mut tx[..], codec)?;
    let end = fixed::echo_parts(&mut ws, &mut copy);
    fixed::linger(ws);
    well(end)
}

fn well(end: asynch::End) -> anyhow::Result<()> {
    match end {
        sockling::Error::Closed(_) => Ok(()),
        end => Err(end.into()),
    }
}
