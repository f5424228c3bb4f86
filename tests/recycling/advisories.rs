//! Published advisories of other runtimes (and of the first Lucet) about pools of instances, and those beside them: each as a test of
//! ours, with the number that it has in `docs/recycling.md`.

use crate::conditions::{swapped_out, there_is_swap};
use crate::memory::{DATA, PAGE, PLAIN, contents, fresh, one_slot};
use crate::own_process::own_process;
use crate::random::Random;
use crate::support::{Guest, create, i32, i64, module, region, sentence, small};
use crate::syscalls::{Fail, watch, watched};
use lucet::abi::{
    LUCET_PREEMPTED, LUCET_RETURNED, LUCET_SUSPENDED, LUCET_TRAPPED, lucet_call, lucet_value,
};
use lucet::call;
use lucet::error::Status;
use lucet::instance::{self, Limits, memory, table};
use lucet::linker::{Definition, DynamicData, Linker};
use lucet::module::{Module, load};
use lucet::region::RegionConfig;
use lucet::timing::Allowance;
use lucet_format::trap::TrapCode;
use lucet_format::value::ValueType;
use std::ffi::c_void;
use std::fmt::Write;
use std::ptr::null_mut;

const WASM_PAGE: i32 = 65536;

fn linker() -> Linker {
    Linker::new().expect("a linker")
}

fn traps(guest: &Guest, name: &str, arguments: &[lucet_value], code: TrapCode) {
    let outcome = guest.run(name, arguments);
    assert_eq!(
        (outcome.kind, outcome.detail),
        (LUCET_TRAPPED, u32::from(code.number())),
        "{name}"
    );
    instance::keep(guest.handle).expect("kept");
}

