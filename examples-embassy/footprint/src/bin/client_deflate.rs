//! The minimal client with permessage-deflate both ways: handshake, send text, receive text, close.
#![no_std]
#![no_main]

use core::convert::Infallible;

use cortex_m_rt::entry;
use sockling::{
    CloseCode, Error, Message, Request, blocking,
    extension::{Compressor, Deflate, Inflater},
};
use sockling_footprint::{Examples, finish, script::Script};

// In flash, not on the stack.
static REQUEST: Request<'_> = Request::new("server.example.com", "/chat");

struct Memory {
    window: [u8; 1024],
    output: [u8; 256],
    sent: [u8; 512],
    hashes: [u16; 512],
}

fn run(
    io: &mut Script,
    rx: &mut [u8],
    tx: &mut [u8],
    memory: &'static mut Memory,
) -> Result<bool, Error<Infallible>> {
    let Memory { window, output, sent, hashes } = memory;
    let deflate = Deflate::new(
        Inflater::new(&mut window[..], &mut output[..]),
        Compressor::new(&mut sent[..], &mut hashes[..]),
    );
    let mut ws = blocking::connect_with(io, &REQUEST, Examples, rx, tx, deflate, |_| {})?;
    // Small messages are not worth it.
    ws.send("Hello")?;
    let received = matches!(ws.recv()?, Message::Text("Hello"));
    let closed = ws.close(CloseCode::NORMAL, "bye")?;
    Ok(received && closed.is_clean())
}

#[entry]
fn main() -> ! {
    static mut RX: [u8; 256] = [0; 256];
    static mut TX: [u8; 256] = [0; 256];
    static mut MEMORY: Memory =
        Memory { window: [0; 1024], output: [0; 256], sent: [0; 512], hashes: [0; 512] };
    let mut io = Script::deflating_server();
    let done = run(&mut io, RX, TX, MEMORY);
    finish(matches!(done, Ok(true)) && io.is_fulfilled())
}
