//! Loops over rows of numbers, as C programs copy, fill and combine them, and what such loops are made of.

use super::Writer;

impl Writer<'_> {
    /// A loop over rows of numbers.
    pub(super) fn over_rows(&mut self) {
        if self.one_in(3) {
            self.fields();
        } else {
            self.idiom();
        }
        self.put("local.get $x local.get $round i64.extend_i32_u i64.add local.get $b1 i64.add local.set $b1");
    }

    /// Copies, fills or combines rows of numbers, as C programs do.
    fn idiom(&mut self) {
        let (load, store, step) = self.pick(&[
            ("i32.load8_u", "i32.store8", 1),
            ("i32.load", "i32.store", 4),
            ("i64.load", "i64.store", 8),
            ("i32.load16_s", "i32.store16", 2),
        ]);
        let widen = self.widening(0);
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
        let again = (!fills).then(|| format!("{from} {load} offset={offset}"));
        value.push_str(&self.operations(if wide { "i64" } else { "i32" }, again.as_deref()));
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
        let (label, out) = (self.label(), self.label());
        if by_pointers {
            let round = format!("{before} local.get $a2 {widen} {value} {store}");
            self.by_pointers(step, down, &round);
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

    /// How many bytes of them: $ta, so many each round. The last thing before the loop; $x and $round have no sums yet.
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
            "i32.const {most} i32.and i32.const {step} i32.mul local.set $ta
            i64.const 0 local.set $x i32.const 0 local.set $round"
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

    /// A loop in which pointers go on, $a2 up to where $ta has the bytes.
    pub(super) fn by_pointers(&mut self, step: u64, down: &str, round: &str) {
        let (label, out) = (self.label(), self.label());
        self.put(&format!(
            "block $b{out} local.get $ta i32.eqz br_if $b{out} local.get $a2 local.get $ta i32.{down} local.set $ta loop $l{label}
            {round} local.get $a3 i32.const {step} i32.{down} local.set $a3
            local.get $a2 i32.const {step} i32.{down} local.tee $a2 local.get $ta i32.ne br_if $l{label} end end"
        ));
    }

    /// What is done to a value, now and then with what is loaded once more; of floats only what keeps a NaN's bits.
    pub(super) fn operations(&mut self, of: &str, again: Option<&str>) -> String {
        let mut text = String::new();
        for _ in 0..self.below(3) {
            if of.starts_with('f') {
                let name = self.pick(&["neg", "abs"]);
                text.push_str(&format!(" {of}.{name}"));
                continue;
            }
            let name = self.pick(&["add", "xor", "sub", "and", "or", "mul", "shl", "shr_u"]);
            let number = self.pick(&[1, 3, 7, 255, -1, 0x1234]);
            let other = match (self.below(3), again, of) {
                (0, Some(again), _) => again.to_owned(),
                (1, _, "i64") => "local.get $b1".to_owned(),
                (1, _, _) => "local.get $a0".to_owned(),
                _ => format!("{of}.const {number}"),
            };
            text.push_str(&format!(" {other} {of}.{name}"));
        }
        text
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
