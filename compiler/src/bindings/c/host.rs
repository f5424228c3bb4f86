//! The host's side: the header with the prototypes, and the source with the table.

use super::{Text, guard, opening, quoted};
use crate::bindings::{Bindings, Derived};

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
    for function in bindings.interfaces.iter().flat_map(|each| &each.functions) {
        bindings.glue(function, &mut text);
    }
    for (number, interface) in bindings.interfaces.iter().enumerate() {
        text.line("");
        text.line(&format!(
            "static lucet_status {}(lucet_linker *linker, void *data) {{",
            bindings.internal("define", &number.to_string())
        ));
        let module = quoted(&interface.module);
        if interface.functions.is_empty() {
            text.line("(void)linker;");
            text.line("(void)data;");
            text.line("return LUCET_OK;");
        } else {
            text.line("static const lucet_host_function rows[] = {");
            for function in &interface.functions {
                text.line(&format!("{},", bindings.row(function)));
            }
            for (_, named, module, name) in bindings.resources() {
                if module == interface.module {
                    let import = quoted(&format!("[resource-drop]{name}"));
                    text.line(&format!(
                        "LUCET_HOST({import}, {}, void, uint32_t),",
                        bindings.internal("drop", &named.c_name)
                    ));
                }
            }
            text.line("};");
            text.line(&format!(
                "return lucet_linker_define(linker, {module}, rows, sizeof rows / sizeof rows[0], data);"
            ));
        }
        text.line("}");
    }
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
    text.lines
}
