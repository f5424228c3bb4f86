//! A guest compiled in every way, and what generated tests need: numbers, and memory by its bytes.

use crate::support::{Guest, create, region, sentence};
use lucet::instance::memory;
use lucet::linker::Linker;
use lucet::module::{Module, load};
use lucet::region::RegionConfig;
use lucetc::options::{OptLevel, Options, TargetCpu};

/// Runs a test on a guest that was compiled in each way that this machine can run.
pub fn every_way(text: &str, test: impl Fn(&Guest, &str)) {
    every_way_linked(text, &Linker::new().expect("a linker"), test);
}

/// As [`every_way`], for a guest with imports.
pub fn every_way_linked(text: &str, linker: &Linker, test: impl Fn(&Guest, &str)) {
    let wasm = lucetc::binary(text.as_bytes()).unwrap_or_else(|error| panic!("{error}"));
    let levels = [OptLevel::None, OptLevel::Speed, OptLevel::SpeedAndSize];
    let mut cpus = vec![TargetCpu::X86_64V2, TargetCpu::Native];
    if std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("fma") {
        cpus.push(TargetCpu::X86_64V3);
    }
    for opt_level in levels {
        for target_cpu in cpus.iter().copied() {
            // What a level does, it does for every CPU in the same way.
            if opt_level == OptLevel::SpeedAndSize && target_cpu == TargetCpu::X86_64V2 {
                continue;
            }
            let options = Options {
                opt_level,
                target_cpu,
                verify: true,
                ..Options::default()
            };
            let way = format!("{opt_level:?} for {target_cpu:?}");
            let file =
                lucetc::compile_module(&wasm, &options).unwrap_or_else(|error| panic!("{error}"));
            let code = load::bytes(&file).unwrap_or_else(|_| panic!("{}", sentence()));
            let module = Module::link(&code, linker, &mut |_| {})
                .unwrap_or_else(|_| panic!("{}", sentence()));
            let region = region(&RegionConfig {
                instances: 1,
                memory_bytes: 4 << 30,
                ..RegionConfig::default()
            });
            let handle = create(&region, &module);
            let guest = Guest {
                region,
                module,
                handle,
            };
            test(&guest, &way);
        }
    }
}

/// Bytes of a guest's memory.
pub fn read<const BYTES: usize>(guest: &Guest, address: usize) -> [u8; BYTES] {
    let at = memory::view(guest.handle, 0, address as u64, BYTES as u64);
    let at = at.unwrap_or_else(|_| panic!("{}", sentence()));
    // SAFETY: the view has as many bytes, and the guest does not run.
    unsafe { *at.cast::<[u8; BYTES]>() }
}

/// Changes bytes of a guest's memory.
pub fn write<const BYTES: usize>(guest: &Guest, address: usize, bytes: [u8; BYTES]) {
    let at = memory::view_mut(guest.handle, 0, address as u64, BYTES as u64);
    let at = at.unwrap_or_else(|_| panic!("{}", sentence()));
    // SAFETY: as above.
    unsafe { *at.cast::<[u8; BYTES]>() = bytes };
}

/// Numbers from a seed.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        (self.next() >> 11) % bound
    }
}
