#!/usr/bin/env python3
"""Runs ajv, the validator that most programs in JavaScript use, over texts that the grammars of test-schema.py's corpus allow. It is
installed below the build directory; without node, npm or a way to install it is skipped, with the reason.

Usage: run.py SCHEMA_PY SCHEMA_TOOL BUILD_DIRECTORY"""
import os
import subprocess
import sys

import npm

SOURCE = os.path.dirname(os.path.abspath(__file__))


def main():
    corpus, tool, place = sys.argv[1], sys.argv[2], os.path.join(sys.argv[3], "ajv")
    npm.install(os.path.join(SOURCE, "package.json"), place, [os.path.join(SOURCE, "test.mjs")])
    samples = subprocess.run([sys.executable, corpus, tool, "--corpus"], stdout=subprocess.PIPE, check=True, timeout=120).stdout
    sys.exit(subprocess.run(["node", "test.mjs"], cwd=place, input=samples, timeout=120).returncode)


if __name__ == "__main__":
    main()
