//! TCP to one of several addresses, tried side by side (Happy Eyeballs, RFC 8305).

use std::{
    io,
    net::{SocketAddr, TcpStream},
    time::{Duration, Instant},
    vec::Vec,
};

use mio::{Events, Interest, Poll, Token, Waker};
use socket2::{Domain, Protocol, Socket, Type};

use super::{Cancel, Error, Phase, error::is_wait, tuning::Tuning};

/// "The Connection Attempt Delay ... is 250 milliseconds" (section 5). The next address does not wait for it if the one
/// before has failed.
pub(super) const ATTEMPT_DELAY: Duration = Duration::from_millis(250);

/// The order in which addresses are tried: families take turns, beginning with that of the first address (section 4),
/// which the system's resolver has put in front.
pub(super) fn order(addrs: &[SocketAddr]) -> Vec<SocketAddr> {
    let Some(first) = addrs.first() else {
        return Vec::new();
    };
    let mut unique = Vec::with_capacity(addrs.len());
    for addr in addrs {
        if !unique.contains(addr) {
            unique.push(*addr);
        }
    }
    let (one, other): (Vec<_>, Vec<_>) =
        unique.into_iter().partition(|addr| addr.is_ipv4() == first.is_ipv4());
    let (mut one, mut other) = (one.into_iter(), other.into_iter());
    let mut ordered = Vec::with_capacity(addrs.len());
    loop {
        let pair = (one.next(), other.next());
        ordered.extend(pair.0);
        ordered.extend(pair.1);
        if pair == (None, None) {
            return ordered;
        }
    }
}

/// Connects to the first address that answers. The other attempts end with that.
pub(super) fn race(
    addrs: &[SocketAddr],
    tuning: &Tuning,
    deadline: Option<Instant>,
    cancel: &Cancel,
) -> Result<TcpStream, Error> {
    let addrs = tuning.usable(order(addrs))?;
    let mut waiting = addrs.iter().copied();
    let mut race = Race::new(tuning).map_err(Error::Io)?;
    let waker = Waker::new(race.poll.registry(), WAKE).map_err(Error::Io)?;
    cancel.set_wake(move || drop(waker.wake()))?;
    let mut last = Error::Timeout(Phase::Connect);
    let mut next_at = Some(Instant::now());
    loop {
        if cancel.is_cancelled() {
            return Err(Error::Cancelled);
        }
        let now = Instant::now();
        if deadline.is_some_and(|deadline| deadline <= now) {
            return Err(Error::Timeout(Phase::Connect));
        }
        if next_at.is_some_and(|at| at <= now) || race.attempts.is_empty() {
            match waiting.next() {
                Some(addr) => {
                    next_at = now.checked_add(ATTEMPT_DELAY);
                    if let Err(source) = race.start(addr) {
                        last = failure(addr, source);
                        next_at = Some(now);
                    }
                    continue;
                }
                None if race.attempts.is_empty() => return Err(last),
                None => next_at = None,
            }
        }
        let until = [next_at, deadline].into_iter().flatten().min();
        race.wait(until.map(|at| at.saturating_duration_since(now))).map_err(Error::Io)?;
        match race.outcome() {
            Some((_, Ok(tcp))) => return Ok(tcp),
            Some((addr, Err(source))) => {
                last = failure(addr, source);
                // "if an attempt fails, the next one starts": if there is none, `next_at` does not matter.
                next_at = Some(now);
            }
            None => {}
        }
    }
}

fn failure(addr: SocketAddr, source: io::Error) -> Error {
    if is_wait(&source) { Error::Timeout(Phase::Connect) } else { Error::Connect { addr, source } }
}

const WAKE: Token = Token(usize::MAX);

/// The attempts that are under way.
struct Race<'a> {
    tuning: &'a Tuning,
    poll: Poll,
    events: Events,
    attempts: Vec<(SocketAddr, mio::net::TcpStream)>,
}

