//! What a round of a loop stores, as operations on vectors.
//!
//! A row of `n` stores next to each other gets its `n` values from `n` trees. If they are the same but for loads from next to
//! each other, one tree of vectors stands for all:
//!
//! ```text
//!   to[i]     = from[i]     + x            to[i..]  =  from[i..]  +  (x, x, ...)
//!   to[i + 1] = from[i + 1] + x
//! ```
//!
//! Soundness. Lanes are as wide as the stores. Of integers that are computed with more bits and stored with fewer only the
//! low ones count, so only operations are taken whose low bits depend on low bits; shifts to the right, minima and maxima
//! need numbers that are as wide as the lanes, and comparisons such, or extensions of them. Operations on floats stay what they are.

use super::super::values::{constant, maker};
use super::linear::Round;
use super::narrow::condition;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::types::{F32, F64, I8, I16, I32, I64};
use cranelift_codegen::ir::{Inst, InstructionData, Opcode, Type, Value, ValueDef};
use rustc_hash::{FxHashMap, FxHashSet};
use std::collections::HashMap;

/// The most vector operations for a loop.
const MOST_NODES: usize = 24;
/// How deep a tree is followed.
const MOST_DEPTH: u32 = 12;

/// An access of a round.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// Its position in the round.
    pub at: usize,
    /// Whose indices differ from its own by constants.
    pub group: usize,
    /// Its address, from the group's first.
    pub offset: i64,
    pub bytes: u32,
}

/// Accesses next to each other that a vector makes together. By offset; all have the same group and width.
#[derive(Clone, Debug)]
pub struct Pack {
    pub lanes: Vec<Place>,
}

impl Pack {
    /// Takes places in the order of lanes, if they lie next to each other.
    pub fn of(lanes: Vec<Place>) -> Option<Pack> {
        let adjacent = |pair: &[Place]| {
            pair[0].group == pair[1].group
                && pair[0].bytes == pair[1].bytes
                && pair[0].offset + i64::from(pair[0].bytes) == pair[1].offset
        };
        (!lanes.is_empty() && lanes.windows(2).all(adjacent)).then_some(Pack { lanes })
    }

    pub fn group(&self) -> usize {
        self.lanes[0].group
    }

    pub fn offset(&self) -> i64 {
        self.lanes[0].offset
    }

    pub fn bytes(&self) -> i64 {
        self.lanes.iter().map(|lane| i64::from(lane.bytes)).sum()
    }
}

/// An operation on vectors, whose operands come before it.
#[derive(Clone, Debug)]
pub enum Node {
    /// A number for each lane, again and again.
    Constants(Vec<u64>),
    /// A value made in front of the loop, in all lanes.
    Splat(Value),
    Load(Pack),
    Unary(Opcode, usize),
    Binary(Opcode, usize, usize),
    /// By a constant number of bits.
    Shift(Opcode, usize, u64),
    /// All bits of a lane, or none.
    Compare(IntCC, usize, usize),
    /// Of a comparison, and the lanes where it holds and where not.
    Select([usize; 3]),
}

/// Makes operations on vectors of a round's trees.
pub struct Packer<'a> {
    pub round: Round<'a>,
    pub places: &'a FxHashMap<Inst, Place>,
    /// With the type of their lanes.
    pub nodes: Vec<(Node, Type)>,
    known: HashMap<(Type, Vec<Value>), usize>,
    /// The loads that vectors make.
    pub loaded: FxHashSet<Inst>,
}

