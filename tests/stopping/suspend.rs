//! Suspending in host functions and resuming, on this and other threads.

use crate::guests::{
    Desk, GUEST, Setting, instance_of, limit, linked, resume, setting, setting_of, status, values,
};
use crate::support::{i32, i64};
use lucet::abi::{
    LUCET_RETURNED, LUCET_STOP_DEADLINE, LUCET_SUSPENDED, LUCET_TERMINATED, lucet_value,
};
use lucet::error::Status;
use lucet::instance::{self, Handle, global, memory};
use lucet::timing::{Allowance, now};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::channel;

fn suspending() -> Setting {
    let setting = setting();
    setting.desk.suspending.store(true, Ordering::Relaxed);
    setting
}

fn f64(value: f64) -> lucet_value {
    lucet_value::from_bits(4, u128::from(value.to_bits()))
}

#[test]
fn the_import_returns_what_resume_says() {
    let guest = suspending();
    for round in 0..3 {
        let outcome = guest.run("word", &[i32(round)]);
        assert_eq!(
            (outcome.kind, outcome.token),
            (LUCET_SUSPENDED, round as u64)
        );
        assert!(outcome.values.is_null());
        let outcome = resume(guest.handle, &[i32(70 + round)]);
        assert_eq!(
            values(&outcome),
            [1000 * round as u128 + 70 + round as u128]
        );
        let outcome = guest.run("double", &[f64(1.0)]);
        assert_eq!((outcome.kind, outcome.token), (LUCET_SUSPENDED, 2));
        let outcome = resume(guest.handle, &[f64(2.25)]);
        assert_eq!(values(&outcome), [u128::from(2.75f64.to_bits())]);
        assert_eq!(guest.run("nothing", &[]).kind, LUCET_SUSPENDED);
        assert_eq!(values(&resume(guest.handle, &[])), []);
    }
    let stats = instance::stats(guest.handle).expect("statistics");
    assert_eq!(
        (stats.entries, stats.suspensions, stats.host_calls),
        (9, 9, 9)
    );
    // Leaves are counted as well, whether or not they are called the short way.
    assert_eq!(guest.run_i32("leaf", &[i32(3)]), 12);
    let stats = instance::stats(guest.handle).expect("statistics");
    assert_eq!((stats.entries, stats.host_calls), (10, 10));
}

#[test]
fn several_results_go_where_the_guest_wants_them() {
    let guest = suspending();
    assert_eq!(guest.run("pair", &[i32(1)]).kind, LUCET_SUSPENDED);
    let outcome = resume(guest.handle, &[i32(-5), i64(1 << 50)]);
    assert_eq!(values(&outcome), [1 << 50, u128::from(-5i32 as u32)]);
}

#[test]
fn registers_that_a_call_keeps_are_kept() {
    let guest = suspending();
    let arguments = [i32(3), i64(1 << 40), i32(500), i64(-77), f64(0.125)];
    assert_eq!(guest.run("many", &arguments).kind, LUCET_SUSPENDED);
    let handle = guest.handle;
    // Another thread, whose registers are others, after this one has used its own.
    let bits = std::thread::spawn(move || values(&resume(handle, &[i32(1)])))
        .join()
        .expect("the other thread");
    let wanted = ((3i64 << 40) + (-77 - (1i64 << 40)) + 1 + 500 - 3) as f64 + 0.125;
    assert_eq!(bits, [u128::from(wanted.to_bits())]);
}

#[test]
fn wrong_results_change_nothing() {
    let guest = suspending();
    assert_eq!(guest.run("word", &[i32(1)]).kind, LUCET_SUSPENDED);
    for wrong in [&[][..], &[i64(1)], &[i32(1), i32(1)]] {
        assert_eq!(
            status(instance::resume(guest.handle, wrong)),
            Status::TypeMismatch
        );
    }
    assert_eq!(values(&resume(guest.handle, &[i32(1)])), [1001]);
    assert_eq!(
        status(instance::resume(guest.handle, &[i32(1)])),
        Status::BadState
    );
}

