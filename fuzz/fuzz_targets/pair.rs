//! Two sessions joined: whatever their callers do, they understand each other.
#![no_main]

use libfuzzer_sys::{arbitrary::Unstructured, fuzz_target};
use sockling::{
    CloseCode, MIN_RX, MIN_TX, Message, Role,
    proto::{Config, Failure, Mode},
};
use sockling_fuzz::{
    below, byte,
    drive::{Driver, Stop},
    pick,
    reference::Event,
};

struct End {
    driver: Driver,
    /// Receives in parts, so that its buffer limits no message.
    mode: Mode,
    sent: Vec<Event>,
    received: Vec<Event>,
    /// The message that would block.
    pending: Option<Event>,
    closes: bool,
    end: Option<Failure>,
}

fuzz_target!(|data: &[u8]| {
    let u = &mut Unstructured::new(data);
    let mut config = Config::DEFAULT;
    config.report_control = byte(u) & 1 == 0;
    let mut ends = [Role::Client, Role::Server].map(|role| End::new(role, &config, u));
    for _ in 0..500 {
        if u.is_empty() {
            break;
        }
        let who = usize::from(byte(u) & 1);
        ends[who].act(u);
        carry(&mut ends, below(u, 3000));
    }
    finish(&mut ends);
});

/// Moves so many bytes each way.
fn carry([a, b]: &mut [End; 2], most: usize) {
    carry_to(a, b, most);
    carry_to(b, a, most);
}

fn carry_to(from: &End, to: &mut End, most: usize) {
    let output = &from.driver.output;
    let carried = to.driver.input.len();
    let upto = output.len().min(carried.saturating_add(most));
    to.driver.input.extend_from_slice(&output[carried..upto]);
    to.driver.eof = from.end.is_some() && upto == output.len();
}

impl End {
    fn new(role: Role, config: &Config, u: &mut Unstructured<'_>) -> Self {
        let mut driver = Driver::new(role, config, MIN_RX + below(u, 600), MIN_TX + below(u, 600));
        let mode = if byte(u) & 1 == 0 { Mode::Parts } else { Mode::Whole };
        if mode == Mode::Whole {
            driver.cap = 1 << 16;
        }
        Self { driver, mode, sent: vec![], received: vec![], pending: None, closes: false, end: None }
    }

    fn act(&mut self, u: &mut Unstructured<'_>) {
        if self.end.is_some() {
            return;
        }
        match byte(u) % 12 {
            0..=3 => self.recv(),
            4 => self.driver.cut = pick(u, &[usize::MAX, 1, 3, 100]),
            5 => {
                self.driver.room = if byte(u) & 1 == 0 { usize::MAX } else { below(u, 2000) };
                self.driver.defers = byte(u) & 1 == 0;
            }
            6..=9 => {
                let kind = byte(u);
                let most = if kind % 4 < 2 { 3000 } else { 126 };
                let data: Vec<u8> = "aé€\u{10ffff}".repeat(below(u, most) / 10).into_bytes();
                let event = match kind % 4 {
                    0 => Event::Text(data),
                    1 => Event::Binary(data),
                    2 => Event::Ping(data),
                    _ => Event::Pong(data),
                };
                self.send(event);
            }
            10 => {
                let result = self.driver.flush();
                self.note(result.err());
            }
            _ if byte(u).is_multiple_of(4) => self.close(),
            _ => self.recv(),
        }
    }

    fn recv(&mut self) {
        if self.closes {
            return self.close();
        }
        match self.driver.recv(self.mode) {
            Ok(event) => self.received.extend(event),
            Err(stop) => self.note(Some(stop)),
        }
    }

    fn send(&mut self, event: Event) {
        let (event, resume) = match self.pending.take() {
            Some(event) => (event, true),
            None => (event, false),
        };
        let message = match &event {
            Event::Text(data) => Message::Text(std::str::from_utf8(data).expect("it is text")),
            Event::Binary(data) => Message::Binary(data),
            Event::Ping(data) => Message::Ping(data),
            Event::Pong(data) => Message::Pong(data),
        };
        if self.driver.session.is_closing() {
            return;
        }
        match self.driver.send(message, resume, true) {
            Ok(()) => self.sent.push(event),
            Err(Stop::Blocked) => self.pending = Some(event),
            Err(stop) => self.note(Some(stop)),
        }
    }

    fn close(&mut self) {
        self.closes = true;
        let stop = self.driver.close(CloseCode::NORMAL, "bye");
        self.note(Some(stop));
    }

    fn note(&mut self, stop: Option<Stop>) {
        if let Some(Stop::Ended(failure)) = stop {
            assert!(matches!(failure, Failure::Closed(_)), "{failure:?}");
            self.end = Some(failure);
        }
    }
}

/// Everything is sent, carried and received; then both ends close.
fn finish(ends: &mut [End; 2]) {
    for end in ends.iter_mut() {
        (end.driver.room, end.driver.cut) = (usize::MAX, usize::MAX);
        if let Some(event) = end.pending.clone() {
            end.send(event);
        }
    }
    let closed_before = ends.iter().any(|end| end.closes || end.driver.session.is_closing());
    for round in 0.. {
        assert!(round < 100_000, "an endless loop");
        for end in ends.iter_mut().filter(|end| end.end.is_none()) {
            end.recv();
        }
        let before =
            ends.each_ref().map(|end| (end.driver.read, end.driver.output.len(), end.received.len()));
        carry(ends, usize::MAX);
        for end in ends.iter_mut().filter(|end| end.end.is_none()) {
            end.recv();
        }
        let after = ends.each_ref().map(|end| (end.driver.read, end.driver.output.len(), end.received.len()));
        if before == after && ends.iter().all(|end| end.end.is_some() || end.driver.partial().is_none()) {
            break;
        }
    }
    let [client, server] = ends;
    if !closed_before {
        check(client, server, true);
        check(server, client, true);
        client.close();
        for _ in 0..10 {
            carry(ends, usize::MAX);
            for end in ends.iter_mut().filter(|end| end.end.is_none()) {
                end.recv();
            }
        }
    } else {
        check(client, server, false);
        check(server, client, false);
    }
    for end in ends {
        match end.end {
            Some(Failure::Closed(closed)) => assert!(closed.is_clean(), "{closed:?}"),
            other => panic!("not closed: {other:?}"),
        }
    }
}

/// What `to` got is what `from` sent.
fn check(from: &End, to: &End, all: bool) {
    let data = |events: &[Event]| -> Vec<Event> {
        events.iter().filter(|event| matches!(event, Event::Text(_) | Event::Binary(_))).cloned().collect()
    };
    let (sent, received) = (data(&from.sent), data(&to.received));
    if all {
        assert_eq!(received, sent);
    } else {
        assert!(sent.starts_with(&received) || received.starts_with(&sent), "{received:?}\n{sent:?}");
    }
}