impl<'a> Packer<'a> {
    pub fn new(round: Round<'a>, places: &'a FxHashMap<Inst, Place>) -> Packer<'a> {
        Packer {
            round,
            places,
            nodes: Vec::new(),
            known: HashMap::new(),
            loaded: FxHashSet::default(),
        }
    }

    /// The operation that makes these values, one for each lane.
    pub fn pack(&mut self, lane: Type, values: &[Value]) -> Option<usize> {
        self.pack_within(lane, values, MOST_DEPTH)
    }

    fn pack_within(&mut self, lane: Type, values: &[Value], depth: u32) -> Option<usize> {
        let key = (lane, values.to_vec());
        if let Some(known) = self.known.get(&key) {
            return Some(*known);
        }
        let node = match self.leaf(lane, values) {
            Some(node) => node,
            None => self.operation(lane, values, depth.checked_sub(1)?)?,
        };
        let node = match node {
            Made::Same(known) => known,
            Made::New(node) => self.add(node, lane)?,
        };
        self.known.insert(key, node);
        Some(node)
    }

    fn add(&mut self, node: Node, lane: Type) -> Option<usize> {
        (self.nodes.len() < MOST_NODES).then_some(())?;
        self.nodes.push((node, lane));
        Some(self.nodes.len() - 1)
    }

    fn leaf(&mut self, lane: Type, values: &[Value]) -> Option<Made> {
        let numbers: Option<Vec<u64>> = values.iter().map(|it| self.number(lane, *it)).collect();
        if let Some(numbers) = numbers {
            return Some(Made::New(Node::Constants(numbers)));
        }
        let first = *values.first()?;
        let kind = self.round.dfg().value_type(first);
        let fits = kind == lane || (lane.is_int() && kind.is_int() && kind.bits() >= lane.bits());
        let same = values.iter().all(|value| *value == first);
        (same && fits && !self.round.makes(first)).then_some(Made::New(Node::Splat(first)))
    }

    /// The bits of a constant.
    fn number(&self, lane: Type, value: Value) -> Option<u64> {
        let dfg = self.round.dfg();
        let ValueDef::Result(inst, _) = dfg.value_def(value) else {
            return None;
        };
        match dfg.insts[inst] {
            InstructionData::UnaryIeee32 { imm, .. } if lane == F32 => Some(imm.bits().into()),
            InstructionData::UnaryIeee64 { imm, .. } if lane == F64 => Some(imm.bits()),
            _ if lane.is_int() => constant(dfg, value),
            _ => None,
        }
    }

    fn operation(&mut self, lane: Type, values: &[Value], depth: u32) -> Option<Made> {
        let dfg = self.round.dfg();
        let mut makers = Vec::with_capacity(values.len());
        for value in values {
            let inst = maker(dfg, *value)?;
            makers.push(inst);
            if !self.round.makes(*value)
                || dfg.insts[inst].opcode() != dfg.insts[makers[0]].opcode()
            {
                return None;
            }
        }
        let kind = dfg.value_type(values[0]);
        let opcode = dfg.insts[makers[0]].opcode();
        match dfg.insts[makers[0]] {
            InstructionData::Load { .. } => self.load(lane, kind, opcode, &makers),
            InstructionData::Unary { .. } => self.unary(lane, kind, opcode, &makers, depth),
            InstructionData::Binary { .. } => self.binary(lane, kind, opcode, &makers, depth),
            InstructionData::Ternary {
                opcode: Opcode::Select,
                ..
            } => self.select(lane, &makers, depth),
            _ => None,
        }
    }

    fn unary(
        &mut self,
        lane: Type,
        kind: Type,
        opcode: Opcode,
        makers: &[Inst],
        depth: u32,
    ) -> Option<Made> {
        let operands = self.operands(makers, 0)?;
        if opcode == Opcode::Uextend
            && let Some(compared) = self.compare(lane, &operands, depth)
        {
            let one = self.add(Node::Constants(vec![1]), lane)?;
            return Some(Made::New(Node::Binary(Opcode::Band, compared, one)));
        }
        let dfg = self.round.dfg();
        let narrow = dfg.value_type(operands[0]);
        let same_type = operands.iter().all(|it| dfg.value_type(*it) == narrow);
        let passes = matches!(opcode, Opcode::Ireduce | Opcode::Uextend | Opcode::Sextend);
        if passes && lane.is_int() && same_type && narrow.bits() >= lane.bits() {
            return Some(Made::Same(self.pack_within(lane, &operands, depth)?));
        }
        is_unary(opcode, lane, kind).then_some(())?;
        let operand = self.pack_within(lane, &operands, depth)?;
        Some(Made::New(Node::Unary(opcode, operand)))
    }

    fn select(&mut self, lane: Type, makers: &[Inst], depth: u32) -> Option<Made> {
        let [conditions, yes, no] = [0, 1, 2].map(|it| self.operands(makers, it));
        let compared = self.compare(lane, &conditions?, depth)?;
        let yes = self.pack_within(lane, &yes?, depth)?;
        let no = self.pack_within(lane, &no?, depth)?;
        Some(Made::New(Node::Select([compared, yes, no])))
    }

    fn operands(&self, makers: &[Inst], position: usize) -> Option<Vec<Value>> {
        let dfg = self.round.dfg();
        makers
            .iter()
            .map(|inst| dfg.inst_args(*inst).get(position).copied())
            .collect()
    }

    fn binary(
        &mut self,
        lane: Type,
        kind: Type,
        opcode: Opcode,
        makers: &[Inst],
        depth: u32,
    ) -> Option<Made> {
        let (left, right) = (self.operands(makers, 0)?, self.operands(makers, 1)?);
        if matches!(opcode, Opcode::Ishl | Opcode::Ushr | Opcode::Sshr) {
            let dfg = self.round.dfg();
            let bits = constant(dfg, right[0])? & u64::from(kind.bits() - 1);
            let same = right.iter().all(|it| {
                constant(dfg, *it).is_some_and(|it| it & u64::from(kind.bits() - 1) == bits)
            });
            let exact = opcode == Opcode::Ishl || (kind == lane && lane.bits() < 64);
            let fits = lane.is_int() && bits < u64::from(lane.bits());
            (same && exact && fits).then_some(())?;
            let operand = self.pack_within(lane, &left, depth)?;
            return Some(Made::New(Node::Shift(opcode, operand, bits)));
        }
        is_binary(opcode, lane, kind).then_some(())?;
        let left = self.pack_within(lane, &left, depth)?;
        let right = self.pack_within(lane, &right, depth)?;
        Some(Made::New(Node::Binary(opcode, left, right)))
    }

    /// The comparisons that make these values, all with one condition.
    fn compare(&mut self, lane: Type, values: &[Value], depth: u32) -> Option<usize> {
        let dfg = self.round.dfg();
        let mut makers = Vec::with_capacity(values.len());
        for value in values {
            makers.push(maker(dfg, *value).filter(|_| self.round.makes(*value))?);
        }
        let first = condition(dfg, *makers.first()?, lane)?;
        let same = makers
            .iter()
            .all(|it| condition(dfg, *it, lane) == Some(first));
        same.then_some(())?;
        let left = self.pack_within(lane, &self.operands(&makers, 0)?, depth)?;
        let right = self.pack_within(lane, &self.operands(&makers, 1)?, depth)?;
        self.add(Node::Compare(first, left, right), lane)
    }

    fn load(&mut self, lane: Type, kind: Type, opcode: Opcode, makers: &[Inst]) -> Option<Made> {
        let whole = match opcode {
            Opcode::Load => kind == lane,
            _ => lane.is_int(),
        };
        let places = makers.iter().map(|inst| self.places.get(inst).copied());
        let pack = Pack::of(places.collect::<Option<_>>()?)?;
        let fits = whole && pack.lanes[0].bytes == lane.bytes();
        fits.then_some(())?;
        self.loaded.extend(makers);
        Some(Made::New(Node::Load(pack)))
    }
}

