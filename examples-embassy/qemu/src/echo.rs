//! Echoing.

use embassy_net::tcp::{self, TcpSocket};
use sockling::{Buffer, Error, Random, asynch::WebSocket};

/// Sends every part of every message back as it comes, until the connection ends: no message is too large. Nothing is
/// copied, since the halves of a connection do not borrow each other.
pub async fn echo<G: Random, R: Buffer, W: Buffer>(
    ws: &mut WebSocket<TcpSocket<'_>, G, R, W>,
) -> Error<tcp::Error> {
    let mut split = ws.split(TcpSocket::split);
    let (mut reader, mut writer) = split.halves();
    loop {
        let part = match reader.recv_part().await {
            Ok(part) => part,
            Err(error) => return error,
        };
        if let Err(error) = writer.send_part(part.kind, part.data, part.fin).await {
            return error;
        }
    }
}
