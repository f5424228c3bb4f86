//! Published advisories of other runtimes that are not about pools, but about what is shared beside them: types, threads, objects of
//! others, calls, names. Each as a test of ours, with the number that it has in `docs/recycling.md`.

use crate::advisories::{linker, traps};
use crate::memory::{contents, one_slot};
use crate::support::{Guest, create, i32, i64, module, region, sentence, small};
use lucet::abi::{
    LUCET_PREEMPTED, LUCET_RETURNED, LUCET_SUSPENDED, LUCET_TRAPPED, lucet_call, lucet_value,
};
use lucet::call;
use lucet::error::Status;
use lucet::instance::{self, Limits, memory, table};
use lucet::linker::{Definition, DynamicData};
use lucet::module::{Module, load};
use lucet::region::RegionConfig;
use lucet::timing::Allowance;
use lucet_format::trap::TrapCode;
use lucet_format::value::ValueType;
use std::ffi::c_void;
use std::ptr::null_mut;

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
