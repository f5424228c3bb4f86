//! Preparing threads: alternate stacks, masks, the end of threads, and how much stack the host has.

use crate::support::*;
use lucet::error::Status;
use lucet::thread::{detach, ensure_attached, host_stack_low};
use std::sync::atomic::{AtomicI32, Ordering};

/// Base, flags and size of this thread's alternate stack.
fn alternate() -> (usize, i32, usize) {
    // SAFETY: zeros are a valid place for the answer.
    let mut stack: libc::stack_t = unsafe { std::mem::zeroed() };
    // SAFETY: only asks.
    let answer = unsafe { libc::sigaltstack(std::ptr::null(), &mut stack) };
    assert_eq!(answer, 0);
    (stack.ss_sp as usize, stack.ss_flags, stack.ss_size)
}

/// Gives this thread an alternate stack of its own, or none for size 0.
fn set_alternate(size: usize) -> (usize, i32, usize) {
    let memory = Vec::<u8>::leak(vec![0; size]);
    let flags = if size == 0 { libc::SS_DISABLE } else { 0 };
    let stack = libc::stack_t {
        ss_sp: memory.as_mut_ptr().cast(),
        ss_flags: flags,
        ss_size: size,
    };
    // SAFETY: leaked memory, or none.
    let answer = unsafe { libc::sigaltstack(&stack, std::ptr::null_mut()) };
    assert_eq!(answer, 0);
    alternate()
}

fn is_mapped(address: usize) -> bool {
    let mut resident = 0u8;
    // SAFETY: asks about one page.
    unsafe { libc::mincore((address & !4095) as *mut _, 1, &mut resident) == 0 }
}

#[test]
fn a_thread_without_alternate_stack_gets_one() {
    passes("thread::a_thread_without_alternate_stack_gets_one", || {
        let before = set_alternate(0);
        ensure_attached().expect("attached");
        let ours = alternate();
        assert_eq!(ours.1, 0);
        assert!(ours.2 >= 64 << 10);
        assert!(is_mapped(ours.0));
        ensure_attached().expect("attached already");
        assert_eq!(alternate(), ours);
        detach();
        assert_eq!(alternate().1, before.1);
        assert!(!is_mapped(ours.0));
        detach();
        ensure_attached().expect("attached again");
        assert_eq!(alternate().1, 0);
    });
}

#[test]
fn a_large_stack_of_the_host_is_kept() {
    passes("thread::a_large_stack_of_the_host_is_kept", || {
        let hosts = set_alternate(64 << 10);
        ensure_attached().expect("attached");
        assert_eq!(alternate(), hosts);
        detach();
        assert_eq!(alternate(), hosts);
    });
}

#[test]
fn a_small_stack_of_the_host_is_replaced_and_put_back() {
    passes(
        "thread::a_small_stack_of_the_host_is_replaced_and_put_back",
        || {
            let hosts = set_alternate(8 << 10);
            ensure_attached().expect("attached");
            assert!(alternate().2 >= 64 << 10);
            detach();
            assert_eq!(alternate(), hosts);
        },
    );
}

#[test]
fn a_stack_that_the_host_sets_later_is_left_alone() {
    passes(
        "thread::a_stack_that_the_host_sets_later_is_left_alone",
        || {
            set_alternate(0);
            ensure_attached().expect("attached");
            let ours = alternate();
            let hosts = set_alternate(64 << 10);
            detach();
            assert_eq!(alternate(), hosts);
            assert!(!is_mapped(ours.0));
        },
    );
}

#[test]
fn the_end_of_a_thread_frees_its_stack() {
    passes("thread::the_end_of_a_thread_frees_its_stack", || {
        let used = std::thread::spawn(|| {
            set_alternate(0);
            ensure_attached().expect("attached");
            alternate().0
        });
        assert!(!is_mapped(used.join().expect("the thread ended well")));
    });
}

