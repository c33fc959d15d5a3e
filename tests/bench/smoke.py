#!/usr/bin/env python3
"""side-by-side on a small model against npm's llama.cpp: every figure is there and the ratios are right. Never how fast.

Usage: smoke.py SIDE_BY_SIDE WORKER BUILD_DIRECTORY"""
import json
import math
import os
import stat
import subprocess
import sys
import tempfile

SCRIPT, WORKER, BUILD = sys.argv[1:]
SMALL = ("--shape", "draft-350m", "--layers", "2", "--vocabulary", "1000", "--turns", "2", "--budget", "0.02", "--threads", "1",
         "--worker", WORKER)
FAKE = """#!%s
import json, sys
n = int(sys.argv[sys.argv.index("-p") + 1])
print(json.dumps([{"avg_ts": 100.0 if n else 10.0}]))
""" % sys.executable


def run(*arguments):
    return subprocess.run([sys.executable, SCRIPT, *SMALL, *arguments], capture_output=True, text=True, timeout=200)


def check(done):
    assert done.returncode == 0 and not done.stderr, done
    results = json.loads(done.stdout)
    ours, theirs, times = results["ryzen-llm"], results["llama.cpp"], results["times"]
    assert set(times) == {"decode", "prompt", "load"} and len(results["turns"]) == 2, results
    assert all(math.isfinite(value) and value > 0 for side in (ours, theirs, times) for value in side.values()), results
    for name in ("decode", "prompt"):
        assert math.isclose(times[name], ours[name] / theirs[name]), results
    assert math.isclose(times["load"], theirs["load"] / ours["load"]), results
    return theirs


def test_llama_bench(folder):
    program = os.path.join(folder, "llama-bench")
    with open(program, "w") as file:
        file.write(FAKE)
    os.chmod(program, os.stat(program).st_mode | stat.S_IXUSR)
    theirs = check(run("--llama-bench", program, "--json"))
    assert (theirs["decode"], theirs["prompt"]) == (10, 100), theirs


def test_none(folder):
    done = run("--llama-bench", os.path.join(folder, "nothing"))
    assert done.returncode == 77 and "nothing is compared" in done.stderr, done


def test_npm(folder):
    npm = ("--npm", os.path.join(BUILD, "llama.cpp"), "--decode", "4")
    done = run(*npm, "--json")
    if done.returncode == 77:
        return done.stderr.strip()
    check(done)
    table = run(*npm)
    assert table.returncode == 0 and [line.split()[0] for line in table.stdout.splitlines()] == [
        "MEASURED", "decode", "prompt", "load"], table
    return None


def main():
    tests = [test_llama_bench, test_none, test_npm]
    print(f"1..{len(tests)}", flush=True)
    n_failed = 0
    for number, test in enumerate(tests, 1):
        with tempfile.TemporaryDirectory() as folder:
            try:
                skipped = test(folder)
                print(f"ok {number} - {test.__name__}" + (f" # SKIP {skipped}" if skipped else ""), flush=True)
                if skipped:
                    print(f"skipped: {skipped}", file=sys.stderr)
            except Exception as why:  # pylint: disable=broad-except
                n_failed += 1
                print(*(f"# {line}" for line in repr(why)[:2000].splitlines()), sep="\n")
                print(f"not ok {number} - {test.__name__}", flush=True)
    sys.exit(1 if n_failed else 0)


if __name__ == "__main__":
    main()
