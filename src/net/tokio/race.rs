//! TCP to one of several addresses, tried side by side (Happy Eyeballs, RFC 8305).

use core::{
    future::{Future, poll_fn},
    pin::Pin,
    task::{Context, Poll},
};
use std::{boxed::Box, io, net::SocketAddr, vec::Vec};

use ::tokio::{
    net::{TcpSocket, TcpStream},
    time::timeout,
};
use socket2::{Domain, Protocol, Socket, Type};

use crate::net::{
    Error, Phase,
    race::{ATTEMPT_DELAY, order},
    tuning::Tuning,
};

/// Connects to the first address that answers. The other attempts end with that.
pub(super) async fn race(addrs: &[SocketAddr], tuning: &Tuning) -> Result<TcpStream, Error> {
    let mut waiting = tuning.usable(order(addrs))?.into_iter();
    let mut attempts = Attempts(Vec::new());
    let mut last = Error::Timeout(Phase::Connect);
    loop {
        if let Some(addr) = waiting.next() {
            attempts.0.push((addr, Box::pin(connect(addr, tuning))));
        } else if attempts.0.is_empty() {
            return Err(last);
        }
        let outcome = poll_fn(|cx| attempts.poll(cx));
        let outcome = if waiting.as_slice().is_empty() {
            Some(outcome.await)
        } else {
            timeout(ATTEMPT_DELAY, outcome).await.ok()
        };
        match outcome {
            Some((_, Ok(tcp))) => return Ok(tcp),
            Some((addr, Err(source))) => last = failure(addr, source),
            None => {}
        }
    }
}

/// Those that are under way.
struct Attempts<'a>(Vec<(SocketAddr, Attempt<'a>)>);

type Attempt<'a> = Pin<Box<dyn Future<Output = io::Result<TcpStream>> + Send + 'a>>;

impl Attempts<'_> {
    /// Takes out one that has an outcome.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<(SocketAddr, io::Result<TcpStream>)> {
        for (index, (_, attempt)) in self.0.iter_mut().enumerate() {
            if let Poll::Ready(result) = attempt.as_mut().poll(cx) {
                return Poll::Ready((self.0.swap_remove(index).0, result));
            }
        }
        Poll::Pending
    }
}

async fn connect(addr: SocketAddr, tuning: &Tuning) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
    tuning.prepare(&socket, addr)?;
    socket.set_nonblocking(true)?;
    TcpSocket::from_std_stream(socket.into()).connect(addr).await
}

/// The system's own time limit is a time-out as well.
fn failure(addr: SocketAddr, source: io::Error) -> Error {
    if source.kind() == io::ErrorKind::TimedOut {
        Error::Timeout(Phase::Connect)
    } else {
        Error::Connect { addr, source }
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    /// A listener, and an address that refuses.
    fn pair() -> (TcpListener, SocketAddr) {
        let refusing = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        (TcpListener::bind("127.0.0.1:0").unwrap(), refusing)
    }

    #[tokio::test]
    async fn the_next_address_is_tried_at_once() {
        let (listener, refusing) = pair();
        let addr = listener.local_addr().unwrap();
        let tcp = race(&[refusing, addr], &Tuning::DEFAULT).await.unwrap();
        assert_eq!(tcp.peer_addr().unwrap(), addr);
        assert!(tcp.nodelay().unwrap());
        match race(&[refusing], &Tuning::DEFAULT).await.unwrap_err() {
            Error::Connect { addr, source } => {
                assert_eq!((addr, source.kind()), (refusing, io::ErrorKind::ConnectionRefused));
            }
            other => panic!("{other:?}"),
        }
    }

    /// An address that swallows what is sent to it costs the delay: its queue of connections is full, and no one
    /// accepts.
    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn a_black_hole_costs_the_delay() {
        use ::tokio::time::{Duration, Instant};

        let hole = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        hole.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        hole.listen(0).unwrap();
        let hole_addr = hole.local_addr().unwrap().as_socket().unwrap();
        let mut queued = std::vec![];
        for _ in 0..4 {
            let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
            socket.set_nonblocking(true).unwrap();
            let _ = socket.connect(&hole_addr.into());
            queued.push(socket);
        }
        std::thread::sleep(Duration::from_millis(20));
        let (listener, refusing) = pair();
        let begin = Instant::now();
        let addr = listener.local_addr().unwrap();
        let tcp = race(&[hole_addr, addr], &Tuning::DEFAULT).await.unwrap();
        let took = begin.elapsed();
        assert_eq!(tcp.peer_addr().unwrap(), addr);
        assert!(took >= Duration::from_millis(240) && took < Duration::from_secs(5), "{took:?}");
        let limit = Duration::from_millis(300);
        assert!(timeout(limit, race(&[refusing, hole_addr], &Tuning::DEFAULT)).await.is_err());
    }
}
