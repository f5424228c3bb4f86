//! What every record of an image must satisfy. One function a section; each failure names its field. Long lists are sound as a rule:
//! `quick` tells, and when it says no, the records are looked at one after the other.

use super::records::{
    self, CodeKind, ExternKind, Initial, InitialKind, Operation, SegmentMode, Span,
};
use super::{Image, ImageError, Integrity, NONE, Section, exceptions, quick, source};
use crate::contract::MemoryContract;
use crate::trap::TrapCode;
use crate::value::ValueType;
use crate::{PAGE_SIZE, WASM_PAGE_SIZE, vmctx};
use std::cell::Cell;

type Check = Result<(), ImageError>;

/// That a range lies in the file.
pub(super) fn span(what: &'static str, span: Span, limit: usize) -> Check {
    let end = u64::from(span.offset) + u64::from(span.length);
    if end > limit as u64 {
        return Err(ImageError::Range {
            what,
            offset: u64::from(span.offset),
            end,
            limit: limit as u64,
        });
    }
    Ok(())
}

/// That the contract is one that a region can be asked to honour.
pub(super) fn contract(contract: &MemoryContract) -> Check {
    let reject = |what, found| Err(ImageError::Header { what, found });
    let page = u64::from(contract.page_size);
    if page != PAGE_SIZE {
        return reject("the page size", page);
    }
    if !contract.reservation.is_multiple_of(page) || contract.reservation > 1 << 40 {
        return reject("the memory reservation", contract.reservation);
    }
    // Without a reservation nothing relies on a guard.
    let least = if contract.reservation == 0 { 0 } else { page };
    if !contract.guard.is_multiple_of(page) || !(least..=1 << 40).contains(&contract.guard) {
        return reject("the memory guard", contract.guard);
    }
    let state = contract.state_bytes;
    if !(vmctx::HEADER_BYTES..=vmctx::MAX_STATE_BYTES).contains(&state) || !state.is_multiple_of(16)
    {
        return reject("the size of the state", u64::from(state));
    }
    Ok(())
}

/// That all sections are sound, and fit each other.
pub(super) fn records(image: &Image<'_>, integrity: Integrity) -> Check {
    let checker = Checker {
        image,
        text: image.header().text.length,
        steps: Cell::new(0),
        names: std::str::from_utf8(image.section(Section::Strings)).ok(),
    };
    checker.value_types()?;
    checker.function_types()?;
    checker.functions()?;
    checker.imports()?;
    checker.checked_imports()?;
    checker.exports()?;
    checker.globals()?;
    checker.tables()?;
    checker.memories()?;
    checker.elements()?;
    checker.data()?;
    checker.initial_runs()?;
    checker.code_ranges()?;
    checker.funcrefs()?;
    exceptions::check(image)?;
    if integrity == Integrity::Trust {
        // The two longest lists. Searching one that is out of order finds nothing, and does no harm.
        return Ok(());
    }
    checker.traps()?;
    source::check(image)?;
    checker.inlined()
}

struct Checker<'a> {
    image: &'a Image<'a>,
    text: u32,
    /// Steps of the expressions seen so far. Together they have no more than there are, so that the work of checking and of
    /// evaluating them is bounded by the file's size.
    steps: Cell<u64>,
    /// The names, if all of them together are UTF-8.
    names: Option<&'a str>,
}

/// A record under inspection.
#[derive(Clone, Copy)]
struct At {
    section: Section,
    index: usize,
}

impl At {
    fn holds(self, condition: bool, field: &'static str, found: impl Into<u64>) -> Check {
        if condition {
            return Ok(());
        }
        Err(ImageError::Record {
            section: self.section,
            index: self.index,
            field,
            found: found.into(),
        })
    }
}

