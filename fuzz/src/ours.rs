//! Lucet: compiles a module in several ways and runs it through the library's own interface.

use crate::generate::Call;
use crate::host::{self, HostFunction};
use crate::reference::{Exports, failed};
use crate::value::Value;
use crate::{End, Observation};
use lucet::abi::{LUCET_RETURNED, LUCET_TRAPPED, lucet_call, lucet_outcome, lucet_value};
use lucet::counted::Counted;
use lucet::instance::offer::offers;
use lucet::instance::outcome::NOT_RUN;
use lucet::instance::{self, Handle, Limits};
use lucet::linker::{Definition, DynamicData, Linker};
use lucet::module::{Module, load};
use lucet::region::{Region, RegionConfig};
use lucet_format::value::ValueType;
use lucetc::options::{MemoryMode, OptLevel, Options, TargetCpu};
use std::ffi::{CStr, c_void};
use std::ptr::null_mut;
use twox_hash::XxHash3_64;

/// A way to compile.
#[derive(Clone, Copy, Debug)]
pub struct Configuration {
    /// How hard to optimise.
    pub opt_level: OptLevel,
    /// For which CPU.
    pub cpu: TargetCpu,
    /// What keeps accesses inside of memory.
    pub memory: MemoryMode,
}

/// Those that this machine can run: every level of optimisation, every CPU, and guards as well as comparisons.
pub fn configurations() -> Vec<Configuration> {
    let guarded = |opt_level, cpu| Configuration {
        opt_level,
        cpu,
        memory: MemoryMode::Guarded,
    };
    let mut all: Vec<Configuration> = [OptLevel::None, OptLevel::Speed, OptLevel::SpeedAndSize]
        .into_iter()
        .map(|opt_level| guarded(opt_level, TargetCpu::X86_64V2))
        .collect();
    let v3 = ["avx2", "fma", "bmi1", "bmi2", "lzcnt"];
    let flags = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let has = |name: &str| {
        flags
            .split_whitespace()
            .any(|flag| flag == name || (name == "lzcnt" && flag == "abm"))
    };
    if v3.iter().all(|name| has(name)) {
        all.push(guarded(OptLevel::Speed, TargetCpu::X86_64V3));
    }
    all.push(guarded(OptLevel::Speed, TargetCpu::Native));
    for opt_level in [OptLevel::None, OptLevel::Speed] {
        all.push(Configuration {
            memory: MemoryMode::Bounds,
            ..guarded(opt_level, TargetCpu::X86_64V2)
        });
    }
    all
}

/// Why a module was not run.
#[derive(Debug)]
pub enum Refusal {
    /// It is larger than the compiler's limits allow.
    Limit(String),
    /// Anything else, which is a finding.
    Failure(String),
}

/// Compiled and linked modules, each with a region and an instance.
pub struct Ours {
    files: Vec<Vec<u8>>,
    /// In the order of the files: the last one imports from those before it.
    parts: Vec<Part>,
    how: Configuration,
}

struct Part {
    handle: Handle,
    module: Counted<Module>,
    // What the instance lives in.
    _region: Counted<Region>,
}

impl Ours {
    /// Compiles, loads and links; a module can import from those before it, all of which are "library".
    ///
    /// # Errors
    ///
    /// One of these steps fails.
    pub fn new(modules: &[&[u8]], how: Configuration) -> Result<Ours, Refusal> {
        let options = Options {
            opt_level: how.opt_level,
            target_cpu: how.cpu,
            memory: how.memory,
            verify: true,
            threads: 1,
            ..Options::default()
        };
        let mut files = Vec::new();
        for wasm in modules {
            let file = lucetc::compile_module(wasm, &options).map_err(|error| match error {
                lucetc::Error::Limit { .. } => Refusal::Limit(error.to_string()),
                _ => Refusal::Failure(error.to_string()),
            })?;
            files.push(file);
        }
        lucet::signal::install(0).map_err(|_| Refusal::Failure(sentence()))?;
        let mut ours = Ours {
            files,
            parts: Vec::new(),
            how,
        };
        ours.load().map_err(Refusal::Failure)?;
        Ok(ours)
    }

    fn load(&mut self) -> Result<(), String> {
        self.unload();
        let mut linker = linker(self.how)?;
        for file in &self.files {
            for library in &self.parts {
                let each =
                    |name: &[u8], offer| linker.define(b"library", name, Definition::Export(offer));
                offers(library.handle, lucet::bridge::call, each).map_err(|_| sentence())?;
            }
            self.parts.push(Part::new(file, &linker)?);
        }
        Ok(())
    }

    /// Releases everything, importers first.
    fn unload(&mut self) {
        while self.parts.pop().is_some() {}
    }

    /// As new: an instance that others are linked to cannot be reset, so it is made again.
    ///
    /// # Errors
    ///
    /// The library fails.
    pub fn fresh(&mut self) -> Result<&Ours, String> {
        match self.parts.as_slice() {
            [only] => instance::reset(only.handle).map_err(|_| sentence())?,
            _ => self.load()?,
        }
        Ok(self)
    }

