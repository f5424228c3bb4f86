//! Which numbers a value can be, as far as that follows from how it is made.
//!
//! Values are looked at when they are asked for, and remembered. Parameters of loops are followed by [`super::trips`]; those of
//! other blocks are what the ways into the block hand on. Parameters that hand each other on around a loop are one of the values that come
//! from elsewhere. What depends on itself in another way is not known, nor is what lies deeper than [`MOST_DEPTH`]: the answer is then everything that the type can hold.
//!
//! Two kinds of knowledge. With [`Trust::Branches`] the outcome of branches counts: what `i < 10` leads to sees an `i`
//! below 10. That is true of what a program computes, but not of what a processor does that has mispredicted the
//! branch. With [`Trust::Data`] only operations on data count, and loops that step from a known number: mispredicting the end of
//! such a loop goes on with the next numbers, for as many rounds as a processor can have in flight, and no further.

use super::interval::{self, Interval};
use super::shape::{Edge, Shape};
use super::values::{binary, destinations, mask};
use super::ways::Way;
use cranelift_codegen::ir::condcodes::CondCode;
use cranelift_codegen::ir::{
    Block, Function, Inst, InstructionData, Opcode, Type, Value, ValueDef,
};
use cranelift_codegen::loop_analysis::Loop;
use rustc_hash::{FxHashMap, FxHashSet};
use std::rc::Rc;

/// How many operations deep a value is followed.
const MOST_DEPTH: usize = 24;
/// The most parameters that hand each other on.
const MOST_COPIES: usize = 8;
/// The most ways into a block that are looked at.
const MOST_WAYS: usize = 16;
/// With [`Trust::Data`]: how far one round of a loop goes at most. The guard behind memory is 32768 times as long.
const MOST_STEP_OF_DATA: u64 = 1 << 16;

/// What ranges may rest on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    Branches,
    Data,
}

pub struct Ranges<'a> {
    pub(super) function: &'a Function,
    pub(super) shape: Shape<'a>,
    pub(super) trips: FxHashMap<Loop, Option<u64>>,
    trust: Trust,
    known: FxHashMap<Value, Interval>,
    busy: FxHashSet<Value>,
    ways: FxHashMap<Block, Option<Rc<[Way]>>>,
}

