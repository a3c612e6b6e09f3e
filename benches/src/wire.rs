//! Transports in memory, and the frames that are read from them.

use std::{
    convert::Infallible,
    io,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What one read brings at most.
const READ: usize = 64 << 10;

/// What is copied at once: the kernel goes by pages as well. Otherwise the size of a read would decide which of its
/// loops memcpy takes.
const PAGE: usize = 4 << 10;

/// What the frames that are read take in memory, at least: more than the first cache, less than the last.
const WIRE: usize = 1 << 20;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Text,
    Binary,
}

pub fn payload(kind: Kind, len: usize) -> Bytes {
    match kind {
        Kind::Text => b"0123456789 abcdefghijklmnopqrstuvwxyz, ".iter().copied().cycle().take(len).collect(),
        Kind::Binary => (0..len).map(|i| (i * 31 + (i >> 8)) as u8).collect(),
    }
}

/// Both have the same length.
fn copy(to: &mut [u8], from: &[u8]) {
    for (to, from) in to.chunks_mut(PAGE).zip(from.chunks(PAGE)) {
        to.copy_from_slice(from);
    }
}

/// One frame that is a message, by the letter of RFC 6455 section 5.2.
fn frame(kind: Kind, payload: &[u8], key: Option<[u8; 4]>) -> Vec<u8> {
    let mut out = vec![if kind == Kind::Text { 0x81 } else { 0x82 }];
    let mask = if key.is_some() { 0x80 } else { 0 };
    match payload.len() {
        n @ 0..=125 => out.push(mask | n as u8),
        n @ 126..=0xFFFF => {
            out.push(mask | 126);
            out.extend((n as u16).to_be_bytes());
        }
        n => {
            out.push(mask | 127);
            out.extend((n as u64).to_be_bytes());
        }
    }
    out.extend(key.iter().flatten());
    out.extend(payload.iter().enumerate().map(|(i, byte)| byte ^ key.map_or(0, |key| key[i % 4])));
    out
}

/// A transport that has the same messages to read again and again, without end. What is written to it is gone.
pub struct Input {
    wire: Vec<u8>,
    at: usize,
}

impl Input {
    pub fn new(kind: Kind, len: usize, masked: bool) -> Self {
        let payload = payload(kind, len);
        let mut wire = vec![];
        let mut seed = 1u32;
        while wire.len() < WIRE {
            seed = seed.wrapping_mul(0x915f_77f5).wrapping_add(1);
            wire.extend(frame(kind, &payload, masked.then(|| seed.to_ne_bytes())));
        }
        Self { wire, at: 0 }
    }

    pub fn read_limit(&self) -> usize {
        READ
    }

    fn take(&mut self, most: usize) -> &[u8] {
        if self.at == self.wire.len() {
            self.at = 0;
        }
        let start = self.at;
        self.at += most.min(READ).min(self.wire.len() - start);
        &self.wire[start..self.at]
    }

    fn fill(&mut self, buf: &mut [u8]) -> usize {
        let from = self.take(buf.len());
        copy(&mut buf[..from.len()], from);
        from.len()
    }

    /// As many bytes as `to` has, for the limit: in one copy, whatever messages they are of.
    #[inline]
    pub fn copy_to(&mut self, to: &mut [u8]) {
        if self.wire.len() - self.at < to.len() {
            self.at = 0;
        }
        copy(to, &self.wire[self.at..self.at + to.len()]);
        self.at += to.len();
    }
}

/// A transport that takes all, as the kernel does: into memory of its own.
pub struct Output {
    memory: Vec<u8>,
}

impl Default for Output {
    fn default() -> Self {
        Self { memory: vec![0; READ] }
    }
}

impl Output {
    pub fn take(&mut self, data: &[u8]) {
        for piece in data.chunks(self.memory.len()) {
            copy(&mut self.memory[..piece.len()], piece);
        }
        std::hint::black_box(&mut self.memory);
    }
}

impl io::Read for Input {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        Ok(self.fill(buf))
    }
}

impl io::Write for Input {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        Ok(buf.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl io::Read for Output {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Ok(0)
    }
}

impl io::Write for Output {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.take(buf);
        Ok(buf.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl AsyncRead for Input {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        for page in self.take(buf.remaining()).chunks(PAGE) {
            buf.put_slice(page);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for Output {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, _: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// Writing as of `std::io`, which is always ready.
macro_rules! always_ready {
    ($transport:ty) => {
        impl AsyncWrite for $transport {
            fn poll_write(
                mut self: Pin<&mut Self>,
                _: &mut Context<'_>,
                buf: &[u8],
            ) -> Poll<io::Result<usize>> {
                Poll::Ready(io::Write::write(&mut *self, buf))
            }
            fn poll_write_vectored(
                mut self: Pin<&mut Self>,
                _: &mut Context<'_>,
                bufs: &[io::IoSlice<'_>],
            ) -> Poll<io::Result<usize>> {
                let mut len = 0;
                for buf in bufs {
                    len += io::Write::write(&mut *self, buf)?;
                }
                Poll::Ready(Ok(len))
            }
            fn is_write_vectored(&self) -> bool {
                true
            }
            fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
                Poll::Ready(Ok(()))
            }
            fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
                Poll::Ready(Ok(()))
            }
        }
    };
}

always_ready!(Input);
always_ready!(Output);

/// A transport for sockling, blocking and async.
pub struct Embedded<T>(pub T);

impl<T> embedded_io::ErrorType for Embedded<T> {
    type Error = Infallible;
}

impl embedded_io::Read for Embedded<Input> {
    fn read(&mut self, buf: &mut [u8]) -> Result<usize, Infallible> {
        Ok(self.0.fill(buf))
    }
}

impl embedded_io::Write for Embedded<Input> {
    fn write(&mut self, buf: &[u8]) -> Result<usize, Infallible> {
        Ok(buf.len())
    }
    fn flush(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}

impl embedded_io::Read for Embedded<Output> {
    fn read(&mut self, _: &mut [u8]) -> Result<usize, Infallible> {
        Ok(0)
    }
}

impl embedded_io::Write for Embedded<Output> {
    fn write(&mut self, buf: &[u8]) -> Result<usize, Infallible> {
        self.0.take(buf);
        Ok(buf.len())
    }
    fn flush(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}

impl<T> embedded_io_async::Read for Embedded<T>
where
    Self: embedded_io::Read<Error = Infallible>,
{
    async fn read(&mut self, buf: &mut [u8]) -> Result<usize, Infallible> {
        embedded_io::Read::read(self, buf)
    }
}

impl<T> embedded_io_async::Write for Embedded<T>
where
    Self: embedded_io::Write<Error = Infallible>,
{
    async fn write(&mut self, buf: &[u8]) -> Result<usize, Infallible> {
        embedded_io::Write::write(self, buf)
    }
    async fn flush(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}
