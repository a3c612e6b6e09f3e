use std::boxed::Box;

use ::tokio::io::{AsyncRead, AsyncWrite};

use super::{
    Stream, WebSocket,
    connection::Connection,
    dial::{by, dial, go_on},
    io::Io,
};
use crate::{
    asynch,
    handshake::{ClientHandshake, HeadLine},
    net::{
        ConnectOptions, Error, HttpResponse, Phase,
        connect::explain,
        journey::{Hop, Journey},
        random::Keys,
        sequence::{Sequence, Way},
    },
};

/// Connects to `url`, `ws://` or `wss://`, with the defaults of [`ConnectOptions`], in a task of tokio.
///
/// ```no_run
/// # async fn example() -> Result<(), sockling::net::Error> {
/// use sockling::CloseCode;
/// let mut ws = sockling::connect_async("wss://echo.example/").await?;
/// ws.send("Hello, World").await?;
/// println!("Received {:?}", ws.recv().await?);
/// ws.close(CloseCode::NORMAL, "bye").await?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// Like [`ConnectOptions::connect`].
///
/// # Cancel safety
/// A connection that is dropped before it is there is given up; the server may have seen it.
pub async fn connect_async(url: &str) -> Result<WebSocket, Error> {
    ConnectOptions::new().connect_async(url).await
}

impl ConnectOptions {
    /// Connects to `url`, `ws://` or `wss://`, and performs the opening handshake, in a task of tokio; otherwise like
    /// [`connect`](Self::connect).
    ///
    /// # Errors
    /// Likewise.
    ///
    /// # Cancel safety
    /// A connection that is dropped before it is there is given up; the server may have seen it.
    pub async fn connect_async(&self, url: &str) -> Result<WebSocket, Error> {
        let mut journey = Journey::new(self, url)?;
        loop {
            let hop = journey.hop()?;
            let deadline = hop.deadline(self.connect_timeout);
            // Boxed: it is most of what a task has to hold, and for a while only.
            let opening =
                Box::pin(self.open_async(&hop, async |way| dial(way, &self.tuning, deadline).await));
            match opening.await {
                Err(Error::Status(response)) => {
                    journey.learn(&response);
                    journey.follow(response)?;
                }
                Ok(ws) => {
                    ws.response().into_iter().for_each(|response| journey.learn(response));
                    return Ok(ws);
                }
                error @ Err(_) => return error,
            }
        }
    }

    /// Performs the handshake over a `stream` that is connected already, in a task of tokio: a tunnel, a socket with
    /// settings of its own.
    ///
    /// For `wss://` TLS is performed over it; if the stream is TLS already, write `ws://`. No proxy is asked, and
    /// redirects are not followed.
    ///
    /// # Errors
    /// Like [`connect`](Self::connect).
    ///
    /// # Cancel safety
    /// A connection that is dropped before it is there is given up, with the stream.
    pub async fn connect_stream_async(
        &self,
        url: &str,
        stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    ) -> Result<WebSocket, Error> {
        let mut journey = Journey::new(self, url)?;
        let hop = journey.hop_over()?;
        let deadline = hop.deadline(self.connect_timeout);
        let opening = self.open_async(&hop, async |way| {
            go_on(&mut Sequence::connected_already(way), Stream::given(stream), deadline).await
        });
        let ws = opening.await;
        match &ws {
            Err(Error::Status(response)) => journey.learn(response),
            Ok(ws) => ws.response().into_iter().for_each(|response| journey.learn(response)),
            Err(_) => {}
        }
        ws
    }

    async fn open_async(
        &self,
        hop: &Hop,
        dial: impl AsyncFnOnce(&Way) -> Result<Stream, Error>,
    ) -> Result<WebSocket, Error> {
        let lists = hop.lists(self);
        let request = lists.request();

        // All that can be wrong here is found before anything is sent.
        let mut keys = Keys::client()?;
        ClientHandshake::new(&request, &mut keys)?;
        let (rx, tx) = self.sizes.allocate(&self.config.limits)?;

        let codec = self.compression.codec(&self.config.limits);
        let io = Io::new(dial(&hop.way).await?);
        let deadline = hop.deadline(self.handshake_timeout);
        let mut response = HttpResponse::default();
        let opening = async {
            let observe = |line: HeadLine<'_>| response.push(line);
            Ok(asynch::connect_with(io, &request, keys, rx, tx, codec, observe).await)
        };
        let inner = match by(deadline, Phase::Handshake, opening).await {
            Ok(Ok(inner)) => inner,
            Ok(Err(refused)) => return Err(explain(refused, response)),
            // The status counts more than that the body does not come.
            Err(_) if !matches!(response.status, 0 | 101) => return Err(Error::Status(response.into())),
            Err(error) => return Err(error),
        };
        let subprotocol = inner.subprotocol().and_then(|index| self.subprotocols.get(index)).cloned();
        Ok(WebSocket::new(Connection::new(inner, false, &self.config), subprotocol, Some(response)))
    }
}
