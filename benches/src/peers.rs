//! The libraries, each as a user would call it.

use std::{
    future::Future,
    hint::black_box,
    pin::pin,
    task::{Context, Poll, Waker},
};

use bytes::Bytes;

use crate::wire::{Embedded, Input, Output};

/// Does something so many times.
pub type Run = Box<dyn FnMut(u64)>;

pub struct Peer {
    pub name: &'static str,
    pub ours: bool,
    /// Whether we mean to be faster in every cell.
    pub to_beat: bool,
    /// Receives messages, as a server or as a client.
    pub recv: fn(bool, Input) -> Run,
    /// Sends a binary message again and again.
    pub send: fn(Output, Bytes) -> Run,
}

/// The first is what the others are compared with.
pub const ALL: [Peer; 5] = [
    Peer {
        name: "sockling",
        ours: true,
        to_beat: false,
        recv: sockling_blocking::recv,
        send: sockling_blocking::send,
    },
    Peer {
        name: "sockling async",
        ours: true,
        to_beat: false,
        recv: sockling_async::recv,
        send: sockling_async::send,
    },
    Peer {
        name: "tungstenite",
        ours: false,
        to_beat: true,
        recv: tungstenite::recv,
        send: tungstenite::send,
    },
    Peer {
        name: "tokio-websockets",
        ours: false,
        to_beat: true,
        recv: tokio_websockets::recv,
        send: tokio_websockets::send,
    },
    Peer { name: "nexus-web", ours: false, to_beat: false, recv: nexus_web::recv, send: nexus_web::send },
];

/// The result of a future whose transport is always ready.
fn ready<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => unreachable!("the transport is always ready"),
    }
}

/// What both drivers of sockling share: the buffers and the generator of the `std` default.
mod parts {
    use rand::rngs::StdRng;
    use sockling::{Config, Growing, Role, proto::Session};

    pub fn session(server: bool) -> Session {
        Session::new(if server { Role::Server } else { Role::Client }, &Config::DEFAULT)
    }

    pub fn random() -> StdRng {
        rand::make_rng()
    }

    pub fn rx() -> Growing {
        Growing::new(64 << 10, 64 << 20)
    }

    pub fn tx() -> Box<[u8]> {
        vec![0; 64 << 10].into()
    }
}

mod sockling_blocking {
    use sockling::blocking::WebSocket;

    use super::*;

    fn new<T: embedded_io::Read + embedded_io::Write>(
        io: T,
        server: bool,
    ) -> WebSocket<T, impl sockling::Random, impl sockling::Buffer, impl sockling::Buffer> {
        WebSocket::from_parts(io, parts::session(server), parts::random(), parts::rx(), parts::tx()).unwrap()
    }

    pub fn recv(server: bool, input: Input) -> Run {
        let mut ws = new(Embedded(input), server);
        Box::new(move |n| {
            for _ in 0..n {
                black_box(ws.recv().unwrap());
            }
        })
    }

    pub fn send(output: Output, data: Bytes) -> Run {
        let mut ws = new(Embedded(output), false);
        Box::new(move |n| {
            for _ in 0..n {
                ws.send(&data[..]).unwrap();
            }
        })
    }
}

mod sockling_async {
    use sockling::asynch::WebSocket;

    use super::*;

    fn new<T: embedded_io_async::Read + embedded_io_async::Write>(
        io: T,
        server: bool,
    ) -> WebSocket<T, impl sockling::Random, impl sockling::Buffer, impl sockling::Buffer> {
        WebSocket::from_parts(io, parts::session(server), parts::random(), parts::rx(), parts::tx()).unwrap()
    }

    pub fn recv(server: bool, input: Input) -> Run {
        let mut ws = new(Embedded(input), server);
        Box::new(move |n| {
            for _ in 0..n {
                black_box(ready(ws.recv()).unwrap());
            }
        })
    }

    pub fn send(output: Output, data: Bytes) -> Run {
        let mut ws = new(Embedded(output), false);
        Box::new(move |n| {
            for _ in 0..n {
                ready(ws.send(&data[..])).unwrap();
            }
        })
    }
}

mod tungstenite {
    use ::tungstenite::protocol::{Message, Role, WebSocket, WebSocketConfig};

    use super::*;

    fn new<T>(io: T, server: bool) -> WebSocket<T> {
        let config = WebSocketConfig::default().max_message_size(None).max_frame_size(None);
        WebSocket::from_raw_socket(io, if server { Role::Server } else { Role::Client }, Some(config))
    }

    pub fn recv(server: bool, input: Input) -> Run {
        let mut ws = new(input, server);
        Box::new(move |n| {
            for _ in 0..n {
                black_box(ws.read().unwrap());
            }
        })
    }

    pub fn send(output: Output, data: Bytes) -> Run {
        let mut ws = new(output, false);
        Box::new(move |n| {
            for _ in 0..n {
                ws.send(Message::Binary(data.clone())).unwrap();
            }
        })
    }
}

mod tokio_websockets {
    use ::tokio_websockets::{ClientBuilder, Error, Limits, Message, ServerBuilder};
    use futures_util::{Sink, SinkExt, Stream, StreamExt};

    use super::*;

    fn recv_from(mut ws: impl Stream<Item = Result<Message, Error>> + Unpin + 'static) -> Run {
        Box::new(move |n| {
            for _ in 0..n {
                black_box(ready(ws.next()).unwrap().unwrap());
            }
        })
    }

    pub fn recv(server: bool, input: Input) -> Run {
        if server {
            recv_from(ServerBuilder::new().limits(Limits::unlimited()).serve(input))
        } else {
            recv_from(ClientBuilder::new().limits(Limits::unlimited()).take_over(input))
        }
    }

    fn send_to(mut ws: impl Sink<Message, Error = Error> + Unpin + 'static, data: Bytes) -> Run {
        Box::new(move |n| {
            for _ in 0..n {
                ready(ws.send(Message::binary(data.clone()))).unwrap();
            }
        })
    }

    pub fn send(output: Output, data: Bytes) -> Run {
        send_to(ClientBuilder::new().take_over(output), data)
    }
}

mod nexus_web {
    use std::io::Write;

    use ::nexus_web::ws::{Client, FrameReader, FrameWriter, Role};

    use super::*;

    pub fn recv(server: bool, input: Input) -> Run {
        let role = if server { Role::Server } else { Role::Client };
        let reader = FrameReader::builder().role(role).build();
        let mut ws = Client::from_parts(input, reader, FrameWriter::new(role));
        Box::new(move |n| {
            for _ in 0..n {
                black_box(ws.recv().unwrap().unwrap());
            }
        })
    }

    /// Not over `Client`, whose send buffer cannot hold 1 MiB.
    pub fn send(mut output: Output, data: Bytes) -> Run {
        let mut writer = FrameWriter::new(Role::Client);
        let mut buffer = vec![0; writer.max_encoded_len(data.len())];
        Box::new(move |n| {
            for _ in 0..n {
                let len = writer.encode_binary(&data, &mut buffer);
                output.write_all(&buffer[..len]).unwrap();
                output.flush().unwrap();
            }
        })
    }
}
