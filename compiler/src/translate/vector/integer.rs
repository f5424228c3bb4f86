//! Operators on integer lanes of one type, and comparisons.

use super::super::function::Translator;
use crate::error::Result;
use cranelift_codegen::ir::InstBuilder;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::types::{I8X16, I16X8, I32X4, I64X2};
use wasmparser::Operator as Op;

impl Translator<'_> {
    pub(super) fn vector_integer(&mut self, operator: &Op<'_>) -> Result<bool> {
        Ok(self.vector_arithmetic(operator)?
            || self.vector_saturating(operator)?
            || self.vector_shifts(operator)?)
    }

    fn vector_arithmetic(&mut self, operator: &Op<'_>) -> Result<bool> {
        match operator {
            Op::I8x16Add => self.vector_binary(I8X16, |ins, x, y| ins.iadd(x, y)),
            Op::I16x8Add => self.vector_binary(I16X8, |ins, x, y| ins.iadd(x, y)),
            Op::I32x4Add => self.vector_binary(I32X4, |ins, x, y| ins.iadd(x, y)),
            Op::I64x2Add => self.vector_binary(I64X2, |ins, x, y| ins.iadd(x, y)),
            Op::I8x16Sub => self.vector_binary(I8X16, |ins, x, y| ins.isub(x, y)),
            Op::I16x8Sub => self.vector_binary(I16X8, |ins, x, y| ins.isub(x, y)),
            Op::I32x4Sub => self.vector_binary(I32X4, |ins, x, y| ins.isub(x, y)),
            Op::I64x2Sub => self.vector_binary(I64X2, |ins, x, y| ins.isub(x, y)),
            Op::I16x8Mul => self.vector_binary(I16X8, |ins, x, y| ins.imul(x, y)),
            Op::I32x4Mul => self.vector_binary(I32X4, |ins, x, y| ins.imul(x, y)),
            Op::I64x2Mul => self.vector_binary(I64X2, |ins, x, y| ins.imul(x, y)),
            Op::I8x16Neg => self.vector_unary(I8X16, |ins, x| ins.ineg(x)),
            Op::I16x8Neg => self.vector_unary(I16X8, |ins, x| ins.ineg(x)),
            Op::I32x4Neg => self.vector_unary(I32X4, |ins, x| ins.ineg(x)),
            Op::I64x2Neg => self.vector_unary(I64X2, |ins, x| ins.ineg(x)),
            Op::I8x16Abs => self.vector_unary(I8X16, |ins, x| ins.iabs(x)),
            Op::I16x8Abs => self.vector_unary(I16X8, |ins, x| ins.iabs(x)),
            Op::I32x4Abs => self.vector_unary(I32X4, |ins, x| ins.iabs(x)),
            Op::I64x2Abs => self.vector_unary(I64X2, |ins, x| ins.iabs(x)),
            Op::I8x16Popcnt => self.vector_unary(I8X16, |ins, x| ins.popcnt(x)),
            Op::I8x16MinS => self.vector_binary(I8X16, |ins, x, y| ins.smin(x, y)),
            Op::I16x8MinS => self.vector_binary(I16X8, |ins, x, y| ins.smin(x, y)),
            Op::I32x4MinS => self.vector_binary(I32X4, |ins, x, y| ins.smin(x, y)),
            Op::I8x16MinU => self.vector_binary(I8X16, |ins, x, y| ins.umin(x, y)),
            Op::I16x8MinU => self.vector_binary(I16X8, |ins, x, y| ins.umin(x, y)),
            Op::I32x4MinU => self.vector_binary(I32X4, |ins, x, y| ins.umin(x, y)),
            Op::I8x16MaxS => self.vector_binary(I8X16, |ins, x, y| ins.smax(x, y)),
            Op::I16x8MaxS => self.vector_binary(I16X8, |ins, x, y| ins.smax(x, y)),
            Op::I32x4MaxS => self.vector_binary(I32X4, |ins, x, y| ins.smax(x, y)),
            Op::I8x16MaxU => self.vector_binary(I8X16, |ins, x, y| ins.umax(x, y)),
            Op::I16x8MaxU => self.vector_binary(I16X8, |ins, x, y| ins.umax(x, y)),
            Op::I32x4MaxU => self.vector_binary(I32X4, |ins, x, y| ins.umax(x, y)),
            _ => Ok(false),
        }
    }

    fn vector_saturating(&mut self, operator: &Op<'_>) -> Result<bool> {
        match operator {
            Op::I8x16AddSatS => self.vector_binary(I8X16, |ins, x, y| ins.sadd_sat(x, y)),
            Op::I16x8AddSatS => self.vector_binary(I16X8, |ins, x, y| ins.sadd_sat(x, y)),
            Op::I8x16AddSatU => self.vector_binary(I8X16, |ins, x, y| ins.uadd_sat(x, y)),
            Op::I16x8AddSatU => self.vector_binary(I16X8, |ins, x, y| ins.uadd_sat(x, y)),
            Op::I8x16SubSatS => self.vector_binary(I8X16, |ins, x, y| ins.ssub_sat(x, y)),
            Op::I16x8SubSatS => self.vector_binary(I16X8, |ins, x, y| ins.ssub_sat(x, y)),
            Op::I8x16SubSatU => self.vector_binary(I8X16, |ins, x, y| ins.usub_sat(x, y)),
            Op::I16x8SubSatU => self.vector_binary(I16X8, |ins, x, y| ins.usub_sat(x, y)),
            Op::I8x16AvgrU => self.vector_binary(I8X16, |ins, x, y| ins.avg_round(x, y)),
            Op::I16x8AvgrU => self.vector_binary(I16X8, |ins, x, y| ins.avg_round(x, y)),
            Op::I16x8Q15MulrSatS => {
                self.vector_binary(I16X8, |ins, x, y| ins.sqmul_round_sat(x, y))
            }
            _ => Ok(false),
        }
    }

    fn vector_shifts(&mut self, operator: &Op<'_>) -> Result<bool> {
        match operator {
            Op::I8x16Shl => self.vector_shift(I8X16, |ins, x, y| ins.ishl(x, y)),
            Op::I16x8Shl => self.vector_shift(I16X8, |ins, x, y| ins.ishl(x, y)),
            Op::I32x4Shl => self.vector_shift(I32X4, |ins, x, y| ins.ishl(x, y)),
            Op::I64x2Shl => self.vector_shift(I64X2, |ins, x, y| ins.ishl(x, y)),
            Op::I8x16ShrS => self.vector_shift(I8X16, |ins, x, y| ins.sshr(x, y)),
            Op::I16x8ShrS => self.vector_shift(I16X8, |ins, x, y| ins.sshr(x, y)),
            Op::I32x4ShrS => self.vector_shift(I32X4, |ins, x, y| ins.sshr(x, y)),
            Op::I64x2ShrS => self.vector_shift(I64X2, |ins, x, y| ins.sshr(x, y)),
            Op::I8x16ShrU => self.vector_shift(I8X16, |ins, x, y| ins.ushr(x, y)),
            Op::I16x8ShrU => self.vector_shift(I16X8, |ins, x, y| ins.ushr(x, y)),
            Op::I32x4ShrU => self.vector_shift(I32X4, |ins, x, y| ins.ushr(x, y)),
            Op::I64x2ShrU => self.vector_shift(I64X2, |ins, x, y| ins.ushr(x, y)),
            _ => Ok(false),
        }
    }

    pub(super) fn vector_integer_comparison(&mut self, operator: &Op<'_>) -> Result<bool> {
        match operator {
            Op::I8x16Eq => self.vector_compare(I8X16, IntCC::Equal),
            Op::I16x8Eq => self.vector_compare(I16X8, IntCC::Equal),
            Op::I32x4Eq => self.vector_compare(I32X4, IntCC::Equal),
            Op::I64x2Eq => self.vector_compare(I64X2, IntCC::Equal),
            Op::I8x16Ne => self.vector_compare(I8X16, IntCC::NotEqual),
            Op::I16x8Ne => self.vector_compare(I16X8, IntCC::NotEqual),
            Op::I32x4Ne => self.vector_compare(I32X4, IntCC::NotEqual),
            Op::I64x2Ne => self.vector_compare(I64X2, IntCC::NotEqual),
            Op::I8x16LtS => self.vector_compare(I8X16, IntCC::SignedLessThan),
            Op::I16x8LtS => self.vector_compare(I16X8, IntCC::SignedLessThan),
            Op::I32x4LtS => self.vector_compare(I32X4, IntCC::SignedLessThan),
            Op::I64x2LtS => self.vector_compare(I64X2, IntCC::SignedLessThan),
            Op::I8x16LtU => self.vector_compare(I8X16, IntCC::UnsignedLessThan),
            Op::I16x8LtU => self.vector_compare(I16X8, IntCC::UnsignedLessThan),
            Op::I32x4LtU => self.vector_compare(I32X4, IntCC::UnsignedLessThan),
            Op::I8x16GtS => self.vector_compare(I8X16, IntCC::SignedGreaterThan),
            Op::I16x8GtS => self.vector_compare(I16X8, IntCC::SignedGreaterThan),
            Op::I32x4GtS => self.vector_compare(I32X4, IntCC::SignedGreaterThan),
            Op::I64x2GtS => self.vector_compare(I64X2, IntCC::SignedGreaterThan),
            Op::I8x16GtU => self.vector_compare(I8X16, IntCC::UnsignedGreaterThan),
            Op::I16x8GtU => self.vector_compare(I16X8, IntCC::UnsignedGreaterThan),
            Op::I32x4GtU => self.vector_compare(I32X4, IntCC::UnsignedGreaterThan),
            Op::I8x16LeS => self.vector_compare(I8X16, IntCC::SignedLessThanOrEqual),
            Op::I16x8LeS => self.vector_compare(I16X8, IntCC::SignedLessThanOrEqual),
            Op::I32x4LeS => self.vector_compare(I32X4, IntCC::SignedLessThanOrEqual),
            Op::I64x2LeS => self.vector_compare(I64X2, IntCC::SignedLessThanOrEqual),
            Op::I8x16LeU => self.vector_compare(I8X16, IntCC::UnsignedLessThanOrEqual),
            Op::I16x8LeU => self.vector_compare(I16X8, IntCC::UnsignedLessThanOrEqual),
            Op::I32x4LeU => self.vector_compare(I32X4, IntCC::UnsignedLessThanOrEqual),
            Op::I8x16GeS => self.vector_compare(I8X16, IntCC::SignedGreaterThanOrEqual),
            Op::I16x8GeS => self.vector_compare(I16X8, IntCC::SignedGreaterThanOrEqual),
            Op::I32x4GeS => self.vector_compare(I32X4, IntCC::SignedGreaterThanOrEqual),
            Op::I64x2GeS => self.vector_compare(I64X2, IntCC::SignedGreaterThanOrEqual),
            Op::I8x16GeU => self.vector_compare(I8X16, IntCC::UnsignedGreaterThanOrEqual),
            Op::I16x8GeU => self.vector_compare(I16X8, IntCC::UnsignedGreaterThanOrEqual),
            Op::I32x4GeU => self.vector_compare(I32X4, IntCC::UnsignedGreaterThanOrEqual),
            _ => Ok(false),
        }
    }
}
