;; large.wat: wants 320 pages (20 MiB) of memory and 20,000 table elements: more than a region has by default.
(module $large
  (memory (export "memory") 320)
  (table (export "table") 20000 funcref)
  (func (export "size") (result i32) (memory.size)))
