//! Puts the linker script where the linker looks for it, and the firmware of the radio where `main.rs` does.

use std::{env, error::Error, fs, path::PathBuf};

const RADIO: [&str; 3] = ["43439A0.bin", "43439A0_clm.bin", "nvram_rp2040.bin"];

fn main() -> Result<(), Box<dyn Error>> {
    let out = PathBuf::from(env::var("OUT_DIR")?);
    fs::copy("memory.x", out.join("memory.x"))?;
    println!("cargo::rustc-link-search={}", out.display());
    println!("cargo::rerun-if-changed=memory.x");
    println!("cargo::rerun-if-changed=radio");
    println!("cargo::rerun-if-env-changed=RADIO_STAND_IN");
    for name in RADIO {
        let from = PathBuf::from("radio").join(name);
        if from.exists() {
            fs::copy(&from, out.join(name))?;
        } else if env::var_os("RADIO_STAND_IN").is_some() {
            // Enough to compile with: the radio takes nothing of it.
            fs::write(out.join(name), [0; 64])?;
        } else {
            return Err(format!("{} is missing: README.md says where to get it", from.display()).into());
        }
    }
    Ok(())
}
