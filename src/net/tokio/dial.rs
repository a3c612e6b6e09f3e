//! What a [`Sequence`] says, done in a task of tokio.

use core::{
    future::{Future, poll_fn},
    pin::Pin,
};
use std::{io, net::SocketAddr, time::Instant, vec::Vec};

#[cfg(unix)]
use ::tokio::net::UnixStream;
use ::tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::lookup_host,
    time::timeout,
};
use tokio_rustls::TlsConnector;

use super::{Stream, race::race};
use crate::net::{
    Error, Phase,
    layers::Layer,
    sequence::{Next, Secured, Sequence, Way},
    tuning::Tuning,
};

/// Opens the stream that the opening handshake runs over.
pub(super) async fn dial(way: &Way, tuning: &Tuning, deadline: Option<Instant>) -> Result<Stream, Error> {
    let mut sequence = Sequence::new(way)?;
    let stream = loop {
        let phase = sequence.phase();
        match sequence.poll() {
            Next::Resolve(name, port) => {
                let addrs = by(deadline, phase, resolve(name, port)).await?;
                sequence.resolved(addrs)?;
            }
            #[cfg(unix)]
            Next::ConnectUnix(path) => {
                let fail = |source| Error::ConnectUnix { path: path.into(), source };
                let connecting = async { UnixStream::connect(path).await.map_err(fail) };
                break Stream::unix(by(deadline, phase, connecting).await?);
            }
            Next::Connect(addrs) => break Stream::tcp(by(deadline, phase, race(addrs, tuning)).await?),
            _ => return Err(Error::Io(io::ErrorKind::NotConnected.into())),
        }
    };
    sequence.connected();
    go_on(&mut sequence, stream, deadline).await
}

/// The rest of it, over a stream that is connected.
pub(super) async fn go_on(
    sequence: &mut Sequence<'_>,
    mut stream: Stream,
    deadline: Option<Instant>,
) -> Result<Stream, Error> {
    loop {
        let (phase, layer) = (sequence.phase(), sequence.layer());
        match sequence.poll() {
            Next::StartTls(secured) => {
                stream = by(deadline, phase, start_tls(stream, secured, layer)).await?;
                sequence.secured();
            }
            Next::Transmit(bytes) => {
                let n = by(deadline, phase, write(&mut stream, bytes)).await?;
                sequence.sent(n);
            }
            Next::Receive(space) => {
                let n = by(deadline, phase, read(&mut stream, space)).await?;
                sequence.received(n)?;
            }
            Next::Done => return Ok(stream),
            Next::Resolve(..) | Next::Connect(_) | Next::ConnectUnix(_) => {
                return Err(Error::Io(io::ErrorKind::AlreadyExists.into()));
            }
        }
    }
}

/// Waits for `future` until `deadline`, which the clock of the machine knows; that of tokio only measures what is left.
pub(super) async fn by<T>(
    deadline: Option<Instant>,
    phase: Phase,
    future: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    match deadline {
        Some(at) => {
            let left = at.saturating_duration_since(Instant::now());
            timeout(left, future).await.unwrap_or(Err(Error::Timeout(phase)))
        }
        None => future.await,
    }
}

async fn resolve(name: &str, port: u16) -> Result<Vec<SocketAddr>, Error> {
    let fail = |source| Error::Dns { host: name.into(), source };
    let addrs = Vec::from_iter(lookup_host((name, port)).await.map_err(fail)?);
    if addrs.is_empty() { Err(fail(io::ErrorKind::NotFound.into())) } else { Ok(addrs) }
}

async fn start_tls(stream: Stream, secured: &Secured, layer: Layer) -> Result<Stream, Error> {
    let connector = TlsConnector::from(secured.config.clone());
    match connector.connect(secured.name.clone(), stream).await {
        Ok(tls) => Ok(Stream::tls(tls, layer)),
        Err(error) => Err(secured.explain(Error::from_io(error))),
    }
}

async fn write(stream: &mut Stream, bytes: &[u8]) -> Result<usize, Error> {
    let n = poll_fn(|cx| Pin::new(&mut *stream).poll_write(cx, bytes)).await.map_err(Error::Io)?;
    if n == 0 {
        return Err(Error::Io(io::ErrorKind::WriteZero.into()));
    }
    if n >= bytes.len() {
        poll_fn(|cx| Pin::new(&mut *stream).poll_flush(cx)).await.map_err(Error::Io)?;
    }
    Ok(n)
}

async fn read(stream: &mut Stream, space: &mut [u8]) -> Result<usize, Error> {
    let mut buf = ReadBuf::new(space);
    poll_fn(|cx| Pin::new(&mut *stream).poll_read(cx, &mut buf)).await.map_err(Error::from_io)?;
    Ok(buf.filled().len())
}
