//! From the types of a bindings file to what crosses the boundary: the C parameters of a host function with their checks, and the core
//! function type that a guest imports.

use super::layout::{Layout, MAX_FLAT_PARAMETERS};
use super::names::stem;
use super::{Bindings, Definition, Function, Options, Type};
use crate::module::FunctionType;
use lucet_format::checks::{access, kind};
use lucet_format::value::ValueType;

/// The most C parameters of a row of a table of host functions.
const MAX_C_PARAMETERS: usize = 12;

/// A check, as the runtime knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Check {
    /// Kind and access: [`lucet_format::checks`].
    pub kind: u8,
    /// What the kind compares with.
    pub limit: u32,
    /// Bytes of an element or object.
    pub element: u16,
    /// What its address is a multiple of.
    pub align: u8,
}

/// One C parameter of the function that is registered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slot {
    /// Its name.
    pub name: String,
    /// That of the number of elements, where a function takes it by itself.
    pub count: String,
    /// What is checked; `None`: a plain value.
    pub check: Option<Check>,
    /// What the guest passes.
    pub core: Vec<ValueType>,
    /// Its type in the bindings: of the field, for parameters that are records.
    pub slot_type: SlotType,
}

/// What a slot is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SlotType {
    /// A number, a handle.
    Scalar(Type),
    /// Elements of this type; a string's are characters.
    List {
        /// The type of the elements.
        element: Type,
        /// Whether it is a `string`.
        text: bool,
    },
    /// Where the result goes.
    Result(Layout),
}

impl Bindings {
    /// Whether values of this type hold no addresses and no handles: they can be looked at where they lie.
    pub fn is_plain(&self, kind: &Type) -> bool {
        match self.resolve(kind) {
            Type::String | Type::List(_) | Type::Handle { .. } => false,
            Type::Option(_) | Type::Result(..) => false,
            Type::Named(_) => match self.definition(kind) {
                Some(Definition::Record(fields)) => {
                    fields.iter().all(|field| self.is_plain(&field.field_type))
                }
                Some(Definition::Resource { .. }) => false,
                _ => true,
            },
            _ => true,
        }
    }

    /// Whether a function takes or gives handles.
    pub(super) fn has_handles(&self, function: &Function) -> bool {
        let parameters = function.parameters.iter().map(|each| &each.parameter_type);
        parameters
            .chain(&function.result)
            .any(|kind| self.holds_handle(kind))
    }

    /// Whether a function's result is, or has in one of its cases, a record with text or lists.
    pub(super) fn gives_composed_text(&self, function: &Function) -> bool {
        let composed = |kind: &Type| {
            matches!(self.definition(kind), Some(Definition::Record(_))) && !self.is_plain(kind)
        };
        match function.result.as_ref().map(|result| self.resolve(result)) {
            None => false,
            Some(Type::Option(inner)) => composed(inner),
            Some(Type::Result(ok, err)) => {
                [ok, err].into_iter().flatten().any(|side| composed(side))
            }
            Some(other) => composed(other),
        }
    }

    fn holds_text(&self, kind: &Type) -> bool {
        match self.resolve(kind) {
            Type::String | Type::List(_) => true,
            Type::Option(inner) => self.holds_text(inner),
            Type::Result(ok, err) => [ok, err]
                .into_iter()
                .flatten()
                .any(|side| self.holds_text(side)),
            _ => match self.definition(kind) {
                Some(Definition::Record(fields)) => fields
                    .iter()
                    .any(|field| self.holds_text(&field.field_type)),
                _ => false,
            },
        }
    }

    fn holds_handle(&self, kind: &Type) -> bool {
        match self.resolve(kind) {
            Type::Handle { .. } => true,
            Type::List(inner) | Type::Option(inner) => self.holds_handle(inner),
            Type::Result(ok, err) => [ok, err]
                .into_iter()
                .flatten()
                .any(|side| self.holds_handle(side)),
            _ => match self.definition(kind) {
                Some(Definition::Record(fields)) => fields
                    .iter()
                    .any(|field| self.holds_handle(&field.field_type)),
                _ => false,
            },
        }
    }

