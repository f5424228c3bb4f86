//! The types of bindings in C.

use super::Text;
use crate::bindings::{Bindings, Definition, Derived, Named, Options, Type};

impl Bindings {
    /// A value's type, where it is one word: numbers, handles, what has a name.
    pub(super) fn c_type(&self, kind: &Type) -> String {
        match kind {
            Type::Bool => "bool".to_owned(),
            Type::Integer { signed, bits } => {
                format!("{}int{bits}_t", if *signed { "" } else { "u" })
            }
            Type::F32 => "float".to_owned(),
            Type::F64 => "double".to_owned(),
            Type::Char => "uint32_t".to_owned(),
            Type::Named(index) => self.types[*index].c_name.clone(),
            Type::Handle { resource, .. } => format!("{} *", self.types[*resource].c_name),
            // Never by value.
            Type::String | Type::List(_) | Type::Option(_) | Type::Result(..) => "void".to_owned(),
        }
    }

    /// A type as it lies in a guest's memory: a truth value there is any byte.
    pub(super) fn c_element(&self, kind: &Type) -> String {
        match self.resolve(kind) {
            Type::Bool => "uint8_t".to_owned(),
            _ => self.c_type(kind),
        }
    }

    /// The struct of pointer and size that a host function takes for a list of this.
    pub(super) fn c_slice(&self, element: &Type, written: bool) -> String {
        let resolved = self.resolve(element);
        let stem = match resolved {
            Type::Named(index) => {
                let derived = &self.types[*index].derived;
                return if written {
                    derived.list_out.clone()
                } else {
                    derived.list.clone()
                };
            }
            Type::Bool => "lucet_u8s".to_owned(),
            Type::Char => "lucet_u32s".to_owned(),
            Type::Integer { signed, bits } => {
                format!("lucet_{}{bits}s", if *signed { "i" } else { "u" })
            }
            Type::F64 => "lucet_f64s".to_owned(),
            _ => "lucet_f32s".to_owned(),
        };
        if written { format!("{stem}_out") } else { stem }
    }

    /// Whether a list of this is one of bytes.
    pub(super) fn is_byte(&self, element: &Type) -> bool {
        *self.resolve(element)
            == Type::Integer {
                signed: false,
                bits: 8,
            }
    }

    /// What a host function takes for a parameter that is a list, or text.
    pub(super) fn c_buffer(&self, element: &Type, text: bool, options: &Options) -> String {
        match (text, self.is_byte(element), options.written, options.unread) {
            (true, ..) => "lucet_string".to_owned(),
            (_, true, false, _) => "lucet_bytes".to_owned(),
            (_, true, true, true) => "lucet_bytes_out".to_owned(),
            (_, true, true, false) => "lucet_bytes_inout".to_owned(),
            (_, false, written, _) => self.c_slice(element, written),
        }
    }

    /// The definitions of all named types. `host`: with what only hosts need.
    pub(super) fn define_types(&self, text: &mut Text, host: bool) {
        if self.types.is_empty() {
            return;
        }
        // Several headers are made of the same bindings.
        let guard = super::guard(&format!("types_{}", self.name));
        text.line("");
        text.line(&format!("#ifndef {guard}"));
        text.line(&format!("#define {guard}"));
        for named in &self.types {
            text.line("");
            text.comment(&named.docs);
            self.define_type(named, text, host);
        }
        text.line("#endif");
    }

    fn define_type(&self, named: &Named, text: &mut Text, host: bool) {
        let name = &named.c_name;
        match &named.definition {
            Definition::Record(fields) => {
                text.line(&format!("typedef struct {name} {{"));
                for field in fields {
                    let kind = match self.resolve(&field.field_type) {
                        Type::String if host => "lucet_string".to_owned(),
                        Type::String => "lucet_guest_text".to_owned(),
                        Type::List(element) if host => {
                            self.c_buffer(element, false, &Options::default())
                        }
                        Type::List(_) => "lucet_guest_list".to_owned(),
                        Type::Handle { resource, .. } if !host => {
                            self.types[*resource].c_name.clone()
                        }
                        _ => self.c_element(&field.field_type),
                    };
                    text.line(&format!("{kind} {};", field.c_name).replace("* ", "*"));
                }
                text.line(&format!("}} {name};"));
            }
            Definition::Enum(cases) => {
                let bits = 8 * crate::bindings::layout::discriminant_bytes(cases.len());
                text.line(&format!("typedef uint{bits}_t {name};"));
                for (number, case) in cases.iter().enumerate() {
                    text.comment(&case.docs);
                    let value = constant(name, &number.to_string(), host);
                    text.line(&format!("#define {} {value}", case.c_name));
                }
            }
            Definition::Flags(flags) => {
                let bits = 8 * self.layout(&Type::Named(self.index_of(named))).size;
                text.line(&format!("typedef uint{bits}_t {name};"));
                for (number, flag) in flags.iter().enumerate() {
                    text.comment(&flag.docs);
                    let value = constant(name, &format!("1u << {number}"), host);
                    text.line(&format!("#define {} {value}", flag.c_name));
                }
            }
            Definition::Resource { .. } if host => {
                text.line(&format!("typedef struct {name} {name};"))
            }
            Definition::Resource { .. } => {
                text.line(&format!("typedef struct {name} {{"));
                text.line("int32_t handle;");
                text.line(&format!("}} {name};"));
            }
            Definition::Alias(other) => match self.resolve(other) {
                Type::String | Type::List(_) | Type::Option(_) | Type::Result(..) => {}
                _ => text.line(&format!("typedef {} {name};", self.c_type(other))),
            },
        }
        let index = Type::Named(self.index_of(named));
        let has_slices = !matches!(
            named.definition,
            Definition::Alias(_) | Definition::Resource { .. }
        );
        if host && has_slices && self.is_plain(&index) {
            let Derived { list, list_out, .. } = &named.derived;
            text.line(&format!("LUCET_SLICE({list}, const {name});"));
            text.line(&format!("LUCET_SLICE({list_out}, {name});"));
        }
    }

    fn index_of(&self, named: &Named) -> usize {
        let same = |other: &Named| std::ptr::eq(other, named);
        self.types.iter().position(same).unwrap_or_default()
    }
}

/// A constant of a type. The host's C++ has no casts in C's way.
fn constant(name: &str, value: &str, host: bool) -> String {
    if host {
        format!("LUCET_CAST_({name}, {value})")
    } else if value.contains(' ') {
        format!("(({name})({value}))")
    } else {
        format!("(({name}){value})")
    }
}
