//! Futures dropped at every await, and transports that time out at every call, over TLS: nothing lost, nothing repeated.

use sockling::{CloseCode, Error, Message, Request, asynch, net::ServerOptions};

use crate::{
    peer::{Authority, echo},
    socket::{Buffers, Socket, open, timed_out, trusting},
    support::{Counter, block_on, once},
};

const MESSAGES: [usize; 7] = [0, 1, 125, 126, 1000, 5000, 40_000];

/// Calls until the call comes to an end. How often it did not is counted.
macro_rules! persist {
    ($dropped:ident, $first:expr, $again:expr) => {{
        let mut result = once($first);
        loop {
            match result {
                None => $dropped += 1,
                Some(Err(error)) if timed_out(&error) => $dropped += 1,
                Some(other) => break other,
            }
            result = once($again);
        }
    }};
}

#[test]
fn dropped_or_timed_out_at_every_await() {
    let authority = Authority::new();
    let cas = [&authority.der[..]];
    for times_out in [false, true] {
        for step in [1, 3, 17, 1000, usize::MAX] {
            let (url, server) = echo(ServerOptions::new().tls(authority.server("localhost", false)));
            let mut buffers = Buffers::new();
            let mut socket = Socket::connect(&url);
            (socket.step, socket.gated) = (step, true);
            let mut tls = block_on(open(socket, "localhost", &trusting(&cas), &mut buffers)).unwrap();
            tls.io_mut().unwrap().times_out = false;
            let request = Request::new("localhost", "/");
            let mut ws =
                block_on(asynch::connect(tls, &request, Counter::default(), vec![0; 50_000], [0; 700]))
                    .unwrap();
            ws.io_mut().io_mut().unwrap().times_out = times_out;

            let mut dropped = 0;
            // A byte at a time takes its time.
            for len in MESSAGES.into_iter().filter(|len| *len <= step.saturating_mul(2000)) {
                let data: Vec<u8> = (0..len).map(|i| (i * 31 + len) as u8).collect();
                persist!(dropped, ws.send(&data[..]), ws.resume_send(&data[..])).unwrap();
                loop {
                    match once(ws.recv()) {
                        None => dropped += 1,
                        Some(Err(error)) if timed_out(&error) => dropped += 1,
                        Some(message) => {
                            assert!(
                                message.unwrap() == Message::Binary(&data),
                                "{len} bytes in steps of {step}"
                            );
                            break;
                        }
                    }
                }
            }
            let closed = persist!(dropped, ws.close(CloseCode::NORMAL, ""), ws.close(CloseCode::NORMAL, ""));
            assert!(closed.unwrap().is_clean());
            assert!(matches!(once(ws.recv()), Some(Err(Error::Closed(_)))));
            assert!(dropped > 30, "{dropped}");
            server.join().unwrap();
        }
    }
}
