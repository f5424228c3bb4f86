;; Imports from an instance of linking_program.wat what that one imports from another.
(module
  (import "program" "memory again" (memory 1))
  (import "program" "counter again" (global $counter (mut i32)))
  (import "program" "mutual" (func $mutual (param i32) (result i32)))
  (func (export "peek") (param i32) (result i32) (i32.load (local.get 0)))
  (func (export "count") (result i32) (global.get $counter))
  (func (export "mutual") (param i32) (result i32) (call $mutual (local.get 0))))
