//! TLS to the server, and around it TLS to a proxy.

use std::{
    io::{self, Read, Write},
    sync::Arc,
};

use super::tls::Tls;

/// What is between the bytes of a connection and its socket; maybe nothing.
#[derive(Clone, Debug, Default)]
pub(super) struct Layers {
    proxy: Option<Arc<Tls>>,
    server: Option<Arc<Tls>>,
}

/// Which of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layer {
    Proxy,
    Server,
}

impl Layers {
    pub(super) const fn is_tls(&self) -> bool {
        self.server.is_some()
    }

    /// Goes on over TLS, once its handshake is done.
    pub(super) fn start(
        &mut self,
        raw: &mut (impl Read + Write),
        connection: rustls::Connection,
        layer: Layer,
    ) -> io::Result<()> {
        let tls = Tls::new(connection);
        match &self.proxy {
            Some(proxy) => tls.handshake(&mut Over(proxy, raw)),
            None => tls.handshake(raw),
        }?;
        match layer {
            Layer::Proxy => self.proxy = Some(Arc::new(tls)),
            Layer::Server => self.server = Some(Arc::new(tls)),
        }
        Ok(())
    }

    pub(super) fn read(&self, raw: &mut impl Read, buf: &mut [u8]) -> io::Result<usize> {
        match (&self.server, &self.proxy) {
            (Some(server), Some(proxy)) => server.read(&mut Over(proxy, raw), buf),
            (Some(tls), None) | (None, Some(tls)) => tls.read(raw, buf),
            (None, None) => raw.read(buf),
        }
    }

    pub(super) fn write(&self, raw: &mut impl Write, buf: &[u8]) -> io::Result<usize> {
        match (&self.server, &self.proxy) {
            (Some(server), Some(proxy)) => server.write(&mut Over(proxy, raw), buf),
            (Some(tls), None) | (None, Some(tls)) => tls.write(raw, buf),
            (None, None) => raw.write(buf),
        }
    }

    pub(super) fn flush(&self, raw: &mut impl Write) -> io::Result<()> {
        match (&self.server, &self.proxy) {
            (Some(server), Some(proxy)) => server.flush(&mut Over(proxy, raw)),
            (Some(tls), None) | (None, Some(tls)) => tls.flush(raw),
            (None, None) => raw.flush(),
        }
    }

    /// Says in each that nothing more comes; if that cannot be said, it can neither be helped.
    pub(super) fn close(&self, raw: &mut impl Write) {
        match (&self.server, &self.proxy) {
            (Some(server), Some(proxy)) => {
                server.close(&mut Over(proxy, raw));
                proxy.close(raw);
            }
            (Some(tls), None) | (None, Some(tls)) => tls.close(raw),
            (None, None) => {}
        }
    }
}

/// TLS as what another one runs over.
struct Over<'a, T>(&'a Tls, &'a mut T);

impl<T: Read> Read for Over<'_, T> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.0.read(self.1, buf)
    }
}

impl<T: Write> Write for Over<'_, T> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.0.write(self.1, buf)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush(self.1)
    }
}
