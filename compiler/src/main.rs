//! The command `lucetc`: one module in, one file out.
//!
//! Invariants: an error is one line on standard error, without control characters, and leaves no output file;
//! a mistake of the compiler's own is such a line, too, and never a half-written file.
//!
//! Exit statuses: 0 done, 1 the input or the system is at fault, 2 wrong usage, 70 an internal error.

#![forbid(unsafe_code)]

mod output;

use clap::{Parser, ValueEnum};
use lucet_format::contract::{GUARD, RESERVATION, UNCHECKED_OFFSET_LIMIT};
use lucet_format::{ABI_REVISION, FORMAT_REVISION, PAGE_SIZE};
use lucetc::bindings::Bindings;
use lucetc::limits::Limits;
use lucetc::object::names::printable;
use lucetc::options::{Emit, MemoryMode, OptLevel, Options, RelaxedSimd, TargetCpu};
use lucetc::{Error, bindings, object};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Mutex;

/// The input or the system is at fault.
const EXIT_ERROR: u8 = 1;
/// An internal error: the number of `EX_SOFTWARE` in sysexits.h.
const EXIT_INTERNAL: u8 = 70;

/// Compiles WebAssembly to a native module for liblucet.
#[derive(Parser)]
#[command(name = "lucetc", version)]
struct Arguments {
    /// The module, in binary (.wasm) or text (.wat) format. Headers and sources for hosts and guests need none.
    #[arg(required_unless_present_any = ["print_format", "bindings"])]
    input: Option<PathBuf>,
    /// Where to write. The default is the input's name with the extension .so, or standard output for listings.
    #[arg(short, long)]
    output: Option<PathBuf>,
    /// What to write.
    #[arg(long, value_enum, default_value = "so")]
    emit: EmitArgument,
    /// What the host offers and wants: see docs/bindings.md.
    #[arg(long, value_name = "FILE")]
    bindings: Option<PathBuf>,
    /// The CPU to compile for.
    #[arg(long, value_enum, default_value = "x86-64-v3")]
    target_cpu: CpuArgument,
    /// How hard to optimise. Only `speed` inlines small functions.
    #[arg(long, value_enum, default_value = "speed")]
    opt_level: OptArgument,
    /// What keeps accesses inside of linear memory. Guests with bounds are slower, and fit into compact regions, of which a
    /// process can have very many slots.
    #[arg(long, value_enum, default_value = "guarded")]
    memory: MemoryArgument,
    /// What the operators of relaxed SIMD do.
    #[arg(long, value_enum, default_value = "deterministic")]
    relaxed_simd: RelaxedArgument,
    /// Make every function look whether its stack lasts, so that handler_stack_bytes of the region are always left for signal
    /// handlers of the host that run on the guest's stack, because they were installed without SA_ONSTACK.
    #[arg(long)]
    stack_check: bool,
    /// Threads to compile with; 0 means one for each CPU. The output does not depend on it.
    #[arg(long, default_value = "0", value_parser = clap::value_parser!(u16).range(0..=256))]
    threads: u16,
    #[command(flatten)]
    limits: LimitArguments,
    /// Print the revisions and the memory contract of modules from this compiler, and do nothing else.
    #[arg(long)]
    print_format: bool,
}