impl<'a> Race<'a> {
    fn new(tuning: &'a Tuning) -> io::Result<Self> {
        let events = Events::with_capacity(16);
        Ok(Self { tuning, poll: Poll::new()?, events, attempts: Vec::new() })
    }

    fn start(&mut self, addr: SocketAddr) -> io::Result<()> {
        let socket = Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
        self.tuning.prepare(&socket, addr)?;
        socket.set_nonblocking(true)?;
        match socket.connect(&addr.into()) {
            Err(error) if !in_progress(&error) => return Err(error),
            _ => {}
        }
        let mut tcp = mio::net::TcpStream::from_std(socket.into());
        let token = Token(self.attempts.len());
        self.poll.registry().register(&mut tcp, token, Interest::WRITABLE)?;
        self.attempts.push((addr, tcp));
        Ok(())
    }

    fn wait(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        match self.poll.poll(&mut self.events, timeout) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => Err(error),
            _ => Ok(()),
        }
    }

    /// Takes out an attempt that has an outcome. Events do not say which: there are few sockets, and each is asked.
    fn outcome(&mut self) -> Option<(SocketAddr, io::Result<TcpStream>)> {
        for index in 0..self.attempts.len() {
            let (_, tcp) = self.attempts.get(index)?;
            let result = match tcp.take_error() {
                Ok(Some(error)) | Err(error) => Err(error),
                Ok(None) if tcp.peer_addr().is_ok() => Ok(()),
                Ok(None) => continue,
            };
            let (addr, mut tcp) = self.attempts.swap_remove(index);
            let tcp = result.and_then(|()| {
                self.poll.registry().deregister(&mut tcp)?;
                let tcp = TcpStream::from(tcp);
                tcp.set_nonblocking(false)?;
                Ok(tcp)
            });
            return Some((addr, tcp));
        }
        None
    }
}

fn in_progress(error: &io::Error) -> bool {
    #[cfg(unix)]
    if error.raw_os_error() == Some(libc::EINPROGRESS) {
        return true;
    }
    error.kind() == io::ErrorKind::WouldBlock
}

#[cfg(test)]
mod tests {
    use std::{net::TcpListener, thread};

    use super::*;

    fn soon() -> Option<Instant> {
        Instant::now().checked_add(Duration::from_secs(20))
    }

    fn run(addrs: &[SocketAddr], deadline: Option<Instant>) -> Result<TcpStream, Error> {
        race(addrs, &Tuning::DEFAULT, deadline, &Cancel::default())
    }

    /// A listener, and an address that refuses.
    fn pair() -> (TcpListener, SocketAddr) {
        let refusing = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        (TcpListener::bind("127.0.0.1:0").unwrap(), refusing)
    }

    /// An address that swallows what is sent to it: its queue of connections is full, and no one accepts.
    struct BlackHole {
        _socket: Socket,
        _queued: Vec<Socket>,
        addr: SocketAddr,
    }

    fn black_hole() -> BlackHole {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        socket.listen(0).unwrap();
        let addr = socket.local_addr().unwrap().as_socket().unwrap();
        let queued = (0..4).map(|_| {
            let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
            socket.set_nonblocking(true).unwrap();
            let _ = socket.connect(&addr.into());
            socket
        });
        let queued = queued.collect();
        thread::sleep(Duration::from_millis(20));
        BlackHole { _socket: socket, _queued: queued, addr }
    }

    #[test]
    fn families_take_turns() {
        let parse =
            |addrs: &[&str]| addrs.iter().map(|addr| addr.parse().unwrap()).collect::<Vec<SocketAddr>>();
        for (addrs, want) in [
            (&[][..], &[][..]),
            (&["1.1.1.1:1"], &["1.1.1.1:1"]),
            (
                &["[::1]:1", "[::2]:1", "[::3]:1", "1.1.1.1:1", "1.1.1.2:1"],
                &["[::1]:1", "1.1.1.1:1", "[::2]:1", "1.1.1.2:1", "[::3]:1"],
            ),
            (&["1.1.1.1:1", "1.1.1.1:1", "[::1]:1"], &["1.1.1.1:1", "[::1]:1"]),
        ] {
            assert_eq!(order(&parse(addrs)), parse(want));
        }
    }

