//! Checked arguments against an oracle: random and boundary arguments of functions with every kind of parameter, in a module whose
//! code checks them, as its bindings say, and in one that leaves it to the runtime. Both must do what the oracle says.
//!
//! `LUCET_SOAK=N` tries N random calls of each function instead of a few thousand.

mod functions;
mod oracle;
mod proofs;
#[path = "../support/mod.rs"]
mod support;

use functions::{FUNCTIONS, Function, Parameter, SEEN};
use lucet::abi::{LUCET_RETURNED, LUCET_TRAPPED, lucet_value};
use lucet::checks::Plan;
use lucet::counted::Counted;
use lucet::instance::memory;
use lucet::linker::{Definition, Linker};
use lucet::module::{Module, load};
use lucet_format::trap::TrapCode;
use lucetc::options::Options;
use support::{Guest, i32, region, sentence, small};

const MODULE: &str = "test";
const PAGE: u32 = 65536;

fn linker() -> Linker {
    let mut linker = Linker::new().expect("a linker");
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
    text += "enum five {a, b, c, d, e}\nflags three {a, b, c}\nrecord item {a: u32, b: u16, c: f32}\nrecord big {a: u64, b: f64}\n";
    for function in FUNCTIONS {
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

/// A guest that passes its arguments on.
fn wat() -> String {
    let mut imports = String::new();
    let mut functions = String::new();
    for Function {
        name, parameters, ..
    } in FUNCTIONS
    {
        let core = FUNCTIONS
            .iter()
            .find(|each| each.name == *name)
            .expect("it")
            .core();
        imports += &format!("(import \"{MODULE}\" \"{name}\" (func ${name} {core}))\n");
        let words = parameters.iter().map(Parameter::words).sum::<usize>();
        let arguments: String = (0..words)
            .map(|index| format!("(local.get {index})"))
            .collect();
        functions += &format!("(func (export \"{name}\") {core} (call ${name} {arguments}))\n");
    }
    // A table makes wrappers of the imports, which check as calls do.
    let elements: String = FUNCTIONS
        .iter()
        .map(|function| format!("${} ", function.name))
        .collect();
    format!("(module {imports} (memory 1) (table funcref (elem {elements}))\n{functions})")
}

fn guest(inline: bool) -> Guest {
    let options = Options {
        verify: true,
        bindings: inline.then(|| bindings(false)),
        ..Options::default()
    };
    let compiled = lucetc::compile_module(wat().as_bytes(), &options).expect("a good module");
    let code = load::bytes(&compiled).unwrap_or_else(|_| panic!("{}", sentence()));
    let module = Module::link(&code, &linker(), &mut |_| {});
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

    fn word(&mut self, parameter: &Parameter, second: bool) -> u32 {
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
            (Parameter::Slice { .. } | Parameter::Object { .. }, _) => match self.next() % 5 {
                0 => self.of(&BOUNDARIES),
                1 => PAGE.wrapping_sub(near).wrapping_add(self.next() % 3),
                2 => self.next() % 64,
                3 => self.next() % 64 * 16,
                _ => self.next() % (PAGE + 20),
            },
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

struct Tester {
    guests: [Guest; 2],
    content: Vec<u8>,
    called: u64,
    refused: u64,
}

impl Tester {
    fn new() -> Tester {
        let mut content: Vec<u8> = "text, Text mit Umläuten, текст, 文字, 𝄞 "
            .bytes()
            .cycle()
            .take(PAGE as usize)
            .collect();
        // Here and there something that is no text.
        for (index, byte) in [0x80, 0xff, 0xc0, 0xed, 0xf5, 0xe2].into_iter().enumerate() {
            content[200 + 977 * index] = byte;
        }
        Tester {
            guests: [guest(false), guest(true)],
            content,
            called: 0,
            refused: 0,
        }
    }

    fn fill(&self, guest: &Guest) {
        // SAFETY: the buffer is as long as the memory.
        unsafe {
            memory::write(
                guest.handle,
                0,
                0,
                self.content.as_ptr(),
                self.content.len(),
            )
        }
        .expect("a page");
    }

    fn try_call(&mut self, function: &Function, arguments: &[u32]) {
        let expected = oracle::expected(function, arguments, &self.content);
        *if expected.is_some() {
            &mut self.called
        } else {
            &mut self.refused
        } += 1;
        for guest in &self.guests {
            let values: Vec<lucet_value> = arguments
                .iter()
                .map(|word| i32(word.cast_signed()))
                .collect();
            SEEN.with(|seen| seen.borrow_mut().take());
            let outcome = guest.run(function.name, &values);
            let seen = SEEN.with(|seen| seen.borrow_mut().take());
            let what = || format!("{} {arguments:x?}", function.name);
            let base = memory::memory(guest.handle, 0).expect("a memory").0 as u64;
            let relative = seen.map(|words| without_base(function, &words, base));
            assert_eq!(relative, expected, "{}", what());
            if expected.is_none() && function.answer.is_none() {
                let trap = u32::from(TrapCode::HostArgument.number());
                assert_eq!(
                    (outcome.kind, outcome.detail),
                    (LUCET_TRAPPED, trap),
                    "{}",
                    what()
                );
                guest.reset();
                self.fill(guest);
            } else {
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
        }
    }
}

/// Pointers as addresses in the guest.
fn without_base(function: &Function, words: &[u64], base: u64) -> Vec<u64> {
    let mut words = words.to_vec();
    let mut place = 0;
    for parameter in function.parameters {
        if matches!(
            parameter,
            Parameter::Slice { .. } | Parameter::Object { .. }
        ) {
            words[place] = words[place].wrapping_sub(base);
        }
        place += parameter.words();
    }
    words
}

#[test]
fn random_arguments_do_what_the_oracle_says() {
    let calls = std::env::var("LUCET_SOAK")
        .ok()
        .and_then(|count| count.parse().ok())
        .unwrap_or(6000);
    let mut tester = Tester::new();
    tester.guests.iter().for_each(|guest| tester.fill(guest));
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    for function in FUNCTIONS {
        for _ in 0..calls {
            let mut arguments = Vec::new();
            for parameter in function.parameters {
                arguments.push(random.word(parameter, false));
                if parameter.words() == 2 {
                    arguments.push(random.word(parameter, true));
                }
            }
            tester.try_call(function, &arguments);
        }
    }
    assert!(
        tester.called > tester.refused / 20,
        "too few good arguments to tell"
    );
}

#[test]
fn every_pair_of_boundaries_as_address_and_length() {
    let mut tester = Tester::new();
    tester.guests.iter().for_each(|guest| tester.fill(guest));
    for function in FUNCTIONS
        .iter()
        .filter(|function| function.parameters.len() == 1)
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
    let compiled = lucetc::compile_module(wat().as_bytes(), &options).expect("a good module");
    let module = load::bytes(&compiled).expect("a module to look at");
    let mut problems = Vec::new();
    assert!(
        Module::link(&module, &linker(), &mut |line| problems
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