#[test]
fn a_suspended_instance_cannot_be_entered_but_used() {
    let guest = suspending();
    assert_eq!(guest.run("word", &[i32(1)]).kind, LUCET_SUSPENDED);
    assert_eq!(
        status(instance::run(guest.handle, b"plain", &[])),
        Status::BadState
    );
    assert_eq!(status(instance::start(guest.handle)), Status::BadState);
    assert!(memory::view_mut(guest.handle, 0, 0, 8).is_ok());
    assert!(global::set(guest.handle, b"g", &i32(1)).is_ok());
    assert_eq!(guest.region.stats().waiting, 1);
    guest.reset();
    assert_eq!(guest.region.stats().waiting, 0);
    assert_eq!(
        status(instance::resume(guest.handle, &[i32(1)])),
        Status::BadState
    );
    assert_eq!(guest.run_i32("plain", &[]), 42);
}

#[test]
fn callbacks_cannot_be_suspended_their_callers_can() {
    let guest = suspending();
    let outcome = guest.run("callback", &[i32(0)]);
    assert_eq!((outcome.kind, outcome.token), (LUCET_SUSPENDED, 20));
    // 5 * 1000 + 5 * 3 was the callback's result: its own suspension was refused.
    assert_eq!(values(&resume(guest.handle, &[i32(11)])), [11]);
}

#[test]
fn thousands_wait_at_once_and_go_on_in_any_order() {
    const COUNT: usize = 3000;
    let (region, module) = linked(GUEST, COUNT as u32);
    let desk = Desk::default();
    desk.suspending.store(true, Ordering::Relaxed);
    let handles: Vec<Handle> = (0..COUNT)
        .map(|_| instance_of(&region, &module, &desk))
        .collect();
    for (index, handle) in handles.iter().enumerate() {
        let outcome = instance::run(*handle, b"word", &[i32(index as i32)]).expect("a run");
        assert_eq!(
            (outcome.kind, outcome.token),
            (LUCET_SUSPENDED, index as u64)
        );
    }
    assert_eq!(region.stats().waiting, COUNT as u64);
    let (even, odd): (Vec<usize>, Vec<usize>) = (0..COUNT).rev().partition(|index| index % 2 == 0);
    std::thread::scope(|scope| {
        for half in [even, odd] {
            let handles = &handles;
            scope.spawn(move || {
                for index in half {
                    if index % 7 == 0 {
                        instance::release(handles[index]).expect("a release");
                    } else {
                        let outcome = resume(handles[index], &[i32(1)]);
                        assert_eq!(values(&outcome), [index as u128 * 1000 + 1]);
                    }
                }
            });
        }
    });
    assert_eq!(region.stats().waiting, 0);
    for (index, handle) in handles.iter().enumerate() {
        let released = instance::release(*handle);
        assert_eq!(released.is_err(), index % 7 == 0);
    }
}

