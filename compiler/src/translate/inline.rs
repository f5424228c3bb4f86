//! Calls of small functions, done in place of the call.
//!
//! The body is translated again, with its parameters, locals, operands and labels for itself, and ends at a label behind the call that
//! takes its results. A recursive function comes into itself, too: half of its calls, or more, are none then.
//!
//! Invariants.
//!
//! * Who looks sees no difference but that there are fewer frames on the stack: where a guest is when it stops is told function
//!   by function all the same. Each operator of a body in place has a [`Place`], which names its function and where the call is that
//!   it stands for.
//! * A function grows by what [`Growth`] allows, a module by at most three and a half times its size and a constant; and nothing comes into one with many locals, where each join of a body in place would
//!   pass all of them. So compiling takes time and memory in proportion to the module, and what compiles without inlining compiles with it.
//!
//! Not inlined: imported functions, functions that end in a trap, replace themselves by others (`return_call`), throw or catch, and whatever
//! is called where exceptions are caught.

use super::checks::Checks;
use super::control::Frame;
use super::function::{Translator, missing};
use super::operators::invalid;
use crate::abi::clif_type;
use crate::code::Place;
use crate::error::Result;
use crate::module::{FunctionBody, FunctionType, Module};
use crate::parse;
use cranelift_codegen::ir::{SourceLoc, Value};
use cranelift_frontend::Variable;
use lucet_format::image::records::IN_PLACE;
use rustc_hash::FxHashMap;
use std::collections::BTreeMap;
use wasmparser::{BinaryReader, Operator};

/// The largest body that is inlined, in bytes that it counts as.
pub const LARGEST_IN_PLACE: usize = 96;
/// The most calls around a place.
const DEEPEST: usize = 3;
/// How often a function may be around itself.
const MOST_RECURSIONS: usize = 2;
/// The most locals of a function that is inlined: a few bytes can declare thousands.
const MOST_LOCALS: u32 = 24;
/// The most locals, parameters among them, of a function that others come into.
const MOST_LOCALS_AROUND: u32 = 256;

/// The most bytes of bodies that come into one function: what is larger than that gains little, and compiling it would take memory.
const MOST_BYTES: usize = 2048;

/// How large the bodies of a module may be, in bytes, for each to grow several times. Those of larger modules grow by a half.
const SMALL_MODULE: usize = 1 << 20;

/// What a module may grow by regardless of its size. Where functions are so many and so small that what each may grow by is more
/// than this and three and a half times the module, they grow by a half, too.
const SMALL_GROWTH: usize = 64 << 10;

/// How much functions may grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Growth {
    /// Nothing is inlined.
    None,
    /// By a half: the module is large.
    Half,
    /// To several times of what they are.
    Several,
}

impl Growth {
    /// What the functions of a module may grow by where speed is asked for.
    pub fn of(module: &Module) -> Growth {
        let bodies = || module.bodies.iter().map(|body| body.range.len());
        let bytes: usize = bodies().sum();
        let growth: usize = bodies().map(|bytes| Growth::Several.budget(bytes)).sum();
        if bytes > SMALL_MODULE || growth > bytes * 7 / 2 + SMALL_GROWTH {
            Growth::Half
        } else {
            Growth::Several
        }
    }

    /// Bytes of bodies that come into a function whose own has so many.
    fn budget(self, bytes: usize) -> usize {
        match self {
            Growth::None => 0,
            Growth::Half => MOST_BYTES.min(bytes / 2),
            Growth::Several => MOST_BYTES.min(32 + 3 * bytes),
        }
    }
}

/// The calls that the translation is inside of, and what has been inlined.
#[derive(Default)]
pub(super) struct Inlining {
    /// The function that is translated, and those that are translated in place inside of it.
    functions: Vec<u32>,
    /// The position of the innermost call, as positions are told.
    call: u32,
    /// Bytes that may come in, and bytes that have.
    budget: usize,
    bytes: usize,
    /// Of functions that are called: whether they are of the kind that is inlined.
    simple: FxHashMap<u32, bool>,
    /// Where operators in place are.
    places: Vec<Place>,
}

