(module
  (import "library" "memory" (memory 1))
  (import "library" "double" (func $double (param i32) (result i32)))
  (func (export "store") (param i32 i32) (i32.store (local.get 0) (call $double (local.get 1)))))
