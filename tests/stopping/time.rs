//! Deadlines, CPU budgets and slices.

use crate::guests::{Setting, limit, resume, setting, setting_of, status, values};
use crate::support::{i32, i64};
use lucet::abi::{
    LUCET_PREEMPTED, LUCET_RETURNED, LUCET_STOP_CPU, LUCET_STOP_DEADLINE, LUCET_STOP_NESTED,
    LUCET_SUSPENDED, LUCET_TERMINATED, lucet_outcome,
};
use lucet::error::Status;
use lucet::instance::{self, global, memory, table};
use lucet::timing::{Allowance, MEASURE_ONLY, now};
use std::sync::atomic::Ordering;

const MS: u64 = 1_000_000;

fn terminated(outcome: &lucet_outcome, detail: u32) {
    assert_eq!((outcome.kind, outcome.detail), (LUCET_TERMINATED, detail));
}

fn deadline(guest: &Setting, after: u64) -> u64 {
    let deadline = now() + after;
    limit(
        guest.handle,
        Allowance {
            deadline,
            ..Allowance::default()
        },
    );
    deadline
}

#[test]
fn a_deadline_ends_what_spins_and_not_before() {
    let guest = setting();
    for (name, arguments) in [
        ("spin", vec![]),
        ("chatter", vec![]),
        ("fill", vec![]),
        ("callback", vec![i32(1)]),
    ] {
        for after in [MS / 2, 2 * MS, 5 * MS] {
            let at = deadline(&guest, after);
            let outcome = guest.run(name, &arguments);
            let late = now().checked_sub(at);
            terminated(&outcome, LUCET_STOP_DEADLINE);
            assert!(
                late.is_some_and(|late| late < 1000 * MS),
                "{name}: {late:?}"
            );
            assert!(
                guest.describe().contains("deadline"),
                "{}",
                guest.describe()
            );
            guest.reset();
        }
    }
    deadline(&guest, 0);
    terminated(&guest.run("plain", &[]), LUCET_STOP_DEADLINE);
    guest.reset();
    deadline(&guest, 1000 * MS);
    assert_eq!(guest.run_i32("plain", &[]), 42);
}

#[test]
fn a_start_function_that_spins_is_stopped() {
    let guest =
        setting_of("(module (func $s (loop $l (br $l))) (start $s) (func (export \"plain\")))");
    for _ in 0..3 {
        deadline(&guest, MS);
        terminated(&guest.run("plain", &[]), LUCET_STOP_DEADLINE);
        guest.reset();
        // Over before it has begun: not instantiated by that.
        deadline(&guest, 0);
        terminated(&guest.run("plain", &[]), LUCET_STOP_DEADLINE);
        instance::keep(guest.handle).expect("a stopped guest");
        deadline(&guest, MS);
        terminated(&guest.run("plain", &[]), LUCET_STOP_DEADLINE);
        guest.reset();
    }
}

fn thread_cpu() -> u64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: writes a timespec.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// From the smallest one that C hosts can ask for. Other programs may take their time while the guest is stopped, so the best of some runs counts.
#[test]
fn a_cpu_budget_is_used_up_and_hardly_exceeded() {
    let guest = setting();
    for cpu in [MS / 5, MS / 2, MS, 2 * MS, 4 * MS, 20 * MS] {
        let time = Allowance {
            cpu,
            ..Allowance::default()
        };
        limit(guest.handle, time);
        let least = (0..8).map(|_| {
            let begun = thread_cpu();
            let outcome = guest.run("spin", &[]);
            let used = thread_cpu() - begun;
            terminated(&outcome, LUCET_STOP_CPU);
            assert!(used >= cpu, "{used} of {cpu}");
            assert!(outcome.cpu_ns <= used, "{} of {used}", outcome.cpu_ns);
            guest.reset();
            used
        });
        let least = least.min().expect("some runs");
        assert!(least <= cpu + cpu / 8, "{least} of {cpu}");
    }
}

#[test]
fn a_cpu_budget_is_for_all_entries_together() {
    let guest = setting();
    let cpu = 10 * MS;
    limit(
        guest.handle,
        Allowance {
            cpu,
            ..Allowance::default()
        },
    );
    let begun = thread_cpu();
    let outcome = loop {
        let outcome = guest.run("work", &[i32(20_000)]);
        if outcome.kind != LUCET_RETURNED {
            break outcome;
        }
        assert!(thread_cpu() - begun < 5 * cpu);
    };
    let used = thread_cpu() - begun;
    terminated(&outcome, LUCET_STOP_CPU);
    assert!(
        used >= cpu && used <= cpu + cpu / 8 + 2 * MS,
        "{used} of {cpu}"
    );
    assert!(outcome.cpu_ns >= cpu * 9 / 10, "{}", outcome.cpu_ns);
    // Used up is used up, until a reset.
    instance::keep(guest.handle).expect("a stopped guest");
    terminated(&guest.run("plain", &[]), LUCET_STOP_CPU);
    guest.reset();
    assert_eq!(guest.run_i32("plain", &[]), 42);
}

