//! What the translation of one function needs throughout: the builder, the operand stack, the control
//! frames, and entities that are made once and then reused.

use super::checks::Checks;
use super::control::Frame;
use super::exceptions::Clause;
use super::inline::{Growth, Inlining};
use super::variable::below;
use crate::abi::{self, Results, clif_type};
use crate::code::{Place, Target};
use crate::error::{Error, Result};
use crate::limits::Limits;
use crate::module::{FunctionType, Module};
use crate::options::RelaxedSimd;
use cranelift_codegen::ir::types::{F32, F64, I32, I64};
use cranelift_codegen::ir::{
    self, AliasRegionData, Endianness, ExtFuncData, ExternalName, FuncRef, GlobalValue,
    GlobalValueData, InstBuilder, MemFlagsData, SigRef, Signature, StackSlot, TrapCode, Type,
    UserFuncName, Value,
};
use cranelift_codegen::isa::TargetFrontendConfig;
use cranelift_frontend::{FuncInstBuilder, FunctionBuilder, FunctionBuilderContext, Variable};
use lucet_format::contract::RESERVATION;
use lucet_format::trap;
use lucet_format::vmctx::TRAP_ADDRESS;
use rustc_hash::FxHashMap;
use std::collections::BTreeMap;

/// What all functions of a compilation are translated from.
#[derive(Clone, Copy)]
pub struct Source<'a> {
    /// The module.
    pub module: &'a Module,
    /// Its bytes, which hold the bodies.
    pub wasm: &'a [u8],
    /// What relaxed operators become.
    pub relaxed_simd: RelaxedSimd,
    /// How large functions may be.
    pub limits: &'a Limits,
    /// Whether the CPU multiplies and adds with one rounding.
    pub fma: bool,
    /// How much functions may grow by what is inlined.
    pub growth: Growth,
    /// The bytes that bodies count as there, where they become much shorter, by their place among the defined functions.
    pub worth: &'a FxHashMap<u32, usize>,
}

/// The state of one function's translation.
pub(super) struct Translator<'a> {
    pub(super) builder: FunctionBuilder<'a>,
    pub(super) source: Source<'a>,
    pub(super) module: &'a Module,
    pub(super) function_type: &'a FunctionType,
    /// The base of linear memory 0; state lies below it.
    pub(super) vmctx: Value,
    /// Where the results go, when not into registers.
    pub(super) results_pointer: Option<Value>,
    pub(super) parameters: Vec<Variable>,
    /// The other locals that the body uses, by index.
    pub(super) locals: FxHashMap<u32, Variable>,
    /// Operands that calls, branches and returns have taken along so far.
    pub(super) passed: u64,
    pub(super) stack: Vec<Value>,
    pub(super) frames: Vec<Frame>,
    pub(super) checks: Checks,
    /// The clauses of the `try_table`s around the current operator, innermost last.
    pub(super) clauses: Vec<Clause>,
    /// Whether code is being generated. Operators that cannot be reached are skipped.
    pub(super) reachable: bool,
    /// Blocks opened since code became unreachable.
    pub(super) unreachable_depth: usize,
    /// What the module says of the function's branches, by distance from the start of its body.
    pub(super) hints: Option<&'a BTreeMap<u32, bool>>,
    /// How far from the start of the body the current operator is.
    pub(super) position: u32,
    /// The cells for results of calls that do not return in registers.
    pub(super) result_cells: Option<StackSlot>,
    /// The calls that the current operator is in place of.
    pub(super) inlining: Inlining,
    /// Copies and fills of memory that have been done in place so far.
    pub(super) in_place: u32,
    /// Calls of imports that have needed no stub so far.
    pub(super) calls_without_stub: u32,
    pub(super) flags: Flags,
    /// Those of memories that the function accesses, by index.
    memory_flags: FxHashMap<u32, MemFlagsData>,
    functions: FxHashMap<Target, FuncRef>,
    symbols: FxHashMap<Target, GlobalValue>,
    signatures: FxHashMap<u32, SigRef>,
}

/// The kinds of memory access. Each touches a region of its own, so that Cranelift knows that a store to
/// linear memory leaves globals alone.
#[derive(Clone, Copy)]
pub(super) struct Flags {
    /// Linear memory, without a region: any alignment, faults are traps.
    memory: MemFlagsData,
    /// Table elements: a failed bounds check faults in the guard.
    pub(super) table: MemFlagsData,
    /// Mutable globals.
    pub(super) global: MemFlagsData,
    /// Lengths and table descriptors: the runtime changes them during calls.
    pub(super) descriptor: MemFlagsData,
    /// What no one changes while an instance lives: funcref records, immutable imported globals.
    pub(super) constant: MemFlagsData,
    /// The function's own stack.
    pub(super) stack: MemFlagsData,
}

/// The number of the region of memory 0; those of further memories follow.
const FIRST_MEMORY: u32 = 16;
/// The number of the region of all imported memories.
const IMPORTED_MEMORIES: u32 = 4;

