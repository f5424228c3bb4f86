//! Stops at every instruction, see [`crate::stepper`]: in guest code, in trampolines, and in the library on the way in and out.
//!
//! With LUCET_SOAK in the environment slices end a million times, and kills come at each instruction instead of some.

use crate::guests::{GUEST, GUEST_OF_TEXT, GUEST_OF_WORDS, Setting, limit, resume, values};
use crate::stepper::{self, GENERAL, Stepping, aim, alone, begin, begin_in_guest, dirty, prepared};
use crate::support::i32;
use crate::visited::{self, Visited};
use lucet::abi::{
    LUCET_PREEMPTED, LUCET_RETURNED, LUCET_STOP_CPU, LUCET_STOP_DEADLINE, LUCET_STOP_KILL,
    LUCET_SUSPENDED, LUCET_TERMINATED, LUCET_TRAPPED, lucet_outcome,
};
use lucet::capi::run::lucet_instance_call;
use lucet::capi::status::LUCET_OK;
use lucet::instance;
use lucet::timing::{Allowance, now};
use std::sync::atomic::Ordering;

/// A slice ends after at most so many steps.
const STEPS: u64 = 13;

/// One resume in so many is stepped from its start: in the trampoline that restores registers, an end that comes is lost, since the guest
/// has made no headway.
const FROM_THE_START: u64 = 256;

/// Runs an export with slices that end after few instructions; `word` gets its result when it suspends, if it does. Answers how many there were, and what it returned.
fn sliced(guest: &Setting, name: &str, argument: i32, round: u64) -> (u64, Vec<u128>) {
    guest.reset();
    aim(guest);
    begin(Stepping::PreemptAtNew, round % STEPS);
    let outcome = instance::run(guest.handle, name.as_bytes(), &[i32(argument)]);
    stepper::end();
    let mut outcome = outcome.expect("a run");
    let mut slices = 0;
    while outcome.kind != LUCET_RETURNED {
        // With steps to a number that is prime to the length of most loops, ends come everywhere.
        let at = (slices * 5 + round) % STEPS;
        let word = [i32(3 * outcome.token as i32)];
        let results = &word[..usize::from(outcome.kind == LUCET_SUSPENDED)];
        if results.is_empty() && slices % FROM_THE_START != 0 {
            begin_in_guest(Stepping::PreemptAtNew, at);
        } else {
            begin(Stepping::PreemptAtNew, at);
        }
        outcome = resume(guest.handle, results);
        stepper::end();
        slices += u64::from(results.is_empty());
    }
    (slices, values(&outcome))
}

#[test]
fn a_slice_may_end_at_every_instruction() {
    let _one = alone();
    visited::forget_passed();
    let soaking = std::env::var_os("LUCET_SOAK").is_some();
    let (rounds, more) = if soaking { (40, 95) } else { (3, 2) };
    // Of few instructions a round: small functions are inlined. Steps in host functions take longer, so they have fewer.
    let cases: [(&str, &[(&str, i32)]); 3] = [
        (
            GUEST,
            &[
                ("work", 40 * more),
                ("vectors", 30 * more),
                ("rows", 8 + more),
                ("talk", 6),
                ("pair", 3),
                ("throw", 3),
                ("word", 1),
                ("leaf", 9),
            ],
        ),
        (GUEST_OF_WORDS, &[("work", 20 * more), ("word", 3)]),
        (
            GUEST_OF_TEXT,
            &[
                ("tell", 0),
                ("tell", 3),
                ("tell", 6),
                ("tell", 20),
                ("wide", 2),
                ("wide", 5),
                ("wide", 9),
            ],
        ),
    ];
    let mut slices = 0;
    for (text, exports) in cases {
        let guest = prepared(text);
        for (name, argument) in exports {
            guest.reset();
            let wanted = values(&guest.run(name, &[i32(*argument)]));
            let before = slices;
            for round in 0..rounds {
                let suspends = *name == "word" && round > 0;
                guest.desk.suspending.store(suspends, Ordering::Relaxed);
                let (some, result) = sliced(&guest, name, *argument, round);
                assert_eq!(result, wanted, "{name}, round {round}");
                slices += some;
            }
            guest.desk.suspending.store(false, Ordering::Relaxed);
            assert!(slices - before > 5 * rounds, "{name}: {slices}");
        }
    }
    visited::report();
    let (missed, executed) = visited::missed();
    let of = |places: &Visited| (places.guests, places.trampolines, places.library);
    assert_eq!(of(&missed), (0, 0, 0), "of {:?}", of(&executed));
    // Loops, calls out and in, texts of all lengths, the way back into a guest.
    assert!(
        executed.guests > 450 && executed.trampolines > 100,
        "{:?}",
        of(&executed)
    );
    assert!(slices > if soaking { 1_000_000 } else { 2_500 }, "{slices}");
}

