//! `probe certificates FOLDER` makes the certificates that the servers of the test use.
//!
//! `probe connect URL [OPTION VALUE]...` connects, has the server echo messages and closes. The server's first message is
//! printed as it is, behind the port that the client has connected from and the milliseconds that took; an error is printed in the form of `Debug`.

use std::{
    env,
    error::Error,
    fs,
    path::Path,
    process::ExitCode,
    time::{Duration, Instant},
};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use sockling::{CloseCode, ConnectOptions};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    let result = match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["certificates", folder] => certificates(Path::new(folder)),
        ["connect", url, ref options @ ..] => connect(url, options),
        _ => Err("usage: probe certificates FOLDER | probe connect URL [OPTION VALUE]...".into()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn connect(url: &str, mut args: &[&str]) -> Result<()> {
    let mut options = ConnectOptions::new()
        .connect_timeout(Duration::from_secs(20))
        .handshake_timeout(Duration::from_secs(20))
        .read_timeout(Some(Duration::from_secs(20)));
    let mut times = 1;
    while let [name, value, rest @ ..] = args {
        args = rest;
        let pair = || value.split_once(':').ok_or("A:B is missing");
        options = match *name {
            "--proxy" => options.proxy(value),
            "--no-proxy" => options.no_proxy([value]),
            "--root" => options.add_root_certificates(fs::read(value)?)?,
            "--identity" => options
                .client_certificate(fs::read(format!("{value}.pem"))?, fs::read(format!("{value}.key"))?)?,
            "--server-name" => options.server_name(*value),
            "--danger" => options.danger_accept_invalid_certificates(value.parse()?),
            "--basic" => options.basic_auth(pair()?.0, pair()?.1),
            "--header" => options.header(pair()?.0, pair()?.1),
            "--cookie" => options.cookie(*value),
            "--redirects" => options.redirects(value.parse()?),
            "--times" => {
                times = value.parse()?;
                options
            }
            _ => return Err(format!("no such option: {name}").into()),
        };
    }
    (0..times).try_for_each(|_| talk(&options, url))
}

fn talk(options: &ConnectOptions, url: &str) -> Result<()> {
    let debug = |error| format!("{error:?}");
    let begin = Instant::now();
    let mut ws = options.connect(url).map_err(debug)?;
    let took = begin.elapsed().as_millis();
    let port = ws
        .stream()
        .peer_addr()
        .and_then(|_| ws.stream().tcp_stream().map_or(Ok(0), |tcp| Ok(tcp.local_addr()?.port())))?;
    println!("{port} {took} {}", ws.recv().map_err(debug)?.as_text().ok_or("no text")?);
    for len in [0, 5, 126, 70_000, 1_000_000] {
        let message: Vec<u8> = (0..=250).cycle().take(len).collect();
        ws.send(&message).map_err(debug)?;
        if ws.recv().map_err(debug)?.as_bytes() != message {
            return Err("the echo is another".into());
        }
    }
    if !ws.close(CloseCode::NORMAL, "bye").map_err(debug)?.is_clean() {
        return Err("not closed cleanly".into());
    }
    Ok(())
}

/// `ca.pem`, and as NAME.pem with NAME.key: certificates for 127.0.0.1 and localhost that are `good`, `expired` and
/// of a `stranger`, one for `other`.example, and one for a `client`.
fn certificates(folder: &Path) -> Result<()> {
    let (ca, stranger) = (authority("ours")?, authority("a stranger's")?);
    fs::write(folder.join("ca.pem"), &ca.0)?;
    let here = ["127.0.0.1", "localhost"];
    for (file, names, expired, authority) in [
        ("good", &here[..], false, &ca),
        ("expired", &here, true, &ca),
        ("stranger", &here, false, &stranger),
        ("other", &["other.example"], false, &ca),
        ("client", &["client"], false, &ca),
        ("strange-client", &["client"], false, &stranger),
    ] {
        let key = KeyPair::generate()?;
        let mut params =
            CertificateParams::new(names.iter().map(|name| name.to_string()).collect::<Vec<_>>())?;
        if expired {
            params.not_before = date_time_ymd(2001, 1, 1);
            params.not_after = date_time_ymd(2002, 1, 1);
        }
        params.distinguished_name.push(DnType::CommonName, file);
        fs::write(folder.join(format!("{file}.pem")), params.signed_by(&key, &authority.1)?.pem())?;
        fs::write(folder.join(format!("{file}.key")), key.serialize_pem())?;
    }
    Ok(())
}

fn authority(name: &str) -> Result<(String, Issuer<'static, KeyPair>)> {
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new(Vec::new())?;
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, name);
    let pem = params.self_signed(&key)?.pem();
    Ok((pem, Issuer::new(params, key)))
}
