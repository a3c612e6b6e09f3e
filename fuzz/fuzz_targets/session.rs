//! A session between a caller that does anything and a peer that sends anything, over a transport that stops anywhere.
#![no_main]

use std::time::Duration;

use libfuzzer_sys::{arbitrary::Unstructured, fuzz_target};
use sockling::{
    CloseCode, Kind, MIN_RX, MIN_TX, Message, MisuseError, ProtocolError, Role,
    proto::{Config, Failure, Mode, Session},
};
use sockling_fuzz::{
    below, byte, bytes,
    drive::{Driver, Stop, TOO_LARGE},
    frames::{Front, emit, front},
    pick,
    reference::{Decoded, End, Event, Receiver},
};

const CLOSE_TIMEOUT: Duration = Duration::from_millis(1000);
const MESSAGE_TIMEOUT: Duration = Duration::from_millis(700);

/// Of a message that was not finished in time.
const LATE: Failure = Failure::Protocol(ProtocolError::MessageTimeout);

#[derive(Clone, Copy)]
struct Setup {
    role: Role,
    config: Config,
    rx: usize,
    cap: usize,
    tx: usize,
}

fuzz_target!(|data: &[u8]| {
    let u = &mut Unstructured::new(data);
    let setup = Setup::arbitrary(u);
    let mut run = Run::new(setup);
    for _ in 0..500 {
        if u.is_empty() || run.is_over() {
            break;
        }
        run.act(u);
    }
    let input = run.finish();
    check_receiving(&setup, &input, 1 + usize::from(data.first().copied().unwrap_or(0)));
});

impl Setup {
    fn arbitrary(u: &mut Unstructured<'_>) -> Self {
        let flags = byte(u);
        let mut config = Config::DEFAULT;
        config.skip_utf8_validation = flags & 0x0E == 2;
        config.report_control = flags & 0x10 != 0;
        config.close_timeout = CLOSE_TIMEOUT;
        if flags & 0x80 != 0 {
            config.message_timeout = MESSAGE_TIMEOUT;
        }
        if flags & 0x20 != 0 {
            config.limits.max_message = pick(u, &[u32::MAX, 0, 1, 125, 126, 1000]);
            config.limits.max_frame = pick(u, &[u32::MAX, 0, 1, 125, 126, 1000]);
            config.limits.max_fragments = pick(u, &[u32::MAX, 0, 1, 2, 5, 100]);
        }
        let rx = MIN_RX + below(u, 1200);
        let cap = if flags & 0x40 != 0 { rx + below(u, 4000) } else { rx };
        let role = if flags & 1 != 0 { Role::Server } else { Role::Client };
        Self { role, config, rx, cap, tx: MIN_TX + below(u, 600) }
    }

    fn receiver(&self) -> Receiver {
        Receiver {
            server: self.role == Role::Server,
            unchecked: self.config.skip_utf8_validation,
            max_message: self.config.limits.max_message,
            max_frame: self.config.limits.max_frame,
            max_fragments: self.config.limits.max_fragments,
        }
    }

    /// What has to be received, as this configuration shows it.
    fn decode(&self, wire: &[u8]) -> Decoded {
        let mut decoded = self.receiver().decode(wire);
        if !self.config.report_control {
            decoded.events.retain(|event| matches!(event, Event::Text(_) | Event::Binary(_)));
        }
        decoded
    }

    fn driver(&self) -> Driver {
        let mut driver = Driver::new(self.role, &self.config, self.rx, self.tx);
        driver.cap = self.cap;
        driver
    }
}

/// What the caller sends.
#[derive(Clone, Debug)]
struct Sending {
    kind: Kind,
    data: Vec<u8>,
    /// Of a message in parts; `Some(fin)`.
    part: Option<bool>,
    flush: bool,
}

impl Sending {
    fn message(&self) -> Message<'_> {
        match self.kind {
            Kind::Text => Message::Text(std::str::from_utf8(&self.data).expect("it is text")),
            Kind::Binary => Message::Binary(&self.data),
            Kind::Ping => Message::Ping(&self.data),
            Kind::Pong => Message::Pong(&self.data),
        }
    }
}

