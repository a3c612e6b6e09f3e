//! The App over TLS: it connects, and does not try again what would not go better.

use std::{
    cell::Cell,
    time::{Duration, Instant},
};

use embedded_io::ErrorKind;
use sockling::{
    CloseCode, Message, Request,
    app::{
        Verdict,
        embedded::{App, Clock, Connect, Failure, Handler, Sender},
    },
    net::ServerOptions,
    tls::{CertificateError, Error, Secure, SecureError},
};

use crate::{
    peer::{Authority, echo},
    socket::{Buffers, Socket, trusting},
    support::{Counter, block_on},
};

struct Host(Instant);

impl Clock for Host {
    fn now(&self) -> Duration {
        self.0.elapsed()
    }

    async fn sleep(&self, duration: Duration) {
        let end = self.now() + duration;
        std::future::poll_fn(|_| {
            if self.now() < end { std::task::Poll::Pending } else { std::task::Poll::Ready(()) }
        })
        .await;
    }
}

/// Loopback, whatever the name of the host.
struct Loopback<'a> {
    url: &'a str,
    attempts: &'a Cell<u32>,
}

impl Connect for Loopback<'_> {
    type Error = ErrorKind;
    type IoError = ErrorKind;
    type Io<'a>
        = Socket
    where
        Self: 'a;

    async fn connect(&mut self, host: &str, port: u16) -> Result<Socket, ErrorKind> {
        assert_eq!((host, port), ("localhost", 443));
        self.attempts.set(self.attempts.get() + 1);
        Ok(Socket::connect(self.url))
    }
}

struct Hello;

impl<C, E> Handler<C, E> for Hello {
    async fn on_open(&mut self, ws: &mut impl Sender<E>) -> Result<(), sockling::Error<E>> {
        ws.send("hello").await
    }

    async fn on_message(
        &mut self,
        ws: &mut impl Sender<E>,
        message: Message<'_>,
    ) -> Result<(), sockling::Error<E>> {
        assert_eq!(message, Message::Text("hello"));
        ws.close(CloseCode::NORMAL, "").await
    }
}

type Outcome = Result<(), Failure<SecureError<ErrorKind, ErrorKind>, Error<ErrorKind>>>;

fn run(authority: &Authority, trusted: &Authority) -> (Outcome, u32) {
    let (url, server) = echo(ServerOptions::new().tls(authority.server("localhost", false)));
    let Buffers(mut read, mut write) = Buffers::new();
    let (mut rx, mut tx, attempts) = ([0; 500], [0; 500], Cell::new(0));
    let authorities = [&trusted.der[..]];
    let options = trusting(&authorities);
    let loopback = Loopback { url: &url, attempts: &attempts };
    let mut connect = Secure::new(loopback, &options, Counter::default(), &mut read, &mut write);
    let request = Request::new("localhost", "/");
    let mut app = App::new(&request, Host(Instant::now()), Counter::default(), &mut rx, &mut tx);
    let outcome = block_on(app.run(&mut connect, &mut Hello));
    server.join().unwrap();
    (outcome, attempts.get())
}

#[test]
fn an_app_over_tls() {
    let authority = Authority::new();
    let (outcome, attempts) = run(&authority, &authority);
    assert!(outcome.is_ok() && attempts == 1, "{outcome:?}");
}

#[test]
fn an_app_that_does_not_trust() {
    let (outcome, attempts) = run(&Authority::new(), &Authority::new());
    assert!(
        matches!(
            outcome,
            Err(Failure::Connect(
                SecureError::Tls(Error::Certificate(CertificateError::UnknownIssuer)),
                Verdict::Stop
            ))
        ),
        "{outcome:?}"
    );
    assert_eq!(attempts, 1);
}
