use core::fmt;
use std::{boxed::Box, io, net::SocketAddr, path::PathBuf, string::String};

use super::{HttpResponse, IoError, ProxyError, RedirectError, UrlError};
use crate::{CloseCode, HandshakeError, MisuseError, ProtocolError};

/// Why a connection could not be opened, or a call on it failed.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The URL is none to connect to. Nothing was resolved or sent.
    Url(UrlError),
    /// The host's name has no address, or the resolver failed.
    Dns {
        /// The name.
        host: String,
        /// What the resolver says.
        source: io::Error,
    },
    /// No address of the host takes the connection: refused, unreachable, out of sockets.
    Connect {
        /// The last address that was tried.
        addr: SocketAddr,
        /// What it says.
        source: io::Error,
    },
    /// The Unix-domain socket does not take the connection.
    ConnectUnix {
        /// Where it is.
        path: PathBuf,
        /// What it says.
        source: io::Error,
    },
    /// There is no way through the proxy, or what is given as one is none. That it cannot be reached is
    /// [`Dns`](Self::Dns) or [`Connect`](Self::Connect), as for a server.
    Proxy {
        /// Its URL without user name and password, or where it was to be found: `https_proxy`.
        proxy: String,
        /// Why.
        source: ProxyError,
    },
    /// There are no root certificates to verify a server against, or those given are none.
    Roots(rustls::Error),
    /// The client's certificate cannot be used, or its key is not the key of it.
    ClientCertificate(rustls::Error),
    /// The server's certificate is not to be trusted: for another host, expired, of an unknown authority.
    Certificate {
        /// The host that was connected to.
        host: String,
        /// What is wrong with it: [`InvalidCertificate`](rustls::Error::InvalidCertificate).
        source: rustls::Error,
    },
    /// TLS failed otherwise; at a server, also because the client does not trust its certificate.
    Tls(rustls::Error),
    /// A total deadline was over. (A time-out of one read or write is [`Io`](Self::Io).)
    Timeout(Phase),
    /// The server answered with another status than 101.
    Status(Box<HttpResponse>),
    /// The server redirects to where it is not followed.
    Redirect {
        /// Why.
        cause: RedirectError,
        /// The server's answer.
        response: Box<HttpResponse>,
    },
    /// The opening handshake failed otherwise.
    Handshake(HandshakeError),
    /// The peer broke a rule; it was told so with [`ProtocolError::close_code`].
    Protocol(ProtocolError),
    /// The call is not allowed now, or not with these arguments; the connection goes on.
    Misuse(MisuseError),
    /// The closing handshake is over; nothing more comes and nothing more can be sent.
    Closed(CloseInfo),
    /// The connection ended without a close frame.
    ConnectionLost,
    /// The system gives no random bytes, which masking keys are made of (RFC 6455 section 5.3).
    Random(io::Error),
    /// The attempt was given up, from another thread.
    Cancelled,
    /// The socket failed, or its own time limit was over: see [`is_timeout`](Self::is_timeout).
    Io(io::Error),
    /// The queue of an [`App`](super::App) has no room for the message; nothing of it was sent.
    QueueFull,
    /// An [`App`](super::App) has no open connection now; nothing of the message was sent.
    NotConnected,
    /// So many messages of an [`App`](super::App) were not sent when their connection ended.
    Unsent(usize),
    /// What a callback of an [`App`](super::App) returned: see [`other`](Self::other).
    Other(Box<dyn core::error::Error + Send + Sync>),
}

/// What a total deadline is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Phase {
    /// To find the addresses of the host; part of [`connect_timeout`](super::ConnectOptions::connect_timeout).
    Resolve,
    /// To connect to one of them; likewise.
    Connect,
    /// The answer of a proxy; likewise.
    Proxy,
    /// The handshake of TLS; likewise at a client, part of the opening handshake at a server.
    Tls,
    /// The opening handshake: [`handshake_timeout`](super::ConnectOptions::handshake_timeout).
    Handshake,
    /// The closing handshake: [`close_timeout`](super::ConnectOptions::close_timeout). The peer did not even read what
    /// was sent before the close frame.
    Close,
    /// A pong, or anything else from the server: [`keepalive`](super::App::keepalive) of an [`App`](super::App).
    Pong,
}

