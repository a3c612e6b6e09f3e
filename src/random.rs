//! Where masking keys come from.

use rand_core::CryptoRng;

use crate::MisuseError;

/// A cryptographically secure source of random bytes.
///
/// "The masking key needs to be unpredictable; thus, the masking key MUST be derived from a strong source of entropy"
/// (RFC 6455 section 5.3). A key that a script could guess lets it write bytes of its choice onto the wire, past
/// proxies that do not know WebSocket (section 10.3). There is no default: a client cannot be built without a source.
///
/// Every generator of rand_core 0.10 that is a [`CryptoRng`] is one. [`RandCore06`] and [`RandCore09`] adapt those of
/// older versions; a hardware generator without rand_core implements the trait in three lines.
pub trait Random {
    /// Fills `dest` with random bytes.
    fn fill(&mut self, dest: &mut [u8]);

    /// Whether it makes keys: every source does but [`Unmasked`], which a client cannot have.
    #[doc(hidden)]
    fn makes_keys(&self) -> bool {
        true
    }
}

impl<R: CryptoRng + ?Sized> Random for R {
    fn fill(&mut self, dest: &mut [u8]) {
        self.fill_bytes(dest);
    }
}

/// Whether that source will do for a client.
pub(crate) fn check_keys(random: &(impl Random + ?Sized)) -> Result<(), MisuseError> {
    if random.makes_keys() { Ok(()) } else { Err(MisuseError::NoRandom) }
}

/// A generator of rand_core 0.6 (embassy-rp, esp-hal and embedded-tls have such), as a [`Random`].
#[cfg(feature = "rand_core_06")]
#[derive(Clone, Copy, Debug, Default)]
pub struct RandCore06<R>(pub R);

#[cfg(feature = "rand_core_06")]
format_by_name!("RandCore06", [R] RandCore06<R>);

#[cfg(feature = "rand_core_06")]
impl<R: rand_core_06::RngCore + rand_core_06::CryptoRng> Random for RandCore06<R> {
    fn fill(&mut self, dest: &mut [u8]) {
        self.0.fill_bytes(dest);
    }
}

/// A generator of rand_core 0.9, as a [`Random`].
#[cfg(feature = "rand_core_09")]
#[derive(Clone, Copy, Debug, Default)]
pub struct RandCore09<R>(pub R);

#[cfg(feature = "rand_core_09")]
format_by_name!("RandCore09", [R] RandCore09<R>);

#[cfg(feature = "rand_core_09")]
impl<R: rand_core_09::CryptoRng> Random for RandCore09<R> {
    fn fill(&mut self, dest: &mut [u8]) {
        self.0.fill_bytes(dest);
    }
}

/// The source of a server, which needs none: "A server MUST NOT mask any frames that it sends to the client". For a client
/// it is refused, with [`MisuseError::NoRandom`](crate::MisuseError::NoRandom).
#[derive(Clone, Copy, Debug, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Unmasked;

impl Random for Unmasked {
    fn fill(&mut self, _: &mut [u8]) {}

    fn makes_keys(&self) -> bool {
        false
    }
}
