//! The App over embedded-nal-async: it connects, receives, sends a ping, is dropped, reconnects, receives and closes.
#![no_std]
#![no_main]

use core::time::Duration;

use cortex_m_rt::entry;
use sockling::{
    Request,
    app::{
        Keepalive, Policy,
        embedded::{App, Tcp},
    },
};
use sockling_footprint::{
    Examples,
    block_on::block_on,
    feed::Feed,
    finish,
    network::{Impatient, Network},
};

// In flash, not on the stack.
static REQUEST: Request<'_> = Request::new("server.example.com", "/chat");

#[entry]
fn main() -> ! {
    static mut RX: [u8; 256] = [0; 256];
    static mut TX: [u8; 256] = [0; 256];
    let (network, mut feed) = (Network::default(), Feed::default());
    let mut policy = Policy::DEFAULT;
    policy.keepalive = Keepalive::new(Duration::from_secs(30), Duration::from_secs(10));
    let mut app = App::new(&REQUEST, Impatient::default(), Examples, RX, TX).policy(policy);
    let ended = block_on(app.run(&mut Tcp::new(&network, &network), &mut feed));
    finish(ended.is_ok() && network.is_fulfilled())
}
