use core::fmt::Debug;

use embedded_io_async::{Read, Write};

use crate::app::Verdict;

/// Where connections come from: TCP, or what is above it.
///
/// `Tcp` (feature `embedded-nal-async`) is one over any stack that implements `TcpConnect` and `Dns`.
#[allow(async_fn_in_trait, reason = "whether the future is `Send` is the implementation's affair")]
pub trait Connect {
    /// The port of a host without one.
    const DEFAULT_PORT: u16 = 80;
    /// Why there is no connection.
    type Error: Debug;
    /// What its connections fail with.
    type IoError: embedded_io::Error;
    /// A connection. Dropping it ends it. The future of its `read` may be dropped without effect, since that is what
    /// happens when something is to be sent: embassy-net's can, that of embedded-tls's own connections cannot.
    type Io<'a>: Read<Error = Self::IoError> + Write<Error = Self::IoError>
    where
        Self: 'a;

    /// Connects to a host by its name, or by its address, that of IP version 6 without brackets.
    ///
    /// # Errors
    /// Why it did not.
    ///
    /// # Cancel safety
    /// An attempt that takes too long is dropped.
    async fn connect<'a>(&'a mut self, host: &str, port: u16) -> Result<Self::Io<'a>, Self::Error>;

    /// Whether it may go better another time. By default it may.
    fn verdict(error: &Self::Error) -> Verdict {
        let _ = error;
        Verdict::Retry
    }
}
