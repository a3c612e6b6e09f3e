//! The terminal's settings, and signals.

use std::{
    io, process,
    sync::atomic::{AtomicBool, Ordering},
};

use sockling::{CloseCode, net::app::Handle};

/// The settings that the terminal had: editing a line changes them, and the program may end in the middle of one.
#[derive(Clone)]
pub struct Saved {
    #[cfg(unix)]
    settings: Option<nix::sys::termios::Termios>,
}

impl Saved {
    #[cfg(unix)]
    pub fn new() -> Self {
        Self { settings: nix::sys::termios::tcgetattr(io::stdin()).ok() }
    }

    #[cfg(not(unix))]
    pub const fn new() -> Self {
        Self {}
    }

    #[cfg(unix)]
    pub fn restore(&self) {
        use nix::sys::termios::{SetArg, tcsetattr};
        if let Some(settings) = &self.settings {
            // The last that is done: no one is left to be told.
            let _ = tcsetattr(io::stdin(), SetArg::TCSANOW, settings);
        }
    }

    #[cfg(not(unix))]
    pub const fn restore(&self) {}
}

/// Ctrl-C was there once.
pub static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// Closes the connection; the second time it does not wait for that.
fn interrupt(handle: &Handle, saved: &Saved, code: CloseCode) {
    if INTERRUPTED.swap(true, Ordering::Relaxed) {
        saved.restore();
        process::exit(130);
    }
    // Both codes may be sent.
    let _ = handle.close_with(code, "");
}

/// SIGINT and SIGTERM [`interrupt`].
#[cfg(unix)]
pub fn on_signals(handle: Handle, saved: Saved) -> io::Result<()> {
    use signal_hook::{
        consts::{SIGINT, SIGTERM},
        iterator::Signals,
    };
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    let waiting = move || {
        for signal in signals.forever() {
            let code = if signal == SIGTERM { CloseCode::GOING_AWAY } else { CloseCode::NORMAL };
            interrupt(&handle, &saved, code);
        }
    };
    std::thread::Builder::new().name("signals".into()).spawn(waiting)?;
    Ok(())
}

/// Ctrl-C and Ctrl-Break [`interrupt`].
#[cfg(windows)]
pub fn on_signals(handle: Handle, saved: Saved) -> io::Result<()> {
    ctrlc::set_handler(move || interrupt(&handle, &saved, CloseCode::NORMAL)).map_err(io::Error::other)
}
