//! What is refused when a module is linked, and published advisories of other runtimes about what host functions are given, each with
//! the number that it has in `docs/host-functions.md`.

use crate::functions::{FUNCTIONS, SEEN, Slice};
use crate::support::{Guest, i32, region, small};
use lucet::abi::{LUCET_RETURNED, lucet_call, lucet_value};
use lucet::checks::Plan;
use lucet::counted::Counted;
use lucet::error::Status;
use lucet::instance::{self, Handle, alloc, memory};
use lucet::linker::{Definition, DynamicData, Linker};
use lucet::module::{Module, load};
use lucet::region::RegionConfig;
use lucet_format::checks::{access, kind};
use lucet_format::value::ValueType;
use lucetc::options::Options;
use std::ffi::c_void;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

const PAGE: u32 = 65536;

fn compiled(wat: &str) -> Vec<u8> {
    lucetc::compile_module(wat.as_bytes(), &Options::default()).expect("a good module")
}

fn links(file: &[u8], linker: &Linker) -> bool {
    let code = load::bytes(file).expect("a good file");
    Module::link(&code, linker, &mut |_| {}).is_ok()
}

fn define(linker: &mut Linker, definition: Definition) {
    linker.define(b"m", b"f", definition).expect("new");
}

fn linked(wat: &str, linker: &Linker) -> Guest {
    let code = load::bytes(&compiled(wat)).expect("a good file");
    let module = Module::link(&code, linker, &mut |_| {}).expect("a module");
    let region = region(&RegionConfig {
        values: 2000,
        ..small()
    });
    let handle = crate::support::create(&region, &module);
    Guest {
        region,
        module,
        handle,
    }
}

/// Value types by the number that C has for them; 0 is none.
const TYPES: [&str; 8] = [
    "",
    "i32",
    "i64",
    "f32",
    "f64",
    "v128",
    "funcref",
    "externref",
];

#[test]
fn every_signature_against_every_type() {
    let mut files = Vec::new();
    for result in TYPES {
        for parameter in TYPES {
            let part = |word: &str, value: &str| {
                if value.is_empty() {
                    String::new()
                } else {
                    format!("({word} {value})")
                }
            };
            let (parameter, result) = (part("param", parameter), part("result", result));
            files.push(compiled(&format!(
                "(module (import \"m\" \"f\" (func {parameter} {result})))"
            )));
        }
    }
    // Two numbers, as a buffer is.
    let buffers = compiled("(module (import \"m\" \"f\" (func (param i32 i32) (result i32))))");
    let mut refused = 0;
    for result in 0..8u64 {
        for parameter in 0..8u64 {
            let mut linker = Linker::new().expect("a linker");
            let definition = Definition::Typed {
                function: every_signature_against_every_type as *const (),
                types: result | parameter << 4,
                leaf: false,
                data: std::ptr::null_mut(),
            };
            if linker.define(b"m", b"f", definition).is_err() {
                // Not a type that C can write.
                refused += 1;
                continue;
            }
            assert!(!links(&buffers, &linker), "{result} {parameter}");
            for (index, file) in files.iter().enumerate() {
                let same = index as u64 == result * 8 + parameter;
                assert_eq!(links(file, &linker), same, "{result} {parameter} {index}");
            }
        }
    }
    assert!(refused < 16, "{refused}");
    let mut linker = Linker::new().expect("a linker");
    let read = &FUNCTIONS[0];
    let plan = Plan::new(read.entry, read.types(), &read.checks(), None).expect("a plan");
    let plan = Counted::new(plan).expect("memory");
    define(
        &mut linker,
        Definition::Checked {
            plan,
            leaf: false,
            data: std::ptr::null_mut(),
        },
    );
    assert!(links(&buffers, &linker));
    assert!(!files.iter().any(|file| links(file, &linker)));
    for other in ["i32", "i32 i64", "i64 i32", "i32 i32 i32", "f32 i32", ""] {
        let file = compiled(&format!(
            "(module (import \"m\" \"f\" (func (param {other}) (result i32))))"
        ));
        assert!(!links(&file, &linker), "{other}");
    }
}

