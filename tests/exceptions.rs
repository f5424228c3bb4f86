//! Exceptions from the outside: what they carry, what is kept while they travel, how long they live, and what a host has to do with
//! them. What the operators mean is the specification suite's to say.

mod support;

use lucet::abi::{
    LUCET_RETURNED, LUCET_SUSPENDED, LUCET_TERMINATED, LUCET_TRAPPED, lucet_call, lucet_outcome,
    lucet_value,
};
use lucet::call::{self, throw};
use lucet::counted::Counted;
use lucet::error::Status;
use lucet::exception::HostTag;
use lucet::instance::uncaught::uncaught;
use lucet::instance::{self, Limits};
use lucet::linker::{Definition, DynamicData, Linker};
use lucet_format::trap::TrapCode;
use lucet_format::value::ValueType;
use std::ffi::c_void;
use support::{Guest, i32, i64, region, sentence, small};

fn trap(outcome: &lucet_outcome) -> Option<TrapCode> {
    assert_eq!(outcome.kind, LUCET_TRAPPED, "outcome {}", outcome.kind);
    TrapCode::from_number(outcome.detail)
}

fn results(outcome: &lucet_outcome) -> Vec<lucet_value> {
    assert_eq!(outcome.kind, LUCET_RETURNED);
    // SAFETY: the outcome of a run that returned points at its values.
    unsafe { std::slice::from_raw_parts(outcome.values, outcome.value_count) }.to_vec()
}

fn bits(values: &[lucet_value]) -> Vec<(u32, u128)> {
    values
        .iter()
        .map(|value| (value.r#type, value.bits()))
        .collect()
}

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

/// A guest whose exceptions go through all that can hold references to them.
const KEEPER: &str = r#"(module
    (tag $t (param i32)) (tag $holder (param exnref i64 i64))
    (global $g (mut exnref) (ref.null exn))
    (table $table 64 exnref)
    (func $throw (param i32) (throw $t (local.get 0)))
    (func $make (param i32) (result exnref)
        (block $caught (result i32 exnref)
            (try_table (catch_ref $t $caught) (call $throw (local.get 0)))
            (unreachable))
        (return))
    (func $made (param i32) (result exnref) (local exnref)
        (block $caught (result i32 exnref)
            (try_table (catch_ref $t $caught) (call $throw (local.get 0)))
            (unreachable))
        (local.set 1) (drop) (local.get 1))
    (func $hold (param exnref) (throw $holder (local.get 0) (i64.const 1) (i64.const 2)))
    (func $held (param exnref) (result exnref) (local exnref)
        (block $caught (result exnref i64 i64 exnref)
            (try_table (catch_ref $holder $caught) (call $hold (local.get 0)))
            (unreachable))
        (local.set 1) (drop) (drop) (drop) (local.get 1))
    (func $value (param exnref) (result i32)
        (block $caught (result i32)
            (try_table (catch $t $caught) (throw_ref (local.get 0)))
            (unreachable)))
    (func $inner (param exnref) (result exnref) (local exnref)
        (block $caught (result exnref i64 i64)
            (try_table (catch $holder $caught) (throw_ref (local.get 0)))
            (unreachable))
        (drop) (drop))
    (func $waste (param $count i32)
        (loop $again
            (drop (call $made (local.get $count)))
            (br_if $again (local.tee $count (i32.sub (local.get $count) (i32.const 1))))))
    (func (export "waste") (param i32) (call $waste (local.get 0)))
    ;; keeps one in a local, one in a global, one in each element of the table, one in another exception
    (func (export "keep") (param $count i32) (result i32)
        (local $local exnref) (local $holder exnref) (local $i i32) (local $sum i32)
        (local.set $local (call $made (i32.const 1)))
        (global.set $g (call $made (i32.const 2)))
        (loop $fill
            (table.set $table (local.get $i) (call $made (i32.add (local.get $i) (i32.const 100))))
            (br_if $fill (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 64))))
        (local.set $holder (call $held (call $made (i32.const 3))))
        (call $waste (local.get $count))
        (local.set $sum (i32.add (call $value (local.get $local)) (call $value (global.get $g))))
        (local.set $i (i32.const 0))
        (loop $look
            (local.set $sum (i32.add (local.get $sum) (call $value (table.get $table (local.get $i)))))
            (br_if $look (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 64))))
        (i32.add (local.get $sum) (call $value (call $inner (local.get $holder)))))
    ;; keeps as many as it is told to
    (func (export "hoard") (param $count i32) (result i32)
        (local $chain exnref)
        (local.set $chain (call $made (i32.const 0)))
        (loop $again
            (local.set $chain (call $held (local.get $chain)))
            (br_if $again (local.tee $count (i32.sub (local.get $count) (i32.const 1)))))
        (i32.const 1))
    (func (export "through") (param exnref) (result exnref) (local.get 0))
    (func (export "made") (param i32) (result exnref) (call $made (local.get 0)))
    (func (export "value") (param exnref) (result i32) (call $value (local.get 0)))
    (func (export "again") (param exnref) (throw_ref (local.get 0))))"#;

