//! Whom a client trusts, and who it is.

use core::fmt;
use std::{
    env,
    ffi::OsString,
    format, fs,
    net::IpAddr,
    path::{Path, PathBuf},
    string::{String, ToString},
    sync::{Arc, OnceLock},
    vec,
    vec::Vec,
};

use rustls::{
    ClientConfig, KeyLogFile, RootCertStore,
    client::{WebPkiServerVerifier, danger::ServerCertVerifier},
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem, pem::PemObject},
    sign::{CertifiedKey, SingleCertAndKey},
};
use rustls_platform_verifier::Verifier;
use url::Host;

use super::{Error, UrlError, danger::AnyServer};

/// The roots of the platform, those that the caller adds, or a whole configuration of the caller's.
#[derive(Clone, Default)]
pub(super) struct Trust {
    given: Option<Arc<ClientConfig>>,
    roots: Vec<CertificateDer<'static>>,
    identity: Option<Arc<CertifiedKey>>,
    key_log: bool,
    danger: bool,
    /// Made at the first connection; they also remember TLS sessions, for the next ones.
    made: OnceLock<Arc<ClientConfig>>,
    made_for_proxy: OnceLock<Arc<ClientConfig>>,
}

impl Trust {
    pub(super) fn set_config(&mut self, config: Arc<ClientConfig>) {
        self.given = Some(config);
    }

    /// Adds certificates: any number in PEM, or one in DER.
    pub(super) fn add_roots(&mut self, bytes: &[u8]) -> Result<(), Error> {
        const PEM: &[u8] = b"-----BEGIN ";
        let roots = if bytes.windows(PEM.len()).any(|window| window == PEM) {
            CertificateDer::pem_slice_iter(bytes)
                .collect::<Result<Vec<_>, _>>()
                .map_err(|error| Error::Roots(malformed(&error)))?
        } else {
            vec![CertificateDer::from(bytes.to_vec())]
        };
        if roots.is_empty() {
            return Err(Error::Roots(rustls::Error::NoCertificatesPresented));
        }
        let mut store = RootCertStore::empty();
        for root in &roots {
            // What rustls says is about a peer's certificate, and there is no peer yet.
            store.add(root.clone()).map_err(|_| {
                Error::Roots(rustls::Error::General("one is no certificate, in PEM or DER".into()))
            })?;
        }
        self.roots.extend(roots);
        self.forget();
        Ok(())
    }

