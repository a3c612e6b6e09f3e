//! permessage-deflate of `ConnectOptions` and `ServerOptions`.

use std::{sync::mpsc, thread};

use sockling::{
    CloseCode, ConnectOptions, Server, WebSocket,
    extension::DeflateConfig,
    net::{DeflateOptions, ServerOptions},
};

/// Serves one connection: sends every message back, then closes.
fn serve(options: ServerOptions) -> (String, thread::JoinHandle<()>) {
    let server = options.bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}/", server.local_addr().unwrap());
    let thread = thread::spawn(move || echo(&server));
    (url, thread)
}

fn echo(server: &Server) {
    let mut ws = server.accept().unwrap();
    while let Ok(message) = ws.recv() {
        let text = message.as_text().unwrap().to_string();
        ws.send(&text).unwrap();
    }
}

fn extensions(ws: &WebSocket) -> Option<String> {
    let value = ws.response().unwrap().header("Sec-WebSocket-Extensions")?;
    Some(String::from_utf8(value.into()).unwrap())
}

#[test]
fn windows_and_context_takeover() {
    let telemetry = |n: u32| format!("{{\"sensor\":{n},\"values\":[{}]}}", "21.5,".repeat(n as usize % 700));
    for bits in 9..=15 {
        for alone in [false, true] {
            let mut config = DeflateConfig::DEFAULT;
            config.receive_window_bits = bits;
            config.send_window_bits = 24 - bits;
            config.server_no_context_takeover = alone;
            let (url, thread) = serve(ServerOptions::new().deflate(DeflateOptions::new().level(1)));
            let mut ws =
                ConnectOptions::new().deflate(DeflateOptions::new().config(config)).connect(&url).unwrap();
            let answer = extensions(&ws).unwrap();
            assert_eq!(answer.contains("server_no_context_takeover"), alone, "{answer}");
            assert_eq!(answer.contains(&format!("server_max_window_bits={bits}")), bits < 15, "{answer}");
            for n in 0..50 {
                ws.send(&telemetry(n * 31)).unwrap();
                assert_eq!(ws.recv().unwrap().as_text(), Some(&telemetry(n * 31)[..]));
            }
            assert!(ws.close(CloseCode::NORMAL, "").unwrap().is_clean());
            thread.join().unwrap();
        }
    }
}

#[test]
fn one_end_that_does_not_want_it() {
    let deflate = DeflateOptions::new();
    for (client, server) in [
        (ConnectOptions::new().deflate(deflate), ServerOptions::new()),
        (ConnectOptions::new(), ServerOptions::new().deflate(deflate)),
    ] {
        let (url, thread) = serve(server);
        let mut ws = client.connect(&url).unwrap();
        assert_eq!(extensions(&ws), None);
        ws.send("as it is").unwrap();
        assert_eq!(ws.recv().unwrap().as_text(), Some("as it is"));
        ws.close(CloseCode::NORMAL, "").unwrap();
        thread.join().unwrap();
    }
}

#[test]
fn halves() {
    let (url, thread) = serve(ServerOptions::new().deflate(DeflateOptions::new()));
    let ws = ConnectOptions::new().deflate(DeflateOptions::new()).connect(&url).unwrap();
    let (mut reader, mut writer) = ws.split().unwrap();
    let long = "all work and no play ".repeat(20_000);
    let expected = long.clone();
    let (done, wait) = mpsc::channel();
    let reading = thread::spawn(move || {
        for n in 0..20 {
            assert_eq!(reader.recv().unwrap().as_text(), Some(&format!("{n} {expected}")[..]));
        }
        done.send(()).unwrap();
        assert!(reader.recv().is_err());
    });
    for n in 0..20 {
        writer.set_compression(n % 2 == 0);
        writer.send(&format!("{n} {long}")).unwrap();
    }
    // The peer still sends, and a close frame would end that.
    wait.recv().unwrap();
    writer.close(CloseCode::NORMAL, "").unwrap();
    reading.join().unwrap();
    thread.join().unwrap();
}
