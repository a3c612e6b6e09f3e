//! A Nucleo-H743ZI2 that speaks WebSocket over TLS over Ethernet, with a server whose certificate it verifies.
#![no_std]
#![no_main]

use defmt::{info, warn};
use defmt_rtt as _;
use embassy_executor::Spawner;
use embassy_futures::select::{Either, select};
use embassy_net::{
    Config, DhcpConfig, Runner, Stack, StackResources, dns,
    dns::DnsQueryType,
    tcp::{self, TcpSocket},
};
use embassy_stm32::{
    bind_interrupts, eth,
    eth::{Ethernet, GenericPhy, PacketQueue, Sma},
    peripherals::{ETH, ETH_SMA, RNG},
    rng,
    rng::Rng,
};
use embassy_time::{Duration, Instant, Ticker, Timer};
use panic_probe as _;
use sockling::{
    Error, RandCore09, Request, asynch,
    tls::{self, Clock, Options, Tls},
};
use static_cell::{ConstStaticCell, StaticCell};

/// The server, given when this is compiled: a name, or an address that its certificate names.
const HOST: &str = match option_env!("WS_HOST") {
    Some(host) => host,
    None => "server.example",
};
const PORT: u16 = 9443;
/// Who has signed the server's certificate: put yours here.
const AUTHORITY: &[u8] = include_bytes!("../ca.der");

/// Connects, says hello, and logs what comes; sends how long it has been running every ten seconds.
async fn talk(stack: Stack<'static>, rng: &mut Generator, memory: &mut Memory) -> Result<(), Problem> {
    let Memory { tcp_rx, tcp_tx, tls_read, tls_write, rx, tx } = memory;
    let mut socket = TcpSocket::new(stack, tcp_rx, tcp_tx);
    // Of a server that says nothing for so long there is nothing left.
    socket.set_timeout(Some(Duration::from_secs(40)));
    socket.set_keep_alive(Some(Duration::from_secs(10)));
    let addresses = stack.dns_query(HOST, DnsQueryType::A).await?;
    socket.connect((*addresses.first().ok_or(Problem::NoAddress)?, PORT)).await?;

    // There is no clock: it is at least as late as when this was built.
    let options = Options::new(&[AUTHORITY], Clock::AtLeast(BUILT));
    let tls = Tls::open(socket, HOST, &options, &mut RandCore09(&mut *rng), tls_read, tls_write).await?;
    let request = Request::new(HOST, "/");
    let mut ws = asynch::connect(tls, &request, RandCore09(rng), &mut rx[..], &mut tx[..]).await?;
    info!("connected");
    ws.send("hello").await?;
    let mut ticker = Ticker::every(Duration::from_secs(10));
    loop {
        // A `recv` that is dropped has lost nothing.
        match select(ws.recv(), ticker.next()).await {
            Either::First(message) => info!("received {}", message?),
            Either::Second(()) => ws.send(&Instant::now().as_secs().to_be_bytes()).await?,
        }
    }
}

/// When this was built, in seconds since 1970.
const BUILT: u64 = match u64::from_str_radix(env!("BUILT"), 10) {
    Ok(built) => built,
    Err(_) => panic!("build.rs says so"),
};

type Generator = Rng<'static, RNG>;

/// What a connection needs; too much for the stack.
struct Memory {
    tcp_rx: [u8; 2048],
    tcp_tx: [u8; 2048],
    tls_read: [u8; tls::MAX_READ],
    tls_write: [u8; 2048],
    rx: [u8; 1024],
    tx: [u8; 512],
}

static MEMORY: ConstStaticCell<Memory> = ConstStaticCell::new(Memory {
    tcp_rx: [0; 2048],
    tcp_tx: [0; 2048],
    tls_read: [0; tls::MAX_READ],
    tls_write: [0; 2048],
    rx: [0; 1024],
    tx: [0; 512],
});

/// What ended a connection.
#[derive(defmt::Format)]
enum Problem {
    Dns(dns::Error),
    NoAddress,
    Connect(tcp::ConnectError),
    Tls(tls::Error<tcp::Error>),
    WebSocket(Error<tls::Error<tcp::Error>>),
}

