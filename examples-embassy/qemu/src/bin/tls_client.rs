//! Connects to an echo server by TLS 1.3, whose certificate it checks, and streams 100 KiB through it.
//!
//! Arguments: `port=`, the server's at the host's loopback; `ca=`, the file of the authority's certificate, in DER;
//! `name=`, whose certificate the server has to have.
#![no_std]
#![no_main]

use embassy_executor::Spawner;
use embassy_net::{Stack, tcp};
use sockling::{CloseCode, Error, Kind, Request, asynch, tls};
use sockling_qemu::{HostRandom, argument, authority, connect, end, exit, file, start, unix_time};

const LEN: usize = 100 << 10;
const PIECE: usize = 1000;

#[derive(defmt::Format)]
enum Problem {
    Argument(&'static str),
    Connect(tcp::ConnectError),
    Tls(tls::Error<tcp::Error>),
    WebSocket(Error<tls::Error<tcp::Error>>),
    /// What came back is not what was sent, at this byte.
    Changed(usize),
}

impl From<Error<tls::Error<tcp::Error>>> for Problem {
    fn from(error: Error<tls::Error<tcp::Error>>) -> Self {
        Self::WebSocket(error)
    }
}

#[embassy_executor::main]
async fn main(spawner: Spawner) {
    let stack = start(spawner).await;
    exit(run(stack).await)
}

/// The byte of the message at this place.
const fn pattern(at: usize) -> u8 {
    (at ^ at >> 8) as u8
}

async fn run(stack: Stack<'_>) -> Result<(), Problem> {
    let mut ca = [0; 1024];
    let name = argument("name").ok_or(Problem::Argument("give name="))?;
    let path = argument("ca").ok_or(Problem::Argument("give ca="))?;
    let authorities = [file(&path, &mut ca).map_err(Problem::Argument)?];
    let options = tls::Options::new(&authorities, tls::Clock::Now(unix_time()));

    let (mut tcp_rx, mut tcp_tx) = ([0; 4096], [0; 2048]);
    let (mut tls_read, mut tls_write) = ([0; tls::MAX_READ], [0; 3072]);
    let socket = connect(stack, &mut tcp_rx, &mut tcp_tx).await.map_err(Problem::Connect)?;
    let tls = tls::Tls::open(socket, &name, &options, &mut HostRandom, &mut tls_read, &mut tls_write)
        .await
        .map_err(Problem::Tls)?;
    defmt::info!("{=str} is who it says", name.as_str());

    let (mut rx, mut tx) = ([0; 2048], [0; 1280]);
    let host = authority();
    let request = Request::new(&host, "/");
    let mut ws = asynch::connect(tls, &request, HostRandom, &mut rx[..], &mut tx[..]).await?;
    for at in (0..LEN).step_by(PIECE) {
        let piece: [u8; PIECE] = core::array::from_fn(|i| pattern(at + i));
        let len = PIECE.min(LEN - at);
        ws.send_part(Kind::Binary, &piece[..len], at + len == LEN).await?;
    }
    let mut received = 0;
    loop {
        let part = ws.recv_part().await?;
        for byte in part.data {
            if *byte != pattern(received) {
                return Err(Problem::Changed(received));
            }
            received += 1;
        }
        if part.fin {
            break;
        }
    }
    if received != LEN {
        return Err(Problem::Changed(received));
    }
    defmt::info!("{=usize} bytes came back", received);

    let closed = ws.close(CloseCode::NORMAL, "bye").await?;
    defmt::info!("closed: {}", closed);
    let tls = ws.into_parts().0;
    end(tls.close().await.map_err(Problem::Tls)?).await;
    Ok(())
}
