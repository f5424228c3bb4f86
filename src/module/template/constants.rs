//! Constant expressions of initial values and of segments' places, computed with the imported globals of a link.
//!
//! They have been checked when the module was loaded: what contradicts itself here is damage that came later.

use super::Source;
use crate::abi::lucet_value;
use crate::error::{Error, Result, Status, error};
use lucet_format::image::records::{FLAG_INDEX_64, Initial, InitialKind, Operation};

impl Source<'_> {
    /// The bits of an initial value.
    pub(super) fn bits(&self, initial: &Initial) -> Result<u128> {
        let contradiction = || {
            error!(
                Status::BadModule,
                "damaged module: an initial value refers to nothing"
            )
        };
        match InitialKind::from_number(initial.kind) {
            Some(InitialKind::Constant) => {
                Ok(u128::from(initial.low) | u128::from(initial.high) << 64)
            }
            Some(InitialKind::Funcref) => Ok(u128::from(initial.low)),
            Some(InitialKind::ImportedGlobal) => self
                .imported(initial.low)
                .map(lucet_value::bits)
                .ok_or_else(contradiction),
            Some(InitialKind::Expression) => self.evaluate(initial).map(u128::from),
            None => Err(contradiction()),
        }
    }

    /// The value of an expression, whose steps have been checked when the module was loaded.
    fn evaluate(&self, initial: &Initial) -> Result<u64> {
        let contradiction = || {
            error!(
                Status::BadModule,
                "damaged module: an expression lacks an operand"
            )
        };
        let steps = self.image.expressions();
        let mut values: Vec<u64> = Vec::new();
        for index in initial.low..initial.low.saturating_add(initial.high) {
            let step = usize::try_from(index).ok();
            let step = step.and_then(|index| steps.get(index));
            let step = step.ok_or_else(contradiction)?;
            let value = match Operation::from_number(step.operation) {
                Some(Operation::Constant) => Some(step.operand),
                Some(Operation::ImportedGlobal) => {
                    let global = self.imported(step.operand);
                    global.map(|value| value.bits() as u64)
                }
                Some(operation) => {
                    let (second, first) = (values.pop(), values.pop());
                    first
                        .zip(second)
                        .and_then(|(first, second)| operation.apply(first, second))
                }
                None => None,
            };
            let room = values.try_reserve(1);
            room.map_err(|_| Error::no_memory("a constant expression"))?;
            values.push(value.ok_or_else(contradiction)?);
        }
        values.pop().ok_or_else(contradiction)
    }

    pub(super) fn imported(&self, index: u64) -> Option<&lucet_value> {
        self.globals.get(usize::try_from(index).ok()?)
    }

    /// A segment's place in a table or memory with these flags. Offsets count as unsigned.
    pub(super) fn place(&self, initial: &Initial, flags: u32) -> Result<u64> {
        let bits = self.bits(initial)? as u64;
        Ok(if flags & FLAG_INDEX_64 == 0 {
            u64::from(bits as u32)
        } else {
            bits
        })
    }
}
