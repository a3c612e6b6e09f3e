//! The minimal client: handshake, send text, receive text, close.
#![no_std]
#![no_main]

use core::convert::Infallible;

use cortex_m_rt::entry;
use sockling::{CloseCode, Error, Message, Request, blocking};
use sockling_footprint::{Examples, finish, script::Script};

// In flash, not on the stack.
static REQUEST: Request<'_> = Request::new("server.example.com", "/chat");

fn run(io: &mut Script, rx: &mut [u8], tx: &mut [u8]) -> Result<bool, Error<Infallible>> {
    let mut ws = blocking::connect(io, &REQUEST, Examples, rx, tx)?;
    ws.send("Hello")?;
    let received = matches!(ws.recv()?, Message::Text("Hello"));
    let closed = ws.close(CloseCode::NORMAL, "bye")?;
    Ok(received && closed.is_clean())
}

#[entry]
fn main() -> ! {
    static mut RX: [u8; 256] = [0; 256];
    static mut TX: [u8; 256] = [0; 256];
    let mut io = Script::server();
    let done = run(&mut io, RX, TX);
    finish(matches!(done, Ok(true)) && io.is_fulfilled())
}
