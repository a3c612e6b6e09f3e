//! Echoing with [`sockling::asynch`] over tokio's TCP.

use std::time::Duration;

use embedded_io_adapters::tokio_1::FromTokio;
use rand::{SeedableRng, rngs::StdRng};
use sockling::{Buffer, Config, Error, Growing, Random, Request, asynch::WebSocket, handshake::Response};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

/// The transport of the async programs.
pub type Io = FromTokio<TcpStream>;

/// How a connection over [`Io`] ends.
pub type End = Error<std::io::Error>;

/// A source of masking keys, seeded by the system.
pub fn keys() -> anyhow::Result<StdRng> {
    Ok(StdRng::try_from_rng(&mut rand::rngs::SysRng)?)
}

/// Connects with buffers that grow.
pub async fn connect(url: &str) -> anyhow::Result<WebSocket<Io, StdRng, Growing, Vec<u8>>> {
    connect_in(url, Growing::new(64 << 10, 64 << 20), vec![0; 64 << 10]).await
}

/// Connects with the caller's buffers.
pub async fn connect_in<R: Buffer, W: Buffer>(
    url: &str,
    rx: R,
    tx: W,
) -> anyhow::Result<WebSocket<Io, StdRng, R, W>> {
    let (host, path) = crate::cut_url(url)?;
    let tcp = TcpStream::connect(crate::with_port(host)).await?;
    tcp.set_nodelay(true)?;
    Ok(sockling::asynch::connect(FromTokio::new(tcp), &Request::new(host, path), keys()?, rx, tx).await?)
}

/// Sends every message back until the connection ends.
pub async fn echo<G: Random>(ws: &mut WebSocket<Io, G, Growing, Vec<u8>>) -> End {
    let mut copy = Vec::new();
    loop {
        let kind = match ws.recv().await {
            Ok(message) => {
                // The message lies in the receive buffer, which the next call may use.
                copy.clear();
                copy.extend_from_slice(message.as_bytes());
                message.kind()
            }
            Err(error) => return error,
        };
        if let Err(error) = ws.send_part(kind, &copy, true).await {
            return error;
        }
    }
}

/// Sends every part of a message back as it comes, until the connection ends: no message is too large.
pub async fn echo_parts<G: Random, R: Buffer, W: Buffer>(
    ws: &mut WebSocket<Io, G, R, W>,
    copy: &mut [u8],
) -> End {
    loop {
        let (kind, fin, len) = match ws.recv_part().await {
            Ok(part) => {
                for (to, from) in copy.iter_mut().zip(part.data) {
                    *to = *from;
                }
                (part.kind, part.fin, part.data.len())
            }
            Err(error) => return error,
        };
        if let Err(error) = ws.send_part(kind, copy.get(..len).unwrap_or_default(), fin).await {
            return error;
        }
    }
}

/// Ends TCP so that the peer still gets what was sent: a socket dropped with unread bytes is reset.
pub async fn linger<G, R, W>(ws: WebSocket<Io, G, R, W>) {
    let mut tcp = ws.into_parts().0.into_inner();
    let _ = tokio::time::timeout(Duration::from_secs(1), async {
        let _ = tcp.shutdown().await;
        let mut rest = [0; 4096];
        for _ in 0..64 {
            if !matches!(tcp.read(&mut rest).await, Ok(1..)) {
                break;
            }
        }
    })
    .await;
}

/// Accepts connections for ever and echoes on each of them.
pub async fn serve(listener: TcpListener, config: Config) -> anyhow::Result<()> {
    loop {
        let (tcp, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                eprintln!("accept: {error}");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        tokio::spawn(async move {
            let _ = tcp.set_nodelay(true);
            let most = usize::try_from(config.limits.max_message).unwrap_or(usize::MAX).saturating_add(256);
            let (rx, tx) = (Growing::new(64 << 10, most), vec![0; 64 << 10]);
            let handshake = sockling::asynch::accept(FromTokio::new(tcp), &config, rx, tx, |request| {
                match request.choose(crate::SUBPROTOCOLS) {
                    Some(chosen) => Response::accept().subprotocol(chosen),
                    None => Response::accept(),
                }
            });
            match tokio::time::timeout(crate::HANDSHAKE_TIMEOUT, handshake).await {
                Ok(Ok(mut ws)) => {
                    let end = echo(&mut ws).await;
                    crate::report(&peer, &end, ws.close_reason());
                    linger(ws).await;
                }
                Ok(Err(error)) => eprintln!("{peer}: {error}"),
                Err(_) => eprintln!("{peer}: the handshake took too long"),
            }
        });
    }
}
