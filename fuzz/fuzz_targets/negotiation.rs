//! permessage-deflate negotiated: any list from a peer, and two ends of this library.
#![no_main]

use libfuzzer_sys::{arbitrary::Unstructured, fuzz_target};
use sockling::{
    extension::{DeflateConfig, Direction, Negotiated},
    http::Extensions,
};
use sockling_fuzz::{byte, pick};

const PIECES: &[&str] = &[
    "permessage-deflate",
    "server_no_context_takeover",
    "client_no_context_takeover",
    "server_max_window_bits",
    "client_max_window_bits",
    "x-webkit-deflate-frame",
    ";",
    "; ",
    ",",
    ", ",
    "=",
    "=8",
    "=9",
    "=10",
    "=15",
    "=16",
    "=09",
    "=\"12\"",
    "=\"1\\2\"",
    "=\"",
    " ",
    "\t",
];

fuzz_target!(|data: &[u8]| {
    let mut u = Unstructured::new(data);
    let (client, server) = (config(&mut u), config(&mut u));
    let mut offer = String::new();
    client.offer(|piece| offer.push_str(piece));

    // Two ends of this library.
    if let Some((response, at_server)) = choose(&server, offer.as_bytes()) {
        let mut at_client = None;
        match client.accept(response.as_bytes(), &mut at_client) {
            Ok(()) => {}
            Err(error) => panic!("{offer}: {response}: {error}"),
        }
        let at_client = at_client.expect("a response");
        check(&client, &at_client);
        check(&server, &at_server);
        fits(at_client.send, at_server.receive);
        fits(at_server.send, at_client.receive);
    }

    // Any peer.
    let list = list(&mut u);
    if let Some((response, negotiated)) = choose(&server, &list) {
        check(&server, &negotiated);
        let again = Extensions::new(response.as_bytes()).map(|extension| extension.map(|e| e.name));
        assert!(again.eq([Ok("permessage-deflate")]), "{response}");
    }
    let mut negotiated = None;
    let result = client.accept(&list, &mut negotiated);
    if let (Ok(()), Some(negotiated)) = (result, &negotiated) {
        check(&client, negotiated);
        assert!(negotiated.receive.context_takeover <= !client.server_no_context_takeover);
    }
});

fn config(u: &mut Unstructured<'_>) -> DeflateConfig {
    let flags = byte(u);
    let mut config = DeflateConfig::DEFAULT;
    config.server_no_context_takeover = flags & 1 != 0;
    config.client_no_context_takeover = flags & 2 != 0;
    config.compress = flags & 4 == 0;
    config.receive_window_bits = byte(u) % 20;
    config.send_window_bits = byte(u) % 20;
    config
}

fn choose(server: &DeflateConfig, list: &[u8]) -> Option<(String, Negotiated)> {
    let response = server.choose(Extensions::new(list).map_while(Result::ok))?;
    let mut text = String::new();
    response.emit(|piece| text.push_str(piece));
    Some((text, response.negotiated()))
}

/// What an end agrees to is what it can do.
fn check(config: &DeflateConfig, negotiated: &Negotiated) {
    let window = |bits: u8| bits.clamp(9, 15);
    assert!((8..=15).contains(&negotiated.send.window_bits));
    assert!((8..=15).contains(&negotiated.receive.window_bits));
    assert!(negotiated.receive.window_bits <= window(config.receive_window_bits));
    assert!(negotiated.send.window_bits <= window(config.send_window_bits));
}

/// What one end sends, the other can receive.
fn fits(sent: Direction, received: Direction) {
    assert!(sent.window_bits <= received.window_bits);
    assert!(sent.context_takeover <= received.context_takeover);
}

/// Of pieces that lists are made of, and of bytes.
fn list(u: &mut Unstructured<'_>) -> Vec<u8> {
    let mut list = Vec::new();
    while !u.is_empty() && list.len() < 2000 {
        match byte(u) {
            0xFF => list.push(byte(u)),
            first => {
                let piece = PIECES.get(usize::from(first)).copied().unwrap_or_else(|| pick(u, PIECES));
                list.extend_from_slice(piece.as_bytes());
            }
        }
    }
    list
}
