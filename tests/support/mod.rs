//! What behaviour tests share: a guest from text, in a region of its own.

#![allow(dead_code, reason = "each test file uses a part of it")]

use lucet::abi::{LUCET_RETURNED, lucet_call, lucet_outcome, lucet_value};
use lucet::counted::Counted;
use lucet::instance::{self, Handle, Limits};
use lucet::linker::Linker;
use lucet::module::{Module, load};
use lucet::region::{Region, RegionConfig};
use lucet_format::WASM_PAGE_SIZE;
use lucetc::options::{OptLevel, Options};
use std::ffi::CStr;

/// A module, its region, and one instance.
pub struct Guest {
    pub region: Counted<Region>,
    pub module: Counted<Module>,
    pub handle: Handle,
}

/// The sentence of the latest failure on this thread.
pub fn sentence() -> String {
    // SAFETY: the library's buffer is NUL-terminated and lives as long as the thread.
    unsafe { CStr::from_ptr(lucet::error::last()) }
        .to_string_lossy()
        .into_owned()
}

/// Compiles text and links it.
pub fn module(text: &str, linker: &Linker) -> Counted<Module> {
    let options = Options {
        verify: true,
        ..Options::default()
    };
    compiled(text, &options, linker)
}

/// Compiles text in one's own way and links it.
pub fn compiled(text: &str, options: &Options, linker: &Linker) -> Counted<Module> {
    let file = lucetc::compile_module(text.as_bytes(), options).expect("the guest compiles");
    let code = load::bytes(&file).unwrap_or_else(|_| panic!("{}", sentence()));
    let mut problems = Vec::new();
    Module::link(&code, linker, &mut |problem| {
        problems.push(problem.to_owned())
    })
    .unwrap_or_else(|_| panic!("{problems:?}"))
}

/// A region for a few instances.
pub fn region(config: &RegionConfig) -> Counted<Region> {
    lucet::signal::install(0).expect("signal handlers");
    Region::new(config).unwrap_or_else(|_| panic!("{}", sentence()))
}

pub fn small() -> RegionConfig {
    RegionConfig {
        instances: 4,
        ..RegionConfig::default()
    }
}

/// How a call ended: the outcome's kind and detail, its first result, and the first page of the memory that it has left.
pub type Left = (u32, u32, Option<u128>, Vec<u8>);

impl Guest {
    /// A guest that is compiled at a level of optimisation, verified, in a small region.
    pub fn at_level(text: &str, opt_level: OptLevel) -> Guest {
        let options = Options {
            opt_level,
            verify: true,
            ..Options::default()
        };
        let linker = Linker::new().expect("a linker");
        Guest::made_of(compiled(text, &options, &linker), &small())
    }

    /// What a call leaves. The guest is reset afterwards.
    pub fn left_by(&self, name: &str, arguments: &[lucet_value]) -> Left {
        let outcome = self.run(name, arguments);
        // SAFETY: the instance's values live until its next entry.
        let result = (outcome.value_count > 0).then(|| unsafe { *outcome.values }.bits());
        let page = instance::memory::view(self.handle, 0, 0, WASM_PAGE_SIZE).expect("a page");
        // SAFETY: the page has just been checked, and the guest does not run.
        let page = unsafe { std::slice::from_raw_parts(page, WASM_PAGE_SIZE as usize) }.to_vec();
        self.reset();
        (outcome.kind, outcome.detail, result, page)
    }

    /// A guest in a small region.
    pub fn new(text: &str) -> Guest {
        Guest::linked(text, &Linker::new().expect("a linker"), &small())
    }

    /// A guest with host functions, in a region of one's choice.
    pub fn linked(text: &str, linker: &Linker, config: &RegionConfig) -> Guest {
        Guest::made_of(module(text, linker), config)
    }

    /// A guest made of a module.
    pub fn made_of(module: Counted<Module>, config: &RegionConfig) -> Guest {
        let region = region(config);
        let handle = create(&region, &module);
        Guest {
            region,
            module,
            handle,
        }
    }

    /// Runs an export.
    pub fn run(&self, name: &str, arguments: &[lucet_value]) -> lucet_outcome {
        instance::run(self.handle, name.as_bytes(), arguments)
            .unwrap_or_else(|_| panic!("{name}: {}", sentence()))
    }

    /// Runs an export that returns one i32.
    pub fn run_i32(&self, name: &str, arguments: &[lucet_value]) -> i32 {
        let outcome = self.run(name, arguments);
        assert_eq!(
            (outcome.kind, outcome.value_count),
            (LUCET_RETURNED, 1),
            "{name}: {}",
            self.describe()
        );
        // SAFETY: one value was returned.
        unsafe { *outcome.values }.bits() as u32 as i32
    }

    pub fn describe(&self) -> String {
        let mut line = String::new();
        instance::describe(self.handle, &mut line).expect("a live instance");
        line
    }

    pub fn reset(&self) {
        instance::reset(self.handle).unwrap_or_else(|_| panic!("{}", sentence()));
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        // A test that failed inside a run leaves the instance running: there is nothing to do about it here.
        let _ = instance::release(self.handle);
    }
}

pub fn create(region: &Counted<Region>, module: &Counted<Module>) -> Handle {
    instance::create(region, module, std::ptr::null_mut(), Limits::default())
        .unwrap_or_else(|_| panic!("{}", sentence()))
}

pub fn i32(value: i32) -> lucet_value {
    lucet_value::from_bits(1, u128::from(value as u32))
}

pub fn i64(value: i64) -> lucet_value {
    lucet_value::from_bits(2, u128::from(value as u64))
}

/// A pointer to a host function, as the linker takes it.
pub type HostFunction = unsafe extern "C" fn(*mut lucet_call);
