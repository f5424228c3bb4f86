//! Functions that are inlined do what they do when they are called, and where a guest has stopped is told function by function all the
//! same: with inlining and without, each call ends alike, at the same places.

mod support;

use lucet::abi::LUCET_TRAPPED;
use lucet::instance;
use lucetc::options::OptLevel;
use support::{Guest, i32};

const GUEST: &str = r#"(module
  (memory 1)
  (global $g (mut i32) (i32.const 5))
  (table funcref (elem $divide $load))
  (type $t (func (param i32) (result i32)))
  (func $divide (param i32) (result i32) (i32.div_u (i32.const 1000) (local.get 0)))
  (func $load (param i32) (result i32) (i32.load (local.get 0)))
  (func $both (param i32) (result i32) (i32.add (call $divide (local.get 0)) (call $load (local.get 0))))
  (func $outer (param i32) (result i32) (i32.sub (call $both (local.get 0)) (i32.const 1)))
  (func $early (param i32) (result i32) (local $zero i32)
    (if (i32.gt_u (local.get 0) (i32.const 50)) (then (return (i32.const 7))))
    (local.set $zero (i32.add (local.get $zero) (local.get 0)))
    (local.get $zero))
  (func $two (param i32 i64) (result i64 i32) (i64.mul (local.get 1) (i64.const 3)) (local.get 0))
  (func $three (param i32) (result i32 i32 i32) (local.get 0) (global.get $g) (i32.const 9))
  (func $never (param i32) (result i32) (unreachable))
  (func $set (param i32) (global.set $g (i32.add (global.get $g) (local.get 0))))
  (func $down (param i32) (result i32)
    (if (result i32) (i32.eqz (local.get 0))
      (then (unreachable))
      (else (i32.add (i32.const 1) (call $down (i32.sub (local.get 0) (i32.const 1)))))))
  (func $fib (param i32) (result i32)
    (if (result i32) (i32.lt_u (local.get 0) (i32.const 2))
      (then (local.get 0))
      (else (i32.add (call $fib (i32.sub (local.get 0) (i32.const 1))) (call $fib (i32.sub (local.get 0) (i32.const 2)))))))
  (func $loop (param i32) (result i32) (local i32)
    (loop $l (local.set 1 (i32.add (local.get 1) (local.get 0)))
      (br_if $l (local.tee 0 (i32.shr_u (local.get 0) (i32.const 1)))))
    (local.get 1))
  (func $through (param i32) (result i32) (call_indirect (type $t) (local.get 0) (i32.and (local.get 0) (i32.const 3))))
  (func (export "trap two deep") (param i32) (result i32) (call $outer (local.get 0)))
  (func (export "in a loop") (param i32) (result i32) (local $i i32) (local $sum i32)
    (loop $l
      (local.set $sum (i32.add (local.get $sum) (call $early (local.get $i))))
      (br_if $l (i32.ne (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 60))))
    (call $set (local.get $sum))
    (i32.add (global.get $g) (call $loop (local.get 0))))
  (func (export "results") (param i32) (result i32) (local $wide i64)
    (call $two (local.get 0) (i64.extend_i32_u (local.get 0)))
    (drop) (local.set $wide)
    (call $three (local.get 0)) (drop) (i32.add)
    (i32.add (i32.wrap_i64 (local.get $wide))))
  (func (export "unreachable") (param i32) (result i32)
    (if (result i32) (i32.and (local.get 0) (i32.const 1))
      (then (i32.add (call $never (local.get 0)) (call $divide (i32.const 0))))
      (else (call $early (local.get 0)))))
  (func (export "deep") (param i32) (result i32) (call $down (i32.and (local.get 0) (i32.const 15))))
  (func (export "fib") (param i32) (result i32) (call $fib (i32.and (local.get 0) (i32.const 15))))
  (func (export "indirect") (param i32) (result i32) (call $through (local.get 0)))
  (func (export "in a branch") (param i32) (result i32)
    (block $out (result i32)
      (br_if $out (call $early (local.get 0)) (call $loop (local.get 0)))
      (drop) (call $outer (local.get 0)))))"#;

const EXPORTS: [&str; 8] = [
    "trap two deep",
    "in a loop",
    "results",
    "unreachable",
    "deep",
    "fib",
    "indirect",
    "in a branch",
];

/// How a call ended, in words and numbers, and the functions and offsets of the frames.
type Seen = (u32, u32, Option<u128>, String, Vec<(u32, u64)>);

fn call(guest: &Guest, name: &str, argument: i32) -> Seen {
    let outcome = guest.run(name, &[i32(argument)]);
    // SAFETY: the instance's values live until its next entry.
    let result = (outcome.value_count > 0).then(|| unsafe { *outcome.values }.bits());
    let (frames, count) = instance::backtrace(guest.handle).expect("a live instance");
    // SAFETY: so many frames live until the instance's next entry.
    let frames = (0..count).map(|index| unsafe { *frames.add(index) });
    let frames = frames.map(|frame| (frame.function, frame.wasm_offset));
    let frames = frames.collect();
    let seen = (
        outcome.kind,
        outcome.detail,
        result,
        guest.describe(),
        frames,
    );
    guest.reset();
    seen
}

#[test]
fn calls_end_alike_at_the_same_places() {
    // What does not inline but optimises as well: a branch to a trap is told as the trap.
    let (called, inlined) = (
        Guest::at_level(GUEST, OptLevel::SpeedAndSize),
        Guest::at_level(GUEST, OptLevel::Speed),
    );
    let mut deepest = 0;
    for name in EXPORTS {
        for argument in [0, 1, 2, 3, 7, 12, 51, 65_533, 65_536, -1, i32::MIN] {
            let expected = call(&called, name, argument);
            assert_eq!(
                call(&inlined, name, argument),
                expected,
                "{name} {argument}"
            );
            if expected.0 == LUCET_TRAPPED {
                deepest = deepest.max(expected.4.len());
            }
        }
    }
    assert!(deepest > 10, "{deepest}");
}