#[test]
fn ten_thousand_threads_leave_nothing() {
    passes("thread::ten_thousand_threads_leave_nothing", || {
        let mappings = || {
            std::fs::read_to_string("/proc/self/maps")
                .expect("maps")
                .lines()
                .count()
        };
        let before = mappings();
        for _ in 0..10_000 {
            std::thread::spawn(|| ensure_attached().expect("attached"))
                .join()
                .expect("ended well");
        }
        let after = mappings();
        assert!(after < before + 50, "{before} mappings became {after}");
    });
}

#[test]
fn blocked_signals_are_unblocked_until_the_thread_is_detached() {
    passes(
        "thread::blocked_signals_are_unblocked_until_the_thread_is_detached",
        || {
            block(&[libc::SIGSEGV, libc::SIGILL, libc::SIGUSR1]);
            let before = blocked();
            ensure_attached().expect("attached");
            assert_eq!(blocked(), [libc::SIGUSR1]);
            detach();
            assert_eq!(blocked(), before);
        },
    );
}

static ANSWER: AtomicI32 = AtomicI32::new(-1);

extern "C" fn attach_in_handler(_: i32) {
    let status = ensure_attached().map_or_else(|problem| problem.status, |_| Status::Ok);
    ANSWER.store(status as i32, Ordering::Relaxed);
}

#[test]
fn a_handler_on_the_alternate_stack_cannot_run_guests() {
    passes(
        "thread::a_handler_on_the_alternate_stack_cannot_run_guests",
        || {
            set_alternate(64 << 10);
            let handler: extern "C" fn(i32) = attach_in_handler;
            set(libc::SIGUSR1, handler as usize, libc::SA_ONSTACK, &[]);
            // SAFETY: the handler returns.
            unsafe { libc::raise(libc::SIGUSR1) };
            assert_eq!(ANSWER.load(Ordering::Relaxed), Status::BadState as i32);
            ensure_attached().expect("outside of the handler");
        },
    );
}

extern "C" fn detach_in_handler(_: i32) {
    detach();
    ANSWER.store(0, Ordering::Relaxed);
}

#[test]
fn a_stack_in_use_is_not_freed() {
    passes("thread::a_stack_in_use_is_not_freed", || {
        set_alternate(0);
        ensure_attached().expect("attached");
        let ours = alternate();
        let handler: extern "C" fn(i32) = detach_in_handler;
        set(libc::SIGUSR1, handler as usize, libc::SA_ONSTACK, &[]);
        // SAFETY: the handler returns, if its stack is still there.
        unsafe { libc::raise(libc::SIGUSR1) };
        assert_eq!(ANSWER.load(Ordering::Relaxed), 0);
        assert_eq!(alternate(), ours);
    });
}

#[test]
fn without_memory_attaching_is_a_status() {
    passes("thread::without_memory_attaching_is_a_status", || {
        set_alternate(0);
        let none = libc::rlimit {
            rlim_cur: 0,
            rlim_max: libc::RLIM_INFINITY,
        };
        // SAFETY: a valid limit.
        assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_AS, &none) }, 0);
        let problem = ensure_attached().expect_err("no address space");
        let lifted = libc::rlimit {
            rlim_cur: libc::RLIM_INFINITY,
            rlim_max: libc::RLIM_INFINITY,
        };
        // SAFETY: a valid limit.
        assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_AS, &lifted) }, 0);
        assert_eq!(problem.status, Status::NoMemory);
        ensure_attached().expect("with memory");
    });
}

#[test]
fn the_hosts_stack_has_an_end() {
    let here = |size: usize| {
        let local = 0u8;
        let low = host_stack_low();
        let left = (&raw const local as usize)
            .checked_sub(low)
            .expect("above the lowest address");
        assert!(left > 0 && left <= size, "{left} of {size} bytes are left");
        assert_eq!(host_stack_low(), low);
        left
    };
    for size in [128 << 10, 1 << 20] {
        let thread = std::thread::Builder::new()
            .stack_size(size)
            .spawn(move || here(size))
            .expect("a thread");
        let left = thread.join().expect("ended well");
        assert!(
            left > size / 2,
            "{left} of {size} bytes are left near the start of a thread"
        );
    }
}
