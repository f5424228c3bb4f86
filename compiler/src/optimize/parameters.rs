//! Parameters of blocks that always have the value of another one are removed.
//!
//! A local that a loop leaves alone is handed through the headers of the loops inside it, from one parameter to
//! the next. Cranelift removes parameters that always get the same value only where that is not a parameter itself. The others keep
//! registers, cost moves on the way round, and hide that what they hold does not change in the loop.
//!
//! ```text
//!   outer(a):    jump inner(a)              outer(a):    jump inner
//!   inner(b):    … brif c, inner(b), out    inner:       … brif c, inner, out      (b is a)
//! ```
//!
//! Soundness. Each parameter is assumed to be the one value that all ways into its block hand on, going by what these are
//! assumed to be; a parameter whose ways disagree is a value of its own. When nothing changes any longer the assumptions hold
//! together: by induction over the steps of a run, a parameter has the value that it is assumed to have. That value is known in the
//! block: on every way there, what is handed on is it, or is another such parameter of a block before.

use super::shape::Edge;
use super::values::destinations;
use super::ways::Way;
use cranelift_codegen::Context;
use cranelift_codegen::ir::{Block, BlockArg, BlockCall, Function, Value};
use rustc_hash::FxHashMap;
use std::collections::BTreeSet;

/// Removes parameters that are always another value. Needs the dominator tree.
pub fn remove_copies(context: &mut Context) {
    let order: Vec<Block> = context.domtree.cfg_rpo().copied().collect();
    let function = &mut context.func;
    function.dfg.resolve_all_aliases();
    let solver = Solver::new(function, &order);
    let assumed = solver.solve();
    let ways = solver.ways;
    let is_copy = |value: &Value| assumed.get(value).is_some_and(|same| same != value);
    if !assumed.keys().any(is_copy) {
        return;
    }
    for block in order {
        if function.dfg.block_params(block).iter().any(is_copy)
            && let Some(ways) = ways.get(&block)
        {
            shorten(function, block, ways, &assumed);
        }
    }
    function.dfg.resolve_all_aliases();
}

/// A parameter that could be a copy.
struct Parameter {
    value: Value,
    block: Block,
    position: usize,
}

struct Solver {
    ways: FxHashMap<Block, Vec<Way>>,
    /// Those of all blocks that something leads to, those of blocks before others on the way first.
    parameters: Vec<Parameter>,
    /// The parameters that each is handed on for, by their places in `parameters`.
    handed_to: FxHashMap<Value, Vec<usize>>,
}

impl Solver {
    fn new(function: &Function, order: &[Block]) -> Solver {
        let ways = ways(function);
        let mut parameters = Vec::new();
        for block in order.iter().filter(|block| ways.contains_key(block)) {
            let values = function.dfg.block_params(*block).iter().enumerate();
            parameters.extend(values.map(|(position, value)| Parameter {
                value: *value,
                block: *block,
                position,
            }));
        }
        let mut solver = Solver {
            ways,
            handed_to: parameters
                .iter()
                .map(|parameter| (parameter.value, Vec::new()))
                .collect(),
            parameters,
        };
        solver.find_users();
        solver
    }

    fn find_users(&mut self) {
        for (place, parameter) in self.parameters.iter().enumerate() {
            for way in self.ways.get(&parameter.block).into_iter().flatten() {
                let source = way.handed_on(parameter.position);
                if let Some(users) = source.and_then(|value| self.handed_to.get_mut(&value))
                    && users.last() != Some(&place)
                {
                    users.push(place);
                }
            }
        }
    }

    /// What parameters are assumed to be: themselves, or another value.
    ///
    /// They are looked at in their order, round after round, but for those of which nothing has changed that is handed on for them. A
    /// round has seen each of them once, and after that one an assumption changes at most twice: to the first value of its own that is
    /// handed on, and to one of its own. So this takes time in proportion to what is handed on.
    fn solve(&self) -> FxHashMap<Value, Value> {
        let mut assumed = FxHashMap::default();
        let mut pending: BTreeSet<(usize, usize)> =
            (0..self.parameters.len()).map(|place| (0, place)).collect();
        while let Some((round, place)) = pending.pop_first() {
            let Some(parameter) = self.parameters.get(place) else {
                continue;
            };
            let before = assumed.get(&parameter.value).copied();
            // What has become a value of its own stays one, so this comes to an end.
            if before == Some(parameter.value) {
                continue;
            }
            let now = self.handed_on(parameter, &assumed);
            if now == before {
                continue;
            }
            assumed.extend(now.map(|value| (parameter.value, value)));
            for user in self.handed_to.get(&parameter.value).into_iter().flatten() {
                pending.insert((round + usize::from(*user <= place), *user));
            }
        }
        assumed
    }

