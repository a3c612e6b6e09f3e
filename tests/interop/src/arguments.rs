//! `--name value` and `--flag`, nothing more.

use crate::connection::Outcome;

pub struct Arguments {
    pub library: String,
    pub driver: String,
    pub url: String,
    pub port: u16,
    pub deflate: bool,
    /// The server echoes and does nothing else.
    pub echo_only: bool,
    /// Run only the checks with this in their name, and those with none of the others.
    pub only: String,
    pub skip: Vec<String>,
    /// NAME|OFFER|QUERY: see `peers/README.md`.
    pub variants: Vec<String>,
}

impl Arguments {
    pub fn parse(arguments: impl Iterator<Item = String>) -> Outcome<Self> {
        let mut parsed = Self {
            library: "sockling".into(),
            driver: "blocking".into(),
            url: String::new(),
            port: 0,
            deflate: false,
            echo_only: false,
            only: String::new(),
            skip: Vec::new(),
            variants: Vec::new(),
        };
        let mut arguments = arguments.skip(1);
        while let Some(name) = arguments.next() {
            let mut value = || arguments.next().ok_or(format!("{name} needs a value"));
            match name.as_str() {
                "--library" => parsed.library = value()?,
                "--driver" => parsed.driver = value()?,
                "--url" => parsed.url = value()?.trim_end_matches('/').into(),
                "--port" => parsed.port = value()?.parse().map_err(|_| "--port needs a number")?,
                "--only" => parsed.only = value()?,
                "--skip" => parsed.skip.push(value()?),
                "--variant" => parsed.variants.push(value()?),
                "--deflate" => parsed.deflate = true,
                "--echo-only" => parsed.echo_only = true,
                _ => return Err(format!("unknown argument {name}")),
            }
        }
        Ok(parsed)
    }
}
