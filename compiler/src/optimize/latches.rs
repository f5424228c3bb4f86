//! Loops end with one comparison, of the value that goes round.
//!
//! A loop over `i` that goes on while `i + 1 != n` is rewritten by Cranelift to compare `i` with `n - 1`, since that
//! saves an addition where `i + 1` is not needed. But it is: the next round gets it. Now `i` and `i + 1` are alive
//! together and want two registers, so the way back has to move one to the other:
//!
//! ```text
//!   header(i):                      header(i):
//!     ...                             ...
//!     next = i + 1                    next = i + 1
//!     brif i != n - 1,                brif next != n,
//!          header(next), out               header(next), out
//!
//!   lea next, [i + 1]               inc i
//!   cmp i, n - 1                    cmp i, n
//!   je out                          jne header
//!   mov i, next
//!   jmp header
//! ```
//!
//! Soundness: `x == c` holds exactly when `x + k == c + k`, modulo the size of the type, and so for `!=`. The sum is one of the
//! branch's own arguments, so it is known where the branch is.

use super::values::{argument, constant, destinations, mask, sum};
use cranelift_codegen::Context;
use cranelift_codegen::cursor::{Cursor, FuncCursor};
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{
    Block, DataFlowGraph, Function, Inst, InstBuilder, InstructionData, Value, ValueDef,
};

/// What a branch compares and what it could compare instead.
struct Comparison {
    condition: IntCC,
    next: Value,
    with: u64,
}

/// Makes branches compare what they hand on where that saves a register.
pub fn compare_next_values(context: &mut Context) {
    let function = &mut context.func;
    let blocks: Vec<Block> = function.layout.blocks().collect();
    for block in blocks {
        let Some(branch) = function.layout.last_inst(block) else {
            continue;
        };
        if let Some(comparison) = better_comparison(&function.dfg, branch) {
            replace(function, branch, &comparison);
        }
    }
}

/// A comparison of `x` with a constant where `x` is a parameter of a destination, which gets `x + k`.
fn better_comparison(dfg: &DataFlowGraph, branch: Inst) -> Option<Comparison> {
    let InstructionData::Brif { arg, .. } = dfg.insts[branch] else {
        return None;
    };
    let ValueDef::Result(made_by, _) = dfg.value_def(arg) else {
        return None;
    };
    let InstructionData::IntCompare {
        args: [left, right],
        cond: condition @ (IntCC::Equal | IntCC::NotEqual),
        ..
    } = dfg.insts[made_by]
    else {
        return None;
    };
    let (compared, with) = match (constant(dfg, left), constant(dfg, right)) {
        (None, Some(with)) => (left, with),
        (Some(with), None) => (right, with),
        _ => return None,
    };
    let ValueDef::Param(header, position) = dfg.value_def(compared) else {
        return None;
    };
    let next = destinations(dfg, branch)
        .iter()
        .filter(|call| call.block(&dfg.value_lists) == header)
        .find_map(|call| argument(dfg, *call, position))?;
    let next_sum = sum(dfg, next);
    if next_sum.root != compared || next_sum.distance == 0 {
        return None;
    }
    Some(Comparison {
        condition,
        next,
        with: with.wrapping_add(next_sum.distance) & mask(dfg, compared),
    })
}

fn replace(function: &mut Function, branch: Inst, comparison: &Comparison) {
    let kind = function.dfg.value_type(comparison.next);
    let mut cursor = FuncCursor::new(function).at_inst(branch);
    let with = cursor.ins().iconst(kind, comparison.with.cast_signed());
    let condition = cursor
        .ins()
        .icmp(comparison.condition, comparison.next, with);
    if let InstructionData::Brif { arg, .. } = &mut function.dfg.insts[branch] {
        *arg = condition;
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::optimised;

    /// A loop that adds `step` to a local and goes on while `condition` holds.
    fn looping(step: &str, condition: &str) -> String {
        optimised(&format!(
            "(module (memory 1) (func (local i32)
                (loop $again
                    (i32.store8 (local.get 0) (i32.const 1))
                    (local.set 0 (i32.add (local.get 0) (i32.const {step})))
                    (br_if $again {condition}))))"
        ))
    }

    /// The comparison that the loop's branch depends on, word by word.
    fn compared(listing: &str) -> Vec<&str> {
        let mut branches = listing.lines().filter(|line| line.contains("brif"));
        let branch = branches.next().expect("a branch");
        let condition = branch.split(' ').skip_while(|word| *word != "brif").nth(1);
        let condition = condition.expect("a condition").trim_end_matches(',');
        let mut lines = listing
            .lines()
            .filter(|line| line.contains(&format!(" {condition} = icmp")));
        let words = lines.next().expect("a comparison").split([' ', ',']);
        words
            .filter(|word| !word.is_empty())
            .skip_while(|word| *word != "icmp")
            .skip(1)
            .collect()
    }

    #[test]
    fn the_value_that_goes_round_is_compared() {
        for (step, last, bound) in [("1", "10", "10"), ("8", "-8", "-8"), ("-3", "6", "6")] {
            let listing = looping(step, &format!("(i32.ne (local.get 0) (i32.const {last}))"));
            let words = compared(&listing);
            let [condition, left, right, ..] = words.as_slice() else {
                panic!("{listing}")
            };
            assert_eq!(*condition, "ne");
            let bound = format!("{right} = iconst.i32 {bound}");
            assert!(listing.contains(&format!("{left} = iadd")), "{listing}");
            assert!(listing.contains(&bound), "{bound}: {listing}");
        }
    }

    #[test]
    fn other_comparisons_stay() {
        let listing = looping("8", "(i32.lt_u (local.get 0) (i32.const 80))");
        assert_eq!(compared(&listing).first(), Some(&"ult"));
    }
}
