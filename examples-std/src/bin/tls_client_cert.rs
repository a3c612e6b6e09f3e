//! A server that wants to know its clients by certificate (mutual TLS).

use std::{error::Error, fs, path::PathBuf, sync::Arc, thread};

use clap::Parser;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use sockling::{
    CloseCode, ConnectOptions,
    net::{
        ServerOptions,
        rustls::{
            RootCertStore, ServerConfig,
            crypto::ring,
            pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
            server::WebPkiClientVerifier,
        },
    },
};

/// Connects with a client certificate. Without arguments to a server of its own, with certificates that it makes.
#[derive(Parser)]
#[command(version)]
struct Args {
    /// Where to connect, such as wss://server.example/
    #[arg(requires = "cert", requires = "key")]
    url: Option<String>,
    /// The certificate, in PEM, followed by those between it and the authority
    #[arg(long)]
    cert: Option<PathBuf>,
    /// Its private key, in PEM
    #[arg(long)]
    key: Option<PathBuf>,
    /// Certificates of authorities to trust, in PEM, besides those of the system
    #[arg(long)]
    root: Option<PathBuf>,
}

fn main() -> Result<(), Box<dyn Error>> {
    sockling_examples_std::init_log();
    let args = Args::parse();
    let (Some(url), Some(cert), Some(key)) = (args.url, args.cert, args.key) else {
        return demonstrate();
    };
    let mut options = ConnectOptions::new();
    if let Some(root) = args.root {
        options = options.add_root_certificates(fs::read(root)?)?;
    }
    greet(&options.client_certificate(fs::read(cert)?, fs::read(key)?)?, &url)
}

/// With a server of this program.
fn demonstrate() -> Result<(), Box<dyn Error>> {
    let authority = Authority::new()?;
    let url = own_server(&authority)?;
    let trusting = ConnectOptions::new().add_root_certificates(&authority.pem)?;

    let (chain, key) = authority.issue("sensor-7")?;
    greet(&trusting.clone().client_certificate(chain.pem(), key.serialize_pem())?, &url)?;

    // In TLS 1.3 the server says no when the client believes to be done: the error comes with the first answer.
    match trusting.connect(&url) {
        Err(error) => println!("without a certificate: {error}"),
        Ok(_) => return Err("the server took a client without a certificate".into()),
    }
    Ok(())
}

fn greet(options: &ConnectOptions, url: &str) -> Result<(), Box<dyn Error>> {
    let mut ws = options.connect(url)?;
    println!("connected to {url}");
    ws.send("hello")?;
    println!("received {:?}", ws.recv()?);
    println!("closed: {}", ws.close(CloseCode::NORMAL, "bye")?);
    Ok(())
}

/// Starts an echo server in a thread; returns its URL.
fn own_server(authority: &Authority) -> Result<String, Box<dyn Error>> {
    let provider = Arc::new(ring::default_provider());
    let mut clients = RootCertStore::empty();
    clients.add(authority.certificate.der().clone())?;
    let verifier =
        WebPkiClientVerifier::builder_with_provider(Arc::new(clients), provider.clone()).build()?;
    let (certificate, key) = authority.issue("localhost")?;
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_client_cert_verifier(verifier)
        .with_single_cert(vec![certificate.der().clone()], key)?;

    let server = ServerOptions::new().tls(Arc::new(config)).bind("127.0.0.1:0")?;
    let url = format!("wss://localhost:{}/", server.local_addr()?.port());
    thread::spawn(move || {
        for ws in server.incoming() {
            let Ok(mut ws) = ws else { continue };
            while let Ok(message) = ws.recv() {
                let copy = message.as_text().unwrap_or_default().to_owned();
                if ws.send(copy.as_str()).is_err() {
                    break;
                }
            }
        }
    });
    Ok(url)
}

/// Who signs certificates.
struct Authority {
    pem: String,
    certificate: rcgen::Certificate,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Result<Self, rcgen::Error> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new(Vec::new())?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "authority of an example");
        let certificate = params.self_signed(&key)?;
        Ok(Self { pem: certificate.pem(), certificate, issuer: Issuer::new(params, key) })
    }

    fn issue(&self, name: &str) -> Result<(rcgen::Certificate, KeyPair), rcgen::Error> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new([name.to_owned()])?;
        params.distinguished_name.push(DnType::CommonName, name);
        Ok((params.signed_by(&key, &self.issuer)?, key))
    }
}
