//! Functions: what they declare, what they begin and end with, small ones, and the entries.

use super::{LEAVES, LOOPS, TYPES, Ty, Writer, list};

impl Writer<'_> {
    /// What is declared in each function: enough of each type.
    fn locals(&mut self) {
        let list = |prefix: &str, count: usize, of: &str| {
            let one = |number| format!("(local ${prefix}{number} {of})");
            (0..count).map(one).collect::<Vec<_>>().join(" ")
        };
        let common = [
            list("a", 4, "i32"),
            list("b", 3, "i64"),
            list("d", 2, "f64"),
            list("i", LOOPS, "i32"),
            list("n", LOOPS, "i32"),
            list("j", LOOPS, "i64"),
            list("k", LOOPS, "i32"),
            "(local $ta i32) (local $tb i64) (local $p i32) (local $q i64)".to_owned(),
            "(local $round i32) (local $steps i32) (local $x i64) (local $xl i64) (local $xh i64)"
                .to_owned(),
            "(local $y i64) (local $yl i64) (local $yh i64)".to_owned(),
            "(local $lower i64) (local $c i64) (local $d i64)".to_owned(),
        ]
        .join(" ");
        self.put(&common);
        if self.vectors {
            self.put("(local $v0 v128) (local $v1 v128)");
        }
        if self.references {
            self.each(
                "(local $r0 (ref null $t0)) (local $r4 (ref null $t4))",
                "(local $r0 i32) (local $r4 i32)",
            );
            self.each("", "i32.const -1 local.set $r0 i32.const -1 local.set $r4");
        }
        if self.exceptions {
            self.each(
                &list("x", 2, "exnref"),
                "(local $xt0 i32) (local $xp0 i32) (local $xq0 i64) (local $xt1 i32) (local $xp1 i32) (local $xq1 i64)",
            );
        }
    }

    pub(super) fn function(&mut self, function: usize) {
        self.current = self.functions[function];
        self.calls = function >= LEAVES;
        let (parameters, results) = TYPES[self.current];
        let (parameters, results) = (list("param", parameters), list("result", results));
        let of = self.current;
        self.put(&format!(
            "(func $f{function} (type $t{of}) {parameters} {results}"
        ));
        if self.calls {
            self.locals_first();
            self.burn();
            self.room = 6 + self.below(24) as usize;
            self.block(0);
            self.end_of_function();
        } else {
            self.leaf();
        }
        self.put(")");
    }

    /// Locals, which the plain text initialises behind all declarations.
    fn locals_first(&mut self) {
        let (real, plain) = (self.real.len(), self.plain.len());
        self.locals();
        for (out, from) in [(&mut self.real, real), (&mut self.plain, plain)] {
            let text = out.split_off(from);
            let code = |line: &&str| line.starts_with("i32.const");
            let lines = || text.lines();
            out.extend(
                lines()
                    .filter(|line| !code(line))
                    .flat_map(|line| [line, "\n"]),
            );
            out.extend(lines().filter(code).flat_map(|line| [line, "\n"]));
        }
    }

    fn burn(&mut self) {
        self.put("global.get $fuel i32.const 1 i32.sub global.set $fuel global.get $fuel i32.const 0 i32.lt_s if unreachable end");
    }

    /// Small functions, some of which are done in place of a call.
    fn leaf(&mut self) {
        let (parameters, results) = TYPES[self.current];
        self.put("(local $a0 i32) (local $a1 i32) (local $b0 i64) (local $d0 f64) (local $i0 i32)");
        for (number, of) in parameters.iter().enumerate() {
            let local = match of {
                Ty::I32 => ["a0", "a1"][number.min(1)],
                Ty::I64 => "b0",
                Ty::F64 => "d0",
            };
            self.put(&format!("local.get {number} local.set ${local}"));
        }
        match self.below(5) {
            0 => self.put("global.get $g0 local.get $a0 i32.add global.set $g0"),
            1 => self.put("local.get $a0 if local.get $b0 i64.const 3 i64.mul global.set $g2 end"),
            2 => {
                self.put("loop $l local.get $a1 local.get $i0 i32.add local.set $a1");
                self.put("local.get $i0 i32.const 1 i32.add local.tee $i0 i32.const 5 i32.ne br_if $l end");
            }
            3 => self.put("block local.get $a0 i32.const 7 i32.and i32.const 3 i32.gt_u br_if 0 local.get $a0 i32.const 17 i32.mul local.set $a1 end"),
            _ => {}
        }
        for of in results {
            match of {
                Ty::I32 => match self.below(3) {
                    0 => self.put("local.get $a0 local.get $a1 i32.xor"),
                    1 => {
                        self.put("local.get $a0 i32.const 0x7ffc i32.and");
                        let widen = self.widening(0);
                        self.put(&format!("{widen} i32.load $m0"));
                    }
                    _ => self.put("local.get $a1 i32.const 3 i32.shl local.get $a0 i32.add"),
                },
                Ty::I64 => self.put("local.get $b0 local.get $a0 i64.extend_i32_u i64.add"),
                Ty::F64 => self.put("local.get $d0"),
            }
        }
    }

    /// Entries call inside of a `try`, and answer what came of it.
    pub(super) fn entry(&mut self, entry: usize) {
        self.current = usize::MAX;
        self.calls = true;
        self.put(&format!(
            "(func (export \"run{entry}\") (type $entry) (param i32 i64 f64) (result i32 i64)"
        ));
        self.locals_first();
        self.put("i32.const 100 global.set $fuel");
        self.put("local.get 0 local.set $a0 local.get 1 local.set $b0 local.get 2 call $canon local.set $d0");
        let most = self.functions.len() as u64 - LEAVES as u64;
        let callee = LEAVES + self.below(most) as usize;
        if self.exceptions {
            self.guard(2, |writer| writer.call(callee));
        } else {
            self.call(callee);
        }
        self.put("local.get $a0 local.get $a1 i32.add local.get $b0 local.get $b1 i64.xor)");
    }

    /// Entries that do nothing but work on rows and multiply: what is written elsewhere is rarely reached with rows that overlap, and with
    /// large factors.
    pub(super) fn rows(&mut self, entry: usize) {
        self.current = usize::MAX;
        self.put(&format!(
            "(func (export \"rows{entry}\") (type $entry) (param i32 i64 f64) (result i32 i64)"
        ));
        self.locals_first();
        self.put("local.get 0 local.set $a0 local.get 1 local.set $b0 local.get 0 local.set $a1");
        for _ in 0..3 {
            self.over_rows();
            self.half_of_product(0);
            self.put("local.get $b1 i64.add local.set $b1");
        }
        self.put("local.get $a2 local.get $b1)");
    }

    /// The values that a function returns, or another function's.
    fn end_of_function(&mut self) {
        let fits: Vec<usize> = (0..self.functions.len())
            .filter(|other| TYPES[self.functions[*other]].1 == TYPES[self.current].1)
            .collect();
        if !fits.is_empty() && self.one_in(4) {
            let callee = self.pick(&fits);
            self.arguments(callee);
            self.put(&format!("return_call $f{callee}"));
            return;
        }
        self.results();
    }

    pub(super) fn results(&mut self) {
        let results = if self.current == usize::MAX {
            &[Ty::I32, Ty::I64][..]
        } else {
            TYPES[self.current].1
        };
        for of in results {
            self.value(*of, 2);
        }
    }
}
