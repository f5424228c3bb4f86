//! Fresh memory under what a system can do to a process: memory that is locked, reclaimed, limited, huge, or in pieces.

use crate::memory::{DATA, PAGE, PLAIN, contents, fresh, kernel_writes, one_slot};
use crate::own_process::own_process;
use crate::random::Random;
use crate::support::{create, i32, module, region, sentence, small};
use lucet::abi::{LUCET_RETURNED, LUCET_TRAPPED};
use lucet::counted::Counted;
use lucet::error::Status;
use lucet::instance::{self, Handle, Limits, memory};
use lucet::linker::Linker;
use lucet::module::Module;
use lucet::region::{Region, RegionConfig};

fn modules() -> [Counted<Module>; 2] {
    let linker = Linker::new().expect("a linker");
    [module(DATA, &linker), module(PLAIN, &linker)]
}

fn verifying(config: RegionConfig) -> Counted<Region> {
    region(&RegionConfig {
        verify: true,
        ..config
    })
}

/// Writes to random ranges of the memory, sometimes to all of it, sometimes to grown pages.
fn mess(handle: Handle, random: &mut Random) {
    let bytes = contents(handle).len();
    let fill = |at: usize, length: usize| {
        let arguments = [i32(at as i32), i32(0xa5), i32(length as i32)];
        let outcome =
            instance::run(handle, b"fill", &arguments).unwrap_or_else(|_| panic!("{}", sentence()));
        assert_eq!(outcome.kind, LUCET_RETURNED);
    };
    for _ in 0..random.below(5) {
        let at = random.below(bytes);
        fill(at, random.below(3 * PAGE).min(bytes - at));
    }
    match random.below(6) {
        0 => fill(0, bytes),
        1 => {
            instance::run(handle, b"grow", &[i32(3)]).expect("runs");
            let grown = contents(handle).len();
            fill(bytes, grown - bytes);
        }
        2 => kernel_writes(handle, random.below(bytes - 8)),
        _ => {}
    }
}

/// Cycles with two modules in turn in the same slots; `disturb` does something to the memory before it is restored.
fn cycles(region: &Counted<Region>, count: usize, mut disturb: impl FnMut(Handle, usize)) {
    let modules = modules();
    let expected: Vec<Vec<u8>> = modules.iter().map(fresh).collect();
    let mut random = Random(count as u64);
    for cycle in 0..count {
        let which = usize::from(random.below(4) == 0);
        let handle = create(region, &modules[which]);
        for _ in 0..1 + random.below(3) {
            assert!(
                contents(handle) == expected[which].as_slice(),
                "cycle {cycle}: memory is not fresh"
            );
            mess(handle, &mut random);
            disturb(handle, cycle);
            instance::reset(handle).unwrap_or_else(|_| panic!("{}", sentence()));
        }
        assert!(
            contents(handle) == expected[which].as_slice(),
            "cycle {cycle}"
        );
        mess(handle, &mut random);
        disturb(handle, cycle);
        instance::release(handle).unwrap_or_else(|_| panic!("{}", sentence()));
    }
}

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

/// As much as the region allows, by the guest and by the host, over and over.
#[test]
fn memory_that_grows_to_its_limit() {
    let region = verifying(RegionConfig {
        memory_bytes: 20 * 65536,
        ..one_slot(1 << 20)
    });
    let module = &modules()[0];
    let handle = create(&region, module);
    for round in 0..40 {
        let pages = if round % 2 == 0 { 8 } else { 1 + round % 7 };
        let outcome = instance::run(handle, b"grow", &[i32(pages)]).expect("runs");
        // SAFETY: one value was returned.
        assert_eq!(unsafe { *outcome.values }.bits() as i32, 12);
        let bytes = contents(handle);
        assert!(
            bytes[12 * 65536..].iter().all(|byte| *byte == 0),
            "round {round}"
        );
        let refused = instance::run(handle, b"grow", &[i32(9 - pages)]).expect("runs");
        // SAFETY: as above.
        assert_eq!(unsafe { *refused.values }.bits() as i32, -1);
        let all = [i32(12 * 65536), i32(0xee), i32(pages * 65536)];
        assert_eq!(
            instance::run(handle, b"fill", &all).expect("runs").kind,
            LUCET_RETURNED
        );
        let beyond = [i32((12 + pages) * 65536), i32(0xee), i32(1)];
        assert_eq!(
            instance::run(handle, b"fill", &beyond).expect("runs").kind,
            LUCET_TRAPPED
        );
        instance::reset(handle).unwrap_or_else(|_| panic!("{}", sentence()));
    }
    instance::release(handle).expect("released");
}

