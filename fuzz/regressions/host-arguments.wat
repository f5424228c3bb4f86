;; Not a mistake that was found, but what one would look like: arguments and results of both classes that do not fit the
;; registers, and memory, globals and a table that a trap leaves as they are.
(module
  (import "host" "many" (func $many
    (param i64 i32 i64 i32 i64 i32 i64 i32 i64 f32 f64 f32 f64 f32 f64 f32 f64 f32 f64) (result f64 i32 f32 i64)))
  (import "host" "vector" (func $vector (param v128 i32 v128) (result v128)))
  (memory (export "memory") 1 3)
  (global $count (export "count") (mut i32) (i32.const 0))
  (table (export "table") 3 5 funcref)
  (elem (table 0) (i32.const 1) func $split)
  (func $split (export "split") (param i64 i32 f32 f64) (result f64 i32 f32 i64)
    (global.set $count (i32.add (global.get $count) (i32.const 1)))
    (call $many
      (local.get 0) (local.get 1) (i64.const -1) (i32.const -1) (local.get 0) (local.get 1) (i64.const 7) (i32.const 8)
      (local.get 0) (local.get 2) (local.get 3) (f32.const 1) (f64.const 2) (local.get 2) (local.get 3) (f32.const 3)
      (f64.const 4) (local.get 2) (local.get 3)))
  (func (export "vectors") (param v128 i32) (result v128)
    (v128.store (i32.const 100) (call $vector (local.get 0) (local.get 1) (i32x4.splat (local.get 1))))
    (v128.load (i32.const 101)))
  (func (export "halfway") (param i32) (result i32)
    (global.set $count (i32.sub (global.get $count) (local.get 0)))
    (i32.store (i32.const 8) (local.get 0))
    (drop (memory.grow (i32.const 1)))
    (drop (table.grow 0 (ref.func $split) (i32.const 1)))
    (table.set 0 (i32.const 0) (ref.func $split))
    (i32.store8 offset=65530 (local.get 0) (i32.const 255))
    (i32.div_s (i32.const -2147483648) (local.get 0))))
