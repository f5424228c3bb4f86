//! Writes a vector loop in front of a loop.
//!
//! ```text
//!   guard(i, ...):      enough rounds?                     else header(i, ...)
//!   checks:             all conditions of the plan hold?   else header(i, ...)
//!   ready:              addresses and vectors that stay the same
//!   vectors(done, gathered):  loads, operations, stores    again until all full chunks are done
//!   rest:               header(i + rounds done * step, sum + all lanes of what is gathered, ...)
//! ```
//!
//! The number of chunks leaves at least one round to the loop. Where the loop goes downwards, `done` is negative and the lowest
//! address of a chunk is `chunk - bytes` below the one of its first round.
//!
//! Speculation. Upwards, addresses start from an index of 32 bits above the memory's base, and go on by a chunk for each
//! round that the processor has in flight: they stay in the reservation or the guard behind it. Downwards, each address is made of
//! an index of 32 bits, since below the base lies what guests must not see.

mod body;
mod reductions;

use super::super::values::constant;
use super::super::ways::Way;
use super::linear::Linear;
use super::packs::Node;
use super::plan::Plan;
use crate::translate::below;
use body::VECTOR_BYTES;
use cranelift_codegen::cursor::{Cursor, FuncCursor};
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::types::{I32, I64};
use cranelift_codegen::ir::{
    Block, BlockArg, Endianness, Function, InstBuilder, MemFlagsData, Type, Value,
};
use lucet_format::vmctx::MEMORY_BYTES;
use rustc_hash::FxHashMap;

pub fn emit(function: &mut Function, vmctx: Value, plan: &Plan) {
    let blocks: [Block; 5] = std::array::from_fn(|_| function.dfg.make_block());
    for block in blocks {
        function.layout.insert_block(block, plan.header);
    }
    let [guard, checks, ready, vectors, rest] = blocks;
    let first = enter_through(function, plan, guard);
    let mut cursor = FuncCursor::new(function);
    cursor.set_srcloc(plan.location);
    let mut emitter = Emitter {
        cursor,
        plan,
        vmctx,
        first,
    };
    let way = emitter.guard(guard, checks);
    let (bytes, starts) = emitter.checks(checks, ready, way);
    let done = emitter.ready(ready, vectors, bytes, &starts);
    let gathered = emitter.vectors(vectors, rest, &done);
    emitter.rest(rest, done.bytes, &gathered);
}

/// Leads the ways into the loop to `guard`. Answers what each of the header's parameters is in the first round: what the only
/// way hands on, or a parameter of `guard`.
fn enter_through(function: &mut Function, plan: &Plan, guard: Block) -> FxHashMap<Value, Value> {
    let only = match plan.ways[..] {
        [way] => Some(Way::read(function, way)),
        _ => None,
    };
    let dfg = &mut function.dfg;
    let mut first = FxHashMap::default();
    for (position, parameter) in dfg.block_params(plan.header).iter().enumerate() {
        let handed_on = only.as_ref().and_then(|way| way.handed_on(position));
        first.extend(handed_on.map(|value| (*parameter, value)));
    }
    let known = first.len() == dfg.num_block_params(plan.header);
    if !known {
        for parameter in dfg.block_params(plan.header).to_vec() {
            let kind = dfg.value_type(parameter);
            first.insert(parameter, dfg.append_block_param(guard, kind));
        }
    }
    for way in &plan.ways {
        let calls = dfg.insts[way.branch]
            .branch_destination_mut(&mut dfg.jump_tables, &mut dfg.exception_tables);
        if let Some(call) = calls.get_mut(way.position) {
            call.set_block(guard, &mut dfg.value_lists);
            if known {
                call.clear(&mut dfg.value_lists);
            }
        }
    }
    first
}

struct Emitter<'a> {
    cursor: FuncCursor<'a>,
    plan: &'a Plan,
    vmctx: Value,
    /// What the header's parameters are in the first round.
    first: FxHashMap<Value, Value>,
}

/// What the vector loop uses.
struct Ready {
    /// Bytes of a row that the vector loop handles, and what `done` is at its end.
    bytes: Value,
    end: Value,
    /// For each group: upwards, the address of its first byte; downwards, the index of the first chunk.
    bases: Vec<Value>,
    /// The vectors that are always the same, by node.
    splats: FxHashMap<usize, Value>,
}

