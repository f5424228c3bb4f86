//! Killing from other threads, from signal handlers, in every state.

use crate::guests::{Desk, GUEST, Setting, instance_of, limit, linked, resume, setting, status};
use crate::support::i32;
use lucet::abi::{
    LUCET_PREEMPTED, LUCET_RETURNED, LUCET_STOP_KILL, LUCET_SUSPENDED, LUCET_TERMINATED,
    lucet_outcome,
};
use lucet::control::{ControlBlock, state};
use lucet::error::Status;
use lucet::instance::{self, Answer, Handle, KillHandle, kill, kill_handle};
use lucet::timing::{Allowance, now};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

fn handle_of(handle: Handle) -> KillHandle {
    kill_handle(handle).expect("a kill handle")
}

fn killed(outcome: &lucet_outcome, reason: u64) {
    assert_eq!(
        (outcome.kind, outcome.detail, outcome.token),
        (LUCET_TERMINATED, LUCET_STOP_KILL, reason)
    );
}

/// Kills while `name` runs, after a while; answers the kill's answer.
fn kill_during(guest: &Setting, name: &str, after: Duration, reason: u64) -> Answer {
    let victim = handle_of(guest.handle);
    let (answer, outcome) = std::thread::scope(|scope| {
        let killer = scope.spawn(move || {
            std::thread::sleep(after);
            kill(victim, reason)
        });
        let outcome = guest.run(name, &[]);
        (killer.join().expect("the killer"), outcome)
    });
    killed(&outcome, reason);
    answer
}

#[test]
fn a_spinning_guest_is_stopped_again_and_again() {
    let guest = setting();
    for round in 0..50 {
        let answer = kill_during(&guest, "spin", Duration::from_micros(200), round);
        assert!(
            matches!(answer, Answer::Stopping | Answer::NotRunning),
            "{answer:?}"
        );
        assert_eq!(
            status(instance::run(guest.handle, b"plain", &[])),
            Status::NeedsReset
        );
        guest.reset();
        assert_eq!(guest.run_i32("plain", &[]), 42);
    }
}

/// Kills that are repeated until the guest is gone, by several threads: they must not keep its thread from leaving it.
#[test]
fn a_guest_that_is_killed_all_the_time_ends() {
    let guest = setting();
    for round in 0..20 {
        let victim = handle_of(guest.handle);
        let over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    while !over.load(Ordering::Relaxed) {
                        kill(victim, 8);
                    }
                });
            }
            let begun = Instant::now();
            let outcome = guest.run("spin", &[]);
            let took = begun.elapsed();
            over.store(true, Ordering::Relaxed);
            killed(&outcome, 8);
            assert!(took < Duration::from_secs(5), "round {round}: {took:?}");
        });
        guest.reset();
    }
    assert_eq!(guest.run_i32("plain", &[]), 42);
}

#[test]
fn the_place_is_described() {
    let guest = setting();
    kill_during(&guest, "spin", Duration::from_millis(2), 5);
    let line = guest.describe();
    assert!(
        line.contains("killed") && line.contains("reason 5") && line.contains("spin"),
        "{line}"
    );
}

#[test]
fn a_guest_that_only_calls_out_is_stopped() {
    for name in ["chatter", "fill"] {
        let guest = setting();
        for round in 0..20 {
            kill_during(&guest, name, Duration::from_micros(100 + 37 * round), round);
            guest.reset();
        }
    }
}

#[test]
fn in_a_host_function_the_stop_waits_for_its_return() {
    let guest = setting();
    let victim = handle_of(guest.handle);
    let deferred = guest.region.stats().deferred;
    let outcome = std::thread::scope(|scope| {
        let desk = &guest.desk;
        scope.spawn(move || {
            while !desk.waiting.load(Ordering::Acquire) {
                std::thread::yield_now();
            }
            assert_eq!(kill(victim, 8), Answer::WhenHostReturns);
            assert_eq!(kill(victim, 8), Answer::WhenHostReturns);
            desk.go.store(true, Ordering::Release);
        });
        guest.run("wait", &[])
    });
    killed(&outcome, 8);
    assert_eq!(guest.region.stats().deferred - deferred, 2);
}

