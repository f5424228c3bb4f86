//! Runs Cranelift over everything a module needs, in parallel, and yields pieces of code in a fixed order.
//!
//! Invariants. The order of the result depends on the module alone, and each piece on nothing but the module
//! and the options: the number of threads changes nothing. No relocation but a 32-bit distance survives, and
//! none refers to a library function.

use crate::abi;
use crate::code::{CallSite, Code, Place, Relocation, Target as CodeTarget};
use crate::effort;
use crate::error::{Error, Result};
use crate::module::{Function, Memory, MemoryPlace, Module};
use crate::optimize;
use crate::options::{Emit, OptLevel, Options};
use crate::stubs;
use crate::target::Target;
use crate::translate;
use crate::worth;
use cranelift_codegen::binemit::Reloc;
use cranelift_codegen::control::ControlPlane;
use cranelift_codegen::isa::TargetIsa;
use cranelift_codegen::isa::unwind::UnwindInfo;
use cranelift_codegen::{
    CodegenError, Context, FinalizedMachCallSite, FinalizedMachExceptionHandler,
    FinalizedMachReloc, FinalizedRelocTarget, MachTrap, ir,
};
use cranelift_frontend::FunctionBuilderContext;
use lucet_format::contract::CpuFeatures;
use lucet_format::image::records::CodeKind;
use lucet_format::runtime::Helper;
use lucet_format::trap::TrapCode;
use rayon::prelude::*;
use std::collections::{BTreeSet, HashMap};

/// Stack of a compiling thread: much more than any function needs, since running out of it is not an error
/// that can be reported.
const STACK_BYTES: usize = 16 << 20;

/// Compiles every function of the module, and the stubs and adapters around them.
pub fn compile_module(
    module: &Module,
    wasm: &[u8],
    target: &Target,
    options: &Options,
) -> Result<Vec<Code>> {
    let mut source = translate::Source {
        module,
        wasm,
        relaxed_simd: options.relaxed_simd,
        limits: &options.limits,
        growth: match options.opt_level {
            OptLevel::Speed => translate::Growth::of(module),
            OptLevel::None | OptLevel::SpeedAndSize => translate::Growth::None,
        },
        fma: CpuFeatures::named("fma")
            .is_some_and(|fma| fma.missing_from(target.cpu_features).is_empty()),
        worth: &HashMap::new(),
    };
    let worth = worth::of_products(source, &*target.isa)?;
    source.worth = &worth;
    let compiler = Compiler {
        source,
        optimiser: target.optimiser.as_deref(),
        isa: &*target.isa,
        frugal: &*target.frugal,
        listing: options.listing,
        stack_check: options.checks_stack(),
        grow: options.opt_level == OptLevel::Speed,
    };
    let jobs = jobs(module);
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(options.threads)
        .stack_size(STACK_BYTES)
        .build()
        .map_err(|error| Error::Internal(format!("cannot start threads: {error}")))?;
    let compiled: Vec<Result<Code>> = pool.install(|| {
        jobs.par_iter()
            .map_init(Scratch::default, |scratch, job| {
                compiler.compile(*job, scratch)
            })
            .collect()
    });
    // The first error in the order of the jobs, whichever thread met one first.
    let mut code = compiled.into_iter().collect::<Result<Vec<_>>>()?;
    for job in missing_wrappers(module, &code).chain(bridges(&code)) {
        code.push(compiler.compile(job, &mut Scratch::default())?);
    }
    let helpers = used_helpers(&code);
    append_stubs(module, &helpers, &mut code)?;
    Ok(code)
}

/// What Cranelift compiles.
#[derive(Clone, Copy)]
struct Job {
    kind: CodeKind,
    index: u32,
}

/// Working memory of one thread.
struct Scratch {
    context: Context,
    builder: FunctionBuilderContext,
}

impl Default for Scratch {
    fn default() -> Self {
        Scratch {
            context: Context::new(),
            builder: FunctionBuilderContext::new(),
        }
    }
}

struct Compiler<'a> {
    source: translate::Source<'a>,
    optimiser: Option<&'a dyn TargetIsa>,
    isa: &'a dyn TargetIsa,
    frugal: &'a dyn TargetIsa,
    listing: Emit,
    stack_check: bool,
    /// Whether code may become longer to be faster.
    grow: bool,
}