/// How much work takes at least so much processor time on this machine, `rounds` or more, and its results.
fn work_of(guest: &Setting, mut rounds: i32, time: u64) -> (i32, Vec<u128>) {
    loop {
        let begun = thread_cpu();
        let results = values(&guest.run("work", &[i32(rounds)]));
        if thread_cpu() - begun >= time {
            return (rounds, results);
        }
        rounds *= 2;
        guest.reset();
    }
}

/// Runs to the end through slices, on this thread and others in turn.
fn through_slices(
    guest: &Setting,
    name: &str,
    arguments: &[lucet::abi::lucet_value],
    threads: bool,
) -> (Vec<u128>, u32) {
    let mut outcome = guest.run(name, arguments);
    let mut slices = 0;
    let handle = guest.handle;
    loop {
        match outcome.kind {
            LUCET_RETURNED => return (values(&outcome), slices),
            LUCET_PREEMPTED => slices += 1,
            kind => panic!("outcome {kind}: {}", guest.describe()),
        }
        if threads && slices % 2 == 1 {
            let done = std::thread::spawn(move || {
                let outcome = resume(handle, &[]);
                let values = if outcome.kind == LUCET_RETURNED {
                    values(&outcome)
                } else {
                    vec![]
                };
                (outcome.kind, values)
            });
            let (kind, values) = done.join().expect("the other thread");
            match kind {
                LUCET_RETURNED => return (values, slices),
                LUCET_PREEMPTED => slices += 1,
                kind => panic!("outcome {kind}"),
            }
        }
        outcome = resume(handle, &[]);
    }
}

/// The slice is over before the guest runs, or just then, on every step of the way in.
#[test]
fn a_slice_that_ends_on_the_way_in() {
    let guest = setting();
    for slice in (1..12_000).step_by(23) {
        limit(
            guest.handle,
            Allowance {
                slice,
                ..Allowance::default()
            },
        );
        let outcome = guest.run("spin", &[]);
        assert_eq!(outcome.kind, LUCET_PREEMPTED, "{slice} ns");
        guest.reset();
    }
}

/// The timer of the thread's own time is set for a slice of hours, of a run that ends at once; the next slice needs it in milliseconds.
#[test]
fn a_short_slice_after_a_long_one() {
    let guest = setting();
    for (name, slice, wanted) in [
        ("plain", 3_600_000 * MS, LUCET_RETURNED),
        ("spin", 10 * MS, LUCET_PREEMPTED),
        ("plain", 3_600_000 * MS, LUCET_RETURNED),
        ("spin", 20 * MS, LUCET_PREEMPTED),
    ] {
        guest.reset();
        let allowed = Allowance {
            slice,
            deadline: now() + 10_000 * MS,
            ..Allowance::default()
        };
        limit(guest.handle, allowed);
        assert_eq!(guest.run(name, &[]).kind, wanted, "{name}, {slice} ns");
    }
}

#[test]
fn slices_change_nothing_of_the_result() {
    let guest = setting();
    let (rounds, wanted) = work_of(&guest, 1_500_000, 6 * MS);
    let bytes = memory::view(guest.handle, 0, 0, 65536).expect("memory");
    // SAFETY: a page of the guest's memory.
    let after = unsafe { std::slice::from_raw_parts(bytes, 65536) }.to_vec();
    let talked = values(&guest.run("talk", &[i32(200_000)]));
    for (slice, threads) in [(MS / 2, false), (MS, true)] {
        guest.reset();
        limit(
            guest.handle,
            Allowance {
                slice,
                ..Allowance::default()
            },
        );
        let (got, slices) = through_slices(&guest, "work", &[i32(rounds)], threads);
        assert_eq!(got, wanted);
        assert!(slices >= 2, "{slices}");
        // SAFETY: as above.
        assert!(unsafe { std::slice::from_raw_parts(bytes, 65536) } == after);
        let (got, _) = through_slices(&guest, "talk", &[i32(200_000)], threads);
        assert_eq!(got, talked);
        let stats = instance::stats(guest.handle).expect("statistics");
        assert!(stats.slices >= u64::from(slices));
    }
}

