//! Small functions that would become large ones.

use super::build::text;
use crate::Bomb;
use crate::Verdict::Compiles;

/// Each calls the one before twice: all calls done in place would be two to the power of their number.
pub fn doubling() -> Bomb {
    let mut functions =
        "(func (param i32) (result i32) (i32.mul (local.get 0) (i32.const 3)))".to_owned();
    for number in 1..20_000 {
        let callee = number - 1;
        functions.push_str(&format!(
            "(func (param i32) (result i32) local.get 0 call {callee} call {callee})\n"
        ));
    }
    text("functions that call each other twice", Compiles, &functions)
}

/// A body that comes into very many others.
pub fn callers() -> Bomb {
    let body: String = (0..4)
        .map(|at| {
            format!(
                "local.get 0 i32.load offset={} local.get 0 i32.add local.set 0\n",
                at * 8
            )
        })
        .collect();
    let mut functions = format!("(memory 1) (func (param i32) (result i32) {body} local.get 0)");
    functions
        .push_str(&"(func (param i32) (result i32) local.get 0 call 0 call 0)\n".repeat(40_000));
    text("many callers of one function", Compiles, &functions)
}

/// Loops that come into loops.
pub fn loops() -> Bomb {
    let leaf = format!(
        "{} local.get 0 i32.const 1 i32.add local.tee 0 i32.const 100 i32.lt_s br_if 0 {} local.get 0",
        "loop ".repeat(12),
        "end ".repeat(12)
    );
    let caller = format!(
        "(func (param i32) (result i32) {} local.get 0 call 0 local.set 0 local.get 0 br_if 3 {} local.get 0)\n",
        "loop ".repeat(20),
        "end ".repeat(20)
    );
    let functions = format!("(func (param i32) (result i32) {leaf})") + &caller.repeat(3000);
    text("loops inlined into loops", Compiles, &functions)
}

/// Each function replaces itself by the next.
pub fn tail_calls() -> Bomb {
    let functions: String = (0..70_000)
        .map(|number| {
            format!(
                "(func (param i32) (result i32) local.get 0 return_call {})\n",
                (number + 1) % 70_000
            )
        })
        .collect();
    text("long chain of tail calls", Compiles, &functions)
}