/// What of a translation belongs to one function.
struct Outer<'a> {
    function_type: &'a FunctionType,
    results_pointer: Option<Value>,
    parameters: Vec<Variable>,
    locals: FxHashMap<u32, Variable>,
    stack: Vec<Value>,
    frames: Vec<Frame>,
    checks: Checks,
    hints: Option<&'a BTreeMap<u32, bool>>,
    position: u32,
    call: u32,
}

impl<'a> Translator<'a> {
    /// A function's translation begins.
    pub(super) fn begin_function(&mut self, index: u32, body: &FunctionBody) -> Result<()> {
        self.inlining.functions.push(index);
        let locals = (self.parameters.len() as u32).saturating_add(declared(&self.reader(body)?)?);
        if locals <= MOST_LOCALS_AROUND {
            self.inlining.budget = self.source.growth.budget(body.range.len());
        }
        Ok(())
    }

    /// Where operators in place are, by number.
    pub(super) fn take_places(&mut self) -> Vec<Place> {
        std::mem::take(&mut self.inlining.places)
    }

    /// Whether the body that is translated is one in place.
    pub(super) fn is_in_place(&self) -> bool {
        self.inlining.functions.len() > 1
    }

    /// Bytes of bodies that have come in.
    pub(super) fn bytes_in_place(&self) -> usize {
        self.inlining.bytes
    }

    /// The operator at this offset in the input is translated next.
    pub(super) fn locate(&mut self, offset: u32) {
        let position = self.position_at(offset);
        self.builder.set_srcloc(SourceLoc::new(position));
    }

    fn position_at(&mut self, offset: u32) -> u32 {
        let inlining = &mut self.inlining;
        match inlining.functions.as_slice() {
            [_, .., function] => {
                inlining.places.push(Place {
                    function: *function,
                    wasm: offset,
                    outer: inlining.call,
                });
                IN_PLACE | (inlining.places.len() as u32 - 1)
            }
            _ => offset,
        }
    }

    /// Does a call in place, if that is worth it.
    pub(super) fn call_in_place(&mut self, function: u32) -> Result<bool> {
        let Some(body) = self.worth_inlining(function)? else {
            return Ok(false);
        };
        let function_type = self.type_of_function(function)?;
        let arguments = self.pop_many(function_type.parameters.len())?;
        let outer = self.enter(function, function_type);
        for (parameter, argument) in function_type.parameters.iter().zip(arguments) {
            let local = self.builder.declare_var(clif_type(*parameter));
            self.builder.def_var(local, argument);
            self.parameters.push(local);
        }
        self.body_in_place(body)?;
        let results = std::mem::take(&mut self.stack);
        self.leave(outer);
        self.stack.extend(results);
        Ok(true)
    }

