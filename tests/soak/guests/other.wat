;; other.wat: another tenant of the same slots, without data.
(module
  (memory (export "memory") 3 5)
  (func (export "touch") (param $at i32) (param $stride i32) (param $count i32) (param $tag i64)
    (memory.fill (local.get $at) (i32.wrap_i64 (local.get $tag)) (i32.mul (local.get $stride) (local.get $count))))
  (func (export "seen") (result i64) (local $at i32) (local $sum i64)
    (drop (memory.grow (i32.const 2)))
    (loop $next
      (local.set $sum (i64.or (local.get $sum) (i64.load (local.get $at))))
      (br_if $next (i32.lt_u (local.tee $at (i32.add (local.get $at) (i32.const 8))) (i32.mul (memory.size) (i32.const 65536)))))
    (local.get $sum)))
