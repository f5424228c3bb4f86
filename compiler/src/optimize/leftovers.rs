//! Branches that are no longer in a function become nothing.
//!
//! Cranelift decides branches on constants by making a jump that shares the branch's list of arguments, and leaves the branch behind, outside of the
//! function but in its table of instructions. When a pass hands on one more argument with the jump, the list may move; what the branch
//! then takes for its own list is free or another's. Only those who look at all instructions of the table notice, as
//! Cranelift's resolution of aliases does: it panics.
//!
//! Our passes may leave branches behind, too, but share no list with them.

use cranelift_codegen::ir::entities::Inst;
use cranelift_codegen::ir::{Function, InstructionData, Opcode};

/// Forgets what branches outside of the function were.
pub fn forget(function: &mut Function) {
    let insts = u32::try_from(function.dfg.num_insts()).unwrap_or(u32::MAX);
    for inst in (0..insts).map(Inst::from_u32) {
        let left = function.layout.inst_block(inst).is_none();
        if left && function.dfg.insts[inst].opcode().is_branch() {
            function.dfg.insts[inst] = InstructionData::NullAry {
                opcode: Opcode::Nop,
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::optimised;

    /// A switch whose loop makes two values and tests a constant: the jump that this becomes gets both as arguments, for which its list has to move.
    #[test]
    fn a_jump_that_was_a_test_gets_arguments() {
        let mut body = "(br_table $c0 $c1 $c2 $c3 $c4 $out (local.get 2))".to_owned();
        for case in 0..5 {
            let used = "(i32.add (local.get 2) (local.get 3))";
            body = format!(
                "(block $c{case} {body}) (i32.store8 offset={case} (local.get 1) (i32.add (local.get 0) {used}))
                 (local.set 0 (i32.add (local.get 0) (i32.const {case}))) (br $next)"
            );
        }
        let listing = optimised(&format!(
            "(module (memory 1) (func (param i32 i32) (local i32 i32) (block $out (loop $next
               (local.set 2 (i32.load8_u (local.get 0)))
               (local.set 3 (i32.load8_u offset=1 (local.get 0)))
               (br_if $out (i32.and (local.get 1) (i32.const 0)))
               {body}))))"
        ));
        assert_eq!(listing.matches("br_table").count(), 6);
    }
}
