//! The driver of embassy-time: SysTick at 1 kHz.

use core::{
    cell::{Cell, RefCell},
    task::Waker,
};

use cortex_m::peripheral::{SYST, syst::SystClkSource};
use cortex_m_rt::exception;
use critical_section::Mutex;
use embassy_time_driver::{Driver, TICK_HZ};
use embassy_time_queue_utils::Queue;

const CORE_HZ: u32 = 25_000_000;
const RELOAD: u32 = CORE_HZ / 1000 - 1;
const _: () = assert!(TICK_HZ == 1000);

struct SysTickClock {
    now: Mutex<Cell<u64>>,
    queue: Mutex<RefCell<Queue>>,
}

embassy_time_driver::time_driver_impl!(static CLOCK: SysTickClock = SysTickClock {
    now: Mutex::new(Cell::new(0)),
    queue: Mutex::new(RefCell::new(Queue::new())),
});

impl Driver for SysTickClock {
    fn now(&self) -> u64 {
        critical_section::with(|cs| self.now.borrow(cs).get())
    }

    fn schedule_wake(&self, at: u64, waker: &Waker) {
        critical_section::with(|cs| {
            let mut queue = self.queue.borrow(cs).borrow_mut();
            if queue.schedule_wake(at, waker) {
                // What is due by now wakes here; the rest at its tick.
                queue.next_expiration(self.now.borrow(cs).get());
            }
        });
    }
}

pub(crate) fn start(mut systick: SYST) {
    systick.set_clock_source(SystClkSource::Core);
    systick.set_reload(RELOAD);
    systick.clear_current();
    systick.enable_counter();
    systick.enable_interrupt();
}

#[exception]
fn SysTick() {
    critical_section::with(|cs| {
        let now = CLOCK.now.borrow(cs).get() + 1;
        CLOCK.now.borrow(cs).set(now);
        CLOCK.queue.borrow(cs).borrow_mut().next_expiration(now);
    });
}
