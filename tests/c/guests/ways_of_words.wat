;; ways_of_words.wat: every way out of a guest whose code uses no floats, so that lucetc says it uses no vector registers.
(module $ways_of_words
  (import "env" "ask" (func $ask (param i32) (result i32)))
  (import "env" "leaf" (func $leaf (param i32) (result i32)))
  (memory (export "memory") 1)
  (func (export "value") (result i32) (i32.const 42))
  (func $spin (export "spin") (loop $again (br $again)))
  (func (export "ask") (param i32) (result i32) (call $ask (local.get 0)))
  (func (export "leaf") (param i32) (result i32) (call $leaf (local.get 0)))
  (func (export "unreachable") unreachable)
  (func (export "outside") (drop (i32.load (i32.const 0x7fffffff))))
  (func $deep (export "deep") (param i32) (result i32)
    (i32.add (call $deep (i32.add (local.get 0) (i32.const 1))) (i32.const 1)))
  (func (export "divide") (param i32) (result i32) (i32.div_u (i32.const 1) (local.get 0)))
  (func (export "count") (param i32) (result i32) (local i32)
    (loop $again
      (local.set 1 (i32.add (local.get 1) (i32.const 1)))
      (br_if $again (i32.lt_u (local.get 1) (local.get 0))))
    (local.get 1)))
