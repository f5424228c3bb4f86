//! What happens when the kernel refuses something: every call that needs memory, a descriptor or a timer fails once, in a process that
//! has done it all before, and in one that does it for the first time. Each time the answer is a status or the guest's trap, nothing is lost,
//! whatever an instance finds is fresh, and the same region works afterwards.

use crate::allocations::{self, failing, live_blocks};
use crate::own_process::own_process;
use crate::syscalls::{Fail, stop, watch, watched};
use lucet::abi::{LUCET_RETURNED, LUCET_TRAPPED, lucet_outcome, lucet_value};
use lucet::counted::Counted;
use lucet::error::{self, Status};
use lucet::instance::{self, Handle, Limits, memory};
use lucet::linker::Linker;
use lucet::module::{Module, load};
use lucet::region::{Region, RegionConfig};
use lucet::timing::{Allowance, now};
use lucet_format::trap::TrapCode;
use std::ffi::CStr;
use std::process::Command;

/// Data in three places, so the memory is a file's; functions that write with stores and with helpers, grow, recurse and trap.
const DATA: &str = r#"(module
    (memory (export "memory") 4 8) (data (i32.const 0) "first") (data (i32.const 70000) "second") (data (i32.const 200000) "third")
    (table (export "t") 10 100 externref)
    (func (export "store") (param i32 i32) (i32.store (local.get 0) (local.get 1)))
    (func (export "fill") (param i32 i32) (memory.fill (local.get 0) (i32.const 0x77) (local.get 1)))
    (func (export "copy") (param i32 i32) (memory.copy (local.get 0) (i32.const 70000) (local.get 1)))
    (func (export "grow") (param i32 i32) (drop (memory.grow (local.get 0))) (drop (table.grow 0 (ref.null extern) (local.get 1))))
    (func $deep (export "deep") (param i32 i32) (call $deep (local.get 1) (local.get 0)) (i32.store (i32.const 0) (local.get 0)))
    (func (export "trap") (param i32 i32) unreachable))"#;

/// Zeros only.
const PLAIN: &str = r#"(module (memory (export "memory") 3 9)
    (func (export "store") (param i32 i32) (i32.store (local.get 0) (local.get 1))))"#;

/// What is not `Ok`: a status, or the guest's trap for want of something.
#[derive(Debug, PartialEq)]
enum Refused {
    Status(Status),
    Guest,
}

/// What a process and a thread keep for good is made by the first passes, and by the first failure: its sentence's buffer.
fn warm(files: &[Vec<u8>; 2]) {
    for _ in 0..2 {
        assert_eq!(scenario(files), Ok(()), "{}", sentence());
    }
    assert!(load::bytes(&[]).is_err());
}

fn sentence() -> String {
    // SAFETY: the library's buffer is NUL-terminated and lives as long as the thread.
    unsafe { CStr::from_ptr(error::last()) }
        .to_string_lossy()
        .into_owned()
}

fn refused(failure: error::Error) -> Refused {
    // Not a word more than these: the caller must be able to tell what to do.
    assert!(
        matches!(
            failure.status,
            Status::NoMemory | Status::System | Status::Limit
        ),
        "{:?}: {}",
        failure.status,
        sentence()
    );
    Refused::Status(failure.status)
}

/// Released in any case; a refusal there is one like any other.
struct Instance(Handle);

impl Drop for Instance {
    fn drop(&mut self) {
        if let Err(failure) = instance::release(self.0) {
            refused(failure);
        }
    }
}

struct Modules {
    data: Counted<Module>,
    plain: Counted<Module>,
}

/// Whether a memory is that of a fresh instance.
fn is_fresh(handle: Handle, is_data: bool) -> bool {
    let (address, length) = memory::memory(handle, 0).expect("a memory");
    // SAFETY: the memory is readable, and the guest does not run.
    let bytes = unsafe { std::slice::from_raw_parts(address as *const u8, length) };
    let pieces: &[(usize, &[u8])] = if is_data {
        &[(0, b"first"), (70_000, b"second"), (200_000, b"third")]
    } else {
        &[]
    };
    let pages = if is_data { 4 } else { 3 };
    let mut at = 0;
    let zeros = |range: &[u8]| range.iter().all(|byte| *byte == 0);
    for (start, piece) in pieces {
        let end = start + piece.len();
        if !zeros(&bytes[at..*start]) || bytes[*start..end] != **piece {
            return false;
        }
        at = end;
    }
    zeros(&bytes[at..]) && length == pages * 65536
}

fn create(region: &Counted<Region>, modules: &Modules, is_data: bool) -> Result<Instance, Refused> {
    let module = if is_data {
        &modules.data
    } else {
        &modules.plain
    };
    let made = instance::create(region, module, std::ptr::null_mut(), Limits::default());
    let made = Instance(made.map_err(refused)?);
    assert!(is_fresh(made.0, is_data), "a new instance finds something");
    Ok(made)
}

