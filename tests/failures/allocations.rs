//! What happens when memory runs out: every allocation of the library fails once. Each time the call says `LUCET_NO_MEMORY`,
//! nothing is lost, and the same calls work afterwards.

use lucet::abi::{LUCET_RETURNED, lucet_call, lucet_check, lucet_outcome, lucet_value};
use lucet::capi::instance::{lucet_instance, lucet_instance_new, lucet_instance_release};
use lucet::capi::linker::*;
use lucet::capi::module::*;
use lucet::capi::region::{
    lucet_region, lucet_region_config, lucet_region_new, lucet_region_release,
};
use lucet::capi::run::{lucet_instance_backtrace, lucet_instance_run};
use lucet::capi::status::LUCET_NO_MEMORY;
use lucet::capi::wasi::lucet_linker_define_wasi_stub;
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::ffi::c_void;
use std::ptr::{null, null_mut};

/// The system's allocator, failing on request.
struct Failing;

thread_local! {
    /// Allocations until one fails; `None`: none does.
    static LEFT: Cell<Option<u32>> = const { Cell::new(None) };
    /// Blocks that this thread has and has not given back.
    static LIVE: Cell<i64> = const { Cell::new(0) };
}

// SAFETY: everything is passed on to the system's allocator, or answered with NULL.
unsafe impl GlobalAlloc for Failing {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        match LEFT.get() {
            Some(0) => {
                LEFT.set(None);
                return null_mut();
            }
            Some(left) => LEFT.set(Some(left - 1)),
            None => {}
        }
        LIVE.set(LIVE.get() + 1);
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE.set(LIVE.get() - 1);
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(pointer, layout) }
    }
}

/// Blocks that this thread has.
pub fn live_blocks() -> i64 {
    LIVE.get()
}

/// Runs `body` with the allocation after the next `allowed` ones failing. Answers whether there were so many, too.
pub fn failing<T>(allowed: u32, body: impl FnOnce() -> T) -> (T, bool) {
    LEFT.set(Some(allowed));
    let result = body();
    (result, LEFT.replace(None).is_none())
}

/// From here on no allocation fails.
pub fn stop() {
    LEFT.set(None);
}

#[global_allocator]
static ALLOCATOR: Failing = Failing;

const GUEST: &str = r#"(module
    (import "env" "typed" (func $typed (param i32) (result i32)))
    (import "env" "dynamic" (func $dynamic (param i64 i64 i64 i64 i64 i64 i64 i64 i64 i64) (result i64 i64 i64 i64 i64 i64 i64 i64)))
    (import "env" "global" (global i32))
    (import "wasi_snapshot_preview1" "sched_yield" (func $yield (result i32)))
    (memory 1) (table 2 funcref) (elem (i32.const 0) $typed)
    (func (export "run") (result i64)
      (drop (call $yield))
      (i64.const 1) (i64.const 1) (i64.const 1) (i64.const 1) (i64.const 1) (i64.const 1) (i64.const 1) (i64.const 1)
      (i64.const 1) (i64.const 1) (call $dynamic)
      (i64.add) (i64.add) (i64.add) (i64.add) (i64.add) (i64.add) (i64.add))
    (func (export "trap") unreachable))"#;

unsafe extern "C" fn typed(_: *mut lucet_call, value: i32) -> i32 {
    value
}

unsafe extern "C" fn dynamic(
    _: *mut lucet_call,
    _: *mut c_void,
    arguments: *const lucet_value,
    results: *mut lucet_value,
) {
    // SAFETY: defined with ten parameters and eight results.
    unsafe { results.copy_from_nonoverlapping(arguments, 8) };
}

/// What the scenario has made.
struct Objects {
    linker: *mut lucet_linker,
    module: *mut lucet_module,
    region: *mut lucet_region,
    instance: *mut lucet_instance,
}

impl Drop for Objects {
    fn drop(&mut self) {
        // SAFETY: each is NULL or live, and released once.
        unsafe {
            assert_eq!(lucet_instance_release(self.instance), 0);
            lucet_region_release(self.region);
            lucet_module_release(self.module);
            lucet_linker_release(self.linker);
        }
    }
}

fn check(status: i32) -> Result<(), i32> {
    if status == 0 { Ok(()) } else { Err(status) }
}

