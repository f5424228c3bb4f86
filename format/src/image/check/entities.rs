//! What a module imports, exports and has: functions' checks, globals, tables, memories.

use super::super::records::{self, ExternKind};
use super::super::{ImageError, Section};
use super::{At, Check, Checker};
use crate::value::ValueType;
use crate::{WASM_PAGE_SIZE, vmctx};

impl Checker<'_> {
    pub(super) fn entities(&self, at: At, kind: u32) -> Result<usize, ImageError> {
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

    pub(super) fn imports(&self) -> Check {
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
    pub(super) fn checked_imports(&self) -> Check {
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

    pub(super) fn exports(&self) -> Check {
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

    pub(super) fn globals(&self) -> Check {
        for (index, record) in self.image.globals().iter().enumerate() {
            let at = At {
                section: Section::Globals,
                index,
            };
            let known = value_type(record.value_type);
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

    pub(super) fn tables(&self) -> Check {
        let mut total = 0u64;
        for (index, record) in self.image.tables().iter().enumerate() {
            let at = At {
                section: Section::Tables,
                index,
            };
            let known = value_type(record.element_type);
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

    pub(super) fn memories(&self) -> Check {
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
                let nowhere = record.state_offset == 0;
                at.holds(nowhere, "the place in the state", record.state_offset)?;
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
}

fn value_type(number: u32) -> Option<ValueType> {
    u8::try_from(number).ok().and_then(ValueType::from_number)
}
