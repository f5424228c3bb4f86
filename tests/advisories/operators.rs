//! The operators that can take an operand from memory, or leave their result there, with accesses of every width: functions for
//! `widths`, as text. Of two operands the other one is made of the second parameter.

use crate::widths::Case;

/// A type: its name, what makes it of the second parameter, and what makes an i64 of it.
struct Type {
    name: &'static str,
    other: &'static str,
    result: &'static str,
}

const I32: Type = Type {
    name: "i32",
    other: "(i32.wrap_i64 (local.get 1))",
    result: "(i64.extend_i32_u %)",
};
const I64: Type = Type {
    name: "i64",
    other: "(local.get 1)",
    result: "%",
};
const F32: Type = Type {
    name: "f32",
    other: "(f32.reinterpret_i32 (i32.wrap_i64 (local.get 1)))",
    result: "(i64.extend_i32_u (i32.reinterpret_f32 %))",
};
const F64: Type = Type {
    name: "f64",
    other: "(f64.reinterpret_i64 (local.get 1))",
    result: "(i64.reinterpret_f64 %)",
};
const V128: Type = Type {
    name: "v128",
    other: "(i64x2.splat (local.get 1))",
    result: "(call $both %)",
};

const NUMBERS: [&Type; 4] = [&I32, &I64, &F32, &F64];

/// Loads of a type: the operator, and its width in bytes. The plain one is the first.
fn loads_of(of: &Type) -> Vec<(String, u32)> {
    let list: &[(&str, u32)] = match of.name {
        "i32" => &[
            ("load", 4),
            ("load8_u", 1),
            ("load8_s", 1),
            ("load16_u", 2),
            ("load16_s", 2),
        ],
        "i64" => &[
            ("load", 8),
            ("load8_u", 1),
            ("load8_s", 1),
            ("load16_u", 2),
            ("load16_s", 2),
            ("load32_u", 4),
            ("load32_s", 4),
        ],
        "f32" => &[("load", 4)],
        "f64" => &[("load", 8)],
        _ => &[
            ("load", 16),
            ("load8x8_s", 8),
            ("load8x8_u", 8),
            ("load16x4_s", 8),
            ("load16x4_u", 8),
            ("load32x2_s", 8),
            ("load32x2_u", 8),
            ("load8_splat", 1),
            ("load16_splat", 2),
            ("load32_splat", 4),
            ("load64_splat", 8),
            ("load32_zero", 4),
            ("load64_zero", 8),
        ],
    };
    let name = of.name;
    let named = list
        .iter()
        .map(|(load, width)| (format!("({name}.{load} %A)"), *width));
    named.collect()
}

/// What an operator on two of a type gives: another type, for comparisons.
fn binary(of: &Type) -> Vec<(String, &'static Type)> {
    let (arithmetic, compare): (&[&str], &[&str]) = match of.name {
        "i32" | "i64" => (
            &[
                "add", "sub", "mul", "and", "or", "xor", "shl", "shr_s", "shr_u", "rotl", "rotr",
                "div_s", "div_u", "rem_s", "rem_u",
            ],
            &[
                "eq", "ne", "lt_s", "lt_u", "gt_s", "gt_u", "le_s", "le_u", "ge_s", "ge_u",
            ],
        ),
        _ => (
            &["add", "sub", "mul", "div", "min", "max", "copysign"],
            &["eq", "ne", "lt", "gt", "le", "ge"],
        ),
    };
    let own: &'static Type = NUMBERS
        .into_iter()
        .find(|each| each.name == of.name)
        .unwrap_or(&V128);
    let named = |list: &[&str], gives: &'static Type| {
        let list = list
            .iter()
            .map(|operator| (format!("{}.{operator}", of.name), gives));
        list.collect::<Vec<_>>()
    };
    [named(arithmetic, own), named(compare, &I32)].concat()
}

