//! How much work the usual register allocation would be for a function, before it begins.
//!
//! Its time is in proportion to ordinary functions, and grows with the square of some properties that small inputs can have a lot of:
//! values that are live at once, edges between blocks, values that blocks hand to each other. What is estimated here is that part, in
//! nanoseconds, with factors measured on the modules of the `bombs` test. A function for which it is much more than what its
//! instructions account for gets the register allocation that takes one pass.
//!
//! Invariants: the estimate depends on nothing but the function, and takes time in proportion to it.
//!
//! It does not bound anything: that is what `limits` is for.

use cranelift_codegen::ir::{Function, Inst, Value};
use rustc_hash::FxHashSet;

/// Instructions of functions that are not looked at: they are done in no time, however they are made.
const FEW: usize = 400;
/// Instructions from which on the usual way takes too much memory.
const MANY: usize = 250_000;
/// What any function may take, and what an instruction may: some times of what compiling one takes.
const ANY: u64 = 100_000_000;
const INSTRUCTION: u64 = 20_000;

/// For each pair of a block's parameters, of edges, of values handed on under one name, and of a value and one that lives with it.
const PARAMETERS: u64 = 250;
const EDGES: u64 = 1;
const NAMES: u64 = 8;
const LIVE: u64 = 60;

/// Whether the usual register allocation would take much longer than the rest.
pub fn is_excessive(function: &Function) -> bool {
    let instructions = function.dfg.num_insts();
    if !(FEW..MANY).contains(&instructions) {
        return instructions >= MANY;
    }
    let work = Work::of(function).nanoseconds();
    work > ANY + INSTRUCTION * instructions as u64
}

/// Numbers that the time grows with the square of.
#[derive(Debug, Default, PartialEq, Eq)]
struct Work {
    /// Each block's parameters, squared and added up.
    parameters: u64,
    /// Different edges between blocks.
    edges: u64,
    /// Parameters that stand for each other, squared and added up.
    names: u64,
    /// Values, and how many of them are needed later at most, in the order of the code.
    values: u64,
    live: u64,
}

impl Work {
    fn of(function: &Function) -> Work {
        let mut work = Work::default();
        let mut names = Names::new(function.dfg.num_values());
        let mut last = vec![0u32; function.dfg.num_values()];
        let dfg = &function.dfg;
        let blocks = || function.layout.blocks();
        let order = || blocks().flat_map(|block| function.layout.block_insts(block));
        for block in blocks() {
            work.parameters += (dfg.num_block_params(block) as u64).pow(2);
        }
        for (place, inst) in (1u32..).zip(order()) {
            for value in dfg.inst_values(inst) {
                last[resolved(function, value)] = place;
            }
            let destinations =
                dfg.insts[inst].branch_destination(&dfg.jump_tables, &dfg.exception_tables);
            work.edges += match destinations {
                [] | [_] | [_, _] => destinations.len() as u64,
                // A table names some targets again and again.
                many => many
                    .iter()
                    .map(|call| call.block(&dfg.value_lists))
                    .collect::<FxHashSet<_>>()
                    .len() as u64,
            };
            for call in destinations {
                let target = call.block(&dfg.value_lists);
                let parameters = dfg.block_params(target);
                for (parameter, argument) in parameters.iter().zip(call.args(&dfg.value_lists)) {
                    if let Some(argument) = argument.as_value() {
                        names.join(parameter.as_u32() as usize, resolved(function, argument));
                    }
                }
            }
        }
        work.names = names.squares();
        work.count_live(function, &last, order());
        work
    }

    /// Values live from where they are made to where they are last named.
    fn count_live(&mut self, function: &Function, last: &[u32], order: impl Iterator<Item = Inst>) {
        let mut ending = vec![0u32; order_length(last)];
        let mut live = 0u64;
        let mut begin = |value: Value, live: &mut u64, ending: &mut Vec<u32>, place: u32| {
            let end = last.get(value.as_u32() as usize).copied().unwrap_or(0);
            if end > place {
                self.values += 1;
                *live += 1;
                if let Some(count) = ending.get_mut(end as usize) {
                    *count += 1;
                }
            }
        };
        let mut most = 0;
        let mut block = None;
        for (place, inst) in (1u32..).zip(order) {
            let within = function.layout.inst_block(inst);
            if within != block {
                block = within;
                for parameter in within
                    .iter()
                    .flat_map(|block| function.dfg.block_params(*block))
                {
                    begin(*parameter, &mut live, &mut ending, place - 1);
                }
            }
            live -= u64::from(ending.get(place as usize).copied().unwrap_or(0)).min(live);
            for result in function.dfg.inst_results(inst) {
                begin(*result, &mut live, &mut ending, place);
            }
            most = most.max(live);
        }
        self.live = most;
    }

    fn nanoseconds(&self) -> u64 {
        let squares = [
            (PARAMETERS, self.parameters),
            (EDGES, self.edges.saturating_mul(self.edges)),
            (NAMES, self.names),
            (LIVE, self.values.saturating_mul(self.live)),
        ];
        let each = squares
            .iter()
            .map(|(factor, count)| factor.saturating_mul(*count));
        each.fold(0, u64::saturating_add)
    }
}

/// One more than the last place.
fn order_length(last: &[u32]) -> usize {
    last.iter().copied().max().unwrap_or(0) as usize + 1
}

fn resolved(function: &Function, value: Value) -> usize {
    function.dfg.resolve_aliases(value).as_u32() as usize
}

/// Values that stand for each other: disjoint sets, a set's first value being its representative.
struct Names {
    above: Vec<u32>,
    /// Joins of the set that each representative stands for.
    joins: Vec<u32>,
}

impl Names {
    fn new(values: usize) -> Names {
        Names {
            above: (0..values as u32).collect(),
            joins: vec![0; values],
        }
    }

    fn find(&mut self, of: usize) -> usize {
        let mut at = of;
        while self.above[at] as usize != at {
            // Halves the way for whoever comes next.
            self.above[at] = self.above[self.above[at] as usize];
            at = self.above[at] as usize;
        }
        at
    }

    fn join(&mut self, one: usize, other: usize) {
        let (one, other) = (self.find(one), self.find(other));
        if one != other {
            let (first, second) = (one.min(other), one.max(other));
            self.above[second] = first as u32;
            self.joins[first] += self.joins[second] + 1;
        }
    }

    fn squares(&self) -> u64 {
        let sets = self.above.iter().zip(&self.joins).enumerate();
        let representatives = sets.filter(|(at, (above, _))| *at == **above as usize);
        representatives
            .map(|(_, (_, joins))| u64::from(*joins).pow(2))
            .fold(0, u64::saturating_add)
    }
}
