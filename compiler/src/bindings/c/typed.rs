//! The host's calls of exports that the bindings name: texts, lists and records go into the guest's memory and come back out of it,
//! and what a guest answers is looked at before the host gets it.

use super::Text;
use super::exports::Entry;
use super::rows::c_core;
use crate::bindings::names::Scope;
use crate::bindings::{Bindings, Definition, Function, Type};
use lucet_format::checks::kind;

/// Names in a typed call.
struct Locals {
    exports: String,
    guest: String,
    kind: String,
    answer: String,
    area: String,
    some: String,
    ok: String,
}

impl Locals {
    /// Names that nothing else in the scope has.
    fn fresh(scope: &mut Scope<'_>) -> Locals {
        Locals {
            exports: scope.fresh("exports"),
            guest: scope.fresh("guest"),
            kind: scope.fresh("kind"),
            answer: scope.fresh("answer"),
            area: scope.fresh("area"),
            some: scope.fresh("some"),
            ok: scope.fresh("ok"),
        }
    }
}

/// The order of a typed call's code: C99 has declarations first.
#[derive(Default)]
struct Body {
    declared: Vec<String>,
    lines: Vec<String>,
    arguments: Vec<String>,
}

impl Bindings {
    /// An export whose types the bindings say.
    pub(super) fn typed_export(
        &self,
        entry: &Entry<'_>,
        after: Option<&Entry<'_>>,
        function: &Function,
        exports: &str,
        text: &mut Text,
    ) {
        let mut scope = self.scope(function);
        let locals = Locals::fresh(&mut scope);
        let kind = &locals.kind;
        let mut parameters = vec![
            format!("const {exports} *{}", locals.exports),
            format!("lucet_instance *{}", locals.guest),
        ];
        let mut body = Body::default();
        for parameter in &function.parameters {
            parameters.push(self.c_parameter(parameter));
            let (kind, name) = (&parameter.parameter_type, &parameter.c_name);
            self.pass(kind, name, &locals, &mut scope, &mut body);
        }
        parameters.extend(self.result_parameters(function, &locals));
        head(entry, function, &parameters, text);
        self.declare(entry, function, &locals, text);
        body.declared.iter().for_each(|line| text.line(line));
        body.lines.iter().for_each(|line| text.line(line));
        call(entry, &locals, body.arguments, text);
        if function.result.is_some() {
            text.line(&format!("if ({kind} != LUCET_RETURNED) return {kind};"));
            self.take_result(function, &locals, text);
        }
        if let Some(after) = after.filter(|_| answers(entry)) {
            text.line("/* How that ends the next call will tell. */");
            text.line(&format!(
                "(void){}->{}({}, LUCET_NULL_, {});",
                locals.exports, after.field, locals.guest, locals.answer
            ));
        }
        text.line(&format!("return {kind};"));
        text.line("}");
    }

    /// Declares what the call itself needs.
    fn declare(&self, entry: &Entry<'_>, function: &Function, locals: &Locals, text: &mut Text) {
        text.line(&format!("uint32_t {};", locals.kind));
        if let Some(core) = entry.function_type.results.first() {
            text.line(&format!("{} {} = 0;", c_core(*core), locals.answer));
        }
        if let Some(layout) = self.result_area(function) {
            text.line(&format!("uint8_t {}[{}];", locals.area, layout.size));
        }
    }

    fn result_parameters(&self, function: &Function, locals: &Locals) -> Vec<String> {
        let pointer = |kind: &Type, name: &str| match self.resolve(kind) {
            Type::String | Type::List(_) => format!("lucet_taken *{name}"),
            Type::Handle { .. } => format!("uint32_t *{name}"),
            resolved => format!("{} *{name}", self.c_type(resolved)),
        };
        let Some(result) = &function.result else {
            return Vec::new();
        };
        match self.resolve(result) {
            Type::Option(inner) => vec![format!("bool *{}", locals.some), pointer(inner, "ret")],
            Type::Result(ok, err) => {
                let mut all = vec![format!("bool *{}", locals.ok)];
                all.extend(ok.as_deref().map(|kind| pointer(kind, "ret")));
                all.extend(err.as_deref().map(|kind| pointer(kind, "err")));
                all
            }
            _ => vec![pointer(result, "ret")],
        }
    }