enum Made {
    Same(usize),
    New(Node),
}

/// Whether lanes can do what this operation on a number of type `kind` does.
fn is_unary(opcode: Opcode, lane: Type, kind: Type) -> bool {
    match opcode {
        Opcode::Bnot | Opcode::Ineg => lane.is_int(),
        Opcode::Fneg
        | Opcode::Fabs
        | Opcode::Sqrt
        | Opcode::Ceil
        | Opcode::Floor
        | Opcode::Trunc
        | Opcode::Nearest => lane.is_float() && kind == lane,
        _ => false,
    }
}

fn is_binary(opcode: Opcode, lane: Type, kind: Type) -> bool {
    match opcode {
        Opcode::Iadd | Opcode::Isub | Opcode::Band | Opcode::Bor | Opcode::Bxor => lane.is_int(),
        Opcode::Imul => matches!(lane, I16 | I32),
        Opcode::Umin | Opcode::Umax | Opcode::Smin | Opcode::Smax => {
            matches!(lane, I8 | I16 | I32) && kind == lane
        }
        Opcode::Fadd | Opcode::Fsub | Opcode::Fmul | Opcode::Fdiv | Opcode::Fmin | Opcode::Fmax => {
            lane.is_float() && kind == lane
        }
        _ => false,
    }
}

/// The lanes of a vector for what a store writes, by the type of its operand.
pub fn lane_of_store(kind: Type, bytes: u32) -> Option<Type> {
    match (kind, bytes) {
        (F32, 4) | (F64, 8) => Some(kind),
        (I32 | I64, 1) => Some(I8),
        (I32 | I64, 2) => Some(I16),
        (I32 | I64, 4) => Some(I32),
        (I64, 8) => Some(I64),
        _ => None,
    }
}
