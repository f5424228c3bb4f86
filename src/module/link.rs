//! Resolving a module's imports against what a host has defined.
//!
//! Every import that cannot be resolved is reported, not only the first: a host's programmer wants the whole list.

use super::template::{self, Template};
use super::{
    CodeImage, Elsewhere, Home, InitialMemory, MemoryTemplate, TableTemplate, rows, signature,
};
use crate::abi::lucet_value;
use crate::checks::{self, Checker};
use crate::context;
use crate::control::{ControlBlock, ImportTarget, state};
use crate::counted::Counted;
use crate::error::{Error, Result, Status, error};
use crate::exception::ImportedTag;
use crate::linker::{Definition, Kept, Linker};
use crate::linking::{Offered, Place, Shared, add};
use crate::mapping::Mapping;
use crate::text::Line;
use lucet_format::PAGE_SIZE;
use lucet_format::image::Image;
use lucet_format::image::records::{ExternKind, FLAG_MUTABLE, FunctionType, Global, Import};
use lucet_format::trap::TrapCode;
use lucet_format::value::ValueType;
use std::fmt;
use std::sync::OnceLock;

/// Memory with more data than this is made when the module is linked, so that processes that are forked later share it. With less it
/// is made for the first instance: that takes more system calls than all else of loading.
const MADE_LATER: u64 = 256 << 10;

/// What linking has prepared. Does not change any more, but that memory 0 and the tables' elements may be made later.
pub struct Link {
    /// The import table in read-only pages: index is function index.
    pub imports: *const ImportTarget,
    /// The state below vmctx of a fresh instance, without addresses.
    pub state_template: Vec<u8>,
    /// The defined tables.
    pub tables: Vec<TableTemplate>,
    /// The elements of all of them, once they have been asked for: see [`Link::table_elements`].
    table_elements: OnceLock<Vec<u64>>,
    /// The values of the imported globals.
    globals: Vec<lucet_value>,
    /// Every memory by its index.
    pub memories: Vec<MemoryTemplate>,
    /// Memory 0 at first, once it has been asked for: see [`Link::initial`].
    initial: OnceLock<InitialMemory>,
    /// The tags that are imported, by their index.
    pub tags: Vec<ImportedTag>,
    /// What it has of other instances.
    pub shared: Shared,
    /// The active segments that go to other instances' tables and memories, in order.
    pub elsewhere: Vec<Elsewhere>,
    /// What instantiation traps with: some segment does not fit.
    pub trap: Option<TrapCode>,
    _table: Option<Mapping>,
    _kept: Vec<Kept>,
}

// SAFETY: the import table is read-only memory; the pointers in it are the host's functions and data, which the host has
// promised to be usable from every thread that runs instances. The rest is immutable.
unsafe impl Send for Link {}
// SAFETY: as above.
unsafe impl Sync for Link {}

impl Link {
    /// Resolves the imports of `code`; see [`super::Module::link`].
    pub fn new(
        code: &Counted<CodeImage>,
        linker: &Linker,
        problem: &mut dyn FnMut(&str),
    ) -> Result<Link> {
        let image = code.image();
        let mut resolver = Resolver {
            image: &image,
            linker,
            problem,
            worst: None,
            problems: 0,
            rows: Vec::new(),
            globals: Vec::new(),
            tags: Vec::new(),
            kept: Vec::new(),
            memories: Vec::new(),
            owner: None,
            shared: Shared::default(),
        };
        for import in image.imports().iter() {
            resolver.resolve(&import)?;
        }
        resolver.verdict()?;
        let template = Template::new(code, &resolver.globals, &resolver.memories)?;
        let table = rows::read_only(&resolver.rows)?;
        let link = Link {
            imports: table.as_ref().map_or(std::ptr::null(), |table| {
                table.base() as *const ImportTarget
            }),
            state_template: template.state,
            tables: template.tables,
            table_elements: OnceLock::new(),
            globals: resolver.globals,
            memories: template.memories,
            initial: OnceLock::new(),
            tags: resolver.tags,
            shared: resolver.shared,
            elsewhere: template.elsewhere,
            trap: template.trap,
            _table: table,
            _kept: resolver.kept,
        };
        if data_bytes(&link.memories) > MADE_LATER {
            link.initial(code)?;
        }
        Ok(link)
    }
}

impl Link {
    /// Memory 0 at first. `code` is what has been linked. Any thread: of two that make it at once, one has made it for nothing.
    ///
    /// # Errors
    ///
    /// `NoMemory`, `System`, and only if it has not been made before.
    pub fn initial(&self, code: &CodeImage) -> Result<&InitialMemory> {
        if let Some(made) = self.initial.get() {
            return Ok(made);
        }
        let made = first_memory(&code.image(), &self.memories)?;
        Ok(self.initial.get_or_init(|| made))
    }

