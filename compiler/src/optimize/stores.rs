//! Constants are stored from where they are: in the instruction.
//!
//! An instruction of the machine can store a constant byte or word. Cranelift uses those for stores that are as wide as the constant,
//! and loads a register for the narrow stores of WebAssembly, whose constants have 32 or 64 bits:
//!
//! ```text
//!   istore8 1:i32, p      mov eax, 1; mov [p], al      becomes  store 1:i8, p     mov byte [p], 1
//! ```
//!
//! Soundness: the same bytes are stored at the same place.
//!
//! Not here: 16 bits, which decoders are slow to find the end of.

use super::values::constant;
use cranelift_codegen::cursor::{Cursor, FuncCursor};
use cranelift_codegen::ir::types::{I8, I32};
use cranelift_codegen::ir::{Function, Inst, InstBuilder, InstructionData, Opcode, Type};

/// Makes narrow stores of constants stores of narrow constants.
pub fn narrow_constants(function: &mut Function) {
    let mut found: Vec<(Inst, Type, u64)> = Vec::new();
    for block in function.layout.blocks() {
        for inst in function.layout.block_insts(block) {
            let width = match function.dfg.insts[inst].opcode() {
                Opcode::Istore8 => I8,
                Opcode::Istore32 => I32,
                _ => continue,
            };
            let stored = function.dfg.inst_args(inst)[0];
            if let Some(number) = constant(&function.dfg, stored) {
                found.push((inst, width, number));
            }
        }
    }
    for (inst, width, number) in found {
        narrow(function, inst, width, number);
    }
}

fn narrow(function: &mut Function, inst: Inst, width: Type, number: u64) {
    let low = number & (u64::MAX >> (64 - width.bits()));
    let mut cursor = FuncCursor::new(function).at_inst(inst);
    let constant = cursor.ins().iconst(width, low.cast_signed());
    if let InstructionData::Store {
        opcode,
        args: [stored, _],
        ..
    } = &mut function.dfg.insts[inst]
    {
        (*opcode, *stored) = (Opcode::Store, constant);
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::optimised;

    fn storing(store: &str) -> String {
        optimised(&format!(
            "(module (memory 1) (func (param $p i32) (param $n i32) ({store})))"
        ))
    }

    #[test]
    fn constants_are_as_wide_as_their_stores() {
        for (store, constant) in [
            ("i32.store8 (local.get $p) (i32.const 1)", "iconst.i8 1"),
            ("i32.store8 (local.get $p) (i32.const -2)", "iconst.i8 -2"),
            (
                "i64.store8 (local.get $p) (i64.const 0x1234)",
                "iconst.i8 52",
            ),
            ("i64.store32 (local.get $p) (i64.const -1)", "iconst.i32 -1"),
        ] {
            let listing = storing(store);
            assert!(listing.contains(constant), "{listing}");
            assert!(!listing.contains("istore"), "{listing}");
        }
    }

    #[test]
    fn other_stores_stay() {
        for store in [
            "i32.store8 (local.get $p) (local.get $n)",
            "i32.store16 (local.get $p) (i32.const 1)",
        ] {
            assert!(storing(store).contains("istore"), "{store}");
        }
    }
}
