//! From a seed to a program that wasm-smith does not make: loops over arrays with variables that count, accesses around the ends of
//! memories, small functions and a host function that are called often, words that are mixed in long blocks, and proposals that the reference does
//! not have.
//!
//! Each program is written twice, as text. *Real* uses exceptions, typed references and atomics; *plain* says the same without
//! them, for the reference: a pending exception is a global that is looked at after each call, a typed reference is an index
//! in a table of all functions, an atomic operation is a load and a store. Some real programs are two modules that are linked.
//!
//! Invariants: both texts do the same, whatever the arguments. Programs end by themselves: loops go round a few times each, and
//! functions that call others use up fuel. Whoever writes an access that must be aligned aligns it, and nobody uses a null
//! reference, since the plain text would trap in another way. NaNs are made canonical.

mod exceptions;
mod expressions;
mod fields;
mod functions;
mod interpreters;
mod loops;
mod module;
mod rounds;
mod rows;
mod statements;
mod words;

use crate::generate::Random;

/// A program.
pub struct Program {
    /// With everything.
    pub real: String,
    /// What the real text imports from, if it does: memories, globals and small functions.
    pub library: Option<String>,
    /// For the reference.
    pub plain: String,
}

/// Results of the functions that call and are called: which of [`TYPES`].
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ty {
    I32,
    I64,
    F64,
}

impl Ty {
    fn name(self) -> &'static str {
        match self {
            Ty::I32 => "i32",
            Ty::I64 => "i64",
            Ty::F64 => "f64",
        }
    }
}

/// The types of functions: parameters and results.
const TYPES: [(&[Ty], &[Ty]); 5] = [
    (&[Ty::I32], &[Ty::I32]),
    (&[Ty::I32, Ty::I64], &[Ty::I64]),
    (&[], &[]),
    (&[Ty::I64, Ty::F64], &[Ty::I32, Ty::I64]),
    (&[Ty::I32, Ty::I32], &[Ty::I32]),
];

/// A loop, for addresses in it.
#[derive(Clone, Copy)]
struct Loop {
    /// Whether its variable is an i64.
    wide: bool,
    /// Where the variable begins.
    start: i64,
}

/// A linear memory.
#[derive(Clone, Copy)]
struct Memory {
    /// Whether its indices have 64 bits.
    wide: bool,
    /// Bytes of a page.
    page: u64,
    /// Pages at first.
    pages: u64,
}

/// Loops around each other at most.
const LOOPS: usize = 3;
/// Functions that call nothing.
const LEAVES: usize = 4;

/// What is being written.
struct Writer<'r> {
    random: &'r mut Random,
    real: String,
    plain: String,
    /// The library, and whether it is used.
    library: String,
    linked: bool,
    /// Which type each function has.
    functions: Vec<usize>,
    /// The type of the function being written.
    current: usize,
    /// Whether it may call.
    calls: bool,
    memories: Vec<Memory>,
    /// Numbers for labels.
    labels: usize,
    /// The landing labels of the `try`s around, innermost last.
    landings: Vec<usize>,
    /// Loops around.
    loops: Vec<Loop>,
    /// Statements that may still be written into this function.
    room: usize,
    exceptions: bool,
    references: bool,
    atomics: bool,
    vectors: bool,
}

/// The program of a seed.
pub fn program(seed: u64) -> Program {
    let random = &mut Random::new(seed ^ 0x70_726f_6772_616d);
    let count = LEAVES + 1 + random.below(5) as usize;
    let functions = (0..count)
        .map(|_| random.below(TYPES.len() as u64) as usize)
        .collect();
    let memories = (0..1 + random.below(2) * random.below(3))
        .map(|_| memory(random))
        .collect();
    let mut writer = Writer {
        functions,
        current: 0,
        calls: false,
        memories,
        real: String::new(),
        plain: String::new(),
        library: String::new(),
        linked: random.below(5) == 0,
        labels: 0,
        landings: Vec::new(),
        loops: Vec::new(),
        room: 0,
        exceptions: random.below(2) == 0,
        references: random.below(2) == 0,
        atomics: random.below(3) == 0,
        vectors: random.below(3) == 0,
        random,
    };
    writer.module();
    let library = writer.linked.then_some(writer.library);
    Program {
        real: writer.real,
        library,
        plain: writer.plain,
    }
}

fn memory(random: &mut Random) -> Memory {
    let page = if random.below(8) == 0 { 1 } else { 65_536 };
    let pages = match page {
        1 => 60_000 + random.below(10_000),
        _ => 1 + random.below(2),
    };
    Memory {
        wide: random.below(4) == 0,
        page,
        pages,
    }
}

impl Writer<'_> {
    fn below(&mut self, bound: u64) -> u64 {
        self.random.below(bound)
    }

    fn one_in(&mut self, bound: u64) -> bool {
        self.below(bound) == 0
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len() as u64) as usize]
    }

    /// Text for both.
    fn put(&mut self, text: &str) {
        self.each(text, text);
    }

    /// Text for each.
    fn each(&mut self, real: &str, plain: &str) {
        for (out, text) in [(&mut self.real, real), (&mut self.plain, plain)] {
            out.push_str(text);
            out.push('\n');
        }
    }

    /// What makes an index of 32 bits one of this memory.
    fn widening(&self, memory: usize) -> &'static str {
        if self.memories[memory].wide {
            "i64.extend_i32_u"
        } else {
            ""
        }
    }

    fn label(&mut self) -> usize {
        self.labels += 1;
        self.labels
    }
}

fn list(word: &str, types: &[Ty]) -> String {
    if types.is_empty() {
        return String::new();
    }
    let names: Vec<&str> = types.iter().map(|of| of.name()).collect();
    format!("({word} {})", names.join(" "))
}
