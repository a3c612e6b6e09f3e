//! Row 10 over sockets: what decompression bombs take of the system's memory does not depend on their size. A test binary of
//! its own, whose allocator counts.
#![cfg(all(feature = "std", feature = "deflate"))]

#[allow(dead_code, reason = "that of tests/net")]
#[path = "net/peer.rs"]
mod peer;
mod support;

use std::{
    alloc::{GlobalAlloc, Layout, System},
    io::Write,
    net::{SocketAddr, TcpStream},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    thread::{self, JoinHandle},
};

use peer::{REQUEST, answer, ms, options, read_frame, read_head, serve};
use sockling::{
    Limits, ProtocolError, Role, WebSocket,
    net::{DeflateOptions, Error, ServerOptions},
};
use support::{
    close_body,
    deflate::{Bomb, Content, Wire},
};

struct Counting;

static HELD: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

fn took(bytes: usize) {
    let held = HELD.fetch_add(bytes, Relaxed) + bytes;
    PEAK.fetch_max(held, Relaxed);
}

// SAFETY: all is left to the allocator of the system.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        took(layout.size());
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        HELD.fetch_sub(layout.size(), Relaxed);
        unsafe { System.dealloc(at, layout) }
    }

    // A large block grows where it is, or its pages are moved: it does not count twice.
    unsafe fn realloc(&self, at: *mut u8, layout: Layout, len: usize) -> *mut u8 {
        HELD.fetch_sub(layout.size(), Relaxed);
        took(len);
        unsafe { System.realloc(at, layout, len) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The counts are those of the process.
static ALONE: Mutex<()> = Mutex::new(());

fn begin() -> usize {
    let before = HELD.load(Relaxed);
    PEAK.store(before, Relaxed);
    before
}

/// How much more memory was in use at once.
fn peak_since(before: usize) -> usize {
    PEAK.load(Relaxed).saturating_sub(before)
}

fn peak_of<T>(run: impl FnOnce() -> T) -> (T, usize) {
    let before = begin();
    let result = run();
    (result, peak_since(before))
}

/// Beside the output: what the test itself, errors and the close frame take.
const BESIDE: usize = 64 << 10;

/// Writes the bomb, as far as anyone takes it; returns the only frame that comes back.
fn explode(tcp: TcpStream, wire: &Wire) -> (u8, Vec<u8>) {
    let mut writing = tcp.try_clone().unwrap();
    thread::scope(|scope| {
        scope.spawn(move || {
            let units = (0..wire.count).map(|_| &wire.unit);
            let mut pieces = [&wire.head].into_iter().chain(units).chain([&wire.tail]);
            // The connection is shut down once it has failed.
            let _ = pieces.try_for_each(|piece| writing.write_all(piece));
        });
        let mut tcp = tcp;
        read_frame(&mut tcp)
    })
}

/// The bombs with their limits, each as one frame and as many.
fn each(role: Role, test: impl Fn(Limits, Wire, &str)) {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    // Limits that no doubling ends at.
    for (size, cap) in [
        (1 << 10, 1000),
        (1 << 16, 60_000),
        (1 << 20, 600_000),
        (1 << 26, 140_000),
        (1 << 26, 600_000),
        (1 << 30, 140_000),
        (1 << 30, 600_000),
    ] {
        for content in [Content::Zeros, Content::Text] {
            let bomb = Bomb::new(content, size);
            for (wire, shape) in [(bomb.whole(role), "whole"), (bomb.fragments(role, 100), "in fragments")] {
                let mut limits = Limits::DEFAULT;
                limits.max_message = cap;
                test(limits, wire, &format!("{content:?}, {size} bytes, at most {cap}, {shape}"));
            }
        }
    }
}

fn is_too_large<T: std::fmt::Debug>(received: Result<T, Error>, what: &str) {
    let error = received.map(|_| ()).unwrap_err();
    assert!(matches!(error, Error::Protocol(ProtocolError::MessageTooLarge)), "{what}: {error}");
}

fn check(peak: usize, most: usize, what: &str) {
    assert!(peak <= most + BESIDE, "{what}: {peak} bytes");
}

/// A server that agrees to compression and sends the bomb.
fn hostile_server(wire: Wire) -> (String, JoinHandle<(u8, Vec<u8>)>) {
    serve(move |mut tcp| {
        let head = read_head(&mut tcp);
        let answer = answer(&head, "Sec-WebSocket-Extensions: permessage-deflate\r\n");
        tcp.write_all(answer.as_bytes()).unwrap();
        explode(tcp, &wire)
    })
}

/// A client that offers compression and sends the bomb.
fn hostile_client(addr: SocketAddr, wire: Wire) -> JoinHandle<(u8, Vec<u8>)> {
    thread::spawn(move || {
        let mut tcp = TcpStream::connect(addr).unwrap();
        tcp.set_read_timeout(Some(ms(5000))).unwrap();
        let offer = "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n";
        let request = REQUEST.replace("Sec-WebSocket-Version: 13\r\n\r\n", offer);
        tcp.write_all(request.as_bytes()).unwrap();
        let head = read_head(&mut tcp);
        assert!(head.contains("permessage-deflate"), "{head}");
        explode(tcp, &wire)
    })
}

/// Whole, the output is as large as the limit.
fn receive(mut ws: WebSocket, limits: Limits, what: &str) {
    let (received, peak) = peak_of(|| ws.recv().map(|message| message.as_bytes().len()));
    is_too_large(received, what);
    check(peak, limits.max_message as usize, what);
}

/// In parts, it is small whatever the limit.
fn receive_parts(mut ws: WebSocket, limits: Limits, what: &str) {
    let mut len = 0;
    let (received, peak) = peak_of(|| {
        loop {
            match ws.recv_part() {
                Ok(part) => len += part.data.len(),
                Err(error) => break Err::<(), _>(error),
            }
        }
    });
    is_too_large(received, what);
    let most = limits.max_message as usize;
    assert!(len <= most && most - len <= 16 << 10, "{what}: {len} bytes");
    check(peak, 0, what);
}

const CLOSE: u8 = 0x88;

#[test]
fn row_10_at_a_client() {
    for receive in [receive, receive_parts] {
        each(Role::Client, |limits, wire, what| {
            let (url, peer) = hostile_server(wire);
            let ws = options().deflate(DeflateOptions::new()).limits(limits).connect(&url).unwrap();
            receive(ws, limits, what);
            assert_eq!(peer.join().unwrap(), (CLOSE, close_body(1009, "")), "{what}");
        });
    }
}

#[test]
fn row_10_at_a_server() {
    for receive in [receive, receive_parts] {
        each(Role::Server, |limits, wire, what| {
            let options = ServerOptions::new().deflate(DeflateOptions::new()).limits(limits);
            let server = options.read_timeout(Some(ms(5000))).bind("127.0.0.1:0").unwrap();
            let peer = hostile_client(server.local_addr().unwrap(), wire);
            receive(server.accept().unwrap(), limits, what);
            assert_eq!(peer.join().unwrap(), (CLOSE, close_body(1009, "")), "{what}");
        });
    }
}

/// The same in tasks of tokio.
#[cfg(feature = "tokio")]
mod asynch {
    use sockling::net::tokio::WebSocket;
    use tokio::{net::TcpListener, runtime};

    use super::*;

    async fn receive(mut ws: WebSocket, limits: Limits, what: &str) {
        let before = begin();
        let received = ws.recv().await.map(|message| message.as_bytes().len());
        let peak = peak_since(before);
        is_too_large(received, what);
        check(peak, limits.max_message as usize, what);
    }

    fn run(test: impl Future<Output = ()>) {
        runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test);
    }

    #[test]
    fn row_10_at_an_async_client() {
        each(Role::Client, |limits, wire, what| {
            let (url, peer) = hostile_server(wire);
            run(async {
                let options = options().deflate(DeflateOptions::new()).limits(limits);
                receive(options.connect_async(&url).await.unwrap(), limits, what).await;
            });
            assert_eq!(peer.join().unwrap(), (CLOSE, close_body(1009, "")), "{what}");
        });
    }

    #[test]
    fn row_10_at_an_async_server() {
        each(Role::Server, |limits, wire, what| {
            run(async {
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                let peer = hostile_client(listener.local_addr().unwrap(), wire);
                let options = ServerOptions::new().deflate(DeflateOptions::new()).limits(limits);
                let tcp = listener.accept().await.unwrap().0;
                receive(options.accept_async(tcp).await.unwrap(), limits, what).await;
                assert_eq!(peer.join().unwrap(), (CLOSE, close_body(1009, "")), "{what}");
            });
        });
    }
}