impl From<dns::Error> for Problem {
    fn from(error: dns::Error) -> Self {
        Self::Dns(error)
    }
}

impl From<tcp::ConnectError> for Problem {
    fn from(error: tcp::ConnectError) -> Self {
        Self::Connect(error)
    }
}

impl From<tls::Error<tcp::Error>> for Problem {
    fn from(error: tls::Error<tcp::Error>) -> Self {
        Self::Tls(error)
    }
}

impl From<Error<tls::Error<tcp::Error>>> for Problem {
    fn from(error: Error<tls::Error<tcp::Error>>) -> Self {
        Self::WebSocket(error)
    }
}

// From here on: the board.

bind_interrupts!(struct Irqs {
    ETH => eth::InterruptHandler;
    RNG => rng::InterruptHandler<RNG>;
});

type Device = Ethernet<'static, ETH, GenericPhy<Sma<'static, ETH_SMA>>>;

#[embassy_executor::task]
async fn net_task(mut runner: Runner<'static, Device>) -> ! {
    runner.run().await
}

#[embassy_executor::main]
async fn main(spawner: Spawner) -> ! {
    let p = embassy_stm32::init(clocks());
    let mut rng = Rng::new(p.RNG, Irqs);
    let mut seed = [0; 8];
    rng.async_fill_bytes(&mut seed).await.expect("the generator works");

    static PACKETS: StaticCell<PacketQueue<4, 4>> = StaticCell::new();
    let device = Ethernet::new(
        PACKETS.init_with(PacketQueue::new),
        p.ETH,
        Irqs,
        p.PA1,
        p.PA7,
        p.PC4,
        p.PC5,
        p.PG13,
        p.PB13,
        p.PG11,
        mac_address(),
        p.ETH_SMA,
        p.PA2,
        p.PC1,
    );
    static RESOURCES: StaticCell<StackResources<4>> = StaticCell::new();
    let config = Config::dhcpv4(DhcpConfig::default());
    let resources = RESOURCES.init(StackResources::new());
    let (stack, runner) = embassy_net::new(device, config, resources, u64::from_le_bytes(seed));
    spawner.spawn(net_task(runner).expect("spawned once"));
    stack.wait_config_up().await;
    info!("address {}", stack.config_v4().map(|config| config.address));

    let memory = MEMORY.take();
    loop {
        if let Err(problem) = talk(stack, &mut rng, memory).await {
            warn!("{}", problem);
        }
        Timer::after_secs(5).await;
    }
}

/// One of the addresses that belong to nobody, from the chip's own number.
fn mac_address() -> [u8; 6] {
    let id = embassy_stm32::uid::uid();
    // Locally administered, unicast.
    [0x02, id[0] ^ id[4], id[1] ^ id[5], id[2] ^ id[6], id[3] ^ id[7], id[8] ^ id[11]]
}

/// 400 MHz from the internal oscillator, and what the generator needs.
fn clocks() -> embassy_stm32::Config {
    use embassy_stm32::rcc::{
        AHBPrescaler, APBPrescaler, HSIPrescaler, Hsi48Config, Pll, PllDiv, PllMul, PllPreDiv, PllSource,
        Sysclk, VoltageScale,
    };
    let mut config = embassy_stm32::Config::default();
    let rcc = &mut config.rcc;
    rcc.hsi = Some(HSIPrescaler::DIV1);
    rcc.csi = true;
    rcc.hsi48 = Some(Hsi48Config::default());
    rcc.pll1 = Some(Pll {
        source: PllSource::HSI,
        prediv: PllPreDiv::DIV4,
        mul: PllMul::MUL50,
        fracn: None,
        divp: Some(PllDiv::DIV2),
        divq: None,
        divr: None,
    });
    rcc.sys = Sysclk::PLL1_P;
    rcc.ahb_pre = AHBPrescaler::DIV2;
    rcc.apb1_pre = APBPrescaler::DIV2;
    rcc.apb2_pre = APBPrescaler::DIV2;
    rcc.apb3_pre = APBPrescaler::DIV2;
    rcc.apb4_pre = APBPrescaler::DIV2;
    rcc.voltage_scale = VoltageScale::Scale1;
    config
}
