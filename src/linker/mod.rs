//! What a host offers to its guests, by module and name: functions, constant globals, tags, and what instances export.
//!
//! Invariants: names are unique; a definition never changes once made. A linker is read while a module is linked, and
//! not needed afterwards: what a module uses of it, the module counts.

mod data;
mod definition;

pub use data::DynamicData;
pub use definition::{Definition, DynamicFunction, Kept};

use crate::counted::try_collect;
use crate::error::{Error, Result, Status, error};
use std::collections::HashMap;

/// See the file's header.
#[derive(Default)]
pub struct Linker {
    definitions: HashMap<Vec<u8>, Definition>,
    trap_missing: bool,
    poison_views: bool,
}

impl Linker {
    /// An empty one.
    ///
    /// # Errors
    ///
    /// None at present; allocation happens with the first definition.
    pub fn new() -> Result<Linker> {
        Ok(Linker::default())
    }

    /// Adds a definition.
    ///
    /// # Errors
    ///
    /// `BadArgument`: the name is taken, or the definition makes no sense; `NoMemory`. The linker is as it was.
    pub fn define(&mut self, module: &[u8], name: &[u8], definition: Definition) -> Result<()> {
        definition::check(&definition)?;
        let key = key(module, name)?;
        if self.definitions.contains_key(&key) {
            return Err(error!(
                Status::BadArgument,
                "\"{}\" \"{}\" is defined already",
                module.escape_ascii(),
                name.escape_ascii()
            ));
        }
        self.definitions
            .try_reserve(1)
            .map_err(|_| Error::no_memory("a definition"))?;
        self.definitions.insert(key, definition);
        Ok(())
    }

    /// Whether something is defined.
    ///
    /// # Errors
    ///
    /// `NoMemory`.
    pub fn lookup(&self, module: &[u8], name: &[u8]) -> Result<Option<&Definition>> {
        Ok(self.definitions.get(&key(module, name)?))
    }

    /// Takes back a definition that was just made, for callers that define several at once or none.
    pub fn undefine(&mut self, module: &[u8], name: &[u8]) {
        if let Ok(key) = key(module, name) {
            self.definitions.remove(&key);
        }
    }

    /// From now on, functions that nobody defines trap when they are called, instead of failing the link.
    pub fn trap_missing(&mut self) {
        self.trap_missing = true;
    }

    /// Whether they do.
    pub fn traps_missing(&self) -> bool {
        self.trap_missing
    }

    /// From now on, modules are linked so that the views of host functions are over with the call.
    pub fn poison_views(&mut self) {
        self.poison_views = true;
    }

    /// Whether they are.
    pub fn poisons_views(&self) -> bool {
        self.poison_views
    }
}

/// Module and name in one, unambiguously: wasm names may hold any character.
fn key(module: &[u8], name: &[u8]) -> Result<Vec<u8>> {
    let length = (module.len() as u64).to_le_bytes();
    let bytes = length.iter().chain(module).chain(name).copied();
    try_collect(bytes, "a name")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::abi::lucet_value;
    use std::ffi::c_void;

    fn global(number: u8, bits: u128) -> Definition {
        Definition::Global(lucet_value::from_bits(number, bits))
    }

    #[test]
    fn names_are_unique_and_unambiguous() {
        let mut linker = Linker::new().expect("a linker");
        linker.define(b"a", b"bc", global(1, 1)).expect("new");
        linker
            .define(b"ab", b"c", global(1, 2))
            .expect("another name");
        assert_eq!(
            linker
                .define(b"a", b"bc", global(1, 3))
                .expect_err("taken")
                .status,
            Status::BadArgument
        );
        let found = linker.lookup(b"a", b"bc").expect("memory");
        assert!(matches!(found, Some(Definition::Global(value)) if value.bits() == 1));
        assert!(linker.lookup(b"", b"abc").expect("memory").is_none());
    }

    #[test]
    fn definitions_without_sense_are_refused() {
        let mut linker = Linker::new().expect("a linker");
        assert!(linker.define(b"m", b"type", global(99, 0)).is_err());
        assert!(linker.define(b"m", b"reference", global(6, 1)).is_err());
        let function = Definition::Typed {
            function: std::ptr::null(),
            types: 0,
            leaf: false,
            data: std::ptr::null_mut(),
        };
        assert_eq!(
            linker
                .define(b"m", b"null", function)
                .expect_err("refused")
                .status,
            Status::NullArgument
        );
    }

    #[test]
    fn data_is_released_once_by_the_last_user() {
        unsafe extern "C" fn count(data: *mut c_void) {
            // SAFETY: the test passes the address of a counter.
            unsafe { *data.cast::<u32>() += 1 };
        }
        let mut released = 0u32;
        let data = DynamicData::new((&raw mut released).cast(), Some(count)).expect("memory");
        let other = data.clone();
        drop(data);
        // SAFETY: a local variable that only `count` writes.
        assert_eq!(unsafe { (&raw const released).read_volatile() }, 0);
        drop(other);
        // SAFETY: as above.
        assert_eq!(unsafe { (&raw const released).read_volatile() }, 1);
    }
}
