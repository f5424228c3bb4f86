//! Guests that compare every address and their stack pointer (`lucetc --memory=bounds`), in regions whose slots have no guards:
//! they stop where others do, nothing of a slot reaches another one, and nothing of a guest stays.

mod support;

use lucet::abi::{LUCET_RETURNED, LUCET_TRAPPED, lucet_outcome, lucet_value};
use lucet::call;
use lucet::counted::Counted;
use lucet::error::Status;
use lucet::instance::{self, Handle, memory};
use lucet::linker::{Definition, Linker};
use lucet::module::{Module, load};
use lucet::region::{Region, RegionConfig};
use lucet_format::trap::TrapCode;
use lucetc::options::{MemoryMode, OptLevel, Options};
use support::{create, i32, sentence};

fn bounds(text: &str, linker: &Linker, opt_level: OptLevel) -> Counted<Module> {
    let options = Options {
        memory: MemoryMode::Bounds,
        opt_level,
        verify: true,
        ..Options::default()
    };
    let file = lucetc::compile_module(text.as_bytes(), &options).expect("the guest compiles");
    let code = load::bytes(&file).unwrap_or_else(|_| panic!("{}", sentence()));
    Module::link(&code, linker, &mut |_| {}).unwrap_or_else(|_| panic!("{}", sentence()))
}

fn module(text: &str) -> Counted<Module> {
    bounds(text, &Linker::new().expect("a linker"), OptLevel::Speed)
}

/// Small slots; whatever they hold is compared each time.
fn config() -> RegionConfig {
    RegionConfig {
        instances: 4,
        compact: true,
        verify: true,
        memory_bytes: 4 * 65_536,
        memories: 2,
        stack_bytes: 96 << 10,
        table_elements: 16,
        state_bytes: 512,
        ..RegionConfig::default()
    }
}

fn run(handle: Handle, name: &str, arguments: &[lucet_value]) -> lucet_outcome {
    instance::run(handle, name.as_bytes(), arguments)
        .unwrap_or_else(|_| panic!("{name}: {}", sentence()))
}

fn value(handle: Handle, name: &str, arguments: &[lucet_value]) -> u64 {
    let outcome = run(handle, name, arguments);
    assert_eq!(
        (outcome.kind, outcome.value_count),
        (LUCET_RETURNED, 1),
        "{name}"
    );
    // SAFETY: one value was returned.
    unsafe { *outcome.values }.bits() as u64
}

fn trap(handle: Handle, name: &str, arguments: &[lucet_value]) -> Option<TrapCode> {
    let outcome = run(handle, name, arguments);
    if outcome.kind != LUCET_TRAPPED {
        return None;
    }
    instance::keep(handle).expect("it was stopped");
    TrapCode::from_number(outcome.detail)
}

const GUEST: &str = r#"(module
  (memory (export "memory") 1 4) (memory $b 1 2)
  (global $g (mut i64) (i64.const 5))
  (table (export "table") 3 8 funcref)
  (elem (i32.const 1) $one)
  (type $answer (func (result i32)))
  (data (i32.const 8) "initial") (data (i32.const 5000) "second page") (data (memory $b) (i32.const 1) "other")
  (func $one (result i32) (i32.const 1))
  (func (export "load8") (param i32) (result i32) (i32.load8_u (local.get 0)))
  (func (export "load64") (param i32) (result i64) (i64.load offset=3 (local.get 0)))
  (func (export "load_far") (param i32) (result i32) (i32.load offset=0x7fffffff (local.get 0)))
  (func (export "load_farther") (param i32) (result i32) (i32.load offset=0xfffffff0 (local.get 0)))
  (func (export "store32") (param i32 i32) (i32.store (local.get 0) (local.get 1)))
  (func (export "load_b") (param i32) (result i32) (i32.load8_u $b (local.get 0)))
  (func (export "call") (param i32) (result i32) (call_indirect (type $answer) (local.get 0)))
  (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0)))
  (func (export "dirty") (param i32)
    (memory.fill (local.get 0) (i32.const 0xaa) (i32.const 4096))
    (memory.fill $b (i32.const 0) (i32.const 0xbb) (i32.const 65536))
    (global.set $g (i64.const -1))
    (table.set (i32.const 0) (ref.func $one)))
  (func $deep (export "deep") (param i32) (result i32)
    (if (result i32) (i32.eqz (local.get 0)) (then (i32.const 0))
      (else (i32.add (i32.const 1) (call $deep (i32.sub (local.get 0) (i32.const 1)))))))
  (func $endless (export "endless") (param i64) (result i64)
    (i64.add (i64.const 1) (call $endless (i64.add (local.get 0) (i64.const 1)))))
  (func (export "sum") (result i32) (local $at i32) (local $sum i32)
    (loop $next
      (local.set $sum (i32.add (local.get $sum) (i32.add (i32.load8_u (local.get $at)) (i32.load8_u $b (local.get $at)))))
      (br_if $next (i32.lt_u (local.tee $at (i32.add (local.get $at) (i32.const 1))) (i32.const 65536))))
    (local.get $sum)))"#;

