//! Accepts connections on port 9001, two at a time, and sends every message back. It never ends by itself.
#![no_std]
#![no_main]

use embassy_executor::Spawner;
use embassy_net::{Stack, tcp::TcpSocket};
use embassy_time::{Duration, with_timeout};
use sockling::{Config, asynch, handshake::Response};
use sockling_qemu::{echo, end, start};

const PORT: u16 = 9001;
const TASKS: usize = 2;
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

#[embassy_executor::main]
async fn main(spawner: Spawner) {
    let stack = start(spawner).await;
    for task in 0..TASKS {
        spawner.spawn(serve(stack, task).unwrap());
    }
    defmt::info!("listening on port {=u16}", PORT);
}

#[embassy_executor::task(pool_size = TASKS)]
async fn serve(stack: Stack<'static>, task: usize) {
    let (mut tcp_rx, mut tcp_tx) = ([0; 4096], [0; 4096]);
    let (mut rx, mut tx) = ([0; 4096], [0; 4096]);
    loop {
        let mut socket = TcpSocket::new(stack, &mut tcp_rx, &mut tcp_tx);
        // A peer that is gone without a word does not keep the task for ever.
        socket.set_timeout(Some(Duration::from_secs(30)));
        if let Err(error) = socket.accept(PORT).await {
            defmt::warn!("{=usize}: {}", task, error);
            continue;
        }
        let accept =
            asynch::accept(socket, &Config::DEFAULT, &mut rx[..], &mut tx[..], |_| Response::accept());
        match with_timeout(HANDSHAKE_TIMEOUT, accept).await {
            Ok(Ok(mut ws)) => {
                let ended = echo(&mut ws).await;
                defmt::info!("{=usize}: {}, reason {=str}", task, ended, ws.close_reason());
                end(ws.into_parts().0).await;
            }
            Ok(Err(error)) => defmt::warn!("{=usize}: {}", task, error),
            Err(_) => defmt::warn!("{=usize}: the handshake took too long", task),
        }
    }
}