    /// Why a function is not in this subset, if so.
    pub(super) fn refusal(&self, function: &Function) -> Option<String> {
        for parameter in &function.parameters {
            if let Some(why) = self.parameter_refusal(&parameter.parameter_type, &parameter.options)
            {
                return Some(format!("parameter {}: {why}", parameter.c_name));
            }
        }
        if let Some(why) = function
            .result
            .as_ref()
            .and_then(|result| self.result_refusal(result, true))
        {
            return Some(format!("result: {why}"));
        }
        let core = self.core_type(function, true);
        if function.answer.is_some() && core.results.is_empty() {
            return Some(
                "an answer to failed checks, and no single number as the result".to_owned(),
            );
        }
        if let (Some(answer), Some(result)) = (function.answer, &function.result)
            && let Some(why) = self.answer_refusal(result, answer)
        {
            return Some(why);
        }
        if function.leaf
            && let Some(why) = self.leaf_refusal(function)
        {
            return Some(why);
        }
        let slots = self.slots(function).len();
        if slots > MAX_C_PARAMETERS || core.parameters.len() > MAX_FLAT_PARAMETERS {
            return Some(format!(
                "{slots} parameters in C, {MAX_C_PARAMETERS} are the most"
            ));
        }
        None
    }

    /// Why a function cannot run on the guest's stack, if so: nothing there may enter the guest or end it.
    fn leaf_refusal(&self, function: &Function) -> Option<String> {
        if function.answer.is_some() {
            return Some("a leaf with an answer to failed checks: what runs on the guest's stack can only trap".to_owned());
        }
        let result = function.result.as_ref();
        if result.is_some_and(|result| self.holds_handle(result)) {
            return Some("a leaf whose result is a handle: making one may end the guest, which a leaf cannot do".to_owned());
        }
        if result.is_some_and(|result| self.holds_text(result)) {
            return Some("a leaf whose result has text or a list: the guest's cabi_realloc is called for it, and a leaf cannot call the guest".to_owned());
        }
        let own = |kind: &Type| matches!(self.resolve(kind), Type::Handle { own: true, .. });
        let mut parameters = function.parameters.iter();
        let taken = parameters.find(|each| own(&each.parameter_type))?;
        Some(format!(
            "a leaf that takes the handle {}: taking one may end the guest, which a leaf cannot do",
            taken.c_name
        ))
    }

    /// Why a function's result cannot be this number, if so.
    fn answer_refusal(&self, result: &Type, answer: i128) -> Option<String> {
        let allowed = match self.resolve(result) {
            Type::Bool => 0..=1,
            Type::Integer { signed, bits } => {
                let size = 1i128 << bits;
                if *signed {
                    -size / 2..=size / 2 - 1
                } else {
                    0..=size - 1
                }
            }
            Type::Char if (0xd800..0xe000).contains(&answer) => {
                return Some(format!(
                    "the answer {answer} to failed checks is no character"
                ));
            }
            Type::Char => 0..=0x10_ffff,
            // The case alone.
            Type::Result(..) => 0..=1,
            Type::F32 | Type::F64 => {
                return Some(
                    "an answer to failed checks, which is an integer, and a result that is none"
                        .to_owned(),
                );
            }
            Type::Handle { .. } => {
                return Some("an answer to failed checks, and a handle as the result".to_owned());
            }
            _ => match self.definition(result) {
                Some(Definition::Enum(cases)) => 0..=cases.len() as i128 - 1,
                Some(Definition::Flags(flags)) => 0..=(1i128 << flags.len()) - 1,
                Some(Definition::Record(fields)) => {
                    return fields
                        .iter()
                        .find_map(|field| self.answer_refusal(&field.field_type, answer));
                }
                _ => return None,
            },
        };
        let (first, last) = (allowed.start(), allowed.end());
        (!allowed.contains(&answer)).then(|| {
            format!(
                "the answer {answer} to failed checks is none that the result can be: {first} to {last}"
            )
        })
    }

