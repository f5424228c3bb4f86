//! Memories that code checks by itself: further ones, those with 64-bit indices, and those with pages of one byte. What they
//! hold, where they end, what a reset leaves, and what regions and limits allow.

mod support;

use lucet::abi::{LUCET_RETURNED, LUCET_TRAPPED, lucet_value};
use lucet::error::Status;
use lucet::instance::{self, Limits, memory};
use lucet::linker::Linker;
use lucet::region::{Region, RegionConfig};
use lucet_format::trap::TrapCode;
use support::{Guest, create, i32, i64, module, sentence, small};

fn config(memories: u32, memory_bytes: u64) -> RegionConfig {
    RegionConfig {
        memories,
        memory_bytes,
        ..small()
    }
}

fn guest(text: &str, config: &RegionConfig) -> Guest {
    Guest::linked(text, &Linker::new().expect("a linker"), config)
}

fn traps(guest: &Guest, name: &str, arguments: &[lucet_value]) -> bool {
    let outcome = guest.run(name, arguments);
    if outcome.kind != LUCET_TRAPPED {
        return false;
    }
    assert_eq!(
        outcome.detail,
        u32::from(TrapCode::Memory.number()),
        "{}",
        guest.describe()
    );
    instance::keep(guest.handle).expect("it was stopped");
    true
}

const THREE: &str = r#"(module
  (memory $a 1 3) (memory $b (export "b") 1 4) (memory $c 0 2)
  (data (memory $b) (i32.const 3) "abc") (data (memory $a) (i32.const 3) "xyz")
  (data $later "later")
  (func (export "sizes") (result i32)
    (i32.add (memory.size $a) (i32.add (i32.mul (memory.size $b) (i32.const 10)) (i32.mul (memory.size $c) (i32.const 100)))))
  (func (export "load_a") (param i32) (result i32) (i32.load8_u $a (local.get 0)))
  (func (export "load_b") (param i32) (result i32) (i32.load8_u $b (local.get 0)))
  (func (export "load_c") (param i32) (result i32) (i32.load8_u $c (local.get 0)))
  (func (export "store_b") (param i32 i32) (i32.store8 $b (local.get 0) (local.get 1)))
  (func (export "store_c") (param i32 i32) (i32.store8 $c (local.get 0) (local.get 1)))
  (func (export "grow_b") (param i32) (result i32) (memory.grow $b (local.get 0)))
  (func (export "grow_c") (param i32) (result i32) (memory.grow $c (local.get 0)))
  (func (export "fill_b") (param i32 i32) (memory.fill $b (local.get 0) (i32.const 0x5a) (local.get 1)))
  (func (export "copy_a_b") (param i32 i32 i32) (memory.copy $a $b (local.get 0) (local.get 1) (local.get 2)))
  (func (export "init_b") (param i32 i32 i32) (memory.init $b $later (local.get 0) (local.get 1) (local.get 2))))"#;

#[test]
fn further_memories_are_separate() {
    let guest = guest(THREE, &config(3, 16 << 20));
    assert_eq!(guest.run_i32("sizes", &[]), 11);
    assert_eq!(guest.run_i32("load_b", &[i32(3)]), i32::from(b'a'));
    assert_eq!(guest.run_i32("load_a", &[i32(3)]), i32::from(b'x'));
    assert!(traps(&guest, "load_c", &[i32(0)]));
    assert_eq!(guest.run_i32("grow_c", &[i32(2)]), 0);
    assert_eq!(guest.run_i32("grow_c", &[i32(1)]), -1);
    assert_eq!(guest.run_i32("sizes", &[]), 211);
    guest.run("store_c", &[i32(131_071), i32(7)]);
    assert_eq!(guest.run_i32("load_c", &[i32(131_071)]), 7);
    for index in [65_536, 65_537, -1, i32::MIN] {
        assert!(traps(&guest, "load_b", &[i32(index)]), "{index}");
        assert!(traps(&guest, "store_b", &[i32(index), i32(1)]), "{index}");
    }
    guest.run("copy_a_b", &[i32(100), i32(2), i32(5)]);
    assert_eq!(guest.run_i32("load_a", &[i32(101)]), i32::from(b'a'));
    assert!(traps(&guest, "copy_a_b", &[i32(100), i32(65_535), i32(2)]));
    guest.run("init_b", &[i32(65_531), i32(0), i32(5)]);
    assert_eq!(guest.run_i32("load_b", &[i32(65_535)]), i32::from(b'r'));
    assert!(traps(&guest, "init_b", &[i32(65_532), i32(0), i32(5)]));
    assert!(traps(&guest, "fill_b", &[i32(65_000), i32(537)]));
    let bytes = memory::view(guest.handle, 1, 65_531, 5).expect("a view");
    // SAFETY: the view has five bytes, and the guest does not run.
    assert_eq!(unsafe { std::slice::from_raw_parts(bytes, 5) }, b"later");
    assert!(memory::view(guest.handle, 1, 65_532, 5).is_err());
    assert!(memory::view(guest.handle, 3, 0, 0).is_err());
}