    pub(super) fn set_identity(&mut self, chain: &[u8], key: &[u8]) -> Result<(), Error> {
        let fail = |error: &pem::Error| Error::ClientCertificate(malformed(error));
        let chain =
            CertificateDer::pem_slice_iter(chain).collect::<Result<Vec<_>, _>>().map_err(|e| fail(&e))?;
        if chain.is_empty() {
            return Err(Error::ClientCertificate(rustls::Error::NoCertificatesPresented));
        }
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|error| fail(&error))?;
        let identity = CertifiedKey::from_der(chain, key, &ring::default_provider());
        self.identity = Some(Arc::new(identity.map_err(Error::ClientCertificate)?));
        self.forget();
        Ok(())
    }

    pub(super) fn set_key_log(&mut self, log: bool) {
        self.key_log = log;
        self.forget();
    }

    pub(super) fn set_danger(&mut self, danger: bool) {
        self.danger = danger;
        self.forget();
    }

    fn forget(&mut self) {
        (self.made, self.made_for_proxy) = Default::default();
    }

    /// For the server.
    pub(super) fn client_config(&self) -> Result<Arc<ClientConfig>, Error> {
        if let Some(config) = self.given.as_ref().or_else(|| self.made.get()) {
            return Ok(config.clone());
        }
        let config = self.make(bundle(|name| env::var_os(name)), self.danger, self.identity.as_ref())?;
        Ok(self.made.get_or_init(|| Arc::new(config)).clone())
    }

    /// For an HTTPS proxy: what is for the server does not count.
    pub(super) fn proxy_config(&self) -> Result<Arc<ClientConfig>, Error> {
        if let Some(config) = self.made_for_proxy.get() {
            return Ok(config.clone());
        }
        let config = self.make(bundle(|name| env::var_os(name)), false, None)?;
        Ok(self.made_for_proxy.get_or_init(|| Arc::new(config)).clone())
    }

    fn make(
        &self,
        bundle: Option<PathBuf>,
        danger: bool,
        identity: Option<&Arc<CertifiedKey>>,
    ) -> Result<ClientConfig, Error> {
        let provider = Arc::new(ring::default_provider());
        let verifier = match bundle {
            _ if danger => Arc::new(AnyServer(provider.clone())),
            Some(path) => self.only(&path, provider.clone())?,
            None => verifier(&self.roots, provider.clone()).map_err(Error::Roots)?,
        };
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(Error::Tls)?
            .dangerous()
            .with_custom_certificate_verifier(verifier);
        let mut config = match identity {
            Some(identity) => {
                config.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(identity.clone())))
            }
            None => config.with_no_client_auth(),
        };
        if self.key_log {
            config.key_log = Arc::new(KeyLogFile::new());
        }
        Ok(config)
    }

    /// The roots of a file or a folder, and those added; not those of the platform.
    fn only(&self, path: &Path, provider: Arc<CryptoProvider>) -> Result<Arc<dyn ServerCertVerifier>, Error> {
        let fail = |text: String| Error::Roots(rustls::Error::General(format!("{}: {text}", path.display())));
        let mut store = RootCertStore::empty();
        store.add_parsable_certificates(self.roots.iter().cloned());
        let files = if path.is_dir() {
            let entries = fs::read_dir(path).map_err(|error| fail(error.to_string()))?;
            entries.filter_map(|entry| Some(entry.ok()?.path()).filter(|path| path.is_file())).collect()
        } else {
            vec![path.into()]
        };
        let mut found = 0;
        for file in files {
            let roots = fs::read(&file).map_err(|error| fail(error.to_string()))?;
            let roots = CertificateDer::pem_slice_iter(&roots).flatten();
            found += store.add_parsable_certificates(roots).0;
        }
        if found == 0 {
            return Err(fail("there is no certificate in it".into()));
        }
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(store), provider).build();
        Ok(verifier.map_err(|error| fail(error.to_string()))?)
    }

    /// What the certificate has to be for: a name, also sent to the peer, or an address, which is not.
    pub(super) fn name_of(host: &Host<String>) -> Result<ServerName<'static>, Error> {
        match host {
            Host::Domain(name) => Self::given_name(name),
            Host::Ipv4(ip) => Ok(IpAddr::from(*ip).into()),
            Host::Ipv6(ip) => Ok(IpAddr::from(*ip).into()),
        }
    }

    pub(super) fn given_name(name: &str) -> Result<ServerName<'static>, Error> {
        ServerName::try_from(name).map(|name| name.to_owned()).map_err(|_| UrlError::Host.into())
    }
}

fn malformed(error: &pem::Error) -> rustls::Error {
    rustls::Error::General(error.to_string())
}

/// Where the environment says that roots are. Where the platform's verifier reads `SSL_CERT_FILE` itself, that is left
/// to it, together with `SSL_CERT_DIR`.
fn bundle(get: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    const READ_BY_PLATFORM: bool = !cfg!(any(windows, target_vendor = "apple", target_os = "android"));
    let get = |name| get(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    get("WEBSOCKET_CLIENT_CA_BUNDLE").or_else(|| if READ_BY_PLATFORM { None } else { get("SSL_CERT_FILE") })
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
    WebPkiServerVerifier::builder_with_provider(Arc::new(store), provider)
        .build()
        .map(|verifier| verifier as Arc<dyn ServerCertVerifier>)
        .map_err(|error| rustls::Error::General(error.to_string()))
}

impl fmt::Debug for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trust")
            .field("given", &self.given.is_some())
            .field("roots", &self.roots.len())
            .field("identity", &self.identity.is_some())
            .field("danger", &self.danger)
            .finish()
    }
}
