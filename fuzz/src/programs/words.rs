//! Entries that mix more words than a processor has registers, as the rounds of hashes and products of large numbers do: in long blocks,
//! where the order of operations is ours.

use super::{Ty, Writer};

/// The words of an entry.
struct Words {
    types: Vec<Ty>,
    /// Whether there are switches between the steps, which make blocks shorter.
    switches: bool,
}

impl Writer<'_> {
    /// An entry that mixes words for some rounds, and answers what they come to.
    pub(super) fn words(&mut self, entry: usize) {
        self.put(&format!(
            "(func (export \"words{entry}\") (type $entry) (param i32 i64 f64) (result i32 i64)"
        ));
        let count = 6 + self.below(26);
        let usual = self.pick(&[Ty::I32, Ty::I64, Ty::I64, Ty::F64]);
        let kinds = (0..count).map(|_| match self.below(6) {
            0 => self.pick(&[Ty::I32, Ty::I64, Ty::F64]),
            _ => usual,
        });
        let types = kinds.collect();
        let switches = self.one_in(2);
        let words = Words { types, switches };
        for (number, of) in words.types.iter().enumerate() {
            self.put(&format!("(local $w{number} {})", of.name()));
        }
        self.put("(local $round i32)");
        for (number, of) in words.types.iter().enumerate() {
            self.begin(number, *of);
        }
        let rounds = 1 + self.below(4);
        self.put(&format!("i32.const {rounds} local.set $round loop $more"));
        for _ in 0..20 + self.below(100) {
            self.mix(&words);
        }
        self.put("local.get $round i32.const 1 i32.sub local.tee $round br_if $more end");
        self.put("local.get 0 local.get 1");
        for (number, of) in words.types.iter().enumerate() {
            let word = format!("local.get $w{number}");
            let bits = as_bits(*of, &word);
            self.put(&format!("i64.const 5 i64.rotl {bits} i64.add"));
        }
        self.put(")");
    }

    /// Words begin with something that depends on the arguments.
    fn begin(&mut self, number: usize, of: Ty) {
        let text = match of {
            Ty::I32 => format!("local.get 0 i32.const {number} i32.rotl"),
            Ty::I64 => format!("local.get 1 i64.const {number} i64.add"),
            Ty::F64 => format!("local.get 2 call $canon f64.const {number} f64.add"),
        };
        self.put(&format!("{text} local.set $w{number}"));
    }

    /// A step, which makes one word anew, or goes to memory.
    fn mix(&mut self, words: &Words) {
        let to = self.below(words.types.len() as u64) as usize;
        let of = words.types[to];
        let name = of.name();
        if words.switches && self.one_in(16) {
            self.choose(words);
        }
        if self.one_in(12) {
            return self.through_memory(words, to);
        }
        let [one, other, third] = [(); 3].map(|()| self.word(words, of));
        let text = match of {
            Ty::F64 => {
                let first = self.pick(&["add", "sub", "mul", "min", "max"]);
                let second = self.pick(&["add", "sub", "mul", "div"]);
                format!("{one} {other} f64.{first} {third} f64.{second}")
            }
            _ => self.mixed_words(name, &one, &other, &third),
        };
        self.put(&format!("{text} local.set $w{to}"));
    }

    /// A step that stores a word and makes another of what it loads.
    fn through_memory(&mut self, words: &Words, to: usize) {
        // The entries' arguments may lie behind the end of memory.
        let base = ["i32.const 64", "local.get 0"][usize::from(self.one_in(12))];
        let widen = self.widening(0);
        let offset = self.below(32) * 8;
        let (one, other) = (self.word(words, Ty::I64), self.below(4) * 8);
        self.put(&format!(
            "{base} {widen} {one} i64.store $m0 offset={offset} i32.const 64 {widen} i64.load $m0 offset={other}"
        ));
        let of = words.types[to];
        let word = self.word(words, of);
        let back = match of {
            Ty::I32 => format!("i32.wrap_i64 {word} i32.xor"),
            Ty::I64 => format!("{word} i64.xor"),
            Ty::F64 => format!("f64.convert_i64_s {word} f64.add"),
        };
        self.put(&format!("{back} local.set $w{to}"));
    }

    /// A switch by some word, between up to four ways.
    fn choose(&mut self, words: &Words) {
        let labels: Vec<usize> = (0..2 + self.below(3)).map(|_| self.label()).collect();
        for label in &labels {
            self.put(&format!("block $l{label}"));
        }
        let (mask, most) = self.pick(&[(7, 8), (15, 12), (63, 64), (127, 66), (-1, 66)]);
        let index = self.word(words, Ty::I32);
        let usual = self.pick(&labels);
        self.put(&format!("{index} i32.const {mask} i32.and br_table"));
        for _ in 0..2 + self.below(most) {
            let other = self.pick(&labels);
            let label = self.pick(&[usual, other]);
            self.put(&format!("$l{label}"));
        }
        for (way, _) in labels.iter().enumerate() {
            let to = self.below(words.types.len() as u64) as usize;
            let word = self.word(words, words.types[to]);
            let of = words.types[to].name();
            self.put(&format!(
                "end {word} {of}.const {way} {of}.add local.set $w{to}"
            ));
        }
    }

    fn mixed_words(&mut self, of: &str, one: &str, other: &str, third: &str) -> String {
        let by = 1 + self.below(31);
        match self.below(7) {
            0 => format!("{one} {other} {of}.xor {of}.const {by} {of}.rotl"),
            1 => format!("{one} {other} {of}.const -1 {of}.xor {third} {of}.and {of}.xor"),
            2 => format!("{one} {other} {of}.mul {third} {of}.add"),
            3 => format!("{one} {other} {one} {third} {of}.lt_u select {third} {of}.sub"),
            4 => format!("{one} {other} {third} {of}.const 1 {of}.or {of}.rem_u {of}.add"),
            5 => format!("{one} {of}.const {by} {of}.shr_u {other} {of}.or"),
            _ => format!("{one} {other} {of}.add"),
        }
    }

    /// Some word, as this type.
    fn word(&mut self, words: &Words, of: Ty) -> String {
        let number = self.below(words.types.len() as u64) as usize;
        let word = format!("local.get $w{number}");
        match (words.types[number], of) {
            (from, to) if from == to => word,
            (from, Ty::I32) => format!("{} i32.wrap_i64", as_bits(from, &word)),
            (from, Ty::I64) => as_bits(from, &word),
            (Ty::I32, Ty::F64) => format!("{word} f64.convert_i32_s"),
            (_, Ty::F64) => format!("{word} f64.convert_i64_u"),
        }
    }
}

/// A word as an i64. Which NaN a float is shows nowhere.
fn as_bits(of: Ty, word: &str) -> String {
    match of {
        Ty::I32 => format!("{word} i64.extend_i32_u"),
        Ty::I64 => word.to_owned(),
        Ty::F64 => format!("{word} call $canon i64.reinterpret_f64"),
    }
}
