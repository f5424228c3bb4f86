//! Our own passes over Cranelift's intermediate representation: some before Cranelift optimises it, most after, before it
//! selects instructions.
//!
//! Cranelift knows nothing of WebAssembly's memory, and its rewrite rules do not look at what a register
//! allocator will make of them. These passes do, for the code that we emit:
//!
//! * [`parameters`]: parameters of blocks that always have the value of another one go, before Cranelift optimises;
//! * [`products`]: products of 64 by 64 bits are one multiplication, before that, too;
//! * [`latches`]: loops end with one comparison of the value that goes round;
//! * [`hoisting`]: what Cranelift recomputes in loops is computed in front of them;
//! * [`masks`]: masks go that change nothing;
//! * [`vectors`]: loops over rows of numbers take several at a time;
//! * [`addresses`]: constants in addresses become offsets of accesses;
//! * [`bases`]: what a loop leaves alone in an address is added up in front of it;
//! * [`extensions`]: indices are kept with 64 bits;
//! * [`comparisons`]: opposites of comparisons are comparisons, masked bytes are compared as bytes;
//! * [`sums`]: sums in loops add last what is ready last, and compute it first;
//! * [`overlaps`]: what goes round a loop dies before its successor is made;
//! * [`stores`]: narrow stores have narrow constants;
//! * [`reloads`]: large functions read vmctx from their frame where they need it;
//! * [`schedule`]: the operations of long blocks have an order in which few values wait;
//! * [`dispatches`]: the jump of a switch in a loop is copied to the ends of the cases;
//! * [`exits`]: ways out of loops lie behind the loops.
//!
//! They ask [`ranges`] and [`trips`] what a value can be, [`knowledge`] what is known at a point, [`shape`] how control
//! flows, [`ways`] what it hands on, [`accesses`] and [`chains`] what touches memory 0, [`ready`] when a value is there, [`straight`], [`crowds`] and [`pressure`] what a
//! block needs of registers, [`widths`] what is worth 64 bits, [`uses`] and [`values`] the rest. What Cranelift has left behind of a function is
//! forgotten first ([`leftovers`]).
//!
//! Invariants. The function is valid before and after each pass, which `Options::verify` has Cranelift check. A pass
//! changes neither what a function computes nor what can be seen of its accesses to memory; it adds no address that the memory
//! contract does not cover. But for [`vectors`], it leaves accesses as they are and in their order. Every pass terminates in time linear in the
//! function, apart from the lookups it names and from sorting.
//!
//! It does not decide when to run (`compile`).

mod accesses;
mod addresses;
mod bases;
mod chains;
mod comparisons;
mod copies;
mod crowds;
mod dispatches;
mod exits;
mod extensions;
mod hoisting;
mod interval;
mod knowledge;
mod latches;
mod leftovers;
mod masks;
mod overlaps;
mod parameters;
mod pressure;
mod products;
mod ranges;
mod ready;
mod reloads;
mod schedule;
mod shape;
mod stores;
mod straight;
mod sums;
mod trips;
mod uses;
mod values;
mod vectors;
mod ways;
mod widths;

use cranelift_codegen::Context;
use cranelift_codegen::ir::Function;
pub use products::multiply;
use shape::Shape;

/// Runs the passes over a translated function that make more of Cranelift's optimisations.
pub fn prepare(context: &mut Context) {
    context.flowgraph();
    parameters::remove_copies(context);
    multiply(context);
}

/// Runs the other passes over an optimised function. `memory` is how many bytes memory 0 can ever have, if guard pages keep
/// indices inside of it; `grow`: whether code may become longer.
pub fn improve(context: &mut Context, memory: Option<u64>, grow: bool) {
    leftovers::forget(&mut context.func);
    context.func.dfg.resolve_all_aliases();
    latches::compare_next_values(context);
    context.compute_loop_analysis();
    let (func, shape) = parts(context);
    hoisting::hoist(func, shape);
    masks::leave_out(func, shape);
    let memory = accesses::vmctx(func).zip(memory);
    if let Some((vmctx, _)) = memory.filter(|_| grow) {
        vectors::widen_loops(context, vmctx);
    }
    let (func, shape) = parts(context);
    if let Some((vmctx, most_bytes)) = memory {
        addresses::fold_constants(func, shape, vmctx, most_bytes);
        bases::split_sums(func, shape, vmctx);
    }
    extensions::widen_indices(func, shape);
    comparisons::simplify(func);
    sums::order(func, shape);
    overlaps::separate(func, shape);
    stores::narrow_constants(func);
    reloads::read_again(func, shape);
    schedule::order(func, shape);
    if grow && dispatches::copy_switches(context) {
        context.compute_loop_analysis();
    }
    exits::move_out(context);
}

/// A function and what has been found out about its shape.
fn parts(context: &mut Context) -> (&mut Function, Shape<'_>) {
    let shape = Shape {
        edges: &context.cfg,
        dominators: &context.domtree,
        loops: &context.loop_analysis,
    };
    (&mut context.func, shape)
}

#[cfg(test)]
mod testing;
