//! Looking at a module: imports, exports, what a region must offer.

use super::guard::{guarded, guarded_value};
use super::module::lucet_module;
use super::object::{get, null};
use super::status::lucet_status;
use super::structs::{Extensible, fill};
use super::types::lucet_type;
use crate::error::{Result, Status, error};
use lucet_format::image::records::{
    ExternKind, FLAG_HAS_MAXIMUM, FLAG_IMPORTED, FLAG_INDEX_64, FLAG_MUTABLE, Span,
};
use lucet_format::image::{Image, Section};
use std::ffi::c_char;

/// An import or export. What it points at is the module's. Names are UTF-8 without NUL at the end, and may contain any
/// character.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct lucet_extern {
    /// Imports: the module part of the name. Exports: NULL.
    pub module: *const c_char,
    /// Its length in bytes.
    pub module_length: usize,
    /// The name.
    pub name: *const c_char,
    /// Its length in bytes.
    pub name_length: usize,
    /// LUCET_EXTERN_FUNCTION and so on.
    pub kind: u32,
    /// LUCET_EXTERN_MUTABLE, LUCET_EXTERN_BOUNDED, LUCET_EXTERN_INDEX_64.
    pub flags: u32,
    /// Functions: the types of the parameters. Tags: of what exceptions carry.
    pub parameters: *const lucet_type,
    /// How many.
    pub parameter_count: usize,
    /// Functions: the types of the results.
    pub results: *const lucet_type,
    /// How many.
    pub result_count: usize,
    /// Globals: their type. Tables: that of their elements.
    pub value_type: u32,
    /// Memories: bytes of a page: 65536, or 1.
    pub page_bytes: u32,
    /// Tables: elements at first. Memories: pages at first.
    pub minimum: u64,
    /// With LUCET_EXTERN_BOUNDED: the same at most.
    pub maximum: u64,
}

/// `lucet_extern.kind`: a function.
pub const LUCET_EXTERN_FUNCTION: u32 = 0;
/// `lucet_extern.kind`: a table.
pub const LUCET_EXTERN_TABLE: u32 = 1;
/// `lucet_extern.kind`: a memory.
pub const LUCET_EXTERN_MEMORY: u32 = 2;
/// `lucet_extern.kind`: a global.
pub const LUCET_EXTERN_GLOBAL: u32 = 3;
/// `lucet_extern.kind`: a tag of exceptions.
pub const LUCET_EXTERN_TAG: u32 = 4;
/// `lucet_extern.flags`: a global that can be changed.
pub const LUCET_EXTERN_MUTABLE: u32 = 1;
/// `lucet_extern.flags`: `maximum` means something.
pub const LUCET_EXTERN_BOUNDED: u32 = 2;
/// `lucet_extern.flags`: a memory or table whose indices have 64 bits.
pub const LUCET_EXTERN_INDEX_64: u32 = 4;

/// What instances of a module need, in bytes unless it says otherwise. lucet_region_config_fit raises a configuration to it.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct lucet_requirements {
    /// sizeof(lucet_requirements)
    pub struct_size: usize,
    /// The largest linear memory at first.
    pub memory_bytes: u64,
    /// The most that a linear memory can grow to, by the module's own declaration.
    pub memory_maximum_bytes: u64,
    /// Elements of all tables at first.
    pub table_elements: u64,
    /// Globals and other state.
    pub state_bytes: u64,
    /// Parameters or results of the largest call.
    pub values: u64,
    /// Address space reserved for memory 0; 0: code compares each address with the memory's length.
    pub reservation_bytes: u64,
    /// Inaccessible address space behind it.
    pub guard_bytes: u64,
    /// CPU features that the code uses, a bit each, from bit 0 on: sse3, ssse3, sse4.1, sse4.2, popcnt, cmpxchg16b, avx, avx2, fma, bmi1, bmi2, lzcnt,
    /// avx512f, avx512dq, avx512vl, avx512vbmi, avx512bitalg, avxvnni. Loading has compared them with the processor's.
    pub cpu_features: u64,
    /// Linear memories, memory 0 included.
    pub memories: u64,
    /// Inaccessible address space below the stack.
    pub stack_guard_bytes: u64,
    /// 0.
    pub reserved: [u64; 4],
}

