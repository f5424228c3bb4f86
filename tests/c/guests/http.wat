;; http.wat: the guest of hosts/server.c: one export for each path.
(module $http
  (import "http" "write" (func $write (param i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "hello from the guest\n")
  (func (export "hello") (drop (call $write (i32.const 0) (i32.const 21))))
  (func (export "oob") (drop (i32.load (i32.const 65536))))
  (func (export "badptr") (drop (call $write (i32.const 65530) (i32.const 100))))
  (func $deep (export "deep") (call $deep) (call $deep)))
