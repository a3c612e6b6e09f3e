//! Whom a client trusts.

use core::fmt;
use std::{
    net::IpAddr,
    string::{String, ToString},
    sync::{Arc, OnceLock},
    vec,
    vec::Vec,
};

use rustls::{
    ClientConfig, RootCertStore,
    client::danger::ServerCertVerifier,
    crypto::CryptoProvider,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use rustls_platform_verifier::Verifier;
use url::Host;

use super::{Error, UrlError};

/// The roots of the platform, those that the caller adds, or a whole configuration of the caller's.
#[derive(Clone, Default)]
pub(super) struct Trust {
    given: Option<Arc<ClientConfig>>,
    roots: Vec<CertificateDer<'static>>,
    /// Made of the roots at the first connection; it also remembers TLS sessions, for the next ones.
    made: OnceLock<Arc<ClientConfig>>,
}

impl Trust {
    pub(super) fn set_config(&mut self, config: Arc<ClientConfig>) {
        self.given = Some(config);
    }

    /// Adds certificates: any number in PEM, or one in DER.
    pub(super) fn add_roots(&mut self, bytes: &[u8]) -> Result<(), Error> {
        const PEM: &[u8] = b"-----BEGIN ";
        let malformed =
            |error: rustls::pki_types::pem::Error| Error::Roots(rustls::Error::General(error.to_string()));
        let roots = if bytes.windows(PEM.len()).any(|window| window == PEM) {
            CertificateDer::pem_slice_iter(bytes).collect::<Result<Vec<_>, _>>().map_err(malformed)?
        } else {
            vec![CertificateDer::from(bytes.to_vec())]
        };
        if roots.is_empty() {
            return Err(Error::Roots(rustls::Error::NoCertificatesPresented));
        }
        let mut store = RootCertStore::empty();
        for root in &roots {
            store.add(root.clone()).map_err(Error::Roots)?;
        }
        self.roots.extend(roots);
        self.made = OnceLock::new();
        Ok(())
    }

    pub(super) fn client_config(&self) -> Result<Arc<ClientConfig>, Error> {
        if let Some(config) = self.given.as_ref().or_else(|| self.made.get()) {
            return Ok(config.clone());
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier = verifier(&self.roots, provider.clone()).map_err(Error::Roots)?;
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(Error::Tls)?
            .dangerous()
            .with_custom_certificate_verifier(verifier)
            .with_no_client_auth();
        Ok(self.made.get_or_init(|| Arc::new(config)).clone())
    }

    /// For an HTTPS proxy: what is the server's alone does not count.
    pub(super) fn proxy_config(&self) -> Result<Arc<ClientConfig>, Error> {
        self.client_config()
    }

    /// What the certificate has to be for: a name, also sent to the peer, or an address, which is not.
    pub(super) fn name_of(&self, host: &Host<String>) -> Result<ServerName<'static>, Error> {
        match host {
            Host::Domain(name) => self.given_name(name),
            Host::Ipv4(ip) => Ok(IpAddr::from(*ip).into()),
            Host::Ipv6(ip) => Ok(IpAddr::from(*ip).into()),
        }
    }

    pub(super) fn given_name(&self, name: &str) -> Result<ServerName<'static>, Error> {
        ServerName::try_from(name).map(|name| name.to_owned()).map_err(|_| UrlError::Host.into())
    }
}

/// The platform's verifier with more roots. Where the platform has none of its own it trusts these alone.
#[cfg(not(target_os = "android"))]
fn verifier(
    roots: &[CertificateDer<'static>],
    provider: Arc<CryptoProvider>,
) -> Result<Arc<dyn ServerCertVerifier>, rustls::Error> {
    Ok(Arc::new(Verifier::new_with_extra_roots(roots.iter().cloned(), provider)?))
}

/// Android's verifier takes no more roots: where there are some, they alone are trusted.
#[cfg(target_os = "android")]
fn verifier(
    roots: &[CertificateDer<'static>],
    provider: Arc<CryptoProvider>,
) -> Result<Arc<dyn ServerCertVerifier>, rustls::Error> {
    if roots.is_empty() {
        return Ok(Arc::new(Verifier::new(provider)?));
    }
    let mut store = RootCertStore::empty();
    store.add_parsable_certificates(roots.iter().cloned());
    rustls::client::WebPkiServerVerifier::builder_with_provider(Arc::new(store), provider)
        .build()
        .map(|verifier| verifier as Arc<dyn ServerCertVerifier>)
        .map_err(|error| rustls::Error::General(error.to_string()))
}

impl fmt::Debug for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trust")
            .field("given", &self.given.is_some())
            .field("roots", &self.roots.len())
            .finish()
    }
}