fn keeper() -> Guest {
    // `$make` would leave its value below the reference.
    let start = KEEPER.find("(func $make (").expect("there");
    let end = KEEPER.find("(func $made (").expect("there");
    Guest::new(&[&KEEPER[..start], &KEEPER[end..]].concat())
}

#[test]
fn exceptions_without_references_are_collected_and_others_are_not() {
    let guest = keeper();
    let sum = 1 + 2 + 3 + (0..64).map(|index| index + 100).sum::<i32>();
    for count in [1, 1000, 200_000] {
        assert_eq!(guest.run_i32("keep", &[i32(count)]), sum);
    }
    let outcome = guest.run("waste", &[i32(1_000_000)]);
    assert_eq!(outcome.kind, LUCET_RETURNED, "{}", guest.describe());
}

#[test]
fn too_many_exceptions_are_a_trap_at_the_limit() {
    let guest = keeper();
    assert_eq!(guest.run_i32("hoard", &[i32(300)]), 1);
    assert_eq!(
        trap(&guest.run("hoard", &[i32(10_000)])),
        Some(TrapCode::Exceptions)
    );
    assert!(
        guest
            .describe()
            .starts_with("trapped: too many exceptions in \"hold\""),
        "{}",
        guest.describe()
    );
    guest.reset();
    let limits = Limits {
        exception_bytes: 8 << 20,
        ..Limits::default()
    };
    instance::set_limits(guest.handle, limits).expect("limits");
    assert_eq!(guest.run_i32("hoard", &[i32(10_000)]), 1);
    guest.reset();
    let limits = Limits {
        exception_bytes: 1,
        ..Limits::default()
    };
    instance::set_limits(guest.handle, limits).expect("limits");
    assert_eq!(
        trap(&guest.run("hoard", &[i32(1)])),
        Some(TrapCode::Exceptions)
    );
}

#[test]
fn references_cross_the_boundary_and_are_checked_on_the_way_in() {
    let guest = keeper();
    let exnref = |bits: u128| lucet_value::from_bits(ValueType::Exnref.number(), bits);
    let null = exnref(0);
    assert_eq!(results(&guest.run("through", &[null]))[0].bits(), 0);
    assert_eq!(
        trap(&guest.run("again", &[null])),
        Some(TrapCode::NullReference)
    );
    instance::keep(guest.handle).expect("it has trapped");
    let made = results(&guest.run("made", &[i32(77)]))[0];
    assert_eq!(made.r#type, u32::from(ValueType::Exnref.number()));
    assert_ne!(made.bits(), 0);
    assert_eq!(guest.run_i32("value", &[made]), 77);
    assert_eq!(
        results(&guest.run("through", &[made]))[0].bits(),
        made.bits()
    );
    assert_eq!(
        trap(&guest.run("again", &[made])),
        Some(TrapCode::Exception)
    );
    assert_eq!(uncaught(guest.handle).expect("an exception").index, 0);
    instance::keep(guest.handle).expect("it has trapped");
    let refused = |value: lucet_value| {
        let status = instance::run(guest.handle, b"through", &[value]).map(|outcome| outcome.kind);
        status.expect_err("refused").status
    };
    assert_eq!(refused(exnref(1)), Status::BadArgument);
    assert_eq!(refused(exnref(made.bits() + 1)), Status::BadArgument);
    guest.reset();
    assert_eq!(refused(made), Status::BadArgument);
    assert!(
        sentence().contains("no reference to an exception"),
        "{}",
        sentence()
    );
}

/// What the host functions of [`HOSTED`] are told to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    Return,
    Throw,
    ThrowExported,
    ThrowTwice,
    ThrowAndTerminate,
    ThrowAndSuspend,
    ThrowForeign,
    ThrowWrongly,
    CallBack,
    CallBackAndKeep,
    CallBackAndRethrow,
    Suspend,
}

