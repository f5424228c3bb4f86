#!/usr/bin/env python3
"""load_module.py BYTES: writes C source of a module of about that size once it is WebAssembly: many functions of
different shapes, called through a table and directly, with constant data. Deterministic. For the rows `load/*`."""
import sys


def function(number: int) -> str:
    """One function; its constants differ, so that the compiler merges none of them."""
    a, b, c = (number * 2654435761 >> s & 0xFFFF for s in (3, 7, 11))
    callee = f"g{number // 2}" if number > 1 else "seed"
    return f"""
__attribute__((noinline)) static unsigned g{number}(unsigned x, unsigned y) {{
  static const unsigned char text[] = "message number {number}: {a} of {b}";
  for (unsigned i = 0; i < (x & 7); i++) y = y * {a}u + (words[(x + {b}u) & 1023] ^ text[i]);
  if (y % {c | 1}u == {number}u) return {callee}(y, x);
  switch (x & 3) {{
  case 0: words[y & 1023] += {b}u; return y ^ {c}u;
  case 1: return table[(y + {number}u) % COUNT](x >> 1, y);
  case 2: return (unsigned)((double)y * 1.{number} + x);
  default: return y << (x & 31) | {a}u;
  }}
}}"""


def main() -> None:
    count = max(8, int(sys.argv[1]) // 288)
    print("/* Written by load_module.py. */")
    print(f"#define COUNT {count}u\ntypedef unsigned (*entry)(unsigned, unsigned);")
    print("static const entry table[COUNT];\nstatic unsigned words[1024];")
    print("static unsigned seed(unsigned x, unsigned y) { return x + y; }")
    for number in range(count):
        print(function(number))
    print("static const entry table[COUNT] = {" + ", ".join(f"g{n}" for n in range(count)) + "};")
    print('__attribute__((export_name("run"))) unsigned run(unsigned n) { return table[n % COUNT](n, n ^ 7); }')


main()
