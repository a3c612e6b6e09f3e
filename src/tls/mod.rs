//! TLS 1.3 for microcontrollers (feature `embedded-tls`): what `wss` needs, without an allocator.
//!
//! [`Tls`] is [embedded-tls] with what it lacks: certificates are checked by [webpki], the verifier of rustls; a server
//! that leaves out its certificate is refused; and the futures of `read`, `write` and `flush` may be dropped. Over it
//! goes [`asynch::connect`](crate::asynch::connect):
//!
//! ```
//! # use sockling::{Error, Message, Random, Request, asynch, tls};
//! # async fn f<S: embedded_io_async::Read + embedded_io_async::Write>(
//! #     socket: S, mut rng: impl Random, ca: &[u8], now: u64,
//! # ) -> Result<(), Error<tls::Error<S::Error>>> {
//! let (mut read, mut write) = ([0; tls::MAX_READ], [0; 2048]);
//! let authorities = [ca];
//! let options = tls::Options::new(&authorities, tls::Clock::Now(now));
//! let tls = tls::Tls::open(socket, "sensor.example", &options, &mut rng, &mut read, &mut write).await;
//! let tls = tls.map_err(Error::Io)?;
//!
//! let (mut rx, mut tx) = ([0; 1024], [0; 256]);
//! let request = Request::new("sensor.example", "/feed");
//! let mut ws = asynch::connect(tls, &request, rng, &mut rx[..], &mut tx[..]).await?;
//! ws.send("hello").await?;
//! # Ok(())
//! # }
//! ```
//!
//! # Memory
//! The read buffer holds a whole record of the server's, which TLS lets be 16 KiB long: [`MAX_READ`] bytes hold any. A
//! smaller one is enough where the server is known to send smaller records (nginx: `ssl_buffer_size`; rustls:
//! `max_fragment_size`; OpenSSL and others: [`Options::max_fragment_length`] asks for it), but its certificates have to
//! fit as well. One that does not fit ends the connection with [`Error::RecordTooLarge`].
//!
//! The write buffer is cut in two halves, one for what is to be encrypted and one for what is encrypted and on its
//! way; at least [`MIN_WRITE`] bytes. A record of half of it carries 128 bytes less than that half.
//!
//! # What servers have to have
//! TLS 1.3 with `TLS_AES_128_GCM_SHA256` and the group secp256r1, which are mandatory; a certificate with a key on the
//! curve P-256, and signatures by such keys up to one of the authorities. [`Options::algorithms`] adds others.
//!
//! [embedded-tls]: embedded_tls
//! [webpki]: https://docs.rs/rustls-webpki

mod connect;
mod error;
mod verify;
mod wire;

use core::fmt;

pub use connect::{Secure, SecureError};
use embedded_io::ErrorType;
use embedded_io_async::{Read, Write};
pub use embedded_tls::MaxFragmentLength;
use embedded_tls::{
    Aes128GcmSha256, FlushPolicy, TlsConfig, TlsConnection, TlsContext, TlsReader, TlsWriter,
};
pub use error::{CertificateError, Error, TlsError};
pub use pki_types;
use pki_types::{ServerName, SignatureVerificationAlgorithm};
pub use verify::ECDSA_P256_SHA256;
use verify::{Provider, Verifier};
use wire::{Slot, Wire};

use crate::Random;

/// A read buffer for any server, in bytes: "the length MUST NOT exceed 2^14 + 256 bytes" (RFC 8446 section 5.2).
pub const MAX_READ: usize = (1 << 14) + 256;

/// The smallest write buffer, in bytes: half of it holds the first message of the handshake.
pub const MIN_WRITE: u16 = 1024;

/// What is known of the time, in seconds since 1970 (Unix time): certificates have a beginning and an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Clock {
    /// It is this time: from a battery-backed clock or SNTP.
    Now(u64),
    /// It is this time or later: when the firmware was built, or the latest time ever seen. A certificate that ended
    /// before is refused, one that begins later is not.
    AtLeast(u64),
}

const ALGORITHMS: &[&dyn SignatureVerificationAlgorithm] = &[ECDSA_P256_SHA256];

/// What the server has to prove.
#[derive(Clone, Copy, Debug)]
pub struct Options<'a> {
    authorities: &'a [&'a [u8]],
    clock: Clock,
    algorithms: &'a [&'a dyn SignatureVerificationAlgorithm],
    max_fragment_length: Option<MaxFragmentLength>,
}

