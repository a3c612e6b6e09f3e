//! Settings of sockets.

use core::fmt;
use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
    vec::Vec,
};

use socket2::{SockRef, Socket, TcpKeepalive};

use super::Error;

type Hook = dyn Fn(&Socket) -> io::Result<()> + Send + Sync;

/// Settings of a socket.
#[derive(Clone)]
pub(super) struct Tuning {
    pub(super) nodelay: bool,
    pub(super) keepalive: bool,
    /// The address of this host that connections come from.
    pub(super) local: Option<IpAddr>,
    /// The caller's own settings, made last.
    pub(super) hook: Option<Arc<Hook>>,
}

impl Tuning {
    pub(super) const DEFAULT: Self = Self { nodelay: true, keepalive: true, local: None, hook: None };

    /// Applies them as far as the system goes along: a connection works without.
    pub(super) fn apply<'a>(&self, tcp: impl Into<SockRef<'a>>) {
        self.set(tcp.into());
    }

    /// Makes a socket ready to connect to `addr`: what the caller asks for has to work.
    pub(super) fn prepare(&self, socket: &Socket, addr: SocketAddr) -> io::Result<()> {
        self.set(SockRef::from(socket));
        if let Some(local) = self.local.filter(|local| local.is_ipv4() == addr.is_ipv4()) {
            socket.bind(&SocketAddr::new(local, 0).into())?;
        }
        self.hook.as_ref().map_or(Ok(()), |hook| hook(socket))
    }

    /// Without the addresses that cannot be connected to from the local one.
    ///
    /// # Errors
    /// [`Error::Io`] if none is left.
    pub(super) fn usable(&self, mut addrs: Vec<SocketAddr>) -> Result<Vec<SocketAddr>, Error> {
        if let Some(local) = self.local {
            addrs.retain(|addr| addr.is_ipv4() == local.is_ipv4());
            if addrs.is_empty() {
                let text = "the host has no address of the IP version of the local address";
                return Err(Error::Io(io::Error::new(io::ErrorKind::AddrNotAvailable, text)));
            }
        }
        Ok(addrs)
    }

    #[allow(clippy::needless_pass_by_value, reason = "it is a reference")]
    fn set(&self, socket: SockRef<'_>) {
        let _ = socket.set_tcp_nodelay(self.nodelay);
        if self.keepalive {
            let _ = socket.set_tcp_keepalive(&keepalive());
        }
    }
}

/// Asks after 30 s of silence, every 10 s, 3 times: a dead peer shows after a minute.
fn keepalive() -> TcpKeepalive {
    let keepalive = TcpKeepalive::new().with_time(Duration::from_secs(30));
    #[cfg(any(
        target_os = "linux",
        target_os = "android",
        target_vendor = "apple",
        target_os = "freebsd",
        windows
    ))]
    let keepalive = keepalive.with_interval(Duration::from_secs(10)).with_retries(3);
    keepalive
}

impl fmt::Debug for Tuning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tuning")
            .field("nodelay", &self.nodelay)
            .field("keepalive", &self.keepalive)
            .field("local", &self.local)
            .field("hook", &self.hook.is_some())
            .finish()
    }
}