/// Functions of many parameters, one of which has another type than the host's.
#[test]
fn every_place_of_a_signature_against_every_type() {
    for count in [2, 3, 7, 12] {
        for right in 1..=5u64 {
            let mut linker = Linker::new().expect("a linker");
            let types = (1..=count).fold(1, |types, place| types | right << (4 * place));
            let definition = Definition::Typed {
                function: every_place_of_a_signature_against_every_type as *const (),
                types,
                leaf: false,
                data: std::ptr::null_mut(),
            };
            define(&mut linker, definition);
            let file = |wrong: Option<(usize, &str)>| {
                let parameters: Vec<&str> = (0..count)
                    .map(|place| match wrong {
                        Some((at, wrong)) if at == place => wrong,
                        _ => TYPES[right as usize],
                    })
                    .collect();
                let parameters = parameters.join(" ");
                compiled(&format!(
                    "(module (import \"m\" \"f\" (func (param {parameters}) (result i32))))"
                ))
            };
            assert!(links(&file(None), &linker), "{count} of {right}");
            for place in 0..count {
                for (index, wrong) in TYPES.into_iter().enumerate() {
                    if index as u64 != right {
                        // Number 0 is no type: one parameter too few.
                        let wrong = file(Some((place, wrong)));
                        assert!(
                            !links(&wrong, &linker),
                            "{count} of {right}: {place} {index}"
                        );
                    }
                }
            }
        }
    }
}

/// Wasmtime's component model set (CVE-2025-62711, CVE-2026-34941 and others): a length times an element's size, and an allocator's answer,
/// used unchecked. The first is in the tests against the oracle; here are answers.
#[test]
fn advisory_45_the_answer_of_an_allocator_is_checked() {
    let guest = Guest::new(
        r#"(module (memory 1) (global $answer (export "answer") (mut i32) (i32.const 0))
          (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (global.get $answer)))"#,
    );
    let cases = [
        (1, 16, 1, true),
        (0, 16, 1, false), // an allocator that has nothing
        (0, 0, 1, true),
        (65520, 16, 1, true),
        (65521, 16, 1, false),
        (65536, 0, 1, true),
        (-1, 1, 1, false),
        (-16, 16, 1, false),
        (-16, 32, 1, false),
        (64, 16, 8, true),
        (68, 16, 8, false),
        (68, 16, 4, true),
        (68, 0, 8, false),
        (32768, 16, 32768, true),
        (16384, 16, 32768, false),
    ];
    for (answer, size, align, good) in cases {
        instance::global::set(guest.handle, b"answer", &i32(answer)).expect("a global");
        let (address, _) = alloc::alloc(guest.handle, size, align);
        match address {
            Ok(address) => assert!(
                good && address == u64::from(answer.cast_unsigned()),
                "{answer}"
            ),
            Err(failure) => assert!(!good && failure.status == Status::OutOfBounds, "{answer}"),
        }
    }
    let (too_much, _) = alloc::alloc(guest.handle, 1 << 32, 1);
    assert_eq!(too_much.expect_err("too much").status, Status::Limit);
}

