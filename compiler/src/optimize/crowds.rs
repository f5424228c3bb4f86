//! Whether a block may need more registers than there are: a bound, found by one look at each instruction.
//!
//! Invariant: where the answer is no, an order of the block needs no moves to the frame ([`super::pressure`]).
//!
//! Not here: how many moves there are where the answer is yes.

use super::pressure::FEWEST;
use super::uses::Uses;
use cranelift_codegen::entity::SecondaryMap;
use cranelift_codegen::ir::{Block, Function, Value};

/// What is known of values, from one block to the next.
#[derive(Default)]
pub struct Crowds {
    /// The last block that used a value, by number, and how often.
    used: SecondaryMap<Value, (u32, u32)>,
    blocks: u32,
}

impl Crowds {
    /// Whether values may be crowded in this block.
    pub fn may_be_at(&mut self, function: &Function, uses: &Uses, block: Block) -> bool {
        let dfg = &function.dfg;
        self.blocks += 1;
        // What some later instruction of the block needs, and what something behind the block does.
        let (mut waiting, mut most, mut staying) = (0_usize, 0_usize, 0_usize);
        let mut inst = function.layout.last_inst(block);
        while let Some(current) = inst {
            for result in dfg.inst_results(current) {
                let used = self.times(*result);
                waiting -= usize::from(used > 0);
                staying += usize::from(uses.of(*result) > used);
            }
            for value in dfg.inst_values(current) {
                let value = dfg.resolve_aliases(value);
                let used = self.times(value);
                self.used[value] = (self.blocks, used + 1);
                waiting += usize::from(used == 0);
            }
            most = most.max(waiting);
            inst = function.layout.prev_inst(current);
        }
        // What is left waits from the beginning, and may stay.
        most + staying + waiting > FEWEST
    }

    fn times(&self, value: Value) -> u32 {
        match self.used[value] {
            (block, times) if block == self.blocks => times,
            _ => 0,
        }
    }
}
