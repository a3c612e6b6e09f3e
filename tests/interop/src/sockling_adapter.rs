//! sockling, in both roles and with both drivers.

use crate::connection::{
    Close, Connection, Data, Event, Kind, Library, MAX_MESSAGE, Options, Outcome, SUBPROTOCOLS, text,
};
use embedded_io_adapters::tokio_1::FromTokio;
use rand::{SeedableRng, rngs::StdRng};
use sockling::{
    CloseCode, Config, ConnectOptions, Growing, Message, Random, Request, asynch,
    handshake::{HeadLine, Response},
    net::{self, ServerOptions},
};
use std::net::TcpStream;
use tokio::runtime::Runtime;

pub struct Blocking;
pub struct Async;

fn config() -> Config {
    let mut config = Config::default();
    config.report_control = true;
    config.limits.max_message = MAX_MESSAGE as u32;
    config.limits.max_frame = MAX_MESSAGE as u32;
    config
}

fn kind(kind: Kind) -> sockling::Kind {
    match kind {
        Kind::Text => sockling::Kind::Text,
        Kind::Binary => sockling::Kind::Binary,
    }
}

fn outgoing(data: &Data) -> Message<'_> {
    match data {
        Data::Text(text) => text.into(),
        Data::Binary(bytes) => bytes.into(),
    }
}

fn event(message: Message<'_>) -> Outcome<Event> {
    Ok(match message {
        Message::Text(text) => Event::Data(Data::Text(text.to_owned())),
        Message::Binary(bytes) => Event::Data(Data::Binary(bytes.to_vec())),
        Message::Ping(payload) => Event::Ping(payload.to_vec()),
        Message::Pong(payload) => Event::Pong(payload.to_vec()),
        other => return Err(format!("{other:?}")),
    })
}

fn closing(close: Option<(u16, &str)>) -> (CloseCode, &str) {
    close.map_or((CloseCode::NO_STATUS_RECEIVED, ""), |(code, reason)| (CloseCode(code), reason))
}

/// What `close` returned as the answer of the peer.
fn answer(code: Option<CloseCode>, reason: &str) -> Outcome<Close> {
    let code = code.ok_or("the peer sent no close frame")?;
    Ok(Close { code: code.0, reason: reason.to_owned() })
}

impl Library for Blocking {
    fn connect(&self, url: &str, options: &Options) -> Outcome<Box<dyn Connection>> {
        let connect = ConnectOptions::new().config(config()).subprotocols(&options.subprotocols);
        Ok(Box::new(connect.connect(url).map_err(text)?))
    }

    fn accept(&self, stream: TcpStream, _: &Options) -> Outcome<(String, Box<dyn Connection>)> {
        let mut target = String::new();
        let ws = ServerOptions::new().config(config()).accept_with(stream, |request| {
            target = request.target().to_owned();
            request
                .choose(&SUBPROTOCOLS)
                .map_or(Response::accept(), |own| Response::accept().subprotocol(own))
        });
        Ok((target, Box::new(ws.map_err(text)?)))
    }

    fn goes_on_without_subprotocol(&self) -> bool {
        true
    }
}

impl Connection for sockling::WebSocket {
    fn subprotocol(&self) -> Option<String> {
        self.subprotocol().map(str::to_owned)
    }

    fn extensions(&self) -> Option<String> {
        let value = self.response()?.header("Sec-WebSocket-Extensions")?;
        Some(String::from_utf8_lossy(value).into_owned())
    }

    fn send(&mut self, data: &Data) -> Outcome<()> {
        self.send(outgoing(data)).map_err(text)
    }

    fn send_fragmented(&mut self, of: Kind, fragments: &[&[u8]], ping: Option<&[u8]>) -> Outcome<()> {
        for (index, fragment) in fragments.iter().enumerate() {
            if let Some(payload) = ping.filter(|_| index == fragments.len() / 2) {
                self.send(Message::Ping(payload)).map_err(text)?;
            }
            self.send_part(kind(of), fragment, index + 1 == fragments.len()).map_err(text)?;
        }
        Ok(())
    }

    fn ping(&mut self, payload: &[u8]) -> Outcome<()> {
        self.send(Message::Ping(payload)).map_err(text)
    }

    fn recv(&mut self) -> Outcome<Event> {
        match self.recv() {
            Ok(message) => event(message),
            Err(net::Error::Closed(closed)) => {
                Ok(Event::Closed(answer(closed.received.is_some().then(|| closed.code()), closed.reason())?))
            }
            Err(error) => Err(text(error)),
        }
    }

    fn close(mut self: Box<Self>, close: Option<(u16, &str)>) -> Outcome<Close> {
        let (code, reason) = closing(close);
        let closed = sockling::WebSocket::close(&mut self, code, reason).map_err(text)?;
        answer(closed.received.is_some().then(|| closed.code()), closed.reason())
    }
}

