use core::fmt;
use std::{boxed::Box, collections::VecDeque};

use super::{CloseInfo, Error, Handle, handle::Queued};
use crate::{Message, Part, app::Next};

/// What [`on_reconnect`](super::App::on_reconnect) is told.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Again<'e> {
    /// Which attempt to reconnect it was: 1 if the first succeeded.
    pub attempt: u32,
    /// What ended the connection before, or the last attempt that failed since.
    pub error: &'e Error,
}

/// What of the messages that a connection was to send is not known to have arrived:
/// [`on_unsent`](super::App::on_unsent).
#[derive(Debug, Default)]
pub struct Unsent {
    pub(super) messages: VecDeque<Queued>,
    pub(super) in_doubt: u64,
}

impl Unsent {
    /// The messages that did not arrive, in the order of the calls of `send`: none of their bytes was written, or not
    /// all.
    pub fn messages(&self) -> impl ExactSizeIterator<Item = Message<'_>> {
        self.messages.iter().map(Queued::as_message)
    }

    /// How many messages, the last ones before [`messages`](Self::messages), were handed to the system whole, so that
    /// they may have arrived or not. The peer confirms what it has received with its pongs to the pings of the
    /// [keepalive](super::App::keepalive), and by answering the close frame; without a keepalive nothing is confirmed
    /// before the end.
    #[must_use]
    pub const fn in_doubt(&self) -> u64 {
        self.in_doubt
    }
}

/// What the user gave.
#[derive(Default)]
#[allow(clippy::type_complexity, reason = "the same words as in the methods that take them")]
pub(super) struct Callbacks<'a> {
    pub(super) open: Option<Box<dyn FnMut(&Handle) -> Result<(), Error> + Send + 'a>>,
    pub(super) reconnect: Option<Box<dyn FnMut(&Handle, Again<'_>) -> Result<(), Error> + Send + 'a>>,
    pub(super) message: Option<Box<dyn FnMut(&Handle, Message<'_>) -> Result<(), Error> + Send + 'a>>,
    pub(super) data: Option<Box<dyn FnMut(&Handle, Part<'_>) -> Result<(), Error> + Send + 'a>>,
    pub(super) fragment: Option<Box<dyn FnMut(&Handle, Part<'_>) -> Result<(), Error> + Send + 'a>>,
    pub(super) ping: Option<Box<dyn FnMut(&Handle, &[u8]) -> Result<(), Error> + Send + 'a>>,
    pub(super) pong: Option<Box<dyn FnMut(&Handle, &[u8]) -> Result<(), Error> + Send + 'a>>,
    pub(super) unsent: Option<Box<dyn FnMut(&Handle, Unsent) -> Result<(), Error> + Send + 'a>>,
    pub(super) error: Option<Box<dyn FnMut(&Handle, &Error) + Send + 'a>>,
    pub(super) close: Option<Box<dyn FnMut(&Handle, &CloseInfo) -> Next + Send + 'a>>,
    pub(super) classify: Option<Box<dyn FnMut(&Error) -> Next + Send + 'a>>,
}

impl Callbacks<'_> {
    /// A connection was opened; `again` if another one was before.
    pub(super) fn opened(&mut self, handle: &Handle, again: Option<Again<'_>>) -> Result<(), Error> {
        match (again, &mut self.reconnect, &mut self.open) {
            (Some(again), Some(reconnect), _) => reconnect(handle, again),
            (_, _, Some(open)) => open(handle),
            _ => Ok(()),
        }
    }

    /// A message was received, whole.
    pub(super) fn message(&mut self, handle: &Handle, message: Message<'_>) -> Result<(), Error> {
        match message {
            Message::Ping(payload) => call(&mut self.ping, |ping| ping(handle, payload)),
            Message::Pong(payload) => call(&mut self.pong, |pong| pong(handle, payload)),
            message => {
                let (kind, data) = (message.kind(), message.as_bytes());
                call(&mut self.data, |on_data| on_data(handle, Part { kind, first: true, fin: true, data }))?;
                call(&mut self.message, |on_message| on_message(handle, message))
            }
        }
    }

    /// A part of a message was received.
    pub(super) fn part(&mut self, handle: &Handle, part: Part<'_>) -> Result<(), Error> {
        use crate::Kind;
        match part.kind {
            Kind::Ping => call(&mut self.ping, |ping| ping(handle, part.data)),
            Kind::Pong => call(&mut self.pong, |pong| pong(handle, part.data)),
            Kind::Text | Kind::Binary => {
                call(&mut self.data, |data| data(handle, part))?;
                call(&mut self.fragment, |fragment| fragment(handle, part))
            }
        }
    }

    /// Something failed.
    pub(super) fn failed(&mut self, handle: &Handle, error: &Error) {
        if let Some(on_error) = &mut self.error {
            on_error(handle, error);
        }
    }

    /// Messages were not sent. Without a callback for that it is an error.
    pub(super) fn unsent(&mut self, handle: &Handle, unsent: Unsent) -> Result<(), Error> {
        match &mut self.unsent {
            Some(on_unsent) if !unsent.messages.is_empty() || unsent.in_doubt > 0 => {
                on_unsent(handle, unsent)
            }
            None if !unsent.messages.is_empty() => {
                self.failed(handle, &Error::Unsent(unsent.messages.len()));
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// A connection is over.
    pub(super) fn closed(&mut self, handle: &Handle, close: &CloseInfo) -> Next {
        self.close.as_mut().map_or(Next::Usual, |on_close| on_close(handle, close))
    }

    pub(super) fn classify(&mut self, error: &Error) -> Next {
        self.classify.as_mut().map_or(Next::Usual, |classify| classify(error))
    }
}

fn call<F>(callback: &mut Option<F>, call: impl FnOnce(&mut F) -> Result<(), Error>) -> Result<(), Error> {
    callback.as_mut().map_or(Ok(()), call)
}

impl fmt::Debug for Callbacks<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Callbacks").finish_non_exhaustive()
    }
}
