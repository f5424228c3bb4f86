//! The flow of control of a function, as Cranelift has analysed it, and questions about loops.

use super::values::destinations;
use cranelift_codegen::dominator_tree::DominatorTree;
use cranelift_codegen::flowgraph::ControlFlowGraph;
use cranelift_codegen::ir::{Block, Function, Inst, Value, ValueDef};
use cranelift_codegen::loop_analysis::{Loop, LoopAnalysis};

/// Borrowed from a Cranelift context whose analyses are up to date.
#[derive(Clone, Copy)]
pub struct Shape<'a> {
    pub edges: &'a ControlFlowGraph,
    pub dominators: &'a DominatorTree,
    pub loops: &'a LoopAnalysis,
}

/// A way into a block. What it hands on is for [`super::ways`] to read.
#[derive(Clone, Copy)]
pub struct Edge {
    pub from: Block,
    pub branch: Inst,
    /// Which of the branch's destinations it is.
    pub position: usize,
}

impl Shape<'_> {
    /// The ways into a block, each destination of each branch by itself; `None`: there are more than `most`.
    pub fn ways_into(&self, function: &Function, block: Block, most: usize) -> Option<Vec<Edge>> {
        let dfg = &function.dfg;
        let mut found = Vec::new();
        for predecessor in self.edges.pred_iter(block) {
            for (position, call) in destinations(dfg, predecessor.inst).iter().enumerate() {
                if call.block(&dfg.value_lists) != block {
                    continue;
                }
                if found.len() == most {
                    return None;
                }
                found.push(Edge {
                    from: predecessor.block,
                    branch: predecessor.inst,
                    position,
                });
            }
        }
        Some(found)
    }

    /// Whether a way into a loop's header comes from inside.
    pub fn goes_back(&self, edge: Edge, inside: Loop) -> bool {
        self.loops.is_in_loop(edge.from, inside)
    }

    /// The block that a value is made in.
    pub fn home(&self, function: &Function, value: Value) -> Option<Block> {
        match function.dfg.value_def(value) {
            ValueDef::Param(block, _) => Some(block),
            ValueDef::Result(inst, _) => function.layout.inst_block(inst),
            ValueDef::Union(..) => None,
        }
    }

    /// Whether a value is made outside of a loop.
    pub fn is_invariant(&self, function: &Function, value: Value, inside: Loop) -> bool {
        self.home(function, value)
            .is_some_and(|home| !self.loops.is_in_loop(home, inside))
    }
}
