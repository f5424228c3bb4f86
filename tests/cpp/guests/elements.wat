;; elements.wat: passes ranges to a function and to a lambda that take elements.
(module
  (import "env" "typed" (func $typed (param i32 i32 i32 i32 f64) (result f64)))
  (import "env" "lambda" (func $lambda (param i32 i32 i32 i32 f64) (result f64)))
  (memory (export "memory") 1)
  (func (export "typed") (param i32 i32 i32 i32) (result f64)
    (call $typed (local.get 0) (local.get 1) (local.get 2) (local.get 3) (f64.const 2)))
  (func (export "lambda") (param i32 i32 i32 i32) (result f64)
    (call $lambda (local.get 0) (local.get 1) (local.get 2) (local.get 3) (f64.const 2))))
