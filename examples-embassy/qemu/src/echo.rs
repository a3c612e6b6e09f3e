//! Echoing.

use embassy_net::tcp::{self, TcpSocket, TcpWriter};
use embedded_io_async::{ErrorType, Write};
use sockling::{Buffer, Error, Random, asynch::WebSocket};

/// Sends every part of every message back as it comes, until the connection ends: no message is too large. Nothing is
/// copied, since the halves of a connection do not borrow each other.
pub async fn echo<G: Random, R: Buffer, W: Buffer>(
    ws: &mut WebSocket<TcpSocket<'_>, G, R, W>,
) -> Error<tcp::Error> {
    let mut split = ws.split(|socket| {
        let (reader, writer) = socket.split();
        (reader, Eager(writer))
    });
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

/// A writer that does not wait.
///
/// embassy-net's `flush` ends when the peer has acknowledged all bytes: a round trip for each frame that is sent. What
/// was written is sent without it.
struct Eager<'a>(TcpWriter<'a>);

impl ErrorType for Eager<'_> {
    type Error = tcp::Error;
}

impl Write for Eager<'_> {
    async fn write(&mut self, buf: &[u8]) -> Result<usize, tcp::Error> {
        self.0.write(buf).await
    }

    async fn flush(&mut self) -> Result<(), tcp::Error> {
        Ok(())
    }
}