    /// The elements of all defined tables at first. They are made for the first instance, as [`Link::initial`] is: nobody who does not
    /// make one has to read them.
    ///
    /// # Errors
    ///
    /// `NoMemory`, and only if they have not been made before.
    pub fn table_elements(&self, code: &CodeImage) -> Result<&[u64]> {
        if let Some(made) = self.table_elements.get() {
            return Ok(made);
        }
        let made = template::table_elements(code, &self.globals, &self.tables)?;
        Ok(self.table_elements.get_or_init(|| made))
    }

    /// How many elements all defined tables have at first.
    pub fn table_elements_at_first(&self) -> u64 {
        self.tables.iter().map(|table| table.minimum).sum()
    }

    /// Bytes of a memory 0 that the module defines, at first.
    pub fn first_minimum(&self) -> u64 {
        let first = self.memories.first();
        first
            .filter(|memory| memory.home == Home::First)
            .map_or(0, |memory| memory.minimum)
    }
}

/// Bytes of data for memory 0.
fn data_bytes(memories: &[MemoryTemplate]) -> u64 {
    let first = memories.first().filter(|memory| memory.home == Home::First);
    let pieces = first.map_or(&[][..], |memory| &memory.pieces).iter();
    pieces.map(|piece| u64::from(piece.source.length)).sum()
}

/// What memory 0 holds at first, if the module defines one.
fn first_memory(image: &Image<'_>, memories: &[MemoryTemplate]) -> Result<InitialMemory> {
    let first = memories.first().filter(|memory| memory.home == Home::First);
    let pieces = first
        .map_or(&[][..], |memory| &memory.pieces)
        .iter()
        .map(|piece| (piece.destination, image.bytes(piece.source)));
    // Pages of the host's: what is behind the memory in the last one is out of reach.
    let bytes = first.map_or(Some(0), |memory| {
        memory.minimum.checked_next_multiple_of(PAGE_SIZE)
    });
    // More than any region admits.
    InitialMemory::new(bytes.unwrap_or(u64::MAX - (PAGE_SIZE - 1)), pieces)
}

pub(super) struct Resolver<'a> {
    pub(super) image: &'a Image<'a>,
    pub(super) linker: &'a Linker,
    problem: &'a mut dyn FnMut(&str),
    /// The status to answer, and the sentence of the first problem with it.
    worst: Option<(Status, Line)>,
    problems: usize,
    rows: Vec<ImportTarget>,
    globals: Vec<lucet_value>,
    pub(super) tags: Vec<ImportedTag>,
    pub(super) kept: Vec<Kept>,
    /// Where the imported memories are.
    pub(super) memories: Vec<Place>,
    /// Whose the global is that has just been resolved, if it can change.
    pub(super) owner: Option<&'static ControlBlock>,
    pub(super) shared: Shared,
}

/// An import's name, for messages.
struct Name<'a>(&'a Image<'a>, &'a Import);

impl fmt::Display for Name<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (module, name) = (self.0.bytes(self.1.module), self.0.bytes(self.1.name));
        write!(
            out,
            "\"{}\" \"{}\"",
            module.escape_ascii(),
            name.escape_ascii()
        )
    }
}

