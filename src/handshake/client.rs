use core::{fmt, ops::Range, str};

use super::{Field, HandshakeError, HeadLine, Request, Step, key::Secret, wire::Wire};
#[cfg(feature = "deflate")]
use crate::extension::{DeflateConfig, Negotiated, NegotiationError};
use crate::{
    MisuseError, Random,
    http::{
        Emitter, HeadError, LineScanner, find_token, parse_decimal, parse_status_line, split_field,
        trace_field,
    },
};

/// The client's side of the opening handshake (RFC 6455 section 4.1).
///
/// The server's head is read line by line and may be longer than the receive buffer: a line of it has to fit only if
/// the handshake depends on it. 131 bytes do for the heads of ordinary servers.
// In this order: a Cortex-M reaches what is small with short instructions only at the start of a struct.
#[derive(Clone)]
#[repr(C)]
pub struct ClientHandshake<'a> {
    /// What is to be done, or why nothing is.
    step: Result<Step, HandshakeError>,
    /// The line began with bytes that are gone, to make room.
    cut: bool,
    /// The head is over, what comes is the body of a refusal.
    body: bool,
    /// 0 until the status line is there.
    status: u16,
    /// Which fields have said what they have to, each a bit.
    seen: u16,
    /// How many more fields the head may have.
    fields_left: u16,
    /// Over what counts where there is none.
    subprotocol: u16,
    scanner: LineScanner,
    wire: Wire,
    /// Of a refusal; [`NONE`] where there is none.
    content_length: u32,
    request: &'a Request<'a>,
    secret: Secret,
    /// What is offered, and what the server made of it.
    #[cfg(feature = "deflate")]
    deflate: Option<DeflateConfig>,
    #[cfg(feature = "deflate")]
    negotiated: Option<Negotiated>,
}

