//! What exceptions carry, and what functions on their way keep.

use crate::support::{Guest, i32, i64};
use crate::{bits, results, trap};
use lucet::abi::{LUCET_TRAPPED, lucet_value};
use lucet::error::Status;
use lucet::instance;
use lucet::instance::uncaught::uncaught;
use lucet_format::trap::TrapCode;
use lucet_format::value::ValueType;

/// What an exception can carry, with values that fill their type.
fn payload(count: usize) -> (String, Vec<lucet_value>) {
    let kinds = [
        ValueType::I32,
        ValueType::V128,
        ValueType::F32,
        ValueType::I64,
        ValueType::F64,
        ValueType::Externref,
    ];
    let mut types = String::new();
    let mut values = Vec::new();
    for index in 0..count {
        let kind = kinds[index % kinds.len()];
        let all = 0x0123_4567_89ab_cdef_0011_2233_4455_6677u128.rotate_left(8 * index as u32);
        let mask = match kind {
            ValueType::I32 | ValueType::F32 => u128::from(u32::MAX >> 2),
            ValueType::V128 => u128::MAX,
            _ => u128::from(u64::MAX >> 2),
        };
        types.push_str(kind.name());
        types.push(' ');
        values.push(lucet_value::from_bits(kind.number(), all & mask));
    }
    (types, values)
}

#[test]
fn whatever_an_exception_carries_arrives() {
    for count in [0, 1, 2, 3, 7, 31] {
        let (types, values) = payload(count);
        let gets: String = (0..count)
            .map(|index| format!("(local.get {index})"))
            .collect();
        let guest = Guest::new(&format!(
            r#"(module (tag $t (param {types}))
                (func $throw (param {types}) (throw $t {gets}))
                (func $deep (param {types} i32)
                    (if (local.get {count})
                        (then (call $deep {gets} (i32.sub (local.get {count}) (i32.const 1))) (return)))
                    (call $throw {gets}))
                (func (export "run") (param {types}) (result {types})
                    (block $caught (result {types})
                        (try_table (catch $t $caught) (call $deep {gets} (i32.const 50)))
                        (unreachable)) )
                (func (export "local") (param {types}) (result {types})
                    (block $caught (result {types} exnref)
                        (try_table (catch_ref $t $caught) (throw $t {gets}))
                        (unreachable))
                    (drop)))"#
        ));
        for name in ["run", "local"] {
            let back = results(&guest.run(name, &values));
            assert_eq!(bits(&back), bits(&values), "{count} values, {name}");
        }
    }
}

/// More values than there are registers live across the call, in the function with the handler and in its callers.
#[test]
fn values_live_through_an_exception_in_every_function_on_the_way() {
    let locals = 24;
    let gets: String = (0..locals)
        .map(|index| format!("(local.get {index})"))
        .collect();
    let sum = |kind: &str| {
        let mut text = format!("({kind}.const 0)");
        for index in 0..locals {
            text = format!("({kind}.add ({kind}.mul {text} ({kind}.const 3)) (local.get {index}))");
        }
        text
    };
    for kind in ["i64", "f64"] {
        let types = format!("{kind} ").repeat(locals);
        let total = sum(kind);
        let change: String = (0..locals)
            .map(|index| {
                format!(
                    "(local.set {index} ({kind}.add (local.get {index}) ({kind}.const {index})))"
                )
            })
            .collect();
        let guest = Guest::new(&format!(
            r#"(module (tag $t)
                (func $throws (param {types}) (result {kind}) {change} (if (i32.const 1) (then (throw $t))) {total})
                (func $between (param {types}) (result {kind}) {change}
                    ({kind}.add (call $throws {gets}) {total}))
                (func $catches (param {types}) (result {kind}) {change}
                    (block $caught
                        (try_table (catch $t $caught) {change} (drop (call $between {gets})) {change}))
                    {total})
                (func $outer (param {types}) (result {kind}) {change}
                    ({kind}.add (call $catches {gets}) {total}))
                (func (export "run") (param {types}) (result {kind}) {change}
                    ({kind}.add (call $outer {gets}) {total})))"#
        ));
        let start: Vec<u64> = (0..locals as u64).map(|index| index * 1001 + 7).collect();
        // How often each function has changed the locals: the handler sees what was done before the call.
        let total = |changes: u64| {
            let values = start
                .iter()
                .zip(0u64..)
                .map(|(value, index)| value + index * changes);
            values.fold(0u64, |sum, value| sum.wrapping_mul(3).wrapping_add(value))
        };
        let expected = [1, 2, 4]
            .iter()
            .fold(0u64, |sum, changes| sum.wrapping_add(total(*changes)));
        let arguments: Vec<lucet_value> = start
            .iter()
            .map(|value| match kind {
                "i64" => i64(*value as i64),
                _ => lucet_value::from_bits(4, u128::from((*value as f64).to_bits())),
            })
            .collect();
        let back = results(&guest.run("run", &arguments))[0].bits() as u64;
        if kind == "i64" {
            assert_eq!(back, expected);
        } else {
            let float = |changes: u64| {
                let values = start
                    .iter()
                    .zip(0u64..)
                    .map(|(value, index)| (value + index * changes) as f64);
                values.fold(0f64, |sum, value| sum * 3.0 + value)
            };
            let expected = (float(4) + float(2)) + float(1);
            assert_eq!(f64::from_bits(back), expected);
        }
    }
}

