//! Statements.

use super::{LEAVES, TYPES, Ty, Writer};

/// Blocks around each other at most.
pub(super) const DEEPEST: usize = 5;

impl Writer<'_> {
    /// Some statements.
    pub(super) fn block(&mut self, depth: usize) {
        let count = 1 + self.below(if depth == 0 { 8 } else { 4 });
        for _ in 0..count {
            if self.room == 0 {
                return;
            }
            self.room -= 1;
            self.statement(depth);
        }
    }

    pub(super) fn statement(&mut self, depth: usize) {
        let nests = depth < DEEPEST;
        match self.below(26) {
            0..=2 => {
                let local = self.below(4);
                self.i32(3);
                self.put(&format!("local.set $a{local}"));
            }
            3 => {
                let local = self.below(3);
                self.i64(3);
                self.put(&format!("local.set $b{local}"));
            }
            4 => {
                self.value(Ty::F64, 2);
                let to = self.pick(&["local.set $d0", "local.set $d1", "global.set $g3"]);
                self.put(to);
            }
            5 => {
                let global = self.below(2);
                self.put(&format!("global.get $g{global}"));
                self.i32(2);
                self.put(&format!("i32.add global.set $g{global}"));
            }
            6 => {
                self.i64(2);
                self.put("global.set $g2");
            }
            7..=9 => self.store(),
            10..=12 if nests && self.may_loop() => self.counted(depth),
            13 if self.loops.len() < 2 => self.over_rows(),
            14 if nests => {
                self.i32(2);
                self.put("if");
                self.block(depth + 1);
                if self.one_in(2) {
                    self.put("else");
                    self.block(depth + 1);
                }
                self.put("end");
            }
            15 | 16 => {
                let most = self.functions.len() as u64;
                let callee = if self.one_in(2) {
                    self.below(LEAVES as u64)
                } else {
                    self.below(most)
                } as usize;
                self.call(callee);
            }
            17 => self.indirect(),
            18 if self.exceptions => self.throw(),
            19 if self.exceptions && nests => {
                let how = self.below(2);
                self.guard(how, |writer| writer.block(depth + 1));
            }
            20 => self.grow(),
            21 => self.bulk(),
            22 if nests => self.switch(depth),
            23 if self.references => self.reference(),
            23 if self.vectors => {
                self.v128(2);
                let local = self.below(2);
                self.put(&format!("local.set $v{local}"));
            }
            24 if self.loops.len() < 2 => self.rounds(),
            25 if nests && self.loops.len() < 2 => self.interpreter(),
            _ => self.early(),
        }
    }

    fn store(&mut self) {
        let place = self.address();
        match self.below(if self.vectors { 4 } else { 3 }) {
            0 => {
                self.i32(2);
                let name = self.pick(&["store", "store8", "store16"]);
                self.put(&format!("i32.{name}{place}"));
            }
            1 => {
                self.i64(2);
                let name = self.pick(&["store", "store8", "store32"]);
                self.put(&format!("i64.{name}{place}"));
            }
            2 => {
                self.value(Ty::F64, 1);
                self.put(&format!("f64.store{place}"));
            }
            _ => {
                self.v128(1);
                let name = self.pick(&["v128.store", "v128.store64_lane", "v128.store8_lane"]);
                let lane = if name.ends_with("lane") { " 1" } else { "" };
                self.put(&format!("{name}{place}{lane}"));
            }
        }
    }

    fn take(&mut self, results: &[Ty]) {
        for of in results.iter().rev() {
            let to = match of {
                Ty::I32 => self.pick(&["$a0", "$a1", "$a2", "$a3"]),
                Ty::I64 => self.pick(&["$b0", "$b1", "$b2"]),
                Ty::F64 => "$d0",
            };
            self.put(&format!("local.set {to}"));
        }
    }

    /// A call, which keeps a value on the operand stack.
    pub(super) fn call(&mut self, callee: usize) {
        let keeps = self.one_in(2);
        if keeps {
            self.i32(1);
        }
        self.arguments(callee);
        self.put(&format!("call $f{callee}"));
        self.after_call();
        self.take(TYPES[self.functions[callee]].1);
        if keeps {
            self.put("local.get $a0 i32.xor local.set $a0");
        }
    }

    /// A call through the table, of the type that is there or another.
    fn indirect(&mut self) {
        let callee = self.below(self.functions.len() as u64) as usize;
        let of = self.functions[callee];
        self.arguments(callee);
        match self.below(8) {
            0 => self.i32(1),
            _ => self.put(&format!("i32.const {}", callee + 1)),
        }
        self.put(&format!("call_indirect $t (type $t{of})"));
        self.after_call();
        self.take(TYPES[of].1);
    }

    fn grow(&mut self) {
        let memory = self.below(self.memories.len() as u64) as usize;
        let wide = self.memories[memory].wide;
        let pages = if self.memories[memory].page == 1 {
            self.pick(&[0, 1, 700])
        } else {
            self.pick(&[0, 1, 1, 9])
        };
        let (of, wrap) = if wide {
            ("i64", "i32.wrap_i64")
        } else {
            ("i32", "")
        };
        self.put(&format!(
            "{of}.const {pages} memory.grow $m{memory} {wrap} local.get $a1 i32.add local.set $a1"
        ));
    }

    fn bulk(&mut self) {
        let to = self.below(self.memories.len() as u64) as usize;
        let from = self.below(self.memories.len() as u64) as usize;
        let (wide, other) = (self.memories[to].wide, self.memories[from].wide);
        let index = |writer: &mut Self, wide: bool| {
            writer.i32(1);
            let mask = writer.pick(&[0x7fff, 0xffff, 0xfff8]);
            let widen = if wide { "i64.extend_i32_u" } else { "" };
            writer.put(&format!("i32.const {mask} i32.and {widen}"));
        };
        index(self, wide);
        let fills = self.one_in(2);
        if fills {
            self.i32(1);
        } else {
            index(self, other);
        }
        // Copies between widths take the smaller one.
        let of = if wide && (fills || other) {
            "i64"
        } else {
            "i32"
        };
        if self.one_in(2) {
            let length = self.pick(&[
                0, 1, 2, 3, 4, 7, 8, 12, 15, 16, 17, 24, 31, 32, 33, 48, 64, 65, 128, 200,
            ]);
            self.put(&format!("{of}.const {length}"));
        } else {
            self.i32(1);
            let widen = if of == "i64" { "i64.extend_i32_u" } else { "" };
            self.put(&format!("i32.const 0x3f i32.and {widen}"));
        }
        if fills {
            self.put(&format!("memory.fill $m{to}"));
        } else {
            self.put(&format!("memory.copy $m{to} $m{from}"));
        }
    }

    fn switch(&mut self, depth: usize) {
        let labels: Vec<usize> = (0..3).map(|_| self.label()).collect();
        for label in &labels {
            self.put(&format!("block $s{label}"));
        }
        self.i32(1);
        let last = labels[0];
        // In long ones most entries lead to the same place.
        let (mask, most) = self.pick(&[(7, 7), (7, 7), (63, 66), (127, 66), (-1, 66)]);
        let usual = self.pick(&labels);
        self.put(&format!("i32.const {mask} i32.and br_table"));
        for _ in 0..1 + self.below(most) {
            let label = if most > 7 && !self.one_in(8) {
                usual
            } else {
                self.pick(&labels)
            };
            self.put(&format!("$s{label}"));
        }
        for label in labels.iter().rev() {
            self.put("end");
            self.block(depth + 1);
            if *label != last && self.one_in(2) {
                self.put(&format!("br $s{last}"));
            }
        }
    }

    /// Typed references: set, looked at and called.
    fn reference(&mut self) {
        let fits: Vec<usize> = (0..self.functions.len())
            .filter(|one| matches!(self.functions[*one], 0 | 4))
            .collect();
        if fits.is_empty() {
            return self.early();
        }
        let callee = self.pick(&fits);
        let of = self.functions[callee];
        match self.below(4) {
            0 => self.each(
                &format!("ref.func $f{callee} local.set $r{of}"),
                &format!("i32.const {callee} local.set $r{of}"),
            ),
            1 => self.each(
                &format!("ref.null $t{of} local.set $r{of}"),
                &format!("i32.const -1 local.set $r{of}"),
            ),
            2 => {
                // One of two.
                self.each(
                    &format!("ref.func $f{callee} local.get $r{of}"),
                    &format!("i32.const {callee} local.get $r{of}"),
                );
                self.i32(1);
                self.each(
                    &format!("select (result (ref null $t{of})) local.set $r{of}"),
                    &format!("select local.set $r{of}"),
                );
            }
            _ => {
                let label = self.label();
                self.put(&format!("block $b{label}"));
                let drops = self.one_in(2);
                if drops {
                    self.each(
                        &format!("local.get $r{of} br_on_null $b{label} drop"),
                        &format!("local.get $r{of} i32.const -1 i32.eq br_if $b{label}"),
                    );
                } else {
                    self.each(
                        &format!("local.get $r{of} ref.is_null br_if $b{label}"),
                        &format!("local.get $r{of} i32.const -1 i32.eq br_if $b{label}"),
                    );
                }
                self.arguments(callee);
                let strict = if self.one_in(2) {
                    "ref.as_non_null"
                } else {
                    ""
                };
                self.each(
                    &format!("local.get $r{of} {strict} call_ref $t{of}"),
                    &format!("local.get $r{of} call_indirect $every (type $t{of})"),
                );
                self.after_call();
                self.take(TYPES[of].1);
                self.put("end");
            }
        }
    }

    /// Returns early, sometimes.
    fn early(&mut self) {
        self.i32(1);
        self.put("i32.const 63 i32.and i32.const 5 i32.eq if");
        self.results();
        self.put("return end");
    }
}
