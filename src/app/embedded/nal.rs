use core::net::{IpAddr, SocketAddr};

use embedded_nal_async::{AddrType, Dns, TcpConnect};

use super::Connect;

/// Plain TCP, over a stack that implements the traits of embedded-nal-async: embassy-net's `TcpClient` and `DnsSocket`
/// do.
#[derive(Clone, Debug)]
pub struct Tcp<'a, T, D> {
    tcp: &'a T,
    dns: &'a D,
    family: AddrType,
}

impl<'a, T: TcpConnect, D: Dns> Tcp<'a, T, D> {
    /// Connections of `tcp` to what `dns` finds.
    #[must_use]
    pub const fn new(tcp: &'a T, dns: &'a D) -> Self {
        Self { tcp, dns, family: AddrType::Either }
    }

    /// Asks only for addresses of this kind.
    #[must_use]
    pub fn family(self, family: AddrType) -> Self {
        Self { family, ..self }
    }
}

/// Why there is no TCP connection: an error `D` of the resolver, or `T` of the stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum TcpError<D, T> {
    /// The host has no address that could be found.
    Dns(D),
    /// It could not be reached.
    Connect(T),
}

impl<T: TcpConnect, D: Dns> Connect for Tcp<'_, T, D> {
    type Error = TcpError<D::Error, T::Error>;
    type IoError = T::Error;
    type Io<'a>
        = T::Connection<'a>
    where
        Self: 'a;

    async fn connect<'a>(&'a mut self, host: &str, port: u16) -> Result<T::Connection<'a>, Self::Error> {
        let address = match host.parse::<IpAddr>() {
            Ok(address) => address,
            Err(_) => self.dns.get_host_by_name(host, self.family.clone()).await.map_err(TcpError::Dns)?,
        };
        self.tcp.connect(SocketAddr::new(address, port)).await.map_err(TcpError::Connect)
    }
}

format_by_name!("Tcp", [T, D] Tcp<'_, T, D>);