/// Whatever a guest has left in a further memory, the next one does not find it, whoever it is.
#[test]
fn nothing_is_left_in_further_memories() {
    let dirty = guest(THREE, &config(3, 16 << 20));
    let region = support::region(&RegionConfig {
        instances: 1,
        ..config(3, 16 << 20)
    });
    let other = guest(
        r#"(module (memory 1) (memory 2) (memory 64)
             (func (export "any") (result i32) (local $at i32) (local $bits i32)
               (loop $next
                 (local.set $bits (i32.or (local.get $bits) (i32.load 1 (i32.and (local.get $at) (i32.const 0x1ffff)))))
                 (local.set $bits (i32.or (local.get $bits) (i32.load 2 (local.get $at))))
                 (br_if $next (i32.lt_u (local.tee $at (i32.add (local.get $at) (i32.const 4))) (i32.const 0x400000))))
               (local.get $bits)))"#,
        &config(3, 16 << 20),
    );
    for pages in [0, 3] {
        let first = create(&region, &dirty.module);
        let run = |name: &str, arguments: &[lucet_value]| {
            instance::run(first, name.as_bytes(), arguments)
                .unwrap_or_else(|_| panic!("{}", sentence()))
        };
        run("grow_b", &[i32(pages)]);
        run("fill_b", &[i32(0), i32((pages + 1) * 65_536)]);
        run("grow_c", &[i32(2)]);
        run("store_c", &[i32(131_071), i32(7)]);
        instance::reset(first).expect("a reset");
        let (_, size) = memory::memory(first, 1).expect("a memory");
        assert_eq!(size, 65_536);
        let bytes = memory::view(first, 1, 0, 65_536).expect("a view");
        // SAFETY: the view covers the memory, and the guest does not run.
        let bytes = unsafe { std::slice::from_raw_parts(bytes, 65_536) };
        assert_eq!(&bytes[3..6], b"abc");
        assert_eq!(bytes.iter().filter(|byte| **byte != 0).count(), 3);
        run("grow_b", &[i32(3)]);
        let bytes = memory::view(first, 1, 65_536, 3 * 65_536).expect("a view");
        // SAFETY: as above.
        let bytes = unsafe { std::slice::from_raw_parts(bytes, 3 * 65_536) };
        assert!(bytes.iter().all(|byte| *byte == 0), "grown pages are new");
        run("fill_b", &[i32(0), i32(4 * 65_536)]);
        instance::release(first).expect("a release");
        let second = create(&region, &other.module);
        let outcome = instance::run(second, b"any", &[]).expect("it runs");
        assert_eq!(outcome.kind, LUCET_RETURNED);
        // SAFETY: one value was returned.
        assert_eq!(unsafe { *outcome.values }.bits(), 0);
        instance::release(second).expect("a release");
    }
}

