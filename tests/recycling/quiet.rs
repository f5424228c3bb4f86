//! While the pages that guests write stay the same, a cycle makes no system call: counted by the kernel, see `support/syscalls.rs`.

use crate::memory::DATA;
use crate::support::{create, i32, i64, module, region, sentence, small};
use crate::syscalls::{Fail, watch, watched};
use lucet::abi::{LUCET_RETURNED, lucet_call, lucet_value};
use lucet::counted::Counted;
use lucet::instance::{self, Handle, Limits, memory};
use lucet::linker::{Definition, Linker};
use lucet::module::Module;
use lucet::timing::{Allowance, now};
use std::ptr::null_mut;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

const WARM: usize = 200;
const CYCLES: usize = 5000;
/// Whether reading the clock is a system call.
static CLOCK_CALLS: AtomicBool = AtomicBool::new(false);

/// Runs cycles until they are steady, then counts the system calls of many.
fn assert_quiet(what: &'static str, mut cycle: impl FnMut() + Send + 'static) {
    watched(move || {
        (0..WARM).for_each(|_| cycle());
        let seen = watch(Fail::None, || (0..CYCLES).for_each(|_| cycle()));
        assert_eq!(
            seen.calls, 0,
            "{what}: system calls in {CYCLES} cycles: {:?} ...",
            seen.numbers
        );
    });
}

fn run(handle: Handle, name: &str, arguments: &[lucet_value]) {
    let outcome = instance::run(handle, name.as_bytes(), arguments)
        .unwrap_or_else(|_| panic!("{name}: {}", sentence()));
    assert_eq!(outcome.kind, LUCET_RETURNED, "{name}");
}

/// Ten pages, as far apart as four ranges allow, and a global.
fn work(handle: Handle) {
    run(handle, "spread", &[i32(100), i32(8192), i32(10)]);
    run(handle, "set", &[i64(7)]);
}

fn data_module() -> Counted<Module> {
    module(DATA, &Linker::new().expect("a linker"))
}

/// That the counting counts.
#[test]
fn a_call_is_seen() {
    watched(|| {
        let seen = watch(Fail::None, || {
            // SAFETY: no arguments.
            unsafe { libc::getppid() }
        });
        assert_eq!(
            (seen.calls, seen.numbers.as_slice()),
            (1, &[libc::SYS_getppid][..])
        );
        assert!(seen.result > 0, "and made");
    });
}

#[test]
fn a_cycle_of_new_run_release() {
    let (region, module) = (region(&small()), data_module());
    assert_quiet("new, run, release", move || {
        let handle = create(&region, &module);
        work(handle);
        instance::release(handle).expect("released");
    });
}

#[test]
fn a_cycle_of_run_and_reset() {
    let (region, module) = (region(&small()), data_module());
    let handle = create(&region, &module);
    assert_quiet("run, reset", move || {
        work(handle);
        instance::reset(handle).expect("reset");
    });
    instance::release(handle).expect("released");
}

#[test]
fn a_cycle_with_a_deadline_and_a_cpu_budget() {
    let (region, module) = (region(&small()), data_module());
    watched(|| {
        CLOCK_CALLS.store(watch(Fail::None, now).calls > 0, Ordering::Relaxed);
    });
    if CLOCK_CALLS.load(Ordering::Relaxed) {
        // Some emulated machines have no clock that programs can read: then looking at it is a call, and the only one.
        return;
    }
    assert_quiet("new with limits, run, release", move || {
        let limits = Limits {
            time: Allowance {
                deadline: now() + 600_000_000_000,
                cpu: 600_000_000_000,
                ..Allowance::default()
            },
            ..Limits::default()
        };
        let handle = instance::create(&region, &module, null_mut(), limits).expect("created");
        work(handle);
        instance::release(handle).expect("released");
    });
}

#[test]
fn two_tenants_alternating() {
    let region = region(&small());
    let modules = [data_module(), data_module()];
    assert_quiet("two modules in turn", move || {
        for module in &modules {
            let handle = create(&region, module);
            work(handle);
            instance::release(handle).expect("released");
        }
    });
}

#[test]
fn many_live_instances_in_turn() {
    let mut config = small();
    config.instances = 64;
    let (region, module) = (region(&config), data_module());
    let handles: Vec<Handle> = (0..64).map(|_| create(&region, &module)).collect();
    let mut turn = 0;
    // Each slot has to become steady by itself.
    for handle in handles.iter().cycle().take(64 * 8) {
        work(*handle);
        instance::reset(*handle).expect("reset");
    }
    assert_quiet("64 instances in turn", move || {
        let handle = handles[turn % handles.len()];
        turn += 1;
        work(handle);
        instance::reset(handle).expect("reset");
    });
}

unsafe extern "C" fn fill_buffer(call: *mut lucet_call, at: i32, length: i32) {
    let handle = lucet::call::instance(call).expect("the call that is going on");
    let view = memory::view_mut(handle, 0, at as u64, length as u64).expect("within memory");
    // SAFETY: a checked view.
    unsafe { view.write_bytes(0x42, length as usize) };
}

#[test]
fn a_host_function_that_writes_to_the_guest() {
    let mut linker = Linker::new().expect("a linker");
    // void fill(i32, i32)
    let definition = Definition::Typed {
        function: fill_buffer as *const (),
        types: 0x110,
        leaf: false,
        data: null_mut(),
    };
    linker
        .define(b"env", b"fill", definition)
        .expect("a definition");
    let text = r#"(module (import "env" "fill" (func $fill (param i32 i32))) (memory 3) (data (i32.const 70000) "data")
        (func (export "work") (call $fill (i32.const 70000) (i32.const 9000))))"#;
    let module = module(text, &linker);
    let region = region(&small());
    assert_quiet("calls out", move || {
        let handle = create(&region, &module);
        run(handle, "work", &[]);
        instance::release(handle).expect("released");
    });
}

/// Two threads, each with its own instances: none makes the other wait in the kernel.
#[test]
fn two_threads() {
    let (region, module) = (region(&small()), data_module());
    // A thread that finds another one's slot in use takes a third: all have to be steady.
    for _ in 0..8 {
        let handles: Vec<Handle> = (0..small().instances)
            .map(|_| create(&region, &module))
            .collect();
        for handle in handles {
            work(handle);
            instance::release(handle).expect("released");
        }
    }
    let other = (region.clone(), module.clone());
    let stop = Arc::new(AtomicBool::new(false));
    let until = stop.clone();
    let busy = std::thread::spawn(move || {
        while !until.load(Ordering::Relaxed) {
            let handle = create(&other.0, &other.1);
            work(handle);
            instance::release(handle).expect("released");
        }
    });
    watched(move || {
        let cycle = || {
            let handle = create(&region, &module);
            work(handle);
            instance::release(handle).expect("released");
        };
        (0..WARM).for_each(|_| cycle());
        let seen = watch(Fail::None, || (0..CYCLES).for_each(|_| cycle()));
        assert_eq!(seen.numbers, [0; 0], "system calls");
    });
    stop.store(true, Ordering::Relaxed);
    busy.join().expect("the other thread");
}
