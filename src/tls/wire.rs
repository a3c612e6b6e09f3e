//! The transport below embedded-tls. It makes that dropping a read or write loses nothing, which embedded-tls alone
//! does not.
//!
//! embedded-tls 0.19 keeps a record's header, while its body has not come, in a future; and forgets a record that it
//! has encrypted, before that is written. So nothing here lets it wait there:
//!
//! - A header is read into [`Wire`] and handed over whole, and again to each future that asks for it until the body is
//!   complete. A body is read into embedded-tls's own buffer, at the place that it gives, and is handed over whole too:
//!   a later future gives the same place, where what had come still is.
//! - What it writes goes to [`Wire::out`], which was emptied before and has room for one record: that waits for nothing.

use core::cell::Cell;

use embedded_io::{Error as _, ErrorKind, ErrorType};
use embedded_io_async::{Read, Write};

use super::Error;

const HEADER: usize = 5;
/// RFC 8446 section 5.1: `application_data(23)`, the type of all encrypted records.
const APPLICATION_DATA: u8 = 23;
/// The authentication tag and the type of what is encrypted.
const MIN_BODY: usize = 16 + 1;
/// RFC 8446 section 5.2: "The length MUST NOT exceed 2^14 + 256 bytes."
const MAX_BODY: usize = (1 << 14) + 256;

/// The transport, and what of records is under way.
pub(super) struct Wire<'b, T: ErrorType> {
    pub(super) io: T,
    /// Whether this is the handshake, during which no future may be dropped, so that all goes straight through.
    pub(super) opening: bool,
    header: [u8; HEADER],
    /// How much of the header is there.
    have: usize,
    /// How much of the body is there, and where.
    filled: usize,
    place: usize,
    /// An encrypted record, of which `sent..end` is to be written.
    out: &'b mut [u8],
    sent: usize,
    end: usize,
    /// What embedded-tls, which knows only kinds of errors, cannot tell.
    pub(super) fault: Option<Error<T::Error>>,
}

impl<'b, T: Read + Write> Wire<'b, T> {
    pub(super) const fn new(io: T, out: &'b mut [u8]) -> Self {
        let header = [0; HEADER];
        Self { io, opening: true, header, have: 0, filled: 0, place: 0, out, sent: 0, end: 0, fault: None }
    }

    fn fail(&mut self, error: Error<T::Error>) -> Fault {
        let kind = error.kind();
        self.fault = Some(error);
        Fault(kind)
    }

    async fn read(&mut self, buf: &mut [u8]) -> Result<usize, Fault> {
        if self.opening {
            return match self.io.read(buf).await {
                Ok(0) => Err(self.fail(Error::ConnectionLost)),
                Ok(n) => Ok(n),
                Err(error) => Err(self.fail(Error::Io(error))),
            };
        }
        if buf.len() == HEADER { self.read_header(buf).await } else { self.read_body(buf).await }
    }

    async fn read_header(&mut self, buf: &mut [u8]) -> Result<usize, Fault> {
        while let Some(space @ [_, ..]) = self.header.get_mut(self.have..) {
            match self.io.read(space).await {
                // The end of the stream; embedded-tls makes an error of it.
                Ok(0) => return Ok(0),
                Ok(n) => self.have += n,
                Err(error) => return Err(self.fail(Error::Io(error))),
            }
        }
        // Nothing else is expected after the handshake. embedded-tls would take an alert that is not encrypted, and
        // panics at some handshake messages and at a record of nothing.
        if self.header[0] != APPLICATION_DATA || !(MIN_BODY..=MAX_BODY).contains(&self.body()) {
            return Err(self.fail(Error::UnexpectedRecord));
        }
        buf.copy_from_slice(&self.header);
        Ok(HEADER)
    }