#[test]
fn a_nested_run_and_the_run_around_it_are_stopped() {
    let guest = setting();
    let victim = handle_of(guest.handle);
    // `keep` in the host function does not keep what was killed.
    for what in [1, 2] {
        let outcome = std::thread::scope(|scope| {
            scope.spawn(move || {
                std::thread::sleep(Duration::from_millis(3));
                assert_ne!(kill(handle_of_live(victim), 3), Answer::Finished);
            });
            guest.run("callback", &[i32(what)])
        });
        killed(&outcome, 3);
        let seen = guest.desk.status.load(Ordering::Relaxed);
        assert_eq!(
            seen,
            u64::from(LUCET_TERMINATED) << 32 | u64::from(LUCET_STOP_KILL)
        );
        instance::keep(guest.handle).expect("a stopped guest");
    }
    assert_eq!(guest.run_i32("plain", &[]), 42);
}

fn handle_of_live(handle: KillHandle) -> KillHandle {
    handle
}

#[test]
fn before_the_run_it_ends_the_next_entry() {
    let guest = setting();
    let func = guest.module.func(b"plain").expect("an export");
    for _ in 0..3 {
        assert_eq!(kill(handle_of(guest.handle), 4), Answer::NotRunning);
        killed(&guest.run("plain", &[]), 4);
        guest.reset();
        // The short way.
        assert_eq!(guest.run_i32("plain", &[]), 42);
        assert_eq!(kill(handle_of(guest.handle), 6), Answer::NotRunning);
        let mut outcome = instance::outcome::NOT_RUN;
        assert!(
            instance::short::call(guest.handle.0, func, &[], &mut outcome),
            "the short way"
        );
        killed(&outcome, 6);
        instance::keep(guest.handle).expect("a stopped guest");
        assert_eq!(guest.run_i32("plain", &[]), 42);
        guest.reset();
    }
}

#[test]
fn a_suspended_guest_ends_at_its_resume() {
    let guest = setting();
    guest.desk.suspending.store(true, Ordering::Relaxed);
    assert_eq!(guest.run("word", &[i32(1)]).kind, LUCET_SUSPENDED);
    assert_eq!(kill(handle_of(guest.handle), 4), Answer::NotRunning);
    killed(&resume(guest.handle, &[i32(1)]), 4);
    assert_eq!(guest.region.stats().waiting, 0);
}

#[test]
fn handles_of_the_past_do_nothing() {
    let guest = setting();
    let old = handle_of(guest.handle);
    guest.reset();
    assert_eq!(kill(old, 1), Answer::Finished);
    assert_eq!(guest.run_i32("plain", &[]), 42);
    let new = handle_of(guest.handle);
    assert_ne!(old, new);
    assert_eq!(kill(KillHandle::default(), 1), Answer::Finished);
    for (block, incarnation) in [(u64::MAX, 1), (1 << 40, 1), (7, u64::MAX), (1 << 20, 0)] {
        assert_eq!(kill(KillHandle { block, incarnation }, 1), Answer::Finished);
    }
    instance::release(guest.handle).expect("a release");
    assert_eq!(kill(new, 1), Answer::Finished);
    // The slot's next guest is not the one that was meant.
    let next = instance_of(&guest.region, &guest.module, &guest.desk);
    assert_eq!(kill(new, 1), Answer::Finished);
    let outcome = instance::run(next, b"plain", &[]).expect("a run");
    assert_eq!(outcome.kind, LUCET_RETURNED);
    instance::release(next).expect("a release");
}

#[test]
fn a_finished_guest_is_finished() {
    let guest = setting();
    let victim = handle_of(guest.handle);
    kill_during(&guest, "spin", Duration::from_millis(1), 1);
    assert_eq!(kill(victim, 2), Answer::Finished);
    instance::keep(guest.handle).expect("a stopped guest");
    assert_eq!(guest.run_i32("plain", &[]), 42);
}

