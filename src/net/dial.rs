//! What a [`Sequence`] says, done with blocking sockets.

use std::{
    io::{self, Read, Write},
    net::{SocketAddr, ToSocketAddrs},
    string::String,
    sync::mpsc,
    thread,
    time::Instant,
    vec::Vec,
};
#[cfg(unix)]
use std::{net::TcpStream, os::fd::OwnedFd, path::Path, time::Duration};

use rustls::ClientConnection;
#[cfg(unix)]
use socket2::{Domain, SockAddr, Socket, Type};

use super::{
    Cancel, Error, Phase, Stream,
    layers::Layer,
    race::race,
    sequence::{Next, Secured, Sequence, Way},
    tuning::Tuning,
};

/// Opens the stream that the opening handshake runs over.
///
/// `cancel` interrupts it, and goes on to shut the socket down afterwards, until it is told otherwise.
pub(super) fn dial(
    way: &Way,
    tuning: &Tuning,
    deadline: Option<Instant>,
    cancel: &Cancel,
) -> Result<Stream, Error> {
    let mut sequence = Sequence::new(way)?;
    let tcp = loop {
        match sequence.poll() {
            Next::Resolve(name, port) => {
                let addrs = resolve(name, port, deadline, cancel)?;
                sequence.resolved(addrs)?;
            }
            #[cfg(unix)]
            Next::ConnectUnix(path) => break connect_unix(path, deadline, cancel)?,
            Next::Connect(addrs) => break race(addrs, tuning, deadline, cancel)?,
            _ => return Err(Error::Io(io::ErrorKind::NotConnected.into())),
        }
    };
    sequence.connected();
    let mut stream = Stream::tcp(tcp);
    if let Some(ender) = stream.ender() {
        cancel.set_wake(move || ender.end())?;
    }
    go_on(&mut sequence, &mut stream, deadline)?;
    Ok(stream)
}

/// The rest of it, over a stream that is connected.
pub(super) fn go_on(
    sequence: &mut Sequence<'_>,
    stream: &mut Stream,
    deadline: Option<Instant>,
) -> Result<(), Error> {
    stream.set_deadline(deadline);
    loop {
        let phase = sequence.phase();
        let fail = |error| Error::from_io(error).within(phase);
        let layer = sequence.layer();
        match sequence.poll() {
            Next::StartTls(secured) => {
                start_tls(stream, secured, layer)?;
                sequence.secured();
            }
            Next::Transmit(bytes) => {
                let n = stream.write(bytes).map_err(fail)?;
                if n == 0 {
                    return Err(fail(io::ErrorKind::WriteZero.into()));
                }
                if n >= bytes.len() {
                    stream.flush().map_err(fail)?;
                }
                sequence.sent(n);
            }
            Next::Receive(space) => {
                let n = stream.read(space).map_err(fail)?;
                sequence.received(n)?;
            }
            Next::Done => return Ok(()),
            Next::Resolve(..) | Next::Connect(_) | Next::ConnectUnix(_) => {
                return Err(Error::Io(io::ErrorKind::AlreadyExists.into()));
            }
        }
    }
}

fn start_tls(stream: &mut Stream, secured: &Secured, layer: Layer) -> Result<(), Error> {
    let connection =
        ClientConnection::new(secured.config.clone(), secured.name.clone()).map_err(Error::Tls)?;
    stream.start_tls(connection.into(), layer).map_err(|error| secured.explain(Error::from_io(error)))
}

/// The addresses of a host. The system's resolver knows no deadline: past ours, its thread is left to itself until it
/// returns.
fn resolve(
    name: &str,
    port: u16,
    deadline: Option<Instant>,
    cancel: &Cancel,
) -> Result<Vec<SocketAddr>, Error> {
    let host = String::from(name);
    let (sender, receiver) = mpsc::channel();
    let cancelled = sender.clone();
    cancel.set_wake(move || drop(cancelled.send(None)))?;
    let resolving = {
        let host = host.clone();
        move || {
            // If no one waits any more, no one is to be told.
            let _ = sender.send(Some((host.as_str(), port).to_socket_addrs().map(Vec::from_iter)));
        }
    };
    let spawned = thread::Builder::new().name(String::from("sockling-resolve")).spawn(resolving);
    let fail = |source| Error::Dns { host, source };
    if let Err(error) = spawned {
        return Err(fail(error));
    }
    let answer = match deadline {
        Some(at) => receiver.recv_timeout(at.saturating_duration_since(Instant::now())),
        None => receiver.recv().map_err(mpsc::RecvTimeoutError::from),
    };
    match answer {
        Ok(Some(Ok(addrs))) if addrs.is_empty() => Err(fail(io::ErrorKind::NotFound.into())),
        Ok(Some(addrs)) => addrs.map_err(fail),
        Ok(None) => Err(Error::Cancelled),
        Err(mpsc::RecvTimeoutError::Timeout) => Err(Error::Timeout(Phase::Resolve)),
        Err(mpsc::RecvTimeoutError::Disconnected) => Err(fail(io::Error::other("the resolver panicked"))),
    }
}

/// Connects to a Unix-domain socket. One whose queue is full does not say when it has room: it is asked again.
#[cfg(unix)]
fn connect_unix(path: &Path, deadline: Option<Instant>, cancel: &Cancel) -> Result<TcpStream, Error> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None).map_err(Error::Io)?;
    let addr = SockAddr::unix(path).map_err(Error::Io)?;
    socket.set_nonblocking(true).map_err(Error::Io)?;
    loop {
        match socket.connect(&addr) {
            Ok(()) => break,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(source) => return Err(Error::ConnectUnix { path: path.into(), source }),
        }
        if cancel.is_cancelled() {
            return Err(Error::Cancelled);
        }
        if deadline.is_some_and(|deadline| deadline <= Instant::now()) {
            return Err(Error::Timeout(Phase::Connect));
        }
        thread::sleep(Duration::from_millis(10));
    }
    socket.set_nonblocking(false).map_err(Error::Io)?;
    Ok(OwnedFd::from(socket).into())
}

#[cfg(test)]
mod tests {
    #[cfg(not(unix))]
    use std::time::Duration;

    use super::*;

    #[test]
    fn names_are_looked_up_in_time() {
        let late = resolve("localhost", 80, Some(Instant::now()), &Cancel::default());
        assert!(matches!(late, Err(Error::Timeout(Phase::Resolve)) | Ok(_)));
        let soon = Instant::now().checked_add(Duration::from_secs(20));
        let addrs = resolve("localhost", 80, soon, &Cancel::default()).unwrap();
        assert!(addrs.iter().all(|addr| addr.ip().is_loopback() && addr.port() == 80));
        let cancel = Cancel::default();
        cancel.cancel();
        assert!(matches!(resolve("localhost", 80, soon, &cancel), Err(Error::Cancelled)));
    }
}
