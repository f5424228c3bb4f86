//! Values, and addresses for accesses.

use super::{LOOPS, TYPES, Ty, Writer};

/// Numbers of 32 bits that are worth trying.
const NUMBERS: [i64; 22] = [
    0, 1, 2, 3, 4, 7, 8, 15, 16, 31, 32, 63, 100, 255, 256, 4095, 65_528, 65_535, 65_536, -1, -8,
    -65_536,
];

impl Writer<'_> {
    /// A value of a type.
    pub(super) fn value(&mut self, of: Ty, depth: usize) {
        match of {
            Ty::I32 => self.i32(depth),
            Ty::I64 => self.i64(depth),
            Ty::F64 => self.f64(depth),
        }
    }

    pub(super) fn constant(&mut self) -> i64 {
        match self.below(12) {
            0 => self.pick(&[0x7fff_ffff, -0x8000_0000, 0x7fff_0000, -0x7fff_fff0]),
            _ => self.pick(&NUMBERS),
        }
    }

    /// The variable of one of the loops around, as 32 bits; false: there is none.
    fn variable(&mut self) -> bool {
        if self.loops.is_empty() {
            return false;
        }
        let depth = self.below(self.loops.len() as u64) as usize;
        let text = match (self.loops[depth].wide, self.below(4)) {
            (_, 0) => format!("local.get $k{depth}"),
            (false, _) => format!("local.get $i{depth}"),
            (true, _) => format!("local.get $j{depth} i32.wrap_i64"),
        };
        self.put(&text);
        true
    }

    pub(super) fn i32(&mut self, depth: usize) {
        if depth == 0 {
            match self.below(6) {
                0 => {
                    let number = self.constant();
                    self.put(&format!("i32.const {number}"));
                }
                1 => self.put("global.get $g0"),
                2 if self.variable() => {}
                3 => self.put("global.get $c0"),
                _ => {
                    let local = self.below(4);
                    self.put(&format!("local.get $a{local}"));
                }
            }
            return;
        }
        match self.below(25) {
            0..=8 => {
                self.i32(depth - 1);
                self.i32(depth - 1);
                let name = self.pick(&[
                    "add", "add", "add", "sub", "mul", "and", "or", "xor", "shl", "shr_u", "shr_s",
                    "rotl", "rotr", "lt_u", "lt_s", "ge_u", "ne", "eq",
                ]);
                self.put(&format!("i32.{name}"));
            }
            9 | 10 => {
                self.i32(depth - 1);
                let by = self.below(5);
                self.put(&format!("i32.const {by} i32.shl"));
            }
            11 => {
                self.i32(depth - 1);
                let name = self.pick(&["clz", "ctz", "popcnt", "eqz", "extend8_s", "extend16_s"]);
                self.put(&format!("i32.{name}"));
            }
            12 => {
                self.i64(depth - 1);
                self.put("i32.wrap_i64");
            }
            13 => {
                self.i32(depth - 1);
                let divisor = self.pick(&[1, 3, 7, 8, 10, -1, 641]);
                let name = self.pick(&["div_u", "rem_u", "rem_s"]);
                self.put(&format!("i32.const {divisor} i32.{name}"));
            }
            14..=16 => {
                let name = self.pick(&["load", "load8_u", "load8_s", "load16_u", "load16_s"]);
                let place = self.address();
                self.put(&format!("i32.{name}{place}"));
            }
            17 => {
                self.i32(depth - 1);
                self.i32(depth - 1);
                self.i32(depth - 1);
                self.put("select");
            }
            18 => {
                self.f64(depth - 1);
                self.put("i32.trunc_sat_f64_u");
            }
            19 if self.atomics => self.atomic("i32"),
            20 if self.vectors => {
                self.v128(depth - 1);
                let name = self.pick(&[
                    "i32x4.extract_lane 1",
                    "i8x16.extract_lane_u 5",
                    "i8x16.bitmask",
                    "v128.any_true",
                ]);
                self.put(name);
            }
            21 => {
                let memory = self.below(self.memories.len() as u64) as usize;
                let wrap = if self.memories[memory].wide {
                    "i32.wrap_i64"
                } else {
                    ""
                };
                self.put(&format!("memory.size $m{memory} {wrap}"));
            }
            22 | 23 => self.comparison(depth - 1),
            _ => self.i32(0),
        }
    }

    /// A comparison of wide numbers, of floats or of bytes, or its opposite.
    fn comparison(&mut self, depth: usize) {
        const INTEGERS: [&str; 6] = ["lt_u", "lt_s", "ge_u", "gt_s", "ne", "eq"];
        const FLOATS: [&str; 6] = ["lt", "le", "gt", "ge", "eq", "ne"];
        let of = self.pick(&[Ty::I32, Ty::I64, Ty::F64]);
        for _ in 0..2 {
            self.value(of, depth);
            if of == Ty::I32 && !self.one_in(5) {
                self.put("i32.const 255 i32.and");
            }
        }
        let name = match of {
            Ty::F64 => self.pick(&FLOATS),
            _ => self.pick(&INTEGERS),
        };
        let opposite = if self.one_in(2) { "i32.eqz" } else { "" };
        self.put(&format!("{}.{name} {opposite}", of.name()));
    }

    pub(super) fn i64(&mut self, depth: usize) {
        if depth == 0 {
            match self.below(5) {
                0 => {
                    let number = self.constant();
                    self.put(&format!("i64.const {number}"));
                }
                1 => self.put("global.get $g2"),
                2 => self.put("global.get $c1"),
                _ => {
                    let local = self.below(3);
                    self.put(&format!("local.get $b{local}"));
                }
            }
            return;
        }
        match self.below(12) {
            0..=3 => {
                self.i64(depth - 1);
                self.i64(depth - 1);
                let name = self.pick(&[
                    "add", "sub", "mul", "and", "or", "xor", "shl", "shr_u", "shr_s", "rotl",
                ]);
                self.put(&format!("i64.{name}"));
            }
            4 | 5 => {
                self.i32(depth - 1);
                let name = self.pick(&["extend_i32_u", "extend_i32_s"]);
                self.put(&format!("i64.{name}"));
            }
            6 | 7 => {
                let name = self.pick(&["load", "load8_u", "load32_u", "load32_s", "load16_s"]);
                let place = self.address();
                self.put(&format!("i64.{name}{place}"));
            }
            8 => {
                self.f64(depth - 1);
                self.put("i64.reinterpret_f64");
            }
            9 if self.atomics => self.atomic("i64"),
            // Inside of a product its locals would be overwritten.
            10 if depth == 2 => self.half_of_product(0),
            11 if self.calls => {
                self.i64(depth - 1);
                self.i32(depth - 1);
                self.i64(0);
                self.put("call $word");
            }
            _ => self.i64(0),
        }
    }

    fn f64(&mut self, depth: usize) {
        if depth == 0 {
            let text = self.pick(&[
                "local.get $d0",
                "local.get $d1",
                "global.get $g3",
                "f64.const 0.5",
                "f64.const -1e9",
            ]);
            self.put(text);
            return;
        }
        match self.below(7) {
            0..=2 => {
                self.f64(depth - 1);
                self.f64(depth - 1);
                let name = self.pick(&["add", "mul", "sub", "min", "copysign"]);
                self.put(&format!("f64.{name} call $canon"));
            }
            3 => {
                self.i32(depth - 1);
                self.put("f64.convert_i32_s");
            }
            4 => {
                let place = self.address();
                self.put(&format!("f64.load{place} call $canon"));
            }
            5 if self.calls => {
                self.f64(depth - 1);
                self.i64(0);
                self.i32(depth - 1);
                self.put("f32.convert_i32_s");
                self.i32(0);
                self.f64(0);
                self.put("call $number call $canon");
            }
            _ => self.f64(0),
        }
    }

    pub(super) fn v128(&mut self, depth: usize) {
        match self.below(6) {
            0 | 1 if depth > 0 => {
                self.v128(depth - 1);
                self.v128(depth - 1);
                let name = self.pick(&[
                    "i32x4.add",
                    "i8x16.swizzle",
                    "v128.xor",
                    "i16x8.mul",
                    "i8x16.sub_sat_u",
                    "i64x2.add",
                    "i8x16.avgr_u",
                    "i16x8.narrow_i32x4_s",
                    "i32x4.dot_i16x8_s",
                    "i8x16.lt_u",
                ]);
                self.put(name);
            }
            2 => {
                let name = self.pick(&[
                    "v128.load",
                    "v128.load8_splat",
                    "v128.load32_splat",
                    "v128.load64_splat",
                    "v128.load8x8_u",
                    "v128.load16x4_s",
                    "v128.load32_zero",
                    "v128.load64_zero",
                ]);
                let place = self.address();
                self.put(&format!("{name}{place}"));
            }
            3 if depth > 0 => {
                self.i32(depth - 1);
                self.put("i32x4.splat");
            }
            _ => {
                let local = self.below(2);
                self.put(&format!("local.get $v{local}"));
            }
        }
    }

    /// Pushes an address; answers the memory and the offset, for the end of an access' name.
    pub(super) fn address(&mut self) -> String {
        let memory = if self.one_in(3) {
            self.below(self.memories.len() as u64) as usize
        } else {
            0
        };
        let (wide, bytes) = (
            self.memories[memory].wide,
            self.memories[memory].page * self.memories[memory].pages,
        );
        if wide && self.one_in(4) {
            // 64 bits from the start.
            self.i64(1);
            let mask = self.pick(&[0x7fff, 0xff8, 0xffff]);
            self.put(&format!("i64.const {mask} i64.and"));
            let by = self.pick(&[0, 8, 0x7000, -16]);
            self.put(&format!("i64.const {by} i64.add"));
            let offset = self.pick(&[0u64, 16, 24, 0x1_0000_0000, u64::MAX]);
            let offset = if offset > 24 && !self.one_in(8) {
                16
            } else {
                offset
            };
            return format!(" $m{memory} offset={offset}");
        }
        let mut offset = self.pick(&[0u64, 0, 0, 1, 4, 8, 16, 100, 4096]);
        let around = self.loops.iter().position(|one| !one.wide && one.start < 0);
        if let (Some(depth), true) = (around, self.one_in(3)) {
            // A variable that begins below zero, and becomes an address by an addition that wraps around.
            let by = -self.loops[depth].start + self.pick(&[0, 0, 16, 4096]);
            if by < 1 << 20 {
                self.put(&format!("local.get $i{depth} i32.const {by} i32.add"));
                if wide {
                    self.put("i64.extend_i32_u");
                }
                return format!(" $m{memory} offset={offset}");
            }
        }
        match self.below(10) {
            // Elements of an array.
            0..=4 if self.variable() => {
                let by = self.below(4);
                self.put(&format!("i32.const {by} i32.shl"));
                if self.one_in(2) {
                    self.put("local.get $a0");
                    let mask = self.pick(&[0xff, 0xfff8, 0x7fff, 0x0f0f]);
                    self.put(&format!("i32.const {mask} i32.and i32.add"));
                }
                if self.one_in(2) {
                    let by = self.pick(&[4i32, 8, 64, 1024, 60_000, -4, -16, -64]);
                    self.put(&format!("i32.const {by} i32.add"));
                    if by < 0 && self.one_in(2) {
                        offset = u64::from(by.unsigned_abs());
                    }
                }
                if self.one_in(8) {
                    let mask = self.pick(&[0xffff, 0xfff]);
                    self.put(&format!("i32.const {mask} i32.and"));
                }
            }
            // Around the end.
            5 => {
                let from_end = self.pick(&[1u64, 2, 3, 4, 7, 8, 9, 12, 15, 16, 17, 24, 64]);
                if self.one_in(2) {
                    self.put(&format!("i32.const {}", bytes - from_end));
                    offset = self.below(3);
                } else {
                    self.i32(1);
                    self.put("i32.const 7 i32.and");
                    offset = bytes - from_end.max(24);
                }
            }
            6..=8 => {
                self.i32(1);
                let mask = self.pick(&[0x7fff, 0x3ffc, 0xfff8, 0xff]);
                self.put(&format!("i32.const {mask} i32.and"));
                if self.one_in(3) {
                    let by = self.pick(&[8, 0x4000, -8, 24]);
                    self.put(&format!("i32.const {by} i32.add"));
                }
            }
            _ => {
                let local = self.below(4);
                self.put(&format!("local.get $a{local}"));
                if !self.one_in(12) {
                    self.put("i32.const 0x7fff i32.and");
                } else {
                    offset = self.pick(&[0, 0x7fff_fff0, 0x8000_0000, 0xffff_fff0, 0xffff_ffff]);
                }
            }
        }
        if wide {
            self.put("i64.extend_i32_u");
        }
        format!(" $m{memory} offset={offset}")
    }

    /// An atomic operation at an aligned address.
    fn atomic(&mut self, of: &str) {
        let narrow = self.one_in(2);
        let (width, suffix) = if narrow { ("8", "_u") } else { ("", "") };
        let (load, store) = if narrow {
            ("load8_u", "store8")
        } else {
            ("load", "store")
        };
        let (temporary, kind) = if of == "i32" {
            ("$p", Ty::I32)
        } else {
            ("$q", Ty::I64)
        };
        let memory = 0;
        let widen = self.widening(0);
        self.i32(0);
        self.put("i32.const 0x7ff8 i32.and local.set $ta");
        match self.below(4) {
            0 => self.each(
                &format!(
                    "local.get $ta {widen} {of}.atomic.load{width}{suffix} $m{memory} offset=8"
                ),
                &format!("local.get $ta {widen} {of}.{load} $m{memory} offset=8"),
            ),
            1 => {
                // Compare and exchange: expected, then new.
                self.value(kind, 0);
                self.put(&format!("local.set {temporary}"));
                // What is expected is cut to the width of the cell.
                let wrapped = if narrow {
                    format!("{of}.const 255 {of}.and")
                } else {
                    String::new()
                };
                self.each(
                    &format!(
                        "local.get $ta {widen} local.get {temporary} {of}.const 77 {of}.atomic.rmw{width}.cmpxchg{suffix} $m{memory}"
                    ),
                    &format!(
                        "local.get $ta {widen} {of}.{load} $m{memory} local.get $ta {widen} {of}.{load} $m{memory} local.get {temporary} {wrapped} {of}.eq
                         if local.get $ta {widen} {of}.const 77 {of}.{store} $m{memory} end"
                    ),
                );
            }
            operation => {
                self.value(kind, 0);
                self.put(&format!("local.set {temporary}"));
                let name = if operation == 2 {
                    self.pick(&["add", "sub", "and", "or", "xor"])
                } else {
                    "xchg"
                };
                let compute = if name == "xchg" {
                    format!("local.get {temporary}")
                } else {
                    format!(
                        "local.get $ta {widen} {of}.{load} $m{memory} local.get {temporary} {of}.{name}"
                    )
                };
                self.each(
                    &format!("local.get $ta {widen} local.get {temporary} {of}.atomic.rmw{width}.{name}{suffix} $m{memory}"),
                    &format!(
                        "local.get $ta {widen} {of}.{load} $m{memory} local.get $ta {widen} {compute} {of}.{store} $m{memory}"
                    ),
                );
            }
        }
    }

    /// Arguments of a function.
    pub(super) fn arguments(&mut self, function: usize) {
        for of in TYPES[self.functions[function]].0 {
            self.value(*of, 1);
        }
    }

    /// How many loops there may still be inside of each other.
    pub(super) fn may_loop(&self) -> bool {
        self.loops.len() < LOOPS
    }
}
