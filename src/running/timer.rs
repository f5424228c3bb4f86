//! A timer of the kernel's that signals one thread.
//!
//! Invariant: the kernel's number belongs to the thread that has created the timer, in the process that did it. Everything is
//! async-signal-safe, and setting it may be done by any thread.

use std::sync::atomic::{AtomicI32, Ordering};

const NONE: i32 = -1;

/// See the file's header.
#[derive(Debug)]
pub struct Timer {
    /// The kernel's number; [`NONE`] without one.
    number: AtomicI32,
}

/// When it is to fire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// At this time of its clock, in nanoseconds.
    At(u64),
    /// After so many nanoseconds of its clock.
    After(u64),
    /// Not any more.
    Never,
}

impl Timer {
    /// No timer.
    pub const fn none() -> Timer {
        Timer {
            number: AtomicI32::new(NONE),
        }
    }

    /// Creates it for the calling thread. Without a signal, or when the system gives none, there is none afterwards. What was there before is
    /// forgotten.
    pub fn create(&self, clock: libc::clockid_t, signal: i32, value: usize) {
        let number = create(clock, signal, value).unwrap_or(NONE);
        self.number.store(number, Ordering::Release);
    }

    /// Whether there is one.
    pub fn exists(&self) -> bool {
        self.number.load(Ordering::Relaxed) != NONE
    }

    /// Deletes it, if this is the process in which it was created.
    pub fn delete(&self, created_here: bool) {
        let number = self.number.swap(NONE, Ordering::AcqRel);
        if number != NONE && created_here {
            // SAFETY: the kernel's number of a timer of ours.
            unsafe { libc::syscall(libc::SYS_timer_delete, number) };
        }
    }

    /// Sets it. False: there is none.
    pub fn set(&self, when: When) -> bool {
        let number = self.number.load(Ordering::Acquire);
        if number == NONE {
            return false;
        }
        let (flags, time) = match when {
            // Zero would mean: never.
            When::At(time) => (libc::TIMER_ABSTIME, time.max(1)),
            When::After(time) => (0, time.max(1)),
            When::Never => (0, 0),
        };
        const SECOND: u64 = 1_000_000_000;
        let none = libc::timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        let spec = libc::itimerspec {
            it_interval: none,
            it_value: libc::timespec {
                tv_sec: (time / SECOND) as i64,
                tv_nsec: (time % SECOND) as i64,
            },
        };
        // SAFETY: the kernel reads a valid struct, or refuses a timer that is gone.
        let answer = unsafe {
            libc::syscall(
                libc::SYS_timer_settime,
                number,
                flags,
                &raw const spec,
                std::ptr::null_mut::<libc::itimerspec>(),
            )
        };
        answer == 0
    }
}

fn create(clock: libc::clockid_t, signal: i32, value: usize) -> Option<i32> {
    if signal == 0 {
        return None;
    }
    // SAFETY: zeros are a valid sigevent.
    let mut event: libc::sigevent = unsafe { std::mem::zeroed() };
    event.sigev_notify = libc::SIGEV_THREAD_ID;
    event.sigev_signo = signal;
    event.sigev_value.sival_ptr = value as *mut _;
    event.sigev_notify_thread_id = super::own_tid();
    let mut number: libc::c_int = NONE;
    // SAFETY: the kernel reads the event and writes its number of the timer.
    let answer = unsafe {
        libc::syscall(
            libc::SYS_timer_create,
            clock,
            &raw mut event,
            &raw mut number,
        )
    };
    (answer == 0).then_some(number)
}
