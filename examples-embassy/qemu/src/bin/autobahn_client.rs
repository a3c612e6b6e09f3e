//! The client that the Autobahn TestSuite tests.
//!
//! Arguments: `port=`, the fuzzing server's at the host's loopback; `agent=`, the name in the report.
#![no_std]
#![no_main]

use core::fmt::Write as _;

use embassy_executor::Spawner;
use embassy_net::{Stack, tcp};
use heapless::String;
use sockling::{Error, Request, asynch};
use sockling_qemu::{HostRandom, argument, authority, connect, echo, end, exit, start};

#[derive(defmt::Format)]
enum Problem {
    Connect(tcp::ConnectError),
    WebSocket(Error<tcp::Error>),
    NoCount,
}

/// Everything that a connection needs.
struct Buffers {
    tcp_rx: [u8; 8192],
    tcp_tx: [u8; 8192],
    rx: [u8; 4096],
    tx: [u8; 4096],
}

#[embassy_executor::main]
async fn main(spawner: Spawner) {
    let stack = start(spawner).await;
    exit(run(stack).await)
}

async fn run(stack: Stack<'_>) -> Result<(), Problem> {
    let mut buffers = Buffers { tcp_rx: [0; 8192], tcp_tx: [0; 8192], rx: [0; 4096], tx: [0; 4096] };
    let agent = argument("agent").unwrap_or_default();
    let mut path: String<128> = String::new();
    let cases: u32 = visit(stack, &mut buffers, "/getCaseCount").await?.ok_or(Problem::NoCount)?;
    defmt::info!("{=u32} cases", cases);
    for case in 1..=cases {
        path.clear();
        let _ = write!(path, "/runCase?case={case}&agent={agent}");
        // How a case ends is the fuzzing server's to judge.
        if let Err(problem) = run_case(stack, &mut buffers, &path).await {
            defmt::warn!("case {=u32}: {}", case, problem);
        }
    }
    path.clear();
    let _ = write!(path, "/updateReports?agent={agent}");
    visit(stack, &mut buffers, &path).await?;
    Ok(())
}

async fn run_case(stack: Stack<'_>, buffers: &mut Buffers, path: &str) -> Result<(), Problem> {
    let Buffers { tcp_rx, tcp_tx, rx, tx } = buffers;
    let socket = connect(stack, tcp_rx, tcp_tx).await.map_err(Problem::Connect)?;
    let host = authority();
    let request = Request::new(&host, path);
    let mut ws = asynch::connect(socket, &request, HostRandom, &mut rx[..], &mut tx[..])
        .await
        .map_err(Problem::WebSocket)?;
    let ended = echo(&mut ws).await;
    end(ws.into_parts().0).await;
    match ended {
        Error::Closed(_) => Ok(()),
        error => Err(Problem::WebSocket(error)),
    }
}

/// Takes the number that the server says, if it says one before it closes.
async fn visit(stack: Stack<'_>, buffers: &mut Buffers, path: &str) -> Result<Option<u32>, Problem> {
    let Buffers { tcp_rx, tcp_tx, rx, tx } = buffers;
    let socket = connect(stack, tcp_rx, tcp_tx).await.map_err(Problem::Connect)?;
    let host = authority();
    let request = Request::new(&host, path);
    let mut ws = asynch::connect(socket, &request, HostRandom, &mut rx[..], &mut tx[..])
        .await
        .map_err(Problem::WebSocket)?;
    let mut said = None;
    while let Ok(message) = ws.recv().await {
        said = message.as_text().and_then(|text| text.parse().ok());
    }
    end(ws.into_parts().0).await;
    Ok(said)
}
