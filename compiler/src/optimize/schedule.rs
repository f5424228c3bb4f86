//! The operations of long blocks have an order in which fewer values wait.
//!
//! Cranelift computes what has no effect where it is needed first, beginning with what the end of a block needs. In long blocks that mix
//! many values, such as rounds of hash functions and products of large numbers, values wait until something far away needs them, more of them
//! than there are registers, and the register allocator moves them to the frame and back:
//!
//! ```text
//!   t0 = …; t1 = …; u0 = …; u1 = …            becomes      t0 = …; t1 = …; t = t0 ^ t1
//!   t = t0 ^ t1; u = u0 ^ u1                               u0 = …; u1 = …; u = u0 ^ u1
//! ```
//!
//! From the end of a block to its beginning, that operation comes next whose operands are in registers already and whose result then
//! needs none any more; of several such, that which is last in the source. The new order stays if fewer values go to the frame
//! ([`super::pressure`]).
//!
//! Soundness: accesses, calls and what can trap keep their order among each other, and each operation comes behind what makes its operands.
//! Everything else has no effect.
//!
//! Not here: orders in which operations wait less for each other ([`super::sums`]). Blocks that need few registers keep theirs.

use super::crowds::Crowds;
use super::pressure::moves;
use super::shape::Shape;
use super::straight::{Straight, is_free};
use super::uses::Uses;
use super::values::maker;
use cranelift_codegen::cursor::{Cursor, FuncCursor};
use cranelift_codegen::ir::{Block, Function, Inst};
use rustc_hash::FxHashSet;
use std::cmp::Reverse;
use std::collections::BTreeSet;

/// The fewest instructions of a block that is looked at.
const LONG: usize = 32;
/// The moves between registers and frame that an order saves, at least.
const GAIN: usize = 2;

/// Orders the operations of a function's long blocks.
pub fn order(function: &mut Function, shape: Shape<'_>) {
    let is_long = |block: &Block| function.layout.block_insts(*block).nth(LONG).is_some();
    let blocks: Vec<Block> = function.layout.blocks().filter(is_long).collect();
    if blocks.is_empty() {
        return;
    }
    let uses = Uses::count(function);
    let mut crowds = Crowds::default();
    for block in blocks {
        let read = || Straight::of(function, shape, &uses, block);
        if !crowds.may_be_at(function, &uses, block) {
            debug_assert_eq!(moves_at_first(&read()), 0);
            continue;
        }
        let straight = read();
        let before = moves_at_first(&straight);
        if before < GAIN {
            continue;
        }
        let order = Backwards::order(&straight, &ranks(function, &straight));
        if moves(&straight, &order) + GAIN <= before {
            rearrange(function, block, &straight, &order);
        }
    }
}

/// The moves of a block in the order that it has.
fn moves_at_first(straight: &Straight) -> usize {
    let order: Vec<usize> = (0..straight.operations.len()).collect();
    moves(straight, &order)
}

/// For each operation, how late it is in the source among the others. What Cranelift has made is where it is needed.
fn ranks(function: &Function, straight: &Straight) -> Vec<usize> {
    let count = straight.operations.len();
    let mut places = vec![u32::MAX; count];
    for (number, operation) in straight.operations.iter().enumerate().rev() {
        let place = function.srcloc(operation.inst);
        if !place.is_default() {
            places[number] = place.bits();
        }
        for operand in &operation.operands {
            if let Some(maker) = straight.values[*operand].made_by {
                places[maker] = places[maker].min(places[number]);
            }
        }
    }
    let mut in_order: Vec<usize> = (0..count).collect();
    in_order.sort_by_key(|number| (places[*number], *number));
    let mut ranks = vec![0; count];
    for (rank, number) in in_order.into_iter().enumerate() {
        ranks[number] = rank;
    }
    ranks
}

/// How many values an operation makes wait more than without it, and what decides between several: the last of the source.
type Score = (i64, Reverse<usize>);

/// Operations that are given an order, the last first.
struct Backwards<'a> {
    straight: &'a Straight,
    ranks: &'a [usize],
    /// By rank.
    numbers: Vec<usize>,
    /// By value: the operations that take it.
    takers: Vec<Vec<usize>>,
    /// By value: whether something that has its place already needs it.
    waits: Vec<bool>,
    /// By operation: how many of its operands do not wait yet.
    fresh: Vec<i64>,
    /// By operation: what has to have its place before.
    blocked: Vec<usize>,
    /// What can be next.
    ready: BTreeSet<Score>,
    order: Vec<usize>,
}

