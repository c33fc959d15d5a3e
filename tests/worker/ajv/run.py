#!/usr/bin/env python3
"""Runs ajv, the validator that most programs in JavaScript use, over texts that the grammars of schema.py's corpus allow. It is
installed below the build directory; without node, npm or a way to install it is skipped, with the reason.

Usage: run.py SCHEMA_PY SCHEMA_TOOL BUILD_DIRECTORY"""
import os
import shutil
import subprocess
import sys

SOURCE = os.path.dirname(os.path.abspath(__file__))


def skip(reason):
    print(f"1..0 # SKIP {reason}")
    print(f"skipped: {reason}", file=sys.stderr)
    sys.exit()


def install(place):
    os.makedirs(place, exist_ok=True)
    for name in ("test.mjs", "package.json"):
        shutil.copy(os.path.join(SOURCE, name), place)
    if os.path.exists(os.path.join(place, "node_modules", "ajv-formats")):
        return
    command = ["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", "--no-package-lock", "--fetch-retries=1"]
    try:
        done = subprocess.run(command, cwd=place, capture_output=True, text=True, timeout=60)
    except subprocess.TimeoutExpired:
        skip("npm install takes too long")
    if done.returncode:
        skip(f"npm install failed: {done.stderr.strip().splitlines()[-1:]}")


def main():
    corpus, tool, place = sys.argv[1], sys.argv[2], os.path.join(sys.argv[3], "ajv")
    for program in ("node", "npm"):
        if not shutil.which(program):
            skip(f"{program} is not installed")
    install(place)
    samples = subprocess.run([sys.executable, corpus, tool, "--corpus"], stdout=subprocess.PIPE, check=True, timeout=120).stdout
    sys.exit(subprocess.run(["node", "test.mjs"], cwd=place, input=samples, timeout=120).returncode)


if __name__ == "__main__":
    main()
