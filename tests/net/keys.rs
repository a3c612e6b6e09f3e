//! Row 15: what masks the frames of a client is drawn anew for each, by a generator of each connection's own.

use std::{
    collections::HashSet,
    io::{Read, Write},
    net::TcpStream,
};

use crate::peer::{answer, options, read_head, serve};

/// Opens the connection; returns the handshake's key, and the masking keys of all frames up to the end of the stream.
fn keys(mut tcp: TcpStream) -> (String, Vec<[u8; 4]>) {
    let head = read_head(&mut tcp);
    let of_handshake = head.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: ")).unwrap();
    tcp.write_all(answer(&head, "").as_bytes()).unwrap();
    let mut wire = Vec::new();
    tcp.read_to_end(&mut wire).unwrap();
    let (mut keys, mut rest) = (Vec::new(), &wire[..]);
    while let [_, len, key @ ..] = rest {
        assert!(len & 0x80 != 0, "masked");
        let (key, payload) = key.split_first_chunk::<4>().unwrap();
        keys.push(*key);
        rest = &payload[usize::from(len & 0x7F)..];
    }
    (of_handshake.to_owned(), keys)
}

#[test]
fn row_15_keys_of_the_systems_randomness() {
    const FRAMES: usize = 200;
    let (mut of_handshakes, mut of_frames) = (HashSet::new(), HashSet::new());
    for halves in [false, true, false, true] {
        let (url, server) = serve(keys);
        let mut ws = options().connect(&url).unwrap();
        if halves {
            let (_reader, mut writer) = ws.split().unwrap();
            (0..FRAMES).for_each(|_| writer.send("the same again").unwrap());
        } else {
            (0..FRAMES).for_each(|_| ws.send("the same again").unwrap());
            drop(ws);
        }
        let (of_handshake, keys) = server.join().unwrap();
        assert!(of_handshakes.insert(of_handshake), "of another connection");
        assert!(keys.len() >= FRAMES, "{}", keys.len());
        of_frames.extend(keys);
    }
    // Two of 800 are the same once in 13,000 runs, five of them never.
    assert!(of_frames.len() > 4 * FRAMES - 5, "{}", of_frames.len());
    // Each bit of them is set in about half.
    for bit in 0..32 {
        let set = of_frames.iter().filter(|key| u32::from_le_bytes(**key) >> bit & 1 != 0).count();
        assert!((FRAMES..3 * FRAMES).contains(&set), "bit {bit}: {set}");
    }
}
