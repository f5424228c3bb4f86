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

use super::values::destinations;
use cranelift_codegen::Context;
use cranelift_codegen::ir::{Block, BlockArg, BlockCall, Function, Inst, Value};
use rustc_hash::{FxHashMap, FxHashSet};

/// A destination of a branch.
type Edge = (Inst, usize);

/// Removes parameters that are always another value. Needs the dominator tree.
pub fn remove_copies(context: &mut Context) {
    let order: Vec<Block> = context.domtree.cfg_rpo().copied().collect();
    let function = &mut context.func;
    function.dfg.resolve_all_aliases();
    let solver = Solver::new(function, &order);
    let assumed = solver.solve();
    let edges = solver.edges;
    let is_copy = |value: &Value| assumed.get(value).is_some_and(|same| same != value);
    if !assumed.keys().any(is_copy) {
        return;
    }
    for block in order {
        if function.dfg.block_params(block).iter().any(is_copy)
            && let Some(edges) = edges.get(&block)
        {
            shorten(function, block, edges, &assumed);
        }
    }
    function.dfg.resolve_all_aliases();
}

struct Solver<'a> {
    function: &'a Function,
    /// The blocks with parameters, but for the first one, those before others on the way first.
    blocks: Vec<Block>,
    edges: FxHashMap<Block, Vec<Edge>>,
    parameters: FxHashSet<Value>,
}

impl<'a> Solver<'a> {
    fn new(function: &'a Function, order: &[Block]) -> Solver<'a> {
        let mut edges: FxHashMap<Block, Vec<Edge>> = FxHashMap::default();
        // Also those that nothing reaches: they must fit their destinations.
        let branches = function.layout.blocks();
        for branch in branches.filter_map(|block| function.layout.last_inst(block)) {
            for (position, call) in destinations(&function.dfg, branch).iter().enumerate() {
                if call.len(&function.dfg.value_lists) > 0 {
                    let to = call.block(&function.dfg.value_lists);
                    edges.entry(to).or_default().push((branch, position));
                }
            }
        }
        let with_ways = |block: &Block| edges.contains_key(block);
        let blocks: Vec<Block> = order.iter().copied().filter(with_ways).collect();
        let parameters = blocks
            .iter()
            .flat_map(|block| function.dfg.block_params(*block))
            .copied()
            .collect();
        Solver {
            function,
            blocks,
            edges,
            parameters,
        }
    }

    /// What parameters are assumed to be: themselves, or another value.
    fn solve(&self) -> FxHashMap<Value, Value> {
        let mut assumed = FxHashMap::default();
        loop {
            let mut changed = false;
            for block in &self.blocks {
                for (position, parameter) in
                    self.function.dfg.block_params(*block).iter().enumerate()
                {
                    let before = assumed.get(parameter).copied();
                    // What has become a value of its own stays one, so this comes to an end.
                    if before == Some(*parameter) {
                        continue;
                    }
                    let now = self.handed_on(*block, position, *parameter, &assumed);
                    if now != before {
                        assumed.extend(now.map(|value| (*parameter, value)));
                        changed = true;
                    }
                }
            }
            if !changed {
                return assumed;
            }
        }
    }

    /// The one value that is handed on for a parameter, or the parameter if there are several.
    fn handed_on(
        &self,
        block: Block,
        position: usize,
        parameter: Value,
        assumed: &FxHashMap<Value, Value>,
    ) -> Option<Value> {
        let dfg = &self.function.dfg;
        let mut only: Option<Value> = None;
        for (branch, destination) in self.edges.get(&block)? {
            let call = destinations(dfg, *branch)[*destination];
            let Some(BlockArg::Value(value)) = call.args(&dfg.value_lists).nth(position) else {
                return Some(parameter);
            };
            let value = match assumed.get(&value) {
                Some(same) => *same,
                // It has not been reached yet.
                None if self.parameters.contains(&value) => continue,
                None => value,
            };
            if value != parameter && *only.get_or_insert(value) != value {
                return Some(parameter);
            }
        }
        only
    }
}

/// Removes the parameters of a block that are assumed to be others, and what is handed on for them.
fn shorten(
    function: &mut Function,
    block: Block,
    edges: &[Edge],
    assumed: &FxHashMap<Value, Value>,
) {
    let parameters = function.dfg.block_params(block).to_vec();
    let stays: Vec<bool> = parameters
        .iter()
        .map(|value| assumed.get(value).is_none_or(|same| same == value))
        .collect();
    for (branch, position) in edges {
        let dfg = &mut function.dfg;
        let call = destinations(dfg, *branch)[*position];
        let arguments: Vec<BlockArg> = call
            .args(&dfg.value_lists)
            .zip(&stays)
            .filter_map(|(argument, stays)| stays.then_some(argument))
            .collect();
        let shorter = BlockCall::new(block, arguments, &mut dfg.value_lists);
        let calls = dfg.insts[*branch]
            .branch_destination_mut(&mut dfg.jump_tables, &mut dfg.exception_tables);
        if let Some(call) = calls.get_mut(*position) {
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