/// A host function suspends its guest, and the slice ends somewhere on the way there and back: neither is forgotten.
#[test]
fn a_slice_may_end_at_every_instruction_of_a_suspension() {
    let _one = alone();
    for text in [GUEST, GUEST_OF_WORDS] {
        let guest = prepared(text);
        let wanted = values(&guest.run("word", &[i32(5)]));
        guest.desk.suspending.store(true, Ordering::Relaxed);
        let mut slices = 0;
        for at in 0.. {
            guest.reset();
            aim(&guest);
            begin(Stepping::Preempt, at);
            let outcome = instance::run(guest.handle, b"word", &[i32(5)]);
            let reached = stepper::end();
            let mut outcome = outcome.expect("a run");
            let mut suspensions = 0;
            while outcome.kind != LUCET_RETURNED {
                let suspended = outcome.kind == LUCET_SUSPENDED;
                slices += u32::from(!suspended);
                suspensions += u32::from(suspended);
                outcome = resume(guest.handle, &[i32(15)][..usize::from(suspended)]);
            }
            assert_eq!(
                (suspensions, values(&outcome)),
                (1, wanted.clone()),
                "step {at}"
            );
            if !reached {
                break;
            }
        }
        assert!(slices > 20, "{slices}");
    }
}

/// Kills at each step of what `act` does, after `prepare`; or, without LUCET_SOAK, at one in `stride`. Answers how many came too late
/// for the run.
fn kill_at_each_step(
    text: &str,
    stride: usize,
    prepare: impl Fn(&Setting),
    act: impl Fn(&Setting) -> lucet_outcome,
) -> u32 {
    kill_at_each_step_until(text, LUCET_RETURNED, stride, prepare, act)
}

/// The same, where the run ends in another way by itself.
fn kill_at_each_step_until(
    text: &str,
    end: u32,
    stride: usize,
    prepare: impl Fn(&Setting),
    act: impl Fn(&Setting) -> lucet_outcome,
) -> u32 {
    let _one = alone();
    let guest = prepared(text);
    let (mut ended, mut returned) = (0, 0);
    let stride = std::env::var_os("LUCET_SOAK").map_or(stride, |_| 1);
    for at in (0..).step_by(stride) {
        guest.reset();
        prepare(&guest);
        aim(&guest);
        begin(Stepping::Kill, at);
        let outcome = act(&guest);
        if !stepper::end() {
            // It has fewer instructions.
            assert_eq!(outcome.kind, end);
            break;
        }
        match outcome.kind {
            LUCET_TERMINATED => {
                assert_eq!((outcome.detail, outcome.token), (LUCET_STOP_KILL, 5));
                ended += 1;
            }
            kind => {
                assert_eq!(kind, end, "step {at}");
                returned += 1;
                if end == LUCET_TRAPPED {
                    // It has ended for good in one way.
                    continue;
                }
                // Too late for this run, not forgotten.
                let next = guest.run("plain", &[]);
                assert_eq!(
                    (next.kind, next.detail),
                    (LUCET_TERMINATED, LUCET_STOP_KILL)
                );
            }
        }
    }
    assert!(ended > 10, "{ended}");
    visited::report();
    returned
}

