//! In a process that may not gain executable memory (`PR_SET_MDWE`, as systemd's MemoryDenyWriteExecute sets it) modules load and run.
//! The setting cannot be taken back, so this file has one test.

mod support;

use support::{Guest, i32};

#[test]
fn modules_load_where_memory_cannot_become_executable() {
    const SET_MDWE: libc::c_int = 65;
    const REFUSE_EXEC_GAIN: libc::c_ulong = 1;
    let none = 0 as libc::c_ulong;
    // SAFETY: changes what this process may do with its memory, which nothing else here minds.
    let hardened = unsafe { libc::prctl(SET_MDWE, REFUSE_EXEC_GAIN, none, none, none) } == 0;
    // Before Linux 6.3 there is no such setting.
    let unknown = std::io::Error::last_os_error().raw_os_error() == Some(libc::EINVAL);
    assert!(hardened || unknown, "the process was not hardened");
    let guest = Guest::new(
        r#"(module (func (export "f") (param i32) (result i32) (i32.add (local.get 0) (i32.const 1))))"#,
    );
    assert_eq!(guest.run_i32("f", &[i32(41)]), 42);
}