struct Desk {
    order: Order,
    tag: Counted<HostTag>,
    foreign: Counted<HostTag>,
    status: Option<Status>,
    sentence: String,
}

/// The data of the definitions.
unsafe fn desk<'a>(call: *const lucet_call) -> &'a mut Desk {
    // SAFETY: every definition has a desk as data, which only one test uses.
    unsafe { &mut *call::data(call).expect("a call").cast::<Desk>() }
}

fn obey(call: *mut lucet_call, argument: i32) {
    // SAFETY: as `desk` says.
    let desk = unsafe { desk(call) };
    let values = [i32(argument), i64(-1)];
    let throw = |values: &[lucet_value]| throw::throw(call, Counted::as_ptr(&desk.tag), values);
    let run = || {
        let outcome = call::run(call, b"inner", &[i32(argument)]).expect("a callback");
        assert_eq!(trap(&outcome), Some(TrapCode::Exception));
        assert!(call::run(call, b"inner", &[i32(argument)]).is_err());
    };
    let done = match desk.order {
        Order::Return => Ok(()),
        Order::Throw => throw(&values),
        Order::ThrowExported => throw::throw_export(call, b"own", &[i32(argument)]),
        Order::ThrowTwice => throw(&values).and_then(|()| throw(&values)),
        Order::ThrowAndTerminate => throw(&values).and_then(|()| call::terminate(call, 1, 5)),
        Order::ThrowAndSuspend => throw(&values).and_then(|()| call::suspend(call, 5)),
        Order::ThrowForeign => throw::throw(call, Counted::as_ptr(&desk.foreign), &values),
        Order::ThrowWrongly => throw(&values[..1]),
        Order::CallBack => {
            run();
            throw::rethrow(call).expect("once");
            throw::rethrow(call)
        }
        Order::CallBackAndKeep => {
            run();
            let handle = call::instance(call).expect("a call");
            // Of two imports of one tag it is the first.
            assert_eq!(uncaught(handle).expect("an exception").index, 0);
            instance::keep(handle)
        }
        Order::CallBackAndRethrow => {
            run();
            throw::rethrow(call)
        }
        Order::Suspend => call::suspend(call, 9),
    };
    desk.status = done.err().map(|error| error.status);
    desk.sentence = sentence();
}

unsafe extern "C" fn typed(call: *mut lucet_call, argument: i32) -> i32 {
    obey(call, argument);
    argument + 1
}

unsafe extern "C" fn leaf(call: *mut lucet_call, argument: i32) -> i32 {
    // SAFETY: as `desk` says.
    let desk = unsafe { desk(call) };
    let done = throw::throw(call, Counted::as_ptr(&desk.tag), &[i32(argument), i64(0)]);
    desk.status = done.err().map(|error| error.status);
    argument
}

unsafe extern "C" fn dynamic(
    call: *mut lucet_call,
    _: *mut c_void,
    arguments: *const lucet_value,
    results: *mut lucet_value,
) {
    // SAFETY: the type has twenty parameters, and two results.
    let (last, results) = unsafe {
        (
            *arguments.add(19),
            std::slice::from_raw_parts_mut(results, 2),
        )
    };
    obey(call, last.bits() as i32);
    results[0] = i64(last.bits() as i64 + 1);
    results[1] = i64(7);
}

