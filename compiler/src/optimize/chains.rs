//! What leads from indices to accesses, and whether an index is needed for anything else.

use super::accesses::{Access, above, extended_from};
use super::uses::Uses;
use cranelift_codegen::ir::{Function, Inst, Value};
use rustc_hash::{FxHashMap, FxHashSet};

/// ```text
///   index: i32 --uextend--> extension: i64 --plus vmctx--> address --> access
/// ```
#[derive(Default)]
pub struct Chains {
    extensions: FxHashMap<Value, Vec<Value>>,
    addresses: FxHashMap<Value, Vec<Value>>,
    accesses: FxHashMap<Value, u32>,
}

impl Chains {
    /// Takes note of an instruction that extends an index or adds it to vmctx.
    pub fn follow(&mut self, function: &Function, vmctx: Value, inst: Inst) {
        let dfg = &function.dfg;
        let [result] = dfg.inst_results(inst) else {
            return;
        };
        if let Some(index) = extended_from(dfg, *result) {
            self.extensions.entry(index).or_default().push(*result);
        } else if let Some(extension) = above(dfg, vmctx, *result) {
            self.addresses.entry(extension).or_default().push(*result);
        }
    }

    /// Takes note of an access that does not need its address any longer.
    pub fn free(&mut self, access: &Access) {
        *self.accesses.entry(access.address).or_default() += 1;
    }

    /// Those of some indices that are used for nothing but such accesses. To find out takes a look at all that an index is extended
    /// to, so each is looked at once.
    pub fn free_indices(
        &self,
        uses: &Uses,
        indices: impl Iterator<Item = Value>,
    ) -> FxHashSet<Value> {
        let distinct: FxHashSet<Value> = indices.collect();
        let is_free = |index: &Value| self.is_free(uses, *index);
        distinct.into_iter().filter(is_free).collect()
    }

    fn is_free(&self, uses: &Uses, index: Value) -> bool {
        let address = |value: &Value| self.accesses.get(value) == Some(&uses.of(*value));
        let extension = |value: &Value| {
            users(&self.addresses, uses, *value)
                .is_some_and(|addresses| addresses.iter().all(address))
        };
        users(&self.extensions, uses, index)
            .is_some_and(|extensions| extensions.iter().all(extension))
    }
}

/// The users of a value, if it has no others.
fn users<'a>(
    known: &'a FxHashMap<Value, Vec<Value>>,
    uses: &Uses,
    value: Value,
) -> Option<&'a [Value]> {
    let users = known.get(&value)?;
    (users.len() == uses.of(value) as usize).then_some(users)
}
