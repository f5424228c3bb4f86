//! From a seed to a program that wasm-smith does not make: loops over arrays with variables that count, accesses around the ends of
//! memories, small functions that are called often, and proposals that the reference does not have.
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
mod interpreters;
mod loops;
mod rounds;
mod statements;

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

    fn label(&mut self) -> usize {
        self.labels += 1;
        self.labels
    }

    fn module(&mut self) {
        self.put("(module");
        for (number, (parameters, results)) in TYPES.iter().enumerate() {
            self.put(&format!(
                "(type $t{number} (func {} {}))",
                list("param", parameters),
                list("result", results)
            ));
        }
        self.library = self.real.clone();
        self.put("(type $entry (func (param i32 i64 f64) (result i32 i64)))");
        for (number, memory) in self.memories.clone().into_iter().enumerate() {
            let index = if memory.wide { "i64" } else { "i32" };
            let page = if memory.page == 1 { "(pagesize 1)" } else { "" };
            let most = memory.pages + if memory.page == 1 { 3000 } else { 2 };
            let of = format!("{index} {} {most} {page}", memory.pages);
            self.lend("memory", &format!("m{number}"), &of, "");
        }
        for (name, of, first) in [
            ("g0", "i32", "5"),
            ("g1", "i32", "-1"),
            ("g2", "i64", "9"),
            ("g3", "f64", "1.5"),
        ] {
            self.lend(
                "global",
                name,
                &format!("(mut {of})"),
                &format!("({of}.const {first})"),
            );
        }
        for function in 0..LEAVES {
            self.lend_function(function);
        }
        self.put(
            r#"(export "g0" (global $g0)) (export "g1" (global $g1)) (export "g2" (global $g2)) (export "g3" (global $g3))
            (global $fuel (mut i32) (i32.const 0)) (global $c0 i32 (i32.const 64)) (global $c1 i64 (i64.const 65528))"#,
        );
        for memory in 0..self.memories.len() {
            self.put(&format!("(export \"m{memory}\" (memory $m{memory}))"));
        }
        let every: Vec<String> = (0..self.functions.len())
            .map(|n| format!("$f{n}"))
            .collect();
        let size = every.len();
        self.put(&format!(
            "(table $t (export \"t\") {} {} funcref) (elem (table $t) (i32.const 1) func {})",
            size + 2,
            size + 6,
            every.join(" ")
        ));
        self.each(
            "(tag $e0) (tag $e1 (param i32)) (tag $e2 (param i32 i64))",
            &format!(
                r#"(global $exn (mut i32) (i32.const 0)) (global $p (mut i32) (i32.const 0)) (global $q (mut i64) (i64.const 0))
                (table $every {size} funcref) (elem (table $every) (i32.const 0) func {})"#,
                every.join(" ")
            ),
        );
        self.put(
            "(func $canon (param f64) (result f64) (select (f64.const nan) (local.get 0) (f64.ne (local.get 0) (local.get 0))))",
        );
        for function in LEAVES..self.functions.len() {
            self.function(function);
        }
        for entry in 0..3 {
            self.entry(entry);
        }
        for entry in 0..2 {
            self.rows(entry);
        }
        self.put(")");
        self.library.push(')');
    }

    /// Defines something, in the real text in the library if there is one.
    fn lend(&mut self, kind: &str, name: &str, of: &str, value: &str) {
        let here = format!("({kind} ${name} {of} {value})");
        if !self.linked {
            return self.put(&here);
        }
        let import = format!("(import \"library\" \"{name}\" ({kind} ${name} {of}))");
        self.each(&import, &here);
        self.library.push_str(&format!(
            "({kind} ${name} (export \"{name}\") {of} {value})\n"
        ));
    }

    /// A function that calls nothing.
    fn lend_function(&mut self, function: usize) {
        let before = self.real.len();
        self.function(function);
        if self.linked {
            let text = self.real.split_off(before);
            self.library.push_str(&text);
            let of = self.functions[function];
            self.library
                .push_str(&format!("(export \"f{function}\" (func $f{function}))\n"));
            self.real.push_str(&format!(
                "(import \"library\" \"f{function}\" (func $f{function} (type $t{of})))\n"
            ));
        }
    }

    /// What is declared in each function: enough of each type.
    fn locals(&mut self) {
        let list = |prefix: &str, count: usize, of: &str| {
            let one = |number| format!("(local ${prefix}{number} {of})");
            (0..count).map(one).collect::<Vec<_>>().join(" ")
        };
        let common = [
            list("a", 4, "i32"),
            list("b", 3, "i64"),
            list("d", 2, "f64"),
            list("i", LOOPS, "i32"),
            list("n", LOOPS, "i32"),
            list("j", LOOPS, "i64"),
            list("k", LOOPS, "i32"),
            "(local $ta i32) (local $tb i64) (local $p i32) (local $q i64)".to_owned(),
            "(local $round i32) (local $steps i32) (local $x i64) (local $xl i64) (local $xh i64)"
                .to_owned(),
            "(local $y i64) (local $yl i64) (local $yh i64)".to_owned(),
            "(local $lower i64) (local $c i64) (local $d i64)".to_owned(),
        ]
        .join(" ");
        self.put(&common);
        if self.vectors {
            self.put("(local $v0 v128) (local $v1 v128)");
        }
        if self.references {
            self.each(
                "(local $r0 (ref null $t0)) (local $r4 (ref null $t4))",
                "(local $r0 i32) (local $r4 i32)",
            );
            self.each("", "i32.const -1 local.set $r0 i32.const -1 local.set $r4");
        }
        if self.exceptions {
            self.each(
                &list("x", 2, "exnref"),
                "(local $xt0 i32) (local $xp0 i32) (local $xq0 i64) (local $xt1 i32) (local $xp1 i32) (local $xq1 i64)",
            );
        }
    }

    fn function(&mut self, function: usize) {
        self.current = self.functions[function];
        self.calls = function >= LEAVES;
        let (parameters, results) = TYPES[self.current];
        let (parameters, results) = (list("param", parameters), list("result", results));
        let of = self.current;
        self.put(&format!(
            "(func $f{function} (type $t{of}) {parameters} {results}"
        ));
        if self.calls {
            self.locals_first();
            self.burn();
            self.room = 6 + self.below(24) as usize;
            self.block(0);
            self.end_of_function();
        } else {
            self.leaf();
        }
        self.put(")");
    }

    /// Locals, which the plain text initialises behind all declarations.
    fn locals_first(&mut self) {
        let (real, plain) = (self.real.len(), self.plain.len());
        self.locals();
        for (out, from) in [(&mut self.real, real), (&mut self.plain, plain)] {
            let text = out.split_off(from);
            let code = |line: &&str| line.starts_with("i32.const");
            let lines = || text.lines();
            out.extend(
                lines()
                    .filter(|line| !code(line))
                    .flat_map(|line| [line, "\n"]),
            );
            out.extend(lines().filter(code).flat_map(|line| [line, "\n"]));
        }
    }

    fn burn(&mut self) {
        self.put("global.get $fuel i32.const 1 i32.sub global.set $fuel global.get $fuel i32.const 0 i32.lt_s if unreachable end");
    }

    /// Small functions, some of which are done in place of a call.
    fn leaf(&mut self) {
        let (parameters, results) = TYPES[self.current];
        self.put("(local $a0 i32) (local $a1 i32) (local $b0 i64) (local $d0 f64) (local $i0 i32)");
        for (number, of) in parameters.iter().enumerate() {
            let local = match of {
                Ty::I32 => ["a0", "a1"][number.min(1)],
                Ty::I64 => "b0",
                Ty::F64 => "d0",
            };
            self.put(&format!("local.get {number} local.set ${local}"));
        }
        match self.below(5) {
            0 => self.put("global.get $g0 local.get $a0 i32.add global.set $g0"),
            1 => self.put("local.get $a0 if local.get $b0 i64.const 3 i64.mul global.set $g2 end"),
            2 => {
                self.put("loop $l local.get $a1 local.get $i0 i32.add local.set $a1");
                self.put("local.get $i0 i32.const 1 i32.add local.tee $i0 i32.const 5 i32.ne br_if $l end");
            }
            3 => self.put("block local.get $a0 i32.const 7 i32.and i32.const 3 i32.gt_u br_if 0 local.get $a0 i32.const 17 i32.mul local.set $a1 end"),
            _ => {}
        }
        for of in results {
            match of {
                Ty::I32 => match self.below(3) {
                    0 => self.put("local.get $a0 local.get $a1 i32.xor"),
                    1 => {
                        self.put("local.get $a0 i32.const 0x7ffc i32.and");
                        let (address, offset) = self.address_tail(0);
                        self.put(&format!("{address} i32.load{offset}"));
                    }
                    _ => self.put("local.get $a1 i32.const 3 i32.shl local.get $a0 i32.add"),
                },
                Ty::I64 => self.put("local.get $b0 local.get $a0 i64.extend_i32_u i64.add"),
                Ty::F64 => self.put("local.get $d0"),
            }
        }
    }

    /// After an address of 32 bits: what makes it one of this memory, and an immediate.
    fn address_tail(&mut self, memory: usize) -> (&'static str, String) {
        let widen = if self.memories[memory].wide {
            "i64.extend_i32_u"
        } else {
            ""
        };
        (widen, format!(" $m{memory}"))
    }

    /// Entries call inside of a `try`, and answer what came of it.
    fn entry(&mut self, entry: usize) {
        self.current = usize::MAX;
        self.calls = true;
        self.put(&format!(
            "(func (export \"run{entry}\") (type $entry) (param i32 i64 f64) (result i32 i64)"
        ));
        self.locals_first();
        self.put("i32.const 100 global.set $fuel");
        self.put("local.get 0 local.set $a0 local.get 1 local.set $b0 local.get 2 call $canon local.set $d0");
        let most = self.functions.len() as u64 - LEAVES as u64;
        let callee = LEAVES + self.below(most) as usize;
        if self.exceptions {
            self.guard(2, |writer| writer.call(callee));
        } else {
            self.call(callee);
        }
        self.put("local.get $a0 local.get $a1 i32.add local.get $b0 local.get $b1 i64.xor)");
    }

    /// Entries that do nothing but work on rows and multiply: what is written elsewhere is rarely reached with rows that overlap, and with
    /// large factors.
    fn rows(&mut self, entry: usize) {
        self.current = usize::MAX;
        self.put(&format!(
            "(func (export \"rows{entry}\") (type $entry) (param i32 i64 f64) (result i32 i64)"
        ));
        self.locals_first();
        self.put("local.get 0 local.set $a0 local.get 1 local.set $b0 local.get 0 local.set $a1");
        for _ in 0..3 {
            self.over_rows();
            self.half_of_product(0);
            self.put("local.get $b1 i64.add local.set $b1");
        }
        self.put("local.get $a2 local.get $b1)");
    }

    /// The values that a function returns, or another function's.
    fn end_of_function(&mut self) {
        let fits: Vec<usize> = (0..self.functions.len())
            .filter(|other| TYPES[self.functions[*other]].1 == TYPES[self.current].1)
            .collect();
        if !fits.is_empty() && self.one_in(4) {
            let callee = self.pick(&fits);
            self.arguments(callee);
            self.put(&format!("return_call $f{callee}"));
            return;
        }
        self.results();
    }

    fn results(&mut self) {
        let results = if self.current == usize::MAX {
            &[Ty::I32, Ty::I64][..]
        } else {
            TYPES[self.current].1
        };
        for of in results {
            self.value(*of, 2);
        }
    }
}

fn list(word: &str, types: &[Ty]) -> String {
    if types.is_empty() {
        return String::new();
    }
    let names: Vec<&str> = types.iter().map(|of| of.name()).collect();
    format!("({word} {})", names.join(" "))
}