impl Resolver<'_> {
    fn resolve(&mut self, import: &Import) -> Result<()> {
        match ExternKind::from_number(import.kind) {
            Some(ExternKind::Function) => self.function(import),
            Some(ExternKind::Global) => self.global(import),
            Some(ExternKind::Tag) => self.tag(import),
            Some(ExternKind::Memory) => self.memory(import),
            Some(ExternKind::Table) => self.table(import),
            None => Err(error!(
                Status::BadModule,
                "damaged module: an import of nothing"
            )),
        }
    }

    pub(super) fn report(&mut self, status: Status, import: &Import, what: fmt::Arguments<'_>) {
        let line = Line::of(format_args!("import {} {what}", Name(self.image, import)));
        (self.problem)(line.as_str());
        self.problems += 1;
        let worse = self
            .worst
            .as_ref()
            .is_none_or(|(known, _)| rank(status) > rank(*known));
        if worse {
            self.worst = Some((status, line));
        }
    }

    fn verdict(&self) -> Result<()> {
        let Some((status, sentence)) = &self.worst else {
            return Ok(());
        };
        Err(match self.problems - 1 {
            0 => error!(*status, "{}", sentence.as_str()),
            more => error!(
                *status,
                "{}; {more} more imports have problems",
                sentence.as_str()
            ),
        })
    }

    fn function(&mut self, import: &Import) -> Result<()> {
        let function = self.image.function(import.index);
        let function_type = function.and_then(|function| {
            self.image
                .function_types()
                .get(function.function_type as usize)
        });
        let function_type = function_type.ok_or_else(|| {
            error!(
                Status::BadModule,
                "damaged module: an import without a type"
            )
        })?;
        let row = self.function_row(import, &function_type)?;
        self.rows
            .try_reserve(1)
            .map_err(|_| Error::no_memory("an import table"))?;
        self.rows.push(callable(ImportTarget {
            index: import.index,
            ..row
        }));
        Ok(())
    }

    fn function_row(
        &mut self,
        import: &Import,
        function_type: &FunctionType,
    ) -> Result<ImportTarget> {
        let image = self.image;
        let wanted = signature::Display::new(image, function_type);
        match self
            .linker
            .lookup(image.bytes(import.module), image.bytes(import.name))?
        {
            Some(definition) if definition.has_type(image, function_type) => {
                return self.bind(definition, import, function_type);
            }
            Some(definition) if definition.is_function() => {
                let offered = definition.type_display();
                self.report(
                    Status::TypeMismatch,
                    import,
                    format_args!("is a function {wanted}, the host defines {offered}"),
                );
            }
            Some(definition) => self.report(
                Status::TypeMismatch,
                import,
                format_args!(
                    "is a function {wanted}, the host defines {}",
                    definition.kind()
                ),
            ),
            None if self.linker.traps_missing() => {
                return Ok(ImportTarget {
                    function: context::missing_import as *const (),
                    ..ImportTarget::EMPTY
                });
            }
            None => self.report(
                Status::NotFound,
                import,
                format_args!("is a function {wanted} that the host does not define"),
            ),
        }
        Ok(ImportTarget::EMPTY)
    }

    /// The row of a function that is defined with the type that is wanted.
    fn bind(
        &mut self,
        definition: &Definition,
        import: &Import,
        function_type: &FunctionType,
    ) -> Result<ImportTarget> {
        if let Definition::Export(offer) = definition
            && let Offered::Function { index, call, .. } = &offer.what
        {
            return self.bridge(offer, (*index, *call), import, function_type);
        }
        let checker = checks::checker(self.image, import.index, definition.plan());
        if checker == Checker::Other {
            self.report(
                Status::TypeMismatch,
                import,
                format_args!(
                    "was compiled with checks of its arguments that the host does not define: compile it with the host's bindings"
                ),
            );
            return Ok(ImportTarget::EMPTY);
        }
        let (row, kept) = definition.row(checker == Checker::Code, self.linker.poisons_views())?;
        if let Some(kept) = kept {
            self.kept
                .try_reserve(1)
                .map_err(|_| Error::no_memory("an import table"))?;
            self.kept.push(kept);
        }
        Ok(row)
    }

    fn global(&mut self, import: &Import) -> Result<()> {
        let image = self.image;
        let global = image.globals().get(import.index as usize);
        let global = global.ok_or_else(|| {
            error!(
                Status::BadModule,
                "damaged module: an import without a global"
            )
        })?;
        let wanted = u8::try_from(global.value_type)
            .ok()
            .and_then(ValueType::from_number)
            .map_or("?", ValueType::name);
        self.owner = None;
        let value = if global.flags & FLAG_MUTABLE != 0 {
            self.mutable_global(import, &global, wanted)?
        } else {
            self.constant_global(import, &global, wanted)?
        };
        self.globals
            .try_reserve(1)
            .map_err(|_| Error::no_memory("imported globals"))?;
        self.globals.push(value);
        add(&mut self.shared.globals, self.owner)
    }

    /// The value of a global that nobody changes; nothing where it is not offered so, which is reported.
    fn constant_global(
        &mut self,
        import: &Import,
        global: &Global,
        wanted: &str,
    ) -> Result<lucet_value> {
        let image = self.image;
        match self
            .linker
            .lookup(image.bytes(import.module), image.bytes(import.name))?
        {
            Some(Definition::Global(offered)) if offered.r#type == global.value_type => {
                return Ok(*offered);
            }
            Some(Definition::Global(offered)) => {
                let offered = u8::try_from(offered.r#type)
                    .ok()
                    .and_then(ValueType::from_number);
                let offered = offered.map_or("?", ValueType::name);
                self.report(
                    Status::TypeMismatch,
                    import,
                    format_args!(
                        "is a global of type {wanted}, the host defines one of type {offered}"
                    ),
                );
            }
            Some(Definition::Export(offer)) => return self.owners(import, global, wanted, offer),
            Some(definition) => self.report(
                Status::TypeMismatch,
                import,
                format_args!(
                    "is a global of type {wanted}, the host defines {}",
                    definition.kind()
                ),
            ),
            None => self.report(
                Status::NotFound,
                import,
                format_args!("is a global of type {wanted} that the host does not define"),
            ),
        }
        Ok(lucet_value::from_bits(0, 0))
    }
}

/// A row with what guest code calls that needs no stub.
fn callable(row: ImportTarget) -> ImportTarget {
    let (entry, state) = match row.flags & ImportTarget::LEAF {
        0 => (context::host_call_placed(), state::GUEST),
        // The C function itself.
        _ if row.dynamic.is_null() => (row.function, state::LEAF),
        _ => (context::leaf_placed(), state::LEAF),
    };
    ImportTarget {
        entry,
        state: state as u16,
        ..row
    }
}

/// The order in which statuses win.
fn rank(status: Status) -> u32 {
    match status {
        Status::TypeMismatch => 2,
        Status::Unsupported => 1,
        _ => 0,
    }
}
