//! Fresh memory under what a system and its host can do to pages: lock, reclaim or enlarge them, write to them in pieces, or from several threads.

use crate::cycles::{cycles, mess, modules, verifying};
use crate::memory::{DATA, PAGE, PLAIN, contents, fresh, kernel_writes, one_slot};
use crate::own_process::own_process;
use crate::random::Random;
use crate::support::{create, i32, module, region, sentence};
use lucet::abi::LUCET_RETURNED;
use lucet::counted::Counted;
use lucet::instance::{self, Handle, memory};
use lucet::linker::Linker;
use lucet::module::Module;
use lucet::region::RegionConfig;

fn advise(handle: Handle, advice: libc::c_int) -> bool {
    let (address, length) = memory::memory(handle, 0).expect("a memory");
    // SAFETY: advice that changes no contents.
    unsafe { libc::madvise(address as *mut _, length, advice) == 0 }
}

/// `MADV_PAGEOUT`: the kernel reclaims what it can. Without swap that is little, and with it, written pages are away when the memory is
/// restored: `tests/vm` runs this with swap.
#[test]
fn memory_that_has_been_reclaimed() {
    let region = verifying(one_slot(1 << 20));
    let mut swapped = 0;
    cycles(&region, 150, |handle, _| {
        assert!(advise(handle, libc::MADV_PAGEOUT));
        swapped = swapped.max(swapped_out());
    });
    assert!(swapped > 0 || !there_is_swap(), "nothing was swapped out");
}

/// Whether the system has swap.
pub fn there_is_swap() -> bool {
    let text = std::fs::read_to_string("/proc/swaps").unwrap_or_default();
    text.lines().count() > 1
}

/// Kilobytes of this process that are swapped out.
pub fn swapped_out() -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").expect("readable");
    let line = text.lines().find(|line| line.starts_with("VmSwap:"));
    line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok())
        .unwrap_or(0)
}

#[test]
fn memory_in_huge_pages() {
    let region = verifying(RegionConfig {
        memory_bytes: 64 << 20,
        ..one_slot(1 << 20)
    });
    let linker = Linker::new().expect("a linker");
    // Ten megabytes without data: a range that holds huge pages.
    let text = PLAIN.replace(
        "(memory (export \"memory\") 3 9)",
        "(memory (export \"memory\") 160 170)",
    );
    assert_ne!(text, PLAIN);
    let module = module(&text, &linker);
    let handle = create(&region, &module);
    let mut huge = 0;
    for round in 0..24 {
        assert!(
            contents(handle).iter().all(|byte| *byte == 0),
            "round {round}"
        );
        // The host insists, where the library has advised against them.
        assert!(advise(handle, libc::MADV_HUGEPAGE));
        let arguments = [i32(round * 100_000), i32(7), i32(3 << 20)];
        instance::run(handle, b"fill", &arguments).expect("runs");
        huge = huge.max(huge_bytes());
        instance::reset(handle).unwrap_or_else(|_| panic!("{}", sentence()));
    }
    instance::release(handle).expect("released");
    let setting = std::fs::read_to_string("/sys/kernel/mm/transparent_hugepage/enabled");
    if setting.is_ok_and(|setting| !setting.contains("[never]")) {
        assert!(
            huge > 0,
            "no huge page was in use: the test is about nothing"
        );
    }
}

/// Kilobytes of anonymous huge pages in this process.
fn huge_bytes() -> u64 {
    let text = std::fs::read_to_string("/proc/self/smaps_rollup").expect("readable");
    let line = text.lines().find(|line| line.starts_with("AnonHugePages:"));
    line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok())
        .unwrap_or(0)
}

/// `mlockall`: the kernel does not take memory back, it has to be overwritten.
#[test]
fn memory_that_is_locked() {
    own_process("conditions::memory_that_is_locked", || {
        let flags = libc::MCL_CURRENT | libc::MCL_FUTURE | libc::MCL_ONFAULT;
        // SAFETY: no memory arguments.
        if unsafe { libc::mlockall(flags) } != 0 {
            // Without the privilege, and with less than a slot allowed.
            // SAFETY: no arguments.
            let user = unsafe { libc::geteuid() };
            assert_ne!(user, 0, "root may lock memory");
            return;
        }
        let region = verifying(one_slot(1 << 20));
        cycles(&region, 150, |_, _| {});
    });
}

/// One page in the middle is locked by the host: of a range, some pages can be given back.
#[test]
fn memory_of_which_a_part_is_locked() {
    let region = verifying(one_slot(1 << 20));
    cycles(&region, 100, |handle, cycle| {
        let (address, length) = memory::memory(handle, 0).expect("a memory");
        let at = address + cycle * 7 * PAGE % length;
        // SAFETY: locks a page of the instance's memory, which is mapped.
        assert_eq!(unsafe { libc::mlock(at as *const _, PAGE) }, 0);
    });
}

