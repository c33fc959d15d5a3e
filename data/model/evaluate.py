#!/usr/bin/env python3
"""Measures a GGUF of this project with an independent forward pass in numpy.

    python3 evaluate.py MODEL.gguf [--show]        measure on the corpus and heldout.tsv
    python3 evaluate.py MODEL.gguf --ask REQUEST   print the greedy answer

It reads nothing but the GGUF file: own parser, own TQ2_0 decoding, the tokenizer rebuilt from the
file's merges, and BitNet's exact int8 activations. An answer counts when it equals an acceptable
one after squeezing spaces.
"""
import argparse
import collections
import struct
from pathlib import Path

import numpy as np

from corpus import HERE, Generator, read_held_out
from tokenizer import ASSISTANT, END, USER, Tokenizer

SCALARS = {4: "<I", 5: "<i", 6: "<f", 7: "<?"}
MAX_ANSWER = 64
SAMPLE = 400


class Reader:
    """Parses the parts of GGUF that our own writer uses."""

    def __init__(self, path):
        self.data, self.at = Path(path).read_bytes(), 4
        assert self.data[:4] == b"GGUF"
        _, n_tensors, n_keys = self.take("<I"), self.take("<Q"), self.take("<Q")
        self.meta = {}
        for _ in range(n_keys):
            key = self.string()
            self.meta[key] = self.value(self.take("<I"))
        infos = []
        for _ in range(n_tensors):
            name = self.string()
            dims = [self.take("<Q") for _ in range(self.take("<I"))]
            infos.append((name, dims, self.take("<I"), self.take("<Q")))
        start = -(-self.at // 32) * 32
        self.tensors = {name: self.tensor(dims, kind, start + offset)
                        for name, dims, kind, offset in infos}

    def take(self, form):
        x, = struct.unpack_from(form, self.data, self.at)
        self.at += struct.calcsize(form)
        return x

    def string(self):
        n = self.take("<Q")
        self.at += n
        return self.data[self.at - n:self.at].decode()

    def value(self, kind):
        if kind == 8:
            return self.string()
        if kind == 9:
            element, n = self.take("<I"), self.take("<Q")
            return [self.value(element) for _ in range(n)]
        return self.take(SCALARS[kind])

    def tensor(self, dims, kind, at):
        """F32 and F16 become arrays, TQ2_0 a pair (trits, scale of the tensor)."""
        n, shape = int(np.prod(dims)), dims[::-1]
        if kind in (0, 1):
            flat = np.frombuffer(self.data, ("<f4", "<f2")[kind], n, at)
            return flat.reshape(shape).astype(np.float32)
        assert kind == 35
        blocks = np.frombuffer(self.data, np.uint8, n // 256 * 66, at).reshape(-1, 66)
        shifts = np.array([0, 2, 4, 6], np.uint8).reshape(1, 1, 4, 1)
        codes = blocks[:, :64].reshape(-1, 2, 1, 32) >> shifts & 3
        scales = blocks[:, 64:].copy().view("<f2")
        assert len(np.unique(scales[scales > 0])) <= 1
        return (codes.astype(np.float32) - 1).reshape(shape), float(scales.max())


class Network:
    """Arch bitnet with SiLU, one sequence at a time, keys and values cached."""

    def __init__(self, path):
        gguf = Reader(path)
        meta, self.tensors = gguf.meta, gguf.tensors
        self.tokenizer = Tokenizer([m.split(" ") for m in meta["tokenizer.ggml.merges"]])
        assert self.tokenizer.tokens == meta["tokenizer.ggml.tokens"]
        self.layers = meta["bitnet.block_count"]
        self.heads = meta["bitnet.attention.head_count"]
        self.groups = meta["bitnet.attention.head_count_kv"]
        self.eps = meta["bitnet.attention.layer_norm_rms_epsilon"]
        self.dim = meta["bitnet.rope.dimension_count"]
        half = np.arange(self.dim // 2)
        self.frequency = meta["bitnet.rope.freq_base"] ** (-2.0 * half / self.dim)

    def norm(self, x, name):
        size = np.sqrt((x * x).mean(-1, keepdims=True) + self.eps)
        return x / size * self.tensors[name + ".weight"]

    def linear(self, x, name):
        """Ternary product of the int8 activations of each row."""
        trits, scale = self.tensors[name + ".weight"]
        s = 127 / np.maximum(np.abs(x).max(-1, keepdims=True), 1e-5)
        q = np.clip(np.rint(x * s), -128, 127)
        return q @ trits.T * (scale / s)

    def rope(self, x, start):
        angle = np.arange(start, start + len(x))[:, None, None] * self.frequency
        cos, sin = np.cos(angle), np.sin(angle)
        a, b = np.split(x, 2, -1)
        return np.concatenate([a * cos - b * sin, a * sin + b * cos], -1).astype(np.float32)

    def attend(self, q, k, v, start):
        """q [new, heads, dim] against all k, v [time, groups, dim]."""
        k, v = (np.repeat(t, self.heads // self.groups, 1) for t in (k, v))
        score = np.einsum("qhd,khd->hqk", q, k) / np.sqrt(self.dim)
        future = np.arange(len(k))[None] > start + np.arange(len(q))[:, None]
        score[:, future] = -np.inf
        score = np.exp(score - score.max(-1, keepdims=True))
        score /= score.sum(-1, keepdims=True)
        return np.einsum("hqk,khd->qhd", score, v).reshape(len(q), -1)

    def forward(self, ids, cache):
        """Logits behind the last of `ids`; `cache` is a list that grows with the sequence."""
        x = self.tensors["token_embd.weight"][ids]
        for layer in range(self.layers):
            at = f"blk.{layer}."
            h = self.norm(x, at + "attn_norm")
            q, k, v = (self.linear(h, at + "attn_" + n).reshape(len(ids), -1, self.dim)
                       for n in "qkv")
            start = 0
            if layer < len(cache):
                start = len(cache[layer][0])
                k = np.concatenate([cache[layer][0], self.rope(k, start)])
                cache[layer] = k, np.concatenate([cache[layer][1], v])
            else:
                k = self.rope(k, 0)
                cache.append((k, v))
            mixed = self.attend(self.rope(q, start), k, cache[layer][1], start)
            x = x + self.linear(self.norm(mixed, at + "attn_sub_norm"), at + "attn_output")
            h = self.norm(x, at + "ffn_norm")
            gate = self.linear(h, at + "ffn_gate")
            u = gate / (1 + np.exp(-gate)) * self.linear(h, at + "ffn_up")
            x = x + self.linear(self.norm(u, at + "ffn_sub_norm"), at + "ffn_down")
        return self.norm(x[-1], "output_norm") @ self.tensors["token_embd.weight"].T

    def answer(self, request):
        cache, out = [], []
        ids = self.tokenizer.prompt(request)
        while len(out) < MAX_ANSWER:
            best = int(self.forward(ids, cache).argmax())
            if best in (END, USER, ASSISTANT):
                break
            out.append(best)
            ids = [best]
        return self.tokenizer.decode(out).strip()


def squeeze(text):
    return " ".join(text.split())


def measure(network, rows, show):
    """Shares of right commands and right first words; prints the misses if asked to."""
    whole = first = 0
    for request, acceptable in rows:
        answer = squeeze(network.answer(request))
        accepted = [squeeze(a) for a in acceptable]
        whole += answer in accepted
        first += answer.split()[:1] in [a.split()[:1] for a in accepted]
        if show and answer not in accepted:
            print(f"  {request}\n     wanted {accepted[0]}\n     got    {answer}")
    return whole / len(rows), first / len(rows)


def corpus_rows(generator, blocks, count, plain):
    """Examples of given blocks: (source, request, [command])."""
    rng, rows = generator.rng, []
    for block in rng.choices(blocks, k=count):
        rows.append((block.source, *generator.word(block, plain=plain)))
    return rows


def line(title, source, count, whole, first):
    print(f"{title:18s} {source:10s} {count:4d} requests  whole {whole:6.1%}  first word {first:6.1%}",
          flush=True)


def report(network, show):
    generator = Generator(99)
    sets = {"trained requests": corpus_rows(generator, generator.known, SAMPLE // 2, False),
            "new wordings": corpus_rows(generator, generator.held, SAMPLE, True)}
    if (HERE / "heldout.tsv").exists():
        sets["heldout.tsv"] = [("all", *row) for row in read_held_out(HERE / "heldout.tsv")]
    for title, rows in sets.items():
        by_source = collections.defaultdict(list)
        for source, request, answers in rows:
            by_source[source].append((request, answers if isinstance(answers, list) else [answers]))
        whole = first = 0
        for source, part in sorted(by_source.items()):
            if show:
                print(f"--- {title}, {source}")
            w, f = measure(network, part, show)
            whole, first = whole + w * len(part), first + f * len(part)
            if len(by_source) > 1:
                line(title, source, len(part), w, f)
        line(title, "together", len(rows), whole / len(rows), first / len(rows))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("model")
    parser.add_argument("--ask", nargs="+", help="answer these requests instead of measuring")
    parser.add_argument("--show", action="store_true", help="print every wrong answer")
    options = parser.parse_args()
    network = Network(options.model)
    if options.ask:
        for request in options.ask:
            print(f"{request}\n    {network.answer(request)}")
    else:
        report(network, options.show)


if __name__ == "__main__":
    main()
