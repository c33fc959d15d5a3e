#!/usr/bin/env python3
"""The samplers again, from their definitions, in double precision; both must leave the same tokens with the same
probabilities, and draw the same ones.

Usage: samplers.py SAMPLER_SHELL"""
import math
import random
import struct
import subprocess
import sys

import tap

DEFAULTS = dict(temperature=0.8, top_k=40, top_p=0.95, min_p=0.05, repeat_penalty=1.0, presence_penalty=0.0,
                frequency_penalty=0.0, repeat_last_n=64, typical_p=1.0, top_n_sigma=-1.0, xtc_probability=0.0,
                xtc_threshold=0.1, dry_multiplier=0.0, dry_base=1.75, dry_allowed_length=2, dry_penalty_last_n=64,
                dynatemp_range=0.0, dynatemp_exponent=1.0, mirostat=0, mirostat_tau=5.0, mirostat_eta=0.1, min_keep=0,
                seed=0)
OFF = dict(temperature=1.0, top_k=0, top_p=1.0, min_p=0.0)
ORDER = ["penalties", "dry", "top_n_sigma", "top_k", "typ_p", "top_p", "min_p", "xtc", "temperature"]
M64 = (1 << 64) - 1


def f32(x):
    return struct.unpack("f", struct.pack("f", x))[0]


# ---- Random numbers: splitmix64's finaliser over seed, stream and counter ----

def scramble(x):
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9 & M64
    x = (x ^ x >> 27) * 0x94d049bb133111eb & M64
    return x ^ x >> 31


def uniform(seed, stream, n):
    start = scramble(seed + (stream + 1) * 0x9e3779b97f4a7c15 & M64)
    return (scramble(start + (n + 1) * 0xd1b54a32d192ed03 & M64) >> 11) / 2**53


# ---- Samplers: a distribution is a list of (logit, token), the best first ----

def ordered(candidates):
    return sorted(candidates, key=lambda c: (-c[0], c[1]))


def softmax(candidates):
    top = max(logit for logit, _ in candidates)
    weights = [math.exp(logit - top) for logit, _ in candidates]
    total = math.fsum(weights)
    return [weight / total for weight in weights]


