//! A network without a wire, and a clock without a crystal: what an app runs over.

use core::{
    cell::Cell,
    convert::Infallible,
    future::pending,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    time::Duration,
};

use embedded_io_async::{ErrorType, Read, Write};
use embedded_nal_async::{AddrType, Dns, TcpConnect};
use sockling::app::embedded::Clock;

use crate::script::Script;

/// Two connections: to a server that drops its client, and to one that does not.
#[derive(Default)]
pub struct Network {
    opened: Cell<u8>,
    fulfilled: Cell<u8>,
}

impl Network {
    /// Whether both went just as they were to go.
    pub fn is_fulfilled(&self) -> bool {
        (self.opened.get(), self.fulfilled.get()) == (2, 2)
    }
}

impl TcpConnect for Network {
    type Error = Infallible;
    type Connection<'a> = Connection<'a>;

    async fn connect<'a>(&'a self, _: SocketAddr) -> Result<Connection<'a>, Infallible> {
        let before = self.opened.get();
        self.opened.set(before.saturating_add(1));
        let script = if before == 0 { Script::dropping_server() } else { Script::server() };
        Ok(Connection { script, network: self })
    }
}

impl Dns for Network {
    type Error = Infallible;

    async fn get_host_by_name(&self, _: &str, _: AddrType) -> Result<IpAddr, Infallible> {
        Ok(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)))
    }

    async fn get_host_by_address(&self, _: IpAddr, _: &mut [u8]) -> Result<usize, Infallible> {
        Ok(0)
    }
}

pub struct Connection<'a> {
    script: Script,
    network: &'a Network,
}

impl Drop for Connection<'_> {
    fn drop(&mut self) {
        let Network { fulfilled, .. } = self.network;
        fulfilled.set(fulfilled.get().saturating_add(u8::from(self.script.is_fulfilled())));
    }
}

impl ErrorType for Connection<'_> {
    type Error = Infallible;
}

impl Read for Connection<'_> {
    async fn read(&mut self, buf: &mut [u8]) -> Result<usize, Infallible> {
        if self.script.pauses() {
            return pending().await;
        }
        self.script.read(buf).await
    }
}

impl Write for Connection<'_> {
    async fn write(&mut self, buf: &[u8]) -> Result<usize, Infallible> {
        self.script.write(buf).await
    }

    async fn flush(&mut self) -> Result<(), Infallible> {
        self.script.flush().await
    }
}

/// A clock that goes on when somebody waits for it, at once.
#[derive(Default)]
pub struct Impatient(Cell<Duration>);

impl Clock for Impatient {
    fn now(&self) -> Duration {
        self.0.get()
    }

    async fn sleep(&self, time: Duration) {
        self.0.set(self.0.get().saturating_add(time));
    }
}
