//! Masks that change nothing are left out.
//!
//! Where a guest keeps a byte in a variable, its compiler clears the upper bits again wherever it uses it. Cranelift sees that they
//! are clear behind a load, and not behind the parameter of a block:
//!
//! ```text
//!   again(byte):  brif (byte & 255) == 'a', ...       becomes       brif byte == 'a', ...
//!                 jump again(load8)
//! ```
//!
//! Soundness. Only ranges that follow from data count, so that it holds for what a mispredicting processor does, too.

use super::ranges::{Ranges, Trust};
use super::shape::Shape;
use super::values::{binary, constant};
use cranelift_codegen::ir::{Function, Inst, Opcode, Value};

/// Replaces `value & mask` by `value` where the value has no other bits.
pub fn leave_out(function: &mut Function, shape: Shape<'_>) {
    let mut ranges = Ranges::new(function, shape, Trust::Data);
    let mut found: Vec<(Inst, Value)> = Vec::new();
    for block in function.layout.blocks() {
        for inst in function.layout.block_insts(block) {
            if function.dfg.insts[inst].opcode() == Opcode::Band
                && let Some(same) = masked(function, &mut ranges, inst)
            {
                found.push((inst, same));
            }
        }
    }
    if found.is_empty() {
        return;
    }
    for (inst, same) in found {
        let result = function.dfg.first_result(inst);
        function.layout.remove_inst(inst);
        function.dfg.detach_inst_results(inst);
        function.dfg.change_to_alias(result, same);
    }
    function.dfg.resolve_all_aliases();
}

/// What is masked, if the mask leaves it as it is.
fn masked(function: &Function, ranges: &mut Ranges<'_>, inst: Inst) -> Option<Value> {
    let dfg = &function.dfg;
    let result = dfg.first_result(inst);
    let [x, y] = binary(dfg, result, Opcode::Band)?;
    let (value, mask) = match (constant(dfg, x), constant(dfg, y)) {
        (_, Some(mask)) => (x, mask),
        (Some(mask), _) => (y, mask),
        _ => return None,
    };
    let low_bits = mask & mask.wrapping_add(1) == 0;
    (low_bits && dfg.value_type(result).is_int() && ranges.of(value).high <= mask).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::super::testing::optimised;

    /// A loop that looks at each byte of a row, as it is loaded or as `first` says.
    fn looking(first: &str) -> String {
        optimised(&format!(
            "(module (memory 1) (func (param $at i32) (param $any i32) (result i32) (local $byte i32)
                (local.set $byte {first})
                (loop $more
                    (if (i32.eq (i32.and (local.get $byte) (i32.const 255)) (i32.const 97))
                        (then (return (local.get $at))))
                    (local.set $byte (i32.load8_u (local.tee $at (i32.add (local.get $at) (i32.const 1)))))
                    (br_if $more (local.get $byte)))
                (i32.const 0)))"
        ))
    }

    #[test]
    fn bytes_are_not_masked() {
        let listing = looking("(i32.load8_u (local.get $at))");
        assert!(!listing.contains("band"), "{listing}");
    }

    /// A loop that compares each byte of a row with one that is kept, and replaces that one sometimes by what is loaded so.
    fn keeping(load: &str) -> String {
        optimised(&format!(
            "(module (memory 1) (func (param $at i32) (param $any i32) (result i32) (local $kept i32)
                (local.set $kept (i32.load8_u (local.get $any)))
                (loop $more
                    (if (i32.ne (i32.and (local.get $kept) (i32.const 255)) (i32.load8_u (local.get $at)))
                        (then (if (i32.load (local.get $at)) (then (local.set $kept ({load} offset=3 (local.get $at)))))))
                    (br_if $more (local.tee $at (i32.sub (local.get $at) (i32.const 1)))))
                (local.get $kept)))"
        ))
    }

    #[test]
    fn bytes_that_go_round_in_several_ways_are_not_masked() {
        let listing = keeping("i32.load8_u");
        assert!(!listing.contains("band"), "{listing}");
        let listing = keeping("i32.load16_u");
        assert!(listing.contains("band"), "{listing}");
    }

    #[test]
    fn what_may_be_no_byte_is_masked() {
        for first in [
            "(local.get $any)",
            "(i32.load16_u (local.get $at))",
            "(i32.load8_s (local.get $at))",
        ] {
            let listing = looking(first);
            assert!(listing.contains("band"), "{listing}");
        }
    }
}
