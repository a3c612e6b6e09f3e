//! What the programs share: the choice of a driver, and echoing over each of them.

pub mod asynch;
pub mod blocking;
pub mod deflate;
pub mod fixed;

use std::{net::SocketAddr, time::Duration};

use clap::ValueEnum;
use sockling::{
    Config,
    handshake::{RequestHead, Response},
};

use deflate::DeflateArgs;

/// The subprotocols that the servers speak.
pub const SUBPROTOCOLS: &[&str] = &["chat", "superchat"];

/// How long a client may take for the opening handshake.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// Says how a server's connection ended, where it did not end well.
pub fn report(peer: &SocketAddr, end: &sockling::Error<std::io::Error>, reason: &str) {
    match end {
        sockling::Error::Closed(closed) if closed.is_clean() => log::info!("{peer}: {closed} {reason}"),
        end => eprintln!("{peer}: {end}"),
    }
}

/// Which of the two drivers to use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Driver {
    /// Threads, over `std::net`.
    Blocking,
    /// One thread, over tokio.
    Async,
}

/// Shows the library's log at the level that `RUST_LOG` names, such as `trace` for every head and frame.
pub fn init_log() {
    env_logger::init();
}

/// `ws://host:port/path` in its pieces, for the drivers that get a connected transport.
pub fn cut_url(url: &str) -> anyhow::Result<(&str, &str)> {
    let rest = url.strip_prefix("ws://").ok_or_else(|| anyhow::anyhow!("{url}: not a ws:// URL"))?;
    Ok(rest.find(['/', '?']).map_or((rest, "/"), |at| rest.split_at(at)))
}

/// The authority with a port, for a socket.
pub fn with_port(authority: &str) -> String {
    let port = authority.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    if port { authority.to_owned() } else { format!("{authority}:80") }
}

/// What the servers share.
#[derive(Clone, Debug, clap::Args)]
pub struct ServerArgs {
    #[arg(long, value_enum, default_value = "blocking")]
    pub driver: Driver,
    /// Receive and send in fixed buffers of this many bytes, and echo messages in parts, as they come.
    #[arg(long, value_name = "BYTES")]
    pub buffer: Option<usize>,
    #[command(flatten)]
    pub deflate: DeflateArgs,
}

/// An echo server on a port of 127.0.0.1, until the process ends.
pub fn serve(port: u16, args: &ServerArgs, config: Config) -> anyhow::Result<()> {
    let address = ("127.0.0.1", port);
    match (args.driver, args.buffer) {
        (Driver::Blocking, None) => blocking::serve(address, config, &args.deflate),
        (Driver::Blocking, Some(len)) => fixed::serve(address, config, len, &args.deflate),
        (Driver::Async, buffer) => {
            tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
                let listener = tokio::net::TcpListener::bind(address).await?;
                println!("listening on ws://{}", listener.local_addr()?);
                asynch::serve(listener, config, buffer, &args.deflate).await
            })
        }
    }
}

/// The subprotocol that the client offers and the servers speak.
pub fn decide(request: &RequestHead<'_>) -> Response<'static> {
    match request.choose(SUBPROTOCOLS) {
        Some(chosen) => Response::accept().subprotocol(chosen),
        None => Response::accept(),
    }
}
