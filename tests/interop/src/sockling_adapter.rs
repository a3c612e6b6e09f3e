//! sockling, in both roles and with both drivers: with buffers that grow and zlib, or in fixed memory.

use crate::connection::{
    Close, Connection, Data, Deflate, Event, Kind, Library, MAX_MESSAGE, Options, Outcome, SUBPROTOCOLS, text,
};
use embedded_io_adapters::{std::FromStd, tokio_1::FromTokio};
use rand::{SeedableRng, rngs::StdRng};
use sockling::{
    Buffer, CloseCode, Config, ConnectOptions, Growing, Message, Part, Random, Request, asynch, blocking,
    extension::{self, Codec, Compressor, DeflateConfig, Inflater, Zlib},
    handshake::{HeadLine, RequestHead, Response},
    net::{self, DeflateOptions, ServerOptions},
};
use std::{
    net::TcpStream,
    str,
    thread::sleep,
    time::{Duration, Instant},
};
use tokio::runtime::Runtime;

pub struct Blocking;
pub struct Async;
/// The blocking driver in buffers of [`FIXED`] bytes, with the inflater and the compressor that need no allocator.
pub struct FixedBlocking;
/// The same with the async one.
pub struct FixedAsync;

/// Bytes, of each buffer: messages pass through them in parts.
const FIXED: usize = 1024;
/// Entries of the compressor's table of hashes.
const HASHES: usize = 1024;

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

/// What a part completes, if it does; `begun` is what came of its message before.
fn assemble(begun: &mut Vec<u8>, part: &Part<'_>) -> Outcome<Option<Event>> {
    match part.kind {
        sockling::Kind::Ping => return Ok(Some(Event::Ping(part.data.to_vec()))),
        sockling::Kind::Pong => return Ok(Some(Event::Pong(part.data.to_vec()))),
        sockling::Kind::Text | sockling::Kind::Binary => {}
    }
    if part.first {
        begun.clear();
    }
    begun.extend_from_slice(part.data);
    if !part.fin {
        return Ok(None);
    }
    let data = std::mem::take(begun);
    Ok(Some(Event::Data(match part.kind {
        sockling::Kind::Text => Data::Text(String::from_utf8(data).map_err(text)?),
        _ => Data::Binary(data),
    })))
}

fn closing(close: Option<(u16, &str)>) -> (CloseCode, &str) {
    close.map_or((CloseCode::NO_STATUS_RECEIVED, ""), |(code, reason)| (CloseCode(code), reason))
}

/// What `close` returned as the answer of the peer.
fn answer(code: Option<CloseCode>, reason: &str) -> Outcome<Close> {
    let code = code.ok_or("the peer sent no close frame")?;
    Ok(Close { code: code.0, reason: reason.to_owned() })
}

/// The windows of what a client, or a server, receives and sends.
fn windows(deflate: &Deflate, client: bool) -> (u8, u8) {
    let (server, client_bits) =
        (deflate.server_max_window_bits.unwrap_or(15), deflate.client_max_window_bits.unwrap_or(15));
    if client { (server, client_bits) } else { (client_bits, server) }
}

fn zlib(deflate: &Deflate, client: bool) -> DeflateOptions {
    let mut config = DeflateConfig::DEFAULT;
    config.server_no_context_takeover = deflate.server_no_context_takeover;
    config.client_no_context_takeover = deflate.client_no_context_takeover;
    (config.receive_window_bits, config.send_window_bits) = windows(deflate, client);
    // Empty messages and fragments too.
    DeflateOptions::new().config(config).min_len(0)
}

type Fixed = extension::Deflate<Inflater<Vec<u8>, Vec<u8>>, Compressor<Vec<u8>, Vec<u16>>>;

fn fixed(deflate: &Deflate, client: bool) -> Fixed {
    let (receive, send) = windows(deflate, client);
    let inflater = Inflater::new(vec![0; 1 << receive], vec![0; FIXED]);
    let compressor = Compressor::new(vec![0; 1 << send], vec![0; HASHES]).min_len(0);
    let mut codec = extension::Deflate::new(inflater, compressor);
    if deflate.server_no_context_takeover {
        codec = codec.server_no_context_takeover();
    }
    if deflate.client_no_context_takeover {
        codec = codec.client_no_context_takeover();
    }
    codec
}

