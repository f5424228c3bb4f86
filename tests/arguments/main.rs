//! Checked arguments against an oracle: random and boundary arguments of functions with every kind of parameter, in a module whose
//! code checks them, as its bindings say, and in one that leaves it to the runtime, each with views and with poisoned ones. All four
//! must do what the oracle says, and so must the checks that `lucetc` writes as C.
//!
//! `LUCET_SOAK=N` tries N random calls of each function instead of a few thousand.

mod described;
mod functions;
mod oracle;
mod proofs;
mod reviewed;
#[path = "../support/mod.rs"]
mod support;
mod text;

use described::{Access, Function, Parameter};
use functions::{CALLED, FUNCTIONS, OTHER, SEEN, THING, ends};
use lucet::abi::{LUCET_RETURNED, LUCET_TRAPPED, lucet_value};
use lucet::checks::Plan;
use lucet::counted::Counted;
use lucet::instance::{handles, memory};
use lucet::linker::{Definition, Linker};
use lucet::module::{Module, load};
use lucet_format::trap::TrapCode;
use lucetc::options::Options;
use oracle::World;
use reviewed::Reviewed;
use std::io::Write as _;
use support::{Guest, i32, i64, region, sentence, small};

const MODULE: &str = "test";
const PAGE: u32 = 65536;

fn linker(poison: bool) -> Linker {
    let mut linker = Linker::new().expect("a linker");
    if poison {
        linker.poison_views();
    }
    for function in FUNCTIONS {
        let answer = function.answer.map(i64::cast_unsigned);
        let plan = Plan::new(function.entry, function.types(), &function.checks(), answer);
        let plan = Counted::new(plan.unwrap_or_else(|_| panic!("{}", sentence()))).expect("memory");
        let definition = Definition::Checked {
            plan,
            leaf: false,
            data: std::ptr::null_mut(),
        };
        linker
            .define(MODULE.as_bytes(), function.name.as_bytes(), definition)
            .unwrap_or_else(|_| panic!("{}", sentence()));
    }
    linker
}

fn bindings(stricter: bool) -> lucetc::bindings::Bindings {
    let mut text = format!("package a:b;\n/// @lucet module {MODULE}\ninterface i {{\n");
    text += "resource thing {}\nenum five {a, b, c, d, e}\nflags three {a, b, c}\nrecord item {a: u32, b: u16, c: f32}\nrecord big {a: u64, b: f64}\n";
    for function in FUNCTIONS.iter().filter(|function| !function.wit.is_empty()) {
        if let Some(answer) = function.answer {
            text += &format!("/// @lucet on-failure {answer}\n");
        }
        text += function.wit;
        text += "\n";
    }
    text += "}\n";
    if stricter {
        text = text.replace("max 64", "max 63");
    }
    lucetc::bindings::read("test.wit", &text).expect("good bindings")
}

/// A guest that passes the low halves of its arguments on, whose registers' high halves stay what they are, and whose memory is full of
/// `content`. `all`: also to functions that bindings do not have.
fn wat(content: &[u8], all: bool) -> String {
    let mut imports = String::new();
    let mut functions = String::new();
    let mut elements = String::new();
    for function in FUNCTIONS
        .iter()
        .filter(|function| all || !function.wit.is_empty())
    {
        let (name, core) = (function.name, function.core());
        imports += &format!("(import \"{MODULE}\" \"{name}\" (func ${name} {core}))\n");
        let words = function
            .parameters
            .iter()
            .map(Parameter::words)
            .sum::<usize>();
        let arguments: String = (0..words)
            .map(|index| format!("(i32.wrap_i64 (local.get {index}))"))
            .collect();
        let wide = core.replacen(&"i32 ".repeat(words), &"i64 ".repeat(words), 1);
        functions += &format!("(func (export \"{name}\") {wide} (call ${name} {arguments}))\n");
        elements += &format!("${name} ");
    }
    let data: String = content.iter().map(|byte| format!("\\{byte:02x}")).collect();
    // A table makes wrappers of the imports, which check as calls do.
    format!(
        "(module {imports} (memory 1) (data (i32.const 0) \"{data}\") (table funcref (elem {elements}))\n{functions})"
    )
}

