//! Runs firmware in QEMU, shows its defmt log and ends with its exit code.

use std::{
    fs,
    io::{Read, Write},
    path::PathBuf,
    process::{Child, Command, ExitCode, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use anyhow::{Context, bail};
use clap::Parser;
use defmt_decoder::{DecodeError, StreamDecoder, Table};

#[derive(Parser)]
struct Args {
    /// Let the host's 127.0.0.1:PORT lead to the firmware's port 9001.
    #[arg(long, value_name = "PORT")]
    listen: Option<u16>,
    /// Stop after this many seconds, with exit code 124.
    #[arg(long, value_name = "SECONDS", default_value_t = 120)]
    timeout: u64,
    /// What to run.
    elf: PathBuf,
    /// Arguments for the firmware.
    #[arg(value_name = "NAME=VALUE")]
    arguments: Vec<String>,
}

fn main() -> anyhow::Result<ExitCode> {
    let args = Args::parse();
    let elf = fs::read(&args.elf).with_context(|| args.elf.display().to_string())?;
    let table = Table::parse(&elf)?.context("the firmware does not log with defmt")?;

    let mut qemu = command(&args)?.spawn().context("qemu-system-arm does not start: is it installed?")?;
    let mut output = qemu.stdout.take().context("no output")?;
    let qemu = Arc::new(Mutex::new(qemu));
    let late = Arc::new(AtomicBool::new(false));
    thread::spawn({
        let (qemu, late) = (Arc::clone(&qemu), Arc::clone(&late));
        move || {
            thread::sleep(Duration::from_secs(args.timeout));
            late.store(true, Ordering::Relaxed);
            kill(&mut qemu.lock().unwrap_or_else(|poisoned| poisoned.into_inner()));
        }
    });

    let mut decoder = table.new_stream_decoder();
    let mut bytes = [0; 4096];
    loop {
        let n = output.read(&mut bytes)?;
        if n == 0 {
            break;
        }
        decoder.received(&bytes[..n]);
        show(&mut *decoder)?;
    }
    // Its output has ended, so it has.
    let status = qemu.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).wait()?;
    if late.load(Ordering::Relaxed) {
        eprintln!("stopped after {} s", args.timeout);
        return Ok(ExitCode::from(124));
    }
    match status.code() {
        Some(code) => Ok(ExitCode::from(u8::try_from(code).unwrap_or(1))),
        None => bail!("QEMU ended: {status}"),
    }
}

fn command(args: &Args) -> anyhow::Result<Command> {
    let mut network = String::from("user,model=lan9118,ipv6=off");
    if let Some(port) = args.listen {
        network += &format!(",hostfwd=tcp:127.0.0.1:{port}-:9001");
    }
    let mut semihosting = String::from("enable=on,target=native,arg=firmware");
    for argument in &args.arguments {
        if !argument.contains('=') || argument.contains([',', ' ', '"', '\'']) {
            bail!("an argument is NAME=VALUE, without commas, spaces and quotes: {argument}");
        }
        semihosting += &format!(",arg={argument}");
    }
    let mut command = Command::new("qemu-system-arm");
    command
        .args(["-M", "mps2-an386", "-display", "none", "-monitor", "none", "-serial", "null"])
        .args(["-semihosting-config", &semihosting, "-nic", &network])
        .arg("-kernel")
        .arg(&args.elf)
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    Ok(command)
}

fn show(decoder: &mut dyn StreamDecoder) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    loop {
        match decoder.decode() {
            Ok(frame) => {
                let level = frame.level().map_or("", |level| level.as_str());
                let time = frame.display_timestamp().map(|time| time.to_string()).unwrap_or_default();
                writeln!(out, "{time:>8} {level:5} {}", frame.display_message())?;
            }
            Err(DecodeError::UnexpectedEof) => break,
            Err(DecodeError::Malformed) => writeln!(out, "(a log frame is malformed)")?,
        }
    }
    Ok(out.flush()?)
}

fn kill(qemu: &mut Child) {
    // It may have ended meanwhile.
    let _ = qemu.kill();
}
