//! What can be chosen when compiling. The command line maps onto this one struct.

use crate::bindings::Bindings;
use crate::limits::Limits;

/// How hard to optimise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OptLevel {
    /// Fast compilation.
    None,
    /// Fast code: small functions are inlined.
    #[default]
    Speed,
    /// Fast code that is also small: nothing is inlined.
    SpeedAndSize,
}

/// The CPU to compile for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TargetCpu {
    /// SSE4.2 and popcnt: every x86-64 server of the last fifteen years.
    X86_64V2,
    /// AVX2, FMA, BMI: servers since 2013 (Intel) and 2015 (AMD).
    #[default]
    X86_64V3,
    /// What this machine has.
    Native,
}

/// What keeps accesses inside of linear memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MemoryMode {
    /// Guard pages, where they can: accesses cost nothing, memory 0 needs 6 GiB of address space and mappings of its own.
    #[default]
    Guarded,
    /// A comparison for each access; the stack is compared, too. Such guests fit into compact regions, without guards.
    Bounds,
}

/// What the operators of relaxed SIMD do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RelaxedSimd {
    /// The same on every CPU.
    #[default]
    Deterministic,
    /// What the CPU has an instruction for.
    Fast,
}

/// What `--emit` asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Emit {
    /// The module.
    #[default]
    SharedObject,
    /// Cranelift's intermediate representation, optimised, as text.
    Clif,
    /// Assembly, as text.
    Asm,
}

/// The options of one compilation.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// How hard to optimise.
    pub opt_level: OptLevel,
    /// The CPU to compile for.
    pub target_cpu: TargetCpu,
    /// What keeps accesses inside of linear memory.
    pub memory: MemoryMode,
    /// What the operators of relaxed SIMD do.
    pub relaxed_simd: RelaxedSimd,
    /// Whether to run Cranelift's own verifier on every function; tests do.
    pub verify: bool,
    /// Whether functions compare the stack pointer with a limit, which keeps a part of the stack free for signal handlers.
    pub stack_check: bool,
    /// Which text listings to keep; `SharedObject` keeps none.
    pub listing: Emit,
    /// How large the module may be.
    pub limits: Limits,
    /// What the host offers: imports that are not in there are refused.
    pub bindings: Option<Bindings>,
    /// Threads to compile with; 0: one for each CPU. The output does not depend on it.
    pub threads: usize,
}

impl Options {
    /// Whether functions check their stack: without guards they must.
    pub fn checks_stack(&self) -> bool {
        self.stack_check || self.memory == MemoryMode::Bounds
    }
}