/// The defined functions in order, then import wrappers, then adapters by type.
fn jobs(module: &Module) -> Vec<Job> {
    let mut jobs = Vec::new();
    for index in module.imported_functions..module.functions.len() as u32 {
        jobs.push(Job {
            kind: CodeKind::Function,
            index,
        });
    }
    let enterable = enterable(module);
    for (index, _) in enterable
        .iter()
        .filter(|(index, _)| *index < module.imported_functions)
    {
        jobs.push(Job {
            kind: CodeKind::ImportWrapper,
            index: *index,
        });
    }
    let types: BTreeSet<u32> = enterable
        .iter()
        .map(|(_, function)| function.function_type)
        .collect();
    for index in types {
        jobs.push(Job {
            kind: CodeKind::Adapter,
            index,
        });
    }
    jobs
}

/// The functions that the runtime or an indirect call can reach, by index: those that can be referred to,
/// which includes the exported ones, and the start function.
fn enterable(module: &Module) -> Vec<(u32, &Function)> {
    let reachable =
        |index: u32, function: &Function| function.funcref.is_some() || module.start == Some(index);
    (0u32..)
        .zip(&module.functions)
        .filter(|(index, function)| reachable(*index, function))
        .collect()
}

/// The wrappers of imported functions that are needed because calls of them have handlers.
fn missing_wrappers(module: &Module, code: &[Code]) -> impl Iterator<Item = Job> + use<> {
    let targets = code.iter().flat_map(|piece| &piece.relocations);
    let mut needed: BTreeSet<u32> = targets
        .filter_map(|relocation| match relocation.target {
            CodeTarget::Function(index) if index < module.imported_functions => Some(index),
            _ => None,
        })
        .collect();
    for piece in code
        .iter()
        .filter(|piece| piece.kind == CodeKind::ImportWrapper)
    {
        needed.remove(&piece.index);
    }
    needed.into_iter().map(|index| Job {
        kind: CodeKind::ImportWrapper,
        index,
    })
}

/// The bridges to functions of other instances that code leads to.
fn bridges(code: &[Code]) -> impl Iterator<Item = Job> + use<> {
    let targets = code.iter().flat_map(|piece| &piece.relocations);
    let types: BTreeSet<u32> = targets
        .filter_map(|relocation| match relocation.target {
            CodeTarget::Bridge(index) => Some(index),
            _ => None,
        })
        .collect();
    types.into_iter().map(|index| Job {
        kind: CodeKind::Bridge,
        index,
    })
}

fn used_helpers(code: &[Code]) -> Vec<Helper> {
    let used = |helper: &Helper| {
        code.iter()
            .flat_map(|piece| &piece.relocations)
            .any(|relocation| relocation.target == CodeTarget::HelperStub(*helper))
    };
    Helper::ALL.into_iter().filter(used).collect()
}

/// Appends import stubs, the stubs of the helpers in use, and typed stubs by export.
fn append_stubs(module: &Module, helpers: &[Helper], code: &mut Vec<Code>) -> Result<()> {
    let type_of = |function: u32| {
        let declared = module.functions.get(function as usize);
        let function_type =
            declared.and_then(|declared| module.types.get(declared.function_type as usize));
        function_type.ok_or_else(|| Error::Internal(format!("no type for function {function}")))
    };
    for index in 0..module.imported_functions {
        let stack_bytes = match module.checked_imports.get(&index) {
            Some(import) => import.stack_bytes(),
            None => abi::import_stack_argument_bytes(type_of(index)?),
        };
        let results = type_of(index)?.results.len();
        code.push(stubs::import_stub(index, stack_bytes, results));
    }
    code.extend(helpers.iter().map(|helper| stubs::helper_stub(*helper)));
    let vectors = code.iter().any(|piece| piece.vectors);
    for (index, export) in (0u32..).zip(&module.exports) {
        if export.kind == lucet_format::image::records::ExternKind::Function {
            code.push(stubs::typed_stub(
                index,
                export.index,
                type_of(export.index)?,
                vectors,
            ));
        }
    }
    Ok(())
}