impl Emitter<'_> {
    /// The header with what it is entered with.
    fn give_up(&self) -> (Block, Vec<BlockArg>) {
        let header = self.plan.header;
        let parameters = self.cursor.func.dfg.block_params(header);
        let first = parameters.iter().map(|it| BlockArg::Value(self.first[it]));
        (header, first.collect())
    }

    fn iconst(&mut self, kind: Type, number: i64) -> Value {
        self.cursor.ins().iconst(kind, number)
    }

    fn add(&mut self, value: Value, number: i64) -> Value {
        if number == 0 {
            return value;
        }
        let kind = self.cursor.func.dfg.value_type(value);
        let number = self.iconst(kind, number);
        self.cursor.ins().iadd(value, number)
    }

    fn shift_left(&mut self, value: Value, bits: u32) -> Value {
        let bits = self.iconst(I32, bits.into());
        self.cursor.ins().ishl(value, bits)
    }

    fn shift_right(&mut self, value: Value, bits: u32) -> Value {
        let bits = self.iconst(I32, bits.into());
        self.cursor.ins().ushr(value, bits)
    }

    fn compare(&mut self, condition: IntCC, value: Value, number: u64) -> Value {
        let kind = self.cursor.func.dfg.value_type(value);
        let number = self.iconst(kind, number.cast_signed());
        self.cursor.ins().icmp(condition, value, number)
    }

    /// A sum in the first round.
    fn linear(&mut self, sum: &Linear, kind: Type) -> Value {
        let unused = 64 - kind.bits();
        let (mut total, mut fixed) = (None, sum.constant);
        for (value, times) in &sum.terms {
            let value = self.first.get(value).copied().unwrap_or(*value);
            if let Some(number) = constant(&self.cursor.func.dfg, value) {
                fixed = fixed.wrapping_add(number.wrapping_mul(*times));
                continue;
            }
            let times = ((times << unused).cast_signed()) >> unused;
            total = Some(match (total, times) {
                (None, 1) => value,
                (Some(total), 1) => self.cursor.ins().iadd(total, value),
                (Some(total), -1) => self.cursor.ins().isub(total, value),
                (None, -1) => self.cursor.ins().ineg(value),
                _ => {
                    let times = self.iconst(kind, times);
                    let product = self.cursor.ins().imul(value, times);
                    match total {
                        Some(total) => self.cursor.ins().iadd(total, product),
                        None => product,
                    }
                }
            });
        }
        let fixed = ((fixed << unused).cast_signed()) >> unused;
        match total {
            Some(total) => self.add(total, fixed),
            None => self.iconst(kind, fixed),
        }
    }

    /// Goes on to `checks` if there are enough rounds. Answers what the loop's counter has to go, with 64 bits.
    fn guard(&mut self, guard: Block, checks: Block) -> Value {
        self.cursor.goto_bottom(guard);
        let rounds = &self.plan.rounds;
        let way = self.linear(&rounds.way, I32);
        let way = self.cursor.ins().uextend(I64, way);
        let least = u64::from(2 * self.plan.chunk / self.plan.bytes);
        let enough = least.saturating_mul(rounds.step);
        let enough = self.compare(IntCC::UnsignedGreaterThanOrEqual, way, enough);
        let (header, arguments) = self.give_up();
        let instruction = self.cursor.ins();
        instruction.brif(enough, checks, &[], header, &arguments);
        way
    }

    /// Goes on to `ready` if everything holds. Answers how many bytes of each row the loop handles, and the first address of each
    /// group, from the memory's base.
    fn checks(&mut self, checks: Block, ready: Block, way: Value) -> (Value, Vec<Value>) {
        self.cursor.goto_bottom(checks);
        let rounds = &self.plan.rounds;
        let mut holds = Vec::new();
        let times_back = self.shift_right(way, rounds.step.trailing_zeros());
        let beyond_first = self.shift_left(times_back, self.plan.bytes.trailing_zeros());
        let flags = MemFlagsData::trusted().with_endianness(Endianness::Little);
        let length = self
            .cursor
            .ins()
            .load(I64, flags, self.vmctx, below(MEMORY_BYTES));
        let mut starts = Vec::new();
        for group in &self.plan.groups {
            let index = self.linear(&group.first, I32);
            let start = self.cursor.ins().uextend(I64, index);
            starts.push(start);
            let mut end = self.add(start, group.end);
            if self.plan.upwards {
                end = self.cursor.ins().iadd(end, beyond_first);
            } else {
                let condition = IntCC::UnsignedGreaterThanOrEqual;
                holds.push(self.cursor.ins().icmp(condition, start, beyond_first));
            }
            let condition = IntCC::UnsignedLessThanOrEqual;
            holds.push(self.cursor.ins().icmp(condition, end, length));
        }
        self.overlaps(&starts, &mut holds);
        let all = holds
            .into_iter()
            .reduce(|x, y| self.cursor.ins().band(x, y));
        let (header, arguments) = self.give_up();
        match all {
            Some(all) => self.cursor.ins().brif(all, ready, &[], header, &arguments),
            None => self.cursor.ins().jump(ready, &[]),
        };
        let bytes = self.plan.bytes.into();
        (self.add_in(ready, beyond_first, bytes), starts)
    }

    /// A sum at the start of a block.
    fn add_in(&mut self, block: Block, value: Value, number: i64) -> Value {
        self.cursor.goto_bottom(block);
        self.add(value, number)
    }

    fn overlaps(&mut self, starts: &[Value], holds: &mut Vec<Value>) {
        for check in &self.plan.checks {
            let ((store, store_offset), (other, other_offset)) = (check.store, check.other);
            let mut offset = store_offset - other_offset;
            let (mut ahead, mut behind) = (starts[store], starts[other]);
            if !self.plan.upwards {
                (ahead, behind) = (behind, ahead);
                offset = -offset;
            }
            let distance = self.cursor.ins().isub(ahead, behind);
            let shifted = self.add(distance, offset + check.rule.shift);
            let condition = IntCC::UnsignedGreaterThanOrEqual;
            holds.push(self.compare(condition, shifted, check.rule.least));
        }
    }

    /// Computes what the vector loop needs and enters it. `bytes`: what the loop handles of each row.
    fn ready(&mut self, ready: Block, vectors: Block, bytes: Value, starts: &[Value]) -> Ready {
        self.cursor.goto_bottom(ready);
        let chunk = i64::from(self.plan.chunk);
        let but_last = self.add(bytes, -1);
        let chunks = self.iconst(I64, -chunk);
        let bytes = self.cursor.ins().band(but_last, chunks);
        let mut bases = Vec::new();
        for start in starts {
            bases.push(if self.plan.upwards {
                self.cursor.ins().iadd(self.vmctx, *start)
            } else {
                let index = self.cursor.ins().ireduce(I32, *start);
                self.add(index, i64::from(self.plan.bytes) - chunk)
            });
        }
        let mut splats = FxHashMap::default();
        for (number, (node, lane)) in self.plan.nodes.iter().enumerate() {
            if let Node::Splat(value) = node {
                splats.insert(number, self.splat(*value, *lane));
            }
        }
        let (kind, end) = if self.plan.upwards {
            (I64, bytes)
        } else {
            let bytes = self.cursor.ins().ireduce(I32, bytes);
            (I32, self.cursor.ins().ineg(bytes))
        };
        let none = self.iconst(kind, 0);
        let mut start = vec![BlockArg::Value(none)];
        start.extend(self.nothing_gathered().into_iter().map(BlockArg::Value));
        self.cursor.ins().jump(vectors, &start);
        Ready {
            bytes,
            end,
            bases,
            splats,
        }
    }

    fn splat(&mut self, value: Value, lane: Type) -> Value {
        let kind = self.cursor.func.dfg.value_type(value);
        let value = if kind == lane {
            value
        } else {
            self.cursor.ins().ireduce(lane, value)
        };
        self.cursor.ins().splat(vector(lane), value)
    }

    /// Enters the loop for the rest, with what its parameters would be by then.
    fn rest(&mut self, rest: Block, bytes: Value, gathered: &[Value]) {
        self.cursor.goto_bottom(rest);
        let plan = self.plan;
        let rounds = self.shift_right(bytes, plan.bytes.trailing_zeros());
        let parameters = self.cursor.func.dfg.block_params(plan.header).to_vec();
        let mut arguments = Vec::new();
        for (parameter, step) in parameters.iter().zip(&plan.steps) {
            let first = self.first[parameter];
            arguments.push(match step {
                Some(step) => self.gone_on(first, *step, rounds),
                // One of the reductions.
                None => first,
            });
        }
        for (reduction, lanes) in plan.reductions.iter().zip(gathered) {
            let argument = &mut arguments[reduction.parameter];
            *argument = self.gathered(reduction, *argument, *lanes);
        }
        let arguments: Vec<BlockArg> = arguments.into_iter().map(BlockArg::Value).collect();
        self.cursor.ins().jump(plan.header, &arguments);
    }

    /// What a number is after so many rounds that add `step`.
    fn gone_on(&mut self, first: Value, step: u64, rounds: Value) -> Value {
        let kind = self.cursor.func.dfg.value_type(first);
        let unused = 64 - kind.bits();
        let step = ((step << unused).cast_signed()) >> unused;
        let times = match kind {
            I64 => rounds,
            _ => self.cursor.ins().ireduce(kind, rounds),
        };
        let step = self.iconst(kind, step);
        let way = self.cursor.ins().imul(times, step);
        self.cursor.ins().iadd(first, way)
    }
}

/// The type of vectors with such lanes.
fn vector(lane: Type) -> Type {
    lane.by(VECTOR_BYTES / lane.bytes()).unwrap_or(lane)
}
