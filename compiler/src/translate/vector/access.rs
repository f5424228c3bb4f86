//! Vectors in linear memory. Addresses are those of scalar accesses: see `translate::memory`.

use crate::error::Result;
use crate::translate::function::Translator;
use cranelift_codegen::ir::types::{I8, I8X16, I16, I16X8, I32, I32X4, I64, I64X2};
use cranelift_codegen::ir::{InstBuilder, MemFlagsData, Type, Value};
use cranelift_frontend::FuncInstBuilder;
use wasmparser::{MemArg, Operator as Op};

impl<'a> Translator<'a> {
    /// Loads and stores of vectors and of their lanes.
    pub(super) fn vector_access(&mut self, operator: &Op<'_>) -> Result<bool> {
        match operator {
            Op::V128Load { memarg } => self.load_whole(memarg, I8X16),
            Op::V128Store { memarg } => self.store_with(memarg, 16, |ins, flags, value, p, at| {
                ins.store(flags, value, p, at)
            }),
            Op::V128Load8x8S { memarg } => {
                self.load_lanes(memarg, |i, f, p, at| i.sload8x8(f, p, at))
            }
            Op::V128Load8x8U { memarg } => {
                self.load_lanes(memarg, |i, f, p, at| i.uload8x8(f, p, at))
            }
            Op::V128Load16x4S { memarg } => {
                self.load_lanes(memarg, |i, f, p, at| i.sload16x4(f, p, at))
            }
            Op::V128Load16x4U { memarg } => {
                self.load_lanes(memarg, |i, f, p, at| i.uload16x4(f, p, at))
            }
            Op::V128Load32x2S { memarg } => {
                self.load_lanes(memarg, |i, f, p, at| i.sload32x2(f, p, at))
            }
            Op::V128Load32x2U { memarg } => {
                self.load_lanes(memarg, |i, f, p, at| i.uload32x2(f, p, at))
            }
            Op::V128Load8Splat { memarg } => self.load_splat(memarg, I8X16),
            Op::V128Load16Splat { memarg } => self.load_splat(memarg, I16X8),
            Op::V128Load32Splat { memarg } => self.load_splat(memarg, I32X4),
            Op::V128Load64Splat { memarg } => self.load_splat(memarg, I64X2),
            Op::V128Load32Zero { memarg } => self.load_zero(memarg, I32X4),
            Op::V128Load64Zero { memarg } => self.load_zero(memarg, I64X2),
            Op::V128Load8Lane { memarg, lane } => self.load_lane(memarg, I8X16, *lane),
            Op::V128Load16Lane { memarg, lane } => self.load_lane(memarg, I16X8, *lane),
            Op::V128Load32Lane { memarg, lane } => self.load_lane(memarg, I32X4, *lane),
            Op::V128Load64Lane { memarg, lane } => self.load_lane(memarg, I64X2, *lane),
            Op::V128Store8Lane { memarg, lane } => self.store_lane(memarg, I8, *lane),
            Op::V128Store16Lane { memarg, lane } => self.store_lane(memarg, I16, *lane),
            Op::V128Store32Lane { memarg, lane } => self.store_lane(memarg, I32, *lane),
            Op::V128Store64Lane { memarg, lane } => self.store_lane(memarg, I64, *lane),
            _ => Ok(false),
        }
    }

    /// A load of eight bytes that become a vector.
    fn load_lanes(
        &mut self,
        memarg: &MemArg,
        load: fn(FuncInstBuilder<'_, 'a>, MemFlagsData, Value, i32) -> Value,
    ) -> Result<bool> {
        let index = self.pop()?;
        if let Some(place) = self.place(index, memarg, 8)? {
            let value = load(self.ins(), place.flags, place.address, place.offset);
            self.push_vector(value);
        }
        Ok(true)
    }

    /// A load of one lane; `None` when it can only trap.
    fn load_one(&mut self, memarg: &MemArg, lane: Type) -> Result<Option<Value>> {
        let index = self.pop()?;
        let place = self.place(index, memarg, lane.bytes())?;
        Ok(place.map(|place| {
            self.ins()
                .load(lane, place.flags, place.address, place.offset)
        }))
    }

    fn load_splat(&mut self, memarg: &MemArg, lanes: Type) -> Result<bool> {
        if let Some(value) = self.load_one(memarg, lanes.lane_type())? {
            let value = self.ins().splat(lanes, value);
            self.push_vector(value);
        }
        Ok(true)
    }

    fn load_zero(&mut self, memarg: &MemArg, lanes: Type) -> Result<bool> {
        if let Some(value) = self.load_one(memarg, lanes.lane_type())? {
            let value = self.ins().scalar_to_vector(lanes, value);
            self.push_vector(value);
        }
        Ok(true)
    }

    fn load_lane(&mut self, memarg: &MemArg, lanes: Type, lane: u8) -> Result<bool> {
        let vector = self.pop_lanes(lanes)?;
        if let Some(value) = self.load_one(memarg, lanes.lane_type())? {
            let value = self.ins().insertlane(vector, value, lane);
            self.push_vector(value);
        }
        Ok(true)
    }

    fn store_lane(&mut self, memarg: &MemArg, kind: Type, lane: u8) -> Result<bool> {
        let lanes = kind.by(128 / kind.bits());
        let lanes = lanes.ok_or_else(|| crate::translate::function::missing("vector type"))?;
        let vector = self.pop_lanes(lanes)?;
        let value = self.ins().extractlane(vector, lane);
        self.push(value);
        self.store_with(memarg, kind.bytes(), |ins, flags, value, p, at| {
            ins.store(flags, value, p, at)
        })
    }
}