struct Run {
    setup: Setup,
    driver: Driver,
    now: Duration,
    received: Vec<Event>,
    end: Option<Failure>,
    /// `close` was called: what it received is lost on purpose.
    closes: bool,
    timed_out: bool,
    /// A message was not finished in time.
    late: bool,
    /// Somebody asked how much time is left for the closing handshake.
    timed: bool,
    /// The call that would block.
    pending: Option<Sending>,
    /// Data messages that were put, in their order; whether for certain, and unlike all others.
    sent: Vec<(Kind, Vec<u8>, bool)>,
    /// The parts of the one that is not finished.
    open: Option<(Kind, Vec<u8>)>,
    /// Messages that may have been cut off by a close frame.
    abandoned: Vec<Vec<u8>>,
    pings: Vec<Vec<u8>>,
    pongs: Vec<Vec<u8>>,
    count: u32,
}

impl Run {
    fn new(setup: Setup) -> Self {
        Self {
            setup,
            driver: setup.driver(),
            now: Duration::ZERO,
            received: vec![],
            end: None,
            closes: false,
            timed_out: false,
            late: false,
            timed: false,
            pending: None,
            sent: vec![],
            open: None,
            abandoned: vec![],
            pings: vec![],
            pongs: vec![],
            count: 0,
        }
    }

    fn is_over(&self) -> bool {
        self.end.is_some()
    }

    fn act(&mut self, u: &mut Unstructured<'_>) {
        match byte(u) % 20 {
            0..=5 => self.arrive(u),
            6..=8 => self.recv(if byte(u).is_multiple_of(4) { Mode::Parts } else { Mode::Whole }),
            9 => self.recv(Mode::Parts),
            10 => self.driver.cut = pick(u, &[usize::MAX, 1, 2, 7, 64]),
            11 => {
                self.driver.room = if byte(u) & 1 == 0 { usize::MAX } else { below(u, 2000) };
                self.driver.defers = byte(u) & 1 == 0;
            }
            12 | 13 => self.send(u),
            14 => self.send_part(u),
            15 => {
                if let Some(sending) = self.pending.take() {
                    self.go(sending, true);
                }
            }
            16 => {
                let result = self.driver.flush();
                self.note(result.err());
            }
            17 => self.close(u),
            18 => self.time(u),
            _ => self.driver.eof = byte(u).is_multiple_of(4) || self.driver.eof,
        }
    }

    /// Something more from the peer.
    fn arrive(&mut self, u: &mut Unstructured<'_>) {
        if self.driver.eof {
            return;
        }
        let right = self.setup.role == Role::Server;
        let how = byte(u);
        let masked = if how & 0xE0 == 0xE0 { !right } else { right };
        let key = masked.then(|| pick(u, &[[0; 4], [1, 2, 3, 4], [0xFF, 0x80, 0, 0x55]]));
        let wire = &mut self.driver.input;
        match how % 16 {
            0 => wire.extend_from_slice(bytes(u, 20)),
            1 => {
                // Any header.
                let (first, extended) = (byte(u), pick(u, &[0, 2, 8]));
                let len = pick(
                    u,
                    &[0, 1, 125, 126, 127, 0xFFFF, 0x1_0000, u64::from(u32::MAX), u64::MAX >> 1, u64::MAX],
                );
                emit(wire, first, len, Some(extended), key, bytes(u, 30));
            }
            2 => {
                let code =
                    pick(u, &[1000u16, 1001, 1002, 1005, 1006, 1015, 999, 3000, 4999, 5000]).to_be_bytes();
                let len = usize::from(byte(u) % 8);
                let body = [&code[..], bytes(u, 12)].concat();
                emit(wire, 0x88, len.min(body.len()) as u64, None, key, &body[..len.min(body.len())]);
            }
            3 | 4 => {
                let payload = data(u, Kind::Binary, 125);
                emit(
                    wire,
                    if how & 16 == 0 { 0x89 } else { 0x8A },
                    payload.len() as u64,
                    None,
                    key,
                    &payload,
                );
            }
            n => {
                let opcode = match n {
                    5 | 6 => 2,
                    7..=9 => 1,
                    _ => 0,
                };
                let fin = if how & 16 == 0 { 0x80 } else { 0 };
                let payload =
                    if byte(u).is_multiple_of(8) { bytes(u, 20).to_vec() } else { data(u, Kind::Text, 2000) };
                emit(wire, fin | opcode, payload.len() as u64, None, key, &payload);
            }
        }
    }