impl<'a> Options<'a> {
    /// Trusts servers with a certificate that one of the `authorities` has signed, itself or by way of others that the
    /// server sends.
    ///
    /// An authority is a certificate in DER (`openssl x509 -in ca.pem -outform der`): a root, or an authority below
    /// one, or the server's own. Its own dates are not checked.
    #[must_use]
    pub const fn new(authorities: &'a [&'a [u8]], clock: Clock) -> Self {
        Self { authorities, clock, algorithms: ALGORITHMS, max_fragment_length: None }
    }

    /// Sets which signatures are checked, and how: by default [`ECDSA_P256_SHA256`] alone.
    ///
    /// Others can be ECDSA over P-384 with SHA-384 and Ed25519, from a crate or the chip's accelerator. A server's own
    /// key is one of these three kinds.
    #[must_use]
    pub const fn algorithms(self, algorithms: &'a [&'a dyn SignatureVerificationAlgorithm]) -> Self {
        Self { algorithms, ..self }
    }

    /// Asks the server for records of at most this many bytes (RFC 6066 section 4), for a smaller read buffer. Not
    /// every server knows that, and the buffer has to have 256 bytes more.
    #[must_use]
    pub const fn max_fragment_length(self, length: MaxFragmentLength) -> Self {
        Self { max_fragment_length: Some(length), ..self }
    }
}

#[cfg(feature = "defmt")]
impl defmt::Format for Options<'_> {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(f, "Options {{ {} authorities, {} }}", self.authorities.len(), self.clock);
    }
}

/// A TLS connection of a client over the transport `T`.
///
/// # Cancel safety
/// The futures of `read`, `write` and `flush` may be dropped at any await point, if those of the transport may: nothing
/// is lost, and the next call goes on where the dropped one was. So what [`asynch`](crate::asynch) says of itself holds
/// over this too.
pub struct Tls<'b, T: Read + Write> {
    tls: TlsConnection<'b, Slot<'b, T>, Aes128GcmSha256>,
    /// Here between calls, with embedded-tls during them.
    wire: Option<Wire<'b, T>>,
    state: State,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Open,
    /// The server has closed its direction.
    Ended,
    Failed(TlsError),
}

impl<'b, T: Read + Write> Tls<'b, T> {
    /// Performs the TLS handshake over a connected transport, with a server whose certificate has to be for `host`: a
    /// DNS name, or an IP address without brackets; without a port.
    ///
    /// `random` makes the keys. The [module's documentation](self) tells how large `read` and `write` have to be.
    ///
    /// # Errors
    /// [`Error::Certificate`] if the server is not trusted, before anything is sent to it.
    ///
    /// # Cancel safety
    /// A handshake that is dropped is over, and the transport is dropped with it. Put a time-out around it.
    pub async fn open<G: Random>(
        io: T,
        host: &str,
        options: &Options<'_>,
        random: &mut G,
        read: &'b mut [u8],
        write: &'b mut [u8],
    ) -> Result<Self, Error<T::Error>> {
        if write.len() < usize::from(MIN_WRITE) {
            return Err(Error::BufferTooSmall { needed: MIN_WRITE });
        }
        let name = ServerName::try_from(host).map_err(|_| Error::InvalidName)?;
        let mut config = TlsConfig::new();
        // RFC 6066 section 3: "Literal IPv4 and IPv6 addresses are not permitted in "HostName"."
        if matches!(name, ServerName::DnsName(_)) {
            config = config.with_server_name(host);
        }
        if let Some(length) = options.max_fragment_length {
            config = config.with_max_fragment_length(length);
        }

        let (plain, out) = write.split_at_mut(write.len() / 2);
        let mut tls = TlsConnection::new(Slot::new(Some(Wire::new(io, out))), read, plain);
        tls.set_flush_policy(FlushPolicy::Relaxed);
        let mut provider = Provider { random, verifier: Verifier::new(options, name) };
        let result = tls.open(TlsContext::new(&config, &mut provider)).await;

        let mut wire = tls.split().0.as_ref().wire.take();
        let fault = wire.as_mut().and_then(|wire| wire.fault.take());
        match (result, provider.verifier.error, fault) {
            (Err(_), Some(error), _) => return Err(Error::Certificate(error)),
            (Err(_), None, Some(fault)) => return Err(fault),
            (Err(TlsError::InsufficientSpace), None, None) => return Err(Error::RecordTooLarge),
            (Err(error), None, None) => return Err(Error::Tls(error)),
            (Ok(()), ..) => {}
        }
        if !provider.verifier.is_complete() {
            return Err(Error::Certificate(CertificateError::Missing));
        }
        if let Some(wire) = &mut wire {
            wire.opening = false;
        }
        Ok(Self { tls, wire, state: State::Open })
    }

    /// The transport, for its settings; bytes read or written here break the connection. `None` after a future of this
    /// connection was leaked.
    pub fn io_mut(&mut self) -> Option<&mut T> {
        self.wire.as_mut().map(|wire| &mut wire.io)
    }

