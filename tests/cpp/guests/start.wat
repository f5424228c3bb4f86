;; start.wat: calls its host while it starts.
(module
  (import "env" "begin" (func $begin))
  (func (export "nothing"))
  (start $begin))