    /// As [`crate::reference::Reference::observe`], which makes a new instance: this one should be [`fresh`](Ours::fresh).
    ///
    /// # Errors
    ///
    /// The library fails in a way that is no trap.
    pub fn observe(&self, calls: &[Call], exports: &Exports) -> Result<Vec<Observation>, String> {
        let last = self.parts.last().ok_or("nothing is loaded")?;
        observe(last, &self.parts, calls, exports)
    }
}

impl Drop for Ours {
    fn drop(&mut self) {
        self.unload();
    }
}

impl Part {
    fn new(file: &[u8], linker: &Linker) -> Result<Part, String> {
        let code = load::bytes(file).map_err(|_| sentence())?;
        let mut config = RegionConfig {
            instances: 1,
            stack_bytes: 8 << 20,
            ..RegionConfig::default()
        };
        config.fit(&code).map_err(|_| sentence())?;
        let mut problems = Vec::new();
        let module = Module::link(&code, linker, &mut |problem| {
            problems.push(problem.to_owned())
        })
        .map_err(|_| format!("{}: {problems:?}", sentence()))?;
        let region = Region::new(&config).map_err(|_| sentence())?;
        let handle = instance::create(&region, &module, null_mut(), Limits::default())
            .map_err(|_| sentence())?;
        Ok(Part {
            handle,
            module,
            _region: region,
        })
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        // It does not run, and it is released once: there is nothing to fail.
        let _ = instance::release(self.handle);
    }
}

fn observe(
    ours: &Part,
    parts: &[Part],
    calls: &[Call],
    exports: &Exports,
) -> Result<Vec<Observation>, String> {
    let handle = ours.handle;
    let started = instance::start(handle).map_err(|_| sentence())?;
    if started.kind != LUCET_RETURNED {
        let End::Trapped(code) = end(&started)? else {
            return Err("the start function returned and did not".to_owned());
        };
        return Ok(vec![failed(code)]);
    }
    let mut seen = vec![look(handle, exports, End::Returned(Vec::new()))?];
    for (step, call) in calls.iter().enumerate() {
        let arguments: Vec<lucet_value> = call.arguments.iter().map(|one| to_lucet(*one)).collect();
        let outcome = if step % 2 == 0 {
            instance::run(handle, call.name.as_bytes(), &arguments)
        } else {
            by_handle(ours, &call.name, &arguments)
        };
        let outcome = outcome.map_err(|_| format!("{}: {}", call.name, sentence()))?;
        seen.push(look(handle, exports, end(&outcome)?)?);
        if outcome.kind == LUCET_TRAPPED {
            instance::keep(handle).map_err(|_| sentence())?;
            for part in parts {
                // Those that the guest was in have stopped with it; of others this is an error.
                let _ = instance::keep(part.handle);
            }
        }
    }
    Ok(seen)
}

/// As `lucet_instance_call` does it: the short way in, where that takes the call.
fn by_handle(
    ours: &Part,
    name: &str,
    arguments: &[lucet_value],
) -> lucet::error::Result<lucet_outcome> {
    let function = ours.module.func(name.as_bytes())?;
    let mut outcome = NOT_RUN;
    if instance::short::call(ours.handle.0, function, arguments, &mut outcome) {
        return Ok(outcome);
    }
    instance::call(ours.handle, function, arguments)
}

fn end(outcome: &lucet_outcome) -> Result<End, String> {
    match outcome.kind {
        LUCET_RETURNED if outcome.value_count == 0 => Ok(End::Returned(Vec::new())),
        LUCET_RETURNED => {
            // SAFETY: the library says that so many values are there, the instance's until its next entry.
            let values = unsafe { std::slice::from_raw_parts(outcome.values, outcome.value_count) };
            Ok(End::Returned(values.iter().map(from_lucet).collect()))
        }
        LUCET_TRAPPED => Ok(End::Trapped(outcome.detail)),
        kind => Err(format!("an outcome of kind {kind}")),
    }
}

fn look(handle: Handle, exports: &Exports, end: End) -> Result<Observation, String> {
    let mut globals = Vec::new();
    for name in &exports.globals {
        let value = instance::global::get(handle, name.as_bytes()).map_err(|_| sentence())?;
        globals.push(from_lucet(&value));
    }
    let mut tables = Vec::new();
    for name in &exports.tables {
        let name = name.as_bytes();
        let size = instance::table::size(handle, name).map_err(|_| sentence())?;
        let nulls: Result<Vec<bool>, String> = (0..size)
            .map(|index| {
                let value = instance::table::get(handle, name, index).map_err(|_| sentence())?;
                Ok(matches!(
                    from_lucet(&value),
                    Value::Func(false) | Value::Extern(None)
                ))
            })
            .collect();
        tables.push(nulls?);
    }
    let mut memories = Vec::new();
    for (_, index) in &exports.memories {
        let (address, length) = instance::memory::memory(handle, *index).map_err(|_| sentence())?;
        // SAFETY: the library answers with the instance's memory, and the guest does not run.
        let bytes = unsafe { std::slice::from_raw_parts(address as *const u8, length) };
        memories.push((length, hash(bytes)));
    }
    Ok(Observation {
        end,
        memories,
        globals,
        tables,
    })
}