/// Functions of the host called in and outside of a `try_table`, in registers and with arguments on the stack.
fn hosted() -> String {
    let many = "i32 ".repeat(19) + "i64";
    let zeros = "(i32.const 0)".repeat(19);
    format!(
        r#"(module
            (import "env" "tag" (tag $host (param i32 i64)))
            (import "env" "tag" (tag $alias (param i32 i64)))
            (import "env" "typed" (func $typed (param i32) (result i32)))
            (import "env" "leaf" (func $leaf (param i32) (result i32)))
            (import "env" "dynamic" (func $dynamic (param {many}) (result i64 i64)))
            (tag $own (export "own") (param i32))
            (func (export "inner") (param i32) (throw $alias (local.get 0) (i64.const 6)))
            (func (export "outside") (param i32) (result i32) (call $typed (local.get 0)))
            (func $between (param i32) (result i32) (i32.mul (call $typed (local.get 0)) (i32.const 10)))
            (func (export "leaf") (param i32) (result i32)
                (block $caught (try_table (catch_all $caught) (return (call $leaf (local.get 0)))))
                (i32.const -1))
            (func (export "typed") (param i32) (result i32) (local i64)
                (block $own (result i32)
                    (block $host (result i32 i64)
                        (try_table (catch $alias $host) (catch $own $own) (return (call $typed (local.get 0))))
                        (unreachable))
                    (local.set 1)
                    (return (i32.add (i32.const 1000) (i32.add (i32.wrap_i64 (local.get 1))))))
                (return (i32.add (i32.const 2000))))
            (func (export "between") (param i32) (result i32) (local i64)
                (block $own (result i32)
                    (block $host (result i32 i64)
                        (try_table (catch $alias $host) (catch $own $own) (return (call $between (local.get 0))))
                        (unreachable))
                    (local.set 1)
                    (return (i32.add (i32.const 1000) (i32.add (i32.wrap_i64 (local.get 1))))))
                (return (i32.add (i32.const 2000))))
            (func (export "dynamic") (param i32) (result i32) (local i64)
                (block $own (result i32)
                    (block $host (result i32 i64)
                        (try_table (catch $alias $host) (catch $own $own)
                            (call $dynamic {zeros} (i64.extend_i32_s (local.get 0)))
                            (drop)
                            (return (i32.wrap_i64)))
                        (unreachable))
                    (local.set 1)
                    (return (i32.add (i32.const 1000) (i32.add (i32.wrap_i64 (local.get 1))))))
                (return (i32.add (i32.const 2000))))
            (func (export "tail") (param i32) (result i32)
                (block $caught (try_table (catch_all $caught) (return_call $typed (local.get 0))))
                (i32.const -1)))"#
    )
}

struct Hosted {
    guest: Guest,
    desk: Box<Desk>,
}

impl Hosted {
    fn new() -> Hosted {
        let parameters = [ValueType::I32, ValueType::I64];
        let tag = || HostTag::new(&parameters).expect("memory");
        let mut desk = Box::new(Desk {
            order: Order::Return,
            tag: tag(),
            foreign: tag(),
            status: None,
            sentence: String::new(),
        });
        let data: *mut c_void = (&raw mut *desk).cast();
        let mut linker = Linker::new().expect("a linker");
        let mut define =
            |name: &[u8], definition| linker.define(b"env", name, definition).expect("new");
        let types = 0x11;
        for (name, function, leaf) in [
            (b"typed".as_slice(), typed as *const (), false),
            (b"leaf", leaf as *const (), true),
        ] {
            define(
                name,
                Definition::Typed {
                    function,
                    types,
                    leaf,
                    data,
                },
            );
        }
        let mut many = vec![ValueType::I32; 19];
        many.push(ValueType::I64);
        let owned = DynamicData::new(data, None).expect("memory");
        let two = [ValueType::I64; 2];
        define(
            b"dynamic",
            Definition::dynamic(&many, &two, dynamic, owned).expect("memory"),
        );
        define(b"tag", Definition::Tag(desk.tag.clone()));
        let guest = Guest::linked(&hosted(), &linker, &small());
        Hosted { guest, desk }
    }