/// V8 CVE-2024-2887: indices of types that overflow become those of other types. Ours are limited, and two types whose numbers agree in their
/// low sixteen bits are two.
#[test]
fn advisory_22_numbers_of_types_are_not_cut() {
    const APART: usize = 1 << 16;
    // Type n has a parameter for each bit of n.
    let mut text = String::from("(module\n");
    for number in 0..=APART {
        text.push_str("(type (func");
        for bit in 0..17 {
            text.push_str(if number >> bit & 1 == 0 {
                " (param i32)"
            } else {
                " (param i64)"
            });
        }
        text.push_str("))\n");
    }
    let (mut low, mut high) = (String::new(), String::new());
    for bit in 0..17 {
        low.push_str("(i32.const 0)");
        high.push_str(if bit == 16 {
            "(i64.const 0)"
        } else {
            "(i32.const 0)"
        });
    }
    write!(
        text,
        "(table funcref (elem $f)) (func $f (type 0))
         (func (export \"same\") {low} (i32.const 0) (call_indirect (type 0)))
         (func (export \"other\") {high} (i32.const 0) (call_indirect (type {APART}))))"
    )
    .expect("text");
    let guest = Guest::new(&text);
    assert_eq!(guest.run("same", &[]).kind, LUCET_RETURNED);
    traps(&guest, "other", &[], TrapCode::CallType);
    let many = format!("(module {})", "(type (func))".repeat(1_000_001));
    let refused = lucetc::compile_module(many.as_bytes(), &lucetc::options::Options::default());
    assert!(refused.is_err(), "a million types are too many");
}

/// CVE-2022-39392: a memory of no pages, for which no guard had been mapped.
#[test]
fn advisory_24_a_memory_of_no_pages_is_all_guard() {
    let text = r#"(module (memory (export "memory") 0 0)
        (func (export "load") (param i32) (result i32) (i32.load (local.get 0)))
        (func (export "far") (param i32) (result i32) (i32.load offset=0x7ffffff0 (local.get 0)))
        (func (export "store") (param i32) (i64.store (local.get 0) (i64.const -1)))
        (func (export "fill") (param i32) (memory.fill (local.get 0) (i32.const 1) (i32.const 1)))
        (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0))))"#;
    for memory_bytes in [0, 1 << 20] {
        let config = RegionConfig {
            memory_bytes,
            ..small()
        };
        let guest = Guest::linked(text, &linker(), &config);
        for address in [0, 1, 4095, 65_535, 65_536, i32::MAX, i32::MIN, -65_536, -1] {
            for name in ["load", "far", "store", "fill"] {
                traps(&guest, name, &[i32(address)], TrapCode::Memory);
            }
        }
        assert_eq!(guest.run_i32("grow", &[i32(0)]), 0);
        assert_eq!(guest.run_i32("grow", &[i32(1)]), -1);
        assert!(memory::grow(guest.handle, 0, 1).is_err());
        assert!(memory::view(guest.handle, 0, 0, 1).is_err());
        guest.reset();
        traps(&guest, "load", &[i32(0)], TrapCode::Memory);
    }
}

/// CVE-2022-39393: a slot keeps the data of its last module when the next one has none.
#[test]
fn advisory_25_data_of_the_last_module_are_gone() {
    let linker = linker();
    let modules = [module(DATA, &linker), module(PLAIN, &linker)];
    let expected: Vec<Vec<u8>> = modules.iter().map(fresh).collect();
    let mut random = Random(25);
    for keep in [0, 1 << 20] {
        let region = region(&one_slot(keep));
        for round in 0..2000 {
            let which = random.below(2);
            let handle = create(&region, &modules[which]);
            assert!(
                contents(handle) == expected[which].as_slice(),
                "keep {keep}, round {round}"
            );
            if random.below(3) == 0 {
                let arguments = [i32(random.below(100_000) as i32), i32(1), i32(90_000)];
                instance::run(handle, b"fill", &arguments).expect("runs");
            }
            if random.below(3) == 0 {
                instance::run(handle, b"grow", &[i32(2)]).expect("runs");
            }
            instance::release(handle).expect("released");
        }
    }
}

/// CVE-2026-34988: the next instance reads the grown pages of the one before.
#[test]
fn advisory_26_grown_pages_of_the_last_instance_are_gone() {
    let text = r#"(module (memory (export "memory") 5 30)
        (func (export "load") (param i32) (result i64) (i64.load (local.get 0)))
        (func (export "fill") (param i32 i32 i32) (memory.fill (local.get 0) (local.get 1) (local.get 2)))
        (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0))))"#;
    for keep in [0, 4 * PAGE as u64, 1 << 20, 64 << 20] {
        let region = region(&one_slot(keep));
        let module = module(text, &linker());
        for round in 0..20 {
            let first = create(&region, &module);
            instance::run(first, b"grow", &[i32(15)]).expect("runs");
            let all = [i32(0), i32(0x5e), i32(20 * WASM_PAGE)];
            assert_eq!(
                instance::run(first, b"fill", &all).expect("runs").kind,
                LUCET_RETURNED
            );
            match round % 2 {
                0 => instance::release(first).expect("released"),
                _ => instance::reset(first).expect("reset"),
            }
            let next = if round % 2 == 0 {
                create(&region, &module)
            } else {
                first
            };
            for address in [
                5 * WASM_PAGE - 7,
                5 * WASM_PAGE,
                15 * WASM_PAGE,
                20 * WASM_PAGE - 8,
            ] {
                let outcome = instance::run(next, b"load", &[i32(address)]).expect("runs");
                assert_eq!(outcome.kind, LUCET_TRAPPED, "keep {keep}: {address}");
                instance::keep(next).expect("kept");
            }
            instance::run(next, b"grow", &[i32(25)]).expect("runs");
            assert_eq!(contents(next).len(), 30 * WASM_PAGE as usize);
            assert!(contents(next).iter().all(|byte| *byte == 0), "keep {keep}");
            instance::release(next).expect("released");
        }
    }
}