impl Flags {
    fn new(function: &mut ir::Function) -> Flags {
        let mut region = |user_id, description: &'static str| {
            let data = AliasRegionData {
                user_id,
                description: description.into(),
            };
            Some(function.dfg.alias_regions.insert(data))
        };
        let little = MemFlagsData::new().with_endianness(Endianness::Little);
        let trusted = MemFlagsData::trusted().with_endianness(Endianness::Little);
        Flags {
            memory: little.with_trap_code(Some(trap_code(trap::TrapCode::Memory))),
            table: little
                .with_aligned()
                .with_alias_region(region(1, "table"))
                .with_trap_code(Some(trap_code(trap::TrapCode::Table))),
            global: trusted.with_alias_region(region(2, "global")),
            descriptor: trusted.with_alias_region(region(3, "descriptor")),
            constant: trusted.with_readonly().with_can_move(),
            stack: trusted,
        }
    }
}

/// Cranelift's trap code for one of ours: the same number.
pub fn trap_code(code: trap::TrapCode) -> TrapCode {
    TrapCode::unwrap_user(code.number())
}

/// Translates the defined function with this number (not counting imports) into `function`. Answers where operators are that are in
/// place of calls, by the number that their source locations have.
pub fn guest_function(
    source: Source<'_>,
    defined: usize,
    function: &mut ir::Function,
    context: &mut FunctionBuilderContext,
    config: TargetFrontendConfig,
) -> Result<Vec<Place>> {
    let module = source.module;
    let index = module.imported_functions as usize + defined;
    let (Some(declared), Some(body)) = (module.functions.get(index), module.bodies.get(defined))
    else {
        return Err(Error::Internal(format!("no body for function {index}")));
    };
    let function_type = module
        .types
        .get(declared.function_type as usize)
        .ok_or_else(|| Error::Internal(format!("no type for function {index}")))?;
    function.name = UserFuncName::user(0, index as u32);
    function.signature = abi::guest_signature(function_type);
    let mut translator = Translator::new(
        source,
        function_type,
        FunctionBuilder::new(function, context),
    )?;
    translator.hints = module.branch_hints.get(&(index as u32));
    translator.begin_function(index as u32, body)?;
    translator.body(source.wasm, body)?;
    let places = translator.take_places();
    translator.builder.seal_all_blocks();
    translator.builder.finalize(config);
    Ok(places)
}