    fn recv(&mut self, mode: Mode) {
        if self.closes {
            return;
        }
        let begun = self.driver.partial().is_some();
        match self.driver.recv(mode) {
            Ok(event) => {
                assert!(mode == Mode::Parts || !begun, "a whole message inside of another");
                self.received.extend(event);
            }
            Err(Stop::Ended(Failure::Misuse(error))) => {
                assert_eq!(error, MisuseError::PartsPending);
                assert!(mode == Mode::Whole && begun);
            }
            Err(stop) => self.note(Some(stop)),
        }
    }

    fn send(&mut self, u: &mut Unstructured<'_>) {
        let kind = pick(u, &[Kind::Text, Kind::Binary, Kind::Ping, Kind::Pong]);
        let most = if matches!(kind, Kind::Ping | Kind::Pong) { 130 } else { 2000 };
        let data = self.mark(kind, data(u, kind, most));
        let flush = !byte(u).is_multiple_of(4);
        self.begin(Sending { kind, data, part: None, flush });
    }

    fn send_part(&mut self, u: &mut Unstructured<'_>) {
        let kind = match &self.open {
            Some((kind, _)) if !byte(u).is_multiple_of(16) => *kind,
            _ => pick(u, &[Kind::Text, Kind::Binary]),
        };
        let data = self.mark(kind, data(u, kind, 1000));
        let part = Some(byte(u).is_multiple_of(3));
        self.begin(Sending { kind, data, part, flush: true });
    }

    /// Makes a payload unlike all others, where there is room.
    fn mark(&mut self, kind: Kind, mut data: Vec<u8>) -> Vec<u8> {
        self.count += 1;
        let mark = format!("{:08}", self.count);
        if let Some(room) = data.get_mut(..mark.len()) {
            room.copy_from_slice(mark.as_bytes());
            let rest = data.split_off(mark.len());
            data.extend(rest.into_iter().skip_while(|byte| kind == Kind::Text && byte & 0xC0 == 0x80));
        }
        data
    }

    /// A new call, after one that would block, perhaps.
    fn begin(&mut self, sending: Sending) {
        if let Some(other) = self.pending.take() {
            let taken = self.driver.session.interrupted();
            if other.part.is_some() || taken.is_some_and(|taken| taken > 0 && taken < other.data.len()) {
                // A part is not given up; nor is a message that can be seen to be cut.
                if other.part.is_none() && !self.driver.session.is_closing() {
                    let refused = self.driver.session.start_send(&mut (), &sending.message(), false);
                    let taken = taken.unwrap_or_default();
                    assert_eq!(refused, Err(MisuseError::Interrupted { taken: taken as u32 }.into()));
                }
                self.go(other, true);
                return;
            }
            self.committed(other.clone(), !other.data.is_empty() && taken == Some(other.data.len()));
        }
        self.go(sending, false);
    }

    fn go(&mut self, sending: Sending, resume: bool) {
        let Sending { kind, data, part, flush } = &sending;
        let closing = self.driver.session.is_closing();
        let result = match part {
            Some(fin) => self.driver.send_part(*kind, data, *fin, resume),
            None => self.driver.send(sending.message(), resume, *flush),
        };
        match result {
            Ok(()) => {
                assert_eq!(self.driver.session.interrupted(), None);
                self.committed(sending, true);
            }
            Err(Stop::Blocked) => {
                assert!(self.driver.session.interrupted().is_some());
                self.pending = Some(sending);
            }
            Err(Stop::Ended(Failure::Misuse(error))) => {
                let control = matches!(kind, Kind::Ping | Kind::Pong);
                match error {
                    MisuseError::Closing => assert!(closing || self.driver.session.is_closing()),
                    MisuseError::ControlTooLong => assert!(control && data.len() > 125),
                    MisuseError::MessageOpen => assert!(!control && part.is_none() && self.open.is_some()),
                    MisuseError::KindChanged => {
                        assert!(part.is_some() && self.open.as_ref().is_some_and(|(open, _)| open != kind));
                    }
                    other => panic!("{other:?} for {sending:?}"),
                }
                if resume {
                    self.abandon(sending);
                }
            }
            Err(stop) => {
                self.abandon(sending);
                self.note(Some(stop));
            }
        }
    }

