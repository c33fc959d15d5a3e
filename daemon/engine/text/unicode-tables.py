#!/usr/bin/env python3
"""Writes unicode-tables.c: which code points are letters, numbers and white space.

    python3 unicode-tables.py > unicode-tables.c

Takes the Unicode version of the PyPI package unicodedata2 where it is installed, else Python's own.
"""
import sys

try:
    import unicodedata2 as unicodedata
except ImportError:
    import unicodedata


def ranges(belongs):
    """Maximal runs of code points that belong, as (first, last)."""
    first = None
    for c in range(sys.maxunicode + 2):
        if c <= sys.maxunicode and belongs(c):
            first = c if first is None else first
        elif first is not None:
            yield first, c - 1
            first = None


def category(c):
    return unicodedata.category(chr(c))


def is_space(c):  # the property White_Space
    return category(c) in ("Zs", "Zl", "Zp") or 9 <= c <= 13 or c == 0x85


TABLES = {
    "UNICODE_LETTERS": lambda c: category(c)[0] == "L",
    "UNICODE_NUMBERS": lambda c: category(c)[0] == "N",
    "UNICODE_SPACES": is_space,
}

print(f"/* Unicode {unicodedata.unidata_version}, written by unicode-tables.py: do not edit. */")
print('#include "engine/text/unicode-tables.h"')
for name, belongs in TABLES.items():
    table = [f"{{0x{a:x}, 0x{b:x}}}," for a, b in ranges(belongs)]
    print(f"\nconst size_t {name}_SIZE = {len(table)};")
    print(f"const struct UnicodeRange {name}[] = {{")
    for i in range(0, len(table), 5):
        print("    " + " ".join(table[i:i + 5]))
    print("};")
