//! Comparisons are of what has been compared, and of bytes where bytes are meant.
//!
//! A guest's condition is a number, and its opposite a comparison of that number with 0. Cranelift turns comparisons of integers
//! around, and those of floats not; and it compares 32 bits where a guest has masked a byte to compare it:
//!
//! ```text
//!   brif (uextend (a < b)) == 0        seta, movzx, test, je     becomes  !(a < b)            jbe
//!   brif (c & 255) < 10                and, cmp, jb              becomes  (low byte of c) < 10   cmp, jb
//! ```
//!
//! Soundness: the opposite of a comparison of floats holds exactly when it does not, for NaN, too. Two numbers below 256 compare as
//! their low bytes do without signs, also when they are compared with signs in more bits.
//!
//! Not here: comparisons whose mask is wanted elsewhere, too.

use super::uses::Uses;
use super::values::{binary, constant, maker, unary};
use cranelift_codegen::cursor::{Cursor, FuncCursor};
use cranelift_codegen::ir::condcodes::{CondCode, FloatCC, IntCC};
use cranelift_codegen::ir::types::I8;
use cranelift_codegen::ir::{
    DataFlowGraph, Function, Inst, InstBuilder, InstructionData, Opcode, Value,
};

const BYTE: u64 = 0xFF;

/// What a comparison becomes.
enum Better {
    Floats(FloatCC, [Value; 2]),
    Bytes(IntCC, [Byte; 2]),
}

/// `all`, which is `of` with its lowest byte alone, or a constant.
enum Byte {
    Masked { all: Value, of: Value },
    Constant(u8),
}

/// Simplifies the comparisons of a function.
pub fn simplify(function: &mut Function) {
    let dfg = &function.dfg;
    let blocks = function.layout.blocks();
    let mut found: Vec<(Inst, Better)> = blocks
        .flat_map(|block| function.layout.block_insts(block))
        .filter_map(|inst| Some((inst, better(dfg, inst)?)))
        .collect();
    if found.iter().any(|(_, better)| better.is_of_bytes()) {
        let uses = Uses::count(function);
        found.retain(|(_, better)| better.leaves_no_mask(&uses));
    }
    for (inst, better) in found {
        replace(function, inst, &better);
    }
}

impl Better {
    fn is_of_bytes(&self) -> bool {
        matches!(self, Better::Bytes(..))
    }

    /// Whether masks are for the comparison alone.
    fn leaves_no_mask(&self, uses: &Uses) -> bool {
        let Better::Bytes(_, sides) = self else {
            return true;
        };
        sides.iter().all(|side| match side {
            Byte::Masked { all, .. } => uses.of(*all) == 1,
            Byte::Constant(_) => true,
        })
    }
}

fn better(dfg: &DataFlowGraph, inst: Inst) -> Option<Better> {
    let InstructionData::IntCompare { cond, args, .. } = dfg.insts[inst] else {
        return None;
    };
    opposite(dfg, cond, args).or_else(|| bytes(dfg, cond, args))
}

/// A comparison of floats that is compared with 0.
fn opposite(dfg: &DataFlowGraph, cond: IntCC, [number, zero]: [Value; 2]) -> Option<Better> {
    if cond != IntCC::Equal || constant(dfg, zero) != Some(0) {
        return None;
    }
    let holds = unary(dfg, number, Opcode::Uextend).unwrap_or(number);
    match dfg.insts[maker(dfg, holds)?] {
        InstructionData::FloatCompare { cond, args, .. } if dfg.value_type(holds) == I8 => {
            Some(Better::Floats(cond.complement(), args))
        }
        _ => None,
    }
}

/// A comparison of which at least one side is masked.
fn bytes(dfg: &DataFlowGraph, cond: IntCC, args: [Value; 2]) -> Option<Better> {
    let [left, right] = args.map(|arg| byte(dfg, arg));
    match (left?, right?) {
        (Byte::Constant(_), Byte::Constant(_)) => None,
        (left, right) => Some(Better::Bytes(cond.unsigned(), [left, right])),
    }
}

