//! When a thread is to look at its runs: its two timers, and how often they are set.
//!
//! Setting a timer is a system call, so the wall timer is not set again for a run that ends before it would fire, and not unset when a run
//! ends: servers that give each request the same time pay for one timer in that time. But then it may fire when the thread waits in a
//! system call of the host's, say `epoll_wait`, which returns EINTR. Hosts to which that happens are often idle, so from then on the
//! timer is unset when runs end, until enough runs have come earlier than it would have fired:
//!
//! ```text
//!   leave it set  --- it interrupts a system call: patience doubles ------------>  unset it when a run ends
//!                 <-- `patience` times the next run came before its time --------
//! ```
//!
//! Firing without interrupting anything wears patience down, slowly.
//!
//! The other timer measures the thread's own processor time, at the kernel's ticks. Its signals cost a tenth of the other's, so long
//! slices use it; it cannot fire while the thread sleeps. It is created when it is first wanted.
//!
//! Invariants: the wall timer fires at `armed`, or earlier; only its thread uses it, and that thread's signal handlers, but for
//! [`Alarm::now`].

use super::timer::{Timer, When};
use crate::control::Times;
use std::sync::atomic::{AtomicI32, AtomicU32, AtomicU64, AtomicUsize, Ordering};

/// More than the 7 that an eighth of is nothing.
const LEAST_PATIENCE: u32 = 8;
const MOST_PATIENCE: u32 = 4096;

/// See the file's header.
#[derive(Debug)]
pub struct Alarm {
    wall: Timer,
    /// When it fires, in nanoseconds of CLOCK_MONOTONIC.
    armed: AtomicU64,
    own: Timer,
    /// After how much of the thread's own time it fires, from when it was set; [`Times::NEVER`]: it is not set.
    own_after: AtomicU64,
    /// What the timers are created with.
    signal: AtomicI32,
    number: AtomicUsize,
    /// How many times more it is unset when a run ends; 0: it stays set.
    unsetting: AtomicU32,
    patience: AtomicU32,
    /// When it would have fired, had the end of the latest run not unset it; 0: it was not.
    unset: AtomicU64,
}

/// What the value of a timer's signal means: the number of the runner, and which timer.
pub const fn value(number: usize, own: bool) -> usize {
    number << 1 | own as usize
}

/// The reverse of [`value`].
pub const fn meaning(value: usize) -> (usize, bool) {
    (value >> 1, value & 1 != 0)
}

impl Alarm {
    /// Without timers.
    pub const fn none() -> Alarm {
        Alarm {
            wall: Timer::none(),
            armed: AtomicU64::new(Times::NEVER),
            own: Timer::none(),
            own_after: AtomicU64::new(Times::NEVER),
            signal: AtomicI32::new(0),
            number: AtomicUsize::new(0),
            unsetting: AtomicU32::new(0),
            patience: AtomicU32::new(LEAST_PATIENCE),
            unset: AtomicU64::new(0),
        }
    }

    /// Gives the calling thread, which has this runner, its wall timer, if there is a signal for it.
    pub fn create(&self, signal: i32, number: usize) {
        self.signal.store(signal, Ordering::Relaxed);
        self.number.store(number, Ordering::Relaxed);
        self.armed.store(Times::NEVER, Ordering::Relaxed);
        self.own_after.store(Times::NEVER, Ordering::Relaxed);
        self.unsetting.store(0, Ordering::Relaxed);
        self.unset.store(0, Ordering::Relaxed);
        self.patience.store(LEAST_PATIENCE, Ordering::Relaxed);
        self.own.delete(false);
        let value = value(number, false);
        self.wall.create(libc::CLOCK_MONOTONIC, signal, value);
    }

    /// Whether the calling thread has a timer of its own processor time; creates it if need be.
    #[inline]
    pub fn has_own(&self) -> bool {
        if !self.own.exists() {
            let value = value(self.number.load(Ordering::Relaxed), true);
            let signal = self.signal.load(Ordering::Relaxed);
            self.own
                .create(libc::CLOCK_THREAD_CPUTIME_ID, signal, value);
        }
        self.own.exists()
    }

