//! What loading leaves to later, and what modules share: the file with a module's initial memory is made for the first instance, or by
//! linking if it is large; records that a load has no use for are not looked at; the page with the addresses of the runtime's entry points is one for all modules. Files are counted, so
//! each test has a process of its own.

#[path = "support/own_process.rs"]
mod own_process;
mod support;

use lucet::instance::{self, Handle};
use lucet::linker::Linker;
use lucet::module::{Module, load};
use own_process::own_process;
use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use support::{create, i32, module, region, small};

/// Files of the kernel's memory with this name that this process has open.
fn open_files(name: &str) -> Vec<i32> {
    let open = std::fs::read_dir("/proc/self/fd").expect("readable");
    let numbers = open.filter_map(|entry| {
        let entry = entry.ok()?;
        let target = std::fs::read_link(entry.path()).ok()?;
        let found = target.to_string_lossy().contains(&format!("memfd:{name}"));
        found.then(|| {
            entry
                .file_name()
                .to_string_lossy()
                .parse()
                .expect("a number")
        })
    });
    numbers.collect()
}

/// Files with initial memory.
fn files() -> usize {
    open_files("lucet-memory").len()
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

#[test]
fn modules_share_a_page_that_stays_as_it_is() {
    own_process("modules_share_a_page_that_stays_as_it_is", || {
        let modules =
            [10, 20, 30].map(|bytes| module(&guest(bytes), &Linker::new().expect("a linker")));
        assert_eq!(open_files("lucet-runtime"), [0; 0]);
        let maps = std::fs::read_to_string("/proc/self/maps").expect("readable");
        let pages: Vec<usize> = maps
            .lines()
            .filter(|line| line.contains("memfd:lucet-runtime") && line.contains(" r--s "))
            .map(|line| {
                usize::from_str_radix(&line[..line.find('-').expect("a range")], 16)
                    .expect("an address")
            })
            .collect();
        // Before Linux 5.1 each module has a page of its own.
        assert!([0, 4].contains(&pages.len()), "{maps}");
        for page in pages {
            let at = page as *mut libc::c_void;
            // SAFETY: adds a right, which the kernel is to refuse.
            let allowed = unsafe { libc::mprotect(at, 4096, libc::PROT_READ | libc::PROT_WRITE) };
            assert_eq!(allowed, -1);
        }
        let region = region(&small());
        for module in &modules {
            let instance = create(&region, module);
            assert_eq!(byte(instance, 1005), 120);
            instance::release(instance).expect("is idle");
        }
    });
}

/// Faults of this thread that found their page in memory.
fn faults() -> i64 {
    // SAFETY: all-zero bytes are a value of this C struct, which the kernel fills.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        assert_eq!(libc::getrusage(libc::RUSAGE_THREAD, &raw mut usage), 0);
        usage
    };
    usage.ru_minflt
}

#[test]
fn trusted_files_are_mapped_and_not_touched() {
    let functions: String = (0..3000)
        .map(|index| format!("(func $f{index} (param i32) (result i32) (i32.add (local.get 0) (i32.const {index})))"))
        .collect();
    let names: String = (0..3000).map(|index| format!("$f{index} ")).collect();
    let text = format!(
        r#"(module (memory (export "memory") 1) (data (i32.const 8) "some data")
             (table 3000 funcref) (elem (i32.const 0) {names}) {functions}
             (func (export "run") (param i32) (result i32)
               (call_indirect (param i32) (result i32) (local.get 0) (local.get 0))))"#
    );
    let file = lucetc::compile_module(text.as_bytes(), &Default::default()).expect("compiles");
    let path = std::env::temp_dir().join(format!("lucet-loading-{}.so", std::process::id()));
    std::fs::write(&path, file).expect("written");
    let name = CString::new(path.as_os_str().as_bytes()).expect("a path");
    let linker = Linker::new().expect("a linker");
    let load = || {
        let code = load::file(&name, load::Mode::Trusted).expect("a module");
        Module::link(&code, &linker, &mut |_| {}).expect("links")
    };
    let fewest = (0..50).map(|_| {
        let before = faults();
        drop(load());
        faults() - before
    });
    assert_eq!(fewest.min(), Some(0));
    let code = load();
    std::fs::remove_file(&path).expect("removed");
    let region = region(&small());
    let instance = create(&region, &code);
    let outcome = instance::run(instance, b"run", &[i32(2000)]).expect("runs");
    // SAFETY: one value was returned.
    assert_eq!(unsafe { *outcome.values }.bits(), 4000);
}