    fn committed(&mut self, Sending { kind, data, part, .. }: Sending, certain: bool) {
        match (kind, part) {
            (Kind::Ping, _) => self.pings.push(data),
            (Kind::Pong, _) => self.pongs.push(data),
            (_, None) => {
                let certain = certain && is_marked(&data);
                self.sent.push((kind, data, certain));
            }
            (_, Some(fin)) => {
                let (_, open) = self.open.get_or_insert((kind, vec![]));
                open.extend_from_slice(&data);
                if fin && let Some((kind, data)) = self.open.take() {
                    let certain = is_marked(&data);
                    self.sent.push((kind, data, certain));
                }
            }
        }
    }

    /// It ended in the middle, or the close frame went first: some of it may be on the wire, or all.
    fn abandon(&mut self, sending: Sending) {
        let mut data = match (&self.open, sending.part) {
            (Some((_, open)), Some(_)) => open.clone(),
            _ => vec![],
        };
        data.extend_from_slice(&sending.data);
        self.abandoned.push(data.clone());
        match sending.kind {
            Kind::Ping => self.pings.push(data),
            Kind::Pong => self.pongs.push(data),
            kind if sending.part != Some(false) => self.sent.push((kind, data, false)),
            _ => {}
        }
    }

    fn close(&mut self, u: &mut Unstructured<'_>) {
        let code = CloseCode(pick(u, &[1000, 1001, 1005, 3000, 4999, 1006, 0, 1015, 65535]));
        let digits = "0123456789".repeat(13);
        let reason = pick(u, &["", "bye", "é", &digits[..123], &digits[..124]]);
        match Session::check_close(code, reason) {
            Ok(()) => {
                let stop = self.driver.close(code, reason);
                self.closes = true;
                assert!(stop == Stop::Blocked && self.driver.room == 0 || self.driver.session.is_closing());
                self.note(Some(stop));
            }
            Err(error) => {
                assert!(matches!(error, MisuseError::InvalidCloseCode(_) | MisuseError::ReasonTooLong));
            }
        }
    }

    fn time(&mut self, u: &mut Unstructured<'_>) {
        let session = &mut self.driver.session;
        let closing = session.is_closing();
        let wait = session.poll_timeout(self.now);
        let most = if closing { CLOSE_TIMEOUT } else { MESSAGE_TIMEOUT };
        assert!(wait.is_none_or(|wait| wait <= most));
        assert!(closing || wait.is_none() || self.setup.config.message_timeout == MESSAGE_TIMEOUT);
        if closing && wait.is_some() && !self.timed {
            self.timed = true;
            assert_eq!(wait, Some(CLOSE_TIMEOUT), "the time of the closing handshake begins when it does");
        }
        let passed = Duration::from_millis(pick(u, &[0, 1, 400, 699, 700, 999, 1000]));
        self.now += passed;
        session.handle_timeout(self.now);
        if wait.is_some_and(|wait| passed >= wait) {
            self.timed_out |= closing;
            self.late |= !closing;
            assert!(session.is_closing());
            assert!(closing || session.is_failed());
        } else {
            assert_eq!(session.is_closing(), closing);
            assert_eq!(session.poll_timeout(self.now), wait.map(|wait| wait - passed));
        }
    }

    fn note(&mut self, stop: Option<Stop>) {
        if let Some(Stop::Ended(failure)) = stop {
            assert!(!matches!(failure, Failure::Misuse(_)), "{failure:?}");
            self.end = Some(failure);
        }
    }

    /// Lets all that can still happen happen, and checks what came of it; returns what the peer sent.
    fn finish(mut self) -> Vec<u8> {
        (self.driver.room, self.driver.cut) = (usize::MAX, usize::MAX);
        match self.pending.take() {
            Some(sending) if self.end.is_some() => self.abandon(sending),
            Some(sending) => self.go(sending, true),
            None => {}
        }
        assert!(self.pending.is_none());
        if self.end.is_none() && !self.closes {
            let whole = if self.driver.partial().is_some() { Mode::Parts } else { Mode::Whole };
            while self.end.is_none() {
                match self.driver.recv(whole) {
                    Ok(event) => self.received.extend(event),
                    Err(Stop::Blocked) => break,
                    Err(stop) => self.note(Some(stop)),
                }
            }
        }
        let flushed = self.driver.flush();
        if let Some(end) = self.end {
            // The failure stays.
            assert_eq!(flushed, Err(Stop::Ended(end)));
            assert_eq!(self.driver.recv(Mode::Parts), Err(Stop::Ended(end)));
            assert_eq!(self.driver.send(Message::Text("late"), false, true), Err(Stop::Ended(end)));
        }
        self.check_received();
        self.check_sent();
        self.driver.input
    }

