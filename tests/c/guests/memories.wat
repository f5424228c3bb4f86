;; Three memories that code checks by itself: 64-bit indices, pages of one byte, and an ordinary one that is not the first.
(module
  (memory $wide (export "wide") i64 1 0x20000)
  (memory $bytes (export "bytes") 11 100 (pagesize 1))
  (memory $plain (export "plain") 1 2)
  (data (memory $bytes) (i32.const 2) "ten bytes")
  (table $objects i64 2 5 externref)
  (export "objects" (table $objects))
  (func (export "load_wide") (param i64) (result i32) (i32.load8_u $wide (local.get 0)))
  (func (export "load_bytes") (param i32) (result i32) (i32.load8_u $bytes (local.get 0)))
  (func (export "load_plain") (param i32) (result i32) (i32.load8_u $plain (local.get 0)))
  (func (export "pages") (result i32) (i32.wrap_i64 (memory.size $wide)))
  (func (export "sizes") (result i32) (i32.add (memory.size $bytes) (i32.mul (i32.const 1000) (memory.size $plain)))))
