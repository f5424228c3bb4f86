//! Sums in loops add last what is ready last.
//!
//! A guest's compiler leaves sums in the order of the source. Where one term depends on the round before and the others do not, as in
//! the rounds of SHA-2, that makes each of the following additions wait for it:
//!
//! ```text
//!   ((h + late) + k) + w           becomes           late + ((h + k) + w)
//! ```
//!
//! The two terms that are ready first ([`super::ready`]) are added, again and again.
//!
//! A processor takes the oldest operation of those that are ready. So in a block in which that has made a sum better, what a sum's latest
//! term does not need comes behind it:
//!
//! ```text
//!   early = …; late = …; late + early      becomes      late = …; early = …; late + early
//! ```
//!
//! Soundness: addition modulo a power of two is associative and commutative. Nothing that can trap or touches memory moves; what moves
//! comes later than its operands still, and is needed by nothing that it is moved behind.
//!
//! Not here: sums that are addresses, which [`super::addresses`] and the code generator take apart; loops of several blocks, unless a block
//! is so long that it matters in itself. Nor the order of operations where no sum is better in another one: that is a question of registers
//! first (BLAKE2s would be slower).

use super::ready::Ready;
use super::shape::Shape;
use super::uses::{Uses, is_arithmetic};
use super::values::{destinations, maker};
use cranelift_codegen::cursor::{Cursor, FuncCursor};
use cranelift_codegen::ir::{Block, Function, Inst, InstBuilder, Opcode, Value};
use rustc_hash::FxHashSet;
use std::collections::BTreeMap;

/// The cycles that another order saves, at least.
const GAIN: u32 = 2;
/// The fewest instructions of a block that does not lead to itself.
const LONG: usize = 64;
/// The terms of a sum that is looked at.
const TERMS: std::ops::RangeInclusive<usize> = 3..=12;
/// How many instructions in front of a late term are looked at.
const BEFORE: usize = 64;

/// Orders the sums of a function's loops.
pub fn order(function: &mut Function, shape: Shape<'_>) {
    let blocks: Vec<Block> = function
        .layout
        .blocks()
        .filter(|block| shape.loops.innermost_loop(*block).is_some())
        .filter(|block| leads_to_itself(function, *block) || is_long(function, *block))
        .filter(|block| adds_sums(function, *block))
        .collect();
    if blocks.is_empty() {
        return;
    }
    let uses = Uses::count(function);
    let mut ready = Ready::default();
    let (mut late, mut ordered) = (Vec::new(), false);
    for block in blocks {
        ready.estimate(function, block);
        let sums = sums(function, block, &uses);
        let mut better = false;
        for sum in &sums {
            better |= improve(function, &ready, sum);
        }
        ordered |= better;
        if better {
            let in_order = sums.iter().rev();
            late.extend(in_order.filter_map(|sum| makes_latest(function, &ready, sum)));
        }
        ready.forget();
    }
    if ordered {
        function.dfg.resolve_all_aliases();
    }
    for inst in late {
        hurry(function, inst);
    }
}

fn leads_to_itself(function: &Function, block: Block) -> bool {
    let Some(branch) = function.layout.last_inst(block) else {
        return false;
    };
    let lists = &function.dfg.value_lists;
    let mut ways = destinations(&function.dfg, branch).iter();
    ways.any(|call| call.block(lists) == block)
}

/// Whether a block adds something to a sum: then it may have one of three terms.
fn adds_sums(function: &Function, block: Block) -> bool {
    let dfg = &function.dfg;
    let mut insts = function.layout.block_insts(block);
    insts.any(|inst| {
        let adds = |value: &Value| {
            maker(dfg, *value).is_some_and(|inst| dfg.insts[inst].opcode() == Opcode::Iadd)
        };
        dfg.insts[inst].opcode() == Opcode::Iadd && dfg.inst_args(inst).iter().any(adds)
    })
}

fn is_long(function: &Function, block: Block) -> bool {
    function.layout.block_insts(block).nth(LONG).is_some()
}

/// A sum, its additions in the order of the block, and its terms.
struct Sum {
    root: Inst,
    inside: Vec<Inst>,
    terms: Vec<Value>,
}

/// The sums of a block, the last first.
fn sums(function: &Function, block: Block, uses: &Uses) -> Vec<Sum> {
    let mut insts: Vec<Inst> = function.layout.block_insts(block).collect();
    insts.reverse();
    let mut taken: FxHashSet<Inst> = FxHashSet::default();
    let mut found = Vec::new();
    for root in insts {
        if let Some(inst) = address(function, root).and_then(|value| maker(&function.dfg, value)) {
            taken.insert(inst);
        }
        if function.dfg.insts[root].opcode() == Opcode::Iadd && !taken.contains(&root) {
            let sum = gather(function, block, uses, root);
            taken.extend(&sum.inside);
            found.push(sum);
        }
    }
    found.retain(|sum| TERMS.contains(&sum.terms.len()));
    found
}

