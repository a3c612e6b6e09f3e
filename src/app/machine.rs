use core::time::Duration;

use super::{
    Backoff, Keepalive, Verdict,
    keepalive::{Beat, Pulse},
};
use crate::Random;

/// How a connection is kept up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct Policy {
    /// Waits between attempts. Default [`Backoff::DEFAULT`].
    pub backoff: Backoff,
    /// Pings. Default [`Keepalive::OFF`].
    pub keepalive: Keepalive,
    /// How long an attempt may take, all of it: name, TCP, TLS, opening handshake. Default 30 s; [`Duration::MAX`] for
    /// as long as it takes.
    pub connect_timeout: Duration,
    /// How long the end may take once [`Machine::close`] was called on an open connection: what waits to be sent, and
    /// the closing handshake. Default 5 s.
    pub close_timeout: Duration,
}

impl Policy {
    /// The defaults that the fields name.
    pub const DEFAULT: Self = Self {
        backoff: Backoff::DEFAULT,
        keepalive: Keepalive::OFF,
        connect_timeout: Duration::from_secs(30),
        close_timeout: Duration::from_secs(5),
    };
}

impl Default for Policy {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// What the driver is to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[must_use = "the connection stands still until the action is taken"]
pub enum Action {
    /// Begin to connect. Report [`opened`](Machine::opened), or the end of the attempt.
    Connect {
        /// 0 for the first, otherwise how many attempts it was tried again in a row.
        attempt: u32,
    },
    /// Send a ping.
    Ping,
    /// Begin the closing handshake, then go on with receiving.
    Close,
    /// Drop the attempt or the connection, without a closing handshake; then report its end.
    Drop(Dropped),
    /// Nothing now: wait until something happens, and no longer than [`poll_timeout`](Machine::poll_timeout).
    Wait,
    /// It is over.
    End,
}

/// Why something is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Dropped {
    /// The attempt takes longer than [`connect_timeout`](Policy::connect_timeout).
    ConnectTimeout,
    /// Nothing was received within [`timeout`](Keepalive::timeout) after a ping.
    PongTimeout,
    /// The end takes longer than [`close_timeout`](Policy::close_timeout).
    CloseTimeout,
    /// [`close`](Machine::close) was called during the attempt. That is no error.
    Cancelled,
}

/// Which connection was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Opened {
    /// The first one.
    First,
    /// One after another one that was open.
    Again {
        /// Which attempt it was: 1 if the first one to reconnect succeeded.
        attempt: u32,
    },
    /// None that is wanted any more: drop it. No end is to be reported.
    Unwanted,
}

/// One connection after the other, as long as it is wanted: see the [module](super) for how to drive it.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Machine {
    policy: Policy,
    state: State,
    /// Of the next attempt, or of the one that is made.
    attempt: u32,
    /// There was an open connection.
    opened: bool,
    /// The end of an open connection was not reported yet.
    established: bool,
    /// `close` was called.
    closing: bool,
}

#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
enum State {
    Waiting {
        until: Duration,
    },
    Connecting {
        until: Duration,
    },
    Open {
        since: Duration,
        pulse: Pulse,
    },
    Closing {
        until: Duration,
        told: bool,
    },
    /// The transport is gone, the verdict not known.
    Gone,
    Ended,
}

impl Machine {
    /// One that connects at once.
    #[must_use]
    pub const fn new(policy: Policy) -> Self {
        Self::with(&policy)
    }

    // Inlined, a copy from one future to another takes `memmove`, which is as large as all of this machine.
    #[cfg_attr(not(feature = "std"), inline(never))]
    pub(super) const fn with(policy: &Policy) -> Self {
        Self {
            policy: *policy,
            state: State::Waiting { until: Duration::ZERO },
            attempt: 0,
            opened: false,
            established: false,
            closing: false,
        }
    }

    /// The next action. `now` is the time since any fixed moment; only differences count.
    pub fn poll(&mut self, now: Duration) -> Action {
        match &mut self.state {
            State::Waiting { until } if now >= *until => {
                self.state = State::Connecting { until: now.saturating_add(self.policy.connect_timeout) };
                Action::Connect { attempt: self.attempt }
            }
            State::Connecting { .. } if self.closing => self.drop(now, Dropped::Cancelled),
            State::Connecting { until } if now >= *until => self.drop(now, Dropped::ConnectTimeout),
            State::Open { pulse, .. } => match pulse.poll(&self.policy.keepalive, now) {
                Beat::Nothing => Action::Wait,
                Beat::Ping => Action::Ping,
                Beat::Dead => self.drop(now, Dropped::PongTimeout),
            },
            State::Closing { told: told @ false, .. } => {
                *told = true;
                Action::Close
            }
            State::Closing { until, .. } if now >= *until => self.drop(now, Dropped::CloseTimeout),
            State::Waiting { .. } | State::Connecting { .. } | State::Closing { .. } | State::Gone => {
                Action::Wait
            }
            State::Ended => Action::End,
        }
    }

