//! Loops around a switch that most cases come back to, as interpreters have them.

use super::statements::DEEPEST;
use super::{Ty, Writer};

/// Where an interpreter counts its steps down.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Counts {
    /// Before the switch.
    Head,
    /// Where its cases meet.
    Latch,
    /// At the end of each case.
    Cases,
}

impl Writer<'_> {
    /// An interpreter that makes a few steps.
    pub(super) fn interpreter(&mut self) {
        let [out, next, meet] = [(); 3].map(|()| self.label());
        let cases: Vec<usize> = (0..2 + self.below(10)).map(|_| self.label()).collect();
        let counts = self.pick(&[Counts::Head, Counts::Latch, Counts::Cases]);
        let steps = 1 + self.below(20);
        self.put(&format!(
            "i32.const {steps} local.set $steps block $b{out} loop $l{next}"
        ));
        if counts == Counts::Head {
            self.put(&format!(
                "local.get $steps i32.eqz br_if $b{out} local.get $steps i32.const 1 i32.sub local.set $steps"
            ));
        }
        self.between(out);
        self.put(&format!("block $b{meet}"));
        self.cases(&cases, |writer, last| match counts {
            Counts::Cases => writer.put(&format!(
                "local.get $steps i32.const 1 i32.sub local.tee $steps br_if $l{next} br $b{out}"
            )),
            Counts::Head if writer.one_in(2) => writer.put(&format!("br $l{next}")),
            _ if last => {}
            _ => writer.put(&format!("br $b{meet}")),
        });
        self.put("end");
        self.between(out);
        match counts {
            Counts::Latch => self.put(&format!(
                "local.get $steps i32.const 1 i32.sub local.tee $steps br_if $l{next}"
            )),
            _ => self.put(&format!("br $l{next}")),
        }
        self.put("end end");
    }

    /// A switch and its cases, the last of which is told to be.
    fn cases(&mut self, labels: &[usize], mut end: impl FnMut(&mut Self, bool)) {
        for label in labels.iter().rev() {
            self.put(&format!("block $s{label}"));
        }
        if self.one_in(2) {
            let place = self.address();
            self.put(&format!("i32.load8_u{place}"));
        } else {
            self.i32(1);
        }
        let most = labels.len() + self.below(2) as usize;
        let table: Vec<String> = (0..=most)
            .map(|_| format!("$s{}", self.pick(labels)))
            .collect();
        self.put(&format!(
            "i32.const 15 i32.and br_table {}",
            table.join(" ")
        ));
        for (position, _) in labels.iter().enumerate() {
            self.put("end");
            for _ in 0..1 + self.below(2) {
                self.statement(DEEPEST);
            }
            end(self, position + 1 == labels.len());
        }
    }

    /// What lies between where cases meet and the switch: values for the cases, and ways out, some of which are never or always taken.
    fn between(&mut self, out: usize) {
        for _ in 0..self.below(4) {
            match self.below(5) {
                0 => {
                    let never = self.pick(&[
                        "i32.const 0 i32.and",
                        "i32.const 31 i32.and i32.const 32 i32.eq",
                    ]);
                    self.i32(0);
                    self.put(&format!("{never} br_if $b{out}"));
                }
                1 => {
                    self.i32(1);
                    self.put(&format!("i32.const 31 i32.and i32.eqz br_if $b{out}"));
                }
                2 => {
                    self.value(Ty::I64, 1);
                    let local = self.below(3);
                    self.put(&format!("local.set $b{local}"));
                }
                _ => {
                    let place = self.address();
                    let local = self.below(4);
                    self.put(&format!("i32.load8_u{place} local.set $a{local}"));
                }
            }
        }
    }
}
