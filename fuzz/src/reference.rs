//! The reference: wasmi, an interpreter that shares no code generator with lucetc.

use crate::generate::Call;
use crate::host;
use crate::ours::hash;
use crate::value::Value;
use crate::{End, Observation};
use lucet_format::trap::TrapCode as Ours;
use lucet_format::value::ValueType;
use wasmi::errors::{ErrorKind, InstantiationError, MemoryError, TableError};
use wasmi::{
    AsContext, AsContextMut, Config, Engine, ExternRef, ExternType, FuncType, Instance, Linker,
    Module, Ref, Store, TrapCode, V128, Val, ValType,
};

/// Names of what a module exports, by kind and sorted: what is called and what is looked at.
#[derive(Debug, Default)]
pub struct Exports {
    /// Functions with their parameters.
    pub functions: Vec<(String, Vec<ValueType>)>,
    /// Globals.
    pub globals: Vec<String>,
    /// Tables.
    pub tables: Vec<String>,
    /// Memories with their indices.
    pub memories: Vec<(String, u32)>,
}

/// A module, ready to be instantiated many times.
pub struct Reference {
    engine: Engine,
    module: Module,
    /// What it exports.
    pub exports: Exports,
}

impl Reference {
    /// Reads a module.
    ///
    /// # Errors
    ///
    /// wasmi refuses it.
    pub fn new(wasm: &[u8]) -> Result<Reference, String> {
        let mut config = Config::default();
        config.wasm_wide_arithmetic(true);
        config.wasm_memory64(true);
        config.wasm_custom_page_sizes(true);
        config.set_max_recursion_depth(20_000);
        config.set_max_stack_height(64 << 20);
        let engine = Engine::new(&config);
        let module = Module::new(&engine, wasm).map_err(|error| format!("wasmi: {error}"))?;
        let mut exports = exports(&module);
        exports.memories = memories(wasm).map_err(|error| error.to_string())?;
        Ok(Reference {
            engine,
            module,
            exports,
        })
    }

    /// Instantiates, makes the calls one after the other, and looks after each. Ends early after a failed instantiation.
    ///
    /// # Errors
    ///
    /// wasmi fails in a way that is no trap.
    pub fn observe(&self, calls: &[Call]) -> Result<Vec<Observation>, String> {
        let mut store = Store::new(&self.engine, ());
        let linker = linker(&self.engine)?;
        let instance = match linker.instantiate_and_start(&mut store, &self.module) {
            Ok(instance) => instance,
            Err(error) => return Ok(vec![failed(trap(&error)?)]),
        };
        let mut seen = vec![self.look(&store, &instance, End::Returned(Vec::new()))?];
        for call in calls {
            let end = enter(&mut store, &instance, call)?;
            seen.push(self.look(&store, &instance, end)?);
        }
        Ok(seen)
    }

    fn look(
        &self,
        store: &Store<()>,
        instance: &Instance,
        end: End,
    ) -> Result<Observation, String> {
        let missing = || "an export is missing".to_owned();
        let mut globals = Vec::new();
        for name in &self.exports.globals {
            let global = instance.get_global(store, name).ok_or_else(missing)?;
            globals.push(from_wasmi(store, &global.get(store)));
        }
        let mut tables = Vec::new();
        for name in &self.exports.tables {
            let table = instance.get_table(store, name).ok_or_else(missing)?;
            let size = table.size(store);
            tables.push(
                (0..size)
                    .map(|index| is_null(table.get(store, index)))
                    .collect(),
            );
        }
        let mut memories = Vec::new();
        for (name, _) in &self.exports.memories {
            let memory = instance.get_memory(store, name).ok_or_else(missing)?;
            let bytes = memory.data(store);
            memories.push((bytes.len(), hash(bytes)));
        }
        Ok(Observation {
            end,
            memories,
            globals,
            tables,
        })
    }
}

/// What is seen of an instance that could not be made.
pub fn failed(code: u32) -> Observation {
    Observation {
        end: End::Trapped(code),
        memories: Vec::new(),
        globals: Vec::new(),
        tables: Vec::new(),
    }
}

fn is_null(element: Option<Val>) -> bool {
    match element {
        Some(Val::FuncRef(reference)) => reference.is_null(),
        Some(Val::ExternRef(reference)) => reference.is_null(),
        Some(_) | None => true,
    }
}

fn exports(module: &Module) -> Exports {
    let mut found = Exports::default();
    for export in module.exports() {
        let name = export.name().to_owned();
        match export.ty() {
            ExternType::Func(of) => found.functions.push((
                name,
                of.params().iter().copied().map(from_wasmi_type).collect(),
            )),
            ExternType::Global(_) => found.globals.push(name),
            ExternType::Table(_) => found.tables.push(name),
            // wasmi does not say which it is.
            ExternType::Memory(_) => {}
        }
    }
    found.functions.sort_by(|one, other| one.0.cmp(&other.0));
    found.globals.sort();
    found.tables.sort();
    found
}

/// The exported memories.
fn memories(wasm: &[u8]) -> wasmparser::Result<Vec<(String, u32)>> {
    let mut found = Vec::new();
    for payload in wasmparser::Parser::new(0).parse_all(wasm) {
        let wasmparser::Payload::ExportSection(section) = payload? else {
            continue;
        };
        for export in section {
            let export = export?;
            if export.kind == wasmparser::ExternalKind::Memory {
                found.push((export.name.to_owned(), export.index));
            }
        }
    }
    found.sort();
    Ok(found)
}