    async fn read_body(&mut self, buf: &mut [u8]) -> Result<usize, Fault> {
        let place = buf.as_ptr().addr();
        let resumed = self.filled == 0 || self.place == place;
        if self.have != HEADER || buf.len() != self.body() || !resumed {
            // Another embedded-tls than the one that this was written for.
            return Err(self.fail(Error::UnexpectedRecord));
        }
        self.place = place;
        while let Some(space @ [_, ..]) = buf.get_mut(self.filled..) {
            match self.io.read(space).await {
                Ok(0) => return Ok(0),
                Ok(n) => self.filled += n,
                Err(error) => return Err(self.fail(Error::Io(error))),
            }
        }
        (self.have, self.filled) = (0, 0);
        Ok(buf.len())
    }

    const fn body(&self) -> usize {
        u16::from_be_bytes([self.header[3], self.header[4]]) as usize
    }

    async fn write(&mut self, buf: &[u8]) -> Result<usize, Fault> {
        if self.opening {
            return match self.io.write(buf).await {
                Ok(0) => Err(self.fail(Error::WriteZero)),
                Ok(n) => Ok(n),
                Err(error) => Err(self.fail(Error::Io(error))),
            };
        }
        let end = self.end + buf.len();
        let Some(space) = self.out.get_mut(self.end..end) else {
            return Err(self.fail(Error::BufferTooSmall { needed: super::MIN_WRITE }));
        };
        space.copy_from_slice(buf);
        self.end = end;
        Ok(buf.len())
    }

    /// Writes the record that was encrypted.
    pub(super) async fn drain(&mut self) -> Result<(), Error<T::Error>> {
        while let Some(rest @ [_, ..]) = self.out.get(self.sent..self.end) {
            match self.io.write(rest).await.map_err(Error::Io)? {
                0 => return Err(Error::WriteZero),
                n => self.sent += n,
            }
        }
        (self.sent, self.end) = (0, 0);
        Ok(())
    }
}

/// What embedded-tls has as its transport.
///
/// It shows a transport only to who splits the connection, and then it shows two clones. A clone takes the [`Wire`] with
/// it, and is asked to give it back.
pub(super) struct Slot<'b, T: ErrorType> {
    pub(super) wire: Cell<Option<Wire<'b, T>>>,
    /// What is written to a slot without a wire: the alert that closes the connection.
    alert: [u8; 32],
    len: usize,
}

impl<'b, T: ErrorType> Slot<'b, T> {
    pub(super) const fn new(wire: Option<Wire<'b, T>>) -> Self {
        Self { wire: Cell::new(wire), alert: [0; 32], len: 0 }
    }

    pub(super) fn alert(&self) -> &[u8] {
        self.alert.get(..self.len).unwrap_or_default()
    }
}

impl<T: ErrorType> Clone for Slot<'_, T> {
    fn clone(&self) -> Self {
        Self::new(self.wire.take())
    }
}

/// An error, as much as embedded-tls takes of it.
#[derive(Debug)]
pub(super) struct Fault(ErrorKind);

impl core::fmt::Display for Fault {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        core::fmt::Debug::fmt(self, f)
    }
}

impl core::error::Error for Fault {}

impl embedded_io::Error for Fault {
    fn kind(&self) -> ErrorKind {
        self.0
    }
}

impl<T: ErrorType> ErrorType for Slot<'_, T> {
    type Error = Fault;
}

impl<T: Read + Write> Read for Slot<'_, T> {
    async fn read(&mut self, buf: &mut [u8]) -> Result<usize, Fault> {
        match self.wire.get_mut() {
            Some(wire) => wire.read(buf).await,
            None => Err(Fault(ErrorKind::NotConnected)),
        }
    }
}

impl<T: Read + Write> Write for Slot<'_, T> {
    async fn write(&mut self, buf: &[u8]) -> Result<usize, Fault> {
        if let Some(wire) = self.wire.get_mut() {
            return wire.write(buf).await;
        }
        let end = self.len + buf.len();
        let space = self.alert.get_mut(self.len..end).ok_or(Fault(ErrorKind::NotConnected))?;
        space.copy_from_slice(buf);
        self.len = end;
        Ok(buf.len())
    }

    async fn flush(&mut self) -> Result<(), Fault> {
        match self.wire.get_mut() {
            Some(wire) if wire.opening => wire.io.flush().await.map_err(|error| wire.fail(Error::Io(error))),
            // `Tls::flush` does it.
            _ => Ok(()),
        }
    }
}
