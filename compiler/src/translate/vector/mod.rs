//! 128-bit vectors: <https://webassembly.github.io/spec/core/syntax/instructions.html#vector-instructions>.
//!
//! * [`access`]: linear memory; [`lane`]: constants, lanes, shuffles, bits;
//! * [`integer`], [`float`]: operators on lanes of one type; [`convert`]: from one type to another;
//! * [`relaxed`]: the relaxed operators, with the same results on every CPU unless something else is asked for.
//!
//! Invariant: a vector on the operand stack, in a local, a global, a parameter or a result has the type I8X16.
//! Operators cast to the lanes they mean and back; a cast is free, and one that undoes another is not made.

mod access;
mod convert;
mod float;
mod integer;
mod lane;
mod relaxed;

use super::function::Translator;
use crate::error::Result;
use cranelift_codegen::ir::condcodes::{FloatCC, IntCC};
use cranelift_codegen::ir::types::I8X16;
use cranelift_codegen::ir::{
    Endianness, InstBuilder, InstructionData, MemFlagsData, Opcode, Type, Value, ValueDef,
};
use cranelift_frontend::FuncInstBuilder;
use wasmparser::Operator as Op;

impl<'a> Translator<'a> {
    /// Operators on vectors.
    pub(super) fn vector(&mut self, operator: &Op<'_>) -> Result<bool> {
        Ok(self.vector_access(operator)?
            || self.vector_lane(operator)?
            || self.vector_integer(operator)?
            || self.vector_integer_comparison(operator)?
            || self.vector_float(operator)?
            || self.vector_conversion(operator)?
            || self.relaxed(operator)?)
    }

    /// The same bits with other lanes.
    fn cast(&mut self, value: Value, to: Type) -> Value {
        let dfg = &self.builder.func.dfg;
        if dfg.value_type(value) == to {
            return value;
        }
        if let ValueDef::Result(instruction, _) = dfg.value_def(value)
            && let InstructionData::LoadNoOffset {
                opcode: Opcode::Bitcast,
                arg,
                ..
            } = dfg.insts[instruction]
            && dfg.value_type(arg) == to
        {
            return arg;
        }
        let flags = MemFlagsData::new().with_endianness(Endianness::Little);
        self.ins().bitcast(to, flags, value)
    }

    /// The topmost operand, with these lanes.
    fn pop_lanes(&mut self, lanes: Type) -> Result<Value> {
        let value = self.pop()?;
        Ok(self.cast(value, lanes))
    }

    /// The topmost two operands with these lanes, the lower one first.
    fn pop2_lanes(&mut self, lanes: Type) -> Result<(Value, Value)> {
        let second = self.pop_lanes(lanes)?;
        Ok((self.pop_lanes(lanes)?, second))
    }

    /// The topmost three operands with these lanes, the lowest first.
    fn pop3_lanes(&mut self, lanes: Type) -> Result<(Value, Value, Value)> {
        let third = self.pop_lanes(lanes)?;
        let (first, second) = self.pop2_lanes(lanes)?;
        Ok((first, second, third))
    }

    fn push_vector(&mut self, value: Value) {
        let value = self.cast(value, I8X16);
        self.push(value);
    }

    fn vector_unary(
        &mut self,
        lanes: Type,
        emit: impl FnOnce(FuncInstBuilder<'_, 'a>, Value) -> Value,
    ) -> Result<bool> {
        let operand = self.pop_lanes(lanes)?;
        let value = emit(self.ins(), operand);
        self.push_vector(value);
        Ok(true)
    }

    fn vector_binary(
        &mut self,
        lanes: Type,
        emit: impl FnOnce(FuncInstBuilder<'_, 'a>, Value, Value) -> Value,
    ) -> Result<bool> {
        let (first, second) = self.pop2_lanes(lanes)?;
        let value = emit(self.ins(), first, second);
        self.push_vector(value);
        Ok(true)
    }

    /// A shift of every lane by an i32. Cranelift takes the count modulo the lane's width, as wasm does.
    fn vector_shift(
        &mut self,
        lanes: Type,
        emit: impl FnOnce(FuncInstBuilder<'_, 'a>, Value, Value) -> Value,
    ) -> Result<bool> {
        let count = self.pop()?;
        self.vector_unary(lanes, |ins, x| emit(ins, x, count))
    }

    fn vector_compare(&mut self, lanes: Type, condition: IntCC) -> Result<bool> {
        self.vector_binary(lanes, |ins, x, y| ins.icmp(condition, x, y))
    }

    fn vector_compare_floats(&mut self, lanes: Type, condition: FloatCC) -> Result<bool> {
        self.vector_binary(lanes, |ins, x, y| ins.fcmp(condition, x, y))
    }

    /// A vector constant.
    pub(super) fn vector_constant(&mut self, lanes: Type, bytes: [u8; 16]) -> Value {
        let handle = self
            .builder
            .func
            .dfg
            .constants
            .insert(bytes.as_slice().into());
        self.ins().vconst(lanes, handle)
    }

    /// A vector of zeros.
    pub(super) fn zero_vector(&mut self) -> Value {
        self.vector_constant(I8X16, [0; 16])
    }
}
