//! Certificates that are good, and those that are not.

use std::{
    net::TcpListener,
    sync::Arc,
    thread::{self, JoinHandle},
};

use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
use sockling::{
    CloseCode, Message, Request, asynch,
    net::{
        ServerOptions,
        rustls::{
            self, ServerConfig, ServerConnection,
            pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer},
            server::{ClientHello, ResolvesServerCert},
            sign::CertifiedKey,
        },
    },
    tls::{CertificateError, Clock, Error, Options},
};

use crate::{
    peer::{Authority, echo, serve},
    socket::{Buffers, Socket, now, open, trusting},
    support::{Counter, block_on},
};

#[test]
fn echo_of_100_kib() {
    let authority = Authority::new();
    for name in ["localhost", "127.0.0.1"] {
        let (url, server) = echo(ServerOptions::new().tls(authority.server(name, false)));
        let (mut buffers, big) = (Buffers::new(), (0..102_400u32).map(|i| (i * 7) as u8).collect::<Vec<_>>());
        block_on(async {
            let cas = [&authority.der[..]];
            let tls = open(Socket::connect(&url), name, &trusting(&cas), &mut buffers).await.unwrap();
            let request = Request::new(name, "/");
            let mut ws =
                asynch::connect(tls, &request, Counter::default(), vec![0; 110_000], [0; 512]).await.unwrap();
            ws.send("hello").await.unwrap();
            assert_eq!(ws.recv().await.unwrap(), Message::Text("hello"));
            ws.send(&big[..]).await.unwrap();
            assert!(ws.recv().await.unwrap() == Message::Binary(&big));
            assert!(ws.close(CloseCode::NORMAL, "bye").await.unwrap().is_clean());
            ws.into_parts().0.close().await.unwrap();
        });
        server.join().unwrap();
    }
}

/// What becomes of a server that has this certificate, at this time.
fn refusal(
    authority: &Authority,
    server: (&str, bool),
    host: &str,
    options: &Options<'_>,
) -> Option<CertificateError> {
    let (url, thread) = echo(ServerOptions::new().tls(authority.server(server.0, server.1)));
    let result = block_on(open(Socket::connect(&url), host, options, &mut Buffers::new())).map(drop);
    thread.join().unwrap();
    certificate_error(result)
}

fn certificate_error<E: std::fmt::Debug>(result: Result<(), Error<E>>) -> Option<CertificateError> {
    match result {
        Ok(()) => None,
        Err(Error::Certificate(error)) => Some(error),
        Err(other) => panic!("{other:?}"),
    }
}

#[test]
fn who_is_refused() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let (cas, others, both) =
        ([&authority.der[..]], [&stranger.der[..]], [&stranger.der[..], &authority.der[..]]);
    let good = ("localhost", false);
    let expired = ("localhost", true);
    use CertificateError as E;

    let at = |clock| Options::new(&cas, clock);
    for (server, host, options, expected) in [
        (good, "localhost", trusting(&cas), None),
        (good, "LOCALHOST", trusting(&cas), None),
        (good, "localhost", trusting(&both), None),
        (good, "localhost", trusting(&others), Some(E::UnknownIssuer)),
        (good, "localhost", trusting(&[]), Some(E::UnknownIssuer)),
        (good, "other.example", trusting(&cas), Some(E::WrongName)),
        (good, "127.0.0.1", trusting(&cas), Some(E::WrongName)),
        (("127.0.0.1", false), "localhost", trusting(&cas), Some(E::WrongName)),
        (("*.sub.example", false), "a.sub.example", trusting(&cas), None),
        (("*.sub.example", false), "a.b.sub.example", trusting(&cas), Some(E::WrongName)),
        (expired, "localhost", trusting(&cas), Some(E::Expired)),
        (expired, "localhost", at(Clock::AtLeast(now())), Some(E::Expired)),
        // 1970: a clock that was not set.
        (good, "localhost", at(Clock::Now(0)), Some(E::NotYetValid)),
        (good, "localhost", at(Clock::AtLeast(0)), None),
        (good, "localhost", at(Clock::AtLeast(now())), None),
        (good, "localhost", trusting(&cas).algorithms(&[]), Some(E::UnsupportedAlgorithm)),
        (good, "localhost", trusting(&[b"not a certificate"]), Some(E::InvalidAuthority)),
    ] {
        let refused = refusal(&authority, server, host, &options);
        assert_eq!(refused, expected, "{server:?} as {host}");
    }
}

#[test]
fn names_that_are_none() {
    let (url, server) = serve(drop);
    let (cas, socket) = ([&b""[..]], Socket::connect(&url));
    for name in ["", "localhost:443", "[::1]", "a b", "a/b", "exa\u{308}mple"] {
        let result = block_on(open(socket.clone(), name, &trusting(&cas), &mut Buffers::new())).map(drop);
        assert!(matches!(result, Err(Error::InvalidName)), "{name}");
    }
    assert_eq!(socket.written.get(), 0);
    server.join().unwrap();
}

