//! What is sent, from callbacks and from elsewhere.

use std::time::Duration;

use sockling::{
    Request,
    app::{
        Keepalive, Policy,
        embedded::{App, Tcp},
    },
};

use crate::{
    sim::{Act, Keys, Net, Notes, Serve, Server, SimClock, World, ms, run, run_with, text},
    support::{Counter, frame},
};

const S: fn(u64) -> Duration = Duration::from_secs;

#[test]
fn answers_and_messages_from_elsewhere() {
    let world = World::new([Server::new().at(5, text("echo")).at(2000, text("echo")).into()]);
    for i in 0..5 {
        world.queue.borrow_mut().push_back((ms(1000 * (i / 2)), format!("from elsewhere {i}")));
    }
    assert_eq!(run(&world, Policy::DEFAULT, S(10)), None);
    let sent: Vec<String> = world.frames(0).into_iter().map(|(_, text)| text).collect();
    assert_eq!(sent.iter().filter(|text| *text == "echoed").count(), 2);
    let elsewhere: Vec<&String> = sent.iter().filter(|text| text.starts_with("from")).collect();
    assert_eq!(
        elsewhere,
        ["from elsewhere 0", "from elsewhere 1", "from elsewhere 2", "from elsewhere 3", "from elsewhere 4"]
    );
}

#[test]
fn nothing_is_taken_while_there_is_no_connection() {
    let world = World::new([
        Serve::Refuse,
        Server::new().at(5, Act::Reset).into(),
        Serve::Refuse,
        Server::new().into(),
    ]);
    world.queue.borrow_mut().extend([
        (ms(0), "first".into()),
        (ms(1), "second".into()),
        (S(3), "third".into()),
    ]);
    assert_eq!(run(&world, Policy::DEFAULT, S(60)), None);
    let all: Vec<String> = (0..2)
        .flat_map(|i| world.frames(i))
        .map(|(_, text)| text)
        .filter(|text| !text.contains("sub"))
        .collect();
    assert_eq!(all, ["first", "second", "third"]);
}

#[test]
fn a_peer_that_reads_nothing_is_given_up() {
    let mut server = Server::new();
    // The subscription, and half of what follows.
    server.reads = 15 + 20;
    let world = World::new([server.into(), Server::new().into()]);
    world.queue.borrow_mut().push_back((ms(100), "x".repeat(200)));
    assert_eq!(run(&world, Policy::DEFAULT, S(60)), None);
    assert_eq!(
        world.notes(),
        [
            "open",
            "error: the transport takes no more bytes",
            "close: received 1006, sent 1006; ",
            "reconnect 1: the transport takes no more bytes"
        ]
    );
    let again = world.connects.borrow()[1].0;
    assert!(again >= ms(30_100) && again <= ms(30_600), "{again:?}");
    // It was not written, so it is still there, and goes out anew and whole.
    let second: String = world.frames(1)[1..].iter().map(|(_, text)| &text[..]).collect();
    assert_eq!(second, "x".repeat(200));
}

#[test]
fn neither_floods_nor_queues_starve_anyone() {
    let mut server = Server::new();
    server.flood = frame(0x81, b"more", None);
    let world = World::new([server.into()]);
    world.queue.borrow_mut().extend((0..500).map(|i| (ms(0), i.to_string())));
    let mut notes = Notes::new(&world);
    notes.quiet = true;
    let stop = crate::sim::at(&world, S(5));
    let result = crate::sim::run_until(&world, Policy::DEFAULT, S(60), &mut notes, stop);
    assert_eq!(result, Some(Ok(())));
    assert!(world.queue.borrow().is_empty());
}

#[test]
fn a_queue_that_is_never_empty_holds_up_neither_pings_nor_the_end() {
    let world = World::new([Server::new().into()]);
    world.queue.borrow_mut().extend((0..100_000).map(|i| (ms(0), i.to_string())));
    world.write_time.set(ms(1));
    let mut policy = Policy::DEFAULT;
    policy.keepalive = Keepalive::new(ms(100), ms(50));
    let stop = crate::sim::at(&world, S(5));
    let result = crate::sim::run_until(&world, policy, S(60), &mut Notes::new(&world), stop);
    assert_eq!(result, Some(Ok(())));
    assert_eq!(world.notes().len(), 2, "{:?}", world.notes());
    let pings = world.frames(0).iter().filter(|(first, _)| *first == 0x89).count();
    assert!(pings > 40, "{pings}");
}

#[test]
fn a_peer_that_is_gone_is_noticed_while_something_is_sent_too() {
    let mut server = Server::new().silent();
    server.reads = 15;
    let world = World::new([server.into(), Server::new().into()]);
    world.queue.borrow_mut().push_back((ms(100), "x".repeat(20)));
    let mut policy = Policy::DEFAULT;
    policy.keepalive = Keepalive::new(S(5), S(3));
    assert_eq!(run(&world, policy, S(60)), None);
    let again = world.connects.borrow()[1].0;
    assert!(again >= ms(8100) && again <= ms(8600), "{again:?}");
}

#[test]
fn parts_of_any_size() {
    let payload: Vec<u8> = (0..100_000_u32).map(|i| ((i * 7) >> 3) as u8).collect();
    let world = World::new([Server::new().at(5, Act::Send(frame(0x82, &payload, None))).into()]);
    let net = Net(world.clone());
    let (mut rx, mut tx) = ([0; 256], [0; 256]);
    let request = Request::new("server.example", "/");
    let mut app = App::new(&request, SimClock(world.clone()), Keys(Counter(16)), &mut rx, &mut tx).parts();
    let mut notes = Notes::new(&world);
    notes.quiet = true;
    assert_eq!(world.drive(S(60), app.run(&mut Tcp::new(&net, &net), &mut notes)), None);
    assert_eq!(world.notes(), ["open", "whole"]);
    let wires = world.wires.borrow();
    let back: Vec<u8> = crate::support::frames(&wires[0].sent[wires[0].head..])
        .into_iter()
        .flat_map(|frame| frame.payload)
        .collect();
    assert!(back == payload);
}

#[test]
fn too_large_a_message_is_told_to_the_peer() {
    let world = World::new([
        Server::new().at(5, Act::Send(frame(0x82, &[0; 1000], None))).into(),
        Server::new().into(),
    ]);
    let mut notes = Notes::new(&world);
    assert_eq!(run_with(&world, Policy::DEFAULT, S(60), &mut notes), None);
    assert!(world.notes()[1].contains("larger than the receive buffer"), "{:?}", world.notes());
    assert_eq!(world.frames(0)[1].0, 0x88);
    let wires = world.wires.borrow();
    let last = crate::support::frames(&wires[0].sent[wires[0].head..]).pop().unwrap();
    assert_eq!(last.payload[..2], 1009_u16.to_be_bytes());
}
