//! The checks that `lucetc --emit host-checks` writes for reviewers, compiled as C and called with the oracle's arguments: they must
//! answer what the oracle says. Of handles they say nothing, so those are good there.

use crate::described::{Function, Parameter};
use crate::functions::FUNCTIONS;
use crate::oracle::World;
use lucetc::bindings::{Bindings, c};
use std::ffi::{CStr, CString, c_void};
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

type Check = unsafe extern "C" fn(u32, *const u8, usize, *const u32) -> i32;

/// The compiled checks.
pub struct Reviewed {
    check: Check,
}

impl Reviewed {
    pub fn new(bindings: &Bindings) -> Reviewed {
        let directory = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let name = |suffix: &str| {
            directory.join(format!(
                "reviewed_{:?}{suffix}",
                std::thread::current().id()
            ))
        };
        let (header, source, library) = (name(".h"), name(".c"), name(".so"));
        let text = c::checks_header(bindings, "reviewed.h", "test.wit");
        std::fs::write(&header, text).expect("a directory to write to");
        std::fs::write(&source, dispatcher(&header)).expect("a directory to write to");
        let done = Command::new("cc")
            .args(["-std=c11", "-O1", "-Wall", "-Wextra", "-Werror"])
            .args(["-Wno-unused-function", "-shared", "-fPIC", "-I"])
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/include"))
            .arg("-o")
            .args([&library, &source])
            .output()
            .expect("a C compiler");
        assert!(
            done.status.success(),
            "{}",
            String::from_utf8_lossy(&done.stderr)
        );
        Reviewed {
            check: function_of(&library),
        }
    }

    /// That the C says what the oracle does.
    pub fn compare(&self, function: &Function, arguments: &[u32], world: &World, good: bool) {
        let known = |word: u32| world.handles.iter().any(|(handle, _)| *handle == word);
        let mut handles = function
            .places()
            .filter(|(_, parameter)| matches!(parameter, Parameter::Handle));
        if function.wit.is_empty() || !handles.all(|(place, _)| known(arguments[place])) {
            return;
        }
        let index = FUNCTIONS.iter().position(|each| each.name == function.name);
        let (memory, size) = (world.memory.as_ptr(), world.memory.len());
        // SAFETY: the arguments are as many as the function has, the memory is of that size.
        let answer =
            unsafe { (self.check)(index.expect("it") as u32, memory, size, arguments.as_ptr()) };
        assert_eq!(
            answer,
            i32::from(good),
            "in C: {} {arguments:x?}",
            function.name
        );
    }
}

/// One function that calls all the others.
fn dispatcher(header: &Path) -> String {
    let mut cases = String::new();
    for (index, function) in FUNCTIONS.iter().enumerate() {
        if function.wit.is_empty() {
            continue;
        }
        let name = function.name.replace('-', "_");
        let words = function.parameters.iter().map(Parameter::words).sum();
        let words: String = (0..words).fold(String::new(), |mut text, word: usize| {
            let _ = write!(text, ", w[{word}]");
            text
        });
        let _ = writeln!(
            cases,
            "  case {index}: return check_i_{name}(memory{words});"
        );
    }
    format!(
        "#include \"{}\"\nint check(uint32_t function, const uint8_t *data, size_t size, const uint32_t *w);\n\
         int check(uint32_t function, const uint8_t *data, size_t size, const uint32_t *w) {{\n  \
         lucet_memory memory = {{data, size}};\n  switch (function) {{\n{cases}  default: return -1;\n  }}\n}}\n",
        header.display()
    )
}

fn function_of(library: &Path) -> Check {
    let path = CString::new(library.as_os_str().as_encoded_bytes()).expect("a path");
    // SAFETY: a library that was just made of a C file without constructors; it is never closed.
    let library = unsafe { libc::dlopen(path.as_ptr(), libc::RTLD_NOW) };
    assert!(!library.is_null(), "{}", reason());
    // SAFETY: an open library.
    let symbol = unsafe { libc::dlsym(library, c"check".as_ptr()) };
    assert!(!symbol.is_null(), "{}", reason());
    // SAFETY: the dispatcher's function is of this type.
    unsafe { std::mem::transmute::<*mut c_void, Check>(symbol) }
}

fn reason() -> String {
    // SAFETY: called after a failure of the dynamic linker, on the same thread.
    unsafe { CStr::from_ptr(libc::dlerror()) }
        .to_string_lossy()
        .into_owned()
}
