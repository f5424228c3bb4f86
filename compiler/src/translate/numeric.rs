//! Operators on integers and floats of one type, and comparisons.
//!
//! Division never relies on the processor's own exception: zero divisors and overflow are tested for, so
//! that a guest raises no SIGFPE.

use super::function::{Translator, trap_code};
use crate::error::Result;
use cranelift_codegen::ir::condcodes::{FloatCC, IntCC};
use cranelift_codegen::ir::types::{I32, I64, I128};
use cranelift_codegen::ir::{InstBuilder, Value};
use cranelift_frontend::FuncInstBuilder;
use lucet_format::trap::TrapCode;
use wasmparser::Operator as Op;

impl<'a> Translator<'a> {
    /// Integer arithmetic, bits and shifts. Cranelift takes shift counts modulo the width, as wasm does.
    pub(super) fn integer(&mut self, operator: &Op<'_>) -> Result<bool> {
        match operator {
            Op::I32Add | Op::I64Add => self.binary(|ins, x, y| ins.iadd(x, y)),
            Op::I32Sub | Op::I64Sub => self.binary(|ins, x, y| ins.isub(x, y)),
            Op::I32Mul | Op::I64Mul => self.binary(|ins, x, y| ins.imul(x, y)),
            Op::I32And | Op::I64And => self.binary(|ins, x, y| ins.band(x, y)),
            Op::I32Or | Op::I64Or => self.binary(|ins, x, y| ins.bor(x, y)),
            Op::I32Xor | Op::I64Xor => self.binary(|ins, x, y| ins.bxor(x, y)),
            Op::I32Shl | Op::I64Shl => self.binary(|ins, x, y| ins.ishl(x, y)),
            Op::I32ShrS | Op::I64ShrS => self.binary(|ins, x, y| ins.sshr(x, y)),
            Op::I32ShrU | Op::I64ShrU => self.binary(|ins, x, y| ins.ushr(x, y)),
            Op::I32Rotl | Op::I64Rotl => self.binary(|ins, x, y| ins.rotl(x, y)),
            Op::I32Rotr | Op::I64Rotr => self.binary(|ins, x, y| ins.rotr(x, y)),
            Op::I32Clz | Op::I64Clz => self.unary(|ins, x| ins.clz(x)),
            Op::I32Ctz | Op::I64Ctz => self.unary(|ins, x| ins.ctz(x)),
            Op::I32Popcnt | Op::I64Popcnt => self.unary(|ins, x| ins.popcnt(x)),
            Op::I32DivS | Op::I64DivS => self.signed_division(),
            Op::I32DivU | Op::I64DivU => self.division(|ins, x, y| ins.udiv(x, y)),
            Op::I32RemS | Op::I64RemS => self.division(|ins, x, y| ins.srem(x, y)),
            Op::I32RemU | Op::I64RemU => self.division(|ins, x, y| ins.urem(x, y)),
            _ => Ok(false),
        }
    }

    /// Arithmetic on pairs of i64 that are the halves of a 128-bit integer, the low half first.
    pub(super) fn wide(&mut self, operator: &Op<'_>) -> Result<bool> {
        let whole = match operator {
            Op::I64Add128 | Op::I64Sub128 => {
                let (low, high) = self.pop2()?;
                let second = self.ins().iconcat(low, high);
                let (low, high) = self.pop2()?;
                let first = self.ins().iconcat(low, high);
                match operator {
                    Op::I64Add128 => self.ins().iadd(first, second),
                    _ => self.ins().isub(first, second),
                }
            }
            Op::I64MulWideS => {
                let (first, second) = self.pop2()?;
                let first = self.ins().sextend(I128, first);
                let second = self.ins().sextend(I128, second);
                self.ins().imul(first, second)
            }
            Op::I64MulWideU => {
                let (first, second) = self.pop2()?;
                let first = self.ins().uextend(I128, first);
                let second = self.ins().uextend(I128, second);
                self.ins().imul(first, second)
            }
            _ => return Ok(false),
        };
        let (low, high) = self.ins().isplit(whole);
        self.push(low);
        self.push(high);
        Ok(true)
    }

    /// Comparisons.
    pub(super) fn comparison(&mut self, operator: &Op<'_>) -> Result<bool> {
        match operator {
            Op::I32Eqz | Op::I64Eqz => {
                let value = self.pop()?;
                let is_zero = self.ins().icmp_imm_u(IntCC::Equal, value, 0);
                self.push_boolean(is_zero);
                Ok(true)
            }
            Op::I32Eq | Op::I64Eq => self.compare(IntCC::Equal),
            Op::I32Ne | Op::I64Ne => self.compare(IntCC::NotEqual),
            Op::I32LtS | Op::I64LtS => self.compare(IntCC::SignedLessThan),
            Op::I32LtU | Op::I64LtU => self.compare(IntCC::UnsignedLessThan),
            Op::I32GtS | Op::I64GtS => self.compare(IntCC::SignedGreaterThan),
            Op::I32GtU | Op::I64GtU => self.compare(IntCC::UnsignedGreaterThan),
            Op::I32LeS | Op::I64LeS => self.compare(IntCC::SignedLessThanOrEqual),
            Op::I32LeU | Op::I64LeU => self.compare(IntCC::UnsignedLessThanOrEqual),
            Op::I32GeS | Op::I64GeS => self.compare(IntCC::SignedGreaterThanOrEqual),
            Op::I32GeU | Op::I64GeU => self.compare(IntCC::UnsignedGreaterThanOrEqual),
            Op::F32Eq | Op::F64Eq => self.compare_floats(FloatCC::Equal),
            Op::F32Ne | Op::F64Ne => self.compare_floats(FloatCC::NotEqual),
            Op::F32Lt | Op::F64Lt => self.compare_floats(FloatCC::LessThan),
            Op::F32Gt | Op::F64Gt => self.compare_floats(FloatCC::GreaterThan),
            Op::F32Le | Op::F64Le => self.compare_floats(FloatCC::LessThanOrEqual),
            Op::F32Ge | Op::F64Ge => self.compare_floats(FloatCC::GreaterThanOrEqual),
            _ => Ok(false),
        }
    }