// SAFETY: a C struct with `struct_size` first, of integers.
unsafe impl Extensible for lucet_requirements {
    const NAME: &'static str = "lucet_requirements";
    fn reserved_is_zero(&self) -> bool {
        self.reserved == [0; 4]
    }
}

/// How many imports a module has; 0 for no module. Any thread. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lucet_module_import_count(module: *const lucet_module) -> usize {
    // SAFETY: the C contract of this function.
    guarded_value(|| unsafe { Ok(get(module)?.code.image().imports().len()) }).unwrap_or(0)
}

/// An import, in the order of the wasm file. Errors: NULL_ARGUMENT, OUT_OF_BOUNDS. Any thread. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lucet_module_import(
    module: *const lucet_module,
    index: usize,
    out_import: *mut lucet_extern,
) -> lucet_status {
    // SAFETY: the C contract of this function.
    guarded(|| unsafe {
        let image = get(module)?.code.image();
        let import = image
            .imports()
            .get(index)
            .ok_or_else(|| outside(index, "imports", image.imports().len()))?;
        let described = describe(
            &image,
            Some(import.module),
            import.name,
            import.kind,
            import.index,
        )?;
        write(out_import, described)
    })
}

/// How many exports a module has; 0 for no module. Any thread. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lucet_module_export_count(module: *const lucet_module) -> usize {
    // SAFETY: the C contract of this function.
    guarded_value(|| unsafe { Ok(get(module)?.code.image().exports().len()) }).unwrap_or(0)
}

/// An export, sorted by name. Errors: NULL_ARGUMENT, OUT_OF_BOUNDS. Any thread. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lucet_module_export(
    module: *const lucet_module,
    index: usize,
    out_export: *mut lucet_extern,
) -> lucet_status {
    // SAFETY: the C contract of this function.
    guarded(|| unsafe {
        let image = get(module)?.code.image();
        let export = image
            .exports()
            .get(index)
            .ok_or_else(|| outside(index, "exports", image.exports().len()))?;
        write(
            out_export,
            describe(&image, None, export.name, export.kind, export.index)?,
        )
    })
}

/// What a region must offer. `out_requirements->struct_size` is set by the caller.
/// Errors: NULL_ARGUMENT, BAD_STRUCT. Any thread. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lucet_module_requirements(
    module: *const lucet_module,
    out_requirements: *mut lucet_requirements,
) -> lucet_status {
    // SAFETY: the C contract of this function.
    guarded(|| unsafe {
        let image = get(module)?.code.image();
        fill(out_requirements, &requirements(&image))
    })
}

fn requirements(image: &Image<'_>) -> lucet_requirements {
    let header = image.header();
    let contract = &header.contract;
    let memories = image.memories();
    let defined = || {
        memories
            .iter()
            .filter(|memory| memory.flags & FLAG_IMPORTED == 0)
    };
    let minimum = defined().map(|memory| memory.minimum_bytes()).max();
    let maximum = defined().map(|memory| memory.maximum_bytes()).max();
    lucet_requirements {
        struct_size: 0,
        memory_bytes: minimum.unwrap_or(0),
        memory_maximum_bytes: maximum.unwrap_or(0),
        table_elements: contract.table_elements,
        state_bytes: u64::from(contract.state_bytes),
        values: u64::from(contract.max_values),
        reservation_bytes: contract.reservation,
        guard_bytes: contract.guard,
        cpu_features: header.cpu_features,
        memories: defined().count() as u64,
        stack_guard_bytes: u64::from(contract.stack_guard),
        reserved: [0; 4],
    }
}

#[cold]
fn outside(index: usize, what: &str, count: usize) -> crate::error::Error {
    error!(Status::OutOfBounds, "{what} {index} of {count}")
}

