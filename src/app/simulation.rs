//! A thousand days with a simulated clock: a server that refuses, swallows, drops, falls silent, restarts.

extern crate std;

use core::time::Duration;
use std::collections::BTreeMap;

use rand::{RngExt as _, SeedableRng, rngs::StdRng};

use super::{Action, Backoff, Dropped, Keepalive, Machine, Opened, Policy, Verdict};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const INTERVAL: Duration = Duration::from_secs(30);
const TIMEOUT: Duration = Duration::from_secs(10);

/// What happens next on the wire, and when.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Wire {
    Nothing,
    Opens(Duration),
    /// The attempt or connection ends; with what the server asks to wait.
    Ends(Duration, Option<Duration>),
    /// Sends something.
    Speaks(Duration),
}

impl Wire {
    fn at(self) -> Duration {
        match self {
            Self::Nothing => Duration::MAX,
            Self::Opens(at) | Self::Ends(at, _) | Self::Speaks(at) => at,
        }
    }
}

/// One day: what it counts, and all that must hold at any moment of it.
struct Day {
    random: StdRng,
    policy: Policy,
    machine: Machine,
    now: Duration,
    wire: Wire,
    /// An attempt or a connection there is.
    busy: bool,
    open_since: Option<Duration>,
    last_ping: Option<Duration>,
    silent: bool,
    /// Of the attempt that is next, and when it may be made at the earliest and latest.
    due: (u32, Duration, Duration),
    opens: u32,
    closes: u32,
    attempts: u32,
    pings: u32,
    pong_timeouts: u32,
    connect_timeouts: u32,
}

impl Day {
    fn new(seed: u64) -> Self {
        let keepalive = Keepalive::new(INTERVAL, TIMEOUT);
        let policy = Policy { keepalive, ..Policy::DEFAULT };
        Self {
            random: StdRng::seed_from_u64(seed),
            policy,
            machine: Machine::new(policy),
            now: Duration::from_secs(seed),
            wire: Wire::Nothing,
            busy: false,
            open_since: None,
            last_ping: None,
            silent: false,
            due: (0, Duration::ZERO, Duration::MAX),
            opens: 0,
            closes: 0,
            attempts: 0,
            pings: 0,
            pong_timeouts: 0,
            connect_timeouts: 0,
        }
    }

    fn within(&mut self, most: Duration) -> Duration {
        self.now
            + Duration::from_millis(self.random.random_range(0..=u64::try_from(most.as_millis()).unwrap()))
    }

    /// Takes all actions there are. `false` at the end.
    fn act(&mut self) -> bool {
        for _ in 0..4 {
            match self.machine.poll(self.now) {
                Action::Connect { attempt } => self.connect(attempt),
                Action::Ping => {
                    let since = self.last_ping.or(self.open_since).expect("a ping without a connection");
                    assert_eq!(self.now - since, INTERVAL);
                    self.last_ping = Some(self.now);
                    self.pings += 1;
                    if !self.silent && !matches!(self.wire, Wire::Ends(at, _) if at <= self.now + TIMEOUT) {
                        let end = self.wire;
                        self.wire = Wire::Speaks(self.within(TIMEOUT));
                        // What comes after the pong is thrown anew.
                        assert!(matches!(end, Wire::Ends(..) | Wire::Nothing));
                    }
                }
                Action::Close => panic!("no one called close"),
                Action::Drop(why) => {
                    match why {
                        Dropped::PongTimeout => {
                            assert!(self.silent);
                            assert_eq!(self.now - self.last_ping.unwrap(), TIMEOUT);
                            self.pong_timeouts += 1;
                        }
                        Dropped::ConnectTimeout => self.connect_timeouts += 1,
                        other => panic!("{other:?}"),
                    }
                    self.ended(None);
                }
                Action::Wait => return true,
                Action::End => return false,
            }
        }
        panic!("the machine has ever something to do");
    }

    fn connect(&mut self, attempt: u32) {
        assert!(!self.busy, "two at a time");
        let (next, from, to) = self.due;
        assert_eq!(attempt, next);
        assert!(from <= self.now && self.now <= to, "{from:?} {:?} {to:?}", self.now);
        self.busy = true;
        self.attempts += 1;
        let soon = self.within(Duration::from_secs(2));
        self.wire = match self.random.random_range(0..10) {
            0 => Wire::Nothing,
            1 | 2 => Wire::Ends(soon, None),
            3 => Wire::Ends(soon, Some(Duration::from_secs(self.random.random_range(0..7200)))),
            _ => Wire::Opens(soon),
        };
    }

