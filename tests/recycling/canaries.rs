//! Random tenants, each with a tag of its own, which it leaves wherever a guest or a host can. None finds another's, nor anything else that a
//! fresh instance would not find.
//!
//! Modules are random in what they have: memories with and without data, of several sizes, globals of every type, tables, passive
//! segments. Tenants end in every way: they return, trap, run out of stack, are killed, preempted or stopped by a deadline at some
//! instruction, are reset or released in the middle of it, and move between threads. `LUCET_SOAK=n` makes n cycles instead of a few thousand.

use crate::memory::kernel_writes;
use crate::random::Random;
use crate::support::{create, i32, i64, region, sentence};
use lucet::abi::{
    LUCET_PREEMPTED, LUCET_RETURNED, LUCET_TERMINATED, LUCET_TRAPPED, lucet_outcome, lucet_value,
};
use lucet::counted::Counted;
use lucet::instance::{self, Handle, Limits, global, memory, table};
use lucet::linker::Linker;
use lucet::module::{Module, load};
use lucet::region::{Region, RegionConfig};
use lucet::timing::{Allowance, now};
use lucetc::options::{MemoryMode, Options};
use std::fmt::Write;

const PAGE: usize = 65536;
/// Every table can grow up to this.
const MOST_ELEMENTS: u64 = 60;

/// What a module is like, and so what a fresh instance of it is.
struct Shape {
    module: Counted<Module>,
    memory: Vec<u8>,
    most_pages: usize,
    globals: Vec<(String, u128)>,
    elements: u64,
    has_passive: bool,
}

/// A data segment's bytes, never zero.
fn data(random: &mut Random) -> String {
    let length = 1 + random.below(40);
    (0..length)
        .map(|_| char::from(b'a' + random.below(26) as u8))
        .collect()
}

fn shape(random: &mut Random, linker: &Linker, mode: MemoryMode) -> Shape {
    let pages = random.below(6);
    let most_pages = pages + 1 + random.below(6);
    let elements = random.below(20) as u64;
    let mut memory = vec![0; pages * PAGE];
    let mut text = format!("(module (memory (export \"memory\") {pages} {most_pages})\n");
    let segments = if pages == 0 { 0 } else { random.below(5) };
    for _ in 0..segments {
        let bytes = data(random);
        let at = random.below(memory.len() - bytes.len());
        memory[at..at + bytes.len()].copy_from_slice(bytes.as_bytes());
        writeln!(text, "(data (i32.const {at}) \"{bytes}\")").expect("text");
    }
    let mut globals = Vec::new();
    let mut setters = String::new();
    for index in 0..random.below(6) {
        let value = random.below(1 << 30) as u128;
        let (kind, bits, set) = match random.below(4) {
            0 => ("i32", value, "(i32.wrap_i64 (local.get 0))"),
            1 => ("i64", value, "(local.get 0)"),
            2 => (
                "f64",
                u128::from((value as f64).to_bits()),
                "(f64.reinterpret_i64 (local.get 0))",
            ),
            _ => (
                "f32",
                u128::from((value as f32).to_bits()),
                "(f32.reinterpret_i32 (i32.wrap_i64 (local.get 0)))",
            ),
        };
        writeln!(
            text,
            "(global (export \"g{index}\") (mut {kind}) ({kind}.const {value}))"
        )
        .expect("text");
        writeln!(setters, "(global.set {index} {set})").expect("text");
        globals.push((format!("g{index}"), bits));
    }
    let has_passive = random.below(2) == 0;
    let (passive, drop, init) = if has_passive {
        (
            "(data $passive \"passive!\") (elem $later funcref (ref.func $nothing))",
            "(data.drop $passive) (elem.drop $later)",
            "(memory.init $passive (i32.const 0) (i32.const 0) (i32.const 8)) (table.init $f $later (i32.const 0) (i32.const 0) (i32.const 1))",
        )
    } else {
        ("", "", "")
    };
    write!(
        text,
        r#"(table $o (export "objects") {elements} {MOST_ELEMENTS} externref)
        (table $f (export "functions") 3 {MOST_ELEMENTS} funcref)
        (elem declare func $nothing) {passive}
        (func $nothing)
        (func (export "store") (param i64 i32) (i64.store (local.get 1) (local.get 0)))
        (func (export "fill") (param i64 i32 i32) (memory.fill (local.get 1) (i32.wrap_i64 (local.get 0)) (local.get 2)))
        (func (export "globals") (param i64) {setters} {drop})
        (func (export "tables") (param i64 externref i32)
          (drop (table.grow $o (local.get 1) (local.get 2)))
          (table.fill $o (i32.const 0) (local.get 1) (table.size $o))
          (drop (table.grow $f (ref.func $nothing) (local.get 2)))
          (table.fill $f (i32.const 0) (ref.func $nothing) (table.size $f)))
        (func (export "grow") (param i64 i32) (result i32) (memory.grow (local.get 1)))
        (func $deep (param i64) (result i64) (local i64 i64 i64)
          (local.set 1 (i64.mul (local.get 0) (i64.const 3))) (local.set 2 (i64.xor (local.get 0) (local.get 1)))
          (i64.add (call $deep (local.get 0)) (i64.add (local.get 1) (local.get 2))))
        (func (export "deep") (param i64) (drop (call $deep (local.get 0))))
        (func (export "trap") (param i64) (unreachable))
        ;; Writes its tag all over the memory, for ever.
        (func (export "spin") (param i64) (local i32)
          (loop $next
            (i64.store (local.get 1) (local.get 0))
            (local.set 1 (i32.rem_u (i32.add (local.get 1) (i32.const 3001))
              (i32.sub (i32.mul (memory.size) (i32.const 65536)) (i32.const 8))))
            (br $next)))
        (func (export "segments") {init}))"#
    )
    .expect("text");
    Shape {
        module: compiled(&text, linker, mode),
        memory,
        most_pages,
        globals,
        elements,
        has_passive,
    }
}