class Reference:
    def __init__(self, n_vocab, options, samplers=None, biases=(), breakers=()):
        self.n_vocab = n_vocab
        self.o = {name: f32(value) if isinstance(value, float) else value
                  for name, value in {**DEFAULTS, **options}.items()}
        self.samplers = ORDER if samplers is None else samplers
        self.biases, self.breakers = biases, [tuple(b) for b in breakers]
        self.history, self.n_draws, self.mu = [], 0, 2 * self.o["mirostat_tau"]
        self.greedy = self.o["temperature"] == 0 and self.o["dynatemp_range"] == 0

    def penalties(self, c):
        window = self.history[-self.o["repeat_last_n"]:] if self.o["repeat_last_n"] else []
        result = []
        for logit, token in c:
            count = window.count(token)
            if count:
                logit = logit * self.o["repeat_penalty"] if logit <= 0 else logit / self.o["repeat_penalty"]
                logit -= count * self.o["frequency_penalty"] + self.o["presence_penalty"]
            result.append((logit, token))
        return ordered(result)

    def breaker_limit(self, window):
        """Tokens after the last breaker: the nearest place from the end where one begins and is whole."""
        for i in range(len(window)):
            place = len(window) - 1 - i
            lengths = [len(b) for b in self.breakers if tuple(window[place:place + len(b)]) == b]
            if lengths:
                return i + 1 - max(lengths)
        return len(window)

    def dry(self, c):
        o = self.o
        window = self.history[-o["dry_penalty_last_n"]:] if o["dry_penalty_last_n"] else []
        if o["dry_multiplier"] == 0 or len(window) <= o["dry_allowed_length"]:
            return c
        limit = self.breaker_limit(window)
        if limit < o["dry_allowed_length"]:
            return c
        longest = {}
        for place in range(1, len(window)):  # the token there would repeat what is before it
            length = 0
            while length < place and window[place - 1 - length] == window[-1 - length]:
                length += 1
            length = min(length, limit)
            if length >= o["dry_allowed_length"]:
                longest[window[place]] = max(longest.get(window[place], 0), length)
        singles = {b[0] for b in self.breakers if len(b) == 1}
        return ordered([(logit - min(o["dry_multiplier"] * o["dry_base"] ** (longest[token] - o["dry_allowed_length"]), 3e38)
                         if token in longest and token not in singles else logit, token) for logit, token in c])

    def top_n_sigma(self, c):
        if self.o["top_n_sigma"] <= 0:
            return c
        mean = math.fsum(logit for logit, _ in c) / len(c)
        sigma = math.sqrt(math.fsum((logit - mean) ** 2 for logit, _ in c) / len(c))
        n = sum(logit >= c[0][0] - self.o["top_n_sigma"] * sigma for logit, _ in c)
        return c[:max(n, self.o["min_keep"], 1)]

    def top_k(self, c):
        return c[:max(self.o["top_k"], self.o["min_keep"])] if self.o["top_k"] else c

    def typ_p(self, c):
        if self.o["typical_p"] >= 1:
            return c
        p = softmax(c)
        entropy = -math.fsum(x * math.log(x) for x in p if x > 0)
        shifted = [abs(-math.log(x) - entropy) if x > 0 else math.inf for x in p]
        kept, total = [], 0
        for i in sorted(range(len(c)), key=lambda i: (shifted[i], i)):
            kept.append(c[i])
            total += p[i]
            if total > self.o["typical_p"] and len(kept) >= self.o["min_keep"]:
                break
        return ordered(kept)

    def top_p(self, c):
        total = 0
        if self.o["top_p"] >= 1:
            return c
        for i, x in enumerate(softmax(c)):
            total += x
            if total >= self.o["top_p"] and i + 1 >= self.o["min_keep"]:
                return c[:i + 1]
        return c

    def min_p(self, c):
        p = softmax(c)
        n = sum(x >= self.o["min_p"] * p[0] for x in p)
        return c[:max(n, self.o["min_keep"], 1)] if self.o["min_p"] > 0 else c

    def xtc(self, c):
        o = self.o
        if o["xtc_probability"] <= 0 or o["xtc_threshold"] > 0.5 or len(c) < 2:
            return c
        if uniform(o["seed"], 1, self.n_draws) > o["xtc_probability"]:
            return c
        n = sum(x >= o["xtc_threshold"] for x in softmax(c))
        return c[n - 1:] if n > 1 and len(c) - (n - 1) >= o["min_keep"] else c

    def temperature(self, c):
        o = self.o
        temperature = o["temperature"]
        if self.greedy:
            return c
        if o["dynatemp_range"] > 0:
            if len(c) < 2:
                return c
            low, high = max(0, temperature - o["dynatemp_range"]), temperature + o["dynatemp_range"]
            part = -math.fsum(x * math.log(x) for x in softmax(c) if x > 0) / math.log(len(c))
            temperature = low + (high - low) * min(max(part, 0), 1) ** o["dynatemp_exponent"]
        return [(logit / temperature, token) for logit, token in c] if temperature > 0 else c[:1]

    def mirostat(self, c):
        p = softmax(c)
        if self.o["mirostat"] == 2:
            return c[:max(1, sum(x > 0 and -math.log2(x) <= self.mu for x in p))]
        if len(c) < 2:
            return c
        t = [math.log((i + 2) / (i + 1)) for i in range(min(99, len(c) - 1))]
        b = [math.log(p[i] / p[i + 1]) for i in range(len(t))]
        s = sum(x * y for x, y in zip(t, b)) / sum(x * x for x in t)
        k = ((s - 1) * 2 ** self.mu / (1 - self.n_vocab ** (1 - s))) ** (1 / s)
        return c[:max(int(k), 1)]

    def distribution(self, logits, allowed=None):
        biased = list(logits)
        for token, bias in self.biases:
            biased[token] += f32(bias)
        c = ordered([(logit, token) for token, logit in enumerate(biased)
                     if math.isfinite(logit) and (allowed is None or token in allowed)])
        if not c:
            return []
        for name in self.samplers:
            if name in ("penalties", "dry", "temperature") or not (self.o["mirostat"] or self.greedy):
                c = getattr(self, name)(c)
        if self.greedy:
            c = c[:1]
        elif self.o["mirostat"]:
            c = self.mirostat(c)
        return list(zip([token for _, token in c], softmax(c)))

    def sample(self, logits, allowed=None):
        """The token; for a draw that falls between two tokens to within rounding, None."""
        distribution = self.distribution(logits, allowed)
        if self.greedy:
            return distribution[0][0]
        number, total = uniform(self.o["seed"], 0, self.n_draws), 0
        self.n_draws += 1
        for token, p in distribution:
            total += p
            if total > number:
                break
        if self.o["mirostat"]:
            self.mu -= self.o["mirostat_eta"] * (-math.log2(p) - self.o["mirostat_tau"])
        return token

    def accept(self, token):
        self.history.append(token)