/// A resume on another thread as soon as it knows of the suspension: before the run has returned it is a status.
#[test]
fn a_resume_that_overtakes_the_return_is_a_status() {
    let guest = suspending();
    let (send, receive) = channel::<Handle>();
    // Resumes that came too early.
    let early = AtomicU32::new(0);
    std::thread::scope(|scope| {
        let early = &early;
        scope.spawn(move || {
            for handle in receive {
                loop {
                    match instance::resume(handle, &[i32(1)]) {
                        Ok(outcome) => break assert_eq!(outcome.kind, LUCET_RETURNED),
                        Err(failure) => {
                            // Running, or not yet entered.
                            assert!(matches!(failure.status, Status::Running | Status::BadState));
                            early.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                }
            }
        });
        for round in 0..300 {
            // Told before the run, so that the other thread tries all the time.
            let before = early.load(Ordering::Relaxed);
            send.send(guest.handle).expect("the other thread");
            while early.load(Ordering::Relaxed) == before {
                std::thread::yield_now();
            }
            let outcome = loop {
                match instance::run(guest.handle, b"word", &[i32(round)]) {
                    Ok(outcome) => break outcome,
                    // The resumed run goes on in the other thread.
                    Err(failure) => assert_eq!(failure.status, Status::Running),
                }
            };
            assert_eq!(
                (outcome.kind, outcome.token),
                (LUCET_SUSPENDED, round as u64)
            );
            while guest.region.stats().waiting != 0 || !is_idle(guest.handle) {
                std::hint::spin_loop();
            }
        }
        drop(send);
    });
    assert!(early.into_inner() >= 300);
}

fn is_idle(handle: Handle) -> bool {
    instance::set_limits(handle, lucet::instance::Limits::default()).is_ok()
}

#[test]
fn an_expired_deadline_shows_at_resume() {
    let guest = suspending();
    limit(
        guest.handle,
        Allowance {
            deadline: now() + 3_000_000,
            ..Allowance::default()
        },
    );
    assert_eq!(guest.run("word", &[i32(1)]).kind, LUCET_SUSPENDED);
    std::thread::sleep(std::time::Duration::from_millis(5));
    let outcome = resume(guest.handle, &[i32(1)]);
    assert_eq!(
        (outcome.kind, outcome.detail),
        (LUCET_TERMINATED, LUCET_STOP_DEADLINE)
    );
    guest.reset();
    limit(guest.handle, Allowance::default());
    assert_eq!(guest.run_i32("plain", &[]), 42);
}

/// The start function waits, and what was to be entered waits with it.
#[test]
fn a_start_function_that_waits() {
    const START: &str = r#"(module
      (import "env" "word" (func $word (param i32) (result i32)))
      (global $g (mut i32) (i32.const 0))
      (func $start (global.set $g (call $word (i32.const 9))))
      (start $start)
      (func (export "sum") (param i32) (result i32) (i32.add (local.get 0) (global.get $g))))"#;
    let guest = setting_of(START);
    guest.desk.suspending.store(true, Ordering::Relaxed);
    for _ in 0..2 {
        let outcome = guest.run("sum", &[i32(100)]);
        assert_eq!((outcome.kind, outcome.token), (LUCET_SUSPENDED, 9));
        assert_eq!(values(&resume(guest.handle, &[i32(23)])), [123]);
        assert_eq!(guest.run_i32("sum", &[i32(1)]), 24);
        guest.reset();
        assert_eq!(
            instance::start(guest.handle).expect("a start").kind,
            LUCET_SUSPENDED
        );
        assert_eq!(values(&resume(guest.handle, &[i32(1)])), []);
        assert_eq!(guest.run_i32("sum", &[i32(1)]), 2);
        guest.reset();
    }
}

/// A typed entry, which takes the short way, is suspended like any other; its results come with the resume.
#[test]
fn a_typed_entry_that_is_suspended() {
    let guest = suspending();
    let address = guest.module.entry(b"word", 0x11).expect("an entry");
    type Word = unsafe extern "C" fn(u64, *mut i32, i32) -> u32;
    // SAFETY: the entry was looked up with these types.
    let word = unsafe { std::mem::transmute::<usize, Word>(address) };
    let address = guest.module.entry(b"double", 0x44).expect("an entry");
    type Double = unsafe extern "C" fn(u64, *mut f64, f64) -> u32;
    // SAFETY: as above.
    let double = unsafe { std::mem::transmute::<usize, Double>(address) };
    for round in 0..4 {
        let (mut result, mut float) = (-1, -1.0);
        // SAFETY: a live instance and room for the result.
        let kind = unsafe { word(guest.handle.0, &mut result, round) };
        assert_eq!((kind, result), (LUCET_SUSPENDED, -1));
        let wanted = 1000 * round as u128 + 5;
        assert_eq!(values(&resume(guest.handle, &[i32(5)])), [wanted]);
        // SAFETY: as above.
        let kind = unsafe { double(guest.handle.0, &mut float, 1.0) };
        assert_eq!((kind, float), (LUCET_SUSPENDED, -1.0));
        let outcome = resume(guest.handle, &[f64(8.0)]);
        assert_eq!(values(&outcome), [u128::from(8.5f64.to_bits())]);
    }
}

/// Calls by handle go through the typed stub where they can; token and results are those of other calls.
#[test]
fn a_call_by_handle_that_is_suspended() {
    let guest = suspending();
    let func = guest.module.func(b"word").expect("an export");
    for (round, slice) in [(1, 0), (2, 1_000_000_000), (3, 0)] {
        limit(
            guest.handle,
            Allowance {
                slice,
                ..Allowance::default()
            },
        );
        let mut outcome = instance::outcome::NOT_RUN;
        let arguments = [i32(round)];
        if !instance::short::call(guest.handle.0, func, &arguments, &mut outcome) {
            outcome = instance::call(guest.handle, func, &arguments).expect("a call");
        }
        assert_eq!(
            (outcome.kind, outcome.token),
            (LUCET_SUSPENDED, round as u64)
        );
        let wanted = 1000 * round as u128 + 5;
        assert_eq!(values(&resume(guest.handle, &[i32(5)])), [wanted]);
    }
}