fn reset(instance: &Instance) -> Result<(), Refused> {
    instance::reset(instance.0).map_err(refused)?;
    assert!(
        is_fresh(instance.0, true),
        "a reset instance finds something"
    );
    Ok(())
}

fn word(value: u32) -> lucet_value {
    lucet_value::from_bits(1, u128::from(value))
}

fn run(instance: &Instance, name: &str, a: u32, b: u32) -> Result<lucet_outcome, Refused> {
    let outcome =
        instance::run(instance.0, name.as_bytes(), &[word(a), word(b)]).map_err(refused)?;
    if outcome.kind == LUCET_TRAPPED && outcome.detail == u32::from(TrapCode::Resource.number()) {
        return Err(Refused::Guest);
    }
    Ok(outcome)
}

fn returns(instance: &Instance, name: &str, a: u32, b: u32) -> Result<(), Refused> {
    let outcome = run(instance, name, a, b)?;
    assert_eq!(
        outcome.kind, LUCET_RETURNED,
        "{name}: detail {}",
        outcome.detail
    );
    Ok(())
}

/// All that happens to slots in a region.
fn life(region: &Counted<Region>, modules: &Modules) -> Result<(), Refused> {
    let first = create(region, modules, true)?;
    for round in 0..3 {
        returns(&first, "store", 100 + round, 1)?;
        reset(&first)?;
    }
    // Sealed by now: a guest's store opens it, then a helper's, then the host's.
    returns(&first, "store", 150_000, 1)?;
    reset(&first)?;
    returns(&first, "fill", 90_000, 20_000)?;
    reset(&first)?;
    returns(&first, "copy", 240_000, 6)?;
    reset(&first)?;
    // SAFETY: the source has as many bytes.
    unsafe { memory::write(first.0, 0, 180_000, b"host".as_ptr(), 4) }.map_err(refused)?;
    reset(&first)?;
    returns(&first, "grow", 3, 50)?;
    if memory::memory(first.0, 0).expect("a memory").1 == 7 * 65536 {
        returns(&first, "fill", 5 * 65536, 65536)?;
    }
    reset(&first)?;
    let outcome = run(&first, "deep", 1, 2)?;
    assert_eq!(outcome.kind, LUCET_TRAPPED);
    reset(&first)?;
    assert_eq!(run(&first, "trap", 0, 0)?.kind, LUCET_TRAPPED);
    reset(&first)?;
    let time = Allowance {
        deadline: now() + 3_600_000_000_000,
        ..Allowance::default()
    };
    let limits = Limits {
        time,
        ..Limits::default()
    };
    instance::set_limits(first.0, limits).map_err(refused)?;
    returns(&first, "store", 0, 1)?;
    let handle = first.0;
    std::mem::forget(first);
    instance::release(handle).map_err(refused)?;
    // The other module in the same slots, and back.
    let others = [
        create(region, modules, false)?,
        create(region, modules, false)?,
    ];
    for other in &others {
        returns(other, "store", 100_000, 7)?;
    }
    drop(others);
    region.trim(0);
    region.prefault(&modules.data, 2).map_err(refused)?;
    let both = [
        create(region, modules, true)?,
        create(region, modules, true)?,
    ];
    for one in &both {
        returns(one, "store", 8, 8)?;
    }
    Ok(())
}

fn module(file: &[u8], linker: &Linker) -> Result<Counted<Module>, Refused> {
    let code = load::bytes(file).map_err(refused)?;
    Module::link(&code, linker, &mut |_| {}).map_err(refused)
}

/// From a file to the end of a region. What has been refused is tried again in the same region.
fn scenario(files: &[Vec<u8>; 2]) -> Result<(), Refused> {
    let linker = Linker::new().map_err(refused)?;
    let modules = Modules {
        data: module(&files[0], &linker)?,
        plain: module(&files[1], &linker)?,
    };
    let config = RegionConfig {
        instances: 2,
        budget_bytes: 64 << 20,
        ..RegionConfig::default()
    };
    let region = Region::new(&config).map_err(refused)?;
    let lived = life(&region, &modules);
    if lived.is_err() {
        // The system has everything again.
        stop();
        allocations::stop();
        let again = life(&region, &modules);
        assert_eq!(
            again,
            Ok(()),
            "the region does not work any more: {}",
            sentence()
        );
    }
    lived
}

fn files() -> [Vec<u8>; 2] {
    let options = lucetc::options::Options::default();
    [DATA, PLAIN].map(|text| lucetc::compile_module(text.as_bytes(), &options).expect("compiles"))
}

/// Descriptors, mappings of files in memory, and megabytes of address space.
fn holdings() -> (usize, usize, u64) {
    let descriptors = std::fs::read_dir("/proc/self/fd")
        .expect("readable")
        .count();
    let maps = std::fs::read_to_string("/proc/self/maps").expect("readable");
    let files = maps.lines().filter(|line| line.contains("memfd:")).count();
    let status = std::fs::read_to_string("/proc/self/statm").expect("readable");
    let pages: u64 = status
        .split(' ')
        .next()
        .and_then(|pages| pages.parse().ok())
        .expect("a number");
    (descriptors, files, pages >> 8)
}

