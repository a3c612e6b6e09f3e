//! Random conversations of a client and a server, in random steps: what is sent arrives, once and in order.

mod support;

use std::time::Duration;

use sockling::{Kind, MIN_RX, MIN_TX, Role, proto::Failure};
use support::{
    drive::{Got, ROLES, Setup, closed},
    pair::{Pair, Rng, Take, Todo, data, random_message, random_parts},
};

const TAKES: [Take; 3] = [Take::Whole, Take::Parts, Take::Either];

/// A pair with buffers and a wire of random sizes; both ends report pings and pongs.
fn random_pair(seed: u64, takes: &[Take], rooms: &[usize]) -> (Pair, usize) {
    let mut rng = Rng::new(!seed);
    let rx = rng.pick(&[MIN_RX + 1, MIN_RX + 40, 300, 1024, 3000]);
    let mut setup = |role| {
        Setup::new(role).rx(rx).tx(rng.pick(&[MIN_TX, MIN_TX + 1, 400, 3000])).config(|config| {
            config.report_control = true;
            // The wire may take its time.
            config.close_timeout = Duration::from_secs(1 << 20);
        })
    };
    let (client, server) = (setup(Role::Client), setup(Role::Server));
    let room = rng.pick(rooms);
    let pair = Pair::new(seed, (&client, rng.pick(takes)), (&server, rng.pick(takes)), room);
    (pair, rx)
}

/// Gives an end random things to send; returns the messages.
fn talk(pair: &mut Pair, role: Role, count: usize, len: usize) -> Vec<Got> {
    let mut rng = Rng::new(pair.rng.next());
    let end = pair.end(role);
    let mut all = vec![];
    for _ in 0..rng.below(count + 1) {
        let message = random_message(&mut rng, len);
        match (&message, rng.below(3)) {
            (Got::Text(_) | Got::Binary(_), 0) => {
                for part in random_parts(&mut rng, &message) {
                    end.todo.push_back(part);
                    if rng.one_in(4) {
                        let ping = Got::Ping(rng.bytes(5));
                        end.send(ping.clone());
                        all.push(ping);
                    }
                }
            }
            (_, 1) => end.feed(message.clone()),
            _ => end.send(message.clone()),
        }
        all.push(message);
    }
    all
}

fn controls(of: &[Got], pick: fn(&Got) -> Option<&Vec<u8>>) -> Vec<&Vec<u8>> {
    of.iter().filter_map(pick).collect()
}

fn as_ping(got: &Got) -> Option<&Vec<u8>> {
    if let Got::Ping(payload) = got { Some(payload) } else { None }
}

fn as_pong(got: &Got) -> Option<&Vec<u8>> {
    if let Got::Pong(payload) = got { Some(payload) } else { None }
}

/// Whether all of `part` occurs in `whole`, in this order.
fn is_subsequence<T: PartialEq>(part: &[T], whole: &[T]) -> bool {
    let mut whole = whole.iter();
    part.iter().all(|wanted| whole.any(|item| item == wanted))
}

#[test]
fn everything_arrives_once_and_in_order() {
    let mut exchanged = 0;
    for seed in 0..300 {
        let (mut pair, rx) = random_pair(seed, &TAKES, &[40, 200, 5000, 1 << 20]);
        // Beside the message, a control frame has to fit in the buffer.
        let sent = ROLES.map(|role| talk(&mut pair, role, 20, rx - MIN_RX));
        pair.settle();
        for (role, peer) in [(0, Role::Server), (1, Role::Client)] {
            let back = pair.end(ROLES[role]).got.clone();
            let there = pair.end(peer);
            assert_eq!(there.end, None, "seed {seed}");
            assert!(there.todo.is_empty(), "seed {seed}");
            assert_eq!(data(&there.got), data(&sent[role]), "seed {seed}");
            let pings = controls(&sent[role], as_ping);
            assert_eq!(controls(&there.got, as_ping), pings, "seed {seed}");
            // "MAY elect to send a Pong frame for only the most recently processed Ping frame".
            let pongs = controls(&back, as_pong);
            assert!(is_subsequence(&pongs, &pings), "seed {seed}");
            assert_eq!(pongs.last(), pings.last(), "seed {seed}");
            exchanged += sent[role].len();
        }
    }
    assert!(exchanged > 4000, "{exchanged}");
}

#[test]
fn a_large_message_passes_through_small_buffers() {
    for (seed, len) in [(1, 70_000), (2, 5000), (3, 126), (4, 125), (5, 0)] {
        for rx in [MIN_RX, 1024] {
            let setup =
                |role| Setup::new(role).rx(rx).tx(MIN_TX).config(|config| config.report_control = true);
            let (client, server) = (setup(Role::Client), setup(Role::Server));
            let mut pair = Pair::new(seed, (&client, Take::Parts), (&server, Take::Parts), 500);
            let mut rng = Rng::new(seed);
            let (binary, text) = (Got::Binary(rng.bytes(len)), Got::Text(rng.text(len)));
            for role in ROLES {
                pair.end(role).send(binary.clone());
                for part in random_parts(&mut rng, &text) {
                    pair.end(role).todo.push_back(part);
                    pair.end(role).send(Got::Ping(b"between".into()));
                }
            }
            pair.settle();
            for role in ROLES {
                assert!(data(&pair.end(role).got) == [&binary, &text], "seed {seed}, {rx} bytes");
            }
        }
    }
}

