//! Numbers of a loop that have fewer bits than their type, and what compares such numbers.
//!
//! A guest loads a byte into an i32, and compares, adds or stores that. Lanes as wide as a byte do the same where the byte's
//! extension says all of the number; that is decided here.

use super::super::values::{constant, maker};
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::types::{I8, I16, I32};
use cranelift_codegen::ir::{DataFlowGraph, Inst, InstructionData, Opcode, Type, Value};

/// How a number is made of a narrower one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extended {
    pub from: Type,
    /// By its sign; otherwise by zeros.
    pub signed: bool,
}

/// What a value is the extension of, if it is a load of a narrower number, or a comparison.
pub fn extended(dfg: &DataFlowGraph, value: Value) -> Option<Extended> {
    let inst = maker(dfg, value)?;
    let opcode = dfg.insts[inst].opcode();
    let by_sign = matches!(
        opcode,
        Opcode::Sload8 | Opcode::Sload16 | Opcode::Sload32 | Opcode::Sextend
    );
    let loaded = |from| {
        Some(Extended {
            from,
            signed: by_sign,
        })
    };
    match opcode {
        Opcode::Uload8 | Opcode::Sload8 => loaded(I8),
        Opcode::Uload16 | Opcode::Sload16 => loaded(I16),
        Opcode::Uload32 | Opcode::Sload32 => loaded(I32),
        Opcode::Uextend | Opcode::Sextend => {
            let narrow = *dfg.inst_args(inst).first()?;
            if let Some(again) = extended(dfg, narrow) {
                return (by_sign || !again.signed).then_some(again);
            }
            let from = maker(dfg, narrow)?;
            match dfg.insts[from].opcode() {
                Opcode::Load => loaded(dfg.value_type(narrow)),
                Opcode::Icmp if !by_sign => loaded(compared(dfg, from)?),
                _ => None,
            }
        }
        _ => None,
    }
}

/// The narrowest lanes that can compare what a comparison compares.
fn compared(dfg: &DataFlowGraph, comparison: Inst) -> Option<Type> {
    let operands = dfg.inst_args(comparison);
    let narrow = operands.iter().find_map(|it| extended(dfg, *it));
    match narrow {
        Some(narrow) => Some(narrow.from),
        None => Some(dfg.value_type(*operands.first()?)),
    }
}

/// The condition by which lanes of this type come to the outcome of a comparison.
pub fn condition(dfg: &DataFlowGraph, comparison: Inst, lane: Type) -> Option<IntCC> {
    let InstructionData::IntCompare { args, cond, .. } = dfg.insts[comparison] else {
        return None;
    };
    if !matches!(lane, I8 | I16 | I32) {
        return None;
    }
    if dfg.value_type(args[0]) == lane {
        return Some(cond);
    }
    let narrow = args.iter().find_map(|it| extended(dfg, *it))?;
    let fits = |value: &Value| match constant(dfg, *value) {
        Some(number) if narrow.signed => {
            let unused = 64 - dfg.value_type(*value).bits();
            let number = (number << unused).cast_signed() >> unused;
            let most = 1i64 << (lane.bits() - 1);
            (-most..most).contains(&number)
        }
        Some(number) => number <= u64::MAX >> (64 - lane.bits()),
        None => extended(dfg, *value) == Some(narrow),
    };
    let exact = narrow.from == lane && args.iter().all(fits);
    // What zeros extend is never negative where it is compared, but may be as a lane.
    exact.then_some(if narrow.signed { cond } else { cond.unsigned() })
}