/// Dirty pages in thousands of pieces, more than any fixed list of ranges holds.
#[test]
fn dirty_pages_in_thousands_of_pieces() {
    let linker = Linker::new().expect("a linker");
    let text = DATA.replace(
        "(memory (export \"memory\") 12 20)",
        "(memory (export \"memory\") 1000 1000)",
    );
    assert_ne!(text, DATA);
    let module = module(&text, &linker);
    let expected = fresh_large(&module);
    for keep in [1 << 20, 256 << 20] {
        let region = verifying(RegionConfig {
            memory_bytes: 64 << 20,
            ..one_slot(keep)
        });
        let handle = create(&region, &module);
        for (stride, count) in [
            (2, 8000),
            (3, 5000),
            (7, 2200),
            (16, 1000),
            (2, 8000),
            (1, 16_000),
        ] {
            // One byte in every `stride`-th page.
            let arguments = [i32(11), i32(stride * PAGE as i32), i32(count)];
            let outcome = instance::run(handle, b"spread", &arguments).expect("runs");
            assert_eq!(outcome.kind, LUCET_RETURNED);
            instance::reset(handle).unwrap_or_else(|_| panic!("{}", sentence()));
            assert!(
                contents(handle) == expected.as_slice(),
                "keep {keep}, every {stride}th page"
            );
        }
        instance::release(handle).expect("released");
    }
}

fn fresh_large(module: &Counted<Module>) -> Vec<u8> {
    let region = region(&RegionConfig {
        memory_bytes: 64 << 20,
        ..one_slot(0)
    });
    let handle = create(&region, module);
    let copy = contents(handle).to_vec();
    instance::release(handle).expect("released");
    copy
}

/// Instances that run on one thread, are written to by another, and are reset and released by a third.
#[test]
fn instances_that_move_between_threads() {
    let region = verifying(RegionConfig {
        instances: 3,
        ..one_slot(1 << 20)
    });
    let modules = modules();
    let expected: Vec<Vec<u8>> = modules.iter().map(fresh).collect();
    for round in 0..60u64 {
        let which = (round % 3 == 0) as usize;
        let handle = create(&region, &modules[which]);
        let steps: [&(dyn Fn() + Sync); 4] = [
            &|| mess(handle, &mut Random(round)),
            &|| kernel_writes(handle, 5000),
            &|| {
                instance::reset(handle).unwrap_or_else(|_| panic!("{}", sentence()));
                assert!(
                    contents(handle) == expected[which].as_slice(),
                    "round {round}"
                );
            },
            &|| mess(handle, &mut Random(round + 1)),
        ];
        for step in steps {
            std::thread::scope(|scope| scope.spawn(step).join().expect("the step"));
        }
        instance::release(handle).unwrap_or_else(|_| panic!("{}", sentence()));
    }
}

/// Threads of the host write to different cold pages at once, without a view: each fault opens the memory.
#[test]
fn threads_that_open_a_memory_at_the_same_time() {
    let module = &modules()[0];
    let expected = fresh(module);
    for round in 0..200 {
        // A region in which nobody has written there yet.
        let region = region(&RegionConfig {
            keep_resident_bytes: 8 * PAGE as u64,
            ..one_slot(0)
        });
        let handle = create(&region, module);
        for _ in 0..2 {
            instance::run(handle, b"fill", &[i32(0), i32(1), i32(1)]).expect("runs");
            instance::reset(handle).expect("reset");
        }
        assert!(contents(handle) == expected.as_slice(), "round {round}");
        let address = memory::memory(handle, 0).expect("a memory").0;
        let barrier = std::sync::Barrier::new(2);
        std::thread::scope(|scope| {
            for thread in 0..2 {
                let barrier = &barrier;
                scope.spawn(move || {
                    barrier.wait();
                    for step in 0..4 {
                        let at = address + (60 + 2 * step + thread) * PAGE + round;
                        // SAFETY: within the memory; the guest does not run, and each byte has one writer.
                        unsafe { (at as *mut u8).write_volatile(1 + thread as u8) };
                    }
                });
            }
        });
        for page in 60..68 {
            let written = contents(handle)[page * PAGE + round];
            assert_eq!(
                usize::from(written),
                1 + page % 2,
                "round {round}: a write is lost"
            );
        }
        instance::reset(handle).expect("reset");
        assert!(contents(handle) == expected.as_slice(), "round {round}");
        instance::release(handle).expect("released");
    }
}