impl Checker<'_> {
    fn name(&self, at: At, name: Span) -> Check {
        if name.length == 0 {
            return Ok(());
        }
        let strings = self.image.section_span(Section::Strings);
        let inside = name.offset >= strings.offset
            && u64::from(name.offset) + u64::from(name.length)
                <= u64::from(strings.offset) + u64::from(strings.length);
        at.holds(inside, "the name's place", name.offset)?;
        let start = (name.offset - strings.offset) as usize;
        let is_text = match self.names {
            Some(names) => names.get(start..start + name.length as usize).is_some(),
            None => std::str::from_utf8(self.image.bytes(name)).is_ok(),
        };
        at.holds(is_text, "the name's encoding", name.offset)
    }

    fn code(&self, at: At, offset: u32) -> Check {
        at.holds(
            offset == NONE || offset < self.text,
            "the code's place",
            offset,
        )
    }

    fn function_type(&self, at: At, index: u32) -> Check {
        at.holds(
            (index as usize) < self.image.function_types().len(),
            "the type",
            index,
        )
    }

    fn state(&self, at: At, offset: u32, bytes: u32) -> Check {
        let contract = &self.image.header().contract;
        let fits = offset <= contract.state_bytes && offset >= vmctx::HEADER_BYTES + bytes;
        at.holds(fits, "the place in the state", offset)
    }

    fn initial(&self, at: At, initial: &Initial) -> Check {
        let kind = InitialKind::from_number(initial.kind);
        at.holds(kind.is_some(), "the initial value's kind", initial.kind)?;
        match kind {
            Some(InitialKind::ImportedGlobal) => self.imported_global(at, initial.low),
            Some(InitialKind::Funcref) => self.funcref(at, initial.low),
            Some(InitialKind::Expression) => self.expression(at, initial),
            _ => Ok(()),
        }
    }

    /// That the steps exist, never lack an operand, and leave one value.
    fn expression(&self, at: At, initial: &Initial) -> Check {
        let steps = self.image.expressions();
        let end = initial.low.checked_add(initial.high);
        let inside = end.is_some_and(|end| end <= steps.len() as u64);
        at.holds(inside, "the end of the expression", initial.high)?;
        let all = self.steps.get().saturating_add(initial.high);
        self.steps.set(all);
        at.holds(
            all <= steps.len() as u64,
            "the steps of all expressions",
            all,
        )?;
        let mut values = 0u64;
        for index in initial.low as usize..(initial.low + initial.high) as usize {
            let at = At {
                section: Section::Expressions,
                index,
            };
            let Some(step) = steps.get(index) else {
                return at.holds(false, "the step", index as u64);
            };
            match Operation::from_number(step.operation) {
                None => at.holds(false, "the operation", step.operation)?,
                Some(Operation::Constant) => values += 1,
                Some(Operation::ImportedGlobal) => {
                    self.imported_global(at, step.operand)?;
                    values += 1;
                }
                Some(_) => {
                    at.holds(values >= 2, "the number of operands", values)?;
                    values -= 1;
                }
            }
        }
        at.holds(values == 1, "the expression's values", values)
    }

    fn imported_global(&self, at: At, index: u64) -> Check {
        let global = usize::try_from(index)
            .ok()
            .and_then(|index| self.image.globals().get(index));
        let imported = global.is_some_and(|global| global.flags & records::FLAG_IMPORTED != 0);
        at.holds(imported, "the imported global", index)
    }

    fn funcref(&self, at: At, number: u64) -> Check {
        at.holds(
            number < self.image.funcrefs().len() as u64,
            "the function reference",
            number,
        )
    }

    fn value_types(&self) -> Check {
        for (index, number) in self.image.section(Section::ValueTypes).iter().enumerate() {
            let at = At {
                section: Section::ValueTypes,
                index,
            };
            at.holds(
                ValueType::from_number(*number).is_some(),
                "the value type",
                *number,
            )?;
        }
        Ok(())
    }

    fn function_types(&self) -> Check {
        let available = self.image.section(Section::ValueTypes).len() as u64;
        for (index, record) in self.image.function_types().iter().enumerate() {
            let at = At {
                section: Section::FunctionTypes,
                index,
            };
            let end =
                u64::from(record.first) + u64::from(record.parameters) + u64::from(record.results);
            at.holds(end <= available, "the end of the types", end)?;
            let most = record.parameters.max(record.results);
            at.holds(
                record.adapter == NONE || most <= self.image.header().contract.max_values,
                "the number of values",
                most,
            )?;
            self.code(at, record.adapter)?;
        }
        Ok(())
    }

    fn functions(&self) -> Check {
        let types = self.image.function_types().len() as u32;
        let funcrefs = self.image.funcrefs().len() as u32;
        let (raw, _) = self.image.section(Section::Functions).as_chunks();
        if quick::are_functions(raw, types, self.text, funcrefs) {
            return self.start_function();
        }
        for (index, record) in self.image.functions().iter().enumerate() {
            let at = At {
                section: Section::Functions,
                index,
            };
            self.name(at, record.name)?;
            self.function_type(at, record.function_type)?;
            self.code(at, record.code)?;
            let end = u64::from(record.code) + u64::from(record.code_bytes);
            at.holds(
                record.code == NONE || end <= u64::from(self.text),
                "the code's end",
                end,
            )?;
            if record.funcref != NONE {
                self.funcref(at, u64::from(record.funcref))?;
            }
        }
        self.start_function()
    }

    fn start_function(&self) -> Check {
        let start = self.image.header().start_function;
        if start != NONE && start as usize >= self.image.functions().len() {
            return Err(ImageError::Header {
                what: "the start function",
                found: u64::from(start),
            });
        }
        Ok(())
    }

    fn entities(&self, at: At, kind: u32) -> Result<usize, ImageError> {
        let known = ExternKind::from_number(kind);
        at.holds(known.is_some(), "the kind", kind)?;
        Ok(match known {
            Some(ExternKind::Function) => self.image.functions().len(),
            Some(ExternKind::Table) => self.image.tables().len(),
            Some(ExternKind::Memory) => self.image.memories().len(),
            Some(ExternKind::Tag) => self.image.tags().len(),
            _ => self.image.globals().len(),
        })
    }

    fn imports(&self) -> Check {
        for (index, record) in self.image.imports().iter().enumerate() {
            let at = At {
                section: Section::Imports,
                index,
            };
            self.name(at, record.module)?;
            self.name(at, record.name)?;
            let entities = self.entities(at, record.kind)?;
            at.holds(
                (record.index as usize) < entities,
                "the index",
                record.index,
            )?;
        }
        Ok(())
    }

    /// That checks exist, each import is named once, and each parameter of one once.
    fn checked_imports(&self) -> Check {
        let checks = self.image.checks();
        let mut above = 0;
        for (index, record) in self.image.checked_imports().iter().enumerate() {
            let at = At {
                section: Section::CheckedImports,
                index,
            };
            at.holds(record.function >= above, "the function", record.function)?;
            above = record.function.saturating_add(1);
            let end = u64::from(record.first) + u64::from(record.count);
            at.holds(end <= checks.len() as u64, "the end of its checks", end)?;
            at.holds(record.answers <= 1, "whether it answers", record.answers)?;
        }
        for (index, record) in checks.iter().enumerate() {
            let at = At {
                section: Section::Checks,
                index,
            };
            at.holds(record.kind <= 0xff, "the kind", record.kind)?;
            at.holds(record.element <= 0xffff, "the element", record.element)?;
            at.holds(record.align <= 0xff, "the alignment", record.align)?;
        }
        Ok(())
    }

    fn exports(&self) -> Check {
        let mut previous: Option<&[u8]> = None;
        for (index, record) in self.image.exports().iter().enumerate() {
            let at = At {
                section: Section::Exports,
                index,
            };
            self.name(at, record.name)?;
            let entities = self.entities(at, record.kind)?;
            at.holds(
                (record.index as usize) < entities,
                "the index",
                record.index,
            )?;
            self.code(at, record.stub)?;
            let name = self.image.bytes(record.name);
            at.holds(
                previous.is_none_or(|before| before < name),
                "the order",
                record.name.offset,
            )?;
            previous = Some(name);
        }
        Ok(())
    }

    fn globals(&self) -> Check {
        for (index, record) in self.image.globals().iter().enumerate() {
            let at = At {
                section: Section::Globals,
                index,
            };
            let known = u8::try_from(record.value_type)
                .ok()
                .and_then(ValueType::from_number);
            at.holds(known.is_some(), "the value type", record.value_type)?;
            self.state(at, record.state_offset, 0)?;
            at.holds(
                record.state_offset.is_multiple_of(vmctx::GLOBAL_BYTES),
                "the place in the state",
                record.state_offset,
            )?;
            at.holds(
                record.state_offset >= vmctx::HEADER_BYTES + vmctx::GLOBAL_BYTES,
                "the place in the state",
                record.state_offset,
            )?;
            self.initial(at, &record.initial)?;
        }
        Ok(())
    }

    fn tables(&self) -> Check {
        let mut total = 0u64;
        for (index, record) in self.image.tables().iter().enumerate() {
            let at = At {
                section: Section::Tables,
                index,
            };
            let known = u8::try_from(record.element_type)
                .ok()
                .and_then(ValueType::from_number);
            at.holds(
                known.is_some_and(ValueType::is_reference),
                "the element type",
                record.element_type,
            )?;
            at.holds(
                record.state_offset.is_multiple_of(16),
                "the place in the state",
                record.state_offset,
            )?;
            self.state(at, record.state_offset, vmctx::TABLE_DESCRIPTOR_BYTES)?;
            self.initial(at, &record.initial)?;
            if record.flags & records::FLAG_IMPORTED == 0 {
                total = total.saturating_add(record.minimum);
            }
        }
        let promised = self.image.header().contract.table_elements;
        if total > promised {
            return Err(ImageError::Header {
                what: "the contract's table elements",
                found: promised,
            });
        }
        Ok(())
    }

    fn memories(&self) -> Check {
        let contract = &self.image.header().contract;
        let mut further = 0;
        for (index, record) in self.image.memories().iter().enumerate() {
            let at = At {
                section: Section::Memories,
                index,
            };
            at.holds(
                [0, WASM_PAGE_SIZE.trailing_zeros()].contains(&record.page_size_log2),
                "the page size",
                record.page_size_log2,
            )?;
            at.holds(
                record.minimum_bytes() <= record.maximum_bytes(),
                "the minimum",
                record.minimum,
            )?;
            let imported = record.flags & records::FLAG_IMPORTED != 0;
            if index == 0 && !imported {
                at.holds(
                    contract.reservation == 0 || record.minimum_bytes() <= contract.reservation,
                    "the minimum",
                    record.minimum,
                )?;
                continue;
            }
            further += u32::from(!imported);
            at.holds(
                record.state_offset.is_multiple_of(16),
                "the place in the state",
                record.state_offset,
            )?;
            self.state(at, record.state_offset, vmctx::MEMORY_DESCRIPTOR_BYTES)?;
        }
        if further > contract.further_memories {
            return Err(ImageError::Header {
                what: "the contract's further memories",
                found: u64::from(contract.further_memories),
            });
        }
        Ok(())
    }

    fn elements(&self) -> Check {
        let items = self.image.element_items();
        let funcrefs = self.image.funcrefs().len() as u32;
        let (raw, _) = self.image.section(Section::ElementItems).as_chunks();
        let listed = if quick::are_items(raw, funcrefs) {
            0
        } else {
            items.len()
        };
        for (index, item) in items.iter().take(listed).enumerate() {
            let at = At {
                section: Section::ElementItems,
                index,
            };
            if item & records::ITEM_GLOBAL != 0 {
                self.imported_global(at, item & !records::ITEM_GLOBAL)?;
            } else {
                self.funcref(at, item)?;
            }
        }
        for (index, record) in self.image.element_segments().iter().enumerate() {
            let at = At {
                section: Section::ElementSegments,
                index,
            };
            let mode = SegmentMode::from_number(record.mode);
            at.holds(mode.is_some(), "the mode", record.mode)?;
            let tables = self.image.tables().len();
            let table_ok = mode != Some(SegmentMode::Active) || (record.table as usize) < tables;
            at.holds(table_ok, "the table", record.table)?;
            let end = u64::from(record.items) + u64::from(record.count);
            at.holds(end <= items.len() as u64, "the end of the items", end)?;
            self.initial(at, &record.offset)?;
            self.state(at, record.dropped_offset, 1)?;
        }
        Ok(())
    }

    fn data(&self) -> Check {
        let file = self.image.header().file_bytes as usize;
        for (index, record) in self.image.data_segments().iter().enumerate() {
            let at = At {
                section: Section::DataSegments,
                index,
            };
            let mode = SegmentMode::from_number(record.mode);
            at.holds(
                matches!(mode, Some(SegmentMode::Active | SegmentMode::Passive)),
                "the mode",
                record.mode,
            )?;
            let memories = self.image.memories().len();
            let memory_ok =
                mode != Some(SegmentMode::Active) || (record.memory as usize) < memories;
            at.holds(memory_ok, "the memory", record.memory)?;
            span("the bytes of a data segment", record.bytes, file)?;
            self.initial(at, &record.offset)?;
            self.state(at, record.dropped_offset, 1)?;
        }
        Ok(())
    }

    fn initial_runs(&self) -> Check {
        let file = self.image.header().file_bytes as usize;
        let (mut memory, mut free_from) = (0, 0);
        for (index, record) in self.image.initial_runs().iter().enumerate() {
            let at = At {
                section: Section::InitialRuns,
                index,
            };
            span("the bytes of initial memory", record.bytes, file)?;
            at.holds(record.memory >= memory, "the memory", record.memory)?;
            if record.memory > memory {
                (memory, free_from) = (record.memory, 0);
            }
            at.holds(
                record.destination >= free_from,
                "the destination",
                record.destination,
            )?;
            free_from = record
                .destination
                .saturating_add(u64::from(record.bytes.length));
            let declared = self.image.memories().get(memory as usize);
            let limit = declared
                .filter(|memory| memory.flags & records::FLAG_IMPORTED == 0)
                .map_or(0, |memory| memory.minimum_bytes());
            at.holds(free_from <= limit, "the end", free_from)?;
        }
        Ok(())
    }

    fn traps(&self) -> Check {
        let codes = self.image.section(Section::TrapCodes);
        let offsets = self.image.trap_offsets();
        let (raw, _) = self.image.section(Section::TrapOffsets).as_chunks();
        if offsets.len() == codes.len() && quick::ascend(raw, self.text) && quick::are_traps(codes)
        {
            return Ok(());
        }
        // What is wrong with them?
        let mut previous = None;
        for (index, offset) in offsets.iter().enumerate() {
            let at = At {
                section: Section::TrapOffsets,
                index,
            };
            at.holds(
                offset < self.text && previous.is_none_or(|before| before < offset),
                "the offset",
                offset,
            )?;
            previous = Some(offset);
        }
        for (index, code) in codes.iter().enumerate() {
            let at = At {
                section: Section::TrapCodes,
                index,
            };
            at.holds(
                TrapCode::from_number(u32::from(*code)).is_some(),
                "the trap",
                *code,
            )?;
        }
        let at = At {
            section: Section::TrapCodes,
            index: codes.len(),
        };
        at.holds(
            codes.len() == offsets.len(),
            "the number of traps",
            codes.len() as u64,
        )
    }

    /// Chains of calls end: each position refers to one before it.
    fn inlined(&self) -> Check {
        for (index, record) in self.image.inlined().iter().enumerate() {
            let at = At {
                section: Section::Inlined,
                index,
            };
            at.holds(
                (record.function as usize) < self.image.functions().len(),
                "the function",
                record.function,
            )?;
            at.holds(record.wasm < records::IN_PLACE, "the offset", record.wasm)?;
            at.holds(
                self.is_position(record.outer, index),
                "the position of the call",
                record.outer,
            )?;
        }
        Ok(())
    }

    /// Whether this is a position where so many of those in place are known.
    fn is_position(&self, position: u32, known: usize) -> bool {
        position == NONE
            || position & records::IN_PLACE == 0
            || ((position & !records::IN_PLACE) as usize) < known
    }

    fn code_ranges(&self) -> Check {
        let (raw, _) = self.image.section(Section::CodeRanges).as_chunks();
        if quick::are_ranges(raw, CodeKind::COUNT, self.text) {
            return Ok(());
        }
        let mut free_from = 0;
        for (index, record) in self.image.code_ranges().iter().enumerate() {
            let at = At {
                section: Section::CodeRanges,
                index,
            };
            at.holds(
                CodeKind::from_number(record.kind).is_some(),
                "the kind",
                record.kind,
            )?;
            at.holds(
                u64::from(record.start) >= free_from,
                "the start",
                record.start,
            )?;
            free_from = u64::from(record.start) + u64::from(record.length);
            at.holds(free_from <= u64::from(self.text), "the end", free_from)?;
        }
        Ok(())
    }

    fn funcrefs(&self) -> Check {
        let types = self.image.function_types().len() as u32;
        let first = self.image.funcrefs().get(0);
        let (raw, _) = self.image.section(Section::Funcrefs).as_chunks();
        if first.is_some_and(|null| null.function_type == NONE)
            && quick::are_funcrefs(raw, types, self.text)
        {
            return Ok(());
        }
        for (index, record) in self.image.funcrefs().iter().enumerate() {
            let at = At {
                section: Section::Funcrefs,
                index,
            };
            if index == 0 {
                at.holds(
                    record.function_type == NONE,
                    "the type of null",
                    record.function_type,
                )?;
                continue;
            }
            if record.function_type != NONE {
                self.function_type(at, record.function_type)?;
            }
            at.holds(record.code < self.text, "the code's place", record.code)?;
        }
        let none = self.image.funcrefs().is_empty();
        let at = At {
            section: Section::Funcrefs,
            index: 0,
        };
        at.holds(!none, "the number of references", 0u32)
    }
}
