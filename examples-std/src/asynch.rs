//! Echoing with [`sockling::asynch`] over tokio's TCP.

use std::time::Duration;

use embedded_io_adapters::tokio_1::FromTokio;
use rand::{SeedableRng, rngs::StdRng};
use sockling::{
    Buffer, Config, Error, Growing, Limits, Random, Request,
    asynch::WebSocket,
    extension::{Codec, Plain, Zlib},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use crate::deflate::{DeflateArgs, growing};

/// The transport of the async programs.
pub type Io = FromTokio<TcpStream>;

/// A client's connection.
pub type Connection<R, W, C> = WebSocket<Io, StdRng, R, W, C>;

/// How a connection over [`Io`] ends.
pub type End = Error<std::io::Error>;

/// A source of masking keys, seeded by the system.
pub fn keys() -> anyhow::Result<StdRng> {
    Ok(StdRng::try_from_rng(&mut rand::rngs::SysRng)?)
}

/// A connection with buffers that grow.
pub type Client = Connection<Growing, Vec<u8>, Zlib>;

/// Connects with buffers that grow.
pub async fn connect(url: &str, deflate: &DeflateArgs) -> anyhow::Result<Client> {
    let most = Limits::DEFAULT.max_message;
    connect_in(url, growing(most), vec![0; 64 << 10], deflate.zlib(most)).await
}

/// Connects with the caller's buffers and codec.
pub async fn connect_in<R: Buffer, W: Buffer, C: Codec>(
    url: &str,
    rx: R,
    tx: W,
    codec: C,
) -> anyhow::Result<Connection<R, W, C>> {
    let (host, path) = crate::cut_url(url)?;
    let tcp = TcpStream::connect(crate::with_port(host)).await?;
    tcp.set_nodelay(true)?;
    let request = Request::new(host, path);
    sockling::asynch::connect_with(FromTokio::new(tcp), &request, keys()?, rx, tx, codec, |_| {})
        .await
        .map_err(|refused| refused.error.into())
}

/// Sends every message back until the connection ends.
pub async fn echo<G: Random, R: Buffer, W: Buffer, C: Codec>(ws: &mut WebSocket<Io, G, R, W, C>) -> End {
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
pub async fn echo_parts<G: Random, R: Buffer, W: Buffer, C: Codec>(
    ws: &mut WebSocket<Io, G, R, W, C>,
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
pub async fn linger<G, R, W, C>(ws: WebSocket<Io, G, R, W, C>) {
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

/// Accepts connections for ever and echoes on each of them: whole messages, or in fixed buffers in parts.
pub async fn serve(
    listener: TcpListener,
    config: Config,
    buffer: Option<usize>,
    deflate: &DeflateArgs,
) -> anyhow::Result<()> {
    loop {
        let tcp = match listener.accept().await {
            Ok((tcp, _)) => tcp,
            Err(error) => {
                eprintln!("accept: {error}");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let most = config.limits.max_message;
        match buffer.map(|len| (len, deflate.fixed(len))) {
            None => tokio::spawn(converse(tcp, config, (growing(most), 64 << 10), deflate.zlib(most), true)),
            Some((len, None)) => tokio::spawn(converse(tcp, config, (vec![0; len], len), Plain::NEW, false)),
            Some((len, Some(codec))) => {
                tokio::spawn(converse(tcp, config, (vec![0; len], len), codec, false))
            }
        };
    }
}

async fn converse<R: Buffer, C: Codec>(
    tcp: TcpStream,
    config: Config,
    (rx, len): (R, usize),
    codec: C,
    whole: bool,
) {
    let Ok(peer) = tcp.peer_addr() else { return };
    let _ = tcp.set_nodelay(true);
    let (tcp, tx) = (FromTokio::new(tcp), vec![0; len]);
    let handshake = sockling::asynch::accept_with(tcp, &config, rx, tx, codec, crate::decide);
    match tokio::time::timeout(crate::HANDSHAKE_TIMEOUT, handshake).await {
        Ok(Ok(mut ws)) => {
            let end = if whole { echo(&mut ws).await } else { echo_parts(&mut ws, &mut vec![0; len]).await };
            crate::report(&peer, &end, ws.close_reason());
            linger(ws).await;
        }
        Ok(Err(error)) => eprintln!("{peer}: {error}"),
        Err(_) => eprintln!("{peer}: the handshake took too long"),
    }
}
