//! sockling in tasks of tokio: the two halves of a connection.

use crate::{
    connection::{Close, Connection, Data, Event, Kind, Library, Options, Outcome, text},
    sockling_adapter::{answer, closing, config, decide, event, insisted, kind, outgoing, runtime, zlib},
};
use sockling::{
    ConnectOptions, Message,
    net::{
        self, ServerOptions,
        tokio::{Reader, WebSocket, Writer},
    },
};
use std::net::TcpStream;
use tokio::runtime::Runtime;

pub struct Tokio;

struct Halves {
    runtime: Runtime,
    reader: Reader,
    writer: Writer,
    subprotocol: Option<String>,
    extensions: Option<String>,
}

impl Halves {
    fn new(runtime: Runtime, ws: WebSocket) -> Box<Self> {
        let extensions = ws.response().and_then(|response| response.header("Sec-WebSocket-Extensions"));
        let extensions = extensions.map(|value| String::from_utf8_lossy(value).into_owned());
        let subprotocol = ws.subprotocol().map(str::to_owned);
        let (reader, writer) = ws.split();
        Box::new(Self { runtime, reader, writer, subprotocol, extensions })
    }
}

impl Library for Tokio {
    fn connect(&self, url: &str, options: &Options) -> Outcome<Box<dyn Connection>> {
        let mut connect = ConnectOptions::new().config(config()).subprotocols(&options.subprotocols);
        if let Some(deflate) = &options.deflate {
            connect = connect.deflate(zlib(deflate, true));
        }
        let runtime = runtime()?;
        let ws = runtime.block_on(connect.connect_async(url)).map_err(text)?;
        Ok(Halves::new(runtime, ws))
    }

    fn accept(&self, stream: TcpStream, options: &Options) -> Outcome<(String, Box<dyn Connection>)> {
        let (mut target, mut accept) = (String::new(), ServerOptions::new().config(config()));
        if let Some(deflate) = insisted(&stream, options)? {
            accept = accept.deflate(zlib(&deflate, false));
        }
        let runtime = runtime()?;
        let ws = runtime.block_on(async {
            stream.set_nonblocking(true).map_err(text)?;
            let tcp = tokio::net::TcpStream::from_std(stream).map_err(text)?;
            let accepting = accept.accept_async_with(tcp, |request| {
                target = request.target().to_owned();
                decide(request)
            });
            accepting.await.map_err(text)
        })?;
        Ok((target, Halves::new(runtime, ws)))
    }

    fn goes_on_without_subprotocol(&self) -> bool {
        true
    }
}

fn closed(error: net::Error) -> Outcome<Close> {
    match error {
        net::Error::Closed(closed) => {
            answer(closed.received.is_some().then(|| closed.code()), closed.reason())
        }
        error => Err(text(error)),
    }
}

impl Connection for Halves {
    fn subprotocol(&self) -> Option<String> {
        self.subprotocol.clone()
    }

    fn extensions(&self) -> Option<String> {
        self.extensions.clone()
    }

    fn send(&mut self, data: &Data) -> Outcome<()> {
        self.runtime.block_on(self.writer.send(outgoing(data))).map_err(text)
    }

    fn send_fragmented(&mut self, of: Kind, fragments: &[&[u8]], ping: Option<&[u8]>) -> Outcome<()> {
        self.runtime.block_on(async {
            for (index, fragment) in fragments.iter().enumerate() {
                if let Some(payload) = ping.filter(|_| index == fragments.len() / 2) {
                    self.writer.send(Message::Ping(payload)).await.map_err(text)?;
                }
                let fin = index + 1 == fragments.len();
                self.writer.send_part(kind(of), fragment, fin).await.map_err(text)?;
            }
            Ok(())
        })
    }

    fn ping(&mut self, payload: &[u8]) -> Outcome<()> {
        self.runtime.block_on(self.writer.send(Message::Ping(payload))).map_err(text)
    }

    fn recv(&mut self) -> Outcome<Event> {
        match self.runtime.block_on(self.reader.recv()) {
            Ok(message) => event(message),
            Err(error) => closed(error).map(Event::Closed),
        }
    }

    fn close(mut self: Box<Self>, close: Option<(u16, &str)>) -> Outcome<Close> {
        let (code, reason) = closing(close);
        let Self { runtime, reader, writer, .. } = &mut *self;
        let reading = async {
            loop {
                if let Err(error) = reader.recv().await {
                    return error;
                }
            }
        };
        let (sent, end) = runtime.block_on(async { tokio::join!(writer.close(code, reason), reading) });
        sent.map_err(text)?;
        closed(end)
    }
}
