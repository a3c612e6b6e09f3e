use core::mem;
use std::{io, string::String, time::Duration, vec::Vec};

use super::{
    CloseInfo, Error, Unsent, WebSocket,
    handle::{Queued, Shared},
    wait::{Waiting, Watched},
};
use crate::{CloseCode, MisuseError};

/// An open connection, which does not block.
pub(super) struct Connection {
    pub(super) ws: WebSocket,
    watched: Option<Watched>,
    /// What is being sent.
    current: Option<Queued>,
    /// How many bytes the transport had taken when that was begun.
    begun_at: u64,
    /// A ping of the keepalive is to be sent.
    ping: bool,
    /// There may be something to read.
    pub(super) readable: bool,
    /// The transport takes nothing now.
    blocked: bool,
    /// How many bytes it had taken when it took no more.
    stalled_at: Option<u64>,
    /// It went on taking after that.
    taking: bool,
    /// How many bytes had been received when that was last looked at.
    received: u64,
    /// How many messages were handed to the transport whole, and how many of these the peer is known to have received.
    written: u64,
    confirmed: u64,
    /// Whether the closing handshake began before the peer's close frame was there; `None` before it.
    ours_first: Option<bool>,
    /// The user's close, once it is time for it.
    pub(super) closing: Option<(CloseCode, String)>,
}

/// What the payload of a keepalive's ping begins with; how many messages were written before follows.
const PING: &[u8; 8] = b"sockling";

impl Connection {
    /// Goes on with a connection that was opened, without blocking.
    pub(super) fn new(mut ws: WebSocket, waiting: &Waiting) -> Result<Self, Error> {
        ws.set_read_timeout(None)?;
        ws.set_write_timeout(None)?;
        ws.set_nonblocking(true)?;
        let watched = Some(waiting.watch(ws.stream()).map_err(Error::Io)?);
        let (received, _) = ws.stream().counts();
        Ok(Self {
            ws,
            watched,
            current: None,
            begun_at: 0,
            ping: false,
            readable: true,
            blocked: false,
            stalled_at: None,
            taking: false,
            received,
            written: 0,
            confirmed: 0,
            ours_first: None,
            closing: None,
        })
    }

    /// Waits until the socket has become readable or writable.
    pub(super) fn wait(&mut self, waiting: &mut Waiting, timeout: Option<Duration>) -> io::Result<()> {
        #[cfg(not(unix))]
        if let Some(watched) = &mut self.watched {
            waiting.watch_again(watched, self.blocked)?;
        }
        if waiting.wait(timeout)? {
            self.readable = true;
            self.blocked = false;
        }
        Ok(())
    }

    /// Whether the peer has shown to be alive since the last call: it sent something, or took something when the way to
    /// it was full. The closing handshake has a deadline of its own, and takes no pings.
    pub(super) fn take_life(&mut self) -> bool {
        let (received, _) = self.ws.stream().counts();
        let sends = mem::replace(&mut self.received, received) != received;
        mem::take(&mut self.taking) || sends || self.ws.is_closing()
    }

    /// Sends a ping of the keepalive, after what is being sent.
    pub(super) const fn ping(&mut self) {
        self.ping = true;
    }

    /// So many messages have arrived, says a pong.
    pub(super) fn confirm(&mut self, count: u64) {
        if count <= self.written {
            self.confirmed = self.confirmed.max(count);
        }
    }

    /// Writes what there is, as far as the transport takes it.
    pub(super) fn write(&mut self, shared: &Shared) -> Result<(), Error> {
        if self.blocked {
            return Ok(());
        }
        let result = self.write_queue(shared);
        let (_, sent) = self.ws.stream().counts();
        self.taking |= self.stalled_at.is_some_and(|at| at != sent);
        self.stalled_at = self.blocked.then_some(sent);
        result
    }