impl Compiler<'_> {
    fn compile(&self, job: Job, scratch: &mut Scratch) -> Result<Code> {
        scratch.context.clear();
        // Which Cranelift 0.135 forgets; they would refer to lists of values that are gone.
        scratch.context.func.dfg.exception_tables.clear();
        scratch.context.set_disasm(self.listing == Emit::Asm);
        let places = self.translate(job, scratch)?;
        if self.stack_check {
            translate::check_stack(&mut scratch.context.func)?;
        }
        self.optimise(job, scratch)?;
        let clif = (self.listing == Emit::Clif).then(|| scratch.context.func.display().to_string());
        let isa = if effort::is_excessive(&scratch.context.func) {
            self.frugal
        } else {
            self.isa
        };
        let compiled = match scratch.context.compile(isa, &mut ControlPlane::default()) {
            Ok(_) => scratch.context.compiled_code(),
            Err(error) => return Err(self.refusal(job, &error.inner)),
        };
        let compiled =
            compiled.ok_or_else(|| Error::Internal("no code was generated".to_owned()))?;
        let names = &scratch.context.func.params;
        let relocations = compiled.buffer.relocs();
        Ok(Code {
            kind: job.kind,
            index: job.index,
            bytes: compiled.buffer.data().to_vec(),
            align: compiled
                .buffer
                .alignment
                .max(self.isa.function_alignment().preferred),
            vectors: uses_vectors(&scratch.context.func),
            relocations: relocations
                .iter()
                .map(|at| relocation(at, names))
                .collect::<Result<_>>()?,
            traps: traps(compiled.buffer.traps())?,
            calls: calls(compiled.buffer.call_sites())?,
            positions: positions(compiled.buffer.get_srclocs_sorted()),
            places,
            unwind: self.unwind(compiled)?,
            listing: clif.or_else(|| compiled.vcode.clone()),
        })
    }

    fn translate(&self, job: Job, scratch: &mut Scratch) -> Result<Vec<Place>> {
        let (function, builder) = (&mut scratch.context.func, &mut scratch.builder);
        let config = self.isa.frontend_config();
        match job.kind {
            CodeKind::Function => {
                let defined = job.index - self.source.module.imported_functions;
                translate::guest_function(self.source, defined as usize, function, builder, config)
            }
            CodeKind::ImportWrapper => {
                translate::import_wrapper(self.source, job.index, function, builder, config)?;
                Ok(Vec::new())
            }
            CodeKind::Adapter => {
                translate::adapter(self.source.module, job.index, function, builder, config)?;
                Ok(Vec::new())
            }
            CodeKind::Bridge => {
                translate::bridge(self.source, job.index, function, builder, config)?;
                Ok(Vec::new())
            }
            CodeKind::ImportStub | CodeKind::HelperStub | CodeKind::TypedStub => {
                Err(Error::Internal("stubs are not compiled".to_owned()))
            }
        }
    }

    /// Cranelift's optimisations, then ours.
    fn optimise(&self, job: Job, scratch: &mut Scratch) -> Result<()> {
        let Some(isa) = self.optimiser else {
            return Ok(());
        };
        let context = &mut scratch.context;
        optimize::prepare(context);
        context
            .optimize(isa, &mut ControlPlane::default())
            .map_err(|error| self.refusal(job, &error))?;
        optimize::improve(context, guarded_memory(self.source.module), self.grow);
        Ok(())
    }

    fn unwind(&self, compiled: &cranelift_codegen::CompiledCode) -> Result<Option<UnwindInfo>> {
        compiled
            .create_unwind_info(self.isa)
            .map_err(|error| Error::Internal(format!("unwind information: {error}")))
    }

    /// Input can be too large for the code generator; anything else that it refuses is our mistake.
    fn refusal(&self, job: Job, error: &CodegenError) -> Error {
        let beyond = matches!(
            error,
            CodegenError::ImplLimitExceeded | CodegenError::CodeTooLarge
        );
        if beyond && job.kind == CodeKind::Function {
            return Error::Function {
                function: job.index,
                message: error.to_string(),
            };
        }
        Error::Internal(format!("{:?} {}: {error}", job.kind, job.index))
    }
}

/// Bytes that memory 0 can ever have, if guard pages keep indices inside of it.
fn guarded_memory(module: &Module) -> Option<u64> {
    let guarded = |memory: &&Memory| memory.place == MemoryPlace::Guarded;
    let first = module.memories.first().filter(guarded);
    first.map(Memory::maximum_bytes)
}

