use core::{fmt, ops::Range};

use super::{
    Field, HandshakeError, RequestHead, Response, ServerStep,
    key::{Accept, Key},
    response::Decimal,
    wire::Wire,
};
#[cfg(feature = "deflate")]
use crate::extension::{DeflateConfig, Negotiated, Response as Agreed};
use crate::{
    Limits, MisuseError,
    http::{Emitter, LineScanner, parse_request_line, trace_field},
};

/// The server's side of the opening handshake (RFC 6455 section 4.2).
///
/// The client's head has to fit in the receive buffer as a whole: browsers send 500 bytes and more, with cookies much
/// more. A request that breaks a rule is answered with its status before `poll` returns the error.
#[derive(Clone)]
pub struct ServerHandshake<'a> {
    wire: Wire,
    scanner: LineScanner,
    /// Start of the line that is being scanned.
    line: usize,
    fields_left: u16,
    first: bool,
    accept: Accept,
    response: Response<'a>,
    /// What this end wants, and what both agreed to.
    #[cfg(feature = "deflate")]
    deflate: Option<DeflateConfig>,
    #[cfg(feature = "deflate")]
    agreed: Option<Agreed>,
    stage: Stage,
    /// What the response leads to.
    verdict: Result<(), HandshakeError>,
}

#[derive(Clone, Copy, Debug)]
enum Stage {
    Head,
    Asked,
    Send,
    Flush,
    End,
}

