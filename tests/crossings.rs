//! Values cross the boundary unharmed: in and out, in registers and on stacks, one result and many.

mod support;

use lucet::abi::{LUCET_RETURNED, LUCET_TERMINATED, LUCET_TRAPPED, lucet_call, lucet_value};
use lucet::error::Status;
use lucet::instance;
use lucet::linker::{Definition, Linker};
use lucet::{call, instance::Handle};
use lucet_format::trap::TrapCode;
use std::ffi::c_void;
use support::{Guest, i32, i64, small};

fn f32(value: f32) -> lucet_value {
    lucet_value::from_bits(3, u128::from(value.to_bits()))
}

fn f64(value: f64) -> lucet_value {
    lucet_value::from_bits(4, u128::from(value.to_bits()))
}

fn results(outcome: &lucet::abi::lucet_outcome) -> Vec<(u32, u128)> {
    assert_eq!(outcome.kind, LUCET_RETURNED);
    // SAFETY: the outcome of a run that returned points at its values.
    let values = unsafe { std::slice::from_raw_parts(outcome.values, outcome.value_count) };
    values
        .iter()
        .map(|value| (value.r#type, value.bits()))
        .collect()
}

/// Parameters of every kind, in turn, beyond what registers hold.
const KINDS: [&str; 4] = ["i32", "i64", "f32", "f64"];

fn many(count: usize) -> (String, Vec<lucet_value>) {
    let types: Vec<&str> = (0..count).map(|index| KINDS[index % 4]).collect();
    let values = (0..count)
        .map(|index| match index % 4 {
            0 => i32(-(index as i32)),
            1 => i64((index as i64) << 33),
            2 => f32(index as f32 + 0.5),
            _ => f64(-(index as f64) - 0.25),
        })
        .collect();
    (types.join(" "), values)
}

#[test]
fn parameters_come_back_as_results() {
    for count in [0, 1, 2, 7, 8, 16, 17, 30] {
        let (types, values) = many(count);
        let gets: String = (0..count)
            .map(|index| format!("(local.get {index})"))
            .collect();
        let text =
            format!("(module (func (export \"f\") (param {types}) (result {types}) {gets}))");
        let guest = Guest::new(&text);
        let outcome = guest.run("f", &values);
        let wanted: Vec<_> = values
            .iter()
            .map(|value| (value.r#type, value.bits()))
            .collect();
        assert_eq!(results(&outcome), wanted, "{count} values");
    }
}

#[test]
fn more_than_eight_results_of_a_class() {
    let types = "i64 ".repeat(20);
    let constants: String = (0..20)
        .map(|index| format!("(i64.const {})", index * 1_000_000_007i64))
        .collect();
    let text = format!(
        "(module (func $many (result {types}) {constants})
           (func (export \"f\") (result {types}) (call $many)))"
    );
    let guest = Guest::new(&text);
    let got = results(&guest.run("f", &[]));
    let wanted: Vec<_> = (0..20)
        .map(|index| (2, u128::from((index * 1_000_000_007i64) as u64)))
        .collect();
    assert_eq!(got, wanted);
}

unsafe extern "C" fn ten(
    _: *mut lucet_call,
    a: i32,
    b: i64,
    c: f32,
    d: f64,
    e: i32,
    f: i64,
    g: i64,
    h: i32,
    i: f64,
    j: i64,
) -> f64 {
    f64::from(a)
        + b as f64
        + f64::from(c)
        + d
        + f64::from(e)
        + f as f64
        + 100.0 * g as f64
        + 1000.0 * f64::from(h)
        + i
        + 10_000.0 * j as f64
}

#[test]
fn a_typed_host_function_with_stack_arguments() {
    for leaf in [false, true] {
        let mut linker = Linker::new().expect("a linker");
        // f64 ten(i32, i64, f32, f64, i32, i64, i64, i32, f64, i64)
        let types = [4u64, 1, 2, 3, 4, 1, 2, 2, 1, 4, 2]
            .iter()
            .rev()
            .fold(0, |all, code| all << 4 | code);
        let definition = Definition::Typed {
            function: ten as *const (),
            types,
            leaf,
            data: std::ptr::null_mut(),
        };
        linker
            .define(b"env", b"ten", definition)
            .expect("a definition");
        let guest = Guest::linked(
            r#"(module (import "env" "ten" (func $ten (param i32 i64 f32 f64 i32 i64 i64 i32 f64 i64) (result f64)))
                 (func (export "f") (result f64)
                   (call $ten (i32.const 1) (i64.const 2) (f32.const 3) (f64.const 4) (i32.const 5) (i64.const 6)
                              (i64.const 7) (i32.const 8) (f64.const 9) (i64.const 10))))"#,
            &linker,
            &small(),
        );
        let sum: f64 = 1.0 + 2.0 + 3.0 + 4.0 + 5.0 + 6.0 + 700.0 + 8000.0 + 9.0 + 100_000.0;
        assert_eq!(
            results(&guest.run("f", &[])),
            [(4, u128::from(sum.to_bits()))]
        );
    }
}

unsafe extern "C" fn call_back(call: *mut lucet_call, depth: i32) -> i32 {
    match call::run(call, b"down", &[i32(depth - 1)]) {
        Ok(outcome) if outcome.kind == LUCET_RETURNED => {
            // SAFETY: a run that returned has one value here.
            unsafe { *outcome.values }.bits() as i32 + 1
        }
        Ok(_) => -1,
        Err(failure) => {
            assert_eq!(failure.status, Status::Depth);
            -2
        }
    }
}

const RECURSION: &str = r#"(module (import "env" "again" (func $again (param i32) (result i32)))
  (func (export "down") (param i32) (result i32)
    (if (result i32) (i32.eqz (local.get 0)) (then (i32.const 0)) (else (call $again (local.get 0)))))
  (func (export "fall") (param i32) (result i32) (call $again (local.get 0))))"#;

fn recursion() -> Guest {
    let mut linker = Linker::new().expect("a linker");
    let definition = Definition::Typed {
        function: call_back as *const (),
        types: 0x11,
        leaf: false,
        data: std::ptr::null_mut(),
    };
    linker
        .define(b"env", b"again", definition)
        .expect("a definition");
    Guest::linked(RECURSION, &linker, &small())
}

#[test]
fn callbacks_nest_up_to_the_limit() {
    let guest = recursion();
    assert_eq!(guest.run_i32("down", &[i32(8)]), 8);
    let outcome = guest.run("down", &[i32(9)]);
    assert_eq!(
        (outcome.kind, outcome.detail),
        (LUCET_TRAPPED, u32::from(TrapCode::Depth.number()))
    );
    guest.reset();
    assert_eq!(guest.run_i32("down", &[i32(3)]), 3);
}

unsafe extern "C" fn terminating(call: *mut lucet_call) -> i32 {
    call::terminate(call, lucet::abi::LUCET_STOP_HOST, 77).expect("inside a host function");
    1
}

#[test]
fn a_host_function_ends_its_guest() {
    let mut linker = Linker::new().expect("a linker");
    let definition = Definition::Typed {
        function: terminating as *const (),
        types: 0x1,
        leaf: false,
        data: std::ptr::null_mut(),
    };
    linker
        .define(b"env", b"end", definition)
        .expect("a definition");
    let guest = Guest::linked(
        r#"(module (import "env" "end" (func $end (result i32)))
             (global (export "after") (mut i32) (i32.const 0))
             (func (export "f") (global.set 0 (call $end))))"#,
        &linker,
        &small(),
    );
    let outcome = guest.run("f", &[]);
    assert_eq!((outcome.kind, outcome.token), (LUCET_TERMINATED, 77));
    let refused = instance::run(guest.handle, b"f", &[])
        .map(|_| ())
        .expect_err("needs a reset");
    assert_eq!(refused.status, Status::NeedsReset);
    assert_eq!(
        instance::global::get(guest.handle, b"after")
            .expect("a global")
            .bits(),
        0
    );
}

unsafe extern "C" fn swap(
    _: *mut lucet_call,
    data: *mut c_void,
    arguments: *const lucet_value,
    results: *mut lucet_value,
) {
    // SAFETY: the definition below says four parameters and four results, and the data is a counter.
    unsafe {
        *data.cast::<u32>() += 1;
        for index in 0..4 {
            results.add(index).write(*arguments.add(3 - index));
        }
    }
}

#[test]
fn a_dynamic_host_function_with_several_results() {
    use lucet_format::value::ValueType::{F32, F64, I32, I64};
    let mut calls = 0u32;
    let mut linker = Linker::new().expect("a linker");
    let data = lucet::linker::DynamicData::new((&raw mut calls).cast(), None).expect("memory");
    let definition = Definition::dynamic(&[I32, F64, I64, F32], &[F32, I64, F64, I32], swap, data)
        .expect("a definition");
    linker
        .define(b"env", b"swap", definition)
        .expect("a definition");
    let guest = Guest::linked(
        r#"(module (import "env" "swap" (func $swap (param i32 f64 i64 f32) (result f32 i64 f64 i32)))
             (export "imported" (func $swap))
             (func (export "f") (result f32 i64 f64 i32)
               (call $swap (i32.const -4) (f64.const 2.5) (i64.const 99) (f32.const 1.5))))"#,
        &linker,
        &small(),
    );
    let wanted = [
        (3, u128::from(1.5f32.to_bits())),
        (2, 99),
        (4, u128::from(2.5f64.to_bits())),
        (1, u128::from(-4i32 as u32)),
    ];
    assert_eq!(results(&guest.run("f", &[])), wanted);
    let direct = guest.run("imported", &[i32(-4), f64(2.5), i64(99), f32(1.5)]);
    assert_eq!(results(&direct), wanted);
    drop(guest);
    assert_eq!(calls, 2);
}

#[test]
fn a_wrong_call_runs_nothing() {
    let guest =
        Guest::new(r#"(module (func (export "f") (param i32) (result i32) (local.get 0)))"#);
    let refused = |name: &[u8], arguments: &[lucet_value]| {
        instance::run(guest.handle, name, arguments)
            .map(|_| ())
            .expect_err("refused")
            .status
    };
    assert_eq!(refused(b"g", &[]), Status::NotFound);
    assert_eq!(refused(b"f", &[]), Status::TypeMismatch);
    assert_eq!(refused(b"f", &[i64(1)]), Status::TypeMismatch);
    assert_eq!(refused(b"f", &[i32(1), i32(2)]), Status::TypeMismatch);
    assert_eq!(guest.run_i32("f", &[i32(5)]), 5);
    let stranger = instance::run(Handle(12345), b"f", &[])
        .map(|_| ())
        .expect_err("stale")
        .status;
    assert_eq!(stranger, Status::Stale);
}

unsafe extern "C" fn refusing(call: *mut lucet_call, _: i32) {
    call::trap(call, u32::from(TrapCode::HostArgument.number())).expect("inside a host function");
}

#[test]
fn a_trap_of_a_host_function_says_where() {
    let mut linker = Linker::new().expect("a linker");
    let function = refusing as *const ();
    let definition = Definition::Typed {
        function,
        types: 0x10,
        leaf: false,
        data: std::ptr::null_mut(),
    };
    linker
        .define(b"env", b"put\n", definition)
        .expect("a definition");
    let guest = Guest::linked(
        r#"(module (import "env" "put\0a" (func $put (param i32)))
             (func $inner (call $put (i32.const 1))) (func $outer (export "f") (call $inner)))"#,
        &linker,
        &small(),
    );
    let outcome = guest.run("f", &[]);
    assert_eq!(outcome.kind, LUCET_TRAPPED);
    let line = guest.describe();
    let start = "trapped: bad argument to a host function in host function \"env\" \"put\\u{a}\", called by \"inner\" (wasm offset";
    assert!(
        line.starts_with(start) && line.contains(", called by \"outer\" (wasm offset"),
        "{line}"
    );
}

#[test]
fn a_far_access_has_no_invented_address() {
    let guest = Guest::new(
        r#"(module (memory 1)
             (func (export "far") (i32.store8 offset=0xfffffff0 (i32.const 0) (i32.const 1)))
             (func (export "near") (i32.store8 (i32.const 65536) (i32.const 1))))"#,
    );
    guest.run("far", &[]);
    assert!(
        !guest.describe().contains("address"),
        "{}",
        guest.describe()
    );
    guest.reset();
    guest.run("near", &[]);
    assert!(
        guest.describe().contains("at address 0x10000 in"),
        "{}",
        guest.describe()
    );
}
