#!/usr/bin/env python3
"""Trains the embedded default model: python3 train.py --tldr FILE --minutes N --out FILE.gguf

The schedule follows the clock (constant learning rate, then a linear decay over the last half of
the minutes), so the same command suits any machine. State is saved next to the output as
FILE.gguf.state every few minutes; if that file is there, training goes on from it. With
--continue STATE a second stage starts from the weights of an earlier run: it warms up to a part
of the full rate and decays linearly from there on.

On CUDA one process trains. On a CPU two do, each on its own examples: parameters, gradients and
optimiser state lie in shared memory, and each process updates its half of the parameters with
the sum of both gradients.
"""
import argparse
import ctypes
import os
import random
import time

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # must be set before torch loads the library
import torch
import torch.multiprocessing as mp

import tokenizer as bpe
from corpus import Generator
from export import export
from model import SHAPE, Model, initialise, parameter_shapes, parts
from slots import pool_words

SEED = 20261122
TOKENS_PER_BATCH = 2048        # per process
POOL = 8192                    # examples that are sorted by length together
WARMUP_STEPS = 60
CONTINUED_RATE, CONTINUED_WARMUP = .65, .03    # of the full rate, of the time
SAVE_SECONDS = 180
MATRIX_RATE, ADAM_RATE = 1.2e-2, 4e-3
MATRIX_DECAY = 0.05
MOMENTUM, BETAS = 0.95, (0.9, 0.98)
TOKENIZER_EXAMPLES = 60_000
SPACED_WORDS = 800
DESCRIPTION = "Turns an everyday request into one shell command; trained by the ryzen-llm project"


def keep_freed_memory():
    """Stops malloc from giving each temporary tensor back to the kernel (glibc only)."""
    libc = ctypes.CDLL(None)
    for option in (-1, -3):    # M_TRIM_THRESHOLD, M_MMAP_THRESHOLD
        libc.mallopt(option, 1 << 30)


def learn_tokenizer(tldr):
    generator = Generator(SEED, tldr)
    texts = [t for _ in range(TOKENIZER_EXAMPLES) for t in generator.example()]
    return bpe.train(texts, pool_words(), SHAPE["vocab"], SPACED_WORDS)


def batches(tokenizer, generator, rng):
    """Endless batches of rows of nearly equal length: (tokens, flat positions with a loss)."""
    while True:
        pool = [tokenizer.example(*generator.example()) for _ in range(POOL)]
        pool = sorted((e for e in pool if len(e[0]) <= SHAPE["context"]), key=lambda e: len(e[0]))
        groups, group = [], []
        for example in pool:
            if group and len(example[0]) * (len(group) + 1) > TOKENS_PER_BATCH:
                groups.append(group)
                group = []
            group.append(example)
        rng.shuffle(groups)
        for group in groups:
            yield pack(group)


def pack(group):
    width = max(len(ids) for ids, _ in group)
    tokens = torch.full((len(group), width), bpe.PAD)
    wanted = []
    for row, (ids, n_prompt) in enumerate(group):
        tokens[row, :len(ids)] = torch.tensor(ids)
        wanted += range(row * (width - 1) + n_prompt - 1, row * (width - 1) + len(ids) - 1)
    return tokens, torch.tensor(wanted)


class Shared:
    """Everything that both processes see, as flat arrays in shared memory."""

    def __init__(self, device, world):
        self.sizes = parameter_shapes(SHAPE)
        n = sum(torch.Size(s).numel() for s in self.sizes.values())
        self.values, self.first, self.second = (torch.zeros(n, device=device) for _ in range(3))
        self.grads = torch.zeros(world, n, device=device)
        self.counts, self.losses = torch.zeros(world), torch.zeros(world)
        self.clock = torch.zeros(3, dtype=torch.float64)   # seconds trained, step, rate factor
        for tensor in vars(self).values():
            if isinstance(tensor, torch.Tensor) and not tensor.is_cuda:
                tensor.share_memory_()

    def views(self, flat):
        out, at = {}, 0
        for name, size in self.sizes.items():
            n = torch.Size(size).numel()
            out[name] = flat[at:at + n].view(size)
            at += n
        return out


def orthogonal(g):
    """Newton-Schulz iteration towards the nearest orthogonal matrix (Muon)."""
    x = g.bfloat16()
    if g.shape[0] > g.shape[1]:
        x = x.t()
    x = x / (x.float().norm() + 1e-7).bfloat16()
    for _ in range(5):
        a = x @ x.t()
        x = 3.4445 * x + (-4.7750 * a + 2.0315 * (a @ a)) @ x
    x = x.float()
    return x.t() if g.shape[0] > g.shape[1] else x


class Optimiser:
    """Muon for the ternary matrices, each on its own, and Adam for the embedding and the norms."""

    def __init__(self, shared, mine):
        self.values = shared.views(shared.values)
        self.first, self.second = shared.views(shared.first), shared.views(shared.second)
        self.grads = [shared.views(g) for g in shared.grads]
        self.mine = mine
        self.rows = {fused: [n for _, n in rows] for fused, (rows, _) in parts(SHAPE).items()}

    def step(self, rate, count, step):
        for name in self.mine:
            grad = sum(g[name] for g in self.grads) / count
            fused = name.split(".")[-1]
            if fused in self.rows:
                self.muon(name, self.rows[fused], grad, rate * MATRIX_RATE)
            else:
                self.adam(name, grad, rate * ADAM_RATE, step)

    def muon(self, name, rows, grad, rate):
        momentum = self.first[name]
        momentum.mul_(MOMENTUM).add_(grad, alpha=1 - MOMENTUM)
        update = grad.lerp_(momentum, MOMENTUM)
        self.values[name].mul_(1 - rate * MATRIX_DECAY)
        for value, part in zip(self.values[name].split(rows), update.split(rows)):
            scale = max(1.0, part.shape[0] / part.shape[1]) ** 0.5
            value.add_(orthogonal(part), alpha=-rate * scale)

    def adam(self, name, grad, rate, step):
        first, second = self.first[name], self.second[name]
        first.lerp_(grad, 1 - BETAS[0])
        second.mul_(BETAS[1]).addcmul_(grad, grad, value=1 - BETAS[1])
        size = (second / (1 - BETAS[1] ** step)).sqrt_().add_(1e-9)
        self.values[name].addcdiv_(first, size, value=-rate / (1 - BETAS[0] ** step))