#[test]
fn regions_and_limits_count_all_memories() {
    let linker = Linker::new().expect("a linker");
    let three = module(THREE, &linker);
    let few = support::region(&config(2, 16 << 20));
    let refused = few.admits(&three.code).expect_err("two are too few");
    assert_eq!(refused.status, Status::Incompatible);
    assert!(
        sentence().contains("a number of memories of 3"),
        "{}",
        sentence()
    );
    let large = module("(module (memory 1) (memory 3))", &linker);
    let small_memories = support::region(&config(2, 2 * 65_536));
    assert!(small_memories.admits(&large.code).is_err());
    let mut fitted = config(1, 65_536);
    fitted.fit(&large.code).expect("it can be fitted");
    assert_eq!((fitted.memories, fitted.memory_bytes), (2, 3 * 65_536));
    support::region(&fitted)
        .admits(&large.code)
        .expect("it was fitted");

    let region = support::region(&config(3, 3 * 65_536));
    let limits = Limits {
        memory_bytes: 3 * 65_536,
        ..Limits::default()
    };
    let handle = instance::create(&region, &three, std::ptr::null_mut(), limits)
        .unwrap_or_else(|_| panic!("{}", sentence()));
    assert!(
        memory::grow(handle, 1, 3).is_err(),
        "more than the region has for one memory"
    );
    assert_eq!(memory::grow(handle, 2, 1).expect("three pages in all"), 0);
    assert!(memory::grow(handle, 0, 1).is_err(), "four pages in all");
    assert!(memory::grow(handle, 1, 1).is_err(), "four pages in all");
    let stats = instance::stats(handle).expect("statistics");
    assert_eq!(
        (stats.memory_bytes, stats.peak_memory_bytes),
        (3 * 65_536, 3 * 65_536)
    );
    instance::release(handle).expect("a release");
    let too_little = Limits {
        memory_bytes: 65_536,
        ..limits
    };
    let refused = instance::create(&region, &three, std::ptr::null_mut(), too_little);
    assert_eq!(
        refused.expect_err("two pages at first").status,
        Status::Limit
    );
}

const WIDE: &str = r#"(module (memory (export "memory") i64 1 0x18000)
  (func (export "grow") (param i64) (result i64) (memory.grow (local.get 0)))
  (func (export "size") (result i64) (memory.size))
  (func (export "load") (param i64) (result i64) (i64.load (local.get 0)))
  (func (export "load_far") (param i64) (result i32) (i32.load8_u offset=0xfffffffffffffff0 (local.get 0)))
  (func (export "load_behind") (param i64) (result i32) (i32.load8_u offset=0x100000000 (local.get 0)))
  (func (export "store") (param i64 i64) (i64.store offset=8 (local.get 0) (local.get 1)))
  (func (export "fill") (param i64 i64) (memory.fill (local.get 0) (i32.const 1) (local.get 1))))"#;

/// Memory beyond 4 GiB, and addresses whose sum with the offset or the width wraps.
#[test]
fn memories_with_64_bit_indices_end_where_they_end() {
    let guest = guest(WIDE, &config(1, 6 << 30));
    let long = |name: &str, arguments: &[lucet_value]| {
        let outcome = guest.run(name, arguments);
        assert_eq!(outcome.kind, LUCET_RETURNED, "{name}: {}", guest.describe());
        // SAFETY: one value was returned.
        unsafe { *outcome.values }.bits() as u64 as i64
    };
    let around = [
        0,
        1,
        7,
        8,
        15,
        16,
        1 << 31,
        1 << 32,
        1 << 33,
        1 << 48,
        i64::MAX,
    ];
    for end in [65_536, 5 << 30] {
        for delta in around {
            assert!(
                delta > end || traps(&guest, "load", &[i64(end + delta)]),
                "{delta}"
            );
            assert!(traps(&guest, "load", &[i64(-1 - delta)]), "{delta}");
            assert!(
                traps(&guest, "store", &[i64(-1 - delta), i64(0)]),
                "{delta}"
            );
        }
        for short in 1..8 {
            assert!(traps(&guest, "load", &[i64(end - short)]));
            assert!(traps(&guest, "store", &[i64(end - 8 - short), i64(1)]));
        }
        assert_eq!(long("load", &[i64(end - 8)]), 0);
        guest.run("store", &[i64(end - 16), i64(0x1122_3344_5566_7788)]);
        assert_eq!(long("load", &[i64(end - 8)]), 0x1122_3344_5566_7788);
        assert!(traps(&guest, "fill", &[i64(end - 7), i64(8)]));
        assert!(traps(&guest, "fill", &[i64(8), i64(-8)]));
        assert!(traps(&guest, "load_far", &[i64(0)]));
        assert!(traps(&guest, "load_far", &[i64(16)]), "it does not wrap");
        if end == 65_536 {
            assert!(traps(&guest, "load_behind", &[i64(0)]));
            assert_eq!(long("grow", &[i64((5 << 14) - 1)]), 1);
            assert_eq!(long("size", &[]), 5 << 14);
        }
    }
    assert_eq!(guest.run_i32("load_behind", &[i64((1 << 30) - 1)]), 0x11);
    let bytes = memory::view(guest.handle, 0, (5 << 30) - 8, 8).expect("a view");
    // SAFETY: the view has eight bytes, and the guest does not run.
    assert_eq!(unsafe { *bytes }, 0x88);
    assert_eq!(long("grow", &[i64(1 << 14)]), 5 << 14);
    assert_eq!(long("grow", &[i64(1)]), -1, "the region has 6 GiB");
    assert_eq!(long("grow", &[i64(i64::MAX)]), -1);
    assert_eq!(long("grow", &[i64(-1)]), -1);
    guest.reset();
    assert_eq!(long("size", &[]), 1);
    assert!(traps(&guest, "load", &[i64((5 << 30) - 8)]));
    assert_eq!(long("grow", &[i64((5 << 14) - 1)]), 1);
    assert_eq!(long("load", &[i64((5 << 30) - 8)]), 0);
}

