//! What gathers in the vector loop: a vector for each reduction, and its lanes brought together behind the loop.

use super::super::reductions::Reduction;
use super::body::VECTOR_BYTES;
use super::{Emitter, vector};
use cranelift_codegen::ir::types::{I8, I8X16, I16, I32, I64};
use cranelift_codegen::ir::{
    Block, ConstantData, Endianness, InstBuilder, MemFlagsData, Opcode, Type, Value,
};

impl Emitter<'_> {
    /// The type of the header's parameter that a reduction gathers for.
    fn kind(&self, reduction: &Reduction) -> Type {
        let dfg = &self.cursor.func.dfg;
        dfg.value_type(dfg.block_params(self.plan.header)[reduction.parameter])
    }

    /// What each reduction starts from in the vector loop: lanes that change nothing.
    pub fn nothing_gathered(&mut self) -> Vec<Value> {
        let plan = self.plan;
        let start = |reduction| {
            let lane = reduction_lane(self, reduction);
            let neutral = reduction.neutral(lane.bits());
            self.constants(&[neutral], lane, 0)
        };
        plan.reductions.iter().map(start).collect()
    }

    /// Gathers a round's vectors. The loop gets a parameter for each reduction; answers what they are in the next round.
    pub fn gather(&mut self, vectors: Block, computed: &[Vec<Value>]) -> Vec<Value> {
        let plan = self.plan;
        let mut gathered = Vec::new();
        for reduction in &plan.reductions {
            let lane = reduction_lane(self, reduction);
            let dfg = &mut self.cursor.func.dfg;
            let before = dfg.append_block_param(vectors, vector(lane));
            let mut round = None;
            for nodes in computed {
                for node in &reduction.nodes {
                    let wide = self.widen(nodes[*node], reduction, lane);
                    round = Some(match round {
                        Some(round) => self.combine(reduction.opcode, round, wide),
                        None => wide,
                    });
                }
            }
            gathered.push(match round {
                Some(round) => self.combine(reduction.opcode, before, round),
                None => before,
            });
        }
        gathered
    }

    /// Adds neighbours until the lanes are wide enough.
    fn widen(&mut self, mut numbers: Value, reduction: &Reduction, lane: Type) -> Value {
        let mut narrow = reduction.lane;
        while narrow.bits() < lane.bits() {
            let ins = self.cursor.ins();
            let low = if reduction.signed {
                ins.swiden_low(numbers)
            } else {
                ins.uwiden_low(numbers)
            };
            let ins = self.cursor.ins();
            let high = if reduction.signed {
                ins.swiden_high(numbers)
            } else {
                ins.uwiden_high(numbers)
            };
            numbers = match narrow {
                // Of these, Cranelift knows what `pmaddubsw` and `pmaddwd` can do.
                I8 | I16 => self.cursor.ins().iadd_pairwise(low, high),
                _ => self.cursor.ins().iadd(low, high),
            };
            narrow = match narrow {
                I8 => I16,
                I16 => I32,
                _ => I64,
            };
        }
        numbers
    }

    fn combine(&mut self, opcode: Opcode, left: Value, right: Value) -> Value {
        let kind = self.cursor.func.dfg.value_type(left);
        let (inst, dfg) = self.cursor.ins().Binary(opcode, kind, left, right);
        dfg.first_result(inst)
    }

    /// The reduction's parameter for the rest of the loop.
    pub fn gathered(&mut self, reduction: &Reduction, first: Value, mut lanes: Value) -> Value {
        let lane = reduction_lane(self, reduction);
        let mut apart = VECTOR_BYTES / 2;
        while apart >= lane.bytes() {
            let moved = self.moved_down(lanes, lane, apart);
            lanes = self.combine(reduction.opcode, lanes, moved);
            apart /= 2;
        }
        let kind = self.kind(reduction);
        let number = self.cursor.ins().extractlane(lanes, 0);
        let number = match (kind == lane, reduction.signed) {
            (true, _) => number,
            (false, true) => self.cursor.ins().sextend(kind, number),
            (false, false) => self.cursor.ins().uextend(kind, number),
        };
        self.combine(reduction.opcode, first, number)
    }

    /// The lanes of a vector, `bytes` further down.
    fn moved_down(&mut self, lanes: Value, lane: Type, bytes: u32) -> Value {
        let order: Vec<u8> = (0..VECTOR_BYTES)
            .map(|byte| ((byte + bytes) % VECTOR_BYTES) as u8)
            .collect();
        let flags = MemFlagsData::new().with_endianness(Endianness::Little);
        let order = self
            .cursor
            .func
            .dfg
            .immediates
            .push(ConstantData::from(order));
        let single = self.cursor.ins().bitcast(I8X16, flags, lanes);
        let moved = self.cursor.ins().shuffle(single, single, order);
        self.cursor.ins().bitcast(vector(lane), flags, moved)
    }
}

fn reduction_lane(emitter: &Emitter<'_>, reduction: &Reduction) -> Type {
    reduction.gathered(emitter.kind(reduction))
}
