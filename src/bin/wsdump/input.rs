//! What is sent: lines of a pipe, or of a prompt.

use std::{
    io::{self, BufRead, Read},
    sync::{atomic::Ordering, mpsc::Receiver},
    thread,
    time::Duration,
};

use rustyline::{DefaultEditor, error::ReadlineError};
use sockling::{
    Message,
    net::{Error, app::Handle},
};

use crate::terminal;

/// The longest line, in bytes: it is held in memory.
const MAX_LINE: u64 = 64 << 20;

const A_LITTLE: Duration = Duration::from_millis(5);

/// How lines are sent.
pub struct Sending {
    pub handle: Handle,
    pub binary: bool,
    /// How long to wait for messages after the last line.
    pub eof_wait: Duration,
}

impl Sending {
    /// Sends each line of the standard input, once `opened` says that there is a connection; then ends it.
    pub fn pipe(&self, opened: &Receiver<()>) -> io::Result<()> {
        if opened.recv().is_err() {
            return Ok(());
        }
        let mut input = io::stdin().lock();
        let mut line = Vec::new();
        loop {
            line.clear();
            if input.by_ref().take(MAX_LINE).read_until(b'\n', &mut line)? == 0 {
                break;
            }
            if line.last() == Some(&b'\n') {
                line.pop();
                if line.last() == Some(&b'\r') {
                    line.pop();
                }
            } else if line.len() as u64 == MAX_LINE {
                return Err(io::Error::other("a line is longer than 64 MiB"));
            }
            if !self.send_patiently(&self.message(&line)?)? {
                return Ok(());
            }
        }
        self.end();
        Ok(())
    }

    /// Sends what is typed, until the end.
    pub fn prompt(&self, editor: &mut DefaultEditor, mut note: impl FnMut(&str)) {
        loop {
            match editor.readline("> ") {
                Ok(line) => {
                    // A history without this line is no reason to stop.
                    let _ = editor.add_history_entry(&line);
                    let sent = match self.message(line.as_bytes()) {
                        Ok(message) => self.handle.send(message),
                        Err(error) => Err(Error::Io(error)),
                    };
                    if let Err(error) = sent {
                        note(&format!("not sent: {error}"));
                    }
                }
                Err(ReadlineError::Eof) => return self.handle.close(),
                Err(ReadlineError::Interrupted) => {
                    // The terminal is as it was from here on: the next one is a signal.
                    terminal::INTERRUPTED.store(true, Ordering::Relaxed);
                    return self.handle.close();
                }
                Err(error) => {
                    note(&error.to_string());
                    return self.handle.close();
                }
            }
        }
    }

    fn message<'l>(&self, line: &'l [u8]) -> io::Result<Message<'l>> {
        if self.binary {
            return Ok(Message::Binary(line));
        }
        str::from_utf8(line)
            .map(Message::Text)
            .map_err(|_| io::Error::other("a line is not UTF-8: send it with --binary"))
    }

    /// Waits for room in the queue, and for a connection; `false` when the end has begun.
    fn send_patiently(&self, message: &Message<'_>) -> io::Result<bool> {
        loop {
            match self.handle.send(*message) {
                Ok(()) => return Ok(true),
                Err(Error::QueueFull) if self.handle.queued() == 0 => {
                    return Err(io::Error::other("a line is longer than the queue"));
                }
                Err(Error::QueueFull | Error::NotConnected) => thread::sleep(A_LITTLE),
                Err(Error::Misuse(_)) => return Ok(false),
                Err(error) => return Err(io::Error::other(error)),
            }
        }
    }

    /// The input has ended: so does the connection, a while after the last line was written.
    fn end(&self) {
        while self.handle.queued() > 0 {
            thread::sleep(A_LITTLE);
        }
        thread::sleep(self.eof_wait);
        self.handle.close();
    }
}