// Part of what firmware reserves for a connection.
#[cfg(target_pointer_width = "32")]
const _: () = assert!(size_of::<ClientHandshake<'_>>() <= if cfg!(feature = "deflate") { 116 } else { 100 });

/// A content length that none was given.
const NONE: u32 = u32::MAX;

impl<'a> ClientHandshake<'a> {
    /// Checks the request and draws a key.
    ///
    /// # Errors
    /// [`HandshakeError::InvalidHost`] and the other variants that say that nothing was sent.
    pub fn new(request: &'a Request<'a>, random: &mut dyn Random) -> Result<Self, HandshakeError> {
        let mut handshake = Self::begin(request);
        handshake.draw(random);
        handshake.step.map(|_| handshake)
    }

    /// The same before the key is [drawn](Self::draw); the error is that of every poll.
    pub(crate) fn begin(request: &'a Request<'a>) -> Self {
        Self {
            request,
            secret: Secret::EMPTY,
            wire: Wire::default(),
            scanner: LineScanner::new(request.config.limits.max_head),
            fields_left: request.config.limits.max_fields,
            status: 0,
            content_length: NONE,
            subprotocol: u16::MAX,
            #[cfg(feature = "deflate")]
            deflate: None,
            #[cfg(feature = "deflate")]
            negotiated: None,
            seen: 0,
            cut: false,
            body: false,
            step: request.check().map(|()| Step::Transmit),
        }
    }

    /// Draws the key, in place.
    pub(crate) fn draw(&mut self, random: &mut dyn Random) {
        self.secret.draw(random);
    }

    /// Offers permessage-deflate (RFC 7692), before the first poll; `None` does not.
    #[cfg(feature = "deflate")]
    pub const fn set_deflate(&mut self, config: Option<DeflateConfig>) {
        self.deflate = config;
    }

    /// What the server agreed to of [`set_deflate`](Self::set_deflate)'s offer, once the handshake is done.
    #[cfg(feature = "deflate")]
    #[must_use]
    pub const fn negotiated(&self) -> Option<Negotiated> {
        self.negotiated
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
        mut observe: &mut dyn FnMut(HeadLine<'_>),
    ) -> Result<Step, HandshakeError> {
        self.poll_with(self.request, rx, tx, Some(&mut observe))
    }

    /// The same; what shows the lines is not there where nobody looks. `request` is that of [`begin`](Self::begin), once
    /// more, so that of a `static` one the optimizer knows what it does not ask for: the code for that is not there.
    #[cfg_attr(not(feature = "std"), inline(never))]
    pub(crate) fn poll_with(
        &mut self,
        request: &Request<'_>,
        rx: &mut [u8],
        tx: &mut [u8],
        observe: Option<&mut impl FnMut(HeadLine<'_>)>,
    ) -> Result<Step, HandshakeError> {
        match self.step {
            Ok(Step::Transmit) => self.transmit(request, tx),
            Ok(Step::Receive) => {
                if let Err(error) = self.receive(request, rx, observe) {
                    self.step = Err(error);
                }
            }
            _ => {}
        }
        self.wire.set_capacity(rx);
        self.step
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
        if self.step == Ok(Step::Flush) {
            self.step = Ok(Step::Receive);
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
    pub const fn subprotocol(&self) -> Option<usize> {
        if self.subprotocol == u16::MAX { None } else { Some(self.subprotocol as usize) }
    }

    /// The range of the receive buffer that holds what came after the head: the first frames, or the start of the body
    /// of a response that refuses. Of a body without `Content-Length` only what was there by chance; a chunked one is
    /// not decoded.
    #[must_use]
    pub const fn early(&self) -> Range<usize> {
        self.wire.early()
    }

    #[cfg_attr(not(feature = "std"), inline(never))]
    fn transmit(&mut self, request: &Request<'_>, tx: &mut [u8]) {
        if self.wire.is_sent() && !tx.is_empty() {
            if self.wire.is_first() {
                self.trace();
            }
            let mut out = self.wire.emitter(tx);
            self.emit(request, &mut out);
            let written = out.written();
            if !self.wire.emitted(written) {
                self.step = Ok(Step::Flush);
            }
        }
    }

    /// "The handshake MUST be a valid HTTP request"; the order is that of Python's `websocket-client`, which servers
    /// have seen for years.
    fn emit(&self, request: &Request<'_>, out: &mut Emitter<'_>) {
        // By reference: what is copied here is copied at once, and waits on the stack.
        let Request { host, path, origin, subprotocols, fields, .. } = request;
        out.put("GET ");
        out.put(path);
        out.put(" HTTP/1.1\r\nUpgrade: websocket\r\nHost: ");
        out.put(host);
        if let Some(origin) = origin {
            out.put("\r\nOrigin: ");
            out.put(origin);
        }
        out.put("\r\nSec-WebSocket-Key: ");
        out.put_bytes(self.secret.nonce.key().as_bytes());
        out.put("\r\nSec-WebSocket-Version: 13\r\nConnection: Upgrade\r\n");
        if !subprotocols.is_empty() {
            out.field("Sec-WebSocket-Protocol", subprotocols);
        }
        #[cfg(feature = "deflate")]
        if let Some(deflate) = &self.deflate {
            out.put("Sec-WebSocket-Extensions: ");
            deflate.offer(|piece| out.put(piece));
            out.put("\r\n");
        }
        for (name, value) in *fields {
            out.field(name, &[value]);
        }
        out.put("\r\n");
    }

    #[cfg(any(feature = "log", feature = "defmt"))]
    fn trace(&self) {
        let field = |name: &str, value: &str| trace_field("sent", name.as_bytes(), value.as_bytes());
        trace!("sent GET {} HTTP/1.1", self.request.path);
        field("Upgrade", "websocket");
        field("Host", self.request.host);
        self.request.origin.iter().for_each(|origin| field("Origin", origin));
        field("Sec-WebSocket-Key", self.secret.nonce.key().as_str());
        field("Sec-WebSocket-Version", "13");
        field("Connection", "Upgrade");
        self.request.subprotocols.iter().for_each(|subprotocol| field("Sec-WebSocket-Protocol", subprotocol));
        #[cfg(feature = "deflate")]
        if let Some(deflate) = &self.deflate {
            trace!("sent Sec-WebSocket-Extensions with the offer of {:?}", deflate);
        }
        self.request.fields.iter().for_each(|(name, value)| field(name, value));
    }

    #[cfg(not(any(feature = "log", feature = "defmt")))]
    const fn trace(&self) {}

    /// Takes what has come: the lines that are complete, the start of a body.
    fn receive(
        &mut self,
        request: &Request<'_>,
        rx: &mut [u8],
        mut observe: Option<&mut impl FnMut(HeadLine<'_>)>,
    ) -> Result<(), HandshakeError> {
        while !self.body {
            let mut line = rx.get(self.wire.start..self.wire.end).unwrap_or_default();
            let whole = self.scanner.scan(line)?;
            if whole {
                let len = self.scanner.scanned();
                self.wire.start += len;
                line = line.get(..len.wrapping_sub(2)).unwrap_or_default();
            } else {
                if self.wire.eof {
                    return Err(HandshakeError::UnexpectedEof);
                }
                if self.wire.end < rx.len() {
                    return Ok(());
                }
                if self.wire.start > 0 {
                    self.wire.compact(rx);
                    return Ok(());
                }
                // What there is of the line fills the buffer. It is dropped, if the handshake does not depend on it.
                if self.status == 0 || self.scanner.in_name() {
                    return Err(HandshakeError::LineTooLong);
                }
            }
            if self.status == 0 {
                self.status_line(line, observe.as_deref_mut())?;
                continue;
            }
            let cut = core::mem::replace(&mut self.cut, !whole);
            if !cut {
                if whole && line.is_empty() {
                    if self.status == 101 {
                        return self.open();
                    }
                    // RFC 9110 section 15.2: "A client MUST be able to parse one or more 1xx responses received prior to
                    // a final response, even if the client does not expect one." They count towards the limits.
                    if self.status < 200 {
                        self.status = 0;
                        self.content_length = NONE;
                        self.scanner.restart();
                        continue;
                    }
                    self.body = true;
                    self.wire.compact(rx);
                    break;
                }
                self.field(request, line, observe.as_deref_mut())?;
            }
            if !whole {
                self.scanner.forget();
                self.wire.end = 0;
                return Ok(());
            }
            if self.fields_left == 0 {
                return Err(HandshakeError::TooManyFields);
            }
            self.fields_left -= 1;
        }
        self.read_body(rx)
    }

    #[cfg_attr(not(feature = "std"), inline(never))]
    fn status_line(
        &mut self,
        line: &[u8],
        observe: Option<&mut impl FnMut(HeadLine<'_>)>,
    ) -> Result<(), HandshakeError> {
        let (code, reason) = parse_status_line(line)?;
        trace!("received HTTP/1.1 {}", code);
        if let Some(observe) = observe {
            observe(HeadLine::Status { code, reason });
        }
        self.status = code;
        Ok(())
    }

    #[cfg_attr(not(feature = "std"), inline(never))]
    fn field(
        &mut self,
        request: &Request<'_>,
        line: &[u8],
        observe: Option<&mut impl FnMut(HeadLine<'_>)>,
    ) -> Result<(), HandshakeError> {
        let (name, value) = split_field(line)?;
        trace_field("received", name, value);
        if let Some(observe) = observe.filter(|_| !self.cut) {
            observe(HeadLine::Field { name: str::from_utf8(name).unwrap_or_default(), value });
        }
        let Some(field) = Field::of_response(name) else {
            return Ok(());
        };
        if self.cut {
            return Err(HandshakeError::LineTooLong);
        }
        if self.status != 101 {
            // RFC 9112 section 6.3: with an invalid one "the message framing is invalid and the recipient MUST treat it
            // as an unrecoverable error"; but 101 has no body.
            if field == Field::ContentLength {
                let length = parse_decimal(value).map(|length| length.min(NONE - 1));
                match length {
                    Some(length) if self.content_length == NONE || self.content_length == length => {
                        self.content_length = length;
                    }
                    _ => return Err(HandshakeError::Malformed(HeadError::ContentLength)),
                }
            }
            return Ok(());
        }
        let bit = 1 << field as u8;
        let seen = match field {
            // "contains a value that is not an ASCII case-insensitive match for the value "websocket"": with another one
            // (RFC 9110 section 7.8) there is a protocol below it that this end does not speak.
            Field::Upgrade if !value.eq_ignore_ascii_case(b"websocket") => {
                return Err(HandshakeError::Invalid(field));
            }
            // "doesn't contain a token that is an ASCII case-insensitive match for the value "Upgrade""
            Field::Connection => find_token(value, b"upgrade").is_some(),
            Field::Accept | Field::Protocol if self.seen & bit != 0 => {
                return Err(HandshakeError::Duplicate(field));
            }
            // "contains a value other than the base64-encoded SHA-1 of the concatenation of the |Sec-WebSocket-Key| ...
            // with the string ..., the client MUST _Fail the WebSocket Connection_."
            Field::Accept if value != self.secret.hash.accept().as_bytes() => {
                return Err(HandshakeError::Invalid(field));
            }
            // "indicates the use of a subprotocol that was not present in the client's handshake"
            Field::Protocol => {
                let mut offered = (0..u16::MAX).zip(request.subprotocols);
                let selected = offered.find(|(_, offered)| offered.as_bytes() == value);
                (self.subprotocol, _) = selected.ok_or(HandshakeError::NotOffered(field))?;
                true
            }
            // "indicates the use of an extension that was not present in the client's handshake"
            Field::Extensions => {
                self.extensions(value)?;
                true
            }
            _ => true,
        };
        if seen {
            self.seen |= bit;
        }
        Ok(())
    }

    #[cfg(feature = "deflate")]
    fn extensions(&mut self, value: &[u8]) -> Result<(), HandshakeError> {
        let config = self.deflate.ok_or(HandshakeError::NotOffered(Field::Extensions))?;
        config.accept(value, &mut self.negotiated).map_err(|error| match error {
            NegotiationError::UnofferedExtension => HandshakeError::NotOffered(Field::Extensions),
            error => HandshakeError::Deflate(error),
        })
    }

    #[cfg(not(feature = "deflate"))]
    #[allow(clippy::unused_self, reason = "with deflate there is something to look at")]
    const fn extensions(&self, _: &[u8]) -> Result<(), HandshakeError> {
        Err(HandshakeError::NotOffered(Field::Extensions))
    }

    /// The head says that the connection is open, if nothing is missing.
    fn open(&mut self) -> Result<(), HandshakeError> {
        match Field::NEEDED.iter().find(|field| self.seen & 1 << **field as u8 == 0) {
            Some(field) => Err(HandshakeError::Missing(*field)),
            None => {
                self.step = Ok(Step::Done);
                Ok(())
            }
        }
    }

    /// Collects the start of a refusal's body, which may say why.
    fn read_body(&mut self, rx: &[u8]) -> Result<(), HandshakeError> {
        let len = usize::try_from(self.content_length).unwrap_or(usize::MAX);
        if self.content_length != NONE && self.wire.end < len.min(rx.len()) && !self.wire.eof {
            return Ok(());
        }
        self.wire.end = self.wire.end.min(len);
        Err(HandshakeError::Status(self.status))
    }
}

impl fmt::Debug for ClientHandshake<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientHandshake").field("step", &self.step).finish_non_exhaustive()
    }
}

format_by_name!("ClientHandshake", [] ClientHandshake<'_>);

#[cfg(test)]
mod tests;
