//! Loops over rows of numbers do with vectors what they do one by one: copy, combine, add up. Random loops of the kinds that the compiler widens are compiled with and
//! without optimisation and run on rows that overlap, touch, lie at the ends of memory or wrap around; results, traps and all of
//! memory must agree.

mod support;

#[path = "support/random.rs"]
mod random;

use lucet::abi::{LUCET_RETURNED, LUCET_TRAPPED};
use lucet_format::WASM_PAGE_SIZE;
use lucetc::options::OptLevel;
use random::Random;
use std::fmt::Write as _;
use support::{Guest, Left, i32};

/// Functions in a module, and modules. `LUCET_ROWS=n` tries n times as many.
const FUNCTIONS: usize = 40;
const MODULES: usize = 24;
/// Calls of each function.
const CALLS: usize = 40;

/// A type of numbers and how they are accessed.
struct Kind {
    name: &'static str,
    load: &'static str,
    /// A conversion of what is loaded.
    then: Option<&'static str>,
    store: &'static str,
    bytes: u32,
    unary: &'static [&'static str],
    binary: &'static [&'static str],
    constants: &'static [&'static str],
}

const WHOLE: &[&str] = &["add", "sub", "and", "or", "xor"];
const NUMBERS: &[&str] = &["0", "1", "-1", "77", "-100", "200", "0x1234567"];
const COMPARISONS: &[&str] = &["eq", "ne", "lt_s", "lt_u", "gt_s", "gt_u", "le_s", "ge_u"];
const FLOATS: &[&str] = &["0", "-0.5", "inf", "3.25"];
const FLOAT_UNARY: &[&str] = &["neg", "abs", "sqrt", "ceil", "floor"];
const FLOAT_BINARY: &[&str] = &["add", "sub", "mul", "div", "min", "max"];

const fn integers(name: &'static str, load: &'static str, store: &'static str, bytes: u32) -> Kind {
    Kind {
        name,
        load,
        then: None,
        store,
        bytes,
        unary: &[],
        binary: WHOLE,
        constants: NUMBERS,
    }
}

const KINDS: [Kind; 12] = [
    Kind {
        then: Some("i64.extend_i32_u"),
        ..integers("i64", "i32.load8_s", "store8", 1)
    },
    Kind {
        then: Some("i64.extend_i32_s"),
        ..integers("i64", "i32.load16_u", "store16", 2)
    },
    integers("i32", "load8_u", "store8", 1),
    integers("i32", "load8_s", "store8", 1),
    integers("i64", "load8_u", "store8", 1),
    Kind {
        binary: &["add", "sub", "xor", "mul"],
        ..integers("i32", "load16_u", "store16", 2)
    },
    integers("i64", "load16_s", "store16", 2),
    Kind {
        binary: &["add", "sub", "and", "mul", "shr_u", "shl", "shr_s"],
        ..integers("i32", "load", "store", 4)
    },
    integers("i64", "load32_u", "store32", 4),
    integers("i64", "load", "store", 8),
    Kind {
        unary: FLOAT_UNARY,
        binary: FLOAT_BINARY,
        constants: FLOATS,
        ..integers("f32", "load", "store", 4)
    },
    Kind {
        unary: FLOAT_UNARY,
        binary: FLOAT_BINARY,
        constants: FLOATS,
        ..integers("f64", "load", "store", 8)
    },
];

impl Kind {
    /// Bytes of a float, 1 for integers. Which NaN an operation gives is not determined, so floats are only read where whole
    /// ones have been written.
    fn float_bytes(&self) -> i32 {
        if self.name.starts_with('f') {
            self.bytes as i32
        } else {
            1
        }
    }
}

/// What a random loop is made of.
struct Shape<'a> {
    kind: &'a Kind,
    lanes: u32,
    downwards: bool,
    /// Pointers that change, or one index that is added to them.
    pointers: bool,
    /// Constants that the loads' addresses are apart from the stores', where both start from one pointer.
    apart: Option<i32>,
    /// The order of the lanes in a round.
    order: Vec<u32>,
    loads_first: bool,
    /// How far another row of stores is from the first one.
    second: Option<i32>,
    /// How a local gathers what is loaded or stored, in integers.
    gathers: Option<&'static str>,
    /// Whether there are stores; if not, something is gathered.
    stores: bool,
}

