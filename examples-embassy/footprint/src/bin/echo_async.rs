//! The baseline of the async programs: sends back what it receives.
#![no_std]
#![no_main]

use core::convert::Infallible;

use cortex_m_rt::entry;
use embedded_io_async::{Read, Write};
use sockling_footprint::{block_on::block_on, finish, script::Script};

async fn run(io: &mut Script, buf: &mut [u8]) -> Result<(), Infallible> {
    loop {
        let n = io.read(buf).await?;
        let Some(data) = buf.get(..n).filter(|data| !data.is_empty()) else {
            return Ok(());
        };
        io.write(data).await?;
        io.flush().await?;
    }
}

#[entry]
fn main() -> ! {
    static mut BUF: [u8; 512] = [0; 512];
    let mut io = Script::echo();
    let done = block_on(run(&mut io, BUF));
    finish(done.is_ok() && io.is_fulfilled())
}
