use core::time::Duration;

/// When an open connection is asked whether the peer is still there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Keepalive {
    /// A ping is sent this long after the opening, and from then on as often; zero for never.
    pub interval: Duration,
    /// How long after a ping something has to be received: a pong, or any other byte, since a peer that is still
    /// sending a long message lives. Past it the connection counts as lost. Zero to wait for nothing. It may be longer
    /// than `interval`.
    pub timeout: Duration,
}

impl Keepalive {
    /// No pings.
    pub const OFF: Self = Self::new(Duration::ZERO, Duration::ZERO);

    /// A ping every `interval`, to be answered within `timeout`.
    #[must_use]
    pub const fn new(interval: Duration, timeout: Duration) -> Self {
        Self { interval, timeout }
    }
}

impl Default for Keepalive {
    fn default() -> Self {
        Self::OFF
    }
}

/// The pings of one connection.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub(super) struct Pulse {
    /// When the next ping is due.
    ping: Duration,
    /// When the peer counts as dead.
    dead: Duration,
}

/// What is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Beat {
    Nothing,
    Ping,
    Dead,
}

/// Of a deadline that does not come.
const NEVER: Duration = Duration::MAX;

impl Pulse {
    pub(super) fn new(keepalive: &Keepalive, now: Duration) -> Self {
        let mut pulse = Self { ping: NEVER, dead: NEVER };
        pulse.plan(keepalive, now);
        pulse
    }

    fn plan(&mut self, keepalive: &Keepalive, now: Duration) {
        self.ping = if keepalive.interval.is_zero() { NEVER } else { now.saturating_add(keepalive.interval) };
    }

    pub(super) const fn received(&mut self) {
        self.dead = NEVER;
    }

    pub(super) fn poll(&mut self, keepalive: &Keepalive, now: Duration) -> Beat {
        if now >= self.dead {
            return Beat::Dead;
        }
        if now < self.ping {
            return Beat::Nothing;
        }
        self.plan(keepalive, now);
        // The first ping that was not answered counts.
        if self.dead == NEVER && !keepalive.timeout.is_zero() {
            self.dead = now.saturating_add(keepalive.timeout);
        }
        Beat::Ping
    }

    /// When something is due.
    pub(super) fn deadline(&self) -> Duration {
        self.ping.min(self.dead)
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::vec::Vec;

    use super::*;

    const S: fn(u64) -> Duration = Duration::from_secs;

    /// What is due at which second, until the peer is dead.
    fn beats(keepalive: Keepalive, received: &[u64], until: u64) -> Vec<(u64, Beat)> {
        let mut pulse = Pulse::new(&keepalive, S(0));
        let mut beats = Vec::new();
        for at in 0..=until {
            if received.contains(&at) {
                pulse.received();
            }
            let due = pulse.deadline() <= S(at);
            let beat = pulse.poll(&keepalive, S(at));
            assert_eq!(due, beat != Beat::Nothing, "{at}");
            if due {
                beats.push((at, beat));
            }
            if beat == Beat::Dead {
                break;
            }
        }
        beats
    }

    #[test]
    fn pings_and_death() {
        use Beat::{Dead, Ping};
        let (usual, slow) = (Keepalive::new(S(30), S(10)), Keepalive::new(S(10), S(25)));
        assert_eq!(beats(usual, &[], 99), [(30, Ping), (40, Dead)]);
        assert_eq!(beats(usual, &[31], 99), [(30, Ping), (60, Ping), (70, Dead)]);
        // At the last moment; too early is no answer.
        assert_eq!(beats(usual, &[40, 69], 99), [(30, Ping), (60, Ping), (90, Ping)]);
        assert_eq!(beats(usual, &[29], 99), [(30, Ping), (40, Dead)]);
        // The first ping without an answer counts, not the last.
        assert_eq!(beats(slow, &[], 99), [(10, Ping), (20, Ping), (30, Ping), (35, Dead)]);
        assert_eq!(beats(slow, &[12], 45), [(10, Ping), (20, Ping), (30, Ping), (40, Ping), (45, Dead)]);
        assert_eq!(beats(Keepalive::OFF, &[], 99), []);
        assert_eq!(beats(Keepalive::new(S(0), S(5)), &[], 99), []);
        assert_eq!(beats(Keepalive::new(S(40), S(0)), &[], 99), [(40, Ping), (80, Ping)]);
        assert_eq!(beats(Keepalive::new(Duration::MAX, S(1)), &[], 99), []);
    }

    #[test]
    fn a_late_ping_is_one_ping_and_has_its_whole_time() {
        let keepalive = Keepalive::new(S(10), S(5));
        let mut pulse = Pulse::new(&keepalive, S(0));
        assert_eq!(pulse.poll(&keepalive, S(95)), Beat::Ping);
        assert_eq!(pulse.poll(&keepalive, S(95)), Beat::Nothing);
        assert_eq!(pulse.deadline(), S(100));
        pulse.received();
        assert_eq!(pulse.poll(&keepalive, S(104)), Beat::Nothing);
        assert_eq!(pulse.poll(&keepalive, S(105)), Beat::Ping);
    }
}