    fn drop(&mut self, now: Duration, why: Dropped) -> Action {
        self.leave(now);
        Action::Drop(why)
    }

    /// How long to wait at most until the next [`poll`](Self::poll); `None` for as long as it takes.
    #[must_use]
    pub fn poll_timeout(&self, now: Duration) -> Option<Duration> {
        let at = match &self.state {
            State::Connecting { .. } if self.closing => Duration::ZERO,
            State::Waiting { until } | State::Connecting { until } => *until,
            State::Open { pulse, .. } => pulse.deadline(),
            State::Closing { told: false, .. } | State::Ended => Duration::ZERO,
            State::Closing { until, .. } => *until,
            State::Gone => Duration::MAX,
        };
        (at != Duration::MAX).then(|| at.saturating_sub(now))
    }

    /// The opening handshake of the attempt is done.
    pub fn opened(&mut self, now: Duration) -> Opened {
        if self.closing || !matches!(self.state, State::Connecting { .. }) {
            return Opened::Unwanted;
        }
        self.state = State::Open { since: now, pulse: Pulse::new(&self.policy.keepalive, now) };
        self.established = true;
        if core::mem::replace(&mut self.opened, true) {
            Opened::Again { attempt: self.attempt }
        } else {
            Opened::First
        }
    }

    /// Something was received, be it one byte.
    pub const fn received(&mut self) {
        if let State::Open { pulse, .. } = &mut self.state {
            pulse.received();
        }
    }

    /// The attempt failed, or the connection is over, however it ended, and the transport was dropped.
    ///
    /// `true` if it was open: the user is told that it closed, now. That is so once for each connection that was
    /// [opened](Self::opened). [`decide`](Self::decide) comes next.
    #[must_use = "the user is told once that a connection closed"]
    pub fn disconnected(&mut self, now: Duration) -> bool {
        self.leave(now);
        core::mem::replace(&mut self.established, false)
    }

    fn leave(&mut self, now: Duration) {
        if let State::Open { since, .. } = self.state
            && now.saturating_sub(since) >= self.policy.backoff.min_uptime
        {
            self.attempt = 0;
        }
        if !matches!(self.state, State::Waiting { .. } | State::Ended) {
            self.state = State::Gone;
        }
    }

    /// What follows after [`disconnected`](Self::disconnected): to wait and connect again, or the end. It is the end
    /// without regard to the verdict if [`close`](Self::close) was called, or no attempt is left.
    ///
    /// `retry_after` is how long the server asked to wait: `Retry-After`, see [`retry_after`](super::retry_after).
    pub fn decide(
        &mut self,
        now: Duration,
        verdict: Verdict,
        retry_after: Option<Duration>,
        random: &mut dyn Random,
    ) {
        if !matches!(self.state, State::Gone) {
            return;
        }
        let backoff = &self.policy.backoff;
        if self.closing || verdict == Verdict::Stop || self.attempt >= backoff.max_attempts {
            self.state = State::Ended;
            return;
        }
        self.attempt += 1;
        let delay = backoff.delay(self.attempt, retry_after, random);
        self.state = State::Waiting { until: now.saturating_add(delay) };
    }

    /// The user wants the end: the closing handshake if a connection is open, and never one more attempt.
    pub fn close(&mut self, now: Duration) {
        self.closing = true;
        match self.state {
            State::Waiting { .. } => self.state = State::Ended,
            State::Open { .. } => {
                let until = now.saturating_add(self.policy.close_timeout);
                self.state = State::Closing { until, told: false };
            }
            // The attempt is dropped at the next poll, and what is gone gets its end from `decide`.
            State::Connecting { .. } | State::Closing { .. } | State::Gone | State::Ended => {}
        }
    }

    /// Whether [`close`](Self::close) was called.
    #[must_use]
    pub const fn is_closing(&self) -> bool {
        self.closing
    }

    /// Whether a connection is open, and [`close`](Self::close) was not called.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        matches!(self.state, State::Open { .. })
    }

    /// Whether it is over.
    #[must_use]
    pub const fn is_ended(&self) -> bool {
        matches!(self.state, State::Ended)
    }

    /// How it keeps the connection up. What is changed counts from the next connection or wait on.
    pub const fn policy_mut(&mut self) -> &mut Policy {
        &mut self.policy
    }
}