/// WAMR's socket functions: host functions that did not look at a pointer. Every function of our WASI stub, each of its numbers at each edge.
#[test]
fn advisory_54_every_pointer_of_every_wasi_function() {
    const FUNCTIONS: [(&str, usize); 9] = [
        ("args_get", 2),
        ("args_sizes_get", 2),
        ("environ_get", 2),
        ("environ_sizes_get", 2),
        ("clock_res_get", 2),
        ("fd_fdstat_get", 2),
        ("fd_prestat_get", 2),
        ("fd_write", 4),
        ("random_get", 2),
    ];
    let mut linker = Linker::new().expect("a linker");
    let strings = || vec![b"program\0".to_vec(), b"argument\0".to_vec()];
    lucet::wasi::define(&mut linker, strings(), strings()).expect("memory");
    let (mut imports, mut exports) = (String::new(), String::new());
    for (name, count) in FUNCTIONS {
        let parameters = "i32 ".repeat(count);
        let arguments: String = (0..count)
            .map(|index| format!("(local.get {index})"))
            .collect();
        imports += &format!(
            "(import \"wasi_snapshot_preview1\" \"{name}\" (func ${name} (param {parameters}) (result i32)))"
        );
        exports += &format!(
            "(func (export \"{name}\") (param {parameters}) (result i32) (call ${name} {arguments}))"
        );
    }
    let guest = linked(
        &format!("(module {imports} (memory (export \"memory\") 1) {exports})"),
        &linker,
    );
    let edges = [
        0,
        1,
        PAGE - 9,
        PAGE - 4,
        PAGE - 1,
        PAGE,
        u32::MAX - 3,
        u32::MAX,
    ];
    /// What WASI calls a bad address.
    const EFAULT: i32 = 21;
    let (mut good, mut refused) = (0, 0);
    for (name, count) in FUNCTIONS {
        for number in 0..edges.len().pow(count as u32) {
            let chosen = |place: usize| edges[number / edges.len().pow(place as u32) % edges.len()];
            let arguments: Vec<lucet_value> = (0..count)
                .map(|place| i32(chosen(place).cast_signed()))
                .collect();
            match guest.run_i32(name, &arguments) {
                EFAULT => refused += 1,
                _ => good += 1,
            }
        }
    }
    assert!(
        good > 100 && refused > 100,
        "{good} good, {refused} refused"
    );
}

unsafe extern "C" fn sum(
    _: *mut lucet_call,
    data: *mut c_void,
    arguments: *const lucet_value,
    results: *mut lucet_value,
) {
    let (parameters, count) = (data as usize >> 16, data as usize & 0xffff);
    // SAFETY: the definition below has as many parameters and results as its data says.
    unsafe {
        let sum = (0..parameters).fold(0i64, |sum, index| sum + (*arguments.add(index)).of.i64);
        for index in 0..count {
            results
                .add(index)
                .write(crate::support::i64(sum + index as i64));
        }
    }
}

/// CVE-2024-28123 (wasmi): a call with more parameters than a buffer was made for wrote behind it.
#[test]
fn advisory_60_up_to_a_thousand_parameters_and_results() {
    for count in [
        0, 1, 4, 5, 6, 7, 12, 13, 16, 17, 127, 128, 129, 255, 256, 999, 1000,
    ] {
        let (parameters, results) = (vec![ValueType::I64; count], vec![ValueType::I64; count]);
        let data = DynamicData::new((count << 16 | count) as *mut c_void, None).expect("memory");
        let mut linker = Linker::new().expect("a linker");
        define(
            &mut linker,
            Definition::dynamic(&parameters, &results, sum, data).expect("memory"),
        );
        let types = "i64 ".repeat(count);
        let arguments: String = (0..count)
            .map(|index| format!("(i64.const {index})"))
            .collect();
        let drops = "drop ".repeat(count.saturating_sub(1));
        let (result, last) = if count == 0 {
            ("", "")
        } else {
            ("(result i64)", "")
        };
        // The first result is the deepest: all others are dropped.
        let wat = format!(
            "(module (import \"m\" \"f\" (func $f (param {types}) (result {types}))) (func (export \"g\") {result} {arguments} (call $f) {drops} {last}))"
        );
        let guest = linked(&wat, &linker);
        let outcome = guest.run("g", &[]);
        assert_eq!(outcome.kind, LUCET_RETURNED, "{count}");
        if count > 0 {
            // SAFETY: one value was returned.
            let value = unsafe { (*outcome.values).of.i64 };
            assert_eq!(value, (count * (count - 1) / 2) as i64, "{count}");
        }
    }
}

unsafe extern "C" fn grow(call: *mut lucet_call) -> i32 {
    let instance = lucet::call::instance(call).expect("a call");
    memory::grow(instance, 0, 1).expect("room") as i32
}

