//! Operators whose result has other lanes than the operands.

use super::super::function::Translator;
use crate::error::Result;
use cranelift_codegen::ir::types::{F32X4, F64X2, I8X16, I16X8, I32X4, I64X2};
use cranelift_codegen::ir::{InstBuilder, Type, Value};
use wasmparser::Operator as Op;

/// Which half of the lanes.
#[derive(Clone, Copy)]
enum Half {
    Low,
    High,
}
use Half::{High, Low};

/// How narrow lanes are understood.
#[derive(Clone, Copy)]
enum Sign {
    Signed,
    Unsigned,
}
use Sign::{Signed, Unsigned};

impl Translator<'_> {
    pub(super) fn vector_conversion(&mut self, operator: &Op<'_>) -> Result<bool> {
        Ok(self.extension(operator)?
            || self.extended_multiplication(operator)?
            || self.narrowing(operator)?
            || self.vector_float_conversion(operator)?)
    }

    fn extension(&mut self, operator: &Op<'_>) -> Result<bool> {
        match operator {
            Op::I16x8ExtendLowI8x16S => self.extend_half(I8X16, Low, Signed),
            Op::I16x8ExtendHighI8x16S => self.extend_half(I8X16, High, Signed),
            Op::I16x8ExtendLowI8x16U => self.extend_half(I8X16, Low, Unsigned),
            Op::I16x8ExtendHighI8x16U => self.extend_half(I8X16, High, Unsigned),
            Op::I32x4ExtendLowI16x8S => self.extend_half(I16X8, Low, Signed),
            Op::I32x4ExtendHighI16x8S => self.extend_half(I16X8, High, Signed),
            Op::I32x4ExtendLowI16x8U => self.extend_half(I16X8, Low, Unsigned),
            Op::I32x4ExtendHighI16x8U => self.extend_half(I16X8, High, Unsigned),
            Op::I64x2ExtendLowI32x4S => self.extend_half(I32X4, Low, Signed),
            Op::I64x2ExtendHighI32x4S => self.extend_half(I32X4, High, Signed),
            Op::I64x2ExtendLowI32x4U => self.extend_half(I32X4, Low, Unsigned),
            Op::I64x2ExtendHighI32x4U => self.extend_half(I32X4, High, Unsigned),
            Op::I16x8ExtAddPairwiseI8x16S => self.add_pairs(I8X16, Signed),
            Op::I16x8ExtAddPairwiseI8x16U => self.add_pairs(I8X16, Unsigned),
            Op::I32x4ExtAddPairwiseI16x8S => self.add_pairs(I16X8, Signed),
            Op::I32x4ExtAddPairwiseI16x8U => self.add_pairs(I16X8, Unsigned),
            _ => Ok(false),
        }
    }

    fn extended_multiplication(&mut self, operator: &Op<'_>) -> Result<bool> {
        match operator {
            Op::I16x8ExtMulLowI8x16S => self.multiply_half(I8X16, Low, Signed),
            Op::I16x8ExtMulHighI8x16S => self.multiply_half(I8X16, High, Signed),
            Op::I16x8ExtMulLowI8x16U => self.multiply_half(I8X16, Low, Unsigned),
            Op::I16x8ExtMulHighI8x16U => self.multiply_half(I8X16, High, Unsigned),
            Op::I32x4ExtMulLowI16x8S => self.multiply_half(I16X8, Low, Signed),
            Op::I32x4ExtMulHighI16x8S => self.multiply_half(I16X8, High, Signed),
            Op::I32x4ExtMulLowI16x8U => self.multiply_half(I16X8, Low, Unsigned),
            Op::I32x4ExtMulHighI16x8U => self.multiply_half(I16X8, High, Unsigned),
            Op::I64x2ExtMulLowI32x4S => self.multiply_half(I32X4, Low, Signed),
            Op::I64x2ExtMulHighI32x4S => self.multiply_half(I32X4, High, Signed),
            Op::I64x2ExtMulLowI32x4U => self.multiply_half(I32X4, Low, Unsigned),
            Op::I64x2ExtMulHighI32x4U => self.multiply_half(I32X4, High, Unsigned),
            Op::I32x4DotI16x8S => {
                let (first, second) = self.pop2_lanes(I16X8)?;
                let value = self.products_of_pairs(first, second);
                self.push_vector(value);
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    fn narrowing(&mut self, operator: &Op<'_>) -> Result<bool> {
        match operator {
            Op::I8x16NarrowI16x8S => self.vector_binary(I16X8, |ins, x, y| ins.snarrow(x, y)),
            Op::I8x16NarrowI16x8U => self.vector_binary(I16X8, |ins, x, y| ins.unarrow(x, y)),
            Op::I16x8NarrowI32x4S => self.vector_binary(I32X4, |ins, x, y| ins.snarrow(x, y)),
            Op::I16x8NarrowI32x4U => self.vector_binary(I32X4, |ins, x, y| ins.unarrow(x, y)),
            _ => Ok(false),
        }
    }

    fn vector_float_conversion(&mut self, operator: &Op<'_>) -> Result<bool> {
        match operator {
            Op::F32x4ConvertI32x4S => {
                self.vector_unary(I32X4, |ins, x| ins.fcvt_from_sint(F32X4, x))
            }
            Op::F32x4ConvertI32x4U => {
                self.vector_unary(I32X4, |ins, x| ins.fcvt_from_uint(F32X4, x))
            }
            Op::F64x2ConvertLowI32x4S => {
                self.extend_half(I32X4, Low, Signed)?;
                self.vector_unary(I64X2, |ins, x| ins.fcvt_from_sint(F64X2, x))
            }
            Op::F64x2ConvertLowI32x4U => {
                self.extend_half(I32X4, Low, Unsigned)?;
                self.vector_unary(I64X2, |ins, x| ins.fcvt_from_uint(F64X2, x))
            }
            Op::F32x4DemoteF64x2Zero => self.vector_unary(F64X2, |ins, x| ins.fvdemote(x)),
            Op::F64x2PromoteLowF32x4 => self.vector_unary(F32X4, |ins, x| ins.fvpromote_low(x)),
            Op::I32x4TruncSatF32x4S => self.saturate_singles(Signed),
            Op::I32x4TruncSatF32x4U => self.saturate_singles(Unsigned),
            Op::I32x4TruncSatF64x2SZero => self.saturate_doubles(Signed),
            Op::I32x4TruncSatF64x2UZero => self.saturate_doubles(Unsigned),
            _ => Ok(false),
        }
    }

    /// The saturating truncations, which relaxed ones may also be.
    pub(super) fn relaxed_truncation(&mut self, operator: &Op<'_>) -> Result<bool> {
        match operator {
            Op::I32x4RelaxedTruncF32x4S => self.saturate_singles(Signed),
            Op::I32x4RelaxedTruncF32x4U => self.saturate_singles(Unsigned),
            Op::I32x4RelaxedTruncF64x2SZero => self.saturate_doubles(Signed),
            Op::I32x4RelaxedTruncF64x2UZero => self.saturate_doubles(Unsigned),
            _ => Ok(false),
        }
    }

    fn saturate_singles(&mut self, sign: Sign) -> Result<bool> {
        self.vector_unary(F32X4, |ins, x| match sign {
            Signed => ins.fcvt_to_sint_sat(I32X4, x),
            Unsigned => ins.fcvt_to_uint_sat(I32X4, x),
        })
    }

    /// Two doubles become the low two lanes; the high two are zero.
    fn saturate_doubles(&mut self, sign: Sign) -> Result<bool> {
        let doubles = self.pop_lanes(F64X2)?;
        let wide = match sign {
            Signed => self.ins().fcvt_to_sint_sat(I64X2, doubles),
            Unsigned => self.ins().fcvt_to_uint_sat(I64X2, doubles),
        };
        let zero = self.vector_constant(I64X2, [0; 16]);
        let value = match sign {
            Signed => self.ins().snarrow(wide, zero),
            Unsigned => self.ins().uunarrow(wide, zero),
        };
        self.push_vector(value);
        Ok(true)
    }

    fn half(&mut self, vector: Value, half: Half, sign: Sign) -> Value {
        match (half, sign) {
            (Low, Signed) => self.ins().swiden_low(vector),
            (Low, Unsigned) => self.ins().uwiden_low(vector),
            (High, Signed) => self.ins().swiden_high(vector),
            (High, Unsigned) => self.ins().uwiden_high(vector),
        }
    }

    fn extend_half(&mut self, lanes: Type, half: Half, sign: Sign) -> Result<bool> {
        let vector = self.pop_lanes(lanes)?;
        let value = self.half(vector, half, sign);
        self.push_vector(value);
        Ok(true)
    }

    fn multiply_half(&mut self, lanes: Type, half: Half, sign: Sign) -> Result<bool> {
        let (first, second) = self.pop2_lanes(lanes)?;
        let first = self.half(first, half, sign);
        let second = self.half(second, half, sign);
        let value = self.ins().imul(first, second);
        self.push_vector(value);
        Ok(true)
    }

    fn add_pairs(&mut self, lanes: Type, sign: Sign) -> Result<bool> {
        let vector = self.pop_lanes(lanes)?;
        let value = self.pair_sums(vector, sign);
        self.push_vector(value);
        Ok(true)
    }

    fn pair_sums(&mut self, vector: Value, sign: Sign) -> Value {
        let low = self.half(vector, Low, sign);
        let high = self.half(vector, High, sign);
        self.ins().iadd_pairwise(low, high)
    }

    /// Sums of adjacent signed lanes, twice as wide.
    pub(super) fn signed_pair_sums(&mut self, vector: Value) -> Value {
        self.pair_sums(vector, Signed)
    }

    /// The products of signed lanes, twice as wide: of the low half, and of the high half.
    pub(super) fn signed_products(&mut self, first: Value, second: Value) -> (Value, Value) {
        let mut multiply = |half| {
            let first = self.half(first, half, Signed);
            let second = self.half(second, half, Signed);
            self.ins().imul(first, second)
        };
        (multiply(Low), multiply(High))
    }

    /// The sums of the products of adjacent signed lanes, twice as wide, modulo their width.
    pub(super) fn products_of_pairs(&mut self, first: Value, second: Value) -> Value {
        let (low, high) = self.signed_products(first, second);
        self.ins().iadd_pairwise(low, high)
    }
}
