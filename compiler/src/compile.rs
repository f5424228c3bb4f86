//! Runs Cranelift over everything a module needs, in parallel, and yields pieces of code in a fixed order.
//!
//! Invariants. The order of the result depends on the module alone, and each piece on nothing but the module
//! and the options: the number of threads changes nothing. No relocation but a 32-bit distance survives, and
//! none refers to a library function.

mod finished;
mod jobs;

use crate::abi;
use crate::code::{Code, Place, Target as CodeTarget};
use crate::effort;
use crate::error::{Error, Result};
use crate::module::{Memory, MemoryPlace, Module};
use crate::optimize;
use crate::options::{Emit, OptLevel, Options};
use crate::stubs;
use crate::target::Target;
use crate::translate;
use crate::worth;
use cranelift_codegen::control::ControlPlane;
use cranelift_codegen::isa::TargetIsa;
use cranelift_codegen::isa::unwind::UnwindInfo;
use cranelift_codegen::{CodegenError, Context, ir};
use cranelift_frontend::FunctionBuilderContext;
use finished::{calls, positions, relocation, traps};
use jobs::Job;
use lucet_format::contract::CpuFeatures;
use lucet_format::image::records::CodeKind;
use lucet_format::runtime::Helper;
use rayon::prelude::*;
use rustc_hash::FxHashMap;

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
        worth: &FxHashMap::default(),
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
    let jobs = jobs::all(module);
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
    for job in jobs::missing_wrappers(module, &code).chain(jobs::bridges(&code)) {
        code.push(compiler.compile(job, &mut Scratch::default())?);
    }
    let helpers = used_helpers(&code);
    append_stubs(module, &helpers, &mut code)?;
    Ok(code)
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