/// The store-load litmus: a kill meets the guest's return from a host function. Were either side's look too early, the guest
/// would spin until the watchdog's kill.
#[test]
fn no_kill_is_lost_between_two_looks() {
    let guest = setting();
    let func = guest.module.func(b"chatter").expect("an export");
    let victim = AtomicU64::new(0);
    let over = AtomicBool::new(false);
    let slowest = std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut random = 88172645463325252u64;
            while !over.load(Ordering::Acquire) {
                let incarnation = victim.swap(0, Ordering::AcqRel);
                if incarnation == 0 {
                    std::hint::spin_loop();
                    continue;
                }
                random ^= random << 13;
                random ^= random >> 7;
                random ^= random << 17;
                for _ in 0..random % 3000 {
                    std::hint::spin_loop();
                }
                let block = handle_of(guest.handle).block;
                assert_ne!(kill(KillHandle { block, incarnation }, 1), Answer::Finished);
            }
        });
        let mut slowest = 0;
        for _ in 0..10_000 {
            victim.store(handle_of(guest.handle).incarnation, Ordering::Release);
            let begun = now();
            let outcome = instance::call(guest.handle, func, &[]).expect("a run");
            slowest = slowest.max(now() - begun);
            killed(&outcome, 1);
            guest.reset();
        }
        over.store(true, Ordering::Release);
        slowest
    });
    // Scheduling on a busy machine, but nobody else would have ended a guest whose kill was lost.
    assert!(slowest < 3_000_000_000, "{slowest} ns");
}

static ON_ALARM: AtomicU64 = AtomicU64::new(0);
static BLOCK: AtomicU64 = AtomicU64::new(0);

extern "C" fn on_alarm(_: libc::c_int) {
    let incarnation = ON_ALARM.load(Ordering::Acquire);
    let block = BLOCK.load(Ordering::Acquire);
    let answer = kill(KillHandle { block, incarnation }, 99);
    ON_ALARM.store(answer as u64, Ordering::Release);
}

/// A handler of the host's on top of the guest kills it: whoever looks at once sees the handler, not the guest.
#[test]
fn from_a_signal_handler_on_top_of_the_guest() {
    for flags in [0, libc::SA_ONSTACK] {
        // SAFETY: zeros are a valid action.
        let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
        let handler: extern "C" fn(libc::c_int) = on_alarm;
        action.sa_sigaction = handler as usize;
        action.sa_flags = flags;
        // SAFETY: a valid action.
        let failed = unsafe { libc::sigaction(libc::SIGUSR2, &action, std::ptr::null_mut()) };
        assert_eq!(failed, 0);
        let guest = setting();
        for _ in 0..20 {
            let victim = handle_of(guest.handle);
            BLOCK.store(victim.block, Ordering::Release);
            ON_ALARM.store(victim.incarnation, Ordering::Release);
            // SAFETY: no arguments.
            let thread = unsafe { libc::pthread_self() };
            let outcome = std::thread::scope(|scope| {
                scope.spawn(move || {
                    std::thread::sleep(Duration::from_millis(1));
                    // SAFETY: the thread waits for this one.
                    unsafe { libc::pthread_kill(thread, libc::SIGUSR2) };
                });
                guest.run("spin", &[])
            });
            killed(&outcome, 99);
            guest.reset();
        }
    }
}