const UNARY: &[(&str, &Type, &Type)] = &[
    ("i32.clz", &I32, &I32),
    ("i32.ctz", &I32, &I32),
    ("i32.popcnt", &I32, &I32),
    ("i32.eqz", &I32, &I32),
    ("i32.extend8_s", &I32, &I32),
    ("i32.extend16_s", &I32, &I32),
    ("i64.clz", &I64, &I64),
    ("i64.ctz", &I64, &I64),
    ("i64.popcnt", &I64, &I64),
    ("i64.eqz", &I64, &I32),
    ("i64.extend8_s", &I64, &I64),
    ("i64.extend16_s", &I64, &I64),
    ("i64.extend32_s", &I64, &I64),
    ("i32.wrap_i64", &I64, &I32),
    ("i64.extend_i32_s", &I32, &I64),
    ("i64.extend_i32_u", &I32, &I64),
    ("f32.convert_i32_s", &I32, &F32),
    ("f32.convert_i32_u", &I32, &F32),
    ("f32.convert_i64_s", &I64, &F32),
    ("f32.convert_i64_u", &I64, &F32),
    ("f64.convert_i32_s", &I32, &F64),
    ("f64.convert_i32_u", &I32, &F64),
    ("f64.convert_i64_s", &I64, &F64),
    ("f64.convert_i64_u", &I64, &F64),
    ("f32.reinterpret_i32", &I32, &F32),
    ("f64.reinterpret_i64", &I64, &F64),
    ("i32.reinterpret_f32", &F32, &I32),
    ("i64.reinterpret_f64", &F64, &I64),
    ("f32.demote_f64", &F64, &F32),
    ("f64.promote_f32", &F32, &F64),
    ("i32.trunc_sat_f32_s", &F32, &I32),
    ("i32.trunc_sat_f32_u", &F32, &I32),
    ("i32.trunc_sat_f64_s", &F64, &I32),
    ("i32.trunc_sat_f64_u", &F64, &I32),
    ("i64.trunc_sat_f32_s", &F32, &I64),
    ("i64.trunc_sat_f32_u", &F32, &I64),
    ("i64.trunc_sat_f64_s", &F64, &I64),
    ("i64.trunc_sat_f64_u", &F64, &I64),
    ("i8x16.splat", &I32, &V128),
    ("i16x8.splat", &I32, &V128),
    ("i32x4.splat", &I32, &V128),
    ("i64x2.splat", &I64, &V128),
    ("f32x4.splat", &F32, &V128),
    ("f64x2.splat", &F64, &V128),
];

const FLOAT_UNARY: [&str; 7] = ["abs", "neg", "sqrt", "ceil", "floor", "trunc", "nearest"];

/// Operators on a vector, by shape.
const VECTOR_UNARY: &[(&str, &str)] = &[
    ("i8x16", "abs neg popcnt"),
    (
        "i16x8",
        "abs neg extadd_pairwise_i8x16_s extadd_pairwise_i8x16_u extend_low_i8x16_s extend_high_i8x16_s extend_low_i8x16_u extend_high_i8x16_u",
    ),
    (
        "i32x4",
        "abs neg extadd_pairwise_i16x8_s extadd_pairwise_i16x8_u extend_low_i16x8_s extend_high_i16x8_s extend_low_i16x8_u extend_high_i16x8_u trunc_sat_f32x4_s trunc_sat_f32x4_u trunc_sat_f64x2_s_zero trunc_sat_f64x2_u_zero",
    ),
    (
        "i64x2",
        "abs neg extend_low_i32x4_s extend_high_i32x4_s extend_low_i32x4_u extend_high_i32x4_u",
    ),
    (
        "f32x4",
        "abs neg sqrt ceil floor trunc nearest convert_i32x4_s convert_i32x4_u demote_f64x2_zero",
    ),
    (
        "f64x2",
        "abs neg sqrt ceil floor trunc nearest convert_low_i32x4_s convert_low_i32x4_u promote_low_f32x4",
    ),
    ("v128", "not"),
];

/// Operators on two vectors, by shape.
const VECTOR_BINARY: &[(&str, &str)] = &[
    (
        "i8x16",
        "add sub add_sat_s add_sat_u sub_sat_s sub_sat_u min_s min_u max_s max_u avgr_u eq ne lt_s lt_u gt_s gt_u le_s le_u ge_s ge_u narrow_i16x8_s narrow_i16x8_u swizzle",
    ),
    (
        "i16x8",
        "add sub mul add_sat_s add_sat_u sub_sat_s sub_sat_u min_s min_u max_s max_u avgr_u q15mulr_sat_s eq ne lt_s lt_u gt_s gt_u le_s le_u ge_s ge_u narrow_i32x4_s narrow_i32x4_u extmul_low_i8x16_s extmul_high_i8x16_s extmul_low_i8x16_u extmul_high_i8x16_u",
    ),
    (
        "i32x4",
        "add sub mul min_s min_u max_s max_u dot_i16x8_s eq ne lt_s lt_u gt_s gt_u le_s le_u ge_s ge_u extmul_low_i16x8_s extmul_high_i16x8_s extmul_low_i16x8_u extmul_high_i16x8_u",
    ),
    (
        "i64x2",
        "add sub mul eq ne lt_s gt_s le_s ge_s extmul_low_i32x4_s extmul_high_i32x4_s extmul_low_i32x4_u extmul_high_i32x4_u",
    ),
    (
        "f32x4",
        "add sub mul div min max pmin pmax eq ne lt gt le ge",
    ),
    (
        "f64x2",
        "add sub mul div min max pmin pmax eq ne lt gt le ge",
    ),
    ("v128", "and or xor andnot"),
];

