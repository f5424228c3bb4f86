//! What Cranelift is told about the machine and about the code that we want from it.
//!
//! Invariants: position-independent code without relocations that outlive `lucetc` (`is_pic` off and
//! everything colocated: symbol addresses are `lea`, calls are `call rel32`); never below x86-64-v2, where
//! rounding would become library calls.

use crate::error::{Error, Result};
use crate::options::{OptLevel, Options, TargetCpu};
use cranelift_codegen::isa::{self, OwnedTargetIsa};
use cranelift_codegen::settings::{self, Configurable, Flags};
use lucet_format::contract::CpuFeatures;
use target_lexicon::{Architecture, Triple};

/// Cranelift's name of each CPU feature, and ours.
const FEATURE_FLAGS: [(&str, &str); 18] = [
    ("has_sse3", "sse3"),
    ("has_ssse3", "ssse3"),
    ("has_sse41", "sse4.1"),
    ("has_sse42", "sse4.2"),
    ("has_popcnt", "popcnt"),
    ("has_cmpxchg16b", "cmpxchg16b"),
    ("has_avx", "avx"),
    ("has_avx2", "avx2"),
    ("has_fma", "fma"),
    ("has_bmi1", "bmi1"),
    ("has_bmi2", "bmi2"),
    ("has_lzcnt", "lzcnt"),
    ("has_avx512f", "avx512f"),
    ("has_avx512dq", "avx512dq"),
    ("has_avx512vl", "avx512vl"),
    ("has_avx512vbmi", "avx512vbmi"),
    ("has_avx512bitalg", "avx512bitalg"),
    ("has_avx_vnni", "avxvnni"),
];

/// The settings of every compilation, whatever the options.
const FIXED_SETTINGS: [(&str, &str); 8] = [
    ("is_pic", "false"),
    ("unwind_info", "true"),
    // Backtraces walk frame pointers.
    ("preserve_frame_pointers", "true"),
    // A large frame must hit the guard page, not jump over it.
    ("enable_probestack", "true"),
    ("probestack_strategy", "inline"),
    ("probestack_size_log2", "12"),
    ("enable_nan_canonicalization", "false"),
    ("log2_min_function_alignment", "4"),
];

/// Cranelift, configured.
pub struct Target {
    /// For optimising; `None`: not wanted.
    pub optimiser: Option<OwnedTargetIsa>,
    /// For generating code from what has been optimised: it does not optimise.
    pub isa: OwnedTargetIsa,
    /// The same with the cheapest way to allocate registers, for functions that the usual one would take too long for.
    pub frugal: OwnedTargetIsa,
    /// The CPU features that the code may use.
    pub cpu_features: CpuFeatures,
}

impl Target {
    /// Configures Cranelift for the options.
    pub fn new(options: &Options) -> Result<Target> {
        let cpu_features = cpu_features(options.target_cpu)?;
        let triple = Triple {
            architecture: Architecture::X86_64,
            operating_system: target_lexicon::OperatingSystem::Linux,
            environment: target_lexicon::Environment::Gnu,
            binary_format: target_lexicon::BinaryFormat::Elf,
            ..Triple::unknown()
        };
        let mut builder = isa::lookup(triple).map_err(|error| Error::Target(error.to_string()))?;
        for (flag, feature) in FEATURE_FLAGS {
            let wanted = CpuFeatures::named(feature)
                .is_some_and(|bit| bit.missing_from(cpu_features).is_empty());
            set(&mut builder, flag, if wanted { "true" } else { "false" })?;
        }
        let finish = |opt_level, algorithm| {
            let flags = flags(options, opt_level, algorithm)?;
            let isa = builder.finish(flags);
            isa.map_err(|error| Error::Target(error.to_string()))
        };
        let opt_level = match options.opt_level {
            OptLevel::None => None,
            OptLevel::Speed => Some("speed"),
            OptLevel::SpeedAndSize => Some("speed_and_size"),
        };
        Ok(Target {
            optimiser: opt_level
                .map(|level| finish(level, "backtracking"))
                .transpose()?,
            isa: finish("none", "backtracking")?,
            frugal: finish("none", "single_pass")?,
            cpu_features,
        })
    }
}

/// The CPU features that code for this CPU may use.
fn cpu_features(cpu: TargetCpu) -> Result<CpuFeatures> {
    match cpu {
        TargetCpu::X86_64V2 => Ok(CpuFeatures::X86_64_V2),
        TargetCpu::X86_64V3 => Ok(CpuFeatures::X86_64_V3),
        TargetCpu::Native => native_features(),
    }
}

/// The features of this machine that Cranelift can use and modules can require.
fn native_features() -> Result<CpuFeatures> {
    let builder = cranelift_native::builder().map_err(|error| Error::Target(error.to_string()))?;
    let isa = builder
        .finish(Flags::new(settings::builder()))
        .map_err(|error| Error::Target(error.to_string()))?;
    let mut features = CpuFeatures(0);
    for value in isa.isa_flags() {
        let known = FEATURE_FLAGS.iter().find(|(flag, _)| *flag == value.name);
        if let (Some((_, feature)), Some(true)) = (known, value.as_bool()) {
            features = features.union(CpuFeatures::named(feature).unwrap_or(CpuFeatures(0)));
        }
    }
    let missing = CpuFeatures::X86_64_V2.missing_from(features);
    if !missing.is_empty() {
        let names: Vec<_> = missing.names().collect();
        return Err(Error::Target(format!(
            "this machine is below x86-64-v2: it lacks {}",
            names.join(", ")
        )));
    }
    Ok(features)
}

fn flags(options: &Options, opt_level: &str, register_allocation: &str) -> Result<Flags> {
    let mut builder = settings::builder();
    for (name, value) in FIXED_SETTINGS {
        set(&mut builder, name, value)?;
    }
    set(&mut builder, "opt_level", opt_level)?;
    set(&mut builder, "regalloc_algorithm", register_allocation)?;
    set(
        &mut builder,
        "enable_verifier",
        if options.verify { "true" } else { "false" },
    )?;
    Ok(Flags::new(builder))
}

fn set(builder: &mut dyn Configurable, name: &str, value: &str) -> Result<()> {
    builder
        .set(name, value)
        .map_err(|error| Error::Internal(format!("setting {name} to {value}: {error}")))
}
