;; stacks.wat: guests that go down so far, and return, trap or go on.
(module $stacks
  (import "env" "leaf" (func $leaf (param i32) (result i32)))
  (func (export "look") (param i32) (result i32) (call $leaf (local.get 0)))
  (func $return (export "return") (param i32) (result i32)
    (if (result i32) (i32.eqz (local.get 0))
      (then (call $leaf (i32.const 0)))
      (else (i32.add (call $return (i32.sub (local.get 0) (i32.const 1))) (i32.const 1)))))
  (func $trap (export "trap") (param i32) (result i32)
    (if (i32.eqz (local.get 0)) (then unreachable))
    (i32.add (call $trap (i32.sub (local.get 0) (i32.const 1))) (i32.const 1)))
  (func $overflow (export "overflow") (param i32) (result i32)
    (i32.add (call $overflow (i32.add (local.get 0) (i32.const 1))) (i32.const 1))))
