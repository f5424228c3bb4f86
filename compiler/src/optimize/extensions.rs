//! Indices are kept with 64 bits.
//!
//! An access needs its index zero-extended. Cranelift knows that 32-bit arithmetic clears the upper half of a register, but
//! forgets it where a value goes round a loop, comes from memory for several uses, or out of a call: then each use costs a
//! move. This pass lets such values travel with 64 bits, and takes their lower halves, which costs nothing, where 32 bits
//! are wanted:
//!
//! ```text
//!   header(p: i32):                       header(P: i64):
//!     mov eax, p                            mov ecx, [vmctx + P]
//!     mov ecx, [vmctx + rax]                add p, 4              (clears the upper half)
//!     add p, 4
//! ```
//!
//! Soundness. `P` is the zero-extension of `p` everywhere: each way into the block hands on an extended value, and each use of `p`
//! gets the lower half of `P`.

use super::accesses::extended_from;
use super::shape::Shape;
use super::values::{constant, maker};
use super::ways::Way;
use super::widths::Chooser;
use cranelift_codegen::cursor::{Cursor, FuncCursor};
use cranelift_codegen::ir::types::{I32, I64};
use cranelift_codegen::ir::{
    Block, Function, Inst, InstBuilder, InstructionData, Opcode, Value, ValueDef,
};
use rustc_hash::FxHashMap;

/// The most ways into a block whose parameters are widened.
pub const MOST_WAYS: usize = 64;

/// Keeps indices with 64 bits where that saves instructions.
pub fn widen_indices(function: &mut Function, shape: Shape<'_>) {
    widen_loads(function);
    let chosen = Chooser::new(function, shape).choose();
    widen_parameters(function, shape, &chosen);
    widen_results(function);
}

/// The values of 32 bits that are extended.
pub struct Extensions {
    /// In the order of their first extension.
    pub order: Vec<Value>,
    pub places: FxHashMap<Value, Vec<Inst>>,
}

impl Extensions {
    pub fn find(function: &Function) -> Extensions {
        let (mut order, mut places) = (Vec::new(), FxHashMap::<Value, Vec<Inst>>::default());
        for block in function.layout.blocks() {
            for inst in function.layout.block_insts(block) {
                let [result] = function.dfg.inst_results(inst) else {
                    continue;
                };
                if let Some(narrow) = extended_from(&function.dfg, *result) {
                    let places = places.entry(narrow).or_default();
                    if places.is_empty() {
                        order.push(narrow);
                    }
                    places.push(inst);
                }
            }
        }
        Extensions { order, places }
    }

    fn places(&self, narrow: Value) -> &[Inst] {
        self.places.get(&narrow).map_or(&[], Vec::as_slice)
    }
}

/// Makes what extended a value the same as its extension.
fn replace(function: &mut Function, extensions: &[Inst], wide: Value) {
    for inst in extensions {
        let result = function.dfg.first_result(*inst);
        function.layout.remove_inst(*inst);
        function.dfg.detach_inst_results(*inst);
        function.dfg.change_to_alias(result, wide);
    }
}

/// Loads that are extended load 64 bits, of which the upper half is clear.
fn widen_loads(function: &mut Function) {
    let extensions = Extensions::find(function);
    let mut widened = false;
    for narrow in &extensions.order {
        if let Some(wide) = widen_load(function, *narrow) {
            replace(function, extensions.places(*narrow), wide);
            widened = true;
        }
    }
    if widened {
        function.dfg.resolve_all_aliases();
    }
}

/// The result of a load with 64 bits, if it is one whose upper half can be clear.
fn widen_load(function: &mut Function, narrow: Value) -> Option<Value> {
    let inst = maker(&function.dfg, narrow)?;
    match &mut function.dfg.insts[inst] {
        // It has been done.
        InstructionData::Unary {
            opcode: Opcode::Ireduce,
            arg,
        } => {
            let (arg, dfg) = (*arg, &function.dfg);
            let load = dfg.insts[maker(dfg, arg)?].opcode();
            let clear = matches!(load, Opcode::Uload8 | Opcode::Uload16 | Opcode::Uload32);
            return (clear && dfg.value_type(arg) == I64).then_some(arg);
        }
        InstructionData::Load { opcode, .. } if loads_clear(*opcode) => {
            if *opcode == Opcode::Load {
                *opcode = Opcode::Uload32;
            }
        }
        _ => return None,
    }
    Some(widen_result(function, inst, narrow))
}

/// Whether a load of 32 bits can be one of 64 bits whose upper half is clear.
pub fn loads_clear(opcode: Opcode) -> bool {
    matches!(opcode, Opcode::Load | Opcode::Uload8 | Opcode::Uload16)
}