    fn check_received(&self) {
        let decoded = self.setup.decode(&self.driver.input);
        if !self.closes {
            let n = self.received.len();
            assert!(
                n <= decoded.events.len() && self.received == decoded.events[..n],
                "{:?}\n{decoded:?}",
                self.received
            );
        }
        match self.end {
            None | Some(Failure::Misuse(_)) => {}
            Some(TOO_LARGE) if decoded.end != End::Failed(1009) => {}
            Some(LATE) => assert!(self.late),
            Some(Failure::Protocol(error)) => assert_eq!(decoded.end, End::Failed(error.close_code().0)),
            Some(Failure::Closed(closed)) => match closed.received {
                Some(code) => assert_eq!(decoded.end, End::Closed(code.0)),
                None => assert!(self.driver.eof || self.timed_out),
            },
            Some(Failure::ConnectionLost) => {
                assert!(self.driver.eof || self.timed_out);
                assert_eq!(decoded.end, End::Open);
            }
        }
    }

    fn check_sent(&self) {
        let session = &self.driver.session;
        let drained = session.pending(&self.driver.tx).is_empty();
        let mut wire = &self.driver.output[..];
        let mut sent = self.sent.iter();
        let mut pings = self.pings.iter();
        let mut message: Option<(u8, Vec<u8>)> = None;
        let mut close = None;
        let asked: Vec<Vec<u8>> = {
            let decoded = self.setup.receiver().decode(&self.driver.input);
            let ping = |event| if let Event::Ping(data) = event { Some(data) } else { None };
            decoded.events.into_iter().filter_map(ping).collect()
        };
        while !wire.is_empty() {
            assert_eq!(close, None, "something follows the close frame");
            let Front::Frame(frame) = front(wire) else {
                assert!(!drained, "a header is cut");
                break;
            };
            assert_eq!(frame.masked, self.setup.role == Role::Client);
            assert_eq!(frame.rsv, 0);
            assert_eq!(
                frame.extended,
                if frame.len > 0xFFFF {
                    8
                } else if frame.len > 125 {
                    2
                } else {
                    0
                }
            );
            if !frame.is_complete() {
                assert!(!drained, "a frame is cut");
                break;
            }
            wire = &wire[frame.size..];
            let data = frame.payload;
            match frame.opcode {
                0..=2 => {
                    match &mut message {
                        Some((_, whole)) if frame.opcode == 0 => whole.extend_from_slice(&data),
                        None if frame.opcode != 0 => message = Some((frame.opcode, data)),
                        other => panic!("opcode {} after {other:?}", frame.opcode),
                    }
                    if frame.fin
                        && let Some((opcode, data)) = message.take()
                    {
                        let kind = if opcode == 1 { Kind::Text } else { Kind::Binary };
                        let is_it = |(k, d, certain): &&(Kind, Vec<u8>, bool)| {
                            let same = *k == kind && *d == data;
                            assert!(same || !certain, "{d:x?} was sent before {data:x?}");
                            same
                        };
                        assert!(sent.find(is_it).is_some(), "{data:x?} was not sent");
                    }
                    continue;
                }
                8 => {
                    close = Some(match &data[..] {
                        [] => 1005,
                        [a, b, reason @ ..] => {
                            assert!(std::str::from_utf8(reason).is_ok());
                            u16::from_be_bytes([*a, *b])
                        }
                        _ => panic!("a close body of one byte"),
                    });
                    assert!(
                        matches!(close, Some(1000..=1003 | 1005 | 1007..=1014 | 3000..=4999)),
                        "{close:?}"
                    );
                }
                9 => assert!(pings.any(|ping| *ping == data), "a ping was not sent"),
                10 => assert!(
                    asked.contains(&data) || self.pongs.contains(&data),
                    "a pong for no ping: {data:x?}"
                ),
                other => panic!("opcode {other}"),
            }
            assert!(frame.fin && data.len() <= 125);
        }
        if let Some((_, data)) = message {
            let open = self.open.iter().map(|(_, open)| open).chain(&self.abandoned);
            let buffered = self.sent.iter().map(|(_, sent, _)| sent).filter(|_| !drained);
            assert!(open.chain(buffered).any(|sent| sent.starts_with(&data)), "a message is cut: {data:x?}");
        }
        if drained {
            if !session.is_closing() {
                assert_eq!(sent.find(|(_, _, certain)| *certain), None, "a message is missing");
            }
            assert_eq!(close, session.closed().sent.map(|code| code.0));
        }
        if let Some(Failure::Protocol(error)) = self.end
            && !self.closes
            && !self.driver.eof
            && !self.timed_out
        {
            assert_eq!(close, Some(error.close_code().0), "the peer was not told");
        }
    }
}