#[test]
fn while_preempted_memory_can_be_read_and_nothing_written() {
    let guest = setting();
    limit(
        guest.handle,
        Allowance {
            slice: MS,
            ..Allowance::default()
        },
    );
    assert_eq!(guest.run("spin", &[]).kind, LUCET_PREEMPTED);
    let handle = guest.handle;
    assert_eq!(guest.region.stats().waiting, 1);
    assert!(memory::view(handle, 0, 0, 10).is_ok());
    let bad = |result: Result<(), lucet::error::Error>| {
        assert_eq!(result.expect_err("refused").status, Status::BadState);
    };
    bad(memory::view_mut(handle, 0, 0, 10).map(|_| ()));
    bad(memory::grow(handle, 0, 1).map(|_| ()));
    bad(global::get(handle, b"g").map(|_| ()));
    bad(global::set(handle, b"g", &i32(1)));
    bad(table::size(handle, b"table").map(|_| ()));
    // SAFETY: no byte is copied.
    bad(unsafe { memory::write(handle, 0, 0, [1u8].as_ptr(), 1) });
    assert_eq!(
        status(instance::run(handle, b"plain", &[])),
        Status::BadState
    );
    assert_eq!(
        status(instance::resume(handle, &[i64(1)])),
        Status::TypeMismatch
    );
    assert!(
        guest.describe().contains("preempted"),
        "{}",
        guest.describe()
    );
    // The deadline counts while it waits.
    limit(
        handle,
        Allowance {
            slice: MS,
            deadline: now(),
            ..Allowance::default()
        },
    );
    terminated(&resume(handle, &[]), LUCET_STOP_DEADLINE);
    assert_eq!(guest.region.stats().waiting, 0);
    guest.reset();
    limit(
        handle,
        Allowance {
            slice: MS,
            ..Allowance::default()
        },
    );
    assert_eq!(guest.run("spin", &[]).kind, LUCET_PREEMPTED);
    guest.reset();
    assert_eq!(guest.run_i32("plain", &[]), 42);
}

#[test]
fn a_nested_run_is_ended_when_it_outlasts_its_limit() {
    let guest = setting();
    for (nested, longest) in [(0, 400 * MS), (20 * MS, 400 * MS)] {
        limit(
            guest.handle,
            Allowance {
                slice: 2 * MS,
                nested,
                ..Allowance::default()
            },
        );
        let begun = now();
        let outcome = guest.run("callback", &[i32(1)]);
        let took = now() - begun;
        terminated(&outcome, LUCET_STOP_NESTED);
        let least = if nested == 0 { 4 * MS } else { 22 * MS };
        assert!(took >= least && took < longest, "{took}");
        guest.reset();
    }
    // Kept, the outer guest goes on, and has had its slice.
    limit(
        guest.handle,
        Allowance {
            slice: 2 * MS,
            ..Allowance::default()
        },
    );
    let outcome = guest.run("callback", &[i32(2)]);
    let seen = guest.desk.status.load(Ordering::Relaxed);
    assert_eq!(
        seen,
        u64::from(LUCET_TERMINATED) << 32 | u64::from(LUCET_STOP_NESTED)
    );
    assert_eq!(outcome.kind, LUCET_PREEMPTED);
    assert_eq!(values(&resume(guest.handle, &[])), [7]);
}

#[test]
fn limits_that_make_no_sense_are_refused() {
    let guest = setting();
    let limits = lucet::instance::Limits {
        time: Allowance {
            nested: MS,
            ..Allowance::default()
        },
        ..Default::default()
    };
    let refused = instance::set_limits(guest.handle, limits).expect_err("no slice");
    assert_eq!(refused.status, Status::BadArgument);
}

/// A run that begins when the timer of an earlier one is still set costs no system call, and an early timer does no harm.
#[test]
fn a_later_deadline_is_kept_although_the_timer_is_set_for_an_earlier_one() {
    let guest = setting();
    deadline(&guest, 3 * MS);
    assert_eq!(guest.run_i32("plain", &[]), 42);
    let at = deadline(&guest, 12 * MS);
    let outcome = guest.run("spin", &[]);
    terminated(&outcome, LUCET_STOP_DEADLINE);
    assert!(now() >= at);
}

