//! The host's calls into a guest: a struct of typed entries, looked up once for a module, and inline functions around them. Exports
//! that the bindings name take and give text, lists and records; the others take numbers.

use super::rows::c_core;
use super::{Text, guard, opening};
use crate::bindings::names::{Scope, c_global, stem};
use crate::bindings::{Bindings, snake};
use crate::module::{Export, FunctionType, Module};
use lucet_format::image::records::ExternKind;
use lucet_format::value::ValueType;
use std::collections::BTreeSet;

/// The most parameters of a typed entry.
const MAX_PARAMETERS: usize = 12;
/// What C code may not be called.
const RESERVED: [&str; 3] = ["find", "exports", "guest"];

/// An export that can be called.
pub(super) struct Entry<'a> {
    pub export: &'a Export,
    pub function_type: &'a FunctionType,
    /// Its field in the struct of entries.
    pub field: String,
    /// The function around it.
    pub c_name: String,
}

/// The header: see [`super`]. `source` is the module's file name; the names start with `name`.
pub fn exports_header(
    module: &Module,
    bindings: &Bindings,
    name: &str,
    file: &str,
    source: &str,
) -> String {
    let mut text = Text::default();
    let guard = guard(file);
    opening(
        &mut text,
        &format!("{file}: calls of what {source} exports."),
        source,
    );
    text.line(&format!("#ifndef {guard}"));
    text.line(&format!("#define {guard}"));
    text.line("#include <lucet.h>");
    text.line("#include <lucet/bindings.h>");
    bindings.define_types(&mut text, true);
    let mut scope = Scope::of(bindings);
    let mut own = |part: &str| scope.fresh(&c_global(&format!("{}_{part}", stem(name))));
    let (exports, find_name) = (own("exports"), own("find"));
    let (entries, others) = entries(module, bindings, &mut own);
    text.line("");
    text.line("/* The module's entries. Good as long as the module. */");
    text.line(&format!("typedef struct {exports} {{"));
    for entry in &entries {
        text.line(&format!("{};", declaration(entry)));
    }
    if entries.is_empty() {
        text.line("int nothing;");
    }
    text.line(&format!("}} {exports};"));
    find(&entries, &find_name, &exports, &mut text);
    if !others.is_empty() {
        text.line("");
        text.comment(&[format!("Not here, since it has more than {MAX_PARAMETERS} parameters, several results or a v128:"), others.join(", ")]);
    }
    for entry in &entries {
        let described = bindings
            .exports
            .iter()
            .find(|function| function.name == entry.export.name);
        match described {
            Some(function) => {
                let after = format!("cabi_post_{}", function.name);
                let after = entries.iter().find(|entry| entry.export.name == after);
                bindings.typed_export(entry, after, function, &exports, &mut text);
            }
            None if entry.export.name.starts_with("cabi_") => {}
            None => plain(entry, &exports, &mut text),
        }
    }
    text.line("");
    text.line("#endif");
    text.lines
}

fn entries<'a>(
    module: &'a Module,
    bindings: &Bindings,
    own: &mut impl FnMut(&str) -> String,
) -> (Vec<Entry<'a>>, Vec<String>) {
    let (mut entries, mut others) = (Vec::new(), Vec::new());
    let mut taken: BTreeSet<String> = RESERVED.map(str::to_owned).into();
    for export in &module.exports {
        let function_type = module
            .functions
            .get(export.index as usize)
            .and_then(|function| module.types.get(function.function_type as usize));
        let (ExternKind::Function, Some(function_type)) = (export.kind, function_type) else {
            continue;
        };
        let vectors = || {
            function_type
                .parameters
                .iter()
                .chain(&function_type.results)
                .any(|each| *each == ValueType::V128)
        };
        if function_type.parameters.len() > MAX_PARAMETERS
            || function_type.results.len() > 1
            || vectors()
        {
            others.push(export.name.escape_default().to_string());
            continue;
        }
        let described = bindings
            .exports
            .iter()
            .find(|function| function.name == export.name);
        let mut field = described.map_or_else(
            || identifier(&export.name),
            |function| function.c_name.clone(),
        );
        while !taken.insert(field.clone()) {
            field.push('_');
        }
        let c_name = own(&field);
        // In C++ a member may not be called as a type that the struct names.
        if field.starts_with("lucet_") || field.ends_with("_t") {
            field.push('_');
            while !taken.insert(field.clone()) {
                field.push('_');
            }
        }
        entries.push(Entry {
            c_name,
            export,
            function_type,
            field,
        });
    }
    (entries, others)
}

/// A name of the guest's as C can have it.
pub fn identifier(name: &str) -> String {
    let part = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    let mut word: String = snake(name).chars().map(part).take(60).collect();
    if word.starts_with(|c: char| c.is_ascii_digit()) || word.is_empty() {
        word.insert(0, 'f');
    }
    crate::bindings::c_word(word.trim_start_matches('_'))
}

fn c_value(value_type: ValueType) -> &'static str {
    match value_type {
        ValueType::Funcref => "lucet_funcref",
        ValueType::Externref => "lucet_externref",
        other => c_core(other),
    }
}

/// `result, parameters...` as the macros take them.
fn types(function_type: &FunctionType) -> String {
    let result = function_type
        .results
        .first()
        .map_or("void", |each| c_value(*each));
    let mut all = vec![result];
    all.extend(function_type.parameters.iter().map(|each| c_value(*each)));
    all.join(", ")
}

fn declaration(entry: &Entry<'_>) -> String {
    format!(
        "LUCET_ENTRY({}, {})",
        entry.field,
        types(entry.function_type)
    )
}

fn find(entries: &[Entry<'_>], name: &str, exports: &str, text: &mut Text) {
    text.line("");
    text.line("/* Looks all of them up and compares their types. False: see lucet_last_error; this header is of another module, or of an");
    text.line(" * older one. */");
    text.line(&format!(
        "static inline bool {name}({exports} *exports, const lucet_module *module) {{"
    ));
    if entries.is_empty() {
        text.line("(void)module;");
        text.line("exports->nothing = 0;");
    }
    for entry in entries {
        let export = super::quoted(&entry.export.name);
        let lookup = format!(
            "LUCET_FIND(exports->{}, module, {export}, {})",
            entry.field,
            types(entry.function_type)
        );
        text.line(&format!("if (!{lookup}) return false;"));
    }
    text.line("return true;");
    text.line("}");
}

/// An export with numbers only.
fn plain(entry: &Entry<'_>, exports: &str, text: &mut Text) {
    let mut parameters = vec![
        format!("const {exports} *exports"),
        "lucet_instance *guest".to_owned(),
    ];
    let mut arguments = vec!["guest".to_owned()];
    let result = entry.function_type.results.first();
    arguments.push(
        if result.is_some() {
            "result"
        } else {
            "LUCET_NULL_"
        }
        .to_owned(),
    );
    for (index, parameter) in entry.function_type.parameters.iter().enumerate() {
        parameters.push(format!("{} p{index}", c_value(*parameter)));
        arguments.push(format!("p{index}"));
    }
    parameters.extend(result.map(|result| format!("{} *result", c_value(*result))));
    text.line("");
    text.comment(&[format!(
        "{}: ({}). Answers the outcome's kind.",
        entry.export.name.escape_default(),
        types(entry.function_type)
    )]);
    text.line(&format!(
        "static inline uint32_t {}({}) {{",
        entry.c_name,
        parameters.join(", ")
    ));
    text.line(&format!(
        "return exports->{}({});",
        entry.field,
        arguments.join(", ")
    ));
    text.line("}");
}
