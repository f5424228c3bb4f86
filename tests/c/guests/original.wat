;; original.wat: what guests did in the original's tests that no other guest here does.
(module $original
  (import "env" "add" (func $add (param i32 i32) (result i32)))
  (import "env" "multiply" (func $multiply (param i32 i32) (result i32)))
  (memory (export "memory") 1 8)
  (global $top (mut i32) (i32.const 65536))
  (export "imported" (func $add))
  (export "waits" (func $multiply))
  ;; n!, each product made by the host while the guest waits
  (func (export "factorial") (param i32) (result i32) (local i32 i32)
    (local.set 2 (i32.const 1))
    (loop $again
      (local.set 1 (i32.add (local.get 1) (i32.const 1)))
      (local.set 2 (call $multiply (local.get 1) (local.get 2)))
      (br_if $again (i32.lt_s (local.get 1) (local.get 0))))
    (local.get 2))
  ;; a page at the end of memory, wherever that is by now: its address
  (func (export "new_page") (result i32) (i32.mul (memory.grow (i32.const 1)) (i32.const 65536)))
  (func (export "increment") (param i32) (result i32)
    (i32.store (local.get 0) (i32.add (i32.load (local.get 0)) (i32.const 1)))
    (i32.load (local.get 0)))
  (func (export "spin") (loop $again (br $again))))
