//! Parameters that gather what a loop reads: sums, minima and maxima, and all bits that are set, or not, in a row of numbers.
//!
//! ```text
//!   header(sum, i):   next = sum + a[i] + a[i + 1] + ...         brif ..., header(next, i + n), out
//! ```
//!
//! The terms of a round lie next to each other, as what rows of stores are made of ([`packs`](super::packs)). A vector gathers
//! them in its lanes, and its lanes are brought together behind the vector loop.
//!
//! Soundness. The operations are associative and commutative, also modulo 2^32 and 2^64, so it does not matter in which order
//! the numbers come; floats are never gathered. A parameter that is used for anything else in a round is left alone: nothing
//! else that a plan takes can be made of it. Terms that are narrower numbers, extended ([`narrow`](super::narrow)), are gathered as they are where extending
//! the outcome is the same as gathering what is extended; sums get wider lanes ([`Reduction::lane`]).

use super::super::values::maker;
use super::linear::Round;
use super::narrow::extended;
use super::packs::{Pack, Packer, Place};
use cranelift_codegen::ir::types::{I8, I16, I32, I64};
use cranelift_codegen::ir::{Opcode, Type, Value};

/// The most terms of a round.
const MOST_TERMS: usize = 64;
/// How deep a term is searched for a load.
const MOST_DEPTH: u32 = 8;

/// A parameter that gathers.
pub struct Reduction {
    /// Its position.
    pub parameter: usize,
    pub opcode: Opcode,
    /// The type of the terms as they are read: the parameter's or a narrower one.
    pub lane: Type,
    /// How terms of a narrower type are extended.
    pub signed: bool,
    /// The vectors of terms, by node; of the type `lane`.
    pub nodes: Vec<usize>,
}

impl Reduction {
    /// The type of the lanes that it gathers in, for a parameter of type `kind`.
    pub fn gathered(&self, kind: Type) -> Type {
        if self.opcode == Opcode::Iadd {
            kind
        } else {
            self.lane
        }
    }

    /// The bits of the number, in a lane of `bits`, that changes no other one.
    pub fn neutral(&self, bits: u32) -> u64 {
        let all = u64::MAX >> (64 - bits);
        match self.opcode {
            Opcode::Band | Opcode::Umin => all,
            Opcode::Smin => all >> 1,
            Opcode::Smax => !(all >> 1) & all,
            _ => 0,
        }
    }
}

/// The parameters without a step, if all of them gather rows of `bytes` each round.
pub fn reductions(
    packer: &mut Packer<'_>,
    steps: &[Option<u64>],
    handed_on: &[Value],
    bytes: u32,
) -> Option<Vec<Reduction>> {
    let without_step = (0..steps.len()).filter(|position| steps[*position].is_none());
    without_step
        .map(|position| reduction(packer, position, *handed_on.get(position)?, bytes))
        .collect()
}

fn reduction(
    packer: &mut Packer<'_>,
    parameter: usize,
    next: Value,
    bytes: u32,
) -> Option<Reduction> {
    let round = packer.round;
    let dfg = round.dfg();
    let itself = *dfg.block_params(round.block).get(parameter)?;
    let opcode = dfg.insts[maker(dfg, next)?].opcode();
    let kind = dfg.value_type(itself);
    (kind == I32 || kind == I64).then_some(())?;
    let mut terms = Vec::new();
    collect(round, opcode, next, &mut terms)?;
    let with_itself = terms.len();
    terms.retain(|term| *term != itself);
    (terms.len() + 1 == with_itself).then_some(())?;
    let extended: Vec<_> = terms.iter().map(|it| extended(dfg, *it)).collect();
    let (lane, signed) = match *extended.first()? {
        Some(narrow) => (narrow.from, narrow.signed),
        None => (kind, false),
    };
    let same = extended.iter().all(|it| *it == extended[0]);
    (same && gathers(opcode, lane, signed, kind)).then_some(())?;
    let nodes = nodes(packer, terms, lane, bytes)?;
    Some(Reduction {
        parameter,
        opcode,
        lane,
        signed,
        nodes,
    })
}

/// Takes an operation apart whose operands may be made by the same one.
fn collect(round: Round<'_>, opcode: Opcode, value: Value, terms: &mut Vec<Value>) -> Option<()> {
    let dfg = round.dfg();
    let inst = maker(dfg, value).filter(|inst| dfg.insts[*inst].opcode() == opcode);
    let operands = inst
        .filter(|_| round.makes(value))
        .map(|it| dfg.inst_args(it));
    let Some(&[left, right]) = operands else {
        terms.push(value);
        return (terms.len() <= MOST_TERMS).then_some(());
    };
    collect(round, opcode, left, terms)?;
    collect(round, opcode, right, terms)
}

/// Whether lanes of this type can gather by this operation what is extended to `kind` like this.
fn gathers(opcode: Opcode, lane: Type, signed: bool, kind: Type) -> bool {
    let compared = matches!(lane, I8 | I16 | I32);
    match opcode {
        Opcode::Iadd | Opcode::Band | Opcode::Bor | Opcode::Bxor => lane.is_int(),
        // Extending a sign keeps the order of unsigned numbers as well.
        Opcode::Umin | Opcode::Umax => compared,
        Opcode::Smin | Opcode::Smax => compared && (signed || lane == kind),
        _ => false,
    }
}

/// The vectors of a round's terms, as rows of `bytes`.
fn nodes(packer: &mut Packer<'_>, terms: Vec<Value>, lane: Type, bytes: u32) -> Option<Vec<usize>> {
    let mut placed: Vec<(Place, Value)> = Vec::new();
    for term in terms {
        placed.push((first_load(packer, term, MOST_DEPTH)?, term));
    }
    placed.sort_by_key(|(place, _)| (place.group, place.offset));
    let lanes = (bytes / lane.bytes()) as usize;
    let whole = lanes != 0 && placed.len().is_multiple_of(lanes);
    whole.then_some(())?;
    let rows = placed.chunks(lanes).map(|row| {
        Pack::of(row.iter().map(|(place, _)| *place).collect())?;
        let values: Vec<Value> = row.iter().map(|(_, value)| *value).collect();
        packer.pack(lane, &values)
    });
    rows.collect()
}

/// Where the first load lies that a term is made of.
fn first_load(packer: &Packer<'_>, term: Value, depth: u32) -> Option<Place> {
    let dfg = packer.round.dfg();
    let inst = maker(dfg, term)?;
    if let Some(place) = packer.places.get(&inst) {
        return Some(*place);
    }
    let depth = depth.checked_sub(1)?;
    let operands = dfg.inst_args(inst).iter();
    operands
        .copied()
        .find_map(|operand| first_load(packer, operand, depth))
}
