;; guest.wat: what stopping is measured with.
(module $stopping
  (func $spin (export "spin") (loop $again (br $again)))
  (func (export "add") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1)))
  (func (export "count") (param i64) (result i64) (local i64)
    (loop $again
      (local.set 1 (i64.add (i64.mul (local.get 1) (i64.const 5)) (local.get 0)))
      (br_if $again (i64.ne (local.tee 0 (i64.sub (local.get 0) (i64.const 1))) (i64.const 0))))
    (local.get 1)))