    fn run(&mut self, name: &str, order: Order, argument: i32) -> lucet_outcome {
        self.desk.order = order;
        self.guest.run(name, &[i32(argument)])
    }

    fn returns(&mut self, name: &str, order: Order, argument: i32) -> i32 {
        let outcome = self.run(name, order, argument);
        assert_eq!(
            outcome.kind,
            LUCET_RETURNED,
            "{name} {order:?}: {}",
            self.guest.describe()
        );
        results(&outcome)[0].bits() as i32
    }
}

#[test]
fn host_functions_throw_into_the_handlers_of_their_callers() {
    let mut hosted = Hosted::new();
    for round in 0..3 {
        for (name, factor) in [("typed", 1), ("between", 10), ("dynamic", 1)] {
            assert_eq!(
                hosted.returns(name, Order::Return, round),
                (round + 1) * factor
            );
            assert_eq!(hosted.returns(name, Order::Throw, round), 1000 + round - 1);
            assert_eq!(hosted.desk.status, None, "{}", hosted.desk.sentence);
            assert_eq!(
                hosted.returns(name, Order::ThrowExported, round),
                2000 + round
            );
        }
    }
}

#[test]
fn what_a_host_function_may_not_do_around_a_throw_is_a_status() {
    let mut hosted = Hosted::new();
    assert_eq!(hosted.returns("typed", Order::ThrowTwice, 1), 1000);
    assert_eq!(hosted.desk.status, Some(Status::BadState));
    assert_eq!(hosted.returns("typed", Order::ThrowAndSuspend, 1), 1000);
    assert_eq!(hosted.desk.status, Some(Status::BadState));
    assert_eq!(hosted.returns("typed", Order::ThrowForeign, 1), 2);
    assert_eq!(hosted.desk.status, Some(Status::BadArgument));
    assert_eq!(hosted.returns("typed", Order::ThrowWrongly, 1), 2);
    assert_eq!(hosted.desk.status, Some(Status::TypeMismatch));
    assert_eq!(hosted.returns("leaf", Order::Return, 3), 3);
    assert_eq!(hosted.desk.status, Some(Status::BadState));
    // Ending the guest comes first, and nothing of the exception is left behind it.
    let outcome = hosted.run("typed", Order::ThrowAndTerminate, 1);
    assert_eq!((outcome.kind, outcome.token), (LUCET_TERMINATED, 5));
    instance::keep(hosted.guest.handle).expect("it was stopped");
    assert_eq!(hosted.returns("typed", Order::Throw, 1), 1000);
    assert_eq!(hosted.desk.status, None);
}

#[test]
fn what_no_caller_of_a_host_function_catches_ends_the_guest_there() {
    let mut hosted = Hosted::new();
    for name in ["outside", "tail"] {
        let outcome = hosted.run(name, Order::Throw, 4);
        assert_eq!(trap(&outcome), Some(TrapCode::Exception), "{name}");
        let found = uncaught(hosted.guest.handle).expect("an exception");
        let tag: *const HostTag = found.host_tag.expect("the host's tag");
        assert!(std::ptr::eq(tag, Counted::as_ptr(&hosted.desk.tag)));
        assert_eq!((found.name, found.values.1), (Some("tag"), 2));
        let line = hosted.guest.describe();
        assert!(
            line.starts_with(
                "trapped: uncaught exception \"tag\" in host function \"env\" \"typed\""
            ),
            "{line}"
        );
        hosted.guest.reset();
    }
    assert_eq!(hosted.returns("tail", Order::Return, 4), 5);
}