/// The sum of all bytes of both memories at first.
fn fresh_sum() -> u64 {
    let data = b"initialsecond pageother";
    data.iter().map(|byte| u64::from(*byte)).sum()
}

#[test]
fn regions_without_guards_take_guests_without_needs_only() {
    let linker = Linker::new().expect("a linker");
    let region = support::region(&config());
    let guarded = support::module(GUEST, &linker);
    let refused = region
        .admits(&guarded.code)
        .expect_err("it relies on guards");
    assert_eq!(refused.status, Status::Incompatible);
    assert!(
        sentence().contains("a memory reservation of"),
        "{}",
        sentence()
    );
    let refused = config().fit(&guarded.code).expect_err("no size helps");
    assert_eq!(refused.status, Status::Incompatible);
    assert!(sentence().contains("--memory=bounds"), "{}", sentence());
    // Memory 0 has no guards, but the stack relies on one.
    let wide = support::module("(module (memory i64 1))", &linker);
    region
        .admits(&wide.code)
        .expect_err("its stack needs a guard");
    assert!(sentence().contains("a stack guard of"), "{}", sentence());
    let plain = module(GUEST);
    region.admits(&plain.code).expect("it fits");
    // And into ordinary regions, too.
    let ordinary = support::region(&RegionConfig {
        memories: 2,
        ..support::small()
    });
    let handle = create(&ordinary, &plain);
    assert_eq!(value(handle, "sum", &[]), fresh_sum());
    assert_eq!(
        trap(handle, "load8", &[i32(65_536)]),
        Some(TrapCode::Memory)
    );
    assert_eq!(
        trap(handle, "endless", &[support::i64(0)]),
        Some(TrapCode::Stack)
    );
    instance::release(handle).expect("a release");
    let mut fitted = RegionConfig {
        state_bytes: 1,
        table_elements: 1,
        stack_bytes: 16 << 10,
        memory_bytes: 1,
        ..config()
    };
    fitted.state_bytes = 256;
    fitted.fit(&plain.code).expect("it can be fitted");
    assert!(
        fitted.state_bytes < 1024 && fitted.table_elements == 3,
        "{fitted:?}"
    );
    support::region(&fitted)
        .admits(&plain.code)
        .expect("it was fitted");
    let careless = RegionConfig {
        handler_stack_bytes: 100,
        ..config()
    };
    let refused = Region::new(&careless).err();
    assert_eq!(refused.map(|refused| refused.status), Some(Status::Limit));
}

#[test]
fn guests_end_where_their_memory_ends() {
    for opt_level in [OptLevel::None, OptLevel::Speed, OptLevel::SpeedAndSize] {
        let linker = Linker::new().expect("a linker");
        let guests = bounds(GUEST, &linker, opt_level);
        let region = support::region(&config());
        let handles = [0; 3].map(|_| create(&region, &guests));
        let [before, handle, after] = handles;
        let outside = [
            65_536,
            65_537,
            131_072,
            4 * 65_536,
            i32::MAX,
            i32::MIN,
            -4,
            -1,
        ];
        for end in [65_536, 3 * 65_536] {
            for index in outside.into_iter().filter(|index| *index as u32 >= end) {
                assert_eq!(
                    trap(handle, "load8", &[i32(index)]),
                    Some(TrapCode::Memory),
                    "{index}"
                );
                assert_eq!(
                    trap(handle, "store32", &[i32(index), i32(-1)]),
                    Some(TrapCode::Memory),
                    "{index}"
                );
            }
            for short in 1..11 {
                let index = end as i32 - short;
                assert_eq!(
                    trap(handle, "load64", &[i32(index)]),
                    Some(TrapCode::Memory)
                );
                let fits = short >= 4;
                assert_eq!(
                    trap(handle, "store32", &[i32(index), i32(-1)]).is_none(),
                    fits
                );
            }
            assert_eq!(trap(handle, "load64", &[i32(end as i32 - 11)]), None);
            for name in ["load_far", "load_farther"] {
                for index in [0, 1, 16, 20, 65_535, i32::MIN, -1] {
                    assert_eq!(trap(handle, name, &[i32(index)]), Some(TrapCode::Memory));
                }
            }
            if end == 65_536 {
                assert_eq!(value(handle, "grow", &[i32(2)]), 1);
            }
        }
        assert_eq!(
            trap(handle, "load_b", &[i32(65_536)]),
            Some(TrapCode::Memory)
        );
        assert_eq!(value(handle, "call", &[i32(1)]), 1);
        assert_eq!(trap(handle, "call", &[i32(0)]), Some(TrapCode::NullCall));
        for index in [3, 8, i32::MAX, -1] {
            assert_eq!(trap(handle, "call", &[i32(index)]), Some(TrapCode::Table));
        }
        for other in [before, after] {
            assert_eq!(value(other, "sum", &[]), fresh_sum(), "nobody wrote there");
        }
        for handle in handles {
            instance::release(handle).expect("a release");
        }
    }
}

