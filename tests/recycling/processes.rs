//! Regions and the child of a fork: slots are not mapped there, and their addresses may be the child's own by then.

use crate::memory::{DATA, one_slot};
use crate::own_process::own_process;
use crate::support::{create, i32, module, region};
use lucet::abi::LUCET_RETURNED;
use lucet::counted::Counted;
use lucet::error::Status;
use lucet::instance::{self, memory};
use lucet::linker::Linker;
use lucet::module::Module;

/// Runs `body` in a child process; answers its exit status as `waitpid` gives it.
fn in_child(body: impl FnOnce() -> i32) -> i32 {
    // SAFETY: the process has one thread besides libtest's, which is waiting; the child leaves by `_exit`.
    unsafe {
        let child = libc::fork();
        assert!(child >= 0);
        if child == 0 {
            let code = std::panic::catch_unwind(std::panic::AssertUnwindSafe(body)).unwrap_or(99);
            libc::_exit(code);
        }
        let mut status = 0;
        assert_eq!(libc::waitpid(child, &mut status, 0), child);
        status
    }
}

fn guest() -> Counted<Module> {
    module(DATA, &Linker::new().expect("a linker"))
}

/// Maps a page of the child's own where a slot's memory is in the parent.
fn occupy(address: usize, access: libc::c_int) -> *mut u8 {
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED_NOREPLACE;
    // SAFETY: replaces nothing.
    let at = unsafe { libc::mmap(address as *mut _, 4096, access, flags, -1, 0) };
    assert_eq!(at as usize, address, "slots are not mapped in a child");
    at.cast()
}

#[test]
fn releasing_an_inherited_region_unmaps_nothing_of_the_childs() {
    own_process(
        "processes::releasing_an_inherited_region_unmaps_nothing_of_the_childs",
        || {
            let (region, module) = (region(&one_slot(1 << 20)), guest());
            let handle = create(&region, &module);
            let address = memory::memory(handle, 0).expect("a memory").0;
            instance::release(handle).expect("released");
            let status = in_child(move || {
                let page = occupy(address, libc::PROT_READ | libc::PROT_WRITE);
                // SAFETY: the page was just mapped.
                unsafe { page.write(7) };
                drop(region);
                // SAFETY: nobody has unmapped it, or this is the end of the child.
                i32::from(unsafe { page.read() } != 7)
            });
            assert_eq!(status, 0, "the child lost a page of its own");
        },
    );
}

#[test]
fn a_childs_own_read_only_pages_stay_read_only() {
    own_process(
        "processes::a_childs_own_read_only_pages_stay_read_only",
        || {
            let (region, module) = (region(&one_slot(1 << 20)), guest());
            let handle = create(&region, &module);
            for _ in 0..3 {
                // Sealed, with a cold page behind the first.
                instance::run(handle, b"fill", &[i32(0), i32(1), i32(1)]).expect("runs");
                instance::reset(handle).expect("reset");
            }
            let address = memory::memory(handle, 0).expect("a memory").0 + 8 * 4096;
            let status = in_child(|| {
                let page = occupy(address, libc::PROT_READ);
                // SAFETY: faults: the page is the child's, and can only be read.
                unsafe { page.write_volatile(7) };
                0
            });
            let signal = if libc::WIFSIGNALED(status) {
                libc::WTERMSIG(status)
            } else {
                0
            };
            assert_eq!(
                signal,
                libc::SIGSEGV,
                "the library took a fault for its own"
            );
        },
    );
}

/// A child has its own regions, at whatever addresses, while the parent goes on with its own.
#[test]
fn parent_and_child_both_recycle() {
    own_process("processes::parent_and_child_both_recycle", || {
        let module = guest();
        let cycles = |module: &Counted<Module>| {
            let region = region(&one_slot(1 << 20));
            let expected = crate::memory::fresh(module);
            let handle = create(&region, module);
            for round in 0..50 {
                assert!(crate::memory::contents(handle) == expected.as_slice());
                let arguments = [i32(round * 1000), i32(9), i32(30_000)];
                let outcome = instance::run(handle, b"fill", &arguments).expect("runs");
                assert_eq!(outcome.kind, LUCET_RETURNED);
                instance::reset(handle).expect("reset");
            }
            handle
        };
        let handle = cycles(&module);
        let status = in_child(|| {
            let refused = instance::reset(handle).expect_err("not in this process");
            assert_eq!(refused.status, Status::WrongProcess);
            cycles(&module);
            0
        });
        assert_eq!(status, 0);
        cycles(&module);
    });
}

/// A server that loads its modules once and forks its workers: each has regions of its own.
#[test]
fn a_module_that_was_loaded_before_the_fork() {
    own_process(
        "processes::a_module_that_was_loaded_before_the_fork",
        || {
            let module = guest();
            for _ in 0..2 {
                let status = in_child(|| {
                    let region = region(&one_slot(1 << 20));
                    let handle = create(&region, &module);
                    let outcome = instance::run(handle, b"grow", &[i32(1)]).expect("runs");
                    assert_eq!(outcome.kind, LUCET_RETURNED);
                    instance::reset(handle).expect("reset");
                    instance::release(handle).expect("released");
                    0
                });
                assert_eq!(status, 0);
            }
        },
    );
}
