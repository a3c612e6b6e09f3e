//! The App over `wss`: the server's name is looked up, its certificate checked, messages are compressed both ways if it
//! agrees; it drops the connection once, and has its client back.
//!
//! Arguments: `name=` and `port=`, the server's; `ca=`, the file of the authority's certificate, in DER; `dns=`, the address
//! of a name server, in place of the one that DHCP names.
#![no_std]
#![no_main]

use core::time::Duration;

use embassy_executor::Spawner;
use embassy_net::{
    Stack, dns,
    dns::DnsSocket,
    tcp,
    tcp::client::{TcpClient, TcpClientState},
};
use embassy_time::with_timeout;
use sockling::{
    CloseCode, Closed, Error, Message, Request,
    app::{
        Backoff, Keepalive, Next, Policy,
        embedded::{Again, App, EmbassyClock, Failure, Handler, Sender, Tcp, TcpError},
    },
    extension::{Compressor, Deflate, Inflater},
    tls,
};
use sockling_qemu::{HostRandom, argument, ask, exit, file, named, start, unix_time};

/// Long enough to be compressed.
const READINGS: &str = "21.5 21.5 21.5 21.6 21.6 21.6 21.7 21.7 21.8 21.7 21.6 21.6 21.5 21.5 21.4 21.5";
/// How often they are sent after the loss.
const ANSWERS: u32 = 2;
const TIMEOUT: embassy_time::Duration = embassy_time::Duration::from_secs(60);

type NoConnection = tls::SecureError<TcpError<dns::Error, tcp::Error>, tcp::Error>;
type IoError = tls::Error<tcp::Error>;

#[derive(defmt::Format)]
enum Problem {
    Argument(&'static str),
    Failure(Failure<NoConnection, IoError>),
    TooLate,
    /// So many connections were lost.
    Lost(u32),
    /// So many messages came back after that.
    Answers(u32),
}

#[embassy_executor::main]
async fn main(spawner: Spawner) {
    let stack = start(spawner).await;
    exit(run(stack).await)
}

async fn run(stack: Stack<'static>) -> Result<(), Problem> {
    if let Some(server) = argument("dns") {
        ask(stack, server.parse().map_err(|_| Problem::Argument("dns= is an address"))?);
    }
    let mut ca = [0; 1024];
    let path = argument("ca").ok_or(Problem::Argument("give ca="))?;
    let authorities = [file(&path, &mut ca).map_err(Problem::Argument)?];
    let options = tls::Options::new(&authorities, tls::Clock::Now(unix_time()));

    let sockets = TcpClientState::<1, 2048, 4096>::new();
    let (tcp, dns) = (TcpClient::new(stack, &sockets), DnsSocket::new(stack));
    let (mut tls_read, mut tls_write) = ([0; tls::MAX_READ], [0; 2048]);
    let tcp = Tcp::new(&tcp, &dns);
    let mut wss = tls::Secure::new(tcp, &options, HostRandom, &mut tls_read, &mut tls_write);

    let mut policy = Policy::DEFAULT;
    policy.keepalive = Keepalive::new(Duration::from_secs(30), Duration::from_secs(10));
    policy.backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(1));
    let host = named().ok_or(Problem::Argument("give name="))?;
    let request = Request::new(&host, "/feed");
    let (mut rx, mut tx) = ([0; 512], [0; 256]);
    let inflater = Inflater::new([0; 1024], [0; 512]);
    let deflate = Deflate::new(inflater, Compressor::new([0; 512], [0; 256]));
    let mut app =
        App::new(&request, EmbassyClock, HostRandom, &mut rx, &mut tx).policy(policy).codec(deflate);

    let mut feed = Feed::default();
    match with_timeout(TIMEOUT, app.run(&mut wss, &mut feed)).await {
        Ok(result) => result.map_err(Problem::Failure)?,
        Err(_) => return Err(Problem::TooLate),
    }
    match feed {
        Feed { lost: 1, answers: ANSWERS } => Ok(()),
        Feed { lost: 1, answers } => Err(Problem::Answers(answers)),
        Feed { lost, .. } => Err(Problem::Lost(lost)),
    }
}

#[derive(Default)]
struct Feed {
    lost: u32,
    answers: u32,
}

impl Handler<NoConnection, IoError> for Feed {
    async fn on_open(&mut self, ws: &mut impl Sender<IoError>) -> Result<(), Error<IoError>> {
        defmt::info!("open");
        ws.send(READINGS).await
    }

    async fn on_reconnect(
        &mut self,
        ws: &mut impl Sender<IoError>,
        again: Again<'_, NoConnection, IoError>,
    ) -> Result<(), Error<IoError>> {
        defmt::info!("open again, at attempt {=u32}", again.attempt);
        ws.send(READINGS).await
    }

    async fn on_message(
        &mut self,
        ws: &mut impl Sender<IoError>,
        message: Message<'_>,
    ) -> Result<(), Error<IoError>> {
        if message != Message::Text(READINGS) {
            return ws.close(CloseCode::INVALID_PAYLOAD, "something else").await;
        }
        if self.lost == 0 {
            // What the server of the tests takes for a wish.
            return ws.send("drop").await;
        }
        self.answers += 1;
        if self.answers == ANSWERS {
            ws.close(CloseCode::NORMAL, "done").await
        } else {
            ws.send(READINGS).await
        }
    }

    fn on_error(&mut self, failure: &Failure<NoConnection, IoError>) -> Next {
        defmt::info!("{}", failure);
        Next::Usual
    }

    fn on_close(&mut self, closed: Closed, _: &str) -> Next {
        defmt::info!("{}", closed);
        self.lost += u32::from(!closed.is_clean());
        Next::Usual
    }
}
