//! Finds out whether a loop can take vectors, and what has to be true for that.
//!
//! Steps: the loop is one block that goes back to itself ([`ways_in_and_back`]), its parameters change by constants and its
//! rounds can be counted ([`rounds`]), it does nothing but arithmetic and accesses ([`body`]), which fall into groups that go the
//! same way ([`groups`]), its stores fill rows without gaps ([`rows`]), its other parameters gather rows
//! ([`reductions`](super::reductions)), both from trees that vectors can compute and that use every load
//! ([`packs`](super::packs)), nothing overlaps that must not ([`overlap`](super::overlap)), and there can be
//! enough rounds ([`most_rounds`]).

use super::super::accesses::{self, Access};
use super::super::ranges::{Ranges, Trust};
use super::super::shape::{Edge, Shape};
use super::super::uses::is_arithmetic;
use super::super::values::{argument, destinations};
use super::super::ways::Way;
use super::linear::{Linear, Round};
use super::overlap::{Check, Overlaps};
use super::packs::{Node, Pack, Packer, Place, lane_of_store};
use super::reductions::{Reduction, reductions};
use super::rounds::Rounds;
use super::{CHUNK_BYTES, MOST_CHUNK_BYTES, MOST_INSTRUCTIONS};
use cranelift_codegen::ir::{
    Block, Function, Inst, InstructionData, Opcode, SourceLoc, Type, Value,
};
use rustc_hash::FxHashMap;

/// The most ways into a loop.
const MOST_WAYS: usize = 16;
/// How far the accesses of a group may lie from each other: what a displacement and the guard behind memory allow by far.
const MOST_EXTENT: i64 = 1 << 30;
/// The most checks of what may overlap.
const MOST_CHECKS: usize = 6;

/// A vector loop to be.
pub struct Plan {
    pub header: Block,
    /// The ways into the loop from outside.
    pub ways: Vec<Edge>,
    /// What a round adds to each parameter, but for the reductions'.
    pub steps: Vec<Option<u64>>,
    pub rounds: Rounds,
    /// Bytes of each row that a round of the loop handles, and one of the vector loop: powers of two.
    pub bytes: u32,
    pub chunk: u32,
    pub upwards: bool,
    pub groups: Vec<Group>,
    pub nodes: Vec<(Node, Type)>,
    pub rows: Vec<Row>,
    pub reductions: Vec<Reduction>,
    pub checks: Vec<Check>,
    /// What the new instructions are said to come from.
    pub location: SourceLoc,
}

/// Accesses whose indices differ by constants.
pub struct Group {
    /// The lowest of the indices, if none wraps around.
    pub first: Linear,
    /// From there to behind the last byte that a round accesses.
    pub end: i64,
}

/// Stores next to each other, as many as a round of the loop makes there, and what they store.
pub struct Row {
    pub pack: Pack,
    pub node: usize,
}

/// The plan for the loop with this header, if vectors fit.
pub fn plan(function: &Function, shape: Shape<'_>, vmctx: Value, header: Block) -> Option<Plan> {
    let round = Round {
        function,
        block: header,
    };
    let (ways, back) = ways_in_and_back(round, shape)?;
    let handed_on = handed_on(round, back)?;
    let steps = round.steps(&handed_on);
    let rounds = rounds(round, back, &steps)?;
    let accesses = body(round, vmctx)?;
    let (groups, places, step) = groups(round, &steps, &accesses)?;
    let upwards = step > 0;
    let bytes = u32::try_from(step.unsigned_abs()).ok()?;
    let chunk = CHUNK_BYTES.max(bytes);
    if !bytes.is_power_of_two() || chunk > MOST_CHUNK_BYTES {
        return None;
    }
    let mut packer = Packer::new(round, &places);
    let rows = rows(&mut packer, &accesses, bytes)?;
    let reductions = reductions(&mut packer, &steps, &handed_on, bytes)?;
    if rows.is_empty() && reductions.is_empty() {
        return None;
    }
    let mut loads = accesses.iter().filter(|(_, it)| !stores(round, it.inst));
    if !loads.all(|(_, load)| packer.loaded.contains(&load.inst)) {
        return None;
    }
    let nodes = packer.nodes;
    let checks = overlaps(&nodes, &rows, upwards, chunk)?;
    if most_rounds(round, shape, &ways, &rounds)? <= u64::from(2 * chunk / bytes) {
        return None;
    }
    let location = function.srcloc(accesses.first()?.1.inst);
    Some(Plan {
        header,
        ways,
        steps,
        rounds,
        bytes,
        chunk,
        upwards,
        groups,
        nodes,
        rows,
        reductions,
        checks,
        location,
    })
}

