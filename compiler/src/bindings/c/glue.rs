//! The function between a row of the table and a prototype, where the two differ: records are read and written field by field,
//! results stored where the guest wants them, handles taken over.

use super::Text;
use super::rows::Returned;
use crate::bindings::lower::SlotType;
use crate::bindings::names::stem;
use crate::bindings::{Bindings, Definition, Derived, Function, Parameter, Type};

/// The names in the function between a row and a prototype.
struct Locals {
    /// The parameters, in the order of [`Bindings::slots`].
    slots: Vec<String>,
    value: String,
    error: String,
    good: String,
}

impl Bindings {
    /// The function between row and prototype.
    pub(super) fn glue(&self, function: &Function, text: &mut Text) {
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