/// The return address of what a tail call has replaced may lie above the stack pointer that the handler expects.
#[test]
fn tail_calls_with_fewer_and_more_stack_arguments_can_throw() {
    let many = "i64 ".repeat(40);
    let gets: String = (0..40)
        .map(|index| format!("(local.get {index})"))
        .collect();
    let constants: String = (0..40)
        .map(|index| format!("(i64.const {index})"))
        .collect();
    let guest = Guest::new(&format!(
        r#"(module (tag $t (param i64))
            (func $throw (param i64) (throw $t (local.get 0)))
            (func $fewer (param {many}) (return_call $throw (i64.add (local.get 39) (local.get 0))))
            (func $more (param i64) (return_call $fewer {constants}))
            (func (export "run") (param i64) (result i64)
                (local {many})
                (block $caught (result i64)
                    (try_table (catch $t $caught) (call $more (local.get 0)))
                    (unreachable))
                (block $caught (result i64)
                    (try_table (catch $t $caught) (call $fewer {gets}))
                    (unreachable))
                (i64.add)))"#
    ));
    assert_eq!(results(&guest.run("run", &[i64(5)]))[0].bits(), 39 + 5);
}

#[test]
fn throwing_at_the_very_end_of_the_stack_is_an_overflow_or_is_caught() {
    let many = "i64 ".repeat(16);
    let zeros = "(i64.const 0)".repeat(16);
    // Recurses to some depth, where a function with stack arguments is replaced by one that throws.
    let guest = Guest::new(&format!(
        r#"(module (tag $t)
            (func $throw (throw $t))
            (func $wide (param {many}) (return_call $throw))
            (func $down (param i32) (result i32)
                (if (local.get 0) (then (return (call $down (i32.sub (local.get 0) (i32.const 1))))))
                (block $caught
                    (try_table (catch $t $caught) (call $wide {zeros}))
                    (unreachable))
                (i32.const 1))
            (func (export "run") (param i32) (result i32) (call $down (local.get 0))))"#
    ));
    let overflows = |depth: i32| {
        let outcome = guest.run("run", &[i32(depth)]);
        let over = outcome.kind == LUCET_TRAPPED;
        if over {
            assert_eq!(trap(&outcome), Some(TrapCode::Stack), "{depth}");
            guest.reset();
        }
        over
    };
    let (mut fits, mut over) = (0, 1 << 24);
    while over - fits > 1 {
        let middle = i32::midpoint(fits, over);
        if overflows(middle) {
            over = middle;
        } else {
            fits = middle;
        }
    }
    assert!(fits > 100, "{fits}");
    for depth in fits - 20..over + 20 {
        assert_eq!(overflows(depth), depth >= over, "{depth}");
    }
}

#[test]
fn an_exception_that_nobody_catches_is_the_hosts_to_see() {
    let guest = Guest::new(
        r#"(module (tag $own (param i32 i64)) (tag (export "named") (param f32))
            (func $throw (throw $own (i32.const -3) (i64.const 1234567890123)))
            (func (export "own") (call $throw))
            (func (export "other") (throw 1 (f32.const 1.5)))
            (func (export "fine")))"#,
    );
    let status = |guest: &Guest| uncaught(guest.handle).err().map(|error| error.status);
    assert_eq!(status(&guest), Some(Status::NotFound));
    assert_eq!(trap(&guest.run("own", &[])), Some(TrapCode::Exception));
    let found = uncaught(guest.handle).expect("an exception");
    assert_eq!(
        (found.index, found.name, found.host_tag.is_none()),
        (0, None, true)
    );
    // SAFETY: the instance's, until its next entry.
    let values = unsafe { std::slice::from_raw_parts(found.values.0, found.values.1) };
    assert_eq!(bits(values), bits(&[i32(-3), i64(1_234_567_890_123)]));
    let line = guest.describe();
    assert!(
        line.starts_with("trapped: uncaught exception with tag 0 in \"throw\""),
        "{line}"
    );
    assert!(line.contains("called by function 1"), "{line}");
    guest.reset();
    assert_eq!(status(&guest), Some(Status::NotFound));
    assert_eq!(trap(&guest.run("other", &[])), Some(TrapCode::Exception));
    let found = uncaught(guest.handle).expect("an exception");
    assert_eq!(
        (found.index, found.name, found.values.1),
        (1, Some("named"), 1)
    );
    assert!(
        guest
            .describe()
            .starts_with("trapped: uncaught exception \"named\" in "),
        "{}",
        guest.describe()
    );
    instance::keep(guest.handle).expect("it has trapped");
    guest.run("fine", &[]);
    assert_eq!(status(&guest), Some(Status::NotFound));
}
