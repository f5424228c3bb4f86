//! The guest's side: imports with clang's attributes, and functions around them where the types of C and those of the call differ.

use super::{Text, guard, opening, quoted};
use crate::bindings::lower::{Slot, SlotType};
use crate::bindings::{Bindings, Definition, Function, Interface, Parameter, Type};
use lucet_format::checks::access;
use lucet_format::value::ValueType;

/// The header: see [`super`].
pub fn guest_header(bindings: &Bindings, file: &str, source: &str) -> String {
    let mut text = Text::default();
    let guard = guard(file);
    opening(
        &mut text,
        &format!(
            "{file}: the guest's side of {}, for clang --target=wasm32.",
            bindings.name
        ),
        source,
    );
    text.line(&format!("#ifndef {guard}"));
    text.line(&format!("#define {guard}"));
    for header in ["stdbool", "stddef", "stdint"] {
        text.line(&format!("#include <{header}.h>"));
    }
    text.line("");
    text.line(
        "/* Text and lists that the host gives: memory of the guest's, from its cabi_realloc. */",
    );
    text.line("#ifndef LUCET_GUEST_TYPES");
    text.line("#define LUCET_GUEST_TYPES");
    for (name, data) in [("lucet_guest_text", "char"), ("lucet_guest_list", "void")] {
        text.line(&format!("typedef struct {name} {{"));
        text.line(&format!("{data} *data;"));
        text.line("size_t count;");
        text.line(&format!("}} {name};"));
    }
    text.line("#endif");
    bindings.define_types(&mut text, false);
    text.line("");
    text.line("#ifdef __cplusplus");
    text.line("extern \"C\" {");
    text.depth = 0;
    text.line("#endif");
    for (_, named, module, name) in bindings.resources() {
        let (c_name, drop) = (&named.c_name, &named.derived.drop);
        let imported = bindings.internal("end", c_name);
        text.line("");
        let import = quoted(&format!("[resource-drop]{name}"));
        text.line(&format!(
            "__attribute__((import_module({}), import_name({import})))",
            quoted(module)
        ));
        text.line(&format!("extern void {imported}(int32_t handle);"));
        text.line(&format!("static inline void {drop}({c_name} {c_name}) {{"));
        text.line(&format!("{imported}({c_name}.handle);"));
        text.line("}");
    }
    for interface in &bindings.interfaces {
        text.line("");
        text.comment(&interface.docs);
        for function in &interface.functions {
            bindings.import_in_c(interface, function, &mut text);
        }
    }
    text.line("");
    text.line("#ifdef __cplusplus");
    text.lines.push_str("}\n");
    text.line("#endif");
    text.line("#endif");
    text.lines
}

impl Bindings {
    fn import_in_c(&self, interface: &Interface, function: &Function, text: &mut Text) {
        let wrapped = self.needs_wrapper(function);
        let name = if wrapped {
            self.internal("import", &function.c_name)
        } else {
            function.c_name.clone()
        };
        text.line("");
        if !wrapped {
            text.comment(&function.docs);
        }
        text.line(&format!(
            "__attribute__((import_module({}), import_name({})))",
            quoted(&interface.module),
            quoted(&function.name)
        ));
        let mut parameters = Vec::new();
        for slot in self.slots(function) {
            parameters.extend(self.core_parameters(&slot));
        }
        let result = match self.core_type(function, true).results.first() {
            None => "void".to_owned(),
            Some(_) if !wrapped => function
                .result
                .as_ref()
                .map_or_else(String::new, |kind| self.c_type(self.resolve(kind))),
            Some(ValueType::I64) => "int64_t".to_owned(),
            Some(ValueType::F32) => "float".to_owned(),
            Some(ValueType::F64) => "double".to_owned(),
            Some(_) => "int32_t".to_owned(),
        };
        text.line(&format!("extern {result} {name}({});", listed(&parameters)));
        if wrapped {
            text.comment(&function.docs);
            self.wrapper(function, &name, text);
        }
    }

    fn needs_wrapper(&self, function: &Function) -> bool {
        let composed = |kind: &Type| {
            matches!(
                self.definition(kind),
                Some(Definition::Record(_) | Definition::Resource { .. })
            )
        };
        let handle = |kind: &Type| matches!(self.resolve(kind), Type::Handle { .. });
        let result = |kind: &Type| {
            composed(kind) || handle(kind) || matches!(self.resolve(kind), Type::Result(..))
        };
        function
            .parameters
            .iter()
            .any(|each| composed(&each.parameter_type) || handle(&each.parameter_type))
            || self.result_area(function).is_some()
            || function.result.as_ref().is_some_and(result)
    }