# ---- The other one ----

class Shell:
    def __init__(self, program):
        self.process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def tell(self, *words):
        self.process.stdin.write(" ".join(str(word) for word in words) + "\n")

    def ask(self, *words):
        self.tell(*words)
        self.process.stdin.flush()
        return self.process.stdout.readline().split()

    def close(self):
        self.process.stdin.close()
        assert self.process.wait() == 0


SHELL = None


class Both:
    """The two with the same settings and history."""

    def __init__(self, n_vocab, options, samplers=None, biases=(), breakers=()):
        self.reference = Reference(n_vocab, options, samplers, biases, breakers)
        for breaker in breakers:
            SHELL.tell("breaker", *breaker)
        words = [f"{name}={value!r}" for name, value in options.items()]
        words += [f"sampler={name}" for name in samplers or []] + (["sampler="] if samplers == [] else [])
        words += [f"bias={token}:{bias}" for token, bias in biases]
        SHELL.tell("new", n_vocab, *words)
        self.allowed = None

    def accept(self, *tokens):
        for token in tokens:
            self.reference.accept(token)
        SHELL.tell("accept", *tokens)

    def allow(self, tokens):
        self.allowed = tokens
        SHELL.tell("allow", *sorted(tokens or []))

    def check(self, logits):
        answer = [word.split(":") for word in SHELL.ask("distribution", *(repr(x) for x in logits))]
        actual = [(int(token), float(p)) for token, p in answer]
        expected = self.reference.distribution(logits, self.allowed)
        what = f"\nactual   {actual[:12]}\nexpected {expected[:12]}\nof {len(actual)}, {len(expected)}"
        assert {t for t, _ in actual} == {t for t, _ in expected}, "other tokens" + what
        chances = dict(expected)
        assert all(abs(p - chances[t]) <= 1e-9 + 3e-5 * chances[t] for t, p in actual), "other chances" + what
        assert all(a[1] >= b[1] for a, b in zip(actual, actual[1:])), "not in order" + what
        assert not actual or abs(sum(p for _, p in actual) - 1) < 1e-9, "no distribution" + what
        return actual

    def sample(self, logits):
        n = self.reference.n_draws
        token, number = SHELL.ask("sample", *(repr(x) for x in logits))
        assert float(number) == uniform(self.reference.o["seed"], 0, n), f"draw {n} is another number"
        expected = self.reference.sample(logits, self.allowed)
        assert int(token) == expected, f"draw {n} is {token}, expected {expected}"
        return int(token)


def random_logits(rng, n):
    spread = rng.choice([0.5, 2, 4, 8])
    return [f32(rng.gauss(0, spread)) for _ in range(n)]