fn compiled(text: &str, linker: &Linker, memory: MemoryMode) -> Counted<Module> {
    let options = Options {
        memory,
        ..Options::default()
    };
    let file = lucetc::compile_module(text.as_bytes(), &options).expect("the guest compiles");
    let code = load::bytes(&file).unwrap_or_else(|_| panic!("{}", sentence()));
    Module::link(&code, linker, &mut |_| {}).unwrap_or_else(|_| panic!("{}", sentence()))
}

fn object(tag: u64) -> lucet_value {
    lucet_value::from_bits(7, u128::from(tag))
}

fn run(handle: Handle, name: &str, arguments: &[lucet_value]) -> lucet_outcome {
    instance::run(handle, name.as_bytes(), arguments)
        .unwrap_or_else(|_| panic!("{name}: {}", sentence()))
}

fn bytes(handle: Handle) -> &'static [u8] {
    let (address, length) = memory::memory(handle, 0).expect("a memory");
    // SAFETY: the memory is readable while the instance lives and does not grow; callers look at it before going on.
    unsafe { std::slice::from_raw_parts(address as *const u8, length) }
}

/// That an instance is like a fresh one, as far as its host sees.
fn assert_fresh(shape: &Shape, handle: Handle, when: &str) {
    assert!(bytes(handle) == shape.memory.as_slice(), "{when}: memory");
    for (name, expected) in &shape.globals {
        let found = global::get(handle, name.as_bytes())
            .expect("a global")
            .bits();
        assert_eq!(found, *expected, "{when}: global {name}");
    }
    for (name, length) in [("objects", shape.elements), ("functions", 3)] {
        let name = name.as_bytes();
        assert_eq!(
            table::size(handle, name).expect("a table"),
            length,
            "{when}"
        );
        for index in 0..length {
            let found = table::get(handle, name, index).expect("an element").bits();
            assert_eq!(found, 0, "{when}: an element");
        }
    }
}

/// That it is like a fresh one where only growth shows it: memory up to its maximum, tables up to theirs, segments.
fn assert_fresh_when_grown(shape: &Shape, handle: Handle, when: &str) {
    let pages = (shape.most_pages - shape.memory.len() / PAGE) as u64;
    memory::grow(handle, 0, pages).expect("up to its maximum");
    let grown = &bytes(handle)[shape.memory.len()..];
    assert!(grown.iter().all(|byte| *byte == 0), "{when}: grown memory");
    for name in [&b"objects"[..], b"functions"] {
        let length = table::size(handle, name).expect("a table");
        let null = table::get(handle, name, 0);
        let null = null.unwrap_or_else(|_| object(0));
        table::grow(handle, name, MOST_ELEMENTS - length, &null).expect("up to its maximum");
        for index in 0..MOST_ELEMENTS {
            let found = table::get(handle, name, index).expect("an element").bits();
            assert_eq!(found, 0, "{when}: an element");
        }
    }
    if shape.has_passive {
        let outcome = run(handle, "segments", &[]);
        assert_eq!(outcome.kind, LUCET_RETURNED, "{when}: segments are there");
    }
}