    /// Float arithmetic.
    pub(super) fn float(&mut self, operator: &Op<'_>) -> Result<bool> {
        match operator {
            Op::F32Add | Op::F64Add => self.binary(|ins, x, y| ins.fadd(x, y)),
            Op::F32Sub | Op::F64Sub => self.binary(|ins, x, y| ins.fsub(x, y)),
            Op::F32Mul | Op::F64Mul => self.binary(|ins, x, y| ins.fmul(x, y)),
            Op::F32Div | Op::F64Div => self.binary(|ins, x, y| ins.fdiv(x, y)),
            Op::F32Min | Op::F64Min => self.binary(|ins, x, y| ins.fmin(x, y)),
            Op::F32Max | Op::F64Max => self.binary(|ins, x, y| ins.fmax(x, y)),
            Op::F32Copysign | Op::F64Copysign => self.binary(|ins, x, y| ins.fcopysign(x, y)),
            Op::F32Abs | Op::F64Abs => self.unary(|ins, x| ins.fabs(x)),
            Op::F32Neg | Op::F64Neg => self.unary(|ins, x| ins.fneg(x)),
            Op::F32Sqrt | Op::F64Sqrt => self.unary(|ins, x| ins.sqrt(x)),
            Op::F32Ceil | Op::F64Ceil => self.unary(|ins, x| ins.ceil(x)),
            Op::F32Floor | Op::F64Floor => self.unary(|ins, x| ins.floor(x)),
            Op::F32Trunc | Op::F64Trunc => self.unary(|ins, x| ins.trunc(x)),
            Op::F32Nearest | Op::F64Nearest => self.unary(|ins, x| ins.nearest(x)),
            _ => Ok(false),
        }
    }

    pub(super) fn unary(
        &mut self,
        emit: impl FnOnce(FuncInstBuilder<'_, 'a>, Value) -> Value,
    ) -> Result<bool> {
        let operand = self.pop()?;
        let value = emit(self.ins(), operand);
        self.push(value);
        Ok(true)
    }

    fn binary(
        &mut self,
        emit: impl FnOnce(FuncInstBuilder<'_, 'a>, Value, Value) -> Value,
    ) -> Result<bool> {
        let (first, second) = self.pop2()?;
        let value = emit(self.ins(), first, second);
        self.push(value);
        Ok(true)
    }

    fn compare(&mut self, condition: IntCC) -> Result<bool> {
        let (first, second) = self.pop2()?;
        let holds = self.ins().icmp(condition, first, second);
        self.push_boolean(holds);
        Ok(true)
    }

    fn compare_floats(&mut self, condition: FloatCC) -> Result<bool> {
        let (first, second) = self.pop2()?;
        let holds = self.ins().fcmp(condition, first, second);
        self.push_boolean(holds);
        Ok(true)
    }

    /// Pushes Cranelift's 8-bit truth value as an i32.
    pub(super) fn push_boolean(&mut self, value: Value) {
        let value = self.ins().uextend(I32, value);
        self.push(value);
    }

    /// Any division but the signed one can only fail for a zero divisor: Cranelift's `srem` handles -1.
    fn division(
        &mut self,
        emit: impl FnOnce(FuncInstBuilder<'_, 'a>, Value, Value) -> Value,
    ) -> Result<bool> {
        let (dividend, divisor) = self.pop2()?;
        self.ins().trapz(divisor, trap_code(TrapCode::DivideByZero));
        let value = emit(self.ins(), dividend, divisor);
        self.push(value);
        Ok(true)
    }

    fn signed_division(&mut self) -> Result<bool> {
        let (dividend, divisor) = self.pop2()?;
        self.ins().trapz(divisor, trap_code(TrapCode::DivideByZero));
        let least = if self.builder.func.dfg.value_type(dividend) == I64 {
            i64::MIN
        } else {
            i64::from(i32::MIN)
        };
        let is_least = self.ins().icmp_imm_s(IntCC::Equal, dividend, least);
        let is_minus_one = self.ins().icmp_imm_s(IntCC::Equal, divisor, -1);
        let overflows = self.ins().band(is_least, is_minus_one);
        self.ins()
            .trapnz(overflows, trap_code(TrapCode::IntegerOverflow));
        let value = self.ins().sdiv(dividend, divisor);
        self.push(value);
        Ok(true)
    }
}
