//! Threads that run guests: who they are, and the timers that each of them has.
//!
//! A [`Runner`] is taken when a thread is prepared for guests and given back when the thread ends. Runners are never
//! unmapped: killers and signal handlers hold on to their addresses without asking anybody.
//!
//! Invariants: `tid` and `alarm` belong to the thread that has taken the runner; `current` and what hangs on it is
//! changed by that thread outside of signal handlers, and read by its handler.
//!
//! What is done when a timer fires is in [`crate::signal`].

mod alarm;
mod timer;

pub use alarm::Alarm;

use crate::control::ControlBlock;
use crate::error::{Error, Result, Status, error};
use crate::mapping::{Access, Mapping};
use crate::process;
use lucet_format::PAGE_SIZE;
use std::sync::atomic::{
    AtomicBool, AtomicI32, AtomicPtr, AtomicU64, AtomicUsize, Ordering, fence,
};
use std::sync::{Mutex, PoisonError};

/// A thread that runs guests.
#[derive(Debug)]
#[repr(C, align(64))]
pub struct Runner {
    /// The process in which the other fields are true. After a fork the child finds zeros in all of them: so an entry compares
    /// this with its region's process, and nothing else, to know that it is in neither another process nor on a thread that is
    /// not prepared in this one. It has one bit more while short ways are closed.
    pub process: AtomicU64,
    /// The kernel's number of the thread; 0: nobody's.
    pub tid: AtomicI32,
    /// Its timers.
    pub alarm: Alarm,
    /// The innermost run with times.
    pub current: AtomicPtr<ControlBlock>,
    /// A guest that could not be stopped yet: something else ran on top of it.
    pub retry: AtomicPtr<ControlBlock>,
    /// The token of the latest typed entry that did not return, for its caller: who waits may be resumed elsewhere by then.
    pub token: AtomicU64,
}

/// The bit of a runner's process that tokens of processes do not have: see [`Runner::close_short_ways`].
const CLOSED: u64 = 1 << 63;

/// Threads of a process that have been prepared for guests and have not ended.
const CAPACITY: usize = 1 << 16;

static BASE: AtomicUsize = AtomicUsize::new(0);
/// Runners below this number exist.
static COUNT: AtomicUsize = AtomicUsize::new(0);

struct Pool {
    mapping: Option<Mapping>,
    free: Vec<usize>,
}

static POOL: Mutex<Pool> = Mutex::new(Pool {
    mapping: None,
    free: Vec::new(),
});

/// The runner whose timer's signal has this value, and whether it is that of its own time. Async-signal-safe.
pub fn by_value(value: usize) -> Option<(&'static Runner, bool)> {
    let (number, own) = alarm::meaning(value);
    Some((by_number(number)?, own))
}

fn by_number(number: usize) -> Option<&'static Runner> {
    (number < COUNT.load(Ordering::Acquire)).then(|| {
        let base = BASE.load(Ordering::Acquire) as *const Runner;
        // SAFETY: runners below COUNT are initialised and never unmapped.
        unsafe { &*base.add(number) }
    })
}

/// The runner at an address that [`take`] gave out.
///
/// # Safety
///
/// The address is 0 or of a runner.
pub unsafe fn at(address: usize) -> Option<&'static Runner> {
    // SAFETY: the caller's promise; runners are never unmapped.
    unsafe { (address as *const Runner).as_ref() }
}

/// A runner for this thread, with a timer if there is a signal for it.
///
/// # Errors
///
/// `NoMemory`; `Limit`; `System`.
pub fn take(signal: i32) -> Result<&'static Runner> {
    let mut pool = POOL.lock().unwrap_or_else(PoisonError::into_inner);
    let number = match pool.free.pop() {
        Some(number) => number,
        None => extend(&mut pool)?,
    };
    drop(pool);
    let runner = by_number(number).ok_or_else(|| Error::no_memory("a thread that runs guests"))?;
    runner
        .introduce(number, signal)
        .inspect_err(|_| give_back(runner))?;
    Ok(runner)
}

fn extend(pool: &mut Pool) -> Result<usize> {
    let number = COUNT.load(Ordering::Acquire);
    if number == CAPACITY {
        return Err(error!(
            Status::Limit,
            "{CAPACITY} threads of this process run guests already"
        ));
    }
    // Giving back must not fail, so there is room for all that exist.
    pool.free
        .try_reserve(number + 1)
        .map_err(|_| Error::no_memory("the list of threads"))?;
    let mapping = match &pool.mapping {
        Some(mapping) => mapping,
        None => {
            let mapping = Mapping::reserve(CAPACITY * size_of::<Runner>(), PAGE_SIZE as usize)?;
            mapping.wipe_on_fork()?;
            BASE.store(mapping.base(), Ordering::Release);
            pool.mapping.insert(mapping)
        }
    };
    let start = number * size_of::<Runner>();
    if start.is_multiple_of(PAGE_SIZE as usize) {
        mapping.protect(start, PAGE_SIZE as usize, Access::ReadWrite)?;
    }
    let place = (mapping.base() + start) as *mut Runner;
    // SAFETY: the page has been made accessible, and nobody knows of the runner before COUNT is raised.
    unsafe { place.write(Runner::new()) };
    COUNT.store(number + 1, Ordering::Release);
    Ok(number)
}