impl Error {
    /// Any error, or a string, for a callback to return.
    pub fn other(error: impl Into<Box<dyn core::error::Error + Send + Sync>>) -> Self {
        Self::Other(error.into())
    }

    /// Whether time ran out. After [`Timeout`](Self::Timeout) the connection is over; after a time-out of the socket,
    /// and when it would block, the same call goes on where it stopped, and after `send` it is `resume_send` that does.
    #[must_use]
    pub fn is_timeout(&self) -> bool {
        match self {
            Self::Timeout(_) => true,
            Self::Io(error) => is_wait(error),
            _ => false,
        }
    }

    /// Whether the same attempt would most likely fail again: bad URL, certificate, status 4xx, refused protocol, misuse.
    /// Lost connections, time-outs, names that do not resolve, refused connections, broken rules, status 408, 429 and
    /// 5xx are not. That the server closed the connection is, but for its "try again" codes 1012 and 1013.
    #[must_use]
    pub fn is_permanent(&self) -> bool {
        match self {
            Self::Url(_)
            | Self::Roots(_)
            | Self::ClientCertificate(_)
            | Self::Certificate { .. }
            | Self::Misuse(_) => true,
            Self::Cancelled | Self::Redirect { .. } => true,
            Self::Proxy { source, .. } => source.is_permanent(),
            Self::Tls(error) => is_refusal(error),
            Self::Io(error) => error.kind() == io::ErrorKind::InvalidInput,
            Self::Status(response) => !matches!(response.status, 408 | 429 | 500..),
            Self::Handshake(error) => !matches!(error, HandshakeError::UnexpectedEof),
            Self::Closed(close) => {
                !matches!(close.received, Some((CloseCode::SERVICE_RESTART | CloseCode::TRY_AGAIN_LATER, _)))
            }
            _ => false,
        }
    }

    /// From what a socket says, which may be what TLS says.
    pub(super) fn from_io(error: io::Error) -> Self {
        match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
            Some(tls) => Self::Tls(tls.clone()),
            None => Self::Io(error),
        }
    }

    /// From what the driver says; the reason of a close frame is to be added.
    pub(super) fn from_core(error: crate::Error<IoError>) -> Self {
        match error {
            crate::Error::Io(error) => Self::from_io(error.into_inner()),
            crate::Error::WriteZero => Self::Io(io::ErrorKind::WriteZero.into()),
            crate::Error::ConnectionLost => Self::ConnectionLost,
            crate::Error::Closed(closed) => Self::Closed(CloseInfo {
                received: closed.received.map(|code| (code, String::new())),
                sent: closed.sent,
            }),
            crate::Error::Protocol(error) => Self::Protocol(error),
            crate::Error::Handshake(error) => Self::Handshake(error),
            crate::Error::Misuse(error) => Self::Misuse(error),
        }
    }

    /// While `phase` has a deadline, a time-out is its end.
    pub(super) fn within(self, phase: Phase) -> Self {
        if self.is_timeout() { Self::Timeout(phase) } else { self }
    }
}

/// Whether TLS came to an end because the two do not fit, or the peer wants a certificate that it did not get.
fn is_refusal(error: &rustls::Error) -> bool {
    use rustls::AlertDescription as Alert;
    matches!(
        error,
        rustls::Error::PeerIncompatible(_)
            | rustls::Error::AlertReceived(
                Alert::BadCertificate
                    | Alert::CertificateExpired
                    | Alert::CertificateRequired
                    | Alert::CertificateUnknown
                    | Alert::UnknownCA
                    | Alert::AccessDenied
                    | Alert::HandshakeFailure
                    | Alert::ProtocolVersion
                    | Alert::UnrecognisedName
            )
    )
}