#[test]
fn an_exception_ends_a_callback_and_crosses_only_when_the_host_throws_it_again() {
    let mut hosted = Hosted::new();
    for name in ["typed", "dynamic", "between"] {
        assert_eq!(
            hosted.returns(name, Order::CallBackAndRethrow, 3),
            1000 + 3 + 6,
            "{name}"
        );
        assert_eq!(hosted.desk.status, None, "{}", hosted.desk.sentence);
        let factor = if name == "between" { 10 } else { 1 };
        assert_eq!(
            hosted.returns(name, Order::CallBackAndKeep, 3),
            4 * factor,
            "{name}"
        );
        assert_eq!(
            hosted.returns(name, Order::CallBack, 3),
            1000 + 3 + 6,
            "{name}"
        );
        assert_eq!(hosted.desk.status, Some(Status::BadState));
    }
    let outcome = hosted.run("outside", Order::CallBackAndRethrow, 3);
    assert_eq!(trap(&outcome), Some(TrapCode::Exception));
    assert_eq!(
        uncaught(hosted.guest.handle)
            .expect("an exception")
            .values
            .1,
        2
    );
}

#[test]
fn a_guest_that_was_suspended_among_handlers_goes_on_among_them() {
    let mut hosted = Hosted::new();
    for name in ["typed", "between"] {
        let outcome = hosted.run(name, Order::Suspend, 3);
        assert_eq!((outcome.kind, outcome.token), (LUCET_SUSPENDED, 9));
        let outcome = instance::resume(hosted.guest.handle, &[i32(6)]).expect("it waits");
        let factor = if name == "between" { 10 } else { 1 };
        assert_eq!(results(&outcome)[0].bits(), 6 * factor);
        assert_eq!(hosted.returns(name, Order::Throw, 3), 1000 + 2);
    }
}

#[test]
fn tags_are_linked_by_type_and_kind() {
    let mut linker = Linker::new().expect("a linker");
    let tag = HostTag::new(&[ValueType::I32]).expect("memory");
    linker
        .define(b"env", b"tag", Definition::Tag(tag))
        .expect("new");
    let value = Definition::Global(i32(1));
    linker.define(b"env", b"global", value).expect("new");
    let link = |import: &str| {
        let options = lucetc::options::Options::default();
        let text = format!("(module (import \"env\" {import}))");
        let file = lucetc::compile_module(text.as_bytes(), &options).expect("it compiles");
        let code = lucet::module::load::bytes(&file).expect("it loads");
        let linked = lucet::module::Module::link(&code, &linker, &mut |_| ());
        linked.err().map(|error| (error.status, sentence()))
    };
    assert_eq!(link("\"tag\" (tag (param i32))"), None);
    for (import, status, words) in [
        (
            "\"tag\" (tag (param i64))",
            Status::TypeMismatch,
            "is a tag (i64) -> (), the host defines (i32) -> ()",
        ),
        (
            "\"tag\" (func)",
            Status::TypeMismatch,
            "is a function () -> (), the host defines a tag",
        ),
        (
            "\"tag\" (global i32)",
            Status::TypeMismatch,
            "the host defines a tag",
        ),
        (
            "\"global\" (tag)",
            Status::TypeMismatch,
            "is a tag () -> (), the host defines a global",
        ),
        (
            "\"none\" (tag)",
            Status::NotFound,
            "is a tag () -> () that the host does not define",
        ),
    ] {
        let (found, sentence) = link(import).expect("refused");
        assert_eq!(found, status, "{import}: {sentence}");
        assert!(sentence.contains(words), "{import}: {sentence}");
    }
}

/// Two instances of one module: what one has thrown means nothing to the other.
#[test]
fn exceptions_belong_to_their_instance() {
    let guest = keeper();
    let other = support::create(&guest.region, &guest.module);
    let made = results(&guest.run("made", &[i32(1)]))[0];
    let failure = instance::run(other, b"value", &[made]).map(|outcome| outcome.kind);
    assert_eq!(
        failure.expect_err("not its own").status,
        Status::BadArgument
    );
    instance::release(other).expect("it does not run");
    let _ = region(&small());
}