/// Leaves the tag in one way.
fn leave_tag(shape: &Shape, handle: Handle, tag: u64, random: &mut Random) {
    let tagged = i64(tag as i64);
    let length = bytes(handle).len();
    let place = || random.0 as usize % length.max(9).saturating_sub(8);
    match random.0 % 11 {
        0 | 1 if length > 8 => {
            let outcome = run(handle, "store", &[tagged, i32(place() as i32)]);
            assert_eq!(outcome.kind, LUCET_RETURNED);
        }
        2 => {
            let outcome = run(handle, "fill", &[tagged, i32(0), i32(length as i32)]);
            assert_eq!(outcome.kind, LUCET_RETURNED);
        }
        3 => drop(run(handle, "globals", &[tagged])),
        4 => {
            let count = i32((tag % 40) as i32);
            assert_eq!(
                run(handle, "tables", &[tagged, object(tag), count]).kind,
                LUCET_RETURNED
            );
        }
        5 => {
            run(handle, "grow", &[tagged, i32((tag % 7) as i32)]);
            let all = i32(bytes(handle).len() as i32);
            run(handle, "fill", &[tagged, i32(0), all]);
        }
        6 if length > 8 => kernel_writes(handle, place()),
        7 if length > 8 => {
            let source = tag.to_le_bytes();
            // SAFETY: the source has eight bytes.
            unsafe { memory::write(handle, 0, place() as u64, source.as_ptr(), 8) }
                .expect("within memory");
        }
        8 => {
            for (name, _) in &shape.globals {
                let mut value = global::get(handle, name.as_bytes()).expect("a global");
                value = lucet_value::from_bits(value.r#type as u8, u128::from(tag as u32));
                global::set(handle, name.as_bytes(), &value).expect("mutable");
            }
        }
        9 if shape.elements > 0 => {
            table::set(handle, b"objects", 0, &object(tag)).expect("an element");
        }
        _ => {}
    }
    random.below(2);
}

/// How a tenant comes to its end, beyond returning.
fn end(handle: Handle, tag: u64, random: &mut Random) {
    let tagged = [i64(tag as i64)];
    match random.below(8) {
        0 => assert_eq!(run(handle, "trap", &tagged).kind, LUCET_TRAPPED),
        1 => assert_eq!(run(handle, "deep", &tagged).kind, LUCET_TRAPPED),
        2 => stopped(
            handle,
            &tagged,
            LUCET_TERMINATED,
            |span| Allowance {
                deadline: now() + span,
                ..Allowance::default()
            },
            random,
        ),
        3 => stopped(
            handle,
            &tagged,
            LUCET_PREEMPTED,
            |span| Allowance {
                slice: span,
                ..Allowance::default()
            },
            random,
        ),
        4 => {
            let victim = instance::kill_handle(handle).expect("a live instance");
            let wait = std::time::Duration::from_micros(random.below(300) as u64);
            let killer = std::thread::spawn(move || {
                std::thread::sleep(wait);
                instance::kill(victim, 1);
            });
            let kind = run(handle, "spin", &tagged).kind;
            assert!(kind == LUCET_TERMINATED || kind == LUCET_TRAPPED);
            killer.join().expect("the killer");
        }
        _ => {}
    }
}

/// Spins until its time is over. In a memory without room for a word it traps before.
fn stopped(
    handle: Handle,
    tagged: &[lucet_value],
    kind: u32,
    time: impl FnOnce(u64) -> Allowance,
    random: &mut Random,
) {
    let limits = |time| Limits {
        time,
        ..Limits::default()
    };
    let span = 1 + random.below(300_000) as u64;
    instance::set_limits(handle, limits(time(span))).expect("limits");
    let outcome = run(handle, "spin", tagged);
    assert!(outcome.kind == kind || outcome.kind == LUCET_TRAPPED);
    instance::set_limits(handle, limits(Allowance::default())).expect("limits");
}

fn tenancy(region: &Counted<Region>, shape: &Shape, tag: u64, random: &mut Random) {
    let handle = create(region, &shape.module);
    for round in 0..1 + random.below(3) {
        let when = format!("tenant {tag}, round {round}");
        assert_fresh(shape, handle, &when);
        if random.below(6) == 0 {
            assert_fresh_when_grown(shape, handle, &when);
        }
        for _ in 0..random.below(5) {
            leave_tag(shape, handle, tag, random);
        }
        end(handle, tag, random);
        instance::reset(handle).unwrap_or_else(|_| panic!("{when}: {}", sentence()));
        assert_fresh(shape, handle, &when);
    }
    leave_tag(shape, handle, tag, random);
    end(handle, tag, random);
    instance::release(handle).unwrap_or_else(|_| panic!("tenant {tag}: {}", sentence()));
}

fn cycles() -> u64 {
    let soak = std::env::var("LUCET_SOAK").ok();
    soak.and_then(|cycles| cycles.parse().ok()).unwrap_or(600)
}

/// Tenants of a dozen modules in a few slots.
fn tenants(seed: u64, config: RegionConfig, count: u64) {
    let linker = Linker::new().expect("a linker");
    let mut random = Random(seed);
    let mode = if config.compact {
        MemoryMode::Bounds
    } else {
        MemoryMode::Guarded
    };
    let shapes: Vec<Shape> = (0..12).map(|_| shape(&mut random, &linker, mode)).collect();
    let region = region(&config);
    for tag in 1..=count {
        let which = random.below(shapes.len());
        // A few modules for a while, then others: slots keep their tenants and lose them.
        let which = if tag % 100 < 60 { which % 2 } else { which };
        let tag = 0xa5a5_0000_0000_0000 | tag;
        if random.below(8) == 0 {
            let (region, shape) = (&region, &shapes[which]);
            let mut random = Random(random.0);
            std::thread::scope(|scope| {
                let other = scope.spawn(move || tenancy(region, shape, tag, &mut random));
                other.join().expect("a tenancy on another thread");
            });
        } else {
            tenancy(&region, &shapes[which], tag, &mut random);
        }
    }
}

fn few(keep: u64) -> RegionConfig {
    RegionConfig {
        instances: 3,
        keep_resident_bytes: keep,
        ..RegionConfig::default()
    }
}

#[test]
fn no_tenant_finds_anothers_tag() {
    tenants(1, few(1 << 20), cycles());
}

#[test]
fn nor_where_little_is_kept() {
    tenants(2, few(16 << 10), cycles());
}

#[test]
fn nor_where_nothing_is_kept() {
    tenants(3, few(0), cycles() / 2);
}

#[test]
fn nor_where_a_budget_takes_it_away() {
    let config = RegionConfig {
        budget_bytes: 200 << 10,
        ..few(1 << 20)
    };
    tenants(4, config, cycles());
}

/// The library compares, too: everything, each time.
#[test]
fn and_the_library_sees_none() {
    let config = RegionConfig {
        verify: true,
        ..few(1 << 20)
    };
    tenants(5, config, cycles() / 2);
}

/// Slots without guards, next to each other.
#[test]
fn nor_in_compact_regions() {
    for (seed, verify, count) in [(7, false, cycles()), (8, true, cycles() / 4)] {
        let config = RegionConfig {
            compact: true,
            verify,
            memory_bytes: 12 * PAGE as u64,
            ..few(1 << 20)
        };
        tenants(seed, config, count);
    }
}

/// Several threads at once, with the same slots.
#[test]
fn nor_with_threads_at_the_same_time() {
    let linker = Linker::new().expect("a linker");
    let mut random = Random(6);
    let mode = MemoryMode::Guarded;
    let shapes: Vec<Shape> = (0..4).map(|_| shape(&mut random, &linker, mode)).collect();
    let region = region(&RegionConfig {
        instances: 4,
        ..few(1 << 20)
    });
    std::thread::scope(|scope| {
        for thread in 0..3u64 {
            let (region, shapes) = (&region, &shapes);
            scope.spawn(move || {
                let mut random = Random(100 + thread);
                for tag in 0..cycles() / 3 {
                    let shape = &shapes[random.below(shapes.len())];
                    tenancy(region, shape, thread << 32 | tag | 1 << 60, &mut random);
                }
            });
        }
    });
}
