//! permessage-deflate, as the command line asks for it.

use sockling::{
    Growing,
    extension::{Compressor, Deflate, DeflateConfig, Inflater, Zlib},
    net::DeflateOptions,
};

/// Options of permessage-deflate.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct DeflateArgs {
    /// Compress messages (permessage-deflate) where the peer agrees.
    #[arg(long)]
    pub deflate: bool,
    /// The windows that this end has memory for, as a power of two: 9 to 15.
    #[arg(long, value_name = "N", default_value_t = 15, value_parser = clap::value_parser!(u8).range(9..=15))]
    pub deflate_bits: u8,
    /// Compress every message on its own, and ask the peer to.
    #[arg(long)]
    pub no_context_takeover: bool,
    /// How much work goes into making messages small: 1 (fast) to 9 (small). Not in fixed memory.
    #[arg(long, value_name = "LEVEL", default_value_t = 6)]
    pub deflate_level: u32,
}

/// permessage-deflate in memory of a fixed size: windows, a table of hashes, and what messages are decompressed into.
pub type Fixed = Deflate<Inflater<Vec<u8>, Vec<u8>>, Compressor<Vec<u8>, Vec<u16>>>;

impl DeflateArgs {
    /// For connections with an allocator.
    pub fn options(&self) -> Option<DeflateOptions> {
        let mut config = DeflateConfig::DEFAULT;
        config.receive_window_bits = self.deflate_bits;
        config.send_window_bits = self.deflate_bits;
        config.server_no_context_takeover = self.no_context_takeover;
        config.client_no_context_takeover = self.no_context_takeover;
        self.deflate.then(|| DeflateOptions::new().config(config).level(self.deflate_level).min_len(0))
    }

    /// The same as a codec.
    pub fn zlib(&self, max_message: u32) -> Zlib {
        Zlib::new(self.options(), max_message)
    }

    /// In fixed memory, with an output of `len` bytes; `None` if not asked for.
    pub fn fixed(&self, len: usize) -> Option<Fixed> {
        if !self.deflate {
            return None;
        }
        let window = || vec![0; 1 << self.deflate_bits];
        let inflater = Inflater::new(window(), vec![0; len]);
        let compressor = Compressor::new(window(), vec![0; 1024]).min_len(0);
        let deflate = Deflate::new(inflater, compressor);
        Some(if self.no_context_takeover {
            deflate.server_no_context_takeover().client_no_context_takeover()
        } else {
            deflate
        })
    }
}

/// A receive buffer that holds a message of `max_message` bytes, with room for a control frame inside of it.
pub fn growing(max_message: u32) -> Growing {
    Growing::new(64 << 10, usize::try_from(max_message).unwrap_or(usize::MAX).saturating_add(256))
}
