//! Reads a bindings file. The grammar and the names of core imports and exports are `wit-parser`'s; what this adds is the
//! subset, the annotations and names for C.
//!
//! With a world in the file, its imports are what the host offers and its exports what guests have; without one, every interface is
//! offered.

use super::annotations::{Annotations, Failure, Place, annotations};
use super::names::{Scope, c_global, c_local, c_prefix, stem};
use super::{
    Bindings, Case, Definition, Derived, Field, Function, Interface, Named, Parameter, Type,
};
use crate::error::{Error, Result};
use std::collections::HashMap;
use wit_parser::{
    Docs, FunctionKind, Handle, InterfaceId, LiftLowerAbi, ManglingAndAbi, PackageId, Resolve,
    Span, TypeDefKind, TypeId, TypeOwner, WasmExport, WasmExportKind, WasmImport, WorldId,
    WorldItem, WorldKey,
};

/// How core imports and exports are named: as wit-bindgen does.
const MANGLING: ManglingAndAbi = ManglingAndAbi::Legacy(LiftLowerAbi::Sync);

/// Reads the text of a bindings file; `file` is its name, for messages.
///
/// # Errors
///
/// [`Error::Bindings`]: the text is no WIT, or more than this subset of it.
pub fn read(file: &str, text: &str) -> Result<Bindings> {
    let mut resolve = Resolve::new();
    let package = resolve
        .push_source(file, text)
        .map_err(|error| Error::Bindings(one_line(&resolve.render_error(&error))))?;
    let mut reader = Reader {
        resolve: &resolve,
        bindings: Bindings {
            name: c_prefix(&snake(&resolve.packages[package].name.name)),
            ..Bindings::default()
        },
        known: HashMap::new(),
        c_names: Scope::global(),
        owners: HashMap::new(),
        prefix: None,
    };
    match reader.world(package)? {
        Some(world) => reader.imports_and_exports(world)?,
        None => {
            let interfaces = &resolve.packages[package].interfaces;
            for interface in interfaces.values() {
                reader.interface(&WorldKey::Interface(*interface), *interface)?;
            }
            // One interface is all there is: what it is called, all is.
            if let Some(prefix) = reader.prefix.take().filter(|_| interfaces.len() == 1) {
                reader.bindings.name = prefix;
            }
        }
    }
    Ok(finished(reader.bindings, reader.c_names))
}

/// Gives the names that are made of others, and those inside of functions and records.
fn finished(mut bindings: Bindings, mut scope: Scope<'_>) -> Bindings {
    bindings.define = scope.fresh(&c_global(&format!("{}_define", bindings.name)));
    for named in &mut bindings.types {
        let name = stem(&named.c_name);
        let mut derived = |part: &str| scope.fresh(&c_global(&format!("{name}_{part}")));
        named.derived = match named.definition {
            Definition::Alias(_) => Derived::default(),
            Definition::Resource { .. } => Derived {
                drop: derived("drop"),
                kind: derived("kind"),
                ..Derived::default()
            },
            _ => Derived {
                list: derived("list"),
                list_out: derived("list_out"),
                ..Derived::default()
            },
        };
    }
    bindings.globals = scope.into_names();
    // A parameter hides what is called so outside, and a field in C++ may not be called as its type.
    let known = bindings.clone();
    let local = |name: &mut String| {
        if known.is_global(name) {
            *name = format!("{}_", stem(name));
        }
    };
    let functions = bindings
        .interfaces
        .iter_mut()
        .flat_map(|each| &mut each.functions);
    for function in functions.chain(&mut bindings.exports) {
        let parameters = function.parameters.iter_mut();
        parameters.for_each(|parameter| local(&mut parameter.c_name));
    }
    for named in &mut bindings.types {
        if let Definition::Record(fields) = &mut named.definition {
            fields.iter_mut().for_each(|field| local(&mut field.c_name));
        }
    }
    bindings
}

/// A message that the parser draws over several lines.
fn one_line(drawing: &str) -> String {
    let lines = drawing.lines().map(str::trim);
    let kept = lines.filter(|line| !line.is_empty() && !line.starts_with(['|', '^']));
    let kept = kept.filter(|line| !line.starts_with(|c: char| c.is_ascii_digit()));
    kept.collect::<Vec<_>>().join(" ")
}

/// `kebab-case` as C writes it.
pub(super) fn snake(name: &str) -> String {
    name.replace('-', "_").to_ascii_lowercase()
}

struct Reader<'a> {
    resolve: &'a Resolve,
    bindings: Bindings,
    known: HashMap<TypeId, Type>,
    c_names: Scope<'static>,
    /// What names of an interface's types start with, and the module that they are of.
    owners: HashMap<InterfaceId, (String, String)>,
    /// The annotation of the latest interface.
    prefix: Option<String>,
}

impl<'a> Reader<'a> {
    fn error<T>(&self, span: Span, what: impl std::fmt::Display) -> Result<T> {
        let place = self.resolve.render_location(span);
        Err(Error::Bindings(format!("{place}: {what}")))
    }

