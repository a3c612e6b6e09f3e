//! Keepalive, and connections that are lost.

use std::time::Duration;

use sockling::{
    Config, Request,
    app::{
        Keepalive, Next, Policy,
        embedded::{App, Tcp},
    },
};

use crate::{
    sim::{Act, Keys, Net, Notes, Serve, Server, SimClock, World, ms, run, run_with, text},
    support::{Counter, close_body, frame, frames},
};

const S: fn(u64) -> Duration = Duration::from_secs;

fn policy() -> Policy {
    let mut policy = Policy::DEFAULT;
    policy.keepalive = Keepalive::new(S(30), S(10));
    policy
}

fn close(code: u16) -> Act {
    Act::Send(frame(0x88, &close_body(code, ""), None))
}

#[test]
fn pings_go_on_while_they_are_answered() {
    let world = World::new([Server::new().into()]);
    assert_eq!(run(&world, policy(), S(3600)), None);
    let pings = world.frames(0).iter().filter(|(first, _)| *first == 0x89).count();
    assert_eq!(pings, 120);
    assert_eq!(world.notes(), ["open"]);
}

#[test]
fn a_peer_that_is_gone_is_noticed() {
    let world = World::new([Server::new().at(45_000, Act::Vanish).into(), Server::new().into()]);
    assert_eq!(run(&world, policy(), S(300)), None);
    let again = world.connects.borrow()[1].0;
    assert!(again >= S(70) && again <= ms(70_500), "{again:?}");
    assert_eq!(
        world.notes(),
        [
            "open",
            "error: the peer did not answer a ping within `timeout`",
            "close: received 1006, sent 1006; ",
            "reconnect 1: the peer did not answer a ping within `timeout`",
        ]
    );
    assert_eq!(world.frames(1)[0], (0x81, "resubscribe".into()));
}

#[test]
fn any_byte_is_life() {
    // It answers no ping, but is busy with a long message: a byte of it every nine seconds.
    let mut server = Server::new().silent();
    let long = frame(0x81, &[b'x'; 100], None);
    for (i, byte) in long.iter().enumerate() {
        server = server.at(9000 * i as u64, Act::Send(vec![*byte]));
    }
    let world = World::new([server.into()]);
    assert_eq!(run(&world, policy(), S(9 * 102)), None);
    assert_eq!(world.notes(), ["open", &"x".repeat(100)]);
}

#[test]
fn a_slow_callback_does_not_make_the_peer_dead() {
    let world = World::new([Server::new().at(1000, text("one")).at(25_000, text("two")).into()]);
    let mut notes = Notes::new(&world);
    notes.slow = S(100);
    assert_eq!(run_with(&world, policy(), S(900), &mut notes), None);
    assert_eq!(world.notes(), ["open", "one", "two"]);
    assert!(world.frames(0).iter().filter(|(first, _)| *first == 0x89).count() > 15);
}

/// Two messages come at once, while a pong is awaited: the second is looked at without reading anything.
#[test]
fn nor_does_one_that_is_slow_while_a_pong_is_awaited() {
    let both = [frame(0x81, b"one", None), frame(0x81, b"two", None)].concat();
    let late = Server::new().silent().at(35_000, Act::Send(both)).at(38_000, text("three"));
    let world = World::new([late.at(60_000, Act::Send(frame(0x8A, b"", None))).into()]);
    let mut notes = Notes::new(&world);
    notes.slow = S(12);
    assert_eq!(run_with(&world, policy(), S(71), &mut notes), None);
    assert_eq!(world.notes(), ["open", "one", "two", "three"]);
}