/// CVE-2025-66627 (wasmi): the memory's place and length were kept over a growth.
#[test]
fn advisory_60_length_is_read_again_after_the_host_has_grown_memory() {
    let mut linker = Linker::new().expect("a linker");
    let definition = Definition::Typed {
        function: grow as *const (),
        types: 1,
        leaf: false,
        data: std::ptr::null_mut(),
    };
    define(&mut linker, definition);
    let guest = linked(
        r#"(module (import "m" "f" (func $f (result i32))) (memory (export "memory") 1 9)
          (func (export "g") (result i32) (local $before i32)
            (local.set $before (memory.size)) (drop (call $f))
            (i32.store8 (i32.sub (i32.mul (memory.size) (i32.const 65536)) (i32.const 1)) (i32.const 7))
            (i32.sub (memory.size) (local.get $before))))"#,
        &linker,
    );
    for _ in 0..8 {
        assert_eq!(guest.run_i32("g", &[]), 1);
    }
    assert_eq!(
        memory::memory(guest.handle, 0).expect("a memory").1,
        9 * PAGE as usize
    );
}

static CHANGED: AtomicBool = AtomicBool::new(false);

/// Looks twice at what it was given, as a careless parser does.
extern "C" fn look_twice(_: *mut lucet_call, text: Slice) -> i32 {
    // SAFETY: checked to be so many bytes; they are another thread's business at the same time, so they are read atomically.
    let bytes = unsafe { std::slice::from_raw_parts(text.0 as *const AtomicU8, text.1 as usize) };
    let read = || {
        bytes
            .iter()
            .map(|byte| byte.load(Ordering::Relaxed))
            .collect::<Vec<_>>()
    };
    let first = read();
    for _ in 0..20 {
        std::hint::spin_loop();
    }
    if first != read() {
        CHANGED.store(true, Ordering::Relaxed);
    }
    i32::from(String::from_utf8(first).is_ok())
}

/// Changes guest memory for as long as the other one calls.
fn mutate(handle: Handle, calls: impl FnOnce()) {
    let base = memory::memory(handle, 0).expect("a memory").0;
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut byte = b'a';
            while !stop.load(Ordering::Relaxed) {
                for at in 0..32 {
                    // SAFETY: the first page of a live instance, which is written by nobody else.
                    unsafe { &*((base + at) as *const AtomicU8) }.store(byte, Ordering::Relaxed);
                }
                byte = if byte == b'a' { 0xff } else { b'a' };
            }
        });
        calls();
        stop.store(true, Ordering::Relaxed);
    });
}

/// Memory that changes between two reads of a host function: with a copy it cannot see that, and what was found to be text is text.
#[test]
fn a_copy_does_not_change_while_the_guests_memory_does() {
    let text = FUNCTIONS
        .iter()
        .find(|function| function.name == "text")
        .expect("it");
    for copied in [true, false] {
        let mut checks = text.checks();
        if copied {
            checks[0].kind |= access::COPY;
        } else {
            // Bytes: the guest's memory may be no text by the time that somebody looks.
            checks[0].kind = kind::SLICE | access::READ;
        }
        let mut linker = Linker::new().expect("a linker");
        let plan =
            Plan::new(look_twice as *const (), text.types(), &checks, Some(2)).expect("a plan");
        let plan = Counted::new(plan).expect("memory");
        define(
            &mut linker,
            Definition::Checked {
                plan,
                leaf: false,
                data: std::ptr::null_mut(),
            },
        );
        let guest = linked(
            "(module (import \"m\" \"f\" (func $f (param i32 i32) (result i32))) (memory 1)
              (func (export \"g\") (result i32) (call $f (i32.const 0) (i32.const 32))))",
            &linker,
        );
        CHANGED.store(false, Ordering::Relaxed);
        let (mut good, mut refused) = (0u32, 0u32);
        mutate(guest.handle, || {
            // Until both have been seen, and the change, where it can be: so that this does not depend on load.
            for round in 0..20_000_000u32 {
                match guest.run_i32("g", &[]) {
                    1 => good += 1,
                    2 => refused += 1,
                    _ => assert!(!copied, "text that was checked is none"),
                }
                let seen = if copied {
                    good > 100 && refused > 100
                } else {
                    CHANGED.load(Ordering::Relaxed)
                };
                if round > 20_000 && seen {
                    break;
                }
            }
        });
        assert_eq!(
            CHANGED.load(Ordering::Relaxed),
            !copied,
            "{good} calls, {refused} refused"
        );
    }
    SEEN.with(|seen| assert!(seen.borrow().is_none()));
}
