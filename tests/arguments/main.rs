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
mod setting;
#[path = "../support/mod.rs"]
mod support;
mod tester;
mod text;
mod words;

use described::Parameter;
use functions::FUNCTIONS;
use lucet::checks::Plan;
use lucet::counted::Counted;
use lucet::linker::{Definition, Linker};
use lucet::module::{Module, load};
use lucetc::options::Options;
use setting::{MODULE, PAGE, bindings, linker, wat};
use std::io::Write as _;
use support::{Guest, i32, region, sentence, small};
use tester::Tester;
use words::{BOUNDARIES, Random};

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