/// The ways into a loop that is one block, and its way back.
fn ways_in_and_back(round: Round<'_>, shape: Shape<'_>) -> Option<(Vec<Edge>, Edge)> {
    let ways = shape.ways_into(round.function, round.block, MOST_WAYS)?;
    let (back, ways): (Vec<Edge>, Vec<Edge>) =
        ways.into_iter().partition(|it| it.from == round.block);
    let [back] = back[..] else { return None };
    let inside = shape.loops.is_loop_header(round.block)?;
    let one_block = !ways.iter().any(|way| shape.goes_back(*way, inside));
    one_block.then_some((ways, back))
}

/// What the next round gets as each parameter.
fn handed_on(round: Round<'_>, back: Edge) -> Option<Vec<Value>> {
    let back = Way::read(round.function, back);
    let parameters = 0..round.dfg().num_block_params(round.block);
    parameters
        .map(|position| back.handed_on(position))
        .collect()
}

/// How many rounds there are.
fn rounds(round: Round<'_>, back: Edge, steps: &[Option<u64>]) -> Option<Rounds> {
    let InstructionData::Brif { arg: condition, .. } = round.dfg().insts[back.branch] else {
        return None;
    };
    Rounds::of(round, steps, condition, back.position == 0)
}

fn stores(round: Round<'_>, inst: Inst) -> bool {
    round.dfg().insts[inst].opcode().can_store()
}

/// The accesses of a round with their positions, if it does nothing else but arithmetic.
fn body(round: Round<'_>, vmctx: Value) -> Option<Vec<(usize, Access)>> {
    let dfg = round.dfg();
    let mut found = Vec::new();
    for (at, inst) in round.function.layout.block_insts(round.block).enumerate() {
        let opcode = dfg.insts[inst].opcode();
        if at == MOST_INSTRUCTIONS {
            return None;
        }
        if let Some(access) = accesses::access(dfg, vmctx, inst) {
            found.push((at, access));
        } else if opcode != Opcode::Brif && !is_arithmetic(opcode) {
            return None;
        }
    }
    Some(found)
}

type Places = FxHashMap<Inst, Place>;

/// The groups of accesses, where each access lies, and by how many bytes all of them go on each round.
fn groups(
    round: Round<'_>,
    steps: &[Option<u64>],
    accesses: &[(usize, Access)],
) -> Option<(Vec<Group>, Places, i64)> {
    let mut indices: Vec<Linear> = Vec::new();
    let mut found: Vec<(Inst, Place, i64)> = Vec::new();
    let mut common = None;
    for (at, access) in accesses {
        let index = round.linear(access.index)?;
        let step = signed(index.step(round, steps)?);
        if *common.get_or_insert(step) != step || !accesses::is_covered(access.offset) {
            return None;
        }
        let known = indices.iter().position(|it| it.terms == index.terms);
        let group = known.unwrap_or(indices.len());
        let distance = match indices.get(group) {
            Some(first) => signed(index.constant.wrapping_sub(first.constant)),
            None => 0,
        };
        if group == indices.len() {
            indices.push(index);
        }
        let place = Place {
            at: *at,
            group,
            offset: distance + i64::try_from(access.offset).ok()?,
            bytes: u32::try_from(access.bytes).ok()?,
        };
        found.push((access.inst, place, distance));
    }
    let mut groups = Vec::new();
    for (group, mut first) in indices.into_iter().enumerate() {
        let mut members = found
            .iter_mut()
            .filter(|(_, place, _)| place.group == group);
        let lowest = members.by_ref().map(|(_, _, distance)| *distance).min()?;
        let members = found
            .iter_mut()
            .filter(|(_, place, _)| place.group == group);
        let mut end = 0;
        for (_, place, _) in members {
            place.offset -= lowest;
            end = end.max(place.offset + i64::from(place.bytes));
        }
        first.constant = first.constant.wrapping_add_signed(lowest) & u64::from(u32::MAX);
        (end <= MOST_EXTENT).then_some(())?;
        groups.push(Group { first, end });
    }
    let places = found.into_iter().map(|(inst, place, _)| (inst, place));
    Some((groups, places.collect(), common?))
}

