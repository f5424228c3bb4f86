;; guest.wat: what stopping is measured with.
(module $stopping
  (func $spin (export "spin") (loop $again (br $again)))
  (func (export "add") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1)))
  ;; so many steps, which take the same time each, and the number of which is in memory
  (memory (export "memory") 1)
  (func (export "work") (param i64) (local i64 i64)
    (loop $again
      (local.set 2 (i64.add (i64.mul (local.get 2) (i64.const 5)) (local.get 1)))
      (i64.store (i32.const 8) (local.get 2))
      (i64.store (i32.const 0) (local.tee 1 (i64.add (local.get 1) (i64.const 1))))
      (br_if $again (i64.ne (local.get 1) (local.get 0))))))
