//! The library's trace, on the standard error.

use log::{LevelFilter, Log, Metadata, Record, SetLoggerError};

struct Trace;

impl Log for Trace {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("sockling")
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            eprintln!("{}", record.args());
        }
    }

    fn flush(&self) {}
}

pub fn init() -> Result<(), SetLoggerError> {
    log::set_logger(&Trace)?;
    log::set_max_level(LevelFilter::Trace);
    Ok(())
}
