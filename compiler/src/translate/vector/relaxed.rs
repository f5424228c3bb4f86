//! Relaxed operators: <https://github.com/WebAssembly/relaxed-simd>.
//!
//! Each has a few permitted results. By default the choice is the same on every CPU: no fused multiplication,
//! saturation where something overflows, and the strict operator where there is one. `--relaxed-simd=fast` takes
//! what the CPU has an instruction for.

use super::super::function::Translator;
use crate::error::Result;
use crate::options::RelaxedSimd;
use cranelift_codegen::ir::types::{F32X4, F64X2, I8X16, I16X8, I32X4, I64X2};
use cranelift_codegen::ir::{InstBuilder, Type, Value};
use wasmparser::Operator as Op;

impl Translator<'_> {
    pub(super) fn relaxed(&mut self, operator: &Op<'_>) -> Result<bool> {
        if self.source.relaxed_simd == RelaxedSimd::Fast && self.fast(operator)? {
            return Ok(true);
        }
        match operator {
            Op::I8x16RelaxedSwizzle => self.vector_binary(I8X16, |ins, x, y| ins.swizzle(x, y)),
            Op::I8x16RelaxedLaneselect
            | Op::I16x8RelaxedLaneselect
            | Op::I32x4RelaxedLaneselect
            | Op::I64x2RelaxedLaneselect => self.vector_lane(&Op::V128Bitselect),
            Op::F32x4RelaxedMin => self.vector_float(&Op::F32x4Min),
            Op::F32x4RelaxedMax => self.vector_float(&Op::F32x4Max),
            Op::F64x2RelaxedMin => self.vector_float(&Op::F64x2Min),
            Op::F64x2RelaxedMax => self.vector_float(&Op::F64x2Max),
            Op::I16x8RelaxedQ15mulrS => self.vector_integer(&Op::I16x8Q15MulrSatS),
            Op::F32x4RelaxedMadd => self.multiply_add(F32X4, false),
            Op::F32x4RelaxedNmadd => self.multiply_add(F32X4, true),
            Op::F64x2RelaxedMadd => self.multiply_add(F64X2, false),
            Op::F64x2RelaxedNmadd => self.multiply_add(F64X2, true),
            Op::I16x8RelaxedDotI8x16I7x16S => {
                let (first, second) = self.pop2_lanes(I8X16)?;
                let value = self.products_of_pairs(first, second);
                self.push_vector(value);
                Ok(true)
            }
            Op::I32x4RelaxedDotI8x16I7x16AddS => self.dot_and_add(),
            _ => self.relaxed_truncation(operator),
        }
    }

    /// Operators that the CPU does with one instruction, and with results of its own.
    fn fast(&mut self, operator: &Op<'_>) -> Result<bool> {
        match operator {
            Op::I8x16RelaxedSwizzle => self.vector_binary(I8X16, |ins, x, y| ins.x86_pshufb(x, y)),
            Op::I8x16RelaxedLaneselect => self.blend(I8X16),
            Op::I32x4RelaxedLaneselect => self.blend(I32X4),
            Op::I64x2RelaxedLaneselect => self.blend(I64X2),
            Op::F32x4RelaxedMin => self.pseudo_minimum(F32X4),
            Op::F64x2RelaxedMin => self.pseudo_minimum(F64X2),
            Op::F32x4RelaxedMax => self.pseudo_maximum(F32X4),
            Op::F64x2RelaxedMax => self.pseudo_maximum(F64X2),
            Op::I16x8RelaxedQ15mulrS => {
                self.vector_binary(I16X8, |ins, x, y| ins.x86_pmulhrsw(x, y))
            }
            Op::I32x4RelaxedTruncF32x4S => {
                self.vector_unary(F32X4, |ins, x| ins.x86_cvtt2dq(I32X4, x))
            }
            Op::F32x4RelaxedMadd if self.source.fma => self.fused(F32X4, false),
            Op::F32x4RelaxedNmadd if self.source.fma => self.fused(F32X4, true),
            Op::F64x2RelaxedMadd if self.source.fma => self.fused(F64X2, false),
            Op::F64x2RelaxedNmadd if self.source.fma => self.fused(F64X2, true),
            Op::I16x8RelaxedDotI8x16I7x16S => {
                self.vector_binary(I8X16, |ins, x, y| ins.x86_pmaddubsw(x, y))
            }
            Op::I32x4RelaxedDotI8x16I7x16AddS => {
                let (first, second, third) = self.pop3()?;
                let sums = self.ins().x86_pmaddubsw(first, second);
                let sums = self.signed_pair_sums(sums);
                self.add_lanes(sums, third)
            }
            _ => Ok(false),
        }
    }

    fn blend(&mut self, lanes: Type) -> Result<bool> {
        let (first, second, mask) = self.pop3_lanes(lanes)?;
        let value = self.ins().blendv(mask, first, second);
        self.push_vector(value);
        Ok(true)
    }

    /// `±x * y + z`, rounded once.
    fn fused(&mut self, lanes: Type, negate: bool) -> Result<bool> {
        let (x, y, z) = self.pop3_lanes(lanes)?;
        let x = if negate { self.ins().fneg(x) } else { x };
        let value = self.ins().fma(x, y, z);
        self.push_vector(value);
        Ok(true)
    }

    /// `±x * y + z`, rounded twice.
    fn multiply_add(&mut self, lanes: Type, negate: bool) -> Result<bool> {
        let (x, y, z) = self.pop3_lanes(lanes)?;
        let x = if negate { self.ins().fneg(x) } else { x };
        let product = self.ins().fmul(x, y);
        let value = self.ins().fadd(product, z);
        self.push_vector(value);
        Ok(true)
    }

    /// The exact sums of four products each, plus the third operand.
    fn dot_and_add(&mut self) -> Result<bool> {
        let (first, second, third) = self.pop3()?;
        let (low, high) = self.signed_products(first, second);
        let low = self.signed_pair_sums(low);
        let high = self.signed_pair_sums(high);
        let sums = self.ins().iadd_pairwise(low, high);
        self.add_lanes(sums, third)
    }

    fn add_lanes(&mut self, sums: Value, addend: Value) -> Result<bool> {
        let addend = self.cast(addend, I32X4);
        let value = self.ins().iadd(sums, addend);
        self.push_vector(value);
        Ok(true)
    }
}