/// The guest's stack ends above that of its neighbour's memory, which nothing protects but the guest's own check.
#[test]
fn stacks_end_in_time() {
    let guests = module(GUEST);
    let region = support::region(&config());
    let handles = [0; 3].map(|_| create(&region, &guests));
    for handle in handles {
        run(handle, "grow", &[i32(3)]);
    }
    let memories = handles.map(|handle| memory::memory(handle, 0).expect("a memory"));
    assert!(memories.iter().all(|(_, size)| *size == 4 * 65_536));
    // Each memory is full: it ends where the next slot's stack ends.
    for handle in handles {
        let at = memory::view_mut(handle, 0, 65_536, 3 * 65_536).expect("a view");
        // SAFETY: the view is so long, and no guest runs.
        unsafe { at.write_bytes(0x77, 3 * 65_536) };
    }
    for handle in handles {
        for _ in 0..3 {
            assert_eq!(
                trap(handle, "endless", &[support::i64(0)]),
                Some(TrapCode::Stack)
            );
        }
        assert_eq!(value(handle, "deep", &[i32(100)]), 100);
    }
    for (base, _) in memories {
        // SAFETY: the memories have grown to four pages, and no guest runs.
        let bytes = unsafe { std::slice::from_raw_parts((base + 65_536) as *const u8, 3 * 65_536) };
        assert!(bytes.iter().all(|byte| *byte == 0x77));
    }
    for handle in handles {
        instance::release(handle).expect("a release");
    }
}

unsafe extern "C" fn back(
    call: *mut lucet::abi::lucet_call,
    _: *mut std::ffi::c_void,
    arguments: *const lucet_value,
    results: *mut lucet_value,
) {
    // SAFETY: the type has one parameter and one result.
    let (argument, result) = unsafe { (*arguments, &mut *results) };
    if let Ok(outcome) = call::run(call, b"again", &[argument])
        && outcome.kind == LUCET_RETURNED
    {
        // SAFETY: one value was returned.
        *result = unsafe { *outcome.values };
    }
}

/// Callbacks begin deep in the stack, and adapters look as well.
#[test]
fn callbacks_end_in_time() {
    let mut linker = Linker::new().expect("a linker");
    let data = lucet::linker::DynamicData::new(std::ptr::null_mut(), None).expect("data");
    let types = [lucet_format::value::ValueType::I32];
    let definition = Definition::dynamic(&types, &types, back, data).expect("a definition");
    linker.define(b"env", b"back", definition).expect("room");
    let text = r#"(module (import "env" "back" (func $back (param i32) (result i32))) (memory 1)
      (func $down (param i32 i32) (result i32)
        (if (result i32) (i32.eqz (local.get 0)) (then (call $back (local.get 1)))
          (else (i32.add (i32.const 1) (call $down (i32.sub (local.get 0) (i32.const 1)) (local.get 1))))))
      (func (export "again") (param i32) (result i32)
        (if (result i32) (i32.eqz (local.get 0)) (then (i32.const 0))
          (else (call $down (i32.const 700) (i32.sub (local.get 0) (i32.const 1)))))))"#;
    // A level that does not inline: each level of the recursion has a frame.
    let guests = bounds(text, &linker, OptLevel::SpeedAndSize);
    let region = support::region(&config());
    let handle = create(&region, &guests);
    assert_eq!(value(handle, "again", &[i32(2)]), 1400);
    assert_eq!(trap(handle, "again", &[i32(8)]), Some(TrapCode::Stack));
    assert_eq!(value(handle, "again", &[i32(2)]), 1400);
    instance::release(handle).expect("a release");
}

/// The region compares everything at each reset and release; here it is done often enough for every way of restoring.
#[test]
fn nothing_is_left_in_compact_slots() {
    let guests = module(GUEST);
    let other = module(
        r#"(module (memory 2) (memory 1) (data (i32.const 70000) "another")
          (func (export "write") (i32.store (i32.const 131068) (i32.const -1)) (i32.store 1 (i32.const 0) (i32.const -1))))"#,
    );
    for keep_resident_bytes in [0, 1 << 20] {
        let region = support::region(&RegionConfig {
            instances: 1,
            keep_resident_bytes,
            ..config()
        });
        for round in 0..40 {
            let handle = create(&region, &guests);
            assert_eq!(value(handle, "sum", &[]), fresh_sum());
            for _ in 0..3 {
                run(handle, "dirty", &[i32(4096 * (round % 15))]);
                run(handle, "grow", &[i32(round % 4)]);
                let end = (round % 4) as u64 * 65_536 + 65_536;
                let last = memory::view_mut(handle, 0, end - 1, 1).expect("a view");
                // SAFETY: the view has a byte, and the guest does not run.
                unsafe { last.write(1) };
                instance::reset(handle).unwrap_or_else(|_| panic!("{}", sentence()));
                assert_eq!(value(handle, "sum", &[]), fresh_sum());
            }
            instance::release(handle).unwrap_or_else(|_| panic!("{}", sentence()));
            if round % 3 == 0 {
                let second = create(&region, &other);
                run(second, "write", &[]);
                instance::release(second).unwrap_or_else(|_| panic!("{}", sentence()));
            }
            if round % 7 == 0 {
                // What idle slots keep is given back, their data included.
                region.trim(0);
            }
        }
    }
}