    fn ended(&mut self, retry_after: Option<Duration>) {
        let now = self.now;
        let long = self.open_since.take().is_some_and(|since| now - since >= self.policy.backoff.min_uptime);
        (self.busy, self.wire, self.last_ping, self.silent) = (false, Wire::Nothing, None, false);
        if self.machine.disconnected(now) {
            self.closes += 1;
        }
        assert!(!self.machine.disconnected(now), "told twice");
        assert_eq!(self.closes, self.opens);
        let attempt = if long { 1 } else { self.due.0 + 1 };
        let asked = retry_after.unwrap_or_default().min(self.policy.backoff.max_retry_after);
        self.due = (attempt, now + asked, now + asked + self.policy.backoff.ceiling(attempt));
        self.machine.decide(now, Verdict::Retry, retry_after, &mut self.random);
    }

    fn happens(&mut self) {
        match core::mem::replace(&mut self.wire, Wire::Nothing) {
            Wire::Nothing => {}
            Wire::Opens(_) => {
                let want =
                    if self.opens == 0 { Opened::First } else { Opened::Again { attempt: self.due.0 } };
                assert_eq!(self.machine.opened(self.now), want);
                self.opens += 1;
                self.open_since = Some(self.now);
                let lives = [1, 60, 3600, 8 * 3600][self.random.random_range(0..4)];
                let end = self.within(Duration::from_secs(lives));
                match self.random.random_range(0..4) {
                    0 => self.silent = true,
                    _ => self.wire = Wire::Ends(end, None),
                }
            }
            Wire::Ends(_, retry_after) => self.ended(retry_after),
            Wire::Speaks(_) => {
                self.machine.received();
                if self.random.random_ratio(1, 50) {
                    self.silent = true;
                } else if self.random.random_ratio(1, 50) {
                    self.wire = Wire::Ends(self.within(INTERVAL), None);
                }
            }
        }
    }

    /// Lives until `end`. Time passes by what the machine and the wire ask for, and never stands still.
    fn live(&mut self, end: Duration) {
        while self.now < end {
            assert!(self.act(), "no one wanted the end");
            let timeout = self.machine.poll_timeout(self.now).map_or(Duration::MAX, |wait| self.now + wait);
            assert!(timeout > self.now, "waits for nothing");
            let next = timeout.min(self.wire.at()).min(end);
            self.now = next;
            if next == self.wire.at() {
                self.happens();
            }
        }
    }

    /// The user closes, wherever the machine is.
    fn close(mut self) -> Self {
        let was_open = self.machine.is_open();
        self.machine.close(self.now);
        let closed = self.now;
        loop {
            match self.machine.poll(self.now) {
                Action::Connect { .. } => panic!("one more attempt"),
                Action::Ping => panic!("a ping after the close"),
                Action::Close => assert!(was_open),
                Action::Drop(why) => {
                    let want = if was_open { Dropped::CloseTimeout } else { Dropped::Cancelled };
                    assert_eq!(why, want);
                    self.ended(None);
                }
                Action::Wait => {
                    let wait = self.machine.poll_timeout(self.now).unwrap();
                    self.now = (self.now + wait).min(self.wire.at());
                    if self.now == self.wire.at() {
                        self.happens();
                    }
                }
                Action::End => break,
            }
            self.machine.close(self.now);
        }
        assert!(self.now - closed <= self.policy.close_timeout);
        assert!(was_open || self.now == closed, "prompt");
        assert_eq!(self.opens, self.closes);
        assert_eq!(self.machine.opened(self.now), Opened::Unwanted);
        assert!(!self.machine.disconnected(self.now));
        assert_eq!(self.machine.poll(self.now + DAY), Action::End);
        self
    }
}

#[test]
fn a_thousand_days() {
    let mut sums = [0_u32; 6];
    for seed in 0..1000 {
        let mut day = Day::new(seed);
        let length = Duration::from_secs(day.random.random_range(0..=2 * DAY.as_secs()));
        let end = day.now + length;
        day.live(end);
        let day = day.close();
        let counted =
            [day.attempts, day.opens, day.closes, day.pings, day.pong_timeouts, day.connect_timeouts];
        for (sum, n) in sums.iter_mut().zip(counted) {
            *sum += n;
        }
    }
    let [attempts, opens, closes, pings, pong_timeouts, connect_timeouts] = sums;
    assert_eq!(opens, closes);
    // What is to be tested did happen.
    for (n, least) in [
        (attempts, 50_000),
        (opens, 30_000),
        (pings, 500_000),
        (pong_timeouts, 5_000),
        (connect_timeouts, 3_000),
    ] {
        assert!(n > least, "{sums:?}");
    }
}

