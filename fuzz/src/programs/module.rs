//! What is around functions: types, memories, globals, tables, tags, and what the real text leaves to a library.

use super::{LEAVES, TYPES, Writer, list};
use crate::host::OF_PROGRAMS;

/// Bytes of each piece of what is in memory at first.
const CONTENTS: usize = 200;

impl Writer<'_> {
    pub(super) fn module(&mut self) {
        self.put("(module");
        for (number, (parameters, results)) in TYPES.iter().enumerate() {
            self.put(&format!(
                "(type $t{number} (func {} {}))",
                list("param", parameters),
                list("result", results)
            ));
        }
        self.library = self.real.clone();
        for function in &OF_PROGRAMS {
            let named = format!("(func ${} ", function.name);
            self.put(&function.import().replace("(func ", &named));
        }
        self.put("(type $entry (func (param i32 i64 f64) (result i32 i64)))");
        for (number, memory) in self.memories.clone().into_iter().enumerate() {
            let index = if memory.wide { "i64" } else { "i32" };
            let page = if memory.page == 1 { "(pagesize 1)" } else { "" };
            let most = memory.pages + if memory.page == 1 { 3000 } else { 2 };
            let of = format!("{index} {} {most} {page}", memory.pages);
            self.lend("memory", &format!("m{number}"), &of, "");
        }
        for (name, of, first) in [
            ("g0", "i32", "5"),
            ("g1", "i32", "-1"),
            ("g2", "i64", "9"),
            ("g3", "f64", "1.5"),
        ] {
            self.lend(
                "global",
                name,
                &format!("(mut {of})"),
                &format!("({of}.const {first})"),
            );
        }
        self.contents();
        for function in 0..LEAVES {
            self.lend_function(function);
        }
        self.put(
            r#"(export "g0" (global $g0)) (export "g1" (global $g1)) (export "g2" (global $g2)) (export "g3" (global $g3))
            (global $fuel (mut i32) (i32.const 0)) (global $c0 i32 (i32.const 64)) (global $c1 i64 (i64.const 65528))"#,
        );
        for memory in 0..self.memories.len() {
            self.put(&format!("(export \"m{memory}\" (memory $m{memory}))"));
        }
        let every: Vec<String> = (0..self.functions.len())
            .map(|n| format!("$f{n}"))
            .collect();
        let size = every.len();
        self.put(&format!(
            "(table $t (export \"t\") {} {} funcref) (elem (table $t) (i32.const 1) func {})",
            size + 2,
            size + 6,
            every.join(" ")
        ));
        self.each(
            "(tag $e0) (tag $e1 (param i32)) (tag $e2 (param i32 i64))",
            &format!(
                r#"(global $exn (mut i32) (i32.const 0)) (global $p (mut i32) (i32.const 0)) (global $q (mut i64) (i64.const 0))
                (table $every {size} funcref) (elem (table $every) (i32.const 0) func {})"#,
                every.join(" ")
            ),
        );
        self.put(
            "(func $canon (param f64) (result f64) (select (f64.const nan) (local.get 0) (f64.ne (local.get 0) (local.get 0))))",
        );
        for function in LEAVES..self.functions.len() {
            self.function(function);
        }
        for entry in 0..3 {
            self.entry(entry);
        }
        for entry in 0..2 {
            self.rows(entry);
        }
        self.words(0);
        self.put(")");
        self.library.push(')');
    }

    /// Bytes in the first memory, so that it shows which of them were read.
    fn contents(&mut self) {
        let memory = self.memories[0];
        let of = if memory.wide { "i64" } else { "i32" };
        let end = memory.page * memory.pages;
        for start in [0, 1000, 32_760 - 64, end - CONTENTS as u64] {
            let bytes: String = (0..CONTENTS)
                .map(|_| format!("\\{:02x}", self.below(256)))
                .collect();
            self.put(&format!(
                "(data (memory $m0) ({of}.const {start}) \"{bytes}\")"
            ));
        }
    }

    /// Defines something, in the real text in the library if there is one.
    fn lend(&mut self, kind: &str, name: &str, of: &str, value: &str) {
        let here = format!("({kind} ${name} {of} {value})");
        if !self.linked {
            return self.put(&here);
        }
        let import = format!("(import \"library\" \"{name}\" ({kind} ${name} {of}))");
        self.each(&import, &here);
        self.library.push_str(&format!(
            "({kind} ${name} (export \"{name}\") {of} {value})\n"
        ));
    }

    /// A function that calls nothing.
    fn lend_function(&mut self, function: usize) {
        let before = self.real.len();
        self.function(function);
        if self.linked {
            let text = self.real.split_off(before);
            self.library.push_str(&text);
            let of = self.functions[function];
            self.library
                .push_str(&format!("(export \"f{function}\" (func $f{function}))\n"));
            self.real.push_str(&format!(
                "(import \"library\" \"f{function}\" (func $f{function} (type $t{of})))\n"
            ));
        }
    }
}
