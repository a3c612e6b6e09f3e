use core::ops::Range;

use super::{Field, HandshakeError, Request, field::index, key::Key, wire::Wire};
use crate::{
    MisuseError, Random,
    http::{Emitter, HeadError, LineScanner, has_token, parse_decimal, parse_field, parse_status_line, trace_field},
};

/// What the driver of a [`ClientHandshake`] is to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[must_use = "the handshake stands still until the step is taken"]
pub enum Step {
    /// Write some of [`pending`](ClientHandshake::pending), then say how much with [`sent`](ClientHandshake::sent).
    Transmit,
    /// Flush the transport, then call [`flushed`](ClientHandshake::flushed).
    Flush,
    /// Read into [`space`](ClientHandshake::space), then say how much with [`received`](ClientHandshake::received).
    Receive,
    /// The connection is open.
    Done,
}

/// A line of the server's head, as soon as it is complete.
///
/// Lines longer than the receive buffer are not shown, unless they fail the handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum HeadLine<'a> {
    /// The status line.
    Status {
        /// The status code; 101 if the server accepts.
        code: u16,
        /// The reason phrase; may be empty, may be in any encoding.
        reason: &'a [u8],
    },
    /// A header field.
    Field {
        /// The name, in the server's letter case.
        name: &'a str,
        /// The value, without the white space around it.
        value: &'a [u8],
    },
}

/// The client's side of the opening handshake (RFC 6455 section 4.1).
///
/// The server's head is read line by line and may be longer than the receive buffer: a line of it has to fit only if
/// the handshake depends on it. 131 bytes do for the heads of ordinary servers.
#[derive(Clone)]
pub struct ClientHandshake<'a> {
    host: &'a str,
    path: &'a str,
    origin: Option<&'a str>,
    subprotocols: &'a [&'a str],
    fields: &'a [(&'a str, &'a str)],
    key: Key,
    wire: Wire,
    scanner: LineScanner,
    /// How many more bytes the head may have.
    bytes_left: u32,
    /// How many more fields.
    fields_left: u16,
    /// 0 until the status line is there.
    status: u16,
    seen: Seen,
    /// The line began with bytes that are gone, to make room.
    skips: bool,
    content_length: u32,
    /// Index of the selected one; `NONE` if there is none.
    subprotocol: u16,
    stage: Stage,
}

