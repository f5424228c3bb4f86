//! Runs of all kinds that are stopped at a place: what is done before, what comes of the stop, and whether the guest is well afterwards.
//!
//! Which stops there are, and how often each is tried, [`crate::steps`] says.

use crate::breaks::{self, Family, Place};
use crate::guests::{
    GUEST, GUEST_OF_TEXT, GUEST_OF_WORDS, Setting, instance_of, limit, resume, values,
};
use crate::stepper::{self, Stepping, aim, begin, begin_at, end_at, prepared};
use crate::support::i32;
use lucet::abi::{
    LUCET_PREEMPTED, LUCET_RETURNED, LUCET_STOP_CPU, LUCET_STOP_DEADLINE, LUCET_STOP_KILL,
    LUCET_SUSPENDED, LUCET_TERMINATED, LUCET_TRAPPED, lucet_outcome,
};
use lucet::capi::run::lucet_instance_call;
use lucet::capi::status::LUCET_OK;
use lucet::instance;
use lucet::timing::{Allowance, now};
use lucet_format::vmctx::LEAF_STACK_LIMIT;
use std::sync::atomic::Ordering;

#[derive(Clone, Copy)]
pub enum Way {
    Long,
    Short,
    FromC,
}

pub fn call_plain(guest: &Setting, way: Way) -> lucet_outcome {
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

/// What a guest is doing when it is stopped.
pub struct Scenario<'a> {
    guest: &'a Setting,
    /// How it ends by itself.
    end: u32,
    /// Comes before, and is not disturbed.
    prepare: &'a dyn Fn(&Setting),
    act: &'a dyn Fn(&Setting) -> lucet_outcome,
}

/// What has come of stops.
#[derive(Debug, Default)]
pub struct Tally {
    /// Ended by it; or preempted.
    pub ended: u64,
    /// Too late for the run.
    pub late: u64,
    /// The run has not come by there: it does not take the same way each time.
    pub missed: u64,
}

/// What an undisturbed run leads to.
fn result(outcome: &lucet_outcome) -> (u32, Vec<u128>) {
    let values = match outcome.kind {
        LUCET_RETURNED => values(outcome),
        _ => vec![u128::from(outcome.detail)],
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
    pub fn everywhere(&self, what: Stepping, rounds: usize) -> Tally {
        let (places, wanted) = self.places(what);
        let mut tally = Tally::default();
        for place in (0..rounds).flat_map(|_| &places) {
            self.stop_at(what, *place, &wanted, &mut tally);
        }
        let all = (rounds * places.len()) as u64;
        assert!(all > 10 && tally.ended > 3, "{tally:?} of {all}");
        assert!(tally.missed * 50 < all, "{tally:?} of {all}");
        assert_eq!(stepper::unseen(), 0);
        tally
    }
}

/// Runs of all kinds: by name, with calls out, checked texts, leaves, too little stack for one, callbacks, runs of another instance and traps; by handle; resumes of suspended and of preempted
/// guests. The function gets each, with a guest that nobody else uses.
pub fn in_all_scenarios(mut with: impl FnMut(&Scenario<'_>)) {
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
        (b"leaves", 2),
        (b"throw", 2),
    ] {
        let act = by_name(name, argument);
        visit(&guest, LUCET_RETURNED, &|_| {}, &act);
    }
    visit(&guest, LUCET_TRAPPED, &|_| {}, &by_name(b"trap", 3));
    for name in [&b"leaf"[..], b"leaves"] {
        visit(&guest, LUCET_TRAPPED, &leave_no_stack, &by_name(name, 1));
    }
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

/// Makes a guest have too little stack for leaves, until it is reset.
fn leave_no_stack(guest: &Setting) {
    aim(guest);
    let block = stepper::block().expect("a guest");
    let limit = block.vmctx.get() - LEAF_STACK_LIMIT as usize;
    // SAFETY: a word of the guest's state, which does not run.
    unsafe { *(limit as *mut u64) = u64::MAX };
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