/// CVE-2022-23636, and a pool's counters after a failure in the middle (Wasmtime PR 13579): an instance that could not be made leaves a
/// clean slot, and is not counted.
#[test]
fn advisory_27_and_28_an_instance_that_failed_half_way_leaves_nothing() {
    own_process(
        "advisories::advisory_27_and_28_an_instance_that_failed_half_way_leaves_nothing",
        || {
            let linker = linker();
            let modules = [module(DATA, &linker), module(PLAIN, &linker)];
            let expected: Vec<Vec<u8>> = modules.iter().map(fresh).collect();
            watched(move || {
                let mut failures = 0;
                // A slot that is new, that had the same module, and that had another one.
                for tenant in [None, Some(0), Some(1)] {
                    for call in 0.. {
                        let region = region(&one_slot(1 << 20));
                        if let Some(tenant) = tenant {
                            let handle = create(&region, &modules[tenant]);
                            let all = [i32(0), i32(0x77), i32(3 * WASM_PAGE)];
                            instance::run(handle, b"fill", &all).expect("runs");
                            instance::release(handle).expect("released");
                        }
                        let made = || {
                            instance::create(&region, &modules[0], null_mut(), Limits::default())
                        };
                        let seen = watch(Fail::At(call), made);
                        if let Ok(handle) = seen.result {
                            instance::release(handle).expect("released");
                        } else {
                            failures += 1;
                        }
                        assert_eq!((region.stats().live, region.stats().capacity), (0, 1));
                        for which in [1, 0] {
                            let handle = create(&region, &modules[which]);
                            assert!(
                                contents(handle) == expected[which].as_slice(),
                                "call {call}"
                            );
                            assert_eq!(region.stats().live, 1);
                            instance::release(handle).expect("released");
                        }
                        if seen.failed.is_none() {
                            break;
                        }
                    }
                }
                assert!(failures >= 4, "{failures}");
            });
        },
    );
}

/// The same for what the module itself does: segments that do not fit, a start function that traps, limits.
#[test]
fn advisory_27_a_module_that_cannot_be_instantiated_leaves_nothing() {
    let good = module(DATA, &linker());
    let expected = fresh(&good);
    let broken = [
        r#"(module (memory 3) (data (i32.const 0) "secret") (data (i32.const 196607) "xx"))"#,
        r#"(module (memory 3) (func $s (memory.fill (i32.const 0) (i32.const 7) (i32.const 196608)) unreachable) (start $s))"#,
        r#"(module (memory 3) (table 2 funcref) (func $f) (elem (i32.const 1) $f $f))"#,
    ];
    let region = region(&one_slot(1 << 20));
    for text in broken {
        let bad = module(text, &linker());
        for _ in 0..5 {
            let handle = create(&region, &bad);
            assert_eq!(
                instance::start(handle).expect("an outcome").kind,
                LUCET_TRAPPED
            );
            instance::release(handle).expect("released");
            let limits = Limits {
                memory_bytes: 65_536,
                ..Limits::default()
            };
            let refused =
                instance::create(&region, &good, null_mut(), limits).expect_err("too large");
            assert_eq!(refused.status, Status::Limit);
            let handle = create(&region, &good);
            assert!(contents(handle) == expected.as_slice());
            instance::release(handle).expect("released");
        }
    }
}

/// Wasmtime PR 14357: more pieces than a fixed list holds, and pages that are swapped out, are not found. `tests/vm` runs this with swap.
#[test]
fn advisory_29_ten_thousand_pieces_swapped_out() {
    let text = DATA.replace(
        "(memory (export \"memory\") 12 20)",
        "(memory (export \"memory\") 1300 1300)",
    );
    let module = module(&text, &linker());
    let config = |keep| RegionConfig {
        memory_bytes: 96 << 20,
        ..one_slot(keep)
    };
    let expected = {
        let region = region(&config(0));
        let handle = create(&region, &module);
        let copy = contents(handle).to_vec();
        instance::release(handle).expect("released");
        copy
    };
    for keep in [1 << 20, 128 << 20] {
        let region = region(&config(keep));
        let handle = create(&region, &module);
        for round in 0..6 {
            // Every other page.
            let pieces = [i32(round + 5), i32(2 * PAGE as i32), i32(10_000)];
            assert_eq!(
                instance::run(handle, b"spread", &pieces)
                    .expect("runs")
                    .kind,
                LUCET_RETURNED
            );
            let (address, length) = memory::memory(handle, 0).expect("a memory");
            // SAFETY: advice that changes no contents.
            let advised = unsafe { libc::madvise(address as *mut _, length, libc::MADV_PAGEOUT) };
            assert_eq!(advised, 0);
            assert!(
                swapped_out() > 1000 || !there_is_swap(),
                "nothing was swapped out"
            );
            instance::reset(handle).unwrap_or_else(|_| panic!("{}", sentence()));
            assert!(
                contents(handle) == expected.as_slice(),
                "keep {keep}, round {round}"
            );
        }
        instance::release(handle).expect("released");
    }
}