/// A hash that both sides use; a fast one, because every call hashes every memory.
pub fn hash(bytes: &[u8]) -> u64 {
    XxHash3_64::oneshot(bytes)
}

fn linker(how: Configuration) -> Result<Linker, String> {
    let mut linker = Linker::new().map_err(|_| sentence())?;
    for function in host::all() {
        let made = match typed(function.name, how.opt_level) {
            Some(made) => made,
            None => {
                let data = (&raw const *function).cast_mut().cast();
                let data = DynamicData::new(data, None).map_err(|_| sentence())?;
                Definition::dynamic(function.parameters, function.results, answer, data)
                    .map_err(|_| sentence())?
            }
        };
        linker
            .define(host::MODULE.as_bytes(), function.name.as_bytes(), made)
            .map_err(|_| sentence())?;
    }
    Ok(linker)
}

/// A host function of programs as a C function: as a leaf, as one that is none, or, in one of the configurations, not at all.
fn typed(name: &str, opt_level: OptLevel) -> Option<Definition> {
    // The types as the library has them from C: the result first.
    let (function, types) = match name {
        "word" => (word as *const (), 0x2122),
        "number" => (number as *const (), 0x0041_3244),
        _ => return None,
    };
    (opt_level != OptLevel::SpeedAndSize).then_some(Definition::Typed {
        function,
        types,
        leaf: opt_level == OptLevel::Speed,
        data: null_mut(),
    })
}

extern "C" fn word(_: *mut lucet_call, left: u64, middle: u32, right: u64) -> u64 {
    let [word, _] = &host::OF_PROGRAMS;
    result_of(
        word,
        &[Value::I64(left), Value::I32(middle), Value::I64(right)],
    )
}

extern "C" fn number(
    _: *mut lucet_call,
    first: f64,
    word: u64,
    single: f32,
    middle: u32,
    last: f64,
) -> f64 {
    let [_, number] = &host::OF_PROGRAMS;
    let arguments = [
        Value::F64(first.to_bits()),
        Value::I64(word),
        Value::F32(single.to_bits()),
        Value::I32(middle),
        Value::F64(last.to_bits()),
    ];
    f64::from_bits(result_of(number, &arguments))
}

fn result_of(function: &HostFunction, arguments: &[Value]) -> u64 {
    let results = function.answer(arguments.iter().copied());
    results.first().map_or(0, |result| result.bits() as u64)
}

unsafe extern "C" fn answer(
    _: *mut lucet_call,
    data: *mut c_void,
    arguments: *const lucet_value,
    results: *mut lucet_value,
) {
    // SAFETY: `linker` defines this function with a pointer to a static of this type.
    let function = unsafe { &*data.cast::<HostFunction>() };
    let count = function.parameters.len();
    // SAFETY: the library passes as many values as the definition has parameters.
    let arguments = (0..count).map(|index| from_lucet(unsafe { &*arguments.add(index) }));
    for (index, value) in function.answer(arguments).into_iter().enumerate() {
        // SAFETY: there is room for as many values as the definition has results.
        unsafe { results.add(index).write(to_lucet(value)) };
    }
}

/// The host's number is kept where a pointer would be; null is none.
fn to_lucet(value: Value) -> lucet_value {
    let (of, bits) = match value {
        Value::I32(bits) => (ValueType::I32, u128::from(bits)),
        Value::I64(bits) => (ValueType::I64, u128::from(bits)),
        Value::F32(bits) => (ValueType::F32, u128::from(bits)),
        Value::F64(bits) => (ValueType::F64, u128::from(bits)),
        Value::V128(bits) => (ValueType::V128, bits),
        Value::Func(_) => (ValueType::Funcref, 0),
        Value::Exception(_) => (ValueType::Exnref, 0),
        Value::Extern(_) => (ValueType::Externref, value.bits()),
    };
    lucet_value::from_bits(of.number(), bits)
}

fn from_lucet(value: &lucet_value) -> Value {
    let bits = value.bits();
    match ValueType::from_number(value.r#type as u8) {
        Some(ValueType::I32) | None => Value::I32(bits as u32),
        Some(ValueType::I64) => Value::I64(bits as u64),
        Some(ValueType::F32) => Value::F32(bits as u32),
        Some(ValueType::F64) => Value::F64(bits as u64),
        Some(ValueType::V128) => Value::V128(bits),
        Some(ValueType::Funcref) => Value::Func(bits as u64 != 0),
        Some(ValueType::Exnref) => Value::Exception(bits as u64 != 0),
        Some(ValueType::Externref) => Value::Extern((bits as u64).checked_sub(1).map(|n| n as u32)),
    }
}

/// The sentence of the latest failure on this thread.
fn sentence() -> String {
    // SAFETY: the library's buffer is NUL-terminated and lives as long as the thread.
    let text = unsafe { CStr::from_ptr(lucet::error::last()) };
    text.to_string_lossy().into_owned()
}
