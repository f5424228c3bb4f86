;; edge.wat: goes down its stack, and waits there until the host lets it return: memory has "I am here" at 0, "go on" at 4.
;; Each of its calls has a frame, which one in place of a call would not have.
;; with: --opt-level speed_and_size
;; also: checked --stack-check --opt-level speed_and_size
(module $edge
  (memory (export "memory") 1)
  (func $wait (result i32)
    (loop $again
      (i32.store (i32.const 0) (i32.const 1))
      (br_if $again (i32.eqz (i32.load (i32.const 4)))))
    (i32.const 0))
  (func $down (export "down") (param i32) (result i32)
    (if (result i32) (i32.eqz (local.get 0))
      (then (call $wait))
      (else (i32.add (i32.const 1) (call $down (i32.sub (local.get 0) (i32.const 1))))))))
