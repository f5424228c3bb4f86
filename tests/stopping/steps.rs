//! Stops at every instruction, see [`crate::stepper`]: in guest code, in trampolines, and in the library on the way in and out.
//!
//! Most of what stops guests comes at each instruction of some runs ([`crate::breaks`]); slices end one after the other, too, a few
//! instructions apart. With LUCET_SOAK in the environment each does so a million times.

use crate::breaks::{self, Family, Place};
use crate::guests::{
    GUEST, GUEST_OF_TEXT, GUEST_OF_WORDS, Setting, instance_of, limit, resume, values,
};
use crate::stepper::{
    self, GENERAL, Stepping, aim, alone, begin, begin_at, begin_in_guest, dirty, end_at, prepared,
};
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

/// What a guest is doing when it is stopped.
struct Scenario<'a> {
    guest: &'a Setting,
    /// How it ends by itself.
    end: u32,
    /// Comes before, and is not disturbed.
    prepare: &'a dyn Fn(&Setting),
    act: &'a dyn Fn(&Setting) -> lucet_outcome,
}

/// What has come of stops.
#[derive(Debug, Default)]
struct Tally {
    /// Ended by it; or preempted.
    ended: u64,
    /// Too late for the run.
    late: u64,
    /// The run has not come by there: it does not take the same way each time.
    missed: u64,
}

/// What an undisturbed run leads to.
fn result(outcome: &lucet_outcome) -> (u32, Vec<u128>) {
    let values = match outcome.kind {
        LUCET_RETURNED => values(outcome),
        _ => vec![],
    };
    (outcome.kind, values)
}

impl Scenario<'_> {
    fn begin(&self, what: Stepping) {
        self.guest.reset();
        limit(self.guest.handle, Allowance::default());
        (self.prepare)(self.guest);
        if what != Stepping::Kill {
            limit(self.guest.handle, far(what));
        }
        aim(self.guest);
    }

    /// The places of such a run, in order, and what it leads to.
    fn places(&self, what: Stepping) -> (Vec<Place>, (u32, Vec<u128>)) {
        // The first ones are not as all others.
        for _ in 0..2 {
            self.begin(what);
            (self.act)(self.guest);
        }
        let mut wanted = Default::default();
        let places = noted(Family::Run, || {
            self.begin(what);
            begin(Stepping::Note, 0);
            wanted = result(&(self.act)(self.guest));
            assert_eq!(wanted.0, self.end);
        });
        limit(self.guest.handle, Allowance::default());
        (places, wanted)
    }

    /// It ends by the stop; or, when that comes too late, as it would have by itself. A kill is not forgotten then, of a limit nothing is
    /// left. After a slice it goes on, to the result of a run that was not interrupted.
    fn stop_at(&self, what: Stepping, place: Place, wanted: &(u32, Vec<u128>), tally: &mut Tally) {
        self.begin(what);
        begin_at(what, place);
        let mut outcome = (self.act)(self.guest);
        let reached = end_at();
        let preempted = what == Stepping::Slice && outcome.kind == LUCET_PREEMPTED;
        if preempted {
            assert!(reached);
            outcome = resume(self.guest.handle, &[]);
        }
        if outcome.kind == self.end {
            assert_eq!(result(&outcome), *wanted, "{place:?}");
        }
        limit(self.guest.handle, Allowance::default());
        if preempted {
            assert_eq!(outcome.kind, self.end, "{place:?}");
            tally.ended += 1;
            return;
        }
        if outcome.kind == LUCET_TERMINATED {
            let wanted = match what {
                Stepping::Kill => (LUCET_STOP_KILL, 5),
                Stepping::Deadline => (LUCET_STOP_DEADLINE, 0),
                _ => (LUCET_STOP_CPU, 0),
            };
            assert!(reached);
            assert_eq!((outcome.detail, outcome.token), wanted, "{place:?}");
            tally.ended += 1;
            return;
        }
        assert_eq!(outcome.kind, self.end, "{place:?}");
        if !reached {
            tally.missed += 1;
            return;
        }
        tally.late += 1;
        if self.end == LUCET_TRAPPED {
            // It has ended for good in one way.
        } else if what == Stepping::Kill {
            let next = self.guest.run("plain", &[]);
            assert_eq!(
                (next.kind, next.detail),
                (LUCET_TERMINATED, LUCET_STOP_KILL)
            );
        } else {
            assert_eq!(self.guest.run_i32("plain", &[]), 42, "{place:?}");
        }
    }

    /// Stops at every place, and all over again.
    fn everywhere(&self, what: Stepping, rounds: usize) -> Tally {
        let (places, wanted) = self.places(what);
        let mut tally = Tally::default();
        for place in (0..rounds).flat_map(|_| &places) {
            self.stop_at(what, *place, &wanted, &mut tally);
        }
        let all = (rounds * places.len()) as u64;
        assert!(all > 10 && tally.ended > 3, "{tally:?} of {all}");
        assert!(tally.missed * 50 < all, "{tally:?} of {all}");
        tally
    }
}