fn guest(content: &[u8], inline: bool, poison: bool) -> Guest {
    let options = Options {
        verify: true,
        bindings: inline.then(|| bindings(false)),
        ..Options::default()
    };
    let text = wat(content, !inline);
    let compiled = lucetc::compile_module(text.as_bytes(), &options).expect("a good module");
    let code = load::bytes(&compiled).unwrap_or_else(|_| panic!("{}", sentence()));
    let module = Module::link(&code, &linker(poison), &mut |_| {});
    let module = module.unwrap_or_else(|_| panic!("{}", sentence()));
    let region = region(&small());
    let handle = support::create(&region, &module);
    Guest {
        region,
        module,
        handle,
    }
}

/// xorshift64*
struct Random(u64);

impl Random {
    fn next(&mut self) -> u32 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32) as u32
    }

    fn of<T: Copy>(&mut self, list: &[T]) -> T {
        list[self.next() as usize % list.len()]
    }

    fn word(&mut self, parameter: &Parameter, second: bool, world: &World) -> u32 {
        let near = self.next() % 40;
        match (parameter, second) {
            (Parameter::Slice { element, .. }, true) => {
                let whole = (1u64 << 32) / u64::from(*element);
                let fits = PAGE / element;
                let edges = [
                    0,
                    1,
                    fits - 1,
                    fits,
                    fits + 1,
                    whole as u32,
                    (whole as u32).wrapping_sub(1),
                    u32::MAX,
                ];
                match self.next() % 4 {
                    0 => self.of(&edges),
                    1 => self.of(&BOUNDARIES),
                    _ => near,
                }
            }
            (Parameter::Slice { .. } | Parameter::Object { .. }, _) => match self.next() % 6 {
                0 => self.of(&BOUNDARIES),
                1 => PAGE.wrapping_sub(near).wrapping_add(self.next() % 3),
                2 => self.next() % 64,
                3 => self.next() % 64 * 16,
                4 => self.next() % 520 * 128,
                _ => self.next() % (PAGE + 20),
            },
            (Parameter::OneOf(list), _) => match self.next() % 4 {
                0 => self.of(&BOUNDARIES),
                1 => self.of(list).wrapping_add(1),
                _ => self.of(list),
            },
            (Parameter::Handle, _) => {
                let (known, _) = self.of(&world.handles);
                match self.next() % 8 {
                    0 => self.of(&BOUNDARIES),
                    1 => known ^ 1 << (self.next() % 32),
                    2 => self.of(&world.dead),
                    _ => known,
                }
            }
            _ => match self.next() % 4 {
                0 => self.of(&BOUNDARIES),
                1 => near,
                2 => near.wrapping_neg(),
                _ => self.of(&[
                    0xd7ff, 0xd800, 0xdfff, 0xe000, 0x10_ffff, 0x11_0000, 255, 256, 1000, 1001,
                    32767, 32768,
                ]),
            },
        }
    }
}

const BOUNDARIES: [u32; 14] = [
    0,
    1,
    2,
    7,
    8,
    PAGE - 8,
    PAGE - 1,
    PAGE,
    PAGE + 1,
    0x7fff_ffff,
    0x8000_0000,
    0x8000_0001,
    u32::MAX - 1,
    u32::MAX,
];

/// Words with something else in their high halves: what is in those of an address and its count adds up to nothing, so that whoever
/// forgets to clear them finds the end of a range where it should be, and its start elsewhere.
fn wide(words: &[u32]) -> Vec<lucet_value> {
    let above = [0x5bd1_e995, 0x5bd1_e995_u32.wrapping_neg()];
    let halves = words.iter().zip(above.iter().cycle());
    halves
        .map(|(word, above)| i64((u64::from(*above) << 32 | u64::from(*word)).cast_signed()))
        .collect()
}