/// Whether the code of a function may use vector registers: the code generator does for values that are floats or vectors, and for
/// no others.
fn uses_vectors(function: &ir::Function) -> bool {
    let kept_there = |kind: ir::Type| kind.is_float() || kind.is_vector();
    let signature = &function.signature;
    let mut crossing = signature.params.iter().chain(&signature.returns);
    crossing.any(|it| kept_there(it.value_type))
        || function
            .dfg
            .values()
            .any(|value| kept_there(function.dfg.value_type(value)))
}

fn relocation(
    at: &FinalizedMachReloc,
    names: &ir::function::FunctionParameters,
) -> Result<Relocation> {
    let unexpected = || Error::Internal(format!("unexpected relocation {at:?}"));
    if !matches!(at.kind, Reloc::X86CallPCRel4 | Reloc::X86PCRel4) {
        return Err(unexpected());
    }
    let FinalizedRelocTarget::ExternalName(ir::ExternalName::User(name)) = &at.target else {
        return Err(unexpected());
    };
    let name = names.user_named_funcs().get(*name).ok_or_else(unexpected)?;
    let target = abi::target_named(name).ok_or_else(unexpected)?;
    Ok(Relocation {
        offset: at.offset,
        target,
        addend: at.addend,
    })
}

/// Our numbers of the instructions that may trap. The code generator has some of its own.
fn traps(found: &[MachTrap]) -> Result<Vec<(u32, TrapCode)>> {
    let mut traps: Vec<(u32, TrapCode)> = Vec::with_capacity(found.len());
    for trap in found {
        let code = match trap.code {
            ir::TrapCode::STACK_OVERFLOW => Some(TrapCode::Stack),
            ir::TrapCode::INTEGER_OVERFLOW => Some(TrapCode::IntegerOverflow),
            ir::TrapCode::HEAP_OUT_OF_BOUNDS => Some(TrapCode::Memory),
            ir::TrapCode::INTEGER_DIVISION_BY_ZERO => Some(TrapCode::DivideByZero),
            ir::TrapCode::BAD_CONVERSION_TO_INTEGER => Some(TrapCode::Conversion),
            user => TrapCode::from_number(u32::from(user.as_raw().get())),
        };
        let code =
            code.ok_or_else(|| Error::Internal(format!("unexpected trap {:?}", trap.code)))?;
        traps.push((trap.offset, code));
    }
    traps.sort_by_key(|(offset, _)| *offset);
    traps.dedup_by_key(|(offset, _)| *offset);
    Ok(traps)
}

/// The calls that have handlers.
fn calls<'a>(found: impl Iterator<Item = FinalizedMachCallSite<'a>>) -> Result<Vec<CallSite>> {
    let unexpected =
        |what: &dyn std::fmt::Debug| Error::Internal(format!("unexpected {what:?} of a call"));
    let mut calls = Vec::new();
    for call in found.filter(|call| !call.exception_handlers.is_empty()) {
        let frame = call.frame_offset.ok_or_else(|| unexpected(&call))?;
        let handlers = call.exception_handlers.iter().map(|handler| match handler {
            FinalizedMachExceptionHandler::Tag(tag, offset) => Ok((Some(tag.as_u32()), *offset)),
            FinalizedMachExceptionHandler::Default(offset) => Ok((None, *offset)),
            context @ FinalizedMachExceptionHandler::Context(_) => Err(unexpected(context)),
        });
        calls.push(CallSite {
            offset: call.ret_addr,
            frame,
            handlers: handlers.collect::<Result<_>>()?,
        });
    }

    Ok(calls)
}

/// Where instructions come from, without gaps: the first entry is at offset 0.
fn positions(
    found: &[cranelift_codegen::MachSrcLoc<cranelift_codegen::Final>],
) -> Vec<(u32, Option<u32>)> {
    let mut positions: Vec<(u32, Option<u32>)> = Vec::new();
    let mut add = |offset: u32, wasm: Option<u32>| {
        if positions.last().is_some_and(|(last, _)| *last == offset) {
            positions.pop();
        }
        if positions.last().is_none_or(|(_, before)| *before != wasm) {
            positions.push((offset, wasm));
        }
    };
    add(0, None);
    let mut covered = 0;
    for range in found {
        if range.start > covered {
            add(covered, None);
        }
        let known = !range.loc.is_default();
        add(range.start, known.then_some(range.loc.bits()));
        covered = range.end;
    }
    positions
}
