//! Prints what permessage-deflate takes, in bytes: the states with their windows and hash tables, not the buffer that
//! decompressed messages go to. The windows have 9, 10 and 12 bits.
#![no_std]
#![no_main]

use cortex_m as _; // the critical section of `hprintln`

use cortex_m_rt::entry;
use cortex_m_semihosting::hprintln;
use sockling::{
    extension::{Compressor, Inflater},
    handshake::{ClientHandshake, ServerHandshake},
};
use sockling_footprint::finish;

#[entry]
fn main() -> ! {
    hprintln!("ClientHandshake with deflate {}", size_of::<ClientHandshake<'_>>());
    hprintln!("ServerHandshake with deflate {}", size_of::<ServerHandshake>());
    hprintln!("Inflater {}", size_of::<Inflater<(), ()>>());
    hprintln!("Inflater with a window of 512 {}", size_of::<Inflater<[u8; 512], ()>>());
    hprintln!("Inflater with a window of 1,024 {}", size_of::<Inflater<[u8; 1024], ()>>());
    hprintln!("Inflater with a window of 4,096 {}", size_of::<Inflater<[u8; 4096], ()>>());
    hprintln!("Compressor {}", size_of::<Compressor<(), ()>>());
    hprintln!(
        "Compressor with a window of 512, 256 hashes {}",
        size_of::<Compressor<[u8; 512], [u16; 256]>>()
    );
    hprintln!(
        "Compressor with a window of 1,024, 512 hashes {}",
        size_of::<Compressor<[u8; 1024], [u16; 512]>>()
    );
    hprintln!(
        "Compressor with a window of 4,096, 1,024 hashes {}",
        size_of::<Compressor<[u8; 4096], [u16; 1024]>>()
    );
    finish(true)
}