def share_of(rank, world):
    """Deals the parameters out so that the processes' updates take about equally long."""
    load, mine = [0] * world, []
    sizes = {name: torch.Size(size).numel() for name, size in parameter_shapes(SHAPE).items()}
    for name, size in sorted(sizes.items(), key=lambda item: -item[1]):
        target = load.index(min(load))
        load[target] += size * (2 if "." in name else 1)
        if target == rank:
            mine.append(name)
    return mine


def rate_factor(progress, step, continued):
    if continued:
        return CONTINUED_RATE * min(1.0, progress / CONTINUED_WARMUP) * max(0.0, 1 - progress)
    return min(1.0, step / WARMUP_STEPS) * min(1.0, max(0.0, 2 * (1 - progress)))


def save(options, shared, model, tokenizer):
    state = {name: getattr(shared, name) for name in ("values", "first", "second", "clock")}
    torch.save(dict(state, merges=tokenizer.merges), options.out + ".state.part")
    os.replace(options.out + ".state.part", options.out + ".state")
    export(options.out, model, tokenizer, DESCRIPTION)


def train(rank, world, options, shared, tokenizer, barrier):
    """One process of the training; rank 0 keeps the clock, reports and saves."""
    torch.set_num_threads(1 if world > 1 else torch.get_num_threads())
    keep_freed_memory()
    device = shared.values.device
    params, grads = shared.views(shared.values), shared.views(shared.grads[rank])
    for name in params:
        params[name] = params[name].detach().requires_grad_()
        params[name].grad = grads[name]
    model = Model(SHAPE, params, torch.bfloat16)
    optimiser = Optimiser(shared, share_of(rank, world))
    start = int(shared.clock[1])
    generator = Generator(SEED + 1000 * start + rank, options.tldr)
    stream = batches(tokenizer, generator, random.Random(SEED + start + rank))
    began = reported = saved = time.time()
    losses, tokens_seen = [], 0
    before = float(shared.clock[0])
    model.quantise()
    while True:
        tokens, wanted = next(stream)
        shared.grads[rank].zero_()
        summed = model.loss(tokens.to(device), wanted.to(device))
        summed.backward()
        shared.counts[rank], shared.losses[rank] = len(wanted), float(summed)
        tokens_seen += tokens.numel() * world
        if rank == 0:
            shared.clock[0] = before + time.time() - began
            shared.clock[1] += 1
            shared.clock[2] = rate_factor(shared.clock[0] / (60 * options.minutes), shared.clock[1],
                                          options.earlier is not None)
        barrier.wait()
        rate, count = float(shared.clock[2]), float(shared.counts.sum())
        with torch.no_grad():
            optimiser.step(rate, count, int(shared.clock[1]))
        barrier.wait()
        model.quantise()
        losses.append(float(shared.losses.sum()) / count)
        if rank == 0 and int(shared.clock[1]) % 50 == 0:
            now = time.time()
            print(f"{shared.clock[0] / 60:6.1f} min  step {int(shared.clock[1]):6d}  "
                  f"loss {sum(losses) / len(losses):.4f}  "
                  f"{tokens_seen / (now - reported):6.0f} tokens/s", flush=True)
            losses, tokens_seen, reported = [], 0, now
        if rank == 0 and (rate <= 0 or time.time() - saved > SAVE_SECONDS):
            save(options, shared, model, tokenizer)
            saved = time.time()
        if rate <= 0:
            return


def prepare(options, world, device):
    """New or saved parameters, and the tokenizer that belongs to them."""
    shared = Shared(device, world)
    interrupted = os.path.exists(options.out + ".state")
    if interrupted or options.earlier:
        state = torch.load(options.out + ".state" if interrupted else options.earlier, map_location=device)
        for name in ("values", "first", "second", "clock"):
            getattr(shared, name).copy_(state[name])
        if not interrupted:
            shared.clock[0] = 0    # the steps go on counting: they seed the examples
        return shared, bpe.Tokenizer(state["merges"])
    initialise(shared.views(shared.values), SEED)
    return shared, learn_tokenizer(options.tldr)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--tldr", help="tldr-pages examples as JSON lines (optional seasoning)")
    parser.add_argument("--minutes", type=float, default=75)
    parser.add_argument("--continue", dest="earlier", metavar="STATE",
                        help="the .state file of an earlier run: a second stage with its weights")
    parser.add_argument("--out", required=True, help="the GGUF file to write")
    options = parser.parse_args()
    cuda = torch.cuda.is_available()
    world = 1 if cuda else min(2, os.cpu_count())
    shared, tokenizer = prepare(options, world, "cuda" if cuda else "cpu")
    barrier = mp.Barrier(world)
    if world == 1:
        train(0, 1, options, shared, tokenizer, barrier)
    else:
        mp.start_processes(train, (world, options, shared, tokenizer, barrier), nprocs=world,
                           start_method="fork")


if __name__ == "__main__":
    main()
