;; stopping.wat: guests that do not end by themselves, and one that asks its host something.
(module $stopping
  (import "env" "ask" (func $ask (param i32) (result i32)))
  (func $spin (export "spin") (loop $again (br $again)))
  (func (export "ask") (param i32) (result i32) (i32.add (call $ask (local.get 0)) (i32.const 1)))
  (func (export "ask_and_spin") (param i32) (drop (call $ask (local.get 0))) (call $spin))
  (func (export "count") (param i32) (result i32) (local i32)
    (loop $again
      (local.set 1 (i32.add (local.get 1) (i32.const 1)))
      (br_if $again (i32.lt_u (local.get 1) (local.get 0))))
    (local.get 1)))
