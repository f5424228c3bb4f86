//! What Cranelift computes anew in each round of a loop is computed once, in front of it.
//!
//! Cranelift copies an operation with a constant to every block that needs it, since that costs no more than keeping its result, and no
//! register. In a loop it does cost: an instruction in each round, and the operand has to be kept instead.
//!
//! ```text
//!   loop:                          frame = sp - 272
//!     frame = sp - 272           loop:
//!     load [vmctx + frame]         load [vmctx + frame]
//! ```
//!
//! Soundness. The operations have no effects and cannot fail, and their operands are known in front of the loop. Results of
//! equal operations are equal.

use super::shape::Shape;
use super::values::constant;
use cranelift_codegen::ir::{Block, Function, Inst, InstructionData, Opcode, Value};
use cranelift_codegen::loop_analysis::Loop;
use rustc_hash::FxHashMap;
use std::collections::HashMap;

/// The most results that are kept throughout one loop: more would push other values out of registers.
const MOST_KEPT: usize = 4;

/// An operation with a constant.
type Operation = (Opcode, Value, Option<u64>);

/// Moves operations with constants out of loops that leave their operands alone.
pub fn hoist(function: &mut Function, shape: Shape<'_>) {
    if shape.loops.loops().next().is_none() {
        return;
    }
    let mut hoister = Hoister {
        shape,
        known: HashMap::new(),
        kept: FxHashMap::default(),
        replaced: false,
    };
    // Blocks come after those that dominate them.
    let order: Vec<Block> = shape.dominators.cfg_rpo().copied().collect();
    for block in order {
        let insts: Vec<Inst> = function.layout.block_insts(block).collect();
        for inst in insts {
            if let Some(operation) = operation(function, inst) {
                hoister.operation(function, block, inst, operation);
            }
        }
    }
    if hoister.replaced {
        function.dfg.resolve_all_aliases();
    }
}

struct Hoister<'a> {
    shape: Shape<'a>,
    /// Results, and the blocks they are made in.
    known: HashMap<Operation, Vec<(Block, Value)>>,
    /// How many results each loop keeps.
    kept: FxHashMap<Loop, usize>,
    /// Whether results have been replaced by others.
    replaced: bool,
}

impl Hoister<'_> {
    fn operation(
        &mut self,
        function: &mut Function,
        block: Block,
        inst: Inst,
        operation: Operation,
    ) {
        let result = function.dfg.first_result(inst);
        let outside = self
            .shape
            .loops
            .innermost_loop(block)
            .filter(|inside| self.shape.is_invariant(function, operation.1, *inside))
            .and_then(|inside| self.place(function, operation.1, inside));
        let Some((front, outermost)) = outside else {
            self.known
                .entry(operation)
                .or_default()
                .push((block, result));
            return;
        };
        let kept = self.kept.entry(outermost).or_default();
        let known = self.known.entry(operation).or_default();
        let same = known
            .iter()
            .find(|(made_in, _)| self.shape.dominators.block_dominates(*made_in, front));
        if let Some((_, same)) = same.copied() {
            function.layout.remove_inst(inst);
            function.dfg.detach_inst_results(inst);
            function.dfg.change_to_alias(result, same);
            self.replaced = true;
        } else if *kept < MOST_KEPT {
            *kept += 1;
            move_to_end(function, inst, front);
            known.push((front, result));
        }
    }

    /// The block in front of the outermost loop that leaves an operand alone, and that loop.
    fn place(&self, function: &Function, operand: Value, inside: Loop) -> Option<(Block, Loop)> {
        let mut outermost = inside;
        while let Some(parent) = self.shape.loops.loop_parent(outermost)
            && self.shape.is_invariant(function, operand, parent)
        {
            outermost = parent;
        }
        let header = self.shape.loops.loop_header(outermost);
        Some((self.shape.dominators.idom(header)?, outermost))
    }
}

/// The operation of an instruction, if it is one that Cranelift copies.
fn operation(function: &Function, inst: Inst) -> Option<Operation> {
    let dfg = &function.dfg;
    match dfg.insts[inst] {
        InstructionData::Binary {
            opcode:
                opcode @ (Opcode::Iadd | Opcode::Isub | Opcode::Band | Opcode::Bor | Opcode::Bxor),
            args: [operand, by],
        } => Some((opcode, operand, Some(constant(dfg, by)?))),
        InstructionData::Unary {
            opcode: Opcode::Bnot,
            arg,
        } => Some((Opcode::Bnot, arg, None)),
        _ => None,
    }
}

/// Moves an operation, with the constant that it uses, to the end of a block.
fn move_to_end(function: &mut Function, inst: Inst, block: Block) {
    let Some(branch) = function.layout.last_inst(block) else {
        return;
    };
    let operands = function.dfg.inst_args(inst).to_vec();
    function.layout.remove_inst(inst);
    function.layout.insert_inst(inst, branch);
    for (position, operand) in operands.into_iter().enumerate() {
        let Some(made_by) = super::values::maker(&function.dfg, operand) else {
            continue;
        };
        if constant(&function.dfg, operand).is_none() {
            continue;
        }
        let copy = function.dfg.clone_inst(made_by);
        function.layout.insert_inst(copy, inst);
        let value = function.dfg.first_result(copy);
        if let Some(argument) = function.dfg.inst_args_mut(inst).get_mut(position) {
            *argument = value;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::optimised;

    /// A loop in front of which a value is masked and that uses it, as a listing.
    fn listing(mask: &str) -> String {
        optimised(&format!(
            "(module (memory 1) (func (param $x i32) (param $y i32) (local $i i32) (local $row i32)
                (local.set $row {mask})
                (loop $more
                    (i32.store (i32.xor (local.get $row) (local.get $i)) (local.get $y))
                    (br_if $more (i32.ne (local.tee $i (i32.add (local.get $i) (i32.const 4))) (local.get $y))))))"
        ))
    }

    #[test]
    fn copies_in_loops_are_moved_out_of_them() {
        let text = listing("(i32.and (local.get $x) (i32.const 0xfff0))");
        let header = text.find("block2(").expect("a loop");
        let masks: Vec<usize> = text.match_indices("= band").map(|(at, _)| at).collect();
        assert_eq!(masks.len(), 1, "{text}");
        assert!(masks.iter().all(|at| *at < header), "{text}");
    }
}
