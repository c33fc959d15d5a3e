#!/usr/bin/env python3
"""ryzen-llm-worker --bench on models cut to a layer: all figures are there, finite, and follow from each other. Never how fast.

Usage: bench.py WORKER"""
import json
import math
import os
import signal
import subprocess
import sys
import tempfile

WORKER = sys.argv[1]
SMALL = ("--layers", "1", "--vocabulary", "300", "--budget", "0.02", "--threads", "1,2")
LAYOUTS = {"F32", "F16", "I8", "I4", "T2", "T1_6"}
MACHINE = {"version": str, "tier": str, "cpu": str, "kernel": str, "cores": int, "cpus": int, "smt": int, "l2_bytes": int,
           "l3_bytes": int, "l3_domains": int, "memory_bytes": int}
INFERENCE = {("decode", 1), ("together", 2), ("together", 4), ("together", 8), ("positions", 2), ("positions", 4),
             ("positions", 8), ("one more position", 2), ("one more position", 4), ("one more position", 8), ("prompt", 128),
             ("prompt", 512), ("first token", 128), ("first token", 512), ("weights", 1), ("bytes per token", 1),
             ("memory resident", 1)}


def run(*arguments, directory):
    # which ternary layout is chosen depends on the machine, and with it the bytes that are counted
    environment = dict(os.environ, TMPDIR=directory, RYZEN_LLM_TERNARY="t2")
    done = subprocess.run([WORKER, "--bench", *arguments], capture_output=True, text=True, timeout=100, env=environment)
    assert os.listdir(directory) == [], f"left behind: {os.listdir(directory)}"
    return done


def lines_of(*arguments, directory):
    done = run(*arguments, directory=directory)
    assert done.returncode == 0 and not done.stderr, done
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert lines[-1] == {"type": "done"}, lines[-1]
    return lines


def of_type(lines, name):
    return [line for line in lines if line["type"] == name]


def near(a, b):
    return math.isclose(a, b, rel_tol=1e-6)


def check_numbers(line):
    for name, value in line.items():
        if isinstance(value, float) or isinstance(value, int):
            assert math.isfinite(value), line
            assert value >= 0 or line.get("name") == "one more position", line
        else:
            assert isinstance(value, str), line


def check_limit(figure, roof):
    """What follows from seconds, work and roof is computed again."""
    seconds = figure["seconds"]
    assert 0 < figure["seconds_least"] <= seconds <= figure["seconds_most"] and figure["samples"] >= 1, figure
    memory = figure["bytes"] / (roof["gbps"] * 1e9)
    compute = figure["i8_operations"] / (roof["i8_gops"] * 1e9) + figure["f32_operations"] / (roof["f32_gops"] * 1e9)
    assert figure["i8_operations"] + figure["f32_operations"] > 0, figure
    assert near(figure["limit_seconds"], max(memory, compute)), figure
    assert near(figure["percent"], 100 * max(memory, compute) / seconds), figure
    assert figure["bound"] == ("memory" if memory >= compute else "compute"), figure
    assert near(figure["gbps"], figure["bytes"] / seconds / 1e9), figure
    assert near(figure["gops"], (figure["i8_operations"] + figure["f32_operations"]) / seconds / 1e9), figure


def check_common(lines):
    machine, = of_type(lines, "machine")
    assert {name: type(machine[name]) for name in MACHINE} == MACHINE and machine["cores"] >= 1, machine
    roofs = {roof["threads"]: roof for roof in of_type(lines, "roof")}
    assert sorted(roofs) in ([1], [1, 2]), roofs
    for threads, roof in roofs.items():
        reads = [read for read in of_type(lines, "read") if read["threads"] == threads]
        assert {read["pages"] for read in reads} == {"small", "huge"}, reads
        assert near(roof["gbps"], max(read["gbps"] for read in reads)), (roof, reads)
        assert roof["gbps"] > 0 and roof["i8_gops"] > 0 and roof["f32_gops"] > 0, roof
    for progress in of_type(lines, "progress"):
        assert 0 <= progress["done"] <= progress["total"] and progress["stage"], progress
    for figure in of_type(lines, "figure"):
        check_numbers(figure)
        if "percent" in figure:
            check_limit(figure, roofs[figure["threads"]])
    return of_type(lines, "figure")


def test_inference(directory):
    figures = check_common(lines_of("inference", "--shape", "draft-350m", "--shape", "mamba-2.8b", *SMALL, directory=directory))
    for shape in ("draft-350m", "mamba-2.8b"):
        for threads in (1, 2):
            mine = [line for line in figures if line["model"] == shape and line["threads"] == threads]
            assert {(line["name"], line["n"]) for line in mine} == INFERENCE and len(mine) == len(INFERENCE), mine
            by_name = {(line["name"], line["n"]): line for line in mine}
            for name, n in INFERENCE - {("one more position", n) for n in (2, 4, 8)}:
                line = by_name[name, n]
                assert line["value"] > 0, line
                if line["unit"] == "tokens/s":
                    assert near(line["value"], n / line["seconds"]) and "percent" in line, line
            decode = by_name["decode", 1]
            for n in (2, 4, 8):
                more = 100 * (by_name["positions", n]["seconds"] / decode["seconds"] - 1) / (n - 1)
                assert math.isclose(by_name["one more position", n]["value"], more, rel_tol=1e-6, abs_tol=1e-6)
            assert near(by_name["bytes per token", 1]["value"], decode["bytes"] / 2**20), decode
            assert by_name["memory resident", 1]["value"] > by_name["weights", 1]["value"]


