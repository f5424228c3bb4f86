//! Signals that no guest has caused happen as if the library were not there.

use crate::support::*;
use lucet::signal;
use std::sync::atomic::Ordering;

fn bit(signal: i32) -> u64 {
    1 << (signal - 1)
}

#[test]
fn a_fault_of_the_host_reaches_its_handler() {
    passes("forward::a_fault_of_the_host_reaches_its_handler", || {
        set(libc::SIGSEGV, REPAIR as usize, libc::SA_SIGINFO, &[]);
        signal::install(0).expect("installed");
        let page = inaccessible_page();
        touch(page.wrapping_add(123));
        assert_eq!(CALLS.load(Ordering::Relaxed), 1);
        assert_eq!(ADDRESS.load(Ordering::Relaxed), page as usize + 123);
        assert_eq!(CODE.load(Ordering::Relaxed), 2, "SEGV_ACCERR");
        assert_eq!(signal::ANOMALIES.load(Ordering::Relaxed), 0);
    });
}

#[test]
fn a_plain_handler_is_called_as_one() {
    passes("forward::a_plain_handler_is_called_as_one", || {
        set(libc::SIGSEGV, REPAIR_PLAIN as usize, 0, &[]);
        signal::install(0).expect("installed");
        touch(inaccessible_page());
        assert_eq!(CALLS.load(Ordering::Relaxed), 1);
    });
}

#[test]
fn another_threads_fault_reaches_the_handler() {
    passes("forward::another_threads_fault_reaches_the_handler", || {
        set(libc::SIGSEGV, REPAIR as usize, libc::SA_SIGINFO, &[]);
        signal::install(0).expect("installed");
        lucet::thread::ensure_attached().expect("this thread is ready for guests");
        let page = inaccessible_page() as usize;
        std::thread::spawn(move || touch(page as *mut u8))
            .join()
            .expect("the thread went on");
        assert_eq!(CALLS.load(Ordering::Relaxed), 1);
    });
}

#[test]
fn the_handler_runs_with_the_mask_it_would_have_had() {
    passes(
        "forward::the_handler_runs_with_the_mask_it_would_have_had",
        || {
            let body = |flags| {
                set(libc::SIGSEGV, REPAIR as usize, flags, &[libc::SIGUSR1]);
                block(&[libc::SIGUSR2]);
                touch(inaccessible_page());
                let without = MASK.load(Ordering::Relaxed);
                signal::install(0).expect("installed");
                let before = blocked();
                touch(inaccessible_page());
                assert_eq!(
                    MASK.load(Ordering::Relaxed),
                    without,
                    "the kernel's own mask"
                );
                assert_eq!(blocked(), before);
                signal::remove().expect("removed");
                without
            };
            let expected = bit(libc::SIGUSR1) | bit(libc::SIGUSR2);
            assert_eq!(body(libc::SA_SIGINFO), expected | bit(libc::SIGSEGV));
            assert_eq!(body(libc::SA_SIGINFO | libc::SA_NODEFER), expected);
            assert_eq!(CALLS.load(Ordering::Relaxed), 4);
        },
    );
}

#[test]
fn the_handler_sees_the_interrupted_errno() {
    passes("forward::the_handler_sees_the_interrupted_errno", || {
        set(libc::SIGSEGV, REPAIR as usize, libc::SA_SIGINFO, &[]);
        signal::install(0).expect("installed");
        let page = inaccessible_page();
        // SAFETY: always valid.
        unsafe { *libc::__errno_location() = 4321 };
        touch(page);
        assert_eq!(ERRNO.load(Ordering::Relaxed), 4321);
    });
}

#[test]
fn a_handler_that_resets_itself_is_called_once() {
    dies_of(
        libc::SIGSEGV,
        "forward::a_handler_that_resets_itself_is_called_once",
        || {
            set(
                libc::SIGSEGV,
                REPAIR as usize,
                libc::SA_SIGINFO | libc::SA_RESETHAND,
                &[],
            );
            signal::install(0).expect("installed");
            touch(inaccessible_page());
            assert_eq!(CALLS.load(Ordering::Relaxed), 1);
            touch(inaccessible_page());
        },
    );
}

#[test]
fn without_a_handler_a_fault_kills() {
    dies_of(
        libc::SIGSEGV,
        "forward::without_a_handler_a_fault_kills",
        || {
            signal::install(0).expect("installed");
            touch(inaccessible_page());
        },
    );
}

