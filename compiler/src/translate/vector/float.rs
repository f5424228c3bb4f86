//! Operators on float lanes of one type, and comparisons.

use super::super::function::Translator;
use crate::error::Result;
use cranelift_codegen::ir::condcodes::FloatCC;
use cranelift_codegen::ir::types::{F32X4, F64X2};
use cranelift_codegen::ir::{InstBuilder, Type};
use wasmparser::Operator as Op;

impl Translator<'_> {
    pub(super) fn vector_float(&mut self, operator: &Op<'_>) -> Result<bool> {
        match operator {
            Op::F32x4Eq => self.vector_compare_floats(F32X4, FloatCC::Equal),
            Op::F64x2Eq => self.vector_compare_floats(F64X2, FloatCC::Equal),
            Op::F32x4Ne => self.vector_compare_floats(F32X4, FloatCC::NotEqual),
            Op::F64x2Ne => self.vector_compare_floats(F64X2, FloatCC::NotEqual),
            Op::F32x4Lt => self.vector_compare_floats(F32X4, FloatCC::LessThan),
            Op::F64x2Lt => self.vector_compare_floats(F64X2, FloatCC::LessThan),
            Op::F32x4Gt => self.vector_compare_floats(F32X4, FloatCC::GreaterThan),
            Op::F64x2Gt => self.vector_compare_floats(F64X2, FloatCC::GreaterThan),
            Op::F32x4Le => self.vector_compare_floats(F32X4, FloatCC::LessThanOrEqual),
            Op::F64x2Le => self.vector_compare_floats(F64X2, FloatCC::LessThanOrEqual),
            Op::F32x4Ge => self.vector_compare_floats(F32X4, FloatCC::GreaterThanOrEqual),
            Op::F64x2Ge => self.vector_compare_floats(F64X2, FloatCC::GreaterThanOrEqual),
            Op::F32x4PMin => self.pseudo_minimum(F32X4),
            Op::F64x2PMin => self.pseudo_minimum(F64X2),
            Op::F32x4PMax => self.pseudo_maximum(F32X4),
            Op::F64x2PMax => self.pseudo_maximum(F64X2),
            _ => self.vector_float_arithmetic(operator),
        }
    }

    fn vector_float_arithmetic(&mut self, operator: &Op<'_>) -> Result<bool> {
        match operator {
            Op::F32x4Add => self.vector_binary(F32X4, |ins, x, y| ins.fadd(x, y)),
            Op::F64x2Add => self.vector_binary(F64X2, |ins, x, y| ins.fadd(x, y)),
            Op::F32x4Sub => self.vector_binary(F32X4, |ins, x, y| ins.fsub(x, y)),
            Op::F64x2Sub => self.vector_binary(F64X2, |ins, x, y| ins.fsub(x, y)),
            Op::F32x4Mul => self.vector_binary(F32X4, |ins, x, y| ins.fmul(x, y)),
            Op::F64x2Mul => self.vector_binary(F64X2, |ins, x, y| ins.fmul(x, y)),
            Op::F32x4Div => self.vector_binary(F32X4, |ins, x, y| ins.fdiv(x, y)),
            Op::F64x2Div => self.vector_binary(F64X2, |ins, x, y| ins.fdiv(x, y)),
            Op::F32x4Min => self.vector_binary(F32X4, |ins, x, y| ins.fmin(x, y)),
            Op::F64x2Min => self.vector_binary(F64X2, |ins, x, y| ins.fmin(x, y)),
            Op::F32x4Max => self.vector_binary(F32X4, |ins, x, y| ins.fmax(x, y)),
            Op::F64x2Max => self.vector_binary(F64X2, |ins, x, y| ins.fmax(x, y)),
            Op::F32x4Abs => self.vector_unary(F32X4, |ins, x| ins.fabs(x)),
            Op::F64x2Abs => self.vector_unary(F64X2, |ins, x| ins.fabs(x)),
            Op::F32x4Neg => self.vector_unary(F32X4, |ins, x| ins.fneg(x)),
            Op::F64x2Neg => self.vector_unary(F64X2, |ins, x| ins.fneg(x)),
            Op::F32x4Sqrt => self.vector_unary(F32X4, |ins, x| ins.sqrt(x)),
            Op::F64x2Sqrt => self.vector_unary(F64X2, |ins, x| ins.sqrt(x)),
            Op::F32x4Ceil => self.vector_unary(F32X4, |ins, x| ins.ceil(x)),
            Op::F64x2Ceil => self.vector_unary(F64X2, |ins, x| ins.ceil(x)),
            Op::F32x4Floor => self.vector_unary(F32X4, |ins, x| ins.floor(x)),
            Op::F64x2Floor => self.vector_unary(F64X2, |ins, x| ins.floor(x)),
            Op::F32x4Trunc => self.vector_unary(F32X4, |ins, x| ins.trunc(x)),
            Op::F64x2Trunc => self.vector_unary(F64X2, |ins, x| ins.trunc(x)),
            Op::F32x4Nearest => self.vector_unary(F32X4, |ins, x| ins.nearest(x)),
            Op::F64x2Nearest => self.vector_unary(F64X2, |ins, x| ins.nearest(x)),
            _ => Ok(false),
        }
    }

    /// The second operand where it is less than the first one.
    pub(super) fn pseudo_minimum(&mut self, lanes: Type) -> Result<bool> {
        let (first, second) = self.pop2_lanes(lanes)?;
        let less = self.ins().fcmp(FloatCC::LessThan, second, first);
        let less = self.cast(less, lanes);
        let value = self.ins().bitselect(less, second, first);
        self.push_vector(value);
        Ok(true)
    }

    /// The second operand where the first one is less.
    pub(super) fn pseudo_maximum(&mut self, lanes: Type) -> Result<bool> {
        let (first, second) = self.pop2_lanes(lanes)?;
        let less = self.ins().fcmp(FloatCC::LessThan, first, second);
        let less = self.cast(less, lanes);
        let value = self.ins().bitselect(less, second, first);
        self.push_vector(value);
        Ok(true)
    }
}
