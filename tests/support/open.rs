//! Opening handshakes, client and server, with both drivers at several cuts, by the letter and with no code of the
//! library.

use sockling::{
    Config, Error, Request, asynch, blocking,
    handshake::{RequestHead, Response},
};

use super::{
    Counter, Script, block_on,
    drive::{Fail, Got, STEPS, Ws},
};

/// The key that a client with [`Counter`] sends: the bytes 1 to 16.
pub const KEY: &str = "AQIDBAUGBwgJCgsMDQ4PEA==";
/// Its answer.
pub const ACCEPT: &str = "C/0nmHhBztSRGR1CwL6Tf4ZjwpY=";

/// A response with more fields, each with its CRLF.
pub fn response(fields: &str) -> Vec<u8> {
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {ACCEPT}\r\n{fields}\r\n"
    )
    .into()
}

/// A request with more fields, each with its CRLF.
pub fn request(fields: &str) -> Vec<u8> {
    format!(
        "GET /chat HTTP/1.1\r\nHost: server.example\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\n{fields}\r\n"
    )
    .into()
}

/// How an opening handshake went, and what was received after it, up to the end of the stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    pub result: Result<(), Fail>,
    pub got: Vec<Got>,
    pub end: Option<Fail>,
    pub sent: Vec<u8>,
    pub subprotocol: Option<usize>,
}

impl Opened {
    fn new(io: &Script, opened: Result<(&mut dyn Ws, Option<usize>), Fail>) -> Self {
        let mut got = vec![];
        let (result, subprotocol, end) = match opened {
            Err(error) => (Err(error), None, None),
            Ok((ws, subprotocol)) => loop {
                match ws.recv() {
                    Ok(message) => got.push(message),
                    Err(end) => break (Ok(()), subprotocol, Some(end)),
                }
            },
        };
        let sent = io.output.borrow().clone();
        Self { result, got, end, sent, subprotocol }
    }

    /// The status line of what a server sent.
    pub fn status(&self) -> u16 {
        let line = std::str::from_utf8(&self.sent[..12]).unwrap();
        line.strip_prefix("HTTP/1.1 ").unwrap().parse().unwrap()
    }

    pub fn error(&self) -> sockling::HandshakeError {
        match self.result {
            Err(Error::Handshake(error)) => error,
            other => panic!("no failed handshake: {other:?}"),
        }
    }
}

/// Opens as a client to a server that sends `input`, into a receive buffer of `rx` bytes.
pub fn connect(request: &Request<'_>, input: &[u8], rx: usize) -> Opened {
    connect_at(&STEPS, request, input, rx)
}

/// The same with reads of these lengths.
pub fn connect_at(steps: &[usize], request: &Request<'_>, input: &[u8], rx: usize) -> Opened {
    agreed(steps, input, |io, is_async| {
        let (rx, tx) = (vec![0; rx], vec![0; 300]);
        if is_async {
            let mut ws = block_on(asynch::connect(io.clone(), request, Counter(0), rx, tx));
            let opened = ws.as_mut().map_err(|error| *error);
            Opened::new(
                io,
                opened.map(|ws| (ws.subprotocol(), ws)).map(|(chosen, ws)| (ws as &mut dyn Ws, chosen)),
            )
        } else {
            let mut ws = blocking::connect(io.clone(), request, Counter(0), rx, tx);
            let opened = ws.as_mut().map_err(|error| *error);
            Opened::new(
                io,
                opened.map(|ws| (ws.subprotocol(), ws)).map(|(chosen, ws)| (ws as &mut dyn Ws, chosen)),
            )
        }
    })
}

pub type Decide<'d> = &'d dyn Fn(&RequestHead<'_>) -> Response<'static>;

/// Opens as a server to a client that sends `input`, into a receive buffer of `rx` bytes.
pub fn accept(config: &Config, input: &[u8], rx: usize, decide: Decide<'_>) -> Opened {
    accept_at(&STEPS, config, input, rx, decide)
}

/// The same with reads of these lengths.
pub fn accept_at(steps: &[usize], config: &Config, input: &[u8], rx: usize, decide: Decide<'_>) -> Opened {
    agreed(steps, input, |io, is_async| {
        let (rx, tx) = (vec![0; rx], vec![0; 300]);
        if is_async {
            let mut ws = block_on(asynch::accept(io.clone(), config, rx, tx, decide));
            Opened::new(io, ws.as_mut().map(|ws| (ws as &mut dyn Ws, None)).map_err(|error| *error))
        } else {
            let mut ws = blocking::accept(io.clone(), config, rx, tx, decide);
            Opened::new(io, ws.as_mut().map(|ws| (ws as &mut dyn Ws, None)).map_err(|error| *error))
        }
    })
}

fn agreed(steps: &[usize], input: &[u8], open: impl Fn(&Script, bool) -> Opened) -> Opened {
    let mut first: Option<Opened> = None;
    for step in steps {
        for is_async in [false, true] {
            let opened = open(&Script::new(input, *step), is_async);
            match &first {
                Some(first) => assert_eq!(&opened, first, "{step} bytes at a time, async: {is_async}"),
                None => first = Some(opened),
            }
        }
    }
    first.unwrap()
}