/// What the query of the request says of permessage-deflate, before the handshake reads it.
fn insisted(stream: &TcpStream, options: &Options) -> Outcome<Option<Deflate>> {
    if options.deflate.is_none() {
        return Ok(None);
    }
    let (mut head, begin) = ([0; 1024], Instant::now());
    loop {
        let len = stream.peek(&mut head).map_err(text)?;
        if let Some(end) = head[..len].windows(2).position(|bytes| bytes == b"\r\n") {
            let line = str::from_utf8(&head[..end]).map_err(text)?;
            let target = line.split(' ').nth(1).ok_or("no request line")?;
            let query = target.split_once('?').map_or("", |(_, query)| query);
            return Deflate::parse(query, '&').map(Some);
        }
        if len == 0 || len == head.len() || begin.elapsed() > Duration::from_secs(10) {
            return Err("no request line".into());
        }
        sleep(Duration::from_millis(1));
    }
}

fn decide(request: &RequestHead<'_>) -> Response<'static> {
    request.choose(&SUBPROTOCOLS).map_or(Response::accept(), |own| Response::accept().subprotocol(own))
}

fn address(url: &str) -> Outcome<(&str, &str)> {
    let rest = url.strip_prefix("ws://").ok_or("not a ws:// URL")?;
    Ok(rest.find('/').map_or((rest, "/"), |at| rest.split_at(at)))
}

fn keys() -> Outcome<StdRng> {
    StdRng::try_from_rng(&mut rand::rngs::SysRng).map_err(text)
}

/// What a handshake of the drivers tells.
#[derive(Default)]
struct Told {
    target: String,
    subprotocol: Option<String>,
    extensions: Option<String>,
}

impl Told {
    fn line(&mut self, line: HeadLine<'_>) {
        if let HeadLine::Field { name, value } = line
            && name.eq_ignore_ascii_case("Sec-WebSocket-Extensions")
        {
            self.extensions = Some(String::from_utf8_lossy(value).into_owned());
        }
    }

    fn request(&mut self, request: &RequestHead<'_>) -> Response<'static> {
        self.target = request.target().to_owned();
        self.subprotocol = request.choose(&SUBPROTOCOLS).map(str::to_owned);
        decide(request)
    }
}

impl Library for Blocking {
    fn connect(&self, url: &str, options: &Options) -> Outcome<Box<dyn Connection>> {
        let mut connect = ConnectOptions::new().config(config()).subprotocols(&options.subprotocols);
        if let Some(deflate) = &options.deflate {
            connect = connect.deflate(zlib(deflate, true));
        }
        Ok(Box::new(connect.connect(url).map_err(text)?))
    }

    fn accept(&self, stream: TcpStream, options: &Options) -> Outcome<(String, Box<dyn Connection>)> {
        let (mut target, mut accept) = (String::new(), ServerOptions::new().config(config()));
        if let Some(deflate) = insisted(&stream, options)? {
            accept = accept.deflate(zlib(&deflate, false));
        }
        let ws = accept.accept_with(stream, |request| {
            target = request.target().to_owned();
            decide(request)
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

/// A connection of the async driver, which receives whole messages, or in parts.
struct Open<G, R, C> {
    runtime: Runtime,
    ws: asynch::WebSocket<Io, G, R, Vec<u8>, C>,
    told: Told,
    parts: Option<Vec<u8>>,
}

fn runtime() -> Outcome<Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(text)
}

fn growing() -> Growing {
    Growing::new(64 << 10, MAX_MESSAGE + 256)
}

fn connect_async<R: Buffer + Send + 'static, C: Codec + Send + 'static>(
    url: &str,
    options: &Options,
    (rx, tx): (R, usize),
    codec: C,
    parts: Option<Vec<u8>>,
) -> Outcome<Box<dyn Connection>> {
    let (host, path) = address(url)?;
    let offered: Vec<&str> = options.subprotocols.iter().map(String::as_str).collect();
    let request = Request::new(host, path).subprotocols(&offered).config(config());
    let (runtime, mut told) = (runtime()?, Told::default());
    let ws = runtime.block_on(async {
        let tcp = tokio::net::TcpStream::connect(host).await.map_err(text)?;
        tcp.set_nodelay(true).map_err(text)?;
        let tx = vec![0; tx];
        asynch::connect_with(FromTokio::new(tcp), &request, keys()?, rx, tx, codec, |line| told.line(line))
            .await
            .map_err(|refused| text(refused.error))
    })?;
    told.subprotocol = ws.subprotocol().and_then(|index| options.subprotocols.get(index).cloned());
    Ok(Box::new(Open { runtime, ws, told, parts }))
}

fn accept_async<R: Buffer + Send + 'static, C: Codec + Send + 'static>(
    stream: TcpStream,
    (rx, tx): (R, usize),
    codec: C,
    parts: Option<Vec<u8>>,
) -> Outcome<(String, Box<dyn Connection>)> {
    let (runtime, mut told) = (runtime()?, Told::default());
    let ws = runtime.block_on(async {
        stream.set_nonblocking(true).map_err(text)?;
        stream.set_nodelay(true).map_err(text)?;
        let tcp = FromTokio::new(tokio::net::TcpStream::from_std(stream).map_err(text)?);
        let tx = vec![0; tx];
        asynch::accept_with(tcp, &config(), rx, tx, codec, |request| told.request(request))
            .await
            .map_err(text)
    })?;
    Ok((told.target.clone(), Box::new(Open { runtime, ws, told, parts })))
}

impl Library for Async {
    fn connect(&self, url: &str, options: &Options) -> Outcome<Box<dyn Connection>> {
        let codec = Zlib::new(options.deflate.map(|deflate| zlib(&deflate, true)), MAX_MESSAGE as u32);
        connect_async(url, options, (growing(), 64 << 10), codec, None)
    }

    fn accept(&self, stream: TcpStream, options: &Options) -> Outcome<(String, Box<dyn Connection>)> {
        let deflate = insisted(&stream, options)?.map(|deflate| zlib(&deflate, false));
        accept_async(stream, (growing(), 64 << 10), Zlib::new(deflate, MAX_MESSAGE as u32), None)
    }

    fn goes_on_without_subprotocol(&self) -> bool {
        true
    }
}

impl Library for FixedAsync {
    fn connect(&self, url: &str, options: &Options) -> Outcome<Box<dyn Connection>> {
        let buffers = (vec![0; FIXED], FIXED);
        match &options.deflate {
            Some(deflate) => connect_async(url, options, buffers, fixed(deflate, true), Some(Vec::new())),
            None => connect_async(url, options, buffers, extension::Plain::NEW, Some(Vec::new())),
        }
    }

    fn accept(&self, stream: TcpStream, options: &Options) -> Outcome<(String, Box<dyn Connection>)> {
        let buffers = (vec![0; FIXED], FIXED);
        match &insisted(&stream, options)? {
            Some(deflate) => accept_async(stream, buffers, fixed(deflate, false), Some(Vec::new())),
            None => accept_async(stream, buffers, extension::Plain::NEW, Some(Vec::new())),
        }
    }

    fn goes_on_without_subprotocol(&self) -> bool {
        true
    }
}

impl<G: Random + Send, R: Buffer + Send, C: Codec + Send> Connection for Open<G, R, C> {
    fn subprotocol(&self) -> Option<String> {
        self.told.subprotocol.clone()
    }

    fn extensions(&self) -> Option<String> {
        self.told.extensions.clone()
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
        loop {
            let error = if let Some(begun) = &mut self.parts {
                match self.runtime.block_on(self.ws.recv_part()) {
                    Ok(part) => match assemble(begun, &part)? {
                        Some(event) => return Ok(event),
                        None => continue,
                    },
                    Err(error) => error,
                }
            } else {
                match self.runtime.block_on(self.ws.recv()) {
                    Ok(message) => return event(message),
                    Err(error) => error,
                }
            };
            return match error {
                sockling::Error::Closed(closed) => {
                    Ok(Event::Closed(answer(closed.received, self.ws.close_reason())?))
                }
                error => Err(text(error)),
            };
        }
    }

    fn close(mut self: Box<Self>, close: Option<(u16, &str)>) -> Outcome<Close> {
        let (code, reason) = closing(close);
        let closed = self.runtime.block_on(self.ws.close(code, reason)).map_err(text)?;
        answer(closed.received, self.ws.close_reason())
    }
}

/// A connection of the blocking driver in fixed buffers.
struct OpenFixed<G, C> {
    ws: blocking::WebSocket<FromStd<TcpStream>, G, Vec<u8>, Vec<u8>, C>,
    told: Told,
    begun: Vec<u8>,
}

fn connect_fixed<C: Codec + Send + 'static>(
    url: &str,
    options: &Options,
    codec: C,
) -> Outcome<Box<dyn Connection>> {
    let (host, path) = address(url)?;
    let offered: Vec<&str> = options.subprotocols.iter().map(String::as_str).collect();
    let request = Request::new(host, path).subprotocols(&offered).config(config());
    let tcp = TcpStream::connect(host).map_err(text)?;
    tcp.set_nodelay(true).map_err(text)?;
    let (io, mut told) = (FromStd::new(tcp), Told::default());
    let (rx, tx) = (vec![0; FIXED], vec![0; FIXED]);
    let ws = blocking::connect_with(io, &request, keys()?, rx, tx, codec, |line| told.line(line))
        .map_err(|refused| text(refused.error))?;
    told.subprotocol = ws.subprotocol().and_then(|index| options.subprotocols.get(index).cloned());
    Ok(Box::new(OpenFixed { ws, told, begun: Vec::new() }))
}

fn accept_fixed<C: Codec + Send + 'static>(
    stream: TcpStream,
    codec: C,
) -> Outcome<(String, Box<dyn Connection>)> {
    stream.set_nodelay(true).map_err(text)?;
    let (io, mut told) = (FromStd::new(stream), Told::default());
    let (rx, tx) = (vec![0; FIXED], vec![0; FIXED]);
    let ws =
        blocking::accept_with(io, &config(), rx, tx, codec, |request| told.request(request)).map_err(text)?;
    Ok((told.target.clone(), Box::new(OpenFixed { ws, told, begun: Vec::new() })))
}

impl Library for FixedBlocking {
    fn connect(&self, url: &str, options: &Options) -> Outcome<Box<dyn Connection>> {
        match &options.deflate {
            Some(deflate) => connect_fixed(url, options, fixed(deflate, true)),
            None => connect_fixed(url, options, extension::Plain::NEW),
        }
    }

    fn accept(&self, stream: TcpStream, options: &Options) -> Outcome<(String, Box<dyn Connection>)> {
        match &insisted(&stream, options)? {
            Some(deflate) => accept_fixed(stream, fixed(deflate, false)),
            None => accept_fixed(stream, extension::Plain::NEW),
        }
    }

    fn goes_on_without_subprotocol(&self) -> bool {
        true
    }
}

impl<G: Random + Send, C: Codec + Send> Connection for OpenFixed<G, C> {
    fn subprotocol(&self) -> Option<String> {
        self.told.subprotocol.clone()
    }

    fn extensions(&self) -> Option<String> {
        self.told.extensions.clone()
    }

    fn send(&mut self, data: &Data) -> Outcome<()> {
        self.ws.send(outgoing(data)).map_err(text)
    }

    fn send_fragmented(&mut self, of: Kind, fragments: &[&[u8]], ping: Option<&[u8]>) -> Outcome<()> {
        for (index, fragment) in fragments.iter().enumerate() {
            if let Some(payload) = ping.filter(|_| index == fragments.len() / 2) {
                self.ws.send(Message::Ping(payload)).map_err(text)?;
            }
            self.ws.send_part(kind(of), fragment, index + 1 == fragments.len()).map_err(text)?;
        }
        Ok(())
    }

    fn ping(&mut self, payload: &[u8]) -> Outcome<()> {
        self.ws.send(Message::Ping(payload)).map_err(text)
    }

    fn recv(&mut self) -> Outcome<Event> {
        loop {
            match self.ws.recv_part() {
                Ok(part) => {
                    if let Some(event) = assemble(&mut self.begun, &part)? {
                        return Ok(event);
                    }
                }
                Err(sockling::Error::Closed(closed)) => {
                    return Ok(Event::Closed(answer(closed.received, self.ws.close_reason())?));
                }
                Err(error) => return Err(text(error)),
            }
        }
    }

    fn close(mut self: Box<Self>, close: Option<(u16, &str)>) -> Outcome<Close> {
        let (code, reason) = closing(close);
        let closed = self.ws.close(code, reason).map_err(text)?;
        answer(closed.received, self.ws.close_reason())
    }
}
