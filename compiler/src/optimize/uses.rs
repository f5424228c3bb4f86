//! How often values are used, and removing what no longer is.

use cranelift_codegen::entity::SecondaryMap;
use cranelift_codegen::ir::{Function, Opcode, Value, ValueDef};

/// The number of uses of each value.
pub struct Uses(SecondaryMap<Value, u32>);

impl Uses {
    pub fn count(function: &Function) -> Uses {
        let mut uses = SecondaryMap::with_capacity(function.dfg.num_values());
        for block in function.layout.blocks() {
            for inst in function.layout.block_insts(block) {
                for value in function.dfg.inst_values(inst) {
                    uses[value] += 1;
                }
            }
        }
        Uses(uses)
    }

    pub fn of(&self, value: Value) -> u32 {
        self.0[value]
    }

    /// One more use.
    pub fn take(&mut self, value: Value) {
        self.0[value] += 1;
    }

    /// One use fewer. The instruction that makes the value is removed with its last one, if it does nothing else.
    pub fn release(&mut self, function: &mut Function, value: Value) {
        let mut released = vec![value];
        while let Some(value) = released.pop() {
            self.0[value] = self.0[value].saturating_sub(1);
            let ValueDef::Result(inst, _) = function.dfg.value_def(value) else {
                continue;
            };
            let results = function.dfg.inst_results(inst);
            let unused = results.iter().all(|result| self.0[*result] == 0);
            let placed = function.layout.inst_block(inst).is_some();
            if unused && placed && is_arithmetic(function.dfg.insts[inst].opcode()) {
                released.extend(function.dfg.inst_values(inst));
                function.layout.remove_inst(inst);
            }
        }
    }
}

/// Whether an instruction does nothing but make its results.
pub fn is_arithmetic(opcode: Opcode) -> bool {
    !opcode.can_trap()
        && !opcode.can_load()
        && !opcode.can_store()
        && !opcode.other_side_effects()
        && !opcode.is_call()
        && !opcode.is_branch()
        && !opcode.is_terminator()
}
