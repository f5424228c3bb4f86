;; ways.wat: every way out of a guest.
(module $ways
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
  ;; What these give depends on rounding, and on whether denormal numbers are flushed to zero.
  (func $floats (export "floats") (result i64)
    (local $bits i64)
    (local.set $bits (i64.reinterpret_f64 (f64.div (f64.const 1) (f64.const 3))))
    (local.set $bits (i64.xor (local.get $bits)
      (i64.reinterpret_f64 (f64.mul (f64.const 0x1p-1022) (f64.const 0x1p-30)))))
    (i64.xor (local.get $bits)
      (i64.shl (i64.extend_i32_u (i32.reinterpret_f32 (f32.div (f32.const -2) (f32.const 3)))) (i64.const 7))))
  ;; The same after a call out, whatever that does.
  (func (export "floats_after") (param i32) (result i64) (drop (call $ask (local.get 0))) (call $floats))
  (func (export "count") (param i32) (result i32) (local i32)
    (loop $again
      (local.set 1 (i32.add (local.get 1) (i32.const 1)))
      (br_if $again (i32.lt_u (local.get 1) (local.get 0))))
    (local.get 1)))
