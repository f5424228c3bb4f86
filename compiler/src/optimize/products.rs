//! Products of 64 by 64 bits are one multiplication.
//!
//! WebAssembly has no instruction for the upper half of a product, so compilers and people make it of four products of 32 by 32 bits:
//! `__multi3`, which every product of 128-bit integers calls, is one of these, and hashes and curves have their own. The processor has
//! an instruction. With `al`, `ah`, `bl` and `bh` the halves of `a` and `b`, `p = al * bl` and the middle products `c` and `d`, which
//! are `ah * bl` and `al * bh` in either order:
//!
//! ```text
//!   upper half:  ah * bh + (t >> 32) + (u >> 32)   where t = c + (p >> 32), u = d + low(t)            (two carries)
//!                ah * bh + (c >> 32) + (u >> 32)   where u = d + low(c) + (p >> 32)                   (one sum)
//!                ah * bh + (c >> 32) + (d >> 32) + (u >> 32)   where u = low(c) + low(d) + (p >> 32)  (three)
//!   lower half:  (u << 32) | low(p)                where u = c + d + (p >> 32), in its lower 32 bits
//! ```
//!
//! `low(x)` is `x & 0xffffffff`. Further terms of the sum stay what they are: the products of a 128-bit product's upper halves are there.
//!
//! Soundness. `c` and `d` are at most `(2^32 - 1)^2`, and what is added to them in `t` and `u` is less than `2^33 - 1`, so nothing
//! wraps around; then `a * b = ah * bh * 2^64 + (c + d) * 2^32 + p`, whose digits are counted by the sums above. The lower half is that
//! modulo `2^64`, where nothing above the lower 32 bits of `u` counts.
//!
//! Not here: a half of a constant, which has been computed; comparisons in place of carries; signed products.

use super::uses::Uses;
use super::values::{binary, constant, unary};
use cranelift_codegen::Context;
use cranelift_codegen::cursor::{Cursor, FuncCursor};
use cranelift_codegen::ir::types::{I32, I64, I128};
use cranelift_codegen::ir::{DataFlowGraph, Function, Inst, InstBuilder, Opcode, Value};
use rustc_hash::FxHashSet;

/// The most terms of a sum that are looked at.
const MOST_TERMS: usize = 12;
/// How deep sums are in the masks of others.
const MOST_MASKS: usize = 2;
const LOW: u64 = 0xFFFF_FFFF;

/// An instruction whose result is half of a product, and what is added to that.
struct Half {
    inst: Inst,
    factors: [Value; 2],
    upper: bool,
    rest: Vec<Value>,
}

/// Replaces what makes halves of products, and tells of how many products the upper one was made. Comes before Cranelift's optimisations, which join
/// the two halves. Nothing may be an alias.
pub fn multiply(context: &mut Context) -> usize {
    let function = &mut context.func;
    if !multiplies_upper_halves(function) {
        return 0;
    }
    let uses = Uses::count(function);
    let mut halves = Vec::new();
    for block in function.layout.blocks() {
        for inst in function.layout.block_insts(block) {
            halves.extend(half(&function.dfg, &uses, inst));
        }
    }
    if halves.is_empty() {
        return 0;
    }
    for half in &halves {
        replace(function, half);
    }
    function.dfg.resolve_all_aliases();
    let upper = halves.iter().filter(|half| half.upper);
    upper
        .map(|half| half.factors)
        .collect::<FxHashSet<_>>()
        .len()
}

/// Whether there is anything to look for, which is rare.
fn multiplies_upper_halves(function: &Function) -> bool {
    let dfg = &function.dfg;
    let blocks = function.layout.blocks();
    let mut insts = blocks.flat_map(|block| function.layout.block_insts(block));
    insts.any(|inst| {
        dfg.insts[inst].opcode() == Opcode::Imul
            && factors_of_upper(dfg, dfg.first_result(inst)).is_some()
    })
}

