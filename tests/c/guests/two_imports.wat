;; two_imports.wat: for linking errors: every import is a problem of its own.
(module $two_imports
  (import "env" "add" (func $add (param i32 i32) (result i32)))
  (import "env" "missing" (func $missing (param i64) (result f32)))
  (import "env" "base" (global i32))
  (func (export "add") (param i32 i32) (result i32) (call $add (local.get 0) (local.get 1)))
  (func (export "call_missing") (result f32) (call $missing (i64.const 1)))
  (func (export "fine") (result i32) (i32.const 5)))