    /// The parameters of the import that a slot is.
    fn core_parameters(&self, slot: &Slot) -> Vec<String> {
        let name = &slot.name;
        match &slot.slot_type {
            SlotType::Scalar(kind) => match self.resolve(kind) {
                Type::Handle { .. } => vec![format!("int32_t {name}")],
                resolved => vec![format!("{} {name}", self.c_type(resolved))],
            },
            SlotType::Result(_) => vec![format!("void *{name}")],
            SlotType::List { element, text } => {
                let element = match self.resolve(element) {
                    _ if *text => "char".to_owned(),
                    // Bytes of whatever type the guest has them in.
                    Type::Integer {
                        bits: 8,
                        signed: false,
                    } => "void".to_owned(),
                    _ => self.c_element(element),
                };
                let written = slot
                    .check
                    .is_some_and(|check| check.kind & access::WRITE != 0);
                let constant = if written { "" } else { "const " };
                vec![
                    format!("{constant}{element} *{name}"),
                    format!("size_t {}", slot.count),
                ]
            }
        }
    }

    /// What users call: records by pointer, results through pointers.
    fn wrapper(&self, function: &Function, import: &str, text: &mut Text) {
        let mut parameters = Vec::new();
        let mut arguments = Vec::new();
        let slots = self.slots(function);
        for parameter in &function.parameters {
            self.wrapped_parameter(parameter, &slots, &mut parameters, &mut arguments);
        }
        let mut outs: Vec<(&Type, &str)> = Vec::new();
        let mut result = "void".to_owned();
        if let Some(kind) = &function.result {
            match self.resolve(kind) {
                Type::Option(inner) => {
                    outs.push((inner, "ret"));
                    result = "bool".to_owned();
                }
                Type::Result(ok, err) => {
                    outs.extend(ok.as_deref().map(|kind| (kind, "ret")));
                    outs.extend(err.as_deref().map(|kind| (kind, "err")));
                    result = "bool".to_owned();
                }
                Type::Handle { resource, .. } => result = self.types[*resource].c_name.clone(),
                Type::String | Type::List(_) => outs.push((kind, "ret")),
                _ if matches!(self.definition(kind), Some(Definition::Record(_))) => {
                    outs.push((kind, "ret"))
                }
                resolved => result = self.c_type(resolved),
            }
        }
        for (kind, name) in &outs {
            parameters.push(format!("{} *{name}", self.guest_type(kind)));
        }
        text.line(&format!(
            "static inline {result} {}({}) {{",
            function.c_name,
            listed(&parameters)
        ));
        self.wrapper_body(function, import, arguments, text);
        text.line("}");
    }

    fn wrapped_parameter(
        &self,
        parameter: &Parameter,
        slots: &[Slot],
        parameters: &mut Vec<String>,
        arguments: &mut Vec<String>,
    ) {
        let (kind, name) = (&parameter.parameter_type, &parameter.c_name);
        if let Some(Definition::Record(_)) = self.definition(kind) {
            parameters.push(format!("const {} *{name}", self.c_type(kind)));
            return self.flat_fields(kind, &format!("{name}->"), arguments);
        }
        match self.resolve(kind) {
            Type::Handle { resource, .. } => {
                parameters.push(format!("{} {name}", self.types[*resource].c_name));
                arguments.push(format!("{name}.handle"));
            }
            Type::String | Type::List(_) => {
                for slot in slots.iter().filter(|slot| slot.name == *name) {
                    parameters.extend(self.core_parameters(slot));
                    arguments.extend([slot.name.clone(), slot.count.clone()]);
                }
            }
            resolved => {
                parameters.push(format!("{} {name}", self.c_type(resolved)));
                arguments.push(name.clone());
            }
        }
    }

    fn flat_fields(&self, kind: &Type, path: &str, arguments: &mut Vec<String>) {
        let Some(Definition::Record(fields)) = self.definition(kind) else {
            return;
        };
        for field in fields {
            let place = format!("{path}{}", field.c_name);
            match self.resolve(&field.field_type) {
                Type::String => {
                    arguments.extend([format!("{place}.data"), format!("{place}.count")])
                }
                Type::List(element) => {
                    arguments.push(format!("({} *){place}.data", self.c_element(element)));
                    arguments.push(format!("{place}.count"));
                }
                Type::Handle { .. } => arguments.push(format!("{place}.handle")),
                _ if matches!(
                    self.definition(&field.field_type),
                    Some(Definition::Record(_))
                ) =>
                {
                    self.flat_fields(&field.field_type, &format!("{place}."), arguments);
                }
                _ => arguments.push(place),
            }
        }
    }

