//! Loops, and what optimising them and giving them registers takes.

use super::build::text;
use crate::Bomb;
use crate::Verdict::{Compiles, Refused};

/// Loops inside of each other, each with `body` in front of the next and an end that counts.
fn nested(
    name: &'static str,
    verdict: crate::Verdict,
    depth: usize,
    locals: usize,
    body: &str,
) -> Bomb {
    let open = format!("loop {body}\n").repeat(depth);
    let close = "local.get 0 i32.const 4 i32.add local.tee 0 i32.const 400 i32.ne br_if 0 end\n"
        .repeat(depth);
    let declared = "i32 ".repeat(locals);
    text(
        name,
        verdict,
        &format!("(memory 1) (func (local {declared}) {open} {close})"),
    )
}

const ACCESS: &str = "local.get 0 i32.load offset=8 local.get 1 i32.add local.set 1\n";

pub fn beyond_the_limit() -> Bomb {
    nested(
        "accesses in deep loops",
        Refused("nested loops"),
        3000,
        2,
        ACCESS,
    )
}

pub fn at_the_limit() -> Bomb {
    nested(
        "accesses in loops at the limit",
        Compiles,
        200,
        2,
        &ACCESS.repeat(20),
    )
}

/// Locals that no loop changes are handed through all of them.
pub fn untouched_locals() -> Bomb {
    let reads: String = (2..300)
        .map(|local| format!("local.get {local} i32.load drop\n"))
        .collect();
    let open = "loop\n".repeat(199);
    let close = "local.get 0 br_if 0 end\n".repeat(199);
    let declared = "i32 ".repeat(300);
    let body = format!(
        "(memory 1) (func (local {declared}) {open} loop {reads} local.get 0 br_if 0 end {close})"
    );
    text("locals handed through loops", Compiles, &body)
}

/// A variable for each loop, and all of them in the innermost.
pub fn many_variables() -> Bomb {
    let open: String = (0..200)
        .map(|depth| format!("i32.const 0 local.set {depth} loop\n"))
        .collect();
    let close: String = (0..200)
        .rev()
        .map(|depth| {
            format!(
                "local.get {depth} i32.load offset={depth} drop local.get {depth} i32.const 1 i32.add local.tee {depth}
                 i32.const 10 i32.ne br_if 0 end\n"
            )
        })
        .collect();
    let declared = "i32 ".repeat(200);
    text(
        "variables of nested loops",
        Compiles,
        &format!("(memory 1) (func (local {declared}) {open} {close})"),
    )
}

/// One after the other, over the same local: its values have one name in all of them.
pub fn many_loops() -> Bomb {
    let body: String = (0..30_000)
        .map(|at| {
            format!(
                "i32.const 0 local.set 0 loop local.get 0 i32.load offset={at} local.get 1 i32.add local.set 1
                 local.get 0 i32.const 4 i32.add local.tee 0 i32.const 400 i32.ne br_if 0 end\n"
            )
        })
        .collect();
    text(
        "many loops",
        Compiles,
        &format!("(memory 1) (func (local i32 i32) {body})"),
    )
}

/// An index that grows by one and one, each sum being an address.
pub fn chain_of_sums() -> Bomb {
    let sums = "i32.const 1 i32.add local.tee 1 local.get 1 i32.load drop\n".repeat(40_000);
    let body = format!(
        "loop local.get 0 {sums} drop local.get 0 i32.const 1 i32.add local.tee 0 i32.const 9 i32.ne br_if 0 end"
    );
    text(
        "chain of sums in a loop",
        Compiles,
        &format!("(memory 1) (func (local i32 i32) {body})"),
    )
}

/// Branch tables into loops that change two hundred locals.
pub fn tables_into_loops() -> Bomb {
    let sets: String = (0..200)
        .map(|local| format!("local.get {local} i32.const 1 i32.add local.set {local}\n"))
        .collect();
    let targets: String = (0..2000)
        .map(|target| format!("{} ", target % 20))
        .collect();
    let tables = format!("{sets} block local.get 0 br_table {targets} 0 end\n").repeat(10);
    let (open, close) = ("loop\n".repeat(20), "end\n".repeat(20));
    let declared = "i32 ".repeat(200);
    text(
        "branch tables into loops",
        Compiles,
        &format!("(func (local {declared}) {open} {tables} {close})"),
    )
}

/// Tables that lead to all blocks around: as many edges as the square of the blocks.
pub fn edges() -> Bomb {
    let mut body = "block\n".repeat(300);
    for around in (1..=300).rev() {
        let targets: String = (0..around - 1).map(|target| format!("{target} ")).collect();
        body.push_str(&format!(
            "local.get 0 i32.const 1 i32.add local.tee 0 br_table {targets} 0 end\n"
        ));
    }
    text(
        "edges between all blocks",
        Compiles,
        &format!("(func (param i32) {body})").repeat(4),
    )
}

/// Calls that are translated without a stub, as many as a function has of them, and one function with many more.
pub fn calls_of_imports() -> Bomb {
    let calls = |count| "local.get 0 call $out local.set 0\n".repeat(count);
    let of = |count| {
        let calls = calls(count);
        format!("(func (param i32) loop {calls} local.get 0 br_if 0 end)\n")
    };
    let body = format!("{}{}", of(16).repeat(1500), of(100_000));
    text(
        "calls of imports in loops",
        Compiles,
        &format!(r#"(import "env" "out" (func $out (param i32) (result i32))) {body}"#),
    )
}