/// What an instruction takes for an address, or for an index.
fn address(function: &Function, inst: Inst) -> Option<Value> {
    let opcode = function.dfg.insts[inst].opcode();
    let args = function.dfg.inst_args(inst);
    if opcode == Opcode::Uextend || opcode.can_load() {
        args.first().copied()
    } else if opcode.can_store() {
        args.last().copied()
    } else {
        None
    }
}

/// What is added up to this addition's result: the other additions of the block whose results are for it alone, and what is none.
fn gather(function: &Function, block: Block, uses: &Uses, root: Inst) -> Sum {
    let dfg = &function.dfg;
    let mut sum = Sum {
        root,
        inside: Vec::new(),
        terms: Vec::new(),
    };
    let mut open = dfg.inst_args(root).to_vec();
    while let Some(value) = open.pop() {
        let inside = maker(dfg, value).filter(|inst| {
            dfg.insts[*inst].opcode() == Opcode::Iadd
                && uses.of(value) == 1
                && function.layout.inst_block(*inst) == Some(block)
        });
        match inside {
            Some(inst) => {
                sum.inside.push(inst);
                open.extend(dfg.inst_args(inst));
            }
            None => sum.terms.push(value),
        }
    }
    sum
}

/// A value, and the place in the block from which on it is known, if that is in the block.
#[derive(Clone, Copy)]
struct Known {
    value: Value,
    from: Option<usize>,
}

/// Where a sum is added up.
struct Adder<'a> {
    function: &'a mut Function,
    /// The sum's first addition and its place. What has been known before the block is added in front of it.
    begin: (usize, Inst),
    /// The last instruction of each place, the first of which is 1.
    last: BTreeMap<usize, Inst>,
}

impl Adder<'_> {
    /// Adds two values as soon as both are known.
    fn add(&mut self, late: Known, early: Known) -> Known {
        let (first, begin) = self.begin;
        let from = late.from.max(early.from).unwrap_or(first - 1);
        let cursor = FuncCursor::new(self.function);
        let mut cursor = match self.last.get(&from) {
            Some(inst) => cursor.after_inst(*inst),
            None => cursor.at_inst(begin),
        };
        let value = cursor.ins().iadd(late.value, early.value);
        self.last
            .extend(maker(&self.function.dfg, value).map(|inst| (from, inst)));
        Known {
            value,
            from: Some(from),
        }
    }
}

/// What makes the term of a sum that is ready last, if that is in the block and the others are ready some cycles before.
fn makes_latest(function: &Function, ready: &Ready, sum: &Sum) -> Option<Inst> {
    let mut terms: Vec<(u32, Value)> = sum
        .terms
        .iter()
        .map(|term| (ready.at[*term], *term))
        .collect();
    terms.sort_unstable();
    let [.., (before, _), (last, term)] = terms[..] else {
        return None;
    };
    // The term may be a sum that has just been replaced.
    let term = function.dfg.resolve_aliases(term);
    maker(&function.dfg, term).filter(|_| last >= before + GAIN)
}

/// Moves what an instruction does not need behind it.
fn hurry(function: &mut Function, inst: Inst) {
    let (dfg, layout) = (&function.dfg, &function.layout);
    let mut needed: FxHashSet<Value> = dfg.inst_values(inst).collect();
    let mut free = Vec::new();
    let before = std::iter::successors(layout.prev_inst(inst), |inst| layout.prev_inst(*inst));
    for inst in before.take(BEFORE) {
        let mut results = dfg.inst_results(inst).iter();
        let stays = !is_arithmetic(dfg.insts[inst].opcode());
        if stays || results.any(|result| needed.contains(result)) {
            needed.extend(dfg.inst_values(inst));
        } else {
            free.push(inst);
        }
    }
    // The last one first, so that they stay in their order.
    for moved in free {
        function.layout.remove_inst(moved);
        let mut cursor = FuncCursor::new(function).after_inst(inst);
        cursor.insert_inst(moved);
    }
}

/// Adds up a sum in another order, if it is ready earlier then. Whether it is.
fn improve(function: &mut Function, ready: &Ready, sum: &Sum) -> bool {
    let root = function.dfg.first_result(sum.root);
    let (steps, at) = steps(sum.terms.iter().map(|term| ready.at[*term]));
    if at + GAIN > ready.at[root] {
        return false;
    }
    let additions = || sum.inside.iter().chain([&sum.root]).copied();
    let begin = additions().map(|inst| (ready.place[inst], inst)).min();
    let mut adder = Adder {
        function,
        begin: begin.unwrap_or((ready.place[sum.root], sum.root)),
        last: BTreeMap::new(),
    };
    let mut known: Vec<Known> = Vec::new();
    for term in &sum.terms {
        let made_by = maker(&adder.function.dfg, *term);
        let made_by = made_by.filter(|inst| ready.place[*inst] > 0);
        let from = made_by.map(|inst| ready.place[inst]);
        known.push(Known { value: *term, from });
        adder.last.extend(from.zip(made_by));
    }
    for (late, early) in steps {
        known.push(adder.add(known[late], known[early]));
    }
    let whole = known.last().map_or(root, |known| known.value);
    for inst in additions() {
        function.layout.remove_inst(inst);
    }
    function.dfg.detach_inst_results(sum.root);
    function.dfg.change_to_alias(root, whole);
    true
}

