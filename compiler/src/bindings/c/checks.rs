//! The checks as C that a person can read: for each function one that says whether the host would be called, over the guest's numbers and
//! memory. What compiled code and the runtime do is the same; tests compare.

use super::{Text, guard, opening};
use crate::bindings::lower::{Check, Slot, SlotType};
use crate::bindings::{Bindings, Function};
use lucet_format::checks::{access, kind};
use lucet_format::value::ValueType;

/// A header with a function for each one that guests import.
pub fn checks_header(bindings: &Bindings, file: &str, source: &str) -> String {
    let mut text = Text::default();
    let guard = guard(file);
    opening(
        &mut text,
        &format!(
            "{file}: what is checked before the host's side of {} is called.",
            bindings.name
        ),
        source,
    );
    text.line(&format!("#ifndef {guard}"));
    text.line(&format!("#define {guard}"));
    text.line("#include <lucet.h>");
    text.line("#include <lucet/bindings.h>");
    for function in bindings.interfaces.iter().flat_map(|each| &each.functions) {
        bindings.check_function(function, &mut text);
    }
    text.line("");
    text.line("#endif");
    text.lines
}

impl Bindings {
    fn check_function(&self, function: &Function, text: &mut Text) {
        let slots = self.slots(function);
        let memory = &self.slot_scope(function).fresh("memory");
        let mut parameters = vec![format!("lucet_memory {memory}")];
        for slot in &slots {
            let own = match slot.core.first() {
                Some(ValueType::I64) => "uint64_t",
                Some(ValueType::F32) => "float",
                Some(ValueType::F64) => "double",
                _ => "uint32_t",
            };
            parameters.push(format!("{own} {}", slot.name));
            if slot.core.len() == 2 {
                parameters.push(format!("uint32_t {}", slot.count));
            }
        }
        text.line("");
        text.comment(&[
            format!(
                "Whether {} is called with these arguments of a guest.",
                function.c_name
            ),
            match function.answer {
                Some(answer) => format!("If not, the guest gets {answer}."),
                None => "If not, the guest traps.".to_owned(),
            },
        ]);
        text.line(&format!(
            "static inline bool {}({}) {{",
            self.internal("check", &function.c_name),
            parameters.join(", ")
        ));
        let mut ranges: Vec<(&Slot, Check)> = Vec::new();
        for slot in &slots {
            match slot.check {
                Some(check) if check.kind & kind::MASK >= kind::SLICE => {
                    range(slot, &check, memory, text);
                    ranges.push((slot, check));
                }
                Some(check) => number(&slot.name, &check, text),
                None => text.line(&format!("(void){};", slot.name)),
            }
        }
        if ranges.is_empty() {
            text.line(&format!("(void){memory};"));
        }
        for (index, (one, check)) in ranges.iter().enumerate() {
            for (other, also) in &ranges[index + 1..] {
                if (check.kind | also.kind) & access::WRITE != 0 {
                    let (a, b) = (bytes(one, check), bytes(other, also));
                    text.line(&format!(
                        "if (lucet_overlap({}, {a}, {}, {b})) return false;",
                        one.name, other.name
                    ));
                }
            }
        }
        text.line("return true;");
        text.line("}");
    }
}

/// Bytes of a range, in 64 bits.
fn bytes(slot: &Slot, check: &Check) -> String {
    match slot.slot_type {
        SlotType::List { .. } => {
            format!("LUCET_CAST_(uint64_t, {}) * {}", slot.count, check.element)
        }
        _ => check.element.to_string(),
    }
}

fn range(slot: &Slot, check: &Check, memory: &str, text: &mut Text) {
    let (name, count) = (&slot.name, &slot.count);
    if check.limit != 0 {
        text.line(&format!("if ({count} > {}) return false;", check.limit));
    }
    if check.align > 1 {
        text.line(&format!("if ({name} % {} != 0) return false;", check.align));
    }
    let bytes = bytes(slot, check);
    text.line(&format!(
        "if (!lucet_at({memory}, {name}, {bytes})) return false;"
    ));
    if check.kind & access::UTF8 != 0 {
        text.line(&format!(
            "if (!lucet_is_text(lucet_at({memory}, {name}, {bytes}), {count})) return false;"
        ));
    }
}

fn number(name: &str, check: &Check, text: &mut Text) {
    let limit = check.limit;
    text.line(&match check.kind {
        kind::UNSIGNED => format!("if ({name} > {limit}u) return false;"),
        kind::SIGNED => {
            let half = 1u64 << (limit - 1);
            format!("if (LUCET_CAST_(uint32_t, {name} + {half}u) > {}u) return false; /* {limit} bits with a sign */", 2 * half - 1)
        }
        kind::CHAR => format!("if ({name} > 0x10ffffu || ({name} >= 0xd800u && {name} < 0xe000u)) return false;"),
        kind::FLAGS => format!("if (({name} & ~{limit}u) != 0) return false;"),
        _ => format!("(void){name}; /* a handle: only the instance knows it */"),
    });
}
