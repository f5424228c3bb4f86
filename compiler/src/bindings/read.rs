//! Reads a bindings file. The grammar and the names of core imports and exports are `wit-parser`'s; what this adds is the
//! subset, the annotations and names for C.
//!
//! It reads worlds, interfaces and functions; types are read in [`types`]. With a world in the file, its imports are what the host offers and its exports what guests have; without one, every interface is
//! offered.

mod types;

use super::annotations::{Annotations, Failure, Place, annotations};
use super::names::{Scope, c_global, c_local, c_prefix, stem};
use super::{Bindings, Definition, Derived, Function, Interface, Parameter, Type};
use crate::error::{Error, Result};
use std::collections::HashMap;
use wit_parser::{
    Docs, FunctionKind, InterfaceId, LiftLowerAbi, ManglingAndAbi, PackageId, Resolve, Span,
    TypeId, TypeOwner, WasmExport, WasmExportKind, WasmImport, WorldId, WorldItem, WorldKey,
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
        let parameters = self.parameters(function, &mut own)?;
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

    /// Takes the annotations of the parameters out of the function's.
    fn parameters(
        &mut self,
        function: &wit_parser::Function,
        own: &mut Annotations,
    ) -> Result<Vec<Parameter>> {
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
        match own.parameters.keys().next() {
            Some(unknown) => self.error(
                function.span,
                format_args!("an annotation for \"{unknown}\", which is no parameter"),
            ),
            None => Ok(parameters),
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
