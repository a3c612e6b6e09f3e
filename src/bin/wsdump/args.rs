//! The command line.

use std::{path::PathBuf, time::Duration};

use clap::{ArgAction, Parser};

/// Connects to a WebSocket server: lines of the input are sent, messages that arrive are shown.
///
/// On a terminal lines are edited before they are sent, with a history; Ctrl-D ends, and so does Ctrl-C. Otherwise each
/// line of the standard input is one message, and each message that arrives is one line of the standard output, binary
/// ones in hexadecimal; all else goes to the standard error.
#[derive(Debug, Parser)]
#[command(name = "wsdump", version, max_term_width = 100, after_help = CODES)]
pub struct Args {
    /// Where to connect: ws://HOST[:PORT]/PATH or wss://...
    pub url: String,

    /// Say what each message is, and show pings, pongs and the close frame; -vv: heads and frames as well
    #[arg(short, long, action = ArgAction::Count)]
    pub verbose: u8,

    /// Show nothing but messages, one a line, as they are: no prompt, no editing, no escapes on a terminal
    #[arg(short, long)]
    pub raw: bool,

    /// Begin each line with the seconds since the start
    #[arg(long)]
    pub timings: bool,

    /// Send this text first, and again after each reconnect; may be given several times
    #[arg(short, long, value_name = "TEXT")]
    pub text: Vec<String>,

    /// Send lines as binary messages instead of text; they need not be UTF-8 then
    #[arg(short, long)]
    pub binary: bool,

    /// How many seconds to wait for more messages after the end of the input; inf: until the server closes
    #[arg(long, value_name = "SECONDS", value_parser = seconds, default_value = "1")]
    pub eof_wait: Duration,

    /// Send a ping every so many seconds, and take the connection for lost if nothing comes for as long after one
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub ping: Option<Duration>,

    /// Connect again when the connection is lost or cannot be opened, with waits that grow
    #[arg(long)]
    pub reconnect: bool,

    /// Offer compression (permessage-deflate)
    #[arg(long)]
    pub deflate: bool,

    /// Add a header field to the request; may be given several times
    #[arg(short = 'H', long, value_name = "NAME: VALUE", value_parser = header)]
    pub header: Vec<(String, String)>,

    /// Offer a subprotocol; may be given several times, the preferred one first
    #[arg(short, long, value_name = "NAME")]
    pub subprotocol: Vec<String>,

    /// Set the Origin field
    #[arg(short, long)]
    pub origin: Option<String>,

    /// Go through a proxy: http://, https://, socks4://, socks4a://, socks5:// or socks5h://[USER:PASSWORD@]HOST[:PORT].
    /// Without it the environment says: http_proxy, https_proxy, all_proxy, no_proxy
    #[arg(short, long, value_name = "URL")]
    pub proxy: Option<String>,

    /// Give up connecting after so many seconds
    #[arg(long, value_name = "SECONDS", value_parser = seconds, default_value = "30")]
    pub connect_timeout: Duration,

    /// Trust the certificates of this file too, in PEM
    #[arg(long, value_name = "FILE")]
    pub ca: Option<PathBuf>,

    /// Trust any certificate, of anyone, for anything: whoever is on the way can read and change all that is sent
    #[arg(long)]
    pub danger_accept_invalid_certificates: bool,
}

const CODES: &str = "\
Exit codes:
  0    the connection was closed normally: from here, or by the server with code 1000, 1001 or none
  1    no connection could be opened, or the input or output failed
  2    the command line is wrong
  3    the connection was lost, or the server broke a rule
  4    the server closed the connection with another code
  130  Ctrl-C before a connection was open, or a second one while the server does not answer the close frame
SIGINT closes with code 1000, SIGTERM with 1001.";

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "not a number of seconds")?;
    if seconds == f64::INFINITY {
        return Ok(Duration::MAX);
    }
    Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}

fn header(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once(':').ok_or("it has no colon: write 'Name: value'")?;
    Ok((name.trim().into(), value.trim().into()))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Args::command().debug_assert();
        let args = Args::parse_from([
            "wsdump",
            "ws://h/",
            "-vv",
            "-H",
            "A: b: c",
            "--header",
            "D:",
            "-s",
            "x",
            "-s",
            "y",
            "--eof-wait",
            "inf",
        ]);
        assert_eq!(args.verbose, 2);
        assert_eq!(args.header, [("A".into(), "b: c".into()), ("D".into(), String::new())]);
        assert_eq!(args.subprotocol, ["x", "y"]);
        assert_eq!(args.eof_wait, Duration::MAX);
        for bad in [&["wsdump"][..], &["wsdump", "h", "-H", "x"], &["wsdump", "h", "--ping", "-1"]] {
            assert_eq!(Args::try_parse_from(bad).unwrap_err().exit_code(), 2);
        }
    }
}
