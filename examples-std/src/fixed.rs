//! Echoing in fixed memory with [`sockling::blocking`] over `std::net`: as a microcontroller does it.

use std::{
    io::Read,
    net::{Shutdown, TcpStream},
    time::Duration,
};

use embedded_io_adapters::std::FromStd;
use rand::rngs::StdRng;
use sockling::{Buffer, Error, Random, Request, blocking::WebSocket};

/// The transport.
pub type Io = FromStd<TcpStream>;

/// Connects with the caller's buffers.
pub fn connect_in<R: Buffer, W: Buffer>(
    url: &str,
    rx: R,
    tx: W,
) -> anyhow::Result<WebSocket<Io, StdRng, R, W>> {
    let (host, path) = crate::cut_url(url)?;
    let tcp = TcpStream::connect(crate::with_port(host))?;
    tcp.set_nodelay(true)?;
    let keys = crate::asynch::keys()?;
    Ok(sockling::blocking::connect(FromStd::new(tcp), &Request::new(host, path), keys, rx, tx)?)
}

/// Sends every part of a message back as it comes, until the connection ends: no message is too large.
pub fn echo_parts<G: Random, R: Buffer, W: Buffer>(
    ws: &mut WebSocket<Io, G, R, W>,
    copy: &mut [u8],
) -> Error<std::io::Error> {
    loop {
        let (kind, fin, len) = match ws.recv_part() {
            Ok(part) => {
                for (to, from) in copy.iter_mut().zip(part.data) {
                    *to = *from;
                }
                (part.kind, part.fin, part.data.len())
            }
            Err(error) => return error,
        };
        if let Err(error) = ws.send_part(kind, copy.get(..len).unwrap_or_default(), fin) {
            return error;
        }
    }
}

/// Ends TCP so that the peer still gets what was sent: a socket dropped with unread bytes is reset.
pub fn linger<G, R, W>(ws: WebSocket<Io, G, R, W>) {
    let mut tcp = ws.into_parts().0.into_inner();
    let _ = tcp.shutdown(Shutdown::Write);
    let _ = tcp.set_read_timeout(Some(Duration::from_secs(1)));
    let mut rest = [0; 4096];
    for _ in 0..64 {
        if !matches!(tcp.read(&mut rest), Ok(1..)) {
            break;
        }
    }
}