/// `RLIMIT_AS`: a region that has been made works, and one that cannot be made is a status.
#[test]
fn address_space_that_is_limited() {
    own_process("conditions::address_space_that_is_limited", || {
        let region = verifying(one_slot(1 << 20));
        cycles(&region, 5, |_, _| {});
        limit_address_space();
        let refused = Region::new(&small()).err().expect("no room for another");
        assert_eq!(refused.status, Status::NoMemory);
        cycles_without_new_regions(&region, 60);
    });
}

/// Allows the process some megabytes more than it has.
fn limit_address_space() {
    let status = std::fs::read_to_string("/proc/self/statm").expect("readable");
    let pages: u64 = status
        .split_whitespace()
        .next()
        .and_then(|pages| pages.parse().ok())
        .expect("a number");
    let most = pages * PAGE as u64 + (64 << 20);
    let limit = libc::rlimit {
        rlim_cur: most,
        rlim_max: most,
    };
    // SAFETY: the limit of a process that does nothing else.
    assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_AS, &limit) }, 0);
}

/// As [`cycles`], where fresh memory cannot be looked at in another region.
fn cycles_without_new_regions(region: &Counted<Region>, count: usize) {
    let modules = modules();
    let mut random = Random(5);
    for _ in 0..count {
        let module = &modules[random.below(2)];
        let handle = create(region, module);
        mess(handle, &mut random);
        instance::reset(handle).unwrap_or_else(|_| panic!("{}", sentence()));
        mess(handle, &mut random);
        instance::release(handle).unwrap_or_else(|_| panic!("{}", sentence()));
    }
}

/// No mapping is left in the process: sealing, growing and making instances need some. Nothing may be lost, and what works
/// without one goes on.
#[test]
fn mappings_that_are_used_up() {
    own_process("conditions::mappings_that_are_used_up", || {
        let config = RegionConfig {
            instances: 8,
            ..one_slot(1 << 20)
        };
        let region = region(&config);
        let modules = modules();
        let expected: Vec<Vec<u8>> = modules.iter().map(fresh).collect();
        let mut random = Random(3);
        let handle = create(&region, &modules[0]);
        for _ in 0..4 {
            mess(handle, &mut random);
            instance::reset(handle).expect("reset");
        }
        let used = use_up_mappings();
        let (mut made, mut refused) = (0, 0);
        for round in 0..200 {
            assert!(contents(handle) == expected[0].as_slice(), "round {round}");
            mess_within_limits(handle, &mut random);
            instance::reset(handle).unwrap_or_else(|_| panic!("{}", sentence()));
            // A slot that has never been used, or has had another module.
            let which = random.below(2);
            let made_now = instance::create(
                &region,
                &modules[which],
                std::ptr::null_mut(),
                Limits::default(),
            );
            match made_now {
                Ok(other) => {
                    made += 1;
                    assert!(
                        contents(other) == expected[which].as_slice(),
                        "round {round}"
                    );
                    mess_within_limits(other, &mut random);
                    instance::release(other).unwrap_or_else(|_| panic!("{}", sentence()));
                }
                Err(failure) => {
                    refused += 1;
                    assert_eq!(failure.status, Status::NoMemory, "{}", sentence());
                }
            }
        }
        assert!(refused > 0, "mappings were not used up: {made} made");
        give_up_mappings(used);
        let others: Vec<Handle> = (0..7).map(|_| create(&region, &modules[0])).collect();
        for other in others {
            assert!(contents(other) == expected[0].as_slice());
            instance::release(other).expect("every slot is still there");
        }
        cycles(&region, 30, |_, _| {});
    });
}

