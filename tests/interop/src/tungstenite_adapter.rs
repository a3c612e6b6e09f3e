//! tungstenite: a peer in both roles, and what proves the checks themselves.

use crate::connection::{
    Close, Connection, Data, Event, Kind, Library, MAX_MESSAGE, NO_STATUS, Options, Outcome, SUBPROTOCOLS,
    text,
};
use std::net::TcpStream;
use tungstenite::{
    Error, Message, WebSocket,
    client::{ClientRequestBuilder, connect_with_config},
    handshake::server::{Request, Response},
    http::HeaderMap,
    protocol::{
        CloseFrame, WebSocketConfig,
        frame::{
            Frame,
            coding::{Data as DataCode, OpCode},
        },
    },
    stream::MaybeTlsStream,
};

pub struct Tungstenite;

struct Open {
    socket: WebSocket<MaybeTlsStream<TcpStream>>,
    subprotocol: Option<String>,
    extensions: Option<String>,
}

fn config() -> WebSocketConfig {
    WebSocketConfig::default().max_message_size(Some(MAX_MESSAGE)).max_frame_size(Some(MAX_MESSAGE))
}

fn header(headers: &HeaderMap, name: &str) -> Option<String> {
    Some(headers.get(name)?.to_str().ok()?.to_owned())
}

impl Library for Tungstenite {
    fn connect(&self, url: &str, options: &Options) -> Outcome<Box<dyn Connection>> {
        let mut request = ClientRequestBuilder::new(url.parse().map_err(text)?);
        for subprotocol in &options.subprotocols {
            request = request.with_sub_protocol(subprotocol);
        }
        let (socket, response) = connect_with_config(request, Some(config()), 0).map_err(text)?;
        Ok(Box::new(Open {
            socket,
            subprotocol: header(response.headers(), "Sec-WebSocket-Protocol"),
            extensions: header(response.headers(), "Sec-WebSocket-Extensions"),
        }))
    }

    fn accept(&self, stream: TcpStream, _: &Options) -> Outcome<(String, Box<dyn Connection>)> {
        stream.set_nodelay(true).map_err(text)?;
        let (mut target, mut subprotocol) = (String::new(), None);
        #[expect(clippy::result_large_err, reason = "tungstenite's signature")]
        let callback = |request: &Request, mut response: Response| {
            target = request.uri().to_string();
            let offered = header(request.headers(), "Sec-WebSocket-Protocol").unwrap_or_default();
            subprotocol = offered
                .split(',')
                .map(str::trim)
                .find(|offer| SUBPROTOCOLS.contains(offer))
                .map(String::from);
            if let Some(chosen) = &subprotocol {
                let value = chosen.parse().expect("one of ours");
                response.headers_mut().insert("Sec-WebSocket-Protocol", value);
            }
            Ok(response)
        };
        let socket =
            tungstenite::accept_hdr_with_config(MaybeTlsStream::Plain(stream), callback, Some(config()))
                .map_err(text)?;
        Ok((target, Box::new(Open { socket, subprotocol, extensions: None })))
    }

    fn goes_on_without_subprotocol(&self) -> bool {
        false
    }
}

fn close_from(frame: Option<CloseFrame>) -> Close {
    match frame {
        Some(frame) => Close { code: frame.code.into(), reason: frame.reason.as_str().to_owned() },
        None => Close { code: NO_STATUS, reason: String::new() },
    }
}

impl Open {
    /// Reads to the end of the connection, which also writes what is still pending.
    fn finish(&mut self) -> Outcome<()> {
        loop {
            match self.socket.read() {
                Ok(_) => {}
                Err(Error::ConnectionClosed) => return Ok(()),
                Err(error) => return Err(text(error)),
            }
        }
    }
}

impl Connection for Open {
    fn subprotocol(&self) -> Option<String> {
        self.subprotocol.clone()
    }

    fn extensions(&self) -> Option<String> {
        self.extensions.clone()
    }

    fn send(&mut self, data: &Data) -> Outcome<()> {
        let message = match data {
            Data::Text(text) => Message::text(text),
            Data::Binary(bytes) => Message::binary(bytes.clone()),
        };
        self.socket.send(message).map_err(text)
    }

    fn send_fragmented(&mut self, kind: Kind, fragments: &[&[u8]], ping: Option<&[u8]>) -> Outcome<()> {
        let mut code = match kind {
            Kind::Text => DataCode::Text,
            Kind::Binary => DataCode::Binary,
        };
        for (index, fragment) in fragments.iter().enumerate() {
            if let Some(payload) = ping.filter(|_| index == fragments.len() / 2) {
                self.ping(payload)?;
            }
            let frame = Frame::message(fragment.to_vec(), OpCode::Data(code), index + 1 == fragments.len());
            self.socket.send(Message::Frame(frame)).map_err(text)?;
            code = DataCode::Continue;
        }
        Ok(())
    }

    fn ping(&mut self, payload: &[u8]) -> Outcome<()> {
        self.socket.send(Message::Ping(payload.to_vec().into())).map_err(text)
    }

    fn recv(&mut self) -> Outcome<Event> {
        Ok(match self.socket.read().map_err(text)? {
            Message::Text(text) => Event::Data(Data::Text(text.as_str().to_owned())),
            Message::Binary(bytes) => Event::Data(Data::Binary(bytes.into())),
            Message::Ping(payload) => Event::Ping(payload.into()),
            Message::Pong(payload) => Event::Pong(payload.into()),
            Message::Close(frame) => {
                self.finish()?;
                Event::Closed(close_from(frame))
            }
            Message::Frame(_) => return Err("a raw frame was received".into()),
        })
    }

    fn close(mut self: Box<Self>, close: Option<(u16, &str)>) -> Outcome<Close> {
        let frame = close.map(|(code, reason)| CloseFrame { code: code.into(), reason: reason.into() });
        self.socket.close(frame).map_err(text)?;
        loop {
            match self.socket.read().map_err(text)? {
                Message::Close(frame) => {
                    self.finish()?;
                    return Ok(close_from(frame));
                }
                _ => continue,
            }
        }
    }
}