    fn write_queue(&mut self, shared: &Shared) -> Result<(), Error> {
        while !self.blocked {
            if self.current.is_none() {
                self.begun_at = self.ws.stream().counts().1;
                self.current = self.next(shared);
            }
            let Some(message) = &self.current else {
                break;
            };
            match self.ws.resume_send(message.as_message()) {
                Ok(()) => {
                    if !is_keepalive(message) {
                        self.written += 1;
                    }
                    self.current = None;
                }
                Err(error) if error.is_timeout() => self.blocked = true,
                // The peer has begun to close: it stays unsent.
                Err(Error::Misuse(MisuseError::Closing)) => break,
                Err(error) => return Err(error),
            }
        }
        if !self.blocked {
            match self.ws.flush() {
                Err(error) if error.is_timeout() => self.blocked = true,
                result => return result,
            }
        }
        Ok(())
    }

    fn next(&mut self, shared: &Shared) -> Option<Queued> {
        if mem::take(&mut self.ping) {
            let mut payload = Vec::from(PING);
            payload.extend_from_slice(&self.written.to_be_bytes());
            return Some(Queued::Ping(payload));
        }
        shared.pop()
    }

    /// Whether there may be something to read, or a deadline is over, which reading finds.
    pub(super) fn has_to_read(&mut self) -> bool {
        self.readable || self.ws.poll_timeout() == Some(Duration::ZERO)
    }

    /// Whether the closing handshake is under way, or to begin: all is written that was queued before it.
    pub(super) const fn is_closing(&self) -> bool {
        self.closing.is_some() && self.current.is_none()
    }

    /// How long to wait at most, whatever becomes readable or writable.
    pub(super) fn poll_timeout(&mut self) -> Option<Duration> {
        if self.readable { Some(Duration::ZERO) } else { self.ws.poll_timeout() }
    }

    /// Performs the closing handshake; `None` while it waits.
    pub(super) fn close(&mut self) -> Option<Result<CloseInfo, Error>> {
        let (code, reason) = self.closing.as_ref()?;
        // Known at the first call: at a later one the answer may be there, and the end of the stream not.
        let received = self.ws.close_info().received;
        let ours_first = *self.ours_first.get_or_insert(received.is_none());
        match self.ws.close(*code, reason) {
            Err(error) if matches!(error, Error::Io(_)) && error.is_timeout() => {
                self.readable = false;
                None
            }
            Ok(info) => {
                // The peer answers a close frame after all that came before it.
                if info.is_clean() && ours_first {
                    self.confirmed = self.written;
                }
                Some(Ok(info))
            }
            Err(error) => Some(Err(error)),
        }
    }

    /// The end: the socket is closed. How it came to that, and what was not sent, without what is still queued.
    pub(super) fn end(mut self, waiting: &Waiting) -> (CloseInfo, Unsent) {
        if let Some(watched) = self.watched.take() {
            waiting.unwatch(watched);
        }
        let mut unsent = Unsent { messages: Default::default(), in_doubt: self.written - self.confirmed };
        if let Some(message) = self.current.take()
            && !is_keepalive(&message)
        {
            if self.may_have_arrived(&message) {
                unsent.in_doubt += 1;
            } else {
                unsent.messages.push_back(message);
            }
        }
        (self.ws.close_info(), unsent)
    }

    /// Whether what is being sent may be out whole. It is put in the send buffer, and that may be written without that
    /// being reported: within TLS, or before a pong that follows it.
    fn may_have_arrived(&self, message: &Queued) -> bool {
        let (_, sent) = self.ws.stream().counts();
        sent != self.begun_at
            && self.ws.interrupted().is_none_or(|taken| taken >= message.as_message().as_bytes().len())
    }
}

/// How many messages had arrived before the ping of the keepalive that this pong answers; 0 if it answers none.
pub(super) fn confirmed_by(pong: &[u8]) -> u64 {
    match pong.split_first_chunk() {
        Some((PING, count)) => count.try_into().map_or(0, u64::from_be_bytes),
        _ => 0,
    }
}

fn is_keepalive(message: &Queued) -> bool {
    matches!(message, Queued::Ping(payload) if payload.len() == 16 && payload.starts_with(PING))
}
