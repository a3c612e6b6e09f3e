//! Connections over pipes whose other end is the test's, and servers that send everything back.

use std::{
    convert::Infallible,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use sockling::{
    ConnectOptions,
    net::{
        Error, ServerOptions,
        tokio::{OwnedMessage, WebSocket},
    },
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf, duplex},
    net::TcpListener,
    task::JoinHandle,
};

use crate::peer::{REQUEST, answer};

/// A client over `wrap` of a pipe that holds `room` bytes, and the pipe's other end. `early` comes with the answer.
pub async fn client<T: AsyncRead + AsyncWrite + Send + Unpin + 'static>(
    options: &ConnectOptions,
    room: usize,
    early: &[u8],
    wrap: impl FnOnce(DuplexStream) -> T,
) -> (WebSocket, DuplexStream) {
    let (mine, mut theirs) = duplex(room);
    let connecting = options.connect_stream_async("ws://h/", wrap(mine));
    let serving = async {
        let head = read_head(&mut theirs).await;
        theirs.write_all(&[answer(&head, "").as_bytes(), early].concat()).await.unwrap();
    };
    let (ws, ()) = tokio::join!(connecting, serving);
    (ws.unwrap(), theirs)
}

/// The same with a server.
pub async fn server<T: AsyncRead + AsyncWrite + Send + Unpin + 'static>(
    options: &ServerOptions,
    room: usize,
    wrap: impl FnOnce(DuplexStream) -> T,
) -> (WebSocket, DuplexStream) {
    let (mine, mut theirs) = duplex(room);
    let connecting = async {
        theirs.write_all(REQUEST.as_bytes()).await.unwrap();
        assert!(read_head(&mut theirs).await.starts_with("HTTP/1.1 101 "));
    };
    let (ws, ()) = tokio::join!(options.accept_stream_async(wrap(mine)), connecting);
    (ws.unwrap(), theirs)
}

/// Reads a head, not a byte more.
pub async fn read_head(io: &mut (impl AsyncRead + Unpin)) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(io.read_u8().await.unwrap());
    }
    String::from_utf8(head).unwrap()
}

/// A stream that is not ready at every other call, and moves at most `step` bytes.
pub struct Choppy<T> {
    pub io: T,
    pub step: usize,
    pub ready: bool,
}

impl<T> Choppy<T> {
    pub fn new(io: T, step: usize) -> Self {
        Self { io, step, ready: false }
    }

    fn poll_turn(&mut self, cx: &Context<'_>) -> Poll<()> {
        self.ready = !self.ready;
        if self.ready {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Choppy<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        ready!(self.poll_turn(cx));
        let step = self.step;
        let mut less = buf.take(step);
        let polled = Pin::new(&mut self.io).poll_read(cx, &mut less);
        let n = less.filled().len();
        buf.advance(n);
        polled
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Choppy<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.poll_turn(cx));
        let n = buf.len().min(self.step);
        Pin::new(&mut self.io).poll_write(cx, &buf[..n])
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_turn(cx));
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

/// Sends every message back, on one connection; returns its URL.
pub async fn echo(options: ServerOptions) -> (String, JoinHandle<Error>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}", listener.local_addr().unwrap());
    let serve = async move || -> Result<Infallible, Error> {
        let mut ws = options.accept_async(listener.accept().await.unwrap().0).await?;
        loop {
            let message = OwnedMessage::from(ws.recv().await?);
            match message.as_text() {
                Some(text) => ws.send(text).await?,
                None => ws.send(message.as_bytes()).await?,
            }
        }
    };
    (url, tokio::spawn(async move { serve().await.unwrap_err() }))
}
