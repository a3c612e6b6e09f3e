//! Whether the server is who it should be: webpki's rules for certificates, in the form that embedded-tls asks for.

use embedded_tls::{
    Aes128GcmSha256, CertificateEntryRef, CertificateRef, CertificateVerifyRef, CryptoProvider,
    CryptoRngCore, Sha256, SignatureScheme, TlsError, TlsVerifier,
};
use p256::ecdsa::{Signature, VerifyingKey, signature::Verifier as _};
use pki_types::{
    AlgorithmIdentifier, CertificateDer, InvalidSignature, ServerName, SignatureVerificationAlgorithm,
    SubjectPublicKeyInfoDer, UnixTime, alg_id,
};
use rand_core_06::{CryptoRng, RngCore};
use webpki::{EndEntityCert, KeyUsage, RawPublicKeyEntity, anchor_from_trusted_cert};

use super::{CertificateError, Clock, Options};
use crate::Random;

/// ECDSA over the curve P-256 with SHA-256, in Rust.
pub const ECDSA_P256_SHA256: &dyn SignatureVerificationAlgorithm = &P256;

#[derive(Debug)]
struct P256;

impl SignatureVerificationAlgorithm for P256 {
    fn verify_signature(&self, key: &[u8], message: &[u8], signature: &[u8]) -> Result<(), InvalidSignature> {
        let key = VerifyingKey::from_sec1_bytes(key).map_err(|_| InvalidSignature)?;
        let signature = Signature::from_der(signature).map_err(|_| InvalidSignature)?;
        key.verify(message, &signature).map_err(|_| InvalidSignature)
    }

    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        alg_id::ECDSA_P256
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        alg_id::ECDSA_SHA256
    }
}

/// How many certificates a server may send beside its own.
const MAX_INTERMEDIATES: usize = 15;
/// The largest key that is kept, with what says its kind: P-384 needs 120 bytes.
const MAX_KEY: usize = 128;

/// What a good certificate of the server leaves to check. embedded-tls takes the messages of the handshake in any order,
/// and does without any.
struct Proof {
    key: [u8; MAX_KEY],
    len: usize,
    /// The hash of the handshake up to the certificate.
    transcript: Sha256,
    /// Whether the server has the key.
    complete: bool,
}

pub(super) struct Verifier<'a> {
    options: &'a Options<'a>,
    name: ServerName<'a>,
    proof: Option<Proof>,
    pub(super) error: Option<CertificateError>,
}

impl<'a> Verifier<'a> {
    pub(super) const fn new(options: &'a Options<'a>, name: ServerName<'a>) -> Self {
        Self { options, name, proof: None, error: None }
    }

    pub(super) const fn is_complete(&self) -> bool {
        matches!(self.proof, Some(Proof { complete: true, .. }))
    }

    fn refuse(&mut self, error: CertificateError) -> TlsError {
        self.proof = None;
        self.error = Some(error);
        TlsError::InvalidCertificate
    }

    fn check_certificate(
        &self,
        transcript: &Sha256,
        chain: &CertificateRef<'_>,
    ) -> Result<Proof, CertificateError> {
        let mut certificates = chain.entries.iter().map(|entry| match entry {
            CertificateEntryRef::X509(der) => CertificateDer::from(*der),
            CertificateEntryRef::RawPublicKey(_) => CertificateDer::from(&[][..]),
        });
        let own = certificates.next().ok_or(CertificateError::Missing)?;
        let mut intermediates = [const { CertificateDer::from_slice(&[]) }; MAX_INTERMEDIATES];
        let mut len = 0;
        for (place, certificate) in intermediates.iter_mut().zip(certificates) {
            *place = certificate;
            len += 1;
        }
        let intermediates = intermediates.get(..len).unwrap_or_default();

        let certificate = EndEntityCert::try_from(&own).map_err(|error| CertificateError::new(&error))?;
        self.check_chain(&certificate, intermediates)?;
        certificate
            .verify_is_valid_for_subject_name(&self.name)
            .map_err(|error| CertificateError::new(&error))?;

        let found = public_key(&own).ok_or(CertificateError::Invalid)?;
        let mut key = [0; MAX_KEY];
        key.get_mut(..found.len()).ok_or(CertificateError::UnsupportedAlgorithm)?.copy_from_slice(found);
        Ok(Proof { key, len: found.len(), transcript: transcript.clone(), complete: false })
    }