fn half(dfg: &DataFlowGraph, uses: &Uses, inst: Inst) -> Option<Half> {
    let opcode = dfg.insts[inst].opcode();
    if !matches!(opcode, Opcode::Iadd | Opcode::Bor) || dfg.ctrl_typevar(inst) != I64 {
        return None;
    }
    if let Some(factors) = lower_half(dfg, dfg.inst_args(inst)) {
        return Some(Half {
            inst,
            factors,
            upper: false,
            rest: Vec::new(),
        });
    }
    (opcode == Opcode::Iadd).then(|| upper_half(dfg, uses, inst))?
}

/// The factors of `(u << 32) | low(p)`.
fn lower_half(dfg: &DataFlowGraph, sides: &[Value]) -> Option<[Value; 2]> {
    let [first, second] = *sides else {
        return None;
    };
    let ways = [(first, second), (second, first)];
    ways.into_iter().find_map(|(shifted, masked)| {
        let sum = by_32(dfg, shifted, Opcode::Ishl)?;
        let factors = factors_of_lower(dfg, low(dfg, masked)?)?;
        Middle::new(dfg, factors, false).carries(sum)?;
        Some(factors)
    })
}

/// The upper half of a product, and the other terms of the sum that it is in.
fn upper_half(dfg: &DataFlowGraph, uses: &Uses, inst: Inst) -> Option<Half> {
    let root = dfg.first_result(inst);
    // A sum that is wanted elsewhere, too, is left as it is.
    let mut rest = terms(dfg, root, |sum| sum == root || uses.of(sum) == 1)?;
    let top = rest
        .iter()
        .position(|term| factors_of_upper(dfg, *term).is_some())?;
    let factors = factors_of_upper(dfg, rest.swap_remove(top))?;
    let (last, carries) = rest.iter().enumerate().find_map(|(position, term)| {
        let sum = by_32(dfg, *term, Opcode::Ushr)?;
        Some((position, Middle::new(dfg, factors, true).carries(sum)?))
    })?;
    rest.swap_remove(last);
    for carry in carries {
        let carried = |term: &Value| by_32(dfg, *term, Opcode::Ushr) == Some(carry);
        let position = rest.iter().position(carried)?;
        rest.swap_remove(position);
    }
    Some(Half {
        inst,
        factors,
        upper: true,
        rest,
    })
}

/// What is added up in the middle of a product.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    /// `p >> 32`.
    FromLower,
    /// `al * bh`.
    First,
    /// `ah * bl`.
    Second,
}

/// The middle of a product, as it is found.
struct Middle<'a> {
    dfg: &'a DataFlowGraph,
    factors: [Value; 2],
    /// Whether the sum may not wrap around.
    exact: bool,
    parts: Vec<Part>,
    /// What is masked in the sum, so that its upper half has to be added elsewhere.
    masked: Vec<Value>,
}

