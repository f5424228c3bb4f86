//! Every allocation fails once while instances are linked, and while one calls the other: a status, or the guest's trap; nothing is lost,
//! and what was linked by half keeps nothing.

use crate::allocations::{failing, live_blocks};
use lucet::abi::{LUCET_RETURNED, lucet_outcome};
use lucet::capi::instance::{lucet_instance, lucet_instance_new, lucet_instance_release};
use lucet::capi::linker::*;
use lucet::capi::module::*;
use lucet::capi::region::{
    lucet_region, lucet_region_config, lucet_region_new, lucet_region_release,
};
use lucet::capi::run::lucet_instance_run;
use lucet::capi::status::LUCET_NO_MEMORY;
use std::ptr::{null, null_mut};

const LIBRARY: &str = r#"(module
    (memory (export "memory") 1) (table (export "table") 2 funcref)
    (global (export "global") (mut i64) (i64.const 0))
    (tag $tag (export "tag") (param i32))
    (func (export "many") (param i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32 i32 i32 i32 i32 i32 i32 i32)
      (local.get 0) (local.get 1) (local.get 2) (local.get 3) (local.get 4) (local.get 5) (local.get 6) (local.get 7))
    (func (export "throw") (throw $tag (i32.const 1)))
    (func (export "call") (call_indirect (i32.const 1))))"#;

const PROGRAM: &str = r#"(module
    (import "library" "memory" (memory 1)) (import "library" "table" (table 1 funcref))
    (import "library" "global" (global (mut i64))) (import "library" "tag" (tag $tag (param i32)))
    (import "library" "many" (func $many (param i32 i32 i32 i32 i32 i32 i32 i32 i32)
      (result i32 i32 i32 i32 i32 i32 i32 i32)))
    (import "library" "throw" (func $throw)) (import "library" "call" (func $call))
    (elem (i32.const 1) $set)
    (func $set (global.set 0 (i64.const 7)))
    (func (export "run")
      (call $many (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
        (i32.const 0) (i32.const 0))
      (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop)
      (call $call)
      (block $caught (try_table (catch_all $caught) (call $throw)))))"#;

/// What does not change: the two files, a region, the library's instance.
struct Setting {
    region: *mut lucet_region,
    library: *mut lucet_instance,
    program: Vec<u8>,
}

fn compile(text: &str) -> Vec<u8> {
    lucetc::compile_module(text.as_bytes(), &lucetc::options::Options::default()).expect("compiles")
}

/// # Safety
///
/// A live linker.
unsafe fn load(file: &[u8], linker: *const lucet_linker) -> Result<*mut lucet_module, i32> {
    let mut module = null_mut();
    // SAFETY: readable bytes, room for the result.
    let status = unsafe {
        lucet_module_load_bytes(
            file.as_ptr().cast(),
            file.len(),
            linker,
            null(),
            &raw mut module,
        )
    };
    if status == 0 { Ok(module) } else { Err(status) }
}

fn setting() -> Setting {
    let (mut region, mut library, mut linker) = (null_mut(), null_mut(), null_mut());
    // SAFETY: live objects, room for the results; a zeroed struct is a value.
    unsafe {
        let mut config: lucet_region_config = std::mem::zeroed();
        (config.struct_size, config.instances) = (size_of::<lucet_region_config>(), 2);
        assert_eq!(lucet_region_new(&raw const config, &raw mut region), 0);
        assert_eq!(lucet_linker_new(&raw mut linker), 0);
        let module = load(&compile(LIBRARY), linker).expect("loads");
        let made = lucet_instance_new(region, module, null_mut(), null(), &raw mut library);
        assert_eq!(made, 0);
        lucet_module_release(module);
        lucet_linker_release(linker);
    }
    Setting {
        region,
        library,
        program: compile(PROGRAM),
    }
}

fn scenario(setting: &Setting) -> Result<(), i32> {
    let (mut linker, mut instance) = (null_mut(), null_mut());
    // SAFETY: as above; everything is released.
    unsafe {
        let mut status = lucet_linker_new(&raw mut linker);
        if status == 0 {
            status = lucet_linker_define_instance(linker, c"library".as_ptr(), setting.library);
        }
        if status == 0 {
            match load(&setting.program, linker) {
                Ok(module) => {
                    status = lucet_instance_new(
                        setting.region,
                        module,
                        null_mut(),
                        null(),
                        &raw mut instance,
                    );
                    lucet_module_release(module);
                }
                Err(failure) => status = failure,
            }
        }
        lucet_linker_release(linker);
        if status == 0 {
            let mut outcome: lucet_outcome = std::mem::zeroed();
            status = lucet_instance_run(instance, c"run".as_ptr(), null(), 0, &raw mut outcome);
            if status == 0 && outcome.kind != LUCET_RETURNED {
                status = LUCET_NO_MEMORY;
            }
        }
        assert_eq!(lucet_instance_release(instance), 0);
        lucet::capi::run::lucet_instance_keep(setting.library);
        if status == 0 { Ok(()) } else { Err(status) }
    }
}

#[test]
fn every_allocation_of_linked_instances_fails_once() {
    lucet::signal::install(0).unwrap_or_else(|_| panic!("signal handlers"));
    let setting = setting();
    scenario(&setting).expect("with enough memory everything works");
    let before = live_blocks();
    let mut failed = 0;
    for allowed in 0.. {
        let (done, reached) = failing(allowed, || scenario(&setting));
        assert_eq!(
            live_blocks(),
            before,
            "allocation {allowed}: something is lost"
        );
        match done {
            Ok(()) if !reached => break,
            Ok(()) => {}
            Err(status) => {
                assert_eq!(status, LUCET_NO_MEMORY, "allocation {allowed}");
                failed += 1;
            }
        }
    }
    assert!(failed > 30, "only {failed} allocations");
    scenario(&setting).expect("memory is there again");
    // SAFETY: nothing is linked to the instance any more.
    unsafe {
        assert_eq!(lucet_instance_release(setting.library), 0);
        lucet_region_release(setting.region);
    }
}
