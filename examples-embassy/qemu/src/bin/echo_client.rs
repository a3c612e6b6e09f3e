//! Connects to an echo server, sends messages of many sizes and checks what comes back.
//!
//! Arguments: `port=`, the server's at the host's loopback.
#![no_std]
#![no_main]

use embassy_executor::Spawner;
use embassy_futures::join::join;
use embassy_net::{Stack, tcp};
use sockling::{CloseCode, Error, Kind, Message, Request, asynch};
use sockling_qemu::{HostRandom, authority, connect, end, exit, start};

/// Sizes of messages that are sent and received whole.
const WHOLE: [usize; 8] = [0, 1, 125, 126, 127, 1000, 1024, 1536];
/// The size of one that is streamed both ways at the same time, in pieces.
const STREAMED: usize = 100_000;
const PIECE: usize = 512;

#[derive(defmt::Format)]
enum Problem {
    Connect(tcp::ConnectError),
    WebSocket(Error<tcp::Error>),
    /// What came back is not what was sent, at this byte.
    Changed(usize),
}

impl From<Error<tcp::Error>> for Problem {
    fn from(error: Error<tcp::Error>) -> Self {
        Self::WebSocket(error)
    }
}

#[embassy_executor::main]
async fn main(spawner: Spawner) {
    let stack = start(spawner).await;
    exit(run(stack).await)
}

/// The byte of a message at this place.
const fn pattern(at: usize) -> u8 {
    (at ^ at >> 8) as u8
}

fn check(data: &[u8], from: usize) -> Result<(), Problem> {
    match (from..).zip(data).find(|(at, byte)| **byte != pattern(*at)) {
        Some((at, _)) => Err(Problem::Changed(at)),
        None => Ok(()),
    }
}

async fn run(stack: Stack<'_>) -> Result<(), Problem> {
    let (mut tcp_rx, mut tcp_tx) = ([0; 4096], [0; 4096]);
    let (mut rx, mut tx) = ([0; 2048], [0; 1024]);
    let socket = connect(stack, &mut tcp_rx, &mut tcp_tx).await.map_err(Problem::Connect)?;
    let host = authority();
    let request = Request::new(&host, "/");
    let mut ws = asynch::connect(socket, &request, HostRandom, &mut rx[..], &mut tx[..]).await?;

    ws.send("größer").await?;
    if ws.recv().await? != Message::Text("größer") {
        return Err(Problem::Changed(0));
    }
    let message: [u8; 1536] = core::array::from_fn(pattern);
    for len in WHOLE {
        let data = &message[..len];
        ws.send(data).await?;
        if ws.recv().await? != Message::Binary(data) {
            return Err(Problem::Changed(len));
        }
    }
    defmt::info!("{=usize} messages came back", WHOLE.len() + 1);

    let mut split = ws.split(tcp::TcpSocket::split);
    let (mut reader, mut writer) = split.halves();
    let send = async {
        for at in (0..STREAMED).step_by(PIECE) {
            let piece: [u8; PIECE] = core::array::from_fn(|i| pattern(at + i));
            let len = PIECE.min(STREAMED - at);
            writer.send_part(Kind::Binary, &piece[..len], at + len == STREAMED).await?;
        }
        Ok::<_, Problem>(())
    };
    let receive = async {
        let mut received = 0;
        loop {
            let part = reader.recv_part().await?;
            check(part.data, received)?;
            received += part.data.len();
            if part.fin {
                return if received == STREAMED { Ok(()) } else { Err(Problem::Changed(received)) };
            }
        }
    };
    let (sent, received) = join(send, receive).await;
    sent?;
    received?;
    defmt::info!("{=usize} bytes came back", STREAMED);
    drop(split);

    let closed = ws.close(CloseCode::NORMAL, "bye").await?;
    defmt::info!("closed: {}", closed);
    end(ws.into_parts().0).await;
    Ok(())
}
