//! A server that sends every message back.

use clap::Parser;
use sockling::Config;
use sockling_examples_std::{ServerArgs, serve};

/// Sends every message back. Takes the subprotocol `chat` or `superchat` if the client offers one.
#[derive(Parser)]
#[command(version)]
struct Args {
    /// The port on 127.0.0.1; 0 takes a free one, which the first line of the output names.
    #[arg(long, default_value_t = 9001)]
    port: u16,
    #[command(flatten)]
    server: ServerArgs,
    /// The largest message, in bytes; over it the connection is failed with 1009.
    #[arg(long, default_value_t = 64 << 20)]
    max_message: u32,
}

fn main() -> anyhow::Result<()> {
    sockling_examples_std::init_log();
    let args = Args::parse();
    let mut config = Config::default();
    config.limits.max_message = args.max_message;
    config.limits.max_frame = args.max_message;
    serve(args.port, &args.server, config)
}
