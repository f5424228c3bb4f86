//! Constants in addresses become offsets of accesses.
//!
//! WebAssembly computes an address with 32 bits, wrapping around, so `base + index + 4` is an instruction of its own, unless it is known
//! not to wrap. This pass finds out where it does not:
//!
//! ```text
//!   lea eax, [r8 + 4]                       mov ecx, [vmctx + r8 + 4]
//!   mov ecx, [vmctx + rax]
//! ```
//!
//! Soundness. An access at `x + c` is redirected to `x`, with `c` more in its offset, only where `x + c < 2^32` is known:
//!
//! * because `x` lies in an interval whose end allows it: see [`super::ranges`], and the outcomes of the branches that lead here;
//! * because an access at `x` (or at `x + d` with a smaller `d`) lies on every way here and has not trapped. It was
//!   inside the memory, which ends some way below 2^32: see `lucet_format::contract::HEADROOM`.
//!
//! An access that has not been carried out yet when this one is, since instructions move, traps in any case, and so does this
//! one if it should have wrapped around: its address then lies in the guard behind the memory.
//!
//! Containment does not depend on any of this. The index is still a zero-extended number of 32 bits, and the offset still below
//! the limit up to which the reservation and its guard cover every index, also on paths that a processor runs by
//! mistake.
//!
//! It is done where all uses of a sum are such accesses, so that the sum itself goes. Otherwise `x` and `x + c` would both have to
//! be kept.

use super::accesses::{Access, access, address_of, is_covered, redirect};
use super::chains::Chains;
use super::interval::{self, Interval};
use super::knowledge::{Knowledge, Mark, Reached};
use super::ranges::{Ranges, Trust, is_small_integer};
use super::shape::Shape;
use super::uses::Uses;
use super::values::{Sum, binary, constant, mask, sum};
use cranelift_codegen::ir::{Block, Function, InstructionData, Opcode, Value, ValueDef};
use std::collections::HashMap;

/// The largest number of 32 bits.
const LAST: u64 = u32::MAX as u64;
/// How deep operations are looked at again with what is known at one point.
const MOST_DEPTH: usize = 3;
/// How many accesses to the sums with one root are looked at, the latest ones: a function can have very many.
const LOOK_BACK: usize = 64;

/// A better way to make an access.
struct Plan {
    access: Access,
    base: Value,
    offset: u64,
}

/// Moves constants into offsets. `most_bytes` is what memory 0 can ever have.
pub fn fold_constants(function: &mut Function, shape: Shape<'_>, vmctx: Value, most_bytes: u64) {
    let mut planner = Planner {
        function,
        shape,
        vmctx,
        most_bytes,
        ranges: Ranges::new(function, shape, Trust::Branches),
        knowledge: Knowledge::default(),
        plans: Vec::new(),
        chains: Chains::default(),
    };
    planner.walk();
    let Planner { plans, chains, .. } = planner;
    carry_out(function, vmctx, &plans, &chains);
}

struct Planner<'a> {
    function: &'a Function,
    shape: Shape<'a>,
    vmctx: Value,
    most_bytes: u64,
    ranges: Ranges<'a>,
    knowledge: Knowledge,
    plans: Vec<Plan>,
    chains: Chains,
}

enum Visit {
    Enter(Block),
    Leave(Mark),
}