impl<'a> ServerHandshake<'a> {
    /// Awaits a request within `limits`: `max_head` and `max_fields` count here.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            wire: Wire::default(),
            scanner: LineScanner::new(limits.max_head),
            line: 0,
            fields_left: limits.max_fields,
            first: true,
            accept: Accept::default(),
            response: Response::accept(),
            #[cfg(feature = "deflate")]
            deflate: None,
            #[cfg(feature = "deflate")]
            agreed: None,
            stage: Stage::Head,
            verdict: Ok(()),
        }
    }

    /// Agrees to permessage-deflate (RFC 7692) if the client offers what `config` can do; `None` does not.
    #[cfg(feature = "deflate")]
    pub const fn set_deflate(&mut self, config: Option<DeflateConfig>) {
        self.deflate = config;
    }

    /// What both ends agreed to, once the request was accepted.
    #[cfg(feature = "deflate")]
    #[must_use]
    pub fn negotiated(&self) -> Option<Negotiated> {
        self.agreed.filter(|_| self.verdict.is_ok()).map(|agreed| agreed.negotiated())
    }

    /// What to do next. `rx` and `tx` are the same buffers on every call.
    ///
    /// # Errors
    /// Why the handshake failed, again on every later call: after the refusal, if there is one, was sent.
    pub fn poll(&mut self, rx: &mut [u8], tx: &mut [u8]) -> Result<ServerStep, HandshakeError> {
        if matches!(self.stage, Stage::Head) {
            match self.read_head(rx) {
                Ok(None) if self.wire.eof => {
                    self.verdict = Err(HandshakeError::UnexpectedEof);
                    self.stage = Stage::End;
                }
                Ok(None) => {
                    self.wire.set_capacity(rx);
                    return Ok(ServerStep::Receive);
                }
                Ok(Some(accept)) => {
                    self.accept = accept;
                    self.stage = Stage::Asked;
                }
                Err(error) => {
                    self.response = Response::reject(status(error));
                    self.verdict = Err(error);
                    self.stage = Stage::Send;
                }
            }
        }
        match self.stage {
            Stage::Head | Stage::Asked => Ok(ServerStep::Request),
            Stage::Send => Ok(self.transmit(tx)),
            Stage::Flush => Ok(ServerStep::Flush),
            Stage::End => self.verdict.map(|()| ServerStep::Done),
        }
    }

    /// The request that `poll` announced with [`ServerStep::Request`]; `None` before and after.
    #[must_use]
    pub fn request<'b>(&self, rx: &'b [u8]) -> Option<RequestHead<'b>> {
        match self.stage {
            Stage::Asked => RequestHead::parse(rx.get(..self.wire.start)?).ok(),
            _ => None,
        }
    }

    /// Answers the request.
    ///
    /// # Errors
    /// If the response cannot be sent: [`HandshakeError::NotOffered`] for a subprotocol that the client did not offer,
    /// [`HandshakeError::InvalidField`], [`ReservedField`](HandshakeError::ReservedField),
    /// [`InvalidStatus`](HandshakeError::InvalidStatus); or [`OutOfTurn`](HandshakeError::OutOfTurn). The request stays
    /// unanswered, for another response.
    pub fn respond(&mut self, response: Response<'a>, rx: &[u8]) -> Result<(), HandshakeError> {
        let request = self.request(rx).ok_or(HandshakeError::OutOfTurn)?;
        response.check()?;
        if response.is_accept() {
            // Section 4.2.2: "The value chosen MUST be derived from the client's handshake, specifically by selecting
            // one of the values from the |Sec-WebSocket-Protocol| field".
            if response.subprotocol.is_some_and(|own| request.choose(&[own]).is_none()) {
                return Err(HandshakeError::NotOffered(Field::Protocol));
            }
            #[cfg(feature = "deflate")]
            {
                self.agreed = self.deflate.and_then(|config| config.choose(request.extensions()));
            }
        } else {
            self.verdict = Err(HandshakeError::Refused(response.status));
        }
        self.response = response;
        self.stage = Stage::Send;
        Ok(())
    }

    /// Answers the request with a response that may be one that cannot be sent: the client is refused with 500 then, and
    /// the error is that of [`poll`](Self::poll).
    pub(crate) fn answer(&mut self, mut response: Response<'a>, rx: &[u8]) -> Result<(), HandshakeError> {
        let mut first = None;
        loop {
            match (self.respond(response, rx), first) {
                (Err(error), None) => first = Some(error),
                (result, None) => return result,
                (result, Some(error)) => {
                    self.verdict = Err(error);
                    return result;
                }
            }
            response = Response::reject(500);
        }
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
            self.stage = Stage::End;
        }
    }

    /// Where to read to; not empty after [`ServerStep::Receive`].
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

    /// The range of the receive buffer that holds what came after the head: the first frames, if the client did not
    /// wait for the response.
    #[must_use]
    pub const fn early(&self) -> Range<usize> {
        self.wire.early()
    }

    /// Scans what has come; returns the accept value when the head is complete and right.
    fn read_head(&mut self, rx: &[u8]) -> Result<Option<Accept>, HandshakeError> {
        loop {
            let bytes = rx.get(self.line..self.wire.end).unwrap_or_default();
            if !self.scanner.scan(bytes)? {
                // Nothing more fits.
                return if self.wire.end < rx.len() { Ok(None) } else { Err(HandshakeError::HeadTooLong) };
            }
            let len = self.scanner.scanned();
            self.line += len;
            if self.first {
                parse_request_line(bytes.get(..len - 2).unwrap_or_default())?;
                self.first = false;
            } else if len == 2 {
                self.wire.start = self.line;
                break;
            } else {
                self.fields_left = self.fields_left.checked_sub(1).ok_or(HandshakeError::TooManyFields)?;
            }
        }
        let head = RequestHead::parse(rx.get(..self.line).unwrap_or_default())?;
        trace!("received {} {} HTTP/1.1", head.method(), head.target());
        for (name, value) in head.fields() {
            trace_field("received", name.as_bytes(), value);
        }
        let key = Key::parse(head.check()?).ok_or(HandshakeError::Invalid(Field::Key))?;
        Ok(Some(key.hash().accept()))
    }

    fn transmit(&mut self, tx: &mut [u8]) -> ServerStep {
        if self.wire.is_sent() && !tx.is_empty() {
            if self.wire.is_first() {
                self.trace();
            }
            let mut out = self.wire.emitter(tx);
            self.emit(&mut out);
            let written = out.written();
            if !self.wire.emitted(written) {
                self.stage = Stage::Flush;
                return ServerStep::Flush;
            }
        }
        ServerStep::Transmit
    }

    #[cfg(any(feature = "log", feature = "defmt"))]
    fn trace(&self) {
        let field = |name: &str, value: &str| trace_field("sent", name.as_bytes(), value.as_bytes());
        trace!("sent HTTP/1.1 {} {}", self.response.status, self.response.reason());
        if self.response.is_accept() {
            field("Sec-WebSocket-Accept", self.accept.as_str());
            self.response
                .subprotocol
                .iter()
                .for_each(|subprotocol| field("Sec-WebSocket-Protocol", subprotocol));
        }
        self.response.fields.iter().for_each(|(name, value)| field(name, value));
    }

    #[cfg(not(any(feature = "log", feature = "defmt")))]
    const fn trace(&self) {}

    fn emit(&self, out: &mut Emitter<'_>) {
        let Response { status, subprotocol, fields, body, .. } = self.response;
        out.put("HTTP/1.1 ");
        out.put(Decimal::new(status.into()).as_str());
        out.put(" ");
        out.put(self.response.reason());
        out.put("\r\n");
        if self.response.is_accept() {
            out.field("Upgrade", &["websocket"]);
            out.field("Connection", &["Upgrade"]);
            out.field("Sec-WebSocket-Accept", &[self.accept.as_str()]);
            if let Some(subprotocol) = subprotocol {
                out.field("Sec-WebSocket-Protocol", &[subprotocol]);
            }
            #[cfg(feature = "deflate")]
            if let Some(agreed) = &self.agreed {
                out.put("Sec-WebSocket-Extensions: ");
                agreed.emit(|piece| out.put(piece));
                out.put("\r\n");
            }
        } else {
            match status {
                // RFC 9110 section 15.5.6: "The origin server MUST generate an Allow header field in a 405 response"
                405 => out.field("Allow", &["GET"]),
                // RFC 9110 section 15.5.22: "The server MUST send an Upgrade header field in a 426 response"; RFC 6455
                // section 4.2.2: "a |Sec-WebSocket-Version| header field indicating the version(s) the server is
                // capable of understanding".
                426 => {
                    out.field("Upgrade", &["websocket"]);
                    out.field("Sec-WebSocket-Version", &["13"]);
                }
                _ => {}
            }
            // RFC 9110 section 7.8: "A sender of Upgrade MUST also send an "Upgrade" connection option".
            out.field("Connection", if status == 426 { &["close", "Upgrade"] } else { &["close"] });
            out.field("Content-Length", &[Decimal::new(body.len()).as_str()]);
        }
        for (name, value) in fields {
            out.field(name, &[value]);
        }
        out.put("\r\n");
        if !self.response.is_accept() {
            out.put(body);
        }
    }
}

/// The status that a broken request is refused with.
const fn status(error: HandshakeError) -> u16 {
    match error {
        HandshakeError::Method => 405,
        HandshakeError::HeadTooLong | HandshakeError::TooManyFields => 431,
        // No upgrade is asked for; or, section 4.2.2: "If this version does not match a version understood by the
        // server, the server MUST abort the WebSocket handshake ... and instead send an appropriate HTTP error code
        // (such as 426 Upgrade Required)".
        HandshakeError::Missing(Field::Upgrade | Field::Version)
        | HandshakeError::Duplicate(Field::Version)
        | HandshakeError::Invalid(Field::Version) => 426,
        _ => 400,
    }
}

impl fmt::Debug for ServerHandshake<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerHandshake").field("stage", &self.stage).finish_non_exhaustive()
    }
}

format_by_name!("ServerHandshake", [] ServerHandshake<'_>);

#[cfg(test)]
mod tests;