/// Wasmtime 1adec77c3b: mapping over a range loses what protected the old mapping, there a protection key. Ours are kept out of core
/// dumps and of children, and have no huge pages: through every way that maps, every page of every slot.
#[test]
fn advisory_30_remapping_keeps_what_protects_a_slot() {
    let linker = linker();
    let modules = [module(DATA, &linker), module(PLAIN, &linker)];
    let region = region(&one_slot(1 << 20));
    let mut random = Random(30);
    for round in 0..40 {
        let handle = create(&region, &modules[random.below(2)]);
        for _ in 0..random.below(4) {
            let arguments = [
                i32(random.below(150_000) as i32),
                i32(3),
                i32(random.below(40_000) as i32),
            ];
            instance::run(handle, b"fill", &arguments).expect("runs");
            instance::run(handle, b"grow", &[i32(1)]).expect("runs");
            instance::reset(handle).expect("reset");
        }
        let memory = memory::memory(handle, 0).expect("a memory").0;
        // The slot is the memory's 6 GiB, and less than a gigabyte in front of it.
        assert_protected(memory - (200 << 10), memory + (6 << 30), round);
        instance::release(handle).expect("released");
        assert_protected(memory - (200 << 10), memory + (6 << 30), round);
        if round % 5 == 0 {
            region.trim(0);
            region.prefault(&modules[0], 1).expect("ready");
        }
    }
}

/// That all mappings in a range have the flags: dd (not dumped), dc (not copied to children), nh (no huge pages).
fn assert_protected(from: usize, to: usize, round: usize) {
    let text = std::fs::read_to_string("/proc/self/smaps").expect("readable");
    let (mut inside, mut seen, mut line_of) = (false, 0, "");
    for line in text.lines() {
        let first = line.split(' ').next().unwrap_or("");
        if let Some((start, end)) = first.split_once('-') {
            let number = |text| usize::from_str_radix(text, 16).unwrap_or(0);
            inside = number(start) < to && number(end) > from && number(start) > 0;
            line_of = line;
        } else if let Some(flags) = line.strip_prefix("VmFlags:").filter(|_| inside) {
            seen += 1;
            for flag in [" dd", " dc", " nh"] {
                assert!(flags.contains(flag), "round {round}: {line_of}: {flags}");
            }
        }
    }
    assert!(seen >= 2, "{seen} mappings");
}

