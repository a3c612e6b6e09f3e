//! A sensor that keeps a connection up: it subscribes to a feed, is dropped, backs off, reconnects and subscribes again,
//! and sends its readings, which another task takes, whenever there is a connection.
//!
//! Arguments: `port=`, the server's at the host's loopback; `drops=`, how many connections will be lost before the server
//! says "finish".
#![no_std]
#![no_main]

use core::{fmt::Write as _, time::Duration};

use embassy_executor::Spawner;
use embassy_net::{
    Stack, dns,
    dns::DnsSocket,
    tcp,
    tcp::client::{TcpClient, TcpClientState},
};
use embassy_sync::{blocking_mutex::raw::CriticalSectionRawMutex, channel::Channel};
use embassy_time::{Ticker, with_timeout};
use heapless::String;
use sockling::{
    CloseCode, Closed, Error, Message, Request,
    app::{
        Backoff, Keepalive, Next, Policy,
        embedded::{Again, App, EmbassyClock, Failure, Handler, Sender, Tcp, TcpError},
    },
};
use sockling_qemu::{HostRandom, authority, exit, high_water_mark, number, start};

/// What the sensor reads, until it is sent. When it is full the sensor waits.
static READINGS: Channel<CriticalSectionRawMutex, u32, 4> = Channel::new();

/// Every kind of loss was met by then: from there on the stack does not grow.
const WARM_UP: u32 = 10;
/// Unless an interrupt strikes at the deepest moment, which may be later: its frame, with the floating-point registers,
/// and its handler.
const INTERRUPT: usize = 256;
const TIMEOUT: embassy_time::Duration = embassy_time::Duration::from_secs(300);

type NoConnection = TcpError<dns::Error, tcp::Error>;

#[derive(defmt::Format)]
enum Problem {
    Failure(Failure<NoConnection, tcp::Error>),
    TooLate,
    /// So many connections were lost.
    Lost(u32),
    /// The stack grew, from so many bytes to so many.
    Stack(usize, usize),
}

#[embassy_executor::main]
async fn main(spawner: Spawner) {
    let stack = start(spawner).await;
    spawner.spawn(sensor().unwrap());
    exit(run(stack).await)
}

#[embassy_executor::task]
async fn sensor() {
    let mut ticker = Ticker::every(embassy_time::Duration::from_millis(50));
    for reading in 0.. {
        READINGS.send(reading).await;
        ticker.next().await;
    }
}

async fn run(stack: Stack<'static>) -> Result<(), Problem> {
    let mut policy = Policy::DEFAULT;
    policy.keepalive = Keepalive::new(Duration::from_millis(400), Duration::from_millis(300));
    policy.connect_timeout = Duration::from_secs(5);
    // Short, and reset at once, since there is much to be shown in a short time.
    policy.backoff = Backoff::new(Duration::from_millis(20), Duration::from_millis(500));
    policy.backoff.min_uptime = Duration::ZERO;

    let sockets = TcpClientState::<1, 1024, 1024>::new();
    let (tcp, dns) = (TcpClient::new(stack, &sockets), DnsSocket::new(stack));
    let (mut rx, mut tx) = ([0; 512], [0; 256]);
    let host = authority();
    let request = Request::new(&host, "/feed");
    let mut app = App::new(&request, EmbassyClock, HostRandom, &mut rx, &mut tx).policy(policy);

    let mut feed = Feed::default();
    match with_timeout(TIMEOUT, app.run(&mut Tcp::new(&tcp, &dns), &mut feed)).await {
        Ok(result) => result.map_err(Problem::Failure)?,
        Err(_) => return Err(Problem::TooLate),
    }
    let mark = high_water_mark();
    defmt::info!(
        "{=u32} connections lost, {=u32} attempts failed, {=u32} events, {=u32} readings sent",
        feed.lost,
        feed.failed,
        feed.events,
        feed.sent
    );
    defmt::info!("stack: {=usize} bytes after {=u32} losses, {=usize} at the end", feed.mark, WARM_UP, mark);
    if feed.lost != number("drops") {
        return Err(Problem::Lost(feed.lost));
    }
    if mark > feed.mark + INTERRUPT {
        return Err(Problem::Stack(feed.mark, mark));
    }
    Ok(())
}

#[derive(Default)]
struct Feed {
    lost: u32,
    failed: u32,
    events: u32,
    sent: u32,
    mark: usize,
    /// A reading that was taken from the queue and not yet sent, and what it looks like.
    reading: Option<u32>,
    text: String<32>,
}

impl Handler<NoConnection, tcp::Error> for Feed {
    async fn on_open(&mut self, ws: &mut impl Sender<tcp::Error>) -> Result<(), Error<tcp::Error>> {
        ws.send("subscribe").await
    }

    async fn on_reconnect(
        &mut self,
        ws: &mut impl Sender<tcp::Error>,
        again: Again<'_, NoConnection, tcp::Error>,
    ) -> Result<(), Error<tcp::Error>> {
        defmt::debug!("attempt {=u32}", again.attempt);
        ws.send("resubscribe").await
    }

    async fn on_message(
        &mut self,
        ws: &mut impl Sender<tcp::Error>,
        message: Message<'_>,
    ) -> Result<(), Error<tcp::Error>> {
        match message {
            Message::Text("finish") => ws.close(CloseCode::NORMAL, "done").await,
            Message::Text(event) => {
                self.events += 1;
                ws.send(event).await
            }
            _ => Ok(()),
        }
    }

    async fn outgoing(&mut self) -> Message<'_> {
        let reading = match self.reading {
            Some(reading) => reading,
            None => READINGS.receive().await,
        };
        // It is kept until it is known to be sent: over the next connection, if need be.
        self.reading = Some(reading);
        self.text.clear();
        let _ = write!(self.text, "reading {reading}");
        Message::Text(&self.text)
    }

    fn on_sent(&mut self) {
        self.reading = None;
        self.sent += 1;
    }

    fn on_error(&mut self, failure: &Failure<NoConnection, tcp::Error>) -> Next {
        defmt::info!("{}", failure);
        self.failed += u32::from(matches!(failure, Failure::Connect(..)));
        Next::Usual
    }

    fn on_close(&mut self, closed: Closed, reason: &str) -> Next {
        if closed.is_clean() {
            defmt::info!("{}, reason {=str}", closed, reason);
            return Next::Usual;
        }
        self.lost += 1;
        if self.lost == WARM_UP {
            self.mark = high_water_mark();
        }
        Next::Usual
    }
}
