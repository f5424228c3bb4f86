//! Operators from one type to another.
//!
//! Cranelift's float-to-integer conversions trap as the specification asks: its "bad conversion" for NaN,
//! its "integer overflow" for what is out of range.

use super::function::Translator;
use crate::error::Result;
use cranelift_codegen::ir::types::{F32, F64, I8, I16, I32, I64};
use cranelift_codegen::ir::{InstBuilder, MemFlagsData, Type};
use wasmparser::Operator as Op;

impl Translator<'_> {
    /// Conversions.
    pub(super) fn conversion(&mut self, operator: &Op<'_>) -> Result<bool> {
        match operator {
            Op::I32WrapI64 => self.unary(|ins, x| ins.ireduce(I32, x)),
            Op::I64ExtendI32S => self.unary(|ins, x| ins.sextend(I64, x)),
            Op::I64ExtendI32U => self.unary(|ins, x| ins.uextend(I64, x)),
            Op::I32Extend8S => self.extend_low(I8, I32),
            Op::I32Extend16S => self.extend_low(I16, I32),
            Op::I64Extend8S => self.extend_low(I8, I64),
            Op::I64Extend16S => self.extend_low(I16, I64),
            Op::I64Extend32S => self.extend_low(I32, I64),
            Op::F32DemoteF64 => self.unary(|ins, x| ins.fdemote(F32, x)),
            Op::F64PromoteF32 => self.unary(|ins, x| ins.fpromote(F64, x)),
            Op::I32ReinterpretF32 => self.reinterpret(I32),
            Op::I64ReinterpretF64 => self.reinterpret(I64),
            Op::F32ReinterpretI32 => self.reinterpret(F32),
            Op::F64ReinterpretI64 => self.reinterpret(F64),
            Op::F32ConvertI32S | Op::F32ConvertI64S => {
                self.unary(|ins, x| ins.fcvt_from_sint(F32, x))
            }
            Op::F32ConvertI32U | Op::F32ConvertI64U => {
                self.unary(|ins, x| ins.fcvt_from_uint(F32, x))
            }
            Op::F64ConvertI32S | Op::F64ConvertI64S => {
                self.unary(|ins, x| ins.fcvt_from_sint(F64, x))
            }
            Op::F64ConvertI32U | Op::F64ConvertI64U => {
                self.unary(|ins, x| ins.fcvt_from_uint(F64, x))
            }
            _ => self.truncation(operator),
        }
    }

    /// Floats to integers, trapping or saturating.
    fn truncation(&mut self, operator: &Op<'_>) -> Result<bool> {
        match operator {
            Op::I32TruncF32S | Op::I32TruncF64S => self.unary(|ins, x| ins.fcvt_to_sint(I32, x)),
            Op::I32TruncF32U | Op::I32TruncF64U => self.unary(|ins, x| ins.fcvt_to_uint(I32, x)),
            Op::I64TruncF32S | Op::I64TruncF64S => self.unary(|ins, x| ins.fcvt_to_sint(I64, x)),
            Op::I64TruncF32U | Op::I64TruncF64U => self.unary(|ins, x| ins.fcvt_to_uint(I64, x)),
            Op::I32TruncSatF32S | Op::I32TruncSatF64S => {
                self.unary(|ins, x| ins.fcvt_to_sint_sat(I32, x))
            }
            Op::I32TruncSatF32U | Op::I32TruncSatF64U => {
                self.unary(|ins, x| ins.fcvt_to_uint_sat(I32, x))
            }
            Op::I64TruncSatF32S | Op::I64TruncSatF64S => {
                self.unary(|ins, x| ins.fcvt_to_sint_sat(I64, x))
            }
            Op::I64TruncSatF32U | Op::I64TruncSatF64U => {
                self.unary(|ins, x| ins.fcvt_to_uint_sat(I64, x))
            }
            _ => Ok(false),
        }
    }

    fn extend_low(&mut self, low: Type, whole: Type) -> Result<bool> {
        let value = self.pop()?;
        let value = self.ins().ireduce(low, value);
        let value = self.ins().sextend(whole, value);
        self.push(value);
        Ok(true)
    }

    fn reinterpret(&mut self, to: Type) -> Result<bool> {
        self.unary(|ins, x| ins.bitcast(to, MemFlagsData::new(), x))
    }
}
