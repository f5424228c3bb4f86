//! The host's side: prototypes, table, and the glue between them.

use super::{Text, guard, opening, quoted};
use crate::bindings::lower::{Slot, SlotType};
use crate::bindings::names::stem;
use crate::bindings::{Bindings, Definition, Derived, Function, Named, Parameter, Type};
use lucet_format::checks::{access, kind};
use lucet_format::value::ValueType;

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

/// The names in the function between a row and a prototype.
struct Locals {
    /// The parameters, in the order of [`Bindings::slots`].
    slots: Vec<String>,
    value: String,
    error: String,
    good: String,
}

/// How a result comes back in C.
enum Returned<'a> {
    Nothing,
    /// As the function's own result.
    Scalar(&'a Type),
    /// Through a pointer.
    Through(&'a Type),
    /// True: there is a value, through a pointer.
    Option(&'a Type),
    /// True: the first, false: the second, through pointers.
    Result(Option<&'a Type>, Option<&'a Type>),
}

impl Bindings {
    fn returned<'a>(&'a self, function: &'a Function) -> Returned<'a> {
        let Some(result) = &function.result else {
            return Returned::Nothing;
        };
        match self.resolve(result) {
            Type::Option(inner) => Returned::Option(inner),
            Type::Result(ok, err) => Returned::Result(ok.as_deref(), err.as_deref()),
            Type::String | Type::List(_) => Returned::Through(result),
            _ if matches!(self.definition(result), Some(Definition::Record(_))) => {
                Returned::Through(result)
            }
            _ => Returned::Scalar(result),
        }
    }

    /// The type behind a pointer through which the host returns something.
    fn c_returned(&self, kind: &Type) -> String {
        match self.resolve(kind) {
            Type::String | Type::List(_) => "lucet_given".to_owned(),
            _ => self.c_type(kind),
        }
    }

    pub(super) fn c_parameter(&self, parameter: &Parameter) -> String {
        let (kind, name) = (&parameter.parameter_type, &parameter.c_name);
        match self.resolve(kind) {
            Type::String => format!("lucet_string {name}"),
            Type::List(element) => format!(
                "{} {name}",
                self.c_buffer(element, false, &parameter.options)
            ),
            _ if matches!(self.definition(kind), Some(Definition::Record(_))) => {
                format!("const {} *{name}", self.c_type(kind))
            }
            _ => format!("{} {name}", self.c_type(kind)).replace("* ", "*"),
        }
    }

    /// What the host implements.
    fn prototype(&self, function: &Function) -> String {
        let mut parameters = vec!["lucet_call *call".to_owned()];
        parameters.extend(
            function
                .parameters
                .iter()
                .map(|each| self.c_parameter(each)),
        );
        let pointer = |kind: &Type, name: &str| {
            let kind = self.c_returned(kind);
            if kind.ends_with('*') {
                format!("{kind}*{name}")
            } else {
                format!("{kind} *{name}")
            }
        };
        let result = match self.returned(function) {
            Returned::Nothing => "void".to_owned(),
            Returned::Scalar(kind) => self.c_type(kind),
            Returned::Through(kind) => {
                parameters.push(pointer(kind, "ret"));
                "void".to_owned()
            }
            Returned::Option(inner) => {
                parameters.push(pointer(inner, "ret"));
                "bool".to_owned()
            }
            Returned::Result(ok, err) => {
                parameters.extend(ok.map(|kind| pointer(kind, "ret")));
                parameters.extend(err.map(|kind| pointer(kind, "err")));
                "bool".to_owned()
            }
        };
        format!("{result} {}({})", function.c_name, parameters.join(", ")).replace("* ", "*")
    }

    /// The resource that is handed over, if this type is that.
    fn owned(&self, kind: &Type) -> Option<&Named> {
        match self.resolve(kind) {
            Type::Handle {
                resource,
                own: true,
            } => Some(&self.types[*resource]),
            _ => None,
        }
    }

    /// Whether the prototype is not what the row says.
    fn needs_glue(&self, function: &Function) -> bool {
        let record = |each: &Parameter| {
            matches!(
                self.definition(&each.parameter_type),
                Some(Definition::Record(_))
            )
        };
        let exact = |kind: &Type| {
            matches!(
                self.resolve(kind),
                Type::Integer { bits: 32 | 64, .. } | Type::F32 | Type::F64
            )
        };
        let own = |each: &Parameter| self.owned(&each.parameter_type).is_some();
        function
            .parameters
            .iter()
            .any(|each| record(each) || own(each))
            || match self.returned(function) {
                Returned::Nothing => false,
                Returned::Scalar(kind) => !exact(kind),
                _ => true,
            }
    }

    fn row(&self, function: &Function) -> String {
        let implementation = if self.needs_glue(function) {
            self.internal("glue", &function.c_name)
        } else {
            function.c_name.clone()
        };
        let mut types = vec![self.row_result(function)];
        let slots = self.slots(function);
        types.extend(slots.iter().map(|slot| self.row_parameter(function, slot)));
        let name = quoted(&function.name);
        let types = types.join(", ");
        match (function.answer, function.leaf) {
            (Some(answer), _) => {
                let answer = c_integer(answer);
                format!("LUCET_HOST_OR({answer}, {name}, {implementation}, {types})")
            }
            (None, true) => format!("LUCET_HOST_LEAF({name}, {implementation}, {types})"),
            (None, false) => format!("LUCET_HOST({name}, {implementation}, {types})"),
        }
    }

    fn row_result(&self, function: &Function) -> String {
        match self.core_type(function, true).results.first() {
            None => "void".to_owned(),
            Some(_) if !self.needs_glue(function) => function
                .result
                .as_ref()
                .map_or("void".to_owned(), |kind| self.c_type(self.resolve(kind))),
            Some(value_type) => c_core(*value_type).to_owned(),
        }
    }

    fn row_parameter(&self, function: &Function, slot: &Slot) -> String {
        let c_type = self.slot_c_type(function, slot);
        let Some(check) = &slot.check else {
            return c_type;
        };
        let accessed = check.kind & !kind::MASK;
        let base = match check.kind & kind::MASK {
            kind::UNSIGNED => return format!("LUCET_UNSIGNED({c_type}, {})", check.limit),
            kind::SIGNED => return format!("LUCET_SIGNED({c_type}, {})", check.limit),
            kind::CHAR => return format!("LUCET_CHAR({c_type})"),
            kind::FLAGS => return format!("LUCET_FLAGS({c_type}, {}u)", check.limit),
            kind::HANDLE => {
                let name = c_type.trim_end_matches(" *");
                let named = self.types.iter().find(|named| named.c_name == name);
                let kind = named.map_or("", |named| &named.derived.kind);
                return format!("LUCET_HANDLE({name}, {kind})");
            }
            kind::OBJECT => {
                let area = format!("LUCET_OBJECT_OUT({})", c_type.trim_end_matches(" *"));
                return format!("LUCET_WITH({area}, LUCET_ALIGN({}))", check.align);
            }
            _ if matches!(
                c_type.as_str(),
                "lucet_bytes" | "lucet_bytes_out" | "lucet_bytes_inout" | "lucet_string"
            ) =>
            {
                c_type
            }
            _ => match (accessed & access::READ != 0, accessed & access::WRITE != 0) {
                (true, false) => format!("LUCET_IN({c_type})"),
                (false, _) => format!("LUCET_OUT({c_type})"),
                (true, true) => format!("LUCET_INOUT({c_type})"),
            },
        };
        let mut options = Vec::new();
        if check.limit != 0 {
            options.push(format!("LUCET_MAX({})", check.limit));
        }
        if let SlotType::List { element, .. } = &slot.slot_type
            && u32::from(check.align) > self.layout(element).align
        {
            options.push(format!("LUCET_ALIGN({})", check.align));
        }
        if accessed & access::COPY != 0 {
            options.push("LUCET_COPY".to_owned());
        }
        if options.is_empty() {
            return base;
        }
        format!("LUCET_WITH({base}, {})", options.join(" | "))
    }

    /// The C type of a parameter of the registered function.
    fn slot_c_type(&self, function: &Function, slot: &Slot) -> String {
        match &slot.slot_type {
            SlotType::Scalar(kind) if self.owned(kind).is_some() => "uint32_t".to_owned(),
            SlotType::Scalar(kind) => self.c_type(self.resolve(kind)),
            SlotType::Result(_) => format!("{} *", self.internal("area", &function.c_name)),
            SlotType::List { element, text } => {
                let accessed = slot.check.map_or(0, |check| check.kind);
                let options = crate::bindings::Options {
                    written: accessed & access::WRITE != 0,
                    unread: accessed & access::READ == 0,
                    ..Default::default()
                };
                self.c_buffer(element, *text, &options)
            }
        }
    }

    /// The function between row and prototype.
    fn glue(&self, function: &Function, text: &mut Text) {
        if !self.needs_glue(function) {
            return;
        }
        text.line("");
        if let Some(layout) = self.result_area(function) {
            let area = self.internal("area", &function.c_name);
            text.line("/* The result as it lies in the guest's memory. */");
            text.line(&format!("typedef struct {area} {{"));
            text.line(&format!("uint8_t bytes[{}];", layout.size));
            text.line(&format!("}} {area};"));
            text.line("");
        }
        // Users' names first: what is in the way of one gets another.
        let mut scope = self.slot_scope(function);
        let mut parameters = vec!["lucet_call *call".to_owned()];
        let mut slots = Vec::new();
        for slot in self.slots(function) {
            let owned =
                matches!(&slot.slot_type, SlotType::Scalar(kind) if self.owned(kind).is_some());
            let name = if owned {
                scope.fresh(&format!("{}_handle", stem(&slot.name)))
            } else {
                slot.name.clone()
            };
            let declared = format!("{} {name}", self.slot_c_type(function, &slot));
            parameters.push(declared.replace("* ", "*"));
            slots.push(name);
        }
        let locals = Locals {
            slots,
            value: scope.fresh("value"),
            error: scope.fresh("error"),
            good: scope.fresh("good"),
        };
        let result = self.row_result(function);
        text.line(&format!(
            "static {result} {}({}) {{",
            self.internal("glue", &function.c_name),
            parameters.join(", ")
        ));
        let mut arguments = vec!["call".to_owned()];
        for parameter in &function.parameters {
            arguments.push(self.argument(parameter, text));
        }
        self.call_and_store(function, &locals, arguments, text);
        text.line("}");
    }

    /// Makes what the prototype takes of the slots of a parameter.
    fn argument(&self, parameter: &Parameter, text: &mut Text) -> String {
        let name = &parameter.c_name;
        if let Some(owned) = self.owned(&parameter.parameter_type) {
            text.line(&format!("{} *{name};", owned.c_name));
            return name.clone();
        }
        let Some(Definition::Record(_)) = self.definition(&parameter.parameter_type) else {
            return name.clone();
        };
        text.line(&format!(
            "{} {name};",
            self.c_type(&parameter.parameter_type)
        ));
        format!("&{name}")
    }

    /// Assigns the slots of a record, which are the next, to its fields.
    fn fill<'a>(
        &self,
        kind: &Type,
        target: &str,
        slots: &mut impl Iterator<Item = &'a String>,
        text: &mut Text,
    ) {
        if let Some(Definition::Record(fields)) = self.definition(kind) {
            for field in fields {
                let target = format!("{target}.{}", field.c_name);
                self.fill(&field.field_type, &target, slots, text);
            }
        } else if let Some(slot) = slots.next() {
            text.line(&format!("{target} = {slot};"));
        }
    }

    fn call_and_store(
        &self,
        function: &Function,
        locals: &Locals,
        mut arguments: Vec<String>,
        text: &mut Text,
    ) {
        let returned = self.returned(function);
        let Locals {
            value, error, good, ..
        } = locals;
        let mut outs = Vec::new();
        match &returned {
            Returned::Through(kind) | Returned::Option(kind) => outs.push((*kind, value)),
            Returned::Result(ok, err) => {
                outs.extend(ok.map(|kind| (kind, value)));
                outs.extend(err.map(|kind| (kind, error)));
            }
            _ => {}
        }
        for (kind, name) in &outs {
            text.line(&format!("{} {name};", self.c_returned(kind)).replace("* ", "*"));
            arguments.push(format!("&{name}"));
        }
        if matches!(returned, Returned::Option(_) | Returned::Result(..)) {
            text.line(&format!("bool {good};"));
        }
        let mut slots = locals.slots.iter();
        for parameter in &function.parameters {
            if let Some(Definition::Record(_)) = self.definition(&parameter.parameter_type) {
                let kind = &parameter.parameter_type;
                self.fill(kind, &parameter.c_name, &mut slots, text);
            } else {
                slots.next();
            }
        }
        self.take_handles(function, locals, text);
        for (_, name) in &outs {
            text.line(&format!("memset(&{name}, 0, sizeof {name});"));
        }
        let call = format!("{}({})", function.c_name, arguments.join(", "));
        match returned {
            Returned::Nothing => text.line(&format!("{call};")),
            Returned::Scalar(kind) if *self.resolve(kind) == Type::Bool => {
                text.line(&format!("return {call} ? 1 : 0;"));
            }
            Returned::Scalar(kind) if self.owned(kind).is_some() => {
                let kind = self.owned(kind).map_or("", |named| &named.derived.kind);
                text.line(&format!(
                    "return LUCET_CAST_(int32_t, lucet_make(call, &{kind}, {call}));"
                ));
            }
            Returned::Scalar(_) => {
                let core = self.row_result(function);
                text.line(&format!("return LUCET_CAST_({core}, {call});"));
            }
            Returned::Through(kind) => {
                text.line(&format!("{call};"));
                self.put_result(function, &[(kind, value, 0)], text);
            }
            Returned::Option(inner) => {
                text.line(&format!("{good} = {call};"));
                let number = format!("{good} ? 1 : 0");
                self.cases(function, [Some(inner), None], &number, locals, text);
            }
            Returned::Result(ok, err) => {
                text.line(&format!("{good} = {call};"));
                let number = format!("{good} ? 0 : 1");
                self.cases(function, [ok, err], &number, locals, text);
            }
        }
    }

    /// Takes over what the guest hands over. What has been taken when one fails is dropped: the guest ends.
    fn take_handles(&self, function: &Function, locals: &Locals, text: &mut Text) {
        let mut taken: Vec<String> = Vec::new();
        let mut slots = self.slots(function).into_iter().zip(&locals.slots);
        for parameter in &function.parameters {
            let name = &parameter.c_name;
            let Some(owned) = self.owned(&parameter.parameter_type) else {
                continue;
            };
            let Some((_, handle)) = slots.find(|(slot, _)| slot.name == *name) else {
                continue;
            };
            let (c_name, Derived { drop, kind, .. }) = (&owned.c_name, &owned.derived);
            text.line(&format!(
                "{name} = LUCET_CAST_({c_name} *, lucet_take(call, &{kind}, {handle}));"
            ));
            text.line(&format!("if (!{name}) {{"));
            taken.iter().for_each(|drop| text.line(drop));
            text.line(if self.row_result(function) == "void" {
                "return;"
            } else {
                "return 0;"
            });
            text.line("}");
            taken.push(format!("{drop}({name});"));
        }
    }

    /// Stores a discriminant and, depending on `good`, one payload.
    fn cases(
        &self,
        function: &Function,
        payloads: [Option<&Type>; 2],
        number: &str,
        locals: &Locals,
        text: &mut Text,
    ) {
        if self.result_area(function).is_none() {
            return text.line(&format!("return {number};"));
        }
        text.line(&format!("lucet_put_u8(ret->bytes, {number});"));
        let offset = self.payload_offset(&payloads);
        let good = &locals.good;
        for (payload, condition, name) in [
            (payloads[0], good.clone(), &locals.value),
            (payloads[1], format!("!{good}"), &locals.error),
        ] {
            if let Some(kind) = payload {
                text.line(&format!("if ({condition}) {{"));
                self.put_result(function, &[(kind, name, offset)], text);
                text.line("}");
            }
        }
    }

    fn put_result(&self, function: &Function, values: &[(&Type, &str, u32)], text: &mut Text) {
        // One core value: a record of one number, which is returned.
        let direct = self.result_area(function).is_none();
        for (kind, name, offset) in values {
            if direct {
                let (path, only) = self.only_field(kind, (*name).to_owned());
                let number = match only {
                    Type::Handle { resource, .. } => {
                        let kind = &self.types[*resource].derived.kind;
                        format!("lucet_make(call, &{kind}, {path})")
                    }
                    _ => path,
                };
                text.line(&format!(
                    "return LUCET_CAST_({}, {number});",
                    self.row_result(function)
                ));
            } else {
                self.put(kind, *offset, name, text);
            }
        }
    }

    /// Stores a value at an offset of the result area.
    fn put(&self, kind: &Type, offset: u32, source: &str, text: &mut Text) {
        let target = if offset == 0 {
            "ret->bytes".to_owned()
        } else {
            format!("ret->bytes + {offset}")
        };
        match self.resolve(kind) {
            Type::F32 => text.line(&format!("lucet_put_f32({target}, {source});")),
            Type::F64 => text.line(&format!("lucet_put_f64({target}, {source});")),
            Type::String | Type::List(_) => self.put_list(kind, &target, source, text),
            Type::Handle { resource, .. } => {
                let kind = &self.types[*resource].derived.kind;
                text.line(&format!(
                    "lucet_put_u32({target}, lucet_make(call, &{kind}, {source}));"
                ));
            }
            _ => match self.definition(kind) {
                Some(Definition::Record(fields)) => {
                    let mut at = offset;
                    for field in fields {
                        let layout = self.layout(&field.field_type);
                        at = at.next_multiple_of(layout.align);
                        self.put(
                            &field.field_type,
                            at,
                            &format!("{source}.{}", field.c_name),
                            text,
                        );
                        at += layout.size;
                    }
                }
                _ => {
                    let bits = 8 * self.layout(kind).size;
                    text.line(&format!(
                        "lucet_put_u{bits}({target}, LUCET_CAST_(uint{bits}_t, {source}));"
                    ));
                }
            },
        }
    }
}

impl Bindings {
    /// Stores text or a list: a field is a struct of pointer and size, a whole result a `lucet_given`.
    fn put_list(&self, kind: &Type, target: &str, source: &str, text: &mut Text) {
        let byte = Type::Integer {
            signed: false,
            bits: 8,
        };
        let element = match self.resolve(kind) {
            Type::List(element) => element,
            _ => &byte,
        };
        let (layout, is_byte) = (self.layout(element), self.is_byte(element));
        let how = format!("{}, {}", layout.size, layout.align);
        text.line(&if source.contains('.') {
            let count = if is_byte { "size" } else { "count" };
            format!("if (!lucet_give_copy(call, {target}, {source}.data, {source}.{count}, {how})) return;")
        } else {
            format!("if (!lucet_give(call, {target}, &{source}, {how})) return;")
        });
    }

    /// The number that a record of one is, and its type.
    pub(super) fn only_field<'a>(&'a self, kind: &'a Type, path: String) -> (String, &'a Type) {
        match self.definition(kind) {
            Some(Definition::Record(fields)) if fields.len() == 1 => self.only_field(
                &fields[0].field_type,
                format!("{path}.{}", fields[0].c_name),
            ),
            _ => (path, self.resolve(kind)),
        }
    }
}

/// A constant: what has no literal of its own is composed.
fn c_integer(number: i128) -> String {
    if number == i128::from(i64::MIN) {
        format!("{} - 1", number + 1)
    } else if number > i128::from(i64::MAX) {
        format!("{number}u")
    } else {
        number.to_string()
    }
}

/// A core value's type in a row.
pub(super) fn c_core(value_type: ValueType) -> &'static str {
    match value_type {
        ValueType::I64 => "int64_t",
        ValueType::F32 => "float",
        ValueType::F64 => "double",
        _ => "int32_t",
    }
}
