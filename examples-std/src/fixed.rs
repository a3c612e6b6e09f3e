//! Echoing in fixed memory with [`sockling::blocking`] over `std::net`: as a microcontroller does it.

use std::{
    io::Read,
    net::{Shutdown, TcpListener, TcpStream},
    thread,
    time::Duration,
};

use embedded_io_adapters::std::FromStd;
use rand::rngs::StdRng;
use sockling::{
    Buffer, Config, Error, Random, Request,
    blocking::WebSocket,
    extension::{Codec, Plain},
};

use crate::deflate::DeflateArgs;

/// The transport.
pub type Io = FromStd<TcpStream>;

/// Connects with the caller's buffers and codec.
pub fn connect_in<R: Buffer, W: Buffer, C: Codec>(
    url: &str,
    rx: R,
    tx: W,
    codec: C,
) -> anyhow::Result<WebSocket<Io, StdRng, R, W, C>> {
    let (host, path) = crate::cut_url(url)?;
    let tcp = TcpStream::connect(crate::with_port(host))?;
    tcp.set_nodelay(true)?;
    let (keys, request) = (crate::asynch::keys()?, Request::new(host, path));
    sockling::blocking::connect_with(FromStd::new(tcp), &request, keys, rx, tx, codec, |_| {})
        .map_err(|refused| refused.error.into())
}

/// Sends every part of a message back as it comes, until the connection ends: no message is too large.
pub fn echo_parts<G: Random, R: Buffer, W: Buffer, C: Codec>(
    ws: &mut WebSocket<Io, G, R, W, C>,
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
pub fn linger<G, R, W, C>(ws: WebSocket<Io, G, R, W, C>) {
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

/// Accepts connections for ever and echoes on each of them, in a thread and in buffers of `len` bytes of its own.
pub fn serve(address: (&str, u16), config: Config, len: usize, deflate: &DeflateArgs) -> anyhow::Result<()> {
    let listener = TcpListener::bind(address)?;
    println!("listening on ws://{}", listener.local_addr()?);
    loop {
        let tcp = match listener.accept() {
            Ok((tcp, _)) => tcp,
            Err(error) => {
                eprintln!("accept: {error}");
                thread::sleep(Duration::from_millis(50));
                continue;
            }
        };
        let codec = deflate.fixed(len);
        thread::spawn(move || match codec {
            Some(codec) => converse(tcp, config, len, codec),
            None => converse(tcp, config, len, Plain::NEW),
        });
    }
}

fn converse<C: Codec>(tcp: TcpStream, config: Config, len: usize, codec: C) {
    let Ok(peer) = tcp.peer_addr() else { return };
    let _ = tcp.set_nodelay(true);
    let _ = tcp.set_read_timeout(Some(crate::HANDSHAKE_TIMEOUT));
    let (rx, tx) = (vec![0; len], vec![0; len]);
    match sockling::blocking::accept_with(FromStd::new(tcp), &config, rx, tx, codec, crate::decide) {
        Ok(mut ws) => {
            let _ = ws.io().inner().set_read_timeout(None);
            let end = echo_parts(&mut ws, &mut vec![0; len]);
            crate::report(&peer, &end, ws.close_reason());
            linger(ws);
        }
        Err(error) => eprintln!("{peer}: {error}"),
    }
}
