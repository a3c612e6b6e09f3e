//! permessage-deflate: agreed to anew by each connection, which remembers nothing of the one before.

use std::{rc::Rc, time::Duration};

use embedded_io::ErrorKind;
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress};
use sockling::{
    Error, MisuseError, Request,
    app::embedded::{App, Failure, Handler, Sender, Tcp, TcpError},
    extension::{Codec, Compressor, Deflate, Inflater},
};

use crate::{
    sim::{Act, Fail, Keys, Net, Notes, Serve, Server, SimClock, World, ms, text},
    support::{Counter, Seen, frame, frames},
};

const AGREED: &str =
    "Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=9; client_max_window_bits=9\r\n";
const TAIL: [u8; 4] = [0x00, 0x00, 0xff, 0xff];

fn agreed(acts: impl IntoIterator<Item = (u64, Act)>) -> Server {
    let acts = acts.into_iter().map(|(at, act)| (ms(at), act)).collect();
    Server { fields: AGREED, acts, ..Server::new() }
}

/// The messages of one connection, compressed by zlib: each refers to those before it.
fn compressed<const N: usize>(messages: [&str; N]) -> [Vec<u8>; N] {
    let mut zlib = Compress::new_with_window_bits(Compression::best(), false, 9);
    messages.map(|message| {
        let mut out = Vec::with_capacity(message.len() + 64);
        zlib.compress_vec(message.as_bytes(), &mut out, FlushCompress::Sync).unwrap();
        assert!(out.ends_with(&TAIL));
        out.truncate(out.len() - TAIL.len());
        frame(0xC1, &out, None)
    })
}

/// What the client sent over a connection: first bytes, and messages that zlib has decompressed.
fn sent(world: &World, connection: usize) -> Vec<(u8, String)> {
    let wires = world.wires.borrow();
    let wire = &wires[connection];
    let (mut zlib, mut compressed) = (Decompress::new(false), false);
    let mut message = |Seen { first, payload, .. }: Seen| {
        compressed = first & 0x40 != 0 || compressed && first & 0x0F == 0;
        if !compressed {
            return (first, String::from_utf8_lossy(&payload).into_owned());
        }
        // The parts of a message that is not at its end yet have the tail in them.
        let tail: &[u8] = if first & 0x80 != 0 { &TAIL } else { &[] };
        let mut out = Vec::with_capacity(10_000);
        zlib.decompress_vec(&[&payload, tail].concat(), &mut out, FlushDecompress::Sync).unwrap();
        (first, String::from_utf8(out).unwrap())
    };
    frames(&wire.sent[wire.head..]).into_iter().map(&mut message).collect()
}

fn codec(output: usize) -> impl Codec {
    Deflate::new(
        Inflater::new(vec![0; 512], vec![0; output]),
        Compressor::new(vec![0; 512], vec![0_u16; 256]).min_len(0),
    )
}

fn run(
    world: &Rc<World>,
    codec: impl Codec,
    parts: bool,
    handler: &mut impl Handler<TcpError<&'static str, ErrorKind>, ErrorKind>,
) -> Option<Result<(), Fail>> {
    let net = Net(world.clone());
    let (mut rx, mut tx) = ([0; 256], [0; 256]);
    let request = Request::new("server.example", "/chat");
    let app = App::new(&request, SimClock(world.clone()), Keys(Counter(16)), &mut rx, &mut tx).codec(codec);
    let mut app = if parts { app.parts() } else { app };
    world.drive(Duration::from_secs(20), app.run(&mut Tcp::new(&net, &net), handler))
}

fn seen<const N: usize>(frames: [(u8, &str); N]) -> Vec<(u8, String)> {
    frames.map(|(first, text)| (first, text.into())).into()
}

