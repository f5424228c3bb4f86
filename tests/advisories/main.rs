//! Published advisories about wrong code from Cranelift and its peers, each as a generated test with its number in our list and its
//! public name. What is compiled is compared with plain arithmetic in Rust, at every level of optimisation and for every kind of CPU
//! that this machine has: [`ways`]. Those about pools of instances are tests of `recycling`.
//!
//! Everything is the same in each run.

#[path = "../support/mod.rs"]
mod support;

mod addresses;
mod division;
mod identity;
mod operators;
mod references;
mod shifts;
mod stores;
mod vectors;
mod ways;
mod widths;