    fn annotations(&self, docs: &Docs, span: Span, place: Place) -> Result<Annotations> {
        annotations(docs.contents.as_deref(), place).or_else(|why| self.error(span, why))
    }

    fn world(&self, package: PackageId) -> Result<Option<WorldId>> {
        let worlds: Vec<WorldId> = self.resolve.packages[package]
            .worlds
            .values()
            .copied()
            .collect();
        match worlds.as_slice() {
            [] => Ok(None),
            [world] => Ok(Some(*world)),
            [_, second, ..] => self.error(
                self.resolve.worlds[*second].span,
                "a second world: a bindings file has at most one",
            ),
        }
    }

    fn imports_and_exports(&mut self, id: WorldId) -> Result<()> {
        let world = &self.resolve.worlds[id];
        let own = self.annotations(&world.docs, world.span, Place::Interface)?;
        let mut root = Interface {
            module: own.module.clone().unwrap_or_else(|| "$root".to_owned()),
            c_name: prefix_of(&own, &world.name),
            docs: own.text.clone(),
            functions: Vec::new(),
        };
        if let Some(prefix) = &own.prefix {
            self.bindings.name = prefix.clone();
        }
        for (key, item) in &world.imports {
            match item {
                WorldItem::Interface { id, .. } => self.interface(key, *id)?,
                WorldItem::Function(function) => {
                    let name = self.import_name(None, function);
                    let read = self.function(function, name, &root.c_name, &own)?;
                    root.functions.push(read);
                }
                WorldItem::Type { .. } => {}
            }
        }
        if !root.functions.is_empty() {
            self.bindings.interfaces.push(root.clone());
        }
        for (key, item) in &world.exports {
            match item {
                WorldItem::Interface { id, .. } => {
                    let interface = &self.resolve.interfaces[*id];
                    let own =
                        self.annotations(&interface.docs, interface.span, Place::Interface)?;
                    let (prefix, _) = self.owner(key, *id, &own);
                    for function in interface.functions.values() {
                        self.export(Some(key), function, &prefix, &own)?;
                    }
                }
                WorldItem::Function(function) => {
                    self.export(None, function, &root.c_name, &own)?;
                }
                WorldItem::Type { .. } => {}
            }
        }
        Ok(())
    }

    fn interface(&mut self, key: &WorldKey, id: InterfaceId) -> Result<()> {
        let interface = &self.resolve.interfaces[id];
        let own = self.annotations(&interface.docs, interface.span, Place::Interface)?;
        let (c_name, module) = self.owner(key, id, &own);
        self.prefix = own.prefix.clone();
        let mut read = Interface {
            module,
            c_name,
            docs: own.text.clone(),
            functions: Vec::new(),
        };
        for kind in interface.types.values() {
            self.named(*kind, &read.c_name, &read.module)?;
        }
        for function in interface.functions.values() {
            let name = self.import_name(Some(key), function);
            read.functions
                .push(self.function(function, name, &read.c_name, &own)?);
        }
        self.bindings.interfaces.push(read);
        Ok(())
    }

    /// What the names of an interface start with, and its module.
    fn owner(&mut self, key: &WorldKey, id: InterfaceId, own: &Annotations) -> (String, String) {
        let name = self.resolve.name_world_key(key);
        let short = self.resolve.interfaces[id].name.as_deref().unwrap_or(&name);
        let c_name = prefix_of(own, short);
        let owner = (c_name, own.module.clone().unwrap_or(name));
        self.owners.insert(id, owner.clone());
        owner
    }

    /// The same of what a type belongs to.
    fn owner_of_type(&mut self, id: TypeId) -> Result<(String, String)> {
        match self.resolve.types[id].owner {
            TypeOwner::World(world) => {
                let world = &self.resolve.worlds[world];
                let own = self.annotations(&world.docs, world.span, Place::Interface)?;
                let module = own.module.clone().unwrap_or_else(|| "$root".to_owned());
                Ok((prefix_of(&own, &world.name), module))
            }
            TypeOwner::Interface(interface) => {
                if let Some(known) = self.owners.get(&interface) {
                    return Ok(known.clone());
                }
                let read = &self.resolve.interfaces[interface];
                let own = self.annotations(&read.docs, read.span, Place::Interface)?;
                Ok(self.owner(&WorldKey::Interface(interface), interface, &own))
            }
            TypeOwner::None => Ok((self.bindings.name.clone(), "$root".to_owned())),
        }
    }

    fn import_name(&self, interface: Option<&WorldKey>, func: &wit_parser::Function) -> String {
        let import = WasmImport::Func { interface, func };
        self.resolve.wasm_import_name(MANGLING, import).1
    }