/// Which two values are added in each step, the later one first: terms by their number, then the results of earlier steps. And when the
/// last one is done.
fn steps(ready: impl Iterator<Item = u32>) -> (Vec<(usize, usize)>, u32) {
    let mut open: Vec<(u32, usize)> = ready.zip(0..).collect();
    // The earliest are at the end.
    open.sort_unstable_by(|one, other| other.cmp(one));
    let (mut steps, mut next) = (Vec::new(), open.len());
    while let [.., later, earlier] = open[..] {
        open.truncate(open.len() - 2);
        steps.push((later.1, earlier.1));
        let made = (later.0 + 1, next);
        open.insert(open.partition_point(|other| *other > made), made);
        next += 1;
    }
    (steps, open.first().map_or(0, |whole| whole.0))
}

#[cfg(test)]
mod tests {
    use super::super::testing::optimised;

    /// A loop in which `$late` depends on the round before by several operations, and `sum` is what becomes of it.
    fn looping(sum: &str) -> String {
        optimised(&format!(
            "(module (memory 1) (func (param $x i32) (param $h i32) (param $k i32) (param $n i32) (result i32) (local $late i32)
                (loop $more
                    (local.set $late (i32.rotl (i32.xor (i32.rotl (local.get $x) (i32.const 5)) (local.get $x)) (i32.const 3)))
                    (local.set $x {sum})
                    (br_if $more (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
                (local.get $x)))"
        ))
    }

    /// How many additions of a listing wait for the last rotation.
    fn waiting(listing: &str) -> usize {
        let mut late = Vec::new();
        for line in listing.lines() {
            let Some((result, operation)) = line.split_once(" = ") else {
                continue;
            };
            let result = result.rsplit(' ').next().unwrap_or_default();
            let operands = operation.split("  ;").next().unwrap_or_default();
            let waits = |value: &str| late.contains(&value);
            let mut words = operands.split([' ', ',']);
            if operation.starts_with("rotl") && words.any(|word| word.starts_with('v')) {
                late = vec![result];
            } else if operation.starts_with("iadd") && words.any(waits) {
                late.push(result);
            }
        }
        late.len().saturating_sub(1)
    }

    #[test]
    fn what_is_late_is_added_last() {
        let listing = looping(
            "(i32.add (i32.add (i32.add (local.get $h) (local.get $late)) (local.get $k)) (local.get $n))",
        );
        assert_eq!(waiting(&listing), 1, "{listing}");
    }

    #[test]
    fn what_would_not_be_ready_earlier_stays() {
        for sum in [
            "(i32.add (i32.add (local.get $h) (local.get $k)) (local.get $late))",
            "(i32.add (i32.add (local.get $h) (local.get $late)) (local.get $k))",
        ] {
            let listing = looping(sum);
            let expected = if sum.ends_with("$late))") { 1 } else { 2 };
            assert_eq!(waiting(&listing), expected, "{listing}");
        }
    }

    #[test]
    fn addresses_and_what_is_wanted_elsewhere_stay() {
        let chain = "(i32.add (i32.add (i32.add (local.get $h) (local.get $late)) (local.get $k)) (local.get $n))";
        let listing = looping(&format!("(i32.load8_u {chain})"));
        assert!(waiting(&listing) > 1, "{listing}");
    }

    /// Whether the only `popcnt` of a listing comes behind the last rotation.
    fn counts_behind_rotations(listing: &str) -> bool {
        let count = listing.find(" = popcnt").expect("a popcnt");
        count > listing.rfind(" = rotl").expect("a rotation")
    }

    #[test]
    fn what_the_latest_term_does_not_need_comes_behind_it() {
        let listing = looping(
            "(i32.add (i32.add (i32.add (i32.popcnt (i32.xor (local.get $h) (local.get $n))) (local.get $late)) (local.get $k)) (local.get $n))",
        );
        assert_eq!(waiting(&listing), 1, "{listing}");
        assert!(counts_behind_rotations(&listing), "{listing}");
    }

    #[test]
    fn operations_keep_their_order_if_sums_do() {
        let listing = looping(
            "(i32.add (i32.add (i32.popcnt (i32.xor (local.get $h) (local.get $n))) (local.get $k)) (local.get $late))",
        );
        assert!(!counts_behind_rotations(&listing), "{listing}");
    }

    #[test]
    fn what_a_store_needs_stays_in_front_of_it() {
        let stored = "(i32.store (local.get $n) (i32.popcnt (local.get $n)))";
        let listing = looping(&format!(
            "(i32.add (i32.add (i32.add (local.get $h) (block (result i32) {stored} (local.get $late))) (local.get $k)) (local.get $n))"
        ));
        let (count, store) = (listing.find(" = popcnt"), listing.find("store"));
        assert!(count.is_some() && count < store, "{listing}");
    }
}
