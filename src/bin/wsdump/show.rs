//! What arrives, as lines.

use std::{
    borrow::Cow,
    fmt::Write as _,
    io::{self, Write as _},
    time::Instant,
};

use rustyline::ExternalPrinter;
use sockling::{Message, net::CloseInfo};

use crate::args::Args;

/// Where lines go.
pub enum Screen {
    /// Above the line that is being edited.
    Prompt(Box<dyn ExternalPrinter + Send>),
    /// The standard output, a terminal or not.
    Plain { terminal: bool },
}

/// Shows messages and what happens.
pub struct Show {
    screen: Screen,
    start: Instant,
    verbose: bool,
    raw: bool,
    timings: bool,
}

impl Show {
    pub fn new(args: &Args, screen: Screen) -> Self {
        let Args { verbose, raw, timings, .. } = *args;
        Self { screen, start: Instant::now(), verbose: verbose > 0 && !raw, raw, timings }
    }

    /// Shows a message.
    ///
    /// # Errors
    /// That no one reads.
    pub fn message(&mut self, message: &Message<'_>) -> io::Result<()> {
        let (kind, payload) = match message {
            Message::Text(text) => ("text", self.text(text)),
            Message::Binary(data) => ("binary", Cow::Owned(hex(data))),
            other => ("message", Cow::Owned(hex(other.as_bytes()))),
        };
        let line = if self.verbose { format!("{kind}: {payload}") } else { payload.into_owned() };
        self.line(&line)
    }

    /// Shows a ping or pong, if that is wanted.
    pub fn control(&mut self, kind: &str, data: &[u8]) -> io::Result<()> {
        if self.verbose { self.line(&format!("{kind}: {}", data.escape_ascii())) } else { Ok(()) }
    }

    /// Likewise how the connection was closed.
    pub fn close(&mut self, close: &CloseInfo) -> io::Result<()> {
        if self.verbose { self.line(&format!("close: {}", printable(&close.to_string()))) } else { Ok(()) }
    }

    /// What is no message, on the standard error or above the prompt.
    pub fn note(&mut self, note: &str) {
        let note = format!("wsdump: {}", printable(note));
        match &mut self.screen {
            Screen::Prompt(printer) => drop(printer.print(note + "\n")),
            // If that is closed, there is no one to tell.
            Screen::Plain { .. } => drop(writeln!(io::stderr(), "{note}")),
        }
    }

    /// A text as it may go to where the lines go.
    fn text<'t>(&self, text: &'t str) -> Cow<'t, str> {
        match self.screen {
            Screen::Plain { terminal: false } => Cow::Borrowed(text),
            _ if self.raw => Cow::Borrowed(text),
            _ => printable(text),
        }
    }

    fn line(&mut self, line: &str) -> io::Result<()> {
        let time =
            if self.timings { format!("{:.3} ", self.start.elapsed().as_secs_f64()) } else { String::new() };
        match &mut self.screen {
            Screen::Prompt(printer) => printer.print(format!("{time}< {line}\n")).map_err(io::Error::other),
            Screen::Plain { .. } => {
                let mut out = io::stdout().lock();
                writeln!(out, "{time}{line}")?;
                out.flush()
            }
        }
    }
}

/// A server does not get to move the cursor, or to write what the user seems to have written.
fn printable(text: &str) -> Cow<'_, str> {
    let harmless = |c: char| !c.is_control() || c == '\t' || c == '\n';
    if text.chars().all(harmless) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if harmless(c) { shown.push(c) } else { shown.extend(c.escape_default()) }
    }
    Cow::Owned(shown)
}

fn hex(data: &[u8]) -> String {
    data.iter().fold(String::with_capacity(data.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_do_not_reach_a_terminal() {
        assert_eq!(printable("größer\t\n"), "größer\t\n");
        assert_eq!(printable("\x1b[2Ja\r\u{9b}b"), "\\u{1b}[2Ja\\r\\u{9b}b");
        assert_eq!(hex(&[0, 1, 0xab]), "0001ab");
    }
}
