;; also: bounds --memory=bounds
;; A guest of which there are very many: 64 KiB of memory, of which it uses little.
(module
  (memory (export "memory") 1 1)
  (global $calls (mut i32) (i32.const 0))
  (data (i32.const 16) "small")
  ;; Adds to a number in memory, and answers it.
  (func (export "add") (param i32) (result i32)
    (global.set $calls (i32.add (global.get $calls) (i32.const 1)))
    (i32.store (i32.const 1024) (i32.add (i32.load (i32.const 1024)) (local.get 0)))
    (i32.load (i32.const 1024)))
  (func (export "calls") (result i32) (global.get $calls))
  (func (export "load") (param i32) (result i32) (i32.load (local.get 0)))
  (func $deep (export "deep") (param i32) (result i32)
    (i32.add (i32.const 1) (call $deep (local.get 0)))))
