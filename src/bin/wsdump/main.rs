//! `wsdump`: a WebSocket connection from the command line, for people and for pipes.

mod args;
mod input;
mod show;
mod terminal;
mod trace;

use std::{
    fmt, fs,
    io::{self, IsTerminal},
    process,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use args::Args;
use clap::Parser;
use input::Sending;
use rustyline::DefaultEditor;
use show::{Screen, Show};
use sockling::{
    App, CloseCode, ConnectOptions,
    app::Backoff,
    net::{CloseInfo, DeflateOptions, Error},
};

fn main() {
    let args = Args::parse();
    let saved = terminal::Saved::new();
    let code = run(&args, &saved).unwrap_or_else(|error| {
        eprintln!("wsdump: {error}");
        1
    });
    // The thread that reads lines may be in the middle of one.
    saved.restore();
    process::exit(code);
}

fn run(args: &Args, saved: &terminal::Saved) -> Result<i32, Box<dyn core::error::Error>> {
    if args.verbose > 1 {
        trace::init()?;
    }
    let interactive = !args.raw && io::stdin().is_terminal() && io::stdout().is_terminal();
    let mut editor = interactive.then(DefaultEditor::new).transpose()?;
    let screen = match &mut editor {
        Some(editor) => Screen::Prompt(Box::new(editor.create_external_printer()?)),
        None => Screen::Plain { terminal: io::stdout().is_terminal() },
    };
    let show = Arc::new(Mutex::new(Show::new(args, screen)));
    let note = {
        let show = show.clone();
        move |note: &str| lock(&show).note(note)
    };
    if args.danger_accept_invalid_certificates {
        note("WARNING: certificates are not checked, anyone may read and change what is sent");
    }

    // The first connection that is open lets the input begin.
    let (open, opened) = mpsc::channel();
    let outcome = Arc::new(Outcome::default());
    let mut app = app(args, options(args)?, &show, &outcome, open);
    let sending = Sending { handle: app.handle(), binary: args.binary, eof_wait: args.eof_wait };
    terminal::on_signals(sending.handle.clone(), saved.clone())?;
    let reading = {
        let (note, outcome) = (note.clone(), outcome.clone());
        move || match &mut editor {
            Some(editor) => {
                if opened.recv().is_ok() {
                    note("connected: Ctrl-D closes the connection");
                    sending.prompt(editor, note);
                }
            }
            None => {
                if let Err(error) = sending.pipe(&opened) {
                    note(&format!("standard input: {error}"));
                    outcome.failed.store(true, Ordering::Relaxed);
                    sending.handle.close();
                }
            }
        }
    };
    thread::Builder::new().name("input".into()).spawn(reading)?;
    let result = app.run_forever();
    if interactive {
        // The thread with the prompt may be gone at any moment.
        let (done, drained) = mpsc::channel();
        thread::spawn(move || {
            lock(&show).drain();
            done.send(())
        });
        let _ = drained.recv_timeout(Duration::from_secs(1));
        // Past the prompt.
        println!();
    }
    Ok(outcome.exit_code(&result))
}

/// What the exit code depends on, beside how the app ended.
#[derive(Default)]
struct Outcome {
    /// A connection was open.
    opened: AtomicBool,
    /// Input or output failed.
    failed: AtomicBool,
}

impl Outcome {
    /// As `--help` has it.
    fn exit_code(&self, result: &Result<CloseInfo, Error>) -> i32 {
        let opened = self.opened.load(Ordering::Relaxed);
        if self.failed.load(Ordering::Relaxed) {
            return 1;
        }
        match result {
            Ok(_) if !opened => 130,
            Ok(close) | Err(Error::Closed(close)) => match &close.received {
                None
                | Some((CloseCode::NORMAL | CloseCode::GOING_AWAY | CloseCode::NO_STATUS_RECEIVED, _)) => 0,
                Some(_) => 4,
            },
            Err(_) if opened => 3,
            Err(_) => 1,
        }
    }
}

fn options(args: &Args) -> Result<ConnectOptions, Box<dyn core::error::Error>> {
    let mut options = ConnectOptions::new()
        .connect_timeout(args.connect_timeout)
        .handshake_timeout(args.connect_timeout)
        .subprotocols(&args.subprotocol)
        .danger_accept_invalid_certificates(args.danger_accept_invalid_certificates);
    for (name, value) in &args.header {
        options = options.header(name, value);
    }
    if let Some(origin) = &args.origin {
        options = options.origin(origin);
    }
    if let Some(proxy) = &args.proxy {
        options = options.proxy(proxy);
    }
    if let Some(path) = &args.ca {
        let in_file = |error: &dyn fmt::Display| format!("{}: {error}", path.display());
        let pem = fs::read(path).map_err(|error| in_file(&error))?;
        options = options.add_root_certificates(pem).map_err(|error| in_file(&error))?;
    }
    if args.deflate {
        options = options.deflate(DeflateOptions::default());
    }
    Ok(options)
}

fn app<'a>(
    args: &'a Args,
    options: ConnectOptions,
    show: &Arc<Mutex<Show>>,
    outcome: &Arc<Outcome>,
    open: mpsc::Sender<()>,
) -> App<'a> {
    let shows = || show.clone();
    let (messages, pings, pongs, errors, closes) = (shows(), shows(), shows(), shows(), shows());
    let (was_open, failed) = (outcome.clone(), outcome.clone());
    let output = |result: io::Result<()>| result.map_err(Error::other);
    let mut app = App::new(&args.url)
        .options(options)
        .reconnect(if args.reconnect { Backoff::DEFAULT } else { Backoff::NEVER })
        .on_open(move |ws| {
            was_open.opened.store(true, Ordering::Relaxed);
            for text in &args.text {
                ws.send(text)?;
            }
            // The input may have ended already.
            let _ = open.send(());
            Ok(())
        })
        .on_message(move |_, message| output(lock(&messages).message(&message)))
        .on_ping(move |_, data| output(lock(&pings).control("ping", data)))
        .on_pong(move |_, data| output(lock(&pongs).control("pong", data)))
        .on_close(move |_, close| {
            // If it cannot be shown, the last message could not either.
            let _ = lock(&closes).close(close);
        })
        .on_error(move |ws, error| match error {
            // No one reads any more.
            Error::Other(_) => {
                failed.failed.store(true, Ordering::Relaxed);
                ws.close();
            }
            error => lock(&errors).note(&error.to_string()),
        });
    if let Some(interval) = args.ping {
        app = app.keepalive(interval, interval);
    }
    app
}

fn lock(show: &Mutex<Show>) -> std::sync::MutexGuard<'_, Show> {
    show.lock().unwrap_or_else(PoisonError::into_inner)
}