    /// The one value that is handed on for a parameter, or the parameter if there are several.
    fn handed_on(&self, parameter: &Parameter, assumed: &FxHashMap<Value, Value>) -> Option<Value> {
        let mut only: Option<Value> = None;
        for way in self.ways.get(&parameter.block)? {
            let Some(value) = way.handed_on(parameter.position) else {
                return Some(parameter.value);
            };
            let value = match assumed.get(&value) {
                Some(same) => *same,
                // It has not been reached yet.
                None if self.handed_to.contains_key(&value) => continue,
                None => value,
            };
            if value != parameter.value && *only.get_or_insert(value) != value {
                return Some(parameter.value);
            }
        }
        only
    }
}

/// The ways into blocks that hand something on, also those that nothing reaches: they must fit their destinations.
fn ways(function: &Function) -> FxHashMap<Block, Vec<Way>> {
    let dfg = &function.dfg;
    let mut ways: FxHashMap<Block, Vec<Way>> = FxHashMap::default();
    for from in function.layout.blocks() {
        let Some(branch) = function.layout.last_inst(from) else {
            continue;
        };
        for (position, call) in destinations(dfg, branch).iter().enumerate() {
            if call.len(&dfg.value_lists) > 0 {
                let edge = Edge {
                    from,
                    branch,
                    position,
                };
                let to = ways.entry(call.block(&dfg.value_lists)).or_default();
                to.push(Way::read(function, edge));
            }
        }
    }
    ways
}

/// Removes the parameters of a block that are assumed to be others, and what is handed on for them.
fn shorten(function: &mut Function, block: Block, ways: &[Way], assumed: &FxHashMap<Value, Value>) {
    let parameters = function.dfg.block_params(block).to_vec();
    let stays: Vec<bool> = parameters
        .iter()
        .map(|value| assumed.get(value).is_none_or(|same| same == value))
        .collect();
    for Edge {
        branch, position, ..
    } in ways.iter().map(|way| way.edge)
    {
        let dfg = &mut function.dfg;
        let Some(call) = destinations(dfg, branch).get(position) else {
            continue;
        };
        let arguments: Vec<BlockArg> = call
            .args(&dfg.value_lists)
            .zip(&stays)
            .filter_map(|(argument, stays)| stays.then_some(argument))
            .collect();
        let shorter = BlockCall::new(block, arguments, &mut dfg.value_lists);
        let calls = dfg.insts[branch]
            .branch_destination_mut(&mut dfg.jump_tables, &mut dfg.exception_tables);
        if let Some(call) = calls.get_mut(position) {
            *call = shorter;
        }
    }
    let _ = function.dfg.detach_block_params(block);
    for (value, stays) in parameters.into_iter().zip(stays) {
        match assumed.get(&value) {
            Some(same) if !stays => function.dfg.change_to_alias(value, *same),
            _ => function.dfg.attach_block_param(block, value),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::optimised;

    /// The parameters of blocks, each with its type, but for those of the function.
    fn parameters(listing: &str) -> usize {
        let blocks = listing
            .lines()
            .filter(|line| line.trim_start().starts_with("block"));
        blocks.skip(1).map(|line| line.matches(": i").count()).sum()
    }

    #[test]
    fn what_loops_leave_alone_is_not_handed_on() {
        let nested = |inside: &str| {
            optimised(&format!(
                "(module (func (param $x i32) (result i32) (local $outer i32) (local $i i32)
                    (loop $again
                        (local.set $i (local.get $x))
                        (loop $more {inside}
                            (br_if $more (local.tee $i (i32.sub (local.get $i) (i32.const 1)))))
                        (br_if $again (i32.ne (local.tee $outer (i32.add (local.get $outer) (i32.const 3))) (local.get $x))))
                    (local.get $outer)))"
            ))
        };
        // The counters of both loops.
        let listing = nested("");
        assert_eq!(parameters(&listing), 2, "{listing}");
        let listing = nested("(local.set $outer (i32.xor (local.get $outer) (local.get $i)))");
        assert_eq!(parameters(&listing), 3, "{listing}");
    }

    #[test]
    fn parameters_that_differ_stay() {
        let listing = optimised(
            "(module (func (param $x i32) (param $y i32) (result i32) (local $i i32)
                (loop $more
                    (if (i32.and (local.get $i) (i32.const 1)) (then (local.set $x (local.get $y))))
                    (br_if $more (i32.ne (local.tee $i (i32.add (local.get $i) (i32.const 1))) (local.get $y))))
                (local.get $x)))",
        );
        assert_eq!(parameters(&listing), 3, "{listing}");
    }
}
