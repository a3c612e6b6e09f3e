//! Futures that are dropped, at every await.

use std::{
    future::Future,
    pin::pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

use sockling::{
    Request,
    app::{
        Keepalive, Policy,
        embedded::{App, Tcp},
    },
};

use crate::{
    sim::{Act, Keys, Net, Notes, Server, SimClock, World, ms, run, text},
    support::{Counter, close_body, frame},
};

const HOUR: Duration = Duration::from_secs(3600);

/// Reading is dropped for what is to be sent, and sending waits for what is to be read, all the time and in every
/// place.
#[test]
fn reads_are_dropped_and_lose_nothing() {
    for step in [1, 2, 3, 7, 100] {
        let mut server = Server::new();
        for i in 0..40 {
            server = server.at(i, text(&format!("message {i} {}", "x".repeat(i as usize))));
            server = server.at(i, Act::Send(frame(0x89, b"p", None)));
        }
        server = server.at(3000, Act::Send(frame(0x88, &close_body(1000, "bye"), None)));
        let world = World::new([server.into()]);
        world.gated.set(true);
        world.step.set(step);
        world
            .queue
            .borrow_mut()
            .extend((0..40).map(|i| (ms(i), format!("out {i} {}", "y".repeat(i as usize)))));
        let mut policy = Policy::DEFAULT;
        policy.keepalive = Keepalive::new(ms(3), ms(2000));
        assert_eq!(run(&world, policy, HOUR), Some(Ok(())));
        let notes = world.notes();
        assert_eq!(notes.len(), 42);
        for i in 0..40 {
            assert_eq!(notes[i + 1], format!("message {i} {}", "x".repeat(i)));
        }
        let frames = world.frames(0);
        let texts: Vec<&String> =
            frames.iter().filter(|(first, _)| *first == 0x81).map(|(_, text)| text).collect();
        assert_eq!(texts.len(), 41);
        for i in 0..40 {
            assert_eq!(*texts[i + 1], format!("out {i} {}", "y".repeat(i)));
        }
        assert!(frames.iter().any(|(first, payload)| *first == 0x8A && payload == "p"));
        assert!(frames.iter().any(|(first, _)| *first == 0x89));
    }
}

/// The run itself is dropped after every number of polls, and run again: it begins anew.
#[test]
fn the_run_may_be_dropped_anywhere() {
    let server =
        || Server::new().at(2, text("echo")).at(4, Act::Send(frame(0x88, &close_body(1000, "bye"), None)));
    let mut complete = false;
    for polls in 0.. {
        let world = World::new([server().into(), server().into()]);
        world.gated.set(true);
        let net = Net(world.clone());
        let (mut rx, mut tx) = ([0; 256], [0; 256]);
        let request = Request::new("server.example", "/");
        let mut app = App::new(&request, SimClock(world.clone()), Keys(Counter(16)), &mut rx, &mut tx);
        let mut notes = Notes::new(&world);
        {
            let mut tcp = Tcp::new(&net, &net);
            let mut first = pin!(app.run(&mut tcp, &mut notes));
            let mut left = polls;
            // `drive` would go on; this stops after so many polls.
            let limited = std::future::poll_fn(|_| {
                if left == 0 {
                    return Poll::Ready(None);
                }
                left -= 1;
                first.as_mut().poll(&mut Context::from_waker(Waker::noop())).map(Some)
            });
            complete = complete || world.drive(HOUR, limited).flatten().is_some();
        }
        if complete {
            assert!(polls > 15, "{polls}");
            break;
        }
        assert!(world.wires.borrow().iter().all(|wire| wire.dropped));
        world.notes.borrow_mut().clear();
        let result = world.drive(HOUR, app.run(&mut Tcp::new(&net, &net), &mut notes));
        assert_eq!(result, Some(Ok(())), "after {polls} polls");
        assert_eq!(
            world.notes(),
            ["open", "echo", "close: received 1000, sent 1000; bye"],
            "after {polls} polls"
        );
        let last = world.wires.borrow().len() - 1;
        let texts: Vec<String> = world.frames(last).into_iter().map(|(_, text)| text).collect();
        assert_eq!(texts[..2], ["subscribe", "echoed"]);
    }
    assert!(complete);
}
