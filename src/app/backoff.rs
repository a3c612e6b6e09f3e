use core::time::Duration;

use crate::Random;

/// How long to wait between attempts to connect, and how many there may be.
///
/// Exponential with full jitter: the wait before attempt `n` is a random one between zero and a ceiling, which is
/// [`initial`](Self::initial) for the first and doubles from then on up to [`max`](Self::max). The jitter is kept at
/// `max`, so that clients that one outage has cut off do not come back at the same moment, ever.
///
/// ```
/// # use core::time::Duration;
/// # use sockling::app::Backoff;
/// let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(300));
/// backoff.max_attempts = 20;
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct Backoff {
    /// The longest wait before the first attempt to reconnect. Default 500 ms.
    pub initial: Duration,
    /// The longest wait before any attempt. Default 60 s.
    pub max: Duration,
    /// How many attempts to reconnect may follow one another; the first attempt to connect is not one of them. Default
    /// [`u32::MAX`]: as many as it takes.
    pub max_attempts: u32,
    /// How long a connection has to be open until it counts as a success, after which waits begin at `initial` and
    /// attempts at 1 again: a server that accepts and drops at once is not asked ever faster. Default 30 s.
    pub min_uptime: Duration,
    /// The longest wait that a server can ask for, with `Retry-After`: longer ones are cut. Default 1 h.
    pub max_retry_after: Duration,
}

impl Backoff {
    /// The defaults that the fields name.
    pub const DEFAULT: Self = Self {
        initial: Duration::from_millis(500),
        max: Duration::from_secs(60),
        max_attempts: u32::MAX,
        min_uptime: Duration::from_secs(30),
        max_retry_after: Duration::from_secs(60 * 60),
    };

    /// One attempt to connect, none to reconnect.
    pub const NEVER: Self = Self { max_attempts: 0, ..Self::DEFAULT };

    /// Other waits than the default.
    #[must_use]
    pub const fn new(initial: Duration, max: Duration) -> Self {
        Self { initial, max, ..Self::DEFAULT }
    }

    /// The longest wait before an attempt to reconnect; 1 is the first.
    #[must_use]
    pub fn ceiling(&self, attempt: u32) -> Duration {
        let mut ceiling = self.initial;
        // A multiplication takes a division of 64 bits, which is dear on a chip. 2^94 times the least there is, a
        // nanosecond, is over the longest duration.
        for _ in 1..attempt.min(95) {
            ceiling = ceiling.saturating_add(ceiling);
        }
        ceiling.min(self.max)
    }

    /// The wait before an attempt: in whole milliseconds, each up to the ceiling as likely as another. After what the
    /// server asked for: "how long the user agent ought to wait" (RFC 9110 section 10.2.3) is at least.
    pub(super) fn delay(
        &self,
        attempt: u32,
        retry_after: Option<Duration>,
        random: &mut dyn Random,
    ) -> Duration {
        let ceiling = u32::try_from(self.ceiling(attempt).as_millis()).unwrap_or(u32::MAX);
        let mut bytes = [0; 4];
        random.fill(&mut bytes);
        let share = (u64::from(ceiling) + 1) * u64::from(u32::from_le_bytes(bytes));
        let asked = retry_after.unwrap_or_default().min(self.max_retry_after);
        asked.saturating_add(Duration::from_millis(share >> 32))
    }
}

impl Default for Backoff {
    fn default() -> Self {
        Self::DEFAULT
    }
}

#[cfg(test)]
mod tests {
    use rand::{SeedableRng, rngs::StdRng};

    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    #[test]
    fn ceilings_double_up_to_the_most() {
        let backoff = Backoff::new(MS(500), MS(60_000));
        let ceilings = [500, 1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000];
        for (attempt, ceiling) in (1..).zip(ceilings) {
            assert_eq!(backoff.ceiling(attempt), MS(ceiling), "{attempt}");
        }
        for attempt in [32, 33, 34, 1000, u32::MAX] {
            assert_eq!(backoff.ceiling(attempt), MS(60_000), "{attempt}");
        }
        assert_eq!(Backoff::new(MS(7), MS(3)).ceiling(1), MS(3));
        assert_eq!(Backoff::new(Duration::MAX, Duration::MAX).ceiling(9), Duration::MAX);
    }

    /// Full jitter, at every attempt: from nothing to the ceiling, its half in the mean, each tenth as often as another.
    #[test]
    fn jitter_is_full_also_at_the_most() {
        let backoff = Backoff::default();
        let mut random = StdRng::seed_from_u64(1);
        for attempt in [1, 2, 5, 8, 40, u32::MAX] {
            let ceiling = backoff.ceiling(attempt);
            let mut tenths = [0_u32; 10];
            for _ in 0..10_000 {
                let delay = backoff.delay(attempt, None, &mut random);
                assert!(delay <= ceiling, "{attempt}: {delay:?}");
                let tenth = delay.as_millis() * 10 / (ceiling.as_millis() + 1);
                tenths[usize::try_from(tenth).unwrap()] += 1;
            }
            for n in tenths {
                assert!((800..1200).contains(&n), "{attempt}: {tenths:?}");
            }
        }
    }

    struct Always(u8);

    impl Random for Always {
        fn fill(&mut self, dest: &mut [u8]) {
            dest.fill(self.0);
        }
    }

    #[test]
    fn a_server_can_ask_for_more_up_to_a_limit() {
        let backoff = Backoff::default();
        let (least, most) = (&mut Always(0), &mut Always(255));
        assert_eq!(backoff.delay(1, None, least), MS(0));
        assert_eq!(backoff.delay(1, None, most), MS(500));
        assert_eq!(backoff.delay(1, Some(MS(7000)), least), MS(7000));
        assert_eq!(backoff.delay(1, Some(MS(7000)), most), MS(7500));
        assert_eq!(backoff.delay(1, Some(Duration::MAX), least), backoff.max_retry_after);
        let longest =
            Backoff { max_retry_after: Duration::MAX, ..Backoff::new(Duration::MAX, Duration::MAX) };
        assert_eq!(longest.delay(1, Some(Duration::MAX), most), Duration::MAX);
    }
}
