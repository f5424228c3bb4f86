//! The vector loop itself: addresses, loads, operations, stores.

use super::super::packs::Node;
use super::{Emitter, Ready, vector};
use crate::translate::trap_code;
use cranelift_codegen::cursor::Cursor;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::types::{I32, I64};
use cranelift_codegen::ir::{
    Block, BlockArg, ConstantData, Endianness, InstBuilder, MemFlagsData, Opcode, Type, Value,
};
use lucet_format::trap::TrapCode;

/// Bytes of a vector register.
pub const VECTOR_BYTES: u32 = 16;

impl Emitter<'_> {
    /// Writes the loop. Answers what the reductions have gathered behind it.
    pub fn vectors(&mut self, vectors: Block, rest: Block, ready: &Ready) -> Vec<Value> {
        let chunk = i64::from(self.plan.chunk);
        let kind = if self.plan.upwards { I64 } else { I32 };
        let done = self.cursor.func.dfg.append_block_param(vectors, kind);
        self.cursor.goto_bottom(vectors);
        let addresses = self.addresses(done, ready);
        let parts = self.plan.chunk / VECTOR_BYTES;
        let computed: Vec<Vec<Value>> = (0..parts)
            .map(|part| self.compute(part, &addresses, ready))
            .collect();
        let gathered = self.gather(vectors, &computed);
        for row in &self.plan.rows {
            let address = addresses[row.pack.group()];
            for (part, nodes) in (0u32..).zip(&computed) {
                let offset = displacement(row.pack.offset(), part);
                let ins = self.cursor.ins();
                ins.store(memory_flags(), nodes[row.node], address, offset);
            }
        }
        let step = if self.plan.upwards { chunk } else { -chunk };
        let next = self.add(done, step);
        let more = self.cursor.ins().icmp(IntCC::NotEqual, next, ready.end);
        let mut arguments = vec![BlockArg::Value(next)];
        arguments.extend(gathered.iter().copied().map(BlockArg::Value));
        self.cursor.ins().brif(more, vectors, &arguments, rest, &[]);
        gathered
    }

    /// The address of each group in a round.
    fn addresses(&mut self, done: Value, ready: &Ready) -> Vec<Value> {
        let mut addresses = Vec::new();
        for base in &ready.bases {
            let sum = self.cursor.ins().iadd(*base, done);
            addresses.push(if self.plan.upwards {
                sum
            } else {
                let index = self.cursor.ins().uextend(I64, sum);
                self.cursor.ins().iadd(self.vmctx, index)
            });
        }
        addresses
    }

    /// The vectors of all nodes for a part of the chunk.
    fn compute(&mut self, part: u32, addresses: &[Value], ready: &Ready) -> Vec<Value> {
        let mut made: Vec<Value> = Vec::with_capacity(self.plan.nodes.len());
        for (number, (node, lane)) in self.plan.nodes.iter().enumerate() {
            let kind = vector(*lane);
            made.push(match node {
                Node::Constants(numbers) => self.constants(numbers, *lane, part),
                Node::Splat(_) => ready.splats[&number],
                Node::Load(pack) => {
                    let offset = displacement(pack.offset(), part);
                    let address = addresses[pack.group()];
                    let ins = self.cursor.ins();
                    ins.load(kind, memory_flags(), address, offset)
                }
                Node::Unary(opcode, operand) => {
                    let ins = self.cursor.ins();
                    let (inst, dfg) = ins.Unary(*opcode, kind, made[*operand]);
                    dfg.first_result(inst)
                }
                Node::Binary(opcode, left, right) => {
                    let ins = self.cursor.ins();
                    let (inst, dfg) = ins.Binary(*opcode, kind, made[*left], made[*right]);
                    dfg.first_result(inst)
                }
                Node::Compare(condition, left, right) => {
                    let (left, right) = (made[*left], made[*right]);
                    self.cursor.ins().icmp(*condition, left, right)
                }
                Node::Select([compared, yes, no]) => {
                    let (yes, no) = (made[*yes], made[*no]);
                    self.cursor.ins().bitselect(made[*compared], yes, no)
                }
                Node::Shift(opcode, operand, bits) => {
                    let bits = self.iconst(I32, bits.cast_signed());
                    let operand = made[*operand];
                    match opcode {
                        Opcode::Ishl => self.cursor.ins().ishl(operand, bits),
                        Opcode::Ushr => self.cursor.ins().ushr(operand, bits),
                        _ => self.cursor.ins().sshr(operand, bits),
                    }
                }
            });
        }
        made
    }

    /// A part of a vector of constants that come again and again.
    pub fn constants(&mut self, numbers: &[u64], lane: Type, part: u32) -> Value {
        let lanes = VECTOR_BYTES / lane.bytes();
        let mut bytes = Vec::with_capacity(VECTOR_BYTES as usize);
        for number in part * lanes..(part + 1) * lanes {
            let number = numbers[number as usize % numbers.len()];
            bytes.extend_from_slice(&number.to_le_bytes()[..lane.bytes() as usize]);
        }
        let constants = &mut self.cursor.func.dfg.constants;
        let constant = constants.insert(ConstantData::from(bytes));
        self.cursor.ins().vconst(vector(lane), constant)
    }
}

fn displacement(offset: i64, part: u32) -> i32 {
    // Groups reach over less than 2^30 bytes, chunks over 128.
    (offset as i32) + (part * VECTOR_BYTES) as i32
}

fn memory_flags() -> MemFlagsData {
    MemFlagsData::new()
        .with_endianness(Endianness::Little)
        .with_trap_code(Some(trap_code(TrapCode::Memory)))
}