type Io = FromTokio<tokio::net::TcpStream>;

struct Open<G> {
    runtime: Runtime,
    ws: asynch::WebSocket<Io, G, Growing, Vec<u8>>,
    subprotocol: Option<String>,
    extensions: Option<String>,
}

fn runtime() -> Outcome<Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(text)
}

fn buffers() -> (Growing, Vec<u8>) {
    (Growing::new(64 << 10, MAX_MESSAGE + 256), vec![0; 64 << 10])
}

impl Library for Async {
    fn connect(&self, url: &str, options: &Options) -> Outcome<Box<dyn Connection>> {
        let rest = url.strip_prefix("ws://").ok_or("not a ws:// URL")?;
        let (host, path) = rest.find('/').map_or((rest, "/"), |at| rest.split_at(at));
        let offered: Vec<&str> = options.subprotocols.iter().map(String::as_str).collect();
        let request = Request::new(host, path).subprotocols(&offered).config(config());
        let keys = StdRng::try_from_rng(&mut rand::rngs::SysRng).map_err(text)?;
        let runtime = runtime()?;
        let mut extensions = None;
        let ws = runtime.block_on(async {
            let tcp = tokio::net::TcpStream::connect(host).await.map_err(text)?;
            tcp.set_nodelay(true).map_err(text)?;
            let (rx, tx) = buffers();
            let observe = |line: HeadLine<'_>| {
                if let HeadLine::Field { name, value } = line
                    && name.eq_ignore_ascii_case("Sec-WebSocket-Extensions")
                {
                    extensions = Some(String::from_utf8_lossy(value).into_owned());
                }
            };
            asynch::connect_with(FromTokio::new(tcp), &request, keys, rx, tx, observe)
                .await
                .map_err(|refused| text(refused.error))
        })?;
        let subprotocol = ws.subprotocol().and_then(|index| options.subprotocols.get(index).cloned());
        Ok(Box::new(Open { runtime, ws, subprotocol, extensions }))
    }

    fn accept(&self, stream: TcpStream, _: &Options) -> Outcome<(String, Box<dyn Connection>)> {
        let runtime = runtime()?;
        let (mut target, mut subprotocol) = (String::new(), None);
        let ws = runtime.block_on(async {
            stream.set_nonblocking(true).map_err(text)?;
            stream.set_nodelay(true).map_err(text)?;
            let tcp = tokio::net::TcpStream::from_std(stream).map_err(text)?;
            let (rx, tx) = buffers();
            asynch::accept(FromTokio::new(tcp), &config(), rx, tx, |request| {
                target = request.target().to_owned();
                let own = request.choose(&SUBPROTOCOLS);
                subprotocol = own.map(str::to_owned);
                own.map_or(Response::accept(), |own| Response::accept().subprotocol(own))
            })
            .await
            .map_err(text)
        })?;
        Ok((target, Box::new(Open { runtime, ws, subprotocol, extensions: None })))
    }

    fn goes_on_without_subprotocol(&self) -> bool {
        true
    }
}

impl<G: Random + Send> Connection for Open<G> {
    fn subprotocol(&self) -> Option<String> {
        self.subprotocol.clone()
    }

    fn extensions(&self) -> Option<String> {
        self.extensions.clone()
    }

    fn send(&mut self, data: &Data) -> Outcome<()> {
        self.runtime.block_on(self.ws.send(outgoing(data))).map_err(text)
    }

    fn send_fragmented(&mut self, of: Kind, fragments: &[&[u8]], ping: Option<&[u8]>) -> Outcome<()> {
        self.runtime.block_on(async {
            for (index, fragment) in fragments.iter().enumerate() {
                if let Some(payload) = ping.filter(|_| index == fragments.len() / 2) {
                    self.ws.send(Message::Ping(payload)).await.map_err(text)?;
                }
                self.ws.send_part(kind(of), fragment, index + 1 == fragments.len()).await.map_err(text)?;
            }
            Ok(())
        })
    }

    fn ping(&mut self, payload: &[u8]) -> Outcome<()> {
        self.runtime.block_on(self.ws.send(Message::Ping(payload))).map_err(text)
    }

    fn recv(&mut self) -> Outcome<Event> {
        match self.runtime.block_on(self.ws.recv()) {
            Ok(message) => event(message),
            Err(sockling::Error::Closed(closed)) => {
                Ok(Event::Closed(answer(closed.received, self.ws.close_reason())?))
            }
            Err(error) => Err(text(error)),
        }
    }

    fn close(mut self: Box<Self>, close: Option<(u16, &str)>) -> Outcome<Close> {
        let (code, reason) = closing(close);
        let closed = self.runtime.block_on(self.ws.close(code, reason)).map_err(text)?;
        answer(closed.received, self.ws.close_reason())
    }
}
