//! A reset instance, and a new one in a used slot, find nothing of what was there before.

use crate::support::{self, Guest, create, i32, i64, sentence, small};
use lucet::abi::{LUCET_RETURNED, LUCET_TRAPPED};
use lucet::instance::{self, global, memory, table};

/// Dirties everything a guest can: memory (initial and grown pages), globals, tables, segments.
const DIRTY: &str = r#"(module
  (memory (export "memory") 2 8)
  (global (export "counter") (mut i64) (i64.const 5))
  (table (export "table") 4 20 funcref)
  (table (export "objects") 2 10 externref)
  (elem (i32.const 0) $one)
  (elem $passive func $one)
  (data (i32.const 8) "initial")
  (data $later "passive bytes")
  (func $one (export "one") (result i32) (i32.const 1))
  (func (export "dirty") (result i32)
    (memory.fill (i32.const 0) (i32.const 0xAA) (i32.const 131072))
    (drop (memory.grow (i32.const 3)))
    (memory.fill (i32.const 131072) (i32.const 0xBB) (i32.const 196608))
    (global.set 0 (i64.const -1))
    (drop (table.grow 0 (ref.func $one) (i32.const 5)))
    (table.set 0 (i32.const 3) (ref.func $one))
    (drop (table.grow 1 (ref.null extern) (i32.const 3)))
    (data.drop $later) (elem.drop $passive)
    (memory.size))
  (func (export "use_segments") (result i32)
    (memory.init $later (i32.const 100) (i32.const 0) (i32.const 13))
    (table.init 0 $passive (i32.const 1) (i32.const 0) (i32.const 1))
    (i32.load8_u (i32.const 100)))
  (func (export "trap") (unreachable)))"#;

fn assert_fresh(handle: instance::Handle) {
    let (_, size) = memory::memory(handle, 0).expect("a memory");
    assert_eq!(size, 2 * 65536);
    let bytes = memory::view(handle, 0, 0, size as u64).expect("a view");
    // SAFETY: the view covers the whole memory, and the guest does not run.
    let bytes = unsafe { std::slice::from_raw_parts(bytes, size) };
    assert_eq!(&bytes[8..15], b"initial");
    assert!(
        bytes
            .iter()
            .enumerate()
            .all(|(index, byte)| *byte == 0 || (8..15).contains(&index))
    );
    assert_eq!(global::get(handle, b"counter").expect("a global").bits(), 5);
    assert_eq!(table::size(handle, b"table").expect("a table"), 4);
    assert_eq!(table::size(handle, b"objects").expect("a table"), 2);
    assert_ne!(
        table::get(handle, b"table", 0).expect("an element").bits(),
        0
    );
    for index in 1..4 {
        assert_eq!(
            table::get(handle, b"table", index)
                .expect("an element")
                .bits(),
            0
        );
    }
    let outcome =
        instance::run(handle, b"use_segments", &[]).unwrap_or_else(|_| panic!("{}", sentence()));
    assert_eq!(outcome.kind, LUCET_RETURNED, "segments are there again");
}

#[test]
fn reset_leaves_nothing() {
    let guest = Guest::new(DIRTY);
    for _ in 0..3 {
        assert_eq!(guest.run_i32("dirty", &[]), 5);
        guest.reset();
        assert_fresh(guest.handle);
        guest.reset();
    }
}

#[test]
fn reset_after_a_trap_leaves_nothing() {
    let guest = Guest::new(DIRTY);
    assert_eq!(guest.run_i32("dirty", &[]), 5);
    assert_eq!(guest.run("trap", &[]).kind, LUCET_TRAPPED);
    guest.reset();
    assert_fresh(guest.handle);
}

#[test]
fn a_used_slot_is_like_a_new_one() {
    let guest = Guest::new(DIRTY);
    let mut config = small();
    config.instances = 1;
    let region = support::region(&config);
    for _ in 0..3 {
        let handle = create(&region, &guest.module);
        instance::run(handle, b"dirty", &[]).expect("it runs");
        instance::release(handle).expect("a release");
        let next = create(&region, &guest.module);
        assert_fresh(next);
        instance::release(next).expect("a release");
        assert!(
            instance::release(next).is_err(),
            "a handle is good for one instance"
        );
    }
}

/// Grown pages are inaccessible again after a reset: an access there traps.
#[test]
fn grown_pages_are_taken_back() {
    let guest = Guest::new(
        r#"(module (memory 1 10)
             (func (export "grow") (result i32) (memory.grow (i32.const 4)))
             (func (export "load") (param i32) (result i32) (i32.load8_u (local.get 0))))"#,
    );
    assert_eq!(guest.run_i32("grow", &[]), 1);
    assert_eq!(guest.run_i32("load", &[i32(5 * 65536 - 1)]), 0);
    assert_eq!(guest.run("load", &[i32(5 * 65536)]).kind, LUCET_TRAPPED);
    guest.reset();
    assert_eq!(guest.run("load", &[i32(65536)]).kind, LUCET_TRAPPED);
}

/// A module of another shape in the same slot.
#[test]
fn another_module_in_the_slot_finds_its_own_state() {
    let big = Guest::new(DIRTY);
    let small_module = Guest::new(
        r#"(module (memory 1) (global (export "g") (mut i64) (i64.const 9))
             (func (export "sum") (param i64) (result i64)
               (i64.add (local.get 0) (i64.add (global.get 0) (i64.load (i32.const 65528))))))"#,
    );
    let mut config = small();
    config.instances = 1;
    let region = support::region(&config);
    for _ in 0..4 {
        let first = create(&region, &big.module);
        instance::run(first, b"dirty", &[]).expect("it runs");
        instance::release(first).expect("a release");
        let second = create(&region, &small_module.module);
        let outcome = instance::run(second, b"sum", &[i64(1)]).expect("it runs");
        // SAFETY: one value was returned.
        assert_eq!(unsafe { *outcome.values }.bits(), 10);
        assert_eq!(memory::memory(second, 0).expect("a memory").1, 65536);
        instance::release(second).expect("a release");
    }
}