impl<'a> Middle<'a> {
    fn new(dfg: &'a DataFlowGraph, factors: [Value; 2], exact: bool) -> Middle<'a> {
        Middle {
            dfg,
            factors,
            exact,
            parts: Vec::new(),
            masked: Vec::new(),
        }
    }

    /// The values whose upper halves belong to the sum, besides its own, if it is the middle of the product.
    fn carries(mut self, sum: Value) -> Option<Vec<Value>> {
        self.add(sum, MOST_MASKS)?;
        self.parts.sort_unstable();
        let square = self.factors[0] == self.factors[1];
        let last = if square { Part::First } else { Part::Second };
        (self.parts == [Part::FromLower, Part::First, last]).then_some(self.masked)
    }

    fn add(&mut self, sum: Value, depth: usize) -> Option<()> {
        let mut products = 0;
        for term in terms(self.dfg, sum, |_| true)? {
            if let Some(part) = self.part(term) {
                products += usize::from(part != Part::FromLower);
                self.parts.push(part);
            } else {
                let masked = low(self.dfg, term)?;
                self.masked.push(masked);
                self.add(masked, depth.checked_sub(1)?)?;
            }
        }
        (products <= 1 || !self.exact).then_some(())
    }

    fn part(&self, term: Value) -> Option<Part> {
        let [a, b] = self.factors;
        if let Some(product) = by_32(self.dfg, term, Opcode::Ushr) {
            let of = factors_of_lower(self.dfg, product)?;
            return (of == [a, b] || of == [b, a]).then_some(Part::FromLower);
        }
        let [x, y] = binary(self.dfg, term, Opcode::Imul)?;
        let of = |low_of, high_of| {
            [(x, y), (y, x)].into_iter().any(|(x, y)| {
                low(self.dfg, x) == Some(low_of)
                    && by_32(self.dfg, y, Opcode::Ushr) == Some(high_of)
            })
        };
        match (of(a, b), of(b, a)) {
            (true, _) => Some(Part::First),
            (false, true) => Some(Part::Second),
            (false, false) => None,
        }
    }
}

/// The terms of a sum, if they are few. Sums among them are taken apart where `inside` says so.
fn terms(dfg: &DataFlowGraph, sum: Value, inside: impl Fn(Value) -> bool) -> Option<Vec<Value>> {
    let (mut found, mut open) = (Vec::new(), vec![sum]);
    while let Some(value) = open.pop() {
        match binary(dfg, value, Opcode::Iadd).filter(|_| inside(value)) {
            Some(sides) => open.extend(sides),
            None => found.push(value),
        }
        if found.len() + open.len() > MOST_TERMS {
            return None;
        }
    }
    Some(found)
}

/// `x` of `x << 32` or `x >> 32`, all with 64 bits.
fn by_32(dfg: &DataFlowGraph, value: Value, shift: Opcode) -> Option<Value> {
    let [shifted, by] = binary(dfg, value, shift)?;
    (dfg.value_type(value) == I64 && constant(dfg, by) == Some(32)).then_some(shifted)
}

/// `x` of `x & 0xffffffff`, however that is done.
fn low(dfg: &DataFlowGraph, value: Value) -> Option<Value> {
    if let Some([x, y]) = binary(dfg, value, Opcode::Band) {
        let masks = |mask| constant(dfg, mask) == Some(LOW);
        return match (masks(x), masks(y)) {
            (_, true) => Some(x),
            (true, false) => Some(y),
            (false, false) => None,
        };
    }
    let narrow = unary(dfg, value, Opcode::Uextend)?;
    let wide = unary(dfg, narrow, Opcode::Ireduce)?;
    let fits = dfg.value_type(narrow) == I32 && dfg.value_type(wide) == I64;
    (fits && dfg.value_type(value) == I64).then_some(wide)
}

/// `a` and `b` of `ah * bh`.
fn factors_of_upper(dfg: &DataFlowGraph, product: Value) -> Option<[Value; 2]> {
    let [x, y] = binary(dfg, product, Opcode::Imul)?;
    Some([by_32(dfg, x, Opcode::Ushr)?, by_32(dfg, y, Opcode::Ushr)?])
}

/// `a` and `b` of `al * bl`.
fn factors_of_lower(dfg: &DataFlowGraph, product: Value) -> Option<[Value; 2]> {
    let [x, y] = binary(dfg, product, Opcode::Imul)?;
    Some([low(dfg, x)?, low(dfg, y)?])
}

fn replace(function: &mut Function, half: &Half) {
    let mut cursor = FuncCursor::new(function).at_inst(half.inst);
    // In the same order for both halves, so that they come from one product.
    let [mut a, mut b] = half.factors;
    if a > b {
        std::mem::swap(&mut a, &mut b);
    }
    let [a, b] = [a, b].map(|factor| cursor.ins().uextend(I128, factor));
    let product = cursor.ins().imul(a, b);
    let (lower, upper) = cursor.ins().isplit(product);
    let mut value = if half.upper { upper } else { lower };
    for term in &half.rest {
        value = cursor.ins().iadd(value, *term);
    }
    let result = function.dfg.first_result(half.inst);
    function.layout.remove_inst(half.inst);
    function.dfg.detach_inst_results(half.inst);
    function.dfg.change_to_alias(result, value);
}

#[cfg(test)]
mod tests {
    use super::super::testing::optimised;

    const HALVES: &str = "(local.set $al (i64.and (local.get $a) (i64.const 0xffffffff)))
        (local.set $ah (i64.shr_u (local.get $a) (i64.const 32)))
        (local.set $bl (i64.extend_i32_u (i32.wrap_i64 (local.get $b))))
        (local.set $bh (i64.shr_u (local.get $b) (i64.const 32)))
        (local.set $p (i64.mul (local.get $al) (local.get $bl)))";

