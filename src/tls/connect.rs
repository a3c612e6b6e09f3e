use super::{CertificateError, Error, Options, Tls};
use crate::{
    Random,
    app::{Verdict, embedded::Connect},
};

/// `wss` for the [`App`](crate::app::embedded::App): connections of another [`Connect`], such as
/// [`Tcp`](crate::app::embedded::Tcp), with TLS over them.
///
/// The buffers are those of [`Tls::open`], used for one connection after the other.
#[derive(Debug)]
pub struct Secure<'a, C, G> {
    connect: C,
    options: &'a Options<'a>,
    random: G,
    read: &'a mut [u8],
    write: &'a mut [u8],
}

impl<'a, C: Connect, G: Random> Secure<'a, C, G> {
    /// TLS over what `connect` connects to. `random` makes the keys of TLS.
    #[must_use]
    pub const fn new(
        connect: C,
        options: &'a Options<'a>,
        random: G,
        read: &'a mut [u8],
        write: &'a mut [u8],
    ) -> Self {
        Self { connect, options, random, read, write }
    }
}

/// Why there is no TLS connection: the error `C` of the [`Connect`] below, or TLS over a transport whose errors are `E`.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum SecureError<C, E> {
    /// There is no connection to the host.
    Connect(C, Verdict),
    /// There is one, without TLS.
    Tls(Error<E>),
}

impl<C: Connect, G: Random> Connect for Secure<'_, C, G> {
    const DEFAULT_PORT: u16 = 443;
    type Error = SecureError<C::Error, C::IoError>;
    type IoError = Error<C::IoError>;
    type Io<'a>
        = Tls<'a, C::Io<'a>>
    where
        Self: 'a;

    async fn connect<'a>(&'a mut self, host: &str, port: u16) -> Result<Self::Io<'a>, Self::Error> {
        let Self { connect, options, random, read, write } = self;
        let io = connect.connect(host, port).await.map_err(|error| {
            let verdict = C::verdict(&error);
            SecureError::Connect(error, verdict)
        })?;
        Tls::open(io, host, options, random, read, write).await.map_err(SecureError::Tls)
    }

    /// What the server or this end would have to mend first is not tried again: a certificate that is not trusted,
    /// unless it is a matter of time, and buffers.
    fn verdict(error: &Self::Error) -> Verdict {
        match error {
            SecureError::Connect(_, verdict) => *verdict,
            SecureError::Tls(
                Error::InvalidName
                | Error::BufferTooSmall { .. }
                | Error::RecordTooLarge
                | Error::Certificate(
                    CertificateError::Missing
                    | CertificateError::Invalid
                    | CertificateError::WrongName
                    | CertificateError::UnknownIssuer
                    | CertificateError::InvalidAuthority
                    | CertificateError::WrongUse
                    | CertificateError::BadSignature
                    | CertificateError::UnsupportedAlgorithm,
                ),
            ) => Verdict::Stop,
            SecureError::Tls(_) => Verdict::Retry,
        }
    }
}

#[cfg(feature = "defmt")]
impl<C, G> defmt::Format for Secure<'_, C, G> {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(f, "Secure {{ {} }}", self.options);
    }
}