/// CVE-2024-47813: a registry of types, used by several threads, mixed them up. There is none here: each module has its own numbers.
#[test]
fn advisory_31_threads_that_load_modules_do_not_mix_types() {
    const TYPES: [&str; 2] = [
        "(type $a (func (param i32) (result i32)))",
        "(type $b (func (param i64) (result i32)))",
    ];
    let text = |number: i32, first: usize| {
        let (one, two) = (TYPES[first], TYPES[1 - first]);
        format!(
            r#"(module {one} {two} (table funcref (elem $f $g))
              (func $f (type $a) (i32.add (local.get 0) (i32.const {number})))
              (func $g (type $b) (i32.const 7))
              (func (export "right") (param i32) (result i32) (call_indirect (type $a) (local.get 0) (i32.const 0)))
              (func (export "wrong") (param i32) (result i32) (call_indirect (type $a) (local.get 0) (i32.const 1))))"#
        )
    };
    let options = lucetc::options::Options::default();
    let files = [text(1, 0), text(2, 1)]
        .map(|text| lucetc::compile_module(text.as_bytes(), &options).expect("compiles"));
    let region = region(&small());
    std::thread::scope(|scope| {
        for thread in 0..3 {
            let (region, files) = (&region, &files);
            scope.spawn(move || {
                for round in 0..150 {
                    let which = (round + thread) % 2;
                    let code = load::bytes(&files[which]).expect("loads");
                    let module = Module::link(&code, &linker(), &mut |_| {}).expect("links");
                    let handle = create(region, &module);
                    let outcome = instance::run(handle, b"right", &[i32(40)]).expect("runs");
                    // SAFETY: one value was returned.
                    assert_eq!(unsafe { *outcome.values }.bits() as i32, 41 + which as i32);
                    let outcome = instance::run(handle, b"wrong", &[i32(40)]).expect("runs");
                    let call_type = u32::from(TrapCode::CallType.number());
                    assert_eq!((outcome.kind, outcome.detail), (LUCET_TRAPPED, call_type));
                    instance::release(handle).expect("released");
                }
            });
        }
    });
}

/// CVE-2021-39219: objects of one engine taken for another's. A function of another module is refused, though its name is the same.
#[test]
fn advisory_32_objects_of_others_are_refused() {
    let one = Guest::new(r#"(module (func (export "f") (result i32) (i32.const 1)))"#);
    let two = Guest::new(
        r#"(module (func (export "g") (result i64) (i64.const 2)) (func (export "f") (result i32) (i32.const 2)))"#,
    );
    let func = one.module.code.func(b"f").expect("exported");
    let refused = instance::call(two.handle, func, &[])
        .err()
        .expect("another module's");
    assert_eq!(refused.status, Status::BadArgument, "{}", sentence());
    assert_eq!(
        instance::call(one.handle, func, &[]).expect("its own").kind,
        LUCET_RETURNED
    );
    // A handle names one instance, in whichever region.
    let handle = create(&two.region, &one.module);
    assert_eq!(
        instance::call(handle, func, &[]).expect("its own").kind,
        LUCET_RETURNED
    );
    instance::release(handle).expect("released");
    assert_eq!(
        instance::release(handle).expect_err("gone").status,
        Status::Stale
    );
}

unsafe extern "C" fn change(call: *mut lucet_call) {
    let handle = call::instance(call).expect("the call that is going on");
    memory::grow(handle, 0, 1).expect("room");
    lucet::instance::global::set(handle, b"g", &i64(77)).expect("mutable");
    let null = lucet_value::from_bits(ValueType::Externref.number(), 5);
    table::grow(handle, b"t", 2, &null).expect("room");
}

/// CVE-2023-30624: what changed behind the compiler's back was not read again. Whatever a helper or host function changes is seen by
/// the code that called it, in the same function.
#[test]
fn advisory_33_what_a_call_changes_is_seen() {
    let mut linker = linker();
    let definition = Definition::Typed {
        function: change as *const (),
        types: 0,
        leaf: false,
        data: null_mut(),
    };
    linker
        .define(b"env", b"change", definition)
        .expect("a definition");
    let guest = Guest::linked(
        r#"(module (import "env" "change" (func $change))
             (memory (export "memory") 1 5) (global (export "g") (mut i64) (i64.const 1)) (table (export "t") 1 9 externref)
             (func (export "f") (result i32) (local i32)
               (local.set 0 (i32.add (memory.size) (i32.add (i32.wrap_i64 (global.get 0)) (table.size 0))))
               (call $change)
               (drop (memory.grow (i32.const 1)))
               (i32.store (i32.const 0x2fff8) (i32.const 1000))
               (i32.add (i32.load (i32.const 0x2fff8)) (i32.add (i32.mul (i32.const 10000) (local.get 0))
                 (i32.add (memory.size) (i32.add (i32.wrap_i64 (global.get 0)) (table.size 0)))))))"#,
        &linker,
        &small(),
    );
    for _ in 0..3 {
        // First 1 + 1 + 1, then 3 + 77 + 3.
        assert_eq!(guest.run_i32("f", &[]), 30_000 + 1000 + 83);
        guest.reset();
    }
}