/// Shapes with the type of a lane, its bytes, and what takes a lane out.
const SHAPES: [(&str, &Type, u32, &str); 6] = [
    ("i8x16", &I32, 1, "extract_lane_u"),
    ("i16x8", &I32, 2, "extract_lane_s"),
    ("i32x4", &I32, 4, "extract_lane"),
    ("i64x2", &I64, 8, "extract_lane"),
    ("f32x4", &F32, 4, "extract_lane"),
    ("f64x2", &F64, 8, "extract_lane"),
];

fn named(list: &[(&str, &str)]) -> Vec<String> {
    let operators = list.iter().flat_map(|(shape, operators)| {
        operators
            .split(' ')
            .map(move |operator| format!("{shape}.{operator}"))
    });
    operators.collect()
}

struct Maker(Vec<Case>);

impl Maker {
    fn add(&mut self, width: u32, gives: &Type, value: &str) {
        self.0.push(Case {
            width,
            body: gives.result.replacen('%', value, 1),
            aligned: false,
        });
    }

    /// One operator with both orders of its operands.
    fn both_orders(&mut self, width: u32, gives: &Type, operator: &str, load: &str, other: &str) {
        self.add(width, gives, &format!("({operator} {load} {other})"));
        self.add(width, gives, &format!("({operator} {other} {load})"));
    }

    fn scalars(&mut self) {
        for of in NUMBERS {
            let loads = loads_of(of);
            for (operator, gives) in binary(of) {
                for (load, width) in &loads {
                    self.both_orders(*width, gives, &operator, load, of.other);
                }
            }
            if of.name.starts_with('f') {
                for operator in FLOAT_UNARY {
                    self.add(
                        loads[0].1,
                        of,
                        &format!("({}.{operator} {})", of.name, loads[0].0),
                    );
                }
            }
            let (load, width) = &loads[0];
            let other = of.other;
            self.add(
                *width,
                of,
                &format!("(select {load} {other} (i32.wrap_i64 (local.get 1)))"),
            );
        }
        for (operator, from, gives) in UNARY {
            for (load, width) in loads_of(from) {
                self.add(width, gives, &format!("({operator} {load})"));
            }
        }
    }

    fn vectors(&mut self) {
        let loads = loads_of(&V128);
        let few = [&loads[0], &loads[11], &loads[12]];
        for (load, width) in &loads {
            self.add(*width, &V128, load);
            self.add(
                *width,
                &V128,
                &format!("(v128.bitselect {load} {0} {0})", V128.other),
            );
            self.add(
                *width,
                &V128,
                &format!("(v128.bitselect {0} {load} {0})", V128.other),
            );
            self.add(
                *width,
                &V128,
                &format!("(v128.bitselect {0} (v128.not {0}) {load})", V128.other),
            );
            let lanes = "3 19 0 1 2 31 30 16 17 5 4 6 7 8 9 10";
            self.both_orders(
                *width,
                &V128,
                &format!("i8x16.shuffle {lanes}"),
                load,
                V128.other,
            );
        }
        for (load, width) in few {
            for operator in named(VECTOR_BINARY) {
                self.both_orders(*width, &V128, &operator, load, V128.other);
            }
            for operator in named(VECTOR_UNARY) {
                self.add(*width, &V128, &format!("({operator} {load})"));
            }
            for shape in ["i8x16", "i16x8", "i32x4", "i64x2"] {
                self.add(*width, &I32, &format!("({shape}.all_true {load})"));
                self.add(*width, &I32, &format!("({shape}.bitmask {load})"));
                for shift in ["shl", "shr_s", "shr_u"] {
                    self.add(
                        *width,
                        &V128,
                        &format!("({shape}.{shift} {load} {})", I32.other),
                    );
                }
            }
            self.add(*width, &I32, &format!("(v128.any_true {load})"));
        }
        for (shape, of, lane, extract) in SHAPES {
            let (plain, bytes) = &loads_of(of)[0];
            self.add(
                *bytes,
                &V128,
                &format!("({shape}.replace_lane 1 {} {plain})", V128.other),
            );
            self.add(16, of, &format!("({shape}.{extract} 1 (v128.load %A))"));
            if of.name.starts_with('i') {
                let load = format!("v128.load{}_lane", 8 * lane);
                for place in [0, 1] {
                    self.add(lane, &V128, &format!("({load} %A${place} {})", V128.other));
                }
                for (count, width) in loads_of(&I32) {
                    self.add(
                        width,
                        &V128,
                        &format!("({shape}.shl {} {count})", V128.other),
                    );
                }
            }
        }
    }
}

