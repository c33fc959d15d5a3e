#!/usr/bin/env python3
"""The engine against a real llama.cpp, model by model: how far apart the probabilities of the next token are.

llama.cpp comes from npm (node-llama-cpp) into the build directory; where that cannot be had the test is skipped, with the
reason. Models are the fixtures, where they are, and shapes of real models with random weights and few layers.

Usage: test-parity.py LOGITS WORKER DATA BUILD_DIRECTORY
LOGITS: the program made from tests/engine/logits.c; DATA: the folder with gguf-test, or \"\""""
import json
import os
import subprocess
import sys
from dataclasses import dataclass

import npm
import tap

SOURCE = os.path.dirname(os.path.abspath(__file__))
sys.path.append(os.path.join(SOURCE, os.pardir, "reference"))

N_TOKENS = 24


def skip(reason):
    tap.skip(f"{reason}: the engine is NOT compared with llama.cpp")


try:
    import numpy as np
except ImportError:
    skip("python3-numpy is not installed")

import cases


@dataclass
class Case:
    """`bound`: how far apart a probability may be. llama.cpp rounds what goes into 8-bit and ternary matrices to other blocks
    than the model was trained with or than we do, keeps keys and values as halves, and sums in another order. With 8-bit
    inputs a difference in the last bit of one moves others by a whole step."""
    name: str
    bound: float
    n_other_best: int = 0  # positions where another token may be the likeliest
    shape: tuple = ()  # of a synthetic model: name, weights
    reference: str = ""  # of a small model: name in tests/reference/cases.py


CASES = (
    Case("stories260K-f32", 1e-3),
    Case("stories260K-f16", 2e-3),
    Case("stories260K-bf16", 3e-3),
    Case("stories260K-q8_0", 3e-2),
    Case("tiny-rwkv7-834K-f32", 1e-5),
    Case("tiny-rwkv6-3m-f32", 1e-4),
    Case("mamba1-tiny-f32", 1e-4),
    Case("mamba2-tiny-f32", 1e-4),
    Case("bitnet-tiny-f32-silu", 4e-2, 2),
    Case("llama, ternary", 5e-3, 2, ("bitnet-7b", "TQ2_0")),
    Case("llama, Q8_0", 5e-3, 5, ("draft-350m", "Q8_0")),
    Case("llama, F16", 1e-3, 1, ("draft-350m", "F16")),
    Case("llama, Q4_0", 2e-3, 1, ("draft-350m", "Q4_0")),
    Case("mamba, Q8_0", 1e-2, 1, ("mamba-2.8b", "Q8_0")),
    Case("rwkv7, Q8_0", 1e-2, 3, ("rwkv7-2.9b", "Q8_0")),
    # odd sizes, as far as llama.cpp takes them
    *(Case(name, 2e-2, 1, reference=name) for name in (
        "llama, GQA", "llama, tied", "llama in F16", "llama in BF16", "qwen3", "qwen3, heads wider than the model",
        "heads of 2", "heads of 20", "heads of 100", "equal values in arrays", "Llama 3 factors", "linear RoPE scaling",
        "RoPE scaling without a type", "the old key of linear scaling", "YaRN", "YaRN that shrinks", "LongRoPE, long",
        "attn_factor alone", "mamba", "falcon-mamba", "mamba2", "mamba2, groups", "mamba2 of odd sizes", "rwkv6",
        "rwkv6, one head", "rwkv7, six layers")),
    *(Case(name, 0.15, 5, reference=name) for name in (
        "llama in Q8_0", "llama in Q4_0", "bitnet in TQ2_0", "llama with ternary weights in F16", "mamba2 in Q8_0",
        "rwkv6 in Q8_0")),
)


def write_reference(name, path):
    """With a vocabulary that has the bytes, which llama.cpp wants."""
    case = next(case for case in cases.CASES if case.name == name)
    model = case.family.make(np.random.default_rng(case.seed), **case.parameters | {"n_vocab": 270})
    model.store(case.type, case.exceptions)
    model.write(path)


def model_path(case, worker, data, directory):
    """The file, or None for a fixture that is not there."""
    path = os.path.join(directory, "model.gguf")
    if case.reference:
        write_reference(case.reference, path)
        return path
    if case.shape:
        shape, weights = case.shape
        subprocess.run([worker, "--synthesize", shape, "--weights", weights, "--layers", "2", "--vocabulary", "1000",
                        "--output", path], check=True, stdout=subprocess.DEVNULL)
        return path
    path = os.path.join(data, "gguf-test", case.name + ".gguf")
    return path if os.path.exists(path) else None


def our_probabilities(logits_program, path, tokens):
    done = subprocess.run([logits_program, path], input=" ".join(map(str, tokens)).encode(), capture_output=True)
    if done.returncode:
        raise ValueError(done.stderr.decode().strip())
    logits = np.frombuffer(done.stdout, "<f4").reshape(len(tokens), -1).astype(np.float64)
    e = np.exp(logits - logits.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


def their_probabilities(llama, path, tokens, n_vocab):
    print(json.dumps({"model": path, "tokens": tokens.tolist(), "vocabulary": n_vocab}), file=llama.stdin, flush=True)
    answer = json.loads(llama.stdout.readline())
    if "error" in answer:
        raise ValueError(f"llama.cpp: {answer['error']}")
    return np.array(answer["probabilities"])


def check(case, path, logits_program, llama):
    rng = np.random.default_rng(1)
    n_vocab = our_probabilities(logits_program, path, np.array([1])).shape[1]
    tokens = rng.integers(0, min(n_vocab, 250), N_TOKENS)
    ours = our_probabilities(logits_program, path, tokens)
    theirs = their_probabilities(llama, path, tokens, n_vocab)
    difference = np.abs(ours - theirs).max()
    n_other = int((ours.argmax(1) != theirs.argmax(1)).sum())
    tap.note(f"{case.name}: {difference:.2g} apart, the likeliest has {ours.max():.2g}, {n_other} other best")
    if not difference <= case.bound:
        yield f"probabilities are {difference:.3g} apart, the bound is {case.bound:g}"
    if n_other > case.n_other_best:
        yield f"{n_other} of {N_TOKENS} positions have another best token"


@tap.in_folder
def check_case(case, logits_program, worker, data, llama, folder):
    path = model_path(case, worker, data, folder)
    if not path:
        raise tap.Skip("the fixture is not there")
    return list(check(case, path, logits_program, llama))


def main():
    logits_program, worker, data, build = sys.argv[1:]
    place = os.path.join(build, "llama.cpp")
    npm.install(os.path.join(SOURCE, "package.json"), place, [os.path.join(SOURCE, "probabilities.mjs")], skip)
    with subprocess.Popen(["node", "probabilities.mjs"], cwd=place, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          text=True) as llama:
        status = tap.run((case.name, check_case, case, logits_program, worker, data, llama) for case in CASES)
        llama.stdin.close()
    sys.exit(status)


if __name__ == "__main__":
    main()
