//! SMSC LAN9118, as far as QEMU emulates it.

use core::task::Context;

use cortex_m::{interrupt::InterruptNumber, peripheral::NVIC};
use embassy_net_driver::{Capabilities, Driver, HardwareAddress, LinkState, RxToken, TxToken};
use embassy_sync::{blocking_mutex::raw::CriticalSectionRawMutex, waitqueue::GenericAtomicWaker};

const BASE: usize = 0x4020_0000;
const RX_DATA: usize = 0x00;
const TX_DATA: usize = 0x20;
const RX_STATUS: usize = 0x40;
const TX_STATUS: usize = 0x48;
const IRQ_CFG: usize = 0x54;
const INT_STS: usize = 0x58;
const INT_EN: usize = 0x5c;
const BYTE_TEST: usize = 0x64;
const TX_CFG: usize = 0x70;
const RX_FIFO_INF: usize = 0x7c;
const TX_FIFO_INF: usize = 0x80;
const MAC_CSR_CMD: usize = 0xa4;
const MAC_CSR_DATA: usize = 0xa8;

// Registers behind MAC_CSR.
const MAC_CR: u32 = 1;
const MAC_ADDRH: u32 = 2;
const MAC_ADDRL: u32 = 3;

const CSR_BUSY: u32 = 1 << 31;
const CSR_READ: u32 = 1 << 30;
const MAC_RECEIVE: u32 = 1 << 2;
const MAC_TRANSMIT: u32 = 1 << 3;
const TX_ON: u32 = 1 << 1;
const TX_FIRST_AND_LAST: u32 = 1 << 13 | 1 << 12;
const RX_ERROR: u32 = 1 << 15;
/// The receive status FIFO holds more than the level, which is 0.
const RX_LEVEL: u32 = 1 << 3;
/// Enabled, active high, push-pull.
const IRQ_ACTIVE_HIGH: u32 = 1 << 8 | 1 << 4 | 1;

const FRAME: usize = 1514;
const CHECKSUM: usize = 4;

static WAKER: GenericAtomicWaker<CriticalSectionRawMutex> =
    GenericAtomicWaker::new(CriticalSectionRawMutex::new());

/// Where the card's interrupt arrives on the mps2 boards.
#[derive(Clone, Copy)]
struct Irq;

// SAFETY: it always is the same number, and the core has it.
unsafe impl InterruptNumber for Irq {
    fn number(self) -> u16 {
        13
    }
}

fn read(register: usize) -> u32 {
    // SAFETY: all offsets above are registers of the card.
    unsafe { ((BASE + register) as *const u32).read_volatile() }
}

fn write(register: usize, value: u32) {
    // SAFETY: likewise.
    unsafe { ((BASE + register) as *mut u32).write_volatile(value) }
}

fn mac_read(register: u32) -> u32 {
    write(MAC_CSR_CMD, CSR_BUSY | CSR_READ | register);
    while read(MAC_CSR_CMD) & CSR_BUSY != 0 {}
    read(MAC_CSR_DATA)
}

fn mac_write(register: u32, value: u32) {
    write(MAC_CSR_DATA, value);
    write(MAC_CSR_CMD, CSR_BUSY | register);
    while read(MAC_CSR_CMD) & CSR_BUSY != 0 {}
}

pub(crate) struct Lan9118 {
    address: [u8; 6],
    // In words, since the FIFOs are.
    rx: [u8; FRAME + CHECKSUM + 2],
    tx: [u8; FRAME],
}

impl Lan9118 {
    pub(crate) fn start() -> Self {
        assert_eq!(read(BYTE_TEST), 0x8765_4321, "there is no LAN9118");
        let ([a, b, c, d], [e, f, ..]) =
            (mac_read(MAC_ADDRL).to_le_bytes(), mac_read(MAC_ADDRH).to_le_bytes());
        mac_write(MAC_CR, MAC_TRANSMIT | MAC_RECEIVE);
        write(TX_CFG, TX_ON);
        write(INT_EN, RX_LEVEL);
        write(IRQ_CFG, IRQ_ACTIVE_HIGH);
        Self { address: [a, b, c, d, e, f], rx: [0; FRAME + CHECKSUM + 2], tx: [0; FRAME] }
    }
}

/// Leaves it to the task to look: the interrupt is enabled again when there is nothing left.
pub(crate) fn interrupt() {
    NVIC::mask(Irq);
    WAKER.wake();
}

impl Driver for Lan9118 {
    type RxToken<'a> = Received<'a>;
    type TxToken<'a> = Transmit<'a>;

    fn receive(&mut self, context: &mut Context<'_>) -> Option<(Received<'_>, Transmit<'_>)> {
        WAKER.register(context.waker());
        loop {
            if (read(RX_FIFO_INF) >> 16) & 0xff == 0 {
                write(INT_STS, RX_LEVEL);
                // What came between the two lines above raised nothing that is left.
                if (read(RX_FIFO_INF) >> 16) & 0xff == 0 {
                    // SAFETY: the handler may run from here on, and there is no critical section that relies on a mask.
                    unsafe { NVIC::unmask(Irq) };
                    return None;
                }
            }
            let status = read(RX_STATUS);
            let len = (status >> 16 & 0x3fff) as usize;
            for at in (0..len).step_by(4) {
                let word = read(RX_DATA).to_le_bytes();
                if let Some(to) = self.rx.get_mut(at..at + 4) {
                    to.copy_from_slice(&word);
                }
            }
            if status & RX_ERROR == 0 && (CHECKSUM..=FRAME + CHECKSUM).contains(&len) {
                return Some((Received(&mut self.rx[..len - CHECKSUM]), Transmit(&mut self.tx)));
            }
        }
    }

    fn transmit(&mut self, context: &mut Context<'_>) -> Option<Transmit<'_>> {
        while (read(TX_FIFO_INF) >> 16) & 0xff != 0 {
            read(TX_STATUS);
        }
        if (read(TX_FIFO_INF) & 0xffff) as usize >= FRAME + 16 {
            return Some(Transmit(&mut self.tx));
        }
        // It has room as soon as the host has taken a frame, which is at once.
        context.waker().wake_by_ref();
        None
    }

    fn link_state(&mut self, _: &mut Context<'_>) -> LinkState {
        LinkState::Up
    }

    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::default();
        capabilities.max_transmission_unit = FRAME;
        capabilities.max_burst_size = Some(1);
        capabilities
    }

    fn hardware_address(&self) -> HardwareAddress {
        HardwareAddress::Ethernet(self.address)
    }
}

pub(crate) struct Received<'a>(&'a mut [u8]);

impl RxToken for Received<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, op: F) -> R {
        op(self.0)
    }
}

pub(crate) struct Transmit<'a>(&'a mut [u8; FRAME]);

impl TxToken for Transmit<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, op: F) -> R {
        let frame = &mut self.0[..len];
        let result = op(frame);
        let size = u32::try_from(len).unwrap_or_default();
        write(TX_DATA, TX_FIRST_AND_LAST | size);
        write(TX_DATA, size);
        for chunk in frame.chunks(4) {
            let mut word = [0; 4];
            word[..chunk.len()].copy_from_slice(chunk);
            write(TX_DATA, u32::from_le_bytes(word));
        }
        result
    }
}
