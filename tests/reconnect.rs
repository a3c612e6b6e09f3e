//! A thousand forced drops at random points, survived: no message twice or lost without a word, nothing leaked.
//!
//! A binary of its own: it counts the descriptors and threads of the process.
#![cfg(all(feature = "std", target_os = "linux"))]

#[allow(dead_code, reason = "shared with the tests of `net`")]
#[path = "net/peer.rs"]
mod peer;

use std::{
    collections::BTreeSet,
    fs,
    io::{ErrorKind, Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use rand::{RngExt as _, SeedableRng, rngs::StdRng};
use socket2::SockRef;
use sockling::{App, app::Backoff, net::Error};

use crate::peer::{answer, ms, read_head};

const DROPS: usize = 1000;

/// What the server got: the numbers of the messages, in the order of arrival.
type Got = Arc<Mutex<Vec<u64>>>;

/// Ends one connection after the other, then one by a close frame.
fn server(listener: &TcpListener, got: &Got) -> [usize; 6] {
    let mut random = StdRng::seed_from_u64(4);
    let mut kinds = [0; 6];
    let mut drops = 0;
    let mut accepted = None;
    loop {
        let mut tcp = accepted.take().unwrap_or_else(|| listener.accept().unwrap().0);
        tcp.set_nodelay(true).unwrap();
        tcp.set_read_timeout(Some(ms(2000))).unwrap();
        let kind = if drops == DROPS { 9 } else { random.random_range(0..=8) };
        drops += 1;
        let head = answer(&read_head(&mut tcp), "").into_bytes();
        if kind == 0 {
            // Inside of the handshake.
            kinds[0] += 1;
            tcp.write_all(&head[..random.random_range(0..head.len())]).unwrap();
            finish(tcp, random.random());
            continue;
        }
        tcp.write_all(&head).unwrap();
        let life = if drops > DROPS { ms(200) } else { Duration::from_micros(random.random_range(0..6000)) };
        let mut frames = Frames::new(got.clone(), random.random_ratio(1, 4));
        if !frames.serve(&mut tcp, Instant::now() + life) {
            // The client has had enough: it was taken for dead.
            kinds[5] += 1;
            continue;
        }
        match kind {
            1..=3 => {
                kinds[1] += 1;
                finish(tcp, true);
            }
            4..=6 => {
                kinds[2] += 1;
                finish(tcp, false);
            }
            7 => {
                // Half a frame, whatever half.
                kinds[3] += 1;
                let frame = [0x82, 126, 0, 200, 1, 2, 3];
                let _ = tcp.write_all(&frame[..random.random_range(1..frame.len())]);
                finish(tcp, random.random());
            }
            8 => {
                // A black hole, until the client has given up and comes again. What had arrived counts.
                kinds[4] += 1;
                accepted = Some(listener.accept().unwrap().0);
                frames.serve(&mut tcp, Instant::now() + ms(20));
            }
            _ if drops > DROPS => {
                let _ = tcp.write_all(&[0x88, 2, 0x03, 0xE8]);
                frames.serve(&mut tcp, Instant::now() + ms(500));
                return kinds;
            }
            _ => {}
        }
    }
}

fn finish(tcp: TcpStream, reset: bool) {
    if reset {
        SockRef::from(&tcp).set_linger(Some(Duration::ZERO)).unwrap();
    } else {
        let _ = tcp.shutdown(Shutdown::Both);
    }
}

/// Reads what a client sends, answers its pings, and sends numbers.
struct Frames {
    got: Got,
    buffer: Vec<u8>,
    /// The fragments so far.
    message: Vec<u8>,
    next: u64,
    /// Reads hardly anything, so that the client's socket is full.
    slow: bool,
}

impl Frames {
    fn new(got: Got, slow: bool) -> Self {
        Self { got, buffer: Vec::new(), message: Vec::new(), next: 0, slow }
    }

    /// Until then; `false` if the client ended it before.
    fn serve(&mut self, tcp: &mut TcpStream, until: Instant) -> bool {
        let mut bytes = vec![0; if self.slow { 64 } else { 64 << 10 }];
        tcp.set_read_timeout(Some(ms(1))).unwrap();
        tcp.set_write_timeout(Some(ms(20))).unwrap();
        while Instant::now() < until {
            match tcp.read(&mut bytes) {
                Ok(0) => return false,
                Ok(n) => self.buffer.extend_from_slice(&bytes[..n]),
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(_) => return false,
            }
            while let Some((first, payload)) = self.frame() {
                match first & 0x0F {
                    0 | 1 => {
                        self.message.extend(payload);
                        if first & 0x80 != 0 {
                            let message = String::from_utf8(std::mem::take(&mut self.message)).unwrap();
                            self.got.lock().unwrap().push(number_of(&message));
                        }
                    }
                    9 => {
                        let pong = [&[0x8A, u8::try_from(payload.len()).unwrap()][..], &payload].concat();
                        let _ = tcp.write_all(&pong);
                    }
                    8 => return false,
                    other => panic!("opcode {other}"),
                }
            }
            let number = self.next.to_string();
            let _ = tcp
                .write_all(&[&[0x81, u8::try_from(number.len()).unwrap()][..], number.as_bytes()].concat());
            self.next += 1;
        }
        true
    }

    /// The next frame, unmasked, when it is there whole.
    fn frame(&mut self) -> Option<(u8, Vec<u8>)> {
        let (&[first, second], mut rest) = self.buffer.split_first_chunk::<2>()?;
        let len = match second & 0x7F {
            126 => {
                let (len, more) = rest.split_first_chunk::<2>()?;
                rest = more;
                usize::from(u16::from_be_bytes(*len))
            }
            127 => {
                let (len, more) = rest.split_first_chunk::<8>()?;
                rest = more;
                usize::try_from(u64::from_be_bytes(*len)).unwrap()
            }
            len => usize::from(len),
        };
        let (key, rest) = rest.split_first_chunk::<4>()?;
        let payload = rest.get(..len)?;
        let payload = payload.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key).collect();
        let used = self.buffer.len() - rest.len() + len;
        self.buffer.drain(..used);
        Some((first, payload))
    }
}

/// What a message begins with.
fn number_of(message: &str) -> u64 {
    message.split(' ').next().unwrap().parse().unwrap()
}

fn count(folder: &str) -> usize {
    fs::read_dir(format!("/proc/self/{folder}")).unwrap().count()
}

/// What the app's callbacks counted.
#[derive(Default)]
struct Counts {
    opens: AtomicUsize,
    closes: AtomicUsize,
    errors: AtomicUsize,
    pong_timeouts: AtomicUsize,
    received: AtomicUsize,
    in_doubt: AtomicU64,
}

#[test]
fn a_thousand_drops() {
    let (fds, threads) = (count("fd"), count("task"));
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}/", listener.local_addr().unwrap());
    let got = Got::default();
    let serving = {
        let got = got.clone();
        thread::spawn(move || server(&listener, &got))
    };

    let counts = Counts::default();
    let unsent = Mutex::new(Vec::new());
    let (mut expected, mut lowest, mut highest) = (0, usize::MAX, 0);
    let add = |counter: &AtomicUsize| counter.fetch_add(1, Ordering::Relaxed);
    let mut app = App::new(url)
        .keepalive(ms(15), ms(60))
        .reconnect(Backoff::new(ms(2), ms(4)))
        .queue_limits(100, 4 << 20)
        .on_open(|_| {
            add(&counts.opens);
            Ok(())
        })
        .on_message(|_, message| {
            let number: usize = message.as_text().unwrap().parse().unwrap();
            // Nothing of a connection is missing or comes twice, and it begins anew with each.
            if number == 0 {
                expected = 0;
            }
            assert_eq!(number, expected);
            expected += 1;
            add(&counts.received);
            // The stack does not grow.
            let here = &raw const number as usize;
            (lowest, highest) = (lowest.min(here), highest.max(here));
            Ok(())
        })
        .on_unsent(|_, report| {
            let mut unsent = unsent.lock().unwrap();
            unsent.extend(report.messages().map(|message| number_of(message.as_text().unwrap())));
            counts.in_doubt.fetch_add(report.in_doubt(), Ordering::Relaxed);
            Ok(())
        })
        .on_error(|_, error| {
            add(&counts.errors);
            if matches!(error, Error::Timeout(_)) {
                add(&counts.pong_timeouts);
            }
        })
        .on_close(|_, _| {
            add(&counts.closes);
        });

    // Another thread sends numbers, short ones and long ones.
    let handle = app.handle();
    let done = AtomicBool::new(false);
    let (result, accepted) = thread::scope(|scope| {
        let sender = scope.spawn(|| {
            let mut random = StdRng::seed_from_u64(5);
            let mut next = 0_u64;
            while !done.load(Ordering::Relaxed) {
                let padding = if random.random_ratio(1, 50) { 200_000 } else { random.random_range(0..60) };
                match handle.send(&format!("{next} {}", "x".repeat(padding))) {
                    Ok(()) => next += 1,
                    Err(Error::NotConnected | Error::QueueFull) => {}
                    Err(error) => panic!("{error:?}"),
                }
                thread::sleep(Duration::from_micros(200));
            }
            next
        });
        let result = app.run_forever();
        done.store(true, Ordering::Relaxed);
        (result, sender.join().unwrap())
    });
    let kinds = serving.join().unwrap();
    drop(app);

    let close = result.unwrap();
    assert!(close.is_clean(), "{close}");
    let [opens, closes, errors, timeouts, received] =
        [&counts.opens, &counts.closes, &counts.errors, &counts.pong_timeouts, &counts.received]
            .map(|counter| counter.load(Ordering::Relaxed));
    println!("drops: {kinds:?} of handshakes, RST, FIN, half frames, black holes, by the client");
    println!("opens {opens}, errors {errors}, of these no pong {timeouts}, received {received}");
    assert_eq!(opens, closes);
    assert_eq!(errors, DROPS);
    assert_eq!(opens, DROPS - kinds[0] + 1);
    assert!(timeouts >= kinds[4] && kinds[..5].iter().all(|n| *n > 20), "{timeouts} {kinds:?}");
    assert!(highest - lowest < 4096, "the stack grows: {lowest:x} {highest:x}");

    // Each message was delivered once, or reported.
    let got = got.lock().unwrap();
    let delivered: BTreeSet<_> = got.iter().copied().collect();
    assert_eq!(delivered.len(), got.len(), "delivered twice");
    let unsent = unsent.lock().unwrap();
    let reported: BTreeSet<_> = unsent.iter().copied().collect();
    assert_eq!(reported.len(), unsent.len(), "reported twice");
    assert!(delivered.is_disjoint(&reported), "reported as unsent, and delivered");
    let in_doubt = counts.in_doubt.load(Ordering::Relaxed);
    let missing = accepted - (delivered.len() + reported.len()) as u64;
    println!(
        "accepted {accepted}, delivered {}, unsent {}, missing {missing} of {in_doubt} in doubt",
        delivered.len(),
        reported.len()
    );
    assert!(missing <= in_doubt, "lost without a word");
    assert!(!delivered.is_empty() && !reported.is_empty());

    // Threads end a little after they have reported.
    let end = Instant::now() + ms(5000);
    while (count("fd"), count("task")) != (fds, threads) {
        assert!(Instant::now() < end, "leaked: {} {}, {fds} {threads} before", count("fd"), count("task"));
        thread::sleep(ms(10));
    }
}
