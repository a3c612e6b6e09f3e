//! Puts the linker script where the linker looks for it: a larger chip for TLS than for the other programs.

use std::{env, error::Error, fs, path::PathBuf};

/// Programs, and the flash and RAM that they may use.
const CHIPS: [(&str, &str, &[&str]); 2] = [
    // As of an STM32F401xB.
    ("128K", "64K", &["app", "autobahn_client", "echo_client", "echo_server"]),
    // As of an STM32F411xC.
    ("256K", "128K", &["app_tls", "tls_client"]),
];

fn main() -> Result<(), Box<dyn Error>> {
    let memory = fs::read_to_string("chip.x")?;
    let out = PathBuf::from(env::var("OUT_DIR")?);
    for (flash, ram, programs) in CHIPS {
        let folder = out.join(flash);
        fs::create_dir_all(&folder)?;
        fs::write(folder.join("memory.x"), memory.replace("FLASH_LENGTH", flash).replace("RAM_LENGTH", ram))?;
        for program in programs {
            println!("cargo::rustc-link-arg-bin={program}=-L{}", folder.display());
        }
    }
    println!("cargo::rerun-if-changed=chip.x");
    Ok(())
}