    /// A function of two numbers that ends with this, after their halves and the product of their lower ones are there.
    fn ending(end: &str) -> String {
        optimised(&format!(
            "(module (func (param $a i64) (param $b i64) (param $x i64) (result i64)
                (local $al i64) (local $ah i64) (local $bl i64) (local $bh i64) (local $p i64) (local $t i64)
                {HALVES} {end}))"
        ))
    }

    fn is_one_multiplication(listing: &str) -> bool {
        listing.matches("imul").count() == 1 && listing.contains("isplit")
    }

    const TWO_CARRIES: &str = "(local.set $t (i64.add (i64.mul (local.get $ah) (local.get $bl)) (i64.shr_u (local.get $p) (i64.const 32))))
        (i64.add (local.get $x) (i64.add (i64.add (i64.mul (local.get $ah) (local.get $bh)) (i64.shr_u (local.get $t) (i64.const 32)))
            (i64.shr_u (i64.add (i64.and (local.get $t) (i64.const 0xffffffff)) (i64.mul (local.get $al) (local.get $bh))) (i64.const 32))))";
    const ONE_SUM: &str = "(local.set $t (i64.mul (local.get $bl) (local.get $ah)))
        (i64.add (i64.add (i64.mul (local.get $bh) (local.get $ah)) (i64.shr_u (local.get $t) (i64.const 32)))
            (i64.shr_u (i64.add (i64.add (i64.shr_u (local.get $p) (i64.const 32)) (i64.and (local.get $t) (i64.const 0xffffffff)))
                (i64.mul (local.get $al) (local.get $bh))) (i64.const 32)))";
    const LOWER: &str = "(i64.or (i64.and (local.get $p) (i64.const 0xffffffff)) (i64.shl (i64.add (i64.add
        (i64.shr_u (local.get $p) (i64.const 32)) (i64.mul (local.get $ah) (local.get $bl))) (i64.mul (local.get $al) (local.get $bh))) (i64.const 32)))";

    #[test]
    fn halves_are_one_multiplication() {
        for end in [
            TWO_CARRIES,
            ONE_SUM,
            &format!("(i64.xor {LOWER} {ONE_SUM})"),
        ] {
            let listing = ending(end);
            assert!(is_one_multiplication(&listing), "{listing}");
        }
    }

    #[test]
    fn what_is_no_product_stays() {
        let both = format!("(i64.xor {LOWER} {TWO_CARRIES})");
        for (end, from, to) in [
            // A middle product that is there twice, one that is masked otherwise, or not at all, a carry that is missing, other shifts.
            (
                TWO_CARRIES,
                "(i64.mul (local.get $al) (local.get $bh))",
                "(i64.mul (local.get $ah) (local.get $bl))",
            ),
            (
                TWO_CARRIES,
                "(i64.and (local.get $t) (i64.const 0xffffffff))",
                "(local.get $t)",
            ),
            (
                TWO_CARRIES,
                "(i64.and (local.get $t) (i64.const 0xffffffff))",
                "(i64.and (local.get $t) (i64.const 0x7fffffff))",
            ),
            (
                ONE_SUM,
                "(i64.shr_u (local.get $t) (i64.const 32))",
                "(local.get $x)",
            ),
            (
                ONE_SUM,
                "(i64.shr_u (local.get $p) (i64.const 32))",
                "(i64.shr_u (local.get $p) (i64.const 31))",
            ),
            (
                ONE_SUM,
                "(i64.mul (local.get $al) (local.get $bh))",
                "(i64.mul (local.get $al) (local.get $x))",
            ),
            (
                &both,
                "(i64.mul (local.get $al) (local.get $bh))",
                "(i64.mul (local.get $ah) (local.get $bl))",
            ),
            (&both, "(i64.shl", "(i64.rotl"),
        ] {
            assert!(end.contains(from));
            let listing = ending(&end.replacen(from, to, 1));
            assert!(!is_one_multiplication(&listing), "{from} {to} {listing}");
        }
    }
}