/// Whether the same call may be made again, later.
pub(super) fn is_wait(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url(error) => fmt::Display::fmt(error, f),
            Self::Dns { host, source } => {
                write!(f, "the host `{host}` cannot be resolved, check its name: {source}")
            }
            Self::Connect { addr, source } => {
                write!(f, "cannot connect to {addr}, check that a server listens there: {source}")
            }
            Self::ConnectUnix { path, source } => {
                write!(f, "cannot connect to {}, check that a server listens there: {source}", path.display())
            }
            Self::Proxy { proxy, source } => write!(f, "no way through the proxy `{proxy}`: {source}"),
            Self::Cancelled => f.write_str("the attempt to connect was given up"),
            Self::Roots(error) => write!(
                f,
                "no usable root certificates, install those of the system or give some with `add_root_certificates`: {error}"
            ),
            Self::ClientCertificate(error) => {
                write!(f, "the client certificate cannot be used, it and its key have to be in PEM: {error}")
            }
            Self::Certificate { host, source } => {
                write!(f, "the certificate of `{host}` is not to be trusted{}: {source}", remedy(source))
            }
            Self::Tls(error @ rustls::Error::InvalidMessage(_)) => {
                write!(f, "TLS failed, the peer may not speak TLS (`ws://` instead of `wss://`?): {error}")
            }
            Self::Tls(error) => write!(f, "TLS failed: {error}"),
            Self::Timeout(phase) => f.write_str(match phase {
                Phase::Resolve => "the host's name was not resolved within the connect timeout",
                Phase::Connect => "the host did not answer within the connect timeout",
                Phase::Proxy => "the proxy did not answer within the connect timeout",
                Phase::Tls => "the TLS handshake was not done within its timeout",
                Phase::Handshake => "the opening handshake was not done within the handshake timeout",
                Phase::Close => {
                    "the peer did not read what comes before the close frame within the close timeout"
                }
                Phase::Pong => "the peer sent nothing within the keepalive's timeout after a ping",
            }),
            Self::Status(response) => {
                write!(
                    f,
                    "the server answered with status {response} instead of 101: check path and credentials"
                )
            }
            Self::Redirect { cause, response } => {
                write!(f, "the redirect (status {response}) is not followed: {cause}")
            }
            Self::Handshake(error) => fmt::Display::fmt(error, f),
            Self::Protocol(error) => fmt::Display::fmt(error, f),
            Self::Misuse(error) => fmt::Display::fmt(error, f),
            Self::Closed(close) => write!(f, "the connection is closed: {close}"),
            Self::ConnectionLost => f.write_str("the connection was lost: it ended without a close frame"),
            Self::Random(error) => write!(f, "the system gives no random bytes for masking keys: {error}"),
            Self::Io(error) if is_wait(error) => {
                f.write_str(match error.kind() {
                    io::ErrorKind::WouldBlock => "the socket is not ready",
                    _ => "the time limit of the socket was over",
                })?;
                f.write_str(": call it again, but after `send` call `resume_send`")
            }
            Self::Io(error) => write!(f, "the connection failed: {error}"),
            Self::QueueFull => {
                f.write_str("the queue is full: send less, send it later, or raise `queue_limits`")
            }
            Self::NotConnected => f.write_str("no connection is open: send when `on_open` was called"),
            Self::Unsent(count) => write!(
                f,
                "{count} messages were not sent when the connection ended: `on_unsent` gets them back"
            ),
            Self::Other(error) => fmt::Display::fmt(error, f),
        }
    }
}

/// What to do about a certificate.
fn remedy(error: &rustls::Error) -> &'static str {
    use rustls::CertificateError as Cause;
    let rustls::Error::InvalidCertificate(cause) = error else {
        return "";
    };
    match cause {
        Cause::UnknownIssuer => ", if its authority is yours add it with `add_root_certificates`",
        Cause::NotValidForName | Cause::NotValidForNameContext { .. } => {
            ", connect by the name that it is for"
        }
        Cause::Expired
        | Cause::ExpiredContext { .. }
        | Cause::NotValidYet
        | Cause::NotValidYetContext { .. } => ", check the clock",
        _ => "",
    }
}

impl core::error::Error for Error {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Dns { source, .. } | Self::Connect { source, .. } | Self::ConnectUnix { source, .. } => {
                Some(source)
            }
            Self::Roots(error)
            | Self::ClientCertificate(error)
            | Self::Tls(error)
            | Self::Certificate { source: error, .. } => Some(error),
            Self::Random(error) | Self::Io(error) => Some(error),
            // It stands for this one.
            Self::Other(error) => error.source(),
            // The others say all themselves.
            _ => None,
        }
    }
}

impl From<UrlError> for Error {
    fn from(error: UrlError) -> Self {
        Self::Url(error)
    }
}