#[test]
fn a_kill_may_come_at_every_instruction() {
    let run = |guest: &Setting| instance::run(guest.handle, b"talk", &[i32(2)]).expect("a run");
    assert!(
        kill_at_each_step(GUEST, 11, |_| {}, run) > 0,
        "none was too late"
    );
    for length in [3, 6, 20] {
        let run =
            |guest: &Setting| instance::run(guest.handle, b"tell", &[i32(length)]).expect("a run");
        kill_at_each_step(GUEST_OF_TEXT, 11, |_| {}, run);
    }
}

#[test]
fn a_kill_may_come_at_every_instruction_of_a_call_by_handle() {
    for text in [GUEST, GUEST_OF_WORDS] {
        for way in [Way::Short, Way::FromC] {
            kill_at_each_step(text, 1, |_| {}, |guest| call_plain(guest, way));
        }
    }
}

#[test]
fn a_kill_may_come_at_every_instruction_of_a_callback() {
    let run = |guest: &Setting| instance::run(guest.handle, b"callback", &[i32(3)]).expect("a run");
    kill_at_each_step(GUEST, 11, |_| {}, run);
}

/// Leaves a guest suspended in a call of a host function.
fn suspend(guest: &Setting) {
    guest.desk.suspending.store(true, Ordering::Relaxed);
    assert_eq!(guest.run("word", &[i32(1)]).kind, LUCET_SUSPENDED);
    guest.desk.suspending.store(false, Ordering::Relaxed);
}

/// Leaves a guest preempted.
fn preempt(guest: &Setting) {
    aim(guest);
    begin(Stepping::Preempt, 40);
    let outcome = instance::run(guest.handle, b"work", &[i32(2)]);
    stepper::end();
    assert_eq!(outcome.expect("a run").kind, LUCET_PREEMPTED);
}

#[test]
fn a_kill_may_come_at_every_instruction_of_a_resume() {
    for text in [GUEST, GUEST_OF_WORDS] {
        kill_at_each_step(text, 7, suspend, |guest| {
            instance::resume(guest.handle, &[i32(4)]).expect("a resume")
        });
    }
    kill_at_each_step(GUEST, 7, preempt, |guest| {
        instance::resume(guest.handle, &[]).expect("a resume")
    });
}

/// Whatever comes first is the outcome: the trap, or the kill.
#[test]
fn a_kill_may_come_at_every_instruction_of_a_run_that_traps() {
    let run = |guest: &Setting| instance::run(guest.handle, b"trap", &[i32(3)]).expect("a run");
    kill_at_each_step_until(GUEST, LUCET_TRAPPED, 5, |_| {}, run);
}

/// Limits that are far, and are reached at a step that the stepper chooses.
fn far(what: Stepping) -> Allowance {
    const HOUR: u64 = 3_600_000_000_000;
    match what {
        Stepping::Deadline => Allowance {
            deadline: now() + HOUR,
            ..Allowance::default()
        },
        _ => Allowance {
            cpu: HOUR,
            ..Allowance::default()
        },
    }
}