unsafe fn write(to: *mut lucet_extern, value: lucet_extern) -> Result<()> {
    if to.is_null() {
        return Err(null("out_import or out_export"));
    }
    // SAFETY: the C contract of the callers.
    unsafe { to.write(value) };
    Ok(())
}

const NOTHING: lucet_extern = lucet_extern {
    module: std::ptr::null(),
    module_length: 0,
    name: std::ptr::null(),
    name_length: 0,
    kind: 0,
    flags: 0,
    parameters: std::ptr::null(),
    parameter_count: 0,
    results: std::ptr::null(),
    result_count: 0,
    value_type: 0,
    page_bytes: 0,
    minimum: 0,
    maximum: 0,
};

fn describe(
    image: &Image<'_>,
    module: Option<Span>,
    name: Span,
    kind: u32,
    index: u32,
) -> Result<lucet_extern> {
    let mut described = NOTHING;
    if let Some(module) = module.map(|module| image.bytes(module)) {
        (described.module, described.module_length) = (module.as_ptr().cast(), module.len());
    }
    let name = image.bytes(name);
    (described.name, described.name_length, described.kind) =
        (name.as_ptr().cast(), name.len(), kind);
    let typed = match ExternKind::from_number(kind) {
        Some(ExternKind::Function) => function(image, index, &mut described),
        Some(ExternKind::Table) => table(image, index, &mut described),
        Some(ExternKind::Memory) => memory(image, index, &mut described),
        Some(ExternKind::Global) => global(image, index, &mut described),
        Some(ExternKind::Tag) => tag(image, index, &mut described),
        None => None,
    };
    // Parsing has checked the indices.
    typed.ok_or_else(|| {
        error!(
            Status::BadModule,
            "damaged module: an import or export of nothing"
        )
    })?;
    Ok(described)
}

fn function(image: &Image<'_>, index: u32, out: &mut lucet_extern) -> Option<()> {
    let function = image.functions().get(index as usize)?;
    function_type(image, function.function_type, out)
}

fn tag(image: &Image<'_>, index: u32, out: &mut lucet_extern) -> Option<()> {
    function_type(image, image.tags().get(index as usize)?.function_type, out)
}

fn function_type(image: &Image<'_>, index: u32, out: &mut lucet_extern) -> Option<()> {
    let function_type = image.function_types().get(index as usize)?;
    let first = function_type.first as usize;
    let parameters = first + function_type.parameters as usize;
    let types = image.section(Section::ValueTypes);
    let (parameters, results) = (
        types.get(first..parameters)?,
        types.get(parameters..parameters + function_type.results as usize)?,
    );
    (out.parameters, out.parameter_count) = (parameters.as_ptr(), parameters.len());
    (out.results, out.result_count) = (results.as_ptr(), results.len());
    Some(())
}

fn bounds(flags: u32, minimum: u64, maximum: u64, out: &mut lucet_extern) {
    out.minimum = minimum;
    if flags & FLAG_HAS_MAXIMUM != 0 {
        out.maximum = maximum;
        out.flags |= LUCET_EXTERN_BOUNDED;
    }
    if flags & FLAG_INDEX_64 != 0 {
        out.flags |= LUCET_EXTERN_INDEX_64;
    }
}

fn table(image: &Image<'_>, index: u32, out: &mut lucet_extern) -> Option<()> {
    let table = image.tables().get(index as usize)?;
    out.value_type = table.element_type;
    bounds(table.flags, table.minimum, table.maximum, out);
    Some(())
}

fn memory(image: &Image<'_>, index: u32, out: &mut lucet_extern) -> Option<()> {
    let memory = image.memories().get(index as usize)?;
    out.page_bytes = 1u32.checked_shl(memory.page_size_log2)?;
    bounds(memory.flags, memory.minimum, memory.maximum, out);
    Some(())
}

fn global(image: &Image<'_>, index: u32, out: &mut lucet_extern) -> Option<()> {
    let global = image.globals().get(index as usize)?;
    out.value_type = global.value_type;
    if global.flags & FLAG_MUTABLE != 0 {
        out.flags |= LUCET_EXTERN_MUTABLE;
    }
    Some(())
}
