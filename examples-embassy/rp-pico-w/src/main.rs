//! A Raspberry Pi Pico W that keeps a WebSocket connection up over Wi-Fi: it says hello whenever it is connected, logs
//! what it receives, and sends how long it has been running every ten seconds.
#![no_std]
#![no_main]

use core::time::Duration;

use cyw43::{A4, Aligned, Control, JoinOptions, NetDriver, SpiBus};
use cyw43_pio::{DEFAULT_CLOCK_DIVIDER, PioSpi};
use defmt::{info, warn};
use defmt_rtt as _;
use embassy_executor::Spawner;
use embassy_net::{
    Config, Runner, Stack, StackResources,
    dns::DnsSocket,
    tcp::client::{TcpClient, TcpClientState},
};
use embassy_rp::{
    bind_interrupts,
    clocks::RoscRng,
    dma,
    gpio::{Level, Output},
    peripherals::{DMA_CH0, PIO0},
    pio::{self, Pio},
};
use embassy_time::{Instant, Timer};
use panic_probe as _;
use sockling::{
    Error, Message, RandCore09, Request,
    app::{
        Keepalive, Next, Policy,
        embedded::{App, EmbassyClock, Failure, Handler, Sender, Tcp},
    },
};
use static_cell::StaticCell;

// Given when this is compiled: see README.md.
const SSID: &str = match option_env!("WIFI_SSID") {
    Some(ssid) => ssid,
    None => "ssid",
};
const PASSWORD: &str = match option_env!("WIFI_PASSWORD") {
    Some(password) => password,
    None => "password",
};
const HOST: &str = match option_env!("WS_HOST") {
    Some(host) => host,
    None => "192.168.1.2:9001",
};

/// Keeps a connection up for as long as there is power.
async fn keep_up(stack: Stack<'static>) -> ! {
    let mut policy = Policy::DEFAULT;
    policy.keepalive = Keepalive::new(Duration::from_secs(30), Duration::from_secs(10));
    let sockets = TcpClientState::<1, 1024, 1024>::new();
    let (tcp, dns) = (TcpClient::new(stack, &sockets), DnsSocket::new(stack));
    let (mut rx, mut tx) = ([0; 1024], [0; 256]);
    let request = Request::new(HOST, "/");
    let mut app = App::new(&request, EmbassyClock, RandCore09(RoscRng), &mut rx, &mut tx).policy(policy);
    loop {
        // It reconnects by itself. It ends where that is of no use: the server has said goodbye, or wants none of this.
        let _ = app.run(&mut Tcp::new(&tcp, &dns), &mut Uptime::default()).await;
        Timer::after_secs(60).await;
    }
}

/// What is done with the connection.
#[derive(Default)]
struct Uptime([u8; 8]);

impl<C: defmt::Format, E: defmt::Format> Handler<C, E> for Uptime {
    async fn on_open(&mut self, ws: &mut impl Sender<E>) -> Result<(), Error<E>> {
        info!("connected");
        ws.send("hello").await
    }

    async fn on_message(&mut self, _: &mut impl Sender<E>, message: Message<'_>) -> Result<(), Error<E>> {
        info!("received {}", message);
        Ok(())
    }

    async fn outgoing(&mut self) -> Message<'_> {
        Timer::after_secs(10).await;
        self.0 = Instant::now().as_secs().to_be_bytes();
        Message::Binary(&self.0)
    }

    fn on_error(&mut self, failure: &Failure<C, E>) -> Next {
        warn!("{}", failure);
        Next::Usual
    }
}

// From here on: the board.

bind_interrupts!(struct Irqs {
    PIO0_IRQ_0 => pio::InterruptHandler<PIO0>;
    DMA_IRQ_0 => dma::InterruptHandler<DMA_CH0>;
});

type Radio = SpiBus<Output<'static>, PioSpi<'static, PIO0, 0>>;

#[embassy_executor::task]
async fn radio_task(runner: cyw43::Runner<'static, Radio>) -> ! {
    runner.run().await
}

#[embassy_executor::task]
async fn net_task(mut runner: Runner<'static, NetDriver<'static>>) -> ! {
    runner.run().await
}

macro_rules! radio_firmware {
    ($name:literal) => {
        &Aligned(*include_bytes!(concat!(env!("OUT_DIR"), "/", $name)))
    };
}

static FIRMWARE: &Aligned<A4, [u8]> = radio_firmware!("43439A0.bin");
static NVRAM: &Aligned<A4, [u8]> = radio_firmware!("nvram_rp2040.bin");
static REGULATORY: &Aligned<A4, [u8]> = radio_firmware!("43439A0_clm.bin");

#[embassy_executor::main]
async fn main(spawner: Spawner) -> ! {
    let p = embassy_rp::init(embassy_rp::config::Config::default());
    let (power, select) = (Output::new(p.PIN_23, Level::Low), Output::new(p.PIN_25, Level::High));
    let mut pio = Pio::new(p.PIO0, Irqs);
    let dma = dma::Channel::new(p.DMA_CH0, Irqs);
    let spi = PioSpi::new(
        &mut pio.common,
        pio.sm0,
        DEFAULT_CLOCK_DIVIDER,
        pio.irq0,
        select,
        p.PIN_24,
        p.PIN_29,
        dma,
    );
    static STATE: StaticCell<cyw43::State> = StaticCell::new();
    let (device, mut control, runner) =
        cyw43::new(STATE.init(cyw43::State::new()), power, spi, FIRMWARE, NVRAM).await;
    spawner.spawn(radio_task(runner).expect("spawned once"));
    control.init(REGULATORY).await;

    static RESOURCES: StaticCell<StackResources<4>> = StaticCell::new();
    let config = Config::dhcpv4(embassy_net::DhcpConfig::default());
    let (stack, runner) =
        embassy_net::new(device, config, RESOURCES.init(StackResources::new()), RoscRng.next_u64());
    spawner.spawn(net_task(runner).expect("spawned once"));
    join(&mut control).await;
    stack.wait_config_up().await;
    info!("address {}", stack.config_v4().map(|config| config.address));
    keep_up(stack).await
}

/// Joins the network. The radio comes back to it by itself.
async fn join(control: &mut Control<'_>) {
    while let Err(error) = control.join(SSID, JoinOptions::new(PASSWORD.as_bytes())).await {
        warn!("cannot join {}: {}", SSID, error);
        Timer::after_secs(1).await;
    }
}
