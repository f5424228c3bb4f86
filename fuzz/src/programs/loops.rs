//! Loops that count, as compilers write them.

use super::{Loop, Ty, Writer};

/// How often loops go round, by how many are around them.
const ROUNDS: [u64; 3] = [24, 8, 4];

impl Writer<'_> {
    /// A loop around a block of statements.
    pub(super) fn counted(&mut self, depth: usize) {
        let nest = self.loops.len();
        let most = ROUNDS[nest];
        let (label, out) = (self.label(), self.label());
        let wide = self.one_in(4);
        let (of, variable) = if wide { ("i64", "j") } else { ("i32", "i") };
        let variable = format!("${variable}{nest}");
        let step = self.pick(&[1i64, 1, 1, 2, 4, 8, 3, -1, -4, 16]);
        let rounds = 1 + self.below(most) as i64;
        let start = match self.below(8) {
            0 => -step * (rounds / 2),
            1 => 65_536 - step * rounds,
            2 => 65_528 - step * (rounds - 1),
            3 => self.pick(&[0x7fff_fffc, -4, 0x7fff_fff0]),
            4 => 131_072 - 8 * step * rounds,
            _ => self.pick(&[0, 0, 1, 16, 64, 1000]),
        };
        let (start, end) = (wrap(start, wide), wrap(start + step * rounds, wide));
        self.put(&format!("{of}.const {start} local.set {variable}"));
        // Another variable goes along.
        self.i32(0);
        let mask = self.pick(&[0x7ff8, 0xff, 0xffff]);
        self.put(&format!("i32.const {mask} i32.and local.set $k{nest}"));
        let bump = self.pick(&[1, 4, 8, -1]);
        let along = format!("local.get $k{nest} i32.const {bump} i32.add local.set $k{nest}");
        let next = format!("local.get {variable} {of}.const {step} {of}.add local.set {variable}");
        let early = self.one_in(4);
        let first = if early { next.as_str() } else { "" };
        let last = if early { "" } else { next.as_str() };
        self.loops.push(Loop { wide, start });
        self.labels += 1;
        match self.below(5) {
            // Ends at a number.
            0 | 1 => {
                self.put(&format!("block $b{out} loop $l{label} {first}"));
                self.body(depth, out);
                self.put(&format!(
                    "{along} {last} local.get {variable} {of}.const {end} {of}.ne br_if $l{label} end end"
                ));
            }
            // Counts down from a number that is not known.
            2 => {
                self.i32(1);
                self.put(&format!(
                    "i32.const {} i32.and i32.const 1 i32.add local.set $n{nest}",
                    mask_of(most)
                ));
                self.put(&format!("block $b{out} loop $l{label} {first}"));
                self.body(depth, out);
                self.put(&format!(
                    "{along} {last} local.get $n{nest} i32.const 1 i32.sub local.tee $n{nest} br_if $l{label} end end"
                ));
            }
            // Looks before it goes round; the limit is not known.
            3 => {
                self.i32(1);
                self.put(&format!(
                    "i32.const {} i32.and local.set $n{nest}",
                    mask_of(most)
                ));
                self.put(&format!(
                    "i32.const 0 local.set $i{nest} block $b{out} loop $l{label}"
                ));
                let test = self.pick(&["ge_s", "ge_u", "eq"]);
                self.put(&format!(
                    "local.get $i{nest} local.get $n{nest} i32.{test} br_if $b{out}"
                ));
                self.body(depth, out);
                if wide {
                    self.put(&next);
                }
                self.put(&format!(
                    "{along} local.get $i{nest} i32.const 1 i32.add local.set $i{nest} br $l{label} end end"
                ));
            }
            // Less than a limit.
            _ => {
                let test = self.pick(&["lt_u", "lt_s"]);
                self.i32(0);
                self.put(&format!(
                    "i32.const {} i32.and i32.const 40 i32.add local.set $n{nest}",
                    mask_of(most)
                ));
                let from = 41 - most as i64 / 2;
                self.put(&format!(
                    "i32.const {from} local.set $i{nest} block $b{out} loop $l{label}"
                ));
                self.body(depth, out);
                if wide {
                    self.put(&next);
                }
                self.put(&format!(
                    "{along} local.get $i{nest} i32.const 1 i32.add local.tee $i{nest} local.get $n{nest} i32.{test} br_if $l{label} end end"
                ));
            }
        }
        self.loops.pop();
    }

    fn body(&mut self, depth: usize, out: usize) {
        self.block(depth + 1);
        if self.one_in(5) {
            self.value(Ty::I32, 1);
            self.put(&format!("i32.const 31 i32.and i32.eqz br_if $b{out}"));
        }
    }

    /// A loop over rows of numbers.
    pub(super) fn over_rows(&mut self) {
        if self.one_in(3) {
            self.fields();
        } else {
            self.idiom();
        }
    }

    /// Copies, fills or combines rows of numbers, as C programs do.
    fn idiom(&mut self) {
        let (label, out) = (self.label(), self.label());
        let (load, store, step) = self.pick(&[
            ("i32.load8_u", "i32.store8", 1),
            ("i32.load", "i32.store", 4),
            ("i64.load", "i64.store", 8),
            ("i32.load16_s", "i32.store16", 2),
        ]);
        let widen = if self.memories[0].wide {
            "i64.extend_i32_u"
        } else {
            ""
        };
        let wide = store.starts_with("i64");
        let (load, store) = (format!("{widen} {load} $m0"), format!("{store} $m0"));
        self.two_rows();
        self.length(step);
        let fills = self.one_in(3);
        let mut value = match (fills, wide) {
            (true, true) => "local.get $b0".to_owned(),
            (true, false) => "local.get $a1".to_owned(),
            _ => String::new(),
        };
        let offset = self.pick(&[0, 0, 8]);
        let by_pointers = self.one_in(2);
        let from = if by_pointers {
            "local.get $a3"
        } else {
            "local.get $a3 local.get $p i32.add"
        };
        if !fills {
            value = format!("{from} {load} offset={offset}");
        }
        let of = if wide { "i64" } else { "i32" };
        for _ in 0..self.below(3) {
            let name = self.pick(&["add", "xor", "sub", "and", "mul", "shl", "shr_u"]);
            let number = self.pick(&[1, 3, 7, 255, -1, 0x1234]);
            let other = match (self.below(3), wide) {
                (0, _) if !fills => format!("{from} {load} offset={offset}"),
                (1, true) => "local.get $b1".to_owned(),
                (1, false) => "local.get $a0".to_owned(),
                _ => format!("{of}.const {number}"),
            };
            value.push_str(&format!(" {other} {of}.{name}"));
        }
        let row = match (self.one_in(2), by_pointers) {
            (false, _) => from,
            (true, true) => "local.get $a2",
            (true, false) => "local.get $a2 local.get $p i32.add",
        };
        let [before, after] = self.sums(&format!("{row} {widen}"), step);
        let store = format!("{store} {after}");
        let down = if by_pointers {
            self.direction(4)
        } else {
            "add"
        };
        self.put("i64.const 0 local.set $x i32.const 0 local.set $round");
        if by_pointers {
            self.put(&format!(
                "block $b{out} local.get $ta i32.eqz br_if $b{out} local.get $a2 local.get $ta i32.{down} local.set $ta loop $l{label}
                {before} local.get $a2 {widen} {value} {store} local.get $a3 i32.const {step} i32.{down} local.set $a3
                local.get $a2 i32.const {step} i32.{down} local.tee $a2 local.get $ta i32.ne br_if $l{label} end end"
            ));
        } else if self.one_in(2) {
            // Looks behind each round whether that was the last.
            self.put(&format!(
                "i32.const 0 local.set $p block $b{out} local.get $ta i32.eqz br_if $b{out} loop $l{label}
                {before} local.get $a2 local.get $p i32.add {widen} {value} {store}
                local.get $p i32.const {step} i32.add local.tee $p local.get $ta i32.ne br_if $l{label} end end"
            ));
        } else {
            self.put(&format!(
                "i32.const 0 local.set $p block $b{out} loop $l{label} local.get $p local.get $ta i32.ge_u br_if $b{out}
                {before} local.get $a2 local.get $p i32.add {widen} {value} {store}
                local.get $p i32.const {step} i32.add local.set $p br $l{label} end end"
            ));
        }
        self.put("local.get $x local.get $round i64.extend_i32_u i64.add local.get $b1 i64.add local.set $b1");
    }

    /// Where two rows of the first memory begin: $a2, which is written, and $a3.
    pub(super) fn two_rows(&mut self) {
        for local in ["$a2", "$a3"] {
            self.i32(1);
            let mask = self.pick(&[0xffff, 0xff, 0x7ff8]);
            self.put(&format!("i32.const {mask} i32.and local.set {local}"));
        }
        if self.one_in(3) {
            // From close by: the rows overlap, or touch.
            let apart = self.pick(&[
                -64, -48, -33, -32, -31, -28, -24, -20, -16, -8, -4, -1, 1, 4, 8, 16, 24, 31, 32,
                40,
            ]);
            self.put(&format!(
                "local.get $a2 i32.const {apart} i32.add local.set $a3"
            ));
        }
        if self.one_in(6) {
            let end = (self.memories[0].page * self.memories[0].pages) as i64;
            let before = self.pick(&[8, 32, 64, 100, 128, 250]);
            self.put(&format!("i32.const {} local.set $a2", end - before));
        }
    }

    /// How many bytes of them: $ta, so many each round.
    pub(super) fn length(&mut self, step: u64) {
        if self.one_in(2) {
            let rounds = self.pick(&[15, 31, 33, 64, 100, 200]);
            self.put(&format!("i32.const {rounds}"));
        } else {
            self.i32(1);
        }
        // Enough for several vectors, where that is not done again and again.
        let most = if self.loops.is_empty() { 0xff } else { 0x1f };
        self.put(&format!(
            "i32.const {most} i32.and i32.const {step} i32.mul local.set $ta"
        ));
    }

    /// What takes the rows' pointers on: one in so many goes down, mostly from the end of the rows.
    pub(super) fn direction(&mut self, one_in: u64) -> &'static str {
        if !self.one_in(one_in) {
            return "add";
        }
        if !self.one_in(4) {
            for row in ["$a2", "$a3"] {
                self.put(&format!(
                    "local.get {row} local.get $ta i32.add local.set {row}"
                ));
            }
        }
        "sub"
    }

    /// Sums of the bytes of a row in lanes of some width: those before a store there or elsewhere, and those after it. Mostly none.
    pub(super) fn sums(&mut self, row: &str, bytes: u64) -> [String; 2] {
        let mut sums = [String::new(), String::new()];
        if !self.one_in(4) {
            return sums;
        }
        let (of, sum) = self.pick(&[("i64", "$x"), ("i32", "$round")]);
        let width = self.pick(&[1, 2, 4]).min(bytes);
        let load = match width {
            1 => "load8_u",
            2 => "load16_u",
            _ if of == "i32" => "load",
            _ => "load32_s",
        };
        let late = self.below(4);
        for lane in 0..bytes / width {
            let offset = lane * width;
            let after = usize::from(self.below(4) < late);
            sums[after].push_str(&format!(
                " local.get {sum} {row} {of}.{load} $m0 offset={offset} {of}.add local.set {sum}"
            ));
        }
        sums
    }
}

/// A number of the type's width.
fn wrap(number: i64, wide: bool) -> i64 {
    if wide {
        number
    } else {
        i64::from(number as i32)
    }
}

fn mask_of(most: u64) -> u64 {
    most.next_power_of_two() / 2 - 1
}
