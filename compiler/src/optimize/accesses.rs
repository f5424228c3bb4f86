//! Accesses to linear memory 0, as the translation writes them: `[vmctx + zero-extended index + offset]`.

use super::values::{binary, maker, unary};
use crate::translate::trap_code;
use cranelift_codegen::cursor::{Cursor, FuncCursor};
use cranelift_codegen::ir::types::{I32, I64};
use cranelift_codegen::ir::{
    ArgumentPurpose, DataFlowGraph, Function, Inst, InstBuilder, InstructionData, Opcode, Value,
};
use lucet_format::contract::UNCHECKED_OFFSET_LIMIT;
use lucet_format::trap::TrapCode;

/// An access to memory 0.
#[derive(Clone, Copy)]
pub struct Access {
    pub inst: Inst,
    /// vmctx and the extended index.
    pub address: Value,
    /// The index with 32 bits.
    pub index: Value,
    pub offset: u64,
    pub bytes: u64,
}

/// The base of memory 0, in functions that have it.
pub fn vmctx(function: &Function) -> Option<Value> {
    let first = function.signature.params.first()?;
    let entry = function.layout.entry_block()?;
    let value = function.dfg.block_params(entry).first()?;
    (first.purpose == ArgumentPurpose::VMContext).then_some(*value)
}

/// The access that an instruction makes, if it makes one.
pub fn access(dfg: &DataFlowGraph, vmctx: Value, inst: Inst) -> Option<Access> {
    let (address, offset, bytes) = match dfg.insts[inst] {
        InstructionData::Load {
            opcode,
            arg,
            offset,
            ..
        } => {
            let whole = dfg.value_type(dfg.first_result(inst)).bytes();
            (arg, offset, bytes(opcode, whole)?)
        }
        InstructionData::Store {
            opcode,
            args: [value, address],
            offset,
            ..
        } => {
            let whole = dfg.value_type(value).bytes();
            (address, offset, bytes(opcode, whole)?)
        }
        _ => return None,
    };
    if dfg.insts[inst].memflags_trap_code(dfg) != Some(trap_code(TrapCode::Memory)) {
        return None;
    }
    Some(Access {
        inst,
        address,
        index: extended_from(dfg, above(dfg, vmctx, address)?)?,
        offset: u64::try_from(i32::from(offset)).ok()?,
        bytes: u64::from(bytes),
    })
}

/// What is added to vmctx, if something is.
pub fn above(dfg: &DataFlowGraph, vmctx: Value, address: Value) -> Option<Value> {
    match binary(dfg, address, Opcode::Iadd)? {
        [first, second] if first == vmctx => Some(second),
        [first, second] if second == vmctx => Some(first),
        _ => None,
    }
}

/// The value of 32 bits that has been zero-extended to this one of 64.
pub fn extended_from(dfg: &DataFlowGraph, value: Value) -> Option<Value> {
    let narrow = unary(dfg, value, Opcode::Uextend)?;
    (dfg.value_type(narrow) == I32 && dfg.value_type(value) == I64).then_some(narrow)
}

/// Bytes that an instruction reads or writes.
fn bytes(opcode: Opcode, whole: u32) -> Option<u32> {
    Some(match opcode {
        Opcode::Load | Opcode::Store => whole,
        Opcode::Uload8 | Opcode::Sload8 | Opcode::Istore8 => 1,
        Opcode::Uload16 | Opcode::Sload16 | Opcode::Istore16 => 2,
        Opcode::Uload32 | Opcode::Sload32 | Opcode::Istore32 => 4,
        Opcode::Uload8x8
        | Opcode::Sload8x8
        | Opcode::Uload16x4
        | Opcode::Sload16x4
        | Opcode::Uload32x2
        | Opcode::Sload32x2 => 8,
        _ => return None,
    })
}

/// Whether an access with this offset needs no check, whatever its index.
pub fn is_covered(offset: u64) -> bool {
    offset < UNCHECKED_OFFSET_LIMIT
}

/// Makes an instruction access another address.
pub fn redirect(dfg: &mut DataFlowGraph, inst: Inst, to: Value, at: u64) {
    debug_assert!(is_covered(at));
    // Below 2^31.
    let at = (at as i32).into();
    match &mut dfg.insts[inst] {
        InstructionData::Load { arg, offset, .. } => (*arg, *offset) = (to, at),
        InstructionData::Store {
            args: [_, address],
            offset,
            ..
        } => (*address, *offset) = (to, at),
        _ => {}
    }
}

/// The address of an index, made in front of an instruction.
pub fn address_of(function: &mut Function, vmctx: Value, index: Value, before: Inst) -> Value {
    let mut cursor = FuncCursor::new(function).at_inst(before);
    cursor.use_srcloc(before);
    let extended = cursor.ins().uextend(I64, index);
    cursor.ins().iadd(vmctx, extended)
}

/// Whether the instruction that makes a value of 32 bits also clears the upper half of its register: those of which
/// Cranelift knows it, so that extending costs nothing.
pub fn extends_freely(dfg: &DataFlowGraph, value: Value) -> bool {
    let Some(inst) = maker(dfg, value) else {
        return false;
    };
    matches!(
        dfg.insts[inst].opcode(),
        Opcode::Iadd
            | Opcode::Isub
            | Opcode::Imul
            | Opcode::Band
            | Opcode::Bor
            | Opcode::Bxor
            | Opcode::Ishl
            | Opcode::Ushr
            | Opcode::Iconst
    )
}