unsafe extern "C" fn wait(call: *mut lucet_call) {
    call::suspend(call, 1).expect("not nested");
}

unsafe extern "C" fn reset_caller(call: *mut lucet_call) {
    let handle = call::instance(call).expect("the call that is going on");
    assert_eq!(
        instance::reset(handle).expect_err("it runs").status,
        Status::Running
    );
    assert_eq!(
        instance::release(handle).expect_err("it runs").status,
        Status::Running
    );
}

/// CVE-2026-27195: giving up a call that is under way. Reset and release in every state end it, or are refused, and leave nothing.
#[test]
fn advisory_40_calls_under_way_can_be_given_up() {
    let mut linker = linker();
    for (name, function) in [
        ("wait", wait as *const ()),
        ("reset", reset_caller as *const ()),
    ] {
        let definition = Definition::Typed {
            function,
            types: 0,
            leaf: false,
            data: null_mut(),
        };
        linker
            .define(b"env", name.as_bytes(), definition)
            .expect("a definition");
    }
    let text = r#"(module (import "env" "wait" (func $wait)) (import "env" "reset" (func $reset)) (memory (export "memory") 2)
        (func $dirty (memory.fill (i32.const 0) (i32.const 0x41) (i32.const 131072)))
        (func (export "wait") (call $dirty) (call $wait))
        (func (export "spin") (call $dirty) (loop $l (br $l)))
        (func (export "trap") (call $dirty) unreachable)
        (func (export "reset") (call $dirty) (call $reset)))"#;
    let module = module(text, &linker);
    let region = region(&one_slot(1 << 20));
    let preempt = Limits {
        time: Allowance {
            slice: 300_000,
            ..Allowance::default()
        },
        ..Limits::default()
    };
    let states = [
        ("wait", LUCET_SUSPENDED),
        ("spin", LUCET_PREEMPTED),
        ("trap", LUCET_TRAPPED),
        ("reset", LUCET_RETURNED),
    ];
    for (name, kind) in states {
        for releases in [false, true, false, true] {
            // The others are not to depend on how fast they get there.
            let limits = if kind == LUCET_PREEMPTED {
                preempt
            } else {
                Limits::default()
            };
            let mut handle = instance::create(&region, &module, null_mut(), limits).expect("made");
            assert_eq!(
                instance::run(handle, name.as_bytes(), &[])
                    .expect("runs")
                    .kind,
                kind
            );
            if releases {
                instance::release(handle).expect("released");
                handle = create(&region, &module);
            } else {
                instance::reset(handle).expect("reset");
            }
            assert!(contents(handle).iter().all(|byte| *byte == 0), "{name}");
            let refused = instance::resume(handle, &[]).err().expect("nothing waits");
            assert_eq!(refused.status, Status::BadState);
            instance::release(handle).expect("released");
        }
    }
}

unsafe extern "C" fn echo(
    _: *mut lucet_call,
    data: *mut c_void,
    arguments: *const lucet_value,
    results: *mut lucet_value,
) {
    // SAFETY: defined with as many parameters and results as the data say.
    unsafe { results.copy_from_nonoverlapping(arguments, *data.cast::<usize>()) };
}