/// The limit is reached at each step of what `act` does, after `prepare`, or at one in `stride`. The run ends by it, or, when it comes too
/// late, as it would have by itself, with `end`; then nothing of it is left for the next.
fn limit_at_each_step(
    guest: &Setting,
    what: Stepping,
    end: u32,
    stride: usize,
    prepare: impl Fn(&Setting),
    act: impl Fn(&Setting) -> lucet_outcome,
) {
    let detail = match what {
        Stepping::Deadline => LUCET_STOP_DEADLINE,
        _ => LUCET_STOP_CPU,
    };
    let (mut ended, mut late) = (0, 0);
    let stride = std::env::var_os("LUCET_SOAK").map_or(stride, |_| 1);
    for at in (0..).step_by(stride) {
        guest.reset();
        limit(guest.handle, Allowance::default());
        prepare(guest);
        limit(guest.handle, far(what));
        aim(guest);
        begin(what, at);
        let outcome = act(guest);
        let reached = stepper::end();
        limit(guest.handle, Allowance::default());
        if !reached {
            assert_eq!(outcome.kind, end);
            break;
        }
        if outcome.kind == LUCET_TERMINATED {
            assert_eq!((outcome.detail, outcome.token), (detail, 0), "step {at}");
            ended += 1;
        } else {
            assert_eq!(outcome.kind, end, "step {at}");
            late += 1;
            if end != LUCET_TRAPPED {
                assert_eq!(guest.run_i32("plain", &[]), 42, "step {at}");
            }
        }
    }
    assert!(ended > 3, "{ended} {late}");
}

/// Runs by name, with calls out, checked texts, callbacks and traps, and resumes of suspended and of preempted guests.
fn a_limit_at_every_instruction(what: Stepping) {
    let _one = alone();
    let run = |name: &'static [u8], argument: i32| {
        move |guest: &Setting| instance::run(guest.handle, name, &[i32(argument)]).expect("a run")
    };
    let nothing = |_: &Setting| {};
    let guest = prepared(GUEST);
    limit_at_each_step(&guest, what, LUCET_RETURNED, 37, nothing, run(b"talk", 2));
    limit_at_each_step(
        &guest,
        what,
        LUCET_RETURNED,
        11,
        nothing,
        run(b"callback", 3),
    );
    limit_at_each_step(&guest, what, LUCET_RETURNED, 37, nothing, run(b"leaf", 3));
    limit_at_each_step(&guest, what, LUCET_TRAPPED, 37, nothing, run(b"trap", 3));
    let resumed = |guest: &Setting| instance::resume(guest.handle, &[i32(4)]).expect("a resume");
    limit_at_each_step(&guest, what, LUCET_RETURNED, 23, suspend, resumed);
    let go_on = |guest: &Setting| instance::resume(guest.handle, &[]).expect("a resume");
    limit_at_each_step(&guest, what, LUCET_RETURNED, 23, preempt, go_on);
    let guest = prepared(GUEST_OF_TEXT);
    limit_at_each_step(&guest, what, LUCET_RETURNED, 37, nothing, run(b"tell", 20));
    for text in [GUEST, GUEST_OF_WORDS] {
        let guest = prepared(text);
        for way in [Way::Long, Way::FromC] {
            let call = |guest: &Setting| call_plain(guest, way);
            limit_at_each_step(&guest, what, LUCET_RETURNED, 2, nothing, call);
        }
    }
    visited::report();
}

#[test]
fn a_deadline_may_pass_at_every_instruction() {
    a_limit_at_every_instruction(Stepping::Deadline);
}

#[test]
fn a_budget_may_be_used_up_at_every_instruction() {
    a_limit_at_every_instruction(Stepping::Budget);
}

/// With LUCET_SOAK=n: n of each, of calls by handle, which have few instructions; with 1 a million.
#[test]
#[expect(
    clippy::print_stdout,
    reason = "the figures that docs/stopping.md quotes"
)]
fn a_million_stops_of_each_kind() {
    let asked = std::env::var("LUCET_SOAK").map(|n| n.parse().expect("LUCET_SOAK: a number"));
    let wanted = match asked {
        Ok(1) => 1_000_000,
        Ok(n) => n,
        Err(_) => 200,
    };
    let _one = alone();
    let guest = prepared(GUEST_OF_WORDS);
    for what in [Stepping::Kill, Stepping::Deadline, Stepping::Budget] {
        let (mut stops, mut ended, mut at) = (0, 0, 0);
        while stops < wanted {
            if what != Stepping::Kill {
                limit(guest.handle, far(what));
            }
            aim(&guest);
            begin(what, at);
            let outcome = call_plain(&guest, Way::FromC);
            let reached = stepper::end();
            at = if reached { at + 1 } else { 0 };
            stops += u64::from(reached);
            ended += u64::from(outcome.kind == LUCET_TERMINATED);
            assert!(reached || outcome.kind == LUCET_RETURNED);
            // A kill that was too late for the run has it end the next.
            guest.reset();
            limit(guest.handle, Allowance::default());
        }
        println!("{what:?}: {stops} stops, {ended} of which ended the call");
        assert!(ended > wanted / 20, "{ended}");
    }
}

