#!/usr/bin/env python3
"""Writes unicode-tables.c: where in the code points one class ends and the next begins.

    python3 unicode-tables.py [/usr/share/unicode] > unicode-tables.c

Reads UnicodeData.txt and DerivedAge.txt of the Unicode Character Database (Debian's unicode-data).
llama.cpp has Unicode 15.1, so that is what a database of version 15.0 is brought up to.
"""
import os
import re
import sys

UNICODE_END = 0x110000
# class: the letter that stands for it in the table
CLASSES = {"OTHER": "O", "LETTER": "L", "NUMBER": "N", "PUNCTUATION": "P", "SYMBOL": "Y",
           "MARK": "M", "SPACE": "S"}
CATEGORIES = {"L": "LETTER", "N": "NUMBER", "P": "PUNCTUATION", "S": "SYMBOL", "M": "MARK",
              "Z": "SPACE"}
# all that 15.1 has and 15.0 hasn't: first and last code point, category
ADDITIONS = {"15.0.0": [(0x2FFC, 0x2FFF, "So"), (0x31EF, 0x31EF, "So"), (0x2EBF0, 0x2EE5D, "Lo")]}
SPACES = {*range(9, 14), 0x85}  # White_Space that is not in Z


def read_categories(directory):
    """The general category of every code point."""
    categories = ["Cn"] * UNICODE_END
    first = 0
    with open(os.path.join(directory, "UnicodeData.txt"), encoding="ascii") as file:
        for line in file:
            code, name, category = line.split(";")[:3]
            code = int(code, 16)
            if name.endswith(", First>"):
                first = code
                continue
            start = first if name.endswith(", Last>") else code
            categories[start:code + 1] = [category] * (code + 1 - start)
    return categories


def read_version(directory):
    with open(os.path.join(directory, "DerivedAge.txt"), encoding="utf-8") as file:
        return re.search(r"DerivedAge-([\d.]+)\.txt", file.readline())[1]


def classify(code, category):
    return "SPACE" if code in SPACES else CATEGORIES.get(category[0], "OTHER")


def changes(categories):
    last = None
    for code, category in enumerate(categories):
        name = classify(code, category)
        if name != last:
            yield code, CLASSES[name]
            last = name


def main():
    directory = sys.argv[1] if len(sys.argv) > 1 else "/usr/share/unicode"
    version = read_version(directory)
    categories = read_categories(directory)
    for first, last, category in ADDITIONS.get(version, []):
        categories[first:last + 1] = [category] * (last + 1 - first)
        version = "15.1.0"
    table = list(changes(categories))
    print(f"/* Unicode {version}, written by unicode-tables.py: do not edit. */")
    print("/* clang-format off */")
    print('#include "engine/text/unicode-tables.h"\n')
    print('#include "engine/text/unicode.h"\n')
    for name, letter in CLASSES.items():
        print(f"#define {letter}(first) ((first) << UNICODE_CLASS_BITS | UNICODE_{name})")
    print(f"\nconst size_t UNICODE_CHANGES_SIZE = {len(table)};")
    print("const uint32_t UNICODE_CHANGES[] = {")
    for i in range(0, len(table), 9):
        print("    " + " ".join(f"{key}(0x{code:x})," for code, key in table[i:i + 9]))
    print("};")


main()