def test_work(directory):
    """Bytes and operations of a step, counted by hand for a layer of the Llama kind: 24 layers' shape, one of them."""
    lines = lines_of("inference", "--shape", "bitnet-7b", "--threads", "1", "--layers", "1", "--vocabulary", "304", "--budget",
                     "0.02", directory=directory)
    decode, = [line for line in of_type(lines, "figure") if line["name"] == "decode"]
    n, ff, vocabulary = 4096, 11008, 304
    layer = 4 * n * n + 3 * n * ff
    assert decode["i8_operations"] == 2 * layer, decode
    assert decode["f32_operations"] == 2 * n * vocabulary, decode
    weights = layer / 4 + 2 * n * vocabulary + 3 * 4 * n  # two bits; a head of halves; three norms
    assert weights <= decode["bytes"] < weights + (4 << 20), (decode, weights)  # and a page or two of keys and values


def test_kernels(directory):
    figures = check_common(lines_of("kernels", *SMALL[:-1], "1", directory=directory))
    assert {line["weights"] for line in figures} == LAYOUTS, figures
    assert {line["n"] for line in figures} == {1, 2, 4, 8, 64, 512}
    assert len(figures) == 2 * 6 * len(LAYOUTS), len(figures)
    assert all("percent" in line and line["unit"] in ("GB/s", "GOPS") for line in figures)


def test_load(directory):
    figures = check_common(lines_of("load", "--shape", "draft-350m", *SMALL, directory=directory))
    assert len(figures) == 10, figures
    for threads in (1, 2):
        mine = {line["name"]: line for line in figures if line["threads"] == threads}
        assert set(mine) == {"pack, first use", "pack speed", "worker resident", "open", "connect to first token"}, mine
        assert all(line["value"] > 0 and line["weights"] == "Q8_0" for line in mine.values()), mine
        assert "percent" in mine["connect to first token"] and mine["open"]["samples"] >= 3, mine


def test_concurrency(directory):
    figures = check_common(lines_of("concurrency", "--shape", "rwkv7-2.9b", *SMALL[:-1], "1", directory=directory))
    kinds = {"served", "between tokens, half", "between tokens, 95 %", "first token, half", "first token, 95 %"}
    beside = {"beside a prompt, half", "beside a prompt, 95 %", "prompt beside an answer"}
    expected = {(name, n) for name in kinds for n in (1, 2, 4, 8)} | {(name, 2000) for name in beside}
    assert {(line["name"], line["n"]) for line in figures} == expected, figures
    by_name = {(line["name"], line["n"]): line["value"] for line in figures}
    for n in (1, 2, 4, 8):
        assert by_name["served", n] > 0 and by_name["between tokens, half", n] > 0, n
        assert by_name["between tokens, half", n] <= by_name["between tokens, 95 %", n], n
    assert all(by_name[name, 2000] > 0 for name in beside), by_name


def test_refusals(directory):
    for arguments, word in ((("nothing",), "suite"), (("kernels", "--threads", "0"), "threads"),
                            (("kernels", "--threads", "1,x"), "threads"), (("inference", "--shape", "none"), "shape"),
                            (("inference", "--shape", "draft-350m", "--weights", "Q9"), "Q9"),
                            (("inference", "--budget", "-1"), "range")):
        done = run(*arguments, directory=directory)
        assert done.returncode == 64 and word in done.stderr and not done.stdout, (arguments, done)


def test_interrupted(directory):
    """Nothing stays behind."""
    worker = subprocess.Popen([WORKER, "--bench", "inference", *SMALL[:4], "--budget", "100", "--threads", "1"],
                              stdout=subprocess.PIPE, text=True, env=dict(os.environ, TMPDIR=directory))
    try:
        for line in worker.stdout:
            if json.loads(line)["type"] == "progress":
                break
        worker.send_signal(signal.SIGTERM)
        worker.communicate(timeout=100)
    finally:
        worker.kill()
    assert worker.returncode == 1 and os.listdir(directory) == [], worker.returncode


TESTS = [test_inference, test_work, test_kernels, test_load, test_concurrency, test_refusals, test_interrupted]


def main():
    print(f"1..{len(TESTS)}", flush=True)
    n_failed = 0
    for number, test in enumerate(TESTS, 1):
        with tempfile.TemporaryDirectory() as directory:
            try:
                test(directory)
                print(f"ok {number} - {test.__name__}", flush=True)
            except Exception as why:  # pylint: disable=broad-except
                n_failed += 1
                print(*(f"# {line}" for line in repr(why)[:2000].splitlines()), sep="\n")
                print(f"not ok {number} - {test.__name__}", flush=True)
    sys.exit(1 if n_failed else 0)


if __name__ == "__main__":
    main()
