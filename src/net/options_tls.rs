//! Options of a client: TLS.

use std::string::String;

use super::{ConnectOptions, Error};

/// Options of TLS. With a configuration of the [caller's own](ConnectOptions::tls) all but the server name are without
/// effect on the connection to the server.
impl ConnectOptions {
    /// Shows this certificate to a server that asks for one: `chain` is one or more certificates in PEM, its own first,
    /// `key` the private key of that in PEM, in PKCS#8, PKCS#1 or SEC1. An HTTPS proxy does not get it.
    ///
    /// # Errors
    /// [`Error::ClientCertificate`] if there is none in it, or one that is malformed, or the key is for another.
    pub fn client_certificate(
        mut self,
        chain: impl AsRef<[u8]>,
        key: impl AsRef<[u8]>,
    ) -> Result<Self, Error> {
        self.trust.set_identity(chain.as_ref(), key.as_ref())?;
        Ok(self)
    }

    /// Asks for this name in TLS (SNI), and wants the server's certificate to be for it, instead of the URL's host: a
    /// name, or an address, which is not asked for. It does not count behind a redirect to another origin.
    pub fn server_name(mut self, name: impl Into<String>) -> Self {
        self.server_name = Some(name.into());
        self
    }

    /// Whether the keys of every TLS session are written to the file that the environment variable `SSLKEYLOGFILE`
    /// names, for tools such as Wireshark: whoever reads it can read and forge the connection. Default `false`: that the
    /// variable is set is not enough.
    pub fn key_log(mut self, log: bool) -> Self {
        self.trust.set_key_log(log);
        self
    }

    /// Whether the server may be anyone: its certificate is **not verified**, neither who issued it, nor for whom, nor
    /// until when. Whoever is on the way can then read and change all that is sent. For tests only; to trust a certificate
    /// of your own, use [`add_root_certificates`](Self::add_root_certificates). That of an HTTPS proxy is verified
    /// still. Default `false`.
    pub fn danger_accept_invalid_certificates(mut self, accept: bool) -> Self {
        self.trust.set_danger(accept);
        self
    }
}
