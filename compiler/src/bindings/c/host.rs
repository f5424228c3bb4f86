//! The host's side: the header with the prototypes, and the source with the table.

use super::{Text, guard, opening, quoted};
use crate::bindings::{Bindings, Derived, Interface, Named};

/// The header: see [`super`]. `file` is its own name, `source` the bindings file's.
pub fn host_header(bindings: &Bindings, file: &str, source: &str) -> String {
    let mut text = Text::default();
    let guard = guard(file);
    opening(
        &mut text,
        &format!("{file}: the host's side of {}.", bindings.name),
        source,
    );
    text.line(&format!("#ifndef {guard}"));
    text.line(&format!("#define {guard}"));
    text.line("#include <lucet.h>");
    text.line("#include <lucet/bindings.h>");
    bindings.define_types(&mut text, true);
    text.line("");
    text.line("#ifdef __cplusplus");
    text.line("extern \"C\" {");
    text.depth = 0;
    text.line("#endif");
    for (_, named, ..) in bindings.resources() {
        let name = &named.c_name;
        text.line("");
        text.line(&format!(
            "/* Ends a {name} that a guest has dropped, or not: its instance ends. */"
        ));
        let Derived { drop, kind, .. } = &named.derived;
        text.line(&format!("void {drop}({name} *{name});"));
        text.line(&format!("extern const lucet_handle_kind {kind};"));
    }
    for interface in &bindings.interfaces {
        text.line("");
        text.comment(&interface.docs);
        if !interface.docs.is_empty() {
            text.line("");
        }
        for function in &interface.functions {
            text.comment(&function.docs);
            text.line(&format!("{};", bindings.prototype(function)));
        }
    }
    text.line("");
    text.line("/* Defines all of these. `data` is what lucet_call_data answers in them. */");
    text.line(&format!(
        "LUCET_MUST_USE lucet_status {}(lucet_linker *linker, void *data);",
        bindings.define
    ));
    text.line("");
    text.line("#ifdef __cplusplus");
    text.lines.push_str("}\n");
    text.line("#endif");
    text.line("#endif");
    text.lines
}

/// The source: see [`super`]. `header` is the name of the header.
pub fn host_source(bindings: &Bindings, file: &str, header: &str, source: &str) -> String {
    let mut text = Text::default();
    opening(
        &mut text,
        &format!("{file}: registers the host's side of {}.", bindings.name),
        source,
    );
    text.line(&format!("#include {}", quoted(header)));
    for (_, named, ..) in bindings.resources() {
        resource(bindings, named, &mut text);
    }
    for function in bindings.interfaces.iter().flat_map(|each| &each.functions) {
        bindings.glue(function, &mut text);
    }
    for (number, interface) in bindings.interfaces.iter().enumerate() {
        define_interface(bindings, number, interface, &mut text);
    }
    define_all(bindings, &mut text);
    text.lines
}

/// What handles to a resource do when they go: with the instance, and dropped by the guest.
fn resource(bindings: &Bindings, named: &Named, text: &mut Text) {
    let name = &named.c_name;
    text.line("");
    let Derived { drop, kind, .. } = &named.derived;
    let release = bindings.internal("release", name);
    text.line(&format!("static void {release}(void *object) {{"));
    text.line(&format!("{drop}(LUCET_CAST_({name} *, object));"));
    text.line("}");
    text.line(&format!(
        "const lucet_handle_kind {kind} = {{{}, {release}}};",
        quoted(name)
    ));
    text.line("");
    text.line(&format!(
        "static void {}(lucet_call *call, uint32_t handle) {{",
        bindings.internal("drop", name)
    ));
    text.line(&format!("lucet_drop(call, &{kind}, handle);"));
    text.line("}");
}

/// The function that defines what one interface offers: its functions, and dropping its resources.
fn define_interface(bindings: &Bindings, number: usize, interface: &Interface, text: &mut Text) {
    let functions = interface.functions.iter();
    let mut rows: Vec<String> = functions.map(|function| bindings.row(function)).collect();
    for (_, named, module, name) in bindings.resources() {
        if module == interface.module {
            let import = quoted(&format!("[resource-drop]{name}"));
            let drop = bindings.internal("drop", &named.c_name);
            rows.push(format!("LUCET_HOST({import}, {drop}, void, uint32_t)"));
        }
    }
    text.line("");
    text.line(&format!(
        "static lucet_status {}(lucet_linker *linker, void *data) {{",
        bindings.internal("define", &number.to_string())
    ));
    if rows.is_empty() {
        text.line("(void)linker;");
        text.line("(void)data;");
        text.line("return LUCET_OK;");
    } else {
        let module = quoted(&interface.module);
        text.line("static const lucet_host_function rows[] = {");
        for row in rows {
            text.line(&format!("{row},"));
        }
        text.line("};");
        text.line(&format!(
            "return lucet_linker_define(linker, {module}, rows, sizeof rows / sizeof rows[0], data);"
        ));
    }
    text.line("}");
}

/// The function that the host calls.
fn define_all(bindings: &Bindings, text: &mut Text) {
    text.line("");
    text.line(&format!(
        "lucet_status {}(lucet_linker *linker, void *data) {{",
        bindings.define
    ));
    text.line("lucet_status status = LUCET_OK;");
    for number in 0..bindings.interfaces.len() {
        text.line(&format!(
            "if (!status) status = {}(linker, data);",
            bindings.internal("define", &number.to_string())
        ));
    }
    text.line("return status;");
    text.line("}");
}
