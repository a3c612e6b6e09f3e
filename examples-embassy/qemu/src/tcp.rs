//! TCP connections to and from the host.

use core::fmt::Write as _;

use embassy_net::{
    Ipv4Address, Stack,
    tcp::{ConnectError, TcpSocket},
};
use embassy_time::{Duration, with_timeout};
use heapless::String;

/// How long connecting may take.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// The host's loopback, as QEMU's user network has it.
const HOST: Ipv4Address = Ipv4Address::new(10, 0, 2, 2);

/// Where the server is that the arguments name: `port=`, at the host's loopback.
#[must_use]
pub fn server() -> (Ipv4Address, u16) {
    (HOST, crate::number("port"))
}

/// The same for the `Host` field.
#[must_use]
pub fn authority() -> String<24> {
    let (address, port) = server();
    let mut authority = String::new();
    let _ = write!(authority, "{address}:{port}");
    authority
}

/// The same for a server with a name: `name=`.
#[must_use]
pub fn named() -> Option<String<136>> {
    let mut authority = String::new();
    let _ = write!(authority, "{}:{}", crate::argument("name")?, server().1);
    Some(authority)
}

/// Connects to the server.
///
/// # Errors
/// Those of the stack.
pub async fn connect<'a>(
    stack: Stack<'a>,
    rx: &'a mut [u8],
    tx: &'a mut [u8],
) -> Result<TcpSocket<'a>, ConnectError> {
    let mut socket = TcpSocket::new(stack, rx, tx);
    match with_timeout(CONNECT_TIMEOUT, socket.connect(server())).await {
        Ok(connected) => connected.map(|()| socket),
        Err(_) => Err(ConnectError::TimedOut),
    }
}

/// Ends TCP so that the peer still gets what was sent.
pub async fn end(mut socket: TcpSocket<'_>) {
    socket.close();
    if with_timeout(Duration::from_secs(1), async {
        let _ = socket.flush().await;
        let mut rest = [0; 64];
        while let Ok(1..) = socket.read(&mut rest).await {}
    })
    .await
    .is_err()
    {
        socket.abort();
        let _ = socket.flush().await;
    }
}
