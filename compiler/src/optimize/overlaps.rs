//! What goes round a loop dies before its successor is made.
//!
//! Operations come as late as Cranelift can place them, and loads where the guest has them. So the next value of a variable may be loaded
//! while the one of this round is still to be used: both want a register, and the way back has to move one to the other.
//!
//! ```text
//!   header(x):                          header(x):
//!     …                                   …
//!     next = load p                       sum = x + y
//!     sum = x + y                         next = load p
//!     brif …, header(next), out           brif …, header(next), out
//!
//!   movsd xmm2, [p]                     addsd xmm1, xmm3
//!   addsd xmm1, xmm3                    movsd xmm1, [p]
//!   jne out; movdqa xmm1, xmm2; jmp     je header
//! ```
//!
//! Soundness. What moves has no effects and cannot fail, and its operands are known where it comes to be.
//!
//! Not here: values that are handed on as they are, or used where the loop is left: they overlap in any order.

use super::shape::{Edge, Shape};
use super::uses::is_arithmetic;
use super::values::{destinations, maker};
use super::ways::Way;
use cranelift_codegen::ir::{Block, BlockArg, Function, Inst, Value};

/// The most ways into a loop that is looked at.
const MOST_WAYS: usize = 8;
/// The most values that go round it.
const MOST_VALUES: usize = 32;
/// How many operations behind a successor are looked at.
const MOST_BEHIND: usize = 256;
/// The most operations that are moved for one value.
const MOST_MOVED: usize = 4;

/// Moves the last uses of values in front of their successors.
pub fn separate(function: &mut Function, shape: Shape<'_>) {
    for inside in shape.loops.loops() {
        let header = shape.loops.loop_header(inside);
        let ways = shape.ways_into(function, header, MOST_WAYS);
        for way in ways.unwrap_or_default() {
            if shape.goes_back(way, inside) {
                separate_on(function, header, way);
            }
        }
    }
}

fn separate_on(function: &mut Function, header: Block, way: Edge) {
    let handed_on = Way::read(function, way);
    let values = function.dfg.block_params(header).len();
    for position in 0..values.min(MOST_VALUES) {
        let value = function.dfg.block_params(header)[position];
        let Some(next) = handed_on.handed_on(position) else {
            continue;
        };
        let made_by = maker(&function.dfg, next);
        let made_by = made_by.filter(|inst| function.layout.inst_block(*inst) == Some(way.from));
        let Some(made_by) = made_by.filter(|_| !is_handed_on(function, way.branch, value)) else {
            continue;
        };
        for inst in movable_uses(function, value, made_by).unwrap_or_default() {
            function.layout.remove_inst(inst);
            function.layout.insert_inst(inst, made_by);
        }
    }
}

/// Whether a branch hands a value on, or depends on it.
fn is_handed_on(function: &Function, branch: Inst, value: Value) -> bool {
    let dfg = &function.dfg;
    let handed = |argument| matches!(argument, BlockArg::Value(handed) if handed == value);
    dfg.inst_args(branch).contains(&value)
        || destinations(dfg, branch)
            .iter()
            .any(|call| call.args(&dfg.value_lists).any(handed))
}

/// The uses of a value behind an instruction of the same block, if all of them can be in front of it.
fn movable_uses(function: &Function, value: Value, front: Inst) -> Option<Vec<Inst>> {
    let (dfg, layout) = (&function.dfg, &function.layout);
    let mut made_behind: Vec<Value> = dfg.inst_results(front).to_vec();
    let behind = std::iter::successors(layout.next_inst(front), |inst| layout.next_inst(*inst));
    let mut found = Vec::new();
    for (number, inst) in behind.enumerate() {
        if number == MOST_BEHIND {
            return None;
        }
        let args = dfg.inst_args(inst);
        if !args.contains(&value) {
            made_behind.extend(dfg.inst_results(inst));
            continue;
        }
        let movable = is_arithmetic(dfg.insts[inst].opcode())
            && !args.iter().any(|arg| made_behind.contains(arg))
            && found.len() < MOST_MOVED;
        if !movable {
            return None;
        }
        found.push(inst);
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::super::testing::optimised;

    /// A loop in which `$x` goes round and `$next` is loaded before `uses` of it.
    fn looping(uses: &str) -> String {
        optimised(&format!(
            "(module (memory 1) (func (param $p i32) (param $n i32) (result f64) (local $x f64) (local $next f64) (local $sum f64) (local $other f64)
                (loop $more
                    (local.set $other (f64.load offset=800 (local.get $p)))
                    (local.set $next (f64.load offset=8 (local.get $p)))
                    {uses}
                    (local.set $x (local.get $next))
                    (local.set $p (i32.add (local.get $p) (i32.const 16)))
                    (br_if $more (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
                (local.get $sum)))"
        ))
    }

    /// What comes before the second load in a listing.
    fn before_the_second_load(listing: &str) -> &str {
        let mut loads = listing.match_indices("load.f64");
        let second = loads.nth(1).expect("two loads");
        &listing[..second.0]
    }

    #[test]
    fn last_uses_come_before_the_successor() {
        let listing = looping(
            "(local.set $sum (f64.add (local.get $sum) (f64.mul (local.get $x) (local.get $other))))",
        );
        assert!(
            before_the_second_load(&listing).contains("fmul"),
            "{listing}"
        );
    }

    #[test]
    fn what_wants_both_stays() {
        for uses in [
            "(local.set $sum (f64.add (local.get $sum) (f64.mul (local.get $x) (local.get $next))))",
            "(f64.store (local.get $p) (local.get $x)) (local.set $sum (f64.mul (local.get $x) (local.get $other)))",
        ] {
            let listing = looping(uses);
            assert!(
                !before_the_second_load(&listing).contains("fmul"),
                "{listing}"
            );
        }
    }
}
