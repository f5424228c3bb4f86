//! Accesses at the last bytes of memory: of every width, and of every operator that can take its operand from memory instead of a
//! register. One that was made wider than it is would read or write what is behind the end, where nothing is accessible.
//!
//! Each function runs at a low address, at the last one where its access fits, where it must do the same, and one byte further, where
//! it must trap and have changed nothing.

use crate::operators::{loads, stores};
use crate::support::{Guest, create, i32, i64, region, sentence};
use lucet::abi::{LUCET_RETURNED, LUCET_TRAPPED};
use lucet::instance::{self, memory};
use lucet::linker::Linker;
use lucet::module::{Module, load};
use lucet::region::RegionConfig;
use lucet_format::trap::TrapCode;
use lucetc::options::{MemoryMode, OptLevel, Options, TargetCpu};
use std::fmt::Write as _;

/// A function `(address: i32, other operand: i64) -> i64`.
pub struct Case {
    /// Bytes that it accesses.
    pub width: u32,
    /// What it does; `%A` is the address and the offset, `%A$1` with a lane between them: see [`text_of`].
    pub body: String,
    /// Whether only multiples of the width are accessed.
    pub aligned: bool,
}

const PAGE: u32 = 65536;
/// Where the low run is.
const LOW: u32 = 4096;
/// Bytes around an access that are looked at.
const AROUND: usize = 48;

/// The static offset of a case's access: none, small, and one that takes more than a byte.
fn offset(index: usize) -> u32 {
    [0, 24, 4000][index % 3]
}

fn text_of(cases: &[Case]) -> String {
    let mut text = String::from(
        "(module (memory (export \"memory\") 1 2)
          (func $both (param v128) (result i64)
            (i64.add (i64x2.extract_lane 0 (local.get 0)) (i64.rotl (i64x2.extract_lane 1 (local.get 0)) (i64.const 7))))",
    );
    for (index, case) in cases.iter().enumerate() {
        let offset = offset(index);
        let mut body = case.body.clone();
        for (mark, lane) in [("%A$0", " 0"), ("%A$1", " 1"), ("%A", "")] {
            body = body.replace(mark, &format!("offset={offset}{lane} (local.get 0)"));
        }
        let _ = writeln!(
            text,
            "(func (export \"{index}\") (param i32 i64) (result i64) {body})"
        );
    }
    text + ")"
}

fn guest(wasm: &[u8], options: &Options) -> Guest {
    let file = lucetc::compile_module(wasm, options).unwrap_or_else(|error| panic!("{error}"));
    let code = load::bytes(&file).unwrap_or_else(|_| panic!("{}", sentence()));
    let linker = Linker::new().expect("a linker");
    let module = Module::link(&code, &linker, &mut |_| {});
    let module = module.unwrap_or_else(|_| panic!("{}", sentence()));
    let region = region(&RegionConfig {
        instances: 1,
        ..RegionConfig::default()
    });
    let handle = create(&region, &module);
    Guest {
        region,
        module,
        handle,
    }
}

/// Bytes that make different numbers of every type, and of floats none that is not a number.
fn fill(guest: &Guest, end: u32) {
    let bytes: [u8; AROUND] = std::array::from_fn(|byte| (byte as u8).wrapping_mul(37) & 0x7d | 2);
    for base in [LOW, end - AROUND as u32] {
        // SAFETY: the array is as long as it says.
        unsafe { memory::write(guest.handle, 0, u64::from(base), bytes.as_ptr(), AROUND) }
            .expect("memory");
    }
}

fn around(guest: &Guest, base: u32) -> [u8; AROUND] {
    let mut bytes = [0; AROUND];
    // SAFETY: the array is as long as it says.
    unsafe { memory::read(guest.handle, 0, u64::from(base), bytes.as_mut_ptr(), AROUND) }
        .expect("memory");
    bytes
}

/// Runs a case at its low and its high place, and behind the end of memory.
fn check(guest: &Guest, index: usize, case: &Case, end: u32, way: &str) {
    let what = || format!("{} at the end {end:#x}, {way}", case.body);
    let other = i64(0x4049_0fdb_3f80_1234);
    let run = |address: u32| {
        let base = address.wrapping_sub(offset(index)).cast_signed();
        guest.run(&index.to_string(), &[i32(base), other])
    };
    fill(guest, end);
    let (low, high) = (LOW + AROUND as u32 - case.width, end - case.width);
    let result = |address| {
        let outcome = run(address);
        assert_eq!(outcome.kind, LUCET_RETURNED, "{}", what());
        // SAFETY: one value was returned.
        unsafe { (*outcome.values).of.i64 }
    };
    assert_eq!(result(low), result(high), "{}", what());
    let written = around(guest, end - AROUND as u32);
    assert_eq!(around(guest, LOW), written, "{}", what());
    fill(guest, end);
    let before = around(guest, end - AROUND as u32);
    let step = if case.aligned { case.width } else { 1 };
    for address in [high + step, end, 0u32.wrapping_sub(case.width)] {
        let outcome = run(address);
        let trap = u32::from(TrapCode::Memory.number());
        assert_eq!(
            (outcome.kind, outcome.detail),
            (LUCET_TRAPPED, trap),
            "{address:#x}: {}",
            what()
        );
        instance::keep(guest.handle).expect("it has trapped");
        assert_eq!(
            around(guest, end - AROUND as u32),
            before,
            "{address:#x}: {}",
            what()
        );
    }
}

fn at_the_end(cases: &[Case]) {
    let text = text_of(cases);
    let wasm = lucetc::binary(text.as_bytes()).unwrap_or_else(|error| panic!("{error}"));
    let mut cpus = vec![TargetCpu::X86_64V2];
    if std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("fma") {
        cpus.push(TargetCpu::X86_64V3);
    }
    for memory in [MemoryMode::Guarded, MemoryMode::Bounds] {
        for opt_level in [OptLevel::None, OptLevel::Speed] {
            for target_cpu in cpus.iter().copied() {
                let options = Options {
                    opt_level,
                    target_cpu,
                    memory,
                    ..Options::default()
                };
                let way = format!("{memory:?}, {opt_level:?} for {target_cpu:?}");
                let guest = guest(&wasm, &options);
                for end in [PAGE, 2 * PAGE] {
                    for (index, case) in cases.iter().enumerate() {
                        check(&guest, index, case, end, &way);
                    }
                    // Once grown, the same at the new end.
                    let _ = instance::memory::grow(guest.handle, 0, 1);
                }
            }
        }
    }
}

/// CVE-2026-24116 (f64.copysign sank a load of 8 bytes into an operand of 16), CVE-2026-34944 (f64x2.splat the same, without SSE3) and
/// the three of dfbe997715 (bitselect, widenings, conversions), which no WebAssembly reached.
#[test]
fn advisory_9_cve_2026_24116_10_cve_2026_34944_and_11_loads_are_as_wide_as_they_are() {
    let cases = loads();
    assert!(cases.len() > 700, "{}", cases.len());
    at_the_end(&cases);
}

/// The same of stores, and of operators that read, change and write.
#[test]
fn advisory_9_and_11_stores_are_as_wide_as_they_are() {
    let cases = stores();
    assert!(cases.len() > 150, "{}", cases.len());
    at_the_end(&cases);
}
