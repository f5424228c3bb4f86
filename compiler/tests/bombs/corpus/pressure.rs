//! Many values that live at once, and operators that become much code.

use super::build::text;
use crate::Bomb;
use crate::Verdict::{Compiles, Refused};

/// A thousand vectors, mixed again and again.
pub fn vectors() -> Bomb {
    let count = 1000;
    let loads: String = (0..count)
        .map(|at| format!("i32.const 0 v128.load offset={} local.set {at}\n", at * 16))
        .collect();
    let mix = |round: usize| -> String {
        (0..count)
            .map(|at| {
                format!(
                    "local.get {at} local.get {} i8x16.add local.set {at}\n",
                    (at * 7 + round) % count
                )
            })
            .collect()
    };
    let rounds: String = (0..40).map(mix).collect();
    let stores: String = (0..count)
        .map(|at| format!("i32.const 0 local.get {at} v128.store offset={}\n", at * 16))
        .collect();
    let declared = "v128 ".repeat(count);
    text(
        "vectors that live at once",
        Compiles,
        &format!("(memory 1) (func (local {declared}) {loads} {rounds} {stores})"),
    )
}

/// Fifteen thousand values that are needed later, and comparisons of some of them.
pub fn values() -> Bomb {
    let count = 15_000;
    let loads: String = (0..count)
        .map(|at| {
            format!(
                "local.get 0 i32.load offset={} local.set {}\n",
                at * 4,
                at + 2
            )
        })
        .collect();
    let uses: String = (2..count + 2)
        .map(|local| format!("local.get {local} i32.load offset=1 drop\n"))
        .collect();
    let tests: String = (2..3002)
        .map(|local| {
            format!("local.get {local} i32.const 5 i32.lt_u if local.get {local} i32.const 8 i32.add i32.load offset=3 drop\n")
        })
        .collect();
    let declared = "i32 ".repeat(count);
    let ends = "end\n".repeat(3000);
    let body = format!(
        "(memory 1) (func (param i32 i32) (local {declared}) {loads} {uses} {tests} {ends})"
    );
    text("values that live at once", Compiles, &body)
}

/// A call through a table is three dozen instructions.
pub fn indirect_calls() -> Bomb {
    let calls = "local.get 0 local.get 0 call_indirect (type 0) local.set 0\n".repeat(80_000);
    let body = format!(
        "(type (func (param i32) (result i32))) (table 10 funcref) (func (type 0) {calls} local.get 0)"
    );
    text(
        "many indirect calls",
        Refused("instructions that a function becomes"),
        &body,
    )
}

pub fn divisions() -> Bomb {
    let divisions = "local.get 0 local.get 0 i32.div_s local.set 0\n".repeat(200_000);
    let body = format!("(func (param i32) {divisions})");
    text(
        "many divisions",
        Refused("instructions that a function becomes"),
        &body,
    )
}

/// Just below what a function may become, twice, for two threads.
pub fn divisions_at_the_limit() -> Bomb {
    let divisions = "local.get 0 local.get 0 i32.div_s local.set 0\n".repeat(70_000);
    let body = format!("(func (param i32) {divisions})").repeat(2);
    text("divisions at the limit", Compiles, &body)
}
