//! Guests that are suspended, killed, out of time, preempted: docs/stopping.md has the states and transitions that these tests name.

#[path = "../support/mod.rs"]
mod support;

mod breaks;
mod bulk;
mod guests;
mod kill;
mod scenarios;
mod stepper;
mod steps;
mod suspend;
mod time;
mod visited;