    /// The body of a function that should be translated in place of a call.
    fn worth_inlining(&mut self, function: u32) -> Result<Option<&'a FunctionBody>> {
        let inlining = &self.inlining;
        let defined = function.checked_sub(self.module.imported_functions);
        let Some(body) = defined.and_then(|index| self.module.bodies.get(index as usize)) else {
            return Ok(None);
        };
        let around = inlining.functions.iter().filter(|one| **one == function);
        let bytes = self.counted(function, body);
        let fits = self.clauses.is_empty()
            && bytes <= LARGEST_IN_PLACE
            && inlining.bytes + bytes <= inlining.budget
            && (1..=DEEPEST).contains(&inlining.functions.len())
            && around.count() <= MOST_RECURSIONS;
        if !fits {
            return Ok(None);
        }
        let simple = match inlining.simple.get(&function) {
            Some(simple) => *simple,
            None => self.is_simple(body)?,
        };
        self.inlining.simple.insert(function, simple);
        Ok(simple.then_some(body))
    }

    /// The bytes that a body counts as.
    fn counted(&self, function: u32, body: &FunctionBody) -> usize {
        let defined = function - self.module.imported_functions;
        let worth = self.source.worth.get(&defined);
        worth.copied().unwrap_or(body.range.len())
    }

    fn is_simple(&self, body: &FunctionBody) -> Result<bool> {
        let body = self.reader(body)?;
        if declared(&body)? > MOST_LOCALS {
            return Ok(false);
        }
        let mut depth = 0u32;
        for operator in body.get_operators_reader().map_err(invalid)? {
            let operator = operator.map_err(invalid)?;
            match operator {
                Operator::Block { .. } | Operator::Loop { .. } | Operator::If { .. } => depth += 1,
                Operator::End => depth = depth.saturating_sub(1),
                // Cranelift makes a branch to a trap the trap, which would then be the caller's.
                Operator::Unreachable if depth == 0 => return Ok(false),
                _ => {}
            }
            if matches!(
                operator,
                Operator::ReturnCall { .. }
                    | Operator::ReturnCallIndirect { .. }
                    | Operator::ReturnCallRef { .. }
                    | Operator::TryTable { .. }
                    | Operator::Throw { .. }
                    | Operator::ThrowRef
            ) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn reader(&self, body: &FunctionBody) -> Result<wasmparser::FunctionBody<'a>> {
        reader(self.source.wasm, body)
    }

    fn body_in_place(&mut self, body: &FunctionBody) -> Result<()> {
        let start = body.range.start as u64;
        let body = self.reader(body)?;
        self.declare_locals(&body)?;
        self.open_function_frame();
        let mut operators = body.get_operators_reader().map_err(invalid)?;
        while !operators.eof() {
            let (operator, offset) = operators.read_with_offset().map_err(invalid)?;
            self.next_operator(&operator, offset, start)?;
        }
        Ok(())
    }

    fn enter(&mut self, function: u32, function_type: &'a FunctionType) -> Outer<'a> {
        use std::mem::{replace, take};
        let call = self.builder.srcloc().bits();
        let defined = function - self.module.imported_functions;
        let bytes = self.module.bodies.get(defined as usize);
        self.inlining.bytes += bytes.map_or(0, |body| self.counted(function, body));
        self.inlining.functions.push(function);
        Outer {
            function_type: replace(&mut self.function_type, function_type),
            results_pointer: self.results_pointer.take(),
            parameters: take(&mut self.parameters),
            locals: take(&mut self.locals),
            stack: take(&mut self.stack),
            frames: take(&mut self.frames),
            checks: take(&mut self.checks),
            hints: replace(&mut self.hints, self.module.branch_hints.get(&function)),
            position: self.position,
            call: replace(&mut self.inlining.call, call),
        }
    }

    fn leave(&mut self, outer: Outer<'a>) {
        self.inlining.functions.pop();
        self.builder.set_srcloc(SourceLoc::new(self.inlining.call));
        self.inlining.call = outer.call;
        self.function_type = outer.function_type;
        self.results_pointer = outer.results_pointer;
        self.parameters = outer.parameters;
        self.locals = outer.locals;
        self.stack = outer.stack;
        self.frames = outer.frames;
        self.checks = outer.checks;
        self.hints = outer.hints;
        self.position = outer.position;
    }
}

/// What reads a body.
pub fn reader<'a>(wasm: &'a [u8], body: &FunctionBody) -> Result<wasmparser::FunctionBody<'a>> {
    let bytes = wasm.get(body.range.clone());
    let bytes = bytes.ok_or_else(|| missing("body"))?;
    let start = body.range.start as u64;
    let reader = BinaryReader::new_features(bytes, start, parse::SUPPORTED);
    Ok(wasmparser::FunctionBody::new(reader))
}

/// How many locals a body declares, its parameters not among them.
fn declared(body: &wasmparser::FunctionBody<'_>) -> Result<u32> {
    let mut locals = 0u32;
    for group in body.get_locals_reader().map_err(invalid)? {
        locals = locals.saturating_add(group.map_err(invalid)?.0);
    }
    Ok(locals)
}

#[cfg(test)]
mod tests {
    use super::{Growth, SMALL_GROWTH};
    use crate::module::{FunctionBody, Module};
    use crate::options::{Emit, OptLevel, Options};