/// A certificate and its key.
pub struct Signed {
    certificate: rcgen::Certificate,
    key: KeyPair,
    params: CertificateParams,
}

impl Signed {
    fn new(
        name: &str,
        is_ca: IsCa,
        issuer: Option<&Self>,
        change: impl FnOnce(&mut CertificateParams),
    ) -> Self {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = is_ca;
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let certificate = match issuer {
            Some(by) => params.signed_by(&key, &Issuer::from_params(&by.params, &by.key)).unwrap(),
            None => params.self_signed(&key).unwrap(),
        };
        Self { certificate, key, params }
    }

    pub fn authority(name: &str) -> Self {
        Self::new(name, IsCa::Ca(BasicConstraints::Unconstrained), None, |_| {})
    }

    pub fn server(name: &str, issuer: &Self) -> Self {
        Self::new(name, IsCa::NoCa, Some(issuer), |_| {})
    }

    pub fn der(&self) -> CertificateDer<'static> {
        self.certificate.der().clone()
    }
}

/// Sends its certificates as they are, and signs with the key that it has.
#[derive(Debug)]
struct Insists(Arc<CertifiedKey>);

impl ResolvesServerCert for Insists {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.clone())
    }
}

/// A server that makes the handshake with this chain and key, and no more.
fn server_of(chain: Vec<CertificateDer<'static>>, key: &KeyPair) -> (String, JoinHandle<()>) {
    let provider = rustls::crypto::ring::default_provider();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let key = provider.key_provider.load_private_key(key).unwrap();
    let config = ServerConfig::builder_with_provider(provider.into())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(Insists(CertifiedKey::new(chain, key).into())));
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("wss://{}", listener.local_addr().unwrap());
    let thread = thread::spawn(move || {
        let mut tcp = listener.accept().unwrap().0;
        let mut connection = ServerConnection::new(Arc::new(config)).unwrap();
        while connection.is_handshaking()
            && connection.complete_io(&mut tcp).is_ok_and(|moved| moved != (0, 0))
        {}
    });
    (url, thread)
}

fn chain_refusal(chain: &[&Signed], key: &KeyPair, authority: &Signed) -> Option<CertificateError> {
    let (url, thread) = server_of(chain.iter().map(|signed| signed.der()).collect(), key);
    let authority = authority.der();
    let cas = [&authority[..]];
    let result =
        block_on(open(Socket::connect(&url), "localhost", &trusting(&cas), &mut Buffers::new())).map(drop);
    thread.join().unwrap();
    certificate_error(result)
}

#[test]
fn chains() {
    let root = Signed::authority("root");
    let middle = Signed::new("middle", IsCa::Ca(BasicConstraints::Unconstrained), Some(&root), |_| {});
    let leaf = Signed::server("localhost", &middle);
    let check =
        |chain: &[&Signed], key: &Signed, authority: &Signed| chain_refusal(chain, &key.key, authority);
    use CertificateError as E;

    assert_eq!(check(&[&leaf, &middle], &leaf, &root), None);
    assert_eq!(check(&[&leaf, &middle, &root], &leaf, &root), None);
    // The authority below a root can be the one that is trusted, whatever else the server sends.
    assert_eq!(check(&[&leaf, &middle], &leaf, &middle), None);
    assert_eq!(check(&[&leaf], &leaf, &middle), None);
    assert_eq!(check(&[&leaf], &leaf, &root), Some(E::UnknownIssuer));
    assert_eq!(check(&[&middle, &leaf], &middle, &root), Some(E::WrongUse));

    // A certificate for one name signs none for others: embedded-tls's own verifier (0.19) takes this one.
    let other = Signed::new("attacker.example", IsCa::ExplicitNoCa, Some(&root), |_| {});
    let forged = Signed::server("localhost", &other);
    assert_eq!(check(&[&forged, &other], &forged, &root), Some(E::WrongUse));
    let other = Signed::new("attacker.example", IsCa::NoCa, Some(&root), |_| {});
    let forged = Signed::server("localhost", &other);
    assert_eq!(check(&[&forged, &other], &forged, &root), Some(E::WrongUse));

    // The same names, other keys.
    let fake = Signed::authority("root");
    let forged = Signed::server("localhost", &fake);
    assert_eq!(check(&[&forged], &forged, &root), Some(E::BadSignature));

    // Whoever has seen the certificate does not have its key.
    assert_eq!(check(&[&leaf, &middle], &root, &root), Some(E::BadSignature));

    // A certificate of a client's.
    let client = Signed::new("localhost", IsCa::NoCa, Some(&root), |params| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    });
    assert_eq!(check(&[&client], &client, &root), Some(E::WrongUse));

    // The server's own certificate can be the authority.
    let own = Signed::new("localhost", IsCa::NoCa, None, |_| {});
    assert_eq!(check(&[&own], &own, &own), None);
}