    fn check_chain(
        &self,
        certificate: &EndEntityCert<'_>,
        intermediates: &[CertificateDer<'_>],
    ) -> Result<(), CertificateError> {
        let mut error = CertificateError::UnknownIssuer;
        for authority in self.options.authorities {
            let authority = CertificateDer::from(*authority);
            let anchor =
                anchor_from_trusted_cert(&authority).map_err(|_| CertificateError::InvalidAuthority)?;
            match self.check_path(certificate, intermediates, &anchor) {
                Ok(()) => return Ok(()),
                Err(CertificateError::UnknownIssuer) => {}
                Err(other) => error = other,
            }
        }
        Err(error)
    }

    fn check_path(
        &self,
        certificate: &EndEntityCert<'_>,
        intermediates: &[CertificateDer<'_>],
        anchor: &pki_types::TrustAnchor<'_>,
    ) -> Result<(), CertificateError> {
        let (Clock::Now(mut time) | Clock::AtLeast(mut time)) = self.options.clock;
        loop {
            let at = UnixTime::since_unix_epoch(core::time::Duration::from_secs(time));
            let anchors = core::slice::from_ref(anchor);
            let result = certificate.verify_for_usage(
                self.options.algorithms,
                anchors,
                intermediates,
                at,
                KeyUsage::server_auth(),
                None,
                None,
            );
            match (result, self.options.clock) {
                (Ok(_), _) => return Ok(()),
                (Err(webpki::Error::CertNotValidYet { not_before, .. }), Clock::AtLeast(_))
                    if not_before.as_secs() > time =>
                {
                    time = not_before.as_secs();
                }
                (Err(error), _) => return Err(CertificateError::new(&error)),
            }
        }
    }

    fn check_signature(&self, verify: &CertificateVerifyRef<'_>) -> Result<(), CertificateError> {
        let Some(Proof { key, len, transcript, .. }) = &self.proof else {
            return Err(CertificateError::Missing);
        };
        let (public_key, signature) = match verify.signature_scheme {
            SignatureScheme::EcdsaSecp256r1Sha256 => (alg_id::ECDSA_P256, alg_id::ECDSA_SHA256),
            SignatureScheme::EcdsaSecp384r1Sha384 => (alg_id::ECDSA_P384, alg_id::ECDSA_SHA384),
            SignatureScheme::Ed25519 => (alg_id::ED25519, alg_id::ED25519),
            _ => return Err(CertificateError::UnsupportedAlgorithm),
        };
        let algorithm = self
            .options
            .algorithms
            .iter()
            .find(|it| it.public_key_alg_id() == public_key && it.signature_alg_id() == signature)
            .ok_or(CertificateError::UnsupportedAlgorithm)?;

        // RFC 8446 section 4.4.3: "A string that consists of octet 32 (0x20) repeated 64 times / The context string /
        // A single 0 byte which serves as the separator / The content to be signed".
        const CONTEXT: &[u8; 34] = b"TLS 1.3, server CertificateVerify\0";
        let mut message = [0x20; 64 + 34 + 32];
        let (_, signed) = message.split_at_mut(64);
        let (context, hash) = signed.split_at_mut(CONTEXT.len());
        context.copy_from_slice(CONTEXT);
        hash.copy_from_slice(&p256::ecdsa::signature::digest::Digest::finalize(transcript.clone()));

        let key = SubjectPublicKeyInfoDer::from(key.get(..*len).unwrap_or_default());
        RawPublicKeyEntity::try_from(&key)
            .and_then(|key| key.verify_signature(*algorithm, &message, verify.signature))
            .map_err(|error| CertificateError::new(&error))
    }
}

impl TlsVerifier<Aes128GcmSha256> for Verifier<'_> {
    fn set_hostname_verification(&mut self, _: &str) -> Result<(), TlsError> {
        // It is known already, and is checked also where it is an address, of which TLS is not told.
        Ok(())
    }

    fn verify_certificate(&mut self, transcript: &Sha256, chain: CertificateRef<'_>) -> Result<(), TlsError> {
        self.proof = Some(self.check_certificate(transcript, &chain).map_err(|error| self.refuse(error))?);
        Ok(())
    }

    fn verify_signature(&mut self, verify: CertificateVerifyRef<'_>) -> Result<(), TlsError> {
        self.check_signature(&verify).map_err(|error| self.refuse(error))?;
        if let Some(proof) = &mut self.proof {
            proof.complete = true;
        }
        Ok(())
    }
}

/// The `subjectPublicKeyInfo` of a certificate that webpki has found well-formed (RFC 5280 section 4.1).
fn public_key(certificate: &[u8]) -> Option<&[u8]> {
    let (_, certificate, _) = element(certificate)?;
    let (_, mut rest, _) = element(certificate)?;
    // [0] version, serialNumber, signature, issuer, validity, subject: webpki takes only version 3, which has the first.
    for _ in 0..6 {
        (_, _, rest) = element(rest)?;
    }
    Some(element(rest)?.0)
}

/// The first element of DER: all of it, its contents, and what follows it.
fn element(der: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let (header, len) = match *der {
        [_, len @ 0..=0x7F, ..] => (2, usize::from(len)),
        [_, 0x81, len, ..] => (3, usize::from(len)),
        [_, 0x82, high, low, ..] => (4, usize::from(u16::from_be_bytes([high, low]))),
        _ => return None,
    };
    let (element, rest) = der.split_at_checked(header + len)?;
    Some((element, element.get(header..)?, rest))
}

/// What embedded-tls gets: randomness and the verifier.
pub(super) struct Provider<'p, 'a, G> {
    pub(super) random: &'p mut G,
    pub(super) verifier: Verifier<'a>,
}

impl<G: Random> CryptoProvider for Provider<'_, '_, G> {
    type CipherSuite = Aes128GcmSha256;
    type Signature = [u8; 0];

