//! Constants, single lanes, shuffles, and operators on all 128 bits.

use super::super::function::Translator;
use crate::error::Result;
use cranelift_codegen::ir::types::{F32X4, F64X2, I8X16, I16X8, I32, I32X4, I64X2};
use cranelift_codegen::ir::{InstBuilder, Type};
use wasmparser::Operator as Op;

impl Translator<'_> {
    pub(super) fn vector_lane(&mut self, operator: &Op<'_>) -> Result<bool> {
        match operator {
            Op::V128Const { value } => {
                let value = self.vector_constant(I8X16, *value.bytes());
                self.push(value);
                Ok(true)
            }
            Op::I8x16Shuffle { lanes } => self.shuffle(*lanes),
            Op::I8x16Swizzle => self.vector_binary(I8X16, |ins, x, y| ins.swizzle(x, y)),
            Op::I8x16Splat => self.splat_narrow(I8X16),
            Op::I16x8Splat => self.splat_narrow(I16X8),
            Op::I32x4Splat => self.splat(I32X4),
            Op::I64x2Splat => self.splat(I64X2),
            Op::F32x4Splat => self.splat(F32X4),
            Op::F64x2Splat => self.splat(F64X2),
            Op::V128Not => self.vector_unary(I8X16, |ins, x| ins.bnot(x)),
            Op::V128And => self.vector_binary(I8X16, |ins, x, y| ins.band(x, y)),
            Op::V128AndNot => self.vector_binary(I8X16, |ins, x, y| ins.band_not(x, y)),
            Op::V128Or => self.vector_binary(I8X16, |ins, x, y| ins.bor(x, y)),
            Op::V128Xor => self.vector_binary(I8X16, |ins, x, y| ins.bxor(x, y)),
            Op::V128Bitselect => {
                let (first, second, mask) = self.pop3_lanes(I8X16)?;
                let value = self.ins().bitselect(mask, first, second);
                self.push(value);
                Ok(true)
            }
            Op::V128AnyTrue => {
                let vector = self.pop_lanes(I8X16)?;
                let holds = self.ins().vany_true(vector);
                self.push_boolean(holds);
                Ok(true)
            }
            _ => self.single_lane(operator),
        }
    }

    fn single_lane(&mut self, operator: &Op<'_>) -> Result<bool> {
        match operator {
            Op::I8x16ExtractLaneS { lane } => self.extract_narrow(I8X16, *lane, true),
            Op::I8x16ExtractLaneU { lane } => self.extract_narrow(I8X16, *lane, false),
            Op::I16x8ExtractLaneS { lane } => self.extract_narrow(I16X8, *lane, true),
            Op::I16x8ExtractLaneU { lane } => self.extract_narrow(I16X8, *lane, false),
            Op::I32x4ExtractLane { lane } => self.extract(I32X4, *lane),
            Op::I64x2ExtractLane { lane } => self.extract(I64X2, *lane),
            Op::F32x4ExtractLane { lane } => self.extract(F32X4, *lane),
            Op::F64x2ExtractLane { lane } => self.extract(F64X2, *lane),
            Op::I8x16ReplaceLane { lane } => self.replace_narrow(I8X16, *lane),
            Op::I16x8ReplaceLane { lane } => self.replace_narrow(I16X8, *lane),
            Op::I32x4ReplaceLane { lane } => self.replace(I32X4, *lane),
            Op::I64x2ReplaceLane { lane } => self.replace(I64X2, *lane),
            Op::F32x4ReplaceLane { lane } => self.replace(F32X4, *lane),
            Op::F64x2ReplaceLane { lane } => self.replace(F64X2, *lane),
            Op::I8x16AllTrue => self.all_true(I8X16),
            Op::I16x8AllTrue => self.all_true(I16X8),
            Op::I32x4AllTrue => self.all_true(I32X4),
            Op::I64x2AllTrue => self.all_true(I64X2),
            Op::I8x16Bitmask => self.bitmask(I8X16),
            Op::I16x8Bitmask => self.bitmask(I16X8),
            Op::I32x4Bitmask => self.bitmask(I32X4),
            Op::I64x2Bitmask => self.bitmask(I64X2),
            _ => Ok(false),
        }
    }

    fn shuffle(&mut self, lanes: [u8; 16]) -> Result<bool> {
        let mask = self
            .builder
            .func
            .dfg
            .immediates
            .push(lanes.as_slice().into());
        self.vector_binary(I8X16, |ins, x, y| ins.shuffle(x, y, mask))
    }

    fn splat(&mut self, lanes: Type) -> Result<bool> {
        let value = self.pop()?;
        let value = self.ins().splat(lanes, value);
        self.push_vector(value);
        Ok(true)
    }

    /// The lane is the low part of an i32.
    fn splat_narrow(&mut self, lanes: Type) -> Result<bool> {
        let value = self.pop()?;
        let value = self.ins().ireduce(lanes.lane_type(), value);
        self.push(value);
        self.splat(lanes)
    }

    fn extract(&mut self, lanes: Type, lane: u8) -> Result<bool> {
        let vector = self.pop_lanes(lanes)?;
        let value = self.ins().extractlane(vector, lane);
        self.push(value);
        Ok(true)
    }

    fn extract_narrow(&mut self, lanes: Type, lane: u8, signed: bool) -> Result<bool> {
        self.extract(lanes, lane)?;
        let value = self.pop()?;
        let value = if signed {
            self.ins().sextend(I32, value)
        } else {
            self.ins().uextend(I32, value)
        };
        self.push(value);
        Ok(true)
    }

    fn replace(&mut self, lanes: Type, lane: u8) -> Result<bool> {
        let value = self.pop()?;
        self.vector_unary(lanes, |ins, x| ins.insertlane(x, value, lane))
    }

    fn replace_narrow(&mut self, lanes: Type, lane: u8) -> Result<bool> {
        let value = self.pop()?;
        let value = self.ins().ireduce(lanes.lane_type(), value);
        self.push(value);
        self.replace(lanes, lane)
    }

    fn all_true(&mut self, lanes: Type) -> Result<bool> {
        let vector = self.pop_lanes(lanes)?;
        let holds = self.ins().vall_true(vector);
        self.push_boolean(holds);
        Ok(true)
    }

    fn bitmask(&mut self, lanes: Type) -> Result<bool> {
        let vector = self.pop_lanes(lanes)?;
        let bits = self.ins().vhigh_bits(I32, vector);
        self.push(bits);
        Ok(true)
    }
}
