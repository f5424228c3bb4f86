#!/usr/bin/env python3
"""extra_modules.py KIND: writes the text of a WebAssembly module with one function `touch(pages)`, for rows that need
a guest of a special shape: `data SIZE` has so many bytes of initial data without a zero among them, `table COUNT`
a table with so many functions in it. The answer of `touch` depends on the data, or on the table."""
import sys


def data(size: int) -> str:
    pages = -(-size // 65536) + 1
    content = "".join(f"\\{1 + (i * 7 + (i >> 8)) % 255:02x}" for i in range(65536)) * (size // 65536)
    return f"""(memory (export "memory") {pages})
  (data (i32.const 0) "{content}")
  (func (export "touch") (param i32) (result i32)
    (i32.store (i32.const 4096) (i32.add (i32.load (i32.const 4096)) (local.get 0)))
    (i32.load (i32.const 4096)))"""


def table(count: int) -> str:
    return f"""(memory (export "memory") 1)
  (type $entry (func (param i32) (result i32)))
  (table $entries {count} {count} funcref)
  (elem (i32.const 0) {"$one $two " * (count // 2)})
  (func $one (type $entry) (i32.add (local.get 0) (i32.const 1)))
  (func $two (type $entry) (i32.mul (local.get 0) (i32.const 3)))
  (func (export "touch") (param i32) (result i32) (local i32)
    (local.set 1 (call_indirect (type $entry) (local.get 0) (i32.const {count - 1})))
    (table.set $entries (i32.const 17) (table.get $entries (i32.const 16)))
    (call_indirect (type $entry) (local.get 1) (i32.const 17)))"""


def main() -> None:
    make = {"data": data, "table": table}[sys.argv[1]]
    print(f"(module {make(int(sys.argv[2]))})")


main()