/// wasmi CVE-2024-28123: a host call with more than 128 parameters wrote out of bounds. Any number that validates goes in and out, both ways.
#[test]
fn advisory_60_any_number_of_parameters_and_results() {
    for count in [0usize, 1, 5, 6, 7, 8, 9, 16, 127, 128, 129, 255, 256, 1000] {
        let mut linker = linker();
        let types = vec![ValueType::I64; count];
        let data = DynamicData::new((&raw const count).cast_mut().cast(), None).expect("memory");
        let definition = Definition::dynamic(&types, &types, echo, data).expect("a definition");
        linker
            .define(b"env", b"echo", definition)
            .expect("a definition");
        let list = "i64 ".repeat(count);
        let get: String = (0..count)
            .map(|index| format!("(local.get {index}) "))
            .collect();
        let text = format!(
            r#"(module (import "env" "echo" (func $echo (param {list}) (result {list})))
                (func (export "f") (param {list}) (result {list}) {get} (call $echo)))"#
        );
        let config = RegionConfig {
            values: 1024,
            ..small()
        };
        let guest = Guest::linked(&text, &linker, &config);
        let arguments: Vec<lucet_value> =
            (0..count).map(|index| i64(index as i64 * 7 - 3)).collect();
        let outcome = guest.run("f", &arguments);
        assert_eq!(
            (outcome.kind, outcome.value_count as usize),
            (LUCET_RETURNED, count)
        );
        for (index, argument) in arguments.iter().enumerate() {
            // SAFETY: as many values were returned.
            let result = unsafe { *outcome.values.add(index) };
            assert_eq!(result.bits(), argument.bits(), "{index} of {count}");
        }
    }
}

/// Epsilon: uninitialised references, and references that mean something else in another module.
#[test]
fn advisory_61_references_are_null_or_ones_own() {
    let guest = Guest::new(
        r#"(module (type $t (func (result i32))) (table (export "t") 3 funcref) (elem (i32.const 1) $f) (func $f (result i32) (i32.const 9))
             (func (export "is_null") (result i32) (local funcref externref)
               (i32.and (ref.is_null (local.get 0)) (ref.is_null (local.get 1))))
             (func (export "call") (param funcref) (result i32)
               (table.set 0 (i32.const 0) (local.get 0)) (call_indirect (type $t) (i32.const 0)))
             (func (export "empty") (result i32) (call_indirect (type $t) (i32.const 2))))"#,
    );
    let many: String = (0..100)
        .map(|number| format!("(func $f{number})"))
        .collect();
    let all: String = (0..100).map(|number| format!("$f{number} ")).collect();
    let other = Guest::new(&format!(
        r#"(module (table (export "t") 100 funcref) {many} (elem (i32.const 0) {all}))"#
    ));
    assert_eq!(guest.run_i32("is_null", &[]), 1);
    traps(&guest, "empty", &[], TrapCode::NullCall);
    let own = table::get(guest.handle, b"t", 1).expect("an element");
    assert_eq!(guest.run_i32("call", &[own]), 9);
    let foreign = table::get(other.handle, b"t", 99).expect("an element");
    assert!(
        foreign.bits() > own.bits(),
        "the other module has more functions"
    );
    let refused = instance::run(guest.handle, b"call", &[foreign])
        .err()
        .expect("not its own");
    assert_eq!(refused.status, Status::BadArgument);
    let refused = table::set(guest.handle, b"t", 0, &foreign).expect_err("not its own");
    assert_eq!(refused.status, Status::BadArgument);
}

/// Texts from a host: with NULs, not UTF-8, empty, long.
#[test]
fn advisory_62_names_of_any_bytes() {
    let guest = Guest::new(
        "(module (func (export \"\") (result i32) (i32.const 1)) (func (export \"a\\00b\") (result i32) (i32.const 2)))",
    );
    assert_eq!(guest.run_i32("", &[]), 1);
    assert_eq!(guest.run_i32("a\0b", &[]), 2);
    let long = vec![b'x'; 4 << 20];
    for name in [&b"a"[..], b"\xff\xfe", b"\0", &long] {
        let refused = instance::run(guest.handle, name, &[])
            .err()
            .expect("no such export");
        assert_eq!(refused.status, Status::NotFound);
        assert!(!sentence().is_empty());
    }
}
