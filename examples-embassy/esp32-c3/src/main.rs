//! An ESP32-C3 that keeps a WebSocket connection up over Wi-Fi: it says hello whenever it is connected, logs
//! what it receives, and sends how long it has been running every ten seconds.
#![no_std]
#![no_main]

use core::time::Duration;

use defmt::{info, warn};
use embassy_executor::Spawner;
use embassy_net::{
    Config, DhcpConfig, Runner, Stack, StackResources,
    dns::DnsSocket,
    tcp::client::{TcpClient, TcpClientState},
};
use embassy_time::{Instant, Timer};
use esp_backtrace as _;
use esp_hal::{
    rng::{Trng, TrngSource},
    timer::timg::TimerGroup,
};
use esp_println as _;
use esp_radio::wifi::{
    AuthenticationMethodConfig, Config as WifiConfig, ControllerConfig, Interface, WifiController,
    sta::StationConfig,
};
use sockling::{
    Error, Message, Request,
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
async fn keep_up(stack: Stack<'static>, random: Trng) -> ! {
    let mut policy = Policy::DEFAULT;
    policy.keepalive = Keepalive::new(Duration::from_secs(30), Duration::from_secs(10));
    let sockets = TcpClientState::<1, 1024, 1024>::new();
    let (tcp, dns) = (TcpClient::new(stack, &sockets), DnsSocket::new(stack));
    let (mut rx, mut tx) = ([0; 1024], [0; 256]);
    let request = Request::new(HOST, "/");
    let mut app = App::new(&request, EmbassyClock, random, &mut rx, &mut tx).policy(policy);
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

esp_bootloader_esp_idf::esp_app_desc!();

#[embassy_executor::task]
async fn net_task(mut runner: Runner<'static, Interface>) -> ! {
    runner.run().await
}

/// Joins the network, and does so again when it was lost.
#[embassy_executor::task]
async fn wifi_task(mut wifi: WifiController<'static>) -> ! {
    loop {
        match wifi.connect_async().await {
            Ok(_) => {
                info!("joined {}", SSID);
                let _ = wifi.wait_for_disconnect_async().await;
                warn!("lost {}", SSID);
            }
            Err(error) => warn!("cannot join {}: {}", SSID, error),
        }
        Timer::after_secs(1).await;
    }
}

#[esp_rtos::main]
async fn main(spawner: Spawner) -> ! {
    let p = esp_hal::init(esp_hal::Config::default());
    // For the radio; sockling needs none.
    esp_alloc::heap_allocator!(size: 72 * 1024);
    esp_rtos::start(TimerGroup::new(p.TIMG0).timer0, p.FROM_CPU_INTR0);
    // While this exists the generator is a true one.
    let _entropy = TrngSource::new(p.RNG, p.ADC1);
    let random = Trng::try_new().expect("there is a source");

    let mut wifi = WifiController::new(p.WIFI, ControllerConfig::default()).expect("the radio starts");
    let station =
        StationConfig::default().with_ssid(SSID.try_into().expect("at most 32 bytes")).with_authentication(
            AuthenticationMethodConfig::Wpa2Personal(PASSWORD.try_into().expect("at most 64 bytes")),
        );
    wifi.set_config(&WifiConfig::Station(station)).expect("a good configuration");
    spawner.spawn(wifi_task(wifi).expect("spawned once"));

    static RESOURCES: StaticCell<StackResources<4>> = StaticCell::new();
    let seed = u64::from(random.random()) << 32 | u64::from(random.random());
    let (stack, runner) = embassy_net::new(
        Interface::station(),
        Config::dhcpv4(DhcpConfig::default()),
        RESOURCES.init(StackResources::new()),
        seed,
    );
    spawner.spawn(net_task(runner).expect("spawned once"));
    stack.wait_config_up().await;
    info!("address {}", stack.config_v4().map(|config| config.address));
    keep_up(stack, random).await
}
