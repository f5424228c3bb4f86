//! Loops that do the same to each of a row of bytes or numbers take a vector of them at a time.
//!
//! Guests copy, fill and combine arrays in loops, often in their own `memcpy`. For a loop that is one block and whose stores
//! fill a contiguous row, or that add up one, this pass adds one in front of it that does most of the work with vectors:
//!
//! ```text
//!        in                          in
//!         |                           |
//!         v                           v      few rounds, or a check fails
//!     header(i) <-+                 guard ---------------------------+
//!       ...       |    becomes        |                              |
//!     brif -------+                 vectors <-+   32 bytes and more  |
//!         |                           |  -----+   each round         |
//!         v                           v                              v
//!        out                        header(i) with what is left, at least one round, as before
//! ```
//!
//! Soundness. The vector loop runs only where
//! * every round that it stands for lies inside of memory's present length, and no index wraps around in it: nothing traps
//!   there, so nothing that was stored before a trap can be missed ([`emit`]);
//! * no store of a round lies where a later round would have loaded what was there before, or the other way round: see
//!   [`overlap`];
//! * each lane computes exactly what the loop computes: only operations whose low bits depend on low bits, and operations on
//!   floats in their own order ([`packs`]); what is gathered from all lanes may be gathered in any order ([`reductions`]).
//!
//! The loop that was there stays, does at least the last round and gives every value that is used behind it. A processor
//! that mispredicts the checks goes no further than the loop itself could: indices of 32 bits above the memory's base, or some
//! vectors more.
//!
//! It does not find searches, and leaves loops alone that are more than one block.

mod emit;
mod linear;
mod narrow;
mod overlap;
mod packs;
mod plan;
mod reductions;
mod rounds;

use super::shape::Shape;
use cranelift_codegen::Context;
use cranelift_codegen::ir::{Block, Value};

/// The most instructions of a loop that is looked at.
const MOST_INSTRUCTIONS: usize = 256;
/// The most loops of a function that are widened: each becomes several times as long.
const MOST_LOOPS: usize = 256;
/// Bytes of a row that a round of the vector loop handles, unless a round of the loop itself handles more.
const CHUNK_BYTES: u32 = 32;
/// The most bytes that a round of the loop may handle.
const MOST_CHUNK_BYTES: u32 = 128;

/// Adds vector loops where they fit, and brings the context's analyses up to date.
pub fn widen_loops(context: &mut Context, vmctx: Value) {
    let shape = Shape {
        edges: &context.cfg,
        dominators: &context.domtree,
        loops: &context.loop_analysis,
    };
    let headers: Vec<Block> = shape
        .loops
        .loops()
        .map(|inside| shape.loops.loop_header(inside))
        .collect();
    let function = &context.func;
    let plans: Vec<plan::Plan> = headers
        .into_iter()
        .filter_map(|header| plan::plan(function, shape, vmctx, header))
        .take(MOST_LOOPS)
        .collect();
    if plans.is_empty() {
        return;
    }
    for plan in &plans {
        emit::emit(&mut context.func, vmctx, plan);
    }
    context.flowgraph();
    context.compute_domtree();
    context.compute_loop_analysis();
}

#[cfg(test)]
mod tests;