fn byte(dfg: &DataFlowGraph, value: Value) -> Option<Byte> {
    if let Some(number) = constant(dfg, value) {
        return u8::try_from(number).ok().map(Byte::Constant);
    }
    let [of, mask] = binary(dfg, value, Opcode::Band)?;
    let is_masked = constant(dfg, mask) == Some(BYTE) && dfg.value_type(value) != I8;
    is_masked.then_some(Byte::Masked { all: value, of })
}

/// Puts another comparison in the place of one; its result stays the same value.
fn replace(function: &mut Function, inst: Inst, better: &Better) {
    let mut cursor = FuncCursor::new(function).at_inst(inst);
    let comparison = match better {
        Better::Floats(cond, args) => InstructionData::FloatCompare {
            opcode: Opcode::Fcmp,
            args: *args,
            cond: *cond,
        },
        Better::Bytes(cond, sides) => InstructionData::IntCompare {
            opcode: Opcode::Icmp,
            args: sides.each_ref().map(|side| match side {
                Byte::Masked { of, .. } => cursor.ins().ireduce(I8, *of),
                Byte::Constant(number) => cursor.ins().iconst(I8, i64::from(*number)),
            }),
            cond: *cond,
        },
    };
    function.dfg.insts[inst] = comparison;
}

#[cfg(test)]
mod tests {
    use super::super::testing::optimised;

    /// A function that stores where a condition of `$a`, `$b`, `$m` and `$n` holds.
    fn where_it_holds(condition: &str) -> String {
        optimised(&format!(
            "(module (memory 1) (func (param $a f64) (param $b f64) (param $m i32) (param $n i32)
                (if {condition} (then (i32.store (local.get $m) (local.get $n))))))"
        ))
    }

    #[test]
    fn opposites_of_comparisons_of_floats_are_comparisons() {
        for (comparison, opposite) in [
            ("f64.lt", "uge"),
            ("f64.le", "ugt"),
            ("f64.gt", "ule"),
            ("f64.ge", "ult"),
            ("f64.eq", "ne"),
            ("f64.ne", "eq"),
        ] {
            let listing = where_it_holds(&format!(
                "(i32.eqz ({comparison} (local.get $a) (local.get $b)))"
            ));
            assert!(listing.contains(&format!("fcmp {opposite} ")), "{listing}");
            assert!(!listing.contains("icmp"), "{listing}");
        }
    }

    #[test]
    fn masked_bytes_are_compared_as_bytes() {
        for (left, right) in [
            ("(i32.and (local.get $m) (i32.const 255))", "(i32.const 10)"),
            (
                "(i32.const 200)",
                "(i32.and (local.get $m) (i32.const 255))",
            ),
            (
                "(i32.and (local.get $m) (i32.const 255))",
                "(i32.and (local.get $n) (i32.const 255))",
            ),
        ] {
            for comparison in ["lt_u", "le_s", "eq", "gt_s"] {
                let listing = where_it_holds(&format!("(i32.{comparison} {left} {right})"));
                assert!(listing.contains("ireduce.i8"), "{listing}");
                assert!(!listing.contains("icmp s"), "{listing}");
            }
        }
    }

    #[test]
    fn other_numbers_keep_their_width() {
        for (left, right) in [
            (
                "(i32.and (local.get $m) (i32.const 255))",
                "(i32.const 256)",
            ),
            ("(i32.and (local.get $m) (i32.const 255))", "(i32.const -1)"),
            ("(i32.and (local.get $m) (i32.const 127))", "(i32.const 10)"),
            ("(i32.and (local.get $m) (i32.const 255))", "(local.get $n)"),
            (
                "(local.tee $n (i32.and (local.get $m) (i32.const 255)))",
                "(i32.popcnt (local.get $n))",
            ),
        ] {
            let listing = where_it_holds(&format!("(i32.lt_u {left} {right})"));
            assert!(!listing.contains("ireduce"), "{listing}");
        }
    }
}
