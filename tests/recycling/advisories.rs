//! Published advisories of other runtimes (and of the first Lucet) about pools of instances: each as a test of ours, with the number
//! that it has in `docs/recycling.md`.

use crate::conditions::{swapped_out, there_is_swap};
use crate::memory::{DATA, PAGE, PLAIN, contents, fresh, one_slot};
use crate::own_process::own_process;
use crate::random::Random;
use crate::support::{Guest, create, i32, module, region, sentence, small};
use crate::syscalls::{Fail, watch, watched};
use lucet::abi::{LUCET_RETURNED, LUCET_TRAPPED, lucet_value};
use lucet::error::Status;
use lucet::instance::{self, Limits, memory};
use lucet::linker::Linker;
use lucet::region::RegionConfig;
use lucet_format::trap::TrapCode;
use std::fmt::Write;
use std::ptr::null_mut;

const WASM_PAGE: i32 = 65536;

pub fn linker() -> Linker {
    Linker::new().expect("a linker")
}

pub fn traps(guest: &Guest, name: &str, arguments: &[lucet_value], code: TrapCode) {
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
