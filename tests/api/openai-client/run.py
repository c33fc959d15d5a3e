#!/usr/bin/env python3
"""Runs OpenAI's own JavaScript client (test.mjs) against the HTTP door with a double of the service. What it needs is installed
below the build directory; without node, npm or a way to install it is skipped, with the reason.

Usage: run.py HTTP_DOOR BUILD_DIRECTORY"""
import os
import shutil
import subprocess
import sys
import tempfile

SOURCE = os.path.dirname(os.path.abspath(__file__))


def skip(reason):
    print(f"1..0 # SKIP {reason}")
    print(f"skipped: {reason}", file=sys.stderr)
    sys.exit()


def install(place):
    """Copies the test to `place` and installs what package.json names, unless that was done before."""
    os.makedirs(place, exist_ok=True)
    with open(os.path.join(SOURCE, "package.json")) as file:
        wanted = file.read()
    stamp = os.path.join(place, "installed.json")
    shutil.copy(os.path.join(SOURCE, "test.mjs"), place)
    if os.path.exists(stamp) and open(stamp).read() == wanted:
        return
    shutil.copy(os.path.join(SOURCE, "package.json"), place)
    command = ["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", "--no-package-lock", "--fetch-retries=1"]
    try:
        done = subprocess.run(command, cwd=place, capture_output=True, text=True, timeout=60)
    except subprocess.TimeoutExpired:
        skip("npm install takes too long")
    if done.returncode:
        skip(f"npm install failed: {done.stderr.strip().splitlines()[-1:]}")
    with open(stamp, "w") as file:
        file.write(wanted)


def main():
    door, place = sys.argv[1], os.path.join(sys.argv[2], "openai-client")
    for program in ("node", "npm"):
        if not shutil.which(program):
            skip(f"{program} is not installed")
    install(place)
    with tempfile.TemporaryDirectory() as directory:
        path, keys = os.path.join(directory, "http.sock"), os.path.join(directory, "keys")
        with open(keys, "w") as file:
            file.write("a-key-that-is-not-used\n")
        with subprocess.Popen([door, path, keys], stdout=subprocess.PIPE, text=True) as process:
            process.stdout.readline()  # it listens
            done = subprocess.run(["node", "test.mjs", path, "echo", "fake"], cwd=place, timeout=60)
            process.terminate()
            process.stdout.read()
    sys.exit(done.returncode or process.returncode)


if __name__ == "__main__":
    main()
