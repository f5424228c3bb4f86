//! Fresh memory where a limit is reached: of the region, of the process, or of the system. What cannot be had is a status, and nothing is lost.

use crate::cycles::{cycles, mess, mess_within_limits, modules, verifying};
use crate::memory::{PAGE, PLAIN, contents, fresh, one_slot};
use crate::own_process::own_process;
use crate::random::Random;
use crate::support::{create, i32, module, region, sentence, small};
use lucet::abi::{LUCET_RETURNED, LUCET_TRAPPED};
use lucet::counted::Counted;
use lucet::error::Status;
use lucet::instance::{self, Handle, Limits};
use lucet::linker::Linker;
use lucet::module::Module;
use lucet::region::{Region, RegionConfig};

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
    own_process("refusals::address_space_that_is_limited", || {
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
    own_process("refusals::mappings_that_are_used_up", || {
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

/// `vm.overcommit_memory` = 2: memory that can be written counts against what the system has. Where it is set, for real; what
/// the kernel may refuse then is what `tests/failures` has it refuse.
#[test]
fn memory_that_is_not_overcommitted() {
    own_process("refusals::memory_that_is_not_overcommitted", || {
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
