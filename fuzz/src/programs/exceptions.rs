//! Throwing and catching, and what the plain text does instead.

use super::Writer;

impl Writer<'_> {
    /// In the plain text, after a call: a pending exception goes on. In the real one nothing.
    pub(super) fn after_call(&mut self) {
        if !self.exceptions {
            return;
        }
        let plain = match self.landings.last() {
            Some(landing) => format!("global.get $exn br_if $h{landing}"),
            None => format!("global.get $exn if {} return end", self.defaults()),
        };
        self.each("", &plain);
    }

    fn defaults(&self) -> String {
        let results = if self.current == usize::MAX {
            &[super::Ty::I32, super::Ty::I64][..]
        } else {
            super::TYPES[self.current].1
        };
        let zeros: Vec<String> = results
            .iter()
            .map(|of| format!("{}.const 0", of.name()))
            .collect();
        zeros.join(" ")
    }

    fn leave(&self) -> String {
        match self.landings.last() {
            Some(landing) => format!("br $h{landing}"),
            None => format!("{} return", self.defaults()),
        }
    }

    /// Throws under a condition.
    pub(super) fn throw(&mut self) {
        self.value(super::Ty::I32, 1);
        let mask = self.pick(&[1, 3, 7]);
        self.put(&format!("i32.const {mask} i32.and i32.eqz if"));
        let leave = self.leave();
        match self.below(3) {
            0 => self.each("throw $e0", &format!("i32.const 1 global.set $exn {leave}")),
            1 => {
                self.value(super::Ty::I32, 1);
                self.each(
                    "throw $e1",
                    &format!("global.set $p i32.const 2 global.set $exn {leave}"),
                );
            }
            _ => {
                self.value(super::Ty::I32, 1);
                self.value(super::Ty::I64, 1);
                self.each(
                    "throw $e2",
                    &format!("global.set $q global.set $p i32.const 3 global.set $exn {leave}"),
                );
            }
        }
        self.put("end");
    }

    /// A `try_table` around what `body` writes. Bits of `how` choose the clauses: 2 catches everything.
    pub(super) fn guard(&mut self, how: u64, body: impl FnOnce(&mut Self)) {
        let (out, landing) = (self.label(), self.label());
        // One clause for a tag, and maybe one for everything, each with or without a reference.
        let tag = self.below(3) as usize;
        let reference = self.one_in(2);
        let all = how == 2 || self.one_in(2);
        let all_reference = self.one_in(2);
        let slot = self.below(2);
        let values = ["", "i32", "i32 i64"][tag];
        let exnref = if reference { "exnref" } else { "" };
        self.put(&format!("block $o{out}"));
        let mut clauses = format!(
            "(catch{} $e{tag} $c{out})",
            if reference { "_ref" } else { "" }
        );
        if all {
            clauses.push_str(if all_reference {
                "(catch_all_ref $d"
            } else {
                "(catch_all $d"
            });
            clauses.push_str(&format!("{out})"));
            let result = if all_reference { "(result exnref)" } else { "" };
            self.each(&format!("block $d{out} {result}"), "");
        }
        self.each(
            &format!("block $c{out} (result {values} {exnref}) try_table {clauses}"),
            &format!("block $h{landing}"),
        );
        self.landings.push(landing);
        body(self);
        self.landings.pop();
        let leave = self.leave();
        self.each(&format!("end br $o{out} end"), &format!("br $o{out} end"));
        // The clause for the tag.
        let take = ["", "local.set $p", "local.set $q local.set $p"][tag];
        let keep = |plain: &mut String| {
            plain.push_str(&format!(
                "global.get $exn local.set $xt{slot} global.get $p local.set $xp{slot} global.get $q local.set $xq{slot}\n"
            ));
        };
        let mut plain = format!("global.get $exn i32.const {} i32.eq if\n", tag + 1);
        let mut real = String::new();
        if reference {
            real.push_str(&format!("local.set $x{slot} "));
            keep(&mut plain);
        }
        real.push_str(take);
        plain.push_str(
            [
                "",
                "global.get $p local.set $p",
                "global.get $p local.set $p global.get $q local.set $q",
            ][tag],
        );
        plain.push_str(" i32.const 0 global.set $exn");
        self.each(&real, &plain);
        self.handler(reference && how != 2, slot);
        self.put(&format!("br $o{out}"));
        self.each("", "end");
        if all {
            let mut plain = String::new();
            let mut real = "end ".to_owned();
            if all_reference {
                real.push_str(&format!("local.set $x{slot}"));
                keep(&mut plain);
            }
            plain.push_str(" i32.const 0 global.set $exn");
            self.each(&real, &plain);
            self.handler(all_reference && how != 2, slot);
        } else {
            self.each("", &leave);
        }
        self.put("end");
    }

    /// What a handler does: it looks at the values, and may throw again what it has a reference to.
    fn handler(&mut self, reference: bool, slot: u64) {
        self.put("local.get $p local.get $a1 i32.add local.set $a1 local.get $q local.get $b1 i64.xor local.set $b1");
        if reference && self.one_in(2) {
            let leave = self.leave();
            self.value(super::Ty::I32, 1);
            self.put("i32.const 3 i32.and i32.eqz if");
            self.each(
                &format!("local.get $x{slot} throw_ref"),
                &format!(
                    "local.get $xp{slot} global.set $p local.get $xq{slot} global.set $q local.get $xt{slot} global.set $exn {leave}"
                ),
            );
            self.put("end");
        }
    }
}