/// How large the module may be. What has more is refused.
#[derive(clap::Args)]
#[command(next_help_heading = "Limits")]
struct LimitArguments {
    /// Bytes of the module.
    #[arg(long = "max-module-bytes", value_name = "COUNT", default_value_t = Limits::default().module_bytes)]
    module_bytes: u64,
    /// Types.
    #[arg(long = "max-types", value_name = "COUNT", default_value_t = Limits::default().types)]
    types: u64,
    /// Functions, imported ones included.
    #[arg(long = "max-functions", value_name = "COUNT", default_value_t = Limits::default().functions)]
    functions: u64,
    /// Parameters and results of all functions together.
    #[arg(long = "max-signature-values", value_name = "COUNT", default_value_t = Limits::default().signature_values)]
    signature_values: u64,
    /// Globals, imported ones included.
    #[arg(long = "max-globals", value_name = "COUNT", default_value_t = Limits::default().globals)]
    globals: u64,
    /// Exports.
    #[arg(long = "max-exports", value_name = "COUNT", default_value_t = Limits::default().exports)]
    exports: u64,
    /// Bytes of the names of all imports and exports together.
    #[arg(long = "max-name-bytes", value_name = "COUNT", default_value_t = Limits::default().name_bytes)]
    name_bytes: u64,
    /// Items of all element segments together.
    #[arg(long = "max-element-items", value_name = "COUNT", default_value_t = Limits::default().element_items)]
    element_items: u64,
    /// Bytes of all data segments together.
    #[arg(long = "max-data-bytes", value_name = "COUNT", default_value_t = Limits::default().data_bytes)]
    data_bytes: u64,
    /// Bytes of a function's body.
    #[arg(long = "max-body-bytes", value_name = "COUNT", default_value_t = Limits::default().body_bytes)]
    body_bytes: u64,
    /// Instructions that a function becomes.
    #[arg(long = "max-function-instructions", value_name = "COUNT", default_value_t = Limits::default().function_instructions)]
    function_instructions: u64,
    /// Locals of a function.
    #[arg(long = "max-locals", value_name = "COUNT", default_value_t = Limits::default().locals)]
    locals: u64,
    /// Targets of a br_table, at most 65520.
    #[arg(long = "max-branch-targets", value_name = "COUNT", default_value_t = Limits::default().branch_targets)]
    branch_targets: u64,
    /// Blocks inside of each other.
    #[arg(long = "max-nesting", value_name = "COUNT", default_value_t = Limits::default().nesting)]
    nesting: u64,
    /// Loops inside of each other.
    #[arg(long = "max-loop-nesting", value_name = "COUNT", default_value_t = Limits::default().loop_nesting)]
    loop_nesting: u64,
}

impl LimitArguments {
    fn limits(&self) -> Limits {
        Limits {
            module_bytes: self.module_bytes,
            types: self.types,
            functions: self.functions,
            signature_values: self.signature_values,
            globals: self.globals,
            exports: self.exports,
            name_bytes: self.name_bytes,
            element_items: self.element_items,
            data_bytes: self.data_bytes,
            body_bytes: self.body_bytes,
            function_instructions: self.function_instructions,
            locals: self.locals,
            branch_targets: self.branch_targets,
            nesting: self.nesting,
            loop_nesting: self.loop_nesting,
        }
    }
}

#[derive(Clone, Copy, ValueEnum)]
enum EmitArgument {
    /// The native module.
    So,
    /// Cranelift's intermediate representation, optimised.
    Clif,
    /// Assembly.
    Asm,
    /// From the module, and its bindings if there are any: a C header with calls of its exports.
    Header,
    /// From the bindings: a C header with what the host implements.
    HostHeader,
    /// From the bindings: C that registers the host's functions.
    HostSource,
    /// From the bindings: the checks of the host's arguments as C, to be read.
    HostChecks,
    /// From the bindings: a C header for guests.
    GuestHeader,
}

#[derive(Clone, Copy, ValueEnum)]
enum CpuArgument {
    /// SSE4.2 and popcnt: every server of the last fifteen years.
    #[value(name = "x86-64-v2")]
    V2,
    /// AVX2, FMA, BMI: servers since 2013 (Intel) and 2015 (AMD).
    #[value(name = "x86-64-v3")]
    V3,
    /// What this machine has.
    Native,
}

#[derive(Clone, Copy, ValueEnum)]
enum MemoryArgument {
    /// Guard pages, where they can.
    Guarded,
    /// A comparison for each access, and of the stack in each function.
    Bounds,
}

#[derive(Clone, Copy, ValueEnum)]
enum RelaxedArgument {
    /// The same on every CPU.
    Deterministic,
    /// What the CPU has an instruction for.
    Fast,
}