    /// Whether there is a timer of the wall clock. Makes none; fit for signal handlers.
    pub fn is_made(&self) -> bool {
        self.wall.exists()
    }

    /// Takes both away.
    pub fn delete(&self, created_here: bool) {
        self.wall.delete(created_here);
        self.own.delete(created_here);
    }

    /// Whether times can be kept. A timer that the system did not give when it was first asked for is asked for again.
    pub fn exists(&self) -> bool {
        if !self.wall.exists() {
            let value = value(self.number.load(Ordering::Relaxed), false);
            let signal = self.signal.load(Ordering::Relaxed);
            self.wall.create(libc::CLOCK_MONOTONIC, signal, value);
        }
        self.wall.exists()
    }

    /// Whether the end of the latest run has unset the wall timer.
    #[inline]
    pub fn is_unset(&self) -> bool {
        self.unset.load(Ordering::Relaxed) != 0
    }

    /// Whether the wall timer will fire at `time` or earlier.
    #[inline]
    pub fn is_set_by(&self, time: u64) -> bool {
        self.armed.load(Ordering::Relaxed) <= time
    }

    /// Makes sure that the wall timer fires at `time` or earlier. A system call only if it would not.
    #[inline]
    pub fn by(&self, time: u64) {
        if time < self.armed.load(Ordering::Relaxed) {
            self.armed.store(time, Ordering::Relaxed);
            self.wall.set(When::At(time));
        }
    }

    /// Makes the wall timer fire at once. From any thread. False: there is none.
    pub fn now(&self) -> bool {
        self.armed.store(1, Ordering::Relaxed);
        self.wall.set(When::At(1))
    }

    /// Makes sure that the timer of the thread's own time fires after so much of it, or earlier. A system call only if it might not: what
    /// is left until it fires is not known without one, but is not more than what it was set to.
    #[inline]
    pub fn after_own(&self, time: u64) {
        if time < self.own_after.load(Ordering::Relaxed) {
            self.own_after.store(time, Ordering::Relaxed);
            self.own.set(When::After(time));
        }
    }

    /// Notes that a timer has fired.
    pub fn fired(&self, own: bool) {
        if own {
            self.own_after.store(Times::NEVER, Ordering::Relaxed);
        } else {
            self.armed.store(Times::NEVER, Ordering::Relaxed);
        }
    }

    /// The wall timer has fired, and interrupted a system call of the host's, or nobody.
    pub fn judge(&self, disturbed: bool) {
        let patience = self.patience.load(Ordering::Relaxed);
        if disturbed {
            let patience = patience.saturating_mul(2).min(MOST_PATIENCE);
            self.patience.store(patience, Ordering::Relaxed);
            self.unsetting.store(patience, Ordering::Relaxed);
        } else {
            let patience = (patience - patience / 8).max(LEAST_PATIENCE);
            self.patience.store(patience, Ordering::Relaxed);
        }
    }

    /// A run with times begins.
    #[inline]
    pub fn run_begins(&self, now: u64) {
        let unset = self.unset.load(Ordering::Relaxed);
        if unset == 0 {
            return;
        }
        self.unset.store(0, Ordering::Relaxed);
        if now < unset {
            let left = self.unsetting.load(Ordering::Relaxed);
            self.unsetting
                .store(left.saturating_sub(1), Ordering::Relaxed);
        }
    }

    /// The last run with times has ended.
    #[inline]
    pub fn runs_are_over(&self) {
        let armed = self.armed.load(Ordering::Relaxed);
        if self.unsetting.load(Ordering::Relaxed) == 0 || armed == Times::NEVER {
            return;
        }
        self.unset.store(armed, Ordering::Relaxed);
        self.armed.store(Times::NEVER, Ordering::Relaxed);
        self.wall.set(When::Never);
    }
}