/// Long slices are looked at by another timer, at the kernel's ticks: not before their end, and by the same thread or others.
#[test]
fn long_slices_end_at_a_tick_after_their_time() {
    let guest = setting();
    let (rounds, wanted) = work_of(&guest, 12_000_000, 60 * MS);
    guest.reset();
    let time = Allowance {
        slice: 10 * MS,
        ..Allowance::default()
    };
    limit(guest.handle, time);
    let begun = now();
    let (got, slices) = through_slices(&guest, "work", &[i32(rounds)], true);
    assert_eq!(got, wanted);
    let took = now() - begun;
    assert!(slices >= 2, "{slices} in {took}");
    assert!(took >= u64::from(slices) * 10 * MS, "{slices} in {took}");
    // A guest that calls out all the time, and one whose slice ends in a callback.
    assert_eq!(guest.run("chatter", &[]).kind, LUCET_PREEMPTED);
    guest.reset();
    let outcome = guest.run("callback", &[i32(1)]);
    terminated(&outcome, LUCET_STOP_NESTED);
    guest.reset();
    // Short slices afterwards, and none.
    limit(
        guest.handle,
        Allowance {
            slice: MS,
            ..Allowance::default()
        },
    );
    assert_eq!(guest.run("spin", &[]).kind, LUCET_PREEMPTED);
    guest.reset();
    limit(guest.handle, Allowance::default());
    assert_eq!(values(&guest.run("work", &[i32(rounds)])), wanted);
}

#[test]
fn processor_time_can_be_measured_without_a_limit() {
    let guest = setting();
    let time = Allowance {
        cpu: MEASURE_ONLY,
        ..Allowance::default()
    };
    limit(guest.handle, time);
    let begun = thread_cpu();
    let first = guest.run("work", &[i32(300_000)]).cpu_ns;
    let outcome = guest.run("work", &[i32(300_000)]);
    let used = thread_cpu() - begun;
    assert_eq!(outcome.kind, LUCET_RETURNED);
    assert!(
        first > 0 && outcome.cpu_ns > first,
        "{first} {}",
        outcome.cpu_ns
    );
    assert!(outcome.cpu_ns <= used, "{} of {used}", outcome.cpu_ns);
    assert!(outcome.cpu_ns >= used / 2, "{} of {used}", outcome.cpu_ns);
    guest.reset();
    assert_eq!(instance::stats(guest.handle).expect("statistics").cpu_ns, 0);
}

/// Calls by handle and typed entries have a short way for guests with a deadline and no other limit.
#[test]
fn the_short_way_keeps_a_deadline() {
    let guest = setting();
    let by_name = |name: &[u8]| guest.module.func(name).expect("an export");
    let short = |name: &[u8], arguments: &[lucet::abi::lucet_value]| {
        let mut outcome = instance::outcome::NOT_RUN;
        let done = instance::short::call(guest.handle.0, by_name(name), arguments, &mut outcome);
        assert!(done, "the short way");
        outcome
    };
    // Prepares the thread.
    assert_eq!(guest.run_i32("plain", &[]), 42);
    for round in 0..20 {
        deadline(&guest, 3_600_000 * MS);
        assert_eq!(values(&short(b"plain", &[])), [42]);
        assert_eq!(values(&short(b"word", &[i32(2)])), [2006]);
        // Suspended, resumed, and short again.
        guest.desk.suspending.store(true, Ordering::Relaxed);
        assert_eq!(short(b"word", &[i32(2)]).kind, LUCET_SUSPENDED);
        guest.desk.suspending.store(false, Ordering::Relaxed);
        assert_eq!(values(&resume(guest.handle, &[i32(1)])), [2001]);
        assert_eq!(values(&short(b"plain", &[])), [42]);
        // A trap in between, kept.
        let at = deadline(&guest, MS + round * MS / 10);
        terminated(&short(b"spin", &[]), LUCET_STOP_DEADLINE);
        assert!(now() >= at);
        instance::keep(guest.handle).expect("a stopped guest");
        // Over before it begins.
        deadline(&guest, 0);
        terminated(&short(b"plain", &[]), LUCET_STOP_DEADLINE);
        instance::keep(guest.handle).expect("a stopped guest");
        // Another limit closes the way.
        let time = Allowance {
            deadline: now() + 1000 * MS,
            slice: 500 * MS,
            ..Allowance::default()
        };
        limit(guest.handle, time);
        let mut outcome = instance::outcome::NOT_RUN;
        let func = by_name(b"plain");
        assert!(!instance::short::call(
            guest.handle.0,
            func,
            &[],
            &mut outcome
        ));
        limit(guest.handle, Allowance::default());
        assert_eq!(values(&short(b"plain", &[])), [42]);
        guest.reset();
    }
}
