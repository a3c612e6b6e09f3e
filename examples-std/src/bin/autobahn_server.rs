//! The server that the Autobahn TestSuite tests: the echo server, under the name that its harness calls.

use clap::Parser;
use sockling::Config;
use sockling_examples_std::{ServerArgs, serve};

/// Echoes every message, for an Autobahn fuzzing client.
#[derive(Parser)]
#[command(version)]
struct Args {
    /// The port on 127.0.0.1; 0 takes a free one.
    #[arg(long, default_value_t = 0)]
    port: u16,
    #[command(flatten)]
    server: ServerArgs,
}

fn main() -> anyhow::Result<()> {
    sockling_examples_std::init_log();
    let args = Args::parse();
    serve(args.port, &args.server, Config::default())
}
