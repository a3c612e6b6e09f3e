//! A Raspberry Pi Pico that speaks WebSocket over its serial port: a host at the other end passes the bytes on to a
//! server, and understands none of them.
#![no_std]
#![no_main]

use defmt::{info, warn};
use defmt_rtt as _;
use embassy_executor::Spawner;
use embassy_futures::select::{Either, select};
use embassy_rp::{
    bind_interrupts,
    clocks::RoscRng,
    peripherals::UART0,
    uart::{self, BufferedInterruptHandler, BufferedUart},
};
use embassy_time::{Duration, Instant, Timer, with_timeout};
use embedded_io_async::{Read, Write};
use panic_probe as _;
use sockling::{Error, Message, RandCore09, Request, asynch};
use static_cell::ConstStaticCell;

/// The server, given when this is compiled: what the `Host` field says. Where it really is, is the bridge's affair.
const HOST: &str = match option_env!("WS_HOST") {
    Some(host) => host,
    None => "localhost:9001",
};
const BAUD: u32 = 115_200;

/// Connects, says hello, logs what comes, and sends how long it has been running when nothing came for ten seconds.
async fn talk<T: Read + Write>(serial: T) -> Result<(), Problem<T::Error>> {
    let (mut rx, mut tx) = ([0; 1024], [0; 256]);
    let request = Request::new(HOST, "/");
    let connect = asynch::connect(serial, &request, RandCore09(RoscRng), &mut rx[..], &mut tx[..]);
    let mut ws = with_timeout(Duration::from_secs(5), connect).await.map_err(|_| Problem::Silence)??;
    info!("connected");
    ws.send("hello").await?;
    // A serial line does not end: what does not answer is gone.
    let mut unanswered = 0;
    while unanswered < 3 {
        // A `recv` that is dropped has lost nothing.
        match select(ws.recv(), Timer::after_secs(10)).await {
            Either::First(message) => match message? {
                Message::Text(text) => info!("received {}", text),
                message => info!("received {}", message),
            },
            Either::Second(()) => {
                unanswered += 1;
                ws.send(&Instant::now().as_secs().to_be_bytes()).await?;
                continue;
            }
        }
        unanswered = 0;
    }
    Err(Problem::Silence)
}

/// What ended a connection.
#[derive(defmt::Format)]
enum Problem<E> {
    /// Nothing answers.
    Silence,
    WebSocket(Error<E>),
}

impl<E> From<Error<E>> for Problem<E> {
    fn from(error: Error<E>) -> Self {
        Self::WebSocket(error)
    }
}

// From here on: the board.

bind_interrupts!(struct Irqs {
    UART0_IRQ => BufferedInterruptHandler<UART0>;
});

#[embassy_executor::main]
async fn main(_spawner: Spawner) -> ! {
    let p = embassy_rp::init(embassy_rp::config::Config::default());
    static RX: ConstStaticCell<[u8; 1024]> = ConstStaticCell::new([0; 1024]);
    static TX: ConstStaticCell<[u8; 256]> = ConstStaticCell::new([0; 256]);
    let mut config = uart::Config::default();
    config.baudrate = BAUD;
    let mut serial = BufferedUart::new(p.UART0, p.PIN_0, p.PIN_1, Irqs, TX.take(), RX.take(), config);
    loop {
        if let Err(problem) = talk(&mut serial).await {
            warn!("{}", problem);
        }
        drain(&mut serial).await;
    }
}

/// Waits until the line is silent: what is left of an old connection is not an answer to a new one.
async fn drain(serial: &mut BufferedUart) {
    let mut rest = [0; 64];
    while with_timeout(Duration::from_secs(2), serial.read(&mut rest)).await.is_ok() {}
}
