//! The protocol as a state machine: indices and flags, no buffer, no I/O, no clock.
//!
//! [`Session`] is a WebSocket connection after its opening handshake, with all rules of RFC 6455. It says what is to be
//! done next, a [`Step`]; a driver does it and says so. [`blocking`](crate::blocking) and [`asynch`](crate::asynch) are
//! such drivers. The machines of the opening handshake, in [`handshake`](crate::handshake), are driven the same way.
//!
//! # Writing a driver
//! Five rules make one:
//!
//! 1. Hand in the same two buffers at every call; a receive buffer may become longer in between, at its end. They
//!    have at least [`MIN_RX`] and [`MIN_TX`] bytes ([`Session::check_buffers`]).
//! 2. Ask for the next step of what the caller wants: [`poll`](Session::poll) to receive,
//!    [`poll_send`](Session::poll_send) after [`start_send`](Session::start_send), [`poll_close`](Session::poll_close)
//!    after [`start_close`](Session::start_close), [`poll_flush`](Session::poll_flush). Take the step, report it, and ask again.
//! 3. Report what the transport really did, when it has done it: [`sent`](Session::sent),
//!    [`flushed`](Session::flushed), [`received`](Session::received), where 0 is the end of the stream. If it did
//!    nothing (it would block, it timed out, the future was dropped), report nothing: the next poll asks again.
//! 4. At [`Step::Part`] show the caller [`message`](Session::message) (or [`part`](Session::part) in
//!    [`Mode::Parts`]), once, before the next poll. If that fails, drive [`poll_flush`](Session::poll_flush) so that
//!    the peer learns why.
//! 5. At [`Step::Closed`], and after an error other than [`Failure::Misuse`], drop the transport.
//!
//! With a clock: wait no longer than [`poll_timeout`](Session::poll_timeout) says, then call
//! [`handle_timeout`](Session::handle_timeout).
//!
//! `()` stands for the decoder and the encoder of an [extension](crate::extension) where none was negotiated.
//!
//! This is all of a blocking driver that receives and sends, over the traits of `std::io`:
//!
//! ```
//! use std::io::{self, Read, Write};
//! use sockling::proto::{Config, Failure, Mode, Role, Session, Step};
//! use sockling::{Message, Random, Unmasked};
//!
//! #[derive(Debug)]
//! enum Error {
//!     Io(io::Error),
//!     Ended(Failure),
//! }
//!
//! impl From<Failure> for Error {
//!     fn from(failure: Failure) -> Self {
//!         Error::Ended(failure)
//!     }
//! }
//!
//! struct Driver<T, G> {
//!     io: T,
//!     session: Session,
//!     random: G,
//!     rx: Vec<u8>,
//!     tx: Vec<u8>,
//! }
//!
//! impl<T: Read + Write, G: Random> Driver<T, G> {
//!     fn recv(&mut self) -> Result<Message<'_>, Error> {
//!         loop {
//!             match self.session.poll(&mut self.rx, &mut self.tx, &mut self.random, &mut (), Mode::Whole)? {
//!                 Step::Part => break,
//!                 Step::Closed(closed) => return Err(Error::Ended(Failure::Closed(closed))),
//!                 step => self.take(step)?,
//!             }
//!         }
//!         match self.session.message(&self.rx, &()) {
//!             Ok(message) => Ok(message),
//!             Err(error) => {
//!                 while let Ok(Step::Transmit) = self.session.poll_flush(&mut self.tx, &mut self.random) {
//!                     let n = self.io.write(self.session.pending(&self.tx)).map_err(Error::Io)?;
//!                     self.session.sent(n).map_err(Failure::from)?;
//!                 }
//!                 Err(Error::Ended(error.into()))
//!             }
//!         }
//!     }
//!
//!     fn send(&mut self, message: Message<'_>) -> Result<(), Error> {
//!         self.session.start_send(&mut (), &message, false)?;
//!         loop {
//!             match self.session.poll_send(&mut self.tx, &mut self.random, &mut (), &message, true)? {
//!                 Step::Done => return Ok(()),
//!                 step => self.take(step)?,
//!             }
//!         }
//!     }
//!
//!     fn take(&mut self, step: Step) -> Result<(), Error> {
//!         match step {
//!             Step::Transmit => {
//!                 let n = self.io.write(self.session.pending(&self.tx)).map_err(Error::Io)?;
//!                 self.session.sent(n).map_err(Failure::from)?;
//!             }
//!             Step::Flush => {
//!                 self.io.flush().map_err(Error::Io)?;
//!                 self.session.flushed();
//!             }
//!             Step::Receive => {
//!                 let n = self.io.read(self.session.space(&mut self.rx)).map_err(Error::Io)?;
//!                 self.session.received(n, self.rx.len()).map_err(Failure::from)?;
//!             }
//!             Step::Grow => self.session.overflow(), // or make `rx` longer
//!             Step::Part | Step::Closed(_) | Step::Done => {}
//!         }
//!         Ok(())
//!     }
//! }
//!
//! # struct Wire(io::Cursor<Vec<u8>>, Vec<u8>);
//! # impl Read for Wire { fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> { self.0.read(buf) } }
//! # impl Write for Wire {
//! #     fn write(&mut self, buf: &[u8]) -> io::Result<usize> { self.1.write(buf) }
//! #     fn flush(&mut self) -> io::Result<()> { Ok(()) }
//! # }
//! // A server that gets the masked "Hello" of RFC 6455 section 5.7 and answers it.
//! let hello = [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];
//! # let io = Wire(io::Cursor::new(hello.to_vec()), Vec::new());
//! let session = Session::new(Role::Server, &Config::DEFAULT);
//! let mut ws = Driver { io, session, random: Unmasked, rx: vec![0; 1024], tx: vec![0; 256] };
//! assert_eq!(ws.recv().unwrap(), Message::Text("Hello"));
//! ws.send(Message::Text("Hello")).unwrap();
//! # assert_eq!(ws.io.1, [0x81, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f]);
//! assert!(matches!(ws.recv(), Err(Error::Ended(Failure::ConnectionLost))));
//! ```

mod closing;
mod config;
mod control;
mod flags;
mod inbound;
mod outbound;
mod session;
mod step;

pub(crate) use closing::Closing;
pub use config::{Config, Role};
pub(crate) use control::{Control, PongSlot};
pub(crate) use flags::Flags;
pub(crate) use inbound::Inbound;
pub(crate) use outbound::{Outbound, Outgoing, Sink, cut};
pub use session::Session;
pub(crate) use step::{Act, Want};
pub use step::{Failure, Mode, Step};

use crate::frame::{FrameHeader, MAX_CONTROL_PAYLOAD};

/// The smallest receive buffer, in bytes: a control frame with its header fits.
pub const MIN_RX: usize = 6 + MAX_CONTROL_PAYLOAD;

/// The smallest send buffer, in bytes: a control frame with its header, and the payload of the pong that waits behind it.
pub const MIN_TX: usize = MIN_RX + MAX_CONTROL_PAYLOAD;

const _: () = assert!(MIN_RX > FrameHeader::MAX_LEN && MIN_TX == 256);
