use core::fmt;

use embedded_io::ErrorKind;
pub use embedded_tls::TlsError;

/// Why the server's certificate is not trusted. Nothing but the handshake was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum CertificateError {
    /// The server sent no certificate, or did not prove that it has its key.
    Missing,
    /// A certificate is not a DER certificate of version 3, or breaks a rule of RFC 5280.
    Invalid,
    /// A certificate was valid only before the time of the [`Clock`](super::Clock).
    Expired,
    /// A certificate will be valid only after the time of the [`Clock`](super::Clock).
    NotYetValid,
    /// The certificate is for other names.
    WrongName,
    /// None of the authorities has signed the chain.
    UnknownIssuer,
    /// One of the authorities is not a certificate in DER.
    InvalidAuthority,
    /// A certificate may not be used for what it was used for: a server, or signing another.
    WrongUse,
    /// A signature is wrong.
    BadSignature,
    /// A signature or key of a kind that is not in [`Options::algorithms`](super::Options::algorithms).
    UnsupportedAlgorithm,
}

impl CertificateError {
    pub(super) fn new(error: &webpki::Error) -> Self {
        use webpki::Error as E;
        match error {
            E::CertExpired { .. } => Self::Expired,
            E::CertNotValidYet { .. } => Self::NotYetValid,
            E::CertNotValidForName(_) => Self::WrongName,
            E::UnknownIssuer => Self::UnknownIssuer,
            E::InvalidSignatureForPublicKey => Self::BadSignature,
            E::UnsupportedSignatureAlgorithmContext(_)
            | E::UnsupportedSignatureAlgorithmForPublicKeyContext(_) => Self::UnsupportedAlgorithm,
            E::CaUsedAsEndEntity
            | E::EndEntityUsedAsCa
            | E::EmptyEkuExtension
            | E::RequiredEkuNotFoundContext(_)
            | E::NameConstraintViolation
            | E::PathLenConstraintViolated => Self::WrongUse,
            _ => Self::Invalid,
        }
    }
}

impl fmt::Display for CertificateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Missing => "the server did not prove who it is",
            Self::Invalid => "a certificate of the server is malformed",
            Self::Expired => "the server's certificate has expired: renew it, or set the clock",
            Self::NotYetValid => "the server's certificate is not valid yet: set the clock",
            Self::WrongName => "the server's certificate is for other names",
            Self::UnknownIssuer => "no given authority has signed the server's certificate",
            Self::InvalidAuthority => "a given authority is not a certificate in DER",
            Self::WrongUse => "a certificate of the server may not be used so",
            Self::BadSignature => "a signature of the server is wrong",
            Self::UnsupportedAlgorithm => {
                "the server's certificate needs an algorithm that is not among `algorithms`"
            }
        })
    }
}

impl core::error::Error for CertificateError {}

/// What ends a TLS connection over a transport whose own errors are `E`. All but [`Io`](Self::Io) are final.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Error<E> {
    /// The transport failed. After a time-out the same call may be made again: it goes on where it stopped.
    Io(E),
    /// The transport took no byte of a write.
    WriteZero,
    /// The server ended the connection, inside of the handshake or before a write.
    ConnectionLost,
    /// The name to connect to is neither a DNS name nor an IP address.
    InvalidName,
    /// The server's certificate is not trusted.
    Certificate(CertificateError),
    /// The write buffer is under [`MIN_WRITE`](super::MIN_WRITE) bytes.
    BufferTooSmall {
        /// The bytes that it needs.
        needed: u16,
    },
    /// The server sent a record that does not fit in the read buffer: 16,640 bytes hold any.
    RecordTooLarge,
    /// The server, or someone in between, sent a record that is not encrypted, or of an impossible length.
    UnexpectedRecord,
    /// The server broke another rule of TLS 1.3, wants what embedded-tls cannot do, or refused this client.
    Tls(#[cfg_attr(feature = "defmt", defmt(Debug2Format))] TlsError),
}

impl<E: fmt::Display> fmt::Display for Error<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Io(error) => return write!(f, "the transport failed: {error}"),
            Self::WriteZero => "the transport takes no more bytes",
            Self::ConnectionLost => "the server has ended the connection",
            Self::InvalidName => "the server's name is neither a DNS name nor an IP address",
            Self::Certificate(error) => return fmt::Display::fmt(error, f),
            Self::BufferTooSmall { needed } => {
                return write!(f, "the write buffer is too small: give it at least {needed} bytes");
            }
            Self::RecordTooLarge => {
                "the server's TLS record does not fit in the read buffer: 16640 bytes hold any"
            }
            Self::UnexpectedRecord => "a TLS record is not encrypted or has an impossible length",
            Self::Tls(error) => return write!(f, "TLS failed: {error}"),
        })
    }
}

impl<E: core::error::Error> core::error::Error for Error<E> {}

impl<E: embedded_io::Error> embedded_io::Error for Error<E> {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Io(error) => error.kind(),
            Self::WriteZero => ErrorKind::WriteZero,
            Self::ConnectionLost => ErrorKind::ConnectionReset,
            Self::InvalidName | Self::BufferTooSmall { .. } => ErrorKind::InvalidInput,
            Self::RecordTooLarge => ErrorKind::OutOfMemory,
            Self::Certificate(_) | Self::UnexpectedRecord => ErrorKind::InvalidData,
            Self::Tls(_) => ErrorKind::Other,
        }
    }
}