/// A guest that calls, and how.
struct Caller {
    guest: Guest,
    inline: bool,
    poison: bool,
}

struct Tester {
    callers: Vec<Caller>,
    reviewed: Reviewed,
    world: World,
    tried: u64,
    called: u64,
}

impl Tester {
    fn new() -> Tester {
        let mut memory: Vec<u8> = "text, Text mit Umläuten, текст, 文字, 𝄞 "
            .bytes()
            .cycle()
            .take(PAGE as usize)
            .collect();
        // Here and there something that is no text.
        for (index, byte) in [0x80, 0xff, 0xc0, 0xed, 0xf5, 0xe2].into_iter().enumerate() {
            memory[200 + 977 * index] = byte;
        }
        let callers: Vec<Caller> = [(false, false), (true, false), (false, true), (true, true)]
            .map(|(inline, poison)| Caller {
                guest: guest(&memory, inline, poison),
                inline,
                poison,
            })
            .into();
        let worlds: Vec<World> = callers
            .iter()
            .map(|caller| world(&caller.guest, &memory))
            .collect();
        let world = worlds.into_iter().reduce(|one, other| {
            assert_eq!(one, other, "handles are given out in the same order");
            one
        });
        Tester {
            callers,
            reviewed: Reviewed::new(&bindings(false)),
            world: world.expect("a guest"),
            tried: 0,
            called: 0,
        }
    }

    fn try_call(&mut self, function: &'static Function, arguments: &[u32]) {
        let expected = oracle::expected(function, arguments, &self.world);
        self.tried += 1;
        self.called += u64::from(expected.is_some());
        self.reviewed
            .compare(function, arguments, &self.world, expected.is_some());
        for caller in &self.callers {
            // Poisoned views cost system calls: of many, every sixteenth.
            let spared = caller.poison && self.tried > 200_000 && !self.tried.is_multiple_of(16);
            let known = !caller.inline || !function.wit.is_empty();
            if known && !spared {
                caller.check(function, arguments, expected.as_deref(), &self.world);
            }
        }
    }
}

/// Makes handles in a guest that has none, and says what there is.
fn world(guest: &Guest, memory: &[u8]) -> World {
    let kind = &raw const THING.0;
    let new = |kind, object: u64| {
        let object = object as *mut std::ffi::c_void;
        handles::new(guest.handle, kind, object).expect("room")
    };
    let dropped = new(kind, 0x1000);
    handles::take(guest.handle, kind, dropped).expect("a handle");
    let known = [0x2000, 0x3000, 0x4000].map(|object| (new(kind, object), object));
    let foreign = new(&raw const OTHER.0, 0x5000);
    World {
        memory: memory.to_vec(),
        handles: known.into(),
        dead: vec![dropped, foreign],
    }
}

impl Caller {
    fn check(
        &self,
        function: &'static Function,
        arguments: &[u32],
        expected: Option<&[u64]>,
        world: &World,
    ) {
        let guest = &self.guest;
        let values = wide(arguments);
        let what = || {
            let (inline, poison) = (self.inline, self.poison);
            format!(
                "{} {arguments:x?}, inline {inline}, poison {poison}",
                function.name
            )
        };
        CALLED.set(Some(function));
        SEEN.with(|seen| seen.borrow_mut().take());
        let outcome = guest.run(function.name, &values);
        let seen = SEEN.with(|seen| seen.borrow_mut().take());
        assert_eq!(seen.is_some(), expected.is_some(), "{}", what());
        if let (Some(seen), Some(expected)) = (seen, expected) {
            self.check_given(function, &seen, expected, world, &what);
        }
        if expected.is_none() && function.answer.is_none() {
            let trap = u32::from(TrapCode::HostArgument.number());
            assert_eq!(
                (outcome.kind, outcome.detail),
                (LUCET_TRAPPED, trap),
                "{}",
                what()
            );
            guest.reset();
            assert_eq!(self::world(guest, &world.memory), *world);
            return;
        }
        assert_eq!(outcome.kind, LUCET_RETURNED, "{}", what());
        let result = if expected.is_some() {
            Some(1)
        } else {
            function.answer
        };
        if !function.result_area {
            // SAFETY: one value was returned.
            let value = unsafe { (*outcome.values).of.i32 };
            assert_eq!(Some(i64::from(value)), result, "{}", what());
        }
    }

