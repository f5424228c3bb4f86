//! Addresses in two parts: what does not change in a loop is added to vmctx in front of it.
//!
//! An access has room for two registers and a scale. Where an index is a sum of something that a loop leaves alone and
//! something that it changes, or a multiple, the addition becomes part of the access:
//!
//! ```text
//!   loop:                               lea r9, [vmctx + row]
//!     lea eax, [row + i]              loop:
//!     movsd xmm0, [vmctx + rax]         movsd xmm0, [r9 + i]
//! ```
//!
//! Soundness. `row + i` (or `i << 3`) with 32 bits equals the same with 64 bits where it does not wrap around, which the ranges
//! of both show. They rest on data and on counting loops alone ([`Trust::Data`]): a processor that mispredicts a branch still has a
//! `row` and an `i` in these ranges, or further by the rounds that it can run by mistake. So the address stays below
//! the end of the guard there, too.

use super::accesses::{Access, access, redirect};
use super::chains::Chains;
use super::ranges::{Ranges, Trust};
use super::shape::Shape;
use super::uses::Uses;
use super::values::{binary, constant};
use cranelift_codegen::cursor::{Cursor, FuncCursor};
use cranelift_codegen::ir::types::I64;
use cranelift_codegen::ir::{Block, Function, Inst, InstBuilder, Opcode, Value};
use cranelift_codegen::loop_analysis::Loop;
use rustc_hash::FxHashMap;
use std::collections::HashMap;

/// The largest number of 32 bits.
const LAST: u64 = u32::MAX as u64;
/// The most sums that are kept in registers throughout one loop: more would push other values out.
const MOST_BASES: usize = 4;
/// The largest scale of an access, as a shift.
const MOST_SHIFT: u64 = 3;

/// An index as `base + (scaled << shift)`, where a missing base is vmctx.
#[derive(Clone, Copy)]
struct Parts {
    base: Option<(Value, Block)>,
    scaled: Value,
    shift: u64,
}

/// Splits indices that are sums or multiples.
pub fn split_sums(function: &mut Function, shape: Shape<'_>, vmctx: Value) {
    let mut splitter = Splitter {
        function,
        shape,
        ranges: Ranges::new(function, shape, Trust::Data),
        bases: FxHashMap::default(),
    };
    let uses = Uses::count(splitter.function);
    let found = splitter.find(vmctx, &uses);
    if !found.is_empty() {
        carry_out(function, vmctx, uses, found);
    }
}

struct Splitter<'a> {
    function: &'a Function,
    shape: Shape<'a>,
    ranges: Ranges<'a>,
    /// The bases of each loop.
    bases: FxHashMap<Loop, Vec<Value>>,
}

impl Splitter<'_> {
    fn find(&mut self, vmctx: Value, uses: &Uses) -> Vec<(Access, Parts)> {
        let (mut chains, mut accesses) = (Chains::default(), Vec::new());
        for block in self.function.layout.blocks() {
            for inst in self.function.layout.block_insts(block) {
                chains.follow(self.function, vmctx, inst);
                if let Some(access) = access(&self.function.dfg, vmctx, inst) {
                    chains.free(&access);
                    accesses.push(access);
                }
            }
        }
        let free = chains.free_indices(uses, accesses.iter().map(|access| access.index));
        accesses.retain(|access| free.contains(&access.index));
        let mut parts: FxHashMap<Value, Option<Parts>> = FxHashMap::default();
        accesses
            .into_iter()
            .filter_map(|access| {
                let parts = parts
                    .entry(access.index)
                    .or_insert_with(|| self.parts(access.index));
                Some((access, (*parts)?))
            })
            .collect()
    }

    fn parts(&mut self, index: Value) -> Option<Parts> {
        if let Some((scaled, shift)) = self.multiple(index) {
            return Some(Parts {
                base: None,
                scaled,
                shift,
            });
        }
        let function = self.function;
        let [first, second] = binary(&function.dfg, index, Opcode::Iadd)?;
        let home = self.shape.home(function, index)?;
        let inside = self.shape.loops.innermost_loop(home)?;
        let outside = |value| self.shape.is_invariant(function, value, inside);
        let (base, moving) = match (outside(first), outside(second)) {
            (true, false) => (first, second),
            (false, true) => (second, first),
            _ => return None,
        };
        if self.ranges.of(base).high + self.ranges.of(moving).high > LAST {
            return None;
        }
        let in_front = self.in_front(base, inside)?;
        let bases = self.bases.entry(inside).or_default();
        if !bases.contains(&base) {
            if bases.len() == MOST_BASES {
                return None;
            }
            bases.push(base);
        }
        let (scaled, shift) = self.multiple(moving).unwrap_or((moving, 0));
        Some(Parts {
            base: Some((base, in_front)),
            scaled,
            shift,
        })
    }

    /// A value as another one shifted by what an access can shift by.
    fn multiple(&mut self, value: Value) -> Option<(Value, u64)> {
        let dfg = &self.function.dfg;
        let [scaled, by] = binary(dfg, value, Opcode::Ishl)?;
        let shift = constant(dfg, by).filter(|shift| (1..=MOST_SHIFT).contains(shift))?;
        (self.ranges.of(scaled).high << shift <= LAST).then_some((scaled, shift))
    }

    /// The block in front of the outermost loop that leaves a value alone.
    fn in_front(&self, value: Value, inside: Loop) -> Option<Block> {
        let mut outermost = inside;
        while let Some(parent) = self.shape.loops.loop_parent(outermost)
            && self.shape.is_invariant(self.function, value, parent)
        {
            outermost = parent;
        }
        let header = self.shape.loops.loop_header(outermost);
        self.shape.dominators.idom(header)
    }
}

