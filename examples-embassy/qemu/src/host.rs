//! The host, through semihosting.

use core::{fmt::Debug, str::FromStr};

use heapless::String;
use sockling::Random;

/// The value of the argument `name=value`; `run` passes arguments on.
#[must_use]
pub fn argument(name: &str) -> Option<String<64>> {
    let arguments = semihosting::experimental::env::args::<512>().ok()?;
    let mut arguments = &arguments;
    loop {
        if let Some((key, value)) = arguments.next()?.ok()?.split_once('=')
            && key == name
        {
            return Some(value.try_into().expect("an argument of at most 64 characters"));
        }
    }
}

/// The same for a number, which has to be there.
#[must_use]
pub fn number<T: FromStr<Err: Debug>>(name: &str) -> T {
    match argument(name).map(|value| value.parse()) {
        Some(Ok(number)) => number,
        _ => defmt::panic!("give the number {=str}=", name),
    }
}

/// Ends the emulation with the program's verdict.
pub fn exit<E: defmt::Format>(verdict: Result<(), E>) -> ! {
    match verdict {
        Ok(()) => {
            defmt::info!("done");
            stop(0)
        }
        Err(error) => {
            defmt::error!("{}", error);
            stop(1)
        }
    }
}

pub(crate) fn stop(code: i32) -> ! {
    semihosting::process::exit(code)
}

/// The host's generator, in place of the one that a chip has.
#[derive(Clone, Copy, Debug)]
pub struct HostRandom;

impl Random for HostRandom {
    fn fill(&mut self, dest: &mut [u8]) {
        semihosting::experimental::random::fill_bytes(dest).expect("the host has /dev/urandom");
    }
}
