//! The minimal client that has the server compress, and does not compress itself: handshake, send text, receive text,
//! close.
#![no_std]
#![no_main]

use core::convert::Infallible;

use cortex_m_rt::entry;
use sockling::{
    CloseCode, Error, Message, Request, blocking,
    extension::{Deflate, Inflater, Uncompressed},
};
use sockling_footprint::{Examples, finish, script::Script};

// In flash, not on the stack.
static REQUEST: Request<'_> = Request::new("server.example.com", "/chat");

struct Memory {
    window: [u8; 1024],
    output: [u8; 256],
}

fn run(
    io: &mut Script,
    rx: &mut [u8],
    tx: &mut [u8],
    memory: &'static mut Memory,
) -> Result<bool, Error<Infallible>> {
    let Memory { window, output } = memory;
    let deflate = Deflate::new(Inflater::new(&mut window[..], &mut output[..]), Uncompressed);
    let mut ws = blocking::connect_with(io, &REQUEST, Examples, rx, tx, deflate, |_| {})?;
    ws.send("Hello")?;
    let received = matches!(ws.recv()?, Message::Text("Hello"));
    let closed = ws.close(CloseCode::NORMAL, "bye")?;
    Ok(received && closed.is_clean())
}

#[entry]
fn main() -> ! {
    static mut RX: [u8; 256] = [0; 256];
    static mut TX: [u8; 256] = [0; 256];
    static mut MEMORY: Memory = Memory { window: [0; 1024], output: [0; 256] };
    let mut io = Script::half_deflating_server();
    let done = run(&mut io, RX, TX, MEMORY);
    finish(matches!(done, Ok(true)) && io.is_fulfilled())
}
