//! Recycled memory equals fresh memory, whatever was written, by whom, and in which order.

use crate::random::Random;
use crate::support::{self, create, i32, i64, module, region};
use lucet::abi::LUCET_RETURNED;
use lucet::counted::Counted;
use lucet::instance::{self, Handle, memory};
use lucet::linker::Linker;
use lucet::module::Module;
use lucet::region::RegionConfig;

/// Twelve pages of wasm memory with data in three places; `fill` writes a byte to a range, `spread` one byte every so often.
pub const DATA: &str = r#"(module
    (memory (export "memory") 12 20) (data (i32.const 0) "first") (data (i32.const 70000) "second") (data (i32.const 500000) "third")
    (global (export "g") (mut i64) (i64.const 5))
    (func (export "fill") (param i32 i32 i32) (memory.fill (local.get 0) (local.get 1) (local.get 2)))
    (func (export "spread") (param i32 i32 i32)
      (block $end (loop $next
        (br_if $end (i32.eqz (local.get 2)))
        (i32.store8 (local.get 0) (i32.const 0xaa))
        (local.set 0 (i32.add (local.get 0) (local.get 1)))
        (local.set 2 (i32.sub (local.get 2) (i32.const 1)))
        (br $next))))
    (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0)))
    (func (export "trap") (param i32) (i32.store (local.get 0) (i32.const -1)) unreachable)
    (func (export "set") (param i64) (global.set 0 (local.get 0))))"#;

/// The same functions over memory without data.
pub const PLAIN: &str = r#"(module
    (memory (export "memory") 3 9)
    (func (export "fill") (param i32 i32 i32) (memory.fill (local.get 0) (local.get 1) (local.get 2)))
    (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0))))"#;

pub const PAGE: usize = 4096;

pub fn one_slot(keep: u64) -> RegionConfig {
    RegionConfig {
        instances: 1,
        keep_resident_bytes: keep,
        ..RegionConfig::default()
    }
}

pub fn contents(handle: Handle) -> &'static [u8] {
    let (address, length) = memory::memory(handle, 0).expect("a memory");
    // SAFETY: the memory is readable while the instance lives and does not grow; each test looks at it before going on.
    unsafe { std::slice::from_raw_parts(address as *const u8, length) }
}

/// What a fresh instance holds, from a region that has had no other.
pub fn fresh(module: &Counted<Module>) -> Vec<u8> {
    let region = region(&one_slot(0));
    let handle = create(&region, module);
    let copy = contents(handle).to_vec();
    instance::release(handle).expect("released");
    copy
}

/// Does something to the instance's memory; answers whether it was left running well.
fn disturb(handle: Handle, random: &mut Random, pages: usize) {
    let at = random.below(pages * 65536 - 8);
    let run = |name: &str, arguments: &[lucet::abi::lucet_value]| {
        instance::run(handle, name.as_bytes(), arguments)
            .unwrap_or_else(|_| panic!("{name}: {}", support::sentence()))
    };
    match random.below(8) {
        0 => drop(run(
            "fill",
            &[i32(at as i32), i32(0x55), i32(random.below(8) as i32)],
        )),
        1 => drop(run(
            "fill",
            &[i32(0), i32(0x66), i32((pages * 65536) as i32)],
        )),
        2 => {
            // SAFETY: the source has as many bytes.
            unsafe { memory::write(handle, 0, at as u64, b"host".as_ptr(), 4) }
                .expect("within memory");
        }
        3 => {
            let view = memory::view_mut(handle, 0, at as u64, 8).expect("within memory");
            // SAFETY: a checked view.
            unsafe { view.write_bytes(0x77, 8) };
        }
        4 => kernel_writes(handle, at),
        5 => {
            let old = run("grow", &[i32(random.below(5) as i32)]);
            assert_eq!(old.kind, LUCET_RETURNED);
            let length = memory::memory(handle, 0).expect("a memory").1;
            // SAFETY: the source has as many bytes.
            unsafe { memory::write(handle, 0, length as u64 - 4, b"grow".as_ptr(), 4) }
                .expect("within memory");
        }
        6 => {
            // Another thread of the host writes.
            let view = memory::view_mut(handle, 0, at as u64, 1).expect("within memory") as usize;
            let write = move || {
                // SAFETY: a checked view; the guest does not run.
                unsafe { (view as *mut u8).write(0x88) }
            };
            std::thread::scope(|scope| drop(scope.spawn(write)));
        }
        _ => {}
    }
}

