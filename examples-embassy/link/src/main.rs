//! A client that connects, sends and receives text and closes, over a serial port that is not there: it is linked, to
//! show that sockling's core needs no allocator and no operating system, not run.
#![no_std]
#![no_main]

use core::{convert::Infallible, hint::black_box};

use cortex_m_rt::entry;
use panic_halt as _;
use sockling::{CloseCode, Error, Message, Random, Request, blocking};

/// The port: the optimizer may assume nothing of what it gives or takes.
struct Port;

impl embedded_io::ErrorType for Port {
    type Error = Infallible;
}

impl embedded_io::Read for Port {
    fn read(&mut self, buf: &mut [u8]) -> Result<usize, Infallible> {
        Ok(black_box(buf).len())
    }
}

impl embedded_io::Write for Port {
    fn write(&mut self, buf: &[u8]) -> Result<usize, Infallible> {
        Ok(black_box(buf).len())
    }

    fn flush(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}

/// Stands for the chip's generator.
struct Generator;

impl Random for Generator {
    fn fill(&mut self, dest: &mut [u8]) {
        black_box(dest);
    }
}

fn run() -> Result<(), Error<Infallible>> {
    let (mut rx, mut tx) = ([0; 512], [0; 256]);
    let request = Request::new("sensor.example", "/feed");
    let mut ws = blocking::connect(Port, &request, Generator, &mut rx[..], &mut tx[..])?;
    ws.send("hello")?;
    if let Message::Text(text) = ws.recv()? {
        black_box(text);
    }
    ws.close(CloseCode::NORMAL, "bye")?;
    Ok(())
}

#[entry]
fn main() -> ! {
    let _ = black_box(run());
    loop {
        cortex_m::asm::wfi();
    }
}
