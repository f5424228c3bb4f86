//! How long exceptions live, how many there may be, and references to them.

use crate::support::{self, Guest, i32, region, sentence, small};
use crate::{results, trap};
use lucet::abi::{LUCET_RETURNED, lucet_value};
use lucet::error::Status;
use lucet::instance::uncaught::uncaught;
use lucet::instance::{self, Limits};
use lucet_format::trap::TrapCode;
use lucet_format::value::ValueType;

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
