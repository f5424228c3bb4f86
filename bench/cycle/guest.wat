;; guest.wat: the guest that every engine of bench/cycle runs. 17 pages of memory, three short data segments, and
;; functions that do as little as possible, so that what is measured is the engine.
;;
;; Every function answers the same for the same arguments in a fresh instance, so results can be compared between
;; engines; `touch` reads before it writes, so what an earlier instance left behind would change its answer.
(module
  (import "env" "host" (func $host (param i32 i32) (result i32)))
  (import "env" "leaf" (func $leaf (param i32 i32) (result i32)))
  (memory (export "memory") 17 32)
  (data (i32.const 0) "a page of settings, which the guest reads at the start")
  (data (i32.const 8192) "another page, in the same block of 64 KiB as the first")
  (data (i32.const 1048576) "the seventeenth block, where a C program would have its stack")

  ;; Reads and writes one word in each of the first $pages pages of 4 KiB, in another cache set each time.
  (func (export "touch") (param $pages i32) (result i32)
    (local $page i32) (local $at i32) (local $sum i32)
    (block $done
      (loop $next
        (br_if $done (i32.ge_u (local.get $page) (local.get $pages)))
        (local.set $at (i32.or (i32.shl (local.get $page) (i32.const 12))
                               (i32.shl (i32.and (local.get $page) (i32.const 63)) (i32.const 6))))
        (local.set $sum (i32.add (i32.mul (local.get $sum) (i32.const 31)) (i32.load (local.get $at))))
        (i32.store (local.get $at) (i32.add (local.get $page) (i32.const 1)))
        (local.set $page (i32.add (local.get $page) (i32.const 1)))
        (br $next)))
    (local.get $sum))

  (func (export "add") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1)))

  ;; Reads and writes sixteen pages, others for each $seed, that are zero in a fresh instance: the answer is 0 unless
  ;; something was left behind.
  (func (export "scatter") (param $seed i32) (result i32)
    (local $at i32) (local $left i32) (local $sum i32) (local $old i32) (local $tag i32)
    (local.set $tag (i32.or (local.get $seed) (i32.const 1)))
    (local.set $left (i32.const 16))
    (loop $next
      (local.set $seed (i32.add (i32.mul (local.get $seed) (i32.const 1664525)) (i32.const 1013904223)))
      (local.set $at (i32.add (i32.const 16448)
        (i32.shl (i32.rem_u (i32.shr_u (local.get $seed) (i32.const 8)) (i32.const 250)) (i32.const 12))))
      ;; Either nothing, or what this run wrote, should it meet the page again.
      (local.set $old (i32.load (local.get $at)))
      (local.set $sum (i32.or (local.get $sum)
        (i32.and (i32.ne (local.get $old) (i32.const 0)) (i32.ne (local.get $old) (local.get $tag)))))
      (i32.store (local.get $at) (local.get $tag))
      (br_if $next (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))
    (local.get $sum))

  ;; Calls the host $count times.
  (func (export "out") (param $count i32) (result i32) (local $sum i32)
    (loop $next
      (local.set $sum (call $host (local.get $sum) (local.get $count)))
      (br_if $next (local.tee $count (i32.sub (local.get $count) (i32.const 1)))))
    (local.get $sum))
  (func (export "out_leaf") (param $count i32) (result i32) (local $sum i32)
    (loop $next
      (local.set $sum (call $leaf (local.get $sum) (local.get $count)))
      (br_if $next (local.tee $count (i32.sub (local.get $count) (i32.const 1)))))
    (local.get $sum))

  ;; What a small C program does: uses its stack, changes a variable, and tells the host.
  (func (export "hello") (result i32)
    (i32.store (i32.const 1048640) (i32.const 7))
    (i32.store (i32.const 64) (i32.add (i32.load (i32.const 64)) (i32.const 1)))
    (call $host (i32.load (i32.const 64)) (i32.load (i32.const 1048640))))

  ;; One more block of 64 KiB; touches its first word.
  (func (export "grow") (result i32) (local $old i32)
    (local.set $old (memory.grow (i32.const 1)))
    (i32.store (i32.shl (local.get $old) (i32.const 16)) (i32.const 1))
    (local.get $old))

  (func (export "trap") unreachable))
