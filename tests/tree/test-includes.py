#!/usr/bin/env python3
"""Arrows point down: which folder may include what. Also the tails that house rules worry about: long functions and files.

Usage: test-includes.py SOURCE_ROOT"""
import os
import re
import sys

import tap

# folder: (prefixes of "..." includes, pattern of <...> includes that are out of place)
LAYERS = {
    "kernels": (("kernels/",), r"glib|gio|systemd/|json-glib|libsoup|lmdb|pthread|sys/"),
    "daemon/engine": (("engine/", "kernels/"), r"glib|gio|systemd/|json-glib|libsoup|lmdb"),
    "daemon/worker": (("worker/", "engine/", "kernels/", "dbus/"), r"libsoup|lmdb"),
    "daemon/service": (("service/", "dbus/"), r"libsoup|lmdb"),
    "daemon/api": (("api/", "service/", "dbus/"), r"lmdb"),
    "client": (("client/", "dbus/"), r"libsoup|lmdb"),
    "dbus": (("dbus/",), r"json-glib|libsoup|lmdb"),
}
# Intrinsics belong to one folder, sd-bus in the service to the files that talk to workers and to systemd.
INTRINSICS = re.compile(r"immintrin|x86intrin|cpuid\.h")
FUNCTION_LINES_MAX = 100
FILE_LINES_MAX = 700

INCLUDE = re.compile(r'^\s*#\s*include\s+([<"])([^>"]+)[>"]')
FUNCTION_START = re.compile(r"^[A-Za-z_][^;=]*\)\s*\{\s*$|^\{\s*$")


def sources(root):
    for folder in LAYERS:
        for directory, _, names in os.walk(os.path.join(root, folder)):
            for name in sorted(names):
                if name.endswith((".c", ".h")):
                    yield os.path.relpath(os.path.join(directory, name), root)


def layer_of(path):
    return max((layer for layer in LAYERS if path.startswith(layer + "/")), key=len, default=None)


def wrong_include(path, kind, target):
    allowed, banned = LAYERS[layer_of(path)]
    if kind == '"':
        return "/" in target and not target.startswith(allowed)
    if INTRINSICS.search(target):
        return not path.startswith("kernels/x86/") and path != "kernels/cpu.c"
    return re.match(banned, target) is not None


def check_includes(path, lines):
    for number, line in enumerate(lines, 1):
        match = INCLUDE.match(line)
        if match and wrong_include(path, *match.groups()):
            yield f"{path}:{number}: {match.group(2)} is above {layer_of(path)}"


def check_lengths(path, lines):
    if path.endswith(".c") and len(lines) > FILE_LINES_MAX and "tables" not in path:
        yield f"{path}: {len(lines)} lines: two nouns?"
    start = None
    for number, line in enumerate(lines, 1):
        if start is None and FUNCTION_START.match(line):
            start = number
        elif start is not None and line.startswith("}"):
            if number - start > FUNCTION_LINES_MAX:
                yield f"{path}:{start}: a function of {number - start} lines"
            start = None


def check_all(root, check):
    for path in sources(root):
        with open(os.path.join(root, path), errors="replace") as file:
            yield from check(path, file.read().splitlines())


if __name__ == "__main__":
    sys.exit(tap.run([("includes point down", check_all, sys.argv[1], check_includes),
                      ("functions and files fit", check_all, sys.argv[1], check_lengths)]))