/// All that a host does, from a linker to a backtrace.
fn scenario(file: &[u8]) -> Result<(), i32> {
    let mut objects = Objects {
        linker: null_mut(),
        module: null_mut(),
        region: null_mut(),
        instance: null_mut(),
    };
    // SAFETY: live objects, readable arguments, room for every result.
    unsafe {
        check(lucet_linker_new(&raw mut objects.linker))?;
        define(objects.linker)?;
        check(lucet_module_load_bytes(
            file.as_ptr().cast(),
            file.len(),
            objects.linker,
            null(),
            &raw mut objects.module,
        ))?;
        let mut config: lucet_region_config = std::mem::zeroed();
        (config.struct_size, config.instances) = (size_of::<lucet_region_config>(), 2);
        check(lucet_region_new(&raw const config, &raw mut objects.region))?;
        check(lucet_instance_new(
            objects.region,
            objects.module,
            null_mut(),
            null(),
            &raw mut objects.instance,
        ))?;
        let mut outcome: lucet_outcome = std::mem::zeroed();
        check(lucet_instance_run(
            objects.instance,
            c"run".as_ptr(),
            null(),
            0,
            &raw mut outcome,
        ))?;
        if outcome.kind != LUCET_RETURNED {
            // The one allocation between the guest and a dynamic function failed: the guest trapped.
            return Err(LUCET_NO_MEMORY);
        }
        check(lucet_instance_run(
            objects.instance,
            c"trap".as_ptr(),
            null(),
            0,
            &raw mut outcome,
        ))?;
        let (mut frames, mut count) = (null(), 0);
        check(lucet_instance_backtrace(
            objects.instance,
            &raw mut frames,
            &raw mut count,
        ))?;
        assert_eq!(count, 1);
    }
    Ok(())
}

/// # Safety
///
/// A live linker.
unsafe fn define(linker: *mut lucet_linker) -> Result<(), i32> {
    // SAFETY: function pointers of different types have the same size; the library casts back by `types`.
    let function = unsafe {
        std::mem::transmute::<
            unsafe extern "C" fn(*mut lucet_call, i32) -> i32,
            unsafe extern "C" fn(),
        >(typed)
    };
    let row = lucet_host_function {
        name: c"typed".as_ptr(),
        function: Some(function),
        types: 0x11,
        flags: 0,
        reserved: 0,
        answer: 0,
        checks: [lucet_check {
            limit: 0,
            element: 0,
            align: 0,
            kind: 0,
            of: std::ptr::null(),
        }; 12],
    };
    let (i64s, global) = ([2u8; 10], lucet_value::from_bits(1, 5));
    // SAFETY: readable arguments.
    unsafe {
        check(lucet_linker_define(
            linker,
            c"env".as_ptr(),
            &raw const row,
            1,
            null_mut(),
        ))?;
        check(lucet_linker_define_dynamic(
            linker,
            c"env".as_ptr(),
            c"dynamic".as_ptr(),
            i64s.as_ptr(),
            10,
            i64s.as_ptr(),
            8,
            Some(dynamic),
            null_mut(),
            None,
        ))?;
        check(lucet_linker_define_global(
            linker,
            c"env".as_ptr(),
            c"global".as_ptr(),
            &raw const global,
        ))?;
        check(lucet_linker_define_wasi_stub(linker, null()))
    }
}

#[test]
fn every_allocation_fails_once() {
    let file = lucetc::compile_module(GUEST.as_bytes(), &lucetc::options::Options::default())
        .expect("compiles");
    lucet::signal::install(0).unwrap_or_else(|_| panic!("signal handlers"));
    // What a thread keeps for good is made by the first pass, and by its first failure: the sentence's buffer.
    scenario(&file).expect("with enough memory everything works");
    // SAFETY: NULL is refused.
    assert_ne!(unsafe { lucet_linker_new(null_mut()) }, 0);
    let before = LIVE.get();
    let mut failed = 0;
    for allowed in 0.. {
        LEFT.set(Some(allowed));
        let done = scenario(&file);
        let reached = LEFT.replace(None).is_none();
        assert_eq!(
            LIVE.get(),
            before,
            "something is lost when allocation {allowed} fails"
        );
        match done {
            Ok(()) if !reached => break,
            // An allocation that something else can do without.
            Ok(()) => {}
            Err(status) => {
                assert_eq!(status, LUCET_NO_MEMORY, "allocation {allowed}");
                failed += 1;
            }
        }
    }
    assert!(failed > 50, "only {failed} allocations");
    scenario(&file).expect("memory is there again, and everything works");
}
