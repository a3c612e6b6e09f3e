//! The minimal server: handshake, receive text, send it back, close.
#![no_std]
#![no_main]

use core::convert::Infallible;

use cortex_m_rt::entry;
use sockling::{Config, Error, Message, blocking, handshake::Response};
use sockling_footprint::{finish, script::Script};

fn run(io: &mut Script, rx: &mut [u8], tx: &mut [u8]) -> Result<bool, Error<Infallible>> {
    let mut ws = blocking::accept(io, &Config::DEFAULT, rx, tx, |_| Response::accept())?;
    let received = matches!(ws.recv()?, Message::Text("Hello"));
    ws.send("Hello")?;
    let closed = matches!(ws.recv(), Err(Error::Closed(closed)) if closed.is_clean());
    Ok(received && closed)
}

#[entry]
fn main() -> ! {
    static mut RX: [u8; 256] = [0; 256];
    static mut TX: [u8; 256] = [0; 256];
    let mut io = Script::client();
    let done = run(&mut io, RX, TX);
    finish(matches!(done, Ok(true)) && io.is_fulfilled())
}