impl Planner<'_> {
    /// Every block after those that dominate it.
    fn walk(&mut self) {
        let mut visits: Vec<Visit> = Vec::new();
        visits.extend(self.function.layout.entry_block().map(Visit::Enter));
        while let Some(visit) = visits.pop() {
            match visit {
                Visit::Leave(mark) => self.knowledge.go_back(mark),
                Visit::Enter(block) => {
                    visits.push(Visit::Leave(self.knowledge.mark()));
                    self.block(block);
                    visits.extend(self.shape.dominators.children(block).map(Visit::Enter));
                }
            }
        }
    }

    fn block(&mut self, block: Block) {
        if let Some([way]) = self.ranges.ways_into(block).as_deref()
            && let Some((condition, holds)) = self.ranges.condition_of(way.edge)
        {
            self.assume(condition, holds);
        }
        for inst in self.function.layout.block_insts(block) {
            self.chains.follow(self.function, self.vmctx, inst);
            if let InstructionData::CondTrap { opcode, arg, .. } = self.function.dfg.insts[inst] {
                self.assume(arg, opcode == Opcode::Trapz);
            } else if let Some(access) = access(&self.function.dfg, self.vmctx, inst) {
                self.access(access);
            }
        }
    }

    /// What a condition's outcome says of what it compares.
    fn assume(&mut self, condition: Value, holds: bool) {
        let both = binary(&self.function.dfg, condition, Opcode::Band).filter(|_| holds);
        for condition in both.into_iter().flatten().chain([condition]) {
            self.assume_comparison(condition, holds);
        }
    }

    fn assume_comparison(&mut self, condition: Value, holds: bool) {
        let dfg = &self.function.dfg;
        let ValueDef::Result(made_by, _) = dfg.value_def(condition) else {
            return;
        };
        let InstructionData::IntCompare { args, .. } = dfg.insts[made_by] else {
            return;
        };
        for about in args {
            if !is_small_integer(dfg.value_type(about)) || constant(dfg, about).is_some() {
                continue;
            }
            let before = self.at(about, MOST_DEPTH);
            let now = self.ranges.given(condition, holds, about, before);
            if now != before {
                self.learn(about, now);
            }
        }
    }

    /// A value, and what it is the sum of, lie in an interval from here on.
    fn learn(&mut self, value: Value, interval: Interval) {
        let dfg = &self.function.dfg;
        self.knowledge.narrow(value, interval);
        let Sum { root, distance } = sum(dfg, value);
        let all = mask(dfg, value);
        if distance != 0
            && let Some(interval) = interval.plus(distance.wrapping_neg() & all, all)
        {
            self.knowledge.narrow(root, interval);
        }
    }

    /// What a value can be at this point.
    fn at(&mut self, value: Value, depth: usize) -> Interval {
        let mut range = self.ranges.of(value);
        if self.knowledge.is_empty() {
            return range;
        }
        if let Some(known) = self.knowledge.interval(value) {
            range = range.meet(known);
        }
        let dfg = &self.function.dfg;
        if depth > 0
            && is_small_integer(dfg.value_type(value))
            && let ValueDef::Result(inst, _) = dfg.value_def(value)
            && let InstructionData::Binary {
                opcode,
                args: [x, y],
            } = dfg.insts[inst]
        {
            let (x, y) = (self.at(x, depth - 1), self.at(y, depth - 1));
            range = range.meet(interval::binary(opcode, x, y, mask(dfg, value)));
        }
        range
    }

    fn access(&mut self, access: Access) {
        let sum = sum(&self.function.dfg, access.index);
        let plan = self.plan(&access, sum);
        // Beyond here the access has gone well.
        let most = self.most_bytes.checked_sub(access.offset + access.bytes);
        if let Some(most) = most {
            self.learn(access.index, Interval::new(0, most));
        }
        match (plan, most) {
            (Some((base, offset)), _) => {
                self.chains.free(&access);
                self.plans.push(Plan {
                    access,
                    base,
                    offset,
                });
            }
            (None, Some(most)) => self.knowledge.reach(
                sum.root,
                Reached {
                    distance: sum.distance,
                    value: access.index,
                    most,
                },
            ),
            (None, None) => {}
        }
    }

    /// Another index and offset for the same address.
    fn plan(&mut self, access: &Access, sum: Sum) -> Option<(Value, u64)> {
        if sum.distance == 0 {
            return None;
        }
        let fits = |most: u64, distance: u64| {
            most + distance <= LAST && is_covered(access.offset + distance)
        };
        if fits(self.at(sum.root, MOST_DEPTH).high, sum.distance) {
            return Some((sum.root, access.offset + sum.distance));
        }
        let way = |reached: &Reached| sum.distance.wrapping_sub(reached.distance) & LAST;
        let suits =
            |reached: &&Reached| reached.value != access.index && fits(reached.most, way(reached));
        let known = self.knowledge.reached(sum.root);
        let latest = known.len().saturating_sub(LOOK_BACK);
        let reached = known.iter().skip(latest).find(suits)?;
        Some((reached.value, access.offset + way(reached)))
    }
}