/// Every load, and every operator with a loaded operand.
pub fn loads() -> Vec<Case> {
    let mut maker = Maker(Vec::new());
    maker.scalars();
    maker.vectors();
    maker.0
}

/// Every store, operators that read, change and write, and atomic ones.
pub fn stores() -> Vec<Case> {
    let mut cases = Vec::new();
    let mut add = |width: u32, aligned: bool, body: String| {
        cases.push(Case {
            width,
            body,
            aligned,
        });
    };
    let forms: [(&Type, &[(&str, u32)]); 5] = [
        (&I32, &[("store", 4), ("store8", 1), ("store16", 2)]),
        (
            &I64,
            &[("store", 8), ("store8", 1), ("store16", 2), ("store32", 4)],
        ),
        (&F32, &[("store", 4)]),
        (&F64, &[("store", 8)]),
        (&V128, &[("store", 16)]),
    ];
    for (of, stores) in forms {
        let name = of.name;
        for (store, width) in stores {
            add(
                *width,
                false,
                format!("({name}.{store} %A {}) (i64.const 0)", of.other),
            );
            // What was loaded from the same place, changed.
            let load = match (name, *width) {
                ("i32", 4) | ("i64", 8) | ("f32" | "f64" | "v128", _) => {
                    format!("({name}.load %A)")
                }
                _ => format!("({name}.load{}_u %A)", 8 * width),
            };
            let changes: &[&str] = match name {
                "i32" | "i64" => &[
                    "add", "sub", "and", "or", "xor", "mul", "shl", "shr_u", "rotl",
                ],
                "v128" => &["and", "xor"],
                _ => &["add", "copysign"],
            };
            for change in changes {
                let changed = format!("({name}.{change} {load} {})", of.other);
                add(
                    *width,
                    false,
                    format!("({name}.{store} %A {changed}) (i64.const 0)"),
                );
            }
        }
    }
    for (shape, of, lane, extract) in SHAPES {
        for place in [0, 1] {
            if of.name.starts_with('i') {
                let store = format!("v128.store{}_lane", 8 * lane);
                add(
                    lane,
                    false,
                    format!("({store} %A${place} {}) (i64.const 0)", V128.other),
                );
            }
            let taken = format!("({shape}.{extract} {place} {})", V128.other);
            let store = match lane {
                1 | 2 => format!("i32.store{}", 8 * lane),
                _ => format!("{}.store", of.name),
            };
            add(lane, false, format!("({store} %A {taken}) (i64.const 0)"));
        }
    }
    for (of, suffix, width) in [
        (&I32, "", 4),
        (&I32, "8", 1),
        (&I32, "16", 2),
        (&I64, "", 8),
        (&I64, "8", 1),
        (&I64, "16", 2),
        (&I64, "32", 4),
    ] {
        let (name, other) = (of.name, of.other);
        let unsigned = if suffix.is_empty() { "" } else { "_u" };
        let result = |value: String| of.result.replacen('%', &value, 1);
        add(
            width,
            true,
            result(format!("({name}.atomic.load{suffix}{unsigned} %A)")),
        );
        add(
            width,
            true,
            format!("({name}.atomic.store{suffix} %A {other}) (i64.const 0)"),
        );
        for change in ["add", "sub", "and", "or", "xor", "xchg"] {
            let operator = format!("{name}.atomic.rmw{suffix}.{change}{unsigned}");
            add(width, true, result(format!("({operator} %A {other})")));
        }
        let exchange = format!("{name}.atomic.rmw{suffix}.cmpxchg{unsigned}");
        add(
            width,
            true,
            result(format!("({exchange} %A {other} {other})")),
        );
    }
    cases
}