#[test]
fn compressed_both_ways_and_anew_after_a_loss() {
    let news = "what all are told, and told again";
    let lost = "what is cut off in the midst of it, and was begun: 0123456789";
    for (gated, step) in [(false, usize::MAX), (false, 1), (true, usize::MAX), (true, 1)] {
        let [first, second, echo, third] = compressed([news, news, "echo", lost]);
        assert!(second.len() < first.len(), "it refers to the first");
        let half = third[..third.len() / 2].to_vec();
        let one = [(5, first), (10, second), (15, echo), (20, half)];
        let one = one.map(|(at, bytes)| (at, Act::Send(bytes)));
        let [again, close] = compressed([news, "close"]);
        let other = [(5, again), (10, close)].map(|(at, bytes)| (at, Act::Send(bytes)));
        let world =
            World::new([agreed(one.into_iter().chain([(25, Act::Reset)])).into(), agreed(other).into()]);
        world.gated.set(gated);
        world.step.set(step);
        assert_eq!(run(&world, codec(100), false, &mut Notes::new(&world)), Some(Ok(())));
        assert_eq!(sent(&world, 0), seen([(0xC1, "subscribe"), (0xC1, "echoed")]), "{gated}, {step}");
        assert_eq!(sent(&world, 1), seen([(0xC1, "resubscribe"), (0x88, "\u{f}\u{fffd}enough")]));
        let notes = world.notes();
        assert_eq!(notes.iter().filter(|note| *note == news).count(), 3, "{notes:?}");
    }
}

#[test]
fn what_one_server_agreed_to_does_not_bind_the_next() {
    let [echo] = compressed(["echo"]);
    let world = World::new([
        agreed([(5, Act::Send(echo.clone())), (10, Act::Reset)]).into(),
        Server::new().at(5, text("echo")).at(10, Act::Send(echo)).into(),
        Serve::Hang,
    ]);
    run(&world, codec(100), false, &mut Notes::new(&world));
    assert_eq!(sent(&world, 0), seen([(0xC1, "subscribe"), (0xC1, "echoed")]));
    let plain = sent(&world, 1);
    assert_eq!(plain[..2], seen([(0x81, "resubscribe"), (0x81, "echoed")]));
    assert_eq!((plain[2].0, &plain[2].1.as_bytes()[..1]), (0x88, &[0x03][..]), "a reserved bit: {plain:?}");
}

#[test]
fn parts_of_any_size_pass_through() {
    let message: String = (0..1000).map(|i| format!("{i} ")).collect();
    let [bytes] = compressed([&message]);
    assert!((message.len(), bytes.len()) > (3000, 1000), "more than any buffer");
    let world = World::new([Server { answers: false, ..agreed([(5, Act::Send(bytes))]) }.into()]);
    assert_eq!(run(&world, codec(100), true, &mut Notes::new(&world)), None);
    let sent = sent(&world, 0);
    let back: String = sent[1..].iter().map(|(_, text)| &**text).collect();
    assert_eq!(back, message);
    assert_eq!((sent[1].0, sent.last().unwrap().0), (0x41, 0x80));
}

/// Sends what may be known, and then what may not.
struct Secretive;

impl<C, E> Handler<C, E> for Secretive {
    async fn on_open(&mut self, ws: &mut impl Sender<E>) -> Result<(), Error<E>> {
        ws.send("known to all").await?;
        ws.set_compression(false);
        ws.send("secret").await
    }
}

#[test]
fn compression_is_switched_off_for_one_connection() {
    let world = World::new([agreed([(5, Act::Reset)]).into(), agreed([]).into()]);
    assert_eq!(run(&world, codec(100), false, &mut Secretive), None);
    for connection in 0..2 {
        assert_eq!(sent(&world, connection), seen([(0xC1, "known to all"), (0x81, "secret")]));
    }
}

#[test]
fn a_window_of_no_use_is_refused() {
    let world = World::new([Server::new().into()]);
    let codec = Deflate::new(Inflater::new([0; 500], [0; 100]), Compressor::new([0; 512], [0; 256]));
    let misuse = Failure::WebSocket(Error::Misuse(MisuseError::WindowLength));
    assert_eq!(run(&world, codec, false, &mut Notes::new(&world)), Some(Err(misuse)));
    assert!(world.wires.borrow()[0].sent.is_empty());
}
