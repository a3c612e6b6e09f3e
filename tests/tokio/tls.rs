//! `wss`.

use sockling::{
    CloseCode, Message,
    net::{Error, ServerOptions, rustls},
};
use tokio::net::TcpListener;

use crate::{
    peer::{self, Authority, options},
    pipe::echo,
};

fn secure(url: &str) -> String {
    url.replace("ws://127.0.0.1", "wss://localhost")
}

#[tokio::test]
async fn long_messages() {
    let authority = Authority::new();
    let (url, server) = echo(ServerOptions::new().tls(authority.server("localhost", false))).await;
    let trusting = options().add_root_certificates(&authority.pem).unwrap();
    let mut ws = trusting.connect_async(&secure(&url)).await.unwrap();
    assert!(ws.stream().unwrap().is_tls() && ws.stream().unwrap().tcp_stream().is_some());
    let data: Vec<u8> = (0..3_000_000u32).map(|i| i as u8).collect();
    // In frames larger than a record of TLS, and both at once: the echo begins when all of it has arrived.
    ws.send(&data).await.unwrap();
    assert_eq!(ws.recv().await.unwrap(), Message::Binary(&data));
    assert!(ws.close(CloseCode::NORMAL, "bye").await.unwrap().is_clean());
    assert!(matches!(server.await.unwrap(), Error::Closed(_)));
}

#[tokio::test]
async fn certificates_that_are_refused() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    for (issuer, name, expired) in [
        (&authority, "other.example", false),
        (&authority, "localhost", true),
        (&stranger, "localhost", false),
    ] {
        let (url, server) = echo(ServerOptions::new().tls(issuer.server(name, expired))).await;
        let trusting = options().add_root_certificates(&authority.pem).unwrap();
        let error = trusting.connect_async(&secure(&url)).await.unwrap_err();
        assert!(matches!(&error, Error::Certificate { host, .. } if host == "localhost"), "{error:?}");
        assert!(error.is_permanent());
        // The server knows why.
        let error = server.await.unwrap();
        assert!(matches!(error, Error::Tls(rustls::Error::AlertReceived(_))), "{error:?}");
    }
}

#[tokio::test]
async fn a_peer_without_tls() {
    let (url, server) = echo(ServerOptions::new()).await;
    let error = options().connect_async(&secure(&url)).await.unwrap_err();
    assert!(matches!(error, Error::Tls(_) | Error::Io(_)), "{error:?}");
    drop(server);
}

/// Our blocking ends at the other side.
#[tokio::test]
async fn with_blocking_ends() {
    let authority = Authority::new();
    let (url, server) = peer::echo(ServerOptions::new().tls(authority.server("localhost", false)));
    let trusting = options().add_root_certificates(&authority.pem).unwrap();
    let mut ws = trusting.connect_async(&secure(&url)).await.unwrap();
    ws.send("hello").await.unwrap();
    assert_eq!(ws.recv().await.unwrap(), Message::Text("hello"));
    assert!(ws.close(CloseCode::NORMAL, "").await.unwrap().is_clean());
    server.join().unwrap();

    let (url, server) = echo(ServerOptions::new().tls(authority.server("localhost", false))).await;
    let client = tokio::task::spawn_blocking(move || {
        let mut ws = trusting.connect(&secure(&url)).unwrap();
        ws.send(&vec![5; 200_000]).unwrap();
        assert_eq!(ws.recv().unwrap(), Message::Binary(&[5; 200_000]));
        ws.close(CloseCode::NORMAL, "").unwrap()
    });
    assert!(client.await.unwrap().is_clean());
    assert!(matches!(server.await.unwrap(), Error::Closed(_)));
}

/// The handshake of TLS is part of what a client may take.
#[tokio::test]
async fn a_client_that_is_silent() {
    let authority = Authority::new();
    let options =
        ServerOptions::new().tls(authority.server("localhost", false)).handshake_timeout(peer::ms(50));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let _tcp = tokio::net::TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let error = options.accept_async(listener.accept().await.unwrap().0).await.unwrap_err();
    assert!(matches!(error, Error::Timeout(sockling::net::Phase::Tls)), "{error:?}");
}
