;; spin_start, hostile: computes for ever in its start function, before it is asked for anything. Expected: stopped there, like any other guest.
(module
  (memory (export "memory") 1)
  (func $spin (loop $again (br $again)))
  (start $spin)
  (func (export "lucet_http_handle") (result i32) (i32.const 0)))
