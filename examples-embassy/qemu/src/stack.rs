//! How much of the stack was ever used: it is painted at reset (cortex-m-rt, feature `paint-stack`).

use cortex_m_rt::STACK_PAINT_VALUE;

unsafe extern "C" {
    static _stack_start: u32;
    static _stack_end: u32;
}

/// The most that the stack ever held, in bytes, interrupts included.
///
/// A stack that is too large grows into the statics below it. That is noticed here, and ends the program.
#[must_use]
pub fn high_water_mark() -> usize {
    let (mut at, top) = (&raw const _stack_end, &raw const _stack_start);
    let whole = top as usize - at as usize;
    let mut untouched = 0;
    // SAFETY: from the end of the statics to the top of the stack all is RAM, and nobody writes below the stack pointer,
    // where the paint is.
    while at < top && unsafe { at.read_volatile() } == STACK_PAINT_VALUE {
        untouched += size_of::<u32>();
        at = at.wrapping_add(1);
    }
    if untouched == 0 {
        defmt::error!("the stack overflowed");
        crate::host::stop(103);
    }
    whole - untouched
}
