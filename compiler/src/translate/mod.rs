//! From the body of one WebAssembly function to Cranelift's intermediate representation (CLIF).
//!
//! The crate `cranelift-wasm` is no longer maintained, so this translation is our own. It is split by what
//! operators touch:
//!
//! * [`operators`]: the loop over a body, and which family an operator belongs to;
//! * [`control`]: blocks, branches, reachability; [`switch`]; [`call`]: every kind of call, and returning; [`arguments`]: calls of imports with checks; [`call_out`]: calls of imports;
//!   [`exceptions`];
//! * [`numeric`], [`convert`], [`vector`]: operators on values; [`memory`], [`atomic`], [`bulk`], [`table`], [`variable`]: on state;
//! * [`linking`]: what belongs to other instances;
//! * [`function`]: what all of them share; [`checks`]: which accesses have been compared with the length of their memory.
//!
//! Invariants. The module has been validated: operand types and indices are right, so a failure to find
//! something is an internal error, not the input's. Guest code reads and writes only: its linear memories,
//! through addresses `vmctx + zero-extended index + offset` that the memory contract covers, or behind a bounds
//! check; its tables, behind such a check, too, whose failure selects the trap address; its globals and descriptors, at
//! constant distances below vmctx; its own stack; and a few words of the control block, when it calls an import. Calls go to functions of the module,
//! to stubs, to what a funcref record holds, after its type has been compared, or to what a row of the import table holds.
//!
//! It does not decide calling conventions (`abi`) or run Cranelift (`compile`).

mod arguments;
mod atomic;
mod bulk;
mod call;
mod call_out;
mod checks;
mod control;
mod convert;
mod exceptions;
mod function;
mod glue;
mod inline;
mod linking;
mod memory;
mod numeric;
mod operators;
mod short;
mod switch;
mod table;
mod variable;
mod vector;

pub use function::{Source, guest_function, trap_code};
pub use glue::{adapter, check_stack, import_wrapper};
pub use inline::{Growth, LARGEST_IN_PLACE, reader};
pub use linking::bridge;
pub use operators::invalid;
pub use variable::below;
