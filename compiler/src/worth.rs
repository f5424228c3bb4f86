//! What bodies count as where they come into others.
//!
//! A body counts as long as it is, but for those of which little is left when products have been found in them
//! (`optimize::multiply`): the 128-bit product that every compiler's runtime has is longer than what is inlined, and becomes a handful of
//! instructions. Its place is in its callers, which would otherwise spend more on the call.
//!
//! Invariants: what counts as less has been found to become less, so functions grow by what they may grow by; only few bodies are
//! translated for this, those that have the multiplications.
//!
//! Not here: whether a call is done in place (`translate::inline`).

use crate::error::Result;
use crate::module::FunctionBody;
use crate::optimize;
use crate::translate::{self, Growth, LARGEST_IN_PLACE, Source};
use cranelift_codegen::Context;
use cranelift_codegen::isa::TargetIsa;
use cranelift_frontend::FunctionBuilderContext;
use rustc_hash::FxHashMap;
use wasmparser::Operator;

/// The largest body that is looked at, in bytes.
const LARGEST: usize = 192;
/// Multiplications in an upper half.
const MULTIPLICATIONS: usize = 4;
/// What an upper half takes in a body, in bytes, at least: nine operations, most of them with operands and constants.
const UPPER_HALF: usize = 60;

/// The bodies that count as less than their length, by their place among the defined functions.
pub fn of_products(source: Source<'_>, isa: &dyn TargetIsa) -> Result<FxHashMap<u32, usize>> {
    let (mut worth, mut context) = (FxHashMap::default(), Context::new());
    let mut builder = FunctionBuilderContext::new();
    if source.growth == Growth::None {
        return Ok(worth);
    }
    for (defined, body) in (0u32..).zip(&source.module.bodies) {
        let length = body.range.len();
        if length <= LARGEST_IN_PLACE || length > LARGEST || !multiplies(source, body)? {
            continue;
        }
        context.clear();
        let alone = Source {
            growth: Growth::None,
            ..source
        };
        translate::guest_function(
            alone,
            defined as usize,
            &mut context.func,
            &mut builder,
            isa.frontend_config(),
        )?;
        context.func.dfg.resolve_all_aliases();
        let found = optimize::multiply(&mut context);
        if found > 0 {
            worth.insert(defined, length.saturating_sub(found * UPPER_HALF));
        }
    }
    Ok(worth)
}

/// Whether a body has enough multiplications for an upper half.
fn multiplies(source: Source<'_>, body: &FunctionBody) -> Result<bool> {
    let mut found = 0;
    let body = translate::reader(source.wasm, body)?;
    let operators = body.get_operators_reader().map_err(translate::invalid)?;
    for operator in operators {
        found += usize::from(matches!(
            operator.map_err(translate::invalid)?,
            Operator::I64Mul
        ));
    }
    Ok(found >= MULTIPLICATIONS)
}

#[cfg(test)]
mod tests {
    use crate::options::{Emit, Options};

    /// The listing of a function that calls `__multi3` as LLVM compiles it, with something else for its last shift.
    fn caller(shift: &str) -> String {
        let text = format!(
            r"(module (memory 1)
              (func $multi3 (param i32 i64 i64 i64 i64) (local i64)
                (i64.store offset=8 (local.get 0) (i64.add (i64.add (i64.add (i64.add
                    (i64.mul (local.get 4) (local.get 1)) (i64.mul (local.get 2) (local.get 3)))
                    (i64.mul (local.tee 4 (i64.shr_u (local.get 3) (i64.const 32))) (local.tee 2 (i64.shr_u (local.get 1) (i64.const 32)))))
                  (i64.shr_u (local.tee 3 (i64.add (i64.shr_u (local.tee 5 (i64.mul
                      (local.tee 3 (i64.and (local.get 3) (i64.const 4294967295)))
                      (local.tee 1 (i64.and (local.get 1) (i64.const 4294967295))))) (i64.const 32))
                    (i64.mul (local.get 3) (local.get 2)))) (i64.const 32)))
                  ({shift} (local.tee 3 (i64.add (i64.and (local.get 3) (i64.const 4294967295))
                    (i64.mul (local.get 4) (local.get 1)))) (i64.const 32))))
                (i64.store (local.get 0) (i64.or (i64.shl (local.get 3) (i64.const 32)) (i64.and (local.get 5) (i64.const 4294967295)))))
              (func (param i64 i64) (call $multi3 (i32.const 0) (local.get 0) (i64.const 0) (local.get 1) (i64.const 0))))"
        );
        let wasm = crate::binary(text.as_bytes()).expect("the text is well-formed");
        let options = Options {
            listing: Emit::Clif,
            verify: true,
            ..Options::default()
        };
        let compiled = crate::compile(&wasm, &options).expect("the module compiles");
        compiled.code[1].listing.clone().expect("a listing")
    }

    #[test]
    fn products_come_into_their_callers() {
        let listing = caller("i64.shr_u");
        assert!(!listing.contains("call fn"), "{listing}");
        assert_eq!(listing.matches("imul").count(), 1, "{listing}");
    }

    #[test]
    fn what_is_as_long_and_no_product_is_called() {
        let listing = caller("i64.shr_s");
        assert!(listing.contains("call fn"), "{listing}");
    }
}