fn enter(store: &mut Store<()>, instance: &Instance, call: &Call) -> Result<End, String> {
    let function = instance
        .get_func(&*store, &call.name)
        .ok_or("no such function")?;
    let arguments: Vec<Val> = call
        .arguments
        .iter()
        .map(|value| to_wasmi(&mut *store, *value))
        .collect();
    let kinds = function.ty(&*store);
    let mut results: Vec<Val> = kinds.results().iter().map(|of| Val::default(*of)).collect();
    match function.call(&mut *store, &arguments, &mut results) {
        Ok(()) => Ok(End::Returned(
            results
                .iter()
                .map(|value| from_wasmi(&*store, value))
                .collect(),
        )),
        Err(error) => trap(&error).map(End::Trapped),
    }
}

/// The trap of an error, as our number. wasmi has errors of its own for some of what are traps.
fn trap(error: &wasmi::Error) -> Result<u32, String> {
    match error.kind() {
        ErrorKind::Instantiation(InstantiationError::ElementSegmentDoesNotFit { .. })
        | ErrorKind::Table(
            TableError::CopyOutOfBounds
            | TableError::InitOutOfBounds
            | TableError::FillOutOfBounds
            | TableError::SetOutOfBounds,
        ) => return Ok(Ours::Table as u32),
        ErrorKind::Memory(MemoryError::OutOfBoundsAccess) => return Ok(Ours::Memory as u32),
        _ => {}
    }
    let code = error
        .as_trap_code()
        .ok_or_else(|| format!("wasmi: {error}"))?;
    let ours = match code {
        TrapCode::UnreachableCodeReached => Ours::Unreachable,
        TrapCode::MemoryOutOfBounds => Ours::Memory,
        TrapCode::TableOutOfBounds => Ours::Table,
        TrapCode::IndirectCallToNull => Ours::NullCall,
        TrapCode::IntegerDivisionByZero => Ours::DivideByZero,
        TrapCode::IntegerOverflow => Ours::IntegerOverflow,
        TrapCode::BadConversionToInteger => Ours::Conversion,
        TrapCode::StackOverflow => Ours::Stack,
        TrapCode::BadSignature => Ours::CallType,
        TrapCode::OutOfFuel | TrapCode::GrowthOperationLimited => {
            return Err(format!("wasmi: {error}"));
        }
    };
    Ok(ours as u32)
}

fn linker(engine: &Engine) -> Result<Linker<()>, String> {
    let mut linker = Linker::new(engine);
    for function in host::all() {
        let types =
            |list: &[ValueType]| list.iter().map(|of| to_wasmi_type(*of)).collect::<Vec<_>>();
        let kind = FuncType::new(types(function.parameters), types(function.results));
        let answer =
            move |mut caller: wasmi::Caller<'_, ()>, arguments: &[Val], results: &mut [Val]| {
                let arguments: Vec<Value> = arguments
                    .iter()
                    .map(|value| from_wasmi(&caller, value))
                    .collect();
                for (result, value) in results
                    .iter_mut()
                    .zip(function.answer(arguments.into_iter()))
                {
                    *result = to_wasmi(&mut caller, value);
                }
                Ok(())
            };
        linker
            .func_new(host::MODULE, function.name, kind, answer)
            .map_err(|error| error.to_string())?;
    }
    Ok(linker)
}

fn to_wasmi(store: impl AsContextMut, value: Value) -> Val {
    match value {
        Value::I32(bits) => Val::I32(bits as i32),
        Value::I64(bits) => Val::I64(bits as i64),
        Value::F32(bits) => Val::F32(wasmi::F32::from_bits(bits)),
        Value::F64(bits) => Val::F64(wasmi::F64::from_bits(bits)),
        Value::V128(bits) => Val::V128(V128::from(bits)),
        Value::Func(_) => Val::FuncRef(Ref::Null),
        // The interpreter has no exceptions: nothing asks for one.
        Value::Extern(None) | Value::Exception(_) => Val::ExternRef(Ref::Null),
        Value::Extern(Some(number)) => Val::ExternRef(Ref::Val(ExternRef::new(store, number))),
    }
}

fn from_wasmi(store: impl AsContext, value: &Val) -> Value {
    match value {
        Val::I32(value) => Value::I32(*value as u32),
        Val::I64(value) => Value::I64(*value as u64),
        Val::F32(value) => Value::F32(value.to_bits()),
        Val::F64(value) => Value::F64(value.to_bits()),
        Val::V128(value) => Value::V128(value.as_u128()),
        Val::FuncRef(reference) => Value::Func(matches!(reference, Ref::Val(_))),
        Val::ExternRef(Ref::Null) => Value::Extern(None),
        Val::ExternRef(Ref::Val(reference)) => Value::Extern(
            reference
                .data(store.as_context())
                .downcast_ref::<u32>()
                .copied(),
        ),
    }
}

fn to_wasmi_type(of: ValueType) -> ValType {
    match of {
        ValueType::I32 => ValType::I32,
        ValueType::I64 => ValType::I64,
        ValueType::F32 => ValType::F32,
        ValueType::F64 => ValType::F64,
        ValueType::V128 => ValType::V128,
        ValueType::Funcref => ValType::FuncRef,
        ValueType::Externref | ValueType::Exnref => ValType::ExternRef,
    }
}

fn from_wasmi_type(of: ValType) -> ValueType {
    match of {
        ValType::I32 => ValueType::I32,
        ValType::I64 => ValueType::I64,
        ValType::F32 => ValueType::F32,
        ValType::F64 => ValueType::F64,
        ValType::V128 => ValueType::V128,
        ValType::FuncRef => ValueType::Funcref,
        ValType::ExternRef => ValueType::Externref,
    }
}
