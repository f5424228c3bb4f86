//! When the values of a block are ready, from one round of its loop to the next.
//!
//! The block's data flow is run some rounds ahead, each operation taking what it takes on a processor that has enough of everything:
//! what depends on the round before by a long way shows as late.
//!
//! Not here: what waits for memory, for a place to be executed, or for a branch.

use super::values::destinations;
use cranelift_codegen::entity::SecondaryMap;
use cranelift_codegen::ir::{Block, Function, Inst, Opcode, Value};

/// Rounds that are run ahead.
const ROUNDS: usize = 8;

/// When the values of a block are ready, in cycles after the first of its parameters is. Others are ready before.
#[derive(Default)]
pub struct Ready {
    pub at: SecondaryMap<Value, u32>,
    /// Where in the block their instructions are, from 1 on; 0 for others.
    pub place: SecondaryMap<Inst, usize>,
    /// What is in the two, so that forgetting a block takes no longer than estimating it.
    values: Vec<Value>,
    insts: Vec<Inst>,
}

impl Ready {
    /// Estimates for a block. The one before must have been forgotten.
    pub fn estimate(&mut self, function: &Function, block: Block) {
        let dfg = &function.dfg;
        self.insts.extend(function.layout.block_insts(block));
        self.values.extend(dfg.block_params(block));
        for (place, inst) in (1..).zip(&self.insts) {
            self.place[*inst] = place;
            self.values.extend(dfg.inst_results(*inst));
        }
        for _ in 1..ROUNDS {
            self.run(function, block);
            if !self.go_round(function, block) {
                return;
            }
        }
        self.run(function, block);
    }

    pub fn forget(&mut self) {
        for value in self.values.drain(..) {
            self.at[value] = 0;
        }
        for inst in self.insts.drain(..) {
            self.place[inst] = 0;
        }
    }

    /// One round.
    fn run(&mut self, function: &Function, block: Block) {
        let dfg = &function.dfg;
        for inst in function.layout.block_insts(block) {
            let last = dfg
                .inst_args(inst)
                .iter()
                .map(|value| self.at[*value])
                .max();
            let done = last.unwrap_or(0) + cycles(dfg.insts[inst].opcode());
            for result in dfg.inst_results(inst) {
                self.at[*result] = done;
            }
        }
    }

    /// The parameters are ready when what is handed on for them is; false if nothing is.
    fn go_round(&mut self, function: &Function, block: Block) -> bool {
        let dfg = &function.dfg;
        let Some(branch) = function.layout.last_inst(block) else {
            return false;
        };
        let mut ways = destinations(dfg, branch).iter();
        let Some(back) = ways.find(|call| call.block(&dfg.value_lists) == block) else {
            return false;
        };
        let handed: Vec<u32> = back
            .args(&dfg.value_lists)
            .map(|argument| argument.as_value().map_or(0, |value| self.at[value]))
            .collect();
        for (parameter, at) in dfg.block_params(block).iter().zip(handed) {
            self.at[*parameter] = at;
        }
        true
    }
}

/// What an operation takes, about.
fn cycles(opcode: Opcode) -> u32 {
    match opcode {
        Opcode::Iconst | Opcode::Uextend | Opcode::Ireduce => 0,
        Opcode::Imul => 3,
        _ if opcode.can_load() => 5,
        _ => 1,
    }
}
