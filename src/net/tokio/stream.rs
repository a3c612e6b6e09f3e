use core::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};
use std::{
    boxed::Box,
    io::{self, IoSlice},
    net::SocketAddr,
};

#[cfg(unix)]
use ::tokio::net::UnixStream;
use ::tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};
use tokio_rustls::TlsStream;

use crate::net::layers::Layer;

/// What a connection runs over: TCP, a Unix-domain socket, TLS, or a stream that the caller brought.
pub struct Stream(Kind);

enum Kind {
    Tcp(TcpStream),
    #[cfg(unix)]
    Unix(UnixStream),
    Tls(Box<TlsStream<Stream>>, Layer),
    Other(Box<dyn Duplex>),
}

trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

impl Stream {
    pub(super) const fn tcp(tcp: TcpStream) -> Self {
        Self(Kind::Tcp(tcp))
    }

    #[cfg(unix)]
    pub(super) const fn unix(unix: UnixStream) -> Self {
        Self(Kind::Unix(unix))
    }

    pub(super) fn tls(tls: impl Into<TlsStream<Self>>, layer: Layer) -> Self {
        Self(Kind::Tls(Box::new(tls.into()), layer))
    }

    pub(super) fn given(io: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) -> Self {
        Self(Kind::Other(Box::new(io)))
    }

    /// Whether it is TLS to the server, started here.
    #[must_use]
    pub const fn is_tls(&self) -> bool {
        matches!(self.0, Kind::Tls(_, Layer::Server))
    }

    /// The TCP socket; `None` over anything else. Bytes read or written there are missing here.
    #[must_use]
    pub fn tcp_stream(&self) -> Option<&TcpStream> {
        match &self.0 {
            Kind::Tcp(tcp) => Some(tcp),
            #[cfg(unix)]
            Kind::Unix(_) => None,
            Kind::Tls(tls, _) => tls.get_ref().0.tcp_stream(),
            Kind::Other(_) => None,
        }
    }

    /// The address of the other end.
    ///
    /// # Errors
    /// That of the socket; [`Unsupported`](io::ErrorKind::Unsupported) over anything but TCP.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.tcp_stream().ok_or(io::ErrorKind::Unsupported)?.peer_addr()
    }

    fn io(&mut self) -> Pin<&mut dyn Duplex> {
        match &mut self.0 {
            Kind::Tcp(tcp) => Pin::new(tcp),
            #[cfg(unix)]
            Kind::Unix(unix) => Pin::new(unix),
            Kind::Tls(tls, _) => Pin::new(&mut **tls),
            Kind::Other(io) => Pin::new(&mut **io),
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match ready!(self.io().poll_read(cx, buf)) {
            // RFC 8446 section 6.1 wants `close_notify` before the end of the stream, against truncation. A close frame
            // says the same here, and many peers do without.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Poll::Ready(Ok(())),
            result => Poll::Ready(result),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.io().poll_write(cx, buf)
    }

    /// Of what TLS has to say, all in one write: an alert behind other records may be the last there is time for.
    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.io().poll_write_vectored(cx, bufs)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.io().poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.io().poll_shutdown(cx)
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stream")
            .field("tls", &self.is_tls())
            .field("tcp", &self.tcp_stream())
            .finish_non_exhaustive()
    }
}