    fn rng(&mut self) -> impl CryptoRngCore {
        Rng(&mut *self.random)
    }

    fn verifier(&mut self) -> Result<&mut impl TlsVerifier<Aes128GcmSha256>, TlsError> {
        Ok(&mut self.verifier)
    }
}

/// A [`Random`] as a generator of rand_core 0.6.
struct Rng<'r, G>(&'r mut G);

impl<G: Random> RngCore for Rng<'_, G> {
    fn next_u32(&mut self) -> u32 {
        let mut bytes = [0; 4];
        self.0.fill(&mut bytes);
        u32::from_le_bytes(bytes)
    }

    fn next_u64(&mut self) -> u64 {
        let mut bytes = [0; 8];
        self.0.fill(&mut bytes);
        u64::from_le_bytes(bytes)
    }

    fn fill_bytes(&mut self, dest: &mut [u8]) {
        self.0.fill(dest);
    }

    fn try_fill_bytes(&mut self, dest: &mut [u8]) -> Result<(), rand_core_06::Error> {
        self.0.fill(dest);
        Ok(())
    }
}

impl<G: Random> CryptoRng for Rng<'_, G> {}

#[cfg(all(test, feature = "std"))]
mod tests {
    use rcgen::{CertificateParams, KeyPair, PublicKeyData, SanType};

    use super::*;

    #[test]
    fn the_key_in_a_certificate() {
        for names in [1, 20, 3000] {
            let key = KeyPair::generate().unwrap();
            let mut params = CertificateParams::default();
            params.subject_alt_names = (0..names)
                .map(|i| SanType::DnsName(std::format!("{i}.example").try_into().unwrap()))
                .collect();
            let der = params.self_signed(&key).unwrap().der().to_vec();
            assert_eq!(public_key(&der), Some(&key.subject_public_key_info()[..]));
            for len in 0..der.len().min(500) {
                assert_eq!(public_key(&der[..len]), None);
            }
        }
    }
}