/// Operations that take numbers in any order. Those with two letters are comparisons to choose by.
const GATHERING: &[&str] = &[
    "add", "add", "add", "xor", "and", "or", "lt_s", "lt_u", "gt_s", "ge_u",
];

impl Shape<'_> {
    fn random<'a>(random: &mut Random) -> Shape<'a> {
        let kind = &KINDS[random.below(KINDS.len())];
        let lanes = 1 << random.below(4);
        let mut order: Vec<u32> = (0..lanes).collect();
        match random.below(3) {
            0 => order.reverse(),
            1 => order.rotate_left(random.below(lanes as usize)),
            _ => {}
        }
        let integers = kind.float_bytes() == 1;
        let gathers =
            (integers && random.below(3) == 0).then(|| GATHERING[random.below(GATHERING.len())]);
        Shape {
            kind,
            gathers,
            stores: gathers.is_none() || random.below(3) == 0,
            lanes,
            downwards: random.below(2) == 0,
            pointers: random.below(2) == 0,
            apart: (random.below(3) == 0).then(|| {
                let apart = random.below(200) as i32 - 100;
                apart - apart % kind.float_bytes()
            }),
            order,
            loads_first: random.below(3) == 0,
            second: (random.below(4) == 0).then(|| {
                let second = [random.below(200) as i32 - 100, 1000][random.below(2)];
                second - second % kind.float_bytes()
            }),
        }
    }

    /// The address of a lane, with a constant that is partly the access's own.
    fn address(&self, random: &mut Random, base: &str, lane: u32) -> (String, u32) {
        let at = lane * self.kind.bytes;
        let own = [0, at][random.below(2)];
        let sum = if self.pointers {
            format!("(local.get {base})")
        } else {
            format!("(i32.add (local.get {base}) (local.get $i))")
        };
        match at - own {
            0 => (sum, own),
            added => (format!("(i32.add {sum} (i32.const {added}))"), own),
        }
    }

    fn load(&self, random: &mut Random, lane: u32) -> String {
        let base = if self.apart.is_some() { "$to" } else { "$from" };
        let (mut address, own) = self.address(random, base, lane);
        if let Some(apart) = self.apart {
            address = format!("(i32.add {address} (i32.const {apart}))");
        }
        let (name, load) = (self.kind.name, self.kind.load);
        match self.kind.then {
            Some(then) => format!("({then} ({load} offset={own} {address}))"),
            None => format!("({name}.{load} offset={own} {address})"),
        }
    }

    /// What a lane stores, given what it loads. Of the same form for all lanes, for the same choices.
    fn value(&self, loaded: &str, choices: &[usize]) -> String {
        let mut value = loaded.to_owned();
        let name = self.kind.name;
        let integers = self.kind.float_bytes() == 1;
        let pick = |from: &[&'static str], choice: usize| from[choice % from.len()];
        for pair in choices.chunks(2) {
            let other = match pair[1] % 3 {
                0 => format!("({name}.const {})", pick(self.kind.constants, pair[1] / 3)),
                1 => format!("(local.get ${name})"),
                _ => loaded.to_owned(),
            };
            if pair[0] % 3 == 0 && !self.kind.unary.is_empty() {
                value = format!("({name}.{} {value})", pick(self.kind.unary, pair[0] / 3));
                continue;
            }
            let operation = pick(self.kind.binary, pair[0]);
            let other = match operation {
                "shr_u" | "shr_s" | "shl" => format!("({name}.const {})", pair[1] % 40),
                _ => other,
            };
            value = match pair[1] % 2 {
                // Sometimes a comparison, or the larger one.
                _ if integers && pair[0] % 3 == 1 => {
                    let compare = pick(COMPARISONS, pair[0] / 3);
                    let compared = format!("({name}.{compare} {value} {other})");
                    match (name, pair[1] % 2) {
                        (_, 0) => format!("(select {value} {other} {compared})"),
                        ("i64", _) => format!("(i64.extend_i32_u {compared})"),
                        _ => compared,
                    }
                }
                0 => format!("({name}.{operation} {value} {other})"),
                _ => format!("({name}.{operation} {other} {value})"),
            };
        }
        value
    }

    /// Brings another number into `$sum`.
    fn gather(&self, operation: &str, number: &str) -> String {
        let name = self.kind.name;
        if !operation.contains('_') {
            return format!("(local.set $sum ({name}.{operation} (local.get $sum) {number}))");
        }
        format!(
            "(local.set $one {number})
             (local.set $sum (select (local.get $sum) (local.get $one) ({name}.{operation} (local.get $sum) (local.get $one))))"
        )
    }

    /// A function of `to`, `from`, `count` and an integer that it makes the numbers of that it combines with others.
    fn function(&self, random: &mut Random, export: usize) -> String {
        let name = self.kind.name;
        let choices: Vec<usize> = (0..2 * random.below(4))
            .map(|_| random.below(1000))
            .collect();
        // A loop that never touches memory would not end where the count starts at zero.
        let fills = self.stores && random.below(5) == 0;
        let gathered = random.below(2);
        let (mut loads, mut stores) = (String::new(), String::new());
        for lane in &self.order {
            let load = self.load(random, *lane);
            let local = format!("$l{lane}");
            let (address, own) = self.address(random, "$to", *lane);
            let loaded = if fills {
                format!("(local.get ${name})")
            } else {
                let set = format!("(local.set {local} {load})");
                (if self.loads_first {
                    &mut loads
                } else {
                    &mut stores
                })
                .push_str(&set);
                format!("(local.get {local})")
            };
            let value = self.value(&loaded, &choices);
            if let Some(operation) = self.gathers {
                stores.push_str(&self.gather(operation, [&loaded, &value][gathered]));
            }
            if !self.stores {
                continue;
            }
            let store = self.kind.store;
            let _ = write!(stores, "({name}.{store} offset={own} {address} {value})");
            if let Some(second) = self.second {
                let address = format!("(i32.add {address} (i32.const {second}))");
                let _ = write!(stores, "({name}.{store} offset={own} {address} {loaded})");
            }
        }
        let bytes = self.lanes * self.kind.bytes;
        let step = if self.downwards {
            -(bytes as i32)
        } else {
            bytes as i32
        };
        let go_on = |local: &str, by: i32| {
            format!("(local.tee {local} (i32.add (local.get {local}) (i32.const {by})))")
        };
        let step_pointers = if self.pointers {
            format!(
                "(drop {}) (drop {})",
                go_on("$to", step),
                go_on("$from", step)
            )
        } else {
            String::new()
        };
        // Either a count that goes down to zero, or the index goes to its end.
        let (start, more) = match (self.pointers, random.below(2)) {
            (true, _) => (String::new(), go_on("$count", -1)),
            (false, 0) => (
                format!("(local.set $end (i32.mul (local.get $count) (i32.const {step})))"),
                format!("(i32.ne {} (local.get $end))", go_on("$i", step)),
            ),
            (false, _) => (
                String::new(),
                format!("(drop {}) {}", go_on("$i", step), go_on("$count", -1)),
            ),
        };
        let locals: String = (0..self.lanes)
            .map(|lane| format!("(local $l{lane} {name})"))
            .collect();
        let number = match name {
            "i32" => "(local.get $number)".to_owned(),
            "i64" => "(i64.extend_i32_s (local.get $number))".to_owned(),
            _ => format!("({name}.convert_i32_s (local.get $number))"),
        };
        let sum = match name {
            "i32" => "(local.get $sum)",
            "i64" => {
                "(i32.wrap_i64 (i64.xor (local.get $sum) (i64.shr_u (local.get $sum) (i64.const 31))))"
            }
            _ => "(i32.const 0)",
        };
        format!(
            r#"(func (export "{export}") (param $to i32) (param $from i32) (param $count i32) (param $number i32) (result i32)
                (local $i i32) (local $end i32) (local ${name} {name}) (local $sum {name}) (local $one {name}) {locals}
                (local.set ${name} {number}) (local.set $sum (local.get ${name})) {start}
                (loop $more {loads} {stores} {step_pointers} (br_if $more {more}))
                (i32.xor {sum} (i32.add (i32.add (local.get $to) (local.get $from)) (i32.add (local.get $i) (local.get $count)))))
            "#
        )
    }
}