    /// Writes what is left to write, tells the server that nothing more comes, and returns the transport.
    ///
    /// # Errors
    /// How the connection ended.
    ///
    /// # Cancel safety
    /// When it is dropped the transport is dropped too.
    pub async fn close(mut self) -> Result<T, Error<T::Error>> {
        self.flush().await?;
        let mut wire = self.wire.take().ok_or(Error::Tls(TlsError::InternalError))?;
        // embedded-tls would not encrypt its alert after the server's.
        if matches!(self.state, State::Open) {
            let slot = self.tls.close().await.map_err(|(_, error)| Error::Tls(error))?;
            let mut alert = slot.alert();
            while !alert.is_empty() {
                match wire.io.write(alert).await.map_err(Error::Io)? {
                    0 => return Err(Error::WriteZero),
                    n => alert = alert.get(n..).unwrap_or_default(),
                }
            }
            wire.io.flush().await.map_err(Error::Io)?;
        }
        Ok(wire.io)
    }

    fn wire(&mut self) -> Result<&mut Wire<'b, T>, Error<T::Error>> {
        self.wire.as_mut().ok_or(Error::Tls(TlsError::InternalError))
    }

    /// What a call of embedded-tls has come to.
    fn outcome<V>(&mut self, result: Result<V, TlsError>) -> Result<V, Error<T::Error>> {
        let fault = self.wire.as_mut().and_then(|wire| wire.fault.take());
        result.map_err(|error| {
            if let Some(Error::Io(error)) = fault {
                return Error::Io(error);
            }
            self.state = State::Failed(error);
            fault.unwrap_or(match error {
                TlsError::InsufficientSpace => Error::RecordTooLarge,
                error => Error::Tls(error),
            })
        })
    }
}

impl<T: Read + Write> ErrorType for Tls<'_, T> {
    type Error = Error<T::Error>;
}

impl<T: Read + Write> Read for Tls<'_, T> {
    async fn read(&mut self, buf: &mut [u8]) -> Result<usize, Self::Error> {
        match self.state {
            State::Failed(error) => return Err(Error::Tls(error)),
            State::Ended => return Ok(0),
            State::Open => {}
        }
        let result = Lent::to_reader(&mut self.tls, &mut self.wire).reader.read(buf).await;
        match result {
            // The end, announced or not: WebSocket's own closing handshake tells whether something is missing.
            Err(TlsError::ConnectionClosed | TlsError::IoError) => {
                self.state = State::Ended;
                Ok(0)
            }
            other => self.outcome(other),
        }
    }
}

impl<T: Read + Write> Write for Tls<'_, T> {
    async fn write(&mut self, buf: &[u8]) -> Result<usize, Self::Error> {
        match self.state {
            State::Failed(error) => return Err(Error::Tls(error)),
            // embedded-tls closes both directions at once.
            State::Ended => return Err(Error::ConnectionLost),
            State::Open => {}
        }
        self.wire()?.drain().await?;
        let result = Lent::to_writer(&mut self.tls, &mut self.wire).writer.write(buf).await;
        self.outcome(result)
    }

    async fn flush(&mut self) -> Result<(), Self::Error> {
        if let State::Failed(error) = self.state {
            return Err(Error::Tls(error));
        }
        self.wire()?.drain().await?;
        let result = Lent::to_writer(&mut self.tls, &mut self.wire).writer.flush().await;
        self.outcome(result)?;
        let wire = self.wire()?;
        wire.drain().await?;
        wire.io.flush().await.map_err(Error::Io)
    }
}

impl<T: Read + Write> fmt::Debug for Tls<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("state", &self.state).finish_non_exhaustive()
    }
}

#[cfg(feature = "defmt")]
impl<T: Read + Write> defmt::Format for Tls<'_, T> {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(f, "Tls");
    }
}

/// The halves of embedded-tls's connection, one of which has the wire; when they are dropped, also in the midst of a
/// read, it comes home.
struct Lent<'g, 'b, T: Read + Write> {
    reader: TlsReader<'g, Slot<'b, T>, Aes128GcmSha256>,
    writer: TlsWriter<'g, Slot<'b, T>, Aes128GcmSha256>,
    home: &'g mut Option<Wire<'b, T>>,
}

impl<'g, 'b, T: Read + Write> Lent<'g, 'b, T> {
    fn to_reader(
        tls: &'g mut TlsConnection<'b, Slot<'b, T>, Aes128GcmSha256>,
        home: &'g mut Option<Wire<'b, T>>,
    ) -> Self {
        let (reader, writer) = tls.split();
        reader.as_ref().wire.set(home.take());
        Self { reader, writer, home }
    }

    fn to_writer(
        tls: &'g mut TlsConnection<'b, Slot<'b, T>, Aes128GcmSha256>,
        home: &'g mut Option<Wire<'b, T>>,
    ) -> Self {
        let (reader, writer) = tls.split();
        writer.as_ref().wire.set(home.take());
        Self { reader, writer, home }
    }
}

impl<T: Read + Write> Drop for Lent<'_, '_, T> {
    fn drop(&mut self) {
        *self.home = self.reader.as_ref().wire.take().or_else(|| self.writer.as_ref().wire.take());
    }
}
