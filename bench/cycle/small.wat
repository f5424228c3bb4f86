;; small.wat: a guest with 64 KiB of memory, compiled with checks of bounds: what a host with very many instances runs. `hello` does what
;; guest.wat's does.
(module
  (import "env" "host" (func $host (param i32 i32) (result i32)))
  (memory (export "memory") 1 1)
  (data (i32.const 0) "a page of settings, which the guest reads at the start")
  (func (export "hello") (result i32)
    (i32.store (i32.const 40000) (i32.const 7))
    (i32.store (i32.const 64) (i32.add (i32.load (i32.const 64)) (i32.const 1)))
    (call $host (i32.load (i32.const 64)) (i32.load (i32.const 40000)))))
