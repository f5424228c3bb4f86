;; late_segment.wat: an active data segment that does not fit: instantiation traps, at the head of the first entry.
(module $late_segment
  (memory (export "memory") 1)
  (data (i32.const 65530) "too long for it")
  (func (export "never") (result i32) (i32.const 1)))
