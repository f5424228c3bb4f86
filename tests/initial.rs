//! When the file with a module's initial memory is made: little data for the first instance, much by linking. Files are counted, so
//! each test has a process of its own.

#[path = "support/own_process.rs"]
mod own_process;
mod support;

use lucet::instance::{self, Handle};
use lucet::linker::Linker;
use own_process::own_process;
use support::{create, i32, module, region, small};

/// Files with initial memory that this process has open.
fn files() -> usize {
    let open = std::fs::read_dir("/proc/self/fd").expect("readable");
    open.filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok())
        .filter(|target| target.to_string_lossy().contains("memfd:lucet-memory"))
        .count()
}

fn guest(bytes: usize) -> String {
    format!(
        r#"(module (memory 16) (data (i32.const 1000) "{}")
             (func (export "at") (param i32) (result i32) (i32.load8_u (local.get 0))))"#,
        "x".repeat(bytes)
    )
}

fn byte(instance: Handle, at: i32) -> i32 {
    let outcome = instance::run(instance, b"at", &[i32(at)]).expect("runs");
    assert_eq!(outcome.value_count, 1);
    // SAFETY: one value was returned.
    unsafe { *outcome.values }.bits() as i32
}

#[test]
fn little_data_are_made_for_the_first_instance() {
    own_process("little_data_are_made_for_the_first_instance", || {
        let module = module(&guest(5000), &Linker::new().expect("a linker"));
        assert_eq!(files(), 0);
        let region = region(&small());
        let instances = [(); 3].map(|()| create(&region, &module));
        assert_eq!(files(), 1);
        for instance in instances {
            for (at, wanted) in [(999, 0), (1000, 120), (5999, 120), (6000, 0)] {
                assert_eq!(byte(instance, at), wanted);
            }
            instance::release(instance).expect("is idle");
        }
        drop(module);
        assert_eq!(files(), 0);
    });
}

#[test]
fn much_data_are_made_by_linking() {
    own_process("much_data_are_made_by_linking", || {
        let module = module(&guest(300 << 10), &Linker::new().expect("a linker"));
        assert_eq!(files(), 1);
        drop(module);
        assert_eq!(files(), 0);
    });
}

#[test]
fn threads_that_make_first_instances_at_once_share_one() {
    own_process(
        "threads_that_make_first_instances_at_once_share_one",
        || {
            let region = region(&small());
            for _ in 0..200 {
                let module = module(&guest(5000), &Linker::new().expect("a linker"));
                let ready = std::sync::Barrier::new(4);
                std::thread::scope(|scope| {
                    for _ in 0..4 {
                        scope.spawn(|| {
                            ready.wait();
                            let instance = create(&region, &module);
                            assert_eq!(byte(instance, 5999), 120);
                            ready.wait();
                            assert_eq!(files(), 1);
                            ready.wait();
                            instance::release(instance).expect("is idle");
                        });
                    }
                });
            }
        },
    );
}