/// A memory larger than 4 GiB at first, and a slot in which a module that relies on guards follows.
#[test]
fn large_and_guarded_memories_share_a_region() {
    let linker = Linker::new().expect("a linker");
    let large = module(
        r#"(module (memory i64 0x10001) (func (export "touch") (i64.store (i64.const 0x100000008) (i64.const -1))))"#,
        &linker,
    );
    let guarded = module(
        r#"(module (memory 1 1) (func (export "load") (param i32) (result i32) (i32.load offset=0x7fffffff (local.get 0))))"#,
        &linker,
    );
    let mut wanted = config(1, 0);
    wanted.instances = 1;
    wanted.fit(&large.code).expect("it can be fitted");
    assert_eq!(wanted.memory_bytes, 0x1_0001_0000);
    let region = support::region(&wanted);
    for _ in 0..3 {
        let first = create(&region, &large);
        let outcome = instance::run(first, b"touch", &[]).expect("it runs");
        assert_eq!(outcome.kind, LUCET_RETURNED);
        instance::release(first).expect("a release");
        let second = create(&region, &guarded);
        for index in [0, -1, i32::MIN] {
            let outcome = instance::run(second, b"load", &[i32(index)]).expect("it runs");
            assert_eq!(outcome.kind, LUCET_TRAPPED);
            instance::keep(second).expect("it was stopped");
        }
        instance::release(second).expect("a release");
    }
    assert!(support::region(&small()).admits(&large.code).is_err());
}

#[test]
fn pages_of_one_byte() {
    let guest = guest(
        r#"(module (memory (export "memory") 5 9000 (pagesize 1))
             (data (i32.const 1) "four")
             (func (export "size") (result i32) (memory.size))
             (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0)))
             (func (export "load8") (param i32) (result i32) (i32.load8_u (local.get 0)))
             (func (export "load32") (param i32) (result i32) (i32.load (local.get 0)))
             (func (export "store8") (param i32) (i32.store8 (local.get 0) (i32.const 0xff)))
             (func (export "fill") (param i32) (memory.fill (i32.const 0) (i32.const 0xee) (local.get 0))))"#,
        &small(),
    );
    assert_eq!(guest.run_i32("size", &[]), 5);
    assert_eq!(guest.run_i32("load32", &[i32(1)]).to_le_bytes(), *b"four");
    for index in [2, 5, 4096, -1, -4] {
        assert!(traps(&guest, "load32", &[i32(index)]), "{index}");
    }
    assert!(traps(&guest, "store8", &[i32(5)]));
    assert!(traps(&guest, "fill", &[i32(6)]));
    let (_, size) = memory::memory(guest.handle, 0).expect("a memory");
    assert_eq!(size, 5);
    assert!(memory::view(guest.handle, 0, 5, 1).is_err());
    // Across the end of the host's page, by one byte and by many.
    for (grow, size) in [(4090, 4095), (1, 4096), (1, 4097), (4903, 9000)] {
        assert_eq!(guest.run_i32("grow", &[i32(grow)]), size - grow);
        assert!(traps(&guest, "load8", &[i32(size)]));
        assert_eq!(guest.run_i32("load8", &[i32(size - 1)]), 0);
        guest.run("store8", &[i32(size - 1)]);
        assert_eq!(guest.run_i32("load8", &[i32(size - 1)]), 0xff);
    }
    assert_eq!(guest.run_i32("grow", &[i32(1)]), -1);
    guest.run("fill", &[i32(9000)]);
    guest.reset();
    assert_eq!(guest.run_i32("size", &[]), 5);
    assert_eq!(memory::grow(guest.handle, 0, 8000).expect("room"), 5);
    let bytes = memory::view(guest.handle, 0, 0, 8005).expect("a view");
    // SAFETY: the view covers the memory, and the guest does not run.
    let bytes = unsafe { std::slice::from_raw_parts(bytes, 8005) };
    assert_eq!(&bytes[..5], b"\0four");
    assert!(bytes[5..].iter().all(|byte| *byte == 0));
}

