//! The host, through semihosting.

use core::{
    ffi::CStr,
    fmt::{Debug, Write as _},
    str::FromStr,
};

use heapless::String;
use semihosting::{experimental::time::SystemTime, fs::File, io::Read as _};
use sockling::Random;

/// The value of the argument `name=value`; `run` passes arguments on.
#[must_use]
pub fn argument(name: &str) -> Option<String<128>> {
    let arguments = semihosting::experimental::env::args::<512>().ok()?;
    let mut arguments = &arguments;
    loop {
        if let Some((key, value)) = arguments.next()?.ok()?.split_once('=')
            && key == name
        {
            return Some(value.try_into().expect("an argument of at most 128 characters"));
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

/// The contents of a file of the host's.
///
/// # Errors
/// If it cannot be read, or has more bytes.
pub fn file<'b>(path: &str, bytes: &'b mut [u8]) -> Result<&'b [u8], &'static str> {
    let mut name: String<160> = String::new();
    write!(name, "{path}\0").map_err(|_| "the path is too long")?;
    let name = CStr::from_bytes_with_nul(name.as_bytes()).map_err(|_| "the path is none")?;
    let mut file = File::open(name).map_err(|_| "there is no such file")?;
    let mut len = 0;
    loop {
        match file.read(&mut bytes[len..]) {
            Ok(0) if len == bytes.len() => return Err("the file is too long"),
            Ok(0) => return Ok(&bytes[..len]),
            Ok(n) => len += n,
            Err(_) => return Err("the file cannot be read"),
        }
    }
}

/// The host's time, in seconds since 1970.
#[must_use]
pub fn unix_time() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |time| time.as_secs())
}

/// Ends the emulation with the program's verdict.
pub fn exit<E: defmt::Format>(verdict: Result<(), E>) -> ! {
    defmt::info!("stack: {=usize} bytes", crate::high_water_mark());
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
