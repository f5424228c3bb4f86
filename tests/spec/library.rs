//! liblucet.so through libloading: the functions that the suite needs, by their C names and types.

use libloading::os::unix::Library as Object;
use lucet::abi::{lucet_dynamic_function, lucet_outcome, lucet_value};
use lucet::capi::describe::lucet_extern;
use lucet::capi::instance::{lucet_instance, lucet_limits};
use lucet::capi::linker::lucet_linker;
use lucet::capi::module::{lucet_func, lucet_load_options, lucet_module};
use lucet::capi::region::{lucet_region, lucet_region_config};
use std::ffi::{CStr, CString, c_char, c_void};
use std::path::PathBuf;

macro_rules! functions {
    ($($name:ident($($argument:ty),*) $(-> $result:ty)?;)*) => {
        /// The library's functions.
        pub struct Library {
            $(pub $name: unsafe extern "C" fn($($argument),*) $(-> $result)?,)*
            _object: Object,
        }

        impl Library {
            /// Loads the library that was built with this test, or the one that LUCET_LIBRARY names.
            pub fn load() -> Library {
                let path = path();
                // SAFETY: liblucet.so runs nothing when it is loaded; the types below are those of lucet.h.
                unsafe {
                    let object = Object::new(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
                    Library {
                        $($name: *object.get(stringify!($name).as_bytes()).unwrap_or_else(|error| panic!("{error}")),)*
                        _object: object,
                    }
                }
            }
        }
    };
}

functions! {
    lucet_signals_install(u32) -> i32;
    lucet_last_error() -> *const c_char;
    lucet_trap_name(u32) -> *const c_char;
    lucet_linker_new(*mut *mut lucet_linker) -> i32;
    lucet_linker_define_dynamic(*mut lucet_linker, *const c_char, *const c_char, *const u8, usize, *const u8, usize,
        lucet_dynamic_function, *mut c_void, Option<unsafe extern "C" fn(*mut c_void)>) -> i32;
    lucet_linker_define_global(*mut lucet_linker, *const c_char, *const c_char, *const lucet_value) -> i32;
    lucet_linker_define_instance(*mut lucet_linker, *const c_char, *const lucet_instance) -> i32;
    lucet_linker_release(*mut lucet_linker);
    lucet_module_load_bytes(*const c_void, usize, *const lucet_linker, *const lucet_load_options, *mut *mut lucet_module) -> i32;
    lucet_module_link(*const lucet_module, *const lucet_linker, *const lucet_load_options, *mut *mut lucet_module) -> i32;
    lucet_module_import_count(*const lucet_module) -> usize;
    lucet_module_import(*const lucet_module, usize, *mut lucet_extern) -> i32;
    lucet_module_export_count(*const lucet_module) -> usize;
    lucet_module_export(*const lucet_module, usize, *mut lucet_extern) -> i32;
    lucet_module_func_at(*const lucet_module, usize, *mut *const lucet_func) -> i32;
    lucet_module_release(*mut lucet_module);
    lucet_region_config_fit(*mut lucet_region_config, *const lucet_module) -> i32;
    lucet_region_new(*const lucet_region_config, *mut *mut lucet_region) -> i32;
    lucet_region_release(*mut lucet_region);
    lucet_instance_new(*mut lucet_region, *const lucet_module, *mut c_void, *const lucet_limits, *mut *mut lucet_instance) -> i32;
    lucet_instance_start(*mut lucet_instance, *mut lucet_outcome) -> i32;
    lucet_instance_run(*mut lucet_instance, *const c_char, *const lucet_value, usize, *mut lucet_outcome) -> i32;
    lucet_instance_call(*mut lucet_instance, *const lucet_func, *const lucet_value, usize, *mut lucet_outcome) -> i32;
    lucet_instance_keep(*mut lucet_instance) -> i32;
    lucet_instance_global_get(*const lucet_instance, *const c_char, *mut lucet_value) -> i32;
    lucet_instance_release(*mut lucet_instance) -> i32;
}

/// Where the library is: beside this test's own program, where cargo puts it.
fn path() -> PathBuf {
    if let Some(path) = std::env::var_os("LUCET_LIBRARY") {
        return path.into();
    }
    let program = std::env::current_exe().expect("the test's own path");
    program.with_file_name("liblucet.so")
}

impl Library {
    /// The sentence of the latest failure.
    pub fn sentence(&self) -> String {
        // SAFETY: a C string that is valid until the next failure.
        unsafe { CStr::from_ptr((self.lucet_last_error)()) }
            .to_string_lossy()
            .into_owned()
    }

    /// The words for a trap.
    pub fn trap_name(&self, trap: u32) -> String {
        // SAFETY: a static C string.
        unsafe { CStr::from_ptr((self.lucet_trap_name)(trap)) }
            .to_string_lossy()
            .into_owned()
    }

    /// Turns a status into a result with its sentence.
    pub fn check(&self, status: i32) -> Result<(), Failure> {
        if status == 0 {
            Ok(())
        } else {
            Err(Failure {
                status,
                sentence: self.sentence(),
            })
        }
    }
}

/// A status that is not LUCET_OK.
#[derive(Debug)]
pub struct Failure {
    pub status: i32,
    pub sentence: String,
}

/// A name for C, unless it has a NUL inside.
pub fn c_name(name: &str) -> Option<CString> {
    CString::new(name).ok()
}