/// Indices of 64 bits into tables: nothing of them is cut off.
#[test]
fn tables_with_64_bit_indices() {
    let guest = Guest::new(
        r#"(module (table $t i64 3 10 funcref) (export "table" (table $t))
             (elem (table $t) (i64.const 1) func $seven)
             (elem $later func $seven)
             (type $answer (func (result i32)))
             (func $seven (result i32) (i32.const 7))
             (func (export "call") (param i64) (result i32) (call_indirect $t (type $answer) (local.get 0)))
             (func (export "is_null") (param i64) (result i32) (ref.is_null (table.get $t (local.get 0))))
             (func (export "grow") (param i64) (result i64) (table.grow $t (ref.func $seven) (local.get 0)))
             (func (export "size") (result i64) (table.size $t))
             (func (export "fill") (param i64 i64) (table.fill $t (local.get 0) (ref.func $seven) (local.get 1)))
             (func (export "copy") (param i64 i64 i64) (table.copy $t $t (local.get 0) (local.get 1) (local.get 2)))
             (func (export "init") (param i64) (table.init $t $later (local.get 0) (i32.const 0) (i32.const 1))))"#,
    );
    let stopped = |name: &str, arguments: &[lucet_value]| {
        let outcome = guest.run(name, arguments);
        if outcome.kind == LUCET_TRAPPED {
            instance::keep(guest.handle).expect("it was stopped");
        }
        outcome.kind == LUCET_TRAPPED && outcome.detail == u32::from(TrapCode::Table.number())
    };
    assert_eq!(guest.run_i32("call", &[i64(1)]), 7);
    for index in [3, 1 << 32, (1 << 32) + 1, (1 << 61) + 1, -1, i64::MIN + 1] {
        assert!(stopped("call", &[i64(index)]), "{index:#x}");
        assert!(stopped("is_null", &[i64(index)]), "{index:#x}");
        assert!(stopped("fill", &[i64(index), i64(1)]), "{index:#x}");
        assert!(stopped("fill", &[i64(1), i64(index)]), "{index:#x}");
        assert!(stopped("copy", &[i64(0), i64(index), i64(1)]), "{index:#x}");
        assert!(stopped("copy", &[i64(0), i64(1), i64(index)]), "{index:#x}");
        assert!(stopped("init", &[i64(index)]), "{index:#x}");
    }
    guest.run("init", &[i64(2)]);
    assert_eq!(guest.run_i32("call", &[i64(2)]), 7);
    let grown = guest.run("grow", &[i64(7)]);
    // SAFETY: one value was returned.
    assert_eq!(unsafe { *grown.values }.bits(), 3);
    assert_eq!(guest.run_i32("call", &[i64(9)]), 7);
    for delta in [1, 1 << 32, -1] {
        let refused = guest.run("grow", &[i64(delta)]);
        // SAFETY: as above.
        assert_eq!(unsafe { *refused.values }.bits() as u64, u64::MAX);
    }
}

/// Sizes that no process has room for are refused before anything is reserved.
#[test]
fn impossible_memories_are_statuses() {
    let linker = Linker::new().expect("a linker");
    let absurd = [
        "(module (memory i64 0x1000000000000))",
        "(module (memory i64 0x1000001))",
        "(module (memory 1) (memory i64 0x1000001))",
    ];
    for text in absurd {
        let module = module(text, &linker);
        let mut wanted = config(4, 1 << 20);
        assert_eq!(
            wanted.fit(&module.code).expect_err(text).status,
            Status::Incompatible
        );
        let region = support::region(&config(2, 1 << 20));
        let refused = instance::create(&region, &module, std::ptr::null_mut(), Limits::default());
        assert_eq!(refused.expect_err(text).status, Status::Incompatible);
    }
    let too_large = config(1, (1 << 40) + 1);
    assert_eq!(
        Region::new(&too_large).err().map(|refused| refused.status),
        Some(Status::Limit)
    );
}
