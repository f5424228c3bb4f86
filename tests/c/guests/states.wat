;; states.wat: a guest for unit/states.c, which brings it into every state.
(module $states
  (import "env" "host" (func $host (param i32) (result i32)))
  (import "env" "leaf" (func $leaf (param i32) (result i32)))
  (memory (export "memory") 1 100)
  (table (export "table") 2 100 funcref)
  (global (export "global") (mut i32) (i32.const 7))
  (tag (export "tag"))
  (func (export "value") (result i32) (i32.const 42))
  (func $spin (export "spin") (loop $again (br $again)))
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 8))
  (func (export "trap") unreachable)
  (func (export "host") (param i32) (result i32) (call $host (local.get 0)))
  (func (export "leaf") (param i32) (result i32) (call $leaf (local.get 0))))