#[derive(Clone, Copy, ValueEnum)]
enum OptArgument {
    None,
    Speed,
    #[value(name = "speed_and_size")]
    SpeedAndSize,
}

impl Arguments {
    fn options(&self) -> Options {
        Options {
            opt_level: match self.opt_level {
                OptArgument::None => OptLevel::None,
                OptArgument::Speed => OptLevel::Speed,
                OptArgument::SpeedAndSize => OptLevel::SpeedAndSize,
            },
            target_cpu: match self.target_cpu {
                CpuArgument::V2 => TargetCpu::X86_64V2,
                CpuArgument::V3 => TargetCpu::X86_64V3,
                CpuArgument::Native => TargetCpu::Native,
            },
            listing: match self.emit {
                EmitArgument::Clif => Emit::Clif,
                EmitArgument::Asm => Emit::Asm,
                _ => Emit::SharedObject,
            },
            memory: match self.memory {
                MemoryArgument::Guarded => MemoryMode::Guarded,
                MemoryArgument::Bounds => MemoryMode::Bounds,
            },
            relaxed_simd: match self.relaxed_simd {
                RelaxedArgument::Deterministic => RelaxedSimd::Deterministic,
                RelaxedArgument::Fast => RelaxedSimd::Fast,
            },
            stack_check: self.stack_check,
            threads: usize::from(self.threads),
            limits: self.limits.limits(),
            verify: false,
            bindings: None,
        }
    }
}

/// What ends the program with a line on standard error.
enum Failure {
    /// Something outside of this program is at fault.
    Error(String),
    /// This program is.
    Internal(String),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        match error {
            Error::Internal(_) => Failure::Internal(error.to_string()),
            _ => Failure::Error(error.to_string()),
        }
    }
}

/// What the panic hook has seen first.
static PANIC: Mutex<Option<String>> = Mutex::new(None);

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    std::panic::set_hook(Box::new(|panic| {
        let mut seen = PANIC
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        seen.get_or_insert_with(|| panic.to_string());
    }));
    let result = std::panic::catch_unwind(|| run(&arguments)).unwrap_or_else(|_| {
        let seen = PANIC
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .take();
        Err(Failure::Internal(format!(
            "internal error: {}",
            seen.unwrap_or_default().replace('\n', " ")
        )))
    });
    let (message, status) = match result {
        Ok(()) => return ExitCode::SUCCESS,
        Err(Failure::Error(message)) => (message, EXIT_ERROR),
        Err(Failure::Internal(message)) => (message, EXIT_INTERNAL),
    };
    let input = arguments
        .input
        .as_deref()
        .or(arguments.bindings.as_deref())
        .unwrap_or(Path::new("-"))
        .display()
        .to_string();
    // There is nowhere to report that standard error is closed.
    let _ = writeln!(
        io::stderr(),
        "lucetc: {}: {}",
        printable(&input),
        printable(&message)
    );
    ExitCode::from(status)
}

fn run(arguments: &Arguments) -> Result<(), Failure> {
    if arguments.print_format {
        return standard_output(format_description().as_bytes());
    }
    if let Some(generated) = generated(arguments)? {
        return match &arguments.output {
            Some(output) => write(output, generated.as_bytes()),
            None => standard_output(generated.as_bytes()),
        };
    }
    let Some(path) = arguments.input.as_deref() else {
        return Err(Failure::Error("there is no module to compile".to_owned()));
    };
    let mut options = arguments.options();
    if let Some(bindings) = &arguments.bindings {
        options.bindings = Some(read_bindings(bindings)?);
    }
    let input = read(path, options.limits.module_bytes)?;
    if matches!(arguments.emit, EmitArgument::Header) {
        let default = path.with_extension("h");
        let output = arguments.output.clone().unwrap_or(default);
        let file = file_name(&output);
        let header = lucetc::exports_header(&input, &options, &file, &file_name(path))?;
        return write(&output, header.as_bytes());
    }
    if options.listing == Emit::SharedObject {
        let output = arguments
            .output
            .clone()
            .unwrap_or_else(|| path.with_extension("so"));
        if output == path {
            return Err(Failure::Error(
                "the output would replace the input: name another file with -o".to_owned(),
            ));
        }
        return write(&output, &lucetc::compile_module(&input, &options)?);
    }
    let listing = object::listing(&lucetc::compile(&lucetc::binary(&input)?, &options)?);
    match &arguments.output {
        Some(output) => write(output, listing.as_bytes()),
        None => standard_output(listing.as_bytes()),
    }
}

