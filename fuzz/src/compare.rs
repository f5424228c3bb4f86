//! Runs one module everywhere and compares.

use crate::ours::{Configuration, Ours, Refusal};
use crate::reference::Reference;
use crate::{End, Observation};
use crate::{generate, programs};

/// What came of a module, in numbers that can be added up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Modules that were compared.
    pub modules: u64,
    /// Seeds that made no module, or one beyond a limit.
    pub skipped: u64,
    /// Entries that returned the same everywhere.
    pub returned: u64,
    /// Entries that trapped everywhere.
    pub trapped: u64,
    /// Sequences of calls that somewhere ran out of stack.
    pub undecided: u64,
}

impl Tally {
    /// Adds another.
    pub fn add(&mut self, other: Tally) {
        self.modules += other.modules;
        self.skipped += other.skipped;
        self.returned += other.returned;
        self.trapped += other.trapped;
        self.undecided += other.undecided;
    }
}

/// Generates the module of a seed and compares it.
///
/// # Errors
///
/// A sentence on the first difference.
pub fn seed(seed: u64, size: usize, ways: &[Configuration]) -> Result<Tally, String> {
    match generate::module(seed, size) {
        Some(wasm) => module(&wasm, seed, ways),
        None => Ok(Tally {
            skipped: 1,
            ..Tally::default()
        }),
    }
}

/// Writes the program of a seed and compares it.
///
/// # Errors
///
/// As [`seed`].
pub fn program(seed: u64, ways: &[Configuration]) -> Result<Tally, String> {
    let texts = programs::program(seed);
    let real = lucetc::binary(texts.real.as_bytes()).map_err(|why| why.to_string())?;
    let plain = lucetc::binary(texts.plain.as_bytes()).map_err(|why| why.to_string())?;
    let Some(library) = texts.library else {
        return modules(&real, &plain, seed, ways);
    };
    let library = lucetc::binary(library.as_bytes()).map_err(|why| format!("library: {why}"))?;
    linked(&[&library, &real], &plain, seed, ways)
}

/// Compares one module; the seed chooses the arguments.
///
/// # Errors
///
/// As [`seed`].
pub fn module(wasm: &[u8], seed: u64, ways: &[Configuration]) -> Result<Tally, String> {
    modules(wasm, wasm, seed, ways)
}

/// As [`module`], with a module for Lucet and another for the reference: that is how one sees whether a difference would
/// be noticed.
///
/// # Errors
///
/// As [`seed`].
pub fn modules(
    wasm: &[u8],
    reference: &[u8],
    seed: u64,
    ways: &[Configuration],
) -> Result<Tally, String> {
    linked(&[wasm], reference, seed, ways)
}

/// As [`modules`], for a module that imports from others, which come in front of it.
fn linked(
    modules: &[&[u8]],
    reference: &[u8],
    seed: u64,
    ways: &[Configuration],
) -> Result<Tally, String> {
    let reference = Reference::new(reference)?;
    let plan = generate::calls(seed, &reference.exports.functions);
    let mut expected = Vec::new();
    for calls in &plan {
        expected.push(reference.observe(calls)?);
    }
    let mut tally = Tally::default();
    for way in ways {
        let mut ours = match Ours::new(modules, *way) {
            Ok(ours) => ours,
            Err(Refusal::Limit(_)) => {
                return Ok(Tally {
                    skipped: 1,
                    ..Tally::default()
                });
            }
            Err(Refusal::Failure(why)) => return Err(format!("{way:?}: {why}")),
        };
        for (calls, expected) in plan.iter().zip(&expected) {
            let seen = ours
                .fresh()
                .map_err(|why| format!("{way:?}: {why}"))?
                .observe(calls, &reference.exports)
                .map_err(|why| format!("{way:?}, {calls:?}: {why}"))?;
            tally
                .add(compare(&seen, expected).map_err(|why| format!("{way:?}, {calls:?}: {why}"))?);
        }
    }
    tally.modules = 1;
    Ok(tally)
}

fn compare(seen: &[Observation], expected: &[Observation]) -> Result<Tally, String> {
    let mut tally = Tally::default();
    for (step, (ours, theirs)) in seen.iter().zip(expected).enumerate() {
        if ours.end.is_stack_overflow() || theirs.end.is_stack_overflow() {
            tally.undecided += 1;
            return Ok(tally);
        }
        if ours != theirs {
            return Err(format!("step {step}: {}", difference(ours, theirs)));
        }
        match ours.end {
            End::Returned(_) => tally.returned += 1,
            End::Trapped(_) => tally.trapped += 1,
        }
    }
    if seen.len() != expected.len() {
        return Err(format!(
            "{} observations, the reference has {}",
            seen.len(),
            expected.len()
        ));
    }
    Ok(tally)
}

fn difference(ours: &Observation, theirs: &Observation) -> String {
    let mut parts = Vec::new();
    if ours.end != theirs.end {
        parts.push(format!("{:?}, the reference {:?}", ours.end, theirs.end));
    }
    let memories = ours.memories.iter().zip(&theirs.memories).enumerate();
    for (place, (our, their)) in memories.filter(|(_, (our, their))| our != their) {
        parts.push(format!(
            "exported memory {place} (size, hash) {our:x?}, the reference {their:x?}"
        ));
    }
    let globals = ours.globals.iter().zip(&theirs.globals).enumerate();
    for (place, (our, their)) in globals.filter(|(_, (our, their))| our != their) {
        parts.push(format!(
            "exported global {place} {our:x?}, the reference {their:x?}"
        ));
    }
    let tables = ours.tables.iter().zip(&theirs.tables).enumerate();
    for (place, (our, their)) in tables.filter(|(_, (our, their))| our != their) {
        let at = our.iter().zip(their).position(|(one, other)| one != other);
        parts.push(format!(
            "exported table {place}: {} elements, the reference {}, first difference at {at:?}",
            our.len(),
            their.len()
        ));
    }
    parts.join("; ")
}
