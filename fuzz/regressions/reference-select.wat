;; Not a mistake of ours: wasmi 2.0.0 takes the wrong operand of a select by i32.eqz, one of whose operands is the tested
;; local. Kept so that nobody updates the reference to a version that does this.
(module
  (func (export "chosen") (param i32) (result i32)
    (i32.const 65534)
    (i32.const 1)
    (local.get 0)
    (local.get 0)
    (i32.eqz)
    (select)
    (local.set 0)
    (drop)
    (local.get 0)))