    #[test]
    fn the_next_address_is_tried_at_once() {
        let (listener, refusing) = pair();
        let addrs = [refusing, listener.local_addr().unwrap()];
        let tcp = run(&addrs, soon()).unwrap();
        assert_eq!(tcp.peer_addr().unwrap(), addrs[1]);
        let socket = socket2::SockRef::from(&tcp);
        assert!(socket.tcp_nodelay().unwrap() && socket.keepalive().unwrap());
        #[cfg(unix)]
        assert!(!socket.nonblocking().unwrap());
        #[cfg(target_os = "linux")]
        assert_eq!(socket.tcp_keepalive_retries().unwrap(), 3);
        match run(&[refusing], soon()).unwrap_err() {
            Error::Connect { addr, source } => {
                assert_eq!((addr, source.kind()), (refusing, io::ErrorKind::ConnectionRefused));
            }
            other => panic!("{other:?}"),
        }
        assert!(matches!(run(&addrs, Some(Instant::now())), Err(Error::Timeout(Phase::Connect))));
    }

    /// The first address costs the delay, not the whole time; and a late answer of it would still count.
    #[cfg(target_os = "linux")]
    #[test]
    fn a_black_hole_costs_the_delay() {
        let hole = black_hole();
        let (listener, refusing) = pair();
        let begin = Instant::now();
        let tcp = run(&[hole.addr, listener.local_addr().unwrap()], soon()).unwrap();
        let took = begin.elapsed();
        assert_eq!(tcp.peer_addr().unwrap(), listener.local_addr().unwrap());
        assert!(took >= Duration::from_millis(240) && took < Duration::from_secs(5), "{took:?}");
        // Alone, it costs all the time there is.
        for addrs in [&[hole.addr][..], &[refusing, hole.addr]] {
            let begin = Instant::now();
            let result = run(addrs, begin.checked_add(Duration::from_millis(300)));
            assert!(matches!(result, Err(Error::Timeout(Phase::Connect))), "{result:?}");
            assert!(begin.elapsed() >= Duration::from_millis(300));
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn it_can_be_cancelled() {
        let hole = black_hole();
        let cancel = Cancel::default();
        let canceller = cancel.clone();
        let thread = thread::spawn(move || {
            thread::sleep(Duration::from_millis(50));
            canceller.cancel();
        });
        let begin = Instant::now();
        let result = race(&[hole.addr], &Tuning::DEFAULT, soon(), &cancel);
        assert!(matches!(result, Err(Error::Cancelled)), "{result:?}");
        assert!(begin.elapsed() < Duration::from_secs(10));
        thread.join().unwrap();
    }

    #[test]
    fn settings_of_the_callers() {
        let (listener, _) = pair();
        let addr = listener.local_addr().unwrap();
        let hook = |socket: &Socket| socket.set_recv_buffer_size(12345);
        let local = Some([127, 0, 0, 1].into());
        let tuning = Tuning { local, hook: Some(std::sync::Arc::new(hook)), ..Tuning::DEFAULT };
        let tcp = race(&[addr], &tuning, soon(), &Cancel::default()).unwrap();
        assert!(socket2::SockRef::from(&tcp).recv_buffer_size().unwrap() < 30_000);
        assert!(tcp.local_addr().unwrap().ip().is_loopback());
        let tuning = Tuning { local: Some("::1".parse().unwrap()), ..Tuning::DEFAULT };
        let result = race(&[addr], &tuning, soon(), &Cancel::default());
        assert!(matches!(&result, Err(Error::Io(error)) if error.kind() == io::ErrorKind::AddrNotAvailable));
    }
}
