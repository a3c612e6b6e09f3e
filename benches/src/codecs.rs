//! The codecs behind one trait: whole messages, without the four bytes that RFC 7692 leaves out.

use std::sync::atomic::Ordering;

use flate2::{Compression, FlushCompress, FlushDecompress, Status};
use miniz_oxide::{
    DataFormat, MZFlush,
    deflate::core::{CompressorOxide, create_comp_flags_from_zip_params},
    inflate::stream::InflateState,
};
use sockling::extension::{Compress, Inflate};

use crate::ALLOCATED;

const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];

/// Both directions of one connection.
pub trait Codec {
    /// Compresses a message into `out`, which has room for it; returns how long it is.
    fn compress(&mut self, message: &[u8], out: &mut [u8]) -> usize;
    fn inflate(&mut self, message: &[u8], out: &mut [u8]) -> usize;
    /// Whose messages it inflates.
    fn peer(&self, takeover: bool) -> Box<dyn Codec>;
    /// To compress and to decompress, in bytes.
    fn memory(&self) -> (usize, usize);
}

pub struct Sockling {
    bits: u8,
    takeover: bool,
    compress: Compress,
    sent: Vec<u8>,
    hashes: Vec<u16>,
    inflate: Inflate,
    received: Vec<u8>,
}

impl Sockling {
    pub fn new(bits: u8, hashes: usize, takeover: bool) -> Self {
        Self {
            bits,
            takeover,
            compress: Compress::new(),
            sent: vec![0; 1 << bits],
            hashes: vec![0; hashes],
            inflate: Inflate::new(),
            received: vec![0; 1 << bits],
        }
    }
}

impl Codec for Sockling {
    fn compress(&mut self, message: &[u8], out: &mut [u8]) -> usize {
        let Self { compress, sent, hashes, .. } = self;
        if !self.takeover {
            compress.reset();
        }
        let (consumed, len) = compress.compress(message, sent, hashes, out).expect("a window");
        let (more, done) = compress.finish_message(sent, hashes, &mut out[len..]).expect("a window");
        assert!(consumed == message.len() && done);
        len + more
    }

    fn inflate(&mut self, message: &[u8], out: &mut [u8]) -> usize {
        if !self.takeover {
            self.inflate.reset();
        }
        let (consumed, len) = self.inflate.inflate(message, &mut self.received, out).expect("valid");
        let (more, done) = self.inflate.finish_message(&mut self.received, &mut out[len..]).expect("valid");
        assert!(consumed == message.len() && done);
        len + more
    }

    fn peer(&self, takeover: bool) -> Box<dyn Codec> {
        Box::new(Zlib::new(6, self.bits, takeover))
    }

    fn memory(&self) -> (usize, usize) {
        (
            size_of::<Compress>() + self.sent.len() + size_of_val(&self.hashes[..]),
            size_of::<Inflate>() + self.received.len(),
        )
    }
}

pub struct Zlib {
    level: u32,
    bits: u8,
    takeover: bool,
    compress: flate2::Compress,
    inflate: flate2::Decompress,
}

impl Zlib {
    pub fn new(level: u32, bits: u8, takeover: bool) -> Self {
        Self {
            level,
            bits,
            takeover,
            compress: flate2::Compress::new_with_window_bits(Compression::new(level), false, bits),
            inflate: flate2::Decompress::new_with_window_bits(false, bits),
        }
    }
}

impl Codec for Zlib {
    fn compress(&mut self, message: &[u8], out: &mut [u8]) -> usize {
        if !self.takeover {
            self.compress.reset();
        }
        let before = self.compress.total_out();
        let status = self.compress.compress(message, out, FlushCompress::Sync);
        assert_eq!(status.ok(), Some(Status::Ok));
        (self.compress.total_out() - before) as usize - TAIL.len()
    }

    fn inflate(&mut self, message: &[u8], out: &mut [u8]) -> usize {
        if !self.takeover {
            self.inflate.reset(false);
        }
        let before = self.inflate.total_out();
        for input in [message, &TAIL] {
            let len = (self.inflate.total_out() - before) as usize;
            let status = self.inflate.decompress(input, &mut out[len..], FlushDecompress::Sync);
            assert_eq!(status.ok(), Some(Status::Ok));
        }
        (self.inflate.total_out() - before) as usize
    }

    fn peer(&self, takeover: bool) -> Box<dyn Codec> {
        Box::new(Self::new(self.level, self.bits, takeover))
    }

    fn memory(&self) -> (usize, usize) {
        let used = |f: &mut dyn FnMut()| {
            let before = ALLOCATED.load(Ordering::Relaxed);
            f();
            ALLOCATED.load(Ordering::Relaxed) - before
        };
        let (mut compress, mut inflate) = (None, None);
        (
            size_of::<flate2::Compress>()
                + used(&mut || {
                    let new = flate2::Compress::new_with_window_bits(
                        Compression::new(self.level),
                        false,
                        self.bits,
                    );
                    compress = Some(new);
                }),
            size_of::<flate2::Decompress>()
                + used(&mut || inflate = Some(flate2::Decompress::new_with_window_bits(false, self.bits))),
        )
    }
}

/// What flate2 is with its default features.
pub struct Miniz {
    level: u8,
    takeover: bool,
    compress: Box<CompressorOxide>,
    inflate: Box<InflateState>,
}

impl Miniz {
    pub fn new(level: u8, takeover: bool) -> Self {
        let flags = create_comp_flags_from_zip_params(level.into(), -15, 0);
        Self {
            level,
            takeover,
            compress: Box::new(CompressorOxide::new(flags)),
            inflate: InflateState::new_boxed(DataFormat::Raw),
        }
    }
}

impl Codec for Miniz {
    fn compress(&mut self, message: &[u8], out: &mut [u8]) -> usize {
        if !self.takeover {
            self.compress.reset();
        }
        let result = miniz_oxide::deflate::stream::deflate(&mut self.compress, message, out, MZFlush::Sync);
        assert!(result.status.is_ok() && result.bytes_consumed == message.len());
        result.bytes_written - TAIL.len()
    }

    fn inflate(&mut self, message: &[u8], out: &mut [u8]) -> usize {
        if !self.takeover {
            self.inflate.reset(DataFormat::Raw);
        }
        let mut len = 0;
        for mut input in [message, &TAIL] {
            while !input.is_empty() {
                let result = miniz_oxide::inflate::stream::inflate(
                    &mut self.inflate,
                    input,
                    &mut out[len..],
                    MZFlush::Sync,
                );
                assert!(result.status.is_ok(), "{result:?}");
                input = &input[result.bytes_consumed..];
                len += result.bytes_written;
            }
        }
        // What is still in its window.
        loop {
            let (inflate, out) = (&mut self.inflate, &mut out[len..]);
            match miniz_oxide::inflate::stream::inflate(inflate, &[], out, MZFlush::Sync).bytes_written {
                0 => return len,
                more => len += more,
            }
        }
    }

    fn peer(&self, takeover: bool) -> Box<dyn Codec> {
        Box::new(Self::new(self.level, takeover))
    }

    fn memory(&self) -> (usize, usize) {
        let before = ALLOCATED.load(Ordering::Relaxed);
        let compress = Self::new(self.level, self.takeover).compress;
        drop(compress);
        let compress =
            Box::new(CompressorOxide::new(create_comp_flags_from_zip_params(self.level.into(), -15, 0)));
        let used = ALLOCATED.load(Ordering::Relaxed) - before;
        drop(compress);
        (used, size_of::<InflateState>())
    }
}
