//! What connections do to their messages: permessage-deflate, if the feature is there and it is wanted.

use crate::Limits;
#[cfg(not(feature = "deflate"))]
pub(super) use crate::extension::Plain as NetCodec;
#[cfg(feature = "deflate")]
pub(super) use crate::extension::Zlib as NetCodec;

/// What the options of a client or of a server say of it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Compression {
    #[cfg(feature = "deflate")]
    pub(super) options: Option<crate::extension::DeflateOptions>,
}

impl Compression {
    pub(super) const NONE: Self = Self {
        #[cfg(feature = "deflate")]
        options: None,
    };

    /// For one connection.
    #[cfg(feature = "deflate")]
    pub(super) const fn codec(self, limits: &Limits) -> NetCodec {
        NetCodec::new(self.options, limits.max_message)
    }

    /// For one connection.
    #[cfg(not(feature = "deflate"))]
    pub(super) const fn codec(self, _: &Limits) -> NetCodec {
        NetCodec::NEW
    }
}
