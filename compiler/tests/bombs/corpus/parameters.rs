//! Parameters of blocks, handed on and on; and accesses that say where later ones are. The passes over Cranelift's representation look
//! at these.

use super::build::text;
use crate::Bomb;
use crate::Verdict::Compiles;

/// `with` for each number.
fn each(numbers: impl Iterator<Item = usize>, with: impl Fn(usize) -> String) -> String {
    numbers.map(with).collect()
}

/// Each round of a loop moves all locals on by one: that one of them is new is found out one after the other.
pub fn rotated_locals() -> Bomb {
    const LOCALS: usize = 4000;
    let declared = "i32 ".repeat(LOCALS + 1);
    let moves = each(1..LOCALS, |to| {
        format!("local.get {} local.set {to}\n", to + 1)
    });
    text(
        "rotated locals",
        Compiles,
        &format!(
            "(memory 1) (func (param i32) (result i32) (local {declared})
                loop {moves} local.get 0 i32.load local.set {LOCALS} local.get {LOCALS} br_if 0 end local.get 1)"
        ),
    )
}

/// A block with a thousand results, and many ways out of it.
pub fn results_of_a_block() -> Bomb {
    let results = "i32 ".repeat(1000);
    let values = "local.get 0 ".repeat(1000);
    // Modules are allowed more values the more code they have.
    let ways = format!("local.get 0 br_if 0 {}\n", "nop ".repeat(14)).repeat(6000);
    let drops = "drop ".repeat(1000);
    text(
        "results of a block with many ways",
        Compiles,
        &format!(
            "(type $many (func (result {results}))) (func (param i32) block (type $many) {values} {ways} end {drops})"
        ),
    )
}

/// A loop with many ways back, in which each local is an index.
pub fn indices_in_a_loop() -> Bomb {
    const LOCALS: usize = 4000;
    let declared = "i32 ".repeat(LOCALS);
    let ways = "local.get 0 br_if 0\n".repeat(60);
    let loads = each(1..LOCALS + 1, |local| {
        format!("local.get {local} i32.load local.set {local}\n")
    });
    text(
        "indices in a loop with many ways",
        Compiles,
        &format!(
            "(memory 1) (func (param i32) (local {declared}) loop {ways} {loads} local.get 0 br_if 0 end)"
        ),
    )
}

/// A loop that masks bytes, which are handed round.
pub fn masked_bytes() -> Bomb {
    const LOCALS: usize = 7000;
    let declared = "i32 ".repeat(LOCALS);
    let locals = || 2..LOCALS + 2;
    let bytes = each(locals(), |local| {
        format!("i32.const {local} i32.load8_u local.set {local}\n")
    });
    let ways = "local.get 1 br_if 0\n".repeat(12);
    let masks = each(locals(), |local| {
        format!("local.get 0 local.get {local} i32.const 63 i32.and i32.add local.set 0\n")
    });
    let moves = each(2..LOCALS + 1, |to| {
        format!("local.get {} local.set {to}\n", to + 1)
    });
    let last = LOCALS + 1;
    text(
        "masked bytes in a loop",
        Compiles,
        &format!(
            "(memory 1) (func (param i32 i32) (local {declared})
                {bytes} loop {ways} {masks} {moves} local.get 1 local.set {last} local.get 0 br_if 0 end)"
        ),
    )
}

/// Accesses each of which lies below all before it, so that none of them says that it does not wrap around.
pub fn descending_addresses() -> Bomb {
    let accesses = each((0..100_000).rev(), |at| {
        format!(
            "local.get 0 i32.const {} i32.add i32.load8_u drop\n",
            at * 4 + 1
        )
    });
    text(
        "descending addresses",
        Compiles,
        &format!("(memory 1) (func (param i32) {accesses})"),
    )
}

/// Accesses with one index, which is extended for each of them anew.
pub fn accesses_with_one_index() -> Bomb {
    let accesses = "local.get 1 if local.get 0 i32.load drop end\n".repeat(40_000);
    text(
        "accesses with one index",
        Compiles,
        &format!("(memory 1) (func (param i32 i32) {accesses})"),
    )
}