/// Whether there was room for a mark. No other payload begins with a digit.
fn is_marked(data: &[u8]) -> bool {
    data.first().is_some_and(u8::is_ascii_digit)
}

/// A payload: valid text, for its most part.
fn data(u: &mut Unstructured<'_>, kind: Kind, most: usize) -> Vec<u8> {
    let len = below(u, most + 1);
    let what = byte(u);
    let letters = match what % 4 {
        0 => "a",
        1 => "é",
        2 => "a€",
        _ => "\u{10ffff}b",
    };
    let mut out: Vec<u8> = letters.bytes().cycle().take(len).collect();
    while std::str::from_utf8(&out).is_err() {
        out.pop();
    }
    if kind != Kind::Text
        && what & 0x80 != 0
        && let Some(first) = out.first_mut()
    {
        *first = what;
    }
    out
}

#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    events: Vec<Event>,
    end: End,
    too_large: bool,
}

/// What is received must not depend on how it was cut, and be what the reference says.
fn check_receiving(setup: &Setup, input: &[u8], cut: usize) {
    let want = setup.decode(input);
    for cut in [usize::MAX, 1, cut] {
        let (driver, got) = receive(setup, input, cut, Mode::Parts);
        assert!(!got.too_large || want.end == End::Failed(1009));
        assert_eq!((&got.events, got.end), (&want.events, want.end), "in parts, cut {cut}");
        if want.end == End::Open {
            let partial = want.partial.clone().filter(|(_, data)| !data.is_empty());
            assert_eq!(driver.partial(), partial, "in parts, cut {cut}");
        }
    }
    let (driver, by_byte) = receive(setup, input, 1, Mode::Whole);
    if by_byte.too_large && want.end != End::Failed(1009) || by_byte.events.len() < want.events.len() {
        assert!(by_byte.too_large);
        // The buffer is the limit, less the room for a control frame.
        let held = setup.decode(&input[..driver.read]).partial.map_or(0, |(_, data)| data.len());
        assert!(held > setup.cap - MIN_RX, "{held} bytes do not fit in {}", setup.cap);
    } else {
        assert_eq!((&by_byte.events, by_byte.end), (&want.events, want.end), "byte by byte");
    }
    for cut in [usize::MAX, cut] {
        let (_, got) = receive(setup, input, cut, Mode::Whole);
        assert_eq!(got, by_byte, "cut {cut}");
    }
}

fn receive(setup: &Setup, input: &[u8], cut: usize, mode: Mode) -> (Driver, Outcome) {
    let mut driver = setup.driver();
    driver.input = input.to_vec();
    driver.cut = cut;
    driver.eof = true;
    let mut events = vec![];
    let failure = loop {
        match driver.recv(mode) {
            Ok(event) => events.extend(event),
            Err(Stop::Ended(failure)) => break failure,
            Err(Stop::Blocked) => unreachable!("the stream ends"),
        }
    };
    let end = match failure {
        Failure::ConnectionLost => End::Open,
        Failure::Closed(closed) => End::Closed(closed.received.expect("only the peer closes").0),
        Failure::Protocol(error) => End::Failed(error.close_code().0),
        Failure::Misuse(error) => panic!("{error:?}"),
    };
    (driver, Outcome { events, end, too_large: failure == TOO_LARGE })
}
