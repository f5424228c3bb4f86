//! Installing, removing and checking the handlers.

use crate::support::*;
use lucet::error::Status;
use lucet::signal::{self, HOST, ONSTACK};
use std::sync::atomic::Ordering;

const ALL: [i32; 3] = [libc::SIGSEGV, libc::SIGBUS, libc::SIGILL];

#[test]
fn removing_puts_back_what_was_there() {
    passes("install::removing_puts_back_what_was_there", || {
        set(
            libc::SIGSEGV,
            NOTE as usize,
            libc::SA_SIGINFO | libc::SA_RESETHAND,
            &[libc::SIGUSR1, libc::SIGRTMAX()],
        );
        set(libc::SIGBUS, libc::SIG_IGN, 0, &[]);
        let before = ALL.map(get);
        signal::install(0).expect("installed");
        for (signal, old) in ALL.into_iter().zip(&before) {
            let (handler, flags, mask) = get(signal);
            assert_ne!(handler, old.0);
            assert_eq!(
                flags & (libc::SA_SIGINFO | libc::SA_ONSTACK),
                libc::SA_SIGINFO | libc::SA_ONSTACK
            );
            assert!(ALL.iter().all(|own| mask.contains(own)));
        }
        signal::remove().expect("removed");
        assert_eq!(ALL.map(get), before);
        assert!(!signal::installed());
    });
}

#[test]
fn installing_twice_is_installing_once() {
    passes("install::installing_twice_is_installing_once", || {
        set(libc::SIGSEGV, REPAIR as usize, libc::SA_SIGINFO, &[]);
        let before = get(libc::SIGSEGV);
        signal::install(0).expect("installed");
        let ours = get(libc::SIGSEGV);
        signal::install(0).expect("installed already");
        assert_eq!(get(libc::SIGSEGV), ours);
        // Forwarding still ends at the host's handler, not at ourselves.
        touch(inaccessible_page());
        assert_eq!(CALLS.load(Ordering::Relaxed), 1);
        signal::remove().expect("removed");
        assert_eq!(get(libc::SIGSEGV), before);
        // And once more from the start.
        signal::install(0).expect("installed again");
        touch(inaccessible_page());
        assert_eq!(CALLS.load(Ordering::Relaxed), 2);
    });
}

#[test]
fn misuse_is_a_status() {
    passes("install::misuse_is_a_status", || {
        assert_eq!(
            signal::check().expect_err("not yet").status,
            Status::NoSignals
        );
        assert_eq!(
            signal::remove().expect_err("not yet").status,
            Status::NoSignals
        );
        assert_eq!(
            signal::install(4).expect_err("unknown").status,
            Status::BadArgument
        );
        assert!(!signal::installed());
        signal::install(0).expect("installed");
        assert_eq!(
            signal::install(HOST).expect_err("the other way").status,
            Status::BadState
        );
        signal::remove().expect("removed");
        signal::install(HOST).expect("delegated");
        assert_eq!(
            signal::install(0).expect_err("the other way").status,
            Status::BadState
        );
        assert!(sentence().contains("handled by the host"), "{}", sentence());
    });
}

#[test]
fn a_taken_signal_is_named_and_left_alone() {
    passes("install::a_taken_signal_is_named_and_left_alone", || {
        signal::install(0).expect("installed");
        signal::check().expect("in place");
        let ours = ALL.map(get);
        set(libc::SIGBUS, NOTE as usize, libc::SA_SIGINFO, &[]);
        assert_eq!(signal::check().expect_err("taken").status, Status::BadState);
        let program = std::env::current_exe().expect("this program");
        let program = program
            .file_name()
            .and_then(|name| name.to_str())
            .expect("a name");
        assert!(
            sentence().contains("SIGBUS") && sentence().contains(program),
            "{}",
            sentence()
        );
        let now = ALL.map(get);
        assert_eq!(
            signal::remove().expect_err("taken").status,
            Status::BadState
        );
        assert_eq!(ALL.map(get), now, "nothing has been changed");
        assert!(signal::installed());
        set(libc::SIGBUS, ours[1].0, ours[1].1, &ours[1].2);
        signal::remove().expect("all three are ours again");
        assert!(ALL.iter().all(|signal| get(*signal).0 == libc::SIG_DFL));
    });
}