impl<'a> Translator<'a> {
    /// A translator that stands at the entry of a function, with its parameters in locals.
    pub(super) fn new(
        source: Source<'a>,
        function_type: &'a FunctionType,
        mut builder: FunctionBuilder<'a>,
    ) -> Result<Translator<'a>> {
        let entry = builder.create_block();
        builder.append_block_params_for_function_params(entry);
        builder.switch_to_block(entry);
        builder.seal_block(entry);
        let mut values = builder.block_params(entry).to_vec().into_iter();
        let mut next = || {
            values
                .next()
                .ok_or_else(|| Error::Internal("too few entry parameters".to_owned()))
        };
        let vmctx = next()?;
        let results_pointer = match abi::guest_results(function_type) {
            Results::Pointer => Some(next()?),
            Results::Registers => None,
        };
        let mut parameters = Vec::new();
        for (value_type, value) in function_type.parameters.iter().zip(values) {
            let local = builder.declare_var(clif_type(*value_type));
            builder.def_var(local, value);
            parameters.push(local);
        }
        let flags = Flags::new(builder.func);
        Ok(Translator {
            builder,
            source,
            module: source.module,
            function_type,
            vmctx,
            results_pointer,
            parameters,
            locals: FxHashMap::default(),
            passed: 0,
            stack: Vec::new(),
            frames: Vec::new(),
            checks: Checks::default(),
            clauses: Vec::new(),
            reachable: true,
            unreachable_depth: 0,
            hints: None,
            position: 0,
            result_cells: None,
            inlining: Inlining::default(),
            in_place: 0,
            calls_without_stub: 0,
            flags,
            memory_flags: FxHashMap::default(),
            functions: FxHashMap::default(),
            symbols: FxHashMap::default(),
            signatures: FxHashMap::default(),
        })
    }

    /// Where the next instruction goes.
    pub(super) fn ins(&mut self) -> FuncInstBuilder<'_, 'a> {
        self.builder.ins()
    }

    pub(super) fn push(&mut self, value: Value) {
        self.stack.push(value);
    }

    pub(super) fn pop(&mut self) -> Result<Value> {
        self.stack.pop().ok_or_else(|| missing("operand"))
    }

    /// The topmost two operands, the lower one first.
    pub(super) fn pop2(&mut self) -> Result<(Value, Value)> {
        let second = self.pop()?;
        Ok((self.pop()?, second))
    }

    /// The topmost three operands, the lowest first.
    pub(super) fn pop3(&mut self) -> Result<(Value, Value, Value)> {
        let third = self.pop()?;
        let (first, second) = self.pop2()?;
        Ok((first, second, third))
    }

    /// The topmost `count` operands, the lowest first; they stay.
    pub(super) fn top(&self, count: usize) -> Result<&[Value]> {
        let start = self
            .stack
            .len()
            .checked_sub(count)
            .ok_or_else(|| missing("operand"))?;
        self.stack.get(start..).ok_or_else(|| missing("operand"))
    }

    /// Removes the topmost `count` operands, the lowest first.
    pub(super) fn pop_many(&mut self, count: usize) -> Result<Vec<Value>> {
        let start = self
            .stack
            .len()
            .checked_sub(count)
            .ok_or_else(|| missing("operand"))?;
        Ok(self.stack.split_off(start))
    }

    /// A constant zero: also the null reference.
    pub(super) fn zero(&mut self, kind: Type) -> Value {
        match kind {
            F32 => self.ins().f32const(0.0),
            F64 => self.ins().f64const(0.0),
            vector if vector.is_vector() => self.zero_vector(),
            integer => self.ins().iconst(integer, 0),
        }
    }

    /// Zero-extends an i32 operand, as an index or length is.
    pub(super) fn widen(&mut self, value: Value) -> Value {
        self.ins().uextend(I64, value)
    }

    /// An index as an i32 constant, for the parameters of helpers.
    pub(super) fn index(&mut self, index: u32) -> Value {
        self.ins().iconst(I32, i64::from(index))
    }

    /// Ends the block with a trap.
    pub(super) fn trap(&mut self, code: trap::TrapCode) {
        self.ins().trap(trap_code(code));
        self.reachable = false;
    }

    /// An address that always faults, and is known to be this instance's: what a failed bounds check selects, so that
    /// also a mispredicted access reads nothing.
    pub(super) fn trap_address(&mut self) -> Value {
        let vmctx = self.vmctx;
        if self.module.relies_on_reservation {
            return self.ins().iadd_imm_s(vmctx, RESERVATION.cast_signed());
        }
        let flags = self.flags.constant;
        self.ins().load(I64, flags, vmctx, below(TRAP_ADDRESS))
    }

    /// How a memory is accessed. Memories that the module defines are not each other; what it imports may be.
    pub(super) fn memory_flags(&mut self, index: u32) -> MemFlagsData {
        if let Some(known) = self.memory_flags.get(&index) {
            return *known;
        }
        let memory = self.module.memories.get(index as usize);
        let imported = memory.is_some_and(|memory| memory.imported);
        let region = AliasRegionData {
            user_id: if imported {
                IMPORTED_MEMORIES
            } else {
                FIRST_MEMORY + index
            },
            description: "memory".into(),
        };
        let region = self.builder.func.dfg.alias_regions.insert(region);
        let flags = self.flags.memory.with_alias_region(Some(region));
        self.memory_flags.insert(index, flags);
        flags
    }

    /// The type of a function.
    pub(super) fn type_of_function(&self, function: u32) -> Result<&'a FunctionType> {
        let declared = self
            .module
            .functions
            .get(function as usize)
            .ok_or_else(|| missing("function"))?;
        self.unique_type(declared.function_type)
    }

    /// A type by its index in `Module::types`.
    pub(super) fn unique_type(&self, index: u32) -> Result<&'a FunctionType> {
        self.module
            .types
            .get(index as usize)
            .ok_or_else(|| missing("type"))
    }

    /// A callable reference to a piece of code, with the signature that `signature` makes.
    pub(super) fn callee(
        &mut self,
        target: Target,
        signature: impl FnOnce() -> Signature,
    ) -> FuncRef {
        if let Some(known) = self.functions.get(&target) {
            return *known;
        }
        let name = self
            .builder
            .func
            .declare_imported_user_function(abi::external_name(target));
        let signature = self.builder.import_signature(signature());
        let data = ExtFuncData {
            name: ExternalName::user(name),
            signature,
            colocated: true,
            patchable: false,
        };
        let callee = self.builder.import_function(data);
        self.functions.insert(target, callee);
        callee
    }

    /// The address of something in the module's file.
    pub(super) fn address_of(&mut self, target: Target) -> Value {
        let symbol = match self.symbols.get(&target) {
            Some(known) => *known,
            None => {
                let name = self
                    .builder
                    .func
                    .declare_imported_user_function(abi::external_name(target));
                let symbol = self.builder.create_global_value(GlobalValueData::Symbol {
                    name: ExternalName::user(name),
                    offset: 0.into(),
                    colocated: true,
                    tls: false,
                });
                self.symbols.insert(target, symbol);
                symbol
            }
        };
        self.ins().symbol_value(I64, symbol)
    }

    /// The signature of guest functions of this type, by its index in `Module::types`.
    pub(super) fn guest_signature(&mut self, index: u32) -> Result<SigRef> {
        if let Some(known) = self.signatures.get(&index) {
            return Ok(*known);
        }
        let signature = abi::guest_signature(self.unique_type(index)?);
        let signature = self.builder.import_signature(signature);
        self.signatures.insert(index, signature);
        Ok(signature)
    }
}

/// Validation has excluded it.
pub(super) fn missing(what: &str) -> Error {
    Error::Internal(format!("a validated function refers to a missing {what}"))
}
