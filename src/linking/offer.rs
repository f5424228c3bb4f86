//! What an instance offers to others, as a linker holds it. It keeps nothing alive: whoever uses an offer first keeps the provider.

use super::Owner;
use crate::exception::ImportedTag;
use crate::linker::DynamicFunction;
use lucet_format::value::ValueType;

/// An export of an instance.
pub struct Offer {
    /// The handle of the instance that exports it.
    pub provider: u64,
    /// What it is.
    pub what: Offered,
}

/// What is exported.
pub enum Offered {
    /// A function.
    Function {
        /// Its index in the provider's module.
        index: u32,
        /// Its parameters.
        parameters: Vec<ValueType>,
        /// Its results.
        results: Vec<ValueType>,
        /// What has it run: `crate::bridge`.
        call: DynamicFunction,
    },
    /// A memory.
    Memory {
        /// Where it is.
        place: Place,
        /// The sizes that it can have.
        bounds: Bounds,
        /// Log2 of its page size.
        page_size_log2: u32,
    },
    /// A table.
    Table {
        /// Where it is.
        place: Place,
        /// The sizes that it can have.
        bounds: Bounds,
        /// What it holds.
        element_type: ValueType,
    },
    /// A global.
    Global {
        /// Whose it is.
        owner: Owner,
        /// The address of the owner's cell.
        cell: usize,
        /// Its type.
        value_type: ValueType,
        /// Whether it can change.
        mutable: bool,
    },
    /// A tag.
    Tag {
        /// Which one.
        tag: ImportedTag,
        /// What its exceptions carry.
        parameters: Vec<ValueType>,
    },
}

/// Where the owner has a memory or table.
#[derive(Clone, Copy)]
pub struct Place {
    /// Whose it is.
    pub owner: Owner,
    /// The address of the first byte. Tables move; this is for memories.
    pub base: usize,
    /// The address of the length: bytes, or elements.
    pub length: usize,
}

impl Place {
    /// The length now.
    ///
    /// # Safety
    ///
    /// The provider is kept, see [`super::Pin`].
    pub unsafe fn length_now(&self) -> u64 {
        // SAFETY: the word is part of the owner's state, which is there while the owner is.
        unsafe { *(self.length as *const u64) }
    }
}

/// The sizes that a memory or table can have, beside the one that it has.
#[derive(Clone, Copy)]
pub struct Bounds {
    /// The declared maximum.
    pub maximum: Option<u64>,
    /// Whether indices have 64 bits.
    pub index_64: bool,
}

impl Bounds {
    /// Whether something of this size now can be imported as one of `minimum` to `maximum`.
    pub fn fit(&self, now: u64, minimum: u64, maximum: Option<u64>, index_64: bool) -> bool {
        let within = maximum.is_none_or(|most| self.maximum.is_some_and(|own| own <= most));
        now >= minimum && within && index_64 == self.index_64
    }
}

impl Offered {
    /// What it is, for messages.
    pub fn kind(&self) -> &'static str {
        match self {
            Offered::Function { .. } => "a function",
            Offered::Memory { .. } => "a memory",
            Offered::Table { .. } => "a table",
            Offered::Global { .. } => "a global",
            Offered::Tag { .. } => "a tag",
        }
    }
}