    /// That the function was given what it should be: numbers, places, bytes; and that the guest has what it has written.
    fn check_given(
        &self,
        function: &'static Function,
        seen: &functions::Seen,
        expected: &[u64],
        world: &World,
        what: &dyn Fn() -> String,
    ) {
        let base = memory::memory(self.guest.handle, 0).expect("a memory").0 as u64;
        let mut words = seen.words.clone();
        let mut given = seen.bytes.iter();
        for (place, parameter) in function.places() {
            let Some((_, access)) = parameter.range() else {
                continue;
            };
            let bytes = given.next().expect("a range");
            let at = expected[place] as usize;
            assert!(*bytes == world.memory[at..at + bytes.len()], "{}", what());
            let (align, copy) = match *parameter {
                Parameter::Slice { align, copy, .. } => (align, copy),
                Parameter::Object { align, .. } => (align, false),
                _ => unreachable!("a range"),
            };
            assert_eq!(words[place] % u64::from(align), 0, "{}", what());
            let inside = words[place].wrapping_sub(base) <= u64::from(PAGE);
            assert_eq!(inside, !copy && !self.poison, "{}", what());
            // Where copies lie is nobody's business.
            words[place] = if inside {
                words[place] - base
            } else {
                expected[place]
            };
            if access != Access::In {
                self.check_written(at, bytes, what);
            }
        }
        assert_eq!(words, expected, "{}", what());
    }

    /// That the guest has what the function has written, which is then taken back.
    fn check_written(&self, at: usize, bytes: &[u8], what: &dyn Fn() -> String) {
        let handle = self.guest.handle;
        for end in ends(bytes.len()) {
            let mut byte = 0u8;
            let address = (at + end) as u64;
            // SAFETY: one byte each.
            unsafe {
                memory::read(handle, 0, address, &raw mut byte, 1).expect("a byte");
                assert_eq!(byte, bytes[end].wrapping_add(1), "{}", what());
                memory::write(handle, 0, address, &raw const bytes[end], 1).expect("a byte");
            }
        }
    }
}

#[test]
fn random_arguments_do_what_the_oracle_says() {
    let calls = std::env::var("LUCET_SOAK")
        .ok()
        .and_then(|count| count.parse().ok())
        .unwrap_or(6000);
    let mut tester = Tester::new();
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    for function in FUNCTIONS {
        for _ in 0..calls {
            let mut arguments = Vec::new();
            for parameter in function.parameters {
                arguments.push(random.word(parameter, false, &tester.world));
                if parameter.words() == 2 {
                    arguments.push(random.word(parameter, true, &tester.world));
                }
            }
            tester.try_call(function, &arguments);
        }
    }
    let _ = writeln!(
        std::io::stderr(),
        "{} calls, {} of them with good arguments",
        tester.tried,
        tester.called
    );
    assert!(
        tester.called > tester.tried / 20,
        "too few good arguments to tell"
    );
}

#[test]
fn every_pair_of_boundaries_as_address_and_length() {
    let mut tester = Tester::new();
    for function in FUNCTIONS
        .iter()
        .filter(|function| matches!(function.parameters, [Parameter::Slice { .. }]))
    {
        for address in BOUNDARIES {
            for count in BOUNDARIES {
                tester.try_call(function, &[address, count]);
            }
        }
    }
}