    /// Passes a parameter: numbers as they are, lists through memory of the guest's.
    fn pass(
        &self,
        kind: &Type,
        source: &str,
        locals: &Locals,
        scope: &mut Scope<'_>,
        body: &mut Body,
    ) {
        if let Some(Definition::Record(fields)) = self.definition(kind) {
            for field in fields {
                let arrow = if source.contains("->") || source.contains('.') {
                    "."
                } else {
                    "->"
                };
                let source = format!("{source}{arrow}{}", field.c_name);
                self.pass(&field.field_type, &source, locals, scope, body);
            }
            return;
        }
        let byte = Type::Integer {
            signed: false,
            bits: 8,
        };
        let element = match self.resolve(kind) {
            Type::String => &byte,
            Type::List(element) => element,
            resolved => {
                let mut core = Vec::new();
                self.flatten(resolved, &mut core);
                let core = core.first().map_or("int32_t", |each| c_core(*each));
                return body
                    .arguments
                    .push(format!("LUCET_CAST_({core}, {source})"));
            }
        };
        let address = scope.fresh(&format!("address{}", body.declared.len()));
        let Locals { guest, kind, .. } = locals;
        let layout = self.layout(element);
        let count = if self.is_byte(element) {
            "size"
        } else {
            "count"
        };
        body.declared.push(format!("uint32_t {address} = 0;"));
        body.lines.push(format!(
            "{kind} = lucet_pass({guest}, {source}.data, {source}.{count}, {}, {}, &{address});",
            layout.size, layout.align
        ));
        body.lines
            .push(format!("if ({kind} != LUCET_RETURNED) return {kind};"));
        body.arguments.extend([
            format!("LUCET_CAST_(int32_t, {address})"),
            format!("LUCET_CAST_(int32_t, {source}.{count})"),
        ]);
    }

    fn take_result(&self, function: &Function, locals: &Locals, text: &mut Text) {
        let Some(result) = &function.result else {
            return;
        };
        let Some(layout) = self.result_area(function) else {
            return self.take_answer(result, locals, text);
        };
        let Locals {
            guest,
            area,
            some,
            ok: good,
            ..
        } = locals;
        let number = format!("LUCET_CAST_(uint32_t, {})", locals.answer);
        text.line(&format!("if ({number} % {} || lucet_instance_read({guest}, 0, {number}, {area}, {})) return lucet_bad_answer();", layout.align, layout.size));
        match self.resolve(result) {
            Type::Option(inner) => {
                text.line(&format!("if ({area}[0] > 1) return lucet_bad_answer();"));
                text.line(&format!("*{some} = {area}[0] != 0;"));
                text.line(&format!("if ({area}[0]) {{"));
                let offset = self.payload_offset(&[Some(inner)]);
                self.take(inner, offset, "(*ret)", locals, text);
                text.line("}");
            }
            Type::Result(ok, err) => {
                let offset = self.payload_offset(&[ok.as_deref(), err.as_deref()]);
                text.line(&format!("if ({area}[0] > 1) return lucet_bad_answer();"));
                text.line(&format!("*{good} = {area}[0] == 0;"));
                for (payload, condition, target) in [(ok, "!", "(*ret)"), (err, "", "(*err)")] {
                    if let Some(payload) = payload {
                        text.line(&format!("if ({condition}{area}[0]) {{"));
                        self.take(payload, offset, target, locals, text);
                        text.line("}");
                    }
                }
            }
            _ => self.take(result, 0, "(*ret)", locals, text),
        }
    }

    /// A result that is one number.
    fn take_answer(&self, result: &Type, locals: &Locals, text: &mut Text) {
        let Locals { answer, ok, .. } = locals;
        let number = format!("LUCET_CAST_(uint32_t, {answer})");
        let (target, result) = match self.definition(result) {
            Some(Definition::Record(_)) => self.only_field(result, "(*ret)".to_owned()),
            _ => ("*ret".to_owned(), result),
        };
        if let Type::Result(None, None) = self.resolve(result) {
            text.line(&format!("if ({number} > 1) return lucet_bad_answer();"));
            return text.line(&format!("*{ok} = {answer} == 0;"));
        }
        self.refuse(result, &number, text);
        match self.resolve(result) {
            Type::Bool => text.line(&format!("{target} = {answer} != 0;")),
            Type::Handle { .. } => text.line(&format!("{target} = {number};")),
            resolved => text.line(&format!(
                "{target} = LUCET_CAST_({}, {answer});",
                self.c_element(resolved)
            )),
        }
    }