/// A number of 32 bits as a signed one.
fn signed(number: u64) -> i64 {
    i64::from(number as u32 as i32)
}

/// The stores by rows, with what they store.
fn rows(packer: &mut Packer<'_>, accesses: &[(usize, Access)], bytes: u32) -> Option<Vec<Row>> {
    let round = packer.round;
    let mut stored: Vec<(Place, Value)> = Vec::new();
    for (_, access) in accesses {
        if let InstructionData::Store {
            args: [value, _], ..
        } = round.dfg().insts[access.inst]
        {
            stored.push((*packer.places.get(&access.inst)?, value));
        }
    }
    stored.sort_by_key(|(place, _)| (place.group, place.offset));
    let mut rows = Vec::new();
    let mut rest = &stored[..];
    while let Some((first, value)) = rest.first() {
        let count = (bytes / first.bytes) as usize;
        if count == 0 || count > rest.len() {
            return None;
        }
        let (row, others) = rest.split_at(count);
        let pack = Pack::of(row.iter().map(|(place, _)| *place).collect())?;
        let lane = lane_of_store(round.dfg().value_type(*value), first.bytes)?;
        let values: Vec<Value> = row.iter().map(|(_, value)| *value).collect();
        let kind = round.dfg().value_type(*value);
        let same = values.iter().all(|it| round.dfg().value_type(*it) == kind);
        same.then_some(())?;
        let node = packer.pack(lane, &values)?;
        rows.push(Row { pack, node });
        rest = others;
    }
    Some(rows)
}

fn overlaps(nodes: &[(Node, Type)], rows: &[Row], upwards: bool, chunk: u32) -> Option<Vec<Check>> {
    let mut found = Overlaps {
        upwards,
        chunk,
        checks: Vec::new(),
    };
    for (number, row) in rows.iter().enumerate() {
        for (node, _) in nodes {
            if let Node::Load(load) = node {
                found.load_and_store(load, &row.pack)?;
            }
        }
        for later in &rows[number + 1..] {
            found.stores(&row.pack, &later.pack)?;
        }
    }
    (found.checks.len() <= MOST_CHECKS).then_some(found.checks)
}

/// The most rounds that the loop can make, as far as that is known.
fn most_rounds(round: Round<'_>, shape: Shape<'_>, ways: &[Edge], rounds: &Rounds) -> Option<u64> {
    let mut ranges = Ranges::new(round.function, shape, Trust::Branches);
    let inside = shape.loops.is_loop_header(round.block)?;
    let times_back = ranges.times_back(inside).unwrap_or(u64::MAX);
    // A loop that counts one parameter down to zero makes as many rounds as it starts with.
    let counted = match rounds.way.terms[..] {
        [(value, 1)] if rounds.way.constant == u64::from(u32::MAX) => round.parameter(value),
        _ => None,
    };
    let mut by_start = u64::MAX;
    if let Some(position) = counted.filter(|_| rounds.step == 1) {
        by_start = 0;
        for way in ways {
            let call = destinations(round.dfg(), way.branch).get(way.position)?;
            let start = argument(round.dfg(), *call, position)?;
            by_start = by_start.max(ranges.along(*way, start).high);
        }
    }
    Some(by_start.min(times_back.saturating_add(1)))
}