/// Writes; where the system has no mapping to spare, growing answers -1 and the guest goes on.
fn mess_within_limits(handle: Handle, random: &mut Random) {
    let bytes = contents(handle).len();
    for _ in 0..random.below(4) {
        let at = random.below(bytes);
        let length = random.below(9 * PAGE).min(bytes - at);
        let arguments = [i32(at as i32), i32(0x3c), i32(length as i32)];
        let outcome = instance::run(handle, b"fill", &arguments).expect("runs");
        assert_eq!(outcome.kind, LUCET_RETURNED);
    }
    if random.below(3) == 0 {
        let outcome = instance::run(handle, b"grow", &[i32(1)]).expect("runs");
        assert_eq!(outcome.kind, LUCET_RETURNED);
    }
}

/// Maps single pages, every other one with other rights, until the kernel refuses. A few are given back, for the threads of
/// the process.
fn use_up_mappings() -> (usize, usize) {
    let most: usize = std::fs::read_to_string("/proc/sys/vm/max_map_count")
        .expect("readable")
        .trim()
        .parse()
        .expect("a number");
    let length = (most + 1000) * PAGE;
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
    // SAFETY: a new mapping; protections change within it only.
    unsafe {
        let base = libc::mmap(std::ptr::null_mut(), length, libc::PROT_NONE, flags, -1, 0);
        assert_ne!(base, libc::MAP_FAILED);
        let base = base as usize;
        let mut at = base;
        while at < base + length && libc::mprotect(at as *mut _, PAGE, libc::PROT_READ) == 0 {
            at += 2 * PAGE;
        }
        assert!(at < base + length, "the kernel refuses at some time");
        (base, length)
    }
}

fn give_up_mappings((base, length): (usize, usize)) {
    // SAFETY: what `use_up_mappings` has mapped.
    unsafe { libc::munmap(base as *mut _, length) };
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

/// `vm.overcommit_memory` = 2: memory that can be written counts against what the system has. Where it is set, for real; what
/// the kernel may refuse then is what `tests/failures` has it refuse.
#[test]
fn memory_that_is_not_overcommitted() {
    own_process("conditions::memory_that_is_not_overcommitted", || {
        let setting = std::fs::read_to_string("/proc/sys/vm/overcommit_memory").expect("readable");
        let region = verifying(RegionConfig {
            instances: 4,
            ..one_slot(1 << 20)
        });
        cycles(&region, 40, |_, _| {});
        if setting.trim() != "2" {
            return;
        }
        // Everything that the system promises is taken: slots that exist go on, others are refused.
        let taken = take_all_memory();
        let modules = modules();
        let handle = instance::create(
            &region,
            &modules[0],
            std::ptr::null_mut(),
            Limits::default(),
        );
        let large = region_of_large_slots();
        let failure = instance::create(&large.0, &large.1, std::ptr::null_mut(), Limits::default());
        assert_eq!(failure.expect_err("refused").status, Status::NoMemory);
        if let Ok(handle) = handle {
            mess_within_limits(handle, &mut Random(1));
            instance::release(handle).expect("released");
        }
        give_up_mappings(taken);
        let handle = create(&large.0, &large.1);
        assert!(contents(handle).iter().all(|byte| *byte == 0));
        instance::release(handle).expect("released");
        cycles(&region, 40, |_, _| {});
    });
}

fn region_of_large_slots() -> (Counted<Region>, Counted<Module>) {
    let linker = Linker::new().expect("a linker");
    let text = PLAIN.replace(
        "(memory (export \"memory\") 3 9)",
        "(memory (export \"memory\") 4096)",
    );
    let config = RegionConfig {
        memory_bytes: 256 << 20,
        ..one_slot(1 << 20)
    };
    (region(&config), module(&text, &linker))
}

/// Reserves memory that counts, in halving steps, until less than 16 MiB are left.
fn take_all_memory() -> (usize, usize) {
    let mut first = (0, 0);
    let mut size = 1usize << 40;
    while size >= 16 << 20 {
        let (access, flags) = (
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
        );
        // SAFETY: a new mapping that is never touched.
        let at = unsafe { libc::mmap(std::ptr::null_mut(), size, access, flags, -1, 0) };
        if at == libc::MAP_FAILED {
            size /= 2;
        } else if first.1 == 0 {
            first = (at as usize, size);
        }
    }
    first
}