/// C made from the bindings alone, if that is what is asked for.
fn generated(arguments: &Arguments) -> Result<Option<String>, Failure> {
    let make = match arguments.emit {
        EmitArgument::HostHeader => |bindings: &Bindings, file: &str, source: &str| {
            bindings::c::host_header(bindings, file, source)
        },
        EmitArgument::HostSource => |bindings: &Bindings, file: &str, source: &str| {
            let stem = file.strip_suffix(".c").unwrap_or(file);
            bindings::c::host_source(bindings, file, &format!("{stem}.h"), source)
        },
        EmitArgument::HostChecks => bindings::c::checks_header,
        EmitArgument::GuestHeader => bindings::c::guest_header,
        _ => return Ok(None),
    };
    let Some(path) = &arguments.bindings else {
        return Err(Failure::Error("this needs --bindings".to_owned()));
    };
    let bindings = read_bindings(path)?;
    let suffix = match arguments.emit {
        EmitArgument::HostHeader => "host.h",
        EmitArgument::HostSource => "host.c",
        EmitArgument::HostChecks => "checks.h",
        _ => "guest.h",
    };
    let default = PathBuf::from(format!("{}_{suffix}", bindings.name));
    let output = arguments.output.as_ref().unwrap_or(&default);
    Ok(Some(make(&bindings, &file_name(output), &file_name(path))))
}

fn file_name(path: &Path) -> String {
    let name = path.file_name().unwrap_or(path.as_os_str());
    name.to_string_lossy().into_owned()
}

fn read_bindings(path: &Path) -> Result<Bindings, Failure> {
    /// Much more than anybody writes.
    const MOST: u64 = 16 << 20;
    let bytes = read(path, MOST)?;
    let text = String::from_utf8(bytes)
        .map_err(|_| Failure::Error(format!("{} is not UTF-8", path.display())))?;
    Ok(bindings::read(&file_name(path), &text)?)
}

/// Reads the input, and no more of it than the compiler takes.
fn read(path: &Path, most: u64) -> Result<Vec<u8>, Failure> {
    let failed = |error: io::Error| Failure::Error(format!("cannot be read: {error}"));
    let file = std::fs::File::open(path).map_err(failed)?;
    let mut input = Vec::new();
    file.take(most.min(lucetc::parse::MAX_INPUT_BYTES) + 1)
        .read_to_end(&mut input)
        .map_err(failed)?;
    Ok(input)
}

fn write(output: &Path, bytes: &[u8]) -> Result<(), Failure> {
    output::write(output, bytes).map_err(|error| {
        Failure::Error(format!(
            "the output {} cannot be written: {error}",
            output.display()
        ))
    })
}

fn standard_output(bytes: &[u8]) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    out.write_all(bytes)
        .and_then(|()| out.flush())
        .map_err(|error| Failure::Error(format!("standard output cannot be written: {error}")))
}

fn format_description() -> String {
    let lines: [(&str, u64); 6] = [
        ("format-revision", u64::from(FORMAT_REVISION)),
        ("abi-revision", u64::from(ABI_REVISION)),
        ("page-bytes", PAGE_SIZE),
        ("reservation-bytes", RESERVATION),
        ("guard-bytes", GUARD),
        ("unchecked-offset-limit", UNCHECKED_OFFSET_LIMIT),
    ];
    lines
        .iter()
        .map(|(name, value)| format!("{name} {value}\n"))
        .collect()
}
