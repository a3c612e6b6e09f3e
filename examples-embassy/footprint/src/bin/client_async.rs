//! The minimal client, async: handshake, send text, receive text, close.
#![no_std]
#![no_main]

use core::convert::Infallible;

use cortex_m_rt::entry;
use sockling::{CloseCode, Error, Message, Request, asynch};
use sockling_footprint::{Examples, block_on::block_on, finish, script::Script};

// In flash, not on the stack.
static REQUEST: Request<'_> = Request::new("server.example.com", "/chat");

async fn run(io: &mut Script, rx: &mut [u8], tx: &mut [u8]) -> Result<bool, Error<Infallible>> {
    let mut ws = asynch::connect(io, &REQUEST, Examples, rx, tx).await?;
    ws.send("Hello").await?;
    let received = matches!(ws.recv().await?, Message::Text("Hello"));
    let closed = ws.close(CloseCode::NORMAL, "bye").await?;
    Ok(received && closed.is_clean())
}

#[entry]
fn main() -> ! {
    static mut RX: [u8; 256] = [0; 256];
    static mut TX: [u8; 256] = [0; 256];
    let mut io = Script::server();
    let done = block_on(run(&mut io, RX, TX));
    finish(matches!(done, Ok(true)) && io.is_fulfilled())
}
