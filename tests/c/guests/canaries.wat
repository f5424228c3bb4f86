;; canaries.wat: something of everything that the C API writes results about.
(module
  (import "env" "back" (func $back (param funcref) (result i32)))
  (memory (export "memory") 1 4)
  (table (export "table") 2 8 funcref)
  (global (export "global") i64 (i64.const 7))
  (elem declare func $one)
  (func $one (export "one") (result i32) (i32.const 1))
  (func (export "call") (result i32) (call $back (ref.func $one)))
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 64))
  (func (export "trap") (unreachable)))