// 32 bits: part of what firmware reserves for a connection.
#[cfg(target_pointer_width = "32")]
const _: () = assert!(size_of::<ClientHandshake<'_>>() <= 120);

const NONE: u16 = u16::MAX;

#[derive(Clone, Copy)]
enum Stage {
    Send,
    Flush,
    Head,
    Body,
    Done,
    Failed(HandshakeError),
}

/// A set of the first of [`Field`]'s values.
#[derive(Clone, Copy)]
struct Seen(u8);

impl Seen {
    const fn contains(self, field: Field) -> bool {
        self.0 & 1 << field as u8 != 0
    }

    const fn insert(&mut self, field: Field) {
        self.0 |= 1 << field as u8;
    }
}

const _: () = assert!((Field::ContentLength as u8) < 8);

impl<'a> ClientHandshake<'a> {
    /// Checks the request and draws a key.
    ///
    /// # Errors
    /// [`HandshakeError::InvalidHost`] and the other variants that say that nothing was sent.
    pub fn new(request: &Request<'a>, random: &mut dyn Random) -> Result<Self, HandshakeError> {
        request.check()?;
        Ok(Self {
            host: request.host,
            path: request.path,
            origin: request.origin,
            subprotocols: request.subprotocols,
            fields: request.fields,
            key: Key::new(random),
            wire: Wire::default(),
            scanner: LineScanner::new(),
            bytes_left: request.config.limits.max_head,
            fields_left: request.config.limits.max_fields,
            status: 0,
            seen: Seen(0),
            skips: false,
            content_length: 0,
            subprotocol: NONE,
            stage: Stage::Send,
        })
    }

    /// What to do next. `rx` and `tx` are the same buffers on every call; `observe` sees each line of the server's
    /// head once.
    ///
    /// # Errors
    /// Why the handshake failed, again on every later call. On [`HandshakeError::Status`] the start of the body is
    /// where [`early`](Self::early) says.
    pub fn poll(
        &mut self,
        rx: &mut [u8],
        tx: &mut [u8],
        observe: &mut dyn FnMut(HeadLine<'_>),
    ) -> Result<Step, HandshakeError> {
        let step = match self.stage {
            Stage::Send => return Ok(self.transmit(tx)),
            Stage::Flush => return Ok(Step::Flush),
            Stage::Head => self.read_head(rx, observe),
            Stage::Body => self.read_body(rx),
            Stage::Done => return Ok(Step::Done),
            Stage::Failed(error) => return Err(error),
        };
        match step {
            Ok(Step::Receive) => self.wire.make_room(rx),
            Ok(_) => self.stage = Stage::Done,
            Err(error) => self.stage = Stage::Failed(error),
        }
        step
    }

    /// What waits to be written.
    #[must_use]
    pub fn pending<'b>(&self, tx: &'b [u8]) -> &'b [u8] {
        self.wire.pending(tx)
    }

    /// The transport took `n` bytes of what is pending.
    ///
    /// # Errors
    /// [`MisuseError::ImpossibleCount`] for more than that.
    pub fn sent(&mut self, n: usize) -> Result<(), MisuseError> {
        self.wire.sent(n)
    }

    /// The transport was flushed.
    pub fn flushed(&mut self) {
        if matches!(self.stage, Stage::Flush) {
            self.stage = Stage::Head;
        }
    }

    /// Where to read to; not empty after [`Step::Receive`].
    #[must_use]
    pub fn space<'b>(&self, rx: &'b mut [u8]) -> &'b mut [u8] {
        self.wire.space(rx)
    }

    /// The transport put `n` bytes into the space; 0 says that it has ended.
    ///
    /// # Errors
    /// [`MisuseError::ImpossibleCount`] for more than the space.
    pub fn received(&mut self, n: usize) -> Result<(), MisuseError> {
        self.wire.received(n)
    }

    /// The subprotocol that the server selected: its index in the offered ones.
    ///
    /// A server may select none although some were offered: "The absence of such a field is equivalent to the null
    /// value" (RFC 6455 section 4.2.2).
    #[must_use]
    pub fn subprotocol(&self) -> Option<usize> {
        (self.subprotocol != NONE).then_some(self.subprotocol.into())
    }

    /// The range of the receive buffer that holds what came after the head: the first frames, or the start of the body
    /// of a response that refuses. Of a body without `Content-Length` only what was there by chance; a chunked one is
    /// not decoded.
    #[must_use]
    pub const fn early(&self) -> Range<usize> {
        self.wire.early()
    }

    fn transmit(&mut self, tx: &mut [u8]) -> Step {
        if self.wire.is_sent() {
            let mut out = self.wire.emitter(tx);
            self.emit(&mut out);
            let (written, more) = (out.written(), out.has_more());
            if !self.wire.emitted(written, more) {
                self.stage = Stage::Flush;
                return Step::Flush;
            }
        }
        Step::Transmit
    }

    /// "The handshake MUST be a valid HTTP request"; the order is that of Python's `websocket-client`, which servers
    /// have seen for years.
    fn emit(&self, out: &mut Emitter<'_>) {
        if out.is_first() {
            trace!("sent GET {} HTTP/1.1", self.path);
        }
        out.put("GET ");
        out.put(self.path);
        out.put(" HTTP/1.1\r\n");
        out.field("Upgrade", &["websocket"]);
        out.field("Host", &[self.host]);
        if let Some(origin) = self.origin {
            out.field("Origin", &[origin]);
        }
        out.field("Sec-WebSocket-Key", &[self.key.as_str()]);
        out.field("Sec-WebSocket-Version", &["13"]);
        out.field("Connection", &["Upgrade"]);
        if !self.subprotocols.is_empty() {
            out.field("Sec-WebSocket-Protocol", self.subprotocols);
        }
        for (name, value) in self.fields {
            out.field(name, &[value]);
        }
        out.put("\r\n");
    }

    /// Takes the lines that are complete.
    fn read_head(&mut self, rx: &mut [u8], observe: &mut dyn FnMut(HeadLine<'_>)) -> Result<Step, HandshakeError> {
        loop {
            let bytes = rx.get(self.wire.start..self.wire.end).unwrap_or_default();
            let Some(len) = self.scanner.scan(bytes)? else {
                return self.read_more(rx);
            };
            self.spend(len)?;
            self.wire.start += len;
            let line = bytes.get(..len - 2).unwrap_or_default();
            if self.skips {
                self.skips = false;
            } else if self.status == 0 {
                self.status_line(line, observe)?;
                continue;
            } else if line.is_empty() {
                return self.end_of_head(rx);
            } else {
                self.field(line, observe)?;
            }
            self.fields_left = self.fields_left.checked_sub(1).ok_or(HandshakeError::TooManyFields)?;
        }
    }

    /// Goes on with the head when more of it has come.
    fn read_more(&mut self, rx: &mut [u8]) -> Result<Step, HandshakeError> {
        self.left_after(self.scanner.scanned())?;
        if self.wire.eof {
            return Err(HandshakeError::UnexpectedEof);
        }
        if self.wire.end >= rx.len() {
            // Only a line longer than what it frees was not moved before: each byte is moved a bounded number of times.
            if self.wire.start > 0 {
                self.wire.compact(rx);
            } else {
                self.skip(rx)?;
            }
        }
        Ok(Step::Receive)
    }

    /// Drops what there is of a line that does not fit in the buffer, if the handshake does not depend on it.
    fn skip(&mut self, rx: &[u8]) -> Result<(), HandshakeError> {
        if !self.skips {
            if self.status == 0 || self.scanner.in_name() {
                return Err(HandshakeError::LineTooLong);
            }
            let (name, _) = parse_field(rx)?;
            if Field::from_name(name).is_some() {
                return Err(HandshakeError::LineTooLong);
            }
            trace_field("received", name, b"(too long for the receive buffer)");
            self.skips = true;
        }
        self.spend(self.scanner.scanned())?;
        self.scanner.forget();
        self.wire.end = 0;
        Ok(())
    }

    fn status_line(&mut self, line: &[u8], observe: &mut dyn FnMut(HeadLine<'_>)) -> Result<(), HandshakeError> {
        let (code, reason) = parse_status_line(line)?;
        trace!("received HTTP/1.1 {}", code);
        observe(HeadLine::Status { code, reason });
        self.status = code;
        Ok(())
    }

    fn field(&mut self, line: &[u8], observe: &mut dyn FnMut(HeadLine<'_>)) -> Result<(), HandshakeError> {
        let (name, value) = parse_field(line)?;
        trace_field("received", name, value);
        observe(HeadLine::Field { name, value });
        let Some(field) = Field::from_name(name) else {
            return Ok(());
        };
        let again = self.seen.contains(field);
        match (field, self.status) {
            // "contains a value that is not an ASCII case-insensitive match for the value "websocket""
            (Field::Upgrade, 101) if has_token(value, "websocket") => {}
            // "doesn't contain a token that is an ASCII case-insensitive match for the value "Upgrade""
            (Field::Connection, 101) if has_token(value, "upgrade") => {}
            (Field::Accept | Field::Protocol, 101) if again => return Err(HandshakeError::Duplicate(field)),
            // "contains a value other than the base64-encoded SHA-1 of the concatenation of the |Sec-WebSocket-Key| ...
            // with the string ..., the client MUST _Fail the WebSocket Connection_."
            (Field::Accept, 101) => {
                if value != self.key.accept().as_bytes() {
                    return Err(HandshakeError::Invalid(field));
                }
            }
            // "indicates the use of a subprotocol that was not present in the client's handshake"
            (Field::Protocol, 101) => {
                let selected = self.subprotocols.iter().position(|offered| offered.as_bytes() == value);
                self.subprotocol = selected.map(index).ok_or(HandshakeError::NotOffered(field))?;
            }
            // "indicates the use of an extension that was not present in the client's handshake"
            (Field::Extensions, 101) => return Err(HandshakeError::NotOffered(field)),
            // RFC 9112 section 6.3: with an invalid one "the message framing is invalid and the recipient MUST treat it
            // as an unrecoverable error"; but 101 has no body.
            (Field::ContentLength, status) if status != 101 => {
                let length = parse_decimal(value).ok_or(HeadError::ContentLength)?;
                if again && length != self.content_length {
                    return Err(HeadError::ContentLength.into());
                }
                self.content_length = length;
            }
            _ => return Ok(()),
        }
        self.seen.insert(field);
        Ok(())
    }

    fn end_of_head(&mut self, rx: &mut [u8]) -> Result<Step, HandshakeError> {
        if self.status != 101 {
            self.stage = Stage::Body;
            self.wire.compact(rx);
            return self.read_body(rx);
        }
        for field in [Field::Upgrade, Field::Connection, Field::Accept] {
            if !self.seen.contains(field) {
                return Err(HandshakeError::Missing(field));
            }
        }
        Ok(Step::Done)
    }

    /// Collects the start of a refusal's body, which may say why.
    fn read_body(&mut self, rx: &[u8]) -> Result<Step, HandshakeError> {
        let len = match self.status {
            // RFC 9112 section 6.3: these are "terminated by the first empty line after the header fields".
            ..200 | 204 | 304 => 0,
            _ if self.seen.contains(Field::ContentLength) => self.content_length as usize,
            _ => self.wire.end,
        };
        if self.wire.end < len.min(rx.len()) && !self.wire.eof {
            return Ok(Step::Receive);
        }
        self.wire.end = self.wire.end.min(len);
        Err(HandshakeError::Status(self.status))
    }

    fn spend(&mut self, len: usize) -> Result<(), HandshakeError> {
        self.bytes_left = self.left_after(len)?;
        Ok(())
    }

    fn left_after(&self, len: usize) -> Result<u32, HandshakeError> {
        u32::try_from(len).ok().and_then(|len| self.bytes_left.checked_sub(len)).ok_or(HandshakeError::HeadTooLong)
    }
}