/// Runs the scenario as often as it makes calls, with each of them failing in turn.
fn each_in_turn(fail: impl Fn(usize) -> Fail + Send + 'static) {
    let files = files();
    lucet::signal::install(0).unwrap_or_else(|_| panic!("signal handlers"));
    watched(move || {
        warm(&files);
        let count = watch(Fail::None, || scenario(&files)).fallible;
        let before = (holdings(), live_blocks());
        let mut refusals = 0;
        for index in 0..count {
            let seen = watch(fail(index), || scenario(&files));
            let (failed, result) = (seen.failed, seen.result);
            drop(seen.numbers);
            let call = failed.unwrap_or_else(|| panic!("call {index} of {count} was not made"));
            refusals += usize::from(result.is_err());
            let (held, blocks) = (holdings(), live_blocks());
            let what = format!("call {index}, number {call}, {result:?}");
            assert_eq!(
                (held.0, held.1, blocks),
                (before.0.0, before.0.1, before.1),
                "{what}"
            );
            let megabytes = held.2.abs_diff(before.0.2);
            assert!(
                megabytes < 100,
                "{what}: {megabytes} megabytes of address space"
            );
        }
        assert!(
            count > 100 && refusals > 20,
            "{count} calls, {refusals} noticed"
        );
        assert_eq!(scenario(&files), Ok(()));
    });
}

#[test]
fn every_call_fails_once() {
    own_process("calls::every_call_fails_once", || each_in_turn(Fail::At));
}

/// From one call on the system has nothing at all, until the region has been left alone.
#[test]
fn all_calls_fail_from_each_on() {
    own_process("calls::all_calls_fail_from_each_on", || {
        each_in_turn(Fail::From)
    });
}

/// The same for every allocation of that scenario; `allocations` has another one, through the C API.
#[test]
fn every_allocation_fails_once() {
    let files = files();
    lucet::signal::install(0).unwrap_or_else(|_| panic!("signal handlers"));
    warm(&files);
    let before = live_blocks();
    for allowed in 0.. {
        let (result, reached) = failing(allowed, || scenario(&files));
        assert_eq!(live_blocks(), before, "allocation {allowed}, {result:?}");
        if !reached {
            assert!(allowed >= 15, "only {allowed} allocations");
            break;
        }
        if let Err(refused) = result {
            assert_eq!(
                refused,
                Refused::Status(Status::NoMemory),
                "allocation {allowed}"
            );
        }
    }
}

/// The same where nothing has been made yet: the directory of slots, the thread's stack for signals, its timer.
#[test]
fn the_first_calls_of_a_process_fail_once() {
    const FAIL_AT: &str = "LUCET_TEST_FAIL_AT";
    const FILES: &str = "LUCET_TEST_FILES";
    const REACHED: &str = "this call was made, and refused";
    const DONE: &str = "there are not so many calls";
    const NAME: &str = "calls::the_first_calls_of_a_process_fail_once";
    let directory = std::env::temp_dir().join(format!("lucet-failures-{}", std::process::id()));
    if let (Ok(index), Some(from)) = (std::env::var(FAIL_AT), std::env::var_os(FILES)) {
        let index: usize = index.parse().expect("a number");
        let from = std::path::PathBuf::from(from);
        let files = ["0", "1"].map(|name| std::fs::read(from.join(name)).expect("a module"));
        watched(move || {
            let first = || -> Result<(), Refused> {
                lucet::signal::install(0).map_err(refused)?;
                scenario(&files)
            };
            let seen = watch(Fail::At(index), first);
            assert!(
                seen.result.is_ok() || seen.failed.is_some(),
                "{:?}",
                seen.result
            );
            assert_eq!(
                first(),
                Ok(()),
                "call {index}, number {:?}: {}",
                seen.failed,
                sentence()
            );
            let answer = if seen.failed.is_some() { REACHED } else { DONE };
            std::fs::write(from.join("answer"), answer).expect("written");
        });
        return;
    }
    std::fs::create_dir_all(&directory).expect("a directory");
    for (name, file) in ["0", "1"].iter().zip(files()) {
        std::fs::write(directory.join(name), file).expect("written");
    }
    for index in 0.. {
        let output = Command::new(std::env::current_exe().expect("this program"))
            .args(["--exact", NAME, "--nocapture", "--test-threads=1"])
            .env(FAIL_AT, index.to_string())
            .env(FILES, &directory)
            .output()
            .expect("this program can be started");
        let text = String::from_utf8_lossy(&output.stdout);
        let more = String::from_utf8_lossy(&output.stderr);
        let status = output.status;
        assert!(status.success(), "call {index}: {status}\n{text}{more}");
        let answer = std::fs::read_to_string(directory.join("answer")).expect("an answer");
        if answer == DONE {
            assert!(index > 100, "only {index} calls");
            break;
        }
        assert_eq!(answer, REACHED, "call {index}\n{text}");
    }
    std::fs::remove_dir_all(&directory).expect("removed");
}
