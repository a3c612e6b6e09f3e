//! Through a proxy: what is to be given, what the environment says, and what goes wrong.

use std::{
    error::Error,
    io::{self, BufRead, BufReader, Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    thread,
};

use clap::Parser;
use sockling::{
    CloseCode, ConnectOptions, Server,
    net::{self, ProxyError},
};

/// Connects to an echo server through a proxy, and shows which way it went.
#[derive(Parser)]
#[command(version)]
struct Args {
    /// Where to connect. Without it: a server on loopback, started by this program.
    url: Option<String>,
    /// http://user:password@host:port, or https, socks4, socks4a, socks5, socks5h. Without it: what https_proxy, http_proxy
    /// or all_proxy in the environment say; if no URL is given, an HTTP proxy on loopback, started by this program.
    #[arg(long)]
    proxy: Option<String>,
    /// Hosts that are connected to without it: domains, addresses, networks, *; separated by commas.
    #[arg(long)]
    no_proxy: Option<String>,
}

fn main() -> Result<(), Box<dyn Error>> {
    sockling_examples_std::init_log();
    let args = Args::parse();
    let Some(url) = args.url else {
        return demonstrate();
    };
    let mut options = ConnectOptions::new();
    if let Some(proxy) = args.proxy {
        options = options.proxy(proxy);
    }
    if let Some(hosts) = args.no_proxy {
        options = options.no_proxy([hosts]);
    }
    echo(&options, &url)
}

/// With a server and a proxy of this program.
fn demonstrate() -> Result<(), Box<dyn Error>> {
    let (server, proxy) = (own_server()?, own_proxy()?);

    // The server's name goes to the proxy, which looks it up: here there need not be such a name.
    let url = format!("ws://echo.example:{server}/");
    echo(&ConnectOptions::new().proxy(format!("http://user:password@127.0.0.1:{proxy}")), &url)?;

    // A proxy says no. What it answered is in the error.
    let wrong = ConnectOptions::new().proxy(format!("http://user:wrong@127.0.0.1:{proxy}"));
    match wrong.connect(&url) {
        Err(net::Error::Proxy { proxy, source: ProxyError::Status(response) }) => {
            println!("{proxy} answered with status {response}");
        }
        other => return Err(format!("that should have been refused: {other:?}").into()),
    }

    // Hosts that need no proxy: the whole of 127.0.0.0/8 here.
    let direct = wrong.no_proxy(["127.0.0.0/8", "intranet.example"]);
    echo(&direct, &format!("ws://127.0.0.1:{server}/"))
}

fn echo(options: &ConnectOptions, url: &str) -> Result<(), Box<dyn Error>> {
    let mut ws = options.connect(url)?;
    println!("connected to {url} over {:?}", ws.stream().peer_addr()?);
    ws.send("Hello through the proxy")?;
    println!("received {:?}", ws.recv()?);
    println!("closed: {}", ws.close(CloseCode::NORMAL, "bye")?);
    Ok(())
}

/// Starts an echo server in a thread; returns its port.
fn own_server() -> io::Result<u16> {
    let server = Server::bind("127.0.0.1:0")?;
    let port = server.local_addr()?.port();
    thread::spawn(move || {
        while let Ok(mut ws) = server.accept() {
            while let Ok(message) = ws.recv() {
                let copy = message.as_text().unwrap_or_default().to_owned();
                if ws.send(copy.as_str()).is_err() {
                    break;
                }
            }
        }
    });
    Ok(port)
}

/// Starts an HTTP proxy in a thread; returns its port. For every name it goes to loopback: it knows `user:password` only.
fn own_proxy() -> io::Result<u16> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let port = listener.local_addr()?.port();
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            thread::spawn(|| tunnel(client));
        }
    });
    Ok(port)
}

fn tunnel(mut client: TcpStream) -> io::Result<()> {
    let (mut port, mut known) = (None, false);
    for line in BufReader::new(client.try_clone()?).lines() {
        let line = line?;
        if let Some(rest) = line.strip_prefix("CONNECT ") {
            port = rest.split([' ', ':']).nth(1).and_then(|port| port.parse::<u16>().ok());
        }
        known |= line == "Proxy-Authorization: Basic dXNlcjpwYXNzd29yZA==";
        if line.is_empty() {
            break;
        }
    }
    let Some(port) = port.filter(|_| known) else {
        return client
            .write_all(b"HTTP/1.1 407 Who are you?\r\nProxy-Authenticate: Basic realm=\"example\"\r\n\r\n");
    };
    let server = TcpStream::connect(("127.0.0.1", port))?;
    client.write_all(b"HTTP/1.1 200 Connected\r\n\r\n")?;
    let (from, to) = (client.try_clone()?, server.try_clone()?);
    thread::spawn(move || copy(from, to));
    copy(server, client)
}

fn copy(mut from: TcpStream, mut to: TcpStream) -> io::Result<()> {
    let mut buf = [0; 4096];
    loop {
        match from.read(&mut buf)? {
            0 => return to.shutdown(Shutdown::Write),
            n => to.write_all(&buf[..n])?,
        }
    }
}