    /// Ends the function when a number is not one that the type has.
    fn refuse(&self, kind: &Type, number: &str, text: &mut Text) {
        let Some(check) = self.number_check(kind, &Default::default()) else {
            return;
        };
        let bad = match check.kind {
            kind::FLAGS if check.limit == u32::MAX => return,
            kind::UNSIGNED | kind::FLAGS => {
                let comparison = if check.kind == kind::FLAGS {
                    "& ~"
                } else {
                    "> "
                };
                format!("({number}) {comparison}{}u", check.limit)
            }
            kind::CHAR => {
                format!("({number}) > 0x10ffffu || (({number}) >= 0xd800u && ({number}) < 0xe000u)")
            }
            _ => return,
        };
        text.line(&format!("if ({bad}) return lucet_bad_answer();"));
    }

    /// Takes a value at an offset of the area.
    fn take(&self, kind: &Type, offset: u32, target: &str, locals: &Locals, text: &mut Text) {
        let Locals { guest, area, .. } = locals;
        let place = if offset == 0 {
            area.clone()
        } else {
            format!("{area} + {offset}")
        };
        let byte = Type::Integer {
            signed: false,
            bits: 8,
        };
        let element = match self.resolve(kind) {
            Type::String => Some(&byte),
            Type::List(element) => Some(&**element),
            _ => None,
        };
        if let Some(element) = element {
            let layout = self.layout(element);
            let text_check = if *self.resolve(kind) == Type::String {
                "true"
            } else {
                "false"
            };
            return text.line(&format!(
                "if (!lucet_take_list({guest}, {place}, {}, {}, {text_check}, &{target})) return LUCET_NOT_RUN;",
                layout.size, layout.align
            ));
        }
        if let Some(Definition::Record(fields)) = self.definition(kind) {
            let mut at = offset;
            for field in fields {
                let layout = self.layout(&field.field_type);
                at = at.next_multiple_of(layout.align);
                self.take(
                    &field.field_type,
                    at,
                    &format!("{target}.{}", field.c_name),
                    locals,
                    text,
                );
                at += layout.size;
            }
            return;
        }
        let size = self.layout(kind).size;
        text.line(&format!("memcpy(&{target}, {place}, {size});"));
        if *self.resolve(kind) != Type::Bool {
            self.refuse(kind, target, text);
        } else {
            let first = if offset == 0 {
                place
            } else {
                format!("({place})")
            };
            text.line(&format!("if ({first}[0] > 1) return lucet_bad_answer();"));
        }
    }
}

/// What is said of a typed call, and its head.
fn head(entry: &Entry<'_>, function: &Function, parameters: &[String], text: &mut Text) {
    text.line("");
    let mut docs = function.docs.clone();
    docs.push("Answers the outcome's kind; LUCET_NOT_RUN also when the guest's answer is no good, see lucet_last_error.".to_owned());
    text.comment(&docs);
    text.line(&format!(
        "static inline uint32_t {}({}) {{",
        entry.c_name,
        parameters.join(", ")
    ));
}

/// Whether the export has a result, of the core's types.
fn answers(entry: &Entry<'_>) -> bool {
    !entry.function_type.results.is_empty()
}

fn call(entry: &Entry<'_>, locals: &Locals, arguments: Vec<String>, text: &mut Text) {
    let answer = if answers(entry) {
        format!("&{}", locals.answer)
    } else {
        "LUCET_NULL_".to_owned()
    };
    let mut all = vec![locals.guest.clone(), answer];
    all.extend(arguments);
    text.line(&format!(
        "{} = {}->{}({});",
        locals.kind,
        locals.exports,
        entry.field,
        all.join(", ")
    ));
}