    fn parameter_refusal(&self, kind: &Type, options: &Options) -> Option<String> {
        let plain = *options == Options::default();
        let unsupported = |what: &str| Some(format!("{what}: not in this subset"));
        match self.resolve(kind) {
            Type::Option(_) => unsupported("an option as a parameter"),
            Type::Result(..) => unsupported("a result as a parameter"),
            Type::List(element) if !self.is_plain(element) => {
                unsupported("a list of something that holds text, lists or handles")
            }
            Type::List(element) => self.buffer_refusal(self.layout(element), options),
            Type::String if options.written => Some("text is read, not written".to_owned()),
            Type::String => self.buffer_refusal(Layout { size: 1, align: 1 }, options),
            Type::Integer {
                bits,
                signed: false,
            } if *bits <= 32 => {
                let limit = Options {
                    maximum: options.maximum,
                    ..Options::default()
                };
                (*options != limit).then(|| "an annotation for lists".to_owned())
            }
            Type::Named(_) => {
                match self.definition(kind) {
                    Some(Definition::Record(fields)) => fields.iter().find_map(|field| match self
                        .resolve(&field.field_type)
                    {
                        Type::Handle { own: true, .. } => {
                            unsupported("a record as a parameter that hands a resource over")
                        }
                        _ => self.parameter_refusal(&field.field_type, options),
                    }),
                    Some(Definition::Resource { .. }) => unsupported("a resource itself"),
                    _ if !plain => Some("an annotation for lists".to_owned()),
                    _ => None,
                }
            }
            _ if !plain => Some("an annotation for lists".to_owned()),
            _ => None,
        }
    }

    fn buffer_refusal(&self, element: Layout, options: &Options) -> Option<String> {
        if element.size == 0 || element.size > u32::from(u16::MAX) {
            return Some("elements of no bytes, or of 64 KiB and more".to_owned());
        }
        if options.copy && options.written {
            return Some("a copy of what is written to".to_owned());
        }
        if options.copy && options.align.is_some_and(|align| align > 16) {
            return Some("a copy, which is aligned to 16 bytes at most".to_owned());
        }
        if options.copy {
            let bytes = options
                .maximum
                .map(|most| u64::from(most) * u64::from(element.size));
            if bytes.is_none_or(|bytes| bytes > 4096) {
                return Some("a copy needs a maximum, of at most 4096 bytes".to_owned());
            }
        }
        None
    }

    /// `top`: the type of the function's result itself.
    fn result_refusal(&self, kind: &Type, top: bool) -> Option<String> {
        let unsupported = |what: &str| Some(format!("{what}: not in this subset"));
        match self.resolve(kind) {
            Type::List(element) if !self.is_plain(element) => {
                unsupported("a list of something that holds text, lists or handles")
            }
            Type::Option(_) | Type::Result(..) if !top => {
                unsupported("an option or a result inside of something else")
            }
            Type::Option(inner) => self.result_refusal(inner, false),
            Type::Result(ok, err) => {
                let sides = [ok, err].into_iter().flatten();
                sides
                    .into_iter()
                    .find_map(|side| self.result_refusal(side, false))
            }
            Type::Named(_) => match self.definition(kind) {
                Some(Definition::Record(fields)) => fields
                    .iter()
                    .find_map(|field| self.result_refusal(&field.field_type, false)),
                Some(Definition::Resource { .. }) => unsupported("a resource itself"),
                _ => None,
            },
            _ => None,
        }
    }

    /// The C parameters of the function that is registered, after the `lucet_call *`.
    pub fn slots(&self, function: &Function) -> Vec<Slot> {
        let mut slots = Vec::new();
        let mut names = self.scope(function);
        for parameter in &function.parameters {
            let (kind, options) = (&parameter.parameter_type, &parameter.options);
            let first = slots.len();
            self.parameter_slots(kind, parameter.c_name.clone(), options, &mut slots);
            // The names of a record's fields are made; others are their parameter's own.
            for slot in &mut slots[first..] {
                if slot.name != parameter.c_name {
                    slot.name = names.fresh(&slot.name);
                }
            }
        }
        for slot in &mut slots {
            if matches!(slot.slot_type, SlotType::List { .. }) {
                slot.count = names.fresh(&format!("{}_count", stem(&slot.name)));
            }
        }
        if let Some(layout) = self.result_area(function) {
            slots.push(Slot {
                name: "ret".to_owned(),
                count: String::new(),
                check: Some(Check {
                    kind: kind::OBJECT | access::WRITE,
                    limit: 0,
                    element: layout.size as u16,
                    align: layout.align as u8,
                }),
                core: vec![ValueType::I32],
                slot_type: SlotType::Result(layout),
            });
        }
        slots
    }