RANDOM = {
    "temperature": lambda r: r.uniform(0.1, 2), "top_k": lambda r: r.randrange(1, 80),
    "top_p": lambda r: r.random(), "min_p": lambda r: r.random() ** 3, "typical_p": lambda r: r.random(),
    "top_n_sigma": lambda r: r.uniform(0.1, 3), "repeat_penalty": lambda r: r.uniform(0.5, 2),
    "presence_penalty": lambda r: r.uniform(-2, 2), "frequency_penalty": lambda r: r.uniform(-2, 2),
    "repeat_last_n": lambda r: r.randrange(0, 40), "xtc_probability": lambda r: r.random(),
    "xtc_threshold": lambda r: r.uniform(0, 0.6), "dry_multiplier": lambda r: r.uniform(0, 3),
    "dry_base": lambda r: r.uniform(1, 3), "dry_allowed_length": lambda r: r.randrange(0, 5),
    "dry_penalty_last_n": lambda r: r.randrange(0, 64), "dynatemp_range": lambda r: r.uniform(0, 1),
    "dynatemp_exponent": lambda r: r.uniform(0, 2), "min_keep": lambda r: r.randrange(0, 6),
    "seed": lambda r: r.randrange(1 << 64),
}


def check_one_by_one():
    """Each setting alone, on distributions of all sizes."""
    rng = random.Random(1)
    for name, value in RANDOM.items():
        for _ in range(60):
            n = rng.choice([1, 2, 3, 17, 200, 700])
            options = {**OFF, name: value(rng)}
            if name.startswith("xtc"):
                options = {**options, "xtc_probability": 1.0, "xtc_threshold": rng.uniform(0, 0.3), name: value(rng)}
            if name.startswith("dry"):
                options = {**options, "dry_multiplier": 1.0, name: value(rng)}
            if name.startswith("dynatemp"):
                options = {**options, "dynatemp_range": 0.5, name: value(rng)}
            if name.startswith("repeat"):
                options = {**options, "repeat_penalty": 1.3, name: value(rng)}
            both = Both(n, options)
            both.accept(*(rng.randrange(min(n, 6)) for _ in range(rng.randrange(60))))
            both.check(random_logits(rng, n))


def check_together():
    """Any settings in any order, with biases and a mask."""
    rng = random.Random(2)
    for _ in range(600):
        n = rng.choice([2, 5, 60, 300])
        options = {name: RANDOM[name](rng) for name in rng.sample(sorted(RANDOM), rng.randrange(1, 12))}
        samplers = rng.choice([None, rng.sample(ORDER, rng.randrange(0, len(ORDER) + 1))])
        biases = [(rng.randrange(n), rng.choice([-100.0, -1.5, 2.0, -math.inf])) for _ in range(rng.randrange(3))]
        breakers = [[rng.randrange(min(n, 6)) for _ in range(rng.randrange(1, 4))] for _ in range(rng.randrange(3))]
        both = Both(n, options, samplers, biases, breakers)
        both.accept(*(rng.randrange(min(n, 6)) for _ in range(rng.randrange(80))))
        if rng.random() < 0.3:
            both.allow({rng.randrange(n) for _ in range(rng.randrange(1, n + 1))})
        both.check(random_logits(rng, n))


def check_dry():
    """Histories with an answer that is known by hand."""
    def punished(history, breakers=(), **options):
        both = Both(8, {**OFF, "dry_multiplier": 1.0, "dry_base": 2.0, **options}, breakers=breakers)
        both.accept(*history)
        p = dict(both.check([0.0] * 8))
        return {token: round(math.log(max(p.values()) / x), 4) if x else math.inf for token, x in p.items() if x < max(p.values())}
    assert punished([1, 2, 3, 4, 1, 2]) == {3: 1}
    assert punished([1, 2, 3, 4, 1, 2, 3]) == {4: 2}
    assert punished([1, 2, 3, 4, 1, 2, 3], dry_allowed_length=3) == {4: 1}
    assert punished([1, 2, 3, 4, 1, 2, 3], dry_allowed_length=4) == {}
    assert punished([1, 2, 3, 5, 2, 3, 4, 1, 2, 3]) == {5: 2, 4: 1}  # the longest place counts for each token
    assert punished([1, 2, 3, 4, 1, 2, 3], [[2]]) == {}              # one token since the breaker
    assert punished([5, 1, 2, 3, 4, 5, 1, 2, 3], [[5]]) == {4: 2}    # three, though four would match
    assert punished([1, 2, 3, 4, 1, 2, 3], [[4]]) == {}              # 4 is a breaker itself
    assert punished([6, 7, 1, 2, 3, 6, 7, 1, 2], [[6, 7]]) == {3: 1}
    assert punished([7, 7, 1, 2, 3, 7, 7, 1, 2], [[6, 7]]) == {3: 4}
    assert punished([1, 2, 3, 4, 1, 2, 3], dry_penalty_last_n=4) == {}
    assert punished([0] * 10, dry_penalty_last_n=1000) == {0: 2 ** 7}
    assert punished([0] * 10, dry_penalty_last_n=5) == {0: 2 ** 2}
    assert punished([0] * 1000, dry_penalty_last_n=1000)  # more than a float holds