impl Backwards<'_> {
    /// The numbers of a block's operations in their new order.
    fn order(straight: &Straight, ranks: &[usize]) -> Vec<usize> {
        let mut backwards = Backwards::new(straight, ranks);
        let end = straight.operations.len().saturating_sub(1);
        backwards.place(end);
        for number in 0..end {
            if backwards.blocked[number] == 0 {
                backwards.ready.insert(backwards.score(number));
            }
        }
        while let Some((_, Reverse(rank))) = backwards.ready.pop_first() {
            backwards.place(backwards.numbers[rank]);
        }
        backwards.order.reverse();
        backwards.order
    }

    fn new<'a>(straight: &'a Straight, ranks: &'a [usize]) -> Backwards<'a> {
        let count = straight.operations.len();
        let mut backwards = Backwards {
            straight,
            ranks,
            numbers: vec![0; count],
            takers: vec![Vec::new(); straight.values.len()],
            waits: straight.values.iter().map(|value| value.outlives).collect(),
            fresh: vec![0; count],
            blocked: vec![0; count],
            ready: BTreeSet::new(),
            order: Vec::with_capacity(count),
        };
        for (number, operation) in straight.operations.iter().enumerate() {
            backwards.numbers[ranks[number]] = number;
            for operand in &operation.operands {
                backwards.takers[*operand].push(number);
                backwards.fresh[number] += i64::from(!backwards.waits[*operand]);
                if let Some(maker) = straight.values[*operand].made_by {
                    backwards.blocked[maker] += 1;
                }
            }
            if let Some(other) = operation.behind {
                backwards.blocked[other] += 1;
            }
        }
        backwards
    }

    fn score(&self, number: usize) -> Score {
        let results = self.straight.operations[number].results.iter();
        let ended = results.filter(|result| self.waits[**result]).count();
        let ended = i64::try_from(ended).unwrap_or(i64::MAX);
        (self.fresh[number] - ended, Reverse(self.ranks[number]))
    }

    /// Gives an operation its place, in front of all that have one.
    fn place(&mut self, number: usize) {
        let operation = &self.straight.operations[number];
        self.order.push(number);
        for result in &operation.results {
            self.waits[*result] = false;
        }
        for operand in &operation.operands {
            self.wait(*operand);
            if let Some(maker) = self.straight.values[*operand].made_by {
                self.unblock(maker);
            }
        }
        if let Some(other) = operation.behind {
            self.unblock(other);
        }
    }

    /// From here to its beginning, a value is in a register.
    fn wait(&mut self, value: usize) {
        if self.waits[value] {
            return;
        }
        self.waits[value] = true;
        for taker in std::mem::take(&mut self.takers[value]) {
            let was_ready = self.ready.remove(&self.score(taker));
            self.fresh[taker] -= 1;
            if was_ready {
                self.ready.insert(self.score(taker));
            }
        }
    }

    fn unblock(&mut self, number: usize) {
        self.blocked[number] -= 1;
        if self.blocked[number] == 0 {
            self.ready.insert(self.score(number));
        }
    }
}

/// Puts a block's instructions into this order. Those that take no register come in front of what needs them first.
fn rearrange(function: &mut Function, block: Block, straight: &Straight, order: &[usize]) {
    let mut waiting: FxHashSet<Inst> = straight.free.iter().copied().collect();
    let mut insts = Vec::with_capacity(order.len() + waiting.len());
    for number in order {
        let inst = straight.operations[*number].inst;
        fetch(function, inst, &mut waiting, &mut insts);
        insts.push(inst);
    }
    let end = insts.pop();
    let elsewhere = straight.free.iter().filter(|inst| waiting.contains(inst));
    insts.extend(elsewhere.copied().chain(end));
    for inst in &insts {
        function.layout.remove_inst(*inst);
    }
    let mut cursor = FuncCursor::new(function).at_bottom(block);
    for inst in insts {
        cursor.insert_inst(inst);
    }
}