/// Gives an instruction a result of 64 bits, whose lower half becomes its former result.
fn widen_result(function: &mut Function, inst: Inst, narrow: Value) -> Value {
    function.dfg.detach_inst_results(inst);
    function.dfg.make_inst_results(inst, I64);
    let wide = function.dfg.first_result(inst);
    let mut cursor = FuncCursor::new(function).after_inst(inst);
    cursor.use_srcloc(inst);
    cursor.ins().with_result(narrow).ireduce(I32, wide);
    wide
}

/// Gives parameters 64 bits.
fn widen_parameters(function: &mut Function, shape: Shape<'_>, chosen: &[Value]) {
    if chosen.is_empty() {
        return;
    }
    let extensions = Extensions::find(function);
    let mut wide_of: FxHashMap<Value, Value> = FxHashMap::default();
    let mut places = Vec::new();
    for narrow in chosen {
        let ValueDef::Param(block, position) = function.dfg.value_def(*narrow) else {
            continue;
        };
        let wide = function.dfg.replace_block_param(*narrow, I64);
        let mut cursor = FuncCursor::new(function).at_first_insertion_point(block);
        cursor.ins().with_result(*narrow).ireduce(I32, wide);
        wide_of.insert(*narrow, wide);
        places.push((block, position));
        replace(function, extensions.places(*narrow), wide);
    }
    let mut handed_on: FxHashMap<Block, Vec<Way>> = FxHashMap::default();
    for (block, position) in places {
        let ways = handed_on
            .entry(block)
            .or_insert_with(|| ways_into(function, shape, block));
        for way in ways {
            let Some(narrow) = way.handed_on(position) else {
                continue;
            };
            let wide = match wide_of.get(&narrow) {
                Some(wide) => *wide,
                None => extend(function, narrow, way.edge.branch),
            };
            way.hand_on(position, wide);
        }
    }
    for way in handed_on.into_values().flatten() {
        way.write(function);
    }
    function.dfg.resolve_all_aliases();
}

fn ways_into(function: &Function, shape: Shape<'_>, block: Block) -> Vec<Way> {
    let edges = shape.ways_into(function, block, MOST_WAYS);
    let edges = edges.into_iter().flatten();
    edges.map(|edge| Way::read(function, edge)).collect()
}

/// A value with 64 bits, made in front of an instruction.
fn extend(function: &mut Function, narrow: Value, before: Inst) -> Value {
    if let Some(wide) = widen_load(function, narrow) {
        return wide;
    }
    let known = constant(&function.dfg, narrow);
    let mut cursor = FuncCursor::new(function).at_inst(before);
    match known {
        Some(number) => cursor.ins().iconst(I64, number.cast_signed()),
        None => cursor.ins().uextend(I64, narrow),
    }
}

/// Results of calls, parameters of the function and the like that are extended in several places are extended once, where
/// they are made.
fn widen_results(function: &mut Function) {
    let extensions = Extensions::find(function);
    let mut widened = false;
    for narrow in &extensions.order {
        let places = extensions.places(*narrow);
        if places.len() < 2 || super::accesses::extends_freely(&function.dfg, *narrow) {
            continue;
        }
        let made = function.dfg.value_def(*narrow);
        let cursor = FuncCursor::new(function);
        let mut cursor = match made {
            ValueDef::Result(inst, _) => cursor.after_inst(inst),
            ValueDef::Param(block, _) => cursor.at_first_insertion_point(block),
            ValueDef::Union(..) => continue,
        };
        let wide = cursor.ins().uextend(I64, *narrow);
        replace(function, places, wide);
        widened = true;
    }
    if widened {
        function.dfg.resolve_all_aliases();
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::optimised;

    #[test]
    fn pointers_that_go_round_have_64_bits() {
        let listing = optimised(
            "(module (memory 1) (func (param $p i32) (result i32) (local $sum i32)
                (loop $more
                    (local.set $sum (i32.add (local.get $sum) (i32.load (local.get $p))))
                    (br_if $more (i32.ne (local.tee $p (i32.add (local.get $p) (i32.const 4))) (i32.const 0))))
                (local.get $sum)))",
        );
        assert!(listing.contains(": i64, "), "{listing}");
    }

    #[test]
    fn lists_are_loaded_with_64_bits() {
        let listing = optimised(
            "(module (memory 1) (func (param $p i32) (result i32)
                (loop $more
                    (i32.store offset=4 (local.get $p) (i32.const 1))
                    (br_if $more (local.tee $p (i32.load (local.get $p)))))
                (local.get $p)))",
        );
        assert!(listing.contains("uload32"), "{listing}");
    }

    #[test]
    fn what_is_not_an_index_keeps_32_bits() {
        let listing = optimised(
            "(module (func (param $n i32) (result i32) (local $sum i32)
                (loop $more
                    (local.set $sum (i32.mul (i32.add (local.get $sum) (i32.const 1)) (local.get $n)))
                    (br_if $more (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
                (local.get $sum)))",
        );
        assert!(!listing.contains("uextend"), "{listing}");
    }
}
