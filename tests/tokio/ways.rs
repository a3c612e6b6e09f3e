//! Proxies, redirects, cookies, Unix-domain sockets: what decides is the machine of the blocking connections; here it is
//! driven by tokio.

use std::sync::Arc;

use sockling::{
    CloseCode, ConnectOptions, Message,
    net::{Error, Phase, ProxyError, ServerOptions, WsUrl, rustls},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, copy_bidirectional},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};
use tokio_rustls::TlsAcceptor;

use crate::{
    peer::{Authority, ms, options},
    pipe::{echo, read_head},
};

async fn listen() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

fn port(url: &str) -> u16 {
    WsUrl::parse(url).unwrap().port()
}

/// A proxy for one connection, to `to` whatever it is asked for; returns what it was asked.
async fn http_proxy(to: u16, tls: Option<Arc<rustls::ServerConfig>>) -> (u16, JoinHandle<String>) {
    async fn relay(mut client: impl AsyncRead + AsyncWrite + Unpin, to: u16) -> String {
        let head = read_head(&mut client).await;
        client.write_all(b"HTTP/1.0 200 OK\r\nVia: test\r\n\r\n").await.unwrap();
        let mut server = TcpStream::connect(("127.0.0.1", to)).await.unwrap();
        let _ = copy_bidirectional(&mut client, &mut server).await;
        head
    }
    let (listener, port) = listen().await;
    let proxy = tokio::spawn(async move {
        let tcp = listener.accept().await.unwrap().0;
        match tls {
            Some(config) => relay(TlsAcceptor::from(config).accept(tcp).await.unwrap(), to).await,
            None => relay(tcp, to).await,
        }
    });
    (port, proxy)
}

async fn talk(options: &ConnectOptions, url: &str) {
    let mut ws = options.connect_async(url).await.unwrap();
    let long = vec![7; 300_000];
    for message in [&b"hello"[..], &long] {
        ws.send(message).await.unwrap();
        assert_eq!(ws.recv().await.unwrap(), Message::Binary(message));
    }
    assert_eq!(ws.stream().unwrap().is_tls(), url.starts_with("wss"));
    assert!(ws.close(CloseCode::NORMAL, "bye").await.unwrap().is_clean());
}

/// Each scheme through each kind of HTTP proxy: over an HTTPS one `wss` is TLS in TLS.
#[tokio::test]
async fn http_and_https_proxies() {
    let authority = Authority::new();
    let certificate = || authority.server("localhost", false);
    for (scheme, secure_proxy) in [("ws", false), ("wss", false), ("ws", true), ("wss", true)] {
        let serving = ServerOptions::new();
        let (url, server) = echo(if scheme == "wss" { serving.tls(certificate()) } else { serving }).await;
        let (at, proxy) = http_proxy(port(&url), secure_proxy.then(certificate)).await;
        let proxy_url = format!("http{}://me:secret@localhost:{at}", if secure_proxy { "s" } else { "" });
        let options = options().add_root_certificates(&authority.pem).unwrap().no_proxy([""; 0]);
        talk(&options.proxy(proxy_url), &format!("{scheme}://localhost:99/")).await;
        let head = proxy.await.unwrap();
        assert!(head.starts_with("CONNECT localhost:99 HTTP/1.1\r\n"), "{head}");
        assert!(head.contains("Proxy-Authorization: Basic "), "{head}");
        assert!(matches!(server.await.unwrap(), Error::Closed(_)));
    }
}

#[tokio::test]
async fn socks5_that_refuses() {
    let (listener, port) = listen().await;
    let proxy = tokio::spawn(async move {
        let mut tcp = listener.accept().await.unwrap().0;
        tcp.read_exact(&mut [0; 3]).await.unwrap();
        tcp.write_all(&[5, 0]).await.unwrap();
        let mut request = [0; 5 + 9 + 2];
        tcp.read_exact(&mut request).await.unwrap();
        tcp.write_all(&[5, 5, 0, 1, 0, 0, 0, 0, 0, 0]).await.unwrap();
        request
    });
    let options = options().proxy(format!("socks5h://127.0.0.1:{port}"));
    let error = options.connect_async("ws://h.example/").await.unwrap_err();
    assert!(matches!(&error, Error::Proxy { source: ProxyError::Refused(5), .. }), "{error:?}");
    assert_eq!(&proxy.await.unwrap()[5..14], b"h.example");
}

/// A proxy that takes the connection and says nothing.
#[tokio::test]
async fn a_silent_proxy() {
    let (listener, port) = listen().await;
    let options = options().proxy(format!("http://127.0.0.1:{port}")).connect_timeout(ms(100));
    let error = options.connect_async("ws://h.example/").await.unwrap_err();
    assert!(matches!(error, Error::Timeout(Phase::Proxy)), "{error:?}");
    drop(listener);
}

#[tokio::test]
async fn redirects_and_cookies() {
    let (url, server) = echo(ServerOptions::new()).await;
    let (listener, port) = listen().await;
    let location = format!("{url}/there");
    let redirecting = tokio::spawn(async move {
        let mut heads = Vec::new();
        for answer in ["302 Found\r\nSet-Cookie: a=b\r\nLocation: /again", "307 Go\r\nLocation: "] {
            let mut tcp = listener.accept().await.unwrap().0;
            heads.push(read_head(&mut tcp).await);
            let target = if answer.ends_with(' ') { location.as_str() } else { "" };
            let answer = format!("HTTP/1.1 {answer}{target}\r\nContent-Length: 0\r\n\r\n");
            tcp.write_all(answer.as_bytes()).await.unwrap();
        }
        heads
    });
    talk(&options(), &format!("ws://127.0.0.1:{port}/first")).await;
    let heads = redirecting.await.unwrap();
    assert!(heads[0].starts_with("GET /first ") && !heads[0].contains("Cookie"), "{heads:?}");
    assert!(heads[1].starts_with("GET /again ") && heads[1].contains("Cookie: a=b\r\n"), "{heads:?}");
    assert!(matches!(server.await.unwrap(), Error::Closed(_)));
}

#[cfg(unix)]
#[tokio::test]
async fn unix_domain_sockets() {
    let directory = std::env::temp_dir().join(format!("sockling-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let path = directory.join("socket");
    let listener = tokio::net::UnixListener::bind(&path).unwrap();
    let server = tokio::spawn(async move {
        let unix = listener.accept().await.unwrap().0;
        let mut ws = ServerOptions::new().accept_stream_async(unix).await.unwrap();
        ws.send("hello").await.unwrap();
        ws.recv().await.map(|_| ()).unwrap_err()
    });
    let options = options().unix_socket(&path);
    let mut ws = options.connect_async("ws://h/").await.unwrap();
    assert!(ws.stream().unwrap().tcp_stream().is_none());
    assert_eq!(ws.recv().await.unwrap(), Message::Text("hello"));
    assert!(ws.close(CloseCode::NORMAL, "").await.unwrap().is_clean());
    assert!(matches!(server.await.unwrap(), Error::Closed(_)));
    std::fs::remove_dir_all(&directory).unwrap();
    let error = options.connect_async("ws://h/").await.unwrap_err();
    assert!(matches!(&error, Error::ConnectUnix { path: at, .. } if *at == path), "{error:?}");
}