/// Kills at random times, many threads at once; every guest ends, each in one of the allowed ways, and can be used again.
#[test]
fn random_kills_of_many_guests() {
    const THREADS: u64 = 4;
    let rounds: u64 =
        std::env::var("LUCET_SOAK").map_or(600, |text| text.parse().expect("a number"));
    let (region, module) = linked(GUEST, THREADS as u32);
    let desks: Vec<Desk> = (0..THREADS).map(|_| Desk::default()).collect();
    let handles: Vec<Handle> = desks
        .iter()
        .map(|desk| instance_of(&region, &module, desk))
        .collect();
    let victims: Vec<(AtomicU64, AtomicU64)> = handles.iter().map(|_| Default::default()).collect();
    let over = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for seed in 0..2u64 {
            let (victims, over) = (&victims, &over);
            scope.spawn(move || {
                let mut random = 88172645463325252u64 ^ (seed << 20);
                while over.load(Ordering::Acquire) < THREADS {
                    random ^= random << 13;
                    random ^= random >> 7;
                    random ^= random << 17;
                    let victim = &victims[(random % THREADS) as usize];
                    let block = victim.0.load(Ordering::Acquire);
                    let incarnation = victim.1.load(Ordering::Acquire);
                    kill(KillHandle { block, incarnation }, random);
                    for _ in 0..(random >> 20) % 500 {
                        std::hint::spin_loop();
                    }
                }
            });
        }
        for (number, handle) in handles.iter().enumerate() {
            let (victims, over, module) = (&victims, &over, &module);
            scope.spawn(move || {
                for round in 0..rounds {
                    let victim = handle_of(*handle);
                    victims[number].0.store(victim.block, Ordering::Release);
                    victims[number]
                        .1
                        .store(victim.incarnation, Ordering::Release);
                    let name: &[u8] = if round % 2 == 0 { b"spin" } else { b"chatter" };
                    let func = module.func(name).expect("an export");
                    let outcome = instance::call(*handle, func, &[]).expect("a run");
                    assert_eq!(
                        (outcome.kind, outcome.detail),
                        (LUCET_TERMINATED, LUCET_STOP_KILL)
                    );
                    instance::reset(*handle).expect("a reset");
                    let outcome = instance::run(*handle, b"plain", &[]).expect("a run");
                    // The kill may be late, never for another incarnation.
                    assert_eq!(outcome.kind, LUCET_RETURNED);
                }
                over.fetch_add(1, Ordering::AcqRel);
            });
        }
    });
    for handle in handles {
        instance::release(handle).expect("a release");
    }
}

#[test]
fn a_kill_comes_before_a_deadline() {
    let guest = setting();
    limit(
        guest.handle,
        Allowance {
            deadline: now() + 10_000_000_000,
            ..Allowance::default()
        },
    );
    assert_eq!(
        kill_during(&guest, "spin", Duration::from_millis(1), 1),
        Answer::Stopping
    );
}

#[test]
fn in_a_leaf_the_stop_waits_for_its_return() {
    // 3 * 5 - 3, called by the trampoline; (3 * 5 * 31 + 2 * 5) * 31 + 5, called by guest code.
    for (export, wanted) in [("leaf", 12), ("leaves", 14_730)] {
        dies_in_a_leaf(export, wanted);
    }
}

fn dies_in_a_leaf(export: &str, wanted: i32) {
    let guest = setting();
    let victim = handle_of(guest.handle);
    let deferred = guest.region.stats().deferred;
    guest.desk.victim[1].store(victim.incarnation, Ordering::Relaxed);
    guest.desk.victim[0].store(victim.block, Ordering::Relaxed);
    killed(&guest.run(export, &[i32(3)]), 6);
    let answer = guest.desk.status.load(Ordering::Relaxed);
    assert_eq!(answer, Answer::WhenHostReturns as u64);
    assert_eq!(guest.region.stats().deferred - deferred, 1);
    guest.reset();
    // The handle is of the incarnation before.
    assert_eq!(guest.run_i32(export, &[i32(3)]), wanted);
    let answer = guest.desk.status.load(Ordering::Relaxed);
    assert_eq!(answer, Answer::Finished as u64);
}

#[test]
fn a_preempted_guest_ends_at_its_resume() {
    let guest = setting();
    let slice = Allowance {
        slice: 1_000_000,
        ..Allowance::default()
    };
    limit(guest.handle, slice);
    assert_eq!(guest.run("spin", &[]).kind, LUCET_PREEMPTED);
    assert_eq!(kill(handle_of(guest.handle), 4), Answer::NotRunning);
    killed(&resume(guest.handle, &[]), 4);
    assert_eq!(kill(handle_of(guest.handle), 4), Answer::Finished);
}

/// A kill that comes while the slot is cleaned meets nobody, and is void with the next incarnation.
#[test]
fn a_slot_that_is_cleaned_is_not_running() {
    let guest = setting();
    let victim = handle_of(guest.handle);
    guest.run("nothing", &[]);
    let call = guest.desk.block.load(Ordering::Relaxed);
    // SAFETY: what host functions get is the control block, which lives for ever.
    let block = unsafe { &*call.cast::<ControlBlock>() };
    block.set_state(state::CLEANING);
    assert_eq!(kill(victim, 4), Answer::NotRunning);
    block.set_state(state::READY);
    guest.reset();
    assert_eq!(guest.run_i32("plain", &[]), 42);
    assert_eq!(kill(victim, 4), Answer::Finished);
}