    fn export(
        &mut self,
        interface: Option<&WorldKey>,
        func: &wit_parser::Function,
        prefix: &str,
        own: &Annotations,
    ) -> Result<()> {
        let export = WasmExport::Func {
            interface,
            func,
            kind: WasmExportKind::Normal,
        };
        let name = self.resolve.wasm_export_name(MANGLING, export);
        let read = self.function(func, name, prefix, own)?;
        if self.bindings.has_handles(&read) {
            return self.error(func.span, "an export with handles: not in this subset");
        }
        if self.bindings.gives_composed_text(&read) {
            return self.error(
                func.span,
                "an export whose result is a record with text or lists: not in this subset",
            );
        }
        self.bindings.exports.push(read);
        Ok(())
    }

    fn function(
        &mut self,
        function: &wit_parser::Function,
        name: String,
        prefix: &str,
        outer: &Annotations,
    ) -> Result<Function> {
        let mut own = self.annotations(&function.docs, function.span, Place::Function)?;
        if function.kind.is_async() {
            return self.error(function.span, "an async function: not in this subset");
        }
        let mut parameters = Vec::new();
        let mut names = Scope::global();
        for parameter in &function.params {
            let c_name = c_local(&snake(&parameter.name));
            if !names.add(&c_name) {
                return self.error(
                    parameter.span,
                    format_args!("two parameters are called {c_name} in C"),
                );
            }
            let parameter_type = self.kind(&parameter.ty, parameter.span)?;
            let options = own.parameters.remove(&parameter.name).unwrap_or_default();
            parameters.push(Parameter {
                c_name,
                parameter_type,
                options,
            });
        }
        if let Some(unknown) = own.parameters.keys().next() {
            return self.error(
                function.span,
                format_args!("an annotation for \"{unknown}\", which is no parameter"),
            );
        }
        let result = match &function.result {
            Some(result) => Some(self.kind(result, function.span)?),
            None => None,
        };
        let snake_name = || {
            if outer.snake {
                snake(&name)
            } else {
                name.clone()
            }
        };
        let c_name = self.c_name(prefix, &c_name_of(function), function.span)?;
        let failure = own.failure.or(outer.failure).unwrap_or(Failure::Trap);
        let read = Function {
            name: own.name.unwrap_or_else(snake_name),
            c_name,
            docs: own.text,
            parameters,
            result,
            answer: match failure {
                Failure::Answer(answer) => Some(answer),
                Failure::Trap => None,
            },
            leaf: own.leaf,
        };
        match self.bindings.refusal(&read) {
            Some(why) => self.error(function.span, why),
            None => Ok(read),
        }
    }

    /// A name that nothing else in the file has in C.
    fn c_name(&mut self, prefix: &str, name: &str, span: Span) -> Result<String> {
        let whole = c_global(&format!("{prefix}_{name}"));
        if self.c_names.add(&whole) {
            return Ok(whole);
        }
        self.error(span, format_args!("two things are called {whole} in C"))
    }

    fn kind(&mut self, kind: &wit_parser::Type, span: Span) -> Result<Type> {
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
    fn named(&mut self, id: TypeId, prefix: &str, module: &str) -> Result<Type> {
        if let Some(known) = self.known.get(&id) {
            return Ok(known.clone());
        }
        let resolve = self.resolve;
        let definition = &resolve.types[id];
        let span = definition.span;
        let name = definition.name.as_deref().unwrap_or("type");
        let own = self.annotations(&definition.docs, span, Place::Other)?;
        let made = match &definition.kind {
            TypeDefKind::Record(record) => {
                let mut fields = Vec::new();
                let mut names = Scope::global();
                for field in &record.fields {
                    let c_name = c_local(&snake(&field.name));
                    if !names.add(&c_name) {
                        return self
                            .error(span, format_args!("two fields are called {c_name} in C"));
                    }
                    fields.push(Field {
                        c_name,
                        field_type: self.kind(&field.ty, span)?,
                    });
                }
                Definition::Record(fields)
            }
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
        };
        // `use` makes an alias of the same name; in C there is one name for both.
        if let (TypeDefKind::Type(_), Definition::Alias(Type::Named(index))) =
            (&definition.kind, &made)
        {
            let known = Type::Named(*index);
            self.known.insert(id, known.clone());
            return Ok(known);
        }
        let c_name = self.c_name(prefix, &snake(name), span)?;
        self.bindings.types.push(Named {
            c_name,
            docs: own.text,
            definition: made,
            derived: Derived::default(),
        });
        let known = Type::Named(self.bindings.types.len() - 1);
        self.known.insert(id, known.clone());
        Ok(known)
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

/// What names start with: as annotated, or as the interface or world is called.
fn prefix_of(own: &Annotations, name: &str) -> String {
    own.prefix.clone().unwrap_or_else(|| c_prefix(&snake(name)))
}

/// What a function is called in C, behind its prefix: methods after their resource.
fn c_name_of(function: &wit_parser::Function) -> String {
    let name = function.name.as_str();
    let name = name.split_once(']').map_or(name, |(_, rest)| rest);
    let name = snake(&name.replace('.', "-"));
    match function.kind {
        FunctionKind::Constructor(_) => format!("{name}_new"),
        _ => name,
    }
}
