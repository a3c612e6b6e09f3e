use std::io;

use rand::{
    Rng, SeedableRng,
    rngs::{StdRng, SysRng},
};

use super::Error;
use crate::Random;

/// Where the masking keys of a connection come from: a generator of its own, seeded by the system. A server has none,
/// since it masks nothing.
pub(super) struct Keys(Option<StdRng>);

impl Keys {
    pub(super) fn client() -> Result<Self, Error> {
        let generator =
            StdRng::try_from_rng(&mut SysRng).map_err(|error| Error::Random(io::Error::other(error)))?;
        Ok(Self(Some(generator)))
    }

    pub(super) const fn server() -> Self {
        Self(None)
    }
}

impl Random for Keys {
    fn fill(&mut self, dest: &mut [u8]) {
        if let Some(generator) = &mut self.0 {
            generator.fill_bytes(dest);
        }
    }
}
