#!/usr/bin/env python3
"""side-by-side on a small model against programs and npm's llama.cpp: every figure is there, the ratios are right. Never how fast.

Usage: test-side-by-side.py SIDE_BY_SIDE WORKER BUILD_DIRECTORY"""
import json
import math
import os
import stat
import subprocess
import sys

import tap

SCRIPT, WORKER, BUILD = sys.argv[1:]
SMALL = ("--shape", "draft-350m", "--layers", "2", "--vocabulary", "1000", "--turns", "2", "--budget", "0.02", "--threads", "1",
         "--worker", WORKER)
BENCH = """#!%s
import json, sys
if "--help" in sys.argv:
    sys.exit("-w, --warmup <0|1>")
assert "-w" in sys.argv or sys.argv[sys.argv.index("-p") + 1] != "1", sys.argv
n = int(sys.argv[sys.argv.index("-p") + 1])
print(json.dumps([{"avg_ts": (100.0 if n else 10.0) * (2 if any(word.endswith("/other.gguf") for word in sys.argv) else 1)}]))
""" % sys.executable
BATCHED = """#!%s
import sys
print("main: a line of its own", "|    PP |     TG |    B |   N_KV |   T_PP s | S_PP t/s |   T_TG s | S_TG t/s |",
      "|-------|--------|------|--------|----------|----------|----------|----------|",
      "|     8 |     16 |    8 |    192 |    0.190 |   337.31 |    0.250 |    51.25 |", sep=chr(10), file=sys.stderr)
""" % sys.executable


def program(folder, name, text):
    path = os.path.join(folder, name)
    with open(path, "w") as file:
        file.write(text)
    os.chmod(path, os.stat(path).st_mode | stat.S_IXUSR)
    return path


def run(*arguments):
    return subprocess.run([sys.executable, SCRIPT, *SMALL, *arguments], capture_output=True, text=True, timeout=200)


def check(done, figures):
    """The peers' medians, when ours and the ratios are right. `figures`: what is compared with each peer."""
    assert done.returncode == 0 and not done.stderr, done
    results = json.loads(done.stdout)
    ours, peers, times = results["ryzen-llm"], results["peers"], results["times"]
    assert {name: set(values) for name, values in times.items()} == figures and len(results["turns"]) == 2, results
    assert all(math.isfinite(value) and value > 0 for side in (ours, *peers.values(), *times.values()) for value in side.values()), results
    for name, theirs in peers.items():
        for figure in figures[name]:
            times_faster = theirs[figure] / ours[figure] if figure == "load" else ours[figure] / theirs[figure]
            assert math.isclose(times[name][figure], times_faster), (name, figure, results)
    return peers


def test_peers(folder):
    """Several, one with a file of its own, one with a llama-batched-bench beside it."""
    os.mkdir(os.path.join(folder, "b"))
    one, two = program(folder, "llama-bench", BENCH), program(os.path.join(folder, "b"), "llama-bench", BENCH)
    program(os.path.join(folder, "b"), "llama-batched-bench", BATCHED)
    some = {"decode", "prompt 128", "prompt 512", "load"}
    peers = check(run("--peer", f"one={one},other.gguf", "--peer", f"two={two}", "--json"), {"one": some, "two": some | {"together 8"}})
    assert (peers["one"]["decode"], peers["one"]["prompt 512"]) == (20, 200), peers
    assert (peers["two"]["decode"], peers["two"]["prompt 128"], peers["two"]["together 8"]) == (10, 100, 51.25), peers


def test_none(folder):
    done = run("--peer", "none=" + os.path.join(folder, "nothing"))
    assert done.returncode == 77 and "nothing is compared" in done.stderr, done
    assert run("--peer", "nothing").returncode == 2


def test_npm(folder):
    npm = ("--npm", os.path.join(BUILD, "llama.cpp"), "--decode", "4", "--prompt", "128")
    done = run(*npm, "--json")
    if done.returncode == 77:
        raise tap.Skip(done.stderr.strip())
    check(done, {"llama.cpp": {"decode", "prompt 128", "load"}})
    table = run(*npm)
    assert table.returncode == 0 and [line.split()[0] for line in table.stdout.splitlines()] == [
        "MEASURED", "decode", "prompt", "together", "load"], table


if __name__ == "__main__":
    sys.exit(tap.run(tap.named(map(tap.in_folder, [test_peers, test_none, test_npm]))))
