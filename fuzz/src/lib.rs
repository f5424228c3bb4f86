//! Looks for miscompilations: modules that wasm-smith makes from a seed are run by Lucet, compiled in several ways, and
//! by the interpreter wasmi, and everything that can be seen from outside must be the same.
//!
//! ```text
//!   seed --generate--> wasm, plan of calls --+--> ours (each Configuration) --+--> compare
//!                                            +--> reference (wasmi) ---------+
//! ```
//!
//! Seen from outside are: results, the kind of a trap, memories, exported globals, and which elements of exported tables
//! are null, after instantiation and after every call, also after one that trapped.
//!
//! Invariants: a seed always gives the same module and the same calls. Guests end by themselves, because a counter of
//! loops and calls is built into them. NaNs are made canonical by the generated code, since engines may choose their bits.
//!
//! wasm-smith makes no loops to speak of, and the interpreter has neither exceptions nor typed references nor atomics: [`programs`]
//! have all of them, and are written a second time without what the interpreter lacks.
//!
//! What it does not do: compare how much stack a guest may use. A run in which either side is out of stack is counted as
//! undecided and not compared from there on.

pub mod compare;
pub mod generate;
pub mod host;
pub mod ours;
pub mod programs;
pub mod reference;
pub mod value;

/// What was seen of a guest at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observation {
    /// How the latest entry ended.
    pub end: End,
    /// Of each exported memory, in the order of their names: its bytes, and a hash of them.
    pub memories: Vec<(usize, u64)>,
    /// The exported globals, in the order of their names.
    pub globals: Vec<value::Value>,
    /// The exported tables, in the order of their names: for each element whether it is null.
    pub tables: Vec<Vec<bool>>,
}

/// How an entry ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// With results.
    Returned(Vec<value::Value>),
    /// With one of `LUCET_TRAP_*`.
    Trapped(u32),
}

impl End {
    /// Whether the guest ran out of stack, which depends on the engine.
    pub fn is_stack_overflow(&self) -> bool {
        *self == End::Trapped(lucet_format::trap::TrapCode::Stack as u32)
    }
}
