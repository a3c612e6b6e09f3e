//! Echoing with [`sockling::WebSocket`] in threads.

use std::{sync::Arc, thread};

use sockling::{Config, WebSocket, net};

use crate::deflate::DeflateArgs;

/// Sends every message back until the connection ends.
pub fn echo(ws: &mut WebSocket) -> net::Error {
    let mut copy = Vec::new();
    loop {
        let kind = match ws.recv() {
            Ok(message) => {
                // The message lies in the receive buffer, which the next call may use.
                copy.clear();
                copy.extend_from_slice(message.as_bytes());
                message.kind()
            }
            Err(error) => return error,
        };
        if let Err(error) = ws.send_part(kind, &copy, true) {
            return error;
        }
    }
}

/// Accepts connections for ever and echoes on each of them, in a thread of its own.
pub fn serve(address: (&str, u16), config: Config, deflate: &DeflateArgs) -> anyhow::Result<()> {
    let mut options =
        net::ServerOptions::new().config(config).subprotocols(crate::SUBPROTOCOLS.iter().copied());
    if let Some(deflate) = deflate.options() {
        options = options.deflate(deflate);
    }
    let server = Arc::new(options.handshake_timeout(crate::HANDSHAKE_TIMEOUT).bind(address)?);
    println!("listening on ws://{}", server.local_addr()?);
    loop {
        let tcp = match server.accept_tcp() {
            Ok(tcp) => tcp,
            Err(error) => {
                eprintln!("accept: {error}");
                thread::sleep(std::time::Duration::from_millis(50));
                continue;
            }
        };
        let server = server.clone();
        let peer = tcp.peer_addr().map_or_else(|_| "?".into(), |peer| peer.to_string());
        thread::spawn(move || match server.handshake(tcp) {
            Ok(mut ws) => match echo(&mut ws) {
                net::Error::Closed(closed) => log::info!("{peer}: {closed}"),
                error => eprintln!("{peer}: {error}"),
            },
            Err(error) => eprintln!("{peer}: {error}"),
        });
    }
}
