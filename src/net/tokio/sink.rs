use core::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use futures_core::{FusedStream, Stream};
use futures_sink::Sink;

use super::{CloseFrame, OwnedMessage, connection::Connection};
use crate::{CloseCode, net::Error};

/// A connection as a [`Stream`] and a [`Sink`] of messages, as code written for tokio-tungstenite wants it:
/// [`WebSocket::into_stream`](super::WebSocket::into_stream).
///
/// ```no_run
/// use futures_util::{SinkExt, StreamExt};
/// use sockling::net::tokio::OwnedMessage as Message;
/// # async fn example() -> Result<(), sockling::net::Error> {
/// let ws = sockling::connect_async("wss://echo.example/").await?.into_stream();
/// let (mut sink, mut stream) = ws.split();
/// sink.send(Message::text("hello")).await?;
/// while let Some(message) = stream.next().await {
///     println!("{:?}", message?);
/// }
/// # Ok(())
/// # }
/// ```
///
/// The stream answers pings and close frames. It ends after the peer's close frame, which is its last item, or after an
/// error. Closing the sink sends a close frame with code 1000, unless one was sent, and does not wait for the peer's:
/// the stream does.
///
/// # Cancel safety
/// Polling may stop at any time. A message that the sink was given is sent whole by the next poll of the sink.
#[must_use = "streams and sinks do nothing unless polled"]
pub struct MessageStream {
    connection: Connection,
    /// What the sink was given, and whether sending it has begun.
    pending: Option<(OwnedMessage, bool)>,
    done: bool,
}

impl MessageStream {
    pub(super) const fn new(connection: Connection) -> Self {
        Self { connection, pending: None, done: false }
    }

    /// Puts what is pending in the send buffer.
    fn poll_pending(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let Some((message, begun)) = &mut self.pending else {
            return Poll::Ready(Ok(()));
        };
        let connection = &mut self.connection;
        let result = match message.borrow() {
            Ok(message) => match if *begun { Ok(()) } else { connection.start_send(&message, false) } {
                Ok(()) => {
                    *begun = true;
                    ready!(connection.poll_send(cx, &message, false))
                }
                error => error,
            },
            Err(None) => ready!(connection.poll_send_close(cx, CloseCode::NO_STATUS_RECEIVED, "")),
            Err(Some(CloseFrame { code, reason })) => ready!(connection.poll_send_close(cx, *code, reason)),
        };
        self.pending = None;
        Poll::Ready(result)
    }
}

impl Stream for MessageStream {
    type Item = Result<OwnedMessage, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.done {
            return Poll::Ready(None);
        }
        let item = ready!(self.connection.poll_message(cx, |message| OwnedMessage::from(message)));
        self.done = item.is_err();
        Poll::Ready(match item {
            Err(Error::Closed(close)) => close.received.map(|(code, reason)| {
                let empty = code == CloseCode::NO_STATUS_RECEIVED;
                Ok(OwnedMessage::Close((!empty).then_some(CloseFrame { code, reason })))
            }),
            item => Some(item),
        })
    }
}

impl FusedStream for MessageStream {
    fn is_terminated(&self) -> bool {
        self.done
    }
}

impl Sink<OwnedMessage> for MessageStream {
    type Error = Error;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.poll_pending(cx)
    }

    fn start_send(mut self: Pin<&mut Self>, message: OwnedMessage) -> Result<(), Error> {
        self.pending = Some((message, false));
        Ok(())
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        ready!(self.poll_pending(cx))?;
        self.connection.poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        ready!(self.poll_pending(cx))?;
        match ready!(self.connection.poll_send_close(cx, CloseCode::NORMAL, "")) {
            Err(Error::Closed(_)) => Poll::Ready(Ok(())),
            result => Poll::Ready(result),
        }
    }
}

impl fmt::Debug for MessageStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MessageStream")
            .field("stream", &self.connection.stream())
            .field("done", &self.done)
            .finish_non_exhaustive()
    }
}
