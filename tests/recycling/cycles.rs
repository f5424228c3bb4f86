//! Guests that come and go, each leaving a mess: two modules in turn in the same slots, and fresh memory each time.
//!
//! What happens to the memory meanwhile is said by those who call this.

use crate::memory::{DATA, PAGE, PLAIN, contents, fresh, kernel_writes};
use crate::random::Random;
use crate::support::{create, i32, module, region, sentence};
use lucet::abi::LUCET_RETURNED;
use lucet::counted::Counted;
use lucet::instance::{self, Handle};
use lucet::linker::Linker;
use lucet::module::Module;
use lucet::region::{Region, RegionConfig};

pub fn modules() -> [Counted<Module>; 2] {
    let linker = Linker::new().expect("a linker");
    [module(DATA, &linker), module(PLAIN, &linker)]
}

pub fn verifying(config: RegionConfig) -> Counted<Region> {
    region(&RegionConfig {
        verify: true,
        ..config
    })
}

/// Writes to random ranges of the memory, sometimes to all of it, sometimes to grown pages.
pub fn mess(handle: Handle, random: &mut Random) {
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

/// Writes; where the system has no mapping to spare, growing answers -1 and the guest goes on.
pub fn mess_within_limits(handle: Handle, random: &mut Random) {
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

/// Cycles with two modules in turn in the same slots; `disturb` does something to the memory before it is restored.
pub fn cycles(region: &Counted<Region>, count: usize, mut disturb: impl FnMut(Handle, usize)) {
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