/// An outage of an hour, and a thousand clients: they do not come back together, and the server gets no more attempts
/// of one than the doubling allows.
#[test]
fn a_herd_is_spread() {
    let outage = Duration::from_secs(3600);
    let mut arrivals = BTreeMap::<u64, u32>::new();
    for seed in 0..1000 {
        let mut random = StdRng::seed_from_u64(seed);
        let mut machine = Machine::new(Policy::DEFAULT);
        let (mut now, mut attempts) = (Duration::ZERO, 0);
        loop {
            match machine.poll(now) {
                Action::Connect { .. } if now >= outage => break,
                Action::Connect { .. } => {
                    attempts += 1;
                    assert!(!machine.disconnected(now));
                    machine.decide(now, Verdict::Retry, None, &mut random);
                }
                Action::Wait => now += machine.poll_timeout(now).unwrap(),
                other => panic!("{other:?}"),
            }
        }
        // 30 s in the mean at the cap: 120 an hour, and the short ones before.
        assert!((80..180).contains(&attempts), "{attempts}");
        *arrivals.entry((now - outage).as_secs()).or_default() += 1;
    }
    let most = arrivals.values().max().copied().unwrap();
    assert!(most < 80 && arrivals.len() > 50, "{arrivals:?}");
}

#[test]
fn attempts_run_out_and_long_connections_give_them_back() {
    let backoff = Backoff { max_attempts: 3, ..Backoff::DEFAULT };
    let mut machine = Machine::new(Policy { backoff, ..Policy::DEFAULT });
    let mut random = StdRng::seed_from_u64(7);
    let mut now = Duration::ZERO;
    // Lives of the connections, in seconds; `None` for an attempt that fails. The fifth, in a row, is too many.
    for (n, life) in [None, Some(0), Some(29), Some(30), None, None, Some(1)].into_iter().enumerate() {
        now += machine.poll_timeout(now).unwrap();
        let attempt = [0, 1, 2, 3, 1, 2, 3][n];
        assert_eq!(machine.poll(now), Action::Connect { attempt }, "{n}");
        if let Some(life) = life {
            let want = if n == 1 { Opened::First } else { Opened::Again { attempt } };
            assert_eq!(machine.opened(now), want);
            now += Duration::from_secs(life);
        }
        assert_eq!(machine.disconnected(now), life.is_some());
        assert!(!machine.is_ended());
        machine.decide(now, Verdict::Retry, None, &mut random);
    }
    assert_eq!(machine.poll(now), Action::End);
}

#[test]
fn verdicts() {
    let mut random = StdRng::seed_from_u64(7);
    let now = Duration::ZERO;
    for stop in [true, false] {
        let mut machine = Machine::new(Policy { backoff: Backoff::NEVER, ..Policy::DEFAULT });
        // Without a transport there is nothing to decide.
        machine.decide(now, Verdict::Stop, None, &mut random);
        assert_eq!(machine.poll(now), Action::Connect { attempt: 0 });
        machine.decide(now, Verdict::Stop, None, &mut random);
        assert_eq!(machine.poll(now), Action::Wait);
        assert!(!machine.disconnected(now));
        let verdict = if stop { Verdict::Stop } else { Verdict::Retry };
        machine.decide(now, verdict, None, &mut random);
        assert_eq!(machine.poll(now), Action::End);
    }
}

/// `close` between the end of a connection and the verdict, as a callback calls it.
#[test]
fn close_while_the_user_is_told() {
    let mut random = StdRng::seed_from_u64(7);
    let now = Duration::ZERO;
    let mut machine = Machine::new(Policy::DEFAULT);
    assert_eq!(machine.poll(now), Action::Connect { attempt: 0 });
    assert_eq!(machine.opened(now), Opened::First);
    assert!(machine.disconnected(now));
    assert_eq!(machine.poll_timeout(now), None);
    machine.close(now);
    assert!(machine.is_closing());
    assert_eq!(machine.poll(now), Action::Wait);
    machine.decide(now, Verdict::Retry, None, &mut random);
    assert_eq!(machine.poll(now), Action::End);
    assert_eq!(machine.poll_timeout(now), Some(Duration::ZERO));
}

/// A peer that never answers the close frame.
#[test]
fn a_close_has_a_deadline() {
    let mut machine = Machine::new(Policy::DEFAULT);
    let now = Duration::ZERO;
    assert_eq!(machine.poll(now), Action::Connect { attempt: 0 });
    assert_eq!(machine.opened(now), Opened::First);
    machine.close(now);
    assert_eq!(machine.poll_timeout(now), Some(Duration::ZERO));
    assert_eq!(machine.poll(now), Action::Close);
    assert_eq!(machine.poll(now), Action::Wait);
    assert_eq!(machine.poll_timeout(now), Some(Policy::DEFAULT.close_timeout));
    machine.received();
    let late = now + Policy::DEFAULT.close_timeout;
    assert_eq!(machine.poll(late), Action::Drop(Dropped::CloseTimeout));
}
