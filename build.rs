//! Link flags of `liblucet.so`: its SONAME, and that it is never unloaded. Nothing is generated here.
//!
//! While the version is 0.x, every minor version may change the ABI, so the minor version is part of the SONAME.
//! CMakeLists.txt derives the same name; tests/install compares both with the finished file.

use std::env::var;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if var("CARGO_CFG_TARGET_OS").as_deref() != Ok("linux") {
        return;
    }
    let part = |name: &str| var(format!("CARGO_PKG_VERSION_{name}")).unwrap_or_default();
    let (major, minor) = (part("MAJOR"), part("MINOR"));
    let soversion = if major == "0" {
        format!("0.{minor}")
    } else {
        major
    };
    println!("cargo::rustc-cdylib-link-arg=-Wl,-soname,liblucet.so.{soversion}");
    // Signal handlers and thread-local storage that the library installed must outlive dlclose.
    println!("cargo::rustc-cdylib-link-arg=-Wl,-z,nodelete");
}