#[test]
fn a_module_with_other_checks_than_the_hosts_is_refused() {
    let options = Options {
        bindings: Some(bindings(true)),
        ..Options::default()
    };
    let compiled =
        lucetc::compile_module(wat(b"", false).as_bytes(), &options).expect("a good module");
    let module = load::bytes(&compiled).expect("a module to look at");
    let mut problems = Vec::new();
    assert!(
        Module::link(&module, &linker(false), &mut |line| problems
            .push(line.to_owned()))
        .is_err()
    );
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(
        problems[0].contains("\"text\" was compiled with checks"),
        "{problems:?}"
    );
    // A host that takes numbers where the code passes pointers.
    let mut plain = Linker::new().expect("a linker");
    for function in FUNCTIONS {
        let words = function
            .parameters
            .iter()
            .map(Parameter::words)
            .sum::<usize>();
        let types = (0..words).fold(u64::from(!function.result_area), |types, index| {
            types | 1 << (4 * (index + 1))
        });
        let definition = Definition::Typed {
            function: function.entry,
            types,
            leaf: false,
            data: std::ptr::null_mut(),
        };
        plain
            .define(MODULE.as_bytes(), function.name.as_bytes(), definition)
            .expect("new");
    }
    assert!(Module::link(&module, &plain, &mut |_| {}).is_err());
    assert!(
        sentence().contains("was compiled with checks"),
        "{}",
        sentence()
    );
}

/// Fills the range by a system call, which gets `EFAULT` for pages that are not open.
extern "C" fn kernel(_: *mut lucet::abi::lucet_call, to: functions::Slice) -> i32 {
    // SAFETY: a constant name; the range was checked to be the guest's.
    unsafe {
        let zeros = libc::open(c"/dev/zero".as_ptr(), libc::O_RDONLY);
        let read = libc::read(zeros, to.0 as *mut libc::c_void, to.1 as usize);
        libc::close(zeros);
        read as i32
    }
}

#[test]
fn the_kernel_can_write_to_what_is_written_to() {
    const WIT: &str = "package a:b;\n/// @lucet module m\ninterface i {\n/// @lucet param a out\nfill: func(a: list<u8>) -> s32;\n}";
    const WAT: &str = "(module (import \"m\" \"fill\" (func $f (param i32 i32) (result i32))) (memory 16)
        (func (export \"fill\") (param i32 i32) (result i32) (i32.store8 (i32.const 0) (i32.const 1)) (call $f (local.get 0) (local.get 1))))";
    let write = FUNCTIONS
        .iter()
        .find(|function| function.name == "write")
        .expect("it");
    let mut checks = write.checks();
    (checks[0].element, checks[0].align) = (1, 1);
    for inline in [false, true] {
        let mut linker = Linker::new().expect("a linker");
        let plan = Plan::new(kernel as *const (), write.types(), &checks, None);
        let plan = Counted::new(plan.expect("a plan")).expect("memory");
        let definition = Definition::Checked {
            plan,
            leaf: false,
            data: std::ptr::null_mut(),
        };
        linker.define(b"m", b"fill", definition).expect("new");
        let options = Options {
            bindings: inline.then(|| lucetc::bindings::read("m.wit", WIT).expect("good bindings")),
            ..Options::default()
        };
        let compiled = lucetc::compile_module(WAT.as_bytes(), &options).expect("a good module");
        let code = load::bytes(&compiled).expect("a good file");
        let module = Module::link(&code, &linker, &mut |_| {}).expect("a module");
        let region = region(&small());
        let handle = support::create(&region, &module);
        let guest = Guest {
            region,
            module,
            handle,
        };
        let mut random = Random(7);
        for round in 0..200 {
            for _ in 0..3 {
                // Mostly the same place, so that memory is sealed around it, and at times another one.
                let far = round % 7 == 3;
                let address = if far {
                    random.next() % (15 * PAGE)
                } else {
                    100
                };
                let length = if far { random.next() % PAGE } else { 5000 };
                let result = guest.run_i32(
                    "fill",
                    &[i32(address.cast_signed()), i32(length.cast_signed())],
                );
                assert_eq!(
                    result,
                    length.cast_signed(),
                    "round {round}, inline {inline}: {length} at {address}"
                );
            }
            guest.reset();
        }
    }
}