/// What a guest finds in registers when it starts: its arguments, and nothing of the host's.
#[test]
fn a_guest_starts_with_clear_registers() {
    let _one = alone();
    // One that uses no vector registers finds in them what it cannot see.
    for (text, visible) in [(GUEST, u64::MAX), (GUEST_OF_WORDS, (1 << GENERAL) - 1)] {
        let guest = prepared(text);
        for way in [Way::Long, Way::Short, Way::FromC] {
            aim(&guest);
            begin(Stepping::Registers, 0);
            let outcome = call_plain(&guest, way);
            stepper::end();
            assert_eq!(outcome.kind, LUCET_RETURNED);
            assert_eq!(dirty() & visible, 0, "registers that are not zero");
        }
    }
}

/// A run with times may return although they are over; the short way into its next run, which has none, knows nothing of them.
#[test]
fn a_time_that_is_over_too_late_is_forgotten() {
    let _one = alone();
    let guest = prepared(GUEST);
    for way in [Way::Long, Way::Short] {
        let (mut ended, mut returned) = (0, 0);
        // LUCET_SOAK: at each instruction.
        let stride = std::env::var_os("LUCET_SOAK").map_or(3, |_| 1);
        for at in (0..).step_by(stride) {
            let Some(outcome) = over_at_step(&guest, at, way) else {
                break;
            };
            if outcome.kind == LUCET_TERMINATED {
                assert_eq!(outcome.detail, LUCET_STOP_DEADLINE);
                ended += 1;
                instance::keep(guest.handle).expect("a stopped guest");
            } else {
                assert_eq!(outcome.kind, LUCET_RETURNED);
                returned += 1;
            }
            limit(guest.handle, Allowance::default());
            let next = call_plain(&guest, Way::Short);
            assert_eq!(next.kind, LUCET_RETURNED, "step {at}");
        }
        assert!(ended > 0 && returned > 0, "{ended} {returned}");
    }
}

#[derive(Clone, Copy)]
enum Way {
    Long,
    Short,
    FromC,
}

fn call_plain(guest: &Setting, way: Way) -> lucet_outcome {
    match way {
        Way::Long => instance::run(guest.handle, b"plain", &[]).expect("a run"),
        Way::Short => {
            let func = guest.module.func(b"plain").expect("an export");
            let mut outcome = instance::outcome::NOT_RUN;
            assert!(instance::short::call(
                guest.handle.0,
                func,
                &[],
                &mut outcome
            ));
            outcome
        }
        Way::FromC => {
            let func = guest.module.func(b"plain").expect("an export");
            let func = std::ptr::from_ref(func).cast();
            let mut outcome = instance::outcome::NOT_RUN;
            let (instance, none) = (guest.handle.0 as *mut _, std::ptr::null());
            // SAFETY: a function of the guest's module, which has no parameters.
            let status = unsafe { lucet_instance_call(instance, func, none, 0, &raw mut outcome) };
            assert_eq!(status, LUCET_OK);
            outcome
        }
    }
}

/// A call whose deadline passes at this step of its run; `None`: it has no so many.
fn over_at_step(guest: &Setting, at: u64, way: Way) -> Option<lucet_outcome> {
    let time = Allowance {
        deadline: now() + 3_600_000_000_000,
        ..Allowance::default()
    };
    limit(guest.handle, time);
    aim(guest);
    begin(Stepping::DeadlineUnseen, at);
    let outcome = call_plain(guest, way);
    stepper::end().then_some(outcome)
}
