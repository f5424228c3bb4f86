//! Arithmetic as hashes and numbers of many digits have it: rounds whose sums depend on the round before, and products of 64 by 64 bits
//! that are made of smaller ones, right and nearly right.

use super::{Ty, Writer};

/// The lower half of 64 bits.
const LOW: &str = "i64.const 0xffffffff i64.and";

impl Writer<'_> {
    /// Rounds that mix some words, several in a block.
    pub(super) fn rounds(&mut self) {
        let label = self.label();
        let of = self.pick(&[Ty::I32, Ty::I64]);
        let words: &[&str] = match of {
            Ty::I64 => &["$b0", "$b1", "$b2"],
            _ => &["$a0", "$a1", "$a2", "$a3"],
        };
        let (times, in_a_block) = (1 + self.below(6), 1 + self.below(4));
        self.put(&format!(
            "i32.const {times} local.set $round loop $l{label}"
        ));
        for _ in 0..in_a_block {
            let terms = 2 + self.below(7);
            self.sum(of, words, terms);
            for pair in words.windows(2).rev() {
                self.put(&format!("local.get {} local.set {}", pair[0], pair[1]));
                if self.one_in(3) {
                    self.mixed(of, words);
                    self.put(&format!(
                        "local.get {} {}.add local.set {}",
                        pair[1],
                        of.name(),
                        pair[1]
                    ));
                }
            }
            self.put(&format!("local.set {}", words[0]));
        }
        self.put(&format!(
            "local.get $round i32.const 1 i32.sub local.tee $round br_if $l{label} end"
        ));
    }

    /// A sum of so many terms, added from one end, from the other, or in pairs.
    fn sum(&mut self, of: Ty, words: &[&str], terms: u64) {
        if terms == 1 {
            return self.mixed(of, words);
        }
        let left = match self.below(3) {
            0 => 1,
            1 => terms - 1,
            _ => terms / 2,
        };
        self.sum(of, words, left);
        self.sum(of, words, terms - left);
        let name = self.pick(&["add", "add", "add", "add", "add", "sub", "xor"]);
        self.put(&format!("{}.{name}", of.name()));
    }

    /// A word, or what a round makes of some.
    fn mixed(&mut self, of: Ty, words: &[&str]) {
        let name = of.name();
        let [one, other, third] = [(); 3].map(|()| self.pick(words));
        match self.below(7) {
            0 => self.put(&format!("local.get {one}")),
            1 => {
                let number = self.constant();
                self.put(&format!("{name}.const {number}"));
            }
            2 => self.value(of, 1),
            3 => self.put(&format!("local.get {one} local.get {other} {name}.mul")),
            4 => self.put(&format!(
                "local.get {one} local.get {other} {name}.xor local.get {third} {name}.and"
            )),
            _ => {
                let by = self.pick(&[1, 7, 8, 13, 16, 24, 31]);
                let turn = self.pick(&["rotl", "rotr", "shr_u", "shl"]);
                self.put(&format!(
                    "local.get {one} {name}.const {by} {name}.{turn} local.get {other} {name}.xor"
                ));
            }
        }
    }

    /// An i64 that is, or is nearly, half of a product of 64 by 64 bits, and perhaps more.
    pub(super) fn half_of_product(&mut self, depth: usize) {
        for (whole, low, high) in [("$x", "$xl", "$xh"), ("$y", "$yl", "$yh")] {
            self.i64(depth);
            // Digits of ones are where sums wrap around.
            let ones = self.pick(&[
                "0",
                "-1",
                "-1",
                "0xffffffff",
                "-0x100000000",
                "0x7fffffff80000001",
            ]);
            self.put(&format!(
                "i64.const {ones} i64.xor local.tee {whole} {LOW} local.set {low} local.get {whole} i64.const 32 i64.shr_u local.set {high}"
            ));
        }
        for (low, high, to) in [
            ("$xl", "$yl", "$lower"),
            ("$xh", "$yl", "$c"),
            ("$yh", "$xl", "$d"),
        ] {
            self.put(&format!(
                "local.get {low} local.get {high} i64.mul local.set {to}"
            ));
        }
        // `$c` is a sum from here on, now and then.
        let carry = self.one_in(2);
        if carry {
            let up = self.up();
            self.put(&format!(
                "local.get $lower {up} local.get $c i64.add local.set $c"
            ));
        }
        if self.one_in(4) {
            self.lower_half(carry);
        } else {
            self.upper_half(carry);
        }
    }

    fn lower_half(&mut self, carry: bool) {
        self.middle(carry);
        let by = self.one_of(32, 31);
        self.put(&format!("i64.const {by} i64.shl local.get $lower {LOW}"));
        let joined = self.pick(&["or", "add", "xor"]);
        self.put(&format!("i64.{joined}"));
    }

    fn upper_half(&mut self, carry: bool) {
        let mut terms = vec!["local.get $xh local.get $yh i64.mul".to_owned()];
        let up = self.up();
        terms.push(format!("local.get $c {up}"));
        if self.one_in(3) {
            let up = self.up();
            terms.push(format!("local.get $d {up}"));
        }
        if self.one_in(3) {
            terms.push(
                self.pick(&["local.get $y", "local.get $c", "i64.const 1"])
                    .to_owned(),
            );
        }
        let last = terms.len() - 1;
        let swapped = self.below(terms.len() as u64) as usize;
        terms.swap(swapped, last);
        self.middle(carry);
        let up = self.up();
        self.put(&up);
        for term in terms {
            self.put(&format!("{term} i64.add"));
        }
    }

    /// What the middle of a product adds up to, of parts that are masked or not.
    fn middle(&mut self, carry: bool) {
        for part in ["$c", "$d"] {
            let mask = if self.one_in(2) { LOW } else { "" };
            self.put(&format!("local.get {part} {mask}"));
        }
        self.put("i64.add");
        if !carry || self.one_in(8) {
            let up = self.up();
            self.put(&format!("local.get $lower {up} i64.add"));
        }
    }

    /// The upper half of a value, as a rule.
    fn up(&mut self) -> String {
        let name = if self.one_in(12) { "shr_s" } else { "shr_u" };
        let by = self.one_of(32, 33);
        format!("i64.const {by} i64.{name}")
    }

    /// Nearly always the first.
    fn one_of(&mut self, usual: u64, other: u64) -> u64 {
        if self.one_in(12) { other } else { usual }
    }
}
