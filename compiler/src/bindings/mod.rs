//! Bindings: what a host offers to its guests and wants of them, read from a file in a subset of WIT
//! (<https://component-model.bytecodealliance.org/design/wit.html>) with annotations in its comments, and what is made of it.
//!
//! ```text
//!   FILE.wit --read--> Bindings --lower--> the C parameters and their checks --+--> c: headers, tables, checks as C
//!                                                                              +--> the checks of a compiled module
//! ```
//!
//! Invariants: a `Bindings` holds only what every generator can do; whatever else WIT has is refused while reading, by name. Type
//! indices are in range, and no type contains itself.
//!
//! The file is trusted: it comes with the host. Mistakes in it are errors all the same.

mod annotations;
pub mod c;
pub mod checked;
pub mod layout;
pub mod lower;
mod names;
mod read;
mod suit;

use names::c_word;
use read::snake;

pub use read::read;

use std::collections::BTreeSet;

/// All of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bindings {
    /// The name that generated files start with.
    pub name: String,
    /// Named types, each before those that use it.
    pub types: Vec<Named>,
    /// What guests import.
    pub interfaces: Vec<Interface>,
    /// What guests export.
    pub exports: Vec<Function>,
    /// The name in C of the function that registers all.
    pub define: String,
    /// All names in C outside of functions that users see.
    pub globals: BTreeSet<String>,
}

/// A type with a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// Its name in C.
    pub c_name: String,
    /// What the file says of it.
    pub docs: Vec<String>,
    /// What it is.
    pub definition: Definition,
    /// What else is called after it.
    pub derived: Derived,
}

/// Names in C that are made of a type's; where the file has one of them itself, with an underscore.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Derived {
    /// Its elements in memory, to be read.
    pub list: String,
    /// And to be written.
    pub list_out: String,
    /// The function that ends a resource.
    pub drop: String,
    /// A resource's `lucet_handle_kind`.
    pub kind: String,
}

/// What a named type is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Definition {
    /// Fields, one after the other.
    Record(Vec<Field>),
    /// One of these.
    Enum(Vec<Case>),
    /// Any of these: at most 32.
    Flags(Vec<Case>),
    /// A thing of the host's, which guests know by a number.
    Resource {
        /// The module part of the import that drops it.
        module: String,
        /// Its own name.
        name: String,
    },
    /// Another name.
    Alias(Type),
}

/// A field of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// Its name in C.
    pub c_name: String,
    /// Its type.
    pub field_type: Type,
}

/// A case of an enumeration, or a flag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Case {
    /// Its name in C.
    pub c_name: String,
    /// What the file says of it.
    pub docs: Vec<String>,
}

/// A type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Type {
    /// `bool`
    Bool,
    /// `u8` to `s64`
    Integer {
        /// Whether it has a sign.
        signed: bool,
        /// How many bits.
        bits: u8,
    },
    /// `f32`
    F32,
    /// `f64`
    F64,
    /// `char`
    Char,
    /// `string`
    String,
    /// `list<T>`
    List(Box<Type>),
    /// Index in [`Bindings::types`].
    Named(usize),
    /// `own<R>` and `borrow<R>`: index of the resource.
    Handle {
        /// The resource.
        resource: usize,
        /// Whether it is handed over.
        own: bool,
    },
    /// `option<T>`
    Option(Box<Type>),
    /// `result<T, E>`
    Result(Option<Box<Type>>, Option<Box<Type>>),
}

/// Functions that are imported from one module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// The module part of the imports.
    pub module: String,
    /// What its names in C start with.
    pub c_name: String,
    /// What the file says of it.
    pub docs: Vec<String>,
    /// Its functions.
    pub functions: Vec<Function>,
}

/// A function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Function {
    /// The field part of the import, or the name of the export.
    pub name: String,
    /// Its name in C.
    pub c_name: String,
    /// What the file says of it, without annotations.
    pub docs: Vec<String>,
    /// Its parameters.
    pub parameters: Vec<Parameter>,
    /// Its result.
    pub result: Option<Type>,
    /// What the guest gets when an argument is refused; `None`: it traps.
    pub answer: Option<i128>,
    /// Whether the host's function runs on the guest's stack.
    pub leaf: bool,
}

/// A parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// Its name in C.
    pub c_name: String,
    /// Its type.
    pub parameter_type: Type,
    /// What else is said of it.
    pub options: Options,
}

/// What annotations say of a parameter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// The host writes a list. Reads it as well, unless `out`.
    pub written: bool,
    /// The host does not read a list.
    pub unread: bool,
    /// Elements at most; the greatest number.
    pub maximum: Option<u32>,
    /// What a list's address is a multiple of.
    pub align: Option<u8>,
    /// The host gets a copy.
    pub copy: bool,
}

impl Bindings {
    /// A type with its names of others resolved.
    pub fn resolve<'a>(&'a self, mut kind: &'a Type) -> &'a Type {
        while let Type::Named(index) = kind
            && let Some(Named {
                definition: Definition::Alias(other),
                ..
            }) = self.types.get(*index)
        {
            kind = other;
        }
        kind
    }

    /// The definition behind a type, unless it is one without a name.
    pub fn definition<'a>(&'a self, kind: &'a Type) -> Option<&'a Definition> {
        match self.resolve(kind) {
            Type::Named(index) => Some(&self.types.get(*index)?.definition),
            _ => None,
        }
    }

    /// The resources, by index.
    pub fn resources(&self) -> impl Iterator<Item = (usize, &Named, &str, &str)> {
        let all = self.types.iter().enumerate();
        all.filter_map(|(index, named)| match &named.definition {
            Definition::Resource { module, name } => Some((index, named, &**module, &**name)),
            _ => None,
        })
    }

    /// The function that an import names.
    pub fn import(&self, module: &str, name: &str) -> Option<&Function> {
        let interface = |each: &&Interface| each.module == module;
        self.interfaces
            .iter()
            .filter(interface)
            .flat_map(|each| &each.functions)
            .find(|function| function.name == name)
    }
}
