#!/usr/bin/env python3
"""Runs OpenAI's own JavaScript client (test.mjs) against the HTTP door with a double of the service. What it needs is installed
below the build directory; without node, npm or a way to install it is skipped, with the reason.

Usage: run.py HTTP_DOOR BUILD_DIRECTORY"""
import os
import subprocess
import sys
import tempfile

import npm

SOURCE = os.path.dirname(os.path.abspath(__file__))


def main():
    door, place = sys.argv[1], os.path.join(sys.argv[2], "openai-client")
    npm.install(os.path.join(SOURCE, "package.json"), place, [os.path.join(SOURCE, "test.mjs")])
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
