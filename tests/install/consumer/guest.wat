;; guest.wat: the guest of program.c.
(module
  (memory 1)
  (func (export "twice") (param i32) (result i32) (i32.mul (local.get 0) (i32.const 2)))
  (func (export "outside") (result i32) (i32.load (i32.const 0x7fffffff))))