def check_mirostat():
    """Feedback over many steps, both kinds, near their target in the end."""
    rng = random.Random(3)
    for kind in (1, 2):
        for tau in (1.0, 3.0, 5.0):
            both = Both(300, {**OFF, "mirostat": kind, "mirostat_tau": tau, "mirostat_eta": 0.2, "seed": 77})
            logits = [random_logits(rng, 300) for _ in range(8)]
            for i in range(150):
                both.check(logits[i % 8])
                both.accept(both.sample(logits[i % 8]))


def check_draws():
    """The same draws, with XTC's coin of its own, penalties that follow the answer, and a mask on the way."""
    rng = random.Random(4)
    for options in ({}, {"temperature": 0.0}, {**OFF, "xtc_probability": 0.5, "seed": 9},
                    {"repeat_penalty": 1.5, "dry_multiplier": 0.8, "seed": M64}, {"typical_p": 0.5, "top_k": 0}):
        both = Both(100, options)
        for i in range(60):
            both.allow({rng.randrange(100) for _ in range(30)} if i % 7 == 3 else None)
            both.accept(both.sample(random_logits(rng, 100)))


def check_chi_square():
    """1e5 draws follow the distribution: a fixed seed, so this is no matter of luck."""
    logits = [f32(x) for x in (1, 0.5, 0, -0.5, -1, -2, 2, 1.5)]
    both = Both(8, {**OFF, "seed": 2024})
    p = dict(both.check(logits))
    n, counts = 100000, dict.fromkeys(p, 0)
    line = "sample " + " ".join(map(repr, logits)) + "\n"
    for _ in range(n // 500):
        SHELL.process.stdin.write(line * 500)
        SHELL.process.stdin.flush()
        for _ in range(500):
            counts[int(SHELL.process.stdout.readline().split()[0])] += 1
    chi_square = sum((counts[t] - n * p[t]) ** 2 / (n * p[t]) for t in p)
    assert 1.2 < chi_square < 18.5, f"{chi_square:.2f} with 7 degrees of freedom"  # 1% on either side


def check_extremes():
    nan, inf = math.nan, math.inf
    for logits in ([0.0], [nan, 1.0], [inf, 1.0, -inf], [3.0] * 50, [f32(3e38), f32(-3e38), 0.0], [-inf, nan, inf],
                   [0.0, -0.0, 0.0], [f32(-3e38)] * 3):
        for options in ({}, {"temperature": 0.0}, {"top_k": 0, "typical_p": 0.3}, {"top_k": 0, "top_p": 0.1},
                        {"xtc_probability": 1.0, "xtc_threshold": 0.0}, {"mirostat": 2}, {"top_n_sigma": 0.5},
                        {"dynatemp_range": 0.7}, {"repeat_penalty": 2.0, "min_keep": 9}, {"temperature": 0.001}):
            both = Both(len(logits), options)
            both.accept(0)
            both.check(logits)
    both = Both(4, {}, biases=[(0, -inf), (1, -inf), (3, -inf)])
    assert both.check([9.0, 9.0, 1.0, 9.0]) == [(2, 1.0)]
    both.allow({0})
    assert both.check([9.0, 9.0, 1.0, 9.0]) == []


TESTS = [check_one_by_one, check_together, check_dry, check_mirostat, check_draws, check_chi_square, check_extremes]


def with_shell(test):
    global SHELL
    SHELL = Shell(sys.argv[1])
    test()
    SHELL.close()


if __name__ == "__main__":
    sys.exit(tap.run((test.__name__, with_shell, test) for test in TESTS))