/// Redirects the accesses whose indices are not needed for anything else.
fn carry_out(function: &mut Function, vmctx: Value, plans: &[Plan], chains: &Chains) {
    let mut uses = Uses::count(function);
    let free = chains.free_indices(&uses, plans.iter().map(|plan| plan.access.index));
    let mut made: HashMap<(Block, Value), Value> = HashMap::new();
    for plan in plans
        .iter()
        .filter(|plan| free.contains(&plan.access.index))
    {
        let inst = plan.access.inst;
        let Some(block) = function.layout.inst_block(inst) else {
            continue;
        };
        let address = *made.entry((block, plan.base)).or_insert_with(|| {
            uses.take(plan.base);
            address_of(function, vmctx, plan.base, inst)
        });
        redirect(&mut function.dfg, inst, address, plan.offset);
        uses.take(address);
        uses.release(function, plan.access.address);
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{offsets, optimised};

    fn accesses(body: &str) -> Vec<u32> {
        let listing = optimised(&format!(
            "(module (memory 1) (func (param $x i32) (param $y i32) (local $i i32) {body}))"
        ));
        offsets(&listing)
    }

    #[test]
    fn an_access_carries_those_behind_it() {
        let body = "(i32.store (local.get $x) (local.get $y))
            (i32.store (i32.add (local.get $x) (i32.const 4)) (local.get $y))
            (i32.store offset=4 (i32.add (local.get $x) (i32.const 64)) (local.get $y))";
        assert_eq!(accesses(body), [0, 4, 68]);
    }

    #[test]
    fn sums_that_can_wrap_around_stay() {
        let first = "(i32.store (local.get $x) (local.get $y))";
        let at = |distance: &str| {
            format!("(i32.store (i32.add (local.get $x) (i32.const {distance})) (local.get $y))")
        };
        // Nothing was accessed before; on one way only; too far; less than what was accessed.
        assert_eq!(accesses(&at("4")), [0]);
        let branch = format!("(if (local.get $y) (then {first})) {}", at("4"));
        assert_eq!(accesses(&branch), [0, 0]);
        assert_eq!(accesses(&format!("{first} {}", at("0x4000004"))), [0, 0]);
        assert_eq!(accesses(&format!("{first} {}", at("-4"))), [0, 0]);
    }

    #[test]
    fn sums_that_are_needed_elsewhere_stay() {
        let body = "(i32.store (local.get $x) (local.get $y))
            (i32.store (local.tee $i (i32.add (local.get $x) (i32.const 4))) (local.get $y))
            (i32.store (local.get $x) (local.get $i))";
        assert_eq!(accesses(body), [0, 0, 0]);
    }

    #[test]
    fn offsets_stay_below_what_the_guard_covers() {
        let body = "(i32.store (i32.add (i32.and (local.get $x) (i32.const 15)) (i32.const 0x7ffffff0)) (local.get $y))
            (i32.store offset=0x10 (i32.add (i32.and (local.get $y) (i32.const 15)) (i32.const 0x7ffffff0)) (local.get $y))";
        assert_eq!(accesses(body), [0x7fff_fff0, 0x10]);
    }

    #[test]
    fn branches_and_loops_bound_indices() {
        let behind = "(if (i32.lt_u (local.get $x) (i32.const 1000))
            (then (i32.store (i32.add (local.get $x) (i32.const 8)) (local.get $y))))";
        assert_eq!(accesses(behind), [8]);
        let counted = |condition: &str| {
            format!(
                "(loop $more
                    (i32.store (i32.add (local.get $i) (i32.const 1024)) (local.get $y))
                    (local.set $i (i32.add (local.get $i) (i32.const 8)))
                    (br_if $more {condition}))"
            )
        };
        assert_eq!(
            accesses(&counted("(i32.ne (local.get $i) (i32.const 400))")),
            [1024]
        );
        assert_eq!(
            accesses(&counted("(i32.lt_u (local.get $i) (i32.const 399))")),
            [1024]
        );
        assert_eq!(
            accesses(&counted("(i32.ne (local.get $i) (i32.const 402))")),
            [0]
        );
        assert_eq!(
            accesses(&counted("(i32.ne (local.get $i) (local.get $x))")),
            [0]
        );
    }
}
