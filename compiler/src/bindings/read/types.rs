//! The types of a bindings file: those that have no name where they are used, and definitions, in the order in which C needs them.
//!
//! What uses them, and whose they are, the reader says.

use super::{Reader, snake};
use crate::bindings::annotations::Place;
use crate::bindings::names::{Scope, c_local};
use crate::bindings::{Case, Definition, Derived, Field, Named, Type};
use crate::error::Result;
use wit_parser::{Docs, Handle, Record, Span, TypeDef, TypeDefKind, TypeId};

impl Reader<'_> {
    pub(super) fn kind(&mut self, kind: &wit_parser::Type, span: Span) -> Result<Type> {
        let integer = |signed, bits| Type::Integer { signed, bits };
        Ok(match kind {
            wit_parser::Type::Bool => Type::Bool,
            wit_parser::Type::U8 => integer(false, 8),
            wit_parser::Type::U16 => integer(false, 16),
            wit_parser::Type::U32 => integer(false, 32),
            wit_parser::Type::U64 => integer(false, 64),
            wit_parser::Type::S8 => integer(true, 8),
            wit_parser::Type::S16 => integer(true, 16),
            wit_parser::Type::S32 => integer(true, 32),
            wit_parser::Type::S64 => integer(true, 64),
            wit_parser::Type::F32 => Type::F32,
            wit_parser::Type::F64 => Type::F64,
            wit_parser::Type::Char => Type::Char,
            wit_parser::Type::String => Type::String,
            wit_parser::Type::Id(id) => self.defined(*id, span)?,
            wit_parser::Type::ErrorContext => {
                return self.error(span, "error-context: not in this subset");
            }
        })
    }

    fn defined(&mut self, id: TypeId, span: Span) -> Result<Type> {
        if let Some(known) = self.known.get(&id) {
            return Ok(known.clone());
        }
        let definition = &self.resolve.types[id];
        Ok(match &definition.kind {
            TypeDefKind::List(inner) if definition.name.is_none() => {
                Type::List(Box::new(self.kind(inner, span)?))
            }
            TypeDefKind::Option(inner) if definition.name.is_none() => {
                Type::Option(Box::new(self.kind(inner, span)?))
            }
            TypeDefKind::Result(result) if definition.name.is_none() => {
                let mut side = |kind: &Option<wit_parser::Type>| {
                    let kind = kind.as_ref();
                    kind.map(|kind| self.kind(kind, span).map(Box::new))
                        .transpose()
                };
                Type::Result(side(&result.ok)?, side(&result.err)?)
            }
            TypeDefKind::Handle(handle) => {
                let (resource, own) = match handle {
                    Handle::Own(id) => (*id, true),
                    Handle::Borrow(id) => (*id, false),
                };
                let resource = self.resource(resource, span)?;
                Type::Handle { resource, own }
            }
            // A type of another interface, or of the world.
            _ => {
                let (prefix, module) = self.owner_of_type(id)?;
                self.named(id, &prefix, &module)?
            }
        })
    }

    fn resource(&mut self, id: TypeId, span: Span) -> Result<usize> {
        let mut kind = self.defined(id, span)?;
        while let Type::Named(index) = &kind {
            match &self.bindings.types[*index].definition {
                Definition::Resource { .. } => return Ok(*index),
                Definition::Alias(other) => kind = other.clone(),
                _ => break,
            }
        }
        self.error(span, "a handle to something that is no resource")
    }

    /// A type with a name, and the types that it is made of before it.
    pub(super) fn named(&mut self, id: TypeId, prefix: &str, module: &str) -> Result<Type> {
        if let Some(known) = self.known.get(&id) {
            return Ok(known.clone());
        }
        let read = &self.resolve.types[id];
        let own = self.annotations(&read.docs, read.span, Place::Other)?;
        let definition = self.definition(read, prefix, module)?;
        let known = match (&read.kind, definition) {
            // `use` makes an alias of the same name; in C there is one name for both.
            (TypeDefKind::Type(_), Definition::Alias(same @ Type::Named(_))) => same,
            (_, definition) => {
                let c_name = self.c_name(prefix, &snake(name_of(read)), read.span)?;
                self.bindings.types.push(Named {
                    c_name,
                    docs: own.text,
                    definition,
                    derived: Derived::default(),
                });
                Type::Named(self.bindings.types.len() - 1)
            }
        };
        self.known.insert(id, known.clone());
        Ok(known)
    }

    /// What stands behind a name.
    fn definition(&mut self, read: &TypeDef, prefix: &str, module: &str) -> Result<Definition> {
        let (name, span) = (name_of(read), read.span);
        Ok(match &read.kind {
            TypeDefKind::Record(record) => Definition::Record(self.fields(record, span)?),
            TypeDefKind::Enum(cases) => {
                let cases = cases.cases.iter().map(|case| (&*case.name, &case.docs));
                Definition::Enum(self.cases(prefix, name, cases, span)?)
            }
            TypeDefKind::Flags(flags) if flags.flags.len() > 32 => {
                return self.error(span, "more than 32 flags: not in this subset");
            }
            TypeDefKind::Flags(flags) => {
                let flags = flags.flags.iter().map(|flag| (&*flag.name, &flag.docs));
                Definition::Flags(self.cases(prefix, name, flags, span)?)
            }
            TypeDefKind::Resource => Definition::Resource {
                module: module.to_owned(),
                name: name.to_owned(),
            },
            TypeDefKind::Type(other) => Definition::Alias(self.kind(other, span)?),
            TypeDefKind::List(inner) => {
                Definition::Alias(Type::List(Box::new(self.kind(inner, span)?)))
            }
            other => {
                let what = other.as_str();
                return self.error(span, format_args!("{name}: a {what}: not in this subset"));
            }
        })
    }

    fn fields(&mut self, record: &Record, span: Span) -> Result<Vec<Field>> {
        let mut fields = Vec::new();
        let mut names = Scope::global();
        for field in &record.fields {
            let c_name = c_local(&snake(&field.name));
            if !names.add(&c_name) {
                return self.error(span, format_args!("two fields are called {c_name} in C"));
            }
            fields.push(Field {
                c_name,
                field_type: self.kind(&field.ty, span)?,
            });
        }
        Ok(fields)
    }

    fn cases<'c>(
        &mut self,
        prefix: &str,
        name: &str,
        cases: impl Iterator<Item = (&'c str, &'c Docs)>,
        span: Span,
    ) -> Result<Vec<Case>> {
        let mut read = Vec::new();
        for (case, docs) in cases {
            let own = self.annotations(docs, span, Place::Other)?;
            let name = format!("{}_{}", snake(name), snake(case)).to_ascii_uppercase();
            let c_name = self.c_name(&prefix.to_ascii_uppercase(), &name, span)?;
            read.push(Case {
                c_name,
                docs: own.text,
            });
        }
        Ok(read)
    }
}

fn name_of(read: &TypeDef) -> &str {
    read.name.as_deref().unwrap_or("type")
}
