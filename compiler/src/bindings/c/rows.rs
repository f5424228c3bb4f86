//! A host function as C sees it: its prototype, and its row in the table that registers it.

use super::quoted;
use crate::bindings::lower::{Slot, SlotType};
use crate::bindings::{Bindings, Definition, Function, Named, Parameter, Type};
use lucet_format::checks::{access, kind};
use lucet_format::value::ValueType;

/// How a result comes back in C.
pub(super) enum Returned<'a> {
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
    pub(super) fn returned<'a>(&'a self, function: &'a Function) -> Returned<'a> {
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
    pub(super) fn c_returned(&self, kind: &Type) -> String {
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
    pub(super) fn prototype(&self, function: &Function) -> String {
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
    pub(super) fn owned(&self, kind: &Type) -> Option<&Named> {
        match self.resolve(kind) {
            Type::Handle {
                resource,
                own: true,
            } => Some(&self.types[*resource]),
            _ => None,
        }
    }

    /// Whether the prototype is not what the row says.
    pub(super) fn needs_glue(&self, function: &Function) -> bool {
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

    pub(super) fn row(&self, function: &Function) -> String {
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

    pub(super) fn row_result(&self, function: &Function) -> String {
        match self.core_type(function, true).results.first() {
            None => "void".to_owned(),
            Some(_) if !self.needs_glue(function) => function
                .result
                .as_ref()
                .map_or("void".to_owned(), |kind| self.c_type(self.resolve(kind))),
            Some(value_type) => c_core(*value_type).to_owned(),
        }
    }

    pub(super) fn row_parameter(&self, function: &Function, slot: &Slot) -> String {
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
    pub(super) fn slot_c_type(&self, function: &Function, slot: &Slot) -> String {
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