    /// How a guest holds what it is given.
    fn guest_type(&self, kind: &Type) -> String {
        match self.resolve(kind) {
            Type::String => "lucet_guest_text".to_owned(),
            Type::List(_) => "lucet_guest_list".to_owned(),
            Type::Handle { resource, .. } => self.types[*resource].c_name.clone(),
            resolved => self.c_type(resolved),
        }
    }

    fn wrapper_body(
        &self,
        function: &Function,
        import: &str,
        mut arguments: Vec<String>,
        text: &mut Text,
    ) {
        let Some(kind) = &function.result else {
            return text.line(&format!("{import}({});", arguments.join(", ")));
        };
        let Some(layout) = self.result_area(function) else {
            let call = format!("{import}({})", arguments.join(", "));
            return match self.resolve(kind) {
                Type::Result(..) => text.line(&format!("return {call} == 0;")),
                Type::Handle { resource, .. } => {
                    let made = self.slot_scope(function).fresh("made");
                    text.line(&format!("{} {made};", self.types[*resource].c_name));
                    text.line(&format!("{made}.handle = {call};"));
                    text.line(&format!("return {made};"));
                }
                _ if matches!(self.definition(kind), Some(Definition::Record(_))) => {
                    let (path, only) = self.only_field(kind, "(*ret)".to_owned());
                    text.line(&match only {
                        Type::Handle { .. } => format!("{path}.handle = {call};"),
                        Type::Bool => format!("{path} = {call} != 0;"),
                        _ => format!("{path} = ({}){call};", self.c_type(only)),
                    });
                }
                Type::Bool => text.line(&format!("return {call} != 0;")),
                resolved => text.line(&format!("return ({}){call};", self.c_type(resolved))),
            };
        };
        let area = self.slot_scope(function).fresh("area");
        text.line(&format!(
            "uint8_t {area}[{}] __attribute__((aligned({})));",
            layout.size, layout.align
        ));
        arguments.push(area.clone());
        text.line(&format!("{import}({});", arguments.join(", ")));
        match self.resolve(kind) {
            Type::Option(inner) => {
                let offset = self.payload_offset(&[Some(inner)]);
                text.line(&format!("if (!{area}[0]) return false;"));
                self.get(inner, (&area, offset), "(*ret)", text);
                text.line("return true;");
            }
            Type::Result(ok, err) => {
                let offset = self.payload_offset(&[ok.as_deref(), err.as_deref()]);
                text.line(&format!("if ({area}[0]) {{"));
                if let Some(err) = err {
                    self.get(err, (&area, offset), "(*err)", text);
                }
                text.line("return false;");
                text.line("}");
                if let Some(ok) = ok {
                    self.get(ok, (&area, offset), "(*ret)", text);
                }
                text.line("return true;");
            }
            _ => self.get(kind, (&area, 0), "(*ret)", text),
        }
    }

    /// Reads a value at an offset of the area.
    fn get(&self, kind: &Type, (area, offset): (&str, u32), target: &str, text: &mut Text) {
        match self.resolve(kind) {
            Type::String | Type::List(_) => {
                let data = if *self.resolve(kind) == Type::String {
                    "char"
                } else {
                    "void"
                };
                text.line(&format!(
                    "{target}.data = ({data} *)*(uintptr_t *)({area} + {offset});"
                ));
                text.line(&format!(
                    "{target}.count = *(size_t *)({area} + {});",
                    offset + 4
                ));
            }
            Type::Handle { .. } => text.line(&format!(
                "{target}.handle = *(int32_t *)({area} + {offset});"
            )),
            resolved => match self.definition(kind) {
                Some(Definition::Record(fields)) => {
                    let mut at = offset;
                    for field in fields {
                        let layout = self.layout(&field.field_type);
                        at = at.next_multiple_of(layout.align);
                        self.get(
                            &field.field_type,
                            (area, at),
                            &format!("{target}.{}", field.c_name),
                            text,
                        );
                        at += layout.size;
                    }
                }
                _ => text.line(&format!(
                    "{target} = *({} *)({area} + {offset});",
                    self.c_element(resolved)
                )),
            },
        }
    }
}

fn listed(parameters: &[String]) -> String {
    if parameters.is_empty() {
        "void".to_owned()
    } else {
        parameters.join(", ")
    }
}