#[test]
fn closing_at_any_moment() {
    for seed in 0..400 {
        // Room for all there is: two ends that close, and read nothing until they have, would wait for each other.
        let (mut pair, rx) = random_pair(seed, &TAKES, &[1 << 17]);
        let sent = ROLES.map(|role| talk(&mut pair, role, 8, rx - MIN_RX));
        let mut rng = Rng::new(seed ^ 0xC105E);
        let mut closer = [None; 2];
        for (role, code) in [(0, 1000), (1, 4001)] {
            if rng.one_in(2) || role == 1 && closer[0].is_none() {
                let end = pair.end(ROLES[role]);
                // Before, after, or in the middle of what it sends, but not of what it sends in parts.
                let at = rng.below(end.todo.len() + 1);
                end.todo.truncate(at);
                end.close(code, "enough");
                closer[role] = Some(code);
            }
        }
        pair.settle();
        let ends = ROLES.map(|role| {
            let end = pair.end(role);
            let Some(Failure::Closed(closed)) = end.end else { panic!("seed {seed}: {:?}", end.end) };
            assert!(closed.is_clean(), "seed {seed}: {closed:?}");
            (closed, end.reason.clone(), end.got.clone())
        });
        let [client, server] = &ends;
        assert_eq!(client.0.sent, server.0.received, "seed {seed}");
        assert_eq!(client.0.received, server.0.sent, "seed {seed}");
        for (role, (closed, reason, got)) in ends.iter().enumerate() {
            // One that closes discards what comes; what it got before that is what was sent first.
            let sent = data(&sent[1 - role]);
            let got = data(got);
            assert!(sent.starts_with(&got), "seed {seed}");
            let own = closer[role].map(u16::into);
            let others = closer[1 - role].map(u16::into);
            assert!(closed.sent == own || closed.sent == others, "seed {seed}");
            assert_eq!(reason, if closed.received == others { "enough" } else { "" }, "seed {seed}");
        }
    }
}

#[test]
fn the_same_seed_is_the_same_conversation() {
    let run = |seed| {
        let (mut pair, rx) = random_pair(seed, &[Take::Either], &[300]);
        for role in ROLES {
            talk(&mut pair, role, 20, rx - MIN_RX);
        }
        pair.settle();
        (pair.now, pair.rng.next(), pair.client.got, pair.server.got)
    };
    assert_eq!(run(7), run(7));
    assert_ne!(run(7).0, run(8).0);
}

#[test]
fn a_peer_that_is_switched_off_ends_the_closing_handshake_at_its_deadline() {
    for role in ROLES {
        let config = |setup: Setup| setup.config(|config| config.close_timeout = Duration::from_millis(2500));
        let (client, server) = (config(Setup::new(Role::Client)), config(Setup::new(Role::Server)));
        let mut pair = Pair::new(5, (&client, Take::Whole), (&server, Take::Whole), 1000);
        pair.settle();
        let peer = if role == Role::Client { Role::Server } else { Role::Client };
        pair.end(peer).frozen = true;
        pair.end(role).close(1001, "");
        let begun = pair.now;
        pair.settle();
        assert_eq!(pair.end(role).end, Some(Failure::Closed(closed(None, 1001))));
        let took = (pair.now - begun).as_millis();
        assert!((2500..=2550).contains(&took), "{took} ms");
    }
}

#[test]
fn a_client_waits_for_the_server_to_close_tcp_but_not_for_ever() {
    let setup = |role| Setup::new(role);
    let (client, server) = (setup(Role::Client), setup(Role::Server));
    let mut pair = Pair::new(6, (&client, Take::Whole), (&server, Take::Whole), 1000);
    pair.client.todo.push_back(Todo::Part { kind: Kind::Text, data: b"half".into(), fin: false });
    pair.server.close(1000, "");
    while pair.server.end.is_none() {
        assert!(pair.tick());
    }
    assert_eq!(pair.server.end, Some(Failure::Closed(closed(1000, 1000))));
    pair.settle();
    assert_eq!(pair.client.end, Some(Failure::Closed(closed(1000, 1000))));
    // Without the end of the stream.
    let mut pair = Pair::new(6, (&client, Take::Whole), (&server, Take::Whole), 1000);
    pair.client.close(1000, "");
    while !pair.server.session.closed().is_clean() {
        assert!(pair.tick());
    }
    for _ in 0..2 {
        // The echo leaves the server, which is then switched off.
        while pair.server.end.is_none() && !pair.server.frozen {
            assert!(pair.tick());
            pair.server.frozen =
                pair.server.session.closed().is_clean() && pair.client.session.closed().is_clean();
        }
    }
    let begun = pair.now;
    pair.settle();
    assert_eq!(pair.client.end, Some(Failure::Closed(closed(1000, 1000))));
    assert!(pair.now - begun <= Duration::from_secs(5));
}