/// For a program's own sockets and files, beside the connection: `?` is all that they need.
impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<HandshakeError> for Error {
    fn from(error: HandshakeError) -> Self {
        Self::Handshake(error)
    }
}

impl From<MisuseError> for Error {
    fn from(error: MisuseError) -> Self {
        Self::Misuse(error)
    }
}

/// How a connection was closed (RFC 6455 section 7.1).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CloseInfo {
    /// The peer's code and reason; [`CloseCode::NO_STATUS_RECEIVED`] if its close frame had none, `None` if it sent no
    /// close frame.
    pub received: Option<(CloseCode, String)>,
    /// Our code; likewise.
    pub sent: Option<CloseCode>,
}

impl CloseInfo {
    /// Whether both ends sent a close frame ("closed _cleanly_", section 7.1.4).
    #[must_use]
    pub const fn is_clean(&self) -> bool {
        self.received.is_some() && self.sent.is_some()
    }

    /// _The WebSocket Connection Close Code_ (section 7.1.5): the peer's, or [`CloseCode::ABNORMAL_CLOSURE`].
    #[must_use]
    pub fn code(&self) -> CloseCode {
        self.received.as_ref().map_or(CloseCode::ABNORMAL_CLOSURE, |(code, _)| *code)
    }

    /// _The WebSocket Connection Close Reason_ (section 7.1.6): the peer's; may be empty.
    #[must_use]
    pub fn reason(&self) -> &str {
        self.received.as_ref().map_or("", |(_, reason)| reason)
    }
}

impl fmt::Display for CloseInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.received {
            None => f.write_str("the peer sent no close frame")?,
            Some((code, reason)) if reason.is_empty() => write!(f, "received {code}")?,
            Some((code, reason)) => write!(f, "received {code} ({reason:?})")?,
        }
        self.sent.map_or(Ok(()), |code| write!(f, ", sent {code}"))
    }
}

#[cfg(test)]
mod tests {
    use std::{borrow::ToOwned, format};

    use super::*;

    #[test]
    fn errors_go_between_threads() {
        const fn check<T: Send + Sync + 'static>() {}
        check::<Error>();
        const fn send<T: Send>() {}
        send::<super::super::WebSocket>();
    }

    #[test]
    fn what_to_do_after_a_time_out() {
        for kind in [io::ErrorKind::WouldBlock, io::ErrorKind::TimedOut] {
            let shown = format!("{}", Error::Io(kind.into()));
            assert!(shown.contains("resume_send"), "{shown}");
            assert_eq!(shown.contains("time limit"), kind == io::ErrorKind::TimedOut, "{shown}");
        }
    }

    #[test]
    fn which_are_permanent() {
        let status = |status| Error::Status(Box::new(HttpResponse { status, ..HttpResponse::default() }));
        let closed =
            |code| Error::Closed(CloseInfo { received: Some((CloseCode(code), "".to_owned())), sent: None });
        let io = |kind: io::ErrorKind| Error::Io(kind.into());
        for permanent in [
            Error::Url(UrlError::NoScheme),
            status(200),
            status(301),
            status(400),
            status(401),
            status(404),
            Error::Handshake(HandshakeError::InvalidHost),
            Error::Misuse(MisuseError::Closing),
            Error::Tls(rustls::Error::AlertReceived(rustls::AlertDescription::UnknownCA)),
            closed(1000),
            closed(1001),
        ] {
            assert!(permanent.is_permanent(), "{permanent}");
            assert!(!permanent.is_timeout(), "{permanent}");
        }
        for passing in [
            status(408),
            status(429),
            status(500),
            status(503),
            Error::Dns { host: "h".to_owned(), source: io::ErrorKind::NotFound.into() },
            Error::Handshake(HandshakeError::UnexpectedEof),
            Error::ConnectionLost,
            Error::Tls(rustls::Error::AlertReceived(rustls::AlertDescription::InternalError)),
            io(io::ErrorKind::ConnectionReset),
            closed(1012),
            closed(1013),
        ] {
            assert!(!passing.is_permanent(), "{passing}");
        }
        for timeout in
            [io(io::ErrorKind::WouldBlock), io(io::ErrorKind::TimedOut), Error::Timeout(Phase::Tls)]
        {
            assert!(timeout.is_timeout() && !timeout.is_permanent(), "{timeout}");
        }
    }
}
