#!/usr/bin/env python3
"""The engine against references that were written without it, family by family.

Usage: test-reference.py LOGITS [NAME...]      LOGITS: the program made from tests/engine/logits.c; NAME: only these cases

For every case a model with random weights goes into a GGUF file, the family's reference computes the logits of a random
prompt from what the file holds, and the engine's must be within the bound, with the same best token wherever the best is
ahead by more than twice the bound. Inputs of matrices that are rounded to 8 bits can fall to another side of a half, and
then so do others that follow from them; positions where none does must be exact, and there must be one. The engine's
logits must also be the same bits on every tier, on several threads, however the prompt is cut, and from a packed file.

To add a family: a module with make() and logits() as model.py says, imported below, and rows of the table."""
import os
import subprocess
import sys
import time

import tap

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # the matrices are tiny
try:
    import numpy as np
except ImportError:
    tap.skip("python3-numpy is not installed: the engine is NOT compared with independent references")

from cases import CASES

# Runs that must give the same bits as the first one.
SAME = (["--tier", "c", "--threads", "3"], ["--tier", "avx2", "--chunk", "7"], ["--packed", "--chunk", "1"])


def run_engine(program, path, tokens, n_vocab, options):
    """float32 [len(tokens)][n_vocab], or None for a tier that this machine lacks."""
    done = subprocess.run([program, path, *options], input=" ".join(map(str, tokens)).encode(), capture_output=True)
    if done.returncode == 77:
        return None
    if done.returncode != 0:
        raise ValueError(f"{' '.join(options)}: {done.stderr.decode().strip() or done.returncode}")
    return np.frombuffer(done.stdout, "<f4").reshape(len(tokens), n_vocab)


def check_close(actual, expected, bound, closest):
    differences = np.abs(actual - expected).max(1)
    if not differences.max() <= bound:
        yield f"logits differ by {differences.max():.3g}, the bound is {bound:g}"
    if not differences.min() <= closest:
        yield f"logits differ by {differences.min():.3g} at the least: this is no rounding"
    best = np.sort(expected, 1)[:, -2:]
    clear = best[:, 1] - best[:, 0] > 2 * bound
    if (actual.argmax(1) != expected.argmax(1))[clear].any():
        yield "another token is the best one"


def check_matters(case, model, tokens, expected):
    """A reference that ignores one of these must be far off, or the case shows nothing about it."""
    for name in case.matters:
        difference = np.abs(case.family.logits(model.without(name), tokens) - expected).max()
        if not difference > 10 * case.bound:
            yield f"without {name} the logits change by {difference:.3g} only"


def check_same(program, path, tokens, n_vocab, options, first):
    for changes in SAME:
        again = run_engine(program, path, tokens, n_vocab, changes + options)
        if again is not None and again.tobytes() != first.tobytes():
            yield f"other bits with {' '.join(changes)}"


def check(program, case, directory):
    rng = np.random.default_rng(case.seed)
    model = case.family.make(rng, **case.parameters)
    model.store(case.type, case.exceptions)
    model.kv_type = case.kv_type
    options = ["--kv", case.kv_type, *case.options]
    path = os.path.join(directory, "model.gguf")
    model.write(path)
    tokens = rng.integers(0, model.n_vocab, case.n_tokens)
    if case.refused:
        try:
            run_engine(program, path, tokens, model.n_vocab, options)
        except ValueError as why:
            return [] if case.refused in str(why) else [str(why)], ""
        return ["was not refused"], ""
    expected = case.family.logits(model, tokens)
    actual = run_engine(program, path, tokens, model.n_vocab, options)
    problems = [*check_close(actual, expected, case.bound, case.closest), *check_matters(case, model, tokens, expected),
                *check_same(program, path, tokens, model.n_vocab, options, actual)]
    spread = expected.std()
    if not 0.5 < spread < 20:
        problems.append(f"logits spread by {spread:.3g}: no test of anything")
    return problems, f"{np.abs(actual - expected).max():.2g} of {case.bound:g}, logits spread by {spread:.2g}"


@tap.in_folder
def check_case(program, case, folder):
    start = time.monotonic()
    problems, note = check(program, case, folder)
    tap.note(f"{note}, {time.monotonic() - start:.2f} s")
    return problems


if __name__ == "__main__":
    sys.exit(tap.run([(case.name, check_case, sys.argv[1], case) for case in CASES], sys.argv[2:]))