/// `read(2)` into a view: the kernel does not fault, it refuses.
pub fn kernel_writes(handle: Handle, at: usize) {
    let view = memory::view_mut(handle, 0, at as u64, 8).expect("within memory");
    let mut ends = [0; 2];
    // SAFETY: plain system calls on descriptors of this function and a checked view.
    unsafe {
        assert_eq!(libc::pipe(ends.as_mut_ptr()), 0);
        assert_eq!(libc::write(ends[1], b"kernel!!".as_ptr().cast(), 8), 8);
        assert_eq!(
            libc::read(ends[0], view.cast(), 8),
            8,
            "the view can be written by the kernel"
        );
        libc::close(ends[0]);
        libc::close(ends[1]);
    }
}

#[test]
fn recycled_memory_is_fresh_memory() {
    let linker = Linker::new().expect("a linker");
    let modules = [module(DATA, &linker), module(PLAIN, &linker)];
    let expected: Vec<Vec<u8>> = modules.iter().map(fresh).collect();
    for keep in [0, 4 * PAGE as u64, 64 * PAGE as u64, 16 << 20] {
        let region = region(&one_slot(keep));
        let mut random = Random(keep + 1);
        for round in 0..400 {
            let which = if random.below(10) == 0 { 1 } else { 0 };
            let handle = create(&region, &modules[which]);
            for _ in 0..1 + random.below(3) {
                assert!(
                    contents(handle) == expected[which].as_slice(),
                    "keep {keep}, round {round}: memory is not fresh"
                );
                for _ in 0..random.below(4) {
                    disturb(handle, &mut random, expected[which].len() / 65536);
                }
                instance::reset(handle).expect("reset");
            }
            assert!(
                contents(handle) == expected[which].as_slice(),
                "keep {keep}, round {round}: after reset"
            );
            instance::release(handle).expect("released");
        }
    }
}

#[test]
fn many_cycles_with_samples_and_growing_sets() {
    let linker = Linker::new().expect("a linker");
    let module = module(DATA, &linker);
    let expected = fresh(&module);
    let region = region(&one_slot(1 << 20));
    for cycle in 0..12_000u32 {
        let handle = create(&region, &module);
        // Large at first, then small: the set of hot pages grows, and shrinks again.
        let pages = if cycle < 100 { 150 } else { 2 };
        let arguments = [i32(4096 * 3), i32(4096), i32(pages)];
        assert_eq!(
            instance::run(handle, b"spread", &arguments)
                .expect("runs")
                .kind,
            LUCET_RETURNED
        );
        instance::run(handle, b"set", &[i64(i64::from(cycle))]).expect("runs");
        instance::release(handle).expect("released");
        if cycle % 97 == 0 {
            let handle = create(&region, &module);
            assert!(contents(handle) == expected.as_slice(), "cycle {cycle}");
            assert_eq!(
                instance::global::get(handle, b"g")
                    .expect("a global")
                    .bits(),
                5
            );
            instance::release(handle).expect("released");
        }
    }
    let resident = region.stats().resident_bytes;
    assert!(
        resident < 64 * PAGE as u64,
        "{resident} bytes are resident although two pages are written"
    );
}

#[test]
fn traps_anywhere_leave_nothing() {
    let linker = Linker::new().expect("a linker");
    let module = module(DATA, &linker);
    let expected = fresh(&module);
    let region = region(&one_slot(1 << 20));
    let mut random = Random(9);
    let handle = create(&region, &module);
    for round in 0..300 {
        let at = random.below(expected.len() + 100_000);
        let outcome = instance::run(handle, b"trap", &[i32(at as i32)]).expect("runs");
        assert_ne!(outcome.kind, LUCET_RETURNED);
        instance::reset(handle).expect("reset");
        assert!(
            contents(handle) == expected.as_slice(),
            "round {round}, address {at:#x}"
        );
    }
    instance::release(handle).expect("released");
}
