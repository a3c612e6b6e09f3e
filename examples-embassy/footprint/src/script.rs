//! A transport in memory that has a server's part by heart, and checks what it is told.

use core::{convert::Infallible, hint::black_box};

/// What the peer sends, a piece a read and then the end of the stream, and what it has to be sent.
pub struct Script {
    says: &'static [&'static [u8]],
    expects: &'static [u8],
    fine: bool,
}

impl Script {
    fn new(part: usize) -> Self {
        // The optimizer does not get to know them, and every program holds all: they are no difference.
        let (says, expects) = black_box(&SCRIPTS).get(part).copied().unwrap_or_default();
        Self { says, expects, fine: true }
    }

    /// Says some lines, and is to hear them.
    pub fn echo() -> Self {
        Self::new(0)
    }

    /// The server's part, opposite a client, from the examples of RFC 6455.
    pub fn server() -> Self {
        Self::new(1)
    }

    /// The server's part, where it agrees to permessage-deflate (RFC 7692 section 7.2.3.1).
    pub fn deflating_server() -> Self {
        Self::new(3)
    }

    /// The same, where the client does not compress.
    pub fn half_deflating_server() -> Self {
        Self::new(4)
    }

    /// The server's part, opposite an app: it is silent until it is asked whether it is there, and then it is gone.
    pub fn dropping_server() -> Self {
        Self::new(5)
    }

    /// The client's part.
    pub fn client() -> Self {
        Self::new(2)
    }

    /// Whether all was said and just what was expected was heard.
    pub fn is_fulfilled(&self) -> bool {
        self.fine && self.says.is_empty() && self.expects.is_empty()
    }

    /// Whether there is a pause before the peer says something. It is over then.
    pub(crate) fn pauses(&mut self) -> bool {
        let pauses = self.says.first().is_some_and(|first| first.is_empty());
        if pauses {
            self.says = self.says.get(1..).unwrap_or_default();
        }
        pauses
    }

    fn give(&mut self, buf: &mut [u8]) -> usize {
        let Some((first, rest)) = self.says.split_first() else {
            return 0;
        };
        self.says = rest;
        match buf.get_mut(..first.len()) {
            Some(buf) => buf.copy_from_slice(first),
            None => self.fine = false,
        }
        first.len()
    }

    fn take(&mut self, buf: &[u8]) -> usize {
        match self.expects.strip_prefix(buf) {
            Some(rest) => self.expects = rest,
            None => self.fine = false,
        }
        buf.len()
    }
}

impl embedded_io::ErrorType for Script {
    type Error = Infallible;
}

impl embedded_io::Read for Script {
    fn read(&mut self, buf: &mut [u8]) -> Result<usize, Infallible> {
        Ok(self.give(buf))
    }
}

impl embedded_io::Write for Script {
    fn write(&mut self, buf: &[u8]) -> Result<usize, Infallible> {
        Ok(self.take(buf))
    }

    fn flush(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}

impl embedded_io_async::Read for Script {
    async fn read(&mut self, buf: &mut [u8]) -> Result<usize, Infallible> {
        Ok(self.give(buf))
    }
}

impl embedded_io_async::Write for Script {
    async fn write(&mut self, buf: &[u8]) -> Result<usize, Infallible> {
        Ok(self.take(buf))
    }

    async fn flush(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}

type Part = (&'static [&'static [u8]], &'static [u8]);

static SCRIPTS: [Part; 6] = [
    (&[b"some bytes, ", b"some more, and ", b"the last"], b"some bytes, some more, and the last"),
    (
        &[
            b"HTTP/1.1 101 Switching Protocols\r\nServer: example\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
              Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
            b"\x81\x05Hello",
            b"\x88\x05\x03\xe8bye",
        ],
        b"GET /chat HTTP/1.1\r\nUpgrade: websocket\r\nHost: server.example.com\r\n\
          Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\nConnection: Upgrade\r\n\r\n\
          \x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58\
          \x88\x85\x37\xfa\x21\x3d\x34\x12\x43\x44\x52",
    ),
    (
        &[
            b"GET /chat HTTP/1.1\r\nHost: server.example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
              Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
            b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58",
            b"\x88\x85\x37\xfa\x21\x3d\x34\x12\x43\x44\x52",
        ],
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
          Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n\
          \x81\x05Hello\x88\x02\x03\xe8",
    ),
    (
        &[
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
              Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\
              Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=10\r\n\r\n",
            b"\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00",
            b"\x88\x05\x03\xe8bye",
        ],
        b"GET /chat HTTP/1.1\r\nUpgrade: websocket\r\nHost: server.example.com\r\n\
          Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\nConnection: Upgrade\r\n\
          Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=10; client_max_window_bits=9, \
          permessage-deflate; server_max_window_bits=10\r\n\r\n\
          \x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58\
          \x88\x85\x37\xfa\x21\x3d\x34\x12\x43\x44\x52",
    ),
    (
        &[
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
              Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\
              Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=10\r\n\r\n",
            b"\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00",
            b"\x88\x05\x03\xe8bye",
        ],
        b"GET /chat HTTP/1.1\r\nUpgrade: websocket\r\nHost: server.example.com\r\n\
          Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\nConnection: Upgrade\r\n\
          Sec-WebSocket-Extensions: permessage-deflate; client_no_context_takeover; server_max_window_bits=10; \
          client_max_window_bits=9, permessage-deflate; server_max_window_bits=10\r\n\r\n\
          \x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58\
          \x88\x85\x37\xfa\x21\x3d\x34\x12\x43\x44\x52",
    ),
    (
        &[
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
              Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
            b"\x81\x05Hello",
            b"",
            b"\x8a\x00",
        ],
        b"GET /chat HTTP/1.1\r\nUpgrade: websocket\r\nHost: server.example.com\r\n\
          Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\nConnection: Upgrade\r\n\r\n\
          \x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58\
          \x89\x80\x37\xfa\x21\x3d",
    ),
];
