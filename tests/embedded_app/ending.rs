//! The end that the user wants.

use std::time::Duration;

use sockling::app::{Keepalive, Policy};

use crate::{
    sim::{Act, Notes, Serve, Server, World, at, ms, run, run_until, text},
    support::{close_body, frame, frames},
};

const HOUR: Duration = Duration::from_secs(3600);

/// Stops at a time; how long that took.
fn stopped(world: &std::rc::Rc<World>, time: Duration) -> Duration {
    let mut notes = Notes::new(world);
    let result = run_until(world, Policy::DEFAULT, HOUR, &mut notes, at(world, time));
    assert_eq!(result, Some(Ok(())));
    world.now() - time
}

#[test]
fn of_an_open_connection() {
    // Time passes where something happens.
    let server = Server::new().at(1000, text("tick"));
    let world = World::new([server.into()]);
    assert_eq!(stopped(&world, ms(1000)), ms(0));
    assert_eq!(world.notes(), ["open", "close: received 1001, sent 1001; enough"]);
    let wires = world.wires.borrow();
    let last = frames(&wires[0].sent[wires[0].head..]).pop().unwrap();
    assert_eq!((last.first, last.payload), (0x88, close_body(1001, "enough")));
}

#[test]
fn of_a_peer_that_does_not_answer() {
    for server in [
        Server::new().silent().at(1000, text("tick")),
        // It answers, but does not end TCP.
        Server { hangs_up: false, ..Server::new().at(1000, text("tick")) },
    ] {
        let world = World::new([server.into()]);
        assert_eq!(stopped(&world, ms(1000)), Policy::DEFAULT.close_timeout);
        let notes = world.notes();
        assert!(notes.last().unwrap().starts_with("close: received 1"), "{notes:?}");
        assert!(notes.last().unwrap().contains("sent 1001"), "{notes:?}");
    }
}

#[test]
fn of_a_peer_that_never_stops_sending() {
    let mut server = Server::new().silent();
    server.flood = frame(0x81, b"more", None);
    let world = World::new([server.into()]);
    let mut notes = Notes::new(&world);
    notes.quiet = true;
    let result = run_until(&world, Policy::DEFAULT, HOUR, &mut notes, at(&world, ms(1000)));
    assert_eq!(result, Some(Ok(())));
    assert!(world.now() <= ms(6010), "{:?}", world.now());
}

#[test]
fn of_a_peer_that_reads_nothing() {
    let mut server = Server::new().silent().at(1000, text("tick"));
    server.reads = 15;
    let world = World::new([server.into()]);
    assert_eq!(stopped(&world, ms(1000)), Policy::DEFAULT.close_timeout);
}

#[test]
fn while_it_waits_or_connects() {
    // It waits for about an hour.
    let busy = b"HTTP/1.1 503 Busy\r\nRetry-After: 3000\r\nContent-Length: 0\r\n\r\n";
    let world = World::new([Serve::Http(busy.to_vec())]);
    world.queue.borrow_mut().push_back((ms(2000), "never sent".into()));
    assert_eq!(stopped(&world, ms(2000)), ms(0));
    assert_eq!(world.queue.borrow().len(), 1);

    let world = World::new([Serve::Hang]);
    world.queue.borrow_mut().push_back((ms(2000), "never sent".into()));
    assert_eq!(stopped(&world, ms(2000)), ms(0));
    assert_eq!(world.notes(), Vec::<String>::new(), "that is no error");

    // Before it began.
    let world = World::new([Serve::Hang]);
    assert_eq!(stopped(&world, ms(0)), ms(0));
}

#[test]
fn by_a_callback() {
    let world = World::new([Server::new().at(5, text("close")).at(5, text("late")).into()]);
    assert_eq!(run(&world, Policy::DEFAULT, HOUR), Some(Ok(())));
    // What came after it is not shown.
    assert_eq!(world.notes(), ["open", "close", "close: received 4000, sent 4000; enough"]);

    let world = World::new([Server::new().silent().at(5, text("close")).into()]);
    assert_eq!(run(&world, Policy::DEFAULT, HOUR), Some(Ok(())));
    assert_eq!(world.now(), ms(5005));
}

#[test]
fn misuse_by_a_callback_ends_it() {
    let world = World::new([Server::new().at(5, text("misuse")).into()]);
    assert!(run(&world, Policy::DEFAULT, HOUR).unwrap().is_err());
    assert_eq!(world.notes().len(), 4, "{:?}", world.notes());
}

#[test]
fn a_server_that_closes_and_does_not_hang_up() {
    let close = Act::Send(frame(0x88, &close_body(1000, "bye"), None));
    let mut server = Server::new().at(7, close);
    server.hangs_up = false;
    let world = World::new([server.into()]);
    assert_eq!(run(&world, Policy::DEFAULT, HOUR), Some(Ok(())));
    assert_eq!(world.now(), ms(5007));
    assert_eq!(world.notes(), ["open", "close: received 1000, sent 1000; bye"]);
}

#[test]
fn no_pong_is_wanted_of_a_peer_that_closes() {
    let close = Act::Send(frame(0x88, &close_body(1000, "bye"), None));
    let world = World::new([Server::new().silent().at(1200, close).into()]);
    let mut policy = Policy::DEFAULT;
    policy.keepalive = Keepalive::new(ms(1000), ms(500));
    assert_eq!(run(&world, policy, HOUR), Some(Ok(())));
    assert_eq!(world.now(), ms(6200));
    assert_eq!(world.notes(), ["open", "close: received 1000, sent 1000; bye"]);
}

/// Pongs cannot be written any more, which loses neither messages nor the close code: there is no other attempt after it.
#[test]
fn what_a_server_said_before_it_went() {
    for (step, gated) in [(usize::MAX, false), (1, false), (3, true)] {
        let ping = |n: &str| Act::Send(frame(0x89, n.as_bytes(), None));
        let close = Act::Send(frame(0x88, &close_body(4001, "bye"), None));
        let said = [ping("1"), text("one"), ping("2"), text("two"), close, Act::Gone];
        let server = said.into_iter().fold(Server::new(), |server, act| server.at(5, act));
        let world = World::new([server.into()]);
        world.step.set(step);
        world.gated.set(gated);
        let end = run(&world, Policy::DEFAULT, HOUR).unwrap();
        assert_eq!(
            world.notes(),
            ["open", "one", "two", "close: received 4001, sent 4001; bye"],
            "{step} {end:?}"
        );
    }
}
