//! Giving up an attempt to connect, from another thread.

use core::fmt;
use std::{
    boxed::Box,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::Error;

/// Cancels the attempts to connect that it was given to, those now and those to come. Clones are the same one.
#[derive(Clone, Default)]
pub(super) struct Cancel(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    cancelled: bool,
    /// Wakes the thread that waits.
    wake: Option<Box<dyn FnOnce() + Send>>,
}

impl Cancel {
    pub(super) fn cancel(&self) {
        let wake = {
            let mut state = self.lock();
            state.cancelled = true;
            state.wake.take()
        };
        if let Some(wake) = wake {
            wake();
        }
    }

    pub(super) fn is_cancelled(&self) -> bool {
        self.lock().cancelled
    }

    /// From now on, `wake` is what interrupts the thread that connects.
    ///
    /// # Errors
    /// [`Error::Cancelled`] if it is too late for that.
    pub(super) fn set_wake(&self, wake: impl FnOnce() + Send + 'static) -> Result<(), Error> {
        // What is replaced is dropped outside of the lock: it may own a socket.
        let old = {
            let mut state = self.lock();
            if state.cancelled {
                return Err(Error::Cancelled);
            }
            state.wake.replace(Box::new(wake))
        };
        drop(old);
        Ok(())
    }

    /// Nobody waits any more.
    pub(super) fn clear_wake(&self) {
        let old = self.lock().wake.take();
        drop(old);
    }

    /// A panic elsewhere leaves nothing half done here.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Cancel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cancel({})", self.is_cancelled())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn the_last_wake_is_called_once() {
        let cancel = Cancel::default();
        let count = Arc::new(AtomicUsize::new(0));
        let add = |n| {
            let count = count.clone();
            move || {
                count.fetch_add(n, Ordering::Relaxed);
            }
        };
        cancel.set_wake(add(1)).unwrap();
        cancel.set_wake(add(10)).unwrap();
        cancel.clone().cancel();
        cancel.cancel();
        assert_eq!(count.load(Ordering::Relaxed), 10);
        assert!(cancel.is_cancelled());
        assert!(matches!(cancel.set_wake(add(100)), Err(Error::Cancelled)));
        cancel.clear_wake();
        cancel.cancel();
        assert_eq!(count.load(Ordering::Relaxed), 10);
    }
}