/// The runner's thread ends. Whoever gets the runner next knows nothing of runs that it has not left, since it ends in a host function of
/// theirs.
pub fn orphan(runner: &Runner) {
    let mut current = runner
        .current
        .swap(std::ptr::null_mut(), Ordering::AcqRel)
        .cast_const();
    // SAFETY: the runs that this thread was in; blocks live for ever.
    while let Some(block) = unsafe { current.as_ref() } {
        current = block.outer.replace(std::ptr::null());
        block.inside.set(false);
        block.runner.store(0, Ordering::Release);
    }
    runner.retry.store(std::ptr::null_mut(), Ordering::Release);
}

/// Gives a runner back: its thread runs no guests any more.
pub fn give_back(runner: &'static Runner) {
    let process = process::current();
    let created_here = process != 0 && runner.is_of(process);
    runner.alarm.delete(created_here);
    runner.tid.store(0, Ordering::Release);
    let number = runner.number();
    let mut pool = POOL.lock().unwrap_or_else(PoisonError::into_inner);
    if pool.free.len() < pool.free.capacity() {
        pool.free.push(number);
    }
}

const MEMBARRIER_PRIVATE_EXPEDITED: libc::c_int = 1 << 3;
const MEMBARRIER_REGISTER_PRIVATE_EXPEDITED: libc::c_int = 1 << 4;

static REGISTERED: AtomicBool = AtomicBool::new(false);

/// Prepares the process for kills. Kernels that cannot do it make kills dearer, not wrong: the thread is signalled in any case.
pub fn register_barrier() {
    // SAFETY: no memory arguments.
    let answer = unsafe {
        libc::syscall(
            libc::SYS_membarrier,
            MEMBARRIER_REGISTER_PRIVATE_EXPEDITED,
            0,
            0,
        )
    };
    REGISTERED.store(answer == 0, Ordering::Release);
}

/// Makes every running thread of the process pass a memory barrier. Async-signal-safe. False: the kernel does not do it.
pub fn barrier() -> bool {
    fence(Ordering::SeqCst);
    if !REGISTERED.load(Ordering::Acquire) {
        return false;
    }
    // SAFETY: no memory arguments.
    unsafe { libc::syscall(libc::SYS_membarrier, MEMBARRIER_PRIVATE_EXPEDITED, 0, 0) == 0 }
}

/// This thread, as the kernel knows it. Async-signal-safe.
pub fn own_tid() -> i32 {
    // SAFETY: no arguments.
    unsafe { libc::syscall(libc::SYS_gettid) as i32 }
}

impl Runner {
    const fn new() -> Runner {
        Runner {
            process: AtomicU64::new(0),
            tid: AtomicI32::new(0),
            alarm: Alarm::none(),
            current: AtomicPtr::new(std::ptr::null_mut()),
            retry: AtomicPtr::new(std::ptr::null_mut()),
            token: AtomicU64::new(0),
        }
    }

    /// The value of its wall timer's signal: the reverse of [`by_value`].
    pub fn value(&self) -> usize {
        alarm::value(self.number(), false)
    }

    fn number(&self) -> usize {
        let distance = std::ptr::from_ref(self) as usize - BASE.load(Ordering::Acquire);
        distance / size_of::<Runner>()
    }

    /// Notes which thread this is: when it is prepared for guests, and again in the child of a fork. Without a timer it is not prepared:
    /// limits of time could not be kept, and where the system gives none, it will not queue the signal of a kill either.
    fn introduce(&self, number: usize, signal: i32) -> Result<()> {
        self.tid.store(own_tid(), Ordering::Release);
        self.current.store(std::ptr::null_mut(), Ordering::Relaxed);
        self.retry.store(std::ptr::null_mut(), Ordering::Relaxed);
        self.alarm.create(signal, number);
        if signal != 0 && !self.alarm.is_made() {
            return Err(error!(
                Status::System,
                "the system has no timer for this thread, so guests could not be stopped on it: see RLIMIT_SIGPENDING"
            ));
        }
        self.process.store(process::current(), Ordering::Release);
        Ok(())
    }

    /// As [`introduce`](Runner::introduce), for the thread that was copied by a fork: timers are not.
    ///
    /// # Errors
    ///
    /// `System`.
    pub fn after_fork(&self, signal: i32) -> Result<()> {
        self.introduce(self.number(), signal)
    }

    /// Whether its fields are true in this process.
    pub fn is_of(&self, process: u64) -> bool {
        self.process.load(Ordering::Relaxed) & !CLOSED == process
    }

    /// No entry takes a short way on this thread from now on, but of an instance whose token is what the runner's process is now.
    pub fn close_short_ways(&self) {
        let process = self.process.load(Ordering::Relaxed);
        self.process.store(process | CLOSED, Ordering::Relaxed);
    }

    /// As before [`close_short_ways`](Runner::close_short_ways).
    pub fn open_short_ways(&self) {
        let process = self.process.load(Ordering::Relaxed);
        self.process.store(process & !CLOSED, Ordering::Relaxed);
    }
}
