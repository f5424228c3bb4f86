;; Imports that do not fit linking_library.wat: each is one problem.
(module
  (import "library" "memory" (memory 2 4))
  (import "library" "table" (table 1 externref))
  (import "library" "counter" (global i32))
  (import "library" "constant" (global (mut i64)))
  (import "library" "double" (func (param i64) (result i64)))
  (import "library" "trap" (memory 1))
  (import "library" "oops" (tag (param i64)))
  (import "library" "nothing" (table 0 funcref)))