impl<'a> Ranges<'a> {
    pub fn new(function: &'a Function, shape: Shape<'a>, trust: Trust) -> Ranges<'a> {
        Ranges {
            function,
            shape,
            trips: FxHashMap::default(),
            trust,
            known: FxHashMap::default(),
            busy: FxHashSet::default(),
            ways: FxHashMap::default(),
        }
    }

    /// What an integer value can be, wherever it is known.
    pub fn of(&mut self, value: Value) -> Interval {
        if !is_small_integer(self.function.dfg.value_type(value)) {
            return Interval::all(u64::MAX);
        }
        if let Some(known) = self.known.get(&value) {
            return *known;
        }
        let all = Interval::all(mask(&self.function.dfg, value));
        if self.busy.len() >= MOST_DEPTH || !self.busy.insert(value) {
            return all;
        }
        let found = all.meet(match self.function.dfg.value_def(value) {
            ValueDef::Result(inst, 0) => self.of_instruction(inst, all),
            ValueDef::Param(block, position) => self.of_parameter(block, position, all),
            _ => all,
        });
        self.busy.remove(&value);
        self.known.insert(value, found);
        found
    }

    fn of_instruction(&mut self, inst: Inst, all: Interval) -> Interval {
        let dfg = &self.function.dfg;
        match dfg.insts[inst] {
            InstructionData::UnaryImm {
                opcode: Opcode::Iconst,
                imm,
            } => Interval::exactly(imm.bits().cast_unsigned() & all.high),
            InstructionData::Binary {
                opcode,
                args: [x, y],
            } => interval::binary(opcode, self.of(x), self.of(y), all.high),
            InstructionData::Unary { opcode, arg } => self.of_unary(opcode, arg, all),
            InstructionData::Ternary {
                opcode: Opcode::Select,
                args: [_, x, y],
            } => self.of(x).join(self.of(y)),
            InstructionData::IntCompare { .. } | InstructionData::FloatCompare { .. } => {
                Interval::new(0, 1)
            }
            InstructionData::Load { opcode, .. } => match opcode {
                Opcode::Uload8 => Interval::new(0, 0xff),
                Opcode::Uload16 => Interval::new(0, 0xffff),
                Opcode::Uload32 => Interval::new(0, 0xffff_ffff),
                _ => all,
            },
            _ => all,
        }
    }

    fn of_unary(&mut self, opcode: Opcode, operand: Value, all: Interval) -> Interval {
        let kind = self.function.dfg.value_type(operand);
        if !is_small_integer(kind) {
            return all;
        }
        match opcode {
            Opcode::Popcnt | Opcode::Clz | Opcode::Ctz => Interval::new(0, u64::from(kind.bits())),
            Opcode::Uextend => self.of(operand),
            Opcode::Sextend => {
                let from = self.of(operand);
                let never_negative = from.high <= mask(&self.function.dfg, operand) >> 1;
                if never_negative { from } else { all }
            }
            Opcode::Ireduce => {
                let from = self.of(operand);
                if from.high <= all.high { from } else { all }
            }
            _ => all,
        }
    }

    fn of_parameter(&mut self, block: Block, position: usize, all: Interval) -> Interval {
        let Some(ways) = self.ways_into(block) else {
            return all;
        };
        let itself = self.function.dfg.block_params(block).get(position).copied();
        let mut handed_on = None::<Interval>;
        for way in ways.iter() {
            let range = match way.handed_on(position) {
                // It stays what it was.
                same if same.is_some() && same == itself => continue,
                Some(value) => self.along(way.edge, value),
                None => all,
            };
            handed_on = Some(handed_on.map_or(range, |known| known.join(range)));
        }
        let handed_on = match handed_on {
            Some(known) if known != all => known,
            _ => itself.map_or(all, |value| self.of_copies(value, all)),
        };
        match self.of_induction(block, position, all.high) {
            Some(counted) => counted.meet(handed_on),
            None => handed_on,
        }
    }

    /// What a parameter can be, and those that it is handed on from or to itself: one of the values that come from elsewhere.
    fn of_copies(&mut self, value: Value, all: Interval) -> Interval {
        let (mut copies, mut next) = (vec![value], 0);
        let mut found = None::<Interval>;
        while let Some(copy) = copies.get(next).copied() {
            next += 1;
            let ValueDef::Param(block, position) = self.function.dfg.value_def(copy) else {
                return all;
            };
            // Nothing leads to the first block, whose parameters are the caller's.
            let Some(ways) = self.ways_into(block).filter(|ways| !ways.is_empty()) else {
                return all;
            };
            for way in ways.iter() {
                let Some(source) = way.handed_on(position) else {
                    return all;
                };
                let is_parameter =
                    matches!(self.function.dfg.value_def(source), ValueDef::Param(..));
                if copies.contains(&source) {
                    continue;
                }
                if is_parameter && copies.len() < MOST_COPIES {
                    copies.push(source);
                    continue;
                }
                let range = self.of(source);
                if range == all {
                    return all;
                }
                found = Some(found.map_or(range, |known| known.join(range)));
            }
        }
        let found = found.unwrap_or(all);
        self.known.extend(copies.iter().map(|copy| (*copy, found)));
        found
    }

    /// The ways into a block, unless they are many.
    pub(super) fn ways_into(&mut self, block: Block) -> Option<Rc<[Way]>> {
        let (function, shape) = (self.function, self.shape);
        let ways = self.ways.entry(block).or_insert_with(|| {
            let edges = shape.ways_into(function, block, MOST_WAYS)?.into_iter();
            Some(edges.map(|edge| Way::read(function, edge)).collect())
        });
        ways.clone()
    }

    /// What a parameter of a loop's header can be that changes by fixed amounts, a limited number of times.
    fn of_induction(&mut self, block: Block, position: usize, mask: u64) -> Option<Interval> {
        let inside = self.shape.loops.is_loop_header(block)?;
        let induction = self.induction(block, position)?;
        let (least, most) = induction.steps;
        let widest = least.unsigned_abs().max(most.unsigned_abs());
        if self.trust == Trust::Data && widest > MOST_STEP_OF_DATA {
            return None;
        }
        let times = self.times_back(inside)?;
        let way = |step: i64| step.unsigned_abs().checked_mul(times);
        let (mut low, mut high) = (induction.first.low, induction.first.high);
        if most > 0 {
            high = high.checked_add(way(most)?)?;
        }
        if least < 0 {
            low = low.checked_sub(way(least)?)?;
        }
        (high <= mask).then_some(Interval::new(low, high))
    }

    /// What a value can be when this way is taken.
    pub(super) fn along(&mut self, edge: Edge, value: Value) -> Interval {
        let range = self.of(value);
        match self.condition_of(edge) {
            Some((condition, holds)) => self.given(condition, holds, value, range),
            None => range,
        }
    }

    /// The condition of a branch with two destinations, and its outcome on this way, if branches are to be trusted.
    pub fn condition_of(&self, edge: Edge) -> Option<(Value, bool)> {
        let dfg = &self.function.dfg;
        let InstructionData::Brif { arg, .. } = dfg.insts[edge.branch] else {
            return None;
        };
        let calls = destinations(dfg, edge.branch);
        let mut blocks = calls.iter().map(|call| call.block(&dfg.value_lists));
        let distinct = blocks.next() != blocks.next();
        (self.trust == Trust::Branches && distinct).then_some((arg, edge.position == 0))
    }

    /// What a value can be, out of `range`, when a condition has this outcome.
    pub fn given(
        &mut self,
        condition: Value,
        holds: bool,
        about: Value,
        range: Interval,
    ) -> Interval {
        let dfg = &self.function.dfg;
        if condition == about {
            let all = mask(dfg, about);
            return match holds {
                true => range.meet(Interval::new(1, all)),
                false => Interval::exactly(0),
            };
        }
        if holds && let Some([first, second]) = binary(dfg, condition, Opcode::Band) {
            let range = self.given_comparison(first, true, about, range);
            return self.given_comparison(second, true, about, range);
        }
        self.given_comparison(condition, holds, about, range)
    }

    fn given_comparison(
        &mut self,
        condition: Value,
        holds: bool,
        about: Value,
        range: Interval,
    ) -> Interval {
        let dfg = &self.function.dfg;
        let ValueDef::Result(made_by, _) = dfg.value_def(condition) else {
            return range;
        };
        let InstructionData::IntCompare {
            args: [left, right],
            cond,
            ..
        } = dfg.insts[made_by]
        else {
            return range;
        };
        if !is_small_integer(dfg.value_type(left)) {
            return range;
        }
        let all = mask(dfg, left);
        let cond = if holds { cond } else { cond.complement() };
        if left == about {
            let bound = self.of(right);
            return range.compared(cond, bound, all);
        }
        if right == about {
            let bound = self.of(left);
            return range.compared(cond.swap_args(), bound, all);
        }
        range
    }
}

/// Whether intervals can describe values of this type.
pub fn is_small_integer(kind: Type) -> bool {
    kind.is_int() && kind.bits() <= 64
}