    /// Calls that are left in the function after `callee`.
    fn calls(callee: &str, caller: &str, opt_level: OptLevel) -> usize {
        let text = format!(
            r#"(module (import "env" "out" (func $out (param i32) (result i32))) (memory 1)
                 (type $t (func (param i32) (result i32)))
                 (tag $e (param i32))
                 (func $callee (param i32) (result i32) {callee})
                 (func $caller (param i32) (result i32) {caller}))"#
        );
        let wasm = crate::binary(text.as_bytes()).expect("the text is well-formed");
        let options = Options {
            listing: Emit::Clif,
            verify: true,
            opt_level,
            ..Options::default()
        };
        let compiled = crate::compile(&wasm, &options).expect("the module compiles");
        let listing = compiled.code[1].listing.as_ref().expect("a listing");
        let is_call = |line: &&str| line.contains("call fn") || line.contains("try_call");
        listing.lines().filter(is_call).count()
    }

    #[test]
    fn small_functions_are_inlined() {
        let small = "(i32.mul (local.get 0) (i32.const 3))";
        let twice = "(call $callee (call $callee (local.get 0)))";
        assert_eq!(calls(small, twice, OptLevel::Speed), 0);
        assert_eq!(calls(small, twice, OptLevel::SpeedAndSize), 2);
        assert_eq!(calls(small, twice, OptLevel::None), 2);
        let out = "(i32.add (call $out (local.get 0)) (i32.const 1))";
        assert_eq!(calls(out, twice, OptLevel::Speed), 2);
    }

    #[test]
    fn others_are_called() {
        let once = "(call $callee (local.get 0))";
        let large = "(local.get 0)".to_owned() + &"(i32.const 7) (i32.add)".repeat(40);
        assert_eq!(calls(&large, once, OptLevel::Speed), 1, "large");
        let many = format!("(local{}) (local.get 0)", " i32".repeat(30));
        assert_eq!(calls(&many, once, OptLevel::Speed), 1, "many locals");
        assert_eq!(calls("(unreachable)", once, OptLevel::Speed), 1, "traps");
        let throws = "(throw $e (local.get 0))";
        assert_eq!(calls(throws, once, OptLevel::Speed), 1, "throws");
        let replaced = "(return_call $caller (local.get 0))";
        assert_eq!(calls(replaced, once, OptLevel::Speed), 1, "replaces itself");
        let caught =
            "(block (try_table (catch_all 0) (drop (call $callee (local.get 0))))) (local.get 0)";
        // And the handler calls the helper that ends an exception.
        assert_eq!(calls("(local.get 0)", caught, OptLevel::Speed), 2, "caught");
        let around = format!("(local{}) {once}", " i32".repeat(256));
        assert_eq!(
            calls("(local.get 0)", &around, OptLevel::Speed),
            1,
            "around"
        );
    }

    #[test]
    fn large_modules_grow_by_a_half() {
        assert_eq!(Growth::None.budget(1000), 0);
        assert_eq!(Growth::Half.budget(1000), 500);
        assert_eq!(Growth::Several.budget(100), 332);
        assert_eq!(Growth::Several.budget(100_000), 2048);
        let mut module = Module::default();
        let body = |bytes| FunctionBody { range: 0..bytes };
        module.bodies = vec![body(1 << 19), body(1 << 19)];
        assert_eq!(Growth::of(&module), Growth::Several);
        module.bodies.push(body(3));
        assert_eq!(Growth::of(&module), Growth::Half);
    }

    #[test]
    fn growth_of_a_module_is_bounded() {
        // Whatever its functions are: at most three and a half times its size, and a constant.
        let body = |bytes| FunctionBody { range: 0..bytes };
        for size in [2, 3, 7, 20, 63, 64, 65, 300, 5000] {
            for count in [1, 10, 2000, 3000, 60_000] {
                let module = Module {
                    bodies: (0..count).map(|_| body(size)).collect(),
                    ..Module::default()
                };
                let growth = Growth::of(&module);
                let grown: usize = module
                    .bodies
                    .iter()
                    .map(|body| growth.budget(body.range.len()))
                    .sum();
                assert!(
                    grown <= count * size * 7 / 2 + SMALL_GROWTH,
                    "{count} functions of {size} bytes grow by {grown}"
                );
            }
        }
    }

    #[test]
    fn recursion_and_growth_end() {
        // Each copy has two calls of itself; what fits is inlined, and the rest are calls.
        let itself = "(i32.add (call $caller (i32.sub (local.get 0) (i32.const 1))) (call $caller (i32.shr_u (local.get 0) (i32.const 1))))";
        let left = calls("(local.get 0)", itself, OptLevel::Speed);
        assert!((3..=8).contains(&left), "{left}");
    }
}
