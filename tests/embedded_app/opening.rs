//! What an attempt may meet.

use std::time::Duration;

use sockling::{
    HandshakeError, Request,
    app::{
        Backoff, Policy,
        embedded::{App, Failure, Tcp, TcpError},
    },
};

use crate::{
    sim::{Act, Keys, Net, Notes, Serve, Server, SimClock, World, ms, run, text},
    support::Counter,
};

const HOUR: Duration = Duration::from_secs(3600);
/// Waits that are to be seen in the times of attempts.
const FIXED: Policy = {
    let mut policy = Policy::DEFAULT;
    policy.backoff.max_attempts = 3;
    policy
};

fn normal() -> Server {
    Server::new().at(10, text("hello")).at(20, Act::Send(crate::support::frame(0x88, b"\x03\xe8bye", None)))
}

#[test]
fn a_short_life() {
    let world = World::new([normal().into()]);
    assert_eq!(run(&world, Policy::DEFAULT, HOUR), Some(Ok(())));
    assert_eq!(world.notes(), ["open", "hello", "close: received 1000, sent 1000; bye"]);
    assert_eq!(world.frames(0), [(0x81, "subscribe".into()), (0x88, "\u{3}\u{fffd}".into())]);
    assert_eq!(*world.names.borrow(), ["server.example"]);
    assert_eq!(world.connects.borrow()[0].1, ([10, 0, 0, 1], 80).into());
    assert_eq!(world.now(), ms(20));
}

#[test]
fn refused_then_opened() {
    let world = World::new([Serve::Refuse, Serve::Refuse, normal().into()]);
    assert_eq!(run(&world, FIXED, HOUR), Some(Ok(())));
    assert_eq!(
        world.notes(),
        [
            "error: the host cannot be connected to: Connect(ConnectionRefused)",
            "error: the host cannot be connected to: Connect(ConnectionRefused)",
            "open",
            "hello",
            "close: received 1000, sent 1000; bye"
        ]
    );
    let times: Vec<Duration> = world.connects.borrow().iter().map(|(at, _)| *at).collect();
    assert!(times[1] > times[0] && times[1] <= ms(500), "{times:?}");
    assert!(times[2] > times[1] && times[2] - times[1] <= ms(1000), "{times:?}");
}

#[test]
fn attempts_come_to_an_end() {
    let world = World::new([Serve::Refuse, Serve::Refuse, Serve::Refuse, Serve::Refuse]);
    let result = run(&world, FIXED, HOUR).unwrap();
    assert!(matches!(result, Err(Failure::Connect(TcpError::Connect(_), _))), "{result:?}");
    assert_eq!(world.notes().len(), 4);

    let world = World::new([Serve::Refuse]);
    let mut policy = Policy::DEFAULT;
    policy.backoff = Backoff::NEVER;
    assert!(run(&world, policy, HOUR).unwrap().is_err());
}

#[test]
fn an_attempt_has_a_deadline() {
    let world = World::new([Serve::Hang, Serve::Mute, Serve::Http(vec![]), normal().into()]);
    // The last that fails accepts, and ends at once.
    assert_eq!(run(&world, FIXED, HOUR), Some(Ok(())));
    let notes = world.notes();
    assert_eq!(notes[0], "error: connecting took longer than `connect_timeout`");
    assert_eq!(notes[1], "error: connecting took longer than `connect_timeout`");
    assert_eq!(notes[2], "error: the peer ended the connection during the handshake");
    let second = world.connects.borrow()[1].0;
    assert!(second > Duration::from_secs(30) && second <= Duration::from_millis(30_500), "{second:?}");
}

#[test]
fn statuses() {
    let answer = |status: &str, fields: &str| {
        Serve::Http(format!("HTTP/1.1 {status}\r\n{fields}Content-Length: 0\r\n\r\n").into())
    };
    let world = World::new([answer("503 Busy", "Retry-After: 70\r\n"), answer("404 Not Found", "")]);
    let result = run(&world, Policy::DEFAULT, HOUR).unwrap();
    assert_eq!(result, Err(Failure::WebSocket(HandshakeError::Status(404).into())));
    let second = world.connects.borrow()[1].0;
    assert!(second >= Duration::from_secs(70), "{second:?}");
    assert!(second < Duration::from_secs(72), "{second:?}");
}

#[test]
fn hosts() {
    for (host, names, to) in [
        ("sensor.example:8080", &["sensor.example"][..], "10.0.0.1:8080"),
        ("192.168.7.1", &[], "192.168.7.1:80"),
        ("[fd00::7]:81", &[], "[fd00::7]:81"),
    ] {
        let world = World::new([normal().into()]);
        let net = Net(world.clone());
        let (mut rx, mut tx) = ([0; 256], [0; 256]);
        let request = Request::new(host, "/");
        let mut app = App::new(&request, SimClock(world.clone()), Keys(Counter(16)), &mut rx, &mut tx);
        let result = world.drive(HOUR, app.run(&mut Tcp::new(&net, &net), &mut Notes::new(&world)));
        assert_eq!(result, Some(Ok(())), "{host}");
        assert_eq!(*world.names.borrow(), names, "{host}");
        assert_eq!(world.connects.borrow()[0].1, to.parse().unwrap());
    }
    for (host, want) in [
        ("unknown.example", "error: the host cannot be connected to: Dns(\"no such name\")"),
        (
            "a b",
            "error: the host is invalid: give a name or address, with `:port` if need be, IPv6 in brackets",
        ),
    ] {
        let world = World::new([]);
        let net = Net(world.clone());
        let (mut rx, mut tx) = ([0; 256], [0; 256]);
        let request = Request::new(host, "/");
        let mut policy = Policy::DEFAULT;
        policy.backoff = Backoff::NEVER;
        let mut app =
            App::new(&request, SimClock(world.clone()), Keys(Counter(16)), &mut rx, &mut tx).policy(policy);
        let result = world.drive(HOUR, app.run(&mut Tcp::new(&net, &net), &mut Notes::new(&world))).unwrap();
        assert!(result.is_err());
        assert_eq!(world.notes(), [want]);
    }
}

#[test]
fn small_buffers_and_bad_farewells_are_told() {
    let world = World::new([normal().into()]);
    let net = Net(world.clone());
    let (mut rx, mut tx) = ([0; 256], [0; 255]);
    let request = Request::new("server.example", "/");
    let mut app = App::new(&request, SimClock(world.clone()), Keys(Counter(16)), &mut rx, &mut tx);
    let result = world.drive(HOUR, app.run(&mut Tcp::new(&net, &net), &mut ())).unwrap();
    assert!(matches!(result, Err(Failure::WebSocket(sockling::Error::Misuse(_)))), "{result:?}");
    let mut app = app.farewell(sockling::CloseCode(1006), "");
    let result = world.drive(HOUR, app.run(&mut Tcp::new(&net, &net), &mut ())).unwrap();
    assert!(matches!(result, Err(Failure::WebSocket(sockling::Error::Misuse(_)))), "{result:?}");
}