#[test]
fn lost_in_every_way() {
    let half = frame(0x82, &[7; 200], None)[..77].to_vec();
    let ways: [(&str, Server); 5] = [
        ("the connection was lost: it ended without a close frame", Server::new().at(5, Act::Fin)),
        (
            "the connection was lost: it ended without a close frame",
            Server::new().at(5, Act::Send(half)).at(6, Act::Fin),
        ),
        ("the transport failed: ConnectionReset", Server::new().at(5, Act::Reset)),
        ("the peer sent the reserved opcode 3", Server::new().at(5, Act::Send(vec![0x83, 0]))),
        ("the peer did not answer a ping within `timeout`", Server::new().silent()),
    ];
    let world =
        World::new(ways.clone().map(|(_, server)| server.into()).into_iter().chain([Server::new().into()]));
    assert_eq!(run(&world, policy(), S(3600)), None);
    let notes = world.notes();
    assert_eq!(notes[0], "open");
    let mut rest = notes[1..].chunks(3);
    for (i, (error, _)) in ways.iter().enumerate() {
        let [failed, closed, again] = rest.next().unwrap() else { panic!("{notes:?}") };
        assert_eq!(*failed, format!("error: {error}"));
        assert!(closed.starts_with("close: received 1006, sent "), "{closed}");
        // The last one was up for long enough to count as a success.
        let attempt = if i < 4 { i + 1 } else { 1 };
        assert_eq!(*again, format!("reconnect {attempt}: {error}"));
    }
    assert!(rest.next().is_none());
    // The peer that broke a rule was told so.
    assert_eq!(world.frames(3).last().unwrap(), &(0x88, "\u{3}\u{fffd}".into()));
}

#[test]
fn what_the_peers_close_leads_to() {
    for (code, reconnects) in [(1000, false), (1001, false), (1012, true), (1013, true), (4000, false)] {
        let world = World::new([Server::new().at(5, close(code)).into(), Server::new().into()]);
        let result = run(&world, policy(), S(3600));
        assert_eq!(result.is_none(), reconnects, "{code}");
        assert_eq!(world.notes()[1], format!("close: received {code}, sent {code}; "));
        if reconnects {
            assert_eq!(world.notes()[2], "reconnect 1: no failure");
        }
    }
}

#[test]
fn callbacks_decide() {
    let world = World::new([Server::new().at(5, close(1000)).into(), Server::new().into()]);
    let mut notes = Notes::new(&world);
    notes.on_close = Next::Reconnect;
    assert_eq!(run_with(&world, policy(), S(60), &mut notes), None);

    let world = World::new([Server::new().at(5, Act::Fin).into()]);
    let mut notes = Notes::new(&world);
    notes.on_error = Next::Stop;
    assert!(run_with(&world, policy(), S(60), &mut notes).unwrap().is_err());

    // What on_close wants counts more.
    let world = World::new([Server::new().at(5, Act::Fin).into(), Server::new().into()]);
    (notes.world, notes.on_close) = (world.clone(), Next::Reconnect);
    assert_eq!(run_with(&world, policy(), S(60), &mut notes), None);

    let not_found = Serve::Http(b"HTTP/1.1 404 Not Found\r\n\r\n".to_vec());
    let world = World::new([not_found, Server::new().into()]);
    let mut notes = Notes::new(&world);
    notes.on_error = Next::Reconnect;
    assert_eq!(run_with(&world, policy(), S(60), &mut notes), None);
}

#[test]
fn a_message_that_does_not_come_to_its_end() {
    let half = frame(0x81, &[b'x'; 100], None)[..50].to_vec();
    let world = World::new([Server::new().at(1000, Act::Send(half)).into(), Server::new().into()]);
    let net = Net(world.clone());
    let (mut rx, mut tx) = ([0; 256], [0; 256]);
    let mut config = Config::DEFAULT;
    config.message_timeout = S(4);
    let request = Request::new("server.example", "/").config(config);
    let mut app = App::new(&request, SimClock(world.clone()), Keys(Counter(16)), &mut rx, &mut tx);
    assert_eq!(world.drive(S(60), app.run(&mut Tcp::new(&net, &net), &mut Notes::new(&world))), None);
    assert_eq!(world.notes()[1], "error: the peer took longer for a message than `message_timeout`");
    assert!(world.connects.borrow()[1].0 >= S(5));
    assert!(world.connects.borrow()[1].0 <= ms(5500));
    // It was told so: 1008.
    let wires = world.wires.borrow();
    let last = frames(&wires[0].sent[wires[0].head..]).pop().unwrap();
    assert_eq!((last.first, &last.payload[..2]), (0x88, &[3, 0xf0][..]));
}