/// Adds what an instruction takes of those that wait.
fn fetch(function: &Function, inst: Inst, waiting: &mut FxHashSet<Inst>, insts: &mut Vec<Inst>) {
    let dfg = &function.dfg;
    for value in dfg.inst_values(inst) {
        let free = maker(dfg, dfg.resolve_aliases(value)).filter(|inst| is_free(function, *inst));
        if let Some(free) = free.filter(|free| waiting.remove(free)) {
            fetch(function, free, waiting, insts);
            insts.push(free);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::straight::Bank;
    use super::super::testing::optimised;
    use super::{Backwards, Straight, moves};
    use std::fmt::Write;

    /// The order of a block whose operations are in that of the source.
    fn ordered(block: &Straight) -> Vec<usize> {
        Backwards::order(block, &block.order())
    }

    #[test]
    fn what_is_wanted_together_is_made_together() {
        let mut block = Straight::default();
        let left: Vec<usize> = (0..20).map(|_| block.make(&[])).collect();
        let right: Vec<usize> = (0..20).map(|_| block.make(&[])).collect();
        for (one, other) in left.into_iter().zip(right) {
            block.add(&[one, other], 0, Bank::General);
        }
        block.add(&[], 0, Bank::General);
        assert!(moves(&block, &block.order()) > 20);
        assert_eq!(moves(&block, &ordered(&block)), 0);
    }

    /// A block of random operations, each third of which keeps its order.
    fn random(mut seed: u64) -> Straight {
        let mut below = |bound: usize| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            usize::try_from(seed >> 33).expect("31 bits") % bound
        };
        let mut block = Straight::default();
        let mut values = block.give(4);
        let mut fixed = None;
        for number in 0..100 {
            let mut operands = vec![values[below(values.len())], values[below(values.len())]];
            operands.dedup();
            let bank = [Bank::General, Bank::Vector][below(2)];
            values.extend(block.add(&operands, below(3), bank));
            if below(3) == 0 {
                block.operations[number].behind = fixed.replace(number);
            }
        }
        block.add(&values[values.len() - 3..], 0, Bank::General);
        block.operations[100].behind = fixed;
        block
    }

    #[test]
    fn operations_come_behind_what_they_need() {
        for seed in 0..200 {
            let block = random(seed);
            let order = ordered(&block);
            let mut places = vec![None; order.len()];
            for (place, number) in order.iter().enumerate() {
                assert_eq!(places[*number].replace(place), None, "{order:?}");
            }
            assert_eq!(order.last(), Some(&100));
            for (number, operation) in block.operations.iter().enumerate() {
                let made = |operand: &usize| block.values[*operand].made_by;
                let makers = operation.operands.iter().filter_map(made);
                for before in makers.chain(operation.behind) {
                    assert!(places[before] < places[number], "{seed}: {order:?}");
                }
            }
        }
    }

    /// A loop that turns the columns of a table of four columns into rows, row by row, and mixes each row. Cranelift begins with what replaces
    /// the first column.
    fn rows(rows: usize) -> String {
        let cells = || (0..rows).flat_map(|row| (0..4).map(move |column| (row, column)));
        let (mut before, mut round, mut after) = (String::new(), String::new(), String::new());
        for (row, column) in cells() {
            let at = row * 4 + column;
            let (turned, mixed) = (format!("$turned{at}"), format!("$mixed{at}"));
            write!(before, "(local {mixed} i64) (local {turned} i64)").expect("a string");
            let source = column * rows + row;
            let turns = row + 1;
            write!(
                round,
                "(local.set {turned} (i64.rotl (local.get $mixed{source}) (i64.const {turns})))"
            )
            .expect("a string");
            write!(
                after,
                "(i64.store offset={} (i32.const 0) (local.get {mixed}))",
                at * 8
            )
            .expect("a string");
        }
        for (row, column) in cells() {
            let [at, one, other] = [0, 1, 2].map(|step| row * 4 + (column + step) % 4);
            write!(round, "(local.set $mixed{at} (i64.xor (local.get $turned{at}) (i64.and (local.get $turned{one}) (local.get $turned{other}))))").expect("a string");
        }
        format!(
            "(module (memory 1) (func (param $n i32) {before}
                (loop $more {round} (br_if $more (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
                {after}))"
        )
    }

    /// By how much the rotations of a loop turn, in their order, without repetitions.
    fn turns(listing: &str) -> Vec<&str> {
        let rotations = listing.lines().filter(|line| line.contains(" = rotl"));
        let mut turns: Vec<&str> = rotations
            .filter_map(|line| line.rsplit(" = ").next())
            .collect();
        turns.dedup();
        turns
    }

    #[test]
    fn rows_are_finished_one_after_the_other() {
        let listing = optimised(&rows(7));
        assert_eq!(turns(&listing).len(), 7, "{listing}");
    }
}
