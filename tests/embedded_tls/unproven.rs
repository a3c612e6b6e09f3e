//! A server that leaves out its certificate, or the proof that it is its own: embedded-tls 0.19 takes both, so that
//! anyone in between could be the server. No TLS library sends such a handshake, hence one by hand (RFC 8446).

use std::{
    io::{Read, Write},
    net::TcpStream,
};

use ring::{
    aead, agreement,
    digest::{SHA256, digest},
    hkdf::{HKDF_SHA256, KeyType, Prk, Salt},
    hmac,
    rand::SystemRandom,
};
use sockling::tls::{CertificateError, Error};

use crate::{
    peer::serve,
    socket::{Buffers, Socket, open, trusting},
    support::block_on,
    trust::Signed,
};

struct Len(usize);

impl KeyType for Len {
    fn len(&self) -> usize {
        self.0
    }
}

/// RFC 8446 section 7.1: HKDF-Expand-Label.
fn expand(secret: &Prk, label: &str, context: &[u8], len: usize) -> Vec<u8> {
    let label = format!("tls13 {label}");
    let info = [
        &(len as u16).to_be_bytes()[..],
        &[label.len() as u8],
        label.as_bytes(),
        &[context.len() as u8],
        context,
    ];
    let mut out = vec![0; len];
    secret.expand(&info, Len(len)).unwrap().fill(&mut out).unwrap();
    out
}

fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let len = (body.len() as u32).to_be_bytes();
    [&[kind][..], &len[1..], body].concat()
}

fn record(kind: u8, body: &[u8]) -> Vec<u8> {
    [&[kind, 3, 3][..], &(body.len() as u16).to_be_bytes(), body].concat()
}

/// The server's side of a handshake, with these messages between `EncryptedExtensions` and `Finished`. Returns whether
/// the client has gone on with it.
fn handshake(mut tcp: TcpStream, between: &[u8]) -> bool {
    let mut header = [0; 5];
    tcp.read_exact(&mut header).unwrap();
    let mut client_hello = vec![0; usize::from(u16::from_be_bytes([header[3], header[4]]))];
    tcp.read_exact(&mut client_hello).unwrap();
    // The client's share: secp256r1, 65 bytes.
    let share = client_hello.windows(5).position(|five| five == [0, 0x17, 0, 65, 4]).unwrap() + 4;
    let share = agreement::UnparsedPublicKey::new(&agreement::ECDH_P256, &client_hello[share..share + 65]);

    let random = SystemRandom::new();
    let key = agreement::EphemeralPrivateKey::generate(&agreement::ECDH_P256, &random).unwrap();
    let own_share = key.compute_public_key().unwrap();
    let session_id = &client_hello[38..39 + usize::from(client_hello[38])];
    let server_hello = [
        &[3, 3][..],
        &[7; 32],
        session_id,
        // TLS_AES_128_GCM_SHA256, no compression, the extensions: TLS 1.3, and the share.
        &[0x13, 1, 0, 0, 79, 0, 43, 0, 2, 3, 4, 0, 51, 0, 69, 0, 0x17, 0, 65],
        own_share.as_ref(),
    ];
    let server_hello = message(2, &server_hello.concat());

    let mut transcript = [client_hello.clone(), server_hello.clone()].concat();
    let hash = |transcript: &[u8]| digest(&SHA256, transcript).as_ref().to_vec();
    let early = Salt::new(HKDF_SHA256, &[0; 32]).extract(&[0; 32]);
    let derived = expand(&early, "derived", &hash(b""), 32);
    let secret =
        agreement::agree_ephemeral(key, &share, |shared| Salt::new(HKDF_SHA256, &derived).extract(shared));
    let secret = expand(&secret.unwrap(), "s hs traffic", &hash(&transcript), 32);
    let secret = Prk::new_less_safe(HKDF_SHA256, &secret);

    let extensions = message(8, &[0, 0]);
    transcript.extend([&extensions, between].concat());
    let finished = hmac::Key::new(hmac::HMAC_SHA256, &expand(&secret, "finished", b"", 32));
    let finished = message(20, hmac::sign(&finished, &hash(&transcript)).as_ref());
    let mut encrypted = [&extensions, between, &finished, &[22]].concat();
    let key = aead::UnboundKey::new(&aead::AES_128_GCM, &expand(&secret, "key", b"", 16)).unwrap();
    let nonce = aead::Nonce::try_assume_unique_for_key(&expand(&secret, "iv", b"", 12)).unwrap();
    let header = [&[23, 3, 3][..], &(encrypted.len() as u16 + 16).to_be_bytes()].concat();
    aead::LessSafeKey::new(key)
        .seal_in_place_append_tag(nonce, aead::Aad::from(header), &mut encrypted)
        .unwrap();
    tcp.write_all(&[record(22, &server_hello), record(23, &encrypted)].concat()).unwrap();

    // The client's own `Finished`.
    matches!(tcp.read(&mut [0]), Ok(1))
}

#[test]
fn a_server_that_does_not_prove_who_it_is() {
    let authority = Signed::authority("root");
    let signed = Signed::server("localhost", &authority);
    let der = signed.der();
    let entry = [&(der.len() as u32).to_be_bytes()[1..], &der, &[0, 0]].concat();
    let list = [&[0][..], &(entry.len() as u32).to_be_bytes()[1..], &entry].concat();
    let certificate = message(11, &list);
    let none = message(11, &[0, 0, 0, 0]);
    let verify = message(15, &[&[4, 3, 0, 70][..], &[1; 70]].concat());

    // What is left out, whether the handshake goes on, and what is wrong. A client that goes on sends nothing more.
    for (between, goes_on, expected) in [
        (vec![], true, CertificateError::Missing),
        (certificate.clone(), true, CertificateError::Missing),
        (verify.clone(), false, CertificateError::Missing),
        (none, false, CertificateError::Missing),
        ([certificate, verify].concat(), false, CertificateError::BadSignature),
    ] {
        let (url, server) = serve(move |tcp| handshake(tcp, &between));
        let mut buffers = Buffers::new();
        let authorities = [&authority.der()[..]];
        let result =
            block_on(open(Socket::connect(&url), "localhost", &trusting(&authorities), &mut buffers));
        match result.map(drop) {
            Err(Error::Certificate(error)) => assert_eq!(error, expected),
            other => panic!("{other:?}"),
        }
        assert_eq!(server.join().unwrap(), goes_on);
    }
}
