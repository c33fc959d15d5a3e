#!/usr/bin/env python3
"""ryzen-llm-worker --bench on models cut to a layer: all figures are there, finite, and follow from each other. Never how fast.

Usage: test-bench.py WORKER [TEST...]"""
import json
import math
import os
import signal
import subprocess
import sys

import tap

WORKER = sys.argv[1]
SMALL = ("--layers", "1", "--vocabulary", "300", "--budget", "0.02", "--threads", "1,2")
ONE = (*SMALL[:-1], "1")
LAYOUTS = {"F32", "F16", "I8", "I4", "T2", "T1_6", "LUT"}
MACHINE = {"version": str, "tier": str, "cpu": str, "kernel": str, "cores": int, "cpus": int, "smt": int, "l2_bytes": int,
           "l3_bytes": int, "l3_domains": int, "memory_bytes": int}
POSITIONS = range(2, 9)
INFERENCE = {("decode", 1), ("together", 2), ("together", 4), ("together", 8), ("prompt", 128), ("prompt", 512), ("first token", 128),
             ("first token", 512), ("weights", 1), ("bytes per token", 1), ("memory resident", 1)}
INFERENCE |= {(name, n) for name in ("positions", "one more position") for n in POSITIONS}
LOAD = {"copy", "pack", "first use", "pack speed", "open", "connect to first token", "connect less a step", "worker resident",
        "worker beside weights"}
CONCURRENCY = {"served", "between tokens, half", "between tokens, 95 %", "between tokens, worst", "first token, half",
               "first token, 95 %"}
BESIDE = {"beside a prompt, half", "beside a prompt, 95 %", "beside a prompt, worst", "prompt beside an answer"}
MAY_BE_NEGATIVE = {"one more position", "connect less a step", "worker beside weights"}  # differences


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
            assert value >= 0 or line.get("name") in MAY_BE_NEGATIVE, line
        else:
            assert isinstance(value, str), line


def check_limit(figure, best):
    """What follows from seconds, work and the limits of its turns, which are no better than the best, is computed again."""
    limits = {name: figure["limit_" + name] for name in ("gbps", "i8_gops", "f32_gops")}
    assert all(0 < limits[name] <= best[name] * (1 + 1e-9) for name in limits), (figure, best)
    seconds = figure["seconds"]
    assert 0 < figure["seconds_least"] <= seconds <= figure["seconds_most"] and figure["samples"] >= 1, figure
    memory = figure["bytes"] / (limits["gbps"] * 1e9)
    compute = figure["i8_operations"] / (limits["i8_gops"] * 1e9) + figure["f32_operations"] / (limits["f32_gops"] * 1e9)
    assert near(figure["limit_seconds"], max(memory, compute)), figure
    assert near(figure["percent"], 100 * max(memory, compute) / seconds), figure
    assert figure["bound"] == ("memory" if memory >= compute else "compute"), figure
    assert near(figure["gbps"], figure["bytes"] / seconds / 1e9), figure
    assert near(figure["gops"], (figure["i8_operations"] + figure["f32_operations"]) / seconds / 1e9), figure


def check_common(lines, threads):
    """The figures. None has a limit above the last roof that was told before it."""
    machine, = of_type(lines, "machine")
    assert {name: type(machine[name]) for name in MACHINE} == MACHINE and machine["cores"] >= 1, machine
    roofs, best_read = {}, {}
    for line in lines:
        if line["type"] == "read":
            assert line["pages"] in ("small", "huge"), line
            best_read[line["threads"]] = max(line["gbps"], best_read.get(line["threads"], 0))
        if line["type"] == "roof":
            before = roofs.get(line["threads"], dict(line, gbps=best_read[line["threads"]], i8_gops=1e-9, f32_gops=1e-9))
            assert all(line[name] >= before[name] * (1 - 1e-9) for name in ("gbps", "i8_gops", "f32_gops")), (line, before)
            roofs[line["threads"]] = line
        if line["type"] == "progress":
            assert 0 <= line["done"] <= line["total"] and line["stage"] and isinstance(line["model"], str), line
        if line["type"] == "figure":
            check_numbers(line)
            if "percent" in line:
                check_limit(line, roofs[line["threads"]])
    assert sorted(roofs) == threads, roofs
    return of_type(lines, "figure")


def check_inference(figures):
    assert {(line["name"], line["n"]) for line in figures} == INFERENCE and len(figures) == len(INFERENCE), figures
    by_name = {(line["name"], line["n"]): line for line in figures}
    for line in figures:
        assert line["value"] > 0 or line["name"] in MAY_BE_NEGATIVE, line
        if line["unit"] == "tokens/s":
            assert near(line["value"], line["n"] / line["seconds"]) and "percent" in line, line
    decode = by_name["decode", 1]
    for n in POSITIONS:
        more = 100 * (by_name["positions", n]["seconds"] / decode["seconds"] - 1) / (n - 1)
        assert math.isclose(by_name["one more position", n]["value"], more, rel_tol=1e-6, abs_tol=1e-6)
    assert near(by_name["bytes per token", 1]["value"], decode["bytes"] / 2**20), decode
    assert by_name["memory resident", 1]["value"] > by_name["weights", 1]["value"]


def check_kernels(figures, n_threads):
    barriers = [line for line in figures if line["name"] == "barrier"]
    products = [line for line in figures if line["name"] == "product"]
    assert len(barriers) == (n_threads > 1) and len(barriers) + len(products) == len(figures), figures
    assert {line["weights"] for line in products} == LAYOUTS and len(products) == 6 * len(LAYOUTS), products
    assert {line["n"] for line in products} == {1, 2, 4, 8, 64, 512}
    assert all("percent" in line and line["unit"] in ("GB/s", "GOPS") for line in products)
    assert {line["model"] for line in products} == {"draft-350m 2816×1024"}, products