/// A module, and of each of its functions the bytes of a float that it works on.
fn text(random: &mut Random) -> (String, Vec<i32>) {
    let mut text = String::from("(module (memory 1) (data (i32.const 0) \"");
    for at in 0..WASM_PAGE_SIZE as usize {
        // Here all numbers are negative, there none is.
        let (set, kept) = [(0, 0xff), (0x80, 0xff), (0, 0x7f)][at / 1024 % 3];
        let _ = write!(text, "\\{:02x}", (random.below(256) | set) & kept);
    }
    text.push_str("\")");
    let mut float_bytes = Vec::new();
    for export in 0..FUNCTIONS {
        let shape = Shape::random(random);
        float_bytes.push(shape.kind.float_bytes());
        text.push_str(&shape.function(random, export));
    }
    text.push(')');
    (text, float_bytes)
}

/// What a call leaves, all NaNs being equal.
fn left_by(guest: &Guest, name: &str, arguments: [i32; 4], float_bytes: i32) -> Left {
    let mut left = guest.left_by(name, &arguments.map(i32));
    if float_bytes > 1 {
        let first = arguments[0].rem_euclid(float_bytes) as usize;
        make_nans_equal(&mut left.3[first..], float_bytes as usize);
    }
    left
}

fn make_nans_equal(page: &mut [u8], float_bytes: usize) {
    for number in page.chunks_exact_mut(float_bytes) {
        let nan = match *number {
            [a, b, c, d] => f32::from_le_bytes([a, b, c, d]).is_nan(),
            [a, b, c, d, e, f, g, h] => f64::from_le_bytes([a, b, c, d, e, f, g, h]).is_nan(),
            _ => false,
        };
        if nan {
            number.fill(0xff);
        }
    }
}

