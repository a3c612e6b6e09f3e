use std::{
    io::{self, Read, Write},
    time::Duration,
};

use super::{
    Cancel, ConnectOptions, Error, HttpResponse, Phase, Stream, WebSocket,
    dial::{dial, go_on},
    journey::{Hop, Journey},
    random::Keys,
    sequence::{Sequence, Way},
};
use crate::{
    Buffer, HandshakeError, blocking,
    handshake::{ClientHandshake, HeadLine},
};

/// Connects to `url`, `ws://` or `wss://`, with the defaults of [`ConnectOptions`].
///
/// ```no_run
/// use sockling::CloseCode;
/// let mut ws = sockling::connect("wss://echo.example/")?;
/// ws.send("Hello, World")?;
/// println!("Received {:?}", ws.recv()?);
/// ws.close(CloseCode::NORMAL, "bye")?;
/// # Ok::<(), sockling::net::Error>(())
/// ```
///
/// # Errors
/// Like [`ConnectOptions::connect`].
pub fn connect(url: &str) -> Result<WebSocket, Error> {
    ConnectOptions::new().connect(url)
}

impl ConnectOptions {
    /// Connects to `url`, `ws://` or `wss://`, and performs the opening handshake: through the
    /// [proxy](Self::proxy) if there is one, over [redirects](Self::redirects), to the first of the host's addresses
    /// that answers (RFC 8305: each gets 250 ms until the next is tried too).
    ///
    /// User name and password in the URL are sent as by [`basic_auth`](Self::basic_auth).
    ///
    /// # Errors
    /// Before anything is resolved or sent: [`Error::Url`]; [`Error::Handshake`] for a header field, host, origin,
    /// subprotocol or credentials that cannot be sent; [`Error::Proxy`] for what is no proxy; [`Error::Misuse`] for a
    /// buffer that is too small; [`Error::Roots`], [`Error::Random`]. Then [`Error::Dns`], [`Error::Connect`],
    /// [`Error::Proxy`], [`Error::Certificate`], [`Error::Tls`], [`Error::Status`], [`Error::Redirect`],
    /// [`Error::Handshake`] and, for each of these stages, [`Error::Timeout`].
    pub fn connect(&self, url: &str) -> Result<WebSocket, Error> {
        self.connect_cancellable(url, &Cancel::default())
    }

    /// Likewise, until it is cancelled: then it fails with [`Error::Cancelled`].
    pub(super) fn connect_cancellable(&self, url: &str, cancel: &Cancel) -> Result<WebSocket, Error> {
        let result = self.travel(url, cancel);
        cancel.clear_wake();
        if cancel.is_cancelled() { Err(Error::Cancelled) } else { result }
    }

