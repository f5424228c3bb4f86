//! What every record of an image must satisfy. One function a section; each failure names its field. Long lists are sound as a rule:
//! `quick` tells, and when it says no, the records are looked at one after the other.
//!
//! Here: the contract, types, functions, and what several sections need.

mod entities;
mod positions;
mod segments;

use super::records::{self, Initial, InitialKind, Operation, Span};
use super::{Image, ImageError, Integrity, NONE, Section, exceptions, quick, source};
use crate::contract::MemoryContract;
use crate::value::ValueType;
use crate::{PAGE_SIZE, vmctx};
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

/// That a section that is aside lies there, and no other does.
pub(super) fn aside(section: Section, span: Span, aside: Span) -> Check {
    let end = |span: Span| u64::from(span.offset) + u64::from(span.length);
    let inside = span.offset >= aside.offset && end(span) <= end(aside);
    let outside =
        span.offset >= aside.offset + aside.length || end(span) <= u64::from(aside.offset);
    let holds = if section.is_aside() { inside } else { outside };
    if span.length == 0 || holds {
        return Ok(());
    }
    Err(ImageError::Header {
        what: "the range of what is aside",
        found: u64::from(aside.offset),
    })
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
        strings: Texts::of(image, Section::Strings),
    };
    checker.value_types()?;
    checker.function_types()?;
    checker.start_function()?;
    checker.imports()?;
    checker.checked_imports()?;
    checker.exports()?;
    checker.globals()?;
    checker.tables()?;
    checker.memories()?;
    checker.elements()?;
    checker.data()?;
    checker.initial_runs()?;
    checker.null()?;
    exceptions::check_tags(image)?;
    if integrity == Integrity::Trust {
        // What follows is as long as the code is large, and says of the code what the caller says that he knows.
        return Ok(());
    }
    checker.functions()?;
    checker.items()?;
    checker.code_ranges()?;
    checker.funcrefs()?;
    exceptions::check_calls(image)?;
    checker.traps()?;
    if integrity != Integrity::Verify {
        // Whoever looks for a position or a name in what is out of order finds a wrong one, or none.
        return Ok(());
    }
    checker.names()?;
    source::check(image)?;
    checker.inlined()
}

struct Checker<'a> {
    image: &'a Image<'a>,
    text: u32,
    /// Steps of the expressions seen so far. Together they have no more than there are, so that the work of checking and of
    /// evaluating them is bounded by the file's size.
    steps: Cell<u64>,
    strings: Texts<'a>,
}

/// A section of names.
#[derive(Clone, Copy)]
struct Texts<'a> {
    at: Span,
    /// The names, if all of them together are UTF-8.
    all: Option<&'a str>,
}

impl<'a> Texts<'a> {
    fn of(image: &Image<'a>, section: Section) -> Texts<'a> {
        Texts {
            at: image.section_span(section),
            all: std::str::from_utf8(image.section(section)).ok(),
        }
    }
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
    /// That a name is one of a section's.
    fn text(&self, at: At, name: Span, texts: &Texts<'_>) -> Check {
        if name.length == 0 {
            return Ok(());
        }
        let section = texts.at;
        let inside = name.offset >= section.offset
            && u64::from(name.offset) + u64::from(name.length)
                <= u64::from(section.offset) + u64::from(section.length);
        at.holds(inside, "the name's place", name.offset)?;
        let start = (name.offset - section.offset) as usize;
        let is_text = match texts.all {
            Some(all) => all.get(start..start + name.length as usize).is_some(),
            None => std::str::from_utf8(self.image.bytes(name)).is_ok(),
        };
        at.holds(is_text, "the name's encoding", name.offset)
    }

    fn name(&self, at: At, name: Span) -> Check {
        self.text(at, name, &self.strings)
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
            return Ok(());
        }
        for (index, record) in self.image.functions().iter().enumerate() {
            let at = At {
                section: Section::Functions,
                index,
            };
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
        Ok(())
    }

    /// That the names of functions are there, which are aside.
    fn names(&self) -> Check {
        let names = Texts::of(self.image, Section::Names);
        for (index, record) in self.image.functions().iter().enumerate() {
            let at = At {
                section: Section::Functions,
                index,
            };
            self.text(at, record.name, &names)?;
        }
        Ok(())
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
}
