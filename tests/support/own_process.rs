//! Tests that need a process of their own: they change its limits, lock its memory, use up its mappings, or fork.

#![allow(dead_code, reason = "each test program uses a part of it")]

use std::process::Command;

const VARIABLE: &str = "LUCET_TEST_OWN_PROCESS";

/// Runs `body` in a new process of this test program, in which nothing else runs. `name` is the test's, as the program lists it.
pub fn own_process(name: &str, body: impl FnOnce()) {
    own_process_with(name, &[], body);
}

/// As [`own_process`], with variables in the process's environment.
pub fn own_process_with(name: &str, environment: &[(&str, &str)], body: impl FnOnce()) {
    if std::env::var_os(VARIABLE).is_some() {
        return body();
    }
    let output = Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", name, "--nocapture", "--test-threads=1"])
        .env(VARIABLE, "1")
        .envs(environment.iter().copied())
        .output()
        .expect("this program can be started");
    let text = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(
        output.status.success() && text.contains("1 passed"),
        "{name} in its own process: {}\n{text}",
        output.status
    );
}
