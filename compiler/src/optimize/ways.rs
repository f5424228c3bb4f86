//! What a way into a block hands on, read once.
//!
//! Cranelift goes through the arguments of a branch from the first one on, so asking for the one at a position takes time in proportion to
//! the position, and asking for all of them the square of their number. Whoever asks about more than one parameter reads them here,
//! and then gets each at once.

use super::shape::Edge;
use super::values::destinations;
use cranelift_codegen::ir::{BlockArg, Function, Value};
use cranelift_codegen::packed_option::PackedOption;

/// A way into a block.
pub struct Way {
    pub edge: Edge,
    /// By the positions of the block's parameters; none for what a call with handlers returns.
    arguments: Vec<PackedOption<Value>>,
}

impl Way {
    pub fn read(function: &Function, edge: Edge) -> Way {
        let dfg = &function.dfg;
        let call = destinations(dfg, edge.branch).get(edge.position);
        let arguments = call
            .into_iter()
            .flat_map(|call| call.args(&dfg.value_lists));
        Way {
            edge,
            arguments: arguments.map(|it| it.as_value().into()).collect(),
        }
    }

    /// What is handed on for the parameter at this position; `None` for what a call with handlers returns.
    pub fn handed_on(&self, parameter: usize) -> Option<Value> {
        self.arguments.get(parameter)?.expand()
    }

    /// Hands on another value, once it is written.
    pub fn hand_on(&mut self, parameter: usize, value: Value) {
        if let Some(argument) = self.arguments.get_mut(parameter) {
            *argument = value.into();
        }
    }

    /// Makes the branch hand on the values that have been set.
    pub fn write(&self, function: &mut Function) {
        let dfg = &mut function.dfg;
        let Some(mut call) = destinations(dfg, self.edge.branch)
            .get(self.edge.position)
            .copied()
        else {
            return;
        };
        let mut now = self.arguments.iter();
        call.update_args(&mut dfg.value_lists, |argument| {
            let value = now.next().and_then(|value| value.expand());
            value.map_or(argument, BlockArg::Value)
        });
    }
}
