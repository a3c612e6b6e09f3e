//! The echo server of `peers/README.md`, with either library.

use socket2::SockRef;
use sockling_interop::{
    arguments::Arguments,
    connection::{
        ABNORMAL, Close, Connection, Data, Deflate, Event, Kind, Library, Options, Outcome, library, text,
    },
    payload,
};
use std::{
    env,
    io::Write,
    net::{Shutdown, TcpListener, TcpStream},
    process::ExitCode,
    sync::Arc,
    thread,
    time::Duration,
};

/// Waits for the pong; the client sends nothing else meanwhile.
fn await_pong(connection: &mut dyn Connection, payload: &[u8]) -> Outcome<()> {
    match connection.recv()? {
        Event::Pong(got) if got == payload => Ok(()),
        event => Err(format!("got {event:?} for a pong")),
    }
}

/// Ends the connection below the WebSocket.
fn drop_connection(raw: &TcpStream, how: &str) -> Outcome<()> {
    match how {
        "fin" => {}
        // a frame of 100 bytes that breaks off
        "inside" => (&*raw).write_all(&[0x82, 100, 1, 2, 3]).map_err(text)?,
        "reset" => {
            let socket = SockRef::from(raw);
            socket.set_linger(Some(Duration::ZERO)).map_err(text)?;
            return Ok(()); // at the last close
        }
        _ => return Err(format!("no way to drop called {how}")),
    }
    raw.shutdown(Shutdown::Both).map_err(text)
}

/// How the connection ended, from the client's close frame.
fn serve(mut connection: Box<dyn Connection>, path: &[&str], raw: &TcpStream) -> Outcome<Close> {
    loop {
        let data = match connection.recv()? {
            Event::Closed(close) => return Ok(close),
            Event::Ping(_) | Event::Pong(_) => continue,
            Event::Data(data) => data,
        };
        let (kind, bytes) = match &data {
            Data::Text(text) => (Kind::Text, text.as_bytes()),
            Data::Binary(bytes) => (Kind::Binary, &bytes[..]),
        };
        match path {
            ["fragmented"] => {
                connection.send_fragmented(kind, &payload::fragments(bytes), Some(b"in between"))?;
                await_pong(&mut *connection, b"in between")?;
                connection.send(&Data::Text("pong".into()))?;
            }
            ["ping"] => {
                connection.ping(bytes)?;
                await_pong(&mut *connection, bytes)?;
                connection.send(&Data::Text("pong".into()))?;
            }
            ["close"] => {
                connection.send(&data)?;
                return connection.close(None);
            }
            ["close", code, reason] => {
                connection.send(&data)?;
                let code = code.parse().map_err(|_| "the code is no number")?;
                return connection.close(Some((code, &payload::percent_decode(reason))));
            }
            ["drop", how] => {
                drop_connection(raw, how)?;
                return Err("dropped as asked".into());
            }
            _ => connection.send(&data)?,
        }
    }
}

fn handle(library: &dyn Library, stream: TcpStream, options: &Options) -> Outcome<()> {
    let raw = stream.try_clone().map_err(text)?;
    let (target, connection) = library.accept(stream, options)?;
    println!("opened {target} {}", connection.extensions().as_deref().unwrap_or("-"));
    let path: Vec<&str> = target.split('?').next().unwrap_or("").trim_start_matches('/').split('/').collect();
    match serve(connection, &path, &raw) {
        Ok(close) => println!("closed {target} {} {}", close.code, close.reason),
        Err(error) => println!("closed {target} {ABNORMAL} {}", error.replace('\n', " ")),
    }
    Ok(())
}

fn run() -> Outcome<()> {
    let arguments = Arguments::parse(env::args())?;
    let library = library(&arguments.library, &arguments.driver)?;
    let options =
        Arc::new(Options { deflate: arguments.deflate.then(Deflate::default), ..Options::default() });
    let listener = TcpListener::bind(("127.0.0.1", arguments.port)).map_err(text)?;
    println!("listening {}", listener.local_addr().map_err(text)?.port());
    for stream in listener.incoming() {
        let (stream, library, options) = (stream.map_err(text)?, Arc::clone(&library), Arc::clone(&options));
        thread::spawn(move || {
            if let Err(error) = handle(&*library, stream, &options) {
                println!("refused {}", error.replace('\n', " "));
            }
        });
    }
    Ok(())
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(2)
        }
    }
}
