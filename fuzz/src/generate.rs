//! From a seed to a module that ends by itself, and to the calls to make.

use crate::host;
use crate::value::Value;
use arbitrary::{Arbitrary, Unstructured};
use lucet_format::value::ValueType;
use wasm_smith::{Config, Module};

/// Numbers from a seed (splitmix64).
#[derive(Debug)]
pub struct Random(u64);

impl Random {
    /// The sequence of a seed.
    pub fn new(seed: u64) -> Random {
        Random(seed)
    }

    /// The next number.
    #[allow(
        clippy::should_implement_trait,
        reason = "a sequence without an end needs no Option"
    )]
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    /// A number below a bound.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }
}

/// A call: an export by name, with arguments.
#[derive(Clone, Debug)]
pub struct Call {
    /// The export.
    pub name: String,
    /// Its arguments.
    pub arguments: Vec<Value>,
}

/// How many loops and calls a guest may make before it traps.
const FUEL: u32 = 1500;
/// Bytes of randomness at most: what decides how large modules get.
pub const BYTES: usize = 64 << 10;

/// The module of a seed, from at most `size` random bytes. `None`: the bytes did not make one.
pub fn module(seed: u64, size: usize) -> Option<Vec<u8>> {
    let mut random = Random::new(seed);
    // Small ones more often: they are faster, and easier to understand.
    let most = size as u64 >> random.below(6);
    let length = 256 + random.below(most.max(1)) as usize;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        bytes.extend_from_slice(&random.next().to_le_bytes());
    }
    let config = config(&mut random).ok()?;
    let mut module = Module::new(config, &mut Unstructured::new(&bytes)).ok()?;
    module.ensure_termination(FUEL).ok()?;
    Some(module.to_bytes())
}

/// Which instructions, how many of what: different for every seed, within what lucetc and wasmi both support and what
/// both treat alike.
fn config(random: &mut Random) -> arbitrary::Result<Config> {
    let choices: Vec<u8> = (0..64).flat_map(|_| random.next().to_le_bytes()).collect();
    let mut config = Config::arbitrary(&mut Unstructured::new(&choices))?;
    // What only one of the two has.
    config.gc_enabled = false;
    config.exceptions_enabled = false;
    config.threads_enabled = false;
    config.shared_everything_threads_enabled = false;
    config.custom_descriptors_enabled = false;
    config.compact_imports_enabled = false;
    config.acquire_release_atomics_enabled = false;
    config.multibyte_array_access_enabled = false;
    // What engines may do differently.
    config.canonicalize_nans = true;
    config.memory_max_size_required = true;
    config.table_max_size_required = true;
    // What every seed should have.
    config.bulk_memory_enabled = true;
    config.reference_types_enabled = true;
    config.multi_value_enabled = true;
    config.sign_extension_ops_enabled = true;
    config.saturating_float_to_int_enabled = true;
    config.extended_const_enabled = true;
    config.wide_arithmetic_enabled = random.below(2) == 0;
    config.tail_call_enabled = random.below(3) > 0;
    config.memory64_enabled = random.below(4) == 0;
    config.custom_page_sizes_enabled = random.below(6) == 0;
    config.simd_enabled = random.below(4) > 0;
    config.relaxed_simd_enabled = config.simd_enabled && random.below(2) == 0;
    config.allow_floats |= random.below(3) > 0;
    config.allow_start_export = random.below(4) == 0;
    config.disallow_traps = random.below(2) == 0;
    config.allow_invalid_funcs = false;
    config.export_everything = true;
    sizes(&mut config, random);
    let imports: String = host::FUNCTIONS.iter().map(|one| one.import()).collect();
    let imports = wat::parse_str(format!("(module {imports})"));
    config.available_imports = imports.ok();
    Ok(config)
}

/// Small enough to run many, and never so large that the two disagree on a limit.
fn sizes(config: &mut Config, random: &mut Random) {
    config.max_types = config.max_types.clamp(1, 40);
    config.min_types = 1;
    config.max_funcs = 1 + random.below(30) as usize;
    config.min_funcs = 1;
    config.max_globals = config.max_globals.clamp(0, 30);
    config.max_imports = config.max_imports.min(8);
    config.max_memories = 1 + random.below(3) as usize;
    config.max_memory32_bytes = 1 << 18;
    config.max_memory64_bytes = 1 << 18;
    config.max_tables = config.max_tables.min(4);
    config.max_table_elements = 500;
    config.max_element_segments = config.max_element_segments.min(10);
    config.max_elements = config.max_elements.min(60);
    config.max_data_segments = config.max_data_segments.min(10);
    config.max_exports = 500;
    config.max_instructions = 20 + random.below(1500) as usize;
    config.max_nesting_depth = 10;
    config.max_values = 6;
    for smallest in [
        &mut config.min_globals,
        &mut config.min_imports,
        &mut config.min_element_segments,
        &mut config.min_elements,
        &mut config.min_data_segments,
        &mut config.min_exports,
    ] {
        *smallest = 0;
    }
    config.min_memories = random
        .below(config.max_memories as u64 + 1)
        .max(u64::from(random.below(4) > 0)) as u32;
    config.min_tables = 0;
}

/// Two calls with different arguments for each of some exports.
pub fn calls(seed: u64, exports: &[(String, Vec<ValueType>)]) -> Vec<[Call; 2]> {
    let mut random = Random::new(!seed);
    let call = |name: &String, types: &[ValueType], random: &mut Random| Call {
        name: name.clone(),
        arguments: types
            .iter()
            .map(|of| Value::argument(*of, random))
            .collect(),
    };
    exports
        .iter()
        .take(12)
        .map(|(name, types)| {
            [
                call(name, types, &mut random),
                call(name, types, &mut random),
            ]
        })
        .collect()
}
