;; start.wat: a start function that calls the host with what it finds; the host may let it trap.
(module $start
  (import "env" "started" (func $started (param i32)))
  (memory (export "memory") 1)
  (global $runs (export "runs") (mut i32) (i32.const 0))
  (func $begin
    (global.set $runs (i32.add (global.get $runs) (i32.const 1)))
    (call $started (global.get $runs)))
  (start $begin)
  (func (export "runs_so_far") (result i32) (global.get $runs)))
