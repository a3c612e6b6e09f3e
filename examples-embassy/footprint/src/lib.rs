//! What the measured programs share, the baseline with the others: a transport, a source of keys, and the report.
//!
//! Nothing here formats anything: the machinery of `core::fmt` in the baseline would hide that of the others.
#![no_std]

pub mod block_on;
pub mod feed;
pub mod network;
pub mod script;

use core::{hint::black_box, panic::PanicInfo};

use cortex_m_semihosting::{debug, syscall1};

/// Random bytes, as far as RFC 6455 wrote down what comes of them: the key of section 1.3, the masking key of 5.7.
pub struct Examples;

impl sockling::Random for Examples {
    fn fill(&mut self, dest: &mut [u8]) {
        let bytes: &[u8] = if dest.len() == 16 { b"the sample nonce" } else { &[0x37, 0xfa, 0x21, 0x3d] };
        for (to, from) in dest.iter_mut().zip(black_box(bytes)) {
            *to = *from;
        }
    }
}

/// Ends the program: prints how many bytes of stack it used, in hexadecimal, and tells QEMU whether all went well.
pub fn finish(ok: bool) -> ! {
    let used = stack_used();
    for shift in [12, 8, 4, 0] {
        print(*b"0123456789abcdef".get((used >> shift & 0xF) as usize).unwrap_or(&b"?"[0]));
    }
    print(b'\n');
    debug::exit(if ok { debug::EXIT_SUCCESS } else { debug::EXIT_FAILURE });
    loop {
        cortex_m::asm::nop();
    }
}

fn print(byte: u8) {
    // SAFETY: the call reads the byte that the argument points at.
    unsafe { syscall1!(WRITEC, core::ptr::from_ref(&byte) as usize) };
}

/// How far down the stack the paint that `cortex-m-rt` put there at reset is gone.
fn stack_used() -> u32 {
    unsafe extern "C" {
        static _stack_end: u32;
        static _stack_start: u32;
    }
    let (mut at, top) = (&raw const _stack_end, &raw const _stack_start);
    // SAFETY: from one symbol to the other lies the memory of the stack.
    while at < top && unsafe { at.read_volatile() } == cortex_m_rt::STACK_PAINT_VALUE {
        at = at.wrapping_add(1);
    }
    (top as usize - at as usize) as u32
}

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    debug::exit(debug::EXIT_FAILURE);
    loop {
        cortex_m::asm::nop();
    }
}