fn carry_out(function: &mut Function, vmctx: Value, mut uses: Uses, found: Vec<(Access, Parts)>) {
    let mut bases: HashMap<(Value, Block), Value> = HashMap::new();
    let mut addresses: HashMap<(Value, Block), Value> = HashMap::new();
    for (access, parts) in found {
        let Some(block) = function.layout.inst_block(access.inst) else {
            continue;
        };
        let base = match parts.base {
            None => vmctx,
            Some(place) => *bases.entry(place).or_insert_with(|| {
                uses.take(place.0);
                base_of(function, vmctx, place)
            }),
        };
        let address = *addresses.entry((access.index, block)).or_insert_with(|| {
            uses.take(parts.scaled);
            address_of(function, base, parts, access.inst)
        });
        redirect(&mut function.dfg, access.inst, address, access.offset);
        uses.release(function, access.address);
    }
}

/// vmctx and a value, added at the end of a block.
fn base_of(function: &mut Function, vmctx: Value, (value, block): (Value, Block)) -> Value {
    let mut cursor = FuncCursor::new(function).at_last_inst(block);
    let extended = cursor.ins().uextend(I64, value);
    cursor.ins().iadd(vmctx, extended)
}

fn address_of(function: &mut Function, base: Value, parts: Parts, before: Inst) -> Value {
    let mut cursor = FuncCursor::new(function).at_inst(before);
    cursor.use_srcloc(before);
    let mut moving = cursor.ins().uextend(I64, parts.scaled);
    if parts.shift > 0 {
        moving = cursor.ins().ishl_imm_u(moving, parts.shift.cast_signed());
    }
    cursor.ins().iadd(base, moving)
}

#[cfg(test)]
mod tests {
    use super::super::testing::optimised;

    /// How many additions with 32 bits are left in a function.
    fn narrow_sums(body: &str) -> usize {
        let listing = optimised(&format!(
            "(module (memory 1) (func (param $x i32) (param $y i32) (local $i i32) (local $row i32) {body}))"
        ));
        // All of 64 bits are those of addresses, which begin with vmctx, or are one's own.
        let sums = |line: &&str| {
            line.contains("= iadd") && !line.contains("iadd.i64") && !line.contains("iadd v0")
        };
        listing.lines().filter(sums).count()
    }

    #[test]
    fn what_a_loop_leaves_alone_is_added_in_front_of_it() {
        let loops = |first: &str| {
            format!(
                "(local.set $row {first})
                 (loop $more
                    (i32.store (i32.add (local.get $row) (local.get $i)) (local.get $y))
                    (br_if $more (i32.ne (local.tee $i (i32.add (local.get $i) (i32.const 8))) (i32.const 400))))"
            )
        };
        // The one that is left is the loop's own.
        let bounded = optimised(&format!(
            "(module (memory 1) (func (param $x i32) (param $y i32) (local $i i32) (local $row i32) {}))",
            loops("(i32.and (local.get $x) (i32.const 0xfff0))")
        ));
        assert_eq!(bounded.matches("uextend.i64").count(), 2, "{bounded}");
        assert_eq!(
            narrow_sums(&loops("(i32.and (local.get $x) (i32.const 0xfff0))")),
            1
        );
        assert_eq!(
            narrow_sums(&loops("(i32.rotl (local.get $x) (i32.const 4))")),
            2
        );
    }

    #[test]
    fn branches_are_not_trusted() {
        let body = "(if (i32.lt_u (local.get $x) (i32.const 1000)) (then
                 (loop $more
                    (i32.store (i32.add (local.get $x) (local.get $i)) (local.get $y))
                    (br_if $more (i32.ne (local.tee $i (i32.add (local.get $i) (i32.const 8))) (i32.const 400))))))";
        assert_eq!(narrow_sums(body), 2);
    }

    #[test]
    fn multiples_become_scales() {
        let at = |mask: &str| {
            format!(
                "(i32.store (i32.shl (i32.and (local.get $x) (i32.const {mask})) (i32.const 3)) (local.get $y))"
            )
        };
        let listing = |mask| {
            optimised(&format!(
                "(module (memory 1) (func (param $x i32) (param $y i32) {}))",
                at(mask)
            ))
        };
        assert!(
            listing("0x1fffffff").contains("iconst.i64 3"),
            "{}",
            listing("0x1fffffff")
        );
        assert!(
            !listing("0x3fffffff").contains("iconst.i64 3"),
            "{}",
            listing("0x3fffffff")
        );
    }
}