/// Two rows that are likely to overlap or to lie at an end of memory, and a count.
fn arguments(random: &mut Random) -> [i32; 4] {
    let to = match random.below(4) {
        0 => random.below(300) as i32 - 20,
        1 => WASM_PAGE_SIZE as i32 - random.below(2000) as i32,
        _ => 20_000 + random.below(10_000) as i32,
    };
    let from = match random.below(4) {
        0 => random.below(0x1_0000) as i32,
        1 => to,
        _ => to + random.below(160) as i32 - 80,
    };
    let count = match random.below(8) {
        0 => random.below(5) as i32,
        1 => random.below(3000) as i32,
        _ => random.below(150) as i32,
    };
    [to, from, count, random.below(1 << 20) as i32 - (1 << 19)]
}

#[test]
fn vectors_do_what_single_numbers_do() {
    let times = std::env::var("LUCET_ROWS").ok();
    let times: usize = times.map_or(1, |it| it.parse().expect("LUCET_ROWS is a number"));
    let (mut returned, mut trapped) = (0, 0);
    for number in 0..times * MODULES {
        let mut random = Random(number as u64);
        let (text, float_bytes) = text(&mut random);
        let (plain, optimised) = (
            Guest::at_level(&text, OptLevel::None),
            Guest::at_level(&text, OptLevel::Speed),
        );
        for (index, float_bytes) in float_bytes.into_iter().enumerate() {
            let name = index.to_string();
            for _ in 0..CALLS {
                let mut arguments = arguments(&mut random);
                arguments[1] -= (arguments[1] - arguments[0]) % float_bytes;
                let expected = left_by(&plain, &name, arguments, float_bytes);
                let found = left_by(&optimised, &name, arguments, float_bytes);
                let differs = expected.3.iter().zip(&found.3).position(|(x, y)| x != y);
                assert!(
                    expected == found,
                    "module {number}, function {index} of {arguments:?}: {:?} and not {:?}, differs at {differs:?}\n{}",
                    (found.0, found.2),
                    (expected.0, expected.2),
                    text.split("(func ").nth(index + 1).unwrap_or_default()
                );
                returned += u32::from(expected.0 == LUCET_RETURNED);
                trapped += u32::from(expected.0 == LUCET_TRAPPED);
            }
        }
    }
    assert!(
        returned > 1000 && trapped > 100,
        "{returned} returned, {trapped} trapped"
    );
}
