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