    fn travel(&self, url: &str, cancel: &Cancel) -> Result<WebSocket, Error> {
        let mut journey = Journey::new(self, url)?;
        loop {
            let hop = journey.hop()?;
            let deadline = hop.deadline(self.connect_timeout);
            let result = self.open(&hop, |way| dial(way, &self.tuning, deadline, cancel));
            match result {
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

    /// Performs the handshake over a `stream` that is connected already: a tunnel, a socket with settings of its own.
    ///
    /// For `wss://` TLS is performed over it; if the stream is TLS already, write `ws://`. No proxy is asked, and
    /// redirects are not followed. Deadlines show only between the reads and writes of the stream, except those of
    /// a [`TcpStream`](std::net::TcpStream) or `UnixStream`: set its own time limits.
    ///
    /// # Errors
    /// Like [`connect`](Self::connect).
    pub fn connect_stream(
        &self,
        url: &str,
        stream: impl Read + Write + Send + 'static,
    ) -> Result<WebSocket, Error> {
        self.connect_over(url, || Stream::given(stream))
    }

    fn connect_over(
        &self,
        url: &str,
        stream: impl FnOnce() -> io::Result<Stream>,
    ) -> Result<WebSocket, Error> {
        let mut journey = Journey::new(self, url)?;
        let hop = journey.hop_over()?;
        let ws = self.open(&hop, |way| {
            let mut stream = stream().map_err(Error::Io)?;
            go_on(&mut Sequence::connected_already(way), &mut stream, hop.deadline(self.connect_timeout))?;
            Ok(stream)
        });
        match &ws {
            Err(Error::Status(response)) => journey.learn(response),
            Ok(ws) => ws.response().into_iter().for_each(|response| journey.learn(response)),
            Err(_) => {}
        }
        ws
    }

    fn open(&self, hop: &Hop, dial: impl FnOnce(&Way) -> Result<Stream, Error>) -> Result<WebSocket, Error> {
        let lists = hop.lists(self);
        let request = lists.request();

        // All that can be wrong here is found before anything is sent.
        if [self.read_timeout, self.write_timeout].contains(&Some(Duration::ZERO)) {
            let what = "a time-out of a read or write is zero: give at least a millisecond, or `None`";
            return Err(Error::Io(io::Error::new(io::ErrorKind::InvalidInput, what)));
        }
        let mut keys = Keys::client()?;
        ClientHandshake::new(&request, &mut keys)?;
        let (rx, tx) = self.sizes.allocate(&self.config.limits)?;

        let codec = self.compression.codec(&self.config.limits);
        let mut stream = dial(&hop.way)?;
        stream.set_deadline(hop.deadline(self.handshake_timeout));
        let mut response = HttpResponse::default();
        let mut inner =
            match blocking::connect_with(stream, &request, keys, rx, tx, codec, &mut |line: HeadLine<'_>| {
                response.push(line)
            }) {
                Ok(inner) => inner,
                Err(refused) => return Err(explain(refused, response)),
            };
        let stream = inner.io_mut();
        stream.set_deadline(None);
        if self.read_timeout.is_some() {
            stream.set_read_timeout(self.read_timeout).map_err(Error::Io)?;
        }
        if self.write_timeout.is_some() {
            stream.set_write_timeout(self.write_timeout).map_err(Error::Io)?;
        }
        let subprotocol = inner.subprotocol().and_then(|index| self.subprotocols.get(index)).cloned();
        Ok(WebSocket::new(inner, subprotocol, Some(response), &self.config))
    }
}

/// Why the handshake failed. A status that refuses counts more than that its body did not come.
pub(super) fn explain<R: Buffer>(
    refused: blocking::Refused<super::IoError, R>,
    mut response: HttpResponse,
) -> Error {
    match refused.error {
        crate::Error::Handshake(HandshakeError::Status(_)) => {
            let body = refused.rx.bytes().get(refused.body).unwrap_or_default();
            response.body = body.get(..HttpResponse::MAX_BODY).unwrap_or(body).into();
            Error::Status(response.into())
        }
        // Not that of an interim response.
        crate::Error::Io(_) if !matches!(response.status, 0..200) => Error::Status(response.into()),
        error => Error::from_core(error).within(Phase::Handshake),
    }
}

#[cfg(test)]
mod tests {
    use std::{
        format,
        net::{TcpListener, TcpStream},
        string::String,
        thread,
        time::{Duration, Instant},
        vec::Vec,
    };

    use super::*;

    /// Connects to a server that says nothing, gives up after a while, and returns how it ended.
    fn give_up(options: &ConnectOptions, url: impl FnOnce(u16) -> String) -> (Error, Vec<TcpStream>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let cancel = Cancel::default();
        let canceller = cancel.clone();
        let server = thread::spawn(move || {
            let accepted = Vec::from_iter(listener.accept().map(|(tcp, _)| tcp));
            thread::sleep(Duration::from_millis(50));
            canceller.cancel();
            accepted
        });
        let options = options.clone().proxy_from_environment(false);
        let options = match &options.proxy {
            Some(Ok(_)) => options.proxy(format!("socks5h://127.0.0.1:{port}")),
            _ => options,
        };
        let begin = Instant::now();
        let error = options.connect_cancellable(&url(port), &cancel).unwrap_err();
        assert!(begin.elapsed() < Duration::from_secs(10));
        (error, server.join().unwrap())
    }

    #[test]
    fn every_stage_can_be_cancelled() {
        let options = ConnectOptions::new();
        for (options, scheme) in [
            (options.clone(), "ws"),
            (options.clone().danger_accept_invalid_certificates(true), "wss"),
            (options.clone().proxy("socks5h://h"), "ws"),
        ] {
            let (error, accepted) = give_up(&options, |port| format!("{scheme}://127.0.0.1:{port}/"));
            assert!(matches!(error, Error::Cancelled), "{scheme} {error:?}");
            for mut tcp in accepted {
                tcp.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
                tcp.read_to_end(&mut Vec::new()).unwrap();
            }
        }
        let cancel = Cancel::default();
        cancel.cancel();
        let error = options.connect_cancellable("ws://127.0.0.1:1/", &cancel).unwrap_err();
        assert!(matches!(error, Error::Cancelled), "{error:?}");
    }
}
