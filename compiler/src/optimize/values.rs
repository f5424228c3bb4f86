//! Small questions about values: constants, sums with a constant, and what a branch passes along.

use cranelift_codegen::ir::{
    BlockArg, BlockCall, DataFlowGraph, Inst, InstructionData, Opcode, Value, ValueDef,
};

/// The most additions of constants that are looked through.
const MOST_STEPS: usize = 8;

/// The instruction that makes a value, if one does.
pub fn maker(dfg: &DataFlowGraph, value: Value) -> Option<Inst> {
    match dfg.value_def(value) {
        ValueDef::Result(inst, _) => Some(inst),
        ValueDef::Param(..) | ValueDef::Union(..) => None,
    }
}

/// The bits of an integer constant, zero-extended.
pub fn constant(dfg: &DataFlowGraph, value: Value) -> Option<u64> {
    match dfg.insts[maker(dfg, value)?] {
        InstructionData::UnaryImm {
            opcode: Opcode::Iconst,
            imm,
        } => Some(imm.bits().cast_unsigned() & mask(dfg, value)),
        _ => None,
    }
}

/// The largest unsigned number of an integer value's type, which has at most 64 bits.
pub fn mask(dfg: &DataFlowGraph, value: Value) -> u64 {
    let bits = dfg.value_type(value).bits();
    if bits >= 64 {
        u64::MAX
    } else {
        (1 << bits) - 1
    }
}

/// The operands of an instruction with two, if it has this opcode.
pub fn binary(dfg: &DataFlowGraph, value: Value, wanted: Opcode) -> Option<[Value; 2]> {
    match dfg.insts[maker(dfg, value)?] {
        InstructionData::Binary { opcode, args } if opcode == wanted => Some(args),
        _ => None,
    }
}

/// The operand of an instruction with one, if it has this opcode.
pub fn unary(dfg: &DataFlowGraph, value: Value, wanted: Opcode) -> Option<Value> {
    match dfg.insts[maker(dfg, value)?] {
        InstructionData::Unary { opcode, arg } if opcode == wanted => Some(arg),
        _ => None,
    }
}

/// A value as `root + distance`, modulo the size of its type. `root` is no such sum itself, unless it is a long one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sum {
    pub root: Value,
    pub distance: u64,
}

/// Splits off constants that have been added to a value or subtracted from it.
pub fn sum(dfg: &DataFlowGraph, value: Value) -> Sum {
    let (mut root, mut distance) = (value, 0u64);
    for _ in 0..MOST_STEPS {
        let Some((next, step)) = step(dfg, root) else {
            break;
        };
        (root, distance) = (next, distance.wrapping_add(step));
    }
    Sum {
        root,
        distance: distance & mask(dfg, value),
    }
}

fn step(dfg: &DataFlowGraph, value: Value) -> Option<(Value, u64)> {
    if let Some([first, second]) = binary(dfg, value, Opcode::Iadd) {
        return match (constant(dfg, first), constant(dfg, second)) {
            (_, Some(added)) => Some((first, added)),
            (Some(added), _) => Some((second, added)),
            _ => None,
        };
    }
    let [first, second] = binary(dfg, value, Opcode::Isub)?;
    Some((first, constant(dfg, second)?.wrapping_neg()))
}

/// Where a branch can go. Empty for instructions that are none.
pub fn destinations(dfg: &DataFlowGraph, branch: Inst) -> &[BlockCall] {
    dfg.insts[branch].branch_destination(&dfg.jump_tables, &dfg.exception_tables)
}

/// The argument at this position of a call of a block; `None` for what a call with handlers returns. Takes time in proportion to the
/// position: whoever asks about more than one reads them all ([`super::ways`]).
pub fn argument(dfg: &DataFlowGraph, call: BlockCall, position: usize) -> Option<Value> {
    match call.args(&dfg.value_lists).nth(position)? {
        BlockArg::Value(value) => Some(value),
        BlockArg::TryCallRet(_) | BlockArg::TryCallExn(_) => None,
    }
}
