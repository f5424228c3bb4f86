//! Stops at every instruction, see [`crate::stepper`]: in guest code, in trampolines, and in the library on the way in and out.
//!
//! Most of what stops guests comes at each instruction of some runs ([`crate::breaks`], [`crate::scenarios`]); slices end one after the other, too, a few
//! instructions apart. With LUCET_SOAK in the environment each does so a million times.

use crate::guests::{GUEST, GUEST_OF_TEXT, GUEST_OF_WORDS, Setting, limit, resume, values};
use crate::scenarios::{Tally, Way, call_plain, in_all_scenarios};
use crate::stepper::{self, GENERAL, Stepping, aim, alone, begin, begin_in_guest, dirty, prepared};
use crate::support::i32;
use crate::visited::{self, Visited};
use lucet::abi::{
    LUCET_RETURNED, LUCET_STOP_DEADLINE, LUCET_SUSPENDED, LUCET_TERMINATED, lucet_outcome,
};
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
                ("leaves", 4),
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

/// As many stops as LUCET_SOAK says, with 1 a million; else each instruction is stopped at once.
#[expect(
    clippy::print_stdout,
    reason = "the figures that docs/stopping.md quotes"
)]
fn a_stop_at_every_instruction(what: Stepping) {
    /// There are more.
    const PLACES: usize = 15_000;
    let wanted = match std::env::var("LUCET_SOAK").map(|n| n.parse().expect("a number")) {
        Ok(1) => 1_000_000,
        Ok(n) => n,
        Err(_) => PLACES,
    };
    let _one = alone();
    let mut all = Tally::default();
    in_all_scenarios(|scenario| {
        let some = scenario.everywhere(what, wanted.div_ceil(PLACES));
        all.ended += some.ended;
        all.late += some.late;
        all.missed += some.missed;
    });
    println!("{what:?}: {all:?}");
    visited::report();
    assert!(all.ended + all.late >= wanted as u64, "{all:?}");
}

#[test]
fn a_kill_may_come_at_every_instruction() {
    a_stop_at_every_instruction(Stepping::Kill);
}

#[test]
fn a_deadline_may_pass_at_every_instruction() {
    a_stop_at_every_instruction(Stepping::Deadline);
}

#[test]
fn a_budget_may_be_used_up_at_every_instruction() {
    a_stop_at_every_instruction(Stepping::Budget);
}

/// As the timer's handler has it: not in a callback, nor on the way in, where it comes later.
#[test]
fn the_end_of_a_slice_may_be_seen_at_every_instruction() {
    a_stop_at_every_instruction(Stepping::Slice);
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