def check_load(figures):
    mine = {line["name"]: line for line in figures}
    assert set(mine) == LOAD and len(figures) == len(LOAD), figures
    assert all(line["value"] > 0 or name in MAY_BE_NEGATIVE for name, line in mine.items()), mine
    assert "percent" in mine["connect to first token"] and mine["open"]["samples"] >= 3, mine
    assert near(mine["first use"]["value"], mine["copy"]["value"] + mine["pack"]["value"]), mine
    assert mine["worker beside weights"]["value"] < mine["worker resident"]["value"], mine


def check_concurrency(figures):
    by_name = {(line["name"], line["n"]): line["value"] for line in figures}
    expected = {(name, n) for name in CONCURRENCY for n in (1, 2, 4, 8)} | {(name, 2000) for name in BESIDE}
    assert set(by_name) == expected and len(by_name) == len(figures), figures
    assert all(by_name[name, 2000] > 0 for name in BESIDE), by_name
    for n in (1, 2, 4, 8):
        assert by_name["served", n] > 0 and by_name["first token, half", n] > 0, (n, by_name)
        assert 0 < by_name["between tokens, half", n] <= by_name["between tokens, 95 %", n] <= by_name["between tokens, worst", n], n


def test_all(directory):
    figures = check_common(lines_of("all", "--shape", "draft-350m", *SMALL, directory=directory), [1, 2])
    for threads in (1, 2):
        suites = {suite: [line for line in figures if line["threads"] == threads and line["suite"] == suite]
                  for suite in ("kernels", "inference", "load", "concurrency")}
        assert sum(map(len, suites.values())) == len([line for line in figures if line["threads"] == threads]), figures
        check_kernels(suites["kernels"], threads)
        check_inference(suites["inference"])
        check_load(suites["load"])
        check_concurrency(suites["concurrency"])
        assert {line["weights"] for line in figures if line["suite"] != "kernels"} == {"Q8_0"}, figures


def test_shapes_and_weights(directory):
    """Every shape with each kind of weights, in turn, and the figures that were asked for alone."""
    figures = check_common(lines_of("inference", "--shape", "mamba-2.8b", "--shape", "draft-350m", "--weights", "Q8_0,q4", "--figure",
                                    "decode", "--figure", "positions 2", *ONE, directory=directory), [1])
    assert [(line["model"], line["weights"]) for line in figures if line["name"] == "decode"] == [
        ("mamba-2.8b", "Q8_0"), ("mamba-2.8b", "Q8_0→Q4_0, head I8"), ("draft-350m", "Q8_0"), ("draft-350m", "Q8_0→Q4_0, head I8")], figures
    assert [line["n"] for line in figures if line["name"] == "positions"] == [2] * 4, figures


def test_work(directory):
    """Bytes and operations of a step, counted by hand for a layer of the Llama kind, with a head of halves and of bytes."""
    lines = lines_of("inference", "--shape", "bitnet-7b", "--layers", "1", "--vocabulary", "304", "--weights", "TQ2_0,q8", "--figure",
                     "decode", *ONE[-4:], directory=directory)
    halves, byte = [line for line in of_type(lines, "figure") if line["name"] == "decode"]
    n, ff, vocabulary = 4096, 11008, 304
    layer, head = 4 * n * n + 3 * n * ff, n * vocabulary
    weights = layer / 4 + 3 * 4 * n  # two bits; three norms
    assert (halves["weights"], byte["weights"]) == ("TQ2_0 as T2, head F16", "TQ2_0 as T2, head I8"), (halves, byte)
    assert (halves["i8_operations"], halves["f32_operations"]) == (2 * layer, 2 * head), halves
    assert (byte["i8_operations"], byte["f32_operations"]) == (2 * (layer + head), 0), byte
    for line, head_bytes in ((halves, 2 * head), (byte, head * 8.5 / 8)):
        assert weights + head_bytes <= line["bytes"] < weights + head_bytes + (4 << 20), line  # and keys and values


def test_too_large(directory):
    done = run("inference", "--shape", "bitnet-13b", "--weights", "F32", "--layers", "1000", *ONE[-4:], directory=directory)
    assert done.returncode == 1 and "1000 layers" in done.stderr and "GiB" in done.stderr, done


def test_refusals(directory):
    for arguments, word in ((("nothing",), "suite"), (("kernels", "--threads", "0"), "threads"),
                            (("kernels", "--threads", "1,x"), "threads"), (("inference", "--shape", "none"), "shape"),
                            (("inference", "--shape", "draft-350m", "--weights", "Q9"), "Q9"),
                            (("inference", "--shape", "draft-350m", "--weights", "Q8_0,q9"), "q9"),
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


def test_synthesis_interrupted(directory):
    """No piece of the file stays behind, whoever ends it."""
    for number in (signal.SIGTERM, signal.SIGINT):
        with subprocess.Popen([WORKER, "--synthesize", "bitnet-7b", "--output", os.path.join(directory, "model.gguf")],
                              stdout=subprocess.PIPE, text=True) as worker:
            worker.stdout.readline()  # it writes
            worker.send_signal(number)
            worker.communicate(timeout=100)
        assert worker.returncode == 1 and os.listdir(directory) == [], (number, worker.returncode)


TESTS = [test_all, test_shapes_and_weights, test_work, test_too_large, test_refusals, test_interrupted, test_synthesis_interrupted]


if __name__ == "__main__":
    sys.exit(tap.run(tap.named(map(tap.in_folder, TESTS)), sys.argv[2:]))
