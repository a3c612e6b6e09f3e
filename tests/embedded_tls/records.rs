//! Records that are too large, not encrypted, or cut off.

use sockling::{
    Request, asynch,
    net::ServerOptions,
    tls::{Error, TlsError},
};

use crate::{
    peer::{Authority, echo, serve},
    socket::{Buffers, Socket, open, trusting},
    support::{Counter, block_on},
};

#[test]
fn records_that_are_not_encrypted_are_refused() {
    let authority = Authority::new();
    let cas = [&authority.der[..]];
    for injected in [
        // close_notify, which would end the stream.
        &[21, 3, 3, 0, 2, 1, 0][..],
        // A message of the handshake, and one at which embedded-tls panics.
        &[22, 3, 3, 0, 4, 4, 0, 0, 0],
        &[22, 3, 3, 0, 8, 13, 0, 0, 4, 0, 0, 0, 0],
        &[20, 3, 3, 0, 1, 1],
        // Encrypted, but too short, and too long.
        &[23, 3, 3, 0, 0],
        &[23, 3, 3, 0, 16, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16],
        &[23, 3, 3, 0x41, 1],
    ] {
        let (url, server) = echo(ServerOptions::new().tls(authority.server("localhost", false)));
        let (mut buffers, socket) = (Buffers::new(), Socket::connect(&url));
        block_on(async {
            let tls = open(socket.clone(), "localhost", &trusting(&cas), &mut buffers).await.unwrap();
            let request = Request::new("localhost", "/");
            let mut ws =
                asynch::connect(tls, &request, Counter::default(), [0; 500], [0; 500]).await.unwrap();
            socket.injected.borrow_mut().extend(injected);
            let error = ws.recv().await.unwrap_err();
            assert!(matches!(error, sockling::Error::Io(Error::UnexpectedRecord)), "{error:?}");
            // It stays so.
            assert!(matches!(ws.recv().await.unwrap_err(), sockling::Error::Io(Error::Tls(_))));
            assert!(matches!(ws.send("x").await.unwrap_err(), sockling::Error::Io(Error::Tls(_))));
        });
        drop(socket);
        server.join().unwrap();
    }
}

#[test]
fn a_forged_record_is_refused() {
    let authority = Authority::new();
    let cas = [&authority.der[..]];
    let (url, server) = echo(ServerOptions::new().tls(authority.server("localhost", false)));
    let (mut buffers, socket) = (Buffers::new(), Socket::connect(&url));
    block_on(async {
        let tls = open(socket.clone(), "localhost", &trusting(&cas), &mut buffers).await.unwrap();
        let request = Request::new("localhost", "/");
        let mut ws = asynch::connect(tls, &request, Counter::default(), [0; 500], [0; 500]).await.unwrap();
        socket.injected.borrow_mut().extend([&[23, 3, 3, 0, 40][..], &[7; 40]].concat());
        let error = ws.recv().await.unwrap_err();
        assert!(matches!(error, sockling::Error::Io(Error::Tls(TlsError::CryptoError))), "{error:?}");
    });
    drop(socket);
    server.join().unwrap();
}

#[test]
fn buffers_that_are_too_small() {
    let authority = Authority::new();
    let cas = [&authority.der[..]];
    let (url, server) = echo(ServerOptions::new().tls(authority.server("localhost", false)));
    let mut buffers = Buffers(vec![0; 300], vec![0; 1024]);
    let result = block_on(open(Socket::connect(&url), "localhost", &trusting(&cas), &mut buffers)).map(drop);
    assert!(matches!(result, Err(Error::RecordTooLarge)), "{result:?}");
    server.join().unwrap();

    let (url, server) = echo(ServerOptions::new().tls(authority.server("localhost", false)));
    let mut buffers = Buffers(vec![0; 2000], vec![0; 1024]);
    block_on(async {
        let tls = open(Socket::connect(&url), "localhost", &trusting(&cas), &mut buffers).await.unwrap();
        let request = Request::new("localhost", "/");
        let mut ws = asynch::connect(tls, &request, Counter::default(), [0; 5000], [0; 500]).await.unwrap();
        ws.send(&[1; 4000]).await.unwrap();
        let error = ws.recv().await.unwrap_err();
        assert!(matches!(error, sockling::Error::Io(Error::RecordTooLarge)), "{error:?}");
    });
    server.join().unwrap();

    let (url, server) = serve(drop);
    let mut buffers = Buffers(vec![0; 2000], vec![0; 1023]);
    let result = block_on(open(Socket::connect(&url), "localhost", &trusting(&cas), &mut buffers)).map(drop);
    assert!(matches!(result, Err(Error::BufferTooSmall { needed: 1024 })), "{result:?}");
    server.join().unwrap();
}

#[test]
fn the_longest_name_fits_in_the_smallest_buffer() {
    let label = "a".repeat(63);
    let name = [&label[..], &label, &label, &label[..61]].join(".");
    assert_eq!(name.len(), 253);
    let authority = Authority::new();
    let cas = [&authority.der[..]];
    let (url, server) = echo(ServerOptions::new().tls(authority.server(&name, false)));
    let mut buffers = Buffers(vec![0; 4000], vec![0; 1024]);
    block_on(open(Socket::connect(&url), &name, &trusting(&cas), &mut buffers)).unwrap();
    server.join().unwrap();
}

#[test]
fn an_end_in_the_handshake() {
    let (url, server) = serve(drop);
    let result =
        block_on(open(Socket::connect(&url), "localhost", &trusting(&[]), &mut Buffers::new())).map(drop);
    assert!(matches!(result, Err(Error::ConnectionLost | Error::Io(_))), "{result:?}");
    server.join().unwrap();
}
