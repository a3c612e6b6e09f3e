//! What the programs have in common: the board, and how they talk to the host that emulates it.
//!
//! The board is QEMU's mps2-an386, a Cortex-M4F at 25 MHz with an SMSC LAN9118 Ethernet controller. Arguments, log
//! frames, random numbers and the exit code go through semihosting.
#![no_std]

mod clock;
mod echo;
mod host;
mod lan9118;
mod stack;
mod tcp;

use core::panic::PanicInfo;

use cortex_m_rt::{ExceptionFrame, exception};
use defmt_semihosting as _;
pub use echo::echo;
use embassy_executor::Spawner;
use embassy_net::{Config, ConfigV4, Ipv4Address, Runner, Stack, StackResources};
pub use host::{HostRandom, argument, exit, file, number, unix_time};
use lan9118::Lan9118;
pub use stack::high_water_mark;
use static_cell::StaticCell;
pub use tcp::{CONNECT_TIMEOUT, authority, connect, end, named, server};

/// How many sockets there are: DHCP's, DNS's, and those of the programs.
const SOCKETS: usize = 5;

/// Starts the clock and the network, and waits for an address.
pub async fn start(spawner: Spawner) -> Stack<'static> {
    let peripherals = cortex_m::Peripherals::take().unwrap();
    clock::start(peripherals.SYST);

    static RESOURCES: StaticCell<StackResources<SOCKETS>> = StaticCell::new();
    static CARD: StaticCell<Lan9118> = StaticCell::new();
    let card = CARD.init(Lan9118::start());
    let seed = {
        let mut bytes = [0; 8];
        sockling::Random::fill(&mut HostRandom, &mut bytes);
        u64::from_le_bytes(bytes)
    };
    let resources = RESOURCES.init(StackResources::new());
    let (stack, runner) =
        embassy_net::new(card, Config::dhcpv4(embassy_net::DhcpConfig::default()), resources, seed);
    spawner.spawn(run_network(runner).unwrap());
    stack.wait_config_up().await;
    if let Some(config) = stack.config_v4() {
        defmt::info!("address {}", config.address);
    }
    stack
}

/// Has names looked up by this server, instead of the one that DHCP named. The address stays as it is from now on.
pub fn ask(stack: Stack<'_>, server: Ipv4Address) {
    if let Some(mut config) = stack.config_v4() {
        config.dns_servers.clear();
        // There is room: the list is empty.
        let _ = config.dns_servers.push(server);
        stack.set_config_v4(ConfigV4::Static(config));
    }
}

#[embassy_executor::task]
async fn run_network(mut runner: Runner<'static, &'static mut Lan9118>) -> ! {
    runner.run().await
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    defmt::error!("{}", defmt::Display2Format(info));
    host::stop(101)
}

#[exception]
unsafe fn HardFault(frame: &ExceptionFrame) -> ! {
    defmt::error!("hard fault at {=u32:#x}", frame.pc());
    host::stop(102)
}

/// All interrupts come here: the card's is the only one that is enabled.
#[exception]
unsafe fn DefaultHandler(_irqn: i16) {
    lan9118::interrupt();
}