#[test]
fn a_default_action_over_ours_is_noticed() {
    passes("install::a_default_action_over_ours_is_noticed", || {
        signal::install(0).expect("installed");
        set(libc::SIGILL, libc::SIG_DFL, 0, &[]);
        assert_eq!(signal::check().expect_err("taken").status, Status::BadState);
        assert!(
            sentence().contains("SIGILL") && sentence().contains("default"),
            "{}",
            sentence()
        );
        let (handler, flags, mask) = get(libc::SIGSEGV);
        set(libc::SIGSEGV, handler, flags & !libc::SA_ONSTACK, &mask);
        assert_eq!(
            signal::check().expect_err("weakened").status,
            Status::BadState
        );
        assert!(sentence().contains("SA_ONSTACK"), "{}", sentence());
    });
}

#[test]
fn a_host_that_handles_faults_itself_is_checked() {
    passes(
        "install::a_host_that_handles_faults_itself_is_checked",
        || {
            let before = ALL.map(get);
            signal::install(HOST).expect("delegated");
            assert!(signal::installed());
            assert_eq!(ALL.map(get), before, "nothing is installed");
            assert_eq!(
                signal::check().expect_err("no handler").status,
                Status::BadState
            );
            assert!(
                sentence().contains("SIGSEGV") && sentence().contains("default"),
                "{}",
                sentence()
            );
            for signal in ALL {
                set(signal, NOTE as usize, libc::SA_SIGINFO, &[]);
            }
            assert_eq!(
                signal::check().expect_err("on the guest's stack").status,
                Status::BadState
            );
            for signal in ALL {
                set(
                    signal,
                    NOTE as usize,
                    libc::SA_SIGINFO | libc::SA_ONSTACK,
                    &[],
                );
            }
            signal::check().expect("as it should be");
            let now = ALL.map(get);
            signal::remove().expect("no longer delegated");
            assert_eq!(ALL.map(get), now);
        },
    );
}

#[test]
fn host_handlers_move_to_alternate_stacks_when_asked() {
    passes(
        "install::host_handlers_move_to_alternate_stacks_when_asked",
        || {
            set(
                libc::SIGUSR1,
                NOTE as usize,
                libc::SA_SIGINFO | libc::SA_RESTART,
                &[libc::SIGUSR2],
            );
            set(libc::SIGRTMAX(), NOTE as usize, libc::SA_SIGINFO, &[]);
            set(libc::SIGPIPE, libc::SIG_IGN, 0, &[]);
            signal::install(ONSTACK).expect("installed");
            let flags = libc::SA_SIGINFO | libc::SA_RESTART | libc::SA_ONSTACK;
            assert_eq!(
                get(libc::SIGUSR1),
                (NOTE as usize, flags, vec![libc::SIGUSR2])
            );
            assert_eq!(get(libc::SIGRTMAX()).1 & libc::SA_ONSTACK, libc::SA_ONSTACK);
            assert_eq!(get(libc::SIGPIPE), (libc::SIG_IGN, 0, vec![]));
            assert_eq!(get(libc::SIGTERM).0, libc::SIG_DFL);
            // Handlers that the host sets later are not known until it asks again.
            set(libc::SIGALRM, NOTE as usize, libc::SA_SIGINFO, &[]);
            assert_eq!(get(libc::SIGALRM).1 & libc::SA_ONSTACK, 0);
            signal::install(ONSTACK).expect("once more");
            assert_eq!(get(libc::SIGALRM).1 & libc::SA_ONSTACK, libc::SA_ONSTACK);
        },
    );
}