#[test]
fn without_a_handler_a_fault_of_another_thread_kills() {
    dies_of(
        libc::SIGSEGV,
        "forward::without_a_handler_a_fault_of_another_thread_kills",
        || {
            signal::install(0).expect("installed");
            lucet::thread::ensure_attached().expect("this thread is ready for guests");
            let page = inaccessible_page() as usize;
            let _ = std::thread::spawn(move || touch(page as *mut u8)).join();
        },
    );
}

#[test]
fn an_address_that_is_none_kills() {
    // A protection fault comes without an address, like a signal frame that did not fit.
    dies_of(
        libc::SIGSEGV,
        "forward::an_address_that_is_none_kills",
        || {
            signal::install(0).expect("installed");
            touch(0x8000_0000_0000_0000_usize as *mut u8);
        },
    );
}

#[test]
fn an_illegal_instruction_kills() {
    dies_of(
        libc::SIGILL,
        "forward::an_illegal_instruction_kills",
        || {
            signal::install(0).expect("installed");
            // SAFETY: raises SIGILL, which this test wants.
            unsafe { std::arch::asm!("ud2") };
        },
    );
}

fn send_to_itself(signal: i32) {
    signal::install(0).expect("installed");
    // SAFETY: kills this process, which is the test.
    unsafe { libc::raise(signal) };
}

#[test]
fn a_sent_segv_kills_without_a_handler() {
    dies_of(
        libc::SIGSEGV,
        "forward::a_sent_segv_kills_without_a_handler",
        || send_to_itself(libc::SIGSEGV),
    );
}

#[test]
fn a_sent_bus_kills_without_a_handler() {
    dies_of(
        libc::SIGBUS,
        "forward::a_sent_bus_kills_without_a_handler",
        || send_to_itself(libc::SIGBUS),
    );
}

#[test]
fn a_sent_ill_kills_without_a_handler() {
    dies_of(
        libc::SIGILL,
        "forward::a_sent_ill_kills_without_a_handler",
        || send_to_itself(libc::SIGILL),
    );
}

#[test]
fn a_sent_signal_reaches_the_handler_as_it_was_sent() {
    passes(
        "forward::a_sent_signal_reaches_the_handler_as_it_was_sent",
        || {
            set(libc::SIGSEGV, NOTE as usize, libc::SA_SIGINFO, &[]);
            signal::install(0).expect("installed");
            // SAFETY: the handler returns.
            unsafe { libc::raise(libc::SIGSEGV) };
            assert_eq!(CODE.load(Ordering::Relaxed), libc::SI_TKILL);
            // SAFETY: as above.
            unsafe { libc::kill(libc::getpid(), libc::SIGSEGV) };
            // Any thread of the process may get it.
            while CALLS.load(Ordering::Relaxed) < 2 {
                std::thread::yield_now();
            }
            assert_eq!(CODE.load(Ordering::Relaxed), libc::SI_USER);
            assert_eq!(CALLS.load(Ordering::Relaxed), 2);
        },
    );
}

#[test]
fn an_ignored_signal_is_ignored_when_sent() {
    passes("forward::an_ignored_signal_is_ignored_when_sent", || {
        set(libc::SIGSEGV, libc::SIG_IGN, 0, &[]);
        signal::install(0).expect("installed");
        // SAFETY: ignored.
        unsafe { libc::raise(libc::SIGSEGV) };
        signal::check().expect("still in place");
    });
}

#[test]
fn an_ignored_signal_kills_when_it_is_a_fault() {
    dies_of(
        libc::SIGSEGV,
        "forward::an_ignored_signal_kills_when_it_is_a_fault",
        || {
            set(libc::SIGSEGV, libc::SIG_IGN, 0, &[]);
            signal::install(0).expect("installed");
            touch(inaccessible_page());
        },
    );
}

#[test]
fn foreign_arguments_are_not_ours() {
    passes("forward::foreign_arguments_are_not_ours", || {
        use std::ptr::null_mut;
        signal::install(signal::HOST).expect("delegated");
        // SAFETY: NULL is answered; the zeroed structs are valid and live.
        unsafe {
            let mut info: libc::siginfo_t = std::mem::zeroed();
            let mut context: libc::ucontext_t = std::mem::zeroed();
            assert!(!signal::handle(libc::SIGSEGV, null_mut(), null_mut()));
            assert!(!signal::handle(libc::SIGSEGV, &mut info, null_mut()));
            assert!(!signal::handle(libc::SIGUSR1, &mut info, &mut context));
            assert!(!signal::handle(libc::SIGSEGV, &mut info, &mut context));
        }
    });
}