/// Runs of all kinds: by name, with calls out, checked texts, leaves, callbacks, runs of another instance and traps; by handle; resumes of suspended and of preempted
/// guests. The function gets each, with a guest that nobody else uses.
fn in_all_scenarios(mut with: impl FnMut(&Scenario<'_>)) {
    let by_name = |name: &'static [u8], argument: i32| {
        move |guest: &Setting| instance::run(guest.handle, name, &[i32(argument)]).expect("a run")
    };
    let resumed = |guest: &Setting| instance::resume(guest.handle, &[i32(4)]).expect("a resume");
    let go_on = |guest: &Setting| instance::resume(guest.handle, &[]).expect("a resume");
    let mut visit = |guest: &Setting,
                     end: u32,
                     prepare: &dyn Fn(&Setting),
                     act: &dyn Fn(&Setting) -> lucet_outcome| {
        with(&Scenario {
            guest,
            end,
            prepare,
            act,
        });
    };
    let guest = prepared(GUEST);
    for (name, argument) in [
        (&b"talk"[..], 2),
        (b"callback", 3),
        (b"leaf", 3),
        (b"throw", 2),
    ] {
        let act = by_name(name, argument);
        visit(&guest, LUCET_RETURNED, &|_| {}, &act);
    }
    visit(&guest, LUCET_TRAPPED, &|_| {}, &by_name(b"trap", 3));
    let other = instance_of(&guest.region, &guest.module, &guest.desk);
    guest.desk.other.store(other.0, Ordering::Relaxed);
    let renew_other = |_: &Setting| {
        instance::reset(other).expect("a guest that does not run");
        let outcome = instance::run(other, b"plain", &[]).expect("a run");
        assert_eq!(values(&outcome), [42]);
    };
    visit(
        &guest,
        LUCET_RETURNED,
        &renew_other,
        &by_name(b"callback", 4),
    );
    instance::release(other).expect("a guest that does not run");
    let place = preempting_place(&guest);
    let preempt = |guest: &Setting| preempt(guest, place);
    visit(&guest, LUCET_RETURNED, &preempt, &go_on);
    let guest = prepared(GUEST_OF_TEXT);
    for length in [3, 6, 20] {
        visit(&guest, LUCET_RETURNED, &|_| {}, &by_name(b"tell", length));
    }
    for text in [GUEST, GUEST_OF_WORDS] {
        let guest = prepared(text);
        visit(&guest, LUCET_RETURNED, &suspend, &resumed);
        for way in [Way::Long, Way::FromC] {
            let act = move |guest: &Setting| call_plain(guest, way);
            visit(&guest, LUCET_RETURNED, &|_| {}, &act);
        }
    }
}

/// Leaves a guest suspended in a call of a host function.
fn suspend(guest: &Setting) {
    guest.desk.suspending.store(true, Ordering::Relaxed);
    assert_eq!(guest.run("word", &[i32(1)]).kind, LUCET_SUSPENDED);
    guest.desk.suspending.store(false, Ordering::Relaxed);
}

/// The places of what `run` does, which steps.
fn noted(family: Family, run: impl FnOnce()) -> Vec<Place> {
    breaks::forget();
    run();
    stepper::end();
    breaks::places(family, stepper::block().expect("a guest"))
}

/// In the middle of a loop with vectors.
fn preempting_place(guest: &Setting) -> Place {
    let places = noted(Family::Slice, || {
        guest.reset();
        aim(guest);
        begin(Stepping::Note, 0);
        guest.run("work", &[i32(2)]);
    });
    places[40]
}

/// Leaves a guest preempted.
fn preempt(guest: &Setting, place: Place) {
    aim(guest);
    begin_at(Stepping::Preempt, place);
    let outcome = instance::run(guest.handle, b"work", &[i32(2)]);
    assert!(end_at());
    assert_eq!(outcome.expect("a run").kind, LUCET_PREEMPTED);
}

/// Limits that are far, and are reached at a step that the stepper chooses.
fn far(what: Stepping) -> Allowance {
    const HOUR: u64 = 3_600_000_000_000;
    match what {
        Stepping::Deadline => Allowance {
            deadline: now() + HOUR,
            ..Allowance::default()
        },
        Stepping::Slice => Allowance {
            slice: HOUR,
            ..Allowance::default()
        },
        _ => Allowance {
            cpu: HOUR,
            ..Allowance::default()
        },
    }
}

/// As many stops as LUCET_SOAK says, with 1 a million; else each instruction is stopped at once.
#[expect(
    clippy::print_stdout,
    reason = "the figures that docs/stopping.md quotes"
)]
fn a_stop_at_every_instruction(what: Stepping) {
    /// There are more.
    const PLACES: usize = 20_000;
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