    /// Where the result goes when it does not fit one core value.
    pub fn result_area(&self, function: &Function) -> Option<Layout> {
        let result = function.result.as_ref()?;
        let mut flat = Vec::new();
        self.flatten(result, &mut flat);
        (flat.len() > 1).then(|| self.layout(result))
    }

    /// The core type of a function: as an import, or as an export, whose result area is the guest's.
    pub fn core_type(&self, function: &Function, import: bool) -> FunctionType {
        let mut parameters = Vec::new();
        for parameter in &function.parameters {
            self.flatten(&parameter.parameter_type, &mut parameters);
        }
        let mut results = Vec::new();
        if let Some(result) = &function.result {
            self.flatten(result, &mut results);
        }
        if results.len() > 1 {
            results.clear();
            if import {
                parameters.push(ValueType::I32);
            } else {
                results.push(ValueType::I32);
            }
        }
        FunctionType {
            parameters,
            results,
        }
    }

    fn parameter_slots(&self, kind: &Type, name: String, options: &Options, slots: &mut Vec<Slot>) {
        let resolved = self.resolve(kind);
        let list = |element: &Type, text: bool| {
            let layout = self.layout(element);
            let read = if options.unread { 0 } else { access::READ };
            let write = if options.written { access::WRITE } else { 0 };
            let utf8 = if text { access::UTF8 } else { 0 };
            let copy = if options.copy { access::COPY } else { 0 };
            Slot {
                name: name.clone(),
                count: String::new(),
                check: Some(Check {
                    kind: kind::SLICE | read | write | utf8 | copy,
                    limit: options.maximum.unwrap_or(0),
                    element: layout.size as u16,
                    align: (layout.align as u8).max(options.align.unwrap_or(1)),
                }),
                core: vec![ValueType::I32; 2],
                slot_type: SlotType::List {
                    element: element.clone(),
                    text,
                },
            }
        };
        match resolved {
            Type::String => slots.push(list(
                &Type::Integer {
                    signed: false,
                    bits: 8,
                },
                true,
            )),
            Type::List(element) => slots.push(list(element, false)),
            _ => match self.definition(kind) {
                Some(Definition::Record(fields)) => {
                    for field in fields {
                        let name = format!("{}_{}", stem(&name), stem(&field.c_name));
                        self.parameter_slots(&field.field_type, name, options, slots);
                    }
                }
                _ => {
                    let mut core = Vec::new();
                    self.flatten(kind, &mut core);
                    slots.push(Slot {
                        name,
                        count: String::new(),
                        check: self.number_check(kind, options),
                        core,
                        slot_type: SlotType::Scalar(kind.clone()),
                    });
                }
            },
        }
    }

    /// What is checked of a number.
    pub(super) fn number_check(&self, kind: &Type, options: &Options) -> Option<Check> {
        let check = |kind: u8, limit: u32| {
            Some(Check {
                kind,
                limit,
                element: 0,
                align: 0,
            })
        };
        match self.resolve(kind) {
            Type::Bool => check(kind::UNSIGNED, 1),
            Type::Integer {
                signed: false,
                bits: 32,
            } => options.maximum.and_then(|most| check(kind::UNSIGNED, most)),
            Type::Integer {
                signed: false,
                bits,
            } if *bits < 32 => {
                let most = (1u32 << bits) - 1;
                check(kind::UNSIGNED, options.maximum.unwrap_or(most).min(most))
            }
            Type::Integer { signed: true, bits } if *bits < 32 => {
                check(kind::SIGNED, u32::from(*bits))
            }
            Type::Char => check(kind::CHAR, 0),
            Type::Handle { own: false, .. } => check(kind::HANDLE, 0),
            Type::Named(_) => match self.definition(kind)? {
                Definition::Enum(cases) => check(kind::UNSIGNED, cases.len() as u32 - 1),
                Definition::Flags(flags) => check(kind::FLAGS, ((1u64 << flags.len()) - 1) as u32),
                _ => None,
            },
            _ => None,
        }
    }
}
