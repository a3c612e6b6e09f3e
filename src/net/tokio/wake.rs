use std::{
    sync::{Arc, Mutex, PoisonError},
    task::{Wake, Waker},
};

/// Who waits: one task receives, another may send. The socket remembers just one waker for each of its directions, and
/// both tasks may need both of them: the receiving one writes pongs, the sending one may find half a record of TLS. So
/// the socket is given this one, which wakes whoever waits.
#[derive(Debug, Default)]
pub(super) struct Wakers([Mutex<Option<Waker>>; 2]);

/// A task's place among the [`Wakers`].
#[derive(Clone, Copy, Debug)]
pub(super) enum Side {
    Receiving,
    Sending,
}

impl Wakers {
    const fn place(&self, side: Side) -> &Mutex<Option<Waker>> {
        let [receiving, sending] = &self.0;
        match side {
            Side::Receiving => receiving,
            Side::Sending => sending,
        }
    }

    /// Notes who waits.
    pub(super) fn set(&self, side: Side, waker: &Waker) {
        let mut place = self.place(side).lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *place {
            Some(old) => old.clone_from(waker),
            None => *place = Some(waker.clone()),
        }
    }

    /// Nobody waits any more.
    pub(super) fn clear(&self, side: Side) {
        self.take(side);
    }

    fn take(&self, side: Side) -> Option<Waker> {
        self.place(side).lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Wake for Wakers {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        for side in [Side::Receiving, Side::Sending] {
            if let Some(waker) = self.take(side) {
                waker.wake();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use core::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[derive(Default)]
    struct Count(AtomicU32);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn both_are_woken_once() {
        let wakers = Arc::new(Wakers::default());
        let tasks = [Arc::new(Count::default()), Arc::new(Count::default())];
        let woken = || tasks.each_ref().map(|task| task.0.load(Ordering::Relaxed));
        wakers.set(Side::Receiving, &tasks[0].clone().into());
        wakers.set(Side::Sending, &tasks[0].clone().into());
        wakers.set(Side::Sending, &tasks[1].clone().into());
        let waker = Waker::from(wakers.clone());
        waker.wake_by_ref();
        waker.wake_by_ref();
        assert_eq!(woken(), [1, 1]);
        wakers.set(Side::Receiving, &tasks[0].clone().into());
        wakers.set(Side::Sending, &tasks[1].clone().into());
        wakers.clear(Side::Sending);
        waker.wake();
        assert_eq!(woken(), [2, 1]);
    }
}
