use core::time::Duration;

/// The time, as [`App`](super::App) needs it.
///
/// `EmbassyClock` (feature `embassy-time`) is that of embassy; another takes ten lines over a timer that can be waited
/// for.
#[allow(async_fn_in_trait, reason = "whether the future is `Send` is the implementation's affair")]
pub trait Clock {
    /// The time since any fixed moment; it does not go back.
    fn now(&self) -> Duration;

    /// Waits for so long, or a little longer. Several may wait at the same time.
    ///
    /// # Cancel safety
    /// It is dropped when something else happens first.
    async fn sleep(&self, time: Duration);
}

impl<K: Clock> Clock for &K {
    fn now(&self) -> Duration {
        K::now(self)
    }

    async fn sleep(&self, time: Duration) {
        K::sleep(self, time).await;
    }
}

/// The clock of embassy-time.
#[cfg(feature = "embassy-time")]
#[derive(Clone, Copy, Debug, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct EmbassyClock;

#[cfg(feature = "embassy-time")]
impl Clock for EmbassyClock {
    fn now(&self) -> Duration {
        Duration::from_micros(embassy_time::Instant::now().as_micros())
    }

    async fn sleep(&self, time: Duration) {
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let Some(time) = embassy_time::Duration::try_from_micros(micros) else {
            return core::future::pending().await;
        };
        // A sum that does not fit is as good as never.
        match embassy_time::Instant::now().checked_add(time) {
            Some(end) => embassy_time::Timer::at(end).await,
            None => core::future::pending().await,
        }
    }
}
