use std::{
    io::{self, Read, Write},
    net::{Shutdown, TcpStream},
    time::{Duration, Instant},
};

use super::{
    IoError,
    layers::Layers,
    socket::{Ender, Side},
    stream::LINGER,
};

/// Both halves of what is read and written through these layers.
pub(super) fn both(input: Side, output: Side, layers: Layers) -> (ReadHalf, WriteHalf) {
    (ReadHalf { side: input, layers: layers.clone() }, WriteHalf { side: output, layers })
}

/// The half of a [`Stream`](super::Stream) that reads.
#[derive(Debug)]
pub struct ReadHalf {
    side: Side,
    layers: Layers,
}

impl ReadHalf {
    /// Like [`Stream::set_read_timeout`](super::Stream::set_read_timeout).
    ///
    /// # Errors
    /// Likewise.
    pub fn set_read_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        self.side.set_timeout(timeout)
    }

    /// The socket, which both halves share.
    #[must_use]
    pub fn tcp_stream(&self) -> &TcpStream {
        self.side.tcp()
    }
}

impl ReadHalf {
    pub(super) const fn set_deadline(&mut self, at: Option<Instant>) {
        self.side.set_deadline(at);
    }

    /// Like [`Stream::linger`](super::Stream::linger); the other half cannot write any more.
    pub(super) fn linger(&mut self) {
        if self.tcp_stream().shutdown(Shutdown::Write).is_ok() {
            self.set_deadline(Instant::now().checked_add(LINGER));
            self.side.discard();
        }
        self.shutdown();
    }

    /// Ends both directions, also under a call of the other half.
    pub(super) fn shutdown(&self) {
        self.side.ender().end();
    }
}

impl Read for ReadHalf {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.layers.read(&mut self.side, buf)
    }
}

/// The half of a [`Stream`](super::Stream) that writes.
#[derive(Debug)]
pub struct WriteHalf {
    side: Side,
    layers: Layers,
}

impl WriteHalf {
    /// Like [`Stream::set_write_timeout`](super::Stream::set_write_timeout).
    ///
    /// # Errors
    /// Likewise.
    pub fn set_write_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        self.side.set_timeout(timeout)
    }

    /// Says that nothing more comes: `close_notify` in TLS, then FIN. The other half can go on.
    pub fn shutdown(&mut self) {
        self.layers.close(&mut self.side);
        let _ = self.side.tcp().shutdown(Shutdown::Write);
    }
}

impl WriteHalf {
    pub(super) const fn set_deadline(&mut self, at: Option<Instant>) {
        self.side.set_deadline(at);
    }

    pub(super) fn ender(&self) -> Ender {
        self.side.ender()
    }
}

impl Write for WriteHalf {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.layers.write(&mut self.side, buf)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.layers.flush(&mut self.side)
    }
}

impl embedded_io::ErrorType for ReadHalf {
    type Error = IoError;
}

impl embedded_io::Read for ReadHalf {
    fn read(&mut self, buf: &mut [u8]) -> Result<usize, IoError> {
        Read::read(self, buf).map_err(IoError)
    }
}

impl embedded_io::ErrorType for WriteHalf {
    type Error = IoError;
}

impl embedded_io::Write for WriteHalf {
    fn write(&mut self, buf: &[u8]) -> Result<usize, IoError> {
        Write::write(self, buf).map_err(IoError)
    }

    fn flush(&mut self) -> Result<(), IoError> {
        Write::flush(self).map_err(IoError)
    }
}
